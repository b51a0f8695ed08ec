/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A kernel's PF_KEY (RFC 2367) for a program that wants one where there is none: loaded before it
 * (LD_PRELOAD), answers everything with yes, and gives SPIs. No packet is ever encrypted by it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/pfkeyv2.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

static size_t answer_spi(const struct sadb_msg *asked, uint8_t *answer)
{
	struct sadb_msg *message = (struct sadb_msg *)answer;
	struct sadb_sa *sa = (struct sadb_sa *)(answer + sizeof *message);

	memset(answer, 0, sizeof *message + sizeof *sa);
	*message = *asked;
	sa->sadb_sa_len = sizeof *sa / 8;
	sa->sadb_sa_exttype = SADB_EXT_SA;
	getrandom(&sa->sadb_sa_spi, sizeof sa->sadb_sa_spi, 0);
	sa->sadb_sa_spi |= 0x40;
	message->sadb_msg_len = (sizeof *message + sizeof *sa) / 8;
	return sizeof *message + sizeof *sa;
}

static void *serve(void *argument)
{
	int fd = (int)(intptr_t)argument;
	_Alignas(8) uint8_t asked[8192], spi[256];
	ssize_t size;

	while ((size = recv(fd, asked, sizeof asked, 0)) > 0) {
		struct sadb_msg *message = (struct sadb_msg *)asked;

		if (size < (ssize_t)sizeof *message)
			continue;
		message->sadb_msg_errno = 0;
		if (message->sadb_msg_type == SADB_GETSPI) {
			size = answer_spi(message, spi);
			send(fd, spi, size, MSG_NOSIGNAL);
		} else {
			send(fd, asked, size, MSG_NOSIGNAL);
		}
	}
	return NULL;
}

int socket(int domain, int type, int protocol)
{
	int (*next)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
	pthread_t thread;
	int pair[2];

	if (domain != AF_KEY)
		return next(domain, type, protocol);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | (type & (SOCK_NONBLOCK | SOCK_CLOEXEC)), 0, pair) <
	    0)
		return -1;
	if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)pair[1])) {
		close(pair[0]);
		close(pair[1]);
		errno = ENOMEM;
		return -1;
	}
	return pair[0];
}

/*
 * A kernel answers before the call that asks returns, and so programs wait a moment only. We answer
 * from a thread, which on a busy machine is later than that: who waits for us waits without end.
 */
int poll(struct pollfd *fds, nfds_t n_fds, int timeout)
{
	int (*next)(struct pollfd *, nfds_t, int) =
		(int (*)(struct pollfd *, nfds_t, int))dlsym(RTLD_NEXT, "poll");
	int type = 0;
	socklen_t size = sizeof type;

	if (n_fds == 1 && timeout > 0 &&
	    getsockopt(fds->fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET)
		timeout = -1;
	return next(fds, n_fds, timeout);
}

/* IKE's own sockets are to go past the policies that there are none of; ESP does not come to them.
 */
int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	int (*next)(int, int, int, const void *, socklen_t) =
		(int (*)(int, int, int, const void *, socklen_t))dlsym(RTLD_NEXT, "setsockopt");

	if ((level == IPPROTO_IP && (name == IP_XFRM_POLICY || name == IP_IPSEC_POLICY)) ||
	    (level == IPPROTO_IPV6 && (name == IPV6_XFRM_POLICY || name == IPV6_IPSEC_POLICY)) ||
	    (level == IPPROTO_UDP && name == UDP_ENCAP))
		return 0;
	return next(fd, level, name, value, size);
}
