/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which way the server is watched: by DNS Push, else by long-lived queries over TLS, else, where
 * the configuration allows it, over UDP; of each way the servers that the account's domain names,
 * in their order. One after the other, never two at a time. Pure.
 *
 * A server that does not know Push, or a domain that names no server for it, is believed for the
 * hour of RFC 8490 §6.6.
 */
#include "common/dns-client/server-list.h"
#include "services/llq-watcher/watch-set.h"

struct ways {
	struct server_list servers; /* `service` is the enum watch_transport */
	size_t current;             /* servers.n: none */
	uint64_t push_not_before;   /* ms */
	uint64_t again;             /* when to look for a better way than this */
	bool untrusted;             /* since ways_first(), of one of the servers */
};

enum ways_failure {
	WAYS_FAILED,
	WAYS_UNREACHABLE, /* there was no connection: nor would another way have one to there */
	WAYS_UNTRUSTED,   /* its certificate; that is no reason to do without TLS */
	WAYS_UNSUPPORTED, /* it does not know Push; others are not tried for it either */
};

/* What was found; none of them is in use. */
void ways_set(struct ways *ways, const struct server_list *servers, uint64_t now);
/* The first way to try. NULL: there is none. Borrowed until ways_set(). */
const struct dns_server *ways_first(struct ways *ways, uint64_t now);
/* The one after the current one, which failed. */
const struct dns_server *ways_next(struct ways *ways, enum ways_failure failure, uint64_t now);
/* A better way is being looked for; again in some minutes if that fails. */
void ways_later(struct ways *ways, uint64_t now);
/* The current one, or NULL. */
const struct dns_server *ways_current(const struct ways *ways);
/* When a better way is worth looking for: that hour, or some minutes after Push just failed.
 * UINT64_MAX: never. */
uint64_t ways_due(const struct ways *ways);
