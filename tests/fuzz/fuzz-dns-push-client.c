/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a server may send to a subscriber: the input is a stream of messages, each with its length.
 * The session is bound first, so that what is behind that is reached; a message that begins with
 * "id" gets the id of the request sent last, so that responses are reached too. */
#include "services/llq-watcher/host-view-state.h"

#include "common/dns/dns-builder.h"
#include "common/dns/dns-records.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t secret[32];

static uint32_t counting(void *userdata)
{
	uint32_t *number = userdata;

	return (*number)++;
}

static void want(const struct host_view *view, struct watch_set *set, const struct llq_time *time)
{
	watch_set_want_begin(set);
	host_view_want(view, set);
	watch_set_want_end(set, time);
}

/* Answers the query that names the connection. */
static void bind_connection(struct watch_set *set, const struct dns_tsig_key *key,
			    const struct llq_time *time)
{
	struct dns_builder builder;
	const uint8_t *request;
	uint8_t answer[512];
	struct dns_tsig tsig;
	size_t size;
	int r;

	if (!watch_set_next_message(set, &request, &size) ||
	    dns_tsig_find(request, size, &tsig) != 1)
		return;
	dns_builder_init(&builder, answer, sizeof(answer), request[0] << 8 | request[1],
			 DNS_FLAG_QR);
	r = dns_builder_sign(&builder, key, &tsig.mac, time->realtime, NULL);
	if (r > 0)
		watch_set_receive(set, time, answer, r);
}

static void feed(struct watch_set *set, struct host_view *view, struct reader *input,
		 struct llq_time *time)
{
	uint8_t message[4096], last[2] = { 0 };
	const uint8_t *request;
	size_t request_size;

	while (reader_left(input) >= 2) {
		size_t size = reader_u16(input);
		const uint8_t *octets;

		size = size < reader_left(input) ? size : reader_left(input);
		size = size < sizeof(message) ? size : sizeof(message);
		octets = reader_take(input, size);
		while (watch_set_next_message(set, &request, &request_size))
			memcpy(last, request, 2);
		memcpy(message, octets, size);
		if (size >= 2 && memcmp(message, "id", 2) == 0)
			memcpy(message, last, 2);
		watch_set_receive(set, time, message, size);
		time->now += 300;
		watch_set_tick(set, time);
		want(view, set, time);
		host_view_update(view, set);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_tsig_key key = { .algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256,
				    .secret = secret,
				    .secret_size = sizeof(secret) };
	struct llq_time time = { .now = 1000, .realtime = 1700000000 };
	struct reader input = reader_init(data, size);
	uint32_t number = 1;
	struct llq_set_options options = { .random = counting, .userdata = &number };
	struct push_start start = { .key = &key };
	struct host_view view;
	struct watch_set *set;
	ldns_rdf *domain;

	if (size > 8192 || dns_name_from_text("k.laptop.alice.example", &key.name) < 0)
		return 0;
	domain = dns_record_name("alice.example");
	start.domain = domain;
	if (!domain || watch_set_new(&options, &set) < 0) {
		ldns_rdf_deep_free(domain);
		return 0;
	}
	host_view_init(&view, "alice.example", "laptop");
	want(&view, set, &time);
	watch_set_start_stream(set, WATCH_TRANSPORT_PUSH_TLS, &start, &time);
	bind_connection(set, &key, &time);
	feed(set, &view, &input, &time);
	host_view_clear(&view);
	watch_set_free(set);
	ldns_rdf_deep_free(domain);
	return 0;
}
