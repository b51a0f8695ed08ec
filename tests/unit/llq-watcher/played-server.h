/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The server of long-lived queries as a test plays it: it takes the set's datagrams one by one,
 * answers when the test says so, and signs like a real one. Time stands still unless at() moves it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "services/llq-watcher/watch-set.h"

#include "common/dns/dns-builder.h"
#include "common/dns/dns-records.h"

#include <cmocka.h>
#include <string.h>

#define REALTIME_START 1700000000u

static uint8_t secret[32] = { 42 };
static struct dns_tsig_key key;
static struct watch_set *set;
static struct llq_time now;
static uint32_t random_counter;

/* A datagram the server got. */
struct got {
	bool any;
	uint16_t message_id;
	bool response; /* an acknowledgement of an event */
	ldns_rdf *name;
	ldns_rr_type type;
	struct dns_llq llq;
	struct dns_tsig_mac mac;
	size_t size;
	uint8_t data[900];
};

static inline uint32_t counting(void *userdata)
{
	return ++random_counter;
}

static inline int start_set(void **state)
{
	struct llq_set_options options = { .random = counting };

	now = (struct llq_time){ .now = 1000000, .realtime = REALTIME_START };
	random_counter = 0;
	key = (struct dns_tsig_key){ .algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256,
				     .secret = secret,
				     .secret_size = sizeof(secret) };
	return dns_name_from_text("1a2b3c4d.laptop.alice.example", &key.name) < 0 ||
	       watch_set_new(&options, &set) < 0;
}

static inline int free_set(void **state)
{
	set = watch_set_free(set);
	return 0;
}

/* Milliseconds since the set's start; rings what is due. */
static inline void at(uint64_t msec)
{
	now.now = 1000000 + msec;
	now.realtime = REALTIME_START + msec / 1000;
	watch_set_tick(set, &now);
}

static inline struct got get(void)
{
	struct dns_message *message = NULL;
	struct dns_tsig tsig;
	struct got got = { 0 };
	const uint8_t *data;

	if (!watch_set_next_message(set, &data, &got.size))
		return got;
	got.any = true;
	memcpy(got.data, data, got.size);
	assert_int_equal(dns_message_parse(data, got.size, &message), 0);
	assert_int_equal(dns_tsig_find(data, got.size, &tsig), 1);
	assert_int_equal(
		dns_options_read_llqs(message->options, message->options_size, &got.llq, 1), 1);
	got.message_id = message->id;
	got.response = message->flags & DNS_FLAG_QR;
	got.mac = tsig.mac;
	got.name = ldns_rdf_clone(ldns_rr_owner(dns_message_rr(message, DNS_SECTION_QUESTION, 0)));
	got.type = ldns_rr_get_type(dns_message_rr(message, DNS_SECTION_QUESTION, 0));
	/* An acknowledgement is signed for its event, which the test checks itself. */
	if (!got.response)
		assert_int_equal(dns_tsig_verify(data, &tsig, &key, NULL, now.realtime, 0),
				 DNS_TSIG_RESULT_OK);
	dns_message_free(message);
	return got;
}

static inline void forget(struct got *got)
{
	ldns_rdf_deep_free(got->name);
	got->name = NULL;
}

static inline void assert_quiet(void)
{
	const uint8_t *data;
	size_t size;

	assert_false(watch_set_next_message(set, &data, &size));
}

/* A response or an event about a question, with these records (ended by NULL; "-" before one:
 * removed). */
struct reply {
	uint16_t message_id;
	uint16_t rcode;
	const ldns_rdf *name;
	ldns_rr_type type;
	struct dns_llq llq;
	const struct dns_tsig_mac *prior; /* NULL: an event */
	const struct dns_tsig_key *key;   /* NULL: not signed */
	const char *const *records;
};

static inline size_t write_reply(const struct reply *reply, uint8_t *buffer, size_t capacity)
{
	uint8_t option[DNS_OPTION_LLQ_SIZE];
	struct writer options = writer_init(option, sizeof(option));
	struct dns_llq llq = reply->llq;
	struct dns_builder builder;
	int size;

	llq.version = DNS_LLQ_VERSION;
	dns_option_write_llq(&options, &llq);
	dns_builder_init(&builder, buffer, capacity, reply->message_id,
			 DNS_FLAG_QR | DNS_FLAG_AA | reply->rcode);
	dns_builder_add_question(&builder, reply->name, reply->type, LDNS_RR_CLASS_IN);
	for (const char *const *text = reply->records; text && *text; text++) {
		bool removed = **text == '-';
		ldns_rr *rr = NULL;

		assert_int_equal(ldns_rr_new_frm_str(&rr, *text + removed, 0, NULL, NULL),
				 LDNS_STATUS_OK);
		dns_builder_add_rr_as(&builder, DNS_SECTION_ANSWER, rr, LDNS_RR_CLASS_IN,
				      removed ? DNS_LLQ_TTL_REMOVED : 10);
		ldns_rr_free(rr);
	}
	dns_builder_add_edns(&builder, 1232, 0, option, sizeof(option));
	size = reply->key ? dns_builder_sign(&builder, reply->key, reply->prior, now.realtime, NULL)
			  : dns_builder_finish(&builder);
	assert_true(size > 0);
	return size;
}

static inline void reply(const struct reply *reply)
{
	uint8_t buffer[1232];
	size_t size = write_reply(reply, buffer, sizeof(buffer));

	watch_set_receive(set, &now, buffer, size);
}

#define RECORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_RECORDS   ((const char *const[]){ NULL })

static inline void answer(const struct got *got, struct dns_llq llq, const char *const *records)
{
	struct reply response = { .message_id = got->message_id,
				  .name = got->name,
				  .type = got->type,
				  .llq = llq,
				  .prior = &got->mac,
				  .key = &key,
				  .records = records };

	reply(&response);
}

/* Step 2. */
static inline void challenge(const struct got *got, uint64_t id, uint32_t lease)
{
	answer(got, (struct dns_llq){ .opcode = DNS_LLQ_OPCODE_SETUP, .id = id, .lease = lease },
	       NULL);
}

/* Step 4. */
static inline void acknowledge(const struct got *got, const char *const *records)
{
	answer(got,
	       (struct dns_llq){
		       .opcode = DNS_LLQ_OPCODE_SETUP, .id = got->llq.id, .lease = got->llq.lease },
	       records);
}

static inline void acknowledge_refresh(const struct got *got)
{
	answer(got,
	       (struct dns_llq){ .opcode = DNS_LLQ_OPCODE_REFRESH,
				 .id = got->llq.id,
				 .lease = got->llq.lease },
	       NULL);
}

static inline void refuse(const struct got *got, enum dns_llq_error error, uint32_t lease)
{
	answer(got,
	       (struct dns_llq){ .opcode = got->llq.opcode,
				 .error = error,
				 .id = error == DNS_LLQ_ERROR_NO_SUCH_LLQ ? got->llq.id : 0,
				 .lease = lease },
	       NULL);
}

static inline size_t write_event(const ldns_rdf *name, ldns_rr_type type, uint64_t id,
				 const char *const *records, uint8_t *buffer, size_t capacity)
{
	struct reply event = { .message_id = 0xbeef,
			       .name = name,
			       .type = type,
			       .llq = { .opcode = DNS_LLQ_OPCODE_EVENT, .id = id },
			       .key = &key,
			       .records = records };

	return write_reply(&event, buffer, capacity);
}
