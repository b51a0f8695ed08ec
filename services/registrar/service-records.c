/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/service-records.h"

#include "common/dns/dns-name.h"
#include "common/dns/dns-records.h"
#include "services/registrar/registration.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct instance {
	const struct service_offer *offer;
	struct dns_name type, name, host, enumeration;
	struct dns_name subtypes[SERVICE_SUBTYPES_MAX];
};

/* `label` of any octets before the name. */
static int prepend(const char *label, const struct dns_name *below, struct dns_name *ret)
{
	size_t size = strlen(label);

	if (size > 63 || 1 + size + below->size > DNS_NAME_SIZE_MAX)
		return -EINVAL;
	ret->size = 1 + size + below->size;
	ret->octets[0] = size;
	memcpy(ret->octets + 1, label, size);
	memcpy(ret->octets + 1 + size, below->octets, below->size);
	return 0;
}

static int make_name(struct dns_name *ret, const char *first, const char *domain)
{
	char text[600];

	snprintf(text, sizeof(text), "%s.%s", first, domain);
	return dns_name_from_text(text, ret);
}

static int make_names(const struct host_names *names, const struct service_offer *offer,
		      const char *label, struct instance *ret)
{
	struct dns_name below;
	int r = make_name(&ret->type, offer->type, names->account_domain);

	ret->offer = offer;
	if (r >= 0)
		r = make_name(&ret->host, names->host_name, names->account_domain);
	if (r >= 0)
		r = make_name(&ret->enumeration, "_services._dns-sd._udp", names->account_domain);
	if (r >= 0)
		r = prepend(label, &ret->type, &ret->name);
	if (r >= 0)
		r = prepend("_sub", &ret->type, &below);
	for (size_t i = 0; r >= 0 && i < offer->n_subtypes; i++)
		r = prepend(offer->subtypes[i], &below, &ret->subtypes[i]);
	return r;
}

static ldns_rdf *name_rdf(const struct dns_name *name)
{
	return ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, name->size, name->octets);
}

static ldns_rr *record_new(const struct dns_name *owner, ldns_rr_type type)
{
	cleanup(ldns_rr_freep) ldns_rr *rr = ldns_rr_new();
	ldns_rdf *name = name_rdf(owner);

	if (!rr || !name) {
		ldns_rdf_deep_free(name);
		return NULL;
	}
	ldns_rr_set_owner(rr, name);
	ldns_rr_set_type(rr, type);
	ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
	ldns_rr_set_ttl(rr, REGISTRATION_TTL);
	return steal_ptr(rr);
}

/* Takes `rdf`. */
static bool add_field(ldns_rr *rr, ldns_rdf *rdf)
{
	if (rr && rdf && ldns_rr_push_rdf(rr, rdf))
		return true;
	ldns_rdf_deep_free(rdf);
	return false;
}

/* Takes `rr` where it was made in full. */
static bool push(ldns_rr_list *list, bool made, ldns_rr *rr)
{
	if (made && ldns_rr_list_push_rr(list, rr))
		return true;
	ldns_rr_free(rr);
	return false;
}

static bool push_srv(ldns_rr_list *list, const struct instance *instance)
{
	ldns_rr *rr = record_new(&instance->name, LDNS_RR_TYPE_SRV);
	bool made =
		add_field(rr, ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, 0)) &&
		add_field(rr, ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, 0)) &&
		add_field(rr, ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, instance->offer->port)) &&
		add_field(rr, name_rdf(&instance->host));

	return push(list, made, rr);
}

/* Without texts it is one empty string (RFC 6763 §6.1). */
static bool push_txt(ldns_rr_list *list, const struct instance *instance)
{
	ldns_rr *rr = record_new(&instance->name, LDNS_RR_TYPE_TXT);
	const uint8_t *text = instance->offer->text;
	size_t size = instance->offer->text_size;
	bool made = rr != NULL;

	if (!size)
		made = add_field(rr, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_STR, 1, ""));
	for (size_t at = 0; made && at < size; at += 1 + text[at])
		made = add_field(rr,
				 ldns_rdf_new_frm_data(LDNS_RDF_TYPE_STR, 1 + text[at], text + at));
	return push(list, made, rr);
}

static bool push_ptr(ldns_rr_list *list, const struct dns_name *owner,
		     const struct dns_name *target)
{
	ldns_rr *rr = record_new(owner, LDNS_RR_TYPE_PTR);
	bool made = add_field(rr, name_rdf(target));

	for (size_t i = 0; made && i < ldns_rr_list_rr_count(list); i++)
		if (ldns_rr_compare(ldns_rr_list_rr(list, i), rr) == 0) {
			ldns_rr_free(rr);
			return true;
		}
	return push(list, made, rr);
}

int service_records_push(ldns_rr_list *list, const struct host_names *names,
			 const struct service_offer *offer, const char *label)
{
	struct instance instance;
	bool made;

	if (make_names(names, offer, label, &instance) < 0)
		return -EINVAL;
	made = push_srv(list, &instance) && push_txt(list, &instance) &&
	       push_ptr(list, &instance.type, &instance.name);
	for (size_t i = 0; made && i < offer->n_subtypes; i++)
		made = push_ptr(list, &instance.subtypes[i], &instance.name);
	return made && push_ptr(list, &instance.enumeration, &instance.type) ? 0 : -ENOMEM;
}
