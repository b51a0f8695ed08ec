/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-verified.h"

#include "common/base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The table is by SHA-256 of the certificate: only the account can make one that gets in. */
#define DIGEST_SIZE 32

struct entry {
	UT_hash_handle hh; /* in the order in which they were seen last */
	uint8_t digest[DIGEST_SIZE];
	int64_t not_before, not_after;
	struct ike_holder holder;
	char name[];
};

struct ike_verified {
	struct entry *entries;
};

int ike_verified_new(struct ike_verified **ret)
{
	*ret = calloc(1, sizeof **ret);
	return *ret ? 0 : -ENOMEM;
}

static void remove_entry(struct ike_verified *verified, struct entry *entry)
{
	HASH_DEL(verified->entries, entry);
	EVP_PKEY_free(entry->holder.key);
	free(entry);
}

struct ike_verified *ike_verified_free(struct ike_verified *verified)
{
	if (!verified)
		return NULL;
	while (verified->entries)
		remove_entry(verified, verified->entries);
	free(verified);
	return NULL;
}

static struct entry *find_entry(const struct ike_verified *verified, const uint8_t *digest)
{
	struct entry *entry;

	HASH_FIND(hh, verified->entries, digest, DIGEST_SIZE, entry);
	return entry;
}

/* As the newest; false without memory, and then it is gone. */
static bool append(struct ike_verified *verified, struct entry *entry)
{
	HASH_ADD(hh, verified->entries, digest, DIGEST_SIZE, entry);
	if (hash_has(&entry->hh))
		return true;
	EVP_PKEY_free(entry->holder.key);
	free(entry);
	return false;
}

bool ike_verified_find(struct ike_verified *verified, const uint8_t *certificate, size_t size,
		       const char *name, int64_t realtime, struct ike_holder *ret)
{
	uint8_t digest[DIGEST_SIZE];
	struct entry *entry;

	if (ike_sha256(certificate, size, digest) < 0)
		return false;
	entry = find_entry(verified, digest);
	if (!entry || strcmp(entry->name, name))
		return false;
	if (realtime < entry->not_before || realtime >= entry->not_after) {
		remove_entry(verified, entry);
		return false;
	}
	HASH_DEL(verified->entries, entry);
	if (!append(verified, entry) || EVP_PKEY_up_ref(entry->holder.key) != 1)
		return false;
	*ret = entry->holder;
	return true;
}

void ike_verified_add(struct ike_verified *verified, const uint8_t *certificate, size_t size,
		      const char *name, int64_t not_before, int64_t not_after,
		      const struct ike_holder *holder)
{
	struct entry *entry = calloc(1, sizeof *entry + strlen(name) + 1), *former;

	if (!entry || ike_sha256(certificate, size, entry->digest) < 0 ||
	    EVP_PKEY_up_ref(holder->key) != 1) {
		free(entry);
		return;
	}
	entry->not_before = not_before;
	entry->not_after = not_after;
	entry->holder = *holder;
	strcpy(entry->name, name);
	former = find_entry(verified, entry->digest);
	if (former)
		remove_entry(verified, former);
	else if (HASH_COUNT(verified->entries) >= IKE_VERIFIED_LIMIT)
		remove_entry(verified, verified->entries);
	append(verified, entry);
}
