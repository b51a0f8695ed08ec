/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Generated traffic: what a host sends, once as packets on a wire, with all checksums right, and
 * once as the kernel hands the same to a TUN device, in super-packets where it would. Its own
 * arithmetic throughout, none of that which is tested.
 */
#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRAFFIC_PACKET  1500
#define TRAFFIC_PACKETS 64
#define TRAFFIC_FLOWS   8

struct traffic_packet {
	size_t size;
	uint8_t data[TRAFFIC_PACKET];
};

/* One write of a program: the packets, and the super-packet that they are. */
struct traffic_send {
	unsigned int n;
	struct traffic_packet packets[TRAFFIC_PACKETS];
	struct virtio_net_hdr header;
	size_t size;
	uint8_t data[65536];
};

struct traffic {
	uint64_t random;
	struct traffic_flow {
		uint16_t port;
		uint32_t sequence, acknowledged;
		uint32_t stamp;
		uint8_t hop_limit;
	} flows[TRAFFIC_FLOWS];
};

void traffic_init(struct traffic *traffic, uint64_t seed);
uint32_t traffic_random(struct traffic *traffic, uint32_t below);
/* Any kind: TCP, UDP, ICMPv6, extension headers, fragments, odd sizes. */
void traffic_next(struct traffic *traffic, struct traffic_send *ret);
/* The flow of a packet; TRAFFIC_FLOWS for one that has no ports to tell it by. */
unsigned int traffic_flow_of(const uint8_t *packet, size_t size);
/* Sets the checksum of a TCP, UDP or ICMPv6 packet without extension headers right. */
void traffic_fix_sum(uint8_t *packet, size_t size);
