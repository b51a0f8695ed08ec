/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/zoned/unit.h"

#include "services/zoned/replay-state.h"
#include "tests/unit/zoned/server-fixture.h"

#include <stdio.h>

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	fixture_start(fixture);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	fixture_stop(*state);
	free(*state);
	return 0;
}

/* Sends what was built, by the account's key, and forgets the answer. */
static int send_as(struct fixture *fixture, struct exchange *exchange, const char *key_name)
{
	int rcode = fixture_send(fixture, exchange, key_name);

	exchange_clear(exchange);
	fixture_clear_outbox(fixture);
	return rcode;
}

static int send_update(struct fixture *fixture, struct exchange *exchange)
{
	return send_as(fixture, exchange, FIXTURE_DOMAIN);
}

enum form { NAME_IN_USE, RRSET_EXISTS, NAME_UNUSED, RRSET_ABSENT };

static int require(struct fixture *fixture, enum form form, const char *name, ldns_rr_type type)
{
	ldns_rdf *owner = exchange_name(name);
	struct exchange exchange;

	exchange_begin_update(&exchange);
	dns_builder_add_empty_rr(&exchange.builder, DNS_SECTION_ANSWER, owner, type,
				 form == NAME_IN_USE || form == RRSET_EXISTS ? LDNS_RR_CLASS_ANY
									     : LDNS_RR_CLASS_NONE);
	ldns_rdf_deep_free(owner);
	return send_update(fixture, &exchange);
}

static void prerequisites_without_data(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(fixture_add(fixture, FIXTURE_DOMAIN, 0, "host A 192.0.2.1"), 0);
	fixture_clear_outbox(fixture);
	assert_int_equal(require(fixture, NAME_IN_USE, "host", LDNS_RR_TYPE_ANY), 0);
	assert_int_equal(require(fixture, NAME_IN_USE, "HOST", LDNS_RR_TYPE_ANY), 0);
	assert_int_equal(require(fixture, NAME_IN_USE, "none", LDNS_RR_TYPE_ANY),
			 LDNS_RCODE_NXDOMAIN);
	assert_int_equal(require(fixture, RRSET_EXISTS, "host", LDNS_RR_TYPE_A), 0);
	assert_int_equal(require(fixture, RRSET_EXISTS, "host", LDNS_RR_TYPE_TXT),
			 LDNS_RCODE_NXRRSET);
	assert_int_equal(require(fixture, RRSET_EXISTS, "none", LDNS_RR_TYPE_A),
			 LDNS_RCODE_NXRRSET);
	assert_int_equal(require(fixture, NAME_UNUSED, "none", LDNS_RR_TYPE_ANY), 0);
	assert_int_equal(require(fixture, NAME_UNUSED, "host", LDNS_RR_TYPE_ANY),
			 LDNS_RCODE_YXDOMAIN);
	assert_int_equal(require(fixture, RRSET_ABSENT, "host", LDNS_RR_TYPE_TXT), 0);
	assert_int_equal(require(fixture, RRSET_ABSENT, "host", LDNS_RR_TYPE_A),
			 LDNS_RCODE_YXRRSET);
	assert_int_equal(require(fixture, NAME_IN_USE, "host.example.com.", LDNS_RR_TYPE_ANY),
			 LDNS_RCODE_NOTZONE);
}

static int require_exact(struct fixture *fixture, uint32_t ttl, const char *first,
			 const char *second)
{
	struct exchange exchange;

	exchange_begin_update(&exchange);
	for (int i = 0; i < 2; i++) {
		const char *text = i == 0 ? first : second;
		ldns_rr *rr = text ? exchange_rr(text) : NULL;

		if (rr)
			dns_builder_add_rr_as(&exchange.builder, DNS_SECTION_ANSWER, rr,
					      LDNS_RR_CLASS_IN, ttl);
		ldns_rr_free(rr);
	}
	return send_update(fixture, &exchange);
}

static void prerequisites_with_data(void **state)
{
	struct fixture *fixture = *state;

	fixture_add(fixture, FIXTURE_DOMAIN, 0, "host A 192.0.2.1");
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "host A 192.0.2.2");
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "alias CNAME Host");
	fixture_clear_outbox(fixture);
	assert_int_equal(require_exact(fixture, 0, "host A 192.0.2.2", "host A 192.0.2.1"), 0);
	assert_int_equal(require_exact(fixture, 0, "host A 192.0.2.1", NULL), LDNS_RCODE_NXRRSET);
	assert_int_equal(require_exact(fixture, 0, "host A 192.0.2.1", "host A 192.0.2.3"),
			 LDNS_RCODE_NXRRSET);
	assert_int_equal(require_exact(fixture, 0, "none A 192.0.2.1", NULL), LDNS_RCODE_NXRRSET);
	assert_int_equal(require_exact(fixture, 0, "alias CNAME hOST", NULL), 0);
	assert_int_equal(require_exact(fixture, 10, "host A 192.0.2.1", "host A 192.0.2.2"),
			 LDNS_RCODE_FORMERR);
}

