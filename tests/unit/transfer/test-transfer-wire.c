/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/zoned/unit.h"

#include "common/dns/dns-tsig-chain.h"
#include "services/zoned/transfer-wire.h"

#define NOW 1700000000
#define ID  77

static uint8_t secret[32] = { 5 };
static struct dns_tsig_key key = {
	.algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256,
	.secret = secret,
	.secret_size = sizeof secret,
};
static const struct dns_tsig_mac request_mac = { 32, { 1 } };
static ldns_rdf *zone;

static int setup(void **state)
{
	zone = ldns_dname_new_frm_str("example.org");
	return dns_name_from_text("transfer.example.net", &key.name);
}

static int teardown(void **state)
{
	ldns_rdf_deep_free(zone);
	return 0;
}

/* "S7" is the SOA with serial 7, "a" an address at that name, "|" begins another message. */
static ldns_rr *make_rr(const char *word)
{
	char text[200];
	ldns_rr *rr = NULL;

	if (word[0] == 'S')
		snprintf(text, sizeof text, "example.org. 10 IN SOA a. b. %s 60 1 1 1", word + 1);
	else
		snprintf(text, sizeof text, "%s 10 IN A 192.0.2.1", word);
	assert_int_equal(ldns_rr_new_frm_str(&rr, text, 10, zone, NULL), LDNS_STATUS_OK);
	return rr;
}

struct answer {
	struct octets {
		uint8_t data[2048];
		size_t size;
	} messages[8];
	size_t n;
};

static void make_answer(const char *text, struct answer *ret)
{
	char *copy = strdup(text), *save = NULL;
	struct dns_builder builder;
	struct dns_tsig_mac mac;

	ret->n = 0;
	for (char *part = strtok_r(copy, "|", &save); part; part = strtok_r(NULL, "|", &save)) {
		struct octets *message = &ret->messages[ret->n];
		char *rest = NULL;

		dns_builder_init(&builder, message->data, sizeof message->data, ID,
				 DNS_FLAG_QR | DNS_FLAG_AA);
		for (char *word = strtok_r(part, " ", &rest); word;
		     word = strtok_r(NULL, " ", &rest)) {
			ldns_rr *rr = make_rr(word);

			dns_builder_add_rr(&builder, DNS_SECTION_ANSWER, rr);
			ldns_rr_free(rr);
		}
		assert_true(dns_builder_finish(&builder) > 0);
		if (ret->n++ == 0)
			assert_int_equal(
				dns_tsig_sign(&builder.writer, &key, &request_mac, NOW, &mac), 0);
		else
			assert_int_equal(dns_tsig_sign_next(&builder.writer, &key, &mac, NOW, &mac),
					 0);
		message->size = builder.writer.position;
	}
	free(copy);
}

/* What the reader makes of it: "whole 9: +a +b", "7 to 9: -a +b", "current", or the error. */
static char *read_answer(const struct answer *answer, const uint32_t *serial)
{
	cleanup(transfer_reader_freep) struct transfer_reader *reader = NULL;
	cleanup(zone_delta_freep) struct zone_delta *delta = NULL;
	char *text = calloc(1, 1000);
	int r = 0;

	assert_int_equal(transfer_reader_new(zone, ID, serial, &key, &request_mac, &reader), 0);
	for (size_t i = 0; r == 0 && i < answer->n; i++) {
		r = transfer_reader_take(reader, answer->messages[i].data, answer->messages[i].size,
					 NOW, &delta);
		if (r > 0)
			assert_int_equal(i, answer->n - 1);
	}
	if (r <= 0) {
		sprintf(text, "%s",
			r == 0            ? "more"
			: r == -EBADMSG   ? "EBADMSG"
			: r == -ESTALE    ? "ESTALE"
			: r == -EREMOTEIO ? "EREMOTEIO"
					  : "?");
		return text;
	}
	if (!delta) {
		strcpy(text, "current");
		return text;
	}
	if (delta->is_whole)
		sprintf(text, "whole %u:", delta->to);
	else
		sprintf(text, "%u to %u:", delta->from, delta->to);
	for (size_t i = 0; i < delta->n; i++) {
		char *owner = ldns_rdf2str(ldns_rr_owner(delta->items[i].rr));

		sprintf(text + strlen(text), " %c%.*s", delta->items[i].is_added ? '+' : '-',
			(int)strcspn(owner, "."), owner);
		free(owner);
	}
	return text;
}

static void check(const char *text, const uint32_t *serial, const char *wanted)
{
	struct answer answer;
	char *got;

	make_answer(text, &answer);
	got = read_answer(&answer, serial);
	assert_string_equal(got, wanted);
	free(got);
}

