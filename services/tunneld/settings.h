/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * tunneld.conf:
 *
 *   [tunnel]
 *   interface = homeward0
 *   port = 4500          the local UDP port of ESP and IKE
 *   mtu = 1400           of the tunnel interface, 1280 to 1438: what fits a packet of 1500 octets
 */
#include <stdint.h>

struct settings {
	char *interface;
	uint32_t port;
	uint32_t mtu;
};

/* Defaults, and what the file says. 0 or a negative errno after a complaint in the log. */
int settings_read(struct settings *settings, const char *path);
void settings_clear(struct settings *settings);
