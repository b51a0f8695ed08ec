/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * tunneld.conf:
 *
 *   [tunnel]
 *   interface = homeward0
 *   port = 4500          the local UDP port of ESP and IKE
 *   mtu = 1400           of the tunnel interface, 1280 to 1438: what fits a packet of 1500 octets
 *
 *   [offload]            what the kernel may do for us (offloads.h); each may be "no"
 *   tso = yes
 *   uso = yes
 *   udp-segment = yes
 *   udp-gro = yes
 *   coalesce = yes
 *   aead = any           or openssl, ipsec-mb
 */
#include "services/tunneld/offloads.h"

#include <stdint.h>

struct settings {
	char *interface;
	uint32_t port;
	uint32_t mtu;
	struct offloads offloads;
};

/* Defaults, and what the file says. 0 or a negative errno after a complaint in the log. */
int settings_read(struct settings *settings, const char *path);
void settings_clear(struct settings *settings);