/* What is said first when several things are wrong (RFC 2136 §3.2, §3.4.1). */
static void order_of_complaints(void **state)
{
	struct fixture *fixture = *state;
	ldns_rr *missing = exchange_rr("none A 192.0.2.1");
	ldns_rr *foreign = exchange_rr("host.example.com. A 192.0.2.1");
	ldns_rr *fine = exchange_rr("fine A 192.0.2.1");
	ldns_rdf *none = exchange_name("none");
	struct exchange exchange;

	/* A set that differs, then one that is malformed: sets are compared last. */
	exchange_begin_update(&exchange);
	dns_builder_add_rr_as(&exchange.builder, DNS_SECTION_ANSWER, missing, LDNS_RR_CLASS_IN, 0);
	dns_builder_add_rr_as(&exchange.builder, DNS_SECTION_ANSWER, missing, LDNS_RR_CLASS_IN, 9);
	assert_int_equal(send_update(fixture, &exchange), LDNS_RCODE_FORMERR);
	exchange_begin_update(&exchange);
	dns_builder_add_rr_as(&exchange.builder, DNS_SECTION_ANSWER, missing, LDNS_RR_CLASS_IN, 0);
	dns_builder_add_rr_as(&exchange.builder, DNS_SECTION_ANSWER, foreign, LDNS_RR_CLASS_IN, 0);
	assert_int_equal(send_update(fixture, &exchange), LDNS_RCODE_NOTZONE);
	/* The others one after the other. */
	exchange_begin_update(&exchange);
	dns_update_require_name(&exchange.builder, none);
	dns_builder_add_rr_as(&exchange.builder, DNS_SECTION_ANSWER, foreign, LDNS_RR_CLASS_IN, 0);
	assert_int_equal(send_update(fixture, &exchange), LDNS_RCODE_NXDOMAIN);
	/* A TTL is looked at before the name. */
	exchange_begin_update(&exchange);
	dns_builder_add_rr_as(&exchange.builder, DNS_SECTION_ANSWER, foreign, LDNS_RR_CLASS_IN, 9);
	assert_int_equal(send_update(fixture, &exchange), LDNS_RCODE_FORMERR);
	exchange_begin_update(&exchange);
	dns_builder_add_rr_as(&exchange.builder, DNS_SECTION_ANSWER, missing, LDNS_RR_CLASS_CH, 0);
	assert_int_equal(send_update(fixture, &exchange), LDNS_RCODE_FORMERR);
	/* Prerequisites before changes, and all changes before the first is made. */
	exchange_begin_update(&exchange);
	dns_builder_add_rr_as(&exchange.builder, DNS_SECTION_ANSWER, missing, LDNS_RR_CLASS_IN, 0);
	dns_builder_add_rr_as(&exchange.builder, DNS_SECTION_AUTHORITY, fine, LDNS_RR_CLASS_CH, 0);
	assert_int_equal(send_update(fixture, &exchange), LDNS_RCODE_NXRRSET);
	exchange_begin_update(&exchange);
	dns_builder_add_rr_as(&exchange.builder, DNS_SECTION_AUTHORITY, fine, LDNS_RR_CLASS_IN, 9);
	dns_builder_add_rr_as(&exchange.builder, DNS_SECTION_AUTHORITY, foreign, LDNS_RR_CLASS_NONE,
			      9);
	assert_int_equal(send_update(fixture, &exchange), LDNS_RCODE_NOTZONE);
	assert_int_equal(fixture_count(fixture, "fine", LDNS_RR_TYPE_A), -1);
	ldns_rdf_deep_free(none);
	ldns_rr_free(missing);
	ldns_rr_free(foreign);
	ldns_rr_free(fine);
}

static void prerequisite_guards_all(void **state)
{
	struct fixture *fixture = *state;
	ldns_rdf *name = exchange_name("guard");
	struct exchange exchange;

	exchange_begin_update(&exchange);
	dns_update_require_name(&exchange.builder, name);
	exchange_add(&exchange, "guarded A 192.0.2.1");
	assert_int_equal(send_update(fixture, &exchange), LDNS_RCODE_NXDOMAIN);
	assert_int_equal(fixture_count(fixture, "guarded", LDNS_RR_TYPE_A), -1);
	assert_int_equal(fixture_serial(fixture), 1);
	ldns_rdf_deep_free(name);
}

static void additions_and_deletions(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;

	exchange_begin_update(&exchange);
	exchange_add(&exchange, "host A 192.0.2.1");
	exchange_add(&exchange, "host A 192.0.2.2");
	exchange_add(&exchange, "host A 192.0.2.1");
	exchange_add(&exchange, "host TXT \"model=one\"");
	exchange_add(&exchange, "host AAAA 2001:db8::1");
	assert_int_equal(send_update(fixture, &exchange), 0);
	assert_int_equal(fixture_count(fixture, "host", LDNS_RR_TYPE_A), 2);
	assert_int_equal(fixture_count(fixture, "host", LDNS_RR_TYPE_ANY), 4);
	assert_int_equal(fixture_serial(fixture), 2);

	exchange_begin_update(&exchange);
	exchange_delete(&exchange, "host A 192.0.2.1");
	exchange_delete(&exchange, "host A 192.0.2.77");
	assert_int_equal(send_update(fixture, &exchange), 0);
	assert_int_equal(fixture_count(fixture, "host", LDNS_RR_TYPE_A), 1);

	exchange_begin_update(&exchange);
	exchange_delete_rrset(&exchange, "host", LDNS_RR_TYPE_TXT);
	exchange_delete_rrset(&exchange, "none", LDNS_RR_TYPE_TXT);
	assert_int_equal(send_update(fixture, &exchange), 0);
	assert_int_equal(fixture_count(fixture, "host", LDNS_RR_TYPE_TXT), 0);
	assert_int_equal(fixture_serial(fixture), 4);

	exchange_begin_update(&exchange);
	exchange_delete_rrset(&exchange, "HOST", LDNS_RR_TYPE_ANY);
	assert_int_equal(send_update(fixture, &exchange), 0);
	assert_int_equal(fixture_count(fixture, "host", LDNS_RR_TYPE_ANY), -1);

	/* Nothing there: no error, no new serial. */
	exchange_begin_update(&exchange);
	exchange_delete_rrset(&exchange, "host", LDNS_RR_TYPE_ANY);
	assert_int_equal(send_update(fixture, &exchange), 0);
	assert_int_equal(fixture_serial(fixture), 5);
}

static void same_record_takes_the_new_ttl(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;

	fixture_add(fixture, FIXTURE_DOMAIN, 0, "host 10 A 192.0.2.1");
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "host 20 A 192.0.2.1");
	exchange_begin_query(&exchange, "host", LDNS_RR_TYPE_A);
	fixture_clear_outbox(fixture);
	assert_int_equal(fixture_send(fixture, &exchange, FIXTURE_DOMAIN), 0);
	assert_int_equal(dns_message_count(exchange.answer, DNS_SECTION_ANSWER), 1);
	assert_int_equal(ldns_rr_ttl(dns_message_rr(exchange.answer, DNS_SECTION_ANSWER, 0)), 20);
	exchange_clear(&exchange);
	assert_int_equal(fixture_serial(fixture), 3);
}

static int change_raw(struct fixture *fixture, const char *text, ldns_rr_class class, uint32_t ttl)
{
	ldns_rr *rr = exchange_rr(text);
	struct exchange exchange;

	exchange_begin_update(&exchange);
	exchange_add(&exchange, "witness A 192.0.2.9");
	dns_builder_add_rr_as(&exchange.builder, DNS_SECTION_AUTHORITY, rr, class, ttl);
	ldns_rr_free(rr);
	return send_update(fixture, &exchange);
}

