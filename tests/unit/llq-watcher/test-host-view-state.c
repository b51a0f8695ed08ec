/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list of hosts and the walk AAAA -> SRV -> A, against a server that holds a small zone. */
#include "tests/unit/llq-watcher/played-server.h"

#include "services/llq-watcher/host-view-state.h"

#include <arpa/inet.h>

#define BROWSE  "_autotunnel._udp.alice.example. 10 IN PTR _autotunnel._udp."
#define LAPTOP  BROWSE "laptop.alice.example."
#define DESKTOP BROWSE "desktop.alice.example."
#define TARGET  "AutoTunnel-00-22-69-FF-FE-8E-34-2A.alice.example."
#define OTHER   "AutoTunnel-00-22-69-FF-FE-8E-34-2B.Alice.EXAMPLE."

static struct host_view view;
static const char *zone[16]; /* records, ended by NULL */

static int setup(void **state)
{
	memset(zone, 0, sizeof(zone));
	host_view_init(&view, "alice.example", "laptop");
	return start_set(state);
}

static int teardown(void **state)
{
	host_view_clear(&view);
	return free_set(state);
}

static void set_zone(const char *const *records)
{
	memset(zone, 0, sizeof(zone));
	for (size_t i = 0; records[i]; i++)
		zone[i] = records[i];
}

/* The zone's records that answer a question. */
static void answers(const struct got *got, const char *found[16])
{
	size_t n = 0;

	for (size_t i = 0; zone[i]; i++) {
		ldns_rr *rr = NULL;

		assert_int_equal(ldns_rr_new_frm_str(&rr, zone[i], 0, NULL, NULL), LDNS_STATUS_OK);
		if (ldns_rr_get_type(rr) == got->type &&
		    ldns_dname_compare(ldns_rr_owner(rr), got->name) == 0)
			found[n++] = zone[i];
		ldns_rr_free(rr);
	}
	found[n] = NULL;
}

static void want(void)
{
	watch_set_want_begin(set);
	host_view_want(&view, set);
	watch_set_want_end(set, &now);
}

/* Serves until the set is quiet; returns how many queries were set up. */
static unsigned int serve(void)
{
	static uint64_t next_id = 1;
	unsigned int n = 0;
	struct got got;

	while ((got = get()).any) {
		const char *found[16];

		if (got.llq.opcode == DNS_LLQ_OPCODE_SETUP && got.llq.id == 0) {
			challenge(&got, next_id++, 7200);
			n++;
		} else if (got.llq.opcode == DNS_LLQ_OPCODE_SETUP) {
			answers(&got, found);
			acknowledge(&got, found);
			want();
		}
		forget(&got);
	}
	host_view_update(&view, set);
	return n;
}

static void begin(void)
{
	want();
	watch_set_start(set, &key, &now);
}

static struct host *only_host(void)
{
	assert_int_equal(view.n_hosts, 1);
	return view.hosts[0];
}

static void assert_endpoint(const struct host *host, const char *address, uint16_t port,
			    uint64_t generation)
{
	char text[INET_ADDRSTRLEN];

	assert_true(host->live);
	assert_string_equal(inet_ntop(AF_INET, &host->endpoint.sin_addr, text, sizeof(text)),
			    address);
	assert_int_equal(ntohs(host->endpoint.sin_port), port);
	assert_int_equal(host->endpoint_generation, generation);
}

#define DESKTOP_AT(address, port)                                                                  \
	RECORDS(LAPTOP, DESKTOP, "desktop.alice.example. 10 IN AAAA fd01::1",                      \
		"desktop.alice.example. 10 IN TXT \"model=Linux x86_64\"",                         \
		"_autotunnel._udp.desktop.alice.example. 10 IN SRV 0 0 " port " " TARGET,          \
		TARGET " 10 IN A " address)

static void the_walk(void **state)
{
	struct host *host;

	set_zone(DESKTOP_AT("203.0.113.5", "4500"));
	begin();
	assert_int_equal(serve(), 5);
	host = only_host();
	assert_string_equal(host->label, "desktop");
	assert_string_equal(host->name, "desktop.alice.example");
	assert_string_equal(host->tunnel_label, "AutoTunnel-00-22-69-FF-FE-8E-34-2A");
	assert_true(host->has_id);
	assert_int_equal(host->id.s6_addr[15], 1);
	assert_int_equal(host->n_device, 1);
	assert_string_equal(host->device[0], "model=Linux x86_64");
	assert_endpoint(host, "203.0.113.5", 4500, 1);
	assert_true(host->changes & HOST_CHANGE_ADDED);
}

static void nobody_else(void **state)
{
	set_zone(RECORDS(LAPTOP));
	begin();
	assert_int_equal(serve(), 1);
	assert_int_equal(view.n_hosts, 0);
	assert_int_equal(watch_set_status(set), LLQ_STATUS_WATCHING);
}

