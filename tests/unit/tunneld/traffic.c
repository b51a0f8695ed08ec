/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/tunneld/traffic.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define FIRST_PORT 20000

/* What a header that is cut from goes before. */
struct shape {
	uint8_t protocol;
	size_t extension; /* octets of extension headers */
	size_t options;   /* of TCP */
	uint8_t class;
	bool ends, urges, reduced; /* FIN, PSH and CWR */
};

uint32_t traffic_random(struct traffic *traffic, uint32_t below)
{
	/* Knuth's MMIX; the high half is good enough. */
	traffic->random = traffic->random * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (traffic->random >> 33) % below;
}

void traffic_init(struct traffic *traffic, uint64_t seed)
{
	*traffic = (struct traffic){ .random = seed };
	for (unsigned int i = 0; i < TRAFFIC_FLOWS; i++)
		traffic->flows[i] = (struct traffic_flow){
			.port = FIRST_PORT + i,
			/* Near the end, so that it passes zero. */
			.sequence = i % 2 ? UINT32_MAX - 3000 : traffic_random(traffic, 1 << 30),
			.acknowledged = traffic_random(traffic, 1 << 30),
			.hop_limit = 64,
		};
}

static void put16(uint8_t *at, uint16_t value)
{
	value = htons(value);
	memcpy(at, &value, sizeof value);
}

static void put32(uint8_t *at, uint32_t value)
{
	value = htonl(value);
	memcpy(at, &value, sizeof value);
}

/* Octet by octet, in network order. */
static uint32_t sum_of(const uint8_t *data, size_t size, uint32_t sum)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? data[i] : data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t pseudo_sum(const uint8_t *packet, size_t size, uint8_t protocol)
{
	return sum_of(packet + 8, 32, size + protocol);
}

static size_t sum_offset(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? 16 : protocol == IPPROTO_UDP ? 6 : 2;
}

static void fix_sum_at(uint8_t *packet, size_t size, size_t transport, uint8_t protocol)
{
	uint8_t *at = packet + transport + sum_offset(protocol);
	uint16_t sum;

	put16(at, 0);
	sum = ~sum_of(packet + transport, size - transport,
		      pseudo_sum(packet, size - transport, protocol));
	put16(at, protocol == IPPROTO_UDP && !sum ? 0xffff : sum);
}

void traffic_fix_sum(uint8_t *packet, size_t size)
{
	uint8_t protocol = packet[6];

	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_ICMPV6)
		return;
	if (size >= 40 + sum_offset(protocol) + 2)
		fix_sum_at(packet, size, 40, protocol);
}

static void write_ip(uint8_t *packet, size_t size, uint8_t next, const struct shape *shape,
		     const struct traffic_flow *flow)
{
	static const uint8_t addresses[32] = { 0xfd, 1, [15] = 1, [16] = 0xfd, 2, [31] = 2 };

	put32(packet, 0x60000000 | shape->class << 20 | (flow->port & 0xff));
	put16(packet + 4, size - 40);
	packet[6] = next;
	packet[7] = flow->hop_limit;
	memcpy(packet + 8, addresses, sizeof addresses);
}

/* All headers of a TCP or UDP packet; returns their size. `size` is the packet's. */
static size_t write_headers(uint8_t *packet, size_t size, const struct shape *shape,
			    const struct traffic_flow *flow, uint32_t sequence)
{
	uint8_t *transport = packet + 40 + shape->extension;
	size_t transport_size = size - 40 - shape->extension;

	write_ip(packet, size, shape->extension ? IPPROTO_DSTOPTS : shape->protocol, shape, flow);
	if (shape->extension) {
		memset(packet + 40, 0, shape->extension);
		packet[40] = shape->protocol;
		packet[41] = shape->extension / 8 - 1;
		packet[42] = 1; /* PadN */
		packet[43] = shape->extension - 4;
	}
	put16(transport, flow->port);
	put16(transport + 2, 443);
	if (shape->protocol == IPPROTO_UDP) {
		put16(transport + 4, transport_size);
		return 48 + shape->extension;
	}
	put32(transport + 4, sequence);
	put32(transport + 8, flow->acknowledged);
	transport[12] = (20 + shape->options) / 4 << 4;
	transport[13] = 0x10;
	put16(transport + 14, 500);
	put16(transport + 16, 0);
	put16(transport + 18, 0);
	memset(transport + 20, 1, shape->options);
	if (shape->options >= 12)
		put32(transport + 24, flow->stamp);
	return 60 + shape->extension + shape->options;
}

static void fill(struct traffic *traffic, uint8_t *data, size_t size)
{
	uint32_t seed = traffic_random(traffic, UINT32_MAX);

	for (size_t i = 0; i < size; i++)
		data[i] = (seed = seed * 1664525 + 1013904223) >> 24;
}

/* The packets, cut as a sender's kernel or card would. */
static void make_packets(struct traffic_send *send, const struct shape *shape,
			 struct traffic_flow *flow, const uint8_t *payload, size_t size,
			 size_t each)
{
	size_t header =
		40 + shape->extension + (shape->protocol == IPPROTO_UDP ? 8 : 20 + shape->options);

	send->n = 0;
	for (size_t done = 0; done < size || !send->n; done += each) {
		struct traffic_packet *packet = &send->packets[send->n++];
		size_t n = size - done < each ? size - done : each;
		uint8_t *flags = packet->data + 40 + shape->extension + 13;

		packet->size = header + n;
		write_headers(packet->data, packet->size, shape, flow, flow->sequence + done);
		memcpy(packet->data + header, payload + done, n);
		if (shape->protocol == IPPROTO_TCP) {
			if (shape->reduced && !done)
				*flags |= 0x80;
			if (done + n == size)
				*flags |= (shape->ends ? 0x01 : 0) | (shape->urges ? 0x08 : 0);
		}
		fix_sum_at(packet->data, packet->size, 40 + shape->extension, shape->protocol);
	}
}

