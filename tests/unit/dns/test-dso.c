/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/dns/hex.h"

#include "common/dns/dns-push.h"

#include <errno.h>

/* Computed apart from this code, with Python's struct. */
#define KEEPALIVE "0001300000000000000000000001000800003a980036ee80"
#define SUBSCRIBE                                                                                  \
	"00023000000000000000000000400023086d794d616350726f05616c696365076d656d62657273026d650363" \
	"6f6d00001c0001"
#define SUBSCRIBE_RESPONSE "0002b0000000000000000000"
#define PUSH_ADD                                                                                   \
	"00003000000000000000000000410039086d794d616350726f05616c696365076d656d62657273026d650363" \
	"6f6d00001c00010000003c0010fd01020304050607002269fffe8e342a"
#define PUSH_COLLECTIVE                                                                            \
	"00003000000000000000000000410029086d794d616350726f05616c696365076d656d62657273026d650363" \
	"6f6d00001c0001fffffffe0000"
#define UNSUBSCRIBE "000030000000000000000000004200020002"

#define NAME "myMacPro.alice.members.me.com."
#define AAAA NAME " 60 IN AAAA fd01:203:405:607:22:69ff:fe8e:342a"

struct octets {
	uint8_t data[1024];
	size_t size;
};

static struct octets hex(const char *text)
{
	struct octets octets;

	octets.size = from_hex(text, octets.data);
	return octets;
}

static void assert_built(struct dns_builder *builder, const char *expected)
{
	int size = dns_builder_finish(builder);

	assert_true(size > 0);
	assert_hex(builder->writer.data, size, expected);
}

static void keepalive(void **state)
{
	struct dns_dso_keepalive sent = { .inactivity_timeout = 15000, .interval = 3600000 }, read;
	struct octets octets = hex(KEEPALIVE);
	struct dns_builder builder;
	struct dns_dso message;
	uint8_t buffer[64];

	dns_dso_begin(&builder, buffer, sizeof(buffer), 1);
	dns_dso_add_keepalive(&builder, &sent);
	assert_built(&builder, KEEPALIVE);
	assert_int_equal(dns_dso_parse(octets.data, octets.size, &message), 0);
	assert_int_equal(message.kind, DNS_DSO_REQUEST);
	assert_int_equal(message.id, 1);
	assert_int_equal(message.type, DNS_DSO_KEEPALIVE);
	assert_int_equal(dns_dso_read_keepalive(&message.data, &read), 0);
	assert_int_equal(read.inactivity_timeout, 15000);
	assert_int_equal(read.interval, 3600000);
}

static void subscribe(void **state)
{
	struct octets octets = hex(SUBSCRIBE), response = hex(SUBSCRIBE_RESPONSE);
	ldns_rdf *name = ldns_dname_new_frm_str(NAME);
	struct dns_push_question question;
	struct dns_builder builder;
	struct dns_name expected;
	struct dns_dso message;
	uint8_t buffer[64];

	dns_push_build_subscribe(&builder, buffer, sizeof(buffer), 2, name, LDNS_RR_TYPE_AAAA,
				 LDNS_RR_CLASS_IN);
	assert_built(&builder, SUBSCRIBE);
	assert_int_equal(dns_dso_parse(octets.data, octets.size, &message), 0);
	assert_int_equal(message.type, DNS_DSO_SUBSCRIBE);
	assert_int_equal(dns_push_read_subscribe(&message.data, &question), 0);
	dns_name_from_rdf(name, &expected);
	assert_true(dns_name_equal(&question.name, &expected));
	assert_int_equal(question.type, LDNS_RR_TYPE_AAAA);
	assert_int_equal(question.class, LDNS_RR_CLASS_IN);

	dns_dso_begin_response(&builder, buffer, sizeof(buffer), 2, 0);
	assert_built(&builder, SUBSCRIBE_RESPONSE);
	assert_int_equal(dns_dso_parse(response.data, response.size, &message), 0);
	assert_int_equal(message.kind, DNS_DSO_RESPONSE);
	assert_int_equal(message.type, 0);
	ldns_rdf_deep_free(name);
}

