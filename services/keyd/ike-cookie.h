/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Cookies (RFC 7296 §2.6): what shows that somebody gets what is sent to where he says he is,
 * before anything is kept of him or computed for him. A cookie is the number of a secret and a MAC
 * with it over initiator's SPI, address, port and nonce; so it is no use to anybody else, nor for
 * another request. A secret makes cookies for one period and is good for another.
 */
#include "services/keyd/ike-crypto.h"

#define IKE_COOKIE_PERIOD 60000 /* ms */
#define IKE_COOKIE_SIZE   17

struct ike_cookie_secret {
	uint8_t key[32];
	uint64_t began; /* ms */
	uint8_t number; /* it is in the cookies */
	bool known;
};

/* All zero at first. */
struct ike_cookies {
	struct ike_cookie_secret secrets[2]; /* the present one, the one before it */
};

/* The cookie for a request with this SPI and nonce from `from`. 0 or -EIO. */
int ike_cookie_make(struct ike_cookies *cookies, const struct ike_random *random, uint64_t now,
		    const struct sockaddr_in *from, uint64_t spi_initiator, struct ike_octets nonce,
		    uint8_t ret[IKE_COOKIE_SIZE]);
/* Whether `cookie` is one that ike_cookie_make() has given for just this, and not long ago. */
bool ike_cookie_check(const struct ike_cookies *cookies, uint64_t now,
		      const struct sockaddr_in *from, uint64_t spi_initiator,
		      struct ike_octets nonce, struct ike_octets cookie);
void ike_cookies_wipe(struct ike_cookies *cookies);
