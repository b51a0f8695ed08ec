/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/zoned/unit.h"

#include "tests/unit/zoned/server-fixture.h"

#include <ctype.h>

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

static const struct authority_counters *counters(struct fixture *fixture)
{
	return authority_counters(fixture->authority);
}

/* One question; the answer stays in `exchange`. */
static int ask(struct fixture *fixture, struct exchange *exchange, const char *key_name,
	       const char *name, ldns_rr_type type)
{
	fixture_clear_outbox(fixture);
	exchange_begin_query(exchange, name, type);
	return fixture_send(fixture, exchange, key_name);
}

static size_t count(const struct exchange *exchange, enum dns_section section)
{
	return dns_message_count(exchange->answer, section);
}

static void apex_is_public(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;

	assert_int_equal(ask(fixture, &exchange, NULL, "members.example.org.", LDNS_RR_TYPE_SOA),
			 0);
	assert_int_equal(count(&exchange, DNS_SECTION_ANSWER), 1);
	assert_true(exchange.answer->flags & DNS_FLAG_AA);
	exchange_clear(&exchange);
	assert_int_equal(ask(fixture, &exchange, NULL, "Members.Example.org.", LDNS_RR_TYPE_NS), 0);
	assert_int_equal(count(&exchange, DNS_SECTION_ANSWER), 1);
	assert_int_equal(count(&exchange, DNS_SECTION_ADDITIONAL), 1);
	exchange_clear(&exchange);
	assert_int_equal(ask(fixture, &exchange, NULL, "ns.members.example.org.", LDNS_RR_TYPE_A),
			 0);
	assert_int_equal(count(&exchange, DNS_SECTION_ANSWER), 1);
	exchange_clear(&exchange);
	assert_int_equal(
		ask(fixture, &exchange, NULL, "ns.members.example.org.", LDNS_RR_TYPE_AAAA), 0);
	assert_int_equal(count(&exchange, DNS_SECTION_ANSWER), 0);
	assert_int_equal(count(&exchange, DNS_SECTION_AUTHORITY), 1);
	exchange_clear(&exchange);
}

/* All that a stranger can learn about names below the members zone is nothing. */
static void strangers_see_no_difference(void **state)
{
	static const char *const names[] = {
		"alice.members.example.org.",       "carol.members.example.org.",
		"hosta.alice.members.example.org.", "nonea.alice.members.example.org.",
		"nonea.carol.members.example.org.", "_tcp.alice.members.example.org.",
		"nothing.members.example.org.",     "a.ns.members.example.org.",
		"elsewhere.example.com.",
	};
	static const ldns_rr_type types[] = { LDNS_RR_TYPE_A, LDNS_RR_TYPE_SOA, LDNS_RR_TYPE_ANY,
					      LDNS_RR_TYPE_SRV, LDNS_RR_TYPE_AXFR };
	struct fixture *fixture = *state;
	struct exchange exchange;

	fixture_add(fixture, FIXTURE_DOMAIN, 0, "hosta A 192.0.2.1");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(types); k++) {
			size_t size;

			assert_int_equal(ask(fixture, &exchange, NULL, names[i], types[k]),
					 LDNS_RCODE_REFUSED);
			assert_int_equal(exchange.answer->flags, DNS_FLAG_QR | LDNS_RCODE_REFUSED);
			size = fixture->outbox.items[0].size;
			/* The question and nothing else: its octets again. */
			assert_int_equal(size, exchange.builder.writer.position);
			assert_memory_equal(fixture->outbox.items[0].data + 4, exchange.octets + 4,
					    size - 4);
			exchange_clear(&exchange);
		}
	}
}

static void account_sees_only_itself(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;

	assert_int_equal(authority_add_account(fixture->authority, 2, "bob.members.example.org",
					       "0123456789abcdef0123456789abcdef", 32),
			 0);
	assert_int_equal(authority_complete_account(fixture->authority, 2, &fixture->moment), 0);
	assert_int_equal(ask(fixture, &exchange, FIXTURE_DOMAIN, "bob.members.example.org.",
			     LDNS_RR_TYPE_SOA),
			 LDNS_RCODE_REFUSED);
	exchange_clear(&exchange);
	assert_int_equal(ask(fixture, &exchange, DESKTOP_KEY, "carol.members.example.org.",
			     LDNS_RR_TYPE_SOA),
			 LDNS_RCODE_REFUSED);
	exchange_clear(&exchange);
	assert_int_equal(ask(fixture, &exchange, DESKTOP_KEY, "@", LDNS_RR_TYPE_SOA), 0);
	exchange_clear(&exchange);
	assert_int_equal(
		ask(fixture, &exchange, DESKTOP_KEY, "members.example.org.", LDNS_RR_TYPE_SOA), 0);
	exchange_clear(&exchange);
	assert_int_equal(ask(fixture, &exchange, FIXTURE_DOMAIN, "@", LDNS_RR_TYPE_AXFR),
			 LDNS_RCODE_REFUSED);
	exchange_clear(&exchange);
}

