/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One connection of server-stream.c: octets in and out, messages between them. Server and
 * connection know each other; nothing else includes this. */
#include "common/base/due-heap.h"
#include "services/zoned/server-stream.h"
#include "services/zoned/stream-list.h"

#define STREAM_LENGTH_SIZE 2
#define STREAM_INPUT_SIZE  (STREAM_LENGTH_SIZE + 65535)
/* A client that sends questions but takes no answers is not listened to beyond this, be it what it
 * has sent already: one read can hold hundreds of questions with an answer of 64 kB each. */
#define STREAM_OUTPUT_PAUSE (256 << 10)
/* And who does not take what comes by itself, not as an answer, is cut off. */
#define STREAM_OUTPUT_LIMIT (1 << 20)

struct stream_address;

struct connection {
	struct server_stream *server;
	/* In the order of silence, unless kept: of all, and of this address. */
	struct connection_link of_all, of_address;
	struct stream_address *address;
	struct due_entry due;
	struct loop_io *io;
	SSL *ssl; /* NULL: in the clear */
	int fd;
	struct peer peer;
	uint64_t last_used;
	uint64_t partial_since; /* a message has begun to arrive; 0: none */
	uint64_t stuck_since;   /* nothing of `out` was taken; 0: it is empty */
	uint8_t *in;            /* what has arrived of a message */
	uint32_t n_in;
	uint8_t *out;
	uint32_t n_out;
	bool is_handshaking : 1;
	bool is_finished : 1; /* the client sends no more; what it asked is still answered */
	bool is_held : 1;  /* `in` may hold complete messages that wait for `out` or their turn */
	bool has_more : 1; /* TLS has read more than it gave us */
	bool wants_write : 1; /* TLS has to write before it can read */
	bool is_reading : 1;  /* messages are being handed over: answers wait for the last one */
	bool is_kept : 1;
	bool is_broken : 1;
	bool is_aborted : 1; /* with is_broken: by RST */
};

/* server-stream.c */

/* Room for what a connection has kept and one input more, and for one message with its length,
 * shared by all connections: whoever uses it is done with it before the loop goes on. */
uint8_t *stream_input_buffer(struct server_stream *server);
uint8_t *stream_output_buffer(struct server_stream *server);
uint64_t stream_now(struct server_stream *server);
const struct server_callbacks *stream_messages(struct server_stream *server, void **ret_userdata);
struct stream_counters *stream_counters(struct server_stream *server);
/* A whole message arrived, or an answer was taken. */
void stream_touch(struct connection *connection);
/* When something may be due sooner than it was. */
void stream_reschedule(struct connection *connection);
/* The memory of this connection's buffers grows or shrinks. False: there is too much of all
 * connections', or, unless it is kept, of its address'; it must go. */
bool stream_account(struct connection *connection, ssize_t n);
void stream_handshake_done(struct connection *connection);
/* Frees it soon: it may be in use further up the stack. */
void stream_break(struct connection *connection);

/* stream-connection.c */
void connection_on_events(void *userdata, int status, int events);
void connection_send(struct connection *connection, const uint8_t *data, size_t size);
/* Frees what it holds, but not the connection. */
void connection_close(struct connection *connection);
