/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/offload-proof-internal.h"

#include "services/tunneld/coalesce.h"
#include "services/tunneld/internet-sum.h"
#include "services/tunneld/tun-device.h"
#include "services/tunneld/tun-routes.h"

#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdalign.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define DEVICE "hwproof0"
#define MTU    1400
/* Of a segment, and how many. */
#define EACH      1000
#define N         7
#define SIZE      (N * EACH)
#define PEER_PORT 9
#define SEQUENCE  1000000 /* the peer's first */
/* Until the kernel receives for a new address: a packet after each such time. */
#define RETRY_MSEC 5
#define RETRIES    (PROOF_WAIT_MSEC / RETRY_MSEC)
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

struct proof_stage {
	struct tun_device *device;
	struct tun_routes *routes;
	struct sockaddr_in6 ours, peer;
	struct coalescer coalescer;
	uint8_t read[SEGMENT_VNET_SIZE + TUN_PACKET_SIZE];
	/* Where headers are looked at in place. */
	alignas(8) uint8_t packets[N][sizeof(struct ip6_hdr) + sizeof(struct tcphdr) + EACH];
	alignas(8) uint8_t segment[TUN_PACKET_SIZE];
};

static void write_parts(void *userdata, const struct iovec *parts, int n_parts)
{
	struct proof_stage *stage = userdata;

	(void)tun_device_write_parts(stage->device, parts, n_parts);
}

struct proof_stage *proof_stage_free(struct proof_stage *stage)
{
	if (!stage)
		return NULL;
	if (stage->routes)
		tun_routes_forget(stage->routes, &stage->peer.sin6_addr);
	tun_routes_free(stage->routes);
	tun_device_destroy(stage->device);
	free(stage);
	return NULL;
}

struct proof_stage *proof_stage_new(void)
{
	struct proof_stage *stage = calloc(1, sizeof *stage);
	struct sockaddr_in6 address = { .sin6_family = AF_INET6 };
	uint8_t *prefix = address.sin6_addr.s6_addr;

	/* A network of nobody's (RFC 4193 §3.2). */
	if (!stage || getrandom(prefix, 8, 0) != 8)
		return proof_stage_free(stage);
	prefix[0] = 0xfd;
	prefix[15] = 1;
	stage->ours = address;
	prefix[15] = 2;
	stage->peer = address;
	stage->peer.sin6_port = htons(PEER_PORT);
	stage->coalescer.sink = write_parts;
	stage->coalescer.userdata = stage;
	if (tun_device_open(DEVICE, &stage->device) < 0 ||
	    tun_routes_new(tun_device_index(stage->device), &stage->routes) < 0 ||
	    tun_routes_bring_up(stage->routes, MTU) < 0 ||
	    tun_routes_set_address(stage->routes, &stage->ours.sin6_addr) < 0 ||
	    tun_routes_add(stage->routes, &stage->peer.sin6_addr, &stage->ours.sin6_addr, MTU,
			   MTU) < 0)
		return proof_stage_free(stage);
	return stage;
}

static void set_offloads(struct proof_stage *stage, bool on)
{
	bool tso = on, uso = on;

	tun_device_set_offloads(stage->device, &tso, &uso);
	stage->coalescer.tcp = on;
	stage->coalescer.udp = on && uso;
}

/* A packet of the peer's, around its header and `size` octets of payload that are there. */
static size_t finish_packet(struct proof_stage *stage, uint8_t *packet, uint8_t protocol,
			    size_t header_size, size_t size)
{
	struct ip6_hdr *ip = (struct ip6_hdr *)packet;
	uint8_t *transport = packet + sizeof *ip;
	uint16_t sum;

	memset(ip, 0, sizeof *ip);
	ip->ip6_vfc = 6 << 4;
	ip->ip6_plen = htons(header_size + size);
	ip->ip6_nxt = protocol;
	ip->ip6_hlim = 64;
	ip->ip6_src = stage->peer.sin6_addr;
	ip->ip6_dst = stage->ours.sin6_addr;
	sum = ~internet_sum_fold(
		internet_sum_add(internet_sum_pseudo(packet + 8, header_size + size, protocol),
				 transport, header_size + size));
	if (!sum && protocol == IPPROTO_UDP)
		sum = 0xffff;
	memcpy(transport + (protocol == IPPROTO_UDP ? offsetof(struct udphdr, check)
						    : offsetof(struct tcphdr, check)),
	       &sum, sizeof sum);
	return sizeof *ip + header_size + size;
}

static size_t build_udp(struct proof_stage *stage, uint8_t *packet, const uint8_t *data,
			size_t size)
{
	struct udphdr header = { .source = stage->peer.sin6_port,
				 .dest = stage->ours.sin6_port,
				 .len = htons(sizeof header + size) };

	memcpy(packet + sizeof(struct ip6_hdr), &header, sizeof header);
	memcpy(packet + sizeof(struct ip6_hdr) + sizeof header, data, size);
	return finish_packet(stage, packet, IPPROTO_UDP, sizeof header, size);
}

