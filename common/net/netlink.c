/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/net/netlink.h"

#include "common/base/cleanup.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#define BUFFER_SIZE 32768 /* the kernel writes no more of a list at once */
/* More messages than a full socket holds. */
#define STALE_MAX 16384

int netlink_open(struct netlink *netlink, int protocol)
{
	*netlink = (struct netlink){ mnl_socket_open2(protocol, SOCK_CLOEXEC) };
	if (!netlink->socket)
		return -errno;
	if (mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int r = -errno;

		netlink_close(netlink);
		return r;
	}
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	netlink->socket = NULL;
}

int netlink_fd(const struct netlink *netlink)
{
	return netlink->socket ? mnl_socket_get_fd(netlink->socket) : -1;
}

static ssize_t receive(const struct netlink *netlink, char *buffer)
{
	ssize_t n = recv(netlink_fd(netlink), buffer, BUFFER_SIZE, MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

/* Takes away what was said since the last request: there would be less room for the answer, and a
 * list that was not read to its end would be in the way of the next. */
static void drop_stale(const struct netlink *netlink, char *buffer)
{
	ssize_t n = 0;

	for (unsigned int i = 0; i < STALE_MAX && (n >= 0 || n == -ENOBUFS); i++) {
		n = receive(netlink, buffer);
		if (n > 0)
			explicit_bzero(buffer, n);
	}
}

struct answer {
	uint32_t sequence, port;
	netlink_answer on_answer;
	void *userdata;
	bool interrupted, done;
	int r;
};

/* An acknowledgement, or the end of a list: both say how it went. */
static void take_end(struct answer *answer, const struct nlmsghdr *message)
{
	int error = 0;

	if (mnl_nlmsg_get_payload_len(message) >= sizeof error)
		memcpy(&error, mnl_nlmsg_get_payload(message), sizeof error);
	answer->r = error < 0 ? error : answer->interrupted ? -EINTR : 0;
	answer->done = true;
}

/* What others caused may be between, with their port and any number. */
static void take_message(struct answer *answer, const struct nlmsghdr *message)
{
	if (message->nlmsg_seq != answer->sequence || message->nlmsg_pid != answer->port)
		return;
	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		answer->interrupted = true;
	if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE)
		take_end(answer, message);
	else if (answer->on_answer)
		answer->on_answer(answer->userdata, message);
}

static int read_answer(const struct netlink *netlink, char *buffer, struct answer *answer)
{
	while (!answer->done) {
		ssize_t n = receive(netlink, buffer);
		const struct nlmsghdr *message = (const void *)buffer;
		int left = n;

		/* Something was dropped: whether it was the answer, the rest of the queue shows. */
		if (n == -ENOBUFS || n == -EINTR)
			continue;
		if (n < 0)
			return n == -EAGAIN ? -ENOBUFS : n;
		for (; !answer->done && mnl_nlmsg_ok(message, left);
		     message = mnl_nlmsg_next(message, &left))
			take_message(answer, message);
		explicit_bzero(buffer, n);
	}
	return answer->r;
}

int netlink_ask(struct netlink *netlink, struct nlmsghdr *request, netlink_answer on_answer,
		void *userdata)
{
	cleanup(freep) char *buffer = malloc(BUFFER_SIZE);
	struct answer answer = { .sequence = ++netlink->sequence,
				 .port = mnl_socket_get_portid(netlink->socket),
				 .on_answer = on_answer,
				 .userdata = userdata };
	int r = 0;

	request->nlmsg_seq = answer.sequence;
	request->nlmsg_pid = answer.port;
	if (!buffer)
		r = -ENOMEM;
	else
		drop_stale(netlink, buffer);
	if (r >= 0 && mnl_socket_sendto(netlink->socket, request, request->nlmsg_len) < 0)
		r = -errno;
	explicit_bzero(request, request->nlmsg_len);
	return r < 0 ? r : read_answer(netlink, buffer, &answer);
}
