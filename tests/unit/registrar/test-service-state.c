/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A zone that takes some services and not others; the clock moves by itself only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "services/registrar/service-state.h"

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static const struct host_names names = {
	.host_name = "desktop",
	.account_domain = "alice.members.example.org",
};
static struct services services;
static uint64_t now;

static int start(void **state)
{
	services = (struct services){ 0 };
	now = 1000;
	return 0;
}

static int stop(void **state)
{
	services_deinit(&services);
	return 0;
}

static struct service *share(const char *type, const char *name)
{
	struct service_offer offer = { .port = 22 };
	struct service *service;

	assert_null(service_offer_set_type(&offer, type));
	assert_null(service_offer_set_name(&offer, name));
	assert_int_equal(
		services_add(&services, &offer, SERVICE_SOURCE_COMMAND, 1, "desktop", &service), 0);
	return service;
}

/* How many services the next UPDATE has. */
static size_t select_some(bool settled)
{
	ldns_rr_list *list = ldns_rr_list_new();
	size_t n = 0;

	assert_int_equal(services_select(&services, &names, settled, now, list), 0);
	for (struct service *service = services.first; service; service = service->next)
		n += service->included;
	assert_true((n > 0) == (ldns_rr_list_rr_count(list) > 0));
	ldns_rr_list_deep_free(list);
	return n;
}

static enum registrar_result answer(enum registrar_result result, bool settled)
{
	return services_on_result(&services, result, settled, "desktop", now);
}

static bool differ(void)
{
	return services_differ(&services, now);
}

static void all_at_once(void **state)
{
	struct service *ssh;

	assert_false(differ());
	ssh = share("_ssh._tcp", "");
	share("_http._tcp", "Seite");
	assert_true(differ());
	assert_int_equal(select_some(false), 2);
	assert_int_equal(answer(REGISTRAR_RESULT_OK, false), REGISTRAR_RESULT_OK);
	assert_false(differ());
	assert_int_equal(ssh->condition, SERVICE_PUBLISHED);
	services_remove(&services, ssh);
	assert_true(differ());
	assert_int_equal(select_some(true), 1);
	assert_int_equal(answer(REGISTRAR_RESULT_OK, true), REGISTRAR_RESULT_OK);
	assert_false(differ());
}

static void same_name_twice(void **state)
{
	struct service_offer offer = { .type = "_SSH._tcp", .name = "Desktop", .port = 2222 };
	struct service *carried;

	share("_ssh._tcp", "");
	assert_int_equal(
		services_add(&services, &offer, SERVICE_SOURCE_COMMAND, 1, "desktop", &carried),
		-EEXIST);
	assert_int_equal(
		services_add(&services, &offer, SERVICE_SOURCE_LAN, 1, "desktop", &carried), 0);
	assert_int_equal(carried->number, 2);
	share("_http._tcp", "");
}

static void as_many_as_there_may_be(void **state)
{
	struct service_offer offer = { .type = "_ssh._tcp", .port = 1 };
	struct service *service;

	for (size_t i = 0; i < SERVICES_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%zu", i);
		share("_ssh._tcp", name);
	}
	assert_int_equal(
		services_add(&services, &offer, SERVICE_SOURCE_COMMAND, 1, "desktop", &service),
		-ENOSPC);
	assert_int_equal(select_some(false), SERVICES_MAX);
}

/* The host is published first, then one after the other, and the one to blame gets a number. */
static void one_name_is_taken(void **state)
{
	struct service *ssh = share("_ssh._tcp", ""), *http = share("_http._tcp", "");
	char name[SERVICE_LABEL_SIZE];

	assert_int_equal(select_some(false), 2);
	assert_int_equal(answer(REGISTRAR_RESULT_NAME_TAKEN, false), REGISTRAR_RESULT_SERVICE);
	assert_int_equal(select_some(false), 0);
	assert_int_equal(answer(REGISTRAR_RESULT_OK, false), REGISTRAR_RESULT_OK);
	assert_true(differ());
	assert_int_equal(select_some(true), 1);
	assert_true(ssh->included);
	assert_int_equal(answer(REGISTRAR_RESULT_NAME_TAKEN, true), REGISTRAR_RESULT_SERVICE);
	assert_int_equal(select_some(true), 1);
	service_instance_name(ssh, "desktop", name);
	assert_string_equal(name, "desktop (2)");
	assert_int_equal(answer(REGISTRAR_RESULT_OK, true), REGISTRAR_RESULT_OK);
	assert_int_equal(ssh->condition, SERVICE_PUBLISHED);
	assert_int_equal(select_some(true), 2);
	assert_true(http->included);
	assert_int_equal(answer(REGISTRAR_RESULT_OK, true), REGISTRAR_RESULT_OK);
	assert_false(differ() || services.apart);
}