static size_t build_tcp(struct proof_stage *stage, uint8_t *packet, const struct tcphdr *flags,
			uint32_t sequence, uint32_t acknowledged, const uint8_t *data, size_t size)
{
	struct tcphdr header = *flags;

	header.source = stage->peer.sin6_port;
	header.dest = stage->ours.sin6_port;
	header.seq = htonl(sequence);
	header.ack_seq = htonl(acknowledged);
	header.doff = sizeof header / 4;
	header.window = htons(65535);
	memcpy(packet + sizeof(struct ip6_hdr), &header, sizeof header);
	if (size)
		memcpy(packet + sizeof(struct ip6_hdr) + sizeof header, data, size);
	return finish_packet(stage, packet, IPPROTO_TCP, sizeof header, size);
}

/* The next packet or super-packet of the kernel's to the peer, ready to be cut. */
static bool read_packet(struct proof_stage *stage, uint8_t protocol, struct segmenter *ret)
{
	while (proof_wait(tun_device_fd(stage->device))) {
		ssize_t n = tun_device_read(stage->device, stage->read);
		const uint8_t *packet = stage->read + SEGMENT_VNET_SIZE;
		struct virtio_net_hdr header;
		struct ip6_hdr ip;

		if (n < (ssize_t)(SEGMENT_VNET_SIZE + sizeof ip))
			return false;
		memcpy(&header, stage->read, sizeof header);
		memcpy(&ip, packet, sizeof ip);
		/* The kernel has more to say on an interface. */
		if (ip.ip6_nxt != protocol ||
		    memcmp(&ip.ip6_dst, &stage->peer.sin6_addr, sizeof ip.ip6_dst))
			continue;
		return segment_begin(ret, &header, packet, n - SEGMENT_VNET_SIZE) >= 0;
	}
	return false;
}

static bool sum_is_right(const uint8_t *packet, size_t size)
{
	size_t inside = size - sizeof(struct ip6_hdr);
	uint64_t sum = internet_sum_pseudo(packet + 8, inside, packet[6]);

	return internet_sum_fold(internet_sum_add(sum, packet + sizeof(struct ip6_hdr), inside)) ==
	       0xffff;
}

static bool receive_stream(int fd, const uint8_t *expected)
{
	uint8_t data[SIZE];
	size_t position = 0;

	while (position < SIZE) {
		ssize_t n = proof_wait(fd) ? recv(fd, data, SIZE - position, 0) : -1;

		if (n <= 0 || memcmp(data, expected + position, n))
			return false;
		position += n;
	}
	return true;
}

/* What the kernel sends of `expected`, in segments that may come twice. */
static bool take_stream(struct proof_stage *stage, uint32_t first, const uint8_t *expected)
{
	bool seen[SIZE] = {};
	size_t n_seen = 0;

	while (n_seen < SIZE) {
		struct segmenter segments;
		size_t size;

		if (!read_packet(stage, IPPROTO_TCP, &segments))
			return false;
		while ((size = segment_next_size(&segments))) {
			const struct tcphdr *tcp =
				(void *)(stage->segment + sizeof(struct ip6_hdr));
			size_t header, at;

			segment_next(&segments, stage->segment);
			header = sizeof(struct ip6_hdr) + tcp->doff * 4;
			at = ntohl(tcp->seq) - first;
			if (header > size || !sum_is_right(stage->segment, size))
				return false;
			size -= header;
			if (size && (at > SIZE || size > SIZE - at ||
				     memcmp(stage->segment + header, expected + at, size)))
				return false;
			for (; size; size--, at++) {
				n_seen += !seen[at];
				seen[at] = true;
			}
		}
	}
	return true;
}

/* What is in the first N packets, of this size each, to the interface. */
static void put_packets(struct proof_stage *stage, size_t size)
{
	for (unsigned int i = 0; i < N; i++)
		coalesce_add(&stage->coalescer, stage->packets[i], size);
	coalesce_flush(&stage->coalescer);
}

/* Plays the peer until the connection stands: its next number, or 0. */
static uint32_t accept_connection(struct proof_stage *stage)
{
	static const struct tcphdr flags = { .syn = 1, .ack = 1 };
	const struct tcphdr *tcp = (void *)(stage->segment + sizeof(struct ip6_hdr));
	struct segmenter segments;
	uint32_t next;
	size_t size;

	do {
		if (!read_packet(stage, IPPROTO_TCP, &segments))
			return 0;
		size = segment_next_size(&segments);
		segment_next(&segments, stage->segment);
	} while (!tcp->syn || tcp->source != stage->ours.sin6_port);
	if (!sum_is_right(stage->segment, size))
		return 0;
	next = ntohl(tcp->seq) + 1;
	size = build_tcp(stage, stage->packets[0], &flags, SEQUENCE, next, NULL, 0);
	(void)tun_device_write(stage->device, stage->packets[0], size);
	return next;
}