static void account_comes_with_its_services(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;

	assert_int_equal(fixture_count(fixture, "@", LDNS_RR_TYPE_NS), 1);
	assert_int_equal(fixture_count(fixture, "b._dns-sd._udp", LDNS_RR_TYPE_PTR), 1);
	assert_int_equal(fixture_count(fixture, "db._dns-sd._udp", LDNS_RR_TYPE_PTR), 1);
	assert_int_equal(fixture_count(fixture, "lb._dns-sd._udp", LDNS_RR_TYPE_PTR), 1);
	assert_int_equal(fixture_count(fixture, "_dns-update._udp", LDNS_RR_TYPE_SRV), 1);
	assert_int_equal(ask(fixture, &exchange, DESKTOP_KEY, "_dns-llq._udp", LDNS_RR_TYPE_SRV),
			 0);
	assert_int_equal(count(&exchange, DNS_SECTION_ANSWER), 1);
	assert_int_equal(count(&exchange, DNS_SECTION_ADDITIONAL), 1);
	exchange_clear(&exchange);
}

static void negative_answers(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;

	fixture_add(fixture, FIXTURE_DOMAIN, 0, "_service._tcp.host SRV 0 0 1 host");
	assert_int_equal(ask(fixture, &exchange, DESKTOP_KEY, "none", LDNS_RR_TYPE_A),
			 LDNS_RCODE_NXDOMAIN);
	assert_true(exchange.answer->flags & DNS_FLAG_AA);
	assert_int_equal(count(&exchange, DNS_SECTION_AUTHORITY), 1);
	assert_int_equal(ldns_rr_ttl(dns_message_rr(exchange.answer, DNS_SECTION_AUTHORITY, 0)),
			 10);
	exchange_clear(&exchange);
	/* Names with something below them exist. */
	assert_int_equal(ask(fixture, &exchange, DESKTOP_KEY, "_tcp.host", LDNS_RR_TYPE_A), 0);
	assert_int_equal(count(&exchange, DNS_SECTION_AUTHORITY), 1);
	exchange_clear(&exchange);
	assert_int_equal(ask(fixture, &exchange, DESKTOP_KEY, "tcp.host", LDNS_RR_TYPE_A),
			 LDNS_RCODE_NXDOMAIN);
	exchange_clear(&exchange);
}

static void related_records_come_along(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;

	fixture_add(fixture, FIXTURE_DOMAIN, 0, "_autotunnel._udp PTR _autotunnel._udp.desktop");
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "_autotunnel._udp.desktop SRV 0 0 9 AutoTunnel-1");
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "AutoTunnel-1 A 192.0.2.1");
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "AutoTunnel-1 AAAA fd00::1");
	assert_int_equal(ask(fixture, &exchange, DESKTOP_KEY, "_autotunnel._udp", LDNS_RR_TYPE_PTR),
			 0);
	assert_int_equal(count(&exchange, DNS_SECTION_ANSWER), 1);
	assert_int_equal(count(&exchange, DNS_SECTION_ADDITIONAL), 3);
	exchange_clear(&exchange);
	assert_int_equal(
		ask(fixture, &exchange, DESKTOP_KEY, "_autotunnel._udp.desktop", LDNS_RR_TYPE_SRV),
		0);
	assert_int_equal(count(&exchange, DNS_SECTION_ADDITIONAL), 2);
	/* The target keeps the case it was written in. */
	assert_memory_equal(ldns_rdf_data(ldns_rr_rdf(
				    dns_message_rr(exchange.answer, DNS_SECTION_ANSWER, 0), 3)),
			    "\014AutoTunnel-1\005alice", 19);
	exchange_clear(&exchange);
}

