/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Services: types, instances, their SRV and TXT, against a server that holds a small zone. */
#include "tests/unit/llq-watcher/played-server.h"

#include "services/llq-watcher/record-list.h"
#include "services/llq-watcher/service-view-state.h"

#define ZONE_MAX    400
#define ENUMERATION "_services._dns-sd._udp.alice.example. 10 IN PTR "

static struct service_view view;
static char zone[ZONE_MAX][200];
static size_t n_zone, room;

static int setup(void **state)
{
	n_zone = 0;
	room = LLQ_SET_MAX;
	memset(&view, 0, sizeof(view));
	assert_int_equal(service_view_init(&view, "alice.example"), 0);
	return start_set(state);
}

static int teardown(void **state)
{
	service_view_clear(&view);
	return free_set(state);
}

static void publish(const char *record)
{
	assert_true(n_zone < ZONE_MAX);
	snprintf(zone[n_zone++], sizeof(zone[0]), "%s", record);
}

static void publish_ssh(void)
{
	publish(ENUMERATION "_ssh._tcp.alice.example.");
	publish("_ssh._tcp.alice.example. 10 IN PTR My\\032Desktop._ssh._tcp.alice.example.");
	publish("My\\032Desktop._ssh._tcp.alice.example. 10 IN SRV 0 0 22 Desktop.alice.example.");
	publish("My\\032Desktop._ssh._tcp.alice.example. 10 IN TXT \"a=1\" \"b\"");
}

