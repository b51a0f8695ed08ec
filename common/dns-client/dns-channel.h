/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The way to the zone's server by TLS: questions go in, answers come out, over as many connections
 * as it takes. It is opened when there is something to ask, shared by all that is asked meanwhile,
 * and closed when nothing was for a while (RFC 7766 §6.2). Nothing is retransmitted on a
 * connection; what has no answer when one ends is asked again on the next (§6.2.4), so only
 * questions for which that does no harm may go this way.
 *
 * Servers are tried in their order. One that failed comes last for a minute.
 */
#include "common/dns-client/dns-server.h"
#include "common/loop/loop.h"

struct dns_channel;
struct dns_request;

/* A message that answers the question by its id. Who takes it frees the request and returns true;
 * otherwise the answer is waited for on. `data` NULL: there will be none, `error` and `words`
 * (borrowed) say why, as dns_stream's do. */
typedef bool (*dns_request_callback)(void *userdata, int error, const char *words,
				     const uint8_t *data, size_t size);

int dns_channel_new(struct loop *loop, struct dns_channel **ret);
/* Requests that wait are forgotten without a word. */
struct dns_channel *dns_channel_free(struct dns_channel *channel);
/* From the next connection on. At most DNS_SERVERS_MAX; those without TLS are left out. Copied. */
void dns_channel_set_servers(struct dns_channel *channel, const struct dns_server *servers,
			     size_t n);
/* How many it has. */
size_t dns_channel_count(const struct dns_channel *channel);
/* The network changed: the connection is dropped, and what waits is asked anew at once. */
void dns_channel_reset(struct dns_channel *channel);
/* The server in use, or used last. NULL: none was yet. */
const struct dns_server *dns_channel_server(const struct dns_channel *channel);

/* A message with an id that no other waiting request has (else -EEXIST), copied; -EBUSY when too
 * many wait, -ENOENT without servers. The callback comes from the loop. */
int dns_channel_request(struct dns_channel *channel, const uint8_t *data, size_t size,
			dns_request_callback callback, void *userdata, struct dns_request **ret);
/* Before its callback: it does not come. */
struct dns_request *dns_request_free(struct dns_request *request);
/* Messages that answered nothing. */
uint64_t dns_channel_dropped(const struct dns_channel *channel);

DEFINE_CLEANUP(struct dns_channel *, dns_channel_free)
