/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/authority-internal.h"

#define OPT_SIZE    11
#define RCODE_LIMIT 16 /* greater ones need EDNS */

static int append(struct outbox *outbox, const struct reply *reply)
{
	if (outbox->n == outbox->capacity) {
		size_t capacity = outbox->capacity ? outbox->capacity * 2 : 8;
		struct reply *items = reallocarray(outbox->items, capacity, sizeof *items);

		if (!items)
			return -ENOMEM;
		outbox->items = items;
		outbox->capacity = capacity;
	}
	outbox->items[outbox->n++] = *reply;
	return 0;
}

int outbox_append(struct outbox *outbox, const struct peer *peer, const void *data, size_t size)
{
	struct reply reply = { .peer = *peer };
	struct octets octets;
	int r = octets_copy(data, size, &octets);

	if (r < 0)
		return r;
	reply.data = octets.data;
	reply.size = octets.size;
	r = append(outbox, &reply);
	if (r < 0)
		free(octets.data);
	return r;
}

int outbox_repeat(struct outbox *outbox, size_t i, const struct peer *peer)
{
	struct reply reply = outbox->items[i];

	reply.peer = *peer;
	reply.is_repeated = true;
	return append(outbox, &reply);
}

void outbox_append_order(struct outbox *outbox, const struct peer *peer, enum reply_kind kind)
{
	struct reply reply = { .kind = kind, .peer = *peer };

	(void)append(outbox, &reply);
}

void outbox_clear(struct outbox *outbox)
{
	for (size_t i = 0; i < outbox->n; i++)
		if (!outbox->items[i].is_repeated)
			free(outbox->items[i].data);
	free(outbox->items);
	*outbox = (struct outbox){};
}

static size_t size_limit(const struct request *request)
{
	size_t announced = request->message->edns_udp_size;

	if (request->peer.connection)
		return DNS_MESSAGE_SIZE_MAX;
	return announced > DNS_UDP_SIZE ? DNS_UDP_SIZE : announced;
}

static uint16_t reply_flags(const struct request *request, uint16_t flags)
{
	return flags | DNS_FLAG_QR | DNS_FLAGS_OPCODE(request->message->opcode) |
	       (request->message->flags & DNS_FLAG_RD);
}

static void add_questions(struct dns_builder *builder, const struct request *request)
{
	for (size_t i = 0; i < dns_message_count(request->message, DNS_SECTION_QUESTION); i++) {
		const ldns_rr *question = dns_message_rr(request->message, DNS_SECTION_QUESTION, i);

		dns_builder_add_question(builder, ldns_rr_owner(question),
					 ldns_rr_get_type(question), ldns_rr_get_class(question));
	}
}

void answer_begin(struct answer *answer, const struct request *request, uint16_t flags,
		  size_t options_size)
{
	size_t reserve = 0;

	answer->limit = size_limit(request);
	answer->options_writer = writer_init(answer->options, sizeof answer->options);
	if (request->message->has_edns || options_size)
		reserve += OPT_SIZE + options_size;
	if (request->is_signed)
		reserve += dns_tsig_size(&request->identity.key);
	/* Both sizes are below the least limit of 512. */
	dns_builder_init(&answer->builder, answer->octets,
			 reserve < answer->limit ? answer->limit - reserve : 0,
			 request->message->id, reply_flags(request, flags));
	add_questions(&answer->builder, request);
}

/* RFC 7828: for how long a client may leave its connection idle. Not for sessions of DSO, which
 * have their own way to say so. */
static void add_keepalive(const struct authority *authority, struct answer *answer,
			  const struct request *request)
{
	uint32_t idle = authority->options->stream_idle_msec[request->peer.transport] / 100;

	if (request->peer.connection && request->message->has_edns &&
	    dns_options_have(request->message->options, request->message->options_size,
			     DNS_OPTION_KEEPALIVE))
		dns_option_write_keepalive(&answer->options_writer,
					   idle > UINT16_MAX ? UINT16_MAX : idle);
}

