/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the kernel hands to a TUN device with IFF_VNET_HDR, cut into packets as they go over a wire:
 * a TCP super-packet (TSO) or a UDP one (USO) into its segments, with length, sequence number,
 * flags and checksum each; another packet as it is, its checksum finished if the kernel left that
 * to the device. Any extension headers are copied to each segment.
 */
#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The 10 octets before each packet, in the machine's order. */
#define SEGMENT_VNET_SIZE sizeof(struct virtio_net_hdr)
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

struct segmenter {
	const uint8_t *packet; /* borrowed */
	size_t size;
	size_t transport; /* where the TCP or UDP header begins */
	size_t header;    /* size of all headers; the whole packet if it is not cut */
	size_t payload;   /* of each segment but the last */
	size_t position;  /* of the next segment's payload in `packet` */
	size_t sum_start; /* where the checksum to be finished begins to count; 0: there is none */
	size_t sum_offset;
	bool cut, udp, started;
	/* Sum of all that is the same in each segment: the pseudo header without its length, and
	 * the transport header without what is written anew. */
	uint64_t constant;
	uint32_t sequence; /* of the first octet that TCP carries */
};

/* Begins with a packet. 0; -EINVAL when header and packet contradict each other or it is no IPv6.
 */
int segment_begin(struct segmenter *segmenter, const struct virtio_net_hdr *header,
		  const uint8_t *packet, size_t size);
/* The size of the next segment; 0 when there is none. The first is the largest. */
size_t segment_next_size(const struct segmenter *segmenter);
/* How many are still to come. */
size_t segment_count(const struct segmenter *segmenter);
/* Writes the next segment, of segment_next_size() octets. */
void segment_next(struct segmenter *segmenter, uint8_t *target);