static void host_is_to_blame(void **state)
{
	share("_ssh._tcp", "");
	assert_int_equal(select_some(false), 1);
	assert_int_equal(answer(REGISTRAR_RESULT_NAME_TAKEN, false), REGISTRAR_RESULT_SERVICE);
	assert_int_equal(select_some(false), 0);
	assert_int_equal(answer(REGISTRAR_RESULT_NAME_TAKEN, false), REGISTRAR_RESULT_NAME_TAKEN);
}

static void refused_one_waits_and_the_others_do_not(void **state)
{
	struct service *ssh = share("_ssh._tcp", "");

	assert_int_equal(select_some(true), 1);
	assert_int_equal(answer(REGISTRAR_RESULT_REFUSED, true), REGISTRAR_RESULT_SERVICE);
	assert_int_equal(ssh->condition, SERVICE_REFUSED);
	assert_non_null(ssh->trouble);
	assert_false(differ());
	assert_int_equal(services_due(&services, now), now + 600000);
	share("_http._tcp", "");
	assert_true(differ());
	assert_int_equal(select_some(true), 1);
	assert_int_equal(answer(REGISTRAR_RESULT_OK, true), REGISTRAR_RESULT_OK);
	assert_false(differ());
	now = services_due(&services, now);
	assert_true(differ());
	assert_int_equal(select_some(true), 2);
	assert_int_equal(answer(REGISTRAR_RESULT_OK, true), REGISTRAR_RESULT_OK);
	assert_int_equal(services_due(&services, now), UINT64_MAX);
}

static void all_numbers_are_taken(void **state)
{
	struct service *ssh = share("_ssh._tcp", "");
	unsigned int n = 0;

	while (differ()) {
		assert_int_equal(select_some(true), 1);
		assert_int_equal(answer(REGISTRAR_RESULT_NAME_TAKEN, true),
				 REGISTRAR_RESULT_SERVICE);
		assert_true(++n < 30);
	}
	assert_int_equal(ssh->condition, SERVICE_NAME_TAKEN);
	services_unblock(&services);
	assert_true(differ());
}

/* Removed while the server has not answered yet: it may be there, and has to go. */
static void removed_in_flight(void **state)
{
	struct service *ssh = share("_ssh._tcp", "");

	assert_int_equal(select_some(true), 1);
	services_remove(&services, ssh);
	assert_int_equal(answer(REGISTRAR_RESULT_OK, true), REGISTRAR_RESULT_OK);
	assert_true(differ());
	assert_int_equal(select_some(true), 0);
	assert_int_equal(answer(REGISTRAR_RESULT_OK, true), REGISTRAR_RESULT_OK);
	assert_false(differ());
}

static void changed_one_is_sent_again(void **state)
{
	struct service *ssh = share("_ssh._tcp", "Mine");
	struct service_offer other = { .type = "_ssh._tcp", .port = 2222 };

	assert_int_equal(select_some(true), 1);
	answer(REGISTRAR_RESULT_OK, true);
	services_change(&services, ssh, &other);
	assert_string_equal(ssh->offer.name, "Mine");
	assert_true(differ());
	assert_int_equal(select_some(true), 1);
	answer(REGISTRAR_RESULT_OK, true);
	assert_false(differ());
}

static void lost_and_published_again(void **state)
{
	share("_ssh._tcp", "");
	select_some(true);
	answer(REGISTRAR_RESULT_OK, true);
	services_on_lost(&services);
	assert_true(differ());
	assert_int_equal(select_some(false), 1);
	/* Looking at it meanwhile changes nothing. */
	services_on_lost(&services);
	answer(REGISTRAR_RESULT_OK, false);
	assert_false(differ());
}

/* The zone does not take any more what it took: the host stays in it. */
static void refresh_is_refused(void **state)
{
	share("_ssh._tcp", "");
	share("_http._tcp", "");
	select_some(true);
	answer(REGISTRAR_RESULT_OK, true);
	assert_int_equal(select_some(false), 2);
	assert_int_equal(answer(REGISTRAR_RESULT_REFUSED, false), REGISTRAR_RESULT_SERVICE);
	assert_int_equal(select_some(false), 0);
	assert_int_equal(answer(REGISTRAR_RESULT_OK, false), REGISTRAR_RESULT_OK);
	assert_int_equal(select_some(true), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
		TEST(all_at_once),
		TEST(same_name_twice),
		TEST(as_many_as_there_may_be),
		TEST(one_name_is_taken),
		TEST(host_is_to_blame),
		TEST(refused_one_waits_and_the_others_do_not),
		TEST(all_numbers_are_taken),
		TEST(removed_in_flight),
		TEST(changed_one_is_sent_again),
		TEST(lost_and_published_again),
		TEST(refresh_is_refused),
	};

	return cmocka_run_group_tests_name("service-state", tests, NULL, NULL);
}
