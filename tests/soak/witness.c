/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks at every frame of many interfaces in many network namespaces, and remembers every ESP
 * packet:
 *
 *   witness [-n HEX]... NAME:PID:INTERFACE[:sender]...
 *
 * -n: octets that must be nowhere. PID: of a process in the namespace. sender: the host itself is
 * behind this interface, and what goes out there was made by it. Each octet string that leaves a
 * sender must be there once: no pair of SPI and sequence number, and no pair of SPI and
 * initialisation vector, twice. What any other interface sees must be what a sender sent: there it
 * may be lost, doubled or late, but not another one.
 *
 * It looks until its input ends, says what is wrong, a line each, and then what it saw. The exit
 * status is 0 when nothing was wrong.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_SIZE 70000
#define PLACES     32
#define NEEDLES    16
#define BUFFER     (128 << 20)
#define ROUNDS     64
#define PROBLEMS   40  /* that are printed */
#define DESCRIBED  120 /* octets of a frame */

#define ETHERNET_HEADER  14
#define IP_PROTOCOL_IGMP 2
#define IP_PROTOCOL_TCP  6
#define IP_PROTOCOL_UDP  17

enum kind { ESP, IKE, KEEPALIVE, DNS, TLS, STUN, LAN, ARP, ICMP, NEIGHBOUR, FRAGMENT, N_KINDS };

static const char *const kind_words[] = {
	[ESP] = "esp",      [IKE] = "ike",           [KEEPALIVE] = "keepalive",
	[DNS] = "dns",      [TLS] = "tls",           [STUN] = "stun",
	[LAN] = "lan",      [ARP] = "arp",           [ICMP] = "icmp",
	[NEIGHBOUR] = "nd", [FRAGMENT] = "fragment",
};

struct place {
	char name[40];
	int fd;
	bool sender;
};

struct packet {
	uint32_t spi, sequence;
	uint64_t iv, hash;
	uint32_t place; /* of its sender, counted from 1; 0: not seen there yet */
	uint32_t seen_at;
	char *octets; /* how it begins, until its sender is known */
};

struct vector {
	uint32_t spi, used;
	uint64_t iv;
};

/* Open addressing; grows to keep a third of it free. */
struct witness {
	struct place places[PLACES];
	unsigned int n_places;
	uint8_t needles[NEEDLES][64];
	size_t needle_sizes[NEEDLES];
	unsigned int n_needles;
	struct packet *packets;
	struct vector *vectors;
	size_t n_slots, n_packets, n_sent;
	uint64_t n_kinds[N_KINDS], n_frames;
	unsigned int n_problems;
};

__attribute__((format(printf, 2, 3))) static void complain(struct witness *witness,
							   const char *format, ...)
{
	va_list arguments;

	if (witness->n_problems++ >= PROBLEMS)
		return;
	printf("wrong: ");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	fflush(stdout);
}

static uint16_t get_u16(const uint8_t *octets)
{
	return octets[0] << 8 | octets[1];
}

static uint32_t get_u32(const uint8_t *octets)
{
	return (uint32_t)get_u16(octets) << 16 | get_u16(octets + 2);
}

static uint64_t get_u64(const uint8_t *octets)
{
	return (uint64_t)get_u32(octets) << 32 | get_u32(octets + 4);
}

static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Not against an adversary: a packet that was changed on its way has another one. */
static uint64_t hash_octets(const uint8_t *octets, size_t size)
{
	uint64_t hash = size, last = 0;

	for (; size >= 8; size -= 8, octets += 8) {
		memcpy(&last, octets, 8);
		hash = mix(hash ^ last) + UINT64_C(0x9e3779b97f4a7c15);
	}
	last = 0;
	memcpy(&last, octets, size);
	return mix(hash ^ last);
}

static struct packet *find_packet(struct witness *witness, uint32_t spi, uint32_t sequence)
{
	size_t i = mix((uint64_t)spi << 32 | sequence) & (witness->n_slots - 1);

	while (witness->packets[i].spi &&
	       (witness->packets[i].spi != spi || witness->packets[i].sequence != sequence))
		i = (i + 1) & (witness->n_slots - 1);
	return &witness->packets[i];
}

static struct vector *find_vector(struct witness *witness, uint32_t spi, uint64_t iv)
{
	size_t i = mix(iv ^ mix(spi)) & (witness->n_slots - 1);

