/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is known of the network we are on, of its gateway and of the mappings that are wanted. What
 * happens comes in as events, what is to be asked comes out as actions; each protocol's timers are
 * its speaker's (speaker.h).
 *
 * Where nobody is to be asked, or nobody answered for two seconds, a mapping is the identity and
 * the network counts as public (RFC 6281 §4.1); asking goes on behind that. When the owner says
 * that ports are forwarded by hand (`forwarded`), it is the address that a STUN server sees, with
 * the port that was wished for.
 *
 * Gateways are a chain: the network's, then those that are configured to be behind it, each of
 * which is asked to forward to what the one before it granted.
 *
 * Times are milliseconds of one clock that never goes back; UINT64_MAX is never.
 */
#include "services/mapper/gateway-memory-state.h"
#include "services/mapper/gateway-state.h"
#include "services/mapper/ledger-state.h"
#include "services/mapper/nat-kind-state.h"
#include "services/mapper/network-state.h"

#include <sys/types.h>

#define MAPPINGS_LIMIT           64
#define MAPPINGS_PER_CALLER      16
#define MAPPING_DEFAULT_LIFETIME 3600 /* RFC 6281 §4.2 */
#define HOPS_LIMIT               4

enum mapping_condition {
	MAPPING_PENDING,
	MAPPING_MAPPED,
	MAPPING_PUBLIC,
	MAPPING_FAILED,
};

struct mapping_wish {
	char label[MAPPING_LABEL_LIMIT + 1];
	int transport; /* IPPROTO_UDP or IPPROTO_TCP */
	uint16_t internal_port;
	uint16_t external_port; /* 0: no wish */
	uint32_t lifetime;      /* seconds */
};

/* A mapping at one of the gateways. */
struct mapping_hop {
	bool asked; /* the gateway may know it */
	bool mapped;
	bool lost;                      /* perhaps: the gateway has to be asked as if it were new */
	enum mapping_protocol protocol; /* that it was asked by */
	uint32_t id;                    /* of the request under way; 0: none */
	uint64_t give_up_at;            /* the request under way */
	uint16_t internal_port;         /* as this gateway sees it */
	uint16_t port;                  /* granted, and asked for again; 0: none yet */
	uint16_t wanted_port;           /* asked for once instead; 0: none */
	struct in_addr external;        /* the address that goes with it */
	uint32_t lifetime;              /* as granted, s; 0: for ever */
	uint64_t granted_at, expires_at, ask_at;
	unsigned int n_renewals; /* since it was granted */
	unsigned int n_failures; /* in a row */
	unsigned int n_brief;    /* grants that were for little, or gone soon */
	enum trouble trouble;
	unsigned int result;
	bool pcp_may_have_it; /* it was asked for by PCP, which did not say no */
	bool only_asked;      /* the ledger has it for a request that nobody has answered */
	bool have_nonce;
	uint8_t nonce[SPEAKER_NONCE_SIZE];
};

/* Read it, never write it, outside of the pure part. */
struct mapping {
	struct mapping *next;
	struct mapping_wish wish;
	/* Who wants it (wish-state.c). */
	char *caller;
	uid_t uid;
	uint64_t abandoned_at; /* UINT64_MAX: the caller is there */

	struct mapping_hop hops[HOPS_LIMIT];

	/* What follows from all that (mapping_view). */
	uint64_t generation; /* what the addresses hold for */
	enum mapping_condition condition;
	bool by_hand;                          /* mapped, but by no gateway that was asked */
	struct sockaddr_in internal, external; /* 0.0.0.0: none */
	enum trouble trouble;
	unsigned int result;
	uint64_t expires_at;
	uint32_t lifetime;
	void *userdata; /* the caller's */
};

/* What a gateway is still to forget. */
struct deletion {
	struct deletion *next;
	unsigned int hop;
	struct ledger_entry entry;
	bool perhaps; /* besides the one that is known: nobody waits for it */
	uint32_t id;  /* of the request under way; 0: none */
};

struct mapper_counters {
	uint64_t network_changes, requests_failed, gateway_absences, gateway_restarts,
		protocol_changes, events_stale, announcements_accepted, announcements_foreign,
		announcements_malformed, mappings_adopted, mappings_removed;
};

/* Fills with octets that nobody can guess. */
typedef void (*random_source)(void *octets, size_t size);

enum mapper_action_kind {
	MAPPER_REQUEST,
	MAPPER_CANCEL, /* request.id */
	MAPPER_CLOSE,  /* the speaker is of no more use */
};

struct mapper_action {
	enum mapper_action_kind kind;
	unsigned int hop;
	enum mapping_protocol protocol;
	struct gateway_request request;
};

#define CANCELS_LIMIT 160

struct mapper_state {
	uint64_t generation;
	bool have_network; /* the first view has come */
	bool finishing;
	struct network_view network;
	enum mapping_protocol protocols[PROTOCOLS_SPOKEN + 1]; /* in the order of preference */
	struct in_addr nested[HOPS_LIMIT - 1]; /* behind the network's gateway; 0.0.0.0 ends */
	bool forwarded;                        /* what no gateway maps is forwarded by hand */

