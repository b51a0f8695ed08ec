/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/terminal-password.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>

#define PASSWORD_SIZE 1024
#define ROUNDS        3

/* A signal handler has no argument: what interrupted the typing. */
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

/* Reads octet by octet: what stdio buffers cannot be wiped. */
static int read_line(int fd, struct secret *line, size_t *ret_size)
{
	size_t n = 0;

	for (;;) {
		char c;
		ssize_t r = read(fd, &c, 1);

		if (r < 0 && (errno != EINTR || interrupted))
			return -errno;
		if (r == 0 || (r == 1 && c == '\n'))
			break;
		if (r == 1 && n == line->size)
			return -EFBIG;
		if (r == 1)
			line->data[n++] = c;
	}
	*ret_size = n;
	return 0;
}

/* Echo is off meanwhile, and on again before a signal does its work. */
static int read_silently(int fd, const char *prompt, struct secret *line, size_t *ret_size)
{
	struct termios saved, silent;
	int r;

	if (tcgetattr(fd, &saved) < 0)
		return -errno;
	silent = saved;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	if (tcsetattr(fd, TCSAFLUSH, &silent) < 0)
		return -errno;
	dprintf(fd, "%s: ", prompt);
	r = read_line(fd, line, ret_size);
	tcsetattr(fd, TCSAFLUSH, &saved);
	dprintf(fd, "\n");
	return r;
}

static int ask_once(int fd, const char *prompt, struct secret **ret)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction former[ARRAY_SIZE(signals)], action = { .sa_handler = on_signal };
	cleanup(secret_freep) struct secret *line = NULL;
	size_t size = 0;
	int r = secret_new(PASSWORD_SIZE, &line);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, &former[i]);
	r = read_silently(fd, prompt, line, &size);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &former[i], NULL);
	if (interrupted) {
		explicit_bzero(line->data, line->size);
		raise(interrupted);
	}
	if (r < 0)
		return r;
	return size ? secret_new_copy(line->data, size, ret) : -ENODATA;
}

int terminal_password_ask(const char *prompt, struct secret **ret)
{
	cleanup(close_fdp) int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -ENOTTY;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		cleanup(secret_freep) struct secret *first = NULL;
		cleanup(secret_freep) struct secret *second = NULL;
		int r = ask_once(fd, prompt, &first);

		if (r >= 0)
			r = ask_once(fd, "The same again", &second);
		if (r < 0)
			return r;
		if (first->size == second->size &&
		    memcmp(first->data, second->data, first->size) == 0) {
			*ret = steal_ptr(first);
			return 0;
		}
		dprintf(fd, "They are not the same.\n");
	}
	return -EKEYREJECTED;
}
