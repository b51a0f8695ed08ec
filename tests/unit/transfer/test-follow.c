/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A node in front of a primary that is a zone in memory. */
#include "tests/unit/zoned/server-fixture.h"
#include "tests/unit/zoned/unit.h"

#include "services/zoned/transfer-wire.h"
#include "services/zoned/update-state.h"

#define ZONE  "members.example.org"
#define ALICE FIXTURE_DOMAIN

struct primary {
	struct zone *zone;
	unsigned int n_updates;
	unsigned int n_refused; /* by a prerequisite */
	const char *meanwhile;  /* another node adds this before the next UPDATE comes */
	bool is_down;
	bool is_told_twice; /* an answer is lost: the UPDATE comes again, and finds itself */
};

static struct zone_record *make_record(const char *text)
{
	struct zone_record *record;
	ldns_rr *rr = NULL;

	assert_int_equal(ldns_rr_new_frm_str(&rr, text, 10, NULL, NULL), LDNS_STATUS_OK);
	assert_int_equal(zone_record_new(rr, ZONE_NEVER, NULL, &record), 0);
	return record;
}

static void put(struct zone *zone, const char *text)
{
	struct zone_record *record = make_record(text);

	assert_int_equal(zone_put(zone, record), 0);
	zone_record_unref(record);
}

static int note_change(void *userdata, enum zone_change change, struct zone_record *record)
{
	if (record->type != LDNS_RR_TYPE_SOA && change != ZONE_CHANGE_REFRESHED)
		assert_int_equal(zone_delta_append(userdata, change == ZONE_CHANGE_ADDED,
						   ldns_rr_clone(record->rr)),
				 0);
	return 0;
}

/* What came of the primary's zone since `before`; everything, with NULL. */
static void tell(struct fixture *fixture, const struct zone *before)
{
	struct primary *primary = fixture->primary;
	cleanup(zone_freep) struct zone *nothing = NULL;
	struct zone_delta *delta = calloc(1, sizeof *delta);

	assert_int_equal(zone_new(fixture->options.zone, &nothing), 0);
	delta->is_whole = !before;
	delta->soa = ldns_rr_clone(zone_soa(primary->zone)->rr);
	delta->to = zone_serial(primary->zone);
	assert_int_equal(zone_diff(before ?: nothing, primary->zone, note_change, delta), 0);
	assert_int_equal(authority_learn(fixture->authority, delta), 0);
}

/* The operator, or another node. */
static void change_at_primary(struct fixture *fixture, const char *removed, const char *added)
{
	struct primary *primary = fixture->primary;
	cleanup(zone_freep) struct zone *before = NULL;

	assert_int_equal(zone_new_copy(primary->zone, &before), 0);
	if (removed) {
		struct zone_record *record = make_record(removed);
		const struct zone_record *same = zone_find_same(primary->zone, record);

		for (size_t i = 0; same && i < primary->zone->n_records; i++)
			if (primary->zone->records[i] == same) {
				zone_remove_at(primary->zone, i);
				break;
			}
		zone_record_unref(record);
	}
	if (added)
		put(primary->zone, added);
	zone_bump_serial(primary->zone);
	tell(fixture, before);
}

static int publish(struct fixture *fixture)
{
	const struct update_batch *batch = authority_updates(fixture->authority);
	struct primary *primary = fixture->primary;
	struct update_grant grant = { .writer = { .key_name = "", .account_key_name = "" },
				      .expires = ZONE_NEVER };
	int outcome = 0;

	if (primary->is_down)
		return -ENOTCONN;
	if (primary->meanwhile)
		change_at_primary(fixture, NULL, primary->meanwhile);
	primary->meanwhile = NULL;
	for (size_t i = 0; i < batch->n << primary->is_told_twice; i++) {
		const struct octets *update = &batch->items[i % batch->n];
		cleanup(zone_freep) struct zone *next = NULL, *before = NULL;
		struct dns_message *message;

		assert_int_equal(zone_new_copy(primary->zone, &next), 0);
		assert_int_equal(dns_message_parse(update->data, update->size, &message), 0);
		assert_int_equal(message->opcode, LDNS_PACKET_UPDATE);
		primary->n_updates++;
		if (update_apply(primary->zone, next, message, &grant, 0) != LDNS_RCODE_NOERROR) {
			primary->n_refused++;
			outcome = -EAGAIN;
		} else {
			before = primary->zone;
			primary->zone = steal_ptr(next);
			tell(fixture, before);
		}
		dns_message_free(message);
	}
	return outcome;
}

