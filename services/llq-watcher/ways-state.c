/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/ways-state.h"

#define HOUR_MSEC  (3600 * UINT64_C(1000))
#define AGAIN_MSEC (600 * UINT64_C(1000))

void ways_set(struct ways *ways, const struct server_list *servers, uint64_t now)
{
	bool push = false;

	ways->servers = *servers;
	ways->current = servers->n;
	for (size_t i = 0; i < servers->n; i++)
		push |= servers->items[i].service == WATCH_TRANSPORT_PUSH_TLS;
	if (!push)
		ways->push_not_before = now + HOUR_MSEC;
}

/* The first from number `i` on that may be tried. */
static const struct dns_server *choose(struct ways *ways, size_t i, uint64_t now)
{
	while (i < ways->servers.n && ways->servers.items[i].service == WATCH_TRANSPORT_PUSH_TLS &&
	       now < ways->push_not_before)
		i++;
	ways->current = i;
	return ways_current(ways);
}

const struct dns_server *ways_first(struct ways *ways, uint64_t now)
{
	ways->again = ways->push_not_before;
	ways->untrusted = false;
	return choose(ways, 0, now);
}

static bool is_pointless(const struct dns_server *failed, const struct dns_server *next,
			 enum ways_failure failure)
{
	switch (failure) {
	case WAYS_FAILED:
	case WAYS_UNSUPPORTED:
	case WAYS_UNTRUSTED:
		return false;
	case WAYS_UNREACHABLE:
		return next->tls &&
		       next->address.sin_addr.s_addr == failed->address.sin_addr.s_addr &&
		       next->address.sin_port == failed->address.sin_port;
	}
	return false;
}

const struct dns_server *ways_next(struct ways *ways, enum ways_failure failure, uint64_t now)
{
	const struct dns_server *next = ways_current(ways), *failed = next;

	if (!next)
		return NULL;
	if (failure == WAYS_UNSUPPORTED)
		ways->again = ways->push_not_before = now + HOUR_MSEC;
	else if (next->service == WATCH_TRANSPORT_PUSH_TLS)
		ways->again = now + AGAIN_MSEC;
	/* Who shows a wrong certificate can also keep us from the other servers. */
	ways->untrusted |= failure == WAYS_UNTRUSTED;
	do
		next = choose(ways, ways->current + 1, now);
	while (next && ((ways->untrusted && !next->tls) || is_pointless(failed, next, failure)));
	return next;
}

const struct dns_server *ways_current(const struct ways *ways)
{
	return ways->current < ways->servers.n ? &ways->servers.items[ways->current] : NULL;
}

void ways_later(struct ways *ways, uint64_t now)
{
	ways->push_not_before = 0;
	ways->again = now + AGAIN_MSEC;
}

uint64_t ways_due(const struct ways *ways)
{
	const struct dns_server *current = ways_current(ways);

	return current && current->service != WATCH_TRANSPORT_PUSH_TLS ? ways->again : UINT64_MAX;
}
