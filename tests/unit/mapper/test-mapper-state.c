/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mapper-state.c: networks and gateways as timelines (script.h). */
#include "tests/unit/mapper/script.h"

#include "services/mapper/mapper-words.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static void test_no_network(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	assert_words(&script, "starting", "unknown");
	tunnel = wish(&script, "tunnel", 4500);
	lose_network(&script);
	assert_words(&script, "no-network", "unknown");
	at(&script, HOUR);
	assert_nothing_sent(&script);
	assert_int_equal(script.state.generation, 1);
	assert_mapping(tunnel, "pending", NOTHING);
	assert_int_equal(tunnel->internal.sin_port, 0);
	end(&script);
}

static void test_public_address_is_not_asked_about(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	arrive(&script, "11.0.9.9", "11.0.0.1");
	assert_words(&script, "ready", "public");
	tunnel = wish(&script, "tunnel", 4500);
	at(&script, HOUR);
	assert_nothing_sent(&script);
	assert_mapping(tunnel, "public", "11.0.9.9", 4500);
	assert_int_equal(tunnel->generation, 1);
	end(&script);
}

/* RFC 6281 §4.1: only when the address is one of RFC 1918. */
static void test_who_is_asked(void **state)
{
	static const struct {
		const char *address;
		bool asked;
	} cases[] = {
		{ "10.0.0.2", true },     { "172.16.0.2", true },  { "172.31.255.2", true },
		{ "192.168.0.2", true },  { "172.32.0.2", false }, { "172.15.0.2", false },
		{ "192.169.0.2", false }, { "100.64.0.2", false }, { "11.0.0.2", false },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct script script;

		begin(&script);
		arrive(&script, cases[i].address, "192.168.1.1");
		assert_int_equal(script.n_sent, cases[i].asked);
		/* Nobody to ask. */
		arrive(&script, cases[i].address, NULL);
		assert_int_equal(script.n_sent, cases[i].asked);
		assert_words(&script, "ready", "public");
		end(&script);
	}
}

static void test_mapped(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	assert_words(&script, "probing", "unknown");
	assert_mapping(tunnel, "pending", NOTHING);
	assert_string_equal(inet_ntoa(tunnel->internal.sin_addr), "192.168.1.10");
	at(&script, 3);
	answer_address(&script, "11.0.1.1", 1000);
	assert_words(&script, "ready", "nat");
	assert_mapping(tunnel, "pending", NOTHING);
	at(&script, 5);
	/* Another port than the one asked for: ours is what is granted (RFC 6886 §3.3). */
	answer_map(&script, 4500, 61234, 3600, 1000);
	assert_sent(&script, "0 address", "3 map 4500 as 4500 for 3600");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 61234);
	assert_int_equal(tunnel->generation, 1);
	assert_int_equal(script.state.generation, 1);
	assert_true(tunnel->expires_at == 5 + HOUR);
	end(&script);
}

static void test_renewal_at_half_life(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script);

	/* The second grant is for less, and with another port next time asked for again. */
	at(&script, HOUR / 2);
	answer_address(&script, "11.0.1.1", 2800);
	answer_map(&script, 4500, 4501, 600, 2800);
	assert_sent(&script, "1800000 address", "1800000 map 4500 as 4500 for 3600");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4501);
	at(&script, HOUR / 2 + 300000);
	answer_address(&script, "11.0.1.1", 3100);
	answer_map(&script, 4500, 4501, 600, 3100);
	assert_sent(&script, "2100000 address", "2100000 map 4500 as 4501 for 3600");
	assert_int_equal(script.state.generation, 1);
	end(&script);
}

static void test_absurd_grants(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	answer_address(&script, "11.0.1.1", 1000);
	answer_map(&script, 4500, 4500, UINT32_MAX, 1000);
	assert_true(tunnel->expires_at == 24 * HOUR);
	arrive(&script, "192.168.2.10", "192.168.2.1");
	answer_address(&script, "11.0.2.1", 1000);
	answer_map(&script, 4500, 0, 3600, 1000);
	assert_mapping(tunnel, "failed", NOTHING);
	end(&script);
}