static int delete_raw(struct fixture *fixture, const char *name, ldns_rr_type type,
		      ldns_rr_class class)
{
	ldns_rdf *owner = exchange_name(name);
	struct exchange exchange;

	exchange_begin_update(&exchange);
	exchange_add(&exchange, "witness A 192.0.2.9");
	dns_builder_add_empty_rr(&exchange.builder, DNS_SECTION_AUTHORITY, owner, type, class);
	ldns_rdf_deep_free(owner);
	return send_update(fixture, &exchange);
}

static void malformed_changes_change_nothing(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(change_raw(fixture, "host A 192.0.2.1", LDNS_RR_CLASS_ANY, 0),
			 LDNS_RCODE_FORMERR);
	assert_int_equal(change_raw(fixture, "host A 192.0.2.1", LDNS_RR_CLASS_NONE, 10),
			 LDNS_RCODE_FORMERR);
	assert_int_equal(change_raw(fixture, "host A 192.0.2.1", LDNS_RR_CLASS_CH, 10),
			 LDNS_RCODE_FORMERR);
	assert_int_equal(change_raw(fixture, "host.example.com. A 192.0.2.1", LDNS_RR_CLASS_IN, 10),
			 LDNS_RCODE_NOTZONE);
	assert_int_equal(delete_raw(fixture, "host", LDNS_RR_TYPE_AXFR, LDNS_RR_CLASS_ANY),
			 LDNS_RCODE_FORMERR);
	assert_int_equal(delete_raw(fixture, "host", LDNS_RR_TYPE_ANY, LDNS_RR_CLASS_NONE),
			 LDNS_RCODE_FORMERR);
	assert_int_equal(fixture_count(fixture, "witness", LDNS_RR_TYPE_A), -1);
	assert_int_equal(fixture_serial(fixture), 1);
}

static void zone_section(void **state)
{
	struct fixture *fixture = *state;
	ldns_rdf *zone = exchange_name("@");
	ldns_rdf *host = exchange_name("host");
	ldns_rdf *bob = exchange_name("bob.members.example.org.");
	ldns_rdf *foreign = exchange_name("example.com.");
	struct exchange exchange;

	exchange.answer = NULL;
	dns_builder_init(&exchange.builder, exchange.octets, sizeof exchange.octets, 1,
			 DNS_FLAGS_OPCODE(LDNS_PACKET_UPDATE));
	assert_int_equal(send_update(fixture, &exchange), LDNS_RCODE_FORMERR);
	dns_builder_init(&exchange.builder, exchange.octets, sizeof exchange.octets, 1,
			 DNS_FLAGS_OPCODE(LDNS_PACKET_UPDATE));
	dns_builder_add_question(&exchange.builder, zone, LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN);
	assert_int_equal(send_update(fixture, &exchange), LDNS_RCODE_FORMERR);
	dns_builder_init(&exchange.builder, exchange.octets, sizeof exchange.octets, 1,
			 DNS_FLAGS_OPCODE(LDNS_PACKET_UPDATE));
	dns_builder_add_question(&exchange.builder, zone, LDNS_RR_TYPE_SOA, LDNS_RR_CLASS_IN);
	dns_builder_add_question(&exchange.builder, zone, LDNS_RR_TYPE_SOA, LDNS_RR_CLASS_IN);
	assert_int_equal(send_update(fixture, &exchange), LDNS_RCODE_FORMERR);
	dns_update_begin(&exchange.builder, exchange.octets, sizeof exchange.octets, 1, host);
	assert_int_equal(send_update(fixture, &exchange), LDNS_RCODE_NOTAUTH);
	dns_update_begin(&exchange.builder, exchange.octets, sizeof exchange.octets, 1, bob);
	assert_int_equal(send_update(fixture, &exchange), LDNS_RCODE_REFUSED);
	dns_update_begin(&exchange.builder, exchange.octets, sizeof exchange.octets, 1, foreign);
	assert_int_equal(send_update(fixture, &exchange), LDNS_RCODE_NOTAUTH);
	dns_update_begin(&exchange.builder, exchange.octets, sizeof exchange.octets, 1, zone);
	assert_int_equal(send_as(fixture, &exchange, NULL), LDNS_RCODE_REFUSED);
	ldns_rdf_deep_free(zone);
	ldns_rdf_deep_free(host);
	ldns_rdf_deep_free(bob);
	ldns_rdf_deep_free(foreign);
}

static void apex_survives(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;

	fixture_add(fixture, FIXTURE_DOMAIN, 0, "@ TXT \"at the apex\"");
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "@ NS ns2.example.com.");
	fixture_clear_outbox(fixture);
	exchange_begin_update(&exchange);
	exchange_delete_rrset(&exchange, "@", LDNS_RR_TYPE_ANY);
	exchange_delete_rrset(&exchange, "@", LDNS_RR_TYPE_SOA);
	exchange_delete_rrset(&exchange, "@", LDNS_RR_TYPE_NS);
	exchange_delete(&exchange, "@ NS ns.members.example.org.");
	exchange_delete_rrset(&exchange, "_dns-llq._udp", LDNS_RR_TYPE_SRV);
	assert_int_equal(send_update(fixture, &exchange), 0);
	assert_int_equal(fixture_count(fixture, "@", LDNS_RR_TYPE_SOA), 1);
	assert_int_equal(fixture_count(fixture, "@", LDNS_RR_TYPE_NS), 2);
	assert_int_equal(fixture_count(fixture, "@", LDNS_RR_TYPE_TXT), 0);
	assert_int_equal(fixture_count(fixture, "_dns-llq._udp", LDNS_RR_TYPE_SRV), 1);
	exchange_begin_update(&exchange);
	exchange_delete(&exchange, "@ NS ns2.example.com.");
	assert_int_equal(send_update(fixture, &exchange), 0);
	assert_int_equal(fixture_count(fixture, "@", LDNS_RR_TYPE_NS), 1);
}

