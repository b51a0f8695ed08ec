/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the kernel may do for us, each of which can be turned off alone: by tunneld.conf, by a proof
 * that found it broken, or because this kernel does not know it. Without any of them the same
 * packets go the same ways, one by one.
 */
#include "services/tunneld/aead.h"

#include <stdbool.h>

struct offloads {
	bool tso;                /* TCP super-packets are read from the TUN device */
	bool uso;                /* UDP super-packets, both ways */
	bool gro_send;           /* runs of datagrams are sent as one (UDP_SEGMENT) */
	bool gro_receive;        /* and received as one (UDP_GRO) */
	bool coalesce;           /* packets are written to the TUN device as super-packets */
	enum aead_provider aead; /* fixed at start */
};
