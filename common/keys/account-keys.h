/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The keys that follow from an account's password (docs/ARCHITECTURE.md, "Account and trust"):
 *
 *   master       = scrypt(password, salt = account domain; N = 2^17, r = 8, p = 1), 32 octets
 *   tsig key     = HKDF-SHA256(master, info = "homeward account tsig v1"), 32 octets
 *   signing seed = HKDF-SHA256(master, info = "homeward account signing v1"), 32 octets (Ed25519)
 *   ppk          = HKDF-SHA256(master, info = "homeward account ppk v1"), 32 octets (RFC 8784)
 *   host key     = HKDF-SHA256(tsig key, info = "homeward host tsig v1 " key name), 32 octets
 *
 * Domains and key names go in in lower case and without the final dot; HKDF without a salt.
 */
#include "common/keys/secret.h"

#define ACCOUNT_KEY_SIZE 32

/* Slow (a third of a second) and big (128 MiB) by intent: run it as queued work.
 * `account_domain` as "alice.members.example.org". 0 or a negative errno; -EINVAL for no valid
 * name. */
int account_keys_derive_master(const struct secret *password, const char *account_domain,
			       struct secret **ret);
int account_keys_derive_tsig(const struct secret *master, struct secret **ret);
int account_keys_derive_ppk(const struct secret *master, struct secret **ret);
int account_keys_derive_signing_seed(const struct secret *master, struct secret **ret);
/* `key_name` as "1a2b3c4d.desktop.alice.members.example.org". */
int account_keys_derive_host_tsig(const struct secret *tsig, const char *key_name,
				  struct secret **ret);