static void aliases_are_followed(void **state)
{
	struct fixture *fixture = *state;

	fixture_add(fixture, FIXTURE_DOMAIN, 0, "a CNAME b");
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "b CNAME c");
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "c A 192.0.2.1");
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "out CNAME www.example.com.");
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "loop CNAME loop2");
	fixture_add(fixture, FIXTURE_DOMAIN, 0, "loop2 CNAME loop");
	assert_int_equal(fixture_count(fixture, "a", LDNS_RR_TYPE_A), 3);
	assert_int_equal(fixture_count(fixture, "a", LDNS_RR_TYPE_CNAME), 1);
	assert_int_equal(fixture_count(fixture, "out", LDNS_RR_TYPE_A), 1);
	assert_in_range(fixture_count(fixture, "loop", LDNS_RR_TYPE_A), 2, 16);
}

/* Sizes -------------------------------------------------------------------------------------------
 */

static size_t size_of_answer(struct fixture *fixture, uint16_t edns, const char *name,
			     bool *ret_is_cut)
{
	struct exchange exchange;
	size_t size;

	fixture_clear_outbox(fixture);
	exchange_begin_query(&exchange, name, LDNS_RR_TYPE_TXT);
	if (edns)
		dns_builder_add_edns(&exchange.builder, edns, 0, NULL, 0);
	assert_int_equal(fixture_send(fixture, &exchange, FIXTURE_DOMAIN), 0);
	*ret_is_cut = exchange.answer->flags & DNS_FLAG_TC;
	if (*ret_is_cut)
		assert_int_equal(count(&exchange, DNS_SECTION_ANSWER), 0);
	assert_int_equal(exchange.answer->has_edns, edns != 0);
	size = fixture->outbox.items[0].size;
	exchange_clear(&exchange);
	return size;
}

static void answers_fit_what_the_client_takes(void **state)
{
	struct fixture *fixture = *state;
	char text[256];
	bool is_cut;

	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof text, "big TXT \"%050d\"", i);
		fixture_add(fixture, FIXTURE_DOMAIN, 0, text);
		snprintf(text, sizeof text, "medium TXT \"%010d\"", i);
		fixture_add(fixture, FIXTURE_DOMAIN, 0, text);
	}
	assert_in_range(size_of_answer(fixture, 0, "medium", &is_cut), 100, 512);
	assert_true(is_cut);
	assert_in_range(size_of_answer(fixture, 600, "medium", &is_cut), 100, 600);
	assert_true(is_cut);
	/* Less than 512 means 512 (RFC 6891 §6.2.3). */
	snprintf(text, sizeof text, "small TXT \"%0200d\"", 1);
	fixture_add(fixture, FIXTURE_DOMAIN, 0, text);
	assert_in_range(size_of_answer(fixture, 100, "small", &is_cut), 250, 512);
	assert_false(is_cut);
	assert_in_range(size_of_answer(fixture, 1232, "medium", &is_cut), 500, 1232);
	assert_false(is_cut);
	assert_in_range(size_of_answer(fixture, 65535, "big", &is_cut), 100, 1232);
	assert_true(is_cut);
	fixture->peer.connection = 1;
	assert_in_range(size_of_answer(fixture, 0, "big", &is_cut), 1233, 3000);
	assert_false(is_cut);
}

static void longest_names_are_answered(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;
	char name[300];

	memset(name, 'x', sizeof name);
	for (int i = 63; i < 192; i += 64)
		name[i] = '.';
	strcpy(name + 225, "." FIXTURE_DOMAIN ".");
	assert_int_equal(ask(fixture, &exchange, DESKTOP_KEY, name, LDNS_RR_TYPE_A),
			 LDNS_RCODE_NXDOMAIN);
	exchange_clear(&exchange);
}

/* Signatures
 * --------------------------------------------------------------------------------------- */

struct answer {
	uint16_t rcode;
	struct dns_tsig tsig;
	int has_tsig;
};

static struct answer send_raw(struct fixture *fixture, const uint8_t *octets, size_t size)
{
	struct answer answer = {};
	const struct reply *reply;

	fixture_clear_outbox(fixture);
	authority_receive(fixture->authority, &fixture->moment, &fixture->peer, octets, size,
			  &fixture->outbox);
	fixture_work(fixture);
	assert_int_equal(fixture->outbox.n, 1);
	reply = &fixture->outbox.items[0];
	answer.rcode = reply->data[3] & 0xf;
	answer.has_tsig = dns_tsig_find(reply->data, reply->size, &answer.tsig);
	return answer;
}

