/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mapper-state.c and gateway-state.c: networks and gateways as timelines (script.h). */
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

/* RFC 6281 §4.1: only when the address is one of RFC 1918; by PCP also one of RFC 6598. */
static void test_who_is_asked(void **state)
{
	static const struct {
		const char *address;
		unsigned int n; /* protocols */
	} cases[] = {
		{ "10.0.0.2", 3 },    { "172.16.0.2", 3 },   { "172.31.255.2", 3 },
		{ "192.168.0.2", 3 }, { "172.32.0.2", 0 },   { "172.15.0.2", 0 },
		{ "192.169.0.2", 0 }, { "100.64.0.2", 1 },   { "100.127.255.2", 1 },
		{ "100.128.0.2", 0 }, { "169.254.17.2", 0 }, { "11.0.0.2", 0 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct script script;

		begin(&script);
		arrive(&script, cases[i].address, "192.168.1.1");
		at(&script, 1000);
		assert_int_equal(script.n_sent, cases[i].n);
		/* Nobody to ask. */
		arrive(&script, cases[i].address, NULL);
		at(&script, 2000);
		assert_int_equal(script.n_sent, cases[i].n);
		end(&script);
	}
}

/* A gateway that says nothing at all: each protocol in its turn, one mapping at most. */
static void test_head_starts(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	assert_words(&script, "probing", "unknown");
	at(&script, 1999);
	assert_sent(&script, "0 pcp map 4500 as 4500 for 3600", "40 nat-pmp probe",
		    "120 upnp-igd probe");
	assert_words(&script, "probing", "unknown");
	assert_mapping(tunnel, "pending", NOTHING);
	at(&script, 2000);
	assert_words(&script, "ready", "unmapped");
	assert_mapping(tunnel, "public", "192.168.1.10", 4500);
	assert_int_equal(script.state.generation, 1);
	end(&script);
}

/* Nobody waits for its turn when the one before has said no. */
static void test_no_is_not_waited_for(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	at(&script, 1);
	be_absent(&script, PROTOCOL_PCP, GATEWAY_MAP, TROUBLE_NOT_SUPPORTED);
	at(&script, 2);
	be_absent(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, TROUBLE_NOT_SUPPORTED);
	assert_sent(&script, "0 pcp map 4500 as 4500 for 3600", "1 close pcp", "1 nat-pmp probe",
		    "2 close nat-pmp", "2 upnp-igd probe");
	at(&script, 9);
	answer(&script, PROTOCOL_IGD, GATEWAY_PROBE, NULL);
	at(&script, 12);
	answer(&script, PROTOCOL_IGD, GATEWAY_ADDRESS, "11.0.1.1");
	grant(&script, PROTOCOL_IGD, 4500, NULL, 3600);
	assert_sent(&script, "9 upnp-igd address", "9 upnp-igd map 4500 as 4500 for 3600");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	assert_words(&script, "ready", "nat");
	end(&script);
}

static void test_all_say_no(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	be_absent(&script, PROTOCOL_PCP, GATEWAY_MAP, TROUBLE_NOT_SUPPORTED);
	be_absent(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, TROUBLE_NOT_SUPPORTED);
	be_absent(&script, PROTOCOL_IGD, GATEWAY_PROBE, TROUBLE_SILENT);
	assert_int_equal(gateway_phase(&script.state.gateways[0]), GATEWAY_MUTE);
	assert_mapping(tunnel, "public", "192.168.1.10", 4500);
	script.n_checked = script.n_sent;
	/* They are looked for again behind the same view, ever more seldom. */
	at(&script, 15000);
	assert_sent(&script, "15000 pcp map 4500 as 4500 for 3600", "15000 nat-pmp probe",
		    "15000 upnp-igd probe");
	assert_true(find_asked(&script, PROTOCOL_IGD, GATEWAY_PROBE)->request.again);
	assert_mapping(tunnel, "public", "192.168.1.10", 4500);
	be_absent(&script, PROTOCOL_PCP, GATEWAY_MAP, TROUBLE_NOT_SUPPORTED);
	be_absent(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, TROUBLE_NOT_SUPPORTED);
	be_absent(&script, PROTOCOL_IGD, GATEWAY_PROBE, TROUBLE_SILENT);
	script.n_checked = script.n_sent;
	at(&script, 44999);
	assert_nothing_sent(&script);
	assert_int_equal(script.state.generation, 1);
	end(&script);
}

/* At most one round in ten minutes, in the end. */
static void test_seldom_in_the_end(void **state)
{
	struct script script;
	size_t former;

	begin(&script);
	script.state.protocols[1] = PROTOCOL_NONE;
	arrive(&script, "192.168.1.10", "192.168.1.1");
	for (int i = 0; i < 12; i++) {
		be_absent(&script, PROTOCOL_PCP, GATEWAY_PROBE, TROUBLE_SILENT);
		at(&script, mapper_state_due(&script.state));
		if (!find_asked(&script, PROTOCOL_PCP, GATEWAY_PROBE))
			at(&script, mapper_state_due(&script.state));
	}
	be_absent(&script, PROTOCOL_PCP, GATEWAY_PROBE, TROUBLE_SILENT);
	former = script.n_sent;
	at(&script, script.now + 599999);
	assert_int_equal(script.n_sent, former);
	at(&script, script.now + 1);
	assert_int_equal(script.n_sent, former + 1);
	end(&script);
}

static void test_first_answer_wins(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	at(&script, 3);
	grant(&script, PROTOCOL_PCP, 61234, "11.0.1.1", 3600);
	assert_sent(&script, "0 pcp map 4500 as 4500 for 3600");
	/* Another port than the one asked for: ours is what is granted (RFC 6887 §11.3). */
	assert_mapping(tunnel, "mapped", "11.0.1.1", 61234);
	assert_words(&script, "ready", "nat");
	at(&script, 10000);
	assert_nothing_sent(&script);
	assert_int_equal(script.state.generation, 1);
	assert_int_equal(tunnel->lifetime, 3600);
	end(&script);
}

/* PCP is lost on its way; NAT-PMP answers, and PCP's late word reaches nobody. */
static void test_slower_one_wins(void **state)
{
	struct script script;
	struct mapping *tunnel;
	struct gateway_event late = { .kind = GATEWAY_EVENT_ANSWER, .operation = GATEWAY_MAP };

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	late.id = find_asked(&script, PROTOCOL_PCP, GATEWAY_MAP)->request.id;
	at(&script, 45);
	answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
	assert_sent(&script, "0 pcp map 4500 as 4500 for 3600", "40 nat-pmp probe", "45 close pcp",
		    "45 nat-pmp map 4500 as 4500 for 3600");
	late.external_port = 9;
	late.lifetime = 3600;
	say(&script, PROTOCOL_PCP, &late);
	assert_int_equal(script.state.counters.events_stale, 1);
	assert_mapping(tunnel, "pending", NOTHING);
	grant(&script, PROTOCOL_NATPMP, 4500, NULL, 3600);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	at(&script, 10000);
	assert_nothing_sent(&script);
	end(&script);
}

/* One that refuses lets the others go on, and nobody hears of it when one of them maps. */
static void test_refusal_lets_others_go_on(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	refuse(&script, PROTOCOL_PCP, GATEWAY_MAP, TROUBLE_REFUSED, 2);
	assert_mapping(tunnel, "pending", NOTHING);
	answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
	refuse(&script, PROTOCOL_NATPMP, GATEWAY_MAP, TROUBLE_REFUSED, 2);
	assert_mapping(tunnel, "pending", NOTHING);
	answer(&script, PROTOCOL_IGD, GATEWAY_PROBE, NULL);
	grant(&script, PROTOCOL_IGD, 4500, "11.0.1.1", 3600);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	assert_int_equal(script.state.gateways[0].winner, PROTOCOL_IGD);
	end(&script);
}

static void test_all_refuse(void **state)
{
	struct script script;
	struct mapping *tunnel;
	enum mapping_protocol protocol;
	unsigned int result;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	refuse(&script, PROTOCOL_PCP, GATEWAY_MAP, TROUBLE_OUT_OF_RESOURCES, 8);
	refuse(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, TROUBLE_NETWORK_FAILURE, 3);
	be_absent(&script, PROTOCOL_IGD, GATEWAY_PROBE, TROUBLE_SILENT);
	/* What tells most. */
	assert_mapping(tunnel, "failed", NOTHING);
	assert_int_equal(tunnel->trouble, TROUBLE_NETWORK_FAILURE);
	assert_words(&script, "ready", "refused");
	assert_int_equal(mapper_state_complaint(&script.state, &protocol, &result),
			 TROUBLE_NETWORK_FAILURE);
	assert_int_equal(protocol, PROTOCOL_NATPMP);
	assert_int_equal(result, 3);
	/* It is asked again, and then it maps. */
	at(&script, 2000);
	answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
	grant(&script, PROTOCOL_NATPMP, 4500, NULL, 3600);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	end(&script);
}

/* The one who refuses is not asked again in the time it names, nor all the time. */
static void test_refusal_is_respected(void **state)
{
	struct script script;
	struct gateway_event event = { .kind = GATEWAY_EVENT_ANSWER,
				       .operation = GATEWAY_MAP,
				       .trouble = TROUBLE_REFUSED,
				       .result = 2,
				       .delay = 1800000 };

	begin(&script);
	script.state.protocols[1] = PROTOCOL_NONE;
	wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	event.id = find_asked(&script, PROTOCOL_PCP, GATEWAY_MAP)->request.id;
	say(&script, PROTOCOL_PCP, &event);
	script.n_checked = script.n_sent;
	at(&script, 1799999);
	assert_nothing_sent(&script);
	at(&script, 1800000);
	assert_sent(&script, "1800000 pcp map 4500 as 4500 for 3600");
	/* But not one that would last for years. */
	event.id = find_asked(&script, PROTOCOL_PCP, GATEWAY_MAP)->request.id;
	event.delay = UINT64_C(4294967295000);
	say(&script, PROTOCOL_PCP, &event);
	at(&script, 3600000);
	assert_sent(&script, "1800000 close pcp", "3600000 pcp probe");
	end(&script);
}

/* One that answers and refuses is asked again; who is not there is not, each time. */
static void test_only_the_refusing_is_asked(void **state)
{
	struct script script;
	uint64_t last = 0;

	begin(&script);
	wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	assert_false(find_asked(&script, PROTOCOL_PCP, GATEWAY_MAP)->request.again);
	refuse(&script, PROTOCOL_PCP, GATEWAY_MAP, TROUBLE_REFUSED, 2);
	be_absent(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, TROUBLE_NOT_SUPPORTED);
	/* A search under way is not ended for it, and begun anew. */
	at(&script, 2700);
	assert_sent(&script, "0 pcp map 4500 as 4500 for 3600", "0 close pcp", "0 nat-pmp probe",
		    "0 close nat-pmp", "0 upnp-igd probe");
	be_absent(&script, PROTOCOL_IGD, GATEWAY_PROBE, TROUBLE_SILENT);
	for (int i = 0; i < 2; i++) {
		while (!find_asked(&script, PROTOCOL_PCP, GATEWAY_MAP))
			at(&script, mapper_state_due(&script.state));
		last = script.now;
		refuse(&script, PROTOCOL_PCP, GATEWAY_MAP, TROUBLE_REFUSED, 2);
	}
	assert_int_equal(last, 2700 + 4000);
	assert_null(find_asked(&script, PROTOCOL_NATPMP, GATEWAY_PROBE));
	assert_null(find_asked(&script, PROTOCOL_IGD, GATEWAY_PROBE));
	at(&script, 17700);
	assert_true(find_asked(&script, PROTOCOL_IGD, GATEWAY_PROBE)->request.again);
	end(&script);
}

/* The same where it tells its address each time: it wins, and loses by the mapping. */
static void test_refusing_winner_asks_nobody_else(void **state)
{
	struct script script;
	int n = 0;

	begin(&script);
	wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	be_absent(&script, PROTOCOL_PCP, GATEWAY_MAP, TROUBLE_NOT_SUPPORTED);
	answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
	refuse(&script, PROTOCOL_NATPMP, GATEWAY_MAP, TROUBLE_REFUSED, 2);
	at(&script, 1000);
	be_absent(&script, PROTOCOL_IGD, GATEWAY_PROBE, TROUBLE_SILENT);
	while (mapper_state_due(&script.state) < 15000) {
		at(&script, mapper_state_due(&script.state));
		assert_null(find_asked(&script, PROTOCOL_PCP, GATEWAY_PROBE));
		assert_null(find_asked(&script, PROTOCOL_IGD, GATEWAY_PROBE));
		if (!find_asked(&script, PROTOCOL_NATPMP, GATEWAY_PROBE))
			continue;
		answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
		refuse(&script, PROTOCOL_NATPMP, GATEWAY_MAP, TROUBLE_REFUSED, 2);
		n++;
	}
	assert_int_equal(n, 3);
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
	answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
	/* Others may have acted on the former view: it is another generation. */
	assert_int_equal(script.state.generation, 2);
	assert_words(&script, "ready", "nat");
	assert_mapping(tunnel, "pending", NOTHING);
	grant(&script, PROTOCOL_NATPMP, 4500, NULL, 3600);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	assert_int_equal(tunnel->generation, 2);
	end(&script);
}

/* What worked here before begins, and the others are behind it. */
static void test_memory(void **state)
{
	struct script script;

	begin(&script);
	wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	at(&script, 40);
	answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
	grant(&script, PROTOCOL_NATPMP, 61234, NULL, 3600);
	arrive(&script, "192.168.2.10", "192.168.2.1");
	grant(&script, PROTOCOL_PCP, 4500, "11.0.2.1", 3600);
	script.n_checked = script.n_sent;
	/* Back again, with the same port as then. */
	arrive(&script, "192.168.1.10", "192.168.1.1");
	answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
	assert_sent(&script, "40 nat-pmp probe", "40 nat-pmp map 4500 as 61234 for 3600");
	/* Another time the gateway speaks PCP alone: what was remembered is forgotten. */
	arrive(&script, "192.168.1.10", "192.168.1.1");
	be_absent(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, TROUBLE_NOT_SUPPORTED);
	assert_sent(&script, "40 nat-pmp probe", "40 close nat-pmp", "40 pcp probe");
	answer(&script, PROTOCOL_PCP, GATEWAY_PROBE, NULL);
	assert_sent(&script, "40 pcp map 4500 as 61234 for 3600");
	grant(&script, PROTOCOL_PCP, 61234, "11.0.1.1", 3600);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	assert_sent(&script, "40 pcp map 4500 as 61234 for 3600");
	end(&script);
}

/* A remembered protocol that is silent does not keep the others waiting for long. */
static void test_memory_that_is_wrong(void **state)
{
	struct script script;

	begin(&script);
	wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	be_absent(&script, PROTOCOL_PCP, GATEWAY_MAP, TROUBLE_NOT_SUPPORTED);
	be_absent(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, TROUBLE_NOT_SUPPORTED);
	answer(&script, PROTOCOL_IGD, GATEWAY_PROBE, NULL);
	grant(&script, PROTOCOL_IGD, 4500, "11.0.1.1", 3600);
	lose_network(&script);
	script.n_checked = script.n_sent;
	arrive(&script, "192.168.1.10", "192.168.1.1");
	at(&script, 1000);
	assert_sent(&script, "0 upnp-igd map 4500 as 4500 for 3600", "250 pcp probe",
		    "400 nat-pmp probe");
	answer(&script, PROTOCOL_PCP, GATEWAY_PROBE, NULL);
	assert_sent(&script, "1000 close nat-pmp", "1000 close upnp-igd",
		    "1000 pcp map 4500 as 4500 for 3600");
	end(&script);
}

static void test_address_event(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_NATPMP);
	struct gateway_event event = { .kind = GATEWAY_EVENT_ADDRESS };

	event.external.s_addr = inet_addr("11.0.1.77");
	at(&script, 1000);
	say(&script, PROTOCOL_NATPMP, &event);
	assert_mapping(tunnel, "mapped", "11.0.1.77", 4500);
	assert_int_equal(script.state.generation, 2);
	/* Again: nothing new. */
	say(&script, PROTOCOL_NATPMP, &event);
	assert_int_equal(script.state.generation, 2);
	assert_nothing_sent(&script);
	/* It does not say which. */
	event.external.s_addr = 0;
	say(&script, PROTOCOL_NATPMP, &event);
	assert_sent(&script, "1000 nat-pmp address", "1000 nat-pmp map 4500 as 4500 for 3600");
	answer(&script, PROTOCOL_NATPMP, GATEWAY_ADDRESS, "11.0.1.78");
	assert_mapping(tunnel, "mapped", "11.0.1.78", 4500);
	assert_int_equal(script.state.generation, 3);
	end(&script);
}

