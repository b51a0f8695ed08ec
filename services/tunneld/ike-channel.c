/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/ike-channel.h"

#include "services/tunneld/datagram-wire.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define RECORD_LIMIT      (IKE_RECORD_HEADER_SIZE + 65535)
#define RECORDS_PER_ROUND 32

struct ike_channel {
	struct loop *loop;
	int fd;
	int room; /* what of ours the kernel keeps for the reader, in its octets */
	struct loop_io *io;
	ike_channel_callback callback;
	void *userdata;
	uint8_t record[RECORD_LIMIT];
};

int ike_channel_new(struct loop *loop, ike_channel_callback callback, void *userdata,
		    struct ike_channel **ret)
{
	struct ike_channel *channel = calloc(1, sizeof *channel);

	if (!channel)
		return -ENOMEM;
	channel->loop = loop;
	channel->fd = -1;
	channel->callback = callback;
	channel->userdata = userdata;
	*ret = channel;
	return 0;
}

static void close_channel(struct ike_channel *channel)
{
	channel->io = loop_io_free(channel->io);
	channel->fd = close_fd(channel->fd);
}

struct ike_channel *ike_channel_free(struct ike_channel *channel)
{
	if (!channel)
		return NULL;
	close_channel(channel);
	free(channel);
	return NULL;
}

static void on_readable(void *userdata, int status, int events)
{
	struct ike_channel *channel = userdata;

	for (unsigned int i = 0; i < RECORDS_PER_ROUND; i++) {
		ssize_t n =
			recv(channel->fd, channel->record, sizeof channel->record, MSG_DONTWAIT);
		struct sockaddr_in remote;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			close_channel(channel);
			return;
		}
		if (ike_record_read(channel->record, n, &remote) < 0)
			channel->callback(channel->userdata, NULL, NULL, 0);
		else
			channel->callback(channel->userdata, &remote,
					  channel->record + IKE_RECORD_HEADER_SIZE,
					  n - IKE_RECORD_HEADER_SIZE);
	}
}

int ike_channel_open(struct ike_channel *channel)
{
	socklen_t size = sizeof channel->room;
	int ends[2];
	int r;

	close_channel(channel);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	channel->fd = ends[0];
	if (getsockopt(channel->fd, SOL_SOCKET, SO_SNDBUF, &channel->room, &size) < 0)
		channel->room = INT_MAX;
	r = loop_io_new(channel->loop, channel->fd, UV_READABLE, on_readable, channel,
			&channel->io);
	if (r < 0) {
		close_channel(channel);
		close_fd(ends[1]);
		return r;
	}
	return ends[1];
}

bool ike_channel_is_half_full(const struct ike_channel *channel)
{
	int waiting;

	return channel->fd >= 0 && ioctl(channel->fd, SIOCOUTQ, &waiting) == 0 &&
	       waiting > channel->room / 2;
}

int ike_channel_send(struct ike_channel *channel, const struct sockaddr_in *remote,
		     const uint8_t *message, size_t size)
{
	uint8_t header[IKE_RECORD_HEADER_SIZE];
	struct iovec parts[] = { { header, sizeof header }, { (void *)message, size } };
	struct msghdr record = { .msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts) };

	if (channel->fd < 0)
		return -ENOTCONN;
	ike_record_write(header, remote);
	return sendmsg(channel->fd, &record, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
