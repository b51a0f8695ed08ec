/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/announcement-listener.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH_LIMIT 32

struct announcement_listener {
	struct loop_io *io;
	int fd;
	announcement_callback callback;
	void *userdata;
};

static int arrival_link(struct msghdr *message)
{
	for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control;
	     control = CMSG_NXTHDR(message, control)) {
		struct in_pktinfo info;

		if (control->cmsg_level != IPPROTO_IP || control->cmsg_type != IP_PKTINFO)
			continue;
		memcpy(&info, CMSG_DATA(control), sizeof info);
		return info.ipi_ifindex;
	}
	return 0;
}

/* RFC 6887 §14.1.3; RFC 6886 §3.2.1 names no port. */
static bool is_from_server(const struct announcement *announcement,
			   const struct sockaddr_in *source)
{
	switch (announcement->kind) {
	case ANNOUNCEMENT_ADDRESS:
		return true;
	case ANNOUNCEMENT_RESTART:
		return source->sin_port == htons(GATEWAY_PORT);
	}
	return false;
}

static bool receive_one(struct announcement_listener *listener)
{
	uint8_t octets[1100]; /* the longest PCP message (RFC 6887 §7) */
	char control[CMSG_SPACE(sizeof(struct in_pktinfo))]
		__attribute__((aligned(_Alignof(struct cmsghdr))));
	struct sockaddr_in source = {};
	struct iovec piece = { octets, sizeof octets };
	struct msghdr message = { .msg_name = &source,
				  .msg_namelen = sizeof source,
				  .msg_iov = &piece,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof control };
	struct announcement announcement;
	ssize_t size = recvmsg(listener->fd, &message, MSG_DONTWAIT);
	bool good;

	if (size < 0)
		return errno != EAGAIN && errno != EWOULDBLOCK;
	good = !(message.msg_flags & MSG_TRUNC) &&
	       announcement_parse(octets, size, &announcement) >= 0 &&
	       is_from_server(&announcement, &source);
	listener->callback(listener->userdata, source.sin_addr, arrival_link(&message),
			   good ? &announcement : NULL);
	return true;
}

static void on_readable(void *userdata, int status, int events)
{
	for (int i = 0; i < BATCH_LIMIT && receive_one(userdata); i++)
		;
}

int announcement_listener_new(struct loop *loop, announcement_callback callback, void *userdata,
			      struct announcement_listener **ret)
{
	/* The group's address and not any: else a neighbour's unicast reached us, too, and on one
	 * machine a client's and a gateway's port would be in each other's way (RFC 6886 §3.2.1).
	 */
	const struct sockaddr_in group = { .sin_family = AF_INET,
					   .sin_port = htons(ANNOUNCEMENT_PORT),
					   .sin_addr.s_addr = htonl(INADDR_ALLHOSTS_GROUP) };
	cleanup(announcement_listener_freep) struct announcement_listener *listener =
		calloc(1, sizeof *listener);
	const int on = 1;
	int r;

	if (!listener)
		return -ENOMEM;
	listener->callback = callback;
	listener->userdata = userdata;
	listener->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0 ||
	    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    setsockopt(listener->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) < 0 ||
	    bind(listener->fd, (const struct sockaddr *)&group, sizeof group) < 0)
		return -errno;
	r = loop_io_new(loop, listener->fd, UV_READABLE, on_readable, listener, &listener->io);
	if (r < 0)
		return r;
	*ret = steal_ptr(listener);
	return 0;
}

struct announcement_listener *announcement_listener_free(struct announcement_listener *listener)
{
	if (!listener)
		return NULL;
	loop_io_free(listener->io);
	close_fd(listener->fd);
	free(listener);
	return NULL;
}