/* The gateway loses its address, and gets one again. */
static void test_address_lost(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_NATPMP);
	struct gateway_event event = { .kind = GATEWAY_EVENT_ADDRESS };

	say(&script, PROTOCOL_NATPMP, &event);
	refuse(&script, PROTOCOL_NATPMP, GATEWAY_ADDRESS, TROUBLE_NETWORK_FAILURE, 3);
	assert_mapping(tunnel, "failed", NOTHING);
	assert_int_equal(tunnel->trouble, TROUBLE_NETWORK_FAILURE);
	assert_words(&script, "ready", "refused");
	at(&script, 2000);
	answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
	grant(&script, PROTOCOL_NATPMP, 4500, NULL, 3600);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	assert_int_equal(script.state.generation, 1);
	end(&script);
}

static void test_restart(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_NATPMP);
	struct gateway_event event = { .kind = GATEWAY_EVENT_RESTARTED, .delay = 3100 };

	say(&script, PROTOCOL_NATPMP, &event);
	/* Its address at once, mappings when others have had their turn. */
	assert_sent(&script, "0 nat-pmp address");
	answer(&script, PROTOCOL_NATPMP, GATEWAY_ADDRESS, "11.0.1.1");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	at(&script, 3100);
	assert_sent(&script, "3100 nat-pmp map 4500 as 4500 for 3600", "3100 nat-pmp address");
	assert_int_equal(script.state.counters.gateway_restarts, 1);
	end(&script);
}