static void start(struct fixture *fixture, struct primary *primary)
{
	*primary = (struct primary){};
	fixture_start(fixture);
	fixture->options.is_follower = true;
	fixture->publish = publish;
	fixture->primary = primary;
	assert_int_equal(zone_new(fixture->options.zone, &primary->zone), 0);
	put(primary->zone, ZONE ". 3600 SOA primary." ZONE ". a. 7 1 1 1 1");
	put(primary->zone, ZONE ". 3600 NS ns." ZONE ".");
	put(primary->zone, ZONE ". 3600 NS ns2." ZONE ".");
	put(primary->zone, "ns." ZONE ". 3600 A 192.0.2.53");
	put(primary->zone, "ns2." ZONE ". 3600 A 192.0.2.54");
	fixture_restart(fixture);
}

static void sync_up(struct fixture *fixture)
{
	tell(fixture, NULL);
	authority_set_reachable(fixture->authority, true);
	fixture_work(fixture);
}

static void stop(struct fixture *fixture)
{
	struct primary *primary = fixture->primary;

	zone_free(primary->zone);
	fixture_stop(fixture);
}

static bool has(struct fixture *fixture, const char *text)
{
	struct primary *primary = fixture->primary;
	struct zone_record *record = make_record(text);
	bool is = zone_find_same(primary->zone, record);

	zone_record_unref(record);
	return is;
}

static void account_is_claimed(void **state)
{
	struct fixture fixture;
	struct primary primary;

	start(&fixture, &primary);
	/* Nothing is known of the zone yet. */
	assert_int_equal(fixture_add(&fixture, DESKTOP_KEY, 7200, "desktop A 192.0.2.1"),
			 LDNS_RCODE_SERVFAIL);
	sync_up(&fixture);
	assert_int_equal(primary.n_updates, 1);
	assert_true(has(&fixture, "_dns-update._udp." ALICE ". 3600 SRV 0 0 53 ns." ZONE "."));
	assert_false(has(&fixture, ALICE ". 3600 NS ns." ZONE "."));
	assert_int_equal(fixture_add(&fixture, DESKTOP_KEY, 7200, "desktop A 192.0.2.1"), 0);
	assert_true(has(&fixture, "desktop." ALICE ". 10 A 192.0.2.1"));
	assert_int_equal(fixture_count(&fixture, "desktop", LDNS_RR_TYPE_A), 1);
	/* A refreshed lease is nothing to the primary. */
	fixture_sleep(&fixture, 1000);
	assert_int_equal(fixture_add(&fixture, DESKTOP_KEY, 7200, "desktop A 192.0.2.1"), 0);
	assert_int_equal(primary.n_updates, 2);
	stop(&fixture);
}

static void lease_ends(void **state)
{
	struct fixture fixture;
	struct primary primary;

	start(&fixture, &primary);
	sync_up(&fixture);
	assert_int_equal(fixture_add(&fixture, DESKTOP_KEY, 1800, "desktop A 192.0.2.1"), 0);
	/* Unreachable, it does not end; out of sight it is. */
	authority_set_reachable(fixture.authority, false);
	primary.is_down = true;
	fixture_sleep(&fixture, 1801000);
	assert_int_equal(fixture_count(&fixture, "desktop", LDNS_RR_TYPE_A), -1);
	assert_true(has(&fixture, "desktop." ALICE ". 10 A 192.0.2.1"));
	primary.is_down = false;
	authority_set_reachable(fixture.authority, true);
	fixture_work(&fixture);
	assert_false(has(&fixture, "desktop." ALICE ". 10 A 192.0.2.1"));
	stop(&fixture);
}

