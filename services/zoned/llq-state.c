/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/llq-state.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

/* The challenge -----------------------------------------------------------------------------------
 */

static uint64_t digest_claim(const uint8_t secret[static 32], const struct llq_claim *claim,
			     uint64_t slot)
{
	uint8_t text[sizeof claim->remote + NAME_KEY_SIZE_MAX + 300], digest[32];
	struct writer writer = writer_init(text, sizeof text);
	unsigned int size = sizeof digest;
	struct reader reader;
	uint64_t id;

	writer_copy(&writer, &claim->remote, sizeof claim->remote);
	writer_u64(&writer, slot);
	writer_u32(&writer, claim->lease);
	writer_u16(&writer, claim->type);
	writer_u8(&writer, claim->name.size);
	writer_copy(&writer, claim->name.octets, claim->name.size);
	writer_copy(&writer, claim->key_name, strlen(claim->key_name));
	if (writer.failed || !HMAC(EVP_sha256(), secret, 32, text, writer.position, digest, &size))
		return 0;
	reader = reader_init(digest, sizeof digest);
	id = reader_u64(&reader);
	return id ?: 1;
}

uint64_t llq_challenge(const uint8_t secret[static 32], const struct llq_claim *claim, uint64_t now)
{
	return digest_claim(secret, claim, now / LLQ_CHALLENGE_SLOT_MSEC) ?: 1;
}

bool llq_challenge_is_answered(const uint8_t secret[static 32], const struct llq_claim *claim,
			       uint64_t id, uint64_t now)
{
	uint64_t slot = now / LLQ_CHALLENGE_SLOT_MSEC;

	if (id == 0)
		return false;
	return id == digest_claim(secret, claim, slot) ||
	       (slot > 0 && id == digest_claim(secret, claim, slot - 1));
}

/* One query
 * ------------------------------------------------------------------------------------------ */

int llq_new(uint64_t id, int64_t account, const ldns_rdf *name, uint16_t type, const char *key_name,
	    const struct peer *peer, struct llq **ret)
{
	cleanup(llq_freep) struct llq *llq = calloc(1, sizeof *llq);
	int r;

	if (!llq)
		return -ENOMEM;
	llq->id = id;
	llq->account = account;
	llq->type = type;
	llq->peer = *peer;
	llq->name = ldns_rdf_clone(name);
	llq->key_name = strdup(key_name);
	if (!llq->name || !llq->key_name)
		return -ENOMEM;
	name_key_from_rdf(name, &llq->name_key);
	r = zone_new(name, &llq->known);
	if (r < 0)
		return r;
	*ret = steal_ptr(llq);
	return 0;
}

struct llq *llq_free(struct llq *llq)
{
	if (!llq)
		return NULL;
	ldns_rdf_deep_free(llq->name);
	free(llq->key_name);
	zone_free(llq->known);
	zone_free(llq->offered);
	zone_free(llq->staged_offered);
	free(llq->event.data);
	free(llq);
	return NULL;
}

bool llq_is_claimed_by(const struct llq *llq, const struct llq_claim *claim)
{
	return endpoint_equal(&llq->peer.remote, &claim->remote) && llq->type == claim->type &&
	       name_key_equal(&llq->name_key, &claim->name) &&
	       strcmp(llq->key_name, claim->key_name) == 0;
}

int llq_read_zone(const struct llq *llq, const struct zone *zone, uint64_t now, struct zone **ret)
{
	cleanup(zone_freep) struct zone *set = NULL;
	struct zone_range range = zone_find_rrset(zone, &llq->name_key, llq->type);
	int r = zone_new(llq->name, &set);

	for (size_t i = range.start; r >= 0 && i < range.end; i++)
		if (zone_record_is_live(zone->records[i], now))
			r = zone_put(set, zone->records[i]);
	if (r < 0)
		return r;
	*ret = steal_ptr(set);
	return 0;
}

void llq_event_sent(struct llq *llq, const struct octets *octets, uint16_t event_id,
		    const struct dns_tsig_mac *mac, uint64_t now)
{
	free(llq->event.data);
	llq->event = *octets;
	llq->event_id = event_id;
	llq->event_mac = *mac;
	llq->n_sent = 1;
	llq->due = now + LLQ_SECOND_AFTER_MSEC;
}