/* Its new address is seen from outside before it grants a mapping there: no second NAT. */
static void test_restart_with_another_address(void **state)
{
	const struct gateway_event event = { .kind = GATEWAY_EVENT_RESTARTED };
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_PCP);

	say(&script, PROTOCOL_PCP, &event);
	script.state.reflexive.s_addr = inet_addr("11.0.1.77");
	assert_words(&script, "ready", "nat");
	refuse(&script, PROTOCOL_PCP, GATEWAY_MAP, TROUBLE_OUT_OF_RESOURCES, 8);
	assert_int_equal(mapper_state_external(&script.state).s_addr, 0);
	assert_words(&script, "ready", "refused");
	at(&script, 2000);
	answer(&script, PROTOCOL_PCP, GATEWAY_PROBE, NULL);
	assert_words(&script, "ready", "unknown");
	grant(&script, PROTOCOL_PCP, 4500, "11.0.1.77", 3600);
	assert_mapping(tunnel, "mapped", "11.0.1.77", 4500);
	assert_int_equal(script.state.generation, 2);
	script.state.reflexive.s_addr = inet_addr("11.0.1.78");
	assert_words(&script, "ready", "double-nat");
	end(&script);
}

/* Without any mapping it takes one to know the address again. */
static void test_restart_without_mappings(void **state)
{
	const struct gateway_event event = { .kind = GATEWAY_EVENT_RESTARTED, .delay = 700 };
	struct script script;

	begin(&script);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	answer(&script, PROTOCOL_PCP, GATEWAY_PROBE, NULL);
	at(&script, 1000);
	answer(&script, PROTOCOL_PCP, GATEWAY_ADDRESS, "11.0.1.1");
	script.state.reflexive.s_addr = inet_addr("11.0.1.77");
	assert_words(&script, "ready", "double-nat");
	say(&script, PROTOCOL_PCP, &event);
	assert_words(&script, "ready", "nat");
	at(&script, 1700);
	answer(&script, PROTOCOL_PCP, GATEWAY_ADDRESS, "11.0.1.1");
	assert_words(&script, "ready", "double-nat");
	end(&script);
}