/* RFC 7830 §4: what came padded is answered padded, where nobody can look into it. */
static void add_padding(struct answer *answer, const struct request *request)
{
	size_t size = answer->builder.writer.position + OPT_SIZE + answer->options_writer.position;

	if (request->peer.transport != TRANSPORT_TLS || !request->message->has_edns ||
	    !dns_options_have(request->message->options, request->message->options_size,
			      DNS_OPTION_PADDING))
		return;
	/* Without the room for what an error says. */
	if (request->is_signed)
		size += dns_tsig_size(&request->identity.key) - sizeof request->tsig.other;
	dns_option_write_padding(&answer->options_writer, size, DNS_PADDING_RESPONSE,
				 answer->limit);
}

/* Everything after the records. The size of the message or a negative errno. */
static int complete(struct answer *answer, const struct request *request, uint16_t rcode,
		    const struct moment *moment)
{
	struct dns_builder *builder = &answer->builder;

	/* A failed builder must not succeed at last by the room that was set aside. */
	if (builder->writer.failed)
		return -EMSGSIZE;
	builder->writer.capacity = answer->limit;
	add_padding(answer, request);
	if (request->message->has_edns || answer->options_writer.position)
		dns_builder_add_edns(builder, DNS_UDP_SIZE, rcode, answer->options,
				     answer->options_writer.position);
	if (request->is_signed)
		return dns_builder_sign(builder, &request->identity.key, &request->tsig.mac,
					moment->date / 1000, NULL);
	return dns_builder_finish(builder);
}

static void send_answer(struct authority *authority, struct answer *answer,
			const struct request *request, uint16_t rcode, const struct moment *moment,
			struct outbox *outbox)
{
	int size;

	add_keepalive(authority, answer, request);
	size = complete(answer, request, rcode, moment);
	if (size < 0) {
		/* Too big even for question and signature: the client sees by TC that it must use
		 * TCP. */
		dns_builder_init(&answer->builder, answer->octets, answer->limit,
				 request->message->id, reply_flags(request, DNS_FLAG_TC));
		size = complete(answer, request, rcode, moment);
		authority->counters.truncated++;
	}
	if (size > 0)
		outbox_append(outbox, &request->peer, answer->octets, size);
}

void answer_send(struct authority *authority, struct answer *answer, const struct request *request,
		 const struct moment *moment, struct outbox *outbox)
{
	send_answer(authority, answer, request, 0, moment, outbox);
}

void answer_rcode(struct authority *authority, const struct request *request, uint16_t rcode,
		  const struct moment *moment, struct outbox *outbox)
{
	struct answer answer;

	answer_begin(&answer, request, rcode % RCODE_LIMIT, 0);
	send_answer(authority, &answer, request, rcode, moment, outbox);
}

void answer_malformed(const struct peer *peer, const uint8_t *data, size_t size,
		      struct outbox *outbox)
{
	uint8_t octets[DNS_HEADER_SIZE] = {};
	struct writer writer = writer_init(octets, sizeof octets);
	struct reader reader = reader_init(data, size);
	uint16_t flags;

	writer_u16(&writer, reader_u16(&reader));
	flags = reader_u16(&reader);
	writer_u16(&writer, DNS_FLAG_QR | (flags & (DNS_FLAGS_OPCODE(0xf) | DNS_FLAG_RD)) |
				    LDNS_RCODE_FORMERR);
	outbox_append(outbox, peer, octets, sizeof octets);
}

void answer_tsig_error(struct authority *authority, const struct request *request,
		       const struct dns_tsig_key *key, enum dns_tsig_error error,
		       const struct moment *moment, struct outbox *outbox)
{
	struct dns_builder *builder;
	struct answer answer;
	int r;

	answer_begin(&answer, request, LDNS_RCODE_NOTAUTH, 0);
	builder = &answer.builder;
	if (request->message->has_edns)
		dns_builder_add_edns(builder, DNS_UDP_SIZE, 0, NULL, 0);
	/* Question and TSIG of the longest names pass 512 octets; an error is not worth a second
	 * try. */
	builder->writer.capacity = sizeof answer.octets;
	r = dns_builder_finish(builder);
	if (r >= 0)
		r = dns_tsig_sign_error(&builder->writer, &request->tsig, key, error,
					moment->date / 1000);
	if (r >= 0)
		outbox_append(outbox, &request->peer, answer.octets, builder->writer.position);
}
