/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The account's certificate and the hosts' (docs/ARCHITECTURE.md, "Account and trust"). What is
 * made follows from the arguments alone: randomness is among them, and dates are fixed.
 */
#include "common/keys/secret.h"

#include <openssl/evp.h>
#include <stdint.h>

#define CERTIFICATE_SERIAL_SIZE 16

struct certificate {
	uint8_t *data; /* X.509 DER; allocated */
	size_t size;
};

/* The trust anchor: self-signed by the Ed25519 key of `seed` (32 octets), the same octets on every
 * host of the account. 0 or a negative errno. */
int certificate_make_account(const struct secret *seed, const char *account_domain,
			     struct certificate *ret);
/*
 * A host's certificate for the public half of `host_key`, with the two DNS names, signed by the
 * account's key; `account` is that key's certificate.
 */
int certificate_make_host(const struct secret *seed, const struct certificate *account,
			  EVP_PKEY *host_key, const char *host_domain, const char *tunnel_domain,
			  const uint8_t serial[static CERTIFICATE_SERIAL_SIZE],
			  struct certificate *ret);
/* Whether `host` is a certificate signed by `account` and for the public half of `host_key`: 0, or
 * -EBADMSG. Dates are not looked at. */
int certificate_check_host(const struct certificate *host, const struct certificate *account,
			   EVP_PKEY *host_key);
void certificate_deinit(struct certificate *certificate);
