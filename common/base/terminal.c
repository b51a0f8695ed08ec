/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/terminal.h"

#include "common/base/cleanup.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

/* A signal handler has no argument: what interrupted the typing. */
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

/* Octet by octet: what stdio buffers cannot be wiped. The signals are blocked but for the moments
 * of waiting, so that none comes unnoticed just before. */
static int read_line(int terminal, const sigset_t *waiting, char *line, size_t size)
{
	size_t length = 0;

	for (;;) {
		struct pollfd readable = { .fd = terminal, .events = POLLIN };
		char character;
		ssize_t got = ppoll(&readable, 1, NULL, waiting);

		if (got < 0 && errno == EINTR && !interrupted)
			continue;
		if (got >= 0)
			got = read(terminal, &character, 1);
		if (got < 0)
			return -errno;
		if (!got && !length)
			return -ENODATA;
		if (!got || character == '\n')
			break;
		if (length < size - 1)
			line[length++] = character;
	}
	line[length] = 0;
	return (int)length;
}

static int ask(int terminal, const char *prompt, bool echo, const sigset_t *waiting, char *line,
	       size_t size)
{
	struct termios before, quiet;
	int r;

	if (!echo) {
		if (tcgetattr(terminal, &before) < 0)
			return -errno;
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
		if (tcsetattr(terminal, TCSAFLUSH, &quiet) < 0)
			return -errno;
	}
	r = write(terminal, prompt, strlen(prompt)) < 0 ? -errno
							: read_line(terminal, waiting, line, size);
	if (!echo) {
		tcsetattr(terminal, TCSAFLUSH, &before);
		if (write(terminal, "\n", 1) < 0 && r >= 0)
			r = -errno;
	}
	return r;
}

int terminal_ask(int terminal, const char *prompt, bool echo, char *line, size_t size)
{
	struct sigaction former[ARRAY_SIZE(signals)], action = { .sa_handler = on_signal };
	sigset_t blocked, before;
	int r;

	sigemptyset(&blocked);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&blocked, signals[i]);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	interrupted = 0;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, &former[i]);
	r = ask(terminal, prompt, echo, &before, line, size);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &former[i], NULL);
	/* The signal may well end us, SIGQUIT even with a picture of our memory. */
	if (r < 0)
		explicit_bzero(line, size);
	if (interrupted)
		raise(interrupted);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}