/* The same as the kernel hands it over: one header for all, and of the checksum the pseudo header.
 */
static void make_super(struct traffic_send *send, const struct shape *shape,
		       const struct traffic_flow *flow, const uint8_t *payload, size_t size,
		       size_t each, bool hint)
{
	size_t transport = 40 + shape->extension;
	size_t header = transport + (shape->protocol == IPPROTO_UDP ? 8 : 20 + shape->options);
	bool udp = shape->protocol == IPPROTO_UDP;

	send->size = header + size;
	write_headers(send->data, send->size, shape, flow, flow->sequence);
	if (!udp)
		send->data[transport + 13] |= (shape->reduced ? 0x80 : 0) |
					      (shape->ends ? 0x01 : 0) | (shape->urges ? 0x08 : 0);
	memcpy(send->data + header, payload, size);
	put16(send->data + transport + sum_offset(shape->protocol),
	      pseudo_sum(send->data, send->size - transport, shape->protocol));
	send->header = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.hdr_len = hint ? header : 0,
		.csum_start = transport,
		.csum_offset = sum_offset(shape->protocol),
	};
	if (send->n > 1) {
		send->header.gso_type = udp ? 5 : VIRTIO_NET_HDR_GSO_TCPV6;
		send->header.gso_size = each;
		if (shape->reduced)
			send->header.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	}
}

/* A packet that is handed over as it is. */
static void make_plain(struct traffic_send *send)
{
	send->header = (struct virtio_net_hdr){ 0 };
	send->size = send->packets[0].size;
	memcpy(send->data, send->packets[0].data, send->size);
}

static void next_stream(struct traffic *traffic, struct traffic_send *ret, uint8_t protocol)
{
	struct traffic_flow *flow = &traffic->flows[traffic_random(traffic, TRAFFIC_FLOWS)];
	bool udp = protocol == IPPROTO_UDP;
	struct shape shape = {
		.protocol = protocol,
		.extension = traffic_random(traffic, 8) ? 0 : 8 * (1 + traffic_random(traffic, 3)),
		.options = udp ? 0 : 4 * traffic_random(traffic, 4),
		.class = traffic_random(traffic, 10) ? 0 : 3,
		.ends = !udp && !traffic_random(traffic, 20),
		.urges = !udp && !traffic_random(traffic, 3),
		.reduced = !udp && !traffic_random(traffic, 20),
	};
	static uint8_t payload[65536];
	size_t each = 1 + traffic_random(traffic, traffic_random(traffic, 3) ? 1300 : 30);
	unsigned int n = 1 + traffic_random(traffic, traffic_random(traffic, 2) ? 45 : 4);
	size_t size;

	if (traffic_random(traffic, 2))
		each = 1300;
	if (n * each > 60000)
		n = 60000 / each;
	size = n * each - traffic_random(traffic, 3) / 2 * traffic_random(traffic, each);
	/* An acknowledgement, or an empty datagram. */
	if (!traffic_random(traffic, 6))
		size = 0;
	fill(traffic, payload, size);
	make_packets(ret, &shape, flow, payload, size, each);
	make_super(ret, &shape, flow, payload, size, each, traffic_random(traffic, 2));
	if (ret->n == 1 && traffic_random(traffic, 2))
		make_plain(ret);
	flow->sequence += size;
	if (!traffic_random(traffic, 8))
		flow->acknowledged += 1000;
	if (!traffic_random(traffic, 8))
		flow->stamp++;
	if (!traffic_random(traffic, 20))
		flow->hop_limit = 63 + traffic_random(traffic, 2);
}

/* What has no ports: ICMPv6, fragments, protocols that nobody knows. */
static void next_other(struct traffic *traffic, struct traffic_send *ret)
{
	static const uint8_t protocols[] = { IPPROTO_ICMPV6, IPPROTO_FRAGMENT, IPPROTO_NONE, 132 };
	struct traffic_packet *packet = &ret->packets[0];
	struct shape shape = {};

	packet->size = 48 + traffic_random(traffic, 1300);
	write_ip(packet->data, packet->size, protocols[traffic_random(traffic, 4)], &shape,
		 &traffic->flows[0]);
	fill(traffic, packet->data + 40, packet->size - 40);
	traffic_fix_sum(packet->data, packet->size);
	ret->n = 1;
	make_plain(ret);
}

void traffic_next(struct traffic *traffic, struct traffic_send *ret)
{
	switch (traffic_random(traffic, 8)) {
	case 0:
		next_other(traffic, ret);
		break;
	case 1:
	case 2:
		next_stream(traffic, ret, IPPROTO_UDP);
		break;
	default:
		next_stream(traffic, ret, IPPROTO_TCP);
		break;
	}
}

unsigned int traffic_flow_of(const uint8_t *packet, size_t size)
{
	size_t transport = 40;
	uint8_t next = packet[6];
	uint16_t port;

	if (next == IPPROTO_DSTOPTS && size >= 48) {
		transport += 8 * (packet[41] + 1);
		next = packet[40];
	}
	if ((next != IPPROTO_TCP && next != IPPROTO_UDP) || size < transport + 2)
		return TRAFFIC_FLOWS;
	memcpy(&port, packet + transport, sizeof port);
	/* TCP and UDP of one port are two flows. */
	return (ntohs(port) - FIRST_PORT) % TRAFFIC_FLOWS +
	       (next == IPPROTO_UDP ? TRAFFIC_FLOWS + 1 : 0);
}