static void refusal(void **state)
{
	struct dns_builder builder;
	struct dns_dso message;
	struct reader data;
	uint8_t buffer[64];
	uint32_t msec;
	int size;

	dns_dso_begin_response(&builder, buffer, sizeof(buffer), 7, LDNS_RCODE_REFUSED);
	dns_dso_add_retry_delay(&builder, dns_push_retry_delay(LDNS_RCODE_REFUSED));
	size = dns_builder_finish(&builder);
	assert_int_equal(dns_dso_parse(buffer, size, &message), 0);
	assert_int_equal(message.rcode, LDNS_RCODE_REFUSED);
	assert_true(dns_dso_find(&message, DNS_DSO_RETRY_DELAY, &data));
	assert_int_equal(dns_dso_read_retry_delay(&data, &msec), 0);
	assert_int_equal(msec, 300000);
	assert_false(dns_dso_find(&message, DNS_DSO_KEEPALIVE, &data));
	assert_int_equal(dns_push_retry_delay(LDNS_RCODE_SERVFAIL), 60000);
	assert_int_equal(dns_push_retry_delay(DNS_RCODE_DSOTYPENI), 3600000);
}

static void unsubscribe(void **state)
{
	struct octets octets = hex(UNSUBSCRIBE);
	struct dns_builder builder;
	struct dns_dso message;
	uint8_t buffer[64];
	uint16_t id;

	dns_push_build_unsubscribe(&builder, buffer, sizeof(buffer), 2);
	assert_built(&builder, UNSUBSCRIBE);
	assert_int_equal(dns_dso_parse(octets.data, octets.size, &message), 0);
	assert_int_equal(message.kind, DNS_DSO_UNIDIRECTIONAL);
	assert_int_equal(dns_push_read_unsubscribe(&message.data, &id), 0);
	assert_int_equal(id, 2);
}

static void reconfirm(void **state)
{
	ldns_rr *rr = rr_from("a.example. 60 IN SRV 0 0 22 b.example.");
	struct dns_push_question question;
	struct dns_builder builder;
	struct dns_dso message;
	uint8_t buffer[128];
	int size;

	dns_push_build_reconfirm(&builder, buffer, sizeof(buffer), rr);
	size = dns_builder_finish(&builder);
	assert_hex(buffer, size,
		   "00003000000000000000000000430020016107657861"
		   "6d706c65000021000100000000001601620765"
		   "78616d706c6500");
	assert_int_equal(dns_dso_parse(buffer, size, &message), 0);
	assert_int_equal(dns_push_read_reconfirm(&message.data, &question), 0);
	assert_int_equal(question.type, LDNS_RR_TYPE_SRV);
	/* Of the data only the length is known, but not what stands before it. */
	buffer[27] = 0;
	buffer[28] = 255;
	assert_int_equal(dns_push_read_reconfirm(&message.data, &question), -EBADMSG);
	ldns_rr_free(rr);
}

/* The only change of a message. */
static struct dns_push_change only_change(const struct octets *octets)
{
	struct dns_push_change change, none;
	struct dns_dso message;
	struct reader data;

	assert_int_equal(dns_dso_parse(octets->data, octets->size, &message), 0);
	assert_int_equal(dns_push_check(&message, octets->size), 0);
	data = message.data;
	assert_int_equal(dns_push_next(&data, &change), 1);
	assert_int_equal(dns_push_next(&data, &none), 0);
	return change;
}

static void push_add(void **state)
{
	struct octets octets = hex(PUSH_ADD);
	struct dns_push_change change;
	struct dns_builder builder;
	ldns_rr *rr = rr_from(AAAA);
	uint8_t buffer[128];
	size_t position;

	position = dns_push_begin(&builder, buffer, sizeof(buffer));
	dns_push_add(&builder, rr);
	dns_push_end(&builder, position);
	assert_built(&builder, PUSH_ADD);
	change = only_change(&octets);
	assert_int_equal(change.kind, DNS_PUSH_ADD);
	assert_int_equal(ldns_rr_compare(change.rr, rr), 0);
	assert_int_equal(ldns_rr_ttl(change.rr), 60);
	ldns_rr_free(change.rr);
	ldns_rr_free(rr);
}

