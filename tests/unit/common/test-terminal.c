/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/terminal.h"

#include "common/base/cleanup.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PROMPT "Password: "

/* Somebody asks on a terminal of his own; what is typed comes from here. */
struct asker {
	int person; /* the other side of the terminal */
	pid_t pid;
};

static struct asker start(char *line, size_t size, int wanted)
{
	struct asker asker = { .person = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC) };
	struct termios attributes;
	int terminal;

	assert_int_equal(grantpt(asker.person), 0);
	assert_int_equal(unlockpt(asker.person), 0);
	asker.pid = fork();
	if (asker.pid == 0) {
		terminal = open(ptsname(asker.person), O_RDWR | O_NOCTTY);
		signal(SIGINT, SIG_DFL);
		if (terminal_ask(terminal, PROMPT, false, line, size) != wanted)
			_exit(1);
		tcgetattr(terminal, &attributes);
		_exit(attributes.c_lflag & ECHO ? 0 : 2);
	}
	return asker;
}

static void read_until(int fd, const char *text)
{
	char shown[256] = "";
	size_t n = 0;

	while (!strstr(shown, text)) {
		ssize_t r = read(fd, shown + n, sizeof shown - 1 - n);

		assert_true(r > 0);
		n += r;
		shown[n] = 0;
	}
}

static int finish(struct asker *asker)
{
	int status;

	assert_int_equal(waitpid(asker->pid, &status, 0), asker->pid);
	close(asker->person);
	return status;
}

static void one_line_without_echo(void **state)
{
	char line[64];
	struct asker asker = start(line, sizeof line, strlen("correct horse"));

	read_until(asker.person, PROMPT);
	assert_int_equal(write(asker.person, "correct horse\n", 14), 14);
	read_until(asker.person, "\n");
	assert_int_equal(finish(&asker), 0);
}

static void what_is_too_long_is_cut(void **state)
{
	char line[8];
	struct asker asker = start(line, sizeof line, sizeof line - 1);

	read_until(asker.person, PROMPT);
	assert_int_equal(write(asker.person, "correct horse\n", 14), 14);
	assert_int_equal(finish(&asker), 0);
}

/* At each moment after the prompt, the one before the waiting too. */
static void a_signal_is_never_lost(void **state)
{
	char line[64];

	for (int i = 0; i < 100; i++) {
		struct asker asker = start(line, sizeof line, 0);
		int status;

		read_until(asker.person, PROMPT);
		kill(asker.pid, SIGINT);
		read_until(asker.person, "\n");
		status = finish(&asker);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_line_without_echo),
		cmocka_unit_test(what_is_too_long_is_cut),
		cmocka_unit_test(a_signal_is_never_lost),
	};

	/* Whoever waits in vain fails. */
	alarm(120);
	return cmocka_run_group_tests_name("terminal", tests, NULL, NULL);
}
