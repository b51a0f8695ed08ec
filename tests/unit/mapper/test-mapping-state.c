/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mapping-state.c and wish-state.c: what is wanted, by whom, until when, and no longer (script.h).
 */
#include "tests/unit/mapper/script.h"

#include "services/mapper/mapping-state.h"
#include "services/mapper/wish-state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static void test_renewal_at_half_life(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_NATPMP);

	/* The second grant is for less, and with another port next time asked for again. */
	at(&script, HOUR / 2);
	answer(&script, PROTOCOL_NATPMP, GATEWAY_ADDRESS, "11.0.1.1");
	grant(&script, PROTOCOL_NATPMP, 4501, NULL, 600);
	assert_sent(&script, "1800000 nat-pmp address",
		    "1800000 nat-pmp map 4500 as 4500 for 3600");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4501);
	at(&script, HOUR / 2 + 300000);
	assert_sent(&script, "2100000 nat-pmp address",
		    "2100000 nat-pmp map 4500 as 4501 for 3600");
	assert_int_equal(script.state.generation, 1);
	end(&script);
}

/* RFC 6887 §11.2.1: single packets at 1/2 to 5/8 of the life, 3/4 to 13/16, and so on, four seconds
 * apart at least; all_zero() takes the earliest of each. */
static void test_renewal_by_pcp(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_PCP);

	tunnel->wish.lifetime = 64;
	mapping_ask_again(&script.state, tunnel, 0, 0);
	take_actions(&script);
	grant(&script, PROTOCOL_PCP, 4500, "11.0.1.1", 64);
	script.n_checked = script.n_sent;
	at(&script, 63999);
	assert_sent(&script, "32000 pcp map 4500 as 4500 for 64", "34500 pcp cancel",
		    "40000 pcp probe", /* in doubt by then */
		    "48000 pcp map 4500 as 4500 for 64", "50500 pcp cancel",
		    "56000 pcp map 4500 as 4500 for 64", "58500 pcp cancel",
		    "62500 pcp map 4500 as 4500 for 64");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	/* Over: from now on it is asked for as a new one is, by what is under way. */
	at(&script, 64000);
	assert_mapping(tunnel, "failed", NOTHING);
	assert_int_equal(tunnel->trouble, TROUBLE_EXPIRED);
	at(&script, 200000);
	assert_nothing_sent(&script);
	grant(&script, PROTOCOL_PCP, 4500, "11.0.1.1", 64);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	end(&script);
}

/* One that may be lost is no renewal: its speaker repeats it as a new one. */
static void test_lost_is_repeated(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_PCP);

	mapping_ask_again(&script.state, tunnel, 0, 0);
	at(&script, 7999);
	assert_sent(&script, "0 pcp map 4500 as 4500 for 3600");
	end(&script);
}

/* With another number each time, the renewals stay within their spans. */
static uint64_t drawn;

static void draw(void *octets, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		drawn = drawn * UINT64_C(6364136223846793005) + 1442695040888963407;
		((uint8_t *)octets)[i] = drawn >> 56;
	}
}

static void test_renewal_spans(void **state)
{
	for (int seed = 0; seed < 200; seed++) {
		struct script script;
		struct mapping *tunnel;
		uint64_t ask_at;

		drawn = seed;
		begin(&script);
		script.state.random = draw;
		tunnel = wish(&script, "tunnel", 4500);
		arrive(&script, "192.168.1.10", "192.168.1.1");
		grant(&script, PROTOCOL_PCP, 4500, "11.0.1.1", 3600);
		ask_at = tunnel->hops[0].ask_at;
		assert_in_range(ask_at, HOUR / 2, HOUR * 5 / 8);
		at(&script, ask_at + 2500);
		ask_at = tunnel->hops[0].ask_at;
		assert_in_range(ask_at, HOUR * 3 / 4, HOUR * 13 / 16);
		at(&script, ask_at + 2500);
		assert_in_range(tunnel->hops[0].ask_at, HOUR * 7 / 8, HOUR * 29 / 32);
		end(&script);
	}
}

