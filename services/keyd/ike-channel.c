/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-channel.h"

#include "common/wire/cursor.h"

#include <sys/socket.h>
#include <sys/uio.h>

#define RECORD_HEADER     8
#define RECORD_LIMIT      (RECORD_HEADER + 65535)
#define RECORDS_PER_ROUND 32

struct ike_channel {
	int fd;
	struct loop_io *io;
	ike_channel_callback callback;
	ike_channel_closed_callback on_closed;
	void *userdata;
	bool receiving, freed; /* freeing is put off to the end of a round */
	uint8_t record[RECORD_LIMIT];
};

static void destroy(struct ike_channel *channel)
{
	loop_io_free(channel->io);
	close_fd(channel->fd);
	free(channel);
}

/* Returns whether to go on. */
static bool receive_one(struct ike_channel *channel)
{
	ssize_t n = recv(channel->fd, channel->record, sizeof channel->record, MSG_DONTWAIT);
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct reader reader;

	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		channel->on_closed(channel->userdata);
		return false;
	}
	reader = reader_init(channel->record, n);
	reader_copy(&reader, &from.sin_addr, 4);
	reader_copy(&reader, &from.sin_port, 2);
	reader_take(&reader, 2);
	if (!reader.failed)
		channel->callback(channel->userdata, &from, channel->record + RECORD_HEADER,
				  n - RECORD_HEADER);
	return !channel->freed;
}

static void on_readable(void *userdata, int status, int events)
{
	struct ike_channel *channel = userdata;

	channel->receiving = true;
	for (unsigned int i = 0; i < RECORDS_PER_ROUND && receive_one(channel); i++)
		;
	channel->receiving = false;
	if (channel->freed)
		destroy(channel);
}

int ike_channel_new(struct loop *loop, int fd, ike_channel_callback callback,
		    ike_channel_closed_callback on_closed, void *userdata, struct ike_channel **ret)
{
	cleanup(ike_channel_freep) struct ike_channel *channel = calloc(1, sizeof *channel);
	int r;

	if (!channel) {
		close_fd(fd);
		return -ENOMEM;
	}
	channel->fd = fd;
	channel->callback = callback;
	channel->on_closed = on_closed;
	channel->userdata = userdata;
	r = loop_io_new(loop, fd, UV_READABLE, on_readable, channel, &channel->io);
	if (r < 0)
		return r;
	*ret = steal_ptr(channel);
	return 0;
}

struct ike_channel *ike_channel_free(struct ike_channel *channel)
{
	if (!channel)
		return NULL;
	if (channel->receiving)
		channel->freed = true;
	else
		destroy(channel);
	return NULL;
}

int ike_channel_send(struct ike_channel *channel, const struct sockaddr_in *to,
		     const uint8_t *message, size_t size)
{
	uint8_t header[RECORD_HEADER] = {};
	struct iovec parts[] = { { header, sizeof header }, { (void *)message, size } };
	struct msghdr record = { .msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts) };

	memcpy(header, &to->sin_addr, 4);
	memcpy(header + 4, &to->sin_port, 2);
	return sendmsg(channel->fd, &record, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
