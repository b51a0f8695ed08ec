/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * tls-query ADDRESS PORT NAME QUESTION [pin sha256/… | tlsa sha256/…]...
 *
 * Asks SOA of QUESTION over the connection that the daemons use, twice in one go, and says what
 * came of it in one line: "answer RCODE COUNT" or "closed ERRNO WORDS". For test_tls.py.
 */
#include "common/dns-client/dns-stream.h"
#include "common/dns/dns-builder.h"
#include "common/dns/dns-records.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct query {
	struct loop *loop;
	struct dns_stream *stream;
	const char *question;
	unsigned int n_answers;
};

static void on_open(void *userdata)
{
	struct query *query = userdata;
	ldns_rdf *name = dns_record_name(query->question);
	uint8_t message[512], binding[32];
	struct dns_builder builder;
	int size;

	if (dns_stream_channel_binding(query->stream, binding, sizeof(binding)) < 0)
		printf("no binding ");
	for (int i = 0; name && i < 2; i++) {
		dns_builder_init(&builder, message, sizeof(message), 0x1230 + i, 0);
		dns_builder_add_question(&builder, name, LDNS_RR_TYPE_SOA, LDNS_RR_CLASS_IN);
		size = dns_builder_finish(&builder);
		if (size < 0 || dns_stream_send(query->stream, message, size) < 0)
			printf("cannot send\n");
	}
	ldns_rdf_deep_free(name);
}

static void on_message(void *userdata, const uint8_t *data, size_t size)
{
	struct query *query = userdata;
	struct dns_message *message = NULL;

	if (dns_message_parse(data, size, &message) < 0) {
		printf("malformed\n");
		loop_stop(query->loop, 1);
		return;
	}
	if (++query->n_answers == 2) {
		printf("answer %u %zu\n", message->rcode,
		       dns_message_count(message, DNS_SECTION_ANSWER));
		query->stream = dns_stream_free(query->stream);
		loop_stop(query->loop, 0);
	}
	dns_message_free(message);
}

static void on_closed(void *userdata, int error, const char *words)
{
	struct query *query = userdata;

	printf("closed %d %s\n", error, words);
	loop_stop(query->loop, 2);
}

int main(int argc, char **argv)
{
	static const struct dns_stream_events events = { on_open, on_message, on_closed };
	struct dns_trust trust = { .config = "the.conf" };
	struct dns_stream_options options = { .trust = &trust };
	struct query query = { 0 };
	int status = 3;

	if (argc < 5)
		return status;
	options.server.sin_family = AF_INET;
	options.server.sin_port = htons(atoi(argv[2]));
	inet_pton(AF_INET, argv[1], &options.server.sin_addr);
	snprintf(trust.name, sizeof(trust.name), "%s", argv[3]);
	query.question = argv[4];
	for (int i = 5; i + 1 < argc; i += 2) {
		struct dns_pins *pins = strcmp(argv[i], "pin") == 0 ? &trust.pins : &trust.tlsa;

		if (dns_pins_parse(argv[i + 1], pins) < 0) {
			printf("no pin: %s\n", argv[i + 1]);
			return status;
		}
	}
	if (loop_new(&query.loop) < 0 ||
	    dns_stream_new(query.loop, &options, &events, &query, &query.stream) < 0) {
		printf("cannot start\n");
		return status;
	}
	status = loop_run(query.loop);
	dns_stream_free(query.stream);
	loop_free(query.loop);
	return status;
}
