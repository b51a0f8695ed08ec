/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * tunneld.conf:
 *
 *   [tunnel]
 *   interface = homeward0
 *   port = 4500          the local UDP port of ESP and IKE
 *   mtu = 1438           the largest packet of the tunnel, 1280 to 1438, which is what fits one of
 * 1500 octets; to each peer packets are as large as its path takes
 *   linger = 100         so many microseconds an answer is awaited awake; 0 to 1000
 *
 *   [outer]              the IP header around our packets
 *   dscp = none          zero; "copy": that of the packet inside, for all on the way to see (for
 * networks that keep calls from backups by it); 0 to 63: this one for everything
 *
 *   [datapath]
 *   kind = auto          or user, kernel (datapath-xfrm.h): who seals and opens packets; auto is
 * the user data path
 *
 *   [firewall]
 *   zone = homeward      the zone of firewalld for the interface, if that runs; empty: none
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
#include "services/tunneld/outer-wire.h"

#include <stdint.h>

#define SETTINGS_MTU_MAXIMUM 1438

enum datapath_kind {
	DATAPATH_AUTO,
	DATAPATH_USER,
	DATAPATH_KERNEL,
};

struct settings {
	char *interface;
	char *firewall_zone; /* empty: none */
	uint32_t port;
	uint32_t mtu;
	uint32_t linger; /* microseconds */
	struct outer_tos tos;
	enum datapath_kind datapath;
	struct offloads offloads;
};

/* Defaults, and what the file says. 0 or a negative errno after a complaint in the log. */
int settings_read(struct settings *settings, const char *path);
void settings_clear(struct settings *settings);
