/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which protocol one gateway is spoken to by: the race, its winner, and what became of the others.
 *
 *   racing --one answers with success--> speaking
 *   racing --each was silent, is not spoken, or refused--> mute or refused --later--> speaking
 *   speaking --silent, gone, or refuses everything--> lost, and the mappings stand --> speaking
 *
 * PCP is asked first, NAT-PMP and UPnP IGD after head starts, and each at once when the one before
 * it has said no. Only the first one may be asked for a mapping at once; the others are asked
 * whether they are there, which changes nothing at the gateway, so that no port is ever mapped by
 * two protocols (RFC 6887 appendix A). The protocol that won here before begins.
 *
 * Times are milliseconds of one clock that never goes back; UINT64_MAX is never.
 */
#include "services/mapper/gateway-event.h"

#include <stddef.h>

#define PROTOCOLS        4 /* enum mapping_protocol */
#define PROTOCOLS_SPOKEN (PROTOCOLS - 1)

enum attempt_standing {
	ATTEMPT_UNTRIED,
	ATTEMPT_SILENT,
	ATTEMPT_UNSUPPORTED,
	ATTEMPT_REFUSED, /* it speaks the protocol, and does not do what it is asked */
	ATTEMPT_SPEAKS,
};

/* One protocol at one gateway. */
struct protocol_attempt {
	enum attempt_standing standing; /* what was heard last; the next try does not change it */
	uint32_t id;                    /* of the request under way; 0: none */
	uint64_t try_at;
	unsigned int n_failures; /* in a row */
	enum trouble trouble;
	unsigned int result; /* as on the wire */
	bool open;           /* its speaker may exist */
};

struct gateway_place {
	struct in_addr address, local, seen_as;
	int link;
};

struct gateway_state {
	struct gateway_place place;
	bool begun;
	/* Counts the conversations: an answer belongs to one. */
	uint32_t incarnation;
	enum mapping_protocol order[PROTOCOLS_SPOKEN]; /* PROTOCOL_NONE ends */
	struct protocol_attempt attempts[PROTOCOLS];
	enum mapping_protocol winner;
	bool spoke;        /* something won since it was begun */
	bool served;       /* and mapped, or went without having refused */
	uint64_t race_at;  /* when it began */
	bool provisional;  /* without a winner for long enough: it counts as lost for now */
	uint64_t doubt_at; /* when the winner is not to be waited for alone any longer */
	bool doubt_probed; /* the winner was asked whether it is there */

	struct in_addr external;        /* what it says; 0.0.0.0: it does not */
	struct in_addr former_external; /* what it said before that */
	/* It restarted, or was found again, and has not said since whether it is still that. */
	bool external_doubtful;
	enum trouble trouble; /* with the external address */
	unsigned int result;
	uint32_t address_id;
	uint64_t address_at;
	unsigned int n_address_failures;
};

enum gateway_phase {
	GATEWAY_NOBODY,
	GATEWAY_RACING,
	GATEWAY_SPEAKING,
	GATEWAY_LOST,    /* it spoke, and is looked for again */
	GATEWAY_MUTE,    /* no protocol is spoken */
	GATEWAY_REFUSED, /* at least one is, and refused */
};

/* `order`: PROTOCOL_NONE ends; `hint`: what won here before, or PROTOCOL_NONE. */
void gateway_begin(struct gateway_state *gateway, const struct gateway_place *place,
		   const enum mapping_protocol *order, enum mapping_protocol hint, uint64_t now);
/* Nobody is there to be asked. */
void gateway_end(struct gateway_state *gateway);
enum gateway_phase gateway_phase(const struct gateway_state *gateway);

/* Everything that is known may be wrong; what was no may be yes. */
void gateway_reprove(struct gateway_state *gateway, uint64_t now);

/* The next protocol that is to be tried now; PROTOCOL_NONE: none. `*ret_may_map`: it may be asked
 * for a mapping instead of whether it is there. The caller sets attempts[].id. */
enum mapping_protocol gateway_next_attempt(struct gateway_state *gateway, uint64_t now,
					   bool *ret_may_map);
/* Whether the last try heard nothing at all. */
bool gateway_was_silent(const struct gateway_state *gateway, enum mapping_protocol protocol);
/* Whether to ask for the external address now. */
bool gateway_wants_address(const struct gateway_state *gateway, uint64_t now);
uint64_t gateway_due(const struct gateway_state *gateway);
/* What time alone changes. True when it did. */
bool gateway_pass_time(struct gateway_state *gateway, uint64_t now);

/* The protocol has answered with success, to a request for a mapping when `mapped`. True when it is
 * the winner now and was not before. */
bool gateway_note_success(struct gateway_state *gateway, enum mapping_protocol protocol,
			  bool mapped, uint64_t now);
/* It has not; the others go on, at once. When it was the winner, it is no longer. `delay`: not to
 * be asked again before. */
void gateway_note_failure(struct gateway_state *gateway, enum mapping_protocol protocol,
			  enum attempt_standing standing, enum trouble trouble, unsigned int result,
			  uint64_t delay, uint64_t now);
/* It says unasked that it speaks this protocol: reason to ask now instead of later, when nothing
 * has won. */
void gateway_note_present(struct gateway_state *gateway, enum mapping_protocol protocol,
			  uint64_t now);
/* A request to the winner goes out: if nothing comes back in time, the others are tried, too. */
void gateway_note_asked(struct gateway_state *gateway, uint64_t now);
/* The winner said something. */
void gateway_note_heard(struct gateway_state *gateway, uint64_t now);

/* Why nothing is mapped: of what each protocol said, what tells most. `*ret_protocol` may be
 * PROTOCOL_NONE. */
enum trouble gateway_complaint(const struct gateway_state *gateway,
			       enum mapping_protocol *ret_protocol, unsigned int *ret_result);
/* Whether the speaker of this protocol is of use to the race or as the winner. */
bool gateway_needs(const struct gateway_state *gateway, enum mapping_protocol protocol);

/* How long to wait after so many failures in a row (1 and more): `first`, doubled up to `limit`. */
uint64_t gateway_back_off(unsigned int n_failures, uint64_t first, uint64_t limit);
#define GATEWAY_FAILURE_WAIT       2000 /* ms */
#define GATEWAY_FAILURE_WAIT_LIMIT 128000