static int open_socket(struct proof_stage *stage, int type)
{
	cleanup(close_fdp) int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof stage->ours;
	struct linger at_once = { .l_onoff = 1 };
	int mss = EACH;

	stage->ours.sin6_port = 0;
	if (fd < 0 || bind(fd, (struct sockaddr *)&stage->ours, size) < 0 ||
	    getsockname(fd, (struct sockaddr *)&stage->ours, &size) < 0)
		return -1;
	if (type == SOCK_STREAM) {
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
		(void)setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof mss);
	}
	if (connect(fd, (struct sockaddr *)&stage->peer, sizeof stage->peer) < 0 &&
	    errno != EINPROGRESS)
		return -1;
	return steal_fd(&fd);
}

struct proof_result proof_tcp(struct proof_stage *stage, bool offload)
{
	static const struct tcphdr flags = { .ack = 1 };
	struct proof_result result = {};
	cleanup(close_fdp) int fd = -1;
	uint8_t sent[SIZE], back[SIZE];
	uint32_t next;
	size_t size = 0;

	proof_fill(sent, sizeof sent, 1 + offload);
	proof_fill(back, sizeof back, 5 + offload);
	set_offloads(stage, offload);
	fd = open_socket(stage, SOCK_STREAM);
	next = fd < 0 ? 0 : accept_connection(stage);
	if (!next)
		return result;
	/* Connected when the kernel has heard the peer, which was written just now. */
	for (unsigned int i = 0; i < RETRIES && send(fd, sent, sizeof sent, MSG_NOSIGNAL) < 0; i++)
		usleep(RETRY_MSEC * 1000);
	result.out = take_stream(stage, next, sent);
	for (unsigned int i = 0; i < N; i++)
		size = build_tcp(stage, stage->packets[i], &flags, SEQUENCE + 1 + i * EACH,
				 result.out ? next + SIZE : next, back + (size_t)i * EACH, EACH);
	put_packets(stage, size);
	result.in = receive_stream(fd, back);
	return result;
}

static bool send_datagrams(int fd, bool offload, const uint8_t *data)
{
	int each = EACH;

	if (offload && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &each, sizeof each) >= 0)
		return send(fd, data, SIZE, 0) == SIZE;
	for (unsigned int i = 0; i < N; i++)
		if (send(fd, data + (size_t)i * EACH, EACH, 0) != EACH)
			return false;
	return true;
}

static bool take_datagrams(struct proof_stage *stage, const uint8_t *expected)
{
	const size_t header = sizeof(struct ip6_hdr) + sizeof(struct udphdr);

	for (unsigned int n = 0; n < N;) {
		struct segmenter segments;
		size_t size;

		if (!read_packet(stage, IPPROTO_UDP, &segments))
			return false;
		for (; (size = segment_next_size(&segments)); n++) {
			segment_next(&segments, stage->segment);
			if (n == N || size != header + EACH ||
			    !sum_is_right(stage->segment, size) ||
			    memcmp(stage->segment + header, expected + (size_t)n * EACH, EACH))
				return false;
		}
	}
	return true;
}

static bool receive_datagrams(int fd, const uint8_t *expected)
{
	uint8_t data[EACH + 1];

	for (unsigned int i = 0; i < N; i++)
		if (!proof_wait(fd) || recv(fd, data, sizeof data, 0) != EACH ||
		    memcmp(data, expected + (size_t)i * EACH, EACH))
			return false;
	return true;
}

/* Until something comes through: the address is new. */
static bool wait_receiving(struct proof_stage *stage, int fd)
{
	uint8_t data[EACH];

	for (unsigned int i = 0; i < RETRIES; i++) {
		size_t size = build_udp(stage, stage->packets[0], (const uint8_t *)"?", 1);

		(void)tun_device_write(stage->device, stage->packets[0], size);
		if (recv(fd, data, sizeof data, 0) == 1) {
			while (recv(fd, data, sizeof data, 0) >= 0)
				;
			return true;
		}
		usleep(RETRY_MSEC * 1000);
	}
	return false;
}

struct proof_result proof_udp(struct proof_stage *stage, bool offload)
{
	struct proof_result result = {};
	cleanup(close_fdp) int fd = -1;
	uint8_t sent[SIZE], back[SIZE];
	size_t size = 0;

	proof_fill(sent, sizeof sent, 2 + offload);
	proof_fill(back, sizeof back, 6 + offload);
	set_offloads(stage, offload);
	fd = open_socket(stage, SOCK_DGRAM);
	if (fd < 0)
		return result;
	result.out = send_datagrams(fd, offload, sent) && take_datagrams(stage, sent);
	if (!wait_receiving(stage, fd))
		return result;
	for (unsigned int i = 0; i < N; i++)
		size = build_udp(stage, stage->packets[i], back + (size_t)i * EACH, EACH);
	put_packets(stage, size);
	result.in = receive_datagrams(fd, back);
	return result;
}