static void soa_only_grows(void **state)
{
	struct fixture *fixture = *state;

	fixture_add(fixture, FIXTURE_DOMAIN, 0,
		    "@ SOA ns.members.example.org. h.example.org. 50 1 1 1 1");
	assert_int_equal(fixture_serial(fixture), 50);
	fixture_add(fixture, FIXTURE_DOMAIN, 0,
		    "@ SOA ns.members.example.org. h.example.org. 49 1 1 1 1");
	assert_int_equal(fixture_serial(fixture), 50);
	fixture_add(fixture, FIXTURE_DOMAIN, 0,
		    "sub SOA ns.members.example.org. h.example.org. 99 1 1 1 1");
	assert_int_equal(fixture_count(fixture, "sub", LDNS_RR_TYPE_SOA), -1);
	fixture_add(fixture, FIXTURE_DOMAIN, 0,
		    "@ SOA ns.members.example.org. h.example.org. 2147483690 1 1 1 1");
	fixture_add(fixture, FIXTURE_DOMAIN, 0,
		    "@ SOA ns.members.example.org. h.example.org. 4294967295 1 1 1 1");
	assert_int_equal(fixture_serial(fixture), 4294967295u);
	/* Never 0. */
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "host A 192.0.2.1");
	assert_int_equal(fixture_serial(fixture), 1);
}

static void alias_and_other_data(void **state)
{
	struct fixture *fixture = *state;

	fixture_add(fixture, FIXTURE_DOMAIN, 0, "host A 192.0.2.1");
	assert_int_equal(fixture_add(fixture, FIXTURE_DOMAIN, 0, "host CNAME other"), 0);
	assert_int_equal(fixture_count(fixture, "host", LDNS_RR_TYPE_CNAME), 0);
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "alias CNAME one");
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "alias CNAME host");
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "alias TXT \"no\"");
	assert_int_equal(fixture_count(fixture, "alias", LDNS_RR_TYPE_ANY), 1);
	assert_int_equal(fixture_count(fixture, "alias", LDNS_RR_TYPE_A), 2);
}

/* RDLENGTH 0 where there must be data, in an addition and in a prerequisite. */
static void additions_without_data(void **state)
{
	static const ldns_rr_type types[] = {
		LDNS_RR_TYPE_A,   LDNS_RR_TYPE_SRV, LDNS_RR_TYPE_PTR,
		LDNS_RR_TYPE_SOA, LDNS_RR_TYPE_TXT, LDNS_RR_TYPE_NULL
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		ldns_rdf *owner = exchange_name("@");
		struct exchange exchange;

		assert_int_equal(delete_raw(fixture, "@", types[i], LDNS_RR_CLASS_IN),
				 LDNS_RCODE_FORMERR);
		exchange_begin_update(&exchange);
		dns_builder_add_empty_rr(&exchange.builder, DNS_SECTION_ANSWER, owner, types[i],
					 LDNS_RR_CLASS_IN);
		assert_int_equal(send_update(fixture, &exchange), LDNS_RCODE_FORMERR);
		ldns_rdf_deep_free(owner);
	}
}

static void big_ttl_is_none(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;
	ldns_rr *rr = exchange_rr("host A 192.0.2.1");

	exchange_begin_update(&exchange);
	dns_builder_add_rr_as(&exchange.builder, DNS_SECTION_AUTHORITY, rr, LDNS_RR_CLASS_IN,
			      0xFFFFFFFF);
	assert_int_equal(send_update(fixture, &exchange), 0);
	exchange_begin_query(&exchange, "host", LDNS_RR_TYPE_A);
	fixture_send(fixture, &exchange, FIXTURE_DOMAIN);
	assert_int_equal(ldns_rr_ttl(dns_message_rr(exchange.answer, DNS_SECTION_ANSWER, 0)), 0);
	exchange_clear(&exchange);
	ldns_rr_free(rr);
}

/* Leases
 * --------------------------------------------------------------------------------------------- */

static uint32_t granted_lease(struct fixture *fixture, const struct dns_update_lease *wanted,
			      size_t *ret_size)
{
	struct dns_update_lease granted = {};
	struct exchange exchange;

	exchange_begin_update(&exchange);
	exchange_add(&exchange, "leased A 192.0.2.1");
	dns_update_add_lease(&exchange.builder, wanted);
	assert_int_equal(fixture_send(fixture, &exchange, FIXTURE_DOMAIN), 0);
	assert_int_equal(dns_options_read_update_lease(exchange.answer->options,
						       exchange.answer->options_size, &granted),
			 1);
	*ret_size = exchange.answer->options_size - 4;
	exchange_clear(&exchange);
	fixture_clear_outbox(fixture);
	return granted.lease;
}

static void lease_is_granted_in_its_form(void **state)
{
	static const struct {
		uint32_t wanted, granted;
	} cases[] = { { 0, 1800 },    { 1799, 1800 }, { 1800, 1800 },      { 5400, 5400 },
		      { 7200, 7200 }, { 7201, 7200 }, { 0xFFFFFFFF, 7200 } };
	struct fixture *fixture = *state;
	size_t size;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dns_update_lease wanted = { .lease = cases[i].wanted };

		assert_int_equal(granted_lease(fixture, &wanted, &size), cases[i].granted);
		assert_int_equal(size, 4);
		wanted.has_key_lease = true;
		wanted.key_lease = 604800;
		assert_int_equal(granted_lease(fixture, &wanted, &size), cases[i].granted);
		assert_int_equal(size, 8);
	}
}

