/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is known of the network we are on and of the mappings that are wanted: one conversation with
 * the network's gateway, one request at a time (RFC 6886 §3.1).
 *
 *   nobody  --private address with a gateway--> asking
 *   asking  --answer, announcement--> speaking
 *   asking  --refused, no answer for two minutes--> mute --later, announcement--> asking
 *   any     --another network--> nobody or asking
 *
 * Where nobody is to be asked, or nobody answered for two seconds, a mapping is the identity and
 * the network counts as public (RFC 6281 §4.1); asking goes on behind that.
 *
 * Times are milliseconds of one clock that never goes back; UINT64_MAX is never.
 */
#include "services/mapper/nat-kind.h"
#include "services/mapper/natpmp-wire.h"
#include "services/mapper/network-state.h"

#include <sys/types.h>

#define MAPPING_LABEL_LIMIT      32
#define MAPPINGS_LIMIT           64
#define MAPPINGS_PER_CALLER      16
#define MAPPING_DEFAULT_LIFETIME 3600 /* RFC 6281 §4.2 */

enum gateway_phase {
	GATEWAY_NOBODY, /* no network, no gateway, or an address that needs none */
	GATEWAY_ASKING,
	GATEWAY_SPEAKING,
	GATEWAY_MUTE, /* known not to speak NAT-PMP */
};

enum mapping_condition {
	MAPPING_PENDING,
	MAPPING_MAPPED,
	MAPPING_PUBLIC,
	MAPPING_FAILED,
};

/* Why there is less than was asked for; mapper-words.c has the sentences. */
enum trouble {
	TROUBLE_NONE,
	TROUBLE_SILENT,
	TROUBLE_NOT_SUPPORTED,
	TROUBLE_REFUSED,
	TROUBLE_NETWORK_FAILURE,
	TROUBLE_OUT_OF_RESOURCES,
	TROUBLE_UNSUPPORTED_OPERATION,
	TROUBLE_UNKNOWN_RESULT,
	TROUBLE_DOUBLE_NAT,
	TROUBLE_EXPIRED,
};

struct mapping_wish {
	char label[MAPPING_LABEL_LIMIT + 1];
	enum natpmp_operation operation;
	uint16_t internal_port;
	uint16_t external_port; /* 0: no wish */
	uint32_t lifetime;      /* seconds */
};

/* Read it, never write it, outside of the pure part. */
struct mapping {
	struct mapping *next;
	struct mapping_wish wish;
	/* Who wants it (wish-state.c). */
	char *caller;
	uid_t uid;
	uint64_t abandoned_at; /* UINT64_MAX: the caller is there */

	uint64_t generation; /* what the addresses hold for */
	enum mapping_condition condition;
	struct sockaddr_in internal, external; /* 0.0.0.0: none */
	enum trouble trouble;
	uint64_t expires_at;

	uint16_t granted_port; /* asked for again in this network; 0: none yet */
	bool asked;            /* the gateway may know it */
	uint64_t ask_at;
	unsigned int n_failures; /* in a row */
	void *userdata;          /* the caller's */
};

struct mapper_counters {
	uint64_t network_changes, requests_sent, retransmissions, responses_accepted,
		responses_malformed, responses_unexpected, requests_failed, gateway_unreachable,
		gateway_restarts, announcements_accepted, announcements_foreign,
		announcements_malformed;
};

struct gateway_request {
	enum natpmp_operation operation;
	uint16_t internal_port, external_port;
	uint32_t lifetime;
};

struct mapper_state {
	uint64_t generation;
	bool have_network; /* the first view has come */
	bool finishing;
	struct network_view network;

	enum gateway_phase phase;
	/* Counts the conversations begun: an answer belongs to one. 0 while there is nobody. */
	uint32_t conversation;
	uint32_t last_conversation;
	bool provisional;             /* counts as public until an answer comes */
	bool spoke;                   /* in this network */
	struct in_addr external;      /* what the gateway says; 0.0.0.0: it does not */
	struct in_addr last_external; /* what it said last */
	enum trouble trouble;         /* with the gateway's address, or why it is mute */
	uint64_t asked_since;
	uint64_t address_at;
	unsigned int n_address_failures;

	bool have_epoch;
	uint32_t epoch;
	uint64_t epoch_at;
	uint64_t recreate_at;
	uint64_t asked_all_at; /* since then the gateway was asked for everything */
	uint64_t random;

	/* The request under way. */
	enum { UNDER_WAY_NOTHING, UNDER_WAY_ADDRESS, UNDER_WAY_MAP, UNDER_WAY_DELETE } under_way;
	struct gateway_request request;
	struct mapping *request_mapping; /* UNDER_WAY_MAP */
	unsigned int n_sent;
	uint64_t resend_at;

	struct mapping *mappings;  /* in the order they were asked for */
	struct mapping *deletions; /* to be deleted at the gateway */
	unsigned int n_mappings;
	struct mapper_counters counters;
};

/* `generation` is the last one that was ever announced, `seed` for the random waits. */
void mapper_state_init(struct mapper_state *state, uint64_t generation, uint64_t seed);
/* Frees what it holds. */
void mapper_state_deinit(struct mapper_state *state);

/* Events. After each of them, and at mapper_state_due(), take the requests. */
void mapper_state_set_network(struct mapper_state *state, const struct network_view *view,
			      uint64_t now);
/* The same network, of which more is known. */
void mapper_state_set_details(struct mapper_state *state, const struct network_view *view);
void mapper_state_on_response(struct mapper_state *state, uint32_t conversation,
			      const struct natpmp_response *response, uint64_t now);
/* ICMP port unreachable from the gateway. */
void mapper_state_on_unreachable(struct mapper_state *state, uint32_t conversation, uint64_t now);
/* From `source`, over link `link`. */
struct announcement;
void mapper_state_on_announcement(struct mapper_state *state, struct in_addr source, int link,
				  const struct announcement *announcement, uint64_t now);

/* What is known is to be asked for again: after the machine slept, or because somebody wants to
 * know. */
void mapper_state_reprove(struct mapper_state *state, uint64_t now);

/* Removes all mappings for good. */
void mapper_state_finish(struct mapper_state *state, uint64_t now);
/* Whether the gateway has confirmed or has had its chance. */
bool mapper_state_finished(const struct mapper_state *state);

/* The next request to be sent to the gateway now, if any. */
bool mapper_state_take_request(struct mapper_state *state, uint64_t now,
			       struct gateway_request *ret);
uint64_t mapper_state_due(const struct mapper_state *state);

/* For mapping-state.c. */
void mapper_state_forget_request(struct mapper_state *state);

/* No translation is known of. */
bool mapper_state_is_public(const struct mapper_state *state);
enum nat_kind mapper_state_nat_kind(const struct mapper_state *state);
/* What others see; 0.0.0.0 while not known. */
struct in_addr mapper_state_external(const struct mapper_state *state);
bool address_is_private(struct in_addr address); /* RFC 1918 */
