/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/pcp-state.h"

#include <errno.h>
#include <string.h>

#define FIRST_WAIT 3000    /* RFC 6887 §8.1.1: IRT */
#define WAIT_LIMIT 1024000 /* MRT */
/* MRC: the RFC would go on for ever. Whoever asks decides whether to ask again, and for what. */
#define SENDS_LIMIT            6 /* about three minutes */
#define DELETE_SENDS_LIMIT     2
#define VERIFY_SENDS_LIMIT     2
#define FAILURE_LIFETIME_LIMIT 1800 /* s; §7.4 recommends 30 minutes for the long-lived ones */
#define DISCARD_PORT           9
#define ADDRESS_LIFETIME       120 /* s; the shortest a server grants (§15) */

void pcp_state_init(struct pcp_state *state, struct in_addr client,
		    const uint8_t nonce[PCP_NONCE_SIZE], uint64_t seed)
{
	*state = (struct pcp_state){ .client = pcp_address_from(client),
				     .random = seed | 1,
				     .granted_at = UINT64_MAX };
	memcpy(state->address_nonce, nonce, PCP_NONCE_SIZE);
	speaker_hearsay_init(&state->hearsay);
}

static uint64_t failure_delay(uint32_t lifetime)
{
	return (lifetime < FAILURE_LIFETIME_LIMIT ? lifetime : FAILURE_LIFETIME_LIMIT) *
	       UINT64_C(1000);
}

static struct pcp_grant *find_grant(struct pcp_state *state, int transport, uint16_t internal_port,
				    const uint8_t nonce[PCP_NONCE_SIZE])
{
	for (unsigned int i = 0; i < state->n_grants; i++) {
		struct pcp_grant *grant = &state->grants[i];

		if (grant->transport == transport && grant->internal_port == internal_port &&
		    !memcmp(grant->nonce, nonce, PCP_NONCE_SIZE))
			return grant;
	}
	return NULL;
}

static void drop_grant(struct pcp_state *state, struct pcp_grant *grant)
{
	if (!grant)
		return;
	state->n_grants--;
	memmove(grant, grant + 1, (state->grants + state->n_grants - grant) * sizeof *grant);
}

static void keep_grant(struct pcp_state *state, const struct gateway_request *request,
		       const struct pcp_response *response, uint64_t now)
{
	struct pcp_grant *grant =
		find_grant(state, request->transport, request->internal_port, request->nonce);

	if (state->granted_at == UINT64_MAX)
		state->granted_at = now;

	if (!grant) {
		/* More than mapper has: the oldest are those that were forgotten. */
		if (state->n_grants == PCP_GRANTS_LIMIT)
			drop_grant(state, &state->grants[0]);
		grant = &state->grants[state->n_grants++];
		grant->transport = request->transport;
		grant->internal_port = request->internal_port;
		memcpy(grant->nonce, request->nonce, PCP_NONCE_SIZE);
	}
	grant->external_port = response->mapping.external_port;
	grant->external = pcp_address_to(&response->mapping.external);
}

/* The mapping by which the address alone is asked for (§11.6). */
static void make_address_mapping(const struct pcp_state *state, struct gateway_request *request)
{
	request->transport = IPPROTO_UDP;
	request->internal_port = DISCARD_PORT;
	request->external_port = 0;
	request->external = (struct in_addr){};
	request->lifetime = ADDRESS_LIFETIME;
	memcpy(request->nonce, state->address_nonce, PCP_NONCE_SIZE);
}

static bool makes_sense(const struct gateway_request *request)
{
	switch (request->operation) {
	case GATEWAY_PROBE:
	case GATEWAY_ADDRESS:
		return true;
	case GATEWAY_MAP:
	case GATEWAY_DELETE:
		break;
	}
	return (request->transport == IPPROTO_UDP || request->transport == IPPROTO_TCP) &&
	       request->internal_port &&
	       (request->operation == GATEWAY_DELETE || request->lifetime);
}

static uint64_t not_before(struct pcp_state *state, const struct gateway_request *request)
{
	bool is_new =
		request->operation == GATEWAY_ADDRESS ||
		(request->operation == GATEWAY_MAP &&
		 !find_grant(state, request->transport, request->internal_port, request->nonce));

	return is_new && state->nothing_new_before > state->nothing_before
		       ? state->nothing_new_before
		       : state->nothing_before;
}

static struct pcp_exchange *add_exchange(struct pcp_state *state,
					 const struct gateway_request *request)
{
	struct pcp_exchange *exchange = &state->exchanges[state->n_exchanges++];

	*exchange = (struct pcp_exchange){ .request = *request };
	return exchange;
}

