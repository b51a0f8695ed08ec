/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/replay-state.h"

struct message {
	uint64_t seconds;
	uint8_t mac[REPLAY_MAC_SIZE];
};

struct replay_entry {
	uint64_t floor; /* what was signed earlier is refused */
	struct message newest;
	bool has_newest;
	bool is_settled;
	struct replay_outcome outcome; /* of the newest, with is_settled */
	struct message *seen;          /* a ring */
	size_t n_seen;
	size_t capacity;
	size_t next;
	UT_hash_handle hh;
	char key_name[];
};

static struct replay_entry *free_entry(struct replay_entry *entry)
{
	free(entry->seen);
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

static bool is_same(const struct message *message, const struct dns_tsig_mac *mac)
{
	return memcmp(message->mac, mac->octets, REPLAY_MAC_SIZE) == 0;
}

static struct message *find_seen(struct replay_entry *entry, const struct dns_tsig_mac *mac)
{
	for (size_t i = 0; i < entry->n_seen; i++)
		if (is_same(&entry->seen[i], mac))
			return &entry->seen[i];
	return NULL;
}

/* Room for one more, as long as there are fewer than `limit`. */
static bool grow(struct replay_entry *entry, size_t limit)
{
	size_t capacity = entry->capacity ? entry->capacity * 2 : REPLAY_HOST_MESSAGES;
	struct message *seen;

	if (entry->n_seen < entry->capacity || entry->capacity >= limit)
		return true;
	seen = reallocarray(entry->seen, capacity, sizeof *seen);
	if (!seen)
		return false;
	entry->seen = seen;
	entry->capacity = capacity;
	entry->next = entry->n_seen;
	return true;
}

static bool remember(struct replay_entry *entry, bool is_host, const struct message *message)
{
	struct message *place;

	if (!grow(entry, is_host ? REPLAY_HOST_MESSAGES : REPLAY_ACCOUNT_MESSAGES))
		return false;
	place = &entry->seen[entry->next];
	if (entry->n_seen == entry->capacity && place->seconds > entry->floor)
		entry->floor = place->seconds;
	else if (entry->n_seen < entry->capacity)
		entry->n_seen++;
	*place = *message;
	entry->next = (entry->next + 1) % entry->capacity;
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
	struct message message = { .seconds = time_signed };

	if (entry->has_newest && is_same(&entry->newest, mac))
		return REPLAY_AGAIN;
	if (time_signed < entry->floor || find_seen(entry, mac))
		return REPLAY_OLD;
	memcpy(message.mac, mac->octets, REPLAY_MAC_SIZE);
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

void replay_guard_settle(struct replay_guard *guard, const char *key_name,
			 const struct dns_tsig_mac *mac, const struct replay_outcome *outcome)
{
	struct replay_entry *entry = find_entry(guard, key_name);
	struct message *seen = entry ? find_seen(entry, mac) : NULL;
	bool is_newest = entry && entry->has_newest && is_same(&entry->newest, mac);

	if (outcome && is_newest) {
		entry->outcome = *outcome;
		entry->is_settled = true;
	} else if (!outcome && seen) {
		/* No MAC is like this one. */
		memset(seen->mac, 0, sizeof seen->mac);
		entry->has_newest &= !is_newest;
	}
}

bool replay_guard_outcome(const struct replay_guard *guard, const char *key_name,
			  const struct dns_tsig_mac *mac, struct replay_outcome *ret)
{
	const struct replay_entry *entry = find_entry(guard, key_name);

	if (!entry || !entry->has_newest || !entry->is_settled || !is_same(&entry->newest, mac))
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