static void change_meanwhile(void **state)
{
	struct fixture fixture;
	struct primary primary;

	start(&fixture, &primary);
	sync_up(&fixture);
	assert_int_equal(fixture_add(&fixture, ALICE, 7200, "list A 192.0.2.1"), 0);
	primary.meanwhile = "list." ALICE ". 10 A 192.0.2.2";
	assert_int_equal(fixture_add(&fixture, ALICE, 7200, "list A 192.0.2.3"), 0);
	assert_int_equal(primary.n_refused, 1);
	assert_int_equal(fixture_count(&fixture, "list", LDNS_RR_TYPE_A), 3);
	/* Of another set: no reason to try again. */
	primary.meanwhile = "other." ALICE ". 10 A 192.0.2.2";
	assert_int_equal(fixture_add(&fixture, ALICE, 7200, "list A 192.0.2.4"), 0);
	assert_int_equal(primary.n_refused, 1);
	assert_int_equal(fixture_count(&fixture, "other", LDNS_RR_TYPE_A), 1);
	assert_int_equal(fixture_count(&fixture, "list", LDNS_RR_TYPE_A), 4);
	stop(&fixture);
}

/* The prerequisite of the client would fail at what its own UPDATE has made. */
static void answer_is_lost(void **state)
{
	struct exchange exchange;
	struct fixture fixture;
	struct primary primary;
	ldns_rdf *name;

	start(&fixture, &primary);
	sync_up(&fixture);
	primary.is_told_twice = true;
	exchange_begin_update(&exchange);
	name = exchange_name("desktop");
	dns_builder_add_empty_rr(&exchange.builder, DNS_SECTION_ANSWER, name, LDNS_RR_TYPE_ANY,
				 LDNS_RR_CLASS_NONE);
	ldns_rdf_deep_free(name);
	exchange_add(&exchange, "desktop A 192.0.2.1");
	exchange_add_lease(&exchange, 1800);
	assert_int_equal(fixture_send(&fixture, &exchange, DESKTOP_KEY), 0);
	exchange_clear(&exchange);
	assert_int_equal(primary.n_refused, 1);
	primary.is_told_twice = false;
	/* With the lease that was granted. */
	fixture_sleep(&fixture, 1799000);
	assert_int_equal(fixture_count(&fixture, "desktop", LDNS_RR_TYPE_A), 1);
	fixture_sleep(&fixture, 2000);
	assert_int_equal(fixture_count(&fixture, "desktop", LDNS_RR_TYPE_A), -1);
	assert_false(has(&fixture, "desktop." ALICE ". 10 A 192.0.2.1"));
	stop(&fixture);
}

static void primary_is_down(void **state)
{
	struct fixture fixture;
	struct primary primary;

	start(&fixture, &primary);
	sync_up(&fixture);
	assert_int_equal(fixture_add(&fixture, DESKTOP_KEY, 7200, "desktop A 192.0.2.1"), 0);
	primary.is_down = true;
	assert_int_equal(fixture_add(&fixture, DESKTOP_KEY, 7200, "desktop A 192.0.2.2"),
			 LDNS_RCODE_SERVFAIL);
	assert_int_equal(fixture_count(&fixture, "desktop", LDNS_RR_TYPE_A), 1);
	primary.is_down = false;
	fixture_sleep(&fixture, 2000);
	assert_int_equal(fixture_add(&fixture, DESKTOP_KEY, 7200, "desktop A 192.0.2.2"), 0);
	stop(&fixture);
}

static void move(struct fixture *fixture, const char *from, const char *to)
{
	char old[200], new[200];

	snprintf(old, sizeof old, "_dns-update._udp." ALICE ". 3600 SRV 0 0 53 %s." ZONE ".", from);
	snprintf(new, sizeof new, "_dns-update._udp." ALICE ". 3600 SRV 0 0 53 %s." ZONE ".", to);
	change_at_primary(fixture, old, new);
	fixture_work(fixture);
}

