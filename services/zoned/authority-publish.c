/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What clients changed, as UPDATEs for the primary. Each set of records that is touched has to be
 * there as we know it, or the whole message comes to nothing (RFC 2136 §2.4). */
#include "services/zoned/authority-follow.h"

/* Of one message, before names are compressed; the rest is for header and signature. */
#define UPDATE_SIZE_MAX 60000
#define RR_FIXED_SIZE   10

void update_batch_clear(struct update_batch *batch)
{
	for (size_t i = 0; i < batch->n; i++)
		free(batch->items[i].data);
	free(batch->items);
	*batch = (struct update_batch){};
}

/* Runs over the differences of one account, once for each purpose. */
struct publishing {
	const struct account *account;
	const struct zone *base;
	struct dns_builder *builder; /* NULL: only the size is asked for */
	bool is_prerequisites;
	const struct zone_record *last; /* its set has its prerequisite */
	size_t size;
};

static bool is_same_set(const struct zone_record *a, const struct zone_record *b)
{
	return a && a->owner_size == b->owner_size &&
	       memcmp(a->key, b->key, a->owner_size + 3) == 0;
}

static void add_size(struct publishing *publishing, const struct zone_record *record)
{
	/* The key has the owner but for its root, a zero and the type, and the data. */
	publishing->size += record->key_size + RR_FIXED_SIZE;
}

static void add_prerequisite(struct publishing *publishing, const struct zone_record *record)
{
	struct zone_range range;
	struct name_key name = { .size = record->owner_size };

	if (is_same_set(publishing->last, record))
		return;
	publishing->last = record;
	memcpy(name.octets, record->key, name.size);
	range = zone_find_rrset(publishing->base, &name, record->type);
	for (size_t i = range.start; i < range.end; i++) {
		add_size(publishing, publishing->base->records[i]);
		if (publishing->builder)
			dns_builder_add_rr_as(publishing->builder, DNS_SECTION_ANSWER,
					      publishing->base->records[i]->rr, LDNS_RR_CLASS_IN,
					      0);
	}
	if (range.start < range.end)
		return;
	add_size(publishing, record);
	if (publishing->builder)
		dns_builder_add_empty_rr(publishing->builder, DNS_SECTION_ANSWER,
					 ldns_rr_owner(record->rr), record->type,
					 LDNS_RR_CLASS_NONE);
}

static void add_change(struct publishing *publishing, enum zone_change change,
		       const struct zone_record *record)
{
	const struct zone_record *same = zone_find_same(publishing->base, record);

	/* Another TTL: out and in again. */
	if (same) {
		add_size(publishing, same);
		if (publishing->builder)
			dns_builder_add_rr_as(publishing->builder, DNS_SECTION_AUTHORITY, same->rr,
					      LDNS_RR_CLASS_NONE, 0);
	}
	if (change != ZONE_CHANGE_ADDED)
		return;
	add_size(publishing, record);
	if (publishing->builder)
		dns_builder_add_rr(publishing->builder, DNS_SECTION_AUTHORITY, record->rr);
}

static int publish_change(void *userdata, enum zone_change change, struct zone_record *record)
{
	struct publishing *publishing = userdata;

	if (change == ZONE_CHANGE_REFRESHED || follow_is_local(publishing->account, record))
		return 0;
	if (publishing->is_prerequisites || !publishing->builder)
		add_prerequisite(publishing, record);
	if (!publishing->is_prerequisites || !publishing->builder)
		add_change(publishing, change, record);
	return 0;
}

static const struct zone *base_of(const struct account *account)
{
	return account->base ?: account->zone;
}

/* How much of a message the account's changes take; 0: there are none. */
static size_t measure(const struct account *account)
{
	struct publishing publishing = { .account = account, .base = base_of(account) };

	zone_diff(publishing.base, account->staged, publish_change, &publishing);
	return publishing.size;
}

static void write_account(struct dns_builder *builder, const struct account *account,
			  bool is_prerequisites)
{
	struct publishing publishing = { .account = account,
					 .base = base_of(account),
					 .builder = builder,
					 .is_prerequisites = is_prerequisites };

	zone_diff(publishing.base, account->staged, publish_change, &publishing);
}

static int append_message(struct update_batch *batch, const uint8_t *octets, size_t size)
{
	struct octets *items = reallocarray(batch->items, batch->n + 1, sizeof *items);

	if (!items)
		return -ENOMEM;
	batch->items = items;
	if (octets_copy(octets, size, &items[batch->n]) < 0)
		return -ENOMEM;
	batch->n++;
	return 0;
}

/* One message for the accounts from `first` up to and without `end`. */
static int write_message(struct authority *authority, const struct account *first,
			 const struct account *end, struct update_batch *batch)
{
	cleanup(freep) uint8_t *octets = malloc(DNS_MESSAGE_SIZE_MAX);
	struct dns_builder builder;
	int r;

	if (!octets)
		return -ENOMEM;
	dns_builder_init(&builder, octets, DNS_MESSAGE_SIZE_MAX, 0,
			 DNS_FLAGS_OPCODE(LDNS_PACKET_UPDATE));
	dns_builder_add_question(&builder, authority->options->zone, LDNS_RR_TYPE_SOA,
				 LDNS_RR_CLASS_IN);
	for (const struct account *account = first; account != end; account = account->next_staged)
		write_account(&builder, account, true);
	for (const struct account *account = first; account != end; account = account->next_staged)
		write_account(&builder, account, false);
	r = dns_builder_finish(&builder);
	return r < 0 ? r : append_message(batch, octets, builder.writer.position);
}

bool follow_is_published(const struct authority *authority)
{
	for (const struct account *account = authority->staged; account;
	     account = account->next_staged)
		if (measure(account))
			return false;
	return true;
}

int follow_plan_updates(struct authority *authority, bool one_each, struct update_batch *batch)
{
	const struct account *first = NULL;
	size_t total = 0;
	int r = 0;

	for (const struct account *account = authority->staged; r >= 0 && account;
	     account = account->next_staged) {
		size_t size = measure(account);

		if (size == 0)
			continue;
		if (size > UPDATE_SIZE_MAX)
			return -EMSGSIZE;
		if (first && (one_each || total + size > UPDATE_SIZE_MAX)) {
			r = write_message(authority, first, account, batch);
			first = NULL;
			total = 0;
		}
		if (!first)
			first = account;
		total += size;
	}
	if (r >= 0 && first)
		r = write_message(authority, first, NULL, batch);
	return r < 0 ? r : batch->n > 0;
}
