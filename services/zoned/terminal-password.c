/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/terminal-password.h"

#include "common/base/terminal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define PASSWORD_SIZE 1024
#define ROUNDS        3

static int ask_once(int fd, const char *prompt, struct secret **ret)
{
	cleanup(secret_freep) struct secret *line = NULL;
	int r = secret_new(PASSWORD_SIZE + 2, &line);

	if (r >= 0)
		r = terminal_ask(fd, prompt, false, (char *)line->data, line->size);
	if (r < 0)
		return r;
	if (r > PASSWORD_SIZE)
		return -EFBIG;
	return r ? secret_new_copy(line->data, r, ret) : -ENODATA;
}

int terminal_password_ask(const char *prompt, struct secret **ret)
{
	cleanup(close_fdp) int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	cleanup(freep) char *question = NULL;

	if (fd < 0)
		return -ENOTTY;
	if (asprintf(&question, "%s: ", prompt) < 0) {
		question = NULL;
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < ROUNDS; i++) {
		cleanup(secret_freep) struct secret *first = NULL;
		cleanup(secret_freep) struct secret *second = NULL;
		int r = ask_once(fd, question, &first);

		if (r >= 0)
			r = ask_once(fd, "The same again: ", &second);
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
