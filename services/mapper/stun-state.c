/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/stun-state.h"

#include "services/mapper/nat-kind-state.h"

#include <arpa/inet.h>

/* How often one sends where silence says something. */
#define SENDS_FOR_FILTER 3
#define SENDS_FOR_HOP    2
#define SENDS_FOR_PROOF  4
#define HOP_TTL          2

static bool is_same(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
	return a->sin_addr.s_addr == b->sin_addr.s_addr && a->sin_port == b->sin_port;
}

static struct sockaddr_in endpoint(struct in_addr address, in_port_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = address, .sin_port = port };
}

static bool read_endpoint(const struct stun_address *address, struct sockaddr_in *ret)
{
	struct in_addr ip;

	if (address->family != 4 || !address->port)
		return false;
	memcpy(&ip, address->octets, sizeof ip);
	if (!ip.s_addr || IN_MULTICAST(ntohl(ip.s_addr)) || ip.s_addr == INADDR_BROADCAST)
		return false;
	*ret = endpoint(ip, htons(address->port));
	return true;
}

/* Whether silence is one of the answers that are looked for. */
static unsigned int sends_of(const struct stun_state *state, enum stun_step step)
{
	switch (step) {
	case STUN_STEP_FILTER_BOTH:
	case STUN_STEP_FILTER_PORT:
		return SENDS_FOR_FILTER;
	case STUN_STEP_HOP:
		return SENDS_FOR_HOP;
	case STUN_STEP_PROOF:
		return SENDS_FOR_PROOF;
	case STUN_STEP_FIRST:
		/* There is somebody else to ask. */
		return state->server + 1 < state->n_servers ? SENDS_FOR_FILTER : STUN_SENDS;
	case STUN_STEP_IDLE:
	case STUN_STEP_FILTER_CONTROL:
	case STUN_STEP_MAP_ADDRESS:
	case STUN_STEP_MAP_BOTH:
	case STUN_STEP_SECOND_SERVER:
	case STUN_STEP_PROOF_CONTROL:
		break;
	}
	return STUN_SENDS;
}

static struct stun_transaction *begin(const struct stun_state *state,
				      struct stun_transaction *transaction, enum stun_step step,
				      struct sockaddr_in to, struct sockaddr_in from, uint64_t now)
{
	*transaction = (struct stun_transaction){
		.step = step, .to = to, .from = from, .limit = sends_of(state, step), .next_at = now
	};
	return transaction;
}

static void end(struct stun_transaction *transaction)
{
	*transaction = (struct stun_transaction){};
}

void stun_state_begin(struct stun_state *state, struct in_addr local,
		      const struct sockaddr_in *servers, size_t n, uint64_t now)
{
	stun_state_stop(state);
	state->local = local;
	if (n > STUN_SERVERS_LIMIT)
		n = STUN_SERVERS_LIMIT;
	for (size_t i = 0; i < n; i++)
		state->servers[i] = servers[i];
	state->n_servers = n;
	if (n > 0)
		begin(state, &state->discovery, STUN_STEP_FIRST, servers[0], servers[0], now);
}

void stun_state_stop(struct stun_state *state)
{
	struct stun_client_counters counters = state->counters;

	*state = (struct stun_state){ .counters = counters };
}

static bool has_server(const struct stun_state *state)
{
	return state->findings.server.sin_addr.s_addr;
}

static void begin_proof(struct stun_state *state, uint64_t now)
{
	struct sockaddr_in server = state->findings.server;

	if (state->proof_port && has_server(state) && !state->proof.step)
		begin(state, &state->proof, STUN_STEP_PROOF, server, server, now);
}

void stun_state_prove(struct stun_state *state, uint16_t external_port, uint64_t now)
{
	stun_state_stop_proof(state);
	state->findings.verified = NAT_VERIFIED_UNKNOWN;
	state->proof_port = external_port;
	begin_proof(state, now);
}

void stun_state_stop_proof(struct stun_state *state)
{
	end(&state->proof);
	state->proof_port = 0;
}

bool stun_state_proof_is_over(const struct stun_state *state)
{
	return !state->proof.step && (!state->proof_port || !state->discovery.step);
}

static void finish_proof(struct stun_state *state, enum nat_verified verified)
{
	state->findings.verified = verified;
	stun_state_stop_proof(state);
}

