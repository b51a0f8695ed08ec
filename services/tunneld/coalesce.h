/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The other way: packets that arrived, collected into the super-packets that a TUN device with
 * IFF_VNET_HDR takes, so that the kernel sees few large ones. A packet joins others only if cutting
 * them apart again gives the same octets: TCP segments with data that follow one another and are
 * otherwise alike, UDP datagrams of one flow and one size; IPv6 without extension headers, with a
 * right checksum. Everything else goes alone and unchanged, and nothing overtakes a packet of its
 * own flow. Nothing is copied: the packets stay where they are until coalesce_flush().
 */
#include "services/tunneld/segment.h"

#include <sys/uio.h>

#define COALESCE_GROUPS   16 /* flows of one batch */
#define COALESCE_SEGMENTS 64 /* of one super-packet: what the kernel takes for UDP */

/* Takes a super-packet or packet away at once: `parts` begins with the header for the device. */
typedef void (*coalesce_sink)(void *userdata, const struct iovec *parts, int n_parts);

struct coalesce_group {
	unsigned int n;   /* segments; 0: a free group */
	uint8_t *first;   /* the first packet; its headers are those of the group */
	size_t header;    /* size of the headers */
	size_t payload;   /* of each segment but the last */
	size_t size;      /* of the super-packet */
	uint32_t next;    /* the sequence number that follows */
	bool udp, closed; /* nothing more fits behind */
	struct iovec parts[COALESCE_SEGMENTS + 1];
};

struct coalescer {
	bool tcp, udp; /* what may be joined */
	coalesce_sink sink;
	void *userdata;
	unsigned int n_groups; /* those in use are below */
	struct coalesce_group groups[COALESCE_GROUPS];
	struct virtio_net_hdr header;
	/* How often packets went together, and how many. */
	uint64_t n_joined, n_super;
};

/* A packet, whole and of `size` octets by its own length field. It stays valid and unchanged until
 * coalesce_flush(). */
void coalesce_add(struct coalescer *coalescer, uint8_t *packet, size_t size);
/* At the end of a batch: hands out what was collected. */
void coalesce_flush(struct coalescer *coalescer);