/* RFC 6886 §3.1, and the view that does not wait for it. */
static void test_silent_gateway(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	at(&script, 1999);
	assert_words(&script, "probing", "unknown");
	at(&script, 2000);
	assert_words(&script, "ready", "public");
	assert_mapping(tunnel, "public", "192.168.1.10", 4500);
	at(&script, 127749);
	assert_sent(&script, "0 address", "250 address", "750 address", "1750 address",
		    "3750 address", "7750 address", "15750 address", "31750 address",
		    "63750 address");
	assert_int_equal(script.state.phase, GATEWAY_ASKING);
	at(&script, 127750);
	assert_int_equal(script.state.phase, GATEWAY_MUTE);
	assert_words(&script, "ready", "public");
	assert_int_equal(script.state.generation, 1);
	/* Asked again now and then, behind the same view. */
	at(&script, 132750);
	assert_sent(&script, "132750 address");
	assert_words(&script, "ready", "public");
	end(&script);
}

static void test_late_answer_switches(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	at(&script, 3800);
	assert_mapping(tunnel, "public", "192.168.1.10", 4500);
	answer_address(&script, "11.0.1.1", 5);
	/* Others may have acted on the former view: it is another generation. */
	assert_int_equal(script.state.generation, 2);
	assert_words(&script, "ready", "nat");
	assert_mapping(tunnel, "pending", NOTHING);
	answer_map(&script, 4500, 4500, 3600, 5);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	assert_int_equal(tunnel->generation, 2);
	end(&script);
}

static void test_port_unreachable(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	mapper_state_on_unreachable(&script.state, script.state.conversation, 0);
	assert_words(&script, "ready", "public");
	assert_mapping(tunnel, "public", "192.168.1.10", 4500);
	at(&script, 4999);
	assert_sent(&script, "0 address");
	at(&script, 5000);
	mapper_state_on_unreachable(&script.state, script.state.conversation, 5000);
	at(&script, 15000);
	assert_sent(&script, "5000 address", "15000 address");
	assert_int_equal(script.state.generation, 1);
	/* The router's owner switches it on. */
	answer_address(&script, "11.0.1.1", 1);
	assert_int_equal(script.state.generation, 2);
	assert_words(&script, "ready", "nat");
	end(&script);
}

static void test_only_pcp(void **state)
{
	struct script script;

	begin(&script);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	answer(&script, &(struct natpmp_response){ .result = NATPMP_UNSUPPORTED_VERSION });
	assert_words(&script, "ready", "public");
	end(&script);
}

static void test_refused_mapping(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	answer_address(&script, "11.0.1.1", 1000);
	answer_failure(&script, NATPMP_MAP_UDP, NATPMP_REFUSED);
	assert_mapping(tunnel, "failed", NOTHING);
	assert_non_null(strstr(words_trouble(tunnel->trouble), "refuses"));
	at(&script, 2000);
	answer_failure(&script, NATPMP_MAP_UDP, NATPMP_OUT_OF_RESOURCES);
	at(&script, 6000);
	answer_failure(&script, NATPMP_MAP_UDP, NATPMP_UNSUPPORTED_OPERATION);
	at(&script, 14000);
	answer_map(&script, 4500, 4500, 3600, 1014);
	assert_sent(&script, "0 address", "0 map 4500 as 4500 for 3600",
		    "2000 map 4500 as 4500 for 3600", "6000 map 4500 as 4500 for 3600",
		    "14000 map 4500 as 4500 for 3600");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	assert_string_equal(words_trouble(tunnel->trouble), "");
	end(&script);
}

/* The gateway itself has no address: nothing can be mapped. */
static void test_refused_address(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	answer_failure(&script, NATPMP_ADDRESS, NATPMP_NETWORK_FAILURE);
	assert_words(&script, "ready", "nat");
	assert_mapping(tunnel, "failed", NOTHING);
	at(&script, 2000);
	answer_failure(&script, NATPMP_ADDRESS, NATPMP_NETWORK_FAILURE);
	at(&script, 6000);
	answer_address(&script, "11.0.1.1", 1006);
	assert_mapping(tunnel, "pending", NOTHING);
	answer_map(&script, 4500, 4500, 3600, 1006);
	assert_sent(&script, "0 address", "2000 address", "6000 address",
		    "6000 map 4500 as 4500 for 3600");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	end(&script);
}