static size_t build_signed(struct fixture *fixture, struct exchange *exchange,
			   const struct dns_tsig_key *key, int64_t offset)
{
	exchange_begin_query(exchange, "@", LDNS_RR_TYPE_SOA);
	return dns_builder_sign(&exchange->builder, key, NULL, fixture->moment.date / 1000 + offset,
				&exchange->mac);
}

/* Names that are no key's, in an account or anywhere. */
static void unknown_keys(void **state)
{
	static const char *const names[] = {
		"desktop.alice.members.example.org",
		"1a2b3c4.desktop.alice.members.example.org",
		"1a2b3c4g.desktop.alice.members.example.org",
		"1a2b3c4d.x.desktop.alice.members.example.org",
		"1a2b3c4d.alice.members.example.org",
		"desktop.carol.members.example.org",
		"1a2b3c4d.carol.members.example.org",
		"members.example.org",
		"key",
	};
	struct fixture *fixture = *state;
	struct exchange exchange;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct dns_tsig_key key = *fixture_key(FIXTURE_DOMAIN);
		struct answer answer;
		size_t size;

		dns_name_from_text(names[i], &key.name);
		size = build_signed(fixture, &exchange, &key, 0);
		answer = send_raw(fixture, exchange.octets, size);
		assert_int_equal(answer.rcode, LDNS_RCODE_NOTAUTH);
		assert_int_equal(answer.has_tsig, 1);
		assert_int_equal(answer.tsig.error, DNS_TSIG_ERROR_BADKEY);
		assert_int_equal(answer.tsig.mac.size, 0);
		assert_true(dns_name_equal(&answer.tsig.key_name, &key.name));
	}
	assert_int_equal(counters(fixture)->bad_key, ARRAY_SIZE(names));
}

/* Whoever guesses at keys learns nothing about which accounts there are: each octet of the answer
 * is the same, but for the name. */
static void guessing_shows_no_account(void **state)
{
	static const char *const prefixes[] = { "", "1a2b3c4d.desktop.", "desktop.", "1a2b3c4d.",
						"1a2b3c4d.x.desktop." };
	static const size_t mac_sizes[] = { 32, 31, 16, 15, 0, 40 };
	struct fixture *fixture = *state;
	struct exchange exchange;

	for (size_t i = 0; i < ARRAY_SIZE(prefixes) * ARRAY_SIZE(mac_sizes); i++) {
		static const char *const accounts[] = { "alice", "carol" };
		struct octets answers[2];
		uint64_t counted[2];

		for (size_t k = 0; k < ARRAY_SIZE(accounts); k++) {
			const uint64_t bad_signature = counters(fixture)->bad_signature;
			const uint8_t secret[32] = "nothing";
			struct dns_tsig_key key = *fixture_key(FIXTURE_DOMAIN);
			struct writer *writer = &exchange.builder.writer;
			size_t mac_size = mac_sizes[i % ARRAY_SIZE(mac_sizes)];
			char name[100];

			snprintf(name, sizeof name, "%s%s.members.example.org",
				 prefixes[i / ARRAY_SIZE(mac_sizes)], accounts[k]);
			dns_name_from_text(name, &key.name);
			key.secret = secret;
			build_signed(fixture, &exchange, &key, 0);
			/* Another size of the MAC. Before it, its own and that of the data; after
			 * it, six octets. */
			writer->position -= 32 + 6;
			writer_patch_u16(writer, writer->position - 2, mac_size);
			writer_patch_u16(writer, writer->position - 25, 13 + 16 + mac_size);
			for (size_t n = 0; n < mac_size; n++)
				writer_u8(writer, 1);
			writer_u16(writer, 0x1234);
			writer_u32(writer, 0);
			fixture_clear_outbox(fixture);
			authority_receive(fixture->authority, &fixture->moment, &fixture->peer,
					  exchange.octets, writer->position, &fixture->outbox);
			assert_int_equal(fixture->outbox.n, 1);
			octets_copy(fixture->outbox.items[0].data, fixture->outbox.items[0].size,
				    &answers[k]);
			counted[k] = counters(fixture)->bad_signature - bad_signature;
		}
		/* Nor do the counters tell. */
		assert_int_equal(counted[0], counted[1]);
		assert_int_equal(answers[0].size, answers[1].size);
		for (size_t n = 0; n < answers[0].size; n++)
			if (answers[0].data[n] != answers[1].data[n])
				assert_non_null(memchr("alice", answers[0].data[n], 5));
		free(answers[0].data);
		free(answers[1].data);
	}
	/* Of two names that could be keys, each in two accounts: three sizes that can be and three
	 * that cannot. */
	assert_int_equal(counters(fixture)->bad_signature, 2 * 2 * 3);
	assert_int_equal(counters(fixture)->malformed, 2 * 2 * 3);
}

