/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-cookie.h"

#include <errno.h>
#include <openssl/crypto.h>

static int make_mac(const struct ike_cookie_secret *secret, const struct sockaddr_in *from,
		    uint64_t spi_initiator, struct ike_octets nonce, uint8_t ret[IKE_COOKIE_SIZE])
{
	uint8_t origin[15], mac[IKE_PRF_LIMIT];
	struct writer writer = writer_init(origin, sizeof origin);
	const struct ike_octets data[] = { { origin, sizeof origin }, nonce };
	int r;

	writer_u8(&writer, secret->number);
	writer_u64(&writer, spi_initiator);
	writer_copy(&writer, &from->sin_addr, 4);
	writer_copy(&writer, &from->sin_port, 2);
	r = ike_prf(IKE_PRF_HMAC_SHA2_256, secret->key, sizeof secret->key, data, ARRAY_SIZE(data),
		    mac);
	if (r < 0)
		return r;
	ret[0] = secret->number;
	memcpy(ret + 1, mac, IKE_COOKIE_SIZE - 1);
	return 0;
}

int ike_cookie_make(struct ike_cookies *cookies, const struct ike_random *random, uint64_t now,
		    const struct sockaddr_in *from, uint64_t spi_initiator, struct ike_octets nonce,
		    uint8_t ret[IKE_COOKIE_SIZE])
{
	struct ike_cookie_secret *present = &cookies->secrets[0];

	if (!present->known || now - present->began >= IKE_COOKIE_PERIOD) {
		cookies->secrets[1] = *present;
		random->fill(random->userdata, present->key, sizeof present->key);
		present->began = now;
		present->number++;
		present->known = true;
	}
	return make_mac(present, from, spi_initiator, nonce, ret);
}

bool ike_cookie_check(const struct ike_cookies *cookies, uint64_t now,
		      const struct sockaddr_in *from, uint64_t spi_initiator,
		      struct ike_octets nonce, struct ike_octets cookie)
{
	uint8_t wanted[IKE_COOKIE_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(cookies->secrets) && cookie.size == sizeof wanted; i++) {
		const struct ike_cookie_secret *secret = &cookies->secrets[i];

		if (secret->known && secret->number == cookie.data[0] &&
		    now - secret->began < 2 * IKE_COOKIE_PERIOD &&
		    make_mac(secret, from, spi_initiator, nonce, wanted) >= 0 &&
		    !CRYPTO_memcmp(cookie.data, wanted, sizeof wanted))
			return true;
	}
	return false;
}

void ike_cookies_wipe(struct ike_cookies *cookies)
{
	OPENSSL_cleanse(cookies, sizeof *cookies);
}