static void test_double_nat(void **state)
{
	static const char *const inner[] = { "192.168.2.50", "10.1.1.1", "172.20.0.1", "100.64.3.3",
					     "169.254.1.1" };

	for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++) {
		struct script script;
		struct mapping *tunnel;

		begin(&script);
		tunnel = wish(&script, "tunnel", 4500);
		arrive(&script, "192.168.5.10", "192.168.5.1");
		answer_address(&script, inner[i], 1000);
		answer_map(&script, 4500, 4500, 3600, 1000);
		assert_words(&script, "ready", "double-nat");
		/* Those between the two gateways can use it. */
		assert_mapping(tunnel, "mapped", inner[i], 4500);
		assert_non_null(strstr(words_trouble(tunnel->trouble), "double NAT"));
		end(&script);
	}
}

static void test_no_address_at_all_is_double_nat(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.5.10", "192.168.5.1");
	answer_address(&script, "0.0.0.0", 1000);
	assert_words(&script, "ready", "double-nat");
	assert_mapping(tunnel, "failed", NOTHING);
	at(&script, 2000);
	assert_sent(&script, "0 address", "2000 address");
	end(&script);
}

/* RFC 6886 §3.6: an epoch that is more than two seconds too low. */
static void test_epoch_tells_of_a_reboot(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script);
	struct mapping *second;
	uint64_t due;

	/* 1800 s later 7/8 of that are expected: 1000 + 1575 - 2 is still fine. */
	at(&script, HOUR / 2);
	answer_address(&script, "11.0.1.1", 2573);
	assert_true(script.state.recreate_at == UINT64_MAX);
	answer_map(&script, 4500, 4500, 3600, 2570);
	assert_true(script.state.recreate_at != UINT64_MAX);
	script.n_checked = script.n_sent;
	/* Within five seconds, and not before: the address, then each mapping with its port. */
	second = wish(&script, "second", 4600);
	answer_map(&script, 4600, 4700, 3600, 2570);
	assert_sent(&script, "1800000 map 4600 as 4600 for 3600");
	due = script.state.recreate_at;
	assert_true(due >= script.now && due <= script.now + 5000);
	at(&script, due - 1);
	assert_nothing_sent(&script);
	at(&script, due);
	answer_address(&script, "11.0.1.1", 3);
	answer_map(&script, 4500, 4500, 3600, 3);
	answer_map(&script, 4600, 4700, 3600, 3);
	assert_int_equal(script.n_sent - script.n_checked, 3);
	assert_non_null(strstr(script.sent[script.n_sent - 1], "map 4600 as 4700"));
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	assert_mapping(second, "mapped", "11.0.1.1", 4700);
	assert_int_equal(script.state.generation, 1);
	end(&script);
}

static void test_address_announcement(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script);

	at(&script, 60000);
	announce(&script, "192.168.1.1", ANNOUNCEMENT_ADDRESS, "11.0.1.77", 0);
	/* Told at once, with the port that is most likely granted again. */
	assert_int_equal(script.state.generation, 2);
	assert_mapping(tunnel, "mapped", "11.0.1.77", 4500);
	assert_int_equal(tunnel->generation, 2);
	/* Repeated, as it is up to ten times. */
	at(&script, 60250);
	announce(&script, "192.168.1.1", ANNOUNCEMENT_ADDRESS, "11.0.1.77", 0);
	assert_int_equal(script.state.generation, 2);
	assert_nothing_sent(&script);
	assert_true(script.state.recreate_at <= 65000);
	at(&script, script.state.recreate_at);
	assert_int_equal(script.n_sent - script.n_checked, 1);
	answer_address(&script, "11.0.1.77", 6);
	assert_int_equal(script.n_sent - script.n_checked, 2);
	assert_non_null(strstr(script.sent[script.n_sent - 1], "map 4500 as 4500 for 3600"));
	answer_map(&script, 4500, 4999, 3600, 6);
	assert_mapping(tunnel, "mapped", "11.0.1.77", 4999);
	assert_int_equal(script.state.counters.gateway_restarts, 1);
	assert_int_equal(script.state.counters.announcements_accepted, 2);
	end(&script);
}