/* A guess before there is such an account does not stand in its way. */
static void guessing_spoils_no_key(void **state)
{
	struct fixture *fixture = *state;
	struct dns_tsig_key key = *fixture_key(DESKTOP_KEY);
	struct exchange exchange;

	authority_forget_account(fixture->authority, FIXTURE_ACCOUNT);
	assert_int_equal(
		send_raw(fixture, exchange.octets, build_signed(fixture, &exchange, &key, 0))
			.tsig.error,
		DNS_TSIG_ERROR_BADSIG);
	fixture_add_account(fixture);
	assert_int_equal(fixture_add(fixture, DESKTOP_KEY, 5400, "desktop A 192.0.2.1"), 0);
}

static void bad_signatures(void **state)
{
	static const char *const keys[] = { FIXTURE_DOMAIN, DESKTOP_KEY };
	struct fixture *fixture = *state;
	struct exchange exchange;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct dns_tsig_key key = *fixture_key(keys[i]);
		uint8_t secret[32];
		struct answer answer;

		memcpy(secret, key.secret, sizeof secret);
		secret[31] ^= 1;
		key.secret = secret;
		answer = send_raw(fixture, exchange.octets,
				  build_signed(fixture, &exchange, &key, 0));
		assert_int_equal(answer.rcode, LDNS_RCODE_NOTAUTH);
		assert_int_equal(answer.tsig.error, DNS_TSIG_ERROR_BADSIG);
		assert_int_equal(answer.tsig.mac.size, 0);
	}
	assert_int_equal(counters(fixture)->bad_signature, 2);
}

static void bad_times(void **state)
{
	struct fixture *fixture = *state;
	const struct dns_tsig_key *key = fixture_key(DESKTOP_KEY);
	struct exchange exchange;
	struct answer answer;
	int64_t now = fixture->moment.date / 1000;

	for (int sign = -1; sign <= 1; sign += 2) {
		answer = send_raw(fixture, exchange.octets,
				  build_signed(fixture, &exchange, key, sign * 300));
		assert_int_equal(answer.rcode, LDNS_RCODE_NOERROR);
		answer = send_raw(fixture, exchange.octets,
				  build_signed(fixture, &exchange, key, sign * 301));
		assert_int_equal(answer.rcode, LDNS_RCODE_NOTAUTH);
		assert_int_equal(answer.tsig.error, DNS_TSIG_ERROR_BADTIME);
		assert_int_equal(dns_tsig_other_time(&answer.tsig), now);
		assert_int_equal(answer.tsig.time_signed, now + sign * 301);
		/* Signed, so that the client may believe it. */
		assert_int_equal(dns_tsig_verify(fixture->outbox.items[0].data, &answer.tsig, key,
						 &exchange.mac, now + sign * 301, 0),
				 DNS_TSIG_RESULT_OK);
	}
	assert_int_equal(counters(fixture)->bad_time, 2);
}

/* No bit of a signed UPDATE can be changed without it being refused or dropped. */
static void every_bit_counts(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;
	struct dns_tsig tsig;
	size_t size;

	exchange_begin_update(&exchange);
	exchange_add(&exchange, "desktop A 192.0.2.1");
	exchange_add_lease(&exchange, 5400);
	size = dns_builder_sign(&exchange.builder, fixture_key(DESKTOP_KEY), NULL,
				fixture->moment.date / 1000, NULL);
	assert_int_equal(dns_tsig_find(exchange.octets, size, &tsig), 1);
	/* But for the header's ID, of which TSIG has the original, and the case of the names in
	 * TSIG. */
	for (size_t i = 2; i < size; i++) {
		for (int bit = 0; bit < 8; bit++) {
			if (bit == 5 && i >= tsig.start && isalpha(exchange.octets[i]))
				continue;
			exchange.octets[i] ^= 1 << bit;
			authority_receive(fixture->authority, &fixture->moment, &fixture->peer,
					  exchange.octets, size, &fixture->outbox);
			fixture_work(fixture);
			exchange.octets[i] ^= 1 << bit;
		}
		fixture_clear_outbox(fixture);
	}
	assert_int_equal(counters(fixture)->transactions, 0);
	authority_receive(fixture->authority, &fixture->moment, &fixture->peer, exchange.octets,
			  size, &fixture->outbox);
	fixture_work(fixture);
	assert_int_equal(counters(fixture)->transactions, 1);
}

