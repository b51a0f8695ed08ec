/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tunneld as it is, but for one thing: an association begins with so few numbers left that a test
 * can use them up. The linker puts these before esp_out_new() and esp_in_new() (module.mk). The
 * numbers only go up, as everywhere, so that no IV is used twice here either. Of extended numbers
 * only the lower half is on the wire, so that the receiver begins near the end, too.
 */
#include "services/tunneld/esp-wire.h"
#include "services/tunneld/replay-window.h"

#define NUMBERS_LEFT 40

int __real_esp_out_new(struct aead_engine *engine, enum esp_algorithm algorithm, bool esn,
		       uint32_t spi, const uint8_t *keymat, struct esp_out **ret);
int __wrap_esp_out_new(struct aead_engine *engine, enum esp_algorithm algorithm, bool esn,
		       uint32_t spi, const uint8_t *keymat, struct esp_out **ret);
int __real_esp_in_new(struct aead_engine *engine, enum esp_algorithm algorithm, bool esn,
		      uint32_t spi, const uint8_t *keymat, struct esp_in **ret);
int __wrap_esp_in_new(struct aead_engine *engine, enum esp_algorithm algorithm, bool esn,
		      uint32_t spi, const uint8_t *keymat, struct esp_in **ret);

static uint64_t used_up(bool esn)
{
	return (esn ? UINT64_MAX : UINT32_MAX) - NUMBERS_LEFT;
}

int __wrap_esp_out_new(struct aead_engine *engine, enum esp_algorithm algorithm, bool esn,
		       uint32_t spi, const uint8_t *keymat, struct esp_out **ret)
{
	int r = __real_esp_out_new(engine, algorithm, esn, spi, keymat, ret);

	return r < 0 ? r : esp_out_skip_to(*ret, used_up(esn));
}

int __wrap_esp_in_new(struct aead_engine *engine, enum esp_algorithm algorithm, bool esn,
		      uint32_t spi, const uint8_t *keymat, struct esp_in **ret)
{
	int r = __real_esp_in_new(engine, algorithm, esn, spi, keymat, ret);

	if (r >= 0)
		replay_window_mark(esp_in_window(*ret), used_up(esn));
	return r;
}
