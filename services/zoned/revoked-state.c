/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/revoked-state.h"

#include "common/dns/dns-records.h"
#include "common/keys/issue-time.h"
#include "services/zoned/policy-service-state.h"

#include <string.h>

struct revoked_cache *revoked_cache_free(struct revoked_cache *cache)
{
	if (!cache)
		return NULL;
	for (size_t i = 0; i < cache->n_records; i++)
		zone_record_unref(cache->records[i]);
	free(cache);
	return NULL;
}

bool revoked_name(const struct zone *zone, struct name_key *ret)
{
	return name_key_below(&zone->apex_key, REVOCATION_LABEL, ret);
}

static struct zone_range find_records(const struct zone *zone)
{
	struct name_key name;

	return revoked_name(zone, &name) ? zone_find_rrset(zone, &name, LDNS_RR_TYPE_CERT)
					 : (struct zone_range){};
}

/* Of several records, everything that any of them says. */
static void read_records(const struct zone *zone, struct zone_range range,
			 struct revocation_list *ret)
{
	*ret = (struct revocation_list){};
	for (size_t i = range.start; i < range.end; i++) {
		struct revocation_list one;
		const uint8_t *data;
		size_t size;

		if (dns_record_read_cert(zone->records[i]->rr, &data, &size) >= 0 &&
		    revocation_list_read(data, size, &one) >= 0)
			(void)revocation_list_merge(ret, &one);
	}
}

/* A record never changes: the same ones say the same. */
static bool is_of(const struct revoked_cache *cache, struct zone_record *const *records, size_t n)
{
	return cache && cache->n_records == n &&
	       !memcmp(cache->records, records, n * sizeof *records);
}

const struct revocation_list *revoked_read(const struct zone *zone, struct revoked_cache **cache)
{
	struct zone_range range = find_records(zone);
	struct zone_record *const *records = zone->records + range.start;
	size_t n = range.end - range.start;

	if (!n) {
		*cache = revoked_cache_free(*cache);
		return NULL;
	}
	if (is_of(*cache, records, n))
		return &(*cache)->list;
	*cache = revoked_cache_free(*cache);
	*cache = calloc(1, sizeof **cache + n * sizeof *records);
	if (!*cache)
		return NULL;
	for (size_t i = 0; i < n; i++)
		(*cache)->records[i] = zone_record_ref(records[i]);
	(*cache)->n_records = n;
	read_records(zone, range, &(*cache)->list);
	return &(*cache)->list;
}

/* "1a2b3c4d6a63c1f0.desktop.alice.members.example.org": the host between its two neighbours. */
static bool find_host(const char *key_name, const char *account_name,
		      char ret[static REVOCATION_HOST_SIZE])
{
	const char *host = strchr(key_name, '.');
	size_t size = host ? strcspn(++host, ".") : 0;

	if (!size || size >= REVOCATION_HOST_SIZE || host[size] != '.' ||
	    strcmp(host + size + 1, account_name) != 0)
		return false;
	memcpy(ret, host, size);
	ret[size] = 0;
	return true;
}

uint64_t revoked_issue_time(const char *key_name)
{
	uint64_t time = 0;

	return issue_time_of_tag(key_name, strcspn(key_name, "."), &time) < 0 ? 0 : time;
}

bool revoked_covers_key(const struct revocation_list *list, const char *key_name,
			const char *account_name)
{
	char host[REVOCATION_HOST_SIZE];

	return list && list->n && find_host(key_name, account_name, host) &&
	       revocation_list_covers(list, host, revoked_issue_time(key_name));
}

bool revoked_differs(const struct zone *from, const struct zone *to)
{
	struct zone_range old = find_records(from), new = find_records(to);

	return zone_records_differ(from->records + old.start, old.end - old.start,
				   to->records + new.start, new.end - new.start);
}

size_t revoked_purge(struct zone *zone, const char *account_name)
{
	cleanup(revoked_cache_freep) struct revoked_cache *cache = NULL;
	const struct revocation_list *list = revoked_read(zone, &cache);
	size_t n = 0;

	for (size_t i = zone->n_records; list && i > 0; i--) {
		const struct zone_record *record = zone->records[i - 1];

		/* The list of service types belongs to all who offer one; its leases see to it. */
		if (!record->writer || record->fixed || record->type == LDNS_RR_TYPE_SOA ||
		    policy_is_common(zone, record) ||
		    !revoked_covers_key(list, record->writer, account_name))
			continue;
		zone_remove_at(zone, i - 1);
		n++;
	}
	return n;
}