int pcp_state_request(struct pcp_state *state, const struct gateway_request *request, uint64_t now)
{
	struct pcp_exchange *exchange;
	uint64_t later;

	if (!makes_sense(request))
		return -EINVAL;
	/* One place is for asking whether what was announced is true. */
	if (state->n_exchanges + state->events.n >= SPEAKER_REQUESTS_LIMIT - 1)
		return -EBUSY;
	later = not_before(state, request);
	if (now < later) {
		struct gateway_event event = speaker_event_to(GATEWAY_EVENT_ANSWER, request);

		event.trouble = TROUBLE_OUT_OF_RESOURCES;
		event.result = PCP_NO_RESOURCES;
		event.delay = later - now;
		speaker_events_push(&state->events, &event);
		return 0;
	}
	exchange = add_exchange(state, request);
	if (request->operation == GATEWAY_ADDRESS)
		make_address_mapping(state, &exchange->request);
	if (request->operation == GATEWAY_DELETE)
		drop_grant(state, find_grant(state, request->transport, request->internal_port,
					     request->nonce));
	return 0;
}

static void drop_exchange(struct pcp_state *state, struct pcp_exchange *exchange)
{
	if (!exchange->request.id)
		state->verifying = false;
	state->n_exchanges--;
	memmove(exchange, exchange + 1,
		(state->exchanges + state->n_exchanges - exchange) * sizeof *exchange);
}

void pcp_state_cancel(struct pcp_state *state, uint32_t id)
{
	for (unsigned int i = 0; id && i < state->n_exchanges; i++)
		if (state->exchanges[i].request.id == id) {
			drop_exchange(state, &state->exchanges[i]);
			return;
		}
}

static void push_absent(struct pcp_state *state, struct pcp_exchange *exchange,
			enum trouble trouble, unsigned int result, uint64_t delay)
{
	struct gateway_event event = speaker_event_to(GATEWAY_EVENT_ABSENT, &exchange->request);

	event.trouble = trouble;
	event.result = result;
	event.delay = delay;
	if (event.id)
		speaker_events_push(&state->events, &event);
	drop_exchange(state, exchange);
}

static void fail_all(struct pcp_state *state, enum trouble trouble, unsigned int result,
		     uint64_t delay)
{
	while (state->n_exchanges)
		push_absent(state, &state->exchanges[0], trouble, result, delay);
}

static void push_restarted(struct pcp_state *state, uint64_t spread, uint64_t now)
{
	struct gateway_event event = { .kind = GATEWAY_EVENT_RESTARTED };

	/* One that comes while the first is not acted on yet is covered by that. */
	if (now < state->restart_until)
		return;
	event.delay = speaker_restart_delay(&state->restarts, &state->random, spread, now);
	state->restart_until = now + event.delay;
	speaker_events_push(&state->events, &event);
}

/* §8.5, in seconds and integers as it is there; and what follows from it when it is about our
 * mappings. */
static bool epoch_is_valid(const struct pcp_state *state, uint32_t epoch, uint64_t now)
{
	uint64_t client_delta, server_delta;

	if (!state->have_epoch)
		return true;
	if ((uint64_t)epoch + 1 < state->epoch ||
	    speaker_lost_grants(state->granted_at, epoch, now))
		return false;
	client_delta = now / 1000 - state->epoch_at / 1000;
	server_delta = epoch > state->epoch ? epoch - state->epoch : 0;
	return client_delta + 2 >= server_delta - server_delta / 16 &&
	       server_delta + 2 >= client_delta - client_delta / 16;
}

static void note_epoch(struct pcp_state *state, uint32_t epoch, uint64_t now)
{
	state->have_epoch = true;
	state->epoch = epoch;
	state->epoch_at = now;
}

/* Whoever hears of a restart by an answer to himself is alone with that; by an announcement he has
 * waited already. */
static void note_restart(struct pcp_state *state, uint64_t now)
{
	speaker_hearsay_confirm(&state->hearsay);
	if (state->granted_at != UINT64_MAX)
		state->granted_at = now;
	push_restarted(state, 0, now);
}

static bool check_epoch(struct pcp_state *state, uint32_t epoch, uint64_t now)
{
	bool valid = epoch_is_valid(state, epoch, now);

	note_epoch(state, epoch, now);
	if (!valid)
		note_restart(state, now);
	return valid;
}

