/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One gateway by UPnP IGD, without sockets: when to search, what to believe, which call is next,
 * and what an answer means. The driver takes actions until there are none, and comes back at
 * igd_state_due() or when something arrived.
 *
 *   unknown --request--> known location: described
 *                        else searched --good answer--> described
 *   described --no service--> the next answer; none left when the search is over: absent
 *   described --one WAN device--> ready
 *             --several--> asked for status and address --> ready with the best
 *   ready: requests one after the other; in between the external address and the mappings are
 *          looked at every few minutes, or when the gateway says that something changed
 *   ready --HTTP fails--> searched again
 *
 * One call is under way at a time: gateways of this kind are small.
 */
#include "services/mapper/gateway-event.h"
#include "services/mapper/igd-call-wire.h"
#include "services/mapper/speaker-state.h"
#include "services/mapper/ssdp-wire.h"

#define IGD_HELD       128 /* mappings that are looked after */
#define IGD_CANDIDATES 4   /* descriptions that one search may lead to */

enum igd_phase {
	IGD_UNKNOWN,
	IGD_SEARCHING, /* perhaps describing what was found so far */
	IGD_TRYING,    /* the location that worked last time */
	IGD_CHOOSING,  /* between several WAN devices */
	IGD_READY,
};

enum igd_step {
	IGD_STEP_CHECK, /* before a deletion: is it ours? */
	IGD_STEP_ADD,
	IGD_STEP_VERIFY,
	IGD_STEP_ADDRESS,
	IGD_STEP_DELETE,
};

struct igd_task {
	bool used, cancelled, searched_again;
	struct gateway_request request;
	enum igd_step step;
	bool made, renewal, unsure; /* unsure: what came to ADD was no clear yes */
	unsigned int n_tries;
	uint16_t port; /* external, being tried or granted */
	uint32_t lifetime;
};

/* A mapping that the gateway was seen to have. */
struct igd_mapping {
	int transport; /* 0: none */
	uint16_t internal_port, external_port;
	bool told; /* in an answer to MAP */
	uint64_t made_at;
};

/* Why a call is made. */
enum igd_purpose {
	IGD_FOR_NOTHING,
	IGD_FOR_DESCRIPTION,
	IGD_FOR_CHOICE,
	IGD_FOR_TASK,
	IGD_FOR_ADDRESS, /* looking whether it changed */
	IGD_FOR_MAPPING, /* looking whether it is there */
	IGD_FOR_EVENTS,
};

struct igd_counters {
	uint64_t calls, calls_overdue, searches, messages_accepted, messages_malformed,
		messages_foreign, messages_unexpected, answers_malformed, answers_accepted;
};

struct igd_state {
	struct in_addr gateway, client; /* client: where mappings lead to */
	enum igd_phase phase;
	uint64_t random;

	struct igd_url known, location; /* that worked before; that is in use */
	bool has_boot_id;
	uint32_t boot_id;

	unsigned int search_step;
	bool searches_briefly;
	uint64_t search_at; /* the next copy, or the end; UINT64_MAX: no search */
	bool lost;          /* and found again, but nothing asked there was answered yet */
	struct igd_url candidates[IGD_CANDIDATES];
	size_t n_candidates, n_described;
	enum trouble search_trouble;
	unsigned int search_result;

	struct igd_service services[IGD_SERVICES_MAX];
	struct in_addr addresses[IGD_SERVICES_MAX];
	bool connected[IGD_SERVICES_MAX];
	size_t n_services, chosen, choosing;
	bool choosing_address;
	bool no_any, permanent, same_port; /* what this gateway cannot do */

	struct igd_call call; /* under way */
	enum igd_purpose purpose;
	size_t subject; /* the task or mapping it is about */
	uint32_t last_call;
	uint64_t deadline;

	struct igd_task tasks[SPEAKER_REQUESTS_LIMIT];
	size_t order[SPEAKER_REQUESTS_LIMIT]; /* first come, first served */
	size_t n_tasks;
	struct igd_mapping held[IGD_HELD];

	struct in_addr external;
	uint64_t external_at; /* asked; 0: never */
	uint64_t look_at, looked_at;
	/* Heard from the gateway: what would be news, and what may be no more than our own doing.
	 */
	struct speaker_hearsay news, rumours;
	bool look_at_address, restarted;
	size_t look_next, n_to_look;
	bool looks_at_all; /* in this round something was missing */

	char subscription[IGD_SUBSCRIPTION_ID + 1];
	uint64_t subscribe_at; /* or renew; UINT64_MAX: not */

	struct speaker_events events;
	struct igd_counters counters;
};

enum igd_action_kind {
	IGD_ACTION_SEARCH,  /* target, unicast */
	IGD_ACTION_CALL,    /* call; SUBSCRIBE: `callback` is the driver's to fill in */
	IGD_ACTION_ABANDON, /* the call under way takes too long: kill the worker */
	IGD_ACTION_EVENT,
};

struct igd_action {
	enum igd_action_kind kind;
	enum ssdp_target target;
	bool unicast;
	struct igd_call call;
	struct gateway_event event;
};

/* `known`: NULL or the location that worked last time; used when it is at the gateway. */
void igd_state_init(struct igd_state *state, struct in_addr gateway, struct in_addr client,
		    const char *known, uint64_t random);
/* 0, or -EBUSY. */
int igd_state_request(struct igd_state *state, const struct gateway_request *request, uint64_t now);
void igd_state_cancel(struct igd_state *state, uint32_t id, uint64_t now);

void igd_state_on_message(struct igd_state *state, struct in_addr source,
			  const struct ssdp_message *message, uint64_t now);
/* NULL: what came was no answer that may be used. Others than to the call under way are ignored. */
void igd_state_on_answer(struct igd_state *state, const struct igd_answer *answer, uint64_t now);
/* The worker ended, or could not be started. */
void igd_state_on_worker_lost(struct igd_state *state, uint64_t now);
/* An event came. `external`: the address it tells; 0.0.0.0: none. False: the subscription is none
 * of ours. */
bool igd_state_on_notified(struct igd_state *state, const char *subscription,
			   struct in_addr external, uint64_t now);

bool igd_state_take_action(struct igd_state *state, uint64_t now, struct igd_action *ret);
/* UINT64_MAX: never. */
uint64_t igd_state_due(const struct igd_state *state);
/* What is left to say when this ends now: fills up to `size` calls, whose answers nobody waits for.
 * `ret_wait`: the call under way undoes itself when left alone. */
size_t igd_state_farewell(struct igd_state *state, struct igd_call *calls, size_t size,
			  bool *ret_wait);