/* What was seen from outside belongs to the network, and to the address, that it was seen in. */
static void test_outside_is_forgotten(void **state)
{
	struct gateway_event event = { .kind = GATEWAY_EVENT_ADDRESS };
	struct script script;

	begin_mapped(&script, PROTOCOL_NATPMP);
	script.state.reflexive.s_addr = inet_addr("11.0.1.1");
	script.state.nat_mapping = NAT_ENDPOINT_INDEPENDENT;
	script.state.verified = NAT_VERIFIED_YES;
	event.external.s_addr = inet_addr("11.0.1.2");
	say(&script, PROTOCOL_NATPMP, &event);
	assert_int_equal(script.state.reflexive.s_addr, 0);
	assert_int_equal(script.state.verified, NAT_VERIFIED_UNKNOWN);
	script.state.reflexive.s_addr = inet_addr("11.0.1.2");
	script.state.nat_mapping = NAT_ENDPOINT_INDEPENDENT;
	script.state.verified = NAT_VERIFIED_YES;
	arrive(&script, "192.168.2.10", "192.168.2.1");
	assert_int_equal(script.state.reflexive.s_addr, 0);
	assert_int_equal(script.state.nat_mapping, NAT_BEHAVIOUR_UNKNOWN);
	assert_int_equal(script.state.verified, NAT_VERIFIED_UNKNOWN);
	end(&script);
}

/* A gateway whose epoch jumps is waited for ever longer, but not beyond a renewal. */
static void test_restart_does_not_delay(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_NATPMP);
	struct gateway_event event = { .kind = GATEWAY_EVENT_RESTARTED, .delay = 600000 };

	at(&script, HOUR / 2 - 60000);
	say(&script, PROTOCOL_NATPMP, &event);
	answer(&script, PROTOCOL_NATPMP, GATEWAY_ADDRESS, "11.0.1.1");
	script.n_checked = script.n_sent;
	at(&script, HOUR / 2);
	assert_sent(&script, "1800000 nat-pmp map 4500 as 4500 for 3600",
		    "1800000 nat-pmp address");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	end(&script);
}

