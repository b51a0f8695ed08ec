/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A message from the network: parsed, its options read, and its records written again. What was
 * written must parse. */
#include "common/dns/dns-builder.h"
#include "common/dns/dns-options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct dns_message *message)
{
	static uint8_t buffer[DNS_MESSAGE_SIZE_MAX];
	struct dns_message *again = NULL;
	struct dns_builder builder;
	int size;

	dns_builder_init(&builder, buffer, sizeof(buffer), message->id, message->flags);
	for (int section = 0; section < DNS_N_SECTIONS; section++) {
		for (size_t i = 0; i < dns_message_count(message, section); i++) {
			const ldns_rr *rr = dns_message_rr(message, section, i);

			if (section == DNS_SECTION_QUESTION)
				dns_builder_add_question(&builder, ldns_rr_owner(rr),
							 ldns_rr_get_type(rr),
							 ldns_rr_get_class(rr));
			else
				dns_builder_add_rr(&builder, section, rr);
		}
	}
	if (message->has_edns)
		dns_builder_add_edns(&builder, message->edns_udp_size, message->rcode,
				     message->options, message->options_size);
	size = dns_builder_finish(&builder);
	if (size < 0)
		return;
	if (dns_message_parse(buffer, size, &again) < 0)
		abort();
	dns_message_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_message *message = NULL;
	struct dns_llq llqs[DNS_LLQ_MAX];
	struct dns_update_lease lease;
	const uint8_t *binding;
	bool has_timeout;
	uint16_t timeout;

	if (dns_message_parse(data, size, &message) < 0)
		return 0;
	dns_options_read_llqs(message->options, message->options_size, llqs, DNS_LLQ_MAX);
	dns_options_read_update_lease(message->options, message->options_size, &lease);
	dns_options_read_channel_binding(message->options, message->options_size, &binding);
	dns_options_read_keepalive(message->options, message->options_size, &has_timeout, &timeout);
	write_again(message);
	dns_message_free(message);
	return 0;
}