static void push_collective(void **state)
{
	struct octets octets = hex(PUSH_COLLECTIVE);
	ldns_rdf *name = ldns_dname_new_frm_str(NAME);
	static const struct {
		uint16_t type, class;
		enum dns_push_kind kind;
	} cases[] = {
		{ LDNS_RR_TYPE_AAAA, LDNS_RR_CLASS_IN, DNS_PUSH_REMOVE_RRSET },
		{ LDNS_RR_TYPE_ANY, LDNS_RR_CLASS_IN, DNS_PUSH_REMOVE_CLASS },
		{ LDNS_RR_TYPE_ANY, LDNS_RR_CLASS_ANY, DNS_PUSH_REMOVE_NAME },
	};

	assert_int_equal(only_change(&octets).kind, DNS_PUSH_REMOVE_RRSET);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dns_builder builder;
		struct octets built;
		size_t position;

		position = dns_push_begin(&builder, built.data, sizeof(built.data));
		dns_push_remove_all(&builder, name, cases[i].type, cases[i].class);
		dns_push_end(&builder, position);
		built.size = dns_builder_finish(&builder);
		if (i == 0)
			assert_hex(built.data, built.size, PUSH_COLLECTIVE);
		if (i == 2)
			assert_int_equal(built.data[16 + 31] << 8 | built.data[16 + 32], 0);
		assert_int_equal(only_change(&built).kind, cases[i].kind);
	}
	ldns_rdf_deep_free(name);
}

/* Several changes, the second record's names written as pointers into the first. */
static void push_is_compressed(void **state)
{
	ldns_rr *added =
		rr_from("_ssh._tcp.alice.example. 10 IN PTR desk._ssh._tcp.alice.example.");
	ldns_rr *removed = rr_from("desk._ssh._tcp.alice.example. 10 IN SRV 0 0 22 "
				   "desk.alice.example.");
	struct dns_push_change change;
	struct dns_builder builder;
	struct dns_dso message;
	struct octets octets;
	struct reader data;
	size_t position;

	position = dns_push_begin(&builder, octets.data, sizeof(octets.data));
	dns_push_add(&builder, added);
	dns_push_remove(&builder, removed);
	dns_push_end(&builder, position);
	octets.size = dns_builder_finish(&builder);
	/* header, TLV; owner, fields, "desk" and a pointer; a pointer, fields, numbers, "desk" and
	 * a pointer. */
	assert_int_equal(octets.size, 16 + 25 + 10 + 7 + 2 + 10 + 6 + 7);
	assert_int_equal(dns_dso_parse(octets.data, octets.size, &message), 0);
	assert_int_equal(dns_push_check(&message, octets.size), 0);
	data = message.data;
	assert_int_equal(dns_push_next(&data, &change), 1);
	assert_int_equal(change.kind, DNS_PUSH_ADD);
	assert_int_equal(ldns_rr_compare(change.rr, added), 0);
	ldns_rr_free(change.rr);
	assert_int_equal(dns_push_next(&data, &change), 1);
	assert_int_equal(change.kind, DNS_PUSH_REMOVE);
	assert_int_equal(ldns_rr_compare(change.rr, removed), 0);
	ldns_rr_free(change.rr);
	assert_int_equal(dns_push_next(&data, &change), 0);
	ldns_rr_free(added);
	ldns_rr_free(removed);
}

/* A PUSH with the fields after its one name replaced. */
static int check_with(uint16_t type, uint16_t class, uint32_t ttl, uint16_t size,
		      unsigned int *ret_changes)
{
	struct octets octets = hex(PUSH_ADD);
	struct dns_push_change change;
	struct dns_dso message;
	struct writer writer = writer_init(octets.data, octets.size);
	struct reader data;
	int r;

	writer.position = octets.size - 26;
	writer_u16(&writer, type);
	writer_u16(&writer, class);
	writer_u32(&writer, ttl);
	writer_u16(&writer, size);
	octets.size = writer.position + size;
	writer.position = 14;
	writer_u16(&writer, octets.size - 16);
	assert_int_equal(dns_dso_parse(octets.data, octets.size, &message), 0);
	r = dns_push_check(&message, octets.size);
	*ret_changes = 0;
	for (data = message.data; dns_push_next(&data, &change) > 0; ++*ret_changes)
		ldns_rr_free(change.rr);
	return r;
}

