/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * zero --scan finds an interface--> chosen        (RFC 6281 §6.3: generated only if uninitialised)
 * zero --an earlier start's id----> chosen
 * chosen --network changes--------> chosen, the same
 * chosen --certificate's EUI-64---> chosen, random octets kept: address and certificate must agree
 */
#include "services/identity/host-id-state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HOST_ID_PREFIX 0xfd

void host_id_state_init(struct host_id_state *state, bool modified_eui64, uint64_t now)
{
	*state = (struct host_id_state){ .modified_eui64 = modified_eui64, .started = now };
}

int host_id_state_restore(struct host_id_state *state, const uint8_t id[static HOST_ID_SIZE])
{
	if (id[0] != HOST_ID_PREFIX)
		return -EINVAL;
	memcpy(state->id, id, HOST_ID_SIZE);
	state->chosen = true;
	return 0;
}

static void choose(struct host_id_state *state, const uint8_t eui64[static EUI64_SIZE],
		   const uint8_t random[static HOST_ID_RANDOM_SIZE])
{
	state->id[0] = HOST_ID_PREFIX;
	memcpy(state->id + 1, random, 7);
	memcpy(state->id + 8, eui64, EUI64_SIZE);
	state->chosen = true;
}

bool host_id_state_bind(struct host_id_state *state, const uint8_t eui64[static EUI64_SIZE],
			const uint8_t random[static HOST_ID_RANDOM_SIZE])
{
	if (!state->chosen) {
		choose(state, eui64, random);
		return true;
	}
	if (!memcmp(host_id_eui64(state->id), eui64, EUI64_SIZE))
		return false;
	memcpy(state->id + 8, eui64, EUI64_SIZE);
	return true;
}

/* An address that names one interface: neither empty nor a group's. */
static bool usable(const struct host_interface *interface)
{
	static const uint8_t none[6];

	return interface->ethernet && !interface->loopback &&
	       memcmp(interface->address, none, sizeof none) && !(interface->address[0] & 1);
}

bool host_id_state_scan(struct host_id_state *state, const struct host_interface *interfaces,
			size_t n_interfaces, const uint8_t random[static HOST_ID_RANDOM_SIZE],
			uint64_t now, uint64_t *ret_due)
{
	const struct host_interface *best = NULL;
	bool any_up = false;
	uint8_t eui64[EUI64_SIZE];

	*ret_due = UINT64_MAX;
	if (state->chosen)
		return false;
	for (size_t i = 0; i < n_interfaces; i++) {
		const struct host_interface *interface = &interfaces[i];

		if (!interface->up || interface->loopback)
			continue;
		any_up = true;
		if (!usable(interface))
			continue;
		if (!best || (interface->default_route && !best->default_route) ||
		    (interface->default_route == best->default_route &&
		     interface->index < best->index))
			best = interface;
	}
	if (!any_up)
		return false;
	if (!(best && best->default_route) && now - state->started < HOST_ID_PATIENCE) {
		*ret_due = state->started + HOST_ID_PATIENCE;
		return false;
	}
	if (best) {
		eui64_from_mac(best->address, state->modified_eui64, eui64);
	} else {
		/* Nothing but PPP and the like: an interface identifier with the universal/local
		 * and group bits clear was given to nobody (RFC 4291 §2.5.1). */
		memcpy(eui64, random + 7, EUI64_SIZE);
		eui64[0] &= ~3;
	}
	choose(state, eui64, random);
	return true;
}

void eui64_from_mac(const uint8_t mac[static 6], bool modified, uint8_t ret[static EUI64_SIZE])
{
	memcpy(ret, mac, 3);
	ret[3] = 0xff;
	ret[4] = 0xfe;
	memcpy(ret + 5, mac + 3, 3);
	if (modified)
		ret[0] ^= 2;
}

void eui64_to_text(const uint8_t eui64[static EUI64_SIZE], char ret[static EUI64_TEXT_SIZE])
{
	snprintf(ret, EUI64_TEXT_SIZE, "%02X-%02X-%02X-%02X-%02X-%02X-%02X-%02X", eui64[0],
		 eui64[1], eui64[2], eui64[3], eui64[4], eui64[5], eui64[6], eui64[7]);
}

void eui64_to_tunnel_label(const uint8_t eui64[static EUI64_SIZE],
			   char ret[static TUNNEL_LABEL_SIZE])
{
	static const char prefix[] = "AutoTunnel-";

	memcpy(ret, prefix, sizeof prefix - 1);
	eui64_to_text(eui64, ret + sizeof prefix - 1);
}
