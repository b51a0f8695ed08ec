/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clients/ctl/password.h"

#include "common/base/cleanup.h"
#include "common/base/terminal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

/* 1024 octets, the end of the line, and one too many. */
#define PASSWORD_SIZE 1026

/* To the end, or to one octet more than can be right, which identity then says. */
static int read_all(int fd, char *password, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t got = read(fd, password + length, size - length);

		if (got < 0 && errno != EINTR)
			return -errno;
		if (got == 0)
			break;
		if (got > 0)
			length += got;
	}
	return (int)length;
}

/* identity waits for the end of what it is given only so long, and for nobody else meanwhile: it
 * gets the password once we have all of it. */
enum ctl_status password_open(int given, int *ret_fd)
{
	int from = given == PASSWORD_STDIN ? STDIN_FILENO : given;
	cleanup(close_fdp) int fd = -1, terminal = -1;
	char password[PASSWORD_SIZE];
	int r;

	if (fcntl(from, F_GETFD) < 0)
		return ctl_complain(CTL_MISUSE, "descriptor %d, for the password, is not open",
				    from);
	fd = memfd_create("password", MFD_CLOEXEC);
	if (fd < 0)
		return ctl_complain(CTL_FAILED, "cannot hold the password: %s", strerror(errno));
	if (isatty(from)) {
		terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
		r = terminal_ask(terminal >= 0 ? terminal : from, "Password: ", false, password,
				 sizeof password);
	} else {
		r = read_all(from, password, sizeof password);
	}
	if (r >= 0 && (write(fd, password, r) != r || lseek(fd, 0, SEEK_SET) < 0))
		r = -EIO;
	explicit_bzero(password, sizeof password);
	if (r < 0)
		return ctl_complain(CTL_FAILED, "cannot read the password: %s", strerror(-r));
	*ret_fd = steal_fd(&fd);
	return CTL_DONE;
}

enum ctl_status password_ask_account(char *answer, size_t size)
{
	cleanup(close_fdp) int terminal = -1;
	int r;

	if (!isatty(STDIN_FILENO))
		return ctl_misuse("sign-in: which account?");
	terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	r = terminal_ask(terminal >= 0 ? terminal : STDIN_FILENO,
			 "Account (such as alice@members.example.org): ", true, answer, size);
	return r >= 0 ? CTL_DONE
		      : ctl_complain(CTL_FAILED, "cannot read from the terminal: %s", strerror(-r));
}