void llq_event_acknowledged(struct llq *llq, uint64_t now)
{
	zone_free(llq->known);
	llq->known = llq->offered;
	llq->offered = NULL;
	free(llq->event.data);
	llq->event = (struct octets){};
	llq->n_sent = 0;
	llq->unsaved_since = now ?: 1;
	llq->wants_event = true;
}

enum llq_timer llq_on_time(struct llq *llq, uint64_t now)
{
	if (llq->expires <= now)
		return LLQ_TIMER_EXPIRED;
	if (!llq->offered)
		return LLQ_TIMER_NOTHING;
	if (!llq->event.data)
		return LLQ_TIMER_SEND_FIRST;
	if (llq->due > now)
		return LLQ_TIMER_NOTHING;
	if (llq->n_sent >= LLQ_TRANSMISSIONS)
		return LLQ_TIMER_UNANSWERED;
	llq->due += llq->n_sent == 1 ? LLQ_THIRD_AFTER_MSEC : LLQ_GIVE_UP_AFTER_MSEC;
	llq->n_sent++;
	return LLQ_TIMER_SEND_AGAIN;
}

uint64_t llq_next_due(const struct llq *llq)
{
	if (llq->offered && !llq->event.data)
		return 0;
	if (llq->offered && llq->due < llq->expires)
		return llq->due;
	return llq->expires;
}

/* All of them
 * -------------------------------------------------------------------------------------- */

static size_t lower_bound(const struct llq_table *table, uint64_t id)
{
	size_t low = 0, high = table->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->items[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int llq_table_add(struct llq_table *table, struct llq *llq)
{
	size_t position = lower_bound(table, llq->id);

	if (position < table->n && table->items[position]->id == llq->id) {
		llq_free(llq);
		return -EEXIST;
	}
	if (table->n == table->capacity) {
		size_t capacity = table->capacity ? table->capacity * 2 : 16;
		struct llq **items = reallocarray(table->items, capacity, sizeof *items);

		if (!items) {
			llq_free(llq);
			return -ENOMEM;
		}
		table->items = items;
		table->capacity = capacity;
	}
	memmove(table->items + position + 1, table->items + position,
		(table->n - position) * sizeof *table->items);
	table->items[position] = llq;
	table->n++;
	return 0;
}

struct llq *llq_table_find(const struct llq_table *table, uint64_t id)
{
	size_t position = lower_bound(table, id);

	if (position < table->n && table->items[position]->id == id)
		return table->items[position];
	return NULL;
}

size_t llq_table_count_key(const struct llq_table *table, const char *key_name)
{
	size_t n = 0;

	for (size_t i = 0; i < table->n; i++)
		n += strcmp(table->items[i]->key_name, key_name) == 0;
	return n;
}

void llq_table_remove(struct llq_table *table, struct llq *llq, uint64_t now)
{
	size_t position = lower_bound(table, llq->id);
	uint64_t *removed = reallocarray(table->removed, table->n_removed + 1, sizeof *removed);

	/* Not noted without memory: the row's lease ends by itself after the next start. */
	if (removed) {
		if (table->n_removed == 0)
			table->removed_since = now;
		removed[table->n_removed++] = llq->id;
		table->removed = removed;
	}
	table->n--;
	memmove(table->items + position, table->items + position + 1,
		(table->n - position) * sizeof *table->items);
	llq_free(llq);
}

void llq_table_forget_account(struct llq_table *table, int64_t account)
{
	size_t n = 0;

	for (size_t i = 0; i < table->n; i++) {
		if (table->items[i]->account == account)
			llq_free(table->items[i]);
		else
			table->items[n++] = table->items[i];
	}
	table->n = n;
}

void llq_table_settle_removed(struct llq_table *table, bool durable)
{
	if (durable && table->n_removing) {
		table->n_removed -= table->n_removing;
		memmove(table->removed, table->removed + table->n_removing,
			table->n_removed * sizeof *table->removed);
	}
	table->n_removing = 0;
}

void llq_table_clear(struct llq_table *table)
{
	for (size_t i = 0; i < table->n; i++)
		llq_free(table->items[i]);
	free(table->items);
	free(table->removed);
	*table = (struct llq_table){};
}
