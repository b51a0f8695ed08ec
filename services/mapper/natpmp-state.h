/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A conversation by NAT-PMP (RFC 6886) with one gateway: one request at a time, repeated after 250
 * ms and then twice as long each time, nine times (§3.1); the others wait. After each of the
 * functions that take `now`, take the requests and the events.
 *
 * Times are milliseconds of one clock that never goes back; UINT64_MAX is never.
 */
#include "services/mapper/announcement-wire.h"
#include "services/mapper/natpmp-wire.h"
#include "services/mapper/speaker-state.h"

struct natpmp_state {
	/* The first one is under way when n_sent says so. */
	struct gateway_request queue[SPEAKER_REQUESTS_LIMIT];
	unsigned int n_queued;
	unsigned int n_sent;
	uint64_t resend_at;
	struct speaker_events events;

	bool have_epoch;
	uint32_t epoch;
	uint64_t epoch_at;
	uint64_t granted_at; /* the first grant since it restarted; UINT64_MAX: none */
	struct speaker_restarts restarts;
	uint64_t restart_until;  /* told, and to be acted on then */
	struct in_addr external; /* as it was answered last */

	struct speaker_hearsay hearsay;
	bool told_restart;                  /* by PCP, and not asked yet */
	struct speaker_announced announced; /* by PCP, whose epoch may be another */

	/* Requests for the address that were sent and not answered: the next answer may be one of
	 * theirs, and say what was true before. */
	unsigned int n_owed;

	/* Of the last deletion: its answer may come twice, and says port 0. */
	enum natpmp_operation deleted_operation;
	uint16_t deleted_port;

	uint64_t random;
	struct speaker_counters counters;
};

/* `seed` for the random waits. */
void natpmp_state_init(struct natpmp_state *state, uint64_t seed);
/* 0, -EBUSY, or -EINVAL for what NAT-PMP cannot ask. */
int natpmp_state_request(struct natpmp_state *state, const struct gateway_request *request);
void natpmp_state_cancel(struct natpmp_state *state, uint32_t id);
/* From the gateway's address and port. */
void natpmp_state_on_response(struct natpmp_state *state, const struct natpmp_response *response,
			      uint64_t now);
/* ICMP: nothing listens there. */
void natpmp_state_on_unreachable(struct natpmp_state *state);
/* Multicast by this gateway, in either protocol. */
void natpmp_state_on_announcement(struct natpmp_state *state,
				  const struct announcement *announcement, uint64_t now);
/* What is to be sent now: the request as it was given; deletions have neither lifetime nor
 * external port (§3.4). */
bool natpmp_state_take_request(struct natpmp_state *state, uint64_t now,
			       struct gateway_request *ret);
bool natpmp_state_take_event(struct natpmp_state *state, struct gateway_event *ret);
/* 0 while there are events to be taken. */
uint64_t natpmp_state_due(const struct natpmp_state *state);
/* How the wire calls what is asked for. */
enum natpmp_operation natpmp_operation_of(const struct gateway_request *request);
