/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/link-watch.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

struct link_watch {
	const char *name;
	link_watch_callback callback;
	void *userdata;
	int fd;
	struct loop_io *io;
	unsigned int index;
};

/* An event only says "look again", so none is read, and it does not matter if some were lost. */
static void on_readable(void *userdata, int status, int events)
{
	struct link_watch *watch = userdata;
	unsigned int index;
	char data[64];

	while (recv(watch->fd, data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC) >= 0 ||
	       errno == ENOBUFS || errno == EINTR)
		;
	index = if_nametoindex(watch->name);
	if (index == watch->index)
		return;
	watch->index = index;
	watch->callback(watch->userdata, index);
}

int link_watch_new(struct loop *loop, const char *name, link_watch_callback callback,
		   void *userdata, struct link_watch **ret)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	cleanup(link_watch_freep) struct link_watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return -ENOMEM;
	watch->name = name;
	watch->callback = callback;
	watch->userdata = userdata;
	watch->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (watch->fd < 0)
		return -errno;
	if (bind(watch->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	r = loop_io_new(loop, watch->fd, UV_READABLE, on_readable, watch, &watch->io);
	if (r < 0)
		return r;
	/* After the events are on, so that none falls between. */
	watch->index = if_nametoindex(name);
	*ret = steal_ptr(watch);
	return 0;
}

struct link_watch *link_watch_free(struct link_watch *watch)
{
	if (!watch)
		return NULL;
	loop_io_free(watch->io);
	close_fd(watch->fd);
	free(watch);
	return NULL;
}

unsigned int link_watch_index(const struct link_watch *watch)
{
	return watch->index;
}