	while (witness->vectors[i].used &&
	       (witness->vectors[i].spi != spi || witness->vectors[i].iv != iv))
		i = (i + 1) & (witness->n_slots - 1);
	return &witness->vectors[i];
}

static void grow(struct witness *witness)
{
	struct packet *packets = witness->packets;
	struct vector *vectors = witness->vectors;
	size_t n = witness->n_slots;

	if (witness->n_packets * 3 < n * 2)
		return;
	witness->n_slots = n ? 2 * n : 1 << 16;
	witness->packets = calloc(witness->n_slots, sizeof *packets);
	witness->vectors = calloc(witness->n_slots, sizeof *vectors);
	if (!witness->packets || !witness->vectors)
		abort();
	for (size_t i = 0; i < n; i++) {
		if (packets[i].spi)
			*find_packet(witness, packets[i].spi, packets[i].sequence) = packets[i];
		if (vectors[i].used)
			*find_vector(witness, vectors[i].spi, vectors[i].iv) = vectors[i];
	}
	free(packets);
	free(vectors);
}

static void note_sender(struct witness *witness, struct packet *packet, uint32_t place)
{
	struct vector *vector;

	if (packet->place) {
		complain(witness, "SPI %08x number %u went out twice, at %s and at %s", packet->spi,
			 packet->sequence, witness->places[packet->place - 1].name,
			 witness->places[place].name);
		return;
	}
	packet->place = place + 1;
	free(packet->octets);
	packet->octets = NULL;
	witness->n_sent++;
	vector = find_vector(witness, packet->spi, packet->iv);
	if (vector->used)
		complain(witness, "SPI %08x initialisation vector %016llx went out twice, at %s",
			 packet->spi, (unsigned long long)packet->iv, witness->places[place].name);
	*vector = (struct vector){ .spi = packet->spi, .used = 1, .iv = packet->iv };
}

static char *describe(const uint8_t *octets, size_t size)
{
	char *digits = calloc(1, 2 * DESCRIBED + 1);

	for (size_t i = 0; digits && i < size && i < DESCRIBED; i++)
		snprintf(digits + 2 * i, 3, "%02x", octets[i]);
	return digits;
}

/* `esp` is behind Ethernet's, IPv4's and UDP's headers. `whole`: no fragment, which has another
 * hash.
 */
static void note_esp(struct witness *witness, uint32_t place, bool sent, const uint8_t *esp,
		     size_t size, bool whole)
{
	uint32_t spi = get_u32(esp), sequence = get_u32(esp + 4);
	uint64_t iv = get_u64(esp + 8), hash = whole ? hash_octets(esp, size) : 0;
	struct packet *packet;

	witness->n_kinds[ESP]++;
	grow(witness);
	packet = find_packet(witness, spi, sequence);
	if (!packet->spi) {
		*packet = (struct packet){
			.spi = spi, .sequence = sequence, .iv = iv, .hash = hash, .seen_at = place
		};
		if (!sent)
			packet->octets = describe(esp - 28, size + 28);
		witness->n_packets++;
	}
	if (!packet->hash)
		packet->hash = hash;
	if (packet->iv != iv || (hash && packet->hash != hash))
		complain(witness, "SPI %08x number %u is another packet at %s than at %s", spi,
			 sequence, witness->places[place].name,
			 witness->places[packet->place ? packet->place - 1 : packet->seen_at].name);
	if (sent)
		note_sender(witness, packet, place);
}

/* A datagram of the tunnel's. Returns what it is, or N_KINDS. */
static enum kind classify_datagram(const uint8_t *data, size_t size)
{
	if (size == 1 && data[0] == 0xff)
		return KEEPALIVE;
	if (size >= 32 && !get_u32(data) && data[4 + 17] == 0x20)
		return IKE;
	if (size >= 8 + 8 + 16 && get_u32(data) >= 256)
		return ESP;
	return N_KINDS;
}

static bool is_private(const uint8_t *address)
{
	return address[0] == 192 && address[1] == 168;
}

static bool is_port(const uint8_t *ports, uint16_t port)
{
	return get_u16(ports) == port || get_u16(ports + 2) == port;
}