static void test_foreign_announcements(void **state)
{
	struct script script;
	struct announcement announcement = { .external.s_addr = inet_addr("11.6.6.6") };
	struct mapping *tunnel = begin_mapped(&script);

	announce(&script, "192.168.1.2", ANNOUNCEMENT_ADDRESS, "11.6.6.6", 0);
	announce(&script, "192.168.1.2", ANNOUNCEMENT_RESTART, NULL, 0);
	/* The gateway's address on another link. */
	mapper_state_on_announcement(&script.state, (struct in_addr){ inet_addr("192.168.1.1") }, 9,
				     &announcement, script.now);
	at(&script, 60000);
	assert_nothing_sent(&script);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	assert_int_equal(script.state.counters.announcements_foreign, 3);
	lose_network(&script);
	announce(&script, "192.168.1.1", ANNOUNCEMENT_ADDRESS, "11.6.6.6", 0);
	assert_int_equal(script.state.counters.announcements_foreign, 4);
	end(&script);
}

/* PCP ANNOUNCE from a gateway that came back with another address. */
static void test_restart_announcement(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script);
	uint64_t due;

	at(&script, 60000);
	announce(&script, "192.168.1.1", ANNOUNCEMENT_RESTART, NULL, 0);
	/* The address may be asked for at once, mappings wait. */
	assert_sent(&script, "60000 address");
	answer_address(&script, "11.0.1.88", 0);
	assert_mapping(tunnel, "mapped", "11.0.1.88", 4500);
	assert_int_equal(script.state.generation, 2);
	due = script.state.recreate_at;
	assert_true(due > 60000 && due <= 65000);
	at(&script, due);
	answer_address(&script, "11.0.1.88", 1);
	answer_map(&script, 4500, 4500, 3600, 1);
	assert_int_equal(script.n_sent - script.n_checked, 2);
	script.n_checked = script.n_sent;
	/* Repeated later: that it began before we asked says that nothing was lost since. */
	at(&script, 76000);
	announce(&script, "192.168.1.1", ANNOUNCEMENT_RESTART, NULL, 16);
	at(&script, 90000);
	assert_nothing_sent(&script);
	assert_int_equal(script.state.counters.gateway_restarts, 1);
	assert_int_equal(script.state.generation, 2);
	end(&script);
}

/* It restarts again before it was asked, and once more just after. */
static void test_restarts_in_a_row(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script);

	at(&script, 60000);
	announce(&script, "192.168.1.1", ANNOUNCEMENT_RESTART, NULL, 0);
	answer_address(&script, "11.0.1.88", 0);
	announce(&script, "192.168.1.1", ANNOUNCEMENT_RESTART, NULL, 0);
	answer_address(&script, "11.0.1.89", 0);
	assert_mapping(tunnel, "mapped", "11.0.1.89", 4500);
	assert_int_equal(script.state.counters.gateway_restarts, 1);
	at(&script, script.state.recreate_at);
	answer_address(&script, "11.0.1.89", 0);
	answer_map(&script, 4500, 4500, 3600, 0);
	at(&script, script.now + 100);
	announce(&script, "192.168.1.1", ANNOUNCEMENT_RESTART, NULL, 0);
	answer_address(&script, "11.0.1.90", 0);
	assert_mapping(tunnel, "mapped", "11.0.1.90", 4500);
	assert_int_equal(script.state.counters.gateway_restarts, 2);
	assert_true(script.state.recreate_at <= script.now + 5000);
	assert_int_equal(script.state.generation, 4);
	end(&script);
}