/* Mapping behaviour (RFC 5780 §4.3); the first part, or what there is instead of it. */
static void begin_mapping(struct stun_state *state, uint64_t now)
{
	struct sockaddr_in to;

	/* Nobody translates. */
	if (state->findings.reflexive.sin_addr.s_addr == state->local.s_addr) {
		state->findings.mapping = NAT_ENDPOINT_INDEPENDENT;
		end(&state->discovery);
		return;
	}
	if (state->other.sin_port) {
		to = endpoint(state->other.sin_addr, state->findings.server.sin_port);
		begin(state, &state->discovery, STUN_STEP_MAP_ADDRESS, to, to, now);
		return;
	}
	for (size_t i = 0; i < state->n_servers; i++)
		if (i != state->server && !is_same(&state->servers[i], &state->findings.server)) {
			state->second = i;
			begin(state, &state->discovery, STUN_STEP_SECOND_SERVER, state->servers[i],
			      state->servers[i], now);
			return;
		}
	end(&state->discovery);
}

/* OTHER-ADDRESS, if we want to send to it: a stranger names it. */
static bool read_other(const struct stun_state *state, const struct stun_message *message,
		       struct sockaddr_in *ret)
{
	const struct sockaddr_in *server = &state->findings.server;

	return read_endpoint(&message->other_address, ret) &&
	       ret->sin_addr.s_addr != server->sin_addr.s_addr &&
	       ret->sin_port != server->sin_port && ret->sin_addr.s_addr != state->local.s_addr &&
	       (nat_address_is_inside(server->sin_addr) || !nat_address_is_inside(ret->sin_addr));
}

static void take_first(struct stun_state *state, const struct stun_message *message,
		       const struct sockaddr_in *reflexive, uint64_t now)
{
	struct sockaddr_in server = state->discovery.to;

	state->findings.server = server;
	state->findings.reflexive = *reflexive;
	begin(state, &state->hop, STUN_STEP_HOP, server, server, now);
	begin_proof(state, now);
	if (read_other(state, message, &state->other)) {
		begin(state, &state->discovery, STUN_STEP_FILTER_BOTH, server, state->other, now);
		return;
	}
	state->other = (struct sockaddr_in){};
	begin_mapping(state, now);
}

/* What two servers see. One address with two ports tells of ports, two addresses with one port
 * tell of addresses; what differs where both differ is at least the address's. */
static enum nat_behaviour compare_servers(const struct sockaddr_in *first,
					  const struct sockaddr_in *second, bool is_same_mapping)
{
	bool is_same_address = first->sin_addr.s_addr == second->sin_addr.s_addr;

	if (is_same_mapping)
		return is_same_address ? NAT_BEHAVIOUR_UNKNOWN : NAT_ENDPOINT_INDEPENDENT;
	return is_same_address ? NAT_ADDRESS_AND_PORT_DEPENDENT : NAT_ADDRESS_DEPENDENT;
}

static void take_mapping(struct stun_state *state, const struct sockaddr_in *seen, uint64_t now)
{
	struct stun_findings *findings = &state->findings;

	if (state->discovery.step == STUN_STEP_MAP_BOTH) {
		findings->mapping = is_same(seen, &state->seen_at_address)
					    ? NAT_ADDRESS_DEPENDENT
					    : NAT_ADDRESS_AND_PORT_DEPENDENT;
		end(&state->discovery);
	} else if (is_same(seen, &findings->reflexive)) {
		findings->mapping = NAT_ENDPOINT_INDEPENDENT;
		end(&state->discovery);
	} else {
		state->seen_at_address = *seen;
		begin(state, &state->discovery, STUN_STEP_MAP_BOTH, state->other, state->other,
		      now);
	}
}

static void begin_filter_port(struct stun_state *state, uint64_t now)
{
	struct sockaddr_in server = state->findings.server;

	begin(state, &state->discovery, STUN_STEP_FILTER_PORT, server,
	      endpoint(server.sin_addr, state->other.sin_port), now);
}

static void take_answer(struct stun_state *state, const struct stun_message *message,
			const struct sockaddr_in *seen, uint64_t now)
{
	struct stun_findings *findings = &state->findings;

	switch (state->discovery.step) {
	case STUN_STEP_FIRST:
		take_first(state, message, seen, now);
		return;
	case STUN_STEP_FILTER_BOTH:
		findings->filtering = NAT_ENDPOINT_INDEPENDENT;
		begin_mapping(state, now);
		return;
	case STUN_STEP_FILTER_PORT:
		findings->filtering = NAT_ADDRESS_DEPENDENT;
		begin_mapping(state, now);
		return;
	case STUN_STEP_FILTER_CONTROL:
		findings->filtering = NAT_ADDRESS_AND_PORT_DEPENDENT;
		begin_mapping(state, now);
		return;
	case STUN_STEP_MAP_ADDRESS:
	case STUN_STEP_MAP_BOTH:
		take_mapping(state, seen, now);
		return;
	case STUN_STEP_SECOND_SERVER:
		findings->mapping = compare_servers(&findings->server, &state->discovery.to,
						    is_same(seen, &findings->reflexive));
		end(&state->discovery);
		return;
	case STUN_STEP_IDLE:
	case STUN_STEP_HOP:
	case STUN_STEP_PROOF:
	case STUN_STEP_PROOF_CONTROL:
		return;
	}
}

