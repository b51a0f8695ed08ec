/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/stub-zone-state.h"

#include "common/dns/dns-records.h"

#include <stdio.h>
#include <string.h>

/* 32 nibbles with dots, "ip6.arpa" and NUL. */
#define REVERSE_SIZE 73

struct stub_zone {
	char account_domain[256];
	ldns_rdf *account;
	ldns_rr **records; /* sorted once finished: by owner in canonical order, then by type */
	size_t n_records, capacity;
	char reverse[STUB_REVERSE_MAX][REVERSE_SIZE];
	ldns_rdf *reverse_names[STUB_REVERSE_MAX];
	size_t n_reverse;
};

/* Takes `rr` over; NULL is a lack of memory. */
static int take(struct stub_zone *zone, ldns_rr *rr)
{
	ldns_rr **grown;

	if (!rr)
		return -ENOMEM;
	if (zone->n_records == STUB_RECORDS_MAX) {
		ldns_rr_free(rr);
		return 0;
	}
	if (zone->n_records == zone->capacity) {
		grown = reallocarray(zone->records, zone->capacity * 2 + 64, sizeof(*grown));
		if (!grown) {
			ldns_rr_free(rr);
			return -ENOMEM;
		}
		zone->records = grown;
		zone->capacity = zone->capacity * 2 + 64;
	}
	ldns_rr_set_ttl(rr, STUB_TTL);
	zone->records[zone->n_records++] = rr;
	return 0;
}

static int add_apex(struct stub_zone *zone)
{
	static const char *const browse[] = { "b", "db", "lb", "r", "dr" };
	char owner[300];
	int r;

	r = take(zone, stub_zone_soa(zone, zone->account));
	for (size_t i = 0; i < ARRAY_SIZE(browse) && r == 0; i++) {
		snprintf(owner, sizeof(owner), "%s._dns-sd._udp.%s", browse[i],
			 zone->account_domain);
		r = take(zone, dns_record_new_ptr(owner, STUB_TTL, zone->account_domain));
	}
	if (r == 0) {
		ldns_rr *ns = dns_record_new_ptr(zone->account_domain, STUB_TTL, "localhost");

		/* The data of NS has the form of that of PTR. */
		if (ns)
			ldns_rr_set_type(ns, LDNS_RR_TYPE_NS);
		r = take(zone, ns);
	}
	return r;
}

int stub_zone_new(const char *account_domain, struct stub_zone **ret)
{
	cleanup(stub_zone_freep) struct stub_zone *zone = calloc(1, sizeof(*zone));
	int r;

	if (!zone)
		return -ENOMEM;
	snprintf(zone->account_domain, sizeof(zone->account_domain), "%s", account_domain);
	zone->account = dns_record_name(account_domain);
	if (!zone->account)
		return -EINVAL;
	r = add_apex(zone);
	if (r < 0)
		return r;
	*ret = steal_ptr(zone);
	return 0;
}

struct stub_zone *stub_zone_free(struct stub_zone *zone)
{
	if (!zone)
		return NULL;
	for (size_t i = 0; i < zone->n_records; i++)
		ldns_rr_free(zone->records[i]);
	free(zone->records);
	for (size_t i = 0; i < zone->n_reverse; i++)
		ldns_rdf_deep_free(zone->reverse_names[i]);
	ldns_rdf_deep_free(zone->account);
	free(zone);
	return NULL;
}

static bool is_host_id(const struct in6_addr *address)
{
	return address->s6_addr[0] == 0xfd;
}

static bool is_tunnel_name(const ldns_rdf *name)
{
	static const char prefix[] = "autotunnel-";
	const uint8_t *octets = ldns_rdf_data(name);

	return octets[0] > strlen(prefix) &&
	       strncasecmp((const char *)octets + 1, prefix, strlen(prefix)) == 0;
}

/* Whether it is a host's own name: one label below the account's domain. */
static bool is_host_name(const struct stub_zone *zone, const ldns_rdf *name)
{
	return ldns_dname_label_count(name) == ldns_dname_label_count(zone->account) + 1 &&
	       !is_tunnel_name(name);
}

