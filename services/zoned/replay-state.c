/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/replay-state.h"

static struct replay_entry *find_entry(struct replay_guard *guard, const char *key_name)
{
	struct replay_entry *place = &guard->entries[0];

	for (size_t i = 0; i < REPLAY_KEYS; i++) {
		struct replay_entry *entry = &guard->entries[i];

		if (strcmp(entry->key_name, key_name) == 0)
			return entry;
		if (entry->used < place->used)
			place = entry;
	}
	memset(place, 0, sizeof *place);
	strncpy(place->key_name, key_name, sizeof place->key_name - 1);
	return place;
}

static bool is_same(const uint8_t kept[static REPLAY_MAC_SIZE], const struct dns_tsig_mac *mac)
{
	return memcmp(kept, mac->octets, REPLAY_MAC_SIZE) == 0;
}

bool replay_guard_accept(struct replay_guard *guard, const char *key_name, uint64_t time_signed,
			 const struct dns_tsig_mac *mac)
{
	struct replay_entry *entry = find_entry(guard, key_name);

	entry->used = ++guard->n_uses;
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
