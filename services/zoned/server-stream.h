/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * DNS over TCP and TLS (RFC 7766, RFC 7858): messages with two octets of length in front, many on a
 * connection, answered in any order. What strangers can take of it is bounded: connections in all
 * and from one address, handshakes under way, the time a handshake or a message may take to arrive
 * and an answer to be taken, the octets that wait in either direction. When there are too many
 * connections, the one that has been silent longest makes room, unless the authority keeps it.
 */
#include "services/zoned/server-udp.h"

#include <openssl/ssl.h>

struct server_stream;

struct stream_limits {
	uint32_t connections;
	uint32_t per_address; /* an IPv4 address or the first 64 bits of an IPv6 one */
	uint32_t idle_msec;
};

struct stream_callbacks {
	struct server_callbacks messages;
	/* The connection has gone; nothing can be sent on it any more. */
	void (*closed)(void *userdata, const struct peer *peer);
};

struct stream_counters {
	uint64_t tcp_connections; /* accepted */
	uint64_t tls_connections;
	uint64_t tls_handshakes_failed;
	uint64_t refused_per_address;
	uint64_t made_room; /* silent ones that were closed for others */
	uint64_t timed_out; /* handshakes and messages that did not arrive, answers not taken */
	uint64_t overflowed;
};

/* Keeps a pointer to `callbacks`. 0 or a negative errno. */
int server_stream_new(struct loop *loop, const struct stream_callbacks *callbacks, void *userdata,
		      struct server_stream **ret);
struct server_stream *server_stream_free(struct server_stream *server);
/* Before the first server_stream_listen() with this transport, TRANSPORT_TCP or _TLS. */
void server_stream_set_limits(struct server_stream *server, enum transport transport,
			      const struct stream_limits *limits);
/* For connections to come; takes over the reference. */
void server_stream_set_tls(struct server_stream *server, SSL_CTX *context);
int server_stream_listen(struct server_stream *server, const struct endpoint *endpoint,
			 enum transport transport);
/* No more new connections. */
void server_stream_stop_listening(struct server_stream *server);

/* In all of these nothing happens when the connection is gone. */
void server_stream_send(struct server_stream *server, const struct peer *peer, const uint8_t *data,
			size_t size);
/* At once and with RST, what has been sent so far excepted (RFC 8490 §5.3.1). */
void server_stream_abort(struct server_stream *server, const struct peer *peer);
/* Whether somebody else looks after how long this connection lives: silence does not end it, nor
 * does it make room for others. */
void server_stream_keep(struct server_stream *server, const struct peer *peer, bool is_kept);
/* What both ends of this connection know and nobody else; false when it is not TLS. */
bool server_stream_binding(struct server_stream *server, const struct peer *peer, uint8_t *ret,
			   size_t size, const char *label);

const struct stream_counters *server_stream_counters(const struct server_stream *server);
size_t server_stream_n_connections(const struct server_stream *server, enum transport transport);

DEFINE_CLEANUP(struct server_stream *, server_stream_free)