/* KEY records have their own lease, if the client asks for one; 8 octets for 8. */
static void keys_have_their_own_lease(void **state)
{
	struct dns_update_lease both = { .lease = 1800, .has_key_lease = true, .key_lease = 86400 };
	struct dns_update_lease one = { .lease = 5400 };
	struct fixture *fixture = *state;
	struct dns_update_lease granted;
	struct exchange exchange;

	for (int i = 0; i < 2; i++) {
		exchange_begin_update(&exchange);
		exchange_add(&exchange, i ? "later A 192.0.2.1" : "host A 192.0.2.1");
		exchange_add(&exchange, i ? "later KEY 512 3 5 AQ==" : "host KEY 512 3 5 AQ==");
		dns_update_add_lease(&exchange.builder, i ? &one : &both);
		assert_int_equal(fixture_send(fixture, &exchange, FIXTURE_DOMAIN), 0);
		assert_int_equal(dns_options_read_update_lease(exchange.answer->options,
							       exchange.answer->options_size,
							       &granted),
				 1);
		assert_int_equal(granted.lease, i ? 5400 : 1800);
		assert_int_equal(granted.has_key_lease, !i);
		if (!i)
			assert_int_equal(granted.key_lease, 86400);
		exchange_clear(&exchange);
		fixture_clear_outbox(fixture);
	}
	fixture_sleep(fixture, 1800 * 1000);
	assert_int_equal(fixture_count(fixture, "host", LDNS_RR_TYPE_A), 0);
	assert_int_equal(fixture_count(fixture, "host", LDNS_RR_TYPE_KEY), 1);
	fixture_sleep(fixture, 3600 * 1000);
	assert_int_equal(fixture_count(fixture, "later", LDNS_RR_TYPE_KEY), -1);
	/* No shorter for a restart. */
	fixture_restart(fixture);
	fixture_sleep(fixture, (86400 - 5400) * 1000 - 1);
	assert_int_equal(fixture_count(fixture, "host", LDNS_RR_TYPE_KEY), 1);
	fixture_sleep(fixture, 1);
	assert_int_equal(fixture_count(fixture, "host", LDNS_RR_TYPE_KEY), -1);
}

static void lease_ends(void **state)
{
	struct fixture *fixture = *state;

	fixture_add(fixture, FIXTURE_DOMAIN, 1800, "leased A 192.0.2.1");
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "kept A 192.0.2.2");
	assert_int_equal(fixture_serial(fixture), 3);
	fixture_sleep(fixture, 1800 * 1000 - 1);
	assert_int_equal(fixture_count(fixture, "leased", LDNS_RR_TYPE_A), 1);
	fixture_sleep(fixture, 1);
	assert_int_equal(fixture_count(fixture, "leased", LDNS_RR_TYPE_A), -1);
	assert_int_equal(fixture_count(fixture, "kept", LDNS_RR_TYPE_A), 1);
	assert_int_equal(fixture_serial(fixture), 4);
	assert_int_equal(authority_counters(fixture->authority)->records_expired, 1);
}

/* A question between the end of the lease and its removal. */
static void lease_ended_is_never_answered(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;
	int size;

	fixture_add(fixture, FIXTURE_DOMAIN, 1800, "leased A 192.0.2.1");
	fixture_clear_outbox(fixture);
	fixture->moment.now += 1800 * 1000;
	fixture->moment.date += 1800 * 1000;
	exchange_begin_query(&exchange, "leased", LDNS_RR_TYPE_A);
	size = dns_builder_sign(&exchange.builder, fixture_key(FIXTURE_DOMAIN), NULL,
				fixture->moment.date / 1000, NULL);
	authority_receive(fixture->authority, &fixture->moment, &fixture->peer, exchange.octets,
			  size, &fixture->outbox);
	assert_int_equal(fixture->outbox.n, 1);
	assert_int_equal(fixture->outbox.items[0].data[3] & 0xf, LDNS_RCODE_NXDOMAIN);
}

static void refresh_is_no_change(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;

	fixture_add(fixture, FIXTURE_DOMAIN, 1800, "leased A 192.0.2.1");
	fixture_sleep(fixture, 1700 * 1000);
	exchange_begin_update(&exchange);
	exchange_delete_rrset(&exchange, "leased", LDNS_RR_TYPE_A);
	exchange_add(&exchange, "leased A 192.0.2.1");
	exchange_add_lease(&exchange, 1800);
	assert_int_equal(send_update(fixture, &exchange), 0);
	assert_int_equal(fixture_serial(fixture), 2);
	fixture_sleep(fixture, 1799 * 1000);
	assert_int_equal(fixture_count(fixture, "leased", LDNS_RR_TYPE_A), 1);
	fixture_sleep(fixture, 1000);
	assert_int_equal(fixture_count(fixture, "leased", LDNS_RR_TYPE_A), -1);
}

static void lease_outlives_a_restart(void **state)
{
	struct fixture *fixture = *state;

	fixture_add(fixture, FIXTURE_DOMAIN, 1800, "leased A 192.0.2.1");
	fixture_add(fixture, FIXTURE_DOMAIN, 1800, "later A 192.0.2.1");
	fixture_sleep(fixture, 1000 * 1000);
	fixture_add(fixture, FIXTURE_DOMAIN, 1800, "later A 192.0.2.1");
	/* The machine was started again too: its monotonic clock begins anew. */
	fixture->moment.now = 5;
	fixture_restart(fixture);
	assert_int_equal(fixture_serial(fixture), 3);
	fixture_sleep(fixture, 799 * 1000);
	assert_int_equal(fixture_count(fixture, "leased", LDNS_RR_TYPE_A), 1);
	fixture_sleep(fixture, 1000);
	assert_int_equal(fixture_count(fixture, "leased", LDNS_RR_TYPE_A), -1);
	assert_int_equal(fixture_count(fixture, "later", LDNS_RR_TYPE_A), 1);
	assert_int_equal(fixture_serial(fixture), 4);
}

/* The clock is set, once forwards and once backwards, before the restart. */
static void lease_outlives_a_set_clock(void **state)
{
	static const int64_t steps[] = { 86400000, -86400000 };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		assert_int_equal(fixture_add(fixture, DESKTOP_KEY, 1800, "desktop A 192.0.2.1"), 0);
		assert_int_equal(fixture_add(fixture, FIXTURE_DOMAIN, 0, "stays A 192.0.2.1"), 0);
		fixture_sleep(fixture, 1000);
		/* What cannot be written at first is written later. */
		fixture->fails_to_commit = true;
		fixture->moment.date += steps[i];
		fixture_work(fixture);
		fixture->fails_to_commit = false;
		fixture_sleep(fixture, 2000);
		/* By the new clock already. */
		assert_int_equal(fixture_add(fixture, LAPTOP_KEY, 1800, "laptop A 192.0.2.1"), 0);
		fixture_restart(fixture);
		assert_int_equal(fixture_count(fixture, "desktop", LDNS_RR_TYPE_A), 1);
		assert_int_equal(fixture_count(fixture, "laptop", LDNS_RR_TYPE_A), 1);
		fixture_sleep(fixture, 1797000);
		assert_int_equal(fixture_count(fixture, "desktop", LDNS_RR_TYPE_A), -1);
		assert_int_equal(fixture_count(fixture, "laptop", LDNS_RR_TYPE_A), 1);
		fixture_sleep(fixture, 3000);
		assert_int_equal(fixture_count(fixture, "laptop", LDNS_RR_TYPE_A), -1);
		assert_int_equal(fixture_count(fixture, "stays", LDNS_RR_TYPE_A), 1);
	}
}

