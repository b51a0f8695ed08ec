/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/mapping-state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#define LIFETIME_LIMIT 86400 /* s; a longer grant is believed for a day */

void mapping_free_list(struct mapping **list)
{
	while (*list) {
		struct mapping *mapping = *list;

		*list = mapping->next;
		free(mapping->caller);
		free(mapping);
	}
}

uint64_t mapping_back_off(unsigned int n_failures, uint64_t first, uint64_t limit)
{
	uint64_t wait = first;

	while (--n_failures && wait < limit)
		wait *= 2;
	return wait < limit ? wait : limit;
}

/* The mapping as it stands before the gateway said anything in this network. */
void mapping_reset(struct mapper_state *state, struct mapping *mapping, uint64_t now)
{
	mapping->generation = state->generation;
	mapping->internal = (struct sockaddr_in){ .sin_family = AF_INET };
	mapping->external = mapping->internal;
	mapping->expires_at = UINT64_MAX;
	mapping->trouble = TROUBLE_NONE;
	mapping->condition = MAPPING_PENDING;
	mapping->n_failures = 0;
	mapping->ask_at = now;
	if (!state->network.link)
		return;
	mapping->internal.sin_addr = state->network.address;
	mapping->internal.sin_port = htons(mapping->wish.internal_port);
	if (mapper_state_is_public(state)) {
		mapping->external = mapping->internal;
		mapping->condition = MAPPING_PUBLIC;
	} else if (state->phase == GATEWAY_SPEAKING && state->trouble && !state->external.s_addr) {
		mapping->condition = MAPPING_FAILED;
		mapping->trouble = state->trouble;
	}
}

void mapping_reset_all(struct mapper_state *state, uint64_t now)
{
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		mapping_reset(state, mapping, now);
}

static void set_external_port(struct mapper_state *state, struct mapping *mapping, uint16_t port)
{
	mapping->external.sin_addr = state->external;
	mapping->external.sin_port = htons(port);
}

void mapping_fail(struct mapping *mapping, enum trouble trouble, uint64_t now)
{
	mapping->trouble = trouble;
	mapping->n_failures++;
	mapping->ask_at =
		now + mapping_back_off(mapping->n_failures, FAILURE_WAIT, FAILURE_WAIT_LIMIT);
	/* What was granted holds until it expires, unless the gateway itself says otherwise. */
	if (trouble == TROUBLE_SILENT && mapping->condition == MAPPING_MAPPED)
		return;
	mapping->condition = MAPPING_FAILED;
	mapping->external = (struct sockaddr_in){ .sin_family = AF_INET };
	mapping->expires_at = UINT64_MAX;
}

void mapping_grant(struct mapper_state *state, struct mapping *mapping,
		   const struct natpmp_response *response, uint64_t now)
{
	uint64_t lifetime =
		response->lifetime < LIFETIME_LIMIT ? response->lifetime : LIFETIME_LIMIT;

	if (!lifetime || !response->external_port) {
		mapping_fail(mapping, TROUBLE_UNKNOWN_RESULT, now);
		return;
	}
	mapping->condition = MAPPING_MAPPED;
	mapping->trouble = state->trouble;
	mapping->n_failures = 0;
	mapping->granted_port = response->external_port;
	mapping->expires_at = now + lifetime * 1000;
	mapping->ask_at = now + lifetime * 1000 / 2;
	set_external_port(state, mapping, response->external_port);
}

int mapping_add(struct mapper_state *state, const struct mapping_wish *wish, uint64_t now,
		struct mapping **ret)
{
	struct mapping **last = &state->mappings;
	struct mapping *mapping;

	if (state->n_mappings >= MAPPINGS_LIMIT)
		return -EDQUOT;
	mapping = calloc(1, sizeof *mapping);
	if (!mapping)
		return -ENOMEM;
	mapping->wish = *wish;
	mapping->abandoned_at = UINT64_MAX;
	mapping_reset(state, mapping, now);
	while (*last)
		last = &(*last)->next;
	*last = mapping;
	state->n_mappings++;
	*ret = mapping;
	return 0;
}

