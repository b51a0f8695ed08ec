/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the registrar does next. Pure: facts come in by registrar_state_set_…() and
 * registrar_state_on_…(), then the context calls registrar_state_step() and carries out what it
 * returns, until that is REGISTRAR_ACTION_NONE; it then waits until `due` or the next fact. Times
 * are milliseconds of loop_now(); `random` is any number, its lower bits used.
 *
 * The state decides from facts, not from the order they came in: what is wanted in the zone (our
 * endpoint, for a generation) against what the server last acknowledged.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum registrar_action {
	REGISTRAR_ACTION_NONE,
	REGISTRAR_ACTION_GET_KEY,    /* from identity; then registrar_state_on_key() */
	REGISTRAR_ACTION_FORGET_KEY, /* wipe it */
	REGISTRAR_ACTION_LOCATE,     /* the server; then registrar_state_on_located() */
	REGISTRAR_ACTION_PUBLISH,    /* `sent`; then registrar_state_on_updated() */
	REGISTRAR_ACTION_WITHDRAW,   /* then registrar_state_on_updated() */
	REGISTRAR_ACTION_CANCEL,     /* what is under way; its answer must not come in any more */
	REGISTRAR_ACTION_EXIT,
};

enum registrar_phase {
	REGISTRAR_PHASE_STARTING,
	REGISTRAR_PHASE_WAITING_IDENTITY,
	REGISTRAR_PHASE_SIGNED_OUT,
	REGISTRAR_PHASE_WAITING_MAPPER,
	REGISTRAR_PHASE_WAITING_NETWORK,
	REGISTRAR_PHASE_WAITING_MAPPING,
	REGISTRAR_PHASE_DISCOVERING,
	REGISTRAR_PHASE_PUBLISHING,
	REGISTRAR_PHASE_PUBLISHED,
	REGISTRAR_PHASE_RETRYING,
	REGISTRAR_PHASE_UNREACHABLE,
	REGISTRAR_PHASE_UNTRUSTED,
	REGISTRAR_PHASE_CLOCK_SKEW,
	REGISTRAR_PHASE_BAD_KEY,
	REGISTRAR_PHASE_REFUSED,
	REGISTRAR_PHASE_NAME_TAKEN,
	REGISTRAR_PHASE_WITHDRAWING,
	REGISTRAR_PHASE_SUSPENDED,
};

enum registrar_result {
	REGISTRAR_RESULT_OK,
	REGISTRAR_RESULT_FAILED,      /* the server's own trouble: soon again */
	REGISTRAR_RESULT_UNREACHABLE, /* no answer: soon again */
	REGISTRAR_RESULT_UNTRUSTED,   /* who answered could not prove to be the server */
	REGISTRAR_RESULT_CLOCK,       /* the clocks differ */
	REGISTRAR_RESULT_BAD_KEY,     /* the server does not accept our key: seldom again */
	REGISTRAR_RESULT_REFUSED,     /* the server does not want us: seldom again */
	REGISTRAR_RESULT_NAME_TAKEN,
	/* Nothing was changed because of a shared service, which has been dealt with: at once. */
	REGISTRAR_RESULT_SERVICE,
};

struct registrar_place {
	uint64_t generation;
	struct sockaddr_in endpoint; /* family 0: not known */
};

enum registrar_activity {
	REGISTRAR_ACTIVITY_NONE,
	REGISTRAR_ACTIVITY_LOCATING,
	REGISTRAR_ACTIVITY_PUBLISHING,
	REGISTRAR_ACTIVITY_WITHDRAWING,
};

struct registrar_state {
	/* Facts. */
	bool identity_present;
	uint64_t identity; /* number of the signed-in identity; 0: signed out */
	bool mapper_present, network;
	struct registrar_place place; /* the newest */
	bool mapping_current;         /* place.endpoint holds for the network we are on */
	bool services_differ;         /* the shared services published are not those wanted */
	bool sleeping;                /* the machine is about to sleep */
	bool terminating;

	/* What we hold. */
	uint64_t key; /* number of the identity whose key we have; 0: none */
	bool key_asked;
	bool server_known; /* and not in doubt */
	bool server_had;   /* one was known with this key: good enough to take leave of */
	enum registrar_activity activity;
	struct registrar_place sent; /* by the last PUBLISH */
	bool sent_whole;        /* all of it, whatever the zone has; otherwise only what changed */
	bool sent_host_settled; /* the zone had the host's own records as they are */
	bool in_doubt;          /* whether what was sent since `published` is in the zone */
	bool server_doubted;    /* since the last failure it may be another server */
	bool maybe_in_zone;     /* since the last completed WITHDRAW something was sent */
	bool published;
	struct registrar_place published_place;
	uint32_t lease;   /* seconds granted last */
	uint64_t expires; /* the first of the leases: what changed since the last refresh has a
			     later one */

	/* When. */
	uint64_t start_at;   /* RFC 9664 §4.2: not before, at start-up */
	uint64_t not_before; /* back-off */
	uint64_t key_not_before;
	uint64_t refresh_at;
	uint64_t
		services_until; /* how far the UPDATEs for services alone have used up their time */
	bool refresh_wanted;    /* Refresh() was called */
	unsigned int n_failed;  /* in a row */
	bool clock_doubted;     /* told once that the clocks differ */
	enum registrar_result last_result;
	char trouble[320]; /* of the last failure, in words */

	/* For the context to show. */
	enum registrar_phase phase;
	uint64_t due; /* when step() wants to be called next; UINT64_MAX: only for a fact */
	struct registrar_counts {
		uint64_t updates_sent, updates_acknowledged, updates_failed, refused, withdrawals,
			old_generations, messages_dropped;
	} counts;
};

void registrar_state_init(struct registrar_state *state, uint64_t now, uint32_t startup_delay_msec,
			  uint32_t random);

void registrar_state_set_identity(struct registrar_state *state, bool present, uint64_t identity);
/* `place->endpoint` family 0: no endpoint for this generation. Older generations than the newest
 * seen are ignored unless `restarted` says that another mapper counts now. */
void registrar_state_set_mapper(struct registrar_state *state, bool present, bool network,
				const struct registrar_place *place, bool restarted);
/* Whether PUBLISH has something to do for shared services; asked before each step. */
void registrar_state_set_services(struct registrar_state *state, bool differ);
/* The machine is about to sleep, or has slept. Once step() has nothing to do and
 * registrar_state_may_sleep() says so, it may. */
void registrar_state_set_sleeping(struct registrar_state *state, bool sleeping);
bool registrar_state_may_sleep(const struct registrar_state *state);
void registrar_state_refresh(struct registrar_state *state);
void registrar_state_terminate(struct registrar_state *state);

void registrar_state_on_key(struct registrar_state *state, uint64_t now, uint64_t identity,
			    bool success);
void registrar_state_on_located(struct registrar_state *state, uint64_t now,
				enum registrar_result result, const char *words, uint32_t random);
/* `lease` in seconds, with REGISTRAR_RESULT_OK after PUBLISH. */
void registrar_state_on_updated(struct registrar_state *state, uint64_t now,
				enum registrar_result result, uint32_t lease, const char *words,
				uint32_t random);

enum registrar_action registrar_state_step(struct registrar_state *state, uint64_t now);

/* The word for the property State. */
const char *registrar_phase_to_text(enum registrar_phase phase);