static enum trouble trouble_of_result(uint8_t result)
{
	switch (result) {
	case PCP_SUCCESS:
		return TROUBLE_NONE;
	case PCP_UNSUPP_VERSION:
		return TROUBLE_NOT_SUPPORTED;
	case PCP_NOT_AUTHORIZED:
		return TROUBLE_REFUSED;
	case PCP_MALFORMED_REQUEST:
	case PCP_UNSUPP_OPCODE:
	case PCP_UNSUPP_OPTION:
	case PCP_MALFORMED_OPTION:
	case PCP_UNSUPP_PROTOCOL:
		return TROUBLE_UNSUPPORTED_OPERATION;
	case PCP_NETWORK_FAILURE:
		return TROUBLE_NETWORK_FAILURE;
	case PCP_NO_RESOURCES:
	case PCP_USER_EX_QUOTA:
	case PCP_EXCESSIVE_REMOTE_PEERS:
		return TROUBLE_OUT_OF_RESOURCES;
	case PCP_CANNOT_PROVIDE_EXTERNAL:
		return TROUBLE_CONFLICT;
	case PCP_ADDRESS_MISMATCH:
		return TROUBLE_ADDRESS_MISMATCH;
	default:
		return TROUBLE_UNKNOWN_RESULT;
	}
}

static bool matches(const struct gateway_request *request, const struct pcp_response *response)
{
	const struct pcp_mapping *mapping = &response->mapping;

	if (request->operation == GATEWAY_PROBE)
		return response->opcode == PCP_ANNOUNCE;
	if (response->opcode != PCP_MAP || mapping->protocol != request->transport ||
	    mapping->internal_port != request->internal_port ||
	    memcmp(mapping->nonce, request->nonce, PCP_NONCE_SIZE))
		return false;
	/* An answer to the mapping that is to be deleted says nothing of its deletion; that has no
	 * external port (§15.1), even if it takes some time (§15). */
	return request->operation != GATEWAY_DELETE || response->result != PCP_SUCCESS ||
	       !response->lifetime || !mapping->external_port;
}

static struct pcp_exchange *find_exchange(struct pcp_state *state,
					  const struct pcp_response *response)
{
	/* We speak for ourselves alone (§13.1). */
	if (response->options.has_third_party)
		return NULL;
	for (unsigned int i = 0; i < state->n_exchanges; i++)
		if (state->exchanges[i].n_sent && matches(&state->exchanges[i].request, response))
			return &state->exchanges[i];
	return NULL;
}

static void hold_back(struct pcp_state *state, enum gateway_operation operation, uint64_t delay,
		      uint64_t now)
{
	switch (operation) {
	case GATEWAY_PROBE:
		break;
	case GATEWAY_ADDRESS:
	case GATEWAY_MAP:
		state->nothing_new_before = now + delay;
		break;
	case GATEWAY_DELETE:
		state->nothing_before = now + delay;
		break;
	}
}

static bool is_endpoint(const struct pcp_response *response)
{
	return response->lifetime && response->mapping.external_port &&
	       pcp_address_to(&response->mapping.external).s_addr;
}

static void fill_mapping(struct gateway_event *event, const struct pcp_response *response)
{
	event->external_port = response->mapping.external_port;
	event->external = pcp_address_to(&response->mapping.external);
	event->lifetime = response->lifetime;
}

static bool is_granted_address(const struct pcp_state *state, struct in_addr address)
{
	for (unsigned int i = 0; i < state->n_grants; i++)
		if (state->grants[i].external.s_addr != address.s_addr)
			return false;
	return true;
}

static void answer(struct pcp_state *state, struct pcp_exchange *exchange,
		   const struct pcp_response *response, uint64_t now)
{
	const struct gateway_request *request = &exchange->request;
	struct gateway_event event = speaker_event_to(GATEWAY_EVENT_ANSWER, request);

	event.trouble = trouble_of_result(response->result);
	event.result = response->result;
	if (event.trouble)
		event.delay = failure_delay(response->lifetime);
	if (response->result == PCP_NO_RESOURCES)
		hold_back(state, request->operation, event.delay, now);
	switch (request->operation) {
	case GATEWAY_PROBE:
		/* It speaks PCP, and that was the question. */
		if (response->result == PCP_UNSUPP_OPCODE)
			event.trouble = TROUBLE_NONE;
		break;
	case GATEWAY_ADDRESS:
		event.internal_port = 0;
		if (event.trouble)
			break;
		event.external = pcp_address_to(&response->mapping.external);
		if (!event.external.s_addr)
			event.trouble = TROUBLE_MALFORMED;
		break;
	case GATEWAY_MAP:
		if (event.trouble) {
			drop_grant(state, find_grant(state, request->transport,
						     request->internal_port, request->nonce));
			break;
		}
		fill_mapping(&event, response);
		/* It says that it forwards, and not how long or from where. */
		if (is_endpoint(response) && state->n_grants &&
		    !is_granted_address(state, event.external))
			speaker_restarts_believe(&state->restarts);
		if (is_endpoint(response))
			keep_grant(state, request, response, now);
		else
			event.trouble = TROUBLE_MALFORMED;
		break;
	case GATEWAY_DELETE:
		break;
	}
	speaker_events_push(&state->events, &event);
	drop_exchange(state, exchange);
}