static void whole_zones(void **state)
{
	static const uint32_t seven = 7;

	check("S9 a b S9", NULL, "whole 9: +a +b");
	check("S9 | a | b | S9", NULL, "whole 9: +a +b");
	check("S9 S9", NULL, "whole 9:");
	check("S9 a b", NULL, "more");
	check("S9 a S8", NULL, "ESTALE");
	check("a S9 S9", NULL, "EBADMSG");
	check("S9 a S9 b", NULL, "EBADMSG");
	/* As the answer to a question for differences. */
	check("S9 a b S9", &seven, "whole 9: +a +b");
	check("S9 | a b | S9", &seven, "whole 9: +a +b");
	check("S9 S9", &seven, "whole 9:");
}

static void differences(void **state)
{
	static const uint32_t seven = 7, last = 0xffffffff;

	check("S7", &seven, "current");
	check("S6", &seven, "ESTALE");
	check("S8", &seven, "more");
	check("S8 S7 a S8 b S8", &seven, "7 to 8: -a +b");
	check("S9 S7 a S8 b S8 b S9 c S9", &seven, "7 to 9: -a +b -b +c");
	check("S9 | S7 a | S8 b S8 | b S9 c | S9", &seven, "7 to 9: -a +b -b +c");
	check("S9 S7 S9 S9", &seven, "7 to 9:");
	check("S9 S8 a S9 b S9", &seven, "ESTALE");
	check("S9 S7 a S8 b S9 c S9", &seven, "ESTALE");
	check("S9 S7 a S9 b", &seven, "more");
	/* Serials turn over (RFC 1982). */
	check("S1 S4294967295 a S1 b S1", &last, "4294967295 to 1: -a +b");
}

static void not_ours(void **state)
{
	struct answer answer;
	char *got;

	check("S9 a x.example.com. S9", NULL, "EBADMSG");
	/* Every octet matters, and nothing is taken before the end. */
	make_answer("S9 a | b | S9", &answer);
	for (size_t m = 0; m < answer.n; m++)
		for (size_t at = 2; at < answer.messages[m].size; at++) {
			struct answer changed = answer;

			changed.messages[m].data[at] ^= 0x40;
			got = read_answer(&changed, NULL);
			assert_true(strncmp(got, "whole", 5) != 0);
			free(got);
		}
	for (size_t m = 0; m < answer.n; m++)
		for (size_t size = 0; size < answer.messages[m].size; size++) {
			struct answer cut = answer;

			cut.messages[m].size = size;
			got = read_answer(&cut, NULL);
			assert_string_equal(got, "EBADMSG");
			free(got);
		}
	/* An error that is signed. */
	make_answer("S9 a S9", &answer);
	{
		struct dns_builder builder;
		struct octets *message = &answer.messages[0];

		dns_builder_init(&builder, message->data, sizeof message->data, ID,
				 DNS_FLAG_QR | LDNS_RCODE_NOTAUTH);
		assert_true(dns_builder_finish(&builder) > 0);
		assert_int_equal(dns_tsig_sign(&builder.writer, &key, &request_mac, NOW, NULL), 0);
		message->size = builder.writer.position;
	}
	got = read_answer(&answer, NULL);
	assert_string_equal(got, "EREMOTEIO");
	free(got);
}

static void query(void **state)
{
	static const uint32_t serial = 7;
	struct dns_message *message;
	struct dns_tsig_mac mac;
	struct dns_tsig tsig;
	uint8_t octets[512];
	int size = transfer_build_query(octets, sizeof octets, ID, zone, &serial, &key, NOW, &mac);

	assert_true(size > 0);
	assert_int_equal(dns_tsig_find(octets, size, &tsig), 1);
	assert_int_equal(dns_tsig_verify(octets, &tsig, &key, NULL, NOW, 0), DNS_TSIG_RESULT_OK);
	assert_int_equal(dns_message_parse(octets, size, &message), 0);
	assert_int_equal(ldns_rr_get_type(dns_message_rr(message, DNS_SECTION_QUESTION, 0)),
			 LDNS_RR_TYPE_IXFR);
	assert_int_equal(ldns_rdf2native_int32(
				 ldns_rr_rdf(dns_message_rr(message, DNS_SECTION_AUTHORITY, 0), 2)),
			 7);
	dns_message_free(message);
	for (size_t capacity = 0; capacity < (size_t)size; capacity++)
		assert_true(transfer_build_query(octets, capacity, ID, zone, &serial, &key, NOW,
						 &mac) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_zones),
		cmocka_unit_test(differences),
		cmocka_unit_test(not_ours),
		cmocka_unit_test(query),
	};

	return cmocka_run_group_tests_name("transfer-wire", tests, setup, teardown);
}
