/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/reachability.h"

#include "services/mapper/identity-client.h"
#include "services/mapper/mapping-state.h"
#include "services/mapper/stun-client.h"
#include "services/mapper/wish-state.h"

#include "common/base/log.h"

#include <arpa/inet.h>
#include <string.h>

/* Whoever waits for a mapping has the first word with the gateway. */
#define START_DELAY 250 /* ms */
/* A gateway that tells another address with each mapping is asked ever more seldom. */
#define AGAIN_LIMIT     11 /* doublings: eight minutes */
#define AGAIN_FORGOTTEN 600000
#define AWAITED         1000
/* Nobody knew a server, or none answered: resolvers may be late, and so may the zone. */
#define RETRY_FIRST 30000
#define RETRY_LIMIT 3600000
/* No gateway tells when an address changes at which ports are forwarded by hand. */
#define FORWARDED_EVERY 300000
#define LABEL           "proof"
#define OURSELVES       "org.homeward.Mapper1"
/* The shortest that gateways like; it is released when the proof is over. */
#define LIFETIME       120 /* s */
#define FAILURES_LIMIT 3   /* in a row */

struct reachability {
	struct reachability_context context;
	struct stun_servers *servers;
	struct stun_client *client;
	struct identity_client *identity;
	struct loop_timer *timer;
	char *zone; /* that was looked at, or NULL */
	unsigned int n_failures;
	unsigned int n_again; /* begun lately, in the same network */
	uint64_t again_at;
	struct in_addr external; /* the gateway's; what is asked now is about it */
	uint64_t n_restarts;     /* of gateways, when it began */

	bool awaits_servers; /* begun, and not known yet whom to ask */

	struct mapping *mapping; /* for the proof; owned by the state */
	bool is_proving;
	uint16_t proven_port;     /* the external one */
	unsigned int proven_ways; /* in this network, a bit for each protocol; or tried in vain */
};

static uint64_t now_of(const struct reachability *reachability)
{
	return loop_now(reachability->context.loop);
}

static void note(struct reachability *reachability, const char *text)
{
	timeline_note(reachability->context.timeline, reachability->context.state->generation, "%s",
		      text);
}

static void release_mapping(struct reachability *reachability)
{
	if (reachability->mapping)
		mapping_remove(reachability->context.state, reachability->mapping,
			       now_of(reachability));
	reachability->mapping = NULL;
	reachability->is_proving = false;
}

static void note_proven(struct reachability *reachability)
{
	reachability->proven_ways |= 1u << mapper_state_facts(reachability->context.state).protocol;
}

static void retry_later(struct reachability *reachability)
{
	uint64_t wait = RETRY_FIRST;

	for (unsigned int i = 0; i < reachability->n_failures && wait < RETRY_LIMIT; i++)
		wait *= 2;
	reachability->n_failures++;
	loop_timer_set_delay(reachability->timer, wait < RETRY_LIMIT ? wait : RETRY_LIMIT);
}

static void note_findings(struct reachability *reachability, const struct stun_findings *findings)
{
	char reflexive[INET_ADDRSTRLEN], hop[INET_ADDRSTRLEN], text[120];
	const struct mapper_state *state = reachability->context.state;

	if (findings->reflexive.sin_addr.s_addr != state->reflexive.s_addr) {
		inet_ntop(AF_INET, &findings->reflexive.sin_addr, reflexive, sizeof reflexive);
		snprintf(text, sizeof text, "others see %s", reflexive);
		note(reachability, text);
	}
	if (findings->second_hop.s_addr != state->second_hop.s_addr) {
		inet_ntop(AF_INET, &findings->second_hop, hop, sizeof hop);
		snprintf(text, sizeof text, "the second router is %s", hop);
		note(reachability, text);
	}
	if (findings->verified == NAT_VERIFIED_YES && state->verified != NAT_VERIFIED_YES)
		note(reachability, "a packet from outside arrived");
	if (findings->verified == NAT_VERIFIED_NO && state->verified != NAT_VERIFIED_NO)
		note(reachability, "no packet from outside arrives");
}

static void take_findings(struct reachability *reachability)
{
	const struct stun_findings *findings = stun_client_findings(reachability->client);
	struct mapper_state *state = reachability->context.state;

	note_findings(reachability, findings);
	state->stun_server = findings->server;
	state->second_hop = findings->second_hop;
	state->nat_mapping = findings->mapping;
	state->nat_filtering = findings->filtering;
	/* While it is proved again, the last proof stands. */
	if (findings->verified != NAT_VERIFIED_UNKNOWN)
		state->verified = findings->verified;
	mapper_state_set_reflexive(state, findings->reflexive.sin_addr, now_of(reachability));
}

