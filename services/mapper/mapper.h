/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's context: feeds events to the state, carries out what it wants, lets the bus know. */
#include "services/mapper/mapper-state.h"
#include "services/mapper/reachability.h"
#include "services/mapper/silence-state.h"

#include "common/loop/daemon.h"
#include "common/loop/timeline.h"

struct mapper_config {
	char *runtime_folder, *state_folder;
	/* In the order of preference, PROTOCOL_NONE ends; none at all: as it is by itself. */
	enum mapping_protocol protocols[PROTOCOLS_SPOKEN + 1];
	struct in_addr nested[HOPS_LIMIT - 1]; /* 0.0.0.0 ends */
	bool forwarded;                        /* by hand, what no gateway maps */
	struct stun_config stun;
	struct silences silences;
	char *captive_check; /* a URL (captive-wire.h); NULL or empty: nothing is asked for */
};

struct mapper;

/* Keeps a pointer to `config`. 0 or a negative errno after a line in the log. */
int mapper_new(const struct mapper_config *config, struct mapper **ret);
struct mapper *mapper_free(struct mapper *mapper);
/* The status for exit(). */
int mapper_run(struct mapper *mapper);

DEFINE_CLEANUP(struct mapper *, mapper_free)

/* For bus.c. */
struct mapper_state *mapper_state_of(struct mapper *mapper);
struct timeline *mapper_timeline(struct mapper *mapper);
uint64_t mapper_now(struct mapper *mapper);
/* All packets sent to gateways, and those of the last minute. */
uint64_t mapper_gateway_packets(struct mapper *mapper);
unsigned int mapper_gateway_packets_per_minute(struct mapper *mapper);
struct stun_client_counters mapper_stun_counters(struct mapper *mapper);
void mapper_count_speakers(struct mapper *mapper, struct speaker_counters *ret);
/* Proves everything anew. 0, or -EBUSY: it was done less than MAPPER_CHECK_MSEC ago. */
int mapper_check(struct mapper *mapper);
/* Somebody keeps a flow alive in this network: how long is it remembered? */
void mapper_measure_silence(struct mapper *mapper);
#define MAPPER_CHECK_MSEC 10000
/* To be called after each change of the state. */
void mapper_carry_out(struct mapper *mapper);
