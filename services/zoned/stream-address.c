/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/stream-address.h"

#include <stdlib.h>
#include <string.h>

struct stream_address *stream_address_take(struct stream_address **table, const struct peer *peer)
{
	const struct endpoint *remote = &peer->remote;
	struct stream_address *address;
	uint8_t key[sizeof address->key] = { peer->transport, remote->family };

	memcpy(key + 2, remote->address, remote->family == 4 ? 4 : 8);
	HASH_FIND(hh, *table, key, sizeof key, address);
	if (!address) {
		address = calloc(1, sizeof *address);
		if (!address)
			return NULL;
		memcpy(address->key, key, sizeof key);
		HASH_ADD(hh, *table, key, sizeof key, address);
		if (!hash_has(&address->hh)) {
			free(address);
			return NULL;
		}
	}
	address->n++;
	return address;
}

void stream_address_leave(struct stream_address **table, struct stream_address *address)
{
	if (!address || --address->n > 0)
		return;
	HASH_DEL(*table, address);
	free(address);
}