/* N_KINDS: nothing that may be here. */
static enum kind look_at_udp(struct witness *witness, uint32_t place, bool sent, const uint8_t *udp,
			     size_t left, size_t each, bool whole)
{
	size_t size = whole ? (size_t)get_u16(udp + 4) : left;
	const uint8_t *data = udp + 8;
	enum kind kind = N_KINDS;

	if (is_port(udp, 53) || is_port(udp, 5352))
		return DNS;
	if (left < 8 || (whole && (size < 8 || size > left)))
		return N_KINDS;
	size -= 8;
	if (is_port(udp, 3478) && size >= 20 && get_u32(data + 4) == 0x2112a442)
		return STUN;
	/* The kernel cuts a super-packet so (UDP_SEGMENT). */
	for (size_t n; size; data += n, size -= n) {
		n = each && each < size ? each : size;
		kind = classify_datagram(data, n);
		if (kind == N_KINDS)
			return kind;
		if (kind == ESP)
			note_esp(witness, place, sent, data, n, whole);
		else
			witness->n_kinds[kind]++;
	}
	return ESP;
}

static enum kind look_at_ip(struct witness *witness, uint32_t place, bool sent, const uint8_t *ip,
			    size_t left, size_t each)
{
	size_t header = (ip[0] & 15) * 4, fragment = get_u16(ip + 6);
	bool lan = is_private(ip + 12) &&
		   (is_private(ip + 16) || (ip[16] & 0xf0) == 0xe0 || ip[16] == 255);

	/* Of any size. */
	if (fragment & 0x1fff)
		return FRAGMENT;
	if (left < header + 8)
		return N_KINDS;
	/* Of groups tells also who has no address yet. */
	if (lan || ip[9] == IP_PROTOCOL_IGMP)
		return LAN;
	/* While a router puts fragments together and takes them apart again, it writes new headers
	 * into the memory that we look at. */
	if (fragment & 0x2000 && !sent)
		return FRAGMENT;
	if (ip[9] == IP_PROTOCOL_UDP)
		return look_at_udp(witness, place, sent, ip + header, left - header, each,
				   !(fragment & 0x2000));
	if (ip[9] == 1)
		return ICMP;
	if (ip[9] == IP_PROTOCOL_TCP && is_port(ip + header, 853))
		return TLS;
	return N_KINDS;
}

static void look_for_needles(struct witness *witness, uint32_t place, const uint8_t *frame,
			     size_t size)
{
	for (unsigned int i = 0; i < witness->n_needles; i++)
		if (memmem(frame, size, witness->needles[i], witness->needle_sizes[i]))
			complain(witness, "secret %u is in clear at %s in a frame of %zu octets", i,
				 witness->places[place].name, size);
}

static void look_at_frame(struct witness *witness, uint32_t place, bool sent, const uint8_t *frame,
			  size_t size, size_t each)
{
	enum kind kind = N_KINDS;
	uint16_t type;

	witness->n_frames++;
	if (size < ETHERNET_HEADER + 20)
		return;
	look_for_needles(witness, place, frame, size);
	type = get_u16(frame + 12);
	if (type == ETH_P_IP)
		kind = look_at_ip(witness, place, sent, frame + ETHERNET_HEADER,
				  size - ETHERNET_HEADER, each);
	else if (type == ETH_P_ARP)
		kind = ARP;
	else if (type == ETH_P_IPV6 && (frame[20] == 0 || frame[20] == 58))
		kind = NEIGHBOUR;
	if (kind == N_KINDS) {
		char *octets = describe(frame, size);

		complain(witness, "not expected at %s: %s", witness->places[place].name, octets);
		free(octets);
	} else if (kind != ESP) {
		witness->n_kinds[kind]++;
	}
}

/* False when there is nothing to read. */
static bool read_frame(struct witness *witness, uint32_t place)
{
	static uint8_t frame[FRAME_SIZE];
	struct virtio_net_hdr header;
	struct sockaddr_ll source;
	socklen_t source_size = sizeof source;
	ssize_t n = recvfrom(witness->places[place].fd, frame, sizeof frame, MSG_DONTWAIT,
			     (struct sockaddr *)&source, &source_size);

	/* An interface that goes down says so once. */
	if (n < 0 && errno == ENETDOWN)
		return true;
	if (n < 0 && errno != EAGAIN)
		complain(witness, "%s: %s", witness->places[place].name, strerror(errno));
	if (n < (ssize_t)sizeof header)
		return false;
	memcpy(&header, frame, sizeof header);
	look_at_frame(witness, place,
		      witness->places[place].sender && source.sll_pkttype == PACKET_OUTGOING,
		      frame + sizeof header, n - sizeof header,
		      header.gso_type ? header.gso_size : 0);
	return true;
}

