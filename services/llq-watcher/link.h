/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Carries the messages of a struct watch_set to and from one server: over a TLS connection, which
 * is opened first, or over the UDP socket of long-lived queries in the clear. */
#include "common/dns-client/dns-server.h"
#include "services/llq-watcher/llq-socket.h"
#include "services/llq-watcher/watch-set.h"

struct link;

struct link_events {
	/* The set was started, or has taken a message. */
	void (*on_change)(void *userdata);
	/* The connection ended, or there never was one: `error` and `words` as dns_stream's; the
	 * set was stopped. */
	void (*on_lost)(void *userdata, int error, const char *words);
};

/* `set` and `events` must live as long as the link. `port`: local, of the UDP socket, host order.
 */
int link_new(struct loop *loop, struct watch_set *set, uint16_t port,
	     const struct link_events *events, void *userdata, struct link **ret);
struct link *link_free(struct link *link);
/* Drops what there was without a word and goes to this server (borrowed): its `service` is the
 * transport. The set is started when there is a connection. `domain`: of the account. 0 or a
 * negative errno. */
int link_start(struct link *link, const struct dns_server *server, const struct dns_tsig_key *key,
	       const char *domain);
/* Sends what the set has to say. */
void link_flush(struct link *link);
/* Says goodbye. */
void link_stop(struct link *link);
/* Whether the connection started last was ever open. */
bool link_was_open(const struct link *link);
enum watch_transport link_transport(const struct link *link);
/* The local UDP port in use, host order; 0: none is. */
uint16_t link_port(const struct link *link);
uint64_t link_strangers(const struct link *link);

DEFINE_CLEANUP(struct link *, link_free)