static void push_ttls(void **state)
{
	unsigned int n;

	assert_int_equal(check_with(28, 1, 0, 16, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(check_with(28, 1, 0x7fffffff, 16, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(check_with(28, 1, 0x80000000, 16, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(check_with(28, 1, 0xfffffffd, 16, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(check_with(28, 1, 0xffffffff, 16, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(check_with(28, 1, 0xfffffffe, 16, &n), -EBADMSG);
	assert_int_equal(check_with(28, 1, 0xfffffffe, 0, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(check_with(255, 1, 10, 16, &n), -EBADMSG);
	assert_int_equal(check_with(28, 255, 10, 16, &n), -EBADMSG);
	assert_int_equal(check_with(255, 1, 0xffffffff, 16, &n), -EBADMSG);
	assert_int_equal(check_with(28, 255, 0xffffffff, 0, &n), -EBADMSG);
	/* AAAA has data. */
	assert_int_equal(check_with(28, 1, 10, 0, &n), -EBADMSG);
	/* APL (42) may have none. */
	assert_int_equal(check_with(42, 1, 10, 0, &n), 0);
	assert_int_equal(n, 1);
}

static void push_limit(void **state)
{
	static uint8_t buffer[DNS_MESSAGE_SIZE_MAX];
	ldns_rr *rr = rr_from(AAAA);
	struct dns_builder_mark mark;
	struct dns_builder builder;
	struct dns_dso message;
	size_t position;
	int size;

	position = dns_push_begin(&builder, buffer, sizeof(buffer));
	do {
		mark = dns_builder_mark(&builder);
		dns_push_add(&builder, rr);
	} while (!builder.writer.failed);
	dns_builder_rewind(&builder, &mark);
	dns_push_end(&builder, position);
	size = dns_builder_finish(&builder);
	assert_in_range(size, DNS_DSO_SIZE_MAX - 27, DNS_DSO_SIZE_MAX);
	assert_int_equal(dns_dso_parse(buffer, size, &message), 0);
	assert_int_equal(dns_push_check(&message, size), 0);
	assert_int_equal(dns_push_check(&message, DNS_DSO_SIZE_MAX + 1), -EBADMSG);
	ldns_rr_free(rr);
}

static void push_must_change_something(void **state)
{
	struct octets octets = hex("00003000000000000000000000410000"), as_request;
	struct dns_dso message;

	assert_int_equal(dns_dso_parse(octets.data, octets.size, &message), 0);
	assert_int_equal(dns_push_check(&message, octets.size), -EBADMSG);
	as_request = hex(PUSH_ADD);
	as_request.data[1] = 1;
	assert_int_equal(dns_dso_parse(as_request.data, as_request.size, &message), 0);
	assert_int_equal(dns_push_check(&message, as_request.size), -EBADMSG);
}

static void headers(void **state)
{
	struct dns_dso message;
	struct octets octets;

	octets = hex("0000b0000000000000000000"); /* a response to nothing */
	assert_int_equal(dns_dso_parse(octets.data, octets.size, &message), -EBADMSG);
	octets = hex("000130000000000000000000"); /* a request for nothing */
	assert_int_equal(dns_dso_parse(octets.data, octets.size, &message), -EBADMSG);
	octets = hex("000030000000000000000000");
	assert_int_equal(dns_dso_parse(octets.data, octets.size, &message), -EBADMSG);
	octets = hex("000128000000000000000000"); /* UPDATE */
	assert_false(dns_dso_is(octets.data, octets.size));
	assert_int_equal(dns_dso_parse(octets.data, octets.size, &message), -EBADMSG);
	for (size_t i = 4; i < DNS_HEADER_SIZE; i++) {
		octets = hex(KEEPALIVE);
		octets.data[i] = 1;
		assert_int_equal(dns_dso_parse(octets.data, octets.size, &message), -EPROTO);
	}
	octets = hex(KEEPALIVE);
	octets.data[2] |= 0x07; /* bits to be ignored */
	octets.data[3] |= 0xf0;
	assert_int_equal(dns_dso_parse(octets.data, octets.size, &message), 0);
}

static void padding(void **state)
{
	struct octets octets = hex(SUBSCRIBE);
	struct dns_builder builder;
	struct dns_dso message;
	struct reader tlvs, data;
	uint16_t type;
	int size;

	dns_dso_begin(&builder, octets.data, sizeof(octets.data), 1);
	dns_dso_add_keepalive(&builder, &(struct dns_dso_keepalive){ 1, 2 });
	dns_dso_add_padding(&builder, 128);
	size = dns_builder_finish(&builder);
	assert_int_equal(size, 128);
	assert_int_equal(dns_dso_parse(octets.data, size, &message), 0);
	assert_int_equal(message.type, DNS_DSO_KEEPALIVE);
	tlvs = message.tlvs;
	assert_int_equal(dns_dso_next(&tlvs, &type, &data), 1);
	assert_int_equal(dns_dso_next(&tlvs, &type, &data), 1);
	assert_int_equal(type, DNS_DSO_PADDING);
	assert_int_equal(reader_left(&data), 128 - 24 - 4);
	assert_int_equal(dns_dso_next(&tlvs, &type, &data), 0);
	/* Exactly full already, but for the TLV's own header. */
	dns_dso_begin(&builder, octets.data, sizeof(octets.data), 1);
	dns_dso_add_keepalive(&builder, &(struct dns_dso_keepalive){ 1, 2 });
	dns_dso_add_padding(&builder, 28);
	assert_int_equal(dns_builder_finish(&builder), 28);
	/* No room. */
	dns_dso_begin(&builder, octets.data, 60, 1);
	dns_dso_add_keepalive(&builder, &(struct dns_dso_keepalive){ 1, 2 });
	dns_dso_add_padding(&builder, 128);
	assert_int_equal(dns_builder_finish(&builder), 24);
}

static int read_whole(const uint8_t *data, size_t size)
{
	struct dns_dso_keepalive values;
	struct dns_push_question question;
	struct dns_dso message;
	uint16_t id;
	int r = dns_dso_parse(data, size, &message);

	if (r < 0 || message.kind == DNS_DSO_RESPONSE)
		return r;
	switch (message.type) {
	case DNS_DSO_KEEPALIVE:
		return dns_dso_read_keepalive(&message.data, &values);
	case DNS_DSO_SUBSCRIBE:
		return dns_push_read_subscribe(&message.data, &question);
	case DNS_DSO_UNSUBSCRIBE:
		return dns_push_read_unsubscribe(&message.data, &id);
	case DNS_DSO_PUSH:
		return dns_push_check(&message, size);
	default:
		return -EBADMSG;
	}
}

static void truncated(void **state)
{
	static const char *const messages[] = { KEEPALIVE,       SUBSCRIBE,   PUSH_ADD,
						PUSH_COLLECTIVE, UNSUBSCRIBE, SUBSCRIBE_RESPONSE };

	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		struct octets octets = hex(messages[i]);

		assert_int_equal(read_whole(octets.data, octets.size), 0);
		for (size_t size = 0; size < octets.size; size++) {
			uint8_t *copy = malloc(size + 1);

			memcpy(copy, octets.data, size);
			assert_int_equal(read_whole(copy, size), -EBADMSG);
			/* The same with a TLV that ends there. */
			if (size >= 16) {
				copy[14] = (size - 16) >> 8;
				copy[15] = size - 16;
				assert_int_equal(read_whole(copy, size), -EBADMSG);
			}
			free(copy);
		}
		octets.data[octets.size] = 0;
		assert_int_equal(read_whole(octets.data, octets.size + 1), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keepalive),
		cmocka_unit_test(subscribe),
		cmocka_unit_test(refusal),
		cmocka_unit_test(unsubscribe),
		cmocka_unit_test(reconfirm),
		cmocka_unit_test(push_add),
		cmocka_unit_test(push_collective),
		cmocka_unit_test(push_is_compressed),
		cmocka_unit_test(push_ttls),
		cmocka_unit_test(push_limit),
		cmocka_unit_test(push_must_change_something),
		cmocka_unit_test(headers),
		cmocka_unit_test(padding),
		cmocka_unit_test(truncated),
	};

	return cmocka_run_group_tests_name("dns-dso", tests, NULL, NULL);
}
