/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/status-socket.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

struct status_socket {
	int fd;
	struct loop_io *io;
	status_callback callback;
	void *userdata;
	char *path;
};

struct status_socket *status_socket_free(struct status_socket *status)
{
	if (!status)
		return NULL;
	loop_io_free(status->io);
	if (status->fd >= 0)
		unlink(status->path);
	close_fd(status->fd);
	free(status->path);
	free(status);
	return NULL;
}

/* The text fits into an empty socket buffer, so that one send is all. */
static void on_connection(void *userdata, int error, int events)
{
	struct status_socket *status = userdata;
	char text[STATUS_TEXT_SIZE];
	int fd = accept4(status->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	status->callback(status->userdata, text, sizeof text);
	(void)send(fd, text, strlen(text), MSG_NOSIGNAL);
	close_fd(fd);
}

static int bind_socket(struct status_socket *status)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t mask;
	int r;

	if (strlen(status->path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	strcpy(address.sun_path, status->path);
	status->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (status->fd < 0)
		return -errno;
	unlink(status->path);
	mask = umask(0177);
	r = bind(status->fd, (struct sockaddr *)&address, sizeof address);
	umask(mask);
	if (r < 0 || listen(status->fd, 8) < 0)
		return -errno;
	return 0;
}

int status_socket_new(struct loop *loop, const char *path, status_callback callback, void *userdata,
		      struct status_socket **ret)
{
	cleanup(status_socket_freep) struct status_socket *status = calloc(1, sizeof *status);
	int r;

	if (!status)
		return -ENOMEM;
	status->fd = -1;
	status->callback = callback;
	status->userdata = userdata;
	status->path = strdup(path);
	if (!status->path)
		return -ENOMEM;
	r = bind_socket(status);
	if (r >= 0)
		r = loop_io_new(loop, status->fd, UV_READABLE, on_connection, status, &status->io);
	if (r < 0)
		return r;
	*ret = steal_ptr(status);
	return 0;
}
