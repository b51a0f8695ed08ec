/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/identity/password-reader.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

int password_reader_init(struct password_reader *reader, struct loop *loop, int fd, uint32_t msec)
{
	*reader = (struct password_reader){
		.loop = loop,
		.msec = msec,
		.cancel_fd = eventfd(0, EFD_CLOEXEC),
		.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3),
	};
	return reader->cancel_fd < 0 || reader->fd < 0 ? -errno : 0;
}

void password_reader_deinit(struct password_reader *reader)
{
	close_fd(reader->fd);
	close_fd(reader->cancel_fd);
	reader->fd = reader->cancel_fd = -1;
}

void password_reader_cancel(struct password_reader *reader)
{
	eventfd_write(reader->cancel_fd, 1);
}

/* 0 once the descriptor has something to read or has ended. */
static int wait_readable(const struct password_reader *reader, uint64_t until)
{
	struct pollfd fds[] = {
		{ .fd = reader->fd, .events = POLLIN },
		{ .fd = reader->cancel_fd, .events = POLLIN },
	};

	for (;;) {
		uint64_t now = loop_now(reader->loop);
		int n = now < until ? poll(fds, ARRAY_SIZE(fds), (int)(until - now)) : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (fds[1].revents)
			return -ECANCELED;
		return n ? 0 : -ETIMEDOUT;
	}
}

/* The writer may never end it, and a reader beside us may take what poll() saw; the time limit
 * holds for the first, and for the second only whoever may call us at all could do it. */
int password_reader_read(const struct password_reader *reader, struct secret **ret)
{
	cleanup(secret_freep) struct secret *room = NULL;
	uint64_t until = loop_now(reader->loop) + reader->msec;
	size_t size = 0;
	int r = secret_new(PASSWORD_LIMIT + 2, &room);

	while (r >= 0 && size < room->size) {
		ssize_t got;

		r = wait_readable(reader, until);
		if (r < 0)
			return r;
		got = read(reader->fd, room->data + size, room->size - size);
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return -EBADF;
		if (got == 0)
			break;
		if (got > 0)
			size += got;
	}
	if (r < 0)
		return r;
	if (size && room->data[size - 1] == '\n')
		size--;
	if (!size)
		return -ENODATA;
	return size > PASSWORD_LIMIT ? -EFBIG : secret_new_copy(room->data, size, ret);
}

const char *password_reader_words(int error)
{
	switch (error) {
	case -ENODATA:
		return "the password is empty";
	case -EFBIG:
		return "the password is longer than 1024 octets";
	case -ETIMEDOUT:
		return "the password did not end in time: close the descriptor after writing it";
	case -EBADF:
		return "the password's descriptor cannot be read";
	case -ECANCELED:
		return "identity was asked to stop before it had the password";
	}
	return NULL;
}