/* The answer to what we asked ourselves, because of an announcement; its epoch was looked at. */
static void verified(struct pcp_state *state, struct pcp_exchange *exchange, bool valid,
		     uint64_t now)
{
	drop_exchange(state, exchange);
	if (valid && state->told_restart &&
	    speaker_may_have_lost_grants(state->granted_at, state->epoch, now))
		note_restart(state, now);
	state->told_restart = false;
	/* An epoch that went on does not speak of addresses: who has mappings asks for them. */
	if (valid && state->told_address)
		speaker_events_push(&state->events,
				    &(struct gateway_event){ .kind = GATEWAY_EVENT_ADDRESS });
	state->told_address = false;
}

/* §14.2: known by its nonce to be about a mapping of ours. */
static bool update_grant(struct pcp_state *state, const struct pcp_response *response, uint64_t now)
{
	const struct pcp_mapping *mapping = &response->mapping;
	struct gateway_event event = { .kind = GATEWAY_EVENT_MAPPING };
	struct pcp_grant *grant;

	if (response->opcode != PCP_MAP || response->options.has_third_party)
		return false;
	grant = find_grant(state, mapping->protocol, mapping->internal_port, mapping->nonce);
	if (!grant)
		return false;
	/* A copy of an older answer that was under way for longer. */
	if (state->have_epoch && response->epoch < state->epoch &&
	    epoch_is_valid(state, response->epoch, now))
		return true;
	check_epoch(state, response->epoch, now);
	event.transport = grant->transport;
	event.internal_port = grant->internal_port;
	event.trouble = trouble_of_result(response->result);
	event.result = response->result;
	if (event.trouble) {
		event.delay = failure_delay(response->lifetime);
		drop_grant(state, grant);
	} else if (!is_endpoint(response)) {
		drop_grant(state, grant);
	} else if (grant->external_port == mapping->external_port &&
		   grant->external.s_addr == pcp_address_to(&mapping->external).s_addr) {
		return true;
	} else {
		fill_mapping(&event, response);
		grant->external_port = event.external_port;
		grant->external = event.external;
	}
	speaker_events_push(&state->events, &event);
	return true;
}

/* §9: there is no older version that we speak. */
static void on_other_version(struct pcp_state *state, const struct pcp_response *response)
{
	bool asked = false;

	for (unsigned int i = 0; i < state->n_exchanges; i++)
		asked = asked || state->exchanges[i].n_sent;
	if (!asked) {
		state->counters.responses_unexpected++;
		return;
	}
	state->counters.responses_accepted++;
	/* What NAT-PMP has there is no lifetime. */
	fail_all(state, TROUBLE_NOT_SUPPORTED, response->result,
		 response->version ? failure_delay(response->lifetime) : 0);
}

void pcp_state_on_response(struct pcp_state *state, const struct pcp_response *response,
			   uint64_t now)
{
	struct pcp_exchange *exchange;
	bool valid;

	if (response->result == PCP_UNSUPP_VERSION) {
		on_other_version(state, response);
		return;
	}
	exchange = find_exchange(state, response);
	if (!exchange) {
		if (update_grant(state, response, now)) {
			state->counters.responses_accepted++;
			return;
		}
		state->counters.responses_unexpected++;
		/* An announcement to us alone (§14.1.3), perhaps: a reason to ask. */
		if (response->opcode == PCP_ANNOUNCE &&
		    !epoch_is_valid(state, response->epoch, now))
			speaker_hearsay_hear(&state->hearsay, now);
		return;
	}
	state->counters.responses_accepted++;
	valid = check_epoch(state, response->epoch, now);
	if (exchange->request.id)
		answer(state, exchange, response, now);
	else
		verified(state, exchange, valid, now);
}

void pcp_state_on_unreachable(struct pcp_state *state)
{
	fail_all(state, TROUBLE_NOT_SUPPORTED, 0, 0);
}