static void odd_entries_are_passed_over(void **state)
{
	set_zone(RECORDS(LAPTOP, BROWSE "desktop.bob.example.", BROWSE "a.b.alice.example.",
			 BROWSE "alice.example.", BROWSE "d\\032sk.alice.example.",
			 "_autotunnel._udp.alice.example. 10 IN PTR .",
			 "_autotunnel._udp.alice.example. 10 IN PTR desktop.alice.example."));
	begin();
	assert_int_equal(serve(), 1);
	assert_int_equal(view.n_hosts, 0);
}

static void host_moves(void **state)
{
	struct host *host;

	set_zone(DESKTOP_AT("203.0.113.5", "4500"));
	begin();
	serve();
	host = only_host();
	host->changes = 0;
	/* Set up anew, with the same answers: a repetition is no change. */
	watch_set_start(set, &key, &now);
	assert_endpoint(host, "203.0.113.5", 4500, 1);
	assert_int_equal(serve(), 5);
	assert_int_equal(host->changes, 0);

	set_zone(DESKTOP_AT("198.51.100.7", "61234"));
	watch_set_start(set, &key, &now);
	serve();
	assert_endpoint(host, "198.51.100.7", 61234, 2);
	assert_int_equal(host->changes, HOST_CHANGE_ENDPOINT);
}

static void other_target(void **state)
{
	uint8_t buffer[1232];
	ldns_rdf *service = dns_record_name("_autotunnel._udp.desktop.alice.example");
	struct got got;
	size_t size;

	set_zone(DESKTOP_AT("203.0.113.5", "4500"));
	begin();
	serve();
	only_host()->changes = 0;
	/* The set's queries got their IDs in the order they were asked in: the SRV's is found by
	 * trying. */
	for (uint64_t id = 1; id < 40; id++) {
		size = write_event(service, LDNS_RR_TYPE_SRV, id,
				   RECORDS("-_autotunnel._udp.desktop.alice.example. 10 IN SRV 0 0 "
					   "4500 " TARGET,
					   "_autotunnel._udp.desktop.alice.example. 10 IN SRV 0 0 "
					   "4500 " OTHER),
				   buffer, sizeof(buffer));
		watch_set_receive(set, &now, buffer, size);
	}
	want();
	host_view_update(&view, set);
	/* Until the new target's address is known, the old endpoint stays. */
	assert_endpoint(only_host(), "203.0.113.5", 4500, 1);
	set_zone(RECORDS(OTHER " 10 IN A 192.0.2.9"));
	got = get();
	assert_true(got.response);
	forget(&got);
	assert_int_equal(serve(), 1);
	assert_endpoint(only_host(), "192.0.2.9", 4500, 2);
	assert_string_equal(only_host()->tunnel_label, "AutoTunnel-00-22-69-FF-FE-8E-34-2B");
	ldns_rdf_deep_free(service);
}

/* The server lets an account watch its own names only; a host that names another one must not make
 * it refuse all. */
static void target_elsewhere(void **state)
{
	static const char *const targets[] = { "www.example.com.", "alice.example.", "." };

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		char service[200];

		snprintf(service, sizeof(service),
			 "_autotunnel._udp.desktop.alice.example. 10 IN SRV 0 0 4500 %s",
			 targets[i]);
		set_zone(RECORDS(LAPTOP, DESKTOP, service));
		watch_set_abandon(set);
		watch_set_start(set, &key, &now);
		/* The list, and of the one host SRV, AAAA and TXT: no A. */
		assert_int_equal(serve(), 4);
		assert_int_equal(watch_set_status(set), LLQ_STATUS_WATCHING);
		assert_false(only_host()->live);
	}
}

static void host_without_endpoint(void **state)
{
	set_zone(RECORDS(DESKTOP, "desktop.alice.example. 10 IN AAAA fd01::1"));
	begin();
	assert_int_equal(serve(), 4);
	assert_false(only_host()->live);
	assert_true(only_host()->has_id);
}

static void lease_ended(void **state)
{
	set_zone(DESKTOP_AT("203.0.113.5", "4500"));
	begin();
	serve();
	set_zone(RECORDS(LAPTOP));
	watch_set_start(set, &key, &now);
	/* As last known, as long as nothing else is. */
	host_view_update(&view, set);
	assert_endpoint(only_host(), "203.0.113.5", 4500, 1);
	serve();
	assert_true(only_host()->changes & HOST_CHANGE_REMOVED);
	host_view_drop_removed(&view);
	assert_int_equal(view.n_hosts, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_walk, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_else, setup, teardown),
		cmocka_unit_test_setup_teardown(odd_entries_are_passed_over, setup, teardown),
		cmocka_unit_test_setup_teardown(host_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(other_target, setup, teardown),
		cmocka_unit_test_setup_teardown(target_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(host_without_endpoint, setup, teardown),
		cmocka_unit_test_setup_teardown(lease_ended, setup, teardown),
	};

	return cmocka_run_group_tests_name("host-view-state", tests, NULL, NULL);
}
