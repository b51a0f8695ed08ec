/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/published-records.h"

#include "common/dns/dns-records.h"
#include "common/dns/dns-update.h"

#include <errno.h>
#include <string.h>

static size_t count(const ldns_rr_list *list)
{
	return list ? ldns_rr_list_rr_count(list) : 0;
}

static const ldns_rr *at(const ldns_rr_list *list, size_t i)
{
	return ldns_rr_list_rr(list, i);
}

static bool has(const ldns_rr_list *list, const ldns_rr *rr)
{
	for (size_t i = 0; i < count(list); i++)
		if (ldns_rr_compare(at(list, i), rr) == 0)
			return true;
	return false;
}

/* Whether a record of the same name and type is among the first `n` of the list. */
static bool has_rrset(const ldns_rr_list *list, size_t n, const ldns_rr *rr)
{
	for (size_t i = 0; i < n; i++)
		if (ldns_rr_get_type(at(list, i)) == ldns_rr_get_type(rr) &&
		    ldns_dname_compare(ldns_rr_owner(at(list, i)), ldns_rr_owner(rr)) == 0)
			return true;
	return false;
}

static bool is_shared(const ldns_rr *rr)
{
	return ldns_rr_get_type(rr) == LDNS_RR_TYPE_PTR;
}

void published_records_deinit(struct published_records *published)
{
	ldns_rr_list_deep_free(published->acknowledged);
	ldns_rr_list_deep_free(published->possible);
	*published = (struct published_records){ 0 };
}

int published_records_sent(struct published_records *published, const ldns_rr_list *wanted)
{
	if (!published->possible)
		published->possible = ldns_rr_list_new();
	for (size_t i = 0; i < count(wanted); i++) {
		ldns_rr *copy;

		if (has(published->possible, at(wanted, i)))
			continue;
		copy = ldns_rr_clone(at(wanted, i));
		if (!copy || !published->possible ||
		    !ldns_rr_list_push_rr(published->possible, copy)) {
			ldns_rr_free(copy);
			return -ENOMEM;
		}
	}
	return 0;
}

int published_records_acknowledged(struct published_records *published, const ldns_rr_list *wanted)
{
	published_records_deinit(published);
	published->acknowledged = ldns_rr_list_clone(wanted);
	published->possible = ldns_rr_list_clone(wanted);
	return published->acknowledged && published->possible ? 0 : -ENOMEM;
}

int published_records_refused(struct published_records *published)
{
	ldns_rr_list_deep_free(published->possible);
	published->possible =
		published->acknowledged ? ldns_rr_list_clone(published->acknowledged) : NULL;
	return published->acknowledged && !published->possible ? -ENOMEM : 0;
}

void published_records_expired(struct published_records *published)
{
	size_t n = 0;

	for (size_t i = 0; i < count(published->possible); i++) {
		ldns_rr *rr = ldns_rr_list_rr(published->possible, i);

		if (has(published->acknowledged, rr))
			ldns_rr_free(rr);
		else
			ldns_rr_list_set_rr(published->possible, rr, n++);
	}
	if (published->possible)
		ldns_rr_list_set_rr_count(published->possible, n);
	ldns_rr_list_deep_free(published->acknowledged);
	published->acknowledged = NULL;
}

bool published_records_equal(const ldns_rr_list *a, const ldns_rr_list *b)
{
	if (count(a) != count(b))
		return false;
	for (size_t i = 0; i < count(a); i++)
		if (!has(b, at(a, i)))
			return false;
	return true;
}

static void delete (struct dns_builder *builder, const ldns_rr *rr)
{
	if (is_shared(rr))
		dns_update_delete_rr(builder, rr);
	else
		dns_update_delete_rrset(builder, ldns_rr_owner(rr), ldns_rr_get_type(rr));
}

/* Records of `former` that are no longer wanted. An RRset of our own that gets a new record is
 * deleted there. */
static void delete_unwanted(struct dns_builder *builder, const ldns_rr_list *former,
			    const ldns_rr_list *wanted)
{
	for (size_t i = 0; i < count(former); i++) {
		const ldns_rr *rr = at(former, i);

		if (has(wanted, rr) || (!is_shared(rr) && has_rrset(wanted, count(wanted), rr)) ||
		    (!is_shared(rr) && has_rrset(former, i, rr)))
			continue;
		delete (builder, rr);
	}
}

/* Those of `wanted` that are not in `known`. */
static void add(struct dns_builder *builder, const ldns_rr_list *known, const ldns_rr_list *wanted)
{
	for (size_t i = 0; i < count(wanted); i++) {
		const ldns_rr *rr = at(wanted, i);

		if (has(known, rr))
			continue;
		if (!is_shared(rr))
			delete (builder, rr);
		dns_update_add(builder, rr);
	}
}

static int write_changes(const char *zone, const ldns_rr_list *former, const ldns_rr_list *known,
			 const ldns_rr_list *wanted, uint32_t lease, uint8_t *buffer,
			 size_t capacity)
{
	cleanup(ldns_rdf_freep) ldns_rdf *name = dns_record_name(zone);
	struct dns_update_lease asked = { .lease = lease };
	struct dns_builder builder;

	if (!name)
		return -EINVAL;
	dns_update_begin(&builder, buffer, capacity, 0, name);
	delete_unwanted(&builder, former, wanted);
	add(&builder, known, wanted);
	dns_update_add_lease(&builder, &asked);
	return dns_builder_finish(&builder);
}

int published_records_write_whole(const struct published_records *published, const char *zone,
				  const ldns_rr_list *wanted, uint32_t lease, uint8_t *buffer,
				  size_t capacity)
{
	return write_changes(zone, published->possible, NULL, wanted, lease, buffer, capacity);
}

int published_records_write_difference(const struct published_records *published, const char *zone,
				       const ldns_rr_list *wanted, uint32_t lease, uint8_t *buffer,
				       size_t capacity)
{
	return write_changes(zone, published->acknowledged, published->acknowledged, wanted, lease,
			     buffer, capacity);
}

int published_records_write_withdrawal(const struct published_records *published, const char *zone,
				       const ldns_rr_list *usual, uint8_t *buffer, size_t capacity)
{
	cleanup(ldns_rdf_freep) ldns_rdf *name = dns_record_name(zone);
	struct dns_builder builder;

	if (!name)
		return -EINVAL;
	dns_update_begin(&builder, buffer, capacity, 0, name);
	for (size_t i = 0; i < count(usual); i++)
		delete (&builder, at(usual, i));
	delete_unwanted(&builder, published->possible, usual);
	dns_builder_add_edns(&builder, DNS_UDP_SIZE, 0, NULL, 0);
	return dns_builder_finish(&builder);
}
