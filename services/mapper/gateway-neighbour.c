/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/gateway-neighbour.h"

#include "common/base/log.h"

#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define BATCH_LIMIT 64
#define BUFFER_SIZE 8192
/* States in which the address of an entry holds. */
#define KNOWN_STATES (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

struct gateway_neighbour {
	struct mnl_socket *socket;
	struct loop_io *io;
	gateway_neighbour_callback callback;
	void *userdata;
	int link;
	struct in_addr address;
};

static void ask(struct gateway_neighbour *neighbour)
{
	char octets[64] __attribute__((aligned(NLMSG_ALIGNTO))) = {};
	struct nlmsghdr *header = mnl_nlmsg_put_header(octets);
	struct ndmsg *message;

	header->nlmsg_type = RTM_GETNEIGH;
	header->nlmsg_flags = NLM_F_REQUEST;
	message = mnl_nlmsg_put_extra_header(header, sizeof *message);
	message->ndm_family = AF_INET;
	message->ndm_ifindex = neighbour->link;
	mnl_attr_put_u32(header, NDA_DST, neighbour->address.s_addr);
	/* "There is none" comes as an error, which is passed over: there may be one later. */
	if (mnl_socket_sendto(neighbour->socket, header, header->nlmsg_len) < 0)
		log_debug("cannot ask the kernel for the gateway's MAC: %s", strerror(errno));
}

static void on_entry(struct gateway_neighbour *neighbour, const struct nlmsghdr *header)
{
	const struct ndmsg *message = mnl_nlmsg_get_payload(header);
	const struct nlattr *attribute, *mac = NULL;
	bool same = false;

	if (mnl_nlmsg_get_payload_len(header) < sizeof *message || message->ndm_family != AF_INET ||
	    message->ndm_ifindex != neighbour->link || !(message->ndm_state & KNOWN_STATES))
		return;
	mnl_attr_for_each (attribute, header, sizeof *message) {
		size_t size = mnl_attr_get_payload_len(attribute);

		if (mnl_attr_get_type(attribute) == NDA_DST)
			same = size == sizeof neighbour->address &&
			       !memcmp(mnl_attr_get_payload(attribute), &neighbour->address, size);
		else if (mnl_attr_get_type(attribute) == NDA_LLADDR)
			mac = attribute;
	}
	if (same && mac)
		neighbour->callback(neighbour->userdata, mnl_attr_get_payload(mac),
				    mnl_attr_get_payload_len(mac));
}

static void on_messages(struct gateway_neighbour *neighbour, const char *octets, int size)
{
	const struct nlmsghdr *header = (const struct nlmsghdr *)octets;

	for (; mnl_nlmsg_ok(header, size); header = mnl_nlmsg_next(header, &size))
		if (header->nlmsg_type == RTM_NEWNEIGH && neighbour->address.s_addr)
			on_entry(neighbour, header);
}

static void on_readable(void *userdata, int status, int events)
{
	char octets[BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct gateway_neighbour *neighbour = userdata;
	bool lost = false;

	for (int i = 0; i < BATCH_LIMIT; i++) {
		ssize_t size = mnl_socket_recvfrom(neighbour->socket, octets, sizeof octets);

		if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			break;
		if (size < 0)
			lost = true;
		else
			on_messages(neighbour, octets, size);
	}
	/* Among what was lost may have been ours. */
	if (lost && neighbour->address.s_addr)
		ask(neighbour);
}

int gateway_neighbour_new(struct loop *loop, gateway_neighbour_callback callback, void *userdata,
			  struct gateway_neighbour **ret)
{
	cleanup(gateway_neighbour_freep) struct gateway_neighbour *neighbour =
		calloc(1, sizeof *neighbour);
	int r;

	if (!neighbour)
		return -ENOMEM;
	neighbour->callback = callback;
	neighbour->userdata = userdata;
	neighbour->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!neighbour->socket ||
	    mnl_socket_bind(neighbour->socket, RTMGRP_NEIGH, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	r = loop_io_new(loop, mnl_socket_get_fd(neighbour->socket), UV_READABLE, on_readable,
			neighbour, &neighbour->io);
	if (r < 0)
		return r;
	*ret = steal_ptr(neighbour);
	return 0;
}

struct gateway_neighbour *gateway_neighbour_free(struct gateway_neighbour *neighbour)
{
	if (!neighbour)
		return NULL;
	loop_io_free(neighbour->io);
	if (neighbour->socket)
		mnl_socket_close(neighbour->socket);
	free(neighbour);
	return NULL;
}

void gateway_neighbour_watch(struct gateway_neighbour *neighbour, int link, struct in_addr address)
{
	neighbour->link = link;
	neighbour->address = address;
	if (link && address.s_addr)
		ask(neighbour);
}
