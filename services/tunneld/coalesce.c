/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/coalesce.h"

#include "services/tunneld/internet-sum.h"
#include "services/tunneld/net-words.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define IPV6_HEADER_SIZE 40
#define TCP_HEADER_SIZE  20
#define UDP_HEADER_SIZE  8
#define SIZE_LIMIT       65535
#define TCP_ACK          0x10
#define TCP_PSH          0x08
#define DECRYPTED_PIECE  64 /* as wide as registers are */
/* Offsets in the packet. */
#define NEXT_HEADER 6
#define HOP_LIMIT   7
#define FLOW        8 /* both addresses and both ports */
#define FLOW_SIZE   36
#define UDP_LENGTH  44
#define UDP_SUM     46
#define TCP_SEQ     44
#define TCP_FLAGS   53
#define TCP_SUM     56

/* What a packet is to the groups. */
struct candidate {
	bool flow;  /* it has ports, so it belongs to a flow */
	bool joins; /* it may begin or join a group */
	bool udp;
	size_t header, payload;
};

/* The addresses and all that follows, which is the pseudo header but for two numbers. A packet that
 * was just decrypted is still on its way to the cache, in pieces of DECRYPTED_PIECE octets from its
 * beginning: a read across two of them would wait for both. */
static bool sum_is_right(const uint8_t *packet, size_t size)
{
	size_t first = size < DECRYPTED_PIECE ? size : DECRYPTED_PIECE;
	uint64_t sum = (uint64_t)htonl(size - IPV6_HEADER_SIZE) + htonl(packet[NEXT_HEADER]);

	sum = internet_sum_add(sum, packet + FLOW, first - FLOW);
	sum = internet_sum_add(sum, packet + first, size - first);
	return internet_sum_fold(sum) == 0xffff;
}

static void look_at_tcp(const struct coalescer *coalescer, const uint8_t *packet, size_t size,
			struct candidate *ret)
{
	if (size < IPV6_HEADER_SIZE + TCP_HEADER_SIZE)
		return;
	ret->flow = true;
	ret->header = IPV6_HEADER_SIZE + (size_t)(packet[52] >> 4) * 4;
	if (ret->header < IPV6_HEADER_SIZE + TCP_HEADER_SIZE || ret->header >= size)
		return;
	ret->payload = size - ret->header;
	/* A checksum of 0xffff is right where 0 is, but would come back as 0. */
	ret->joins =
		coalescer->tcp && (packet[TCP_FLAGS] & ~TCP_PSH) == TCP_ACK && !(packet[52] & 0x0f);
}

static void look_at_udp(const struct coalescer *coalescer, const uint8_t *packet, size_t size,
			struct candidate *ret)
{
	if (size < IPV6_HEADER_SIZE + UDP_HEADER_SIZE)
		return;
	ret->flow = true;
	ret->udp = true;
	ret->header = IPV6_HEADER_SIZE + UDP_HEADER_SIZE;
	ret->payload = size - ret->header;
	ret->joins = coalescer->udp && ret->payload &&
		     get_u16(packet + UDP_LENGTH) == size - IPV6_HEADER_SIZE &&
		     get_u16(packet + UDP_SUM);
}

static struct candidate look_at(const struct coalescer *coalescer, const uint8_t *packet,
				size_t size)
{
	struct candidate candidate = {};

	if (packet[NEXT_HEADER] == IPPROTO_TCP)
		look_at_tcp(coalescer, packet, size, &candidate);
	else if (packet[NEXT_HEADER] == IPPROTO_UDP)
		look_at_udp(coalescer, packet, size, &candidate);
	candidate.joins = candidate.joins && sum_is_right(packet, size);
	return candidate;
}

static struct coalesce_group *find_group(struct coalescer *coalescer, const uint8_t *packet)
{
	for (unsigned int i = 0; i < coalescer->n_groups; i++) {
		struct coalesce_group *group = &coalescer->groups[i];

		if (group->n && group->first[NEXT_HEADER] == packet[NEXT_HEADER] &&
		    !memcmp(group->first + FLOW, packet + FLOW, FLOW_SIZE))
			return group;
	}
	return NULL;
}

/* Headers of the super-packet: its lengths, and of the checksum only the pseudo header's sum, which
 * the kernel finishes if it ever needs it. */