	struct gateway_state gateways[HOPS_LIMIT];
	uint64_t orphans_at; /* when what nobody asked for again is deleted */
	unsigned int n_orphan_tries;
	uint32_t last_id;
	random_source random;
	/* As it was told last. */
	bool was_public;
	struct in_addr told_external; /* while it was not public */
	uint64_t heard_at;            /* an announcement that was acted on */
	uint64_t checked_at;          /* when the last question was answered; 0: not yet */
	bool was_busy;
	bool outside_pending;    /* others than the gateway are being asked */
	uint64_t checking_until; /* a gateway that was silent gets so long when all is reproved */

	/* What others than the gateway found out in this network; all zero: nothing yet. */
	struct sockaddr_in stun_server; /* who said so; 0.0.0.0: nobody */
	struct in_addr reflexive, second_hop;
	enum nat_behaviour nat_mapping, nat_filtering;
	enum nat_verified verified;
	uint16_t nat_silence; /* s for which flows are remembered; 0: not known */
	/* With `forwarded`: the last address that was seen from outside in this network, also when
	 * nobody sees it any more. While it is waited for, nothing private is told. */
	struct in_addr seen_as;
	uint64_t seen_as_until; /* UINT64_MAX: it is not waited for */

	struct mapper_action cancels[CANCELS_LIMIT]; /* to be taken */
	unsigned int n_cancels;

	struct mapping *mappings; /* in the order they were asked for */
	struct deletion *deletions;
	unsigned int n_mappings;
	struct ledger ledger;
	struct gateway_memory memory;
	struct mapper_counters counters;
};

/* `generation` is the last one that was ever announced. All protocols, no further gateways. */
void mapper_state_init(struct mapper_state *state, uint64_t generation, random_source random);
/* Frees what it holds. */
void mapper_state_deinit(struct mapper_state *state);

/* Events. After each of them, and at mapper_state_due(), take the actions. */
void mapper_state_set_network(struct mapper_state *state, const struct network_view *view,
			      uint64_t now);
/* The same network, but the kernel knows more of it or something else: MAC, kind, uplinks. */
void mapper_state_set_details(struct mapper_state *state, const struct network_view *view);
/* From the speaker of `protocol` at gateway `hop`, opened when its incarnation was this one. */
void mapper_state_on_event(struct mapper_state *state, unsigned int hop, uint32_t incarnation,
			   enum mapping_protocol protocol, const struct gateway_event *event,
			   uint64_t now);
/* Whether a multicast from `source` over `link` is the gateway's; the speakers are to be told. */
bool mapper_state_on_announcement(struct mapper_state *state, struct in_addr source, int link,
				  uint64_t now);
/* A request that could not be sent: it is as if it were lost on its way. */
void mapper_state_on_unsent(struct mapper_state *state, const struct mapper_action *action,
			    uint64_t now);
/* How others see us, 0.0.0.0 when nobody says so any more. */
void mapper_state_set_reflexive(struct mapper_state *state, struct in_addr reflexive, uint64_t now);
/* IGD: where the network's gateway describes itself. */
void mapper_state_note_location(struct mapper_state *state, const char *location);
/* What is known is to be asked for again: after the machine slept, or because somebody wants to
 * know. */
void mapper_state_reprove(struct mapper_state *state, uint64_t now);
/* Whether others than the gateway are being asked: all is proven only when they have answered. */
void mapper_state_set_outside_pending(struct mapper_state *state, bool pending, uint64_t now);
/* Removes all mappings for good. */
void mapper_state_finish(struct mapper_state *state, uint64_t now);
/* Whether the gateway has confirmed or has had its chance. */
bool mapper_state_finished(const struct mapper_state *state);

/* The next action to be taken now, if any. */
bool mapper_state_take_action(struct mapper_state *state, uint64_t now, struct mapper_action *ret);
uint64_t mapper_state_due(const struct mapper_state *state);

/* For mapping-state.c: a request is of no more interest. */
void mapper_state_cancel(struct mapper_state *state, unsigned int hop,
			 enum mapping_protocol protocol, uint32_t id);

/* No translation is known of. */
bool mapper_state_is_public(const struct mapper_state *state);
/* What is told of this network is what the owner forwards by hand. */
bool mapper_state_is_forwarded(const struct mapper_state *state);
/* Whether that is to be told of a mapping for which no gateway can be reached from outside. */
bool mapper_state_may_be_forwarded(const struct mapper_state *state);
/* It is not known yet. */
bool mapper_state_awaits_reflexive(const struct mapper_state *state);
/* For nat_kind_decide() and nat_kind_describe(). */
struct nat_facts mapper_state_facts(const struct mapper_state *state);
/* What others see; 0.0.0.0 while not known. */
struct in_addr mapper_state_external(const struct mapper_state *state);
/* The last gateway of the chain whose word counts. */
unsigned int mapper_state_last_hop(const struct mapper_state *state);
/* Why there is less than was asked for, of the gateways and mappings together. */
enum trouble mapper_state_complaint(const struct mapper_state *state,
				    enum mapping_protocol *ret_protocol, unsigned int *ret_result);
/* The MAC for the gateway's memory, NULL while not known. */
const uint8_t *mapper_state_mac(const struct mapper_state *state);

bool address_is_private(struct in_addr address); /* RFC 1918 */
