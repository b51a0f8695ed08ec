/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One connection to a DNS server: TLS (RFC 7858), or TCP in the clear where the configuration says
 * so. Messages go in and come out whole; each is written with its length in one record. TLS is 1.2
 * or newer with AEAD suites, the certificate is checked as dns-trust.h says, nothing is sent before
 * the handshake ended, and no session is resumed, so each connection proves its server anew.
 *
 * Connecting is tried anew after 0.5, 1.5, 3.5 and 7.5 s from a new socket, and then given up: a
 * SYN that was lost just after a change of network must not cost the seconds that the kernel waits.
 * A way that died silently is noticed 10 s after something was sent on it.
 */
#include "common/dns-client/dns-trust.h"
#include "common/loop/loop.h"

#include <netinet/in.h>

struct dns_stream;

/* Besides what the network says (-ECONNREFUSED, -ETIMEDOUT, …): */
#define DNS_STREAM_UNTRUSTED (-EPERM)      /* the certificate is not accepted */
#define DNS_STREAM_NO_TLS    (-EPROTO)     /* the other side speaks no TLS that we do, or garbage */
#define DNS_STREAM_CLOSED    (-ECONNRESET) /* it had been open */

/* Any of the callbacks may free the stream. After on_closed there is no other. */
struct dns_stream_events {
	void (*on_open)(void *userdata);
	void (*on_message)(void *userdata, const uint8_t *data, size_t size);
	/* `words`: what was found and, for a certificate, what to do; borrowed. */
	void (*on_closed)(void *userdata, int error, const char *words);
};

struct dns_stream_options {
	struct sockaddr_in server;
	const struct dns_trust *trust; /* copied; NULL: no TLS */
};

/* Connects; the outcome comes from the loop. `events` is kept. 0 or a negative errno. */
int dns_stream_new(struct loop *loop, const struct dns_stream_options *options,
		   const struct dns_stream_events *events, void *userdata, struct dns_stream **ret);
/* Says goodbye (close_notify) where the connection is open. */
struct dns_stream *dns_stream_free(struct dns_stream *stream);
/* Ends it with a reset, as RFC 8490 §5.3.1 wants where the other side broke the protocol. */
struct dns_stream *dns_stream_abort(struct dns_stream *stream);

/* Sends one message, once the stream is open. -ENOTCONN before; -ENOBUFS when the other side takes
 * nothing and too much waits; -EMSGSIZE. A failure to send comes through on_closed. */
int dns_stream_send(struct dns_stream *stream, const uint8_t *data, size_t size);
bool dns_stream_is_open(const struct dns_stream *stream);
/* What only the two ends of this connection know (RFC 9266). -ENOTCONN without open TLS. */
int dns_stream_channel_binding(const struct dns_stream *stream, uint8_t *ret_octets, size_t size);

DEFINE_CLEANUP(struct dns_stream *, dns_stream_free)