/* An error, or silence for as long as one waits. */
static void give_up(struct stun_state *state, bool is_error, uint64_t now)
{
	struct sockaddr_in server = state->findings.server;

	switch (state->discovery.step) {
	case STUN_STEP_FIRST:
		if (++state->server < state->n_servers) {
			server = state->servers[state->server];
			begin(state, &state->discovery, STUN_STEP_FIRST, server, server, now);
			return;
		}
		break;
	case STUN_STEP_FILTER_BOTH:
		/* It has no other address after all, or what it sends from there does not come. */
		if (is_error)
			begin_mapping(state, now);
		else
			begin_filter_port(state, now);
		return;
	case STUN_STEP_FILTER_PORT:
		if (is_error)
			begin_mapping(state, now);
		else
			begin(state, &state->discovery, STUN_STEP_FILTER_CONTROL, server, server,
			      now);
		return;
	case STUN_STEP_FILTER_CONTROL:
	case STUN_STEP_MAP_ADDRESS:
	case STUN_STEP_MAP_BOTH:
	case STUN_STEP_SECOND_SERVER:
	case STUN_STEP_IDLE:
	case STUN_STEP_HOP:
	case STUN_STEP_PROOF:
	case STUN_STEP_PROOF_CONTROL:
		break;
	}
	end(&state->discovery);
}

/* To the request with RESPONSE-PORT: arrival at the mapped port proves it; anything that comes
 * back to the asking socket says that the server does not do it. */
static void take_proof(struct stun_state *state, enum stun_socket socket, bool is_success)
{
	if (state->proof.step == STUN_STEP_PROOF_CONTROL)
		finish_proof(state, is_success ? NAT_VERIFIED_NO : NAT_VERIFIED_UNKNOWN);
	else if (socket == STUN_SOCKET_MAPPED && is_success)
		finish_proof(state, NAT_VERIFIED_YES);
	else
		finish_proof(state, NAT_VERIFIED_UNKNOWN);
}

static bool is_answer_to(const struct stun_transaction *transaction,
			 const struct stun_message *message)
{
	return transaction->step && transaction->has_txid &&
	       memcmp(message->txid, transaction->txid, STUN_TXID_SIZE) == 0;
}

static struct stun_transaction *find_transaction(struct stun_state *state, enum stun_socket socket,
						 const struct stun_message *message)
{
	if (is_answer_to(&state->proof, message)) {
		bool is_control = state->proof.step == STUN_STEP_PROOF_CONTROL;

		return socket == STUN_SOCKET_ASK || (socket == STUN_SOCKET_MAPPED && !is_control)
			       ? &state->proof
			       : NULL;
	}
	if (socket == STUN_SOCKET_ASK && is_answer_to(&state->discovery, message))
		return &state->discovery;
	if (socket == STUN_SOCKET_HOP && is_answer_to(&state->hop, message))
		return &state->hop;
	return NULL;
}

bool stun_state_receive(struct stun_state *state, enum stun_socket socket,
			const struct sockaddr_in *from, const void *octets, size_t size,
			uint64_t now)
{
	struct stun_transaction *transaction;
	struct stun_message message;
	struct sockaddr_in seen;
	bool is_success;

	if (size > STUN_MESSAGE_LIMIT || stun_parse(octets, size, &message) < 0) {
		state->counters.answers_malformed++;
		return false;
	}
	transaction = find_transaction(state, socket, &message);
	if (!transaction || (message.type != STUN_SUCCESS && message.type != STUN_ERROR)) {
		state->counters.answers_unexpected++;
		return false;
	}
	is_success = message.type == STUN_SUCCESS;
	/* Errors come from where the request went (RFC 5780 §6.1). */
	if (!is_same(from, is_success ? &transaction->from : &transaction->to)) {
		state->counters.answers_foreign++;
		return false;
	}
	/* §6.3.3: what must be understood and is not, or an answer without what was asked. */
	if (message.n_unknown || (is_success && !read_endpoint(stun_reflexive(&message), &seen))) {
		state->counters.answers_malformed++;
		return false;
	}
	state->counters.answers_accepted++;
	if (transaction == &state->proof)
		take_proof(state, socket, is_success);
	else if (transaction == &state->hop)
		end(&state->hop); /* the server is that near */
	else if (is_success)
		take_answer(state, &message, &seen, now);
	else
		give_up(state, true, now);
	return true;
}

