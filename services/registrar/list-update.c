/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/list-update.h"

#include "common/dns/dns-records.h"
#include "common/dns/dns-update.h"
#include "common/keys/revocation-list.h"

#include <stdio.h>

#define NAME_SIZE 400
#define TTL       10

static int require_former(struct dns_builder *builder, const struct list_update *update,
			  const char *owner)
{
	cleanup(ldns_rdf_freep) ldns_rdf *name = dns_record_name(owner);

	if (!name)
		return -EINVAL;
	if (!update->n_former)
		dns_update_require_no_rrset(builder, name, LDNS_RR_TYPE_CERT);
	for (size_t i = 0; i < update->n_former; i++) {
		cleanup(ldns_rr_freep) ldns_rr *rr = dns_record_new_cert(
			owner, 0, update->former[i].data, update->former[i].size);

		if (!rr)
			return -ENOMEM;
		dns_update_require_rr(builder, rr);
	}
	return 0;
}

static int replace_list(struct dns_builder *builder, const struct list_update *update,
			const char *owner)
{
	cleanup(ldns_rdf_freep) ldns_rdf *name = dns_record_name(owner);
	cleanup(ldns_rr_freep) ldns_rr *rr =
		dns_record_new_cert(owner, TTL, update->list.data, update->list.size);

	if (!name || !rr)
		return -ENOMEM;
	dns_update_delete_rrset(builder, name, LDNS_RR_TYPE_CERT);
	dns_update_add(builder, rr);
	return 0;
}

static int delete_name(struct dns_builder *builder, const char *text)
{
	cleanup(ldns_rdf_freep) ldns_rdf *name = dns_record_name(text);

	if (!name)
		return -EINVAL;
	dns_update_delete_name(builder, name);
	return 0;
}

/* What is at its names; zoned removes whatever else its keys have written. */
static int delete_host(struct dns_builder *builder, const struct list_update *update)
{
	char host[NAME_SIZE], service[NAME_SIZE], browse[NAME_SIZE];
	cleanup(ldns_rr_freep) ldns_rr *pointer = NULL;
	int r;

	snprintf(host, sizeof host, "%s.%s", update->host, update->account_domain);
	snprintf(service, sizeof service, "_autotunnel._udp.%s", host);
	snprintf(browse, sizeof browse, "_autotunnel._udp.%s", update->account_domain);
	r = delete_name(builder, host);
	if (r >= 0)
		r = delete_name(builder, service);
	if (r < 0)
		return r;
	pointer = dns_record_new_ptr(browse, 0, service);
	if (!pointer)
		return -ENOMEM;
	dns_update_delete_rr(builder, pointer);
	return 0;
}

int list_update_write(const struct list_update *update, uint8_t *message, size_t capacity)
{
	cleanup(ldns_rdf_freep) ldns_rdf *zone = dns_record_name(update->account_domain);
	struct dns_builder builder;
	char owner[NAME_SIZE];
	int r;

	if (!zone || snprintf(owner, sizeof owner, REVOCATION_LABEL ".%s",
			      update->account_domain) >= (int)sizeof owner)
		return -EINVAL;
	dns_update_begin(&builder, message, capacity, 0, zone);
	r = require_former(&builder, update, owner);
	if (r >= 0)
		r = replace_list(&builder, update, owner);
	if (r >= 0)
		r = delete_host(&builder, update);
	return r < 0 ? r : dns_builder_finish(&builder);
}

const char *list_update_words(uint16_t rcode)
{
	switch (rcode) {
	case LDNS_RCODE_NOERROR:
		return NULL;
	case LDNS_RCODE_YXRRSET:
	case LDNS_RCODE_NXRRSET:
		return "another host was forgotten at the same moment, from another machine; try "
		       "again";
	case LDNS_RCODE_SERVFAIL:
		return "the zone's server could not store the list (SERVFAIL); try again later";
	case LDNS_RCODE_REFUSED:
	case LDNS_RCODE_NOTAUTH:
		return "the zone's server refuses the list";
	default:
		return "the zone's server does not take the list";
	}
}