static void test_announcement_wakes_a_mute_gateway(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	mapper_state_on_unreachable(&script.state, script.state.conversation, 0);
	at(&script, 1000);
	announce(&script, "192.168.1.1", ANNOUNCEMENT_RESTART, NULL, 0);
	assert_words(&script, "ready", "public");
	answer_address(&script, "11.0.1.1", 0);
	answer_map(&script, 4500, 4500, 3600, 0);
	assert_sent(&script, "0 address", "1000 address", "1000 map 4500 as 4500 for 3600");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	end(&script);
}

/* An announcement of the address answers the question that is under way. */
static void test_announcement_before_the_answer(void **state)
{
	struct script script;

	begin(&script);
	wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	at(&script, 100);
	announce(&script, "192.168.1.1", ANNOUNCEMENT_ADDRESS, "11.0.1.1", 0);
	answer_address(&script, "11.0.1.1", 0);
	assert_sent(&script, "0 address", "100 map 4500 as 4500 for 3600");
	assert_int_equal(script.state.counters.responses_unexpected, 1);
	end(&script);
}

static void test_gateway_falls_silent(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script);

	/* Renewal gets no answer. What was granted holds until it ends. */
	at(&script, HOUR / 2 + 200000);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	at(&script, HOUR - 1);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	assert_true(script.n_sent - script.n_checked > 20);
	at(&script, HOUR);
	assert_mapping(tunnel, "failed", NOTHING);
	assert_int_equal(tunnel->trouble, TROUBLE_EXPIRED);
	/* It is no public network now: the gateway did speak. */
	assert_words(&script, "ready", "nat");
	/* It comes back without a word: found by asking on. */
	for (int i = 0; i < 100 && script.state.under_way != UNDER_WAY_ADDRESS; i++)
		at(&script, script.now + 1000);
	answer_address(&script, "11.0.1.1", 9);
	if (tunnel->condition != MAPPING_MAPPED)
		at(&script, script.now + 130000);
	answer_map(&script, 4500, 4500, 3600, 9);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	end(&script);
}

static void test_move_with_requests_in_flight(void **state)
{
	struct script script;
	struct mapping *tunnel;
	uint32_t former;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	answer_address(&script, "11.0.1.1", 1000);
	former = script.state.conversation;
	at(&script, 10);
	/* The map request is unanswered. */
	arrive(&script, "192.168.2.10", "192.168.2.1");
	assert_int_equal(script.state.generation, 2);
	assert_int_equal(tunnel->generation, 2);
	assert_mapping(tunnel, "pending", NOTHING);
	assert_string_equal(inet_ntoa(tunnel->internal.sin_addr), "192.168.2.10");
	mapper_state_on_response(
		&script.state, former,
		&(struct natpmp_response){ .has_operation = true,
					   .operation = NATPMP_ADDRESS,
					   .external.s_addr = inet_addr("11.0.1.1") },
		script.now);
	mapper_state_on_unreachable(&script.state, former, script.now);
	assert_words(&script, "probing", "unknown");
	assert_int_equal(script.state.counters.responses_unexpected, 1);
	/* The new gateway began later; that is no reboot. */
	answer_address(&script, "11.0.2.1", 3);
	answer_map(&script, 4500, 4501, 3600, 3);
	assert_sent(&script, "0 address", "0 map 4500 as 4500 for 3600", "10 address",
		    "10 map 4500 as 4500 for 3600");
	assert_mapping(tunnel, "mapped", "11.0.2.1", 4501);
	/* Nobody knows the port there: the wish is made anew. */
	at(&script, 20);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	answer_address(&script, "11.0.1.1", 1001);
	assert_sent(&script, "20 address", "20 map 4500 as 4500 for 3600");
	assert_int_equal(script.state.generation, 3);
	end(&script);
}

static void test_answers_to_other_questions(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	answer_map(&script, 4500, 4500, 3600, 1000);
	answer_address(&script, "11.0.1.1", 1000);
	answer_address(&script, "11.9.9.9", 1000);
	answer_map(&script, 4501, 4501, 3600, 1000);
	assert_int_equal(script.state.counters.responses_unexpected, 3);
	assert_mapping(tunnel, "pending", NOTHING);
	answer_map(&script, 4500, 4500, 3600, 1000);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	answer_map(&script, 4500, 6666, 3600, 1000);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	end(&script);
}