static void open_place(struct witness *witness, char *words)
{
	struct place *place = &witness->places[witness->n_places];
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	char *name = strtok(words, ":"), *pid = strtok(NULL, ":"), *interface = strtok(NULL, ":");
	int size = BUFFER, one = 1, space;
	char path[60];

	if (!interface || witness->n_places == PLACES)
		exit(2);
	snprintf(place->name, sizeof place->name, "%s %s", name, interface);
	place->sender = strtok(NULL, ":") != NULL;
	snprintf(path, sizeof path, "/proc/%s/ns/net", pid);
	space = open(path, O_RDONLY | O_CLOEXEC);
	if (space < 0 || setns(space, CLONE_NEWNET) < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	close(space);
	place->fd = socket(AF_PACKET, SOCK_RAW, 0);
	address.sll_ifindex = if_nametoindex(interface);
	if (place->fd < 0 || !address.sll_ifindex ||
	    setsockopt(place->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0 ||
	    setsockopt(place->fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) < 0 ||
	    bind(place->fd, (struct sockaddr *)&address, sizeof address) < 0) {
		fprintf(stderr, "%s: %s\n", place->name, strerror(errno));
		exit(1);
	}
	witness->n_places++;
}

static void add_needle(struct witness *witness, const char *digits)
{
	size_t n = strlen(digits) / 2;
	unsigned int octet;

	if (!n || n > sizeof *witness->needles || witness->n_needles == NEEDLES)
		exit(2);
	for (size_t i = 0; i < n; i++) {
		if (sscanf(digits + 2 * i, "%2x", &octet) != 1)
			exit(2);
		witness->needles[witness->n_needles][i] = octet;
	}
	witness->needle_sizes[witness->n_needles++] = n;
}

static void judge(struct witness *witness)
{
	struct tpacket_stats stats;
	socklen_t size;

	for (unsigned int i = 0; i < witness->n_places; i++) {
		size = sizeof stats;
		if (getsockopt(witness->places[i].fd, SOL_PACKET, PACKET_STATISTICS, &stats,
			       &size) < 0 ||
		    stats.tp_drops)
			complain(witness, "%u frames were not seen at %s", stats.tp_drops,
				 witness->places[i].name);
	}
	for (size_t i = 0; i < witness->n_slots; i++)
		if (witness->packets[i].spi && !witness->packets[i].place)
			complain(witness, "SPI %08x number %u at %s was sent by nobody: %s",
				 witness->packets[i].spi, witness->packets[i].sequence,
				 witness->places[witness->packets[i].seen_at].name,
				 witness->packets[i].octets);
	printf("saw: %llu frames, %zu ESP packets sent, each once",
	       (unsigned long long)witness->n_frames, witness->n_sent);
	for (unsigned int kind = 0; kind < N_KINDS; kind++)
		printf(", %llu %s", (unsigned long long)witness->n_kinds[kind], kind_words[kind]);
	printf("\n%u wrong\n", witness->n_problems);
}

int main(int argc, char **argv)
{
	static struct witness witness;
	struct pollfd polled[PLACES + 1] = {};
	int option;

	while ((option = getopt(argc, argv, "n:")) == 'n')
		add_needle(&witness, optarg);
	if (option != -1 || optind == argc)
		return 2;
	for (int i = optind; i < argc; i++)
		open_place(&witness, argv[i]);
	grow(&witness);
	for (unsigned int i = 0; i < witness.n_places; i++)
		polled[i] = (struct pollfd){ .fd = witness.places[i].fd, .events = POLLIN };
	polled[witness.n_places] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	printf("ready\n");
	fflush(stdout);
	for (bool end = false, more; !end || more;) {
		more = false;
		if (poll(polled, witness.n_places + !end, end ? 0 : -1) < 0 && errno != EINTR)
			return 1;
		end = end || polled[witness.n_places].revents;
		for (unsigned int i = 0; i < witness.n_places; i++)
			for (unsigned int n = 0; n < ROUNDS && read_frame(&witness, i); n++)
				more = true;
	}
	judge(&witness);
	return witness.n_problems ? 1 : 0;
}
