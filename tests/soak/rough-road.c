/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A road between two interfaces that loses, doubles and delays frames, for kernels without netem:
 *
 *   rough-road SEED ONE OTHER
 *
 * Each line on standard input says how rough it is from then on: three numbers, how many of a
 * thousand IPv4 frames are lost, doubled, and delayed by 1 to 20 ms so that others overtake them.
 * It ends with its input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_SIZE 70000 /* with the header of super-packets */
#define DELAYED    4096
#define DELAY_MSEC 20
/* Of the header that comes before each frame (PACKET_VNET_HDR), and where the Ethernet type is. */
#define OFFLOAD_HEADER_SIZE 10
#define TYPE_AT             (OFFLOAD_HEADER_SIZE + 12)
#define BUFFER              (16 << 20)

struct delayed {
	uint64_t due; /* 0: free */
	int fd;
	size_t size;
	uint8_t *frame;
};

struct road {
	int fds[2];
	unsigned int lost, doubled, delayed; /* of a thousand */
	uint64_t random;
	struct delayed waiting[DELAYED];
	unsigned int n_waiting;
};

static uint64_t now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * UINT64_C(1000) + now.tv_nsec / 1000000;
}

/* splitmix64 */
static unsigned int draw(struct road *road, unsigned int below)
{
	uint64_t z = road->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % below;
}

static int open_interface(const char *name)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), one = 1, size = BUFFER;

	address.sll_ifindex = if_nametoindex(name);
	if (fd < 0 || !address.sll_ifindex ||
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
		fprintf(stderr, "%s: %s\n", name, strerror(errno));
		exit(1);
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
	return fd;
}

/* What an interface that just went down does not take is lost, as on any road. */
static void send_frame(int fd, const uint8_t *frame, size_t size)
{
	if (write(fd, frame, size) < 0 && errno != ENETDOWN && errno != ENOBUFS && errno != ENXIO)
		fprintf(stderr, "frame of %zu octets: %s\n", size, strerror(errno));
}

static void delay_frame(struct road *road, int fd, const uint8_t *frame, size_t size)
{
	for (unsigned int i = 0; i < DELAYED; i++) {
		struct delayed *delayed = &road->waiting[i];

		if (delayed->due)
			continue;
		delayed->frame = malloc(size);
		if (!delayed->frame)
			break;
		memcpy(delayed->frame, frame, size);
		delayed->size = size;
		delayed->fd = fd;
		delayed->due = now_msec() + 1 + draw(road, DELAY_MSEC);
		road->n_waiting++;
		return;
	}
	send_frame(fd, frame, size);
}

/* Sends what is due. Returns the ms until the next, -1 for none. */
static int send_delayed(struct road *road)
{
	uint64_t now = now_msec(), next = UINT64_MAX;

	if (!road->n_waiting)
		return -1;
	for (unsigned int i = 0; i < DELAYED; i++) {
		struct delayed *delayed = &road->waiting[i];

		if (delayed->due && delayed->due <= now) {
			send_frame(delayed->fd, delayed->frame, delayed->size);
			free(delayed->frame);
			*delayed = (struct delayed){};
			road->n_waiting--;
		} else if (delayed->due && delayed->due < next) {
			next = delayed->due;
		}
	}
	return next == UINT64_MAX ? -1 : (int)(next - now);
}

static void carry(struct road *road, int from, int to)
{
	static uint8_t frame[FRAME_SIZE];
	struct sockaddr_ll source;
	socklen_t source_size = sizeof source;
	ssize_t n = recvfrom(from, frame, sizeof frame, MSG_DONTWAIT, (struct sockaddr *)&source,
			     &source_size);

	/* What is sent here is seen here, too. */
	if (n <= TYPE_AT + 2 || source.sll_pkttype == PACKET_OUTGOING)
		return;
	if (frame[TYPE_AT] != 0x08 || frame[TYPE_AT + 1] != 0x00) {
		send_frame(to, frame, n);
		return;
	}
	if (draw(road, 1000) < road->lost)
		return;
	if (draw(road, 1000) < road->doubled)
		delay_frame(road, to, frame, n);
	if (draw(road, 1000) < road->delayed)
		delay_frame(road, to, frame, n);
	else
		send_frame(to, frame, n);
}

static bool read_order(struct road *road)
{
	char line[100];
	ssize_t n = read(STDIN_FILENO, line, sizeof line - 1);

	if (n <= 0)
		return false;
	line[n] = '\0';
	if (!strncmp(line, "end", 3))
		return false;
	if (sscanf(line, "%u %u %u", &road->lost, &road->doubled, &road->delayed) != 3)
		fprintf(stderr, "not three numbers: %s\n", line);
	return true;
}

int main(int argc, char **argv)
{
	static struct road road;
	struct pollfd polled[3];

	if (argc != 4) {
		fprintf(stderr, "usage: rough-road SEED ONE OTHER\n");
		return 2;
	}
	road.random = strtoull(argv[1], NULL, 10);
	for (unsigned int i = 0; i < 2; i++) {
		road.fds[i] = open_interface(argv[2 + i]);
		polled[i] = (struct pollfd){ .fd = road.fds[i], .events = POLLIN };
	}
	polled[2] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		if (poll(polled, 3, send_delayed(&road)) < 0 && errno != EINTR)
			return 1;
		for (unsigned int i = 0; i < 2; i++)
			if (polled[i].revents)
				carry(&road, road.fds[i], road.fds[1 - i]);
		if (polled[2].revents && !read_order(&road))
			return 0;
	}
}
