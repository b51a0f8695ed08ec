/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/llq-wire.h"

#include "common/dns/dns-builder.h"

#include <errno.h>

static void add_llq(struct dns_builder *builder, const struct dns_llq *llq)
{
	uint8_t octets[DNS_OPTION_LLQ_SIZE];
	struct writer options = writer_init(octets, sizeof(octets));

	dns_option_write_llq(&options, llq);
	dns_builder_add_edns(builder, DNS_UDP_SIZE, 0, octets, options.position);
}

int llq_wire_write_request(const struct llq_request *request, const struct dns_tsig_key *key,
			   uint64_t realtime, uint8_t *buffer, size_t capacity,
			   struct dns_tsig_mac *ret_mac)
{
	struct dns_builder builder;

	dns_builder_init(&builder, buffer, capacity, request->message_id, 0);
	dns_builder_add_question(&builder, request->name, request->type, LDNS_RR_CLASS_IN);
	add_llq(&builder, &request->llq);
	return dns_builder_sign(&builder, key, NULL, realtime, ret_mac);
}

int llq_wire_read(const uint8_t *data, size_t size, struct llq_message *ret)
{
	struct llq_message message = { 0 };
	int r;

	/* Whoever can write the server's address on an envelope gets this far. */
	r = dns_message_parse_outline(data, size, &message.dns);
	if (r < 0)
		return r;
	r = dns_options_read_llqs(message.dns->options, message.dns->options_size, &message.llq, 1);
	if (r < 0 || !(message.dns->flags & DNS_FLAG_QR) ||
	    message.dns->opcode != LDNS_PACKET_QUERY ||
	    dns_message_count(message.dns, DNS_SECTION_QUESTION) != 1) {
		llq_wire_clear(&message);
		return -EBADMSG;
	}
	message.has_llq = r == 1;
	message.question = dns_message_rr(message.dns, DNS_SECTION_QUESTION, 0);
	r = dns_tsig_find(data, size, &message.tsig);
	if (r != 1) {
		llq_wire_clear(&message);
		return r < 0 ? r : -ENOKEY;
	}
	*ret = message;
	return 0;
}

int llq_wire_read_records(const uint8_t *data, size_t size, struct llq_message *message)
{
	struct dns_message *dns;
	int r = dns_message_parse(data, size, &dns);

	if (r < 0)
		return r;
	llq_wire_clear(message);
	message->dns = dns;
	message->question = dns_message_rr(dns, DNS_SECTION_QUESTION, 0);
	return 0;
}

void llq_wire_clear(struct llq_message *message)
{
	message->dns = dns_message_free(message->dns);
}

int llq_wire_write_ack(const struct llq_message *event, const struct dns_tsig_key *key,
		       uint64_t realtime, uint8_t *buffer, size_t capacity)
{
	struct dns_builder builder;

	dns_builder_init(&builder, buffer, capacity, event->dns->id, DNS_FLAG_QR);
	dns_builder_add_question(&builder, ldns_rr_owner(event->question),
				 ldns_rr_get_type(event->question),
				 ldns_rr_get_class(event->question));
	add_llq(&builder, &event->llq);
	return dns_builder_sign(&builder, key, &event->tsig.mac, realtime, NULL);
}
