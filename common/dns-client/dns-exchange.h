/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One question to one server and its answer, signed when there is a key.
 *
 * Over UDP first, sent at 0, 0.5, 1.5, 3.5 and 7.5 s. RFC 1035 §4.2.1 thinks of 2 to 5 s between
 * attempts but leaves it to experience; a packet lost just after a change of network must not cost
 * two seconds, and the intervals double like the RFC's. Then, from 11.5 s on, and at once for an
 * answer that is truncated or a request too big for UDP, over TCP, for 6 s more. A brief exchange
 * gives up 3.5 s after it began.
 *
 * An answer to a signed request counts only when it is signed (RFC 8945 §5.4): anything else is as
 * if it had not come. An unsigned answer that says "unknown key" or "wrong signature" makes the
 * exchange go to TCP at once, where nobody off the path can speak for the server, and is believed
 * there.
 *
 * With a channel all of that goes over TLS instead, to the servers of the channel, and to the
 * server named besides it only when there is one and none of the channel's could be reached; a
 * server whose certificate is not accepted is not a reason for that.
 */
#include "common/dns-client/dns-channel.h"
#include "common/dns/dns-message.h"
#include "common/dns/dns-tsig.h"
#include "common/loop/loop.h"

#include <netinet/in.h>

struct dns_exchange;

struct dns_exchange_result {
	/* 0: answered, whatever the RCODE. -ETIMEDOUT: nothing came back. -ENOKEY: the server does
	 * not know the key. -EKEYREJECTED: it knows the name, but its key is another one. -ETIME:
	 * the clocks differ, see server_time. DNS_STREAM_UNTRUSTED, DNS_STREAM_NO_TLS. Others: what
	 * the network said last, -ECONNREFUSED or -ENETUNREACH for example. */
	int error;
	const struct dns_message *response; /* with error 0; lives until the callback returns */
	uint64_t server_time;               /* with -ETIME: seconds, or 0 */
	/* The error in words where there is more to say than errno does; borrowed. NULL: no. */
	const char *words;
};

typedef void (*dns_exchange_callback)(void *userdata, const struct dns_exchange_result *result);

struct dns_exchange_options {
	struct sockaddr_in server;   /* family 0: none; only with a channel */
	struct dns_channel *channel; /* NULL: in the clear. Must live as long as the exchange. */
	/* A complete message without TSIG; its ID is replaced by a random one. Copied. */
	const uint8_t *message;
	size_t size;
	const struct dns_tsig_key *key; /* NULL: unsigned. Must live as long as the exchange. */
	bool brief;                     /* there is another server to ask: see above */
};

/* Starts it. The callback comes once, from the loop, and may free the exchange. 0 or a negative
 * errno. */
int dns_exchange_new(struct loop *loop, const struct dns_exchange_options *options,
		     dns_exchange_callback callback, void *userdata, struct dns_exchange **ret);
/* Before the callback: gives up, and it does not come. */
struct dns_exchange *dns_exchange_free(struct dns_exchange *exchange);
/* The network changed: sends again at once, from a new socket, and counts time anew. With a channel
 * that is its dns_channel_reset(), which the caller sees to. */
void dns_exchange_resend(struct dns_exchange *exchange);

/* Messages dropped because they were malformed, not the answer, or not signed as they should be. */
unsigned int dns_exchange_dropped(const struct dns_exchange *exchange);

DEFINE_CLEANUP(struct dns_exchange *, dns_exchange_free)