static void truncated_at_every_length(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;
	size_t size;

	exchange_begin_update(&exchange);
	exchange_add(&exchange, "desktop A 192.0.2.1");
	exchange_add_lease(&exchange, 5400);
	size = dns_builder_sign(&exchange.builder, fixture_key(DESKTOP_KEY), NULL,
				fixture->moment.date / 1000, NULL);
	for (size_t i = 0; i < size; i++) {
		uint8_t *exact = malloc(i ?: 1);

		memcpy(exact, exchange.octets, i);
		authority_receive(fixture->authority, &fixture->moment, &fixture->peer, exact, i,
				  &fixture->outbox);
		free(exact);
		assert_int_equal(fixture->outbox.n, i >= DNS_HEADER_SIZE);
		if (i >= DNS_HEADER_SIZE) {
			assert_int_equal(fixture->outbox.items[0].size, DNS_HEADER_SIZE);
			assert_int_equal(fixture->outbox.items[0].data[3] & 0xf,
					 LDNS_RCODE_FORMERR);
		}
		fixture_clear_outbox(fixture);
	}
	assert_int_equal(counters(fixture)->malformed, size);
	assert_int_equal(fixture_count(fixture, "desktop", LDNS_RR_TYPE_A), -1);
}

/* ldns walks a name that points at itself for a long time: only for those who hold a key. */
static void records_of_strangers_are_not_read(void **state)
{
	static const struct {
		const char *key_name;
		int rcode;
	} senders[] = {
		{ NULL, LDNS_RCODE_REFUSED },
		{ DESKTOP_KEY, LDNS_RCODE_FORMERR },
		{ FIXTURE_DOMAIN, LDNS_RCODE_FORMERR },
	};
	struct fixture *fixture = *state;
	struct exchange exchange;

	for (size_t i = 0; i < ARRAY_SIZE(senders); i++) {
		struct writer *writer = &exchange.builder.writer;

		exchange_begin_update(&exchange);
		exchange_add(&exchange, "desktop PTR x");
		writer->data[writer->position - 2] = 0xC0 | (writer->position - 2) >> 8;
		writer->data[writer->position - 1] = writer->position - 2;
		assert_int_equal(fixture_send(fixture, &exchange, senders[i].key_name),
				 senders[i].rcode);
		exchange_clear(&exchange);
		fixture_clear_outbox(fixture);
	}
	assert_int_equal(counters(fixture)->malformed, 2);
	assert_int_equal(counters(fixture)->refused, 1);
}