void pcp_state_on_announcement(struct pcp_state *state, const struct announcement *announcement,
			       uint64_t now)
{
	/* Before the first answer there is nothing that could have been lost. */
	if (!state->have_epoch)
		return;
	switch (announcement->kind) {
	case ANNOUNCEMENT_ADDRESS:
		/* NAT-PMP's, whose epoch may be another. */
		if (is_granted_address(state, announcement->external))
			return;
		state->told_address = true;
		/* Nobody reaches us until this is known, and only the gateway of a home says it:
		 * few hear it, and a question is one packet. */
		speaker_hearsay_hurry(&state->hearsay, now);
		return;
	case ANNOUNCEMENT_RESTART:
		if (speaker_announced_before(&state->announced, announcement->epoch, now))
			return;
		if (epoch_is_valid(state, announcement->epoch, now) &&
		    !speaker_may_have_lost_grants(state->granted_at, announcement->epoch, now))
			return;
		state->told_restart = true;
		break;
	}
	/* §14.1.3: everybody hears it at once, so everybody waits. */
	speaker_hearsay_hear(
		&state->hearsay,
		now + speaker_random_below(&state->random, SPEAKER_RECREATE_SPREAD + 1));
}

static void verify(struct pcp_state *state)
{
	const struct gateway_request probe = { .operation = GATEWAY_PROBE };

	if (state->verifying || state->n_exchanges == SPEAKER_REQUESTS_LIMIT)
		return;
	state->verifying = true;
	add_exchange(state, &probe);
}

static unsigned int sends_limit(const struct gateway_request *request)
{
	if (!request->id)
		return VERIFY_SENDS_LIMIT;
	return request->operation == GATEWAY_DELETE ? DELETE_SENDS_LIMIT : SENDS_LIMIT;
}

/* §8.1.1: RAND is drawn anew for each. */
static uint64_t next_wait(struct pcp_state *state, const struct pcp_exchange *exchange)
{
	uint64_t wait = exchange->n_sent ? 2 * exchange->wait : FIRST_WAIT;

	if (wait > WAIT_LIMIT)
		wait = WAIT_LIMIT;
	return (wait * (9000 + speaker_random_below(&state->random, 2001)) + 5000) / 10000;
}

static void give_up(struct pcp_state *state, struct pcp_exchange *exchange, uint64_t now)
{
	bool ours = !exchange->request.id;

	push_absent(state, exchange, TROUBLE_SILENT, 0, 0);
	/* It announced a restart and says no more: making the mappings again asks, too. */
	if (ours) {
		state->told_address = state->told_restart = false;
		note_restart(state, now);
	}
}

static void build(const struct pcp_state *state, const struct gateway_request *request,
		  struct pcp_request *ret)
{
	*ret = (struct pcp_request){ .opcode = PCP_ANNOUNCE, .client = state->client };
	if (request->operation == GATEWAY_PROBE)
		return;
	ret->opcode = PCP_MAP;
	ret->mapping.protocol = request->transport;
	ret->mapping.internal_port = request->internal_port;
	memcpy(ret->mapping.nonce, request->nonce, PCP_NONCE_SIZE);
	/* §15.1: all of these are zero in a deletion, the address in all its octets. */
	if (request->operation == GATEWAY_DELETE)
		return;
	ret->lifetime = request->lifetime;
	ret->mapping.external_port = request->external_port;
	ret->mapping.external = pcp_address_from(request->external);
}

bool pcp_state_take_request(struct pcp_state *state, uint64_t now, struct pcp_request *ret)
{
	if (speaker_hearsay_due(&state->hearsay, now))
		verify(state);
	for (unsigned int i = 0; i < state->n_exchanges;) {
		struct pcp_exchange *exchange = &state->exchanges[i];

		if (exchange->n_sent && now < exchange->resend_at) {
			i++;
			continue;
		}
		if (exchange->n_sent >= sends_limit(&exchange->request)) {
			give_up(state, exchange, now);
			continue;
		}
		exchange->wait = next_wait(state, exchange);
		exchange->resend_at = now + exchange->wait;
		if (exchange->n_sent++)
			state->counters.retransmissions++;
		state->counters.packets_sent++;
		build(state, &exchange->request, ret);
		return true;
	}
	return false;
}

bool pcp_state_take_event(struct pcp_state *state, struct gateway_event *ret)
{
	return speaker_events_take(&state->events, ret);
}

uint64_t pcp_state_due(const struct pcp_state *state)
{
	uint64_t due = state->hearsay.ask_at;

	if (state->events.n)
		return 0;
	for (unsigned int i = 0; i < state->n_exchanges; i++) {
		const struct pcp_exchange *exchange = &state->exchanges[i];
		uint64_t at = exchange->n_sent ? exchange->resend_at : 0;

		due = at < due ? at : due;
	}
	return due;
}