/* PCP tells of a mapping that changed (RFC 6887 §14.2), UPnP of one that is gone. */
static void test_mapping_event(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_PCP);
	struct gateway_event event = { .kind = GATEWAY_EVENT_MAPPING,
				       .transport = IPPROTO_UDP,
				       .internal_port = 4500,
				       .external_port = 777 };

	event.external.s_addr = inet_addr("11.0.1.9");
	say(&script, PROTOCOL_PCP, &event);
	assert_mapping(tunnel, "mapped", "11.0.1.9", 777);
	assert_int_equal(script.state.generation, 2);
	event.external_port = 0;
	event.external.s_addr = 0;
	say(&script, PROTOCOL_PCP, &event);
	assert_mapping(tunnel, "pending", NOTHING);
	assert_sent(&script, "0 pcp map 4500 as 777 for 3600");
	end(&script);
}

/* The owner switches NAT-PMP off and UPnP on: what is mapped stands meanwhile. */
static void test_winner_is_gone(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	be_absent(&script, PROTOCOL_PCP, GATEWAY_MAP, TROUBLE_NOT_SUPPORTED);
	answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
	grant(&script, PROTOCOL_NATPMP, 4501, NULL, 3600);
	at(&script, HOUR / 2);
	script.n_checked = script.n_sent;
	be_absent(&script, PROTOCOL_NATPMP, GATEWAY_ADDRESS, TROUBLE_NOT_SUPPORTED);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4501);
	assert_sent(&script, "1800000 close nat-pmp", "1800000 pcp probe",
		    "1800000 upnp-igd probe");
	answer(&script, PROTOCOL_IGD, GATEWAY_PROBE, NULL);
	grant(&script, PROTOCOL_IGD, 4501, "11.0.1.1", 3600);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4501);
	assert_int_equal(script.state.gateways[0].winner, PROTOCOL_IGD);
	assert_int_equal(script.state.generation, 1);
	end(&script);
}

/* Silent only: it is asked whether it is there, then the others are. */
static void test_winner_in_doubt(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	be_absent(&script, PROTOCOL_PCP, GATEWAY_MAP, TROUBLE_NOT_SUPPORTED);
	answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
	grant(&script, PROTOCOL_NATPMP, 4500, NULL, 3600);
	at(&script, HOUR / 2 + 8500);
	script.n_checked = script.n_sent - 1;
	assert_sent(&script, "1808000 nat-pmp probe");
	/* It is. */
	answer(&script, PROTOCOL_NATPMP, GATEWAY_ADDRESS, "11.0.1.1");
	grant(&script, PROTOCOL_NATPMP, 4500, NULL, 3600);
	at(&script, HOUR + 8500);
	answer(&script, PROTOCOL_NATPMP, GATEWAY_ADDRESS, "11.0.1.1");
	grant(&script, PROTOCOL_NATPMP, 4500, NULL, 3600);
	at(&script, 3 * HOUR / 2 + 8500);
	script.n_checked = script.n_sent;
	at(&script, 3 * HOUR / 2 + 20000);
	assert_sent(&script, "5416500 nat-pmp probe", "5417500 pcp probe",
		    "5417500 upnp-igd probe");
	answer(&script, PROTOCOL_PCP, GATEWAY_PROBE, NULL);
	grant(&script, PROTOCOL_PCP, 4500, "11.0.1.1", 3600);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	assert_int_equal(script.state.gateways[0].winner, PROTOCOL_PCP);
	end(&script);
}

/* Nobody answers any more: what was mapped holds until it runs out, and then it has failed; it does
 * not become public in between. */
static void test_gateway_falls_silent(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_NATPMP);

	at(&script, HOUR / 2);
	be_absent(&script, PROTOCOL_NATPMP, GATEWAY_ADDRESS, TROUBLE_SILENT);
	at(&script, HOUR - 1);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	at(&script, HOUR);
	assert_mapping(tunnel, "failed", NOTHING);
	assert_int_equal(script.state.generation, 1);
	at(&script, 2 * HOUR);
	assert_mapping(tunnel, "failed", NOTHING);
	answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
	grant(&script, PROTOCOL_NATPMP, 4500, NULL, 3600);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	end(&script);
}

static void test_double_nat(void **state)
{
	static const struct {
		const char *external, *kind;
	} cases[] = { { "192.168.5.2", "double-nat" },
		      { "10.1.1.1", "double-nat" },
		      { "100.64.1.1", "carrier-grade-nat" },
		      { "11.0.1.1", "nat" } };

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct script script;
		struct mapping *tunnel;

		begin(&script);
		tunnel = wish(&script, "tunnel", 4500);
		arrive(&script, "192.168.1.10", "192.168.1.1");
		grant(&script, PROTOCOL_PCP, 4500, cases[i].external, 3600);
		assert_words(&script, "ready", cases[i].kind);
		assert_mapping(tunnel, "mapped", cases[i].external, 4500);
		assert_int_equal(tunnel->trouble, i < 3 ? TROUBLE_DOUBLE_NAT : TROUBLE_NONE);
		end(&script);
	}
}

/* A reason to look again, once for all its copies, and from the gateway only. */
/* What a STUN server says, and what the daemon does then. */
static void see_as(struct script *script, const char *address)
{
	mapper_state_set_reflexive(&script->state, (struct in_addr){ inet_addr(address) },
				   script->now);
	take_actions(script);
}

static struct mapping *begin_forwarded(struct script *script)
{
	struct mapping *tunnel;

	begin(script);
	script->state.forwarded = true;
	tunnel = wish(script, "tunnel", 4500);
	arrive(script, "192.168.1.10", "192.168.1.1");
	return tunnel;
}