static void test_one_request_at_a_time(void **state)
{
	struct script script;
	struct mapping *first, *second;

	begin(&script);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	first = wish(&script, "first", 4500);
	second = wish(&script, "second", 4600);
	answer_address(&script, "11.0.1.1", 1000);
	at(&script, 260);
	assert_sent(&script, "0 address", "0 map 4500 as 4500 for 3600",
		    "250 map 4500 as 4500 for 3600");
	answer_map(&script, 4500, 4500, 3600, 1000);
	answer_map(&script, 4600, 4600, 3600, 1000);
	assert_sent(&script, "260 map 4600 as 4600 for 3600");
	assert_mapping(first, "mapped", "11.0.1.1", 4500);
	assert_mapping(second, "mapped", "11.0.1.1", 4600);
	end(&script);
}

/* The generation goes on from what was stored. */
static void test_generation_never_falls(void **state)
{
	struct mapper_state after = {};
	struct network_view home = view("192.168.1.10", "192.168.1.1");

	mapper_state_init(&after, 41, 1);
	assert_int_equal(after.generation, 41);
	mapper_state_set_network(&after, &home, 0);
	assert_int_equal(after.generation, 42);
	mapper_state_deinit(&after);
}

static void test_reasons(void **state)
{
	struct script script;
	char text[400];

	begin(&script);
	words_reason(&script.state, text, sizeof text);
	assert_non_null(strstr(text, "kernel"));
	lose_network(&script);
	words_reason(&script.state, text, sizeof text);
	assert_non_null(strstr(text, "Connect"));
	arrive(&script, "192.168.1.10", "192.168.1.1");
	words_reason(&script.state, text, sizeof text);
	assert_non_null(strstr(text, "192.168.1.1 is asked"));
	at(&script, 2000);
	words_reason(&script.state, text, sizeof text);
	assert_non_null(strstr(text, "has not answered"));
	answer_address(&script, "11.0.1.1", 1);
	words_reason(&script.state, text, sizeof text);
	assert_string_equal(text, "The gateway 192.168.1.1 maps ports at 11.0.1.1.");
	arrive(&script, "11.0.9.9", "11.0.0.1");
	words_reason(&script.state, text, sizeof text);
	assert_non_null(strstr(text, "needs no mapping"));
	end(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_network),
		cmocka_unit_test(test_public_address_is_not_asked_about),
		cmocka_unit_test(test_who_is_asked),
		cmocka_unit_test(test_mapped),
		cmocka_unit_test(test_renewal_at_half_life),
		cmocka_unit_test(test_absurd_grants),
		cmocka_unit_test(test_silent_gateway),
		cmocka_unit_test(test_late_answer_switches),
		cmocka_unit_test(test_port_unreachable),
		cmocka_unit_test(test_only_pcp),
		cmocka_unit_test(test_refused_mapping),
		cmocka_unit_test(test_refused_address),
		cmocka_unit_test(test_double_nat),
		cmocka_unit_test(test_no_address_at_all_is_double_nat),
		cmocka_unit_test(test_epoch_tells_of_a_reboot),
		cmocka_unit_test(test_address_announcement),
		cmocka_unit_test(test_foreign_announcements),
		cmocka_unit_test(test_restart_announcement),
		cmocka_unit_test(test_restarts_in_a_row),
		cmocka_unit_test(test_announcement_wakes_a_mute_gateway),
		cmocka_unit_test(test_announcement_before_the_answer),
		cmocka_unit_test(test_gateway_falls_silent),
		cmocka_unit_test(test_move_with_requests_in_flight),
		cmocka_unit_test(test_answers_to_other_questions),
		cmocka_unit_test(test_one_request_at_a_time),
		cmocka_unit_test(test_generation_never_falls),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests_name("mapper-state", tests, NULL, NULL);
}