static void test_absurd_lifetimes(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	grant(&script, PROTOCOL_PCP, 4500, "11.0.1.1", UINT32_MAX);
	assert_true(tunnel->expires_at == 24 * HOUR);
	assert_true(tunnel->hops[0].ask_at == 12 * HOUR);
	arrive(&script, "192.168.2.10", "192.168.2.1");
	grant(&script, PROTOCOL_PCP, 4500, "11.0.2.1", 0);
	at(&script, 2000);
	assert_int_not_equal(tunnel->condition, MAPPING_MAPPED);
	arrive(&script, "192.168.3.10", "192.168.3.1");
	grant(&script, PROTOCOL_PCP, 0, "11.0.3.1", 3600);
	at(&script, 4000);
	assert_int_not_equal(tunnel->condition, MAPPING_MAPPED);
	end(&script);
}

/* Some routers only know mappings for ever: they are looked after, and deleted (IG-8). */
static void test_permanent_lease(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_IGD);

	at(&script, HOUR / 2);
	answer(&script, PROTOCOL_IGD, GATEWAY_ADDRESS, "11.0.1.1");
	grant(&script, PROTOCOL_IGD, 4500, "11.0.1.1", 0);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	assert_true(tunnel->expires_at == UINT64_MAX);
	assert_int_equal(tunnel->lifetime, 0);
	script.n_checked = script.n_sent;
	at(&script, HOUR - 1);
	for (size_t i = script.n_checked; i < script.n_sent; i++)
		assert_null(strstr(script.sent[i], "map"));
	at(&script, HOUR);
	assert_non_null(find_asked(&script, PROTOCOL_IGD, GATEWAY_MAP));
	mapping_remove(&script.state, tunnel, script.now);
	take_actions(&script);
	assert_non_null(find_asked(&script, PROTOCOL_IGD, GATEWAY_DELETE));
	end(&script);
}

static void test_release_deletes(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_NATPMP);

	at(&script, 1000);
	mapping_remove(&script.state, tunnel, 1000);
	take_actions(&script);
	assert_sent(&script, "1000 nat-pmp delete 4500");
	assert_int_equal(script.state.ledger.n, 1);
	answer(&script, PROTOCOL_NATPMP, GATEWAY_DELETE, NULL);
	assert_null(script.state.deletions);
	assert_int_equal(script.state.ledger.n, 0);
	end(&script);
}

static void test_release_of_what_was_never_asked(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin(&script);
	script.state.protocols[0] = PROTOCOL_NATPMP;
	script.state.protocols[1] = PROTOCOL_NONE;
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	mapping_remove(&script.state, tunnel, 0);
	answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
	assert_sent(&script, "0 nat-pmp probe");
	end(&script);
}

/* The request for it is taken back first: its repetition must not come after the deletion. */
static void test_release_of_what_is_asked_for(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_PCP);

	at(&script, HOUR / 2);
	mapping_remove(&script.state, tunnel, script.now);
	take_actions(&script);
	assert_sent(&script, "1800000 pcp map 4500 as 4500 for 3600", "1800000 pcp cancel",
		    "1800000 pcp delete 4500");
	end(&script);
}

/* Silence ends a deletion, but not what is known of the mapping: we may come back. */
/* PCP's answer was lost and NAT-PMP won: while the mapping is wanted, nothing is deleted that may
 * be one and the same; in the end, whatever the gateway has. */
static void test_release_of_what_pcp_may_have(void **state)
{
	struct script script;
	struct mapping *tunnel;

	for (unsigned int answered = 0; answered < 2; answered++) {
		begin(&script);
		tunnel = wish(&script, "tunnel", 4500);
		arrive(&script, "192.168.1.10", "192.168.1.1");
		at(&script, 40);
		if (answered)
			be_absent(&script, PROTOCOL_PCP, GATEWAY_MAP, TROUBLE_NOT_SUPPORTED);
		answer(&script, PROTOCOL_NATPMP, GATEWAY_PROBE, "11.0.1.1");
		grant(&script, PROTOCOL_NATPMP, 4500, NULL, 3600);
		assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
		at(&script, 60000);
		assert_null(find_asked(&script, PROTOCOL_PCP, GATEWAY_DELETE));
		mapper_state_finish(&script.state, script.now);
		take_actions(&script);
		assert_non_null(find_asked(&script, PROTOCOL_NATPMP, GATEWAY_DELETE));
		assert_true(answered == !find_asked(&script, PROTOCOL_PCP, GATEWAY_DELETE));
		/* Nobody waits for what may not even be there. */
		assert_false(mapper_state_finished(&script.state));
		answer(&script, PROTOCOL_NATPMP, GATEWAY_DELETE, NULL);
		assert_true(mapper_state_finished(&script.state));
		assert_int_equal(script.state.counters.mappings_removed, 1);
		end(&script);
	}
}

