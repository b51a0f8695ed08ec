/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * TSIG keys of other name servers, from files as tsig-keygen(8) writes them and BIND reads them:
 *
 *   key "transfer.example.net" { algorithm hmac-sha256; secret "c2VjcmV0..."; };
 */
#include "common/dns/dns-tsig.h"
#include "common/keys/secret.h"

#define TRANSFER_KEYS_MAX 32

struct transfer_key {
	struct dns_tsig_key tsig; /* refers to `secret` */
	struct secret *secret;
};

struct transfer_keys {
	struct transfer_key items[TRANSFER_KEYS_MAX];
	size_t n;
};

/* Adds the keys that `text` defines. 0, or a negative errno with a complaint, which the caller
 * frees, that does not quote any secret. */
int transfer_keys_parse(struct transfer_keys *keys, const char *text, char **ret_complaint);
void transfer_keys_clear(struct transfer_keys *keys);

/* The key of this name, or NULL. Borrowed. */
const struct transfer_key *transfer_keys_find(const struct transfer_keys *keys,
					      const struct dns_name *name);
