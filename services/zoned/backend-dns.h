/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The primary that the records are in, for `[backend] type = dns`: one connection over TCP, on
 * which the zone is transferred and followed and what clients change is sent. What is to be done
 * when is primary-state.c's; what it means is authority-follow.c's. Without a backend the storage
 * is all there is.
 */
#include "common/loop/loop.h"
#include "services/zoned/authority.h"
#include "services/zoned/transfer-wire.h"

struct backend_dns;

struct backend_dns_options {
	const ldns_rdf *zone;
	struct endpoint primary;
	const struct transfer_key *key;
};

struct backend_dns_callbacks {
	/* What the primary's zone became; to be taken over. */
	void (*learnt)(void *userdata, struct zone_delta *delta);
	/* Whether differences do not help. */
	bool (*wants_whole)(void *userdata);
	/* Of backend_dns_publish(): as authority_resume() takes it. */
	void (*published)(void *userdata, int outcome);
	/* It can be asked, or cannot any more; or transactions may begin again. */
	void (*changed)(void *userdata);
};

/* Keeps pointers to both. 0 or a negative errno. */
int backend_dns_new(struct loop *loop, const struct backend_dns_options *options,
		    const struct backend_dns_callbacks *callbacks, void *userdata,
		    struct backend_dns **ret);
struct backend_dns *backend_dns_free(struct backend_dns *backend);

/* The primary says that its zone changed. */
void backend_dns_notified(struct backend_dns *backend);
/* What wants_whole() says may have changed. */
void backend_dns_look(struct backend_dns *backend);
bool backend_dns_is_reachable(const struct backend_dns *backend);
/* While the zone is being followed a transaction would begin with what is old. */
bool backend_dns_may_begin(const struct backend_dns *backend);
/* Sends the UPDATEs; published() comes later. Copies them. Or a negative errno: -ENOTCONN. */
int backend_dns_publish(struct backend_dns *backend, const struct update_batch *batch);

DEFINE_CLEANUP(struct backend_dns *, backend_dns_free)