static void test_deletion_is_given_up(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_NATPMP);

	mapping_remove(&script.state, tunnel, 0);
	take_actions(&script);
	be_absent(&script, PROTOCOL_NATPMP, GATEWAY_DELETE, TROUBLE_SILENT);
	assert_null(script.state.deletions);
	assert_int_equal(script.state.ledger.n, 1);
	end(&script);
}

/* Released and wanted again before the gateway heard of it: the same transport and internal port is
 * the same mapping there, and must not be deleted. */
static void test_wanted_again(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_NATPMP);

	mapping_remove(&script.state, tunnel, 0);
	take_actions(&script);
	tunnel = wish(&script, "other", 4500);
	assert_sent(&script, "0 nat-pmp delete 4500", "0 nat-pmp cancel",
		    "0 nat-pmp map 4500 as 4500 for 3600");
	grant(&script, PROTOCOL_NATPMP, 4500, NULL, 3600);
	at(&script, 60000);
	assert_nothing_sent(&script);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	end(&script);
}

static void test_changed_wishes(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_NATPMP);
	struct mapping_wish changed = tunnel->wish;

	/* The same: nothing happens. */
	mapping_change(&script.state, tunnel, &changed, 0);
	take_actions(&script);
	assert_nothing_sent(&script);
	/* Another lifetime: asked for, and undisturbed. */
	changed.lifetime = 600;
	mapping_change(&script.state, tunnel, &changed, 0);
	take_actions(&script);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	grant(&script, PROTOCOL_NATPMP, 4500, NULL, 600);
	/* Another external port. */
	changed.external_port = 5555;
	mapping_change(&script.state, tunnel, &changed, 0);
	take_actions(&script);
	grant(&script, PROTOCOL_NATPMP, 5555, NULL, 600);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 5555);
	/* Another internal port: the former mapping is deleted. */
	changed.internal_port = 4600;
	changed.external_port = 0;
	mapping_change(&script.state, tunnel, &changed, 0);
	take_actions(&script);
	assert_mapping(tunnel, "pending", NOTHING);
	grant(&script, PROTOCOL_NATPMP, 4600, NULL, 600);
	assert_sent(&script, "0 nat-pmp map 4500 as 4500 for 600",
		    "0 nat-pmp map 4500 as 5555 for 600", "0 nat-pmp map 4600 as 4600 for 600",
		    "0 nat-pmp delete 4500");
	end(&script);
}

/* Another external port is told when it is granted, and may not be; what the gateway has until
 * then is what is deleted. */
static void test_changed_port_is_not_granted(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_IGD);
	struct mapping_wish changed = tunnel->wish;

	changed.external_port = 5555;
	mapping_change(&script.state, tunnel, &changed, 0);
	mapping_view(&script.state, tunnel);
	take_actions(&script);
	assert_sent(&script, "0 upnp-igd map 4500 as 5555 for 3600");
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	/* The gateway is known to have the former one. */
	mapping_remove(&script.state, tunnel, 0);
	take_actions(&script);
	assert_int_equal(find_asked(&script, PROTOCOL_IGD, GATEWAY_DELETE)->request.external_port,
			 4500);
	end(&script);
	/* Nor is a granted one asked for under the former wish again. */
	tunnel = begin_mapped(&script, PROTOCOL_NATPMP);
	changed = tunnel->wish;
	changed.external_port = 5555;
	mapping_change(&script.state, tunnel, &changed, 0);
	take_actions(&script);
	grant(&script, PROTOCOL_NATPMP, 4501, NULL, 3600);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4501);
	script.n_checked = script.n_sent;
	at(&script, HOUR / 2);
	answer(&script, PROTOCOL_NATPMP, GATEWAY_ADDRESS, "11.0.1.1");
	assert_sent(&script, "1800000 nat-pmp address",
		    "1800000 nat-pmp map 4500 as 4501 for 3600");
	end(&script);
}