/* The gateway has another address than when it began: it is to begin again. */
static bool has_moved(struct reachability *reachability)
{
	struct in_addr now = reachability->context.state->told_external;

	if (!now.s_addr || now.s_addr == reachability->external.s_addr)
		return false;
	if (reachability->external.s_addr)
		return true;
	reachability->external = now;
	return false;
}

/* A gateway that restarts between two questions translates the second one anew, which looks like
 * another behaviour than it has. */
static bool was_disturbed(const struct reachability *reachability)
{
	return reachability->n_restarts != reachability->context.state->counters.gateway_restarts &&
	       stun_client_is_busy(reachability->client);
}

static bool has_findings(const struct reachability *reachability)
{
	return stun_client_findings(reachability->client)->server.sin_addr.s_addr;
}

static void begin(struct reachability *reachability, uint64_t delay)
{
	const struct mapper_state *state = reachability->context.state;
	bool may_ask;

	release_mapping(reachability);
	stun_client_stop(reachability->client);
	stun_servers_stop(reachability->servers);
	reachability->proven_ways = 0;
	reachability->n_failures = 0;
	reachability->external = state->told_external;
	reachability->n_restarts = state->counters.gateway_restarts;
	may_ask = reachability->context.config->use != STUN_USE_NO && state->network.link;
	/* Who asked what all is like does not wait for the later ones. */
	reachability->awaits_servers = may_ask && delay <= AWAITED;
	if (may_ask)
		loop_timer_set_delay(reachability->timer, delay);
	else
		loop_timer_set(reachability->timer, UINT64_MAX);
}

static void begin_again(struct reachability *reachability)
{
	uint64_t now = now_of(reachability);

	if (now - reachability->again_at >= AGAIN_FORGOTTEN)
		reachability->n_again = 0;
	reachability->again_at = now;
	begin(reachability, (uint64_t)START_DELAY << reachability->n_again);
	if (reachability->n_again < AGAIN_LIMIT)
		reachability->n_again++;
}

static void on_findings(void *userdata)
{
	struct reachability *reachability = userdata;

	if (has_moved(reachability)) {
		begin_again(reachability);
		return;
	}
	take_findings(reachability);
	if (reachability->is_proving && stun_client_proof_is_over(reachability->client)) {
		/* Nobody was there to help, or it is not known how it went. */
		reachability->context.state->verified =
			stun_client_findings(reachability->client)->verified;
		note_proven(reachability);
		release_mapping(reachability);
	}
	if (has_findings(reachability)) {
		reachability->n_failures = 0;
		if (mapper_state_is_forwarded(reachability->context.state))
			loop_timer_set_delay(reachability->timer, FORWARDED_EVERY);
	}
	reachability->context.on_change(reachability->context.userdata);
}

static void on_servers(void *userdata, const struct sockaddr_in *servers, size_t n)
{
	struct reachability *reachability = userdata;
	int r = n == 0 ? -ENOENT
		       : stun_client_begin(reachability->client,
					   reachability->context.state->network.address, servers,
					   n);

	if (r < 0 && n > 0)
		log_warning("cannot ask a STUN server: %s", strerror(-r));
	/* Also when none answers; who answers clears it. */
	retry_later(reachability);
	reachability->awaits_servers = false;
	reachability->context.on_change(reachability->context.userdata);
}

/* Nobody says any more what they said at the time. */
static void forget_findings(struct reachability *reachability)
{
	struct mapper_state *state = reachability->context.state;

	if (!state->reflexive.s_addr)
		return;
	stun_client_stop(reachability->client);
	take_findings(reachability);
	state->verified = NAT_VERIFIED_UNKNOWN;
	reachability->context.on_change(reachability->context.userdata);
}

static void on_timer(void *userdata)
{
	struct reachability *reachability = userdata;

	if (has_findings(reachability)) {
		if (mapper_state_is_forwarded(reachability->context.state))
			reachability_begin(reachability);
		return;
	}
	if (reachability->n_failures > 0)
		forget_findings(reachability);
	release_mapping(reachability);
	stun_client_stop(reachability->client);
	stun_servers_find(reachability->servers, &reachability->context.config->servers,
			  reachability->zone);
}

void reachability_begin(struct reachability *reachability)
{
	reachability->n_again = 0;
	begin(reachability, START_DELAY);
}

/* Signed in to a zone, or to another one. */
static void on_identity(void *userdata)
{
	struct reachability *reachability = userdata;
	const char *zone = identity_client_zone(reachability->identity);

	if (zone == reachability->zone ||
	    (zone && reachability->zone && strcmp(zone, reachability->zone) == 0))
		return;
	free(reachability->zone);
	reachability->zone = zone ? strdup(zone) : NULL;
	if (reachability->context.config->servers.n == 0 && zone)
		reachability_begin(reachability);
}

