/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A flow with a datagram each millisecond to another of its kind, for `./run bench roam`:
 *
 *   flow LOCAL REMOTE PORT
 *
 * Prints "gap FROM TO" for each time longer than GAP_NSEC in which none came, and "last TIME" of
 * the last arrival each 20 ms; nanoseconds of CLOCK_MONOTONIC. What cannot be sent is not sent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define GAP_NSEC  2000000
#define TELL_EACH 20 /* datagrams */

static uint64_t now_nsec(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int parse(const char *address, const char *port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *four = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof *ret);
	six->sin6_port = htons(atoi(port));
	six->sin6_family = AF_INET6;
	if (inet_pton(AF_INET6, address, &six->sin6_addr) == 1)
		return 0;
	four->sin_family = AF_INET;
	return inet_pton(AF_INET, address, &four->sin_addr) == 1 ? 0 : -1;
}

static int open_timer(void)
{
	struct itimerspec each = { { 0, 1000000 }, { 0, 1000000 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (fd >= 0)
		timerfd_settime(fd, 0, &each, NULL);
	return fd;
}

static uint64_t receive(int fd, uint64_t last)
{
	char data[64];
	ssize_t n;

	/* An error of ICMP is no arrival. */
	while ((n = recv(fd, data, sizeof data, MSG_DONTWAIT)) >= 0 || errno == ECONNREFUSED) {
		uint64_t now = now_nsec();

		if (n < 0)
			continue;
		if (last && now - last > GAP_NSEC)
			printf("gap %" PRIu64 " %" PRIu64 "\n", last, now);
		last = now;
	}
	return last;
}

int main(int argc, char **argv)
{
	struct sockaddr_storage local, remote;
	struct pollfd polled[2] = { { .events = POLLIN }, { .events = POLLIN } };
	uint64_t number = 0, ticks, last = 0;

	if (argc != 4 || parse(argv[1], argv[3], &local) < 0 ||
	    parse(argv[2], argv[3], &remote) < 0)
		return 2;
	polled[0].fd = socket(local.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	polled[1].fd = open_timer();
	if (bind(polled[0].fd, (struct sockaddr *)&local, sizeof local) < 0 ||
	    connect(polled[0].fd, (struct sockaddr *)&remote, sizeof remote) < 0 ||
	    polled[1].fd < 0) {
		perror("flow");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (poll(polled, 2, -1) >= 0 || errno == EINTR) {
		if (polled[0].revents)
			last = receive(polled[0].fd, last);
		if (!polled[1].revents || read(polled[1].fd, &ticks, sizeof ticks) < 0)
			continue;
		number++;
		(void)!send(polled[0].fd, &number, sizeof number, MSG_DONTWAIT);
		if (number % TELL_EACH == 0)
			printf("last %" PRIu64 "\n", last);
	}
	return 1;
}