static unsigned int grant_all(struct script *script, uint64_t until, uint32_t lifetime)
{
	unsigned int n = 0;

	while (mapper_state_due(&script->state) <= until) {
		uint64_t due = mapper_state_due(&script->state);

		at(script, due > script->now ? due : script->now + 1);
		while (find_asked(script, PROTOCOL_PCP, GATEWAY_MAP)) {
			n++;
			grant(script, PROTOCOL_PCP, 4500, "11.0.1.1", lifetime);
		}
	}
	at(script, until);
	return n;
}

/* A gateway that grants a second, or says at once that what it granted is gone, is not asked as
 * often as it likes. A short life that was asked for is renewed in time. */
static void test_brief_grants(void **state)
{
	struct gateway_event gone = { .kind = GATEWAY_EVENT_MAPPING,
				      .transport = IPPROTO_UDP,
				      .internal_port = 4500 };
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_PCP);
	struct mapping_wish changed = tunnel->wish;
	unsigned int n = 0;

	script.quiet = true;
	at(&script, HOUR / 2);
	grant(&script, PROTOCOL_PCP, 4500, "11.0.1.1", 1);
	assert_in_range(grant_all(&script, HOUR, 1), 60, 160);
	end(&script);

	tunnel = begin_mapped(&script, PROTOCOL_PCP);
	script.quiet = true;
	for (int i = 0; i < 3600; i++) {
		say(&script, PROTOCOL_PCP, &gone);
		n += grant_all(&script, script.now + 1000, 3600);
	}
	assert_in_range(n, 60, 300);
	end(&script);

	tunnel = begin_mapped(&script, PROTOCOL_PCP);
	script.quiet = true;
	changed.lifetime = 6;
	mapping_change(&script.state, tunnel, &changed, 0);
	take_actions(&script);
	for (int i = 0; i < 600; i++) {
		struct asked *asked = find_asked(&script, PROTOCOL_PCP, GATEWAY_MAP);

		n += asked != NULL;
		if (asked)
			grant(&script, PROTOCOL_PCP, 4500, "11.0.1.1", asked->request.lifetime);
		at(&script, script.now + 1000);
		assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	}
	end(&script);
}

/* A gateway that cannot delete now is asked again later; one that will not is not. */
static void test_deletion_fails(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_PCP);

	at(&script, 60000); /* who had a wish in a former run has spoken */
	script.n_checked = script.n_sent;
	mapping_remove(&script.state, tunnel, script.now);
	take_actions(&script);
	refuse(&script, PROTOCOL_PCP, GATEWAY_DELETE, TROUBLE_NETWORK_FAILURE, 7);
	assert_null(script.state.deletions);
	assert_int_equal(script.state.ledger.n, 1);
	at(&script, 60000 + 599999);
	assert_null(find_asked(&script, PROTOCOL_PCP, GATEWAY_DELETE));
	at(&script, 60000 + 600000);
	refuse(&script, PROTOCOL_PCP, GATEWAY_DELETE, TROUBLE_REFUSED, 2);
	assert_int_equal(script.state.ledger.n, 0);
	assert_int_equal(script.state.counters.mappings_removed, 0);
	end(&script);
}

/* Nobody makes us hold more than so many deletions, nor cancels. */
static void test_restless_wishes(void **state)
{
	struct script script;
	struct mapping *tunnel = begin_mapped(&script, PROTOCOL_NATPMP);
	struct mapping_wish changed = tunnel->wish;
	int n = 0;

	for (int i = 0; i < 300; i++) {
		changed.internal_port = 10000 + i;
		mapping_change(&script.state, tunnel, &changed, 0);
		take_actions(&script);
	}
	for (const struct deletion *gone = script.state.deletions; gone; gone = gone->next)
		n++;
	assert_int_equal(n, MAPPINGS_LIMIT);
	end(&script);
}

