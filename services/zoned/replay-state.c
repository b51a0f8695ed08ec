/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/replay-state.h"

struct replay_entry {
	uint64_t seconds;
	uint8_t macs[REPLAY_MACS][REPLAY_MAC_SIZE]; /* the newest first */
	uint8_t n_macs;
	UT_hash_handle hh;
	char key_name[];
};

static void remove_entry(struct replay_guard *guard, struct replay_entry *entry)
{
	HASH_DELETE(hh, guard->entries, entry);
	guard->n--;
	free(entry);
}

/* Takes what is kept of this key out of the table, or makes it. NULL: no memory. */
static struct replay_entry *take_entry(struct replay_guard *guard, const char *key_name)
{
	struct replay_entry *entry;

	HASH_FIND(hh, guard->entries, key_name, strlen(key_name), entry);
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
		free(entry);
		return false;
	}
	guard->n++;
	if (guard->n > REPLAY_KEYS)
		remove_entry(guard, guard->entries);
	return true;
}

static bool is_same(const uint8_t kept[static REPLAY_MAC_SIZE], const struct dns_tsig_mac *mac)
{
	return memcmp(kept, mac->octets, REPLAY_MAC_SIZE) == 0;
}

static bool is_newer(struct replay_entry *entry, uint64_t time_signed,
		     const struct dns_tsig_mac *mac)
{
	if (time_signed < entry->seconds)
		return false;
	if (time_signed > entry->seconds)
		entry->n_macs = 0;
	if (entry->n_macs && is_same(entry->macs[0], mac))
		return true;
	for (size_t i = 1; i < entry->n_macs; i++)
		if (is_same(entry->macs[i], mac))
			return false;
	entry->seconds = time_signed;
	memmove(entry->macs[1], entry->macs[0], (REPLAY_MACS - 1) * REPLAY_MAC_SIZE);
	memcpy(entry->macs[0], mac->octets, REPLAY_MAC_SIZE);
	if (entry->n_macs < REPLAY_MACS)
		entry->n_macs++;
	return true;
}

bool replay_guard_accept(struct replay_guard *guard, const char *key_name, uint64_t time_signed,
			 const struct dns_tsig_mac *mac)
{
	struct replay_entry *entry = take_entry(guard, key_name);
	bool is_accepted = entry && is_newer(entry, time_signed, mac);

	/* What cannot be remembered could come again. */
	return entry && put_entry(guard, entry) && is_accepted;
}

void replay_guard_clear(struct replay_guard *guard)
{
	struct replay_entry *entry, *next;

	HASH_ITER (hh, guard->entries, entry, next)
		remove_entry(guard, entry);
}
