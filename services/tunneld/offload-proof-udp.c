/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/offload-proof-internal.h"

#include "common/base/cleanup.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define EACH 700
#define SIZE (9 * EACH + 123)

static int open_socket(void)
{
	struct sockaddr_in local = { .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&local, sizeof local) < 0)
		close_fd(steal_fd(&fd));
	return fd;
}

static bool connect_to(int fd, int other)
{
	struct sockaddr_in address;
	socklen_t size = sizeof address;

	return getsockname(other, (struct sockaddr *)&address, &size) >= 0 &&
	       connect(fd, (struct sockaddr *)&address, size) >= 0;
}

static bool send_segmented(int fd, const uint8_t *data)
{
	union {
		char octets[CMSG_SPACE(sizeof(uint16_t))];
		struct cmsghdr header;
	} control = {};
	struct iovec part = { (void *)data, SIZE };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof control };
	uint16_t each = EACH;

	control.header.cmsg_level = IPPROTO_UDP;
	control.header.cmsg_type = UDP_SEGMENT;
	control.header.cmsg_len = CMSG_LEN(sizeof each);
	memcpy(CMSG_DATA(&control.header), &each, sizeof each);
	return sendmsg(fd, &message, 0) == SIZE;
}

static bool send_apart(int fd, const uint8_t *data)
{
	for (size_t i = 0; i < SIZE; i += EACH) {
		size_t size = SIZE - i < EACH ? SIZE - i : EACH;

		if (send(fd, data + i, size, 0) != (ssize_t)size)
			return false;
	}
	return true;
}

/* One message of the kernel's: its size, and that of the datagrams in it. */
static ssize_t receive(int fd, uint8_t *data, size_t capacity, size_t *ret_each)
{
	union {
		char octets[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = {};
	struct iovec part = { data, capacity };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof control };
	ssize_t n = proof_wait(fd) ? recvmsg(fd, &message, 0) : -1;
	int each = n;

	for (struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL; header;
	     header = CMSG_NXTHDR(&message, header))
		if (header->cmsg_level == IPPROTO_UDP && header->cmsg_type == UDP_GRO)
			memcpy(&each, CMSG_DATA(header), sizeof each);
	*ret_each = each;
	return n;
}

static bool receive_all(int fd, const uint8_t *expected)
{
	uint8_t data[SIZE + 1];
	size_t position = 0;

	while (position < SIZE) {
		size_t each, left = SIZE - position;
		ssize_t n = receive(fd, data, sizeof data, &each);

		/* Each datagram whole, and none of another size. */
		if (n <= 0 || (size_t)n > left || memcmp(data, expected + position, n) ||
		    (n > EACH && each != EACH) || (n < EACH && (size_t)n != left) ||
		    (n % EACH && (size_t)n != left))
			return false;
		position += n;
	}
	return true;
}

bool proof_datagrams(bool segment, bool gro)
{
	cleanup(close_fdp) int here = open_socket();
	cleanup(close_fdp) int there = open_socket();
	uint8_t data[SIZE];
	int on = 1;

	proof_fill(data, sizeof data, segment + 2 * gro);
	if (here < 0 || there < 0 || !connect_to(here, there) || !connect_to(there, here))
		return false;
	/* A kernel that does not know it gives each datagram alone, which is right, too. */
	if (gro)
		(void)setsockopt(there, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
	if (!(segment ? send_segmented : send_apart)(here, data))
		return false;
	return receive_all(there, data);
}