static void write_reverse(const struct in6_addr *address, char text[REVERSE_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 15; i >= 0; i--) {
		*text++ = digits[address->s6_addr[i] & 0xf];
		*text++ = '.';
		*text++ = digits[address->s6_addr[i] >> 4];
		*text++ = '.';
	}
	strcpy(text, "ip6.arpa");
}

static int add_reverse(struct stub_zone *zone, const struct in6_addr *id, const ldns_rdf *host)
{
	char owner[REVERSE_SIZE];
	ldns_rdf *target;
	ldns_rr *rr;
	size_t i;

	write_reverse(id, owner);
	for (i = 0; i < zone->n_reverse && strcmp(zone->reverse[i], owner) != 0; i++)
		;
	if (i == STUB_REVERSE_MAX)
		return 0;
	if (i == zone->n_reverse) {
		zone->reverse_names[i] = dns_record_name(owner);
		if (!zone->reverse_names[i])
			return -ENOMEM;
		strcpy(zone->reverse[i], owner);
		zone->n_reverse++;
	}
	/* The target may have any octets, the text of a name may not. */
	rr = dns_record_new_ptr(owner, STUB_TTL, zone->account_domain);
	target = ldns_rdf_clone(host);
	if (!rr || !target) {
		ldns_rr_free(rr);
		ldns_rdf_deep_free(target);
		return -ENOMEM;
	}
	ldns_rdf_deep_free(ldns_rr_set_rdf(rr, target, 0));
	return take(zone, rr);
}

/* Whether a record may be told; *ret_id is set for a host's address. */
static bool may_be_told(const struct stub_zone *zone, const ldns_rr *rr, struct in6_addr *ret_id,
			bool *ret_is_host)
{
	const ldns_rdf *owner = ldns_rr_owner(rr), *target;
	uint16_t priority, port;

	if (ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN ||
	    !ldns_dname_is_subdomain(owner, zone->account))
		return false;
	switch ((int)ldns_rr_get_type(rr)) {
	case LDNS_RR_TYPE_AAAA:
		if (dns_record_read_aaaa(rr, ret_id) < 0 || !is_host_id(ret_id))
			return false;
		*ret_is_host = is_host_name(zone, owner);
		return true;
	case LDNS_RR_TYPE_A:
		return is_tunnel_name(owner);
	case LDNS_RR_TYPE_TXT:
		return ldns_rr_rd_count(rr) > 0;
	case LDNS_RR_TYPE_PTR:
		return dns_record_read_target(rr, &target) == 0 &&
		       ldns_dname_is_subdomain(target, zone->account);
	case LDNS_RR_TYPE_SRV:
		return dns_record_read_srv(rr, &priority, &port, &target) == 0 &&
		       ldns_dname_is_subdomain(target, zone->account);
	default:
		return false;
	}
}

int stub_zone_add(struct stub_zone *zone, const ldns_rr *rr)
{
	struct in6_addr id;
	bool is_host = false;
	int r = 0;

	if (!may_be_told(zone, rr, &id, &is_host))
		return 0;
	if (is_host)
		r = add_reverse(zone, &id, ldns_rr_owner(rr));
	return r < 0 ? r : take(zone, ldns_rr_clone(rr));
}

int stub_zone_add_host(struct stub_zone *zone, const char *label, const struct in6_addr *id)
{
	char owner[330];
	ldns_rr *rr;
	int r;

	snprintf(owner, sizeof(owner), "%s.%s", label, zone->account_domain);
	rr = dns_record_new_aaaa(owner, STUB_TTL, id);
	if (!rr)
		return -EINVAL;
	r = stub_zone_add(zone, rr);
	ldns_rr_free(rr);
	return r;
}

static int compare_records(const void *a, const void *b)
{
	const ldns_rr *left = *(ldns_rr *const *)a, *right = *(ldns_rr *const *)b;
	int order = ldns_dname_compare(ldns_rr_owner(left), ldns_rr_owner(right));

	return order ? order : (int)ldns_rr_get_type(left) - (int)ldns_rr_get_type(right);
}