static void finish_header(struct coalescer *coalescer, struct coalesce_group *group)
{
	size_t transport_size = group->size - IPV6_HEADER_SIZE;
	uint8_t *first = group->first;
	uint16_t sum = internet_sum_fold(
		internet_sum_pseudo(first + FLOW, transport_size, first[NEXT_HEADER]));

	coalescer->header = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = group->udp ? VIRTIO_NET_HDR_GSO_UDP_L4 : VIRTIO_NET_HDR_GSO_TCPV6,
		.hdr_len = group->header,
		.gso_size = group->payload,
		.csum_start = IPV6_HEADER_SIZE,
		.csum_offset = (group->udp ? UDP_SUM : TCP_SUM) - IPV6_HEADER_SIZE,
	};
	put_u16(first + 4, transport_size);
	if (group->udp)
		put_u16(first + UDP_LENGTH, transport_size);
	memcpy(first + (group->udp ? UDP_SUM : TCP_SUM), &sum, sizeof sum);
	coalescer->n_super++;
	coalescer->n_joined += group->n;
}

static void flush_group(struct coalescer *coalescer, struct coalesce_group *group)
{
	if (!group->n)
		return;
	if (group->n > 1)
		finish_header(coalescer, group);
	else
		/* Only packets whose checksum was found right begin a group. */
		coalescer->header = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_DATA_VALID };
	group->parts[0] = (struct iovec){ &coalescer->header, sizeof coalescer->header };
	coalescer->sink(coalescer->userdata, group->parts, group->n + 1);
	group->n = 0;
}

void coalesce_flush(struct coalescer *coalescer)
{
	for (unsigned int i = 0; i < coalescer->n_groups; i++)
		flush_group(coalescer, &coalescer->groups[i]);
	coalescer->n_groups = 0;
}

/* Whether the packet follows the group's last and is otherwise as its first. */
static bool fits(const struct coalesce_group *group, const uint8_t *packet,
		 const struct candidate *candidate)
{
	const uint8_t *first = group->first;

	if (group->closed || group->header != candidate->header ||
	    candidate->payload > group->payload || group->n == COALESCE_SEGMENTS ||
	    group->size + candidate->payload > SIZE_LIMIT || memcmp(first, packet, 4) ||
	    first[HOP_LIMIT] != packet[HOP_LIMIT])
		return false;
	if (group->udp)
		return true;
	/* Acknowledgement, data offset, window, urgent pointer and options. */
	return get_u32(packet + TCP_SEQ) == group->next && !memcmp(first + 48, packet + 48, 5) &&
	       !memcmp(first + 54, packet + 54, 2) &&
	       !memcmp(first + 58, packet + 58, group->header - 58);
}

static void join(struct coalesce_group *group, uint8_t *packet, const struct candidate *candidate)
{
	group->parts[++group->n] = (struct iovec){ packet + candidate->header, candidate->payload };
	group->size += candidate->payload;
	group->next += candidate->payload;
	if (candidate->payload < group->payload)
		group->closed = true;
	if (!group->udp && packet[TCP_FLAGS] & TCP_PSH) {
		group->first[TCP_FLAGS] |= TCP_PSH;
		group->closed = true;
	}
}

static struct coalesce_group *new_group(struct coalescer *coalescer)
{
	if (coalescer->n_groups == COALESCE_GROUPS)
		coalesce_flush(coalescer);
	return &coalescer->groups[coalescer->n_groups++];
}

static void begin_group(struct coalesce_group *group, uint8_t *packet, size_t size,
			const struct candidate *candidate)
{
	group->n = 1;
	group->first = packet;
	group->header = candidate->header;
	group->payload = candidate->payload;
	group->size = size;
	group->udp = candidate->udp;
	group->closed = !candidate->udp && packet[TCP_FLAGS] & TCP_PSH;
	group->next = candidate->udp ? 0 : get_u32(packet + TCP_SEQ) + candidate->payload;
	group->parts[1] = (struct iovec){ packet, size };
}

static void pass_alone(struct coalescer *coalescer, uint8_t *packet, size_t size)
{
	struct iovec parts[] = { { &coalescer->header, sizeof coalescer->header },
				 { packet, size } };

	coalescer->header = (struct virtio_net_hdr){ 0 };
	coalescer->sink(coalescer->userdata, parts, 2);
}

void coalesce_add(struct coalescer *coalescer, uint8_t *packet, size_t size)
{
	struct candidate candidate = look_at(coalescer, packet, size);
	struct coalesce_group *group;

	/* Of what has no ports it is not known whether it belongs to a flow that waits here. */
	if (!candidate.flow) {
		coalesce_flush(coalescer);
		pass_alone(coalescer, packet, size);
		return;
	}
	group = coalescer->n_groups ? find_group(coalescer, packet) : NULL;
	if (group && candidate.joins && fits(group, packet, &candidate)) {
		join(group, packet, &candidate);
		return;
	}
	if (group)
		flush_group(coalescer, group);
	if (candidate.joins)
		begin_group(group ?: new_group(coalescer), packet, size, &candidate);
	else
		pass_alone(coalescer, packet, size);
}
