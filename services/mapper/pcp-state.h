/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A conversation by PCP (RFC 6887) with one server: several requests side by side, each repeated
 * after 3 s and then twice as long each time, give or take a tenth (§8.1.1). After each of the
 * functions that take `now`, take the requests and the events.
 *
 * Times are milliseconds of one clock that never goes back; UINT64_MAX is never.
 */
#include "services/mapper/announcement-wire.h"
#include "services/mapper/pcp-wire.h"
#include "services/mapper/speaker-state.h"

/* Mappings whose updates are understood when they come unasked (§14.2). */
#define PCP_GRANTS_LIMIT 96

struct pcp_exchange {
	struct gateway_request request;
	unsigned int n_sent;
	uint64_t wait; /* RT of §8.1.1 */
	uint64_t resend_at;
};

struct pcp_grant {
	int transport;
	uint16_t internal_port, external_port;
	struct in_addr external;
	uint8_t nonce[PCP_NONCE_SIZE];
};

struct pcp_state {
	struct in6_addr client;
	struct pcp_exchange exchanges[SPEAKER_REQUESTS_LIMIT];
	unsigned int n_exchanges;
	struct speaker_events events;
	struct pcp_grant grants[PCP_GRANTS_LIMIT];
	unsigned int n_grants;

	bool have_epoch;
	uint32_t epoch;
	uint64_t epoch_at;
	uint64_t granted_at; /* the first grant since it restarted; UINT64_MAX: none */
	struct speaker_restarts restarts;
	uint64_t restart_until; /* told, and to be acted on then */

	struct speaker_hearsay hearsay;
	/* By an announcement that is being looked into. */
	bool told_address, told_restart;
	struct speaker_announced announced;
	bool verifying; /* the exchange with id 0 is under way */

	/* NO_RESOURCES (§11.4): nothing new, or nothing at all, before. */
	uint64_t nothing_new_before, nothing_before;
	uint8_t address_nonce[PCP_NONCE_SIZE];
	uint64_t random;
	struct speaker_counters counters;
};

/* `client` is what the server sees as our address; `nonce` is random and goes with the mapping by
 * which the external address alone is asked for; `seed` is for the random waits. */
void pcp_state_init(struct pcp_state *state, struct in_addr client,
		    const uint8_t nonce[PCP_NONCE_SIZE], uint64_t seed);
/* 0, -EBUSY, or -EINVAL for what makes no sense. */
int pcp_state_request(struct pcp_state *state, const struct gateway_request *request, uint64_t now);
void pcp_state_cancel(struct pcp_state *state, uint32_t id);
/* From the server's address and port. */
void pcp_state_on_response(struct pcp_state *state, const struct pcp_response *response,
			   uint64_t now);
/* ICMP: nothing listens there. */
void pcp_state_on_unreachable(struct pcp_state *state);
/* Multicast by this gateway, in either protocol. */
void pcp_state_on_announcement(struct pcp_state *state, const struct announcement *announcement,
			       uint64_t now);
/* What is to be sent now. */
bool pcp_state_take_request(struct pcp_state *state, uint64_t now, struct pcp_request *ret);
bool pcp_state_take_event(struct pcp_state *state, struct gateway_event *ret);
/* 0 while there are events to be taken. */
uint64_t pcp_state_due(const struct pcp_state *state);