/* The zone's records that answer a question, as many as fit a message. */
static void answers(const struct got *got, const char **found)
{
	size_t n = 0;

	for (size_t i = 0; i < n_zone && n < 16; i++) {
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
	service_view_want(&view, set, room);
	watch_set_want_end(set, &now);
}

/* Serves until the set is quiet; returns how many queries were set up. */
static unsigned int serve(void)
{
	static uint64_t next_id = 1;
	unsigned int n = 0;
	struct got got;

	while ((got = get()).any) {
		const char *found[17];

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
	service_view_update(&view, set);
	return n;
}

static unsigned int begin(void)
{
	want();
	watch_set_start(set, &key, &now);
	return serve();
}

static void ask_anew(void)
{
	watch_set_abandon(set);
	watch_set_start(set, &key, &now);
	serve();
}

static void test_a_service(void **state)
{
	const struct service *service;

	publish_ssh();
	assert_int_equal(begin(), 4);
	assert_int_equal(view.n_services, 1);
	service = view.services[0];
	assert_string_equal(service->name, "My Desktop");
	assert_string_equal(service->type, "_ssh._tcp");
	assert_string_equal(service->domain, "alice.example");
	assert_string_equal(service->host, "desktop");
	assert_string_equal(service->target, "desktop.alice.example");
	assert_int_equal(service->port, 22);
	assert_true(service->live);
	assert_int_equal(service->text_size, 6);
	assert_memory_equal(service->text, "\3a=1\1b", 6);
	assert_int_equal(service->changes,
			 SERVICE_CHANGE_ADDED | SERVICE_CHANGE_TARGET | SERVICE_CHANGE_TEXT);
}

static void test_it_moves_and_goes(void **state)
{
	uint64_t number;

	publish_ssh();
	begin();
	number = view.services[0]->number;
	view.services[0]->changes = 0;
	strcpy(zone[2], "My\\032Desktop._ssh._tcp.alice.example. 10 IN SRV 0 0 2222 "
			"laptop.alice.example.");
	ask_anew();
	assert_int_equal(view.services[0]->changes, SERVICE_CHANGE_TARGET);
	assert_string_equal(view.services[0]->host, "laptop");
	assert_int_equal(view.services[0]->port, 2222);
	view.services[0]->changes = 0;
	strcpy(zone[2], zone[3]);
	ask_anew();
	assert_false(view.services[0]->live);
	assert_string_equal(view.services[0]->target, "");
	view.services[0]->changes = 0;
	n_zone = 0;
	ask_anew();
	assert_int_equal(view.services[0]->changes, SERVICE_CHANGE_REMOVED);
	service_view_drop_removed(&view);
	assert_int_equal(view.n_services, 0);
	/* It comes back as another object. */
	publish_ssh();
	ask_anew();
	assert_true(view.services[0]->number > number);
}

static void test_nothing_is_lost_while_it_is_asked_anew(void **state)
{
	publish_ssh();
	begin();
	view.services[0]->changes = 0;
	watch_set_abandon(set);
	watch_set_start(set, &key, &now);
	service_view_update(&view, set);
	assert_int_equal(view.services[0]->changes, 0);
	assert_true(view.services[0]->live);
}

static void test_bad_names(void **state)
{
	static const char *const bad[] = {
		/* Types that are none, not the account's, or ours. */
		ENUMERATION "ssh._tcp.alice.example.",
		ENUMERATION "_ssh._sctp.alice.example.",
		ENUMERATION "_ssh._tcp.bob.example.",
		ENUMERATION "_ssh._tcp.alice.example.com.",
		ENUMERATION "_s\\.h._tcp.alice.example.",
		ENUMERATION "_autotunnel._udp.alice.example.",
		ENUMERATION "_dns-sd._udp.alice.example.",
		ENUMERATION "alice.example.",
		ENUMERATION ".",
		ENUMERATION "_x._tcp.alice.example.",
		/* Instances that are none. */
		"_x._tcp.alice.example. 10 IN PTR _x._tcp.alice.example.",
		"_x._tcp.alice.example. 10 IN PTR a.b._x._tcp.alice.example.",
		"_x._tcp.alice.example. 10 IN PTR a._y._tcp.alice.example.",
		"_x._tcp.alice.example. 10 IN PTR a._x._tcp.bob.example.",
		"_x._tcp.alice.example. 10 IN PTR a\\007b._x._tcp.alice.example.",
		"_x._tcp.alice.example. 10 IN PTR a\\255b._x._tcp.alice.example.",
		"_x._tcp.alice.example. 10 IN PTR a\\192\\128._x._tcp.alice.example.",
		"_x._tcp.alice.example. 10 IN PTR a\\237\\160\\128._x._tcp.alice.example.",
		"_x._tcp.alice.example. 10 IN PTR a\\194\\133._x._tcp.alice.example.",
		"_x._tcp.alice.example. 10 IN PTR .",
		/* And one that is. */
		"_x._tcp.alice.example. 10 IN PTR Caf\\195\\169\\.b._X._tcp.Alice.example.",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		publish(bad[i]);
	begin();
	assert_int_equal(view.n_services, 1);
	assert_string_equal(view.services[0]->name, "Caf\303\251.b");
	assert_string_equal(view.services[0]->type, "_x._tcp");
	assert_false(view.services[0]->live);
}

static void test_targets_of_strangers(void **state)
{
	publish_ssh();
	strcpy(zone[2],
	       "My\\032Desktop._ssh._tcp.alice.example. 10 IN SRV 0 0 22 www.example.com.");
	publish("My\\032Desktop._ssh._tcp.alice.example. 10 IN SRV 9 0 23 desktop.alice.example.");
	publish("My\\032Desktop._ssh._tcp.alice.example. 10 IN SRV 1 0 24 "
		"a.desktop.alice.example.");
	publish("My\\032Desktop._ssh._tcp.alice.example. 10 IN SRV 8 0 25 laptop.alice.example.");
	begin();
	assert_string_equal(view.services[0]->host, "laptop");
	assert_int_equal(view.services[0]->port, 25);
}

static void test_bounded(void **state)
{
	char text[200];

	/* More than there is room for, of questions and of services. */
	for (int i = 0; i < 16; i++) {
		snprintf(text, sizeof(text), ENUMERATION "_t%d._tcp.alice.example.", i);
		publish(text);
		for (int k = 0; k < 16; k++) {
			snprintf(text, sizeof(text),
				 "_t%d._tcp.alice.example. 10 IN PTR i%d._t%d._tcp.alice.example.",
				 i, k, i);
			publish(text);
		}
	}
	room = 50;
	assert_int_equal(begin(), 49);
	assert_int_equal(view.n_services, SERVICE_VIEW_MAX);
	room = 0;
	want();
	serve();
	assert_int_equal(view.n_services, SERVICE_VIEW_MAX);
}

static void test_not_heard(void **state)
{
	publish_ssh();
	begin();
	view.services[0]->changes = 0;
	service_view_set_not_heard_since(&view, 7);
	assert_int_equal(view.services[0]->changes, SERVICE_CHANGE_HEARD);
	view.services[0]->changes = 0;
	service_view_set_not_heard_since(&view, 7);
	assert_int_equal(view.services[0]->changes, 0);
}

static void test_a_question_has_so_many_answers_at_most(void **state)
{
	ldns_rr_list *list = ldns_rr_list_new();
	char text[100];

	for (int i = 0; i < RECORD_LIST_MAX + 10; i++) {
		ldns_rr *rr = NULL;

		snprintf(text, sizeof(text), "_x._tcp.alice.example. 10 IN PTR i%d.alice.example.",
			 i);
		assert_int_equal(ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL), LDNS_STATUS_OK);
		record_list_add(list, rr);
		ldns_rr_free(rr);
	}
	assert_int_equal(ldns_rr_list_rr_count(list), RECORD_LIST_MAX);
	ldns_rr_list_deep_free(list);
}

#define SERVICE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVICE_TEST(test_a_service),
		SERVICE_TEST(test_it_moves_and_goes),
		SERVICE_TEST(test_nothing_is_lost_while_it_is_asked_anew),
		SERVICE_TEST(test_bad_names),
		SERVICE_TEST(test_targets_of_strangers),
		SERVICE_TEST(test_bounded),
		SERVICE_TEST(test_not_heard),
		SERVICE_TEST(test_a_question_has_so_many_answers_at_most),
	};

	return cmocka_run_group_tests_name("service-view-state", tests, NULL, NULL);
}