static void assert_external(struct script *script, const char *expected)
{
	assert_string_equal(inet_ntoa(mapper_state_external(&script->state)), expected);
}

/* Nobody maps: the address that others see, at once and without the private one before. */
static void test_forwarded(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_forwarded(&script), *wished;

	wished = wish(&script, "other", 4600);
	wished->wish.external_port = 4700;
	at(&script, 300);
	see_as(&script, "11.0.1.1");
	/* The gateway has its time. */
	assert_mapping(tunnel, "pending", NOTHING);
	at(&script, 2000);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	assert_mapping(wished, "mapped", "11.0.1.1", 4700);
	assert_true(tunnel->by_hand);
	assert_external(&script, "11.0.1.1");
	assert_words(&script, "ready", "unmapped");
	assert_int_equal(script.state.generation, 1);
	/* Asked again and again, by us or the daemon: nothing changes. */
	at(&script, HOUR);
	mapper_state_reprove(&script.state, script.now);
	at(&script, HOUR + 10);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	/* Nobody sees us any more: what was seen last stays. */
	see_as(&script, "0.0.0.0");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	assert_int_equal(script.state.generation, 1);
	/* Another address of the router. */
	see_as(&script, "11.0.1.77");
	assert_mapping(tunnel, "mapped", "11.0.1.77", 4500);
	assert_int_equal(script.state.generation, 2);
	assert_int_equal(tunnel->generation, 2);
	assert_int_equal(script.state.reflexive.s_addr, inet_addr("11.0.1.77"));
	/* In another network nothing is known of it. */
	arrive(&script, "192.168.2.10", "192.168.2.1");
	assert_mapping(tunnel, "pending", NOTHING);
	assert_external(&script, "0.0.0.0");
	at(&script, script.now + 9999);
	assert_mapping(tunnel, "pending", NOTHING);
	end(&script);
}

static void test_forwarded_without_stun(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_forwarded(&script);

	at(&script, 9999);
	assert_mapping(tunnel, "pending", NOTHING);
	at(&script, 10000);
	assert_mapping(tunnel, "public", "192.168.1.10", 4500);
	assert_int_equal(script.state.generation, 1);
	/* Somebody may have acted on that. */
	at(&script, 30000);
	see_as(&script, "11.0.1.1");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	assert_int_equal(script.state.generation, 2);
	see_as(&script, "0.0.0.0");
	at(&script, HOUR);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	assert_int_equal(script.state.generation, 2);
	end(&script);
}

/* It is nothing to wait for where the address is public, nor anything to tell where it is seen as
 * it is. */
static void test_forwarded_is_for_private_networks(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_forwarded(&script);

	arrive(&script, "11.0.9.9", "11.0.0.1");
	assert_mapping(tunnel, "public", "11.0.9.9", 4500);
	see_as(&script, "11.0.9.9");
	assert_mapping(tunnel, "public", "11.0.9.9", 4500);
	assert_false(mapper_state_is_forwarded(&script.state));
	arrive(&script, "192.168.1.10", NULL);
	see_as(&script, "192.168.1.10");
	assert_mapping(tunnel, "public", "192.168.1.10", 4500);
	assert_int_equal(script.state.generation, 3);
	/* And nobody asked for it here. */
	script.state.forwarded = false;
	arrive(&script, "192.168.1.10", NULL);
	assert_mapping(tunnel, "public", "192.168.1.10", 4500);
	see_as(&script, "11.0.1.1");
	assert_mapping(tunnel, "public", "192.168.1.10", 4500);
	end(&script);
}

/* One that refuses, also after it told its address, and is asked again. */
static void test_forwarded_past_a_refusal(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_forwarded(&script);
	uint64_t generation;

	script.state.protocols[0] = PROTOCOL_NATPMP;
	script.state.protocols[1] = PROTOCOL_NONE;
	arrive(&script, "192.168.1.10", "192.168.1.1");
	answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
	refuse(&script, PROTOCOL_NATPMP, GATEWAY_MAP, TROUBLE_REFUSED, 2);
	assert_mapping(tunnel, "pending", NOTHING);
	at(&script, 300);
	see_as(&script, "11.0.1.1");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	assert_words(&script, "ready", "refused");
	generation = script.state.generation;
	/* And the address that it tells may not be the one that others see: nothing flaps. */
	for (unsigned int i = 0; i < 5; i++) {
		while (!find_asked(&script, PROTOCOL_NATPMP, GATEWAY_PROBE))
			at(&script, script.now + 1000);
		answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, i % 2 ? "11.0.1.9" : "11.0.1.1");
		assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
		assert_true(tunnel->by_hand);
		refuse(&script, PROTOCOL_NATPMP, GATEWAY_MAP, TROUBLE_REFUSED, 2);
		assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
		assert_int_equal(script.state.generation, generation);
	}
	/* Others see another address, and somebody asks. */
	mapper_state_reprove(&script.state, script.now);
	take_actions(&script);
	see_as(&script, "11.0.1.77");
	generation = script.state.generation;
	for (unsigned int i = 0; i < 5; i++) {
		assert_mapping(tunnel, "mapped", "11.0.1.77", 4500);
		while (!find_asked(&script, PROTOCOL_NATPMP, GATEWAY_PROBE))
			at(&script, script.now + 1000);
		answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
		assert_mapping(tunnel, "mapped", "11.0.1.77", 4500);
		refuse(&script, PROTOCOL_NATPMP, GATEWAY_MAP, TROUBLE_REFUSED, 2);
		assert_int_equal(script.state.generation, generation);
	}
	see_as(&script, "11.0.1.1");
	generation = script.state.generation;
	/* Its owner allows it. */
	while (!find_asked(&script, PROTOCOL_NATPMP, GATEWAY_PROBE))
		at(&script, script.now + 1000);
	answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
	grant(&script, PROTOCOL_NATPMP, 4501, NULL, 3600);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4501);
	assert_false(tunnel->by_hand);
	assert_int_equal(script.state.generation, generation);
	end(&script);
}