/* Whether there is something to be proved: somebody maps, or the address is everybody's. */
static bool wants_proof(const struct reachability *reachability)
{
	const struct mapper_state *state = reachability->context.state;
	struct nat_facts facts = mapper_state_facts(state);

	if (state->finishing || !has_findings(reachability) ||
	    !stun_client_port(reachability->client))
		return false;
	/* The ports that somebody forwards by hand are not the proof's. */
	if (facts.forwarded.s_addr)
		return false;
	if (facts.protocol == PROTOCOL_NONE && nat_kind_decide(&facts) != NAT_PUBLIC)
		return false;
	/* Also where two protocols take turns. */
	return !(reachability->proven_ways & 1u << facts.protocol);
}

static void want_mapping(struct reachability *reachability)
{
	struct mapping_wish wish = { .label = LABEL,
				     .transport = IPPROTO_UDP,
				     .internal_port = stun_client_port(reachability->client),
				     .lifetime = LIFETIME };
	struct mapper_state *state = reachability->context.state;

	if (mapping_add(state, &wish, now_of(reachability), &reachability->mapping) < 0) {
		reachability->mapping = NULL;
		return;
	}
	if (wish_take_over(reachability->mapping, OURSELVES, (uid_t)-1) < 0)
		release_mapping(reachability);
}

/* In a row, at the gateway that fails most. */
static unsigned int count_failures(const struct mapping *mapping)
{
	unsigned int n = 0;

	for (unsigned int hop = 0; hop < HOPS_LIMIT; hop++)
		if (mapping->hops[hop].n_failures > n)
			n = mapping->hops[hop].n_failures;
	return n;
}

static void follow_proof(struct reachability *reachability)
{
	const struct mapping *mapping;

	if (has_moved(reachability) || was_disturbed(reachability))
		begin_again(reachability);
	if (reachability->mapping && !wants_proof(reachability)) {
		stun_client_stop_proof(reachability->client);
		release_mapping(reachability);
	} else if (!reachability->mapping && wants_proof(reachability)) {
		want_mapping(reachability);
	}
	mapping = reachability->mapping;
	if (!mapping)
		return;
	switch (mapping->condition) {
	case MAPPING_PENDING:
		return;
	case MAPPING_MAPPED:
	case MAPPING_PUBLIC:
		if (reachability->is_proving &&
		    reachability->proven_port == ntohs(mapping->external.sin_port))
			return;
		reachability->is_proving = true;
		reachability->proven_port = ntohs(mapping->external.sin_port);
		stun_client_prove(reachability->client, reachability->proven_port);
		return;
	case MAPPING_FAILED:
		/* A gateway that has just come up refuses once; it is asked again by itself. */
		if (count_failures(mapping) < FAILURES_LIMIT)
			return;
		/* The others' mappings tell the same, and more. */
		note_proven(reachability);
		stun_client_stop_proof(reachability->client);
		release_mapping(reachability);
		return;
	}
}

void reachability_follow(struct reachability *reachability)
{
	struct mapper_state *state = reachability->context.state;
	bool pending;

	follow_proof(reachability);
	pending = reachability->awaits_servers || reachability->mapping ||
		  stun_client_is_busy(reachability->client);
	mapper_state_set_outside_pending(state, pending, now_of(reachability));
}

const struct stun_client_counters *reachability_counters(const struct reachability *reachability)
{
	return stun_client_counters(reachability->client);
}

int reachability_new(const struct reachability_context *context, struct reachability **ret)
{
	cleanup(reachability_freep) struct reachability *reachability =
		calloc(1, sizeof *reachability);
	int r;

	if (!reachability)
		return -ENOMEM;
	reachability->context = *context;
	r = loop_timer_new(context->loop, on_timer, reachability, &reachability->timer);
	if (r >= 0)
		r = stun_servers_new(context->loop, on_servers, reachability,
				     &reachability->servers);
	if (r >= 0)
		r = stun_client_new(context->loop, on_findings, reachability,
				    &reachability->client);
	if (r >= 0)
		r = identity_client_new(context->bus, on_identity, reachability,
					&reachability->identity);
	if (r < 0)
		return r;
	*ret = steal_ptr(reachability);
	return 0;
}

struct reachability *reachability_free(struct reachability *reachability)
{
	if (!reachability)
		return NULL;
	identity_client_free(reachability->identity);
	stun_servers_free(reachability->servers);
	stun_client_free(reachability->client);
	loop_timer_free(reachability->timer);
	free(reachability->zone);
	free(reachability);
	return NULL;
}
