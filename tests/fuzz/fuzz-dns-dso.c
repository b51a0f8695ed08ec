/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A DSO message from the network, read as each side would; the changes of a PUSH are written again
 * and must then be what they were. */
#include "common/dns/dns-push.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool write_change(struct dns_builder *builder, const struct dns_push_change *change)
{
	ldns_rdf *name =
		ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, change->name.size, change->name.octets);

	if (!name)
		return false;
	switch (change->kind) {
	case DNS_PUSH_ADD:
		dns_push_add(builder, change->rr);
		break;
	case DNS_PUSH_REMOVE:
		dns_push_remove(builder, change->rr);
		break;
	case DNS_PUSH_REMOVE_RRSET:
		dns_push_remove_all(builder, name, change->type, change->class);
		break;
	case DNS_PUSH_REMOVE_CLASS:
		dns_push_remove_all(builder, name, LDNS_RR_TYPE_ANY, change->class);
		break;
	case DNS_PUSH_REMOVE_NAME:
		dns_push_remove_all(builder, name, LDNS_RR_TYPE_ANY, LDNS_RR_CLASS_ANY);
		break;
	}
	ldns_rdf_deep_free(name);
	return true;
}

static void write_again(const struct dns_dso *message)
{
	static uint8_t buffer[DNS_DSO_SIZE_MAX];
	struct reader data = message->data;
	struct dns_push_change change;
	struct dns_builder builder;
	struct dns_dso again;
	unsigned int n = 0;
	size_t position = dns_push_begin(&builder, buffer, sizeof(buffer));
	int size;

	while (dns_push_next(&data, &change) > 0) {
		n += write_change(&builder, &change);
		ldns_rr_free(change.rr);
	}
	dns_push_end(&builder, position);
	size = dns_builder_finish(&builder);
	if (size < 0 || n == 0)
		return;
	if (dns_dso_parse(buffer, size, &again) < 0 || dns_push_check(&again, size) < 0)
		abort();
	for (data = again.data; dns_push_next(&data, &change) > 0; n--)
		ldns_rr_free(change.rr);
	if (n != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_push_question question;
	struct dns_dso_keepalive keepalive;
	struct dns_dso message;
	struct reader value;
	uint32_t msec;
	uint16_t id;

	(void)dns_dso_is(data, size);
	if (size > DNS_MESSAGE_SIZE_MAX || dns_dso_parse(data, size, &message) < 0)
		return 0;
	dns_dso_read_keepalive(&message.data, &keepalive);
	dns_dso_read_retry_delay(&message.data, &msec);
	dns_push_read_subscribe(&message.data, &question);
	dns_push_read_unsubscribe(&message.data, &id);
	dns_push_read_reconfirm(&message.data, &question);
	dns_dso_find(&message, DNS_DSO_RETRY_DELAY, &value);
	if (dns_push_check(&message, size) == 0)
		write_again(&message);
	return 0;
}
