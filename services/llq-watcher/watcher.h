/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The context: carries facts from identity and mapper and datagrams from the server into the
 * states, and does what they say. Everything runs on the daemon's loop.
 */
#include "common/dns-client/dns-locator.h"
#include "common/loop/daemon.h"
#include "common/loop/timeline.h"
#include "services/llq-watcher/host-view-state.h"
#include "services/llq-watcher/identity-client.h"
#include "services/llq-watcher/link.h"
#include "services/llq-watcher/mapper-client.h"
#include "services/llq-watcher/names.h"
#include "services/llq-watcher/revoked.h"
#include "services/llq-watcher/service-view-state.h"
#include "services/llq-watcher/watch-set.h"
#include "services/llq-watcher/watcher-state.h"
#include "services/llq-watcher/ways-state.h"

struct watcher_config {
	struct names_config names;
	struct dns_server_config server;
	int transport; /* enum watch_transport, the only one; WATCH_TRANSPORT_NONE: the best */
	uint32_t port; /* local, of the queries; 0: any */
	uint32_t probe_msec;     /* between short refreshes with a port mapping */
	uint32_t keepalive_msec; /* and without one */
};

struct watcher {
	const struct watcher_config *config;
	struct daemon *daemon;
	struct watcher_state state;
	struct watch_set *set;
	struct host_view view;
	struct service_view services;
	struct loop_timer *timer;
	struct loop_timer *settle; /* until what an update changed has come in whole */
	uint64_t seen_changes, seen_heard;
	struct signing_identity *identity;
	struct revoked *revoked;
	struct mapper_client *mapper;
	struct dns_locator *locator;
	struct dns_locator_service services_asked[4];
	struct ways ways;
	struct link *link;

	struct signing_key held; /* whose hosts these are */
	struct names *names;     /* what programs on this machine get to see of them */
	bool complete;           /* each question has had its answer once, for this key */

	/* What the bus shows. */
	char reason[400];
	char server_text[32];
	uint64_t last_heard; /* seconds of CLOCK_REALTIME */
	uint64_t unwatched;  /* as loop_now(): since when nothing is watched; 0: something is */
	uint64_t not_heard_since; /* seconds of CLOCK_REALTIME; 0: the server is heard */
	struct timeline timeline;
	sd_bus_slot *bus_slot;
	enum watcher_phase shown_phase;
	char shown_reason[400];
	char shown_server[32];
	enum watch_transport shown_transport;
	uint64_t shown_not_heard_since;
};

int watcher_new(struct daemon *daemon, const struct watcher_config *config, struct watcher **ret);
struct watcher *watcher_free(struct watcher *watcher);
void watcher_terminate(struct watcher *watcher);

/* bus.c */
int watcher_bus_add(struct watcher *watcher);
/* Announces what changed of the manager object. */
void watcher_bus_emit_state(struct watcher *watcher);
/* Announces what the names are, and whether there are any. */
void watcher_bus_emit_names(struct watcher *watcher);
/* Announces a host that was added or removed, or what changed of it (host->changes). */
void watcher_bus_emit_host(struct watcher *watcher, struct host *host);

/* bus-service.c: the same of a service. */
void watcher_bus_emit_service(struct watcher *watcher, struct service *service);

DEFINE_CLEANUP(struct watcher *, watcher_free)
