/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The host id: fd, 56 random bits, and the EUI-64 of the primary interface (RFC 6281 §6.3). All
 * zero until an interface to take the EUI-64 from is found, chosen once, and the same from then on
 * whatever the network does.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_ID_SIZE        16
#define EUI64_SIZE          8
#define HOST_ID_RANDOM_SIZE (7 + EUI64_SIZE)
#define EUI64_TEXT_SIZE     sizeof("00-22-69-FF-FE-8E-34-2A")
#define TUNNEL_LABEL_SIZE   sizeof("AutoTunnel-00-22-69-FF-FE-8E-34-2A")
/* How long an interface without the default route waits for one that gets it, in milliseconds: at
 * boot the daemon may run before the address of the primary interface has arrived. */
#define HOST_ID_PATIENCE 2000

/* An interface as the kernel shows it. */
struct host_interface {
	int index;
	bool up;
	bool carrier; /* and is up */
	bool loopback;
	bool default_route; /* of all on Ethernet, the one with the lowest metric leaves here */
	bool ethernet;      /* `address` is a MAC-48 address */
	uint8_t address[6];
};

struct host_id_state {
	uint8_t id[HOST_ID_SIZE]; /* all zero until chosen */
	bool chosen;
	bool modified_eui64; /* with the universal/local bit inverted (RFC 4291 appendix A) */
	uint64_t started;    /* ms */
};

void host_id_state_init(struct host_id_state *state, bool modified_eui64, uint64_t now);
/* Takes the id of an earlier start. -EINVAL when it does not begin with fd. */
int host_id_state_restore(struct host_id_state *state, const uint8_t id[static HOST_ID_SIZE]);
/* Puts in the EUI-64 that this host's certificate names; when nothing was chosen yet, chooses. True
 * when the id changed thereby. */
bool host_id_state_bind(struct host_id_state *state, const uint8_t eui64[static EUI64_SIZE],
			const uint8_t random[static HOST_ID_RANDOM_SIZE]);
/*
 * Looks for the EUI-64: of the Ethernet interface with the default route; otherwise, after some
 * patience, of the Ethernet interface that is up and has the lowest index; otherwise, if any
 * interface is up, a random one, marked as locally administered. Returns true when the id was
 * chosen by this call. Otherwise *ret_due is when to look again, UINT64_MAX: when the interfaces
 * change.
 */
bool host_id_state_scan(struct host_id_state *state, const struct host_interface *interfaces,
			size_t n_interfaces, const uint8_t random[static HOST_ID_RANDOM_SIZE],
			uint64_t now, uint64_t *ret_due);

/* The EUI-64 of a MAC-48 address: ff fe in its middle. */
void eui64_from_mac(const uint8_t mac[static 6], bool modified, uint8_t ret[static EUI64_SIZE]);
/* "00-22-69-FF-FE-8E-34-2A" */
void eui64_to_text(const uint8_t eui64[static EUI64_SIZE], char ret[static EUI64_TEXT_SIZE]);
/* "AutoTunnel-00-22-69-FF-FE-8E-34-2A" (RFC 6281 §3) */
void eui64_to_tunnel_label(const uint8_t eui64[static EUI64_SIZE],
			   char ret[static TUNNEL_LABEL_SIZE]);
/* The low half of a host id. */
static inline const uint8_t *host_id_eui64(const uint8_t id[static HOST_ID_SIZE])
{
	return id + HOST_ID_SIZE - EUI64_SIZE;
}
