/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tunneld as it is, but for one thing: an association without extended numbers begins with so few
 * left that a test can use them up. The linker puts this before esp_out_new() (module.mk). The
 * numbers only go up, as everywhere, so that no IV is used twice here either.
 */
#include "services/tunneld/esp-wire.h"

#define NUMBERS_LEFT 40

int __real_esp_out_new(struct aead_engine *engine, enum esp_algorithm algorithm, bool esn,
		       uint32_t spi, const uint8_t *keymat, struct esp_out **ret);
int __wrap_esp_out_new(struct aead_engine *engine, enum esp_algorithm algorithm, bool esn,
		       uint32_t spi, const uint8_t *keymat, struct esp_out **ret);

int __wrap_esp_out_new(struct aead_engine *engine, enum esp_algorithm algorithm, bool esn,
		       uint32_t spi, const uint8_t *keymat, struct esp_out **ret)
{
	int r = __real_esp_out_new(engine, algorithm, esn, spi, keymat, ret);

	if (r >= 0 && !esn)
		r = esp_out_skip_to(*ret, UINT32_MAX - NUMBERS_LEFT);
	return r;
}
