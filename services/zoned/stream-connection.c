/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/stream-connection.h"

#include "services/zoned/tls-context.h"

#include <sys/socket.h>

/* Reads in a row before other descriptors get their turn. */
#define READS_MAX 4
/* Messages of one connection in a row: one read can hold thousands. */
#define MESSAGES_MAX 64
/* What is read at once: more than the record of TLS that holds the largest PUSH. */
#define READ_SIZE STREAM_INPUT_SIZE

static bool may_read(const struct connection *connection)
{
	return !connection->is_broken && !connection->is_finished && !connection->is_held &&
	       connection->n_out < STREAM_OUTPUT_PAUSE;
}

static void update_events(struct connection *connection)
{
	int events = 0;

	if (connection->is_broken)
		return;
	/* A descriptor is nearly always ready to be written to: that brings us back at once. */
	if (connection->n_out || connection->is_held || connection->has_more ||
	    connection->wants_write)
		events |= UV_WRITABLE;
	if (may_read(connection))
		events |= UV_READABLE;
	loop_io_set(connection->io, events);
}

static ssize_t write_octets(struct connection *connection, const uint8_t *data, size_t size)
{
	ssize_t n;

	if (connection->ssl)
		return tls_write(connection->ssl, data, size);
	n = send(connection->fd, data, size, MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

static ssize_t read_octets(struct connection *connection, uint8_t *data, size_t size)
{
	bool wants_write = false;
	ssize_t n;

	if (!connection->ssl) {
		n = recv(connection->fd, data, size, 0);
		return n < 0 ? -errno : n;
	}
	n = tls_read(connection->ssl, data, size, &wants_write);
	connection->wants_write = wants_write;
	connection->has_more = n > 0 && SSL_has_pending(connection->ssl);
	return n;
}

static bool is_later(ssize_t n)
{
	return n == -EAGAIN || n == -EINTR;
}

/* Replaces `*buffer` by a copy of `size` octets; the memory is accounted for. */
static void keep(struct connection *connection, uint8_t **buffer, uint32_t *n, const uint8_t *data,
		 size_t size)
{
	uint8_t *copy = size ? malloc(size) : NULL;

	if (size && (!copy || !stream_account(connection, size))) {
		stream_counters(connection->server)->overflowed++;
		free(copy);
		stream_break(connection);
		return;
	}
	if (size)
		memcpy(copy, data, size);
	stream_account(connection, -(ssize_t)*n);
	free(*buffer);
	*buffer = copy;
	*n = size;
}

static void drop_written(struct connection *connection, size_t n)
{
	struct server_stream *server = connection->server;

	connection->n_out -= n;
	stream_account(connection, -(ssize_t)n);
	stream_touch(connection);
	if (connection->n_out) {
		connection->stuck_since = stream_now(server);
		memmove(connection->out, connection->out + n, connection->n_out);
		return;
	}
	connection->stuck_since = 0;
	free(connection->out);
	connection->out = NULL;
}

static void flush(struct connection *connection)
{
	size_t taken = 0;
	ssize_t n = 0;

	while (taken < connection->n_out) {
		n = write_octets(connection, connection->out + taken, connection->n_out - taken);
		if (n <= 0)
			break;
		taken += n;
	}
	if (n < 0 && !is_later(n)) {
		stream_break(connection);
		return;
	}
	if (taken)
		drop_written(connection, taken);
}

/* Of the memory that holds `n` octets of output: a power of two, not to copy all of it for each
 * answer. */
static size_t capacity_for(size_t n)
{
	size_t capacity = n ? 512 : 0;

	while (capacity < n)
		capacity *= 2;
	return capacity;
}

/* Appends to what waits. */
static bool queue(struct connection *connection, const uint8_t *data, size_t size)
{
	size_t n = connection->n_out;
	uint8_t *out = connection->out;

	if (!stream_account(connection, size))
		return false;
	if (capacity_for(n + size) > capacity_for(n))
		out = realloc(out, capacity_for(n + size));
	if (!out) {
		stream_account(connection, -(ssize_t)size);
		return false;
	}
	memcpy(out + n, data, size);
	connection->out = out;
	connection->n_out = n + size;
	if (!connection->stuck_since) {
		connection->stuck_since = stream_now(connection->server);
		stream_reschedule(connection);
	}
	return true;
}

void connection_send(struct connection *connection, const uint8_t *data, size_t size)
{
	uint8_t *frame = stream_output_buffer(connection->server);
	ssize_t n = 0;

	if (connection->is_broken)
		return;
	/* In one piece, so that it is one segment, or one record of TLS (RFC 7766 §8). */
	frame[0] = size >> 8;
	frame[1] = size;
	memcpy(frame + STREAM_LENGTH_SIZE, data, size);
	size += STREAM_LENGTH_SIZE;
	/* Answers to what came in one read leave in one write. */
	if (!connection->n_out && !connection->is_reading) {
		n = write_octets(connection, frame, size);
		if (n < 0 && !is_later(n)) {
			stream_break(connection);
			return;
		}
		if (n < 0)
			n = 0;
		if (n > 0)
			stream_touch(connection);
	}
	if ((size_t)n == size)
		return;
	if ((connection->n_out > STREAM_OUTPUT_LIMIT && !connection->is_reading) ||
	    !queue(connection, frame + n, size - n)) {
		stream_counters(connection->server)->overflowed++;
		stream_break(connection);
		return;
	}
	update_events(connection);
}

/* Whether the next message may be handed over. Otherwise it is held, until its answer would be
 * taken, or others have had their turn. */
static bool may_take(struct connection *connection, unsigned int n_taken)
{
	if (connection->n_out >= STREAM_OUTPUT_PAUSE)
		flush(connection);
	connection->is_held = connection->n_out >= STREAM_OUTPUT_PAUSE || n_taken == MESSAGES_MAX;
	return !connection->is_held && !connection->is_broken;
}

/* Hands over the messages that are complete in these octets. Returns how many octets they were. */
static size_t take_messages(struct connection *connection, const uint8_t *data, size_t size)
{
	void *userdata;
	const struct server_callbacks *callbacks = stream_messages(connection->server, &userdata);
	unsigned int n_taken = 0;
	size_t position = 0;

	connection->is_held = false;
	connection->is_reading = true;
	callbacks->begin(userdata);
	while (size - position >= STREAM_LENGTH_SIZE && !connection->is_broken) {
		const uint8_t *start = data + position;
		size_t length = (size_t)start[0] << 8 | start[1];

		if (size - position - STREAM_LENGTH_SIZE < length ||
		    !may_take(connection, n_taken++))
			break;
		callbacks->receive(userdata, &connection->peer, start + STREAM_LENGTH_SIZE, length);
		position += STREAM_LENGTH_SIZE + length;
		stream_touch(connection);
		connection->partial_since = 0;
	}
	connection->is_reading = false;
	callbacks->end(userdata);
	if (!connection->is_broken)
		flush(connection);
	return position;
}

static void take(struct connection *connection, const uint8_t *data, size_t size)
{
	size_t taken = take_messages(connection, data, size);

	if (connection->is_broken)
		return;
	keep(connection, &connection->in, &connection->n_in, data + taken, size - taken);
	if (connection->n_in && !connection->is_held && !connection->partial_since) {
		connection->partial_since = stream_now(connection->server);
		stream_reschedule(connection);
	}
}

static void read_in(struct connection *connection)
{
	uint8_t *input = stream_input_buffer(connection->server);
	ssize_t n;

	if (connection->n_in)
		memcpy(input, connection->in, connection->n_in);
	n = read_octets(connection, input + connection->n_in, READ_SIZE);
	if (n > 0) {
		take(connection, input, connection->n_in + n);
	} else if (n == 0) {
		/* Answers that wait for the disk still go out; the timer closes then. */
		connection->is_finished = true;
		stream_reschedule(connection);
	} else if (!is_later(n)) {
		stream_break(connection);
	}
}

static void shake_hands(struct connection *connection)
{
	bool wants_write = false;
	int r = tls_handshake(connection->ssl, &wants_write);

	connection->wants_write = r == -EAGAIN && wants_write;
	if (r == 0) {
		stream_handshake_done(connection);
	} else if (r != -EAGAIN) {
		stream_counters(connection->server)->tls_handshakes_failed++;
		stream_break(connection);
	}
}

static void take_held(struct connection *connection)
{
	uint8_t *input = stream_input_buffer(connection->server);
	size_t size = connection->n_in;

	if (size)
		memcpy(input, connection->in, size);
	take(connection, input, size);
}

void connection_on_events(void *userdata, int status, int events)
{
	struct connection *connection = userdata;

	if (status < 0)
		stream_break(connection);
	if (connection->is_broken)
		return;
	if (connection->is_handshaking)
		shake_hands(connection);
	if (connection->is_handshaking || connection->is_broken) {
		update_events(connection);
		return;
	}
	if (connection->n_out)
		flush(connection);
	if (connection->is_held && !connection->is_broken)
		take_held(connection);
	for (int i = 0; i < READS_MAX && may_read(connection); i++) {
		read_in(connection);
		if (!connection->has_more)
			break;
	}
	update_events(connection);
}

void connection_close(struct connection *connection)
{
	static const struct linger at_once = { .l_onoff = 1 };

	if (connection->is_aborted)
		setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	else if (connection->ssl && !connection->is_handshaking)
		tls_say_end(connection->ssl);
	loop_io_free(connection->io);
	SSL_free(connection->ssl);
	close_fd(connection->fd);
	stream_account(connection, -(ssize_t)(connection->n_in + connection->n_out));
	free(connection->in);
	free(connection->out);
}
