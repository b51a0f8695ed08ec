/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/played-http.h"

#include <sys/socket.h>
#include <unistd.h>

/* The library's own, which is not in its headers. Calls of it within the library lead here, for it
 * is a shared one. */
int connecthostport(const char *host, unsigned short port, unsigned int scope_id);

static const uint8_t *answer;
static size_t answer_size;
static int peer = -1; /* open until the next connection: the request goes there, unread */

void played_http_set(const uint8_t *data, size_t size)
{
	answer = data;
	answer_size = size;
}

int connecthostport(const char *host, unsigned short port, unsigned int scope_id)
{
	const int size = 1 << 20;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		return -1;
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	if (answer_size && send(fds[1], answer, answer_size, MSG_DONTWAIT | MSG_NOSIGNAL) !=
				   (ssize_t)answer_size) {
		close(fds[0]);
		fds[0] = -1;
	}
	shutdown(fds[1], SHUT_WR);
	if (peer >= 0)
		close(peer);
	peer = fds[1];
	return fds[0];
}