bool stun_state_ended_at(struct stun_state *state, struct in_addr router)
{
	if (!state->hop.step || !state->hop.n_sent)
		return false;
	end(&state->hop);
	state->findings.second_hop = router;
	return true;
}

static void time_out(struct stun_state *state, struct stun_transaction *transaction, uint64_t now)
{
	struct sockaddr_in server = state->findings.server;

	if (transaction == &state->discovery)
		give_up(state, false, now);
	else if (transaction == &state->hop)
		end(&state->hop);
	else if (state->proof.step == STUN_STEP_PROOF)
		begin(state, &state->proof, STUN_STEP_PROOF_CONTROL, server, server, now);
	else
		finish_proof(state, NAT_VERIFIED_UNKNOWN);
}

static void write_packet(const struct stun_state *state, const struct stun_transaction *transaction,
			 struct stun_packet *packet)
{
	struct writer writer = writer_init(packet->octets, sizeof packet->octets);

	packet->to = transaction->to;
	packet->socket = STUN_SOCKET_ASK;
	packet->ttl = 0;
	stun_begin(&writer, STUN_REQUEST, transaction->txid);
	switch (transaction->step) {
	case STUN_STEP_FILTER_BOTH:
		stun_put_change_request(&writer, true, true);
		break;
	case STUN_STEP_FILTER_PORT:
		stun_put_change_request(&writer, false, true);
		break;
	case STUN_STEP_PROOF:
		stun_put_response_port(&writer, state->proof_port);
		break;
	case STUN_STEP_HOP:
		packet->socket = STUN_SOCKET_HOP;
		packet->ttl = HOP_TTL;
		break;
	case STUN_STEP_IDLE:
	case STUN_STEP_FIRST:
	case STUN_STEP_FILTER_CONTROL:
	case STUN_STEP_MAP_ADDRESS:
	case STUN_STEP_MAP_BOTH:
	case STUN_STEP_SECOND_SERVER:
	case STUN_STEP_PROOF_CONTROL:
		break;
	}
	stun_put_fingerprint(&writer);
	packet->size = stun_end(&writer);
}

/* Whether there is a packet; otherwise the transaction may have come to its end and another one
 * may have begun in its place. */
static bool take_from(struct stun_state *state, struct stun_transaction *transaction, uint64_t now,
		      const uint8_t random[STUN_TXID_SIZE], struct stun_packet *ret)
{
	uint64_t wait;

	if (!transaction->step || now < transaction->next_at)
		return false;
	if (transaction->n_sent == transaction->limit) {
		time_out(state, transaction, now);
		return false;
	}
	if (!transaction->has_txid) {
		memcpy(transaction->txid, random, STUN_TXID_SIZE);
		transaction->has_txid = true;
	}
	wait = (uint64_t)STUN_RTO << transaction->n_sent;
	if (++transaction->n_sent == STUN_SENDS)
		wait = STUN_RTO * STUN_LAST_WAIT;
	transaction->next_at = now + wait;
	write_packet(state, transaction, ret);
	state->counters.requests_sent++;
	return true;
}

bool stun_state_take_packet(struct stun_state *state, uint64_t now,
			    const uint8_t random[STUN_TXID_SIZE], struct stun_packet *ret)
{
	/* One that times out may begin another one, which is due at once. */
	while (stun_state_due(state) <= now)
		if (take_from(state, &state->discovery, now, random, ret) ||
		    take_from(state, &state->proof, now, random, ret) ||
		    take_from(state, &state->hop, now, random, ret))
			return true;
	return false;
}

static uint64_t due_of(const struct stun_transaction *transaction)
{
	return transaction->step ? transaction->next_at : UINT64_MAX;
}

uint64_t stun_state_due(const struct stun_state *state)
{
	uint64_t due = due_of(&state->discovery);

	if (due_of(&state->hop) < due)
		due = due_of(&state->hop);
	if (due_of(&state->proof) < due)
		due = due_of(&state->proof);
	return due;
}