static void lease_ends_while_we_are_down(void **state)
{
	struct fixture *fixture = *state;

	fixture_add(fixture, FIXTURE_DOMAIN, 1800, "leased A 192.0.2.1");
	fixture->moment.now = 5;
	fixture->moment.date += 86400 * 1000;
	fixture_restart(fixture);
	assert_int_equal(fixture_count(fixture, "leased", LDNS_RR_TYPE_A), -1);
	fixture_work(fixture);
	assert_int_equal(fixture_serial(fixture), 3);
	assert_int_equal(fixture->storage.n, 1);
}

/* A machine without a battery believes it is 1970 until the network tells it the time. */
static void lease_does_not_wait_for_the_clock(void **state)
{
	struct fixture *fixture = *state;

	fixture_add(fixture, FIXTURE_DOMAIN, 1800, "leased A 192.0.2.1");
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "stays A 192.0.2.1");
	fixture->moment.now = 5;
	fixture->moment.date = 20000;
	fixture_restart(fixture);
	fixture_sleep(fixture, 7199 * 1000);
	assert_int_equal(fixture_count(fixture, "leased", LDNS_RR_TYPE_A), 1);
	fixture_sleep(fixture, 1000);
	assert_int_equal(fixture_count(fixture, "leased", LDNS_RR_TYPE_A), -1);
	assert_int_equal(fixture_count(fixture, "stays", LDNS_RR_TYPE_A), 1);
}

/* Durability
 * ----------------------------------------------------------------------------------------- */

static void disk_failure_changes_nothing(void **state)
{
	struct fixture *fixture = *state;

	fixture_add(fixture, FIXTURE_DOMAIN, 1800, "one A 192.0.2.1");
	fixture->fails_to_commit = true;
	assert_int_equal(fixture_add(fixture, FIXTURE_DOMAIN, 0, "two A 192.0.2.1"),
			 LDNS_RCODE_SERVFAIL);
	assert_int_equal(fixture_count(fixture, "two", LDNS_RR_TYPE_A), -1);
	assert_int_equal(fixture_serial(fixture), 2);
	/* A lease that ends meanwhile is unseen at once and removed once the disk works. */
	fixture_sleep(fixture, 1800 * 1000);
	assert_int_equal(fixture_count(fixture, "one", LDNS_RR_TYPE_A), -1);
	assert_int_equal(fixture_serial(fixture), 2);
	fixture->fails_to_commit = false;
	fixture_sleep(fixture, 2000);
	assert_int_equal(fixture_serial(fixture), 3);
	assert_int_equal(fixture_add(fixture, FIXTURE_DOMAIN, 0, "two A 192.0.2.1"), 0);
}

static void queries_do_not_see_what_is_not_durable(void **state)
{
	struct fixture *fixture = *state;
	struct change_list changes = {};
	struct exchange exchange;
	int size;

	exchange_begin_update(&exchange);
	exchange_add(&exchange, "host A 192.0.2.1");
	size = dns_builder_sign(&exchange.builder, fixture_key(FIXTURE_DOMAIN), NULL,
				fixture->moment.date / 1000, NULL);
	authority_receive(fixture->authority, &fixture->moment, &fixture->peer, exchange.octets,
			  size, &fixture->outbox);
	assert_int_equal(authority_begin(fixture->authority, &fixture->moment, &changes), 1);
	assert_int_equal(fixture->outbox.n, 0);
	assert_int_equal(fixture_count(fixture, "host", LDNS_RR_TYPE_A), -1);
	/* Those that come now wait for the next transaction. */
	authority_receive(fixture->authority, &fixture->moment, &fixture->peer, exchange.octets,
			  size, &fixture->outbox);
	assert_int_equal(fixture->outbox.n, 0);
	memory_storage_apply(&fixture->storage, &changes);
	authority_finish(fixture->authority, &fixture->moment, true, &fixture->outbox);
	assert_int_equal(fixture->outbox.n, 1);
	fixture_work(fixture);
	assert_int_equal(fixture->outbox.n, 2);
	fixture_clear_outbox(fixture);
	assert_int_equal(fixture_count(fixture, "host", LDNS_RR_TYPE_A), 1);
	assert_int_equal(fixture_serial(fixture), 2);
}

static void updates_share_a_transaction(void **state)
{
	struct fixture *fixture = *state;
	struct change_list changes = {};
	struct exchange exchange;

	for (int i = 0; i < 10; i++) {
		char text[64];
		int size;

		snprintf(text, sizeof text, "host%d A 192.0.2.1", i);
		exchange_begin_update(&exchange);
		exchange_add(&exchange, text);
		size = dns_builder_sign(&exchange.builder, fixture_key(FIXTURE_DOMAIN), NULL,
					fixture->moment.date / 1000, NULL);
		authority_receive(fixture->authority, &fixture->moment, &fixture->peer,
				  exchange.octets, size, &fixture->outbox);
	}
	assert_int_equal(authority_begin(fixture->authority, &fixture->moment, &changes), 1);
	/* Ten hosts and the SOA. */
	assert_int_equal(changes.n, 11);
	memory_storage_apply(&fixture->storage, &changes);
	authority_finish(fixture->authority, &fixture->moment, true, &fixture->outbox);
	assert_int_equal(fixture->outbox.n, 10);
}

/* Replays
 * -------------------------------------------------------------------------------------------- */

