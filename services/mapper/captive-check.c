/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/captive-check.h"

#include "common/base/log.h"

#include <netdb.h>
#include <poll.h>
#include <resolv.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define TIME_LIMIT      8000 /* ms, for all but the name */
#define SLICE           200  /* ms; so late it is noticed that nobody waits any more */
#define ADDRESSES_LIMIT 3

/* One question; the thread's while it is under way. */
struct question {
	struct captive_url url;
	struct in_addr local;
	atomic_bool given_up;
	enum captive_answer answer;
	struct captive_check *check; /* the loop's; NULL: nobody waits */
};

struct captive_check {
	struct loop *loop;
	struct captive_url url;
	captive_check_callback callback;
	void *userdata;
	struct question *question; /* under way */
	bool again;                /* from `local`, once that one has ended */
	struct in_addr local;
};

static uint64_t monotonic_msec(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
		abort();
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* On the thread. 0, or a negative errno: time is over, or nobody waits. */
static int wait_for(const struct question *question, int fd, short events, uint64_t until)
{
	struct pollfd entry = { .fd = fd, .events = events };

	for (;;) {
		int n;

		if (atomic_load(&question->given_up) || monotonic_msec() >= until)
			return -ETIMEDOUT;
		n = poll(&entry, 1, SLICE);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int open_connection(const struct question *question, const struct sockaddr *address,
			   socklen_t size, uint64_t until)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_addr = question->local };
	cleanup(close_fdp) int fd =
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	int r, error = 0;
	socklen_t error_size = sizeof error;

	if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof local) < 0)
		return -errno;
	if (connect(fd, address, size) < 0 && errno != EINPROGRESS)
		return -errno;
	r = wait_for(question, fd, POLLOUT, until);
	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) < 0)
		return -errno;
	if (error)
		return -error;
	return steal_fd(&fd);
}

/* Sends the request and reads until it can be told what the answer is. */
static enum captive_answer converse(const struct question *question, int fd, uint64_t until)
{
	char octets[CAPTIVE_ANSWER_LIMIT];
	size_t size = captive_request_write(&question->url, octets, sizeof octets);
	enum captive_answer answer = CAPTIVE_UNKNOWN;
	bool more = true;

	/* It fits any socket's buffer. */
	if (!size || send(fd, octets, size, MSG_NOSIGNAL) != (ssize_t)size)
		return CAPTIVE_UNKNOWN;
	size = 0;
	do {
		ssize_t n;

		if (wait_for(question, fd, POLLIN, until) < 0)
			return CAPTIVE_UNKNOWN;
		n = recv(fd, octets + size, sizeof octets - size, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			return CAPTIVE_UNKNOWN;
		size += n;
		answer = captive_answer_read(octets, size, !n || size == sizeof octets, &more);
	} while (more);
	return answer;
}

static void work(void *userdata)
{
	const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	struct question *question = userdata;
	struct addrinfo *addresses = NULL;
	uint64_t until;
	int n = 0;

	/* This thread's resolver gives up sooner than is usual. */
	if (res_init() == 0) {
		_res.retrans = 2;
		_res.retry = 2;
	}
	if (getaddrinfo(question->url.host, question->url.port, &hints, &addresses) != 0)
		return;
	until = monotonic_msec() + TIME_LIMIT;
	for (struct addrinfo *info = addresses;
	     info && n < ADDRESSES_LIMIT && question->answer == CAPTIVE_UNKNOWN;
	     info = info->ai_next, n++) {
		cleanup(close_fdp) int fd =
			open_connection(question, info->ai_addr, info->ai_addrlen, until);

		if (fd >= 0)
			question->answer = converse(question, fd, until);
	}
	freeaddrinfo(addresses);
}

static void on_done(void *userdata)
{
	struct question *question = userdata;
	struct captive_check *check = question->check;
	enum captive_answer answer = question->answer;
	bool given_up = atomic_load(&question->given_up);

	free(question);
	if (!check)
		return;
	check->question = NULL;
	if (check->again)
		captive_check_start(check, check->local);
	else if (!given_up)
		check->callback(check->userdata, answer);
}

void captive_check_start(struct captive_check *check, struct in_addr local)
{
	struct question *question;

	captive_check_stop(check);
	if (check->question) {
		check->again = true;
		check->local = local;
		return;
	}
	question = calloc(1, sizeof *question);
	if (!question)
		return;
	question->url = check->url;
	question->local = local;
	question->check = check;
	if (loop_queue_work(check->loop, work, on_done, question) < 0) {
		log_warning("cannot ask whether this network shows a page of its own");
		free(question);
		return;
	}
	check->question = question;
}

void captive_check_stop(struct captive_check *check)
{
	check->again = false;
	if (check->question)
		atomic_store(&check->question->given_up, true);
}

int captive_check_new(struct loop *loop, const struct captive_url *url,
		      captive_check_callback callback, void *userdata, struct captive_check **ret)
{
	struct captive_check *check = calloc(1, sizeof *check);

	if (!check)
		return -ENOMEM;
	check->loop = loop;
	check->url = *url;
	check->callback = callback;
	check->userdata = userdata;
	*ret = check;
	return 0;
}

struct captive_check *captive_check_free(struct captive_check *check)
{
	if (!check)
		return NULL;
	captive_check_stop(check);
	if (check->question)
		check->question->check = NULL;
	free(check);
	return NULL;
}
