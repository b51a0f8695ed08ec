/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/segment.h"

#include "services/tunneld/internet-sum.h"
#include "services/tunneld/net-words.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define IPV6_HEADER_SIZE 40
#define TCP_HEADER_SIZE  20
#define UDP_HEADER_SIZE  8
#define TCP_SUM_OFFSET   16
#define UDP_SUM_OFFSET   6
#define TCP_HEADER_LIMIT 60
#define UDP_LENGTH       4
#define TCP_SEQUENCE     4
#define TCP_FLAGS        13 /* behind the data offset */
#define TCP_FIN          0x01
#define TCP_PSH          0x08
#define TCP_CWR          0x80

/* Whether the headers before `transport` lead to a header of `protocol` there. A fragment's do not:
 * it has no checksum of its own. */
static bool leads_to(const uint8_t *packet, size_t transport, uint8_t protocol)
{
	uint8_t next = packet[6];
	size_t position = IPV6_HEADER_SIZE;

	while (position < transport) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_DSTOPTS && next != IPPROTO_ROUTING)
			return false;
		if (transport - position < 8)
			return false;
		next = packet[position];
		position += ((size_t)packet[position + 1] + 1) * 8;
	}
	return position == transport && next == protocol;
}

/* Of a TCP or UDP header, without length and checksum or sequence number, flags and checksum. */
static uint64_t sum_constant(const uint8_t *transport, size_t size, bool udp)
{
	uint8_t header[TCP_HEADER_LIMIT];

	memcpy(header, transport, size);
	if (udp) {
		memset(header + UDP_LENGTH, 0, 2);
		memset(header + UDP_SUM_OFFSET, 0, 2);
	} else {
		memset(header + TCP_SEQUENCE, 0, 4);
		memset(header + TCP_FLAGS - 1, 0, 2);
		memset(header + TCP_SUM_OFFSET, 0, 2);
	}
	return internet_sum_add(0, header, size);
}

static int begin_cut(struct segmenter *segmenter, const struct virtio_net_hdr *header)
{
	size_t least = segmenter->udp ? UDP_HEADER_SIZE : TCP_HEADER_SIZE;
	size_t sum_offset = segmenter->udp ? UDP_SUM_OFFSET : TCP_SUM_OFFSET;
	const uint8_t *transport;
	uint16_t sum;

	segmenter->transport = header->csum_start;
	if (!(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || header->csum_offset != sum_offset ||
	    !header->gso_size || segmenter->transport < IPV6_HEADER_SIZE ||
	    segmenter->transport > segmenter->size ||
	    segmenter->size - segmenter->transport < least ||
	    !leads_to(segmenter->packet, segmenter->transport,
		      segmenter->udp ? IPPROTO_UDP : IPPROTO_TCP))
		return -EINVAL;
	transport = segmenter->packet + segmenter->transport;
	if (!segmenter->udp)
		least = (size_t)(transport[12] >> 4) * 4;
	/* What hdr_len says is only a hint. */
	if (least < (segmenter->udp ? UDP_HEADER_SIZE : TCP_HEADER_SIZE) ||
	    least >= segmenter->size - segmenter->transport)
		return -EINVAL;
	segmenter->header = segmenter->transport + least;
	segmenter->payload = header->gso_size;
	segmenter->position = segmenter->header;
	/* The kernel put the sum of the pseudo header there, with the length of the whole; it knows
	 * the final destination that a routing header hides. */
	memcpy(&sum, transport + sum_offset, sizeof sum);
	segmenter->constant = sum +
			      (uint64_t)(uint16_t)~internet_sum_fold(
				      htonl(segmenter->size - segmenter->transport)) +
			      sum_constant(transport, least, segmenter->udp);
	if (!segmenter->udp)
		segmenter->sequence = get_u32(transport + TCP_SEQUENCE);
	return 0;
}

int segment_begin(struct segmenter *segmenter, const struct virtio_net_hdr *header,
		  const uint8_t *packet, size_t size)
{
	uint8_t kind = header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;

	if (size < IPV6_HEADER_SIZE || packet[0] >> 4 != 6)
		return -EINVAL;
	*segmenter = (struct segmenter){ .packet = packet, .size = size, .header = size };
	if (kind == VIRTIO_NET_HDR_GSO_TCPV6 || kind == VIRTIO_NET_HDR_GSO_UDP_L4) {
		segmenter->cut = true;
		segmenter->udp = kind == VIRTIO_NET_HDR_GSO_UDP_L4;
		return begin_cut(segmenter, header);
	}
	if (kind != VIRTIO_NET_HDR_GSO_NONE)
		return -EINVAL;
	if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		segmenter->sum_start = header->csum_start;
		segmenter->sum_offset = header->csum_offset;
		if (segmenter->sum_start < IPV6_HEADER_SIZE || segmenter->sum_start >= size ||
		    segmenter->sum_offset + 2 > size - segmenter->sum_start)
			return -EINVAL;
		segmenter->udp = segmenter->sum_offset == UDP_SUM_OFFSET &&
				 leads_to(packet, segmenter->sum_start, IPPROTO_UDP);
	}
	return 0;
}

