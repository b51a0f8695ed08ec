/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The sockets and the clock around silence-state.c, and when it is tried: once somebody of ours has
 * to keep a flow alive here, and not before (silence_client_want()). What is found goes into the
 * mapper's state, and into its memory of this gateway.
 */
#include "services/mapper/mapper-state.h"
#include "services/mapper/silence-state.h"

#include "common/loop/loop.h"
#include "common/loop/timeline.h"

struct silence_client;

struct silence_context {
	struct loop *loop;
	const struct silences *silences;
	struct mapper_state *state;
	struct timeline *timeline;
	/* The state has changed. */
	void (*on_change)(void *userdata);
	void *userdata;
};

/* Copies the context. 0 or a negative errno. */
int silence_client_new(const struct silence_context *context, struct silence_client **ret);
struct silence_client *silence_client_free(struct silence_client *client);
/* Somebody keeps a flow alive in this network: as soon as a STUN server is known, once. */
void silence_client_want(struct silence_client *client);
/* The state has changed: this may be another network, or a server may be known now. */
void silence_client_follow(struct silence_client *client);
const struct stun_client_counters *silence_client_counters(const struct silence_client *client);

DEFINE_CLEANUP(struct silence_client *, silence_client_free)