static void account_moves(void **state)
{
	struct fixture fixture;
	struct primary primary;

	start(&fixture, &primary);
	sync_up(&fixture);
	assert_int_equal(fixture_add(&fixture, DESKTOP_KEY, 1800, "desktop A 192.0.2.1"), 0);
	move(&fixture, "ns", "ns2");
	/* Nothing ends in what is not ours, and nothing is taken. */
	fixture_sleep(&fixture, 10000000);
	assert_int_equal(fixture_count(&fixture, "desktop", LDNS_RR_TYPE_A), 1);
	assert_int_equal(fixture_add(&fixture, DESKTOP_KEY, 1800, "desktop A 192.0.2.2"),
			 LDNS_RCODE_SERVFAIL);
	/* It comes back: a whole lease for all that is there. */
	move(&fixture, "ns2", "ns");
	fixture_sleep(&fixture, 7199000);
	assert_int_equal(fixture_count(&fixture, "desktop", LDNS_RR_TYPE_A), 1);
	fixture_sleep(&fixture, 2000);
	assert_int_equal(fixture_count(&fixture, "desktop", LDNS_RR_TYPE_A), -1);
	assert_false(has(&fixture, "desktop." ALICE ". 10 A 192.0.2.1"));
	/* The services stay. */
	assert_true(has(&fixture, "_dns-update._udp." ALICE ". 3600 SRV 0 0 53 ns." ZONE "."));
	stop(&fixture);
}

static void restart_keeps_leases(void **state)
{
	struct fixture fixture;
	struct primary primary;

	start(&fixture, &primary);
	sync_up(&fixture);
	assert_int_equal(fixture_add(&fixture, DESKTOP_KEY, 1800, "desktop A 192.0.2.1"), 0);
	fixture_sleep(&fixture, 1000000);
	fixture_restart(&fixture);
	/* Before the first transfer what is known is shown. */
	assert_int_equal(fixture_count(&fixture, "desktop", LDNS_RR_TYPE_A), 1);
	sync_up(&fixture);
	assert_int_equal(fixture_count(&fixture, "desktop", LDNS_RR_TYPE_A), 1);
	fixture_sleep(&fixture, 801000);
	assert_int_equal(fixture_count(&fixture, "desktop", LDNS_RR_TYPE_A), -1);
	assert_false(has(&fixture, "desktop." ALICE ". 10 A 192.0.2.1"));
	stop(&fixture);
}

static void storage_fails(void **state)
{
	struct fixture fixture;
	struct primary primary;

	start(&fixture, &primary);
	sync_up(&fixture);
	fixture.fails_to_commit = true;
	assert_int_equal(fixture_add(&fixture, DESKTOP_KEY, 1800, "desktop A 192.0.2.1"),
			 LDNS_RCODE_SERVFAIL);
	fixture.fails_to_commit = false;
	fixture_sleep(&fixture, 2000);
	/* The primary has it, and so have we, and it does not live for ever. */
	assert_int_equal(fixture_count(&fixture, "desktop", LDNS_RR_TYPE_A), 1);
	fixture_sleep(&fixture, 7300000);
	assert_int_equal(fixture_count(&fixture, "desktop", LDNS_RR_TYPE_A), -1);
	stop(&fixture);
}

static void differences_that_do_not_fit(void **state)
{
	struct fixture fixture;
	struct primary primary;
	struct zone *before;

	start(&fixture, &primary);
	sync_up(&fixture);
	assert_false(authority_wants_whole(fixture.authority));
	/* Something goes that was never there. */
	assert_int_equal(zone_new_copy(primary.zone, &before), 0);
	put(before, "ghost." ALICE ". 10 A 192.0.2.66");
	tell(&fixture, before);
	zone_free(before);
	fixture_work(&fixture);
	assert_true(authority_wants_whole(fixture.authority));
	tell(&fixture, NULL);
	fixture_work(&fixture);
	assert_false(authority_wants_whole(fixture.authority));
	stop(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(account_is_claimed),
		cmocka_unit_test(lease_ends),
		cmocka_unit_test(change_meanwhile),
		cmocka_unit_test(primary_is_down),
		cmocka_unit_test(account_moves),
		cmocka_unit_test(restart_keeps_leases),
		cmocka_unit_test(answer_is_lost),
		cmocka_unit_test(storage_fails),
		cmocka_unit_test(differences_that_do_not_fit),
	};

	return cmocka_run_group_tests_name("follow", tests, NULL, NULL);
}
