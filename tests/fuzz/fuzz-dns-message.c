/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A message from the network: parsed, its options and the values of its records read as clients do,
 * and its records written again. What was written must parse. */
#include "common/dns/dns-builder.h"
#include "common/dns/dns-options.h"
#include "common/dns/dns-records.h"

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

/* What registrar and llq-watcher look for in answers about their server and the other hosts. */
static void read_values(const struct dns_message *message)
{
	const ldns_rdf *target = NULL;
	uint16_t priority, port;
	struct in6_addr v6;
	struct in_addr v4;

	for (size_t i = 0; i < dns_message_count(message, DNS_SECTION_ANSWER); i++) {
		const ldns_rr *rr = dns_message_rr(message, DNS_SECTION_ANSWER, i);

		dns_record_read_a(rr, &v4);
		dns_record_read_aaaa(rr, &v6);
		if (dns_record_read_target(rr, &target) == 0 ||
		    dns_record_read_srv(rr, &priority, &port, &target) == 0) {
			dns_message_find(message, target, LDNS_RR_TYPE_SRV);
			dns_message_find(message, target, LDNS_RR_TYPE_AAAA);
		}
	}
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
	read_values(message);
	write_again(message);
	dns_message_free(message);
	return 0;
}
