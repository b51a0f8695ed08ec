/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A kernel whose offloads give wrong packets: preloaded into tunneld, changes an octet of what goes
 * the way that the environment's BREAK names, and of nothing else.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define GSO_UDP_L4  5
#define UDP_SEGMENT 103
#define UDP_GRO     104

static bool breaks(const char *what)
{
	const char *wanted = getenv("BREAK");

	return wanted && !strcmp(wanted, what);
}

/* The kind of super-packet that this header of a TUN device announces. */
static const char *kind(const void *data, size_t size, const char *tcp)
{
	const struct virtio_net_hdr *header = data;

	if (size != sizeof *header && size < 100)
		return "";
	switch (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return tcp;
	case GSO_UDP_L4:
		return "uso";
	default:
		return "";
	}
}

ssize_t read(int fd, void *data, size_t size)
{
	static ssize_t (*real)(int, void *, size_t);
	ssize_t n;

	if (!real)
		real = dlsym(RTLD_NEXT, "read");
	n = real(fd, data, size);
	/* Only the device is read in such sizes. */
	if (n > 1000 && size > 65000 && breaks(kind(data, n, "tso")))
		((char *)data)[n - 1] ^= 1;
	return n;
}

ssize_t writev(int fd, const struct iovec *parts, int n_parts)
{
	static ssize_t (*real)(int, const struct iovec *, int);
	ssize_t n;
	bool broken = n_parts > 2 && breaks(kind(parts[0].iov_base, parts[0].iov_len, "coalesce"));
	char *last = parts[n_parts - 1].iov_base;
	size_t size = parts[n_parts - 1].iov_len;

	if (!real)
		real = dlsym(RTLD_NEXT, "writev");
	if (broken)
		last[size - 1] ^= 1;
	n = real(fd, parts, n_parts);
	if (broken)
		last[size - 1] ^= 1;
	return n;
}

static bool has_control(const struct msghdr *message, int type)
{
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
	     header = CMSG_NXTHDR((struct msghdr *)message, header))
		if (header->cmsg_level == IPPROTO_UDP && header->cmsg_type == type)
			return true;
	return false;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	static ssize_t (*real)(int, const struct msghdr *, int);
	bool broken = breaks("udp-segment") && has_control(message, UDP_SEGMENT);
	char *data = message->msg_iovlen ? message->msg_iov[0].iov_base : NULL;
	ssize_t n;

	if (!real)
		real = dlsym(RTLD_NEXT, "sendmsg");
	if (broken)
		data[1] ^= 1;
	n = real(fd, message, flags);
	if (broken)
		data[1] ^= 1;
	return n;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	static ssize_t (*real)(int, struct msghdr *, int);
	ssize_t n;

	if (!real)
		real = dlsym(RTLD_NEXT, "recvmsg");
	n = real(fd, message, flags);
	if (n > 0 && breaks("udp-gro") && has_control(message, UDP_GRO))
		((char *)message->msg_iov[0].iov_base)[n - 1] ^= 1;
	return n;
}
