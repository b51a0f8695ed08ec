/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-verified.h"

#include "common/base/hash.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/* The table is by SHA-256 of the certificate: only the account can make one that gets in. */
#define DIGEST_SIZE 32
#define CURVE       "prime256v1" /* of hosts' keys */
#define POINT_SIZE  65

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

struct entry {
	UT_hash_handle hh; /* in the order in which they were seen last */
	uint8_t digest[DIGEST_SIZE];
	int64_t not_before, not_after;
	/* A key of the usual kind is kept as its point, and made again in a fiftieth of the time
	 * that its use takes: OpenSSL's takes 2 KiB. Otherwise the key itself. */
	struct ike_holder holder; /* the key NULL: it is the point */
	uint8_t point[POINT_SIZE];
	char name[];
};

struct ike_verified {
	struct entry *entries;
	EVP_PKEY *model; /* one of the usual kind, for its curve; NULL: none yet */
};

int ike_verified_new(struct ike_verified **ret)
{
	*ret = calloc(1, sizeof **ret);
	return *ret ? 0 : -ENOMEM;
}

static void free_entry(struct entry *entry)
{
	EVP_PKEY_free(entry->holder.key);
	free(entry);
}

static void remove_entry(struct ike_verified *verified, struct entry *entry)
{
	HASH_DEL(verified->entries, entry);
	free_entry(entry);
}

struct ike_verified *ike_verified_free(struct ike_verified *verified)
{
	if (!verified)
		return NULL;
	while (verified->entries)
		remove_entry(verified, verified->entries);
	EVP_PKEY_free(verified->model);
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
	free_entry(entry);
	return false;
}

/* Puts the key in; false: out of memory. */
static bool keep_key(struct ike_verified *verified, struct entry *entry, EVP_PKEY *key)
{
	char curve[32];
	size_t size;

	if (EVP_PKEY_get_group_name(key, curve, sizeof curve, &size) == 1 &&
	    !strcmp(curve, CURVE) &&
	    EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, entry->point,
					    sizeof entry->point, &size) == 1 &&
	    size == sizeof entry->point) {
		if (!verified->model && EVP_PKEY_up_ref(key) == 1)
			verified->model = key;
		return verified->model;
	}
	ERR_clear_error();
	entry->holder.key = EVP_PKEY_up_ref(key) == 1 ? key : NULL;
	return entry->holder.key;
}

/* A new key or a reference; NULL without memory. */
static EVP_PKEY *make_key(const struct ike_verified *verified, const struct entry *entry)
{
	cleanup(EVP_PKEY_freep) EVP_PKEY *key = NULL;

	if (entry->holder.key)
		return EVP_PKEY_up_ref(entry->holder.key) == 1 ? entry->holder.key : NULL;
	key = EVP_PKEY_new();
	if (!key || EVP_PKEY_copy_parameters(key, verified->model) != 1 ||
	    EVP_PKEY_set1_encoded_public_key(key, entry->point, sizeof entry->point) != 1) {
		ERR_clear_error();
		return NULL;
	}
	return steal_ptr(key);
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
	if (!append(verified, entry))
		return false;
	*ret = entry->holder;
	ret->key = make_key(verified, entry);
	return ret->key;
}

void ike_verified_add(struct ike_verified *verified, const uint8_t *certificate, size_t size,
		      const char *name, int64_t not_before, int64_t not_after,
		      const struct ike_holder *holder)
{
	struct entry *entry = calloc(1, sizeof *entry + strlen(name) + 1), *former;

	if (!entry)
		return;
	entry->holder = *holder;
	entry->holder.key = NULL;
	if (ike_sha256(certificate, size, entry->digest) < 0 ||
	    !keep_key(verified, entry, holder->key)) {
		free_entry(entry);
		return;
	}
	entry->not_before = not_before;
	entry->not_after = not_after;
	strcpy(entry->name, name);
	former = find_entry(verified, entry->digest);
	if (former)
		remove_entry(verified, former);
	else if (HASH_COUNT(verified->entries) >= IKE_VERIFIED_LIMIT)
		remove_entry(verified, verified->entries);
	append(verified, entry);
}