static void odd_messages(void **state)
{
	struct fixture *fixture = *state;
	struct exchange exchange;

	exchange_begin_query(&exchange, "@", LDNS_RR_TYPE_SOA);
	dns_builder_set_flags(&exchange.builder, DNS_FLAGS_OPCODE(4));
	assert_int_equal(fixture_send(fixture, &exchange, NULL), LDNS_RCODE_NOTIMPL);
	exchange_clear(&exchange);
	fixture_clear_outbox(fixture);
	exchange.answer = NULL;
	dns_builder_init(&exchange.builder, exchange.octets, sizeof exchange.octets, 1, 0);
	assert_int_equal(fixture_send(fixture, &exchange, FIXTURE_DOMAIN), LDNS_RCODE_FORMERR);
	exchange_clear(&exchange);
	fixture_clear_outbox(fixture);
	/* A response is never answered. */
	exchange_begin_query(&exchange, "@", LDNS_RR_TYPE_SOA);
	dns_builder_set_flags(&exchange.builder, DNS_FLAG_QR);
	assert_int_equal(fixture_send(fixture, &exchange, FIXTURE_DOMAIN), -1);
	exchange_clear(&exchange);
	/* EDNS of the future. */
	exchange_begin_query(&exchange, "@", LDNS_RR_TYPE_SOA);
	dns_builder_add_edns(&exchange.builder, 1232, 0, NULL, 0);
	exchange.octets[exchange.builder.writer.position - 5] = 1;
	assert_int_equal(fixture_send(fixture, &exchange, NULL), 16);
	assert_true(exchange.answer->has_edns);
	exchange_clear(&exchange);
	/* Twice, and behind the signature (RFC 6891 §6.1.1, RFC 8945 §5.1). */
	for (int is_signed = 0; is_signed < 2; is_signed++) {
		size_t size;

		fixture_clear_outbox(fixture);
		exchange_begin_query(&exchange, "@", LDNS_RR_TYPE_SOA);
		if (is_signed)
			dns_builder_sign(&exchange.builder, fixture_key(FIXTURE_DOMAIN), NULL,
					 fixture->moment.date / 1000, NULL);
		else
			dns_builder_add_edns(&exchange.builder, 1232, 0, NULL, 0);
		dns_builder_add_edns(&exchange.builder, 1232, 0, NULL, 0);
		size = dns_builder_finish(&exchange.builder);
		exchange.octets[11] = 2;
		authority_receive(fixture->authority, &fixture->moment, &fixture->peer,
				  exchange.octets, size, &fixture->outbox);
		assert_int_equal(fixture->outbox.n, 1);
		assert_int_equal(fixture->outbox.items[0].data[3] & 0xf, LDNS_RCODE_FORMERR);
		assert_int_equal(fixture->outbox.items[0].size, DNS_HEADER_SIZE);
	}
}

static void removed_account_is_gone(void **state)
{
	struct fixture *fixture = *state;
	struct dns_tsig_key key = *fixture_key(FIXTURE_DOMAIN);
	struct exchange exchange;

	authority_unlist_accounts(fixture->authority);
	authority_keep_listed(fixture->authority);
	assert_int_equal(authority_n_accounts(fixture->authority), 0);
	assert_int_equal(
		send_raw(fixture, exchange.octets, build_signed(fixture, &exchange, &key, 0))
			.tsig.error,
		DNS_TSIG_ERROR_BADSIG);
}

/* What the storage could not tell to its end is read anew. */
static void forgotten_account_can_be_read_again(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(fixture_add(fixture, DESKTOP_KEY, 5400, "desktop A 192.0.2.1"), 0);
	authority_forget_account(fixture->authority, FIXTURE_ACCOUNT);
	assert_int_equal(authority_n_accounts(fixture->authority), 0);
	assert_false(authority_has_account(fixture->authority, FIXTURE_ACCOUNT, FIXTURE_DOMAIN));
	authority_forget_account(fixture->authority, FIXTURE_ACCOUNT);
	fixture_restart(fixture);
	assert_int_equal(fixture_count(fixture, "desktop", LDNS_RR_TYPE_A), 1);
}

static void accounts_are_one_label_below(void **state)
{
	static const char *const wrong[] = {
		"members.example.org",
		"ns.members.example.org",
		"a.b.members.example.org",
		"alice.other.example.org",
		"org",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(authority_add_account(fixture->authority, 5, wrong[i], "key", 3),
				 -EINVAL);
	assert_int_equal(
		authority_add_account(fixture->authority, 5, "ALICE.members.example.org", "k", 1),
		-EEXIST);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(apex_is_public),
		TEST(strangers_see_no_difference),
		TEST(account_sees_only_itself),
		TEST(account_comes_with_its_services),
		TEST(negative_answers),
		TEST(related_records_come_along),
		TEST(aliases_are_followed),
		TEST(answers_fit_what_the_client_takes),
		TEST(longest_names_are_answered),
		TEST(unknown_keys),
		TEST(guessing_shows_no_account),
		TEST(guessing_spoils_no_key),
		TEST(bad_signatures),
		TEST(bad_times),
		TEST(every_bit_counts),
		TEST(truncated_at_every_length),
		TEST(records_of_strangers_are_not_read),
		TEST(odd_messages),
		TEST(removed_account_is_gone),
		TEST(forgotten_account_can_be_read_again),
		TEST(accounts_are_one_label_below),
	};

	return cmocka_run_group_tests_name("zoned query", tests, NULL, NULL);
}