static void test_finish(void **state)
{
	struct script script;

	begin_mapped(&script, PROTOCOL_PCP);
	assert_false(mapper_state_finished(&script.state));
	mapper_state_finish(&script.state, 0);
	take_actions(&script);
	assert_sent(&script, "0 pcp delete 4500");
	assert_false(mapper_state_finished(&script.state));
	answer(&script, PROTOCOL_PCP, GATEWAY_DELETE, NULL);
	assert_true(mapper_state_finished(&script.state));
	end(&script);

	begin(&script);
	wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	mapper_state_finish(&script.state, 0);
	assert_true(mapper_state_finished(&script.state));
	end(&script);
}

/* Two callers want the same internal port: at the gateway that is one mapping, with one nonce. */
static void test_one_nonce_for_one_port(void **state)
{
	struct script script;
	struct mapping *one, *other, *third, *fourth;

	drawn = 1;
	begin(&script);
	script.state.random = draw;
	one = wish(&script, "one", 4500);
	other = wish(&script, "other", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	grant(&script, PROTOCOL_PCP, 4500, "11.0.1.1", 3600);
	grant(&script, PROTOCOL_PCP, 4500, "11.0.1.1", 3600);
	assert_memory_equal(one->hops[0].nonce, other->hops[0].nonce, SPEAKER_NONCE_SIZE);
	assert_mapping(other, "mapped", "11.0.1.1", 4500);
	/* Also before the first of them is answered. */
	third = wish(&script, "third", 4700);
	fourth = wish(&script, "fourth", 4700);
	assert_memory_equal(third->hops[0].nonce, fourth->hops[0].nonce, SPEAKER_NONCE_SIZE);
	assert_memory_not_equal(third->hops[0].nonce, one->hops[0].nonce, SPEAKER_NONCE_SIZE);
	/* One is released: the other still needs it. */
	mapping_remove(&script.state, one, 0);
	take_actions(&script);
	assert_null(find_asked(&script, PROTOCOL_PCP, GATEWAY_DELETE));
	/* Another gateway gets another one (RFC 6887 §11.2). */
	assert_memory_equal(other->hops[0].nonce, script.state.ledger.entries[0].nonce,
			    SPEAKER_NONCE_SIZE);
	arrive(&script, "192.168.2.10", "192.168.2.1");
	assert_memory_not_equal(other->hops[0].nonce, script.state.ledger.entries[0].nonce,
				SPEAKER_NONCE_SIZE);
	end(&script);
}

/* What a run that crashed left behind: adopted when it is asked for again, else deleted. */
static void test_leftovers(void **state)
{
	struct ledger_entry tunnel = { .gateway.s_addr = inet_addr("192.168.1.1"),
				       .local.s_addr = inet_addr("192.168.1.10"),
				       .protocol = PROTOCOL_PCP,
				       .transport = IPPROTO_UDP,
				       .internal_port = 4500,
				       .external_port = 61234,
				       .expires_at = HOUR,
				       .nonce = { 1, 2, 3 },
				       .label = "tunnel" };
	struct ledger_entry other = tunnel, elsewhere = tunnel, moved = tunnel;
	struct asked *asked;
	struct script script;

	other.internal_port = 4600;
	elsewhere.gateway.s_addr = inet_addr("192.168.7.1");
	/* Not wanted, and somebody else's by now. */
	moved.local.s_addr = inet_addr("192.168.1.77");
	moved.internal_port = 4700;
	begin(&script);
	ledger_note(&script.state.ledger, &tunnel);
	ledger_note(&script.state.ledger, &other);
	ledger_note(&script.state.ledger, &elsewhere);
	ledger_note(&script.state.ledger, &moved);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	answer(&script, PROTOCOL_PCP, GATEWAY_PROBE, NULL);
	at(&script, 5000);
	wish(&script, "tunnel", 4500);
	asked = find_asked(&script, PROTOCOL_PCP, GATEWAY_MAP);
	assert_int_equal(asked->request.external_port, 61234);
	assert_memory_equal(asked->request.nonce, tunnel.nonce, SPEAKER_NONCE_SIZE);
	grant(&script, PROTOCOL_PCP, 61234, "11.0.1.1", 3600);
	assert_int_equal(script.state.counters.mappings_adopted, 1);
	script.n_checked = script.n_sent;
	at(&script, 9999);
	assert_nothing_sent(&script);
	at(&script, 10000);
	assert_sent(&script, "10000 pcp delete 4600");
	asked = find_asked(&script, PROTOCOL_PCP, GATEWAY_DELETE);
	assert_memory_equal(asked->request.nonce, other.nonce, SPEAKER_NONCE_SIZE);
	answer(&script, PROTOCOL_PCP, GATEWAY_DELETE, NULL);
	/* What is elsewhere, and what is not ours any more, stays known until it runs out. */
	assert_int_equal(script.state.ledger.n, 3);
	end(&script);
}

/* We are gone before the gateway answers, and it has mapped: what is not wanted when we are back is
 * deleted, unless the gateway had said no. */
static void test_leftover_of_a_request(void **state)
{
	struct script script;
	struct mapping *tunnel, *proof;
	uint8_t nonce[SPEAKER_NONCE_SIZE];

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	proof = wish(&script, "proof", 4600);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	grant(&script, PROTOCOL_PCP, 4500, "11.0.1.1", 3600);
	memcpy(nonce, find_asked(&script, PROTOCOL_PCP, GATEWAY_MAP)->request.nonce, sizeof nonce);
	arrive(&script, "192.168.2.10", "192.168.2.1");
	mapping_remove(&script.state, proof, script.now);
	grant(&script, PROTOCOL_PCP, 4500, "11.0.2.1", 3600);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	grant(&script, PROTOCOL_PCP, 4500, "11.0.1.1", 3600);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	at(&script, script.now + 10000);
	assert_memory_equal(find_asked(&script, PROTOCOL_PCP, GATEWAY_DELETE)->request.nonce, nonce,
			    sizeof nonce);
	answer(&script, PROTOCOL_PCP, GATEWAY_DELETE, NULL);
	assert_int_equal(script.state.ledger.n, 2);

	wish(&script, "refused", 4700);
	assert_int_equal(script.state.ledger.n, 3);
	refuse(&script, PROTOCOL_PCP, GATEWAY_MAP, TROUBLE_REFUSED, 2);
	assert_int_equal(script.state.ledger.n, 2);
	end(&script);
}

/* A mapping for ever that a former protocol made is deleted by that protocol. */
static void test_leftover_of_another_protocol(void **state)
{
	struct ledger_entry left = { .gateway.s_addr = inet_addr("192.168.1.1"),
				     .local.s_addr = inet_addr("192.168.1.10"),
				     .protocol = PROTOCOL_IGD,
				     .transport = IPPROTO_TCP,
				     .internal_port = 80,
				     .external_port = 80,
				     .expires_at = UINT64_MAX,
				     .label = "web" };
	struct script script;

	begin(&script);
	ledger_note(&script.state.ledger, &left);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	answer(&script, PROTOCOL_PCP, GATEWAY_PROBE, NULL);
	script.n_checked = script.n_sent;
	at(&script, 1000);
	assert_sent(&script, "1000 pcp address");
	answer(&script, PROTOCOL_PCP, GATEWAY_ADDRESS, "11.0.1.1");
	at(&script, 10000);
	assert_sent(&script, "10000 upnp-igd delete tcp 80");
	answer(&script, PROTOCOL_IGD, GATEWAY_DELETE, NULL);
	assert_sent(&script, "10000 close upnp-igd");
	assert_int_equal(script.state.ledger.n, 0);
	end(&script);
}

static void begin_nested(struct script *script)
{
	begin(script);
	script->state.protocols[1] = PROTOCOL_NONE;
	script->state.nested[0].s_addr = inet_addr("25.0.0.1");
}

/* Hop by hop: what the inner gateway grants is what the outer one is asked to forward to. */
static void test_nested(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin_nested(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	grant(&script, PROTOCOL_PCP, 4501, "25.0.0.10", 3600);
	assert_mapping(tunnel, "pending", NOTHING);
	assert_sent(&script, "0 pcp map 4500 as 4500 for 3600",
		    "0 pcp@1 map 4501 as 4501 for 3600");
	assert_string_equal(inet_ntoa(script.state.gateways[1].place.seen_as), "25.0.0.10");
	assert_string_equal(inet_ntoa(script.state.gateways[1].place.local), "192.168.1.10");
	script.hop = 1;
	grant(&script, PROTOCOL_PCP, 4502, "11.0.1.1", 1200);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4502);
	assert_words(&script, "ready", "nat");
	assert_true(tunnel->expires_at == HOUR / 3);
	/* Each is renewed by its own. */
	at(&script, HOUR / 6);
	assert_sent(&script, "600000 pcp@1 map 4501 as 4502 for 3600");
	grant(&script, PROTOCOL_PCP, 4502, "11.0.1.1", 3600);
	/* The inner one grants another port: the outer one has to know. */
	script.hop = 0;
	at(&script, HOUR / 2);
	grant(&script, PROTOCOL_PCP, 5000, "25.0.0.10", 3600);
	assert_sent(&script, "1800000 pcp map 4500 as 4501 for 3600",
		    "1800000 pcp@1 map 5000 as 5000 for 3600");
	assert_mapping(tunnel, "pending", NOTHING);
	script.hop = 1;
	grant(&script, PROTOCOL_PCP, 5000, "11.0.1.1", 3600);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 5000);
	/* Released at both, the outer one too. */
	mapping_remove(&script.state, tunnel, script.now);
	take_actions(&script);
	assert_sent(&script, "1800000 pcp delete 4500", "1800000 pcp@1 delete 5000");
	end(&script);
}