void stub_zone_finish(struct stub_zone *zone)
{
	size_t n = 0, group = 0;

	if (zone->n_records == 0)
		return;
	qsort(zone->records, zone->n_records, sizeof(*zone->records), compare_records);
	/* The same record may have come from several questions. */
	for (size_t i = 0; i < zone->n_records; i++) {
		bool known = false;

		if (n > 0 && compare_records(&zone->records[n - 1], &zone->records[i]) != 0)
			group = n;
		for (size_t k = group; k < n && !known; k++)
			known = ldns_rr_compare(zone->records[k], zone->records[i]) == 0;
		if (known)
			ldns_rr_free(zone->records[i]);
		else
			zone->records[n++] = zone->records[i];
	}
	zone->n_records = n;
}

const char *stub_zone_domain(const struct stub_zone *zone, size_t i)
{
	if (i == 0)
		return zone->account_domain;
	return i <= zone->n_reverse ? zone->reverse[i - 1] : NULL;
}

static const ldns_rdf *find_domain(const struct stub_zone *zone, const ldns_rdf *name)
{
	if (ldns_dname_compare(name, zone->account) == 0 ||
	    ldns_dname_is_subdomain(name, zone->account))
		return zone->account;
	for (size_t i = 0; i < zone->n_reverse; i++) {
		const ldns_rdf *domain = zone->reverse_names[i];

		if (ldns_dname_compare(name, domain) == 0 || ldns_dname_is_subdomain(name, domain))
			return domain;
	}
	return NULL;
}

/* The first record whose owner is this name or sorts after it. */
static size_t lower_bound(const struct stub_zone *zone, const ldns_rdf *name)
{
	size_t low = 0, high = zone->n_records;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (ldns_dname_compare(ldns_rr_owner(zone->records[middle]), name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

enum stub_find stub_zone_find(const struct stub_zone *zone, const ldns_rdf *name, ldns_rr_type type,
			      struct stub_found *ret)
{
	size_t first, end;

	*ret = (struct stub_found){ .domain = find_domain(zone, name) };
	if (!ret->domain)
		return STUB_FIND_OUTSIDE;
	first = lower_bound(zone, name);
	if (first == zone->n_records)
		return STUB_FIND_NO_NAME;
	/* Names below a name follow it at once in canonical order. */
	if (ldns_dname_compare(ldns_rr_owner(zone->records[first]), name) != 0)
		return ldns_dname_is_subdomain(ldns_rr_owner(zone->records[first]), name)
			       ? STUB_FIND_NO_DATA
			       : STUB_FIND_NO_NAME;
	for (end = first; end < zone->n_records; end++) {
		const ldns_rr *rr = zone->records[end];

		if (ldns_dname_compare(ldns_rr_owner(rr), name) != 0)
			break;
		if (type == LDNS_RR_TYPE_ANY)
			continue;
		if (ldns_rr_get_type(rr) < type)
			first = end + 1;
		else if (ldns_rr_get_type(rr) > type)
			break;
	}
	ret->records = zone->records + first;
	ret->n = end - first;
	return ret->n > 0 ? STUB_FIND_FOUND : STUB_FIND_NO_DATA;
}

static ldns_rdf *new_number(uint32_t value)
{
	return ldns_native2rdf_int32(LDNS_RDF_TYPE_INT32, value);
}

ldns_rr *stub_zone_soa(const struct stub_zone *zone, const ldns_rdf *domain)
{
	/* Nobody takes this zone over from us, so the serial and the intervals mean nothing. */
	ldns_rdf *fields[] = { dns_record_name("localhost"),
			       dns_record_name("nobody.invalid"),
			       new_number(1),
			       new_number(3600),
			       new_number(600),
			       new_number(86400),
			       new_number(STUB_TTL_NEGATIVE) };
	ldns_rr *rr = ldns_rr_new();
	ldns_rdf *owner = ldns_rdf_clone(domain);
	bool good = rr && owner;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		good = good && fields[i];
	if (!good) {
		ldns_rr_free(rr);
		ldns_rdf_deep_free(owner);
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
			ldns_rdf_deep_free(fields[i]);
		return NULL;
	}
	ldns_rr_set_owner(rr, owner);
	ldns_rr_set_type(rr, LDNS_RR_TYPE_SOA);
	ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
	ldns_rr_set_ttl(rr, STUB_TTL_NEGATIVE);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (!ldns_rr_push_rdf(rr, fields[i]))
			ldns_rdf_deep_free(fields[i]);
	}
	return rr;
}