/* A host's UPDATE kept by somebody, or by the network, and sent after a newer one. */
static void old_update_of_a_host_is_no_news(void **state)
{
	struct fixture *fixture = *state;
	struct exchange old, fresh;
	struct dns_tsig tsig;
	int size[2];

	for (int i = 0; i < 2; i++) {
		struct exchange *exchange = i == 0 ? &old : &fresh;

		exchange_begin_update(exchange);
		exchange_delete_rrset(exchange, "desktop", LDNS_RR_TYPE_A);
		exchange_add(exchange, i == 0 ? "desktop A 192.0.2.1" : "desktop A 192.0.2.2");
		size[i] = dns_builder_sign(&exchange->builder, fixture_key(DESKTOP_KEY), NULL,
					   fixture->moment.date / 1000 + i, &exchange->mac);
	}
	for (int i = 0; i < 5; i++) {
		/* Old, old again, new, new again: all good. Then the old one. */
		struct exchange *exchange = i == 2 || i == 3 ? &fresh : &old;

		fixture_clear_outbox(fixture);
		authority_receive(fixture->authority, &fixture->moment, &fixture->peer,
				  exchange->octets, size[exchange == &fresh], &fixture->outbox);
		fixture_work(fixture);
		assert_int_equal(fixture->outbox.n, 1);
		assert_int_equal(fixture->outbox.items[0].data[3] & 0xf,
				 i < 4 ? LDNS_RCODE_NOERROR : LDNS_RCODE_NOTAUTH);
	}
	assert_int_equal(
		dns_tsig_find(fixture->outbox.items[0].data, fixture->outbox.items[0].size, &tsig),
		1);
	assert_int_equal(tsig.error, DNS_TSIG_ERROR_BADTIME);
	assert_int_equal(authority_counters(fixture->authority)->replayed, 1);
	assert_int_equal(require_exact(fixture, 0, "desktop A 192.0.2.2", NULL), 0);
}

/* A copy of the newest one, and of one that failed, is answered as the first time and not done. */
static void copies_are_not_done_again(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;
	size_t size;

	exchange_begin_update(&exchange);
	exchange_add(&exchange, "host A 192.0.2.1");
	exchange_add_lease(&exchange, 5400);
	size = dns_builder_sign(&exchange.builder, fixture_key(FIXTURE_DOMAIN), NULL,
				fixture->moment.date / 1000, &exchange.mac);
	for (int i = 0; i < 3; i++) {
		struct dns_update_lease lease;
		struct dns_message *answer;

		fixture_clear_outbox(fixture);
		authority_receive(fixture->authority, &fixture->moment, &fixture->peer,
				  exchange.octets, size, &fixture->outbox);
		fixture_work(fixture);
		assert_int_equal(dns_message_parse(fixture->outbox.items[0].data,
						   fixture->outbox.items[0].size, &answer),
				 0);
		assert_int_equal(answer->rcode, LDNS_RCODE_NOERROR);
		assert_int_equal(dns_options_read_update_lease(answer->options,
							       answer->options_size, &lease),
				 1);
		assert_int_equal(lease.lease, 5400);
		dns_message_free(answer);
		fixture_clear_outbox(fixture);
		/* Somebody else deletes it; the copies do not bring it back. */
		if (i == 0)
			assert_int_equal(
				fixture_add(fixture, DESKTOP_KEY, 5400, "desktop A 192.0.2.7"), 0);
		if (i == 1) {
			assert_int_equal(fixture_count(fixture, "host", LDNS_RR_TYPE_A), 1);
			fixture_sleep(fixture, 200000);
		}
	}
}

/* Of the account's own key, which several machines may have, only what was there before is refused,
 * not what is older. */
static void account_key_has_no_order(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchanges[3];
	size_t sizes[3];
	static const struct {
		int message;
		ldns_pkt_rcode rcode;
	} steps[] = {
		{ 1, LDNS_RCODE_NOERROR }, { 0, LDNS_RCODE_NOERROR }, { 0, LDNS_RCODE_NOERROR },
		{ 2, LDNS_RCODE_NOERROR }, { 0, LDNS_RCODE_NOTAUTH }, { 1, LDNS_RCODE_NOTAUTH },
		{ 2, LDNS_RCODE_NOERROR },
	};

	for (int i = 0; i < 3; i++) {
		char text[40];

		snprintf(text, sizeof text, "host%d A 192.0.2.1", i);
		exchange_begin_update(&exchanges[i]);
		exchange_add(&exchanges[i], text);
		sizes[i] = dns_builder_sign(&exchanges[i].builder, fixture_key(FIXTURE_DOMAIN),
					    NULL, fixture->moment.date / 1000 + i * 10, NULL);
	}
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		fixture_clear_outbox(fixture);
		authority_receive(fixture->authority, &fixture->moment, &fixture->peer,
				  exchanges[steps[i].message].octets, sizes[steps[i].message],
				  &fixture->outbox);
		fixture_work(fixture);
		assert_int_equal(fixture->outbox.n, 1);
		assert_int_equal(fixture->outbox.items[0].data[3] & 0xf, steps[i].rcode);
	}
	assert_int_equal(authority_counters(fixture->authority)->replayed, 2);
}

/* What the disk did not take may come again, and is done then. */
static void copy_after_a_failure(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;
	size_t size;

	exchange_begin_update(&exchange);
	exchange_add(&exchange, "desktop A 192.0.2.1");
	size = dns_builder_sign(&exchange.builder, fixture_key(DESKTOP_KEY), NULL,
				fixture->moment.date / 1000, NULL);
	for (int i = 0; i < 2; i++) {
		fixture->fails_to_commit = i == 0;
		fixture_clear_outbox(fixture);
		authority_receive(fixture->authority, &fixture->moment, &fixture->peer,
				  exchange.octets, size, &fixture->outbox);
		fixture_sleep(fixture, 2000);
		assert_int_equal(fixture->outbox.n, 1);
		assert_int_equal(fixture->outbox.items[0].data[3] & 0xf,
				 i ? LDNS_RCODE_NOERROR : LDNS_RCODE_SERVFAIL);
	}
	assert_int_equal(fixture_count(fixture, "desktop", LDNS_RR_TYPE_A), 1);
}

static enum replay_verdict try(struct replay_guard *guard, const char *name, bool is_host,
			       uint64_t seconds, uint32_t number)
{
	struct dns_tsig_mac mac = { 32, { 1, number >> 16, number >> 8, number } };

	return replay_guard_check(guard, name, is_host, seconds, &mac);
}

