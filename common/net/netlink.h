/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Requests to the kernel by netlink, and its answers. The kernel works on a request within the
 * system call that sends it, and has put the answer into the socket's queue when that returns; of a
 * longer list it writes the next piece whenever one is read. So nothing is waited for here, which
 * might be for ever: on a full socket the kernel drops the answer.
 */
#include <libmnl/libmnl.h>
#include <stdint.h>

struct netlink {
	struct mnl_socket *socket;
	uint32_t sequence; /* of the last request */
};

/* Called for each message of the answer but its last one. */
typedef void (*netlink_answer)(void *userdata, const struct nlmsghdr *message);

/* A socket of NETLINK_ROUTE, NETLINK_XFRM and so on. 0 or a negative errno. */
int netlink_open(struct netlink *netlink, int protocol);
/* Also of one that is all zeros. */
void netlink_close(struct netlink *netlink);
/* For options and memberships; -1 when it is not open. */
int netlink_fd(const struct netlink *netlink);

/* The header of a request in `buffer`, aligned as the kernel wants it. NLM_F_REQUEST is set, and
 * NLM_F_ACK unless `flags` ask for a list. */
static inline struct nlmsghdr *netlink_request(void *buffer, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	if ((flags & NLM_F_DUMP) != NLM_F_DUMP)
		request->nlmsg_flags |= NLM_F_ACK;
	return request;
}

/* Sends the request and reads all that is said about it; `on_answer` may be NULL. What was left in
 * the socket before is dropped, and so is what others caused. The request is wiped, for it may hold
 * keys. 0 or a negative errno: the kernel's; -EINTR when something changed while a list was
 * written, of which the rest came nevertheless; -ENOBUFS when the answer was lost. */
int netlink_ask(struct netlink *netlink, struct nlmsghdr *request, netlink_answer on_answer,
		void *userdata);
