/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whose key a TSIG record names. The account's own key has the name of the account's domain; a
 * host's is
 * `<16 hex digits>.<host>.<account domain>`, the last eight of them the time it was issued; keys
 * of before had the first eight alone. Its secret follows from the account's
 * (docs/ARCHITECTURE.md, "Account and trust"), so that no host has to be made known here.
 */
#include "common/base/hash.h"
#include "common/dns/dns-tsig.h"
#include "services/zoned/account.h"

/* Keys that are kept ready; beyond it the longest unused one goes. */
#define KEYRING_SIZE 16384

struct identity {
	struct account *account; /* borrowed; NULL with is_transfer */
	bool is_primary;         /* the key of the server that we follow */
	bool is_transfer;        /* another name server's key: see authority-transfer.h */
	bool is_host;
	struct name_key host;               /* with is_host: the host's name */
	char key_name[ACCOUNT_DOMAIN_SIZE]; /* in lower case, no final dot */
	struct dns_tsig_key key; /* what it points to is borrowed: valid until the next look-up */
};

/* All zero: empty. */
struct keyring {
	struct keyring_entry
		*entries; /* by name in lower case; the longest unused first in the list */
	size_t n;
};

/* 1: found. 0: no such key (TSIG error BADKEY). Or -ENOMEM. */
int keyring_find(struct keyring *keyring, const struct accounts *accounts,
		 const struct dns_name *key_name, struct identity *ret);
/* What keyring_find() would say if there were such an account in the zone, with `secret` for its
 * key; ret->account is NULL. Nobody has this key, and what it would prove counts for nothing: it is
 * there for the work and the answer to be the same whether the account exists or not. */
int keyring_find_decoy(struct keyring *keyring, const struct name_key *zone, struct secret *secret,
		       const struct dns_name *key_name, struct identity *ret);
/* keyring_find() by the name as text, as records and LLQs keep it. */
int keyring_find_text(struct keyring *keyring, const struct accounts *accounts,
		      const char *key_name, struct identity *ret);
/* Forgets the keys of an account that is going or has another key; NULL: all. */
void keyring_forget(struct keyring *keyring, const struct account *account);
