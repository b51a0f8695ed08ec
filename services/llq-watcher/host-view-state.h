/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The account's other hosts, as the answers to the questions of a struct watch_set have them. The
 * walk of RFC 6281 figure 3, AAAA -> SRV -> A, is in which questions are wanted: the list of hosts
 * names the hosts, each host's SRV names the target, and the target's A is asked for then. Pure.
 *
 * A value that is not known yet again, because its question is being set up anew, stays what it
 * was.
 */
#include "services/llq-watcher/watch-set.h"

#include <netinet/in.h>

#define HOST_VIEW_MAX   60 /* other hosts; four questions each, and the list */
#define HOST_DEVICE_MAX 8  /* strings of TXT shown */

enum host_change {
	HOST_CHANGE_ADDED = 1 << 0,
	HOST_CHANGE_REMOVED = 1 << 1,
	HOST_CHANGE_ID = 1 << 2,
	HOST_CHANGE_TUNNEL_LABEL = 1 << 3,
	HOST_CHANGE_ENDPOINT = 1 << 4, /* and its generation */
	HOST_CHANGE_DEVICE = 1 << 5,
	HOST_CHANGE_LIVE = 1 << 6,
	HOST_CHANGE_HEARD = 1 << 7,
};

struct host {
	char label[64]; /* desktop */
	char name[320]; /* desktop.alice.members.example.org */
	bool has_id;
	struct in6_addr id;
	char tunnel_label[64];       /* empty: not known */
	struct sockaddr_in endpoint; /* family 0: not known */
	uint64_t endpoint_generation;
	char device[HOST_DEVICE_MAX][256];
	unsigned int n_device;
	bool live;                /* the zone had its endpoint when it was last heard */
	uint64_t not_heard_since; /* by the caller's clock; 0: the zone is heard */
	bool listed;              /* in the list of hosts; only inside host_view_update() */
	unsigned int changes;     /* enum host_change, for the caller to clear */
	uint64_t since;           /* for the caller */
	void *userdata;           /* for the caller */
};

struct host_view {
	char account_domain[256];
	char own_label[64]; /* this host is not listed */
	struct host *hosts[HOST_VIEW_MAX];
	size_t n_hosts;
};

void host_view_init(struct host_view *view, const char *account_domain, const char *own_label);
/* Frees the hosts. */
void host_view_clear(struct host_view *view);
/* Names the questions to ask, by what the set answered so far: between watch_set_want_begin() and
 * watch_set_want_end(). */
void host_view_want(const struct host_view *view, struct watch_set *set);
/* Takes over what the set now says; each host's `changes` say what that was. */
void host_view_update(struct host_view *view, const struct watch_set *set);
/* Says since when nothing was heard of the zone; 0: it is heard. */
void host_set_not_heard_since(struct host *host, uint64_t since);
/* Frees the hosts that were removed, once the caller has told about it. */
void host_view_drop_removed(struct host_view *view);