/* The nearer router maps, the farther one is set by hand. */
static void test_forwarded_behind_the_gateway(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_forwarded(&script);

	grant(&script, PROTOCOL_PCP, 4501, "192.168.178.20", 3600);
	assert_mapping(tunnel, "pending", NOTHING);
	at(&script, 300);
	see_as(&script, "11.0.1.1");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4501);
	assert_false(tunnel->by_hand);
	assert_external(&script, "11.0.1.1");
	assert_words(&script, "ready", "double-nat");
	assert_int_equal(tunnel->trouble, TROUBLE_NONE);
	end(&script);
}

/* One that maps has the say. */
static void test_forwarded_and_mapped(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_forwarded(&script);

	grant(&script, PROTOCOL_PCP, 4501, "11.0.1.1", 3600);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4501);
	see_as(&script, "11.0.1.1");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4501);
	assert_false(mapper_state_is_forwarded(&script.state));
	assert_int_equal(script.state.generation, 1);
	end(&script);
}

static void test_announcement_wakes(void **state)
{
	struct script script;
	struct in_addr gateway = { inet_addr("192.168.1.1") };
	struct in_addr other = { inet_addr("192.168.1.2") };

	begin(&script);
	script.state.protocols[1] = PROTOCOL_NONE;
	arrive(&script, "192.168.1.10", "192.168.1.1");
	be_absent(&script, PROTOCOL_PCP, GATEWAY_PROBE, TROUBLE_NOT_SUPPORTED);
	at(&script, 1000);
	script.n_checked = script.n_sent;
	assert_false(mapper_state_on_announcement(&script.state, other, 2, script.now));
	assert_false(mapper_state_on_announcement(&script.state, gateway, 3, script.now));
	take_actions(&script);
	assert_nothing_sent(&script);
	for (int i = 0; i < 10; i++) {
		assert_true(mapper_state_on_announcement(&script.state, gateway, 2, script.now));
		take_actions(&script);
	}
	assert_sent(&script, "1000 pcp probe");
	assert_int_equal(script.state.counters.announcements_foreign, 2);
	assert_int_equal(script.state.counters.announcements_accepted, 10);
	end(&script);
}

/* After a sleep, or because somebody wants to know. */
static void test_reprove(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_NATPMP);

	at(&script, 60000);
	mapper_state_reprove(&script.state, script.now);
	take_actions(&script);
	assert_sent(&script, "60000 nat-pmp address", "60000 nat-pmp map 4500 as 4500 for 3600");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	/* Once more while that is under way: what is asked for now counts. */
	mapper_state_reprove(&script.state, script.now);
	take_actions(&script);
	assert_sent(&script, "60000 nat-pmp cancel", "60000 nat-pmp cancel",
		    "60000 nat-pmp address", "60000 nat-pmp map 4500 as 4500 for 3600");
	at(&script, 60010);
	answer(&script, PROTOCOL_NATPMP, GATEWAY_ADDRESS, "11.0.1.1");
	grant(&script, PROTOCOL_NATPMP, 4500, NULL, 3600);
	assert_int_equal(script.state.checked_at, 60010);
	end(&script);
}

static void test_reprove_mute(void **state)
{
	struct script script;

	begin(&script);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	at(&script, 60000);
	script.n_checked = script.n_sent;
	mapper_state_reprove(&script.state, script.now);
	at(&script, 60200);
	assert_sent(&script, "60000 upnp-igd cancel", "60000 nat-pmp cancel", "60000 pcp cancel",
		    "60000 close pcp", "60000 close nat-pmp", "60000 pcp probe",
		    "60040 nat-pmp probe", "60120 upnp-igd probe");
	assert_words(&script, "ready", "unmapped");
	/* All is proven when those who were silent have had their time. */
	assert_int_equal(script.state.checked_at, 2000);
	at(&script, 63000);
	assert_int_equal(script.state.checked_at, 62000);
	end(&script);
}

/* A router whose owner switches UPnP on says so to everybody. */
static void test_mute_speaks_up(void **state)
{
	const struct gateway_event heard = { .kind = GATEWAY_EVENT_RESTARTED };
	struct script script;

	begin(&script);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	at(&script, 60000);
	be_absent(&script, PROTOCOL_IGD, GATEWAY_PROBE, TROUBLE_SILENT);
	at(&script, 60100);
	script.n_checked = script.n_sent;
	say(&script, PROTOCOL_IGD, &heard);
	at(&script, 60200);
	assert_sent(&script, "60100 upnp-igd probe");
	end(&script);
}

static void test_move_with_requests_in_flight(void **state)
{
	struct script script;
	struct mapping *tunnel;
	struct gateway_event late = { .kind = GATEWAY_EVENT_ANSWER,
				      .operation = GATEWAY_MAP,
				      .external_port = 4500,
				      .lifetime = 3600 };
	uint32_t incarnation;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	late.id = find_asked(&script, PROTOCOL_PCP, GATEWAY_MAP)->request.id;
	late.external.s_addr = inet_addr("11.0.1.1");
	incarnation = script.state.gateways[0].incarnation;
	arrive(&script, "192.168.2.10", "192.168.2.1");
	assert_int_equal(script.state.generation, 2);
	mapper_state_on_event(&script.state, 0, incarnation, PROTOCOL_PCP, &late, script.now);
	assert_mapping(tunnel, "pending", NOTHING);
	assert_int_equal(script.state.counters.events_stale, 1);
	grant(&script, PROTOCOL_PCP, 4500, "11.0.2.1", 3600);
	assert_mapping(tunnel, "mapped", "11.0.2.1", 4500);
	assert_int_equal(tunnel->generation, 2);
	end(&script);
}

