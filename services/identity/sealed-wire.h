/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The store at rest: octets that only the machine's store key opens. The key itself is a credential
 * of the service manager's, encrypted with the machine's own key, its TPM's, or both.
 */
#include "common/keys/secret.h"

#include <stdbool.h>

#define STORE_KEY_SIZE 32
/* Of a key's file. */
#define STORE_KEY_LIMIT 64
/* What sealing adds. */
#define SEALED_OVERHEAD 44

/* What a disk alone does not open. */
enum key_protection {
	KEY_PROTECTION_NONE, /* a file that only identity's user and root can read */
	KEY_PROTECTION_HOST, /* a key on the same disk that only root can read */
	KEY_PROTECTION_TPM2,
	KEY_PROTECTION_HOST_TPM2,
};

struct store_key {
	enum key_protection protection;
	struct secret *secret;
};

/* "none", "host", "tpm2", "host+tpm2" */
const char *key_protection_name(enum key_protection protection);

/* Reads "host+tpm2\n" and 32 octets. -ENODATA for "none", -EBADMSG for anything else. */
int store_key_parse(const uint8_t *data, size_t size, struct store_key **ret);
/* Takes NULL; returns NULL. */
struct store_key *store_key_free(struct store_key *key);

/* `name` is what the octets are, and what they must be opened as. 0 or a negative errno. */
int sealed_write(const struct store_key *key, const char *name, const struct secret *octets,
		 struct secret **ret);
/* Whether these octets were made by sealed_write(). */
bool sealed_is(const uint8_t *data, size_t size);
/* -EKEYREJECTED when another key sealed them, -ENOKEY without a key, -EBADMSG when they are not
 * what was sealed. */
int sealed_read(const struct store_key *key, const char *name, const uint8_t *data, size_t size,
		struct secret **ret);

DEFINE_CLEANUP(struct store_key *, store_key_free)