size_t segment_next_size(const struct segmenter *segmenter)
{
	size_t left;

	if (!segmenter->cut)
		return segmenter->started ? 0 : segmenter->size;
	left = segmenter->size - segmenter->position;
	if (!left)
		return 0;
	return segmenter->header + (left < segmenter->payload ? left : segmenter->payload);
}

size_t segment_count(const struct segmenter *segmenter)
{
	if (!segmenter->cut)
		return !segmenter->started;
	return (segmenter->size - segmenter->position + segmenter->payload - 1) /
	       segmenter->payload;
}

static void write_sum(uint8_t *target, uint64_t sum, bool udp)
{
	uint16_t value = ~internet_sum_fold(sum);

	/* Zero would say that there is no checksum. */
	if (udp && !value)
		value = 0xffff;
	memcpy(target, &value, sizeof value);
}

static void copy_whole(struct segmenter *segmenter, uint8_t *target)
{
	size_t start = segmenter->sum_start;
	uint64_t sum;

	if (!start) {
		memcpy(target, segmenter->packet, segmenter->size);
		return;
	}
	memcpy(target, segmenter->packet, start);
	sum = internet_sum_copy(0, target + start, segmenter->packet + start,
				segmenter->size - start);
	write_sum(target + start + segmenter->sum_offset, sum, segmenter->udp);
}

/* What differs from the header of the super-packet; returns the sum of what was written. Nothing is
 * read back, which would wait for the writes. */
static uint64_t write_udp_header(uint8_t *transport, size_t size)
{
	put_u16(transport + UDP_LENGTH, size);
	memset(transport + UDP_SUM_OFFSET, 0, 2);
	return htons(size);
}

static uint64_t write_tcp_header(const struct segmenter *segmenter, uint8_t *transport, bool first,
				 bool last)
{
	const uint8_t *whole = segmenter->packet + segmenter->transport;
	uint32_t sequence = segmenter->sequence + (segmenter->position - segmenter->header);
	uint16_t offset_and_flags = get_u16(whole + TCP_FLAGS - 1);

	if (!last)
		offset_and_flags &= ~(TCP_FIN | TCP_PSH);
	if (!first)
		offset_and_flags &= ~TCP_CWR;
	put_u32(transport + TCP_SEQUENCE, sequence);
	put_u16(transport + TCP_FLAGS - 1, offset_and_flags);
	memset(transport + TCP_SUM_OFFSET, 0, 2);
	return (uint64_t)htonl(sequence) + htons(offset_and_flags);
}

void segment_next(struct segmenter *segmenter, uint8_t *target)
{
	size_t size = segment_next_size(segmenter), n = size - segmenter->header;
	size_t transport_size = size - segmenter->transport;
	uint8_t *transport = target + segmenter->transport;
	bool first = !segmenter->started, last;
	uint64_t sum;

	segmenter->started = true;
	if (!segmenter->cut) {
		copy_whole(segmenter, target);
		return;
	}
	last = segmenter->position + n == segmenter->size;
	memcpy(target, segmenter->packet, segmenter->header);
	put_u16(target + 4, size - IPV6_HEADER_SIZE);
	sum = segmenter->constant + htonl(transport_size);
	if (segmenter->udp)
		sum += write_udp_header(transport, transport_size);
	else
		sum += write_tcp_header(segmenter, transport, first, last);
	/* Headers have a multiple of four octets, so that the sum may go on behind. */
	sum = internet_sum_copy(sum, target + segmenter->header,
				segmenter->packet + segmenter->position, n);
	write_sum(transport + (segmenter->udp ? UDP_SUM_OFFSET : TCP_SUM_OFFSET), sum,
		  segmenter->udp);
	segmenter->position += n;
}
