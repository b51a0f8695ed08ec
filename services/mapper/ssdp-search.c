/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/ssdp-search.h"

#include <arpa/inet.h>
#include <sys/socket.h>

/* UPnP Device Architecture 1.1 §1.1.2. */
#define TTL         2
#define BATCH_LIMIT 32
/* What waits to be read: a flood costs no more memory than this. */
#define BUFFER_SIZE 65536

enum { ASKING, HEARING, SOCKETS };

struct ssdp_socket {
	struct ssdp_search *search;
	struct loop_io *io;
	int fd;
};

struct ssdp_search {
	struct ssdp_search_place place;
	ssdp_search_callback callback;
	void *userdata;
	struct ssdp_socket sockets[SOCKETS];
	bool receiving, freed;
};

static void destroy(struct ssdp_search *search)
{
	for (size_t i = 0; i < SOCKETS; i++) {
		loop_io_free(search->sockets[i].io);
		close_fd(search->sockets[i].fd);
	}
	free(search);
}

static bool receive_one(struct ssdp_socket *ssdp)
{
	struct ssdp_search *search = ssdp->search;
	struct sockaddr_in source = {};
	socklen_t length = sizeof source;
	struct ssdp_message message;
	char octets[SSDP_SIZE_MAX];
	ssize_t size = recvfrom(ssdp->fd, octets, sizeof octets, MSG_DONTWAIT | MSG_TRUNC,
				(struct sockaddr *)&source, &length);
	int r;

	if (size < 0)
		/* An ICMP message to one of our searches is as good as no answer. */
		return errno != EAGAIN && errno != EWOULDBLOCK;
	/* Everybody on the network talks here all the time; who is not the gateway is counted, and
	 * only for answers to our own search. */
	if (source.sin_addr.s_addr != search->place.gateway.s_addr) {
		static const struct ssdp_message foreign;

		if (ssdp == &search->sockets[ASKING])
			search->callback(search->userdata, source.sin_addr, &foreign);
		return true;
	}
	r = size > (ssize_t)sizeof octets ? -EBADMSG : ssdp_parse(octets, size, &message);
	if (r != -EINVAL)
		search->callback(search->userdata, source.sin_addr, r < 0 ? NULL : &message);
	return true;
}

static void on_readable(void *userdata, int status, int events)
{
	struct ssdp_socket *ssdp = userdata;
	struct ssdp_search *search = ssdp->search;

	search->receiving = true;
	for (int i = 0; i < BATCH_LIMIT && !search->freed && receive_one(ssdp); i++)
		;
	search->receiving = false;
	if (search->freed)
		destroy(search);
}

static int bind_asking(struct ssdp_search *search, int fd)
{
	const struct sockaddr_in local = { .sin_family = AF_INET, .sin_addr = search->place.local };
	const struct ip_mreqn out = { .imr_address = search->place.local,
				      .imr_ifindex = search->place.link };
	const int ttl = TTL, off = 0;

	if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof out) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof off) < 0 ||
	    bind(fd, (const struct sockaddr *)&local, sizeof local) < 0)
		return -errno;
	return 0;
}

/* Bound to the group, so that nothing sent to this host alone comes here. */
static int bind_hearing(struct ssdp_search *search, int fd)
{
	const struct sockaddr_in group = { .sin_family = AF_INET,
					   .sin_addr.s_addr = htonl(SSDP_GROUP),
					   .sin_port = htons(SSDP_PORT) };
	const struct ip_mreqn membership = { .imr_multiaddr = group.sin_addr,
					     .imr_address = search->place.local,
					     .imr_ifindex = search->place.link };
	const int on = 1, off = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof off) < 0 ||
	    bind(fd, (const struct sockaddr *)&group, sizeof group) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof membership) < 0)
		return -errno;
	return 0;
}

static int open_socket(struct loop *loop, struct ssdp_search *search, size_t which)
{
	struct ssdp_socket *ssdp = &search->sockets[which];
	const int size = BUFFER_SIZE;
	int r;

	ssdp->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ssdp->fd < 0 || setsockopt(ssdp->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) < 0)
		return -errno;
	r = which == ASKING ? bind_asking(search, ssdp->fd) : bind_hearing(search, ssdp->fd);
	return r < 0 ? r : loop_io_new(loop, ssdp->fd, UV_READABLE, on_readable, ssdp, &ssdp->io);
}

int ssdp_search_new(struct loop *loop, const struct ssdp_search_place *place,
		    ssdp_search_callback callback, void *userdata, struct ssdp_search **ret)
{
	struct ssdp_search *search = calloc(1, sizeof *search);
	int r;

	if (!search)
		return -ENOMEM;
	search->place = *place;
	search->callback = callback;
	search->userdata = userdata;
	for (size_t i = 0; i < SOCKETS; i++)
		search->sockets[i] = (struct ssdp_socket){ .search = search, .fd = -1 };
	r = open_socket(loop, search, ASKING);
	if (r < 0) {
		destroy(search);
		return r;
	}
	if (open_socket(loop, search, HEARING) < 0)
		search->sockets[HEARING].fd = close_fd(search->sockets[HEARING].fd);
	*ret = search;
	return 0;
}

struct ssdp_search *ssdp_search_free(struct ssdp_search *search)
{
	if (!search)
		return NULL;
	if (search->receiving)
		search->freed = true;
	else
		destroy(search);
	return NULL;
}

int ssdp_search_send(struct ssdp_search *search, enum ssdp_target target, bool unicast)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
					.sin_port = htons(SSDP_PORT),
					.sin_addr.s_addr = unicast ? search->place.gateway.s_addr
								   : htonl(SSDP_GROUP) };
	char text[512];
	size_t size = ssdp_build_search(target, unicast ? &search->place.gateway : NULL, text,
					sizeof text);

	if (sendto(search->sockets[ASKING].fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL,
		   (const struct sockaddr *)&to, sizeof to) < 0)
		return -errno;
	return 0;
}
