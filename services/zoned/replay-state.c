/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/replay-state.h"

struct message {
	uint64_t seconds;
	uint64_t mac; /* its beginning; 0: of none */
};

struct replay_entry {
	uint64_t floor; /* what was signed earlier is refused */
	struct message newest;
	bool has_newest;
	bool is_settled;
	struct replay_outcome outcome; /* of the newest, with is_settled */
	/* Rings. Apart from each other, since the MACs are looked through for each message. */
	uint64_t *macs;
	uint64_t *seconds;
	size_t n_seen;
	size_t capacity;
	size_t next;
	UT_hash_handle hh;
	char key_name[];
};

static struct replay_entry *free_entry(struct replay_entry *entry)
{
	free(entry->macs);
	free(entry->seconds);
	free(entry);
	return NULL;
}

static void remove_entry(struct replay_guard *guard, struct replay_entry *entry)
{
	HASH_DELETE(hh, guard->entries, entry);
	guard->n--;
	free_entry(entry);
}

static struct replay_entry *find_entry(const struct replay_guard *guard, const char *key_name)
{
	struct replay_entry *entry;

	HASH_FIND(hh, guard->entries, key_name, strlen(key_name), entry);
	return entry;
}

/* Takes what is kept of this key out of the table, or makes it. NULL: no memory. */
static struct replay_entry *take_entry(struct replay_guard *guard, const char *key_name)
{
	struct replay_entry *entry = find_entry(guard, key_name);

	if (!entry) {
		entry = calloc(1, sizeof *entry + strlen(key_name) + 1);
		if (entry)
			strcpy(entry->key_name, key_name);
		return entry;
	}
	HASH_DELETE(hh, guard->entries, entry);
	guard->n--;
	return entry;
}

/* As the last used. */
static bool put_entry(struct replay_guard *guard, struct replay_entry *entry)
{
	HASH_ADD_KEYPTR(hh, guard->entries, entry->key_name, strlen(entry->key_name), entry);
	if (!hash_has(&entry->hh)) {
		free_entry(entry);
		return false;
	}
	guard->n++;
	if (guard->n > REPLAY_KEYS)
		remove_entry(guard, guard->entries);
	return true;
}

static uint64_t short_mac(const struct dns_tsig_mac *mac)
{
	uint64_t number;

	memcpy(&number, mac->octets, sizeof number);
	return number;
}

/* Its place in the ring, or -1. */
static ssize_t find_seen(const struct replay_entry *entry, uint64_t mac)
{
	for (size_t i = 0; i < entry->n_seen; i++)
		if (entry->macs[i] == mac)
			return (ssize_t)i;
	return -1;
}

/* Room for one more, as long as there are fewer than `limit`. */
static bool grow(struct replay_entry *entry, size_t limit)
{
	size_t capacity = entry->capacity ? entry->capacity * 2 : REPLAY_HOST_MESSAGES;
	uint64_t *longer;

	if (entry->n_seen < entry->capacity || entry->capacity >= limit)
		return true;
	longer = reallocarray(entry->macs, capacity, sizeof *longer);
	if (!longer)
		return false;
	entry->macs = longer;
	longer = reallocarray(entry->seconds, capacity, sizeof *longer);
	if (!longer)
		return false;
	entry->seconds = longer;
	entry->capacity = capacity;
	entry->next = entry->n_seen;
	return true;
}

static bool remember(struct replay_entry *entry, bool is_host, const struct message *message)
{
	size_t next;

	if (!grow(entry, is_host ? REPLAY_HOST_MESSAGES : REPLAY_ACCOUNT_MESSAGES))
		return false;
	next = entry->next;
	if (entry->n_seen == entry->capacity && entry->seconds[next] > entry->floor)
		entry->floor = entry->seconds[next];
	else if (entry->n_seen < entry->capacity)
		entry->n_seen++;
	entry->macs[next] = message->mac;
	entry->seconds[next] = message->seconds;
	entry->next = (next + 1) % entry->capacity;
	if (is_host)
		entry->floor = message->seconds;
	entry->newest = *message;
	entry->has_newest = true;
	entry->is_settled = false;
	return true;
}

static enum replay_verdict check(struct replay_entry *entry, bool is_host, uint64_t time_signed,
				 const struct dns_tsig_mac *mac)
{
	struct message message = { time_signed, short_mac(mac) };

	if (entry->has_newest && entry->newest.mac == message.mac)
		return REPLAY_AGAIN;
	if (time_signed < entry->floor || find_seen(entry, message.mac) >= 0)
		return REPLAY_OLD;
	/* What cannot be remembered could come again. */
	return remember(entry, is_host, &message) ? REPLAY_NEW : REPLAY_OLD;
}

enum replay_verdict replay_guard_check(struct replay_guard *guard, const char *key_name,
				       bool is_host, uint64_t time_signed,
				       const struct dns_tsig_mac *mac)
{
	struct replay_entry *entry = take_entry(guard, key_name);
	enum replay_verdict verdict = entry ? check(entry, is_host, time_signed, mac) : REPLAY_OLD;

	return entry && put_entry(guard, entry) ? verdict : REPLAY_OLD;
}

static bool is_newest(const struct replay_entry *entry, const struct dns_tsig_mac *mac)
{
	return entry && entry->has_newest && entry->newest.mac == short_mac(mac);
}

void replay_guard_settle(struct replay_guard *guard, const char *key_name,
			 const struct dns_tsig_mac *mac, const struct replay_outcome *outcome)
{
	struct replay_entry *entry = find_entry(guard, key_name);
	bool was_newest = is_newest(entry, mac);
	ssize_t place;

	if (outcome && was_newest) {
		entry->outcome = *outcome;
		entry->is_settled = true;
	}
	if (outcome || !entry)
		return;
	place = find_seen(entry, short_mac(mac));
	if (place >= 0)
		entry->macs[place] = 0;
	entry->has_newest &= !was_newest;
}

bool replay_guard_outcome(const struct replay_guard *guard, const char *key_name,
			  const struct dns_tsig_mac *mac, struct replay_outcome *ret)
{
	const struct replay_entry *entry = find_entry(guard, key_name);

	if (!is_newest(entry, mac) || !entry->is_settled)
		return false;
	*ret = entry->outcome;
	return true;
}

void replay_guard_clear(struct replay_guard *guard)
{
	struct replay_entry *entry, *next;

	HASH_ITER (hh, guard->entries, entry, next)
		remove_entry(guard, entry);
}