/* The inner gateway gets another address: the outer one is spoken to anew. */
static void test_nested_inner_address_changes(void **state)
{
	struct gateway_event event = { .kind = GATEWAY_EVENT_ADDRESS };
	struct script script;
	struct mapping *tunnel;
	uint32_t incarnation;

	begin_nested(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	grant(&script, PROTOCOL_PCP, 4500, "25.0.0.10", 3600);
	script.hop = 1;
	grant(&script, PROTOCOL_PCP, 4500, "11.0.1.1", 3600);
	incarnation = script.state.gateways[1].incarnation;
	script.hop = 0;
	script.n_checked = script.n_sent;
	event.external.s_addr = inet_addr("25.0.0.11");
	say(&script, PROTOCOL_PCP, &event);
	assert_int_not_equal(script.state.gateways[1].incarnation, incarnation);
	assert_mapping(tunnel, "pending", NOTHING);
	assert_sent(&script, "0 pcp@1 map 4500 as 4500 for 3600");
	script.hop = 1;
	grant(&script, PROTOCOL_PCP, 4500, "11.0.1.1", 3600);
	assert_mapping(tunnel, "mapped", "11.0.1.1", 4500);
	end(&script);
}

/* Where the configured gateway is not (another network than the one it was configured for), the
 * first one's word counts. */
static void test_nested_is_not_here(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin_nested(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	grant(&script, PROTOCOL_PCP, 4500, "11.0.3.1", 3600);
	assert_mapping(tunnel, "pending", NOTHING);
	at(&script, 2000);
	assert_mapping(tunnel, "mapped", "11.0.3.1", 4500);
	end(&script);
}

static void test_nested_refuses(void **state)
{
	struct script script;
	struct mapping *tunnel;

	begin_nested(&script);
	tunnel = wish(&script, "tunnel", 4500);
	arrive(&script, "192.168.1.10", "192.168.1.1");
	grant(&script, PROTOCOL_PCP, 4500, "25.0.0.10", 3600);
	script.hop = 1;
	refuse(&script, PROTOCOL_PCP, GATEWAY_MAP, TROUBLE_REFUSED, 2);
	at(&script, 2000);
	assert_mapping(tunnel, "failed", NOTHING);
	assert_int_equal(tunnel->result, 2);
	end(&script);
}

static void test_limits(void **state)
{
	struct mapping_wish wish_again = { .label = "x",
					   .transport = IPPROTO_UDP,
					   .internal_port = 1 };
	struct mapping *mapping;
	struct script script;

	begin(&script);
	for (int i = 0; i < MAPPINGS_LIMIT; i++) {
		mapping = wish(&script, "x", 1000 + i);
		assert_int_equal(wish_allowed(&script.state, ":1.7"), i < MAPPINGS_PER_CALLER);
		assert_int_equal(wish_take_over(mapping, ":1.7", 1000), 0);
	}
	assert_true(wish_allowed(&script.state, ":1.8"));
	assert_int_equal(mapping_add(&script.state, &wish_again, 0, &mapping), -EDQUOT);
	end(&script);
}

static void test_grace(void **state)
{
	struct mapping *tunnel, *llq;
	struct script script;

	begin(&script);
	tunnel = wish(&script, "tunnel", 4500);
	llq = wish(&script, "llq", 4600);
	wish_take_over(tunnel, ":1.7", 1000);
	wish_take_over(llq, ":1.8", 1000);
	assert_ptr_equal(wish_find(&script.state, ":1.7", -1, "tunnel"), tunnel);
	assert_null(wish_find(&script.state, ":1.7", 1000, "llq"));
	assert_null(wish_find(&script.state, ":1.9", 1000, "tunnel"));
	assert_true(wish_due(&script.state) == UINT64_MAX);
	wish_note_caller_gone(&script.state, ":1.7", 5000);
	/* Another user cannot have it, the same one can; and then it does not end. */
	assert_null(wish_find(&script.state, ":1.9", 1001, "tunnel"));
	assert_null(wish_find(&script.state, ":1.9", -1, "tunnel"));
	assert_ptr_equal(wish_find(&script.state, ":1.9", 1000, "tunnel"), tunnel);
	assert_true(wish_due(&script.state) == 15000);
	assert_null(wish_next_ended(&script.state, 14999));
	assert_ptr_equal(wish_next_ended(&script.state, 15000), tunnel);
	wish_take_over(tunnel, ":1.9", 1000);
	assert_null(wish_next_ended(&script.state, 15000));
	assert_true(wish_due(&script.state) == UINT64_MAX);
	wish_note_caller_gone(&script.state, ":1.7", 16000);
	assert_true(wish_due(&script.state) == UINT64_MAX);
	end(&script);
}

static void test_labels(void **state)
{
	assert_true(wish_label_is_valid("tunnel"));
	assert_true(wish_label_is_valid("a-9"));
	assert_true(wish_label_is_valid("abcdefghijklmnopqrstuvwxyz012345"));
	assert_false(wish_label_is_valid("abcdefghijklmnopqrstuvwxyz0123456"));
	assert_false(wish_label_is_valid(""));
	assert_false(wish_label_is_valid("Tunnel"));
	assert_false(wish_label_is_valid("a b"));
	assert_false(wish_label_is_valid("ä"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_renewal_at_half_life),
		cmocka_unit_test(test_renewal_by_pcp),
		cmocka_unit_test(test_lost_is_repeated),
		cmocka_unit_test(test_renewal_spans),
		cmocka_unit_test(test_absurd_lifetimes),
		cmocka_unit_test(test_permanent_lease),
		cmocka_unit_test(test_release_deletes),
		cmocka_unit_test(test_release_of_what_was_never_asked),
		cmocka_unit_test(test_release_of_what_is_asked_for),
		cmocka_unit_test(test_release_of_what_pcp_may_have),
		cmocka_unit_test(test_deletion_is_given_up),
		cmocka_unit_test(test_wanted_again),
		cmocka_unit_test(test_changed_wishes),
		cmocka_unit_test(test_changed_port_is_not_granted),
		cmocka_unit_test(test_brief_grants),
		cmocka_unit_test(test_deletion_fails),
		cmocka_unit_test(test_restless_wishes),
		cmocka_unit_test(test_finish),
		cmocka_unit_test(test_one_nonce_for_one_port),
		cmocka_unit_test(test_leftovers),
		cmocka_unit_test(test_leftover_of_a_request),
		cmocka_unit_test(test_leftover_of_another_protocol),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_nested_inner_address_changes),
		cmocka_unit_test(test_nested_is_not_here),
		cmocka_unit_test(test_nested_refuses),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_grace),
		cmocka_unit_test(test_labels),
	};

	return cmocka_run_group_tests_name("mapping-state", tests, NULL, NULL);
}