static bool same_internal(const struct mapping *mapping, const struct mapping_wish *wish)
{
	return mapping->wish.operation == wish->operation &&
	       mapping->wish.internal_port == wish->internal_port;
}

/* Puts a mapping that the gateway may know on the list of those to be deleted; takes it over. */
static void delete_at_gateway(struct mapper_state *state, struct mapping *mapping)
{
	struct mapping **last = &state->deletions;
	unsigned int n = 0;

	for (; *last; last = &(*last)->next, n++)
		if (same_internal(*last, &mapping->wish))
			break;
	/* One is enough; and who changes wishes faster than a gateway answers lets mappings run out
	 * there by themselves. */
	if (*last || n >= MAPPINGS_LIMIT) {
		free(mapping->caller);
		free(mapping);
		return;
	}
	mapping->next = NULL;
	*last = mapping;
}

void mapping_change(struct mapper_state *state, struct mapping *mapping,
		    const struct mapping_wish *wish, uint64_t now)
{
	if (same_internal(mapping, wish) && mapping->wish.external_port == wish->external_port &&
	    mapping->wish.lifetime == wish->lifetime)
		return;
	if (state->request_mapping == mapping)
		mapper_state_forget_request(state);
	if (!same_internal(mapping, wish)) {
		struct mapping *former = mapping->asked ? calloc(1, sizeof *former) : NULL;

		if (former) {
			former->wish = mapping->wish;
			delete_at_gateway(state, former);
		}
		mapping->asked = false;
		mapping->granted_port = 0;
		mapping->wish = *wish;
		mapping_reset(state, mapping, now);
		return;
	}
	/* The same mapping with another wish: it holds while the gateway is asked again. */
	if (mapping->wish.external_port != wish->external_port)
		mapping->granted_port = 0;
	mapping->wish = *wish;
	mapping->ask_at = now;
}

void mapping_remove(struct mapper_state *state, struct mapping *mapping, uint64_t now)
{
	struct mapping **link = &state->mappings;

	while (*link != mapping)
		link = &(*link)->next;
	*link = mapping->next;
	state->n_mappings--;
	if (state->request_mapping == mapping)
		mapper_state_forget_request(state);
	if (mapping->asked) {
		delete_at_gateway(state, mapping);
		return;
	}
	free(mapping->caller);
	free(mapping);
}

/* The gateway knows a mapping by its protocol and internal port alone: what another wish still
 * needs is not to be deleted. */
void mapping_drop_needless_deletions(struct mapper_state *state)
{
	struct mapping **link = &state->deletions;

	while (*link) {
		struct mapping *deletion = *link;
		bool needed = false;

		for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
			needed |= same_internal(deletion, &mapping->wish);
		if (!needed) {
			link = &deletion->next;
			continue;
		}
		if (state->under_way == UNDER_WAY_DELETE && deletion == state->deletions)
			mapper_state_forget_request(state);
		*link = deletion->next;
		free(deletion->caller);
		free(deletion);
	}
}

void mapping_drop_deletion(struct mapper_state *state)
{
	struct mapping *deletion = state->deletions;

	state->deletions = deletion->next;
	deletion->next = NULL;
	mapping_free_list(&deletion);
}

void mapping_expire_all(struct mapper_state *state, uint64_t now)
{
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next)
		if (mapping->condition == MAPPING_MAPPED && now >= mapping->expires_at) {
			mapping->condition = MAPPING_FAILED;
			mapping->trouble = TROUBLE_EXPIRED;
			mapping->external = (struct sockaddr_in){ .sin_family = AF_INET };
			mapping->expires_at = UINT64_MAX;
		}
}

void mapping_follow_address(struct mapper_state *state, uint64_t now)
{
	for (struct mapping *mapping = state->mappings; mapping; mapping = mapping->next) {
		if (mapping->condition == MAPPING_MAPPED) {
			/* The port is most likely the same (RFC 6281 §4.2); asking will tell. */
			set_external_port(state, mapping, ntohs(mapping->external.sin_port));
			mapping->trouble = state->trouble;
		} else {
			mapping_reset(state, mapping, now);
		}
	}
}