static void order_of_a_hosts_messages(void **state)
{
	struct replay_guard guard = {};
	char name[32];

	assert_int_equal(try(&guard, "x", true, 100, 1), REPLAY_NEW);
	assert_int_equal(try(&guard, "x", true, 100, 2), REPLAY_NEW);
	assert_int_equal(try(&guard, "x", true, 100, 2), REPLAY_AGAIN);
	assert_int_equal(try(&guard, "x", true, 100, 1), REPLAY_OLD);
	assert_int_equal(try(&guard, "x", true, 99, 3), REPLAY_OLD);
	assert_int_equal(try(&guard, "y", true, 99, 1), REPLAY_NEW);
	assert_int_equal(try(&guard, "x", true, 101, 4), REPLAY_NEW);
	/* Bounded: what was not used longest makes room. */
	for (int i = 0; i < REPLAY_KEYS; i++) {
		snprintf(name, sizeof name, "key%d", i);
		assert_int_equal(try(&guard, name, true, 100, 1), REPLAY_NEW);
	}
	assert_int_equal(guard.n, REPLAY_KEYS);
	assert_int_equal(try(&guard, "x", true, 100, 2), REPLAY_NEW);
	assert_int_equal(try(&guard, "key200", true, 99, 2), REPLAY_OLD);
	replay_guard_clear(&guard);
}

static void memory_of_an_account(void **state)
{
	struct replay_guard guard = {};
	struct replay_outcome outcome = { LDNS_RCODE_YXDOMAIN, { 77, 78 } }, read;
	struct dns_tsig_mac last = { 32, { 1, 0, 0, 9 } };

	assert_int_equal(try(&guard, "x", false, 100, 9), REPLAY_NEW);
	assert_false(replay_guard_outcome(&guard, "x", &last, &read));
	replay_guard_settle(&guard, "x", &last, &outcome);
	assert_true(replay_guard_outcome(&guard, "x", &last, &read));
	assert_int_equal(read.rcode, LDNS_RCODE_YXDOMAIN);
	assert_int_equal(read.granted.lease, 77);
	/* Many at once, none twice; then what is too old to be known. */
	for (uint32_t i = 10; i < 10 + REPLAY_ACCOUNT_MESSAGES; i++)
		assert_int_equal(try(&guard, "x", false, 101, i), REPLAY_NEW);
	for (uint32_t i = 10; i < 9 + REPLAY_ACCOUNT_MESSAGES; i++)
		assert_int_equal(try(&guard, "x", false, 101, i), REPLAY_OLD);
	assert_false(replay_guard_outcome(&guard, "x", &last, &read));
	assert_int_equal(try(&guard, "x", false, 99, 5), REPLAY_OLD);
	assert_int_equal(try(&guard, "x", false, 100, 6), REPLAY_NEW);
	replay_guard_clear(&guard);
}

/* One account fills the queue; another's UPDATE finds room. */
static void full_queue_has_room_for_others(void **state)
{
	static const char *const domains[] = { FIXTURE_DOMAIN, "bob.members.example.org" };
	struct fixture *fixture = *state;
	struct dns_tsig_key key = *fixture_key(FIXTURE_DOMAIN);
	const struct authority_counters *counters = authority_counters(fixture->authority);
	struct change_list changes = {};
	uint8_t octets[2][512];
	int sizes[2];

	assert_int_equal(authority_add_account(fixture->authority, 2, domains[1], key.secret,
					       key.secret_size),
			 0);
	assert_int_equal(authority_complete_account(fixture->authority, 2, &fixture->moment), 0);
	for (int i = 0; i < 2; i++) {
		ldns_rdf *zone = ldns_dname_new_frm_str(domains[i]);
		struct dns_builder builder;

		assert_int_equal(dns_name_from_text(domains[i], &key.name), 0);
		dns_update_begin(&builder, octets[i], sizeof octets[i], 7, zone);
		sizes[i] =
			dns_builder_sign(&builder, &key, NULL, fixture->moment.date / 1000, NULL);
		assert_true(sizes[i] > 0);
		ldns_rdf_deep_free(zone);
	}
	for (int i = 0; i < AUTHORITY_QUEUE_MAX; i++)
		authority_receive(fixture->authority, &fixture->moment, &fixture->peer, octets[0],
				  sizes[0], &fixture->outbox);
	assert_int_equal(counters->overloaded, AUTHORITY_QUEUE_MAX / 2);
	for (int i = 0; i < AUTHORITY_QUEUE_SHARE; i++)
		authority_receive(fixture->authority, &fixture->moment, &fixture->peer, octets[1],
				  sizes[1], &fixture->outbox);
	assert_int_equal(counters->overloaded, AUTHORITY_QUEUE_MAX / 2);
	/* The next transaction takes them all, and there is room again. */
	assert_int_equal(authority_begin(fixture->authority, &fixture->moment, &changes), 1);
	authority_receive(fixture->authority, &fixture->moment, &fixture->peer, octets[0], sizes[0],
			  &fixture->outbox);
	assert_int_equal(counters->overloaded, AUTHORITY_QUEUE_MAX / 2);
	change_list_clear(&changes);
	authority_finish(fixture->authority, &fixture->moment, true, &fixture->outbox);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(prerequisites_without_data),
		TEST(prerequisites_with_data),
		TEST(order_of_complaints),
		TEST(prerequisite_guards_all),
		TEST(additions_and_deletions),
		TEST(same_record_takes_the_new_ttl),
		TEST(malformed_changes_change_nothing),
		TEST(zone_section),
		TEST(apex_survives),
		TEST(soa_only_grows),
		TEST(alias_and_other_data),
		TEST(additions_without_data),
		TEST(big_ttl_is_none),
		TEST(lease_is_granted_in_its_form),
		TEST(keys_have_their_own_lease),
		TEST(lease_ends),
		TEST(lease_ended_is_never_answered),
		TEST(refresh_is_no_change),
		TEST(lease_outlives_a_restart),
		TEST(lease_outlives_a_set_clock),
		TEST(lease_ends_while_we_are_down),
		TEST(lease_does_not_wait_for_the_clock),
		TEST(disk_failure_changes_nothing),
		TEST(queries_do_not_see_what_is_not_durable),
		TEST(updates_share_a_transaction),
		TEST(old_update_of_a_host_is_no_news),
		TEST(copies_are_not_done_again),
		TEST(account_key_has_no_order),
		TEST(copy_after_a_failure),
		TEST(full_queue_has_room_for_others),
		cmocka_unit_test(order_of_a_hosts_messages),
		cmocka_unit_test(memory_of_an_account),
	};

	return cmocka_run_group_tests_name("zoned update", tests, NULL, NULL);
}