/* It could not even be sent: that is as if it were lost. */
static void test_unsent(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_NATPMP);
	struct mapper_action action;

	script.now = HOUR / 2;
	for (int i = 0; i < 2; i++) {
		assert_true(mapper_state_take_action(&script.state, script.now, &action));
		mapper_state_on_unsent(&script.state, &action, script.now);
	}
	take_actions(&script);
	assert_nothing_sent(&script);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	at(&script, HOUR / 2 + 1000);
	assert_sent(&script, "1801000 nat-pmp address",
		    "1801000 nat-pmp map 4500 as 4500 for 3600");
	end(&script);
}

/* Nobody was silent, for nobody was asked. */
static void test_unsent_at_first(void **state)
{
	const struct network_view at_home = view("192.168.1.10", "192.168.1.1");
	struct mapper_action action;
	struct script script;

	begin(&script);
	mapper_state_set_network(&script.state, &at_home, 0);
	while (mapper_state_take_action(&script.state, 0, &action))
		if (action.kind == MAPPER_REQUEST)
			mapper_state_on_unsent(&script.state, &action, 0);
	at(&script, 1000);
	assert_sent(&script, "1000 pcp probe", "1000 nat-pmp probe", "1000 upnp-igd probe");
	end(&script);
}

/* Without a wish nothing is mapped, only asked. */
static void test_without_wishes(void **state)
{
	struct script script;

	begin(&script);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	answer(&script, PROTOCOL_PCP, GATEWAY_PROBE, NULL);
	at(&script, 999);
	assert_sent(&script, "0 pcp probe");
	assert_words(&script, "ready", "unknown");
	/* What kind of NAT it is is to be known all the same. */
	at(&script, 1000);
	assert_sent(&script, "1000 pcp address");
	answer(&script, PROTOCOL_PCP, GATEWAY_ADDRESS, "11.0.1.1");
	assert_words(&script, "ready", "nat");
	at(&script, HOUR);
	assert_int_equal(script.n_sent, script.n_checked);
	end(&script);
}

static void test_generation_never_falls(void **state)
{
	struct script script;

	begin(&script);
	mapper_state_init(&script.state, 41, script.state.random);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	assert_int_equal(script.state.generation, 42);
	end(&script);
}

static void assert_reason(struct script *script, const char *expected)
{
	char text[600];

	words_reason(&script->state, text, sizeof text);
	if (!strstr(text, expected))
		fail_msg("\"%s\" is not in: %s", expected, text);
}

static void test_reasons(void **state)
{
	struct script script;

	begin(&script);
	assert_reason(&script, "kernel is asked");
	lose_network(&script);
	assert_reason(&script, "Connect to a network");
	wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	assert_reason(&script, "192.168.1.1 is being asked");
	at(&script, 2000);
	assert_reason(&script, "answers no mapping protocol");
	answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
	refuse(&script, PROTOCOL_NATPMP, GATEWAY_MAP, TROUBLE_REFUSED, 2);
	at(&script, 4000);
	assert_reason(&script, "(result 2): port mapping is switched off there");
	end(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_network),
		cmocka_unit_test(test_public_address_is_not_asked_about),
		cmocka_unit_test(test_who_is_asked),
		cmocka_unit_test(test_head_starts),
		cmocka_unit_test(test_no_is_not_waited_for),
		cmocka_unit_test(test_all_say_no),
		cmocka_unit_test(test_seldom_in_the_end),
		cmocka_unit_test(test_first_answer_wins),
		cmocka_unit_test(test_slower_one_wins),
		cmocka_unit_test(test_refusal_lets_others_go_on),
		cmocka_unit_test(test_all_refuse),
		cmocka_unit_test(test_refusal_is_respected),
		cmocka_unit_test(test_only_the_refusing_is_asked),
		cmocka_unit_test(test_refusing_winner_asks_nobody_else),
		cmocka_unit_test(test_late_answer_switches),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_memory_that_is_wrong),
		cmocka_unit_test(test_address_event),
		cmocka_unit_test(test_address_lost),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_restart_with_another_address),
		cmocka_unit_test(test_restart_without_mappings),
		cmocka_unit_test(test_restart_does_not_delay),
		cmocka_unit_test(test_outside_is_forgotten),
		cmocka_unit_test(test_mapping_event),
		cmocka_unit_test(test_winner_is_gone),
		cmocka_unit_test(test_winner_in_doubt),
		cmocka_unit_test(test_gateway_falls_silent),
		cmocka_unit_test(test_double_nat),
		cmocka_unit_test(test_forwarded),
		cmocka_unit_test(test_forwarded_without_stun),
		cmocka_unit_test(test_forwarded_is_for_private_networks),
		cmocka_unit_test(test_forwarded_past_a_refusal),
		cmocka_unit_test(test_forwarded_behind_the_gateway),
		cmocka_unit_test(test_forwarded_and_mapped),
		cmocka_unit_test(test_announcement_wakes),
		cmocka_unit_test(test_reprove),
		cmocka_unit_test(test_reprove_mute),
		cmocka_unit_test(test_mute_speaks_up),
		cmocka_unit_test(test_move_with_requests_in_flight),
		cmocka_unit_test(test_unsent),
		cmocka_unit_test(test_unsent_at_first),
		cmocka_unit_test(test_without_wishes),
		cmocka_unit_test(test_generation_never_falls),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests_name("mapper-state", tests, NULL, NULL);
}
