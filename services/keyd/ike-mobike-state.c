/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-mobike-state.h"

#include "services/keyd/ike-sa-internal.h"

#include <openssl/crypto.h>
#include <stdio.h>

#define NO_NATS_SIZE_IPV4 12

void ike_mobike_add_supported(struct ike_builder *builder)
{
	ike_builder_add_notify(builder, IKE_NOTIFY_MOBIKE_SUPPORTED, NULL, 0);
}

static bool says_addresses(const struct ike_chain *chain)
{
	struct ike_notify notify;

	return ike_chain_find_notify(chain, IKE_NOTIFY_NO_ADDITIONAL_ADDRESSES, &notify) ||
	       ike_chain_find_notify(chain, IKE_NOTIFY_ADDITIONAL_IP4_ADDRESS, &notify) ||
	       ike_chain_find_notify(chain, IKE_NOTIFY_ADDITIONAL_IP6_ADDRESS, &notify);
}

/* An address of one host on the internet or in a private network. */
static bool is_usable(struct in_addr address)
{
	uint8_t first = ntohl(address.s_addr) >> 24;

	return first && first != 127 && first < 224;
}

/* What it says takes the place of what it said before (§3.6). IPv6 is not spoken outside of the
 * tunnel. */
static void hear_others(struct ike_sa *sa, const struct ike_chain *chain)
{
	struct ike_mobike *mobike = &sa->mobike;

	if (!says_addresses(chain))
		return;
	mobike->n_others = 0;
	for (size_t i = 0; i < chain->n_payloads && mobike->n_others < IKE_OTHERS_LIMIT; i++) {
		struct ike_notify notify;
		struct in_addr address;

		if (chain->payloads[i].type != IKE_PAYLOAD_NOTIFY ||
		    ike_notify_read(&chain->payloads[i], &notify) < 0 ||
		    notify.type != IKE_NOTIFY_ADDITIONAL_IP4_ADDRESS ||
		    notify.data.size != sizeof address)
			continue;
		memcpy(&address, notify.data.data, sizeof address);
		if (is_usable(address))
			mobike->others[mobike->n_others++] = address;
	}
}

void ike_mobike_hear(struct ike_sa *sa, const struct ike_chain *chain)
{
	struct ike_notify notify;

	sa->mobike.supported = ike_chain_find_notify(chain, IKE_NOTIFY_MOBIKE_SUPPORTED, &notify);
	sa->mobike.first = sa->initiator;
	hear_others(sa, chain);
}

bool ike_mobike_find_other(const struct ike_sa *sa, unsigned int repeats, struct sockaddr_in *ret)
{
	const struct ike_mobike *mobike = &sa->mobike;

	if (!mobike->supported || !mobike->first || !mobike->n_others ||
	    sa->state != IKE_SA_ESTABLISHED || repeats < IKE_PATH_PATIENCE)
		return false;
	*ret = sa->endpoint;
	ret->sin_addr = mobike->others[(repeats - IKE_PATH_PATIENCE) % mobike->n_others];
	return true;
}

void ike_mobike_answered_from(struct ike_sa *sa, const struct sockaddr_in *from)
{
	struct ike_mobike *mobike = &sa->mobike;

	for (unsigned int i = 0; i < mobike->n_others; i++) {
		if (mobike->others[i].s_addr != from->sin_addr.s_addr ||
		    from->sin_addr.s_addr == sa->endpoint.sin_addr.s_addr)
			continue;
		/* The way back stays known. */
		mobike->others[i] = sa->endpoint.sin_addr;
		sa->endpoint = *from;
		mobike->update_wanted = true;
		ike_actions_add(&sa->context->actions, IKE_ACTION_CHANGED, sa->id, NULL, 0);
		return;
	}
}

void ike_mobike_moved(struct ike_sa *sa)
{
	if (!sa->mobike.supported || sa->state != IKE_SA_ESTABLISHED || sa->superseded)
		return;
	if (sa->mobike.first)
		sa->mobike.update_wanted = true;
	else
		sa->mobike.announce_wanted = true;
}

void ike_mobike_add_detection(struct ike_sa *sa, struct ike_builder *builder)
{
	if (sa->mobike.supported)
		ike_sa_add_nat_detection(builder, sa->spi_initiator, sa->spi_responder,
					 &sa->endpoint);
}

/* The peer. */

/* It forbids that anybody changes addresses on the way (§3.9). Of ours it may say what it likes: we
 * do not know which of our addresses a message came to. */
static bool has_unexpected_nat(const struct ike_chain *chain, const struct sockaddr_in *from)
{
	struct ike_notify notify;

	if (!ike_chain_find_notify(chain, IKE_NOTIFY_NO_NATS_ALLOWED, &notify))
		return false;
	return notify.data.size != NO_NATS_SIZE_IPV4 ||
	       memcmp(notify.data.data, &from->sin_addr, 4) != 0 ||
	       memcmp(notify.data.data + 8, &from->sin_port, 2) != 0;
}

/* The peer is where this request came from. Requests may overtake each other: the newest counts. */
static void follow(struct ike_sa *sa)
{
	struct ike_mobike *mobike = &sa->mobike;

	if (mobike->heard && sa->asked_id < mobike->newest)
		return;
	mobike->heard = true;
	mobike->newest = sa->asked_id;
	mobike->updates++;
	sa->context->counters.addresses_updated++;
	if (sa->endpoint.sin_addr.s_addr != sa->asked_from.sin_addr.s_addr ||
	    sa->endpoint.sin_port != sa->asked_from.sin_port) {
		sa->endpoint = sa->asked_from;
		ike_actions_add(&sa->context->actions, IKE_ACTION_CHANGED, sa->id, NULL, 0);
	}
	/* The initiator makes its own update of it, which asks for a proof as well (§3.6). */
	if (mobike->first)
		mobike->update_wanted = true;
	else
		mobike->check_wanted = true;
}

void ike_mobike_request(struct ike_sa *sa, const struct ike_chain *chain,
			struct ike_builder *answer)
{
	struct ike_notify notify;
	bool update = ike_chain_find_notify(chain, IKE_NOTIFY_UPDATE_SA_ADDRESSES, &notify);
	bool moves = sa->mobike.supported && sa->state == IKE_SA_ESTABLISHED &&
		     (sa->mobike.first ? says_addresses(chain) : update);

	if (ike_chain_find_notify(chain, IKE_NOTIFY_COOKIE2, &notify) && notify.data.size >= 8 &&
	    notify.data.size <= 64)
		ike_builder_add_notify(answer, IKE_NOTIFY_COOKIE2, notify.data.data,
				       notify.data.size);
	if (ike_chain_find_notify(chain, IKE_NOTIFY_NAT_DETECTION_SOURCE_IP, &notify))
		ike_sa_add_nat_detection(answer, sa->spi_initiator, sa->spi_responder,
					 &sa->asked_from);
	if ((update || says_addresses(chain)) && has_unexpected_nat(chain, &sa->asked_from)) {
		ike_builder_add_notify(answer, IKE_NOTIFY_UNEXPECTED_NAT_DETECTED, NULL, 0);
	} else if (update && (!is_usable(sa->asked_from.sin_addr) || !sa->asked_from.sin_port)) {
		ike_builder_add_notify(answer, IKE_NOTIFY_UNACCEPTABLE_ADDRESSES, NULL, 0);
	} else if (moves) {
		hear_others(sa, chain);
		follow(sa);
	}
}

/* We. */

static bool send_request(struct ike_sa *sa, uint64_t now, enum ike_purpose purpose,
			 enum ike_notify_type type)
{
	const struct ike_random *random = &sa->context->random;
	uint8_t buffer[256], cookie[IKE_COOKIE2_SIZE];
	struct ike_builder inner;

	random->fill(random->userdata, cookie, sizeof cookie);
	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	if (type != IKE_NOTIFY_COOKIE2)
		ike_builder_add_notify(&inner, type, NULL, 0);
	ike_mobike_add_detection(sa, &inner);
	ike_builder_add_notify(&inner, IKE_NOTIFY_COOKIE2, cookie, sizeof cookie);
	if (ike_sa_request_sealed(sa, now, IKE_EXCHANGE_INFORMATIONAL, &inner,
				  IKE_LIVENESS_DEADLINE) < 0)
		return false;
	ike_sa_last_request(sa)->purpose = purpose;
	ike_sa_last_request(sa)->has_cookie = true;
	memcpy(ike_sa_last_request(sa)->cookie, cookie, sizeof cookie);
	return true;
}

bool ike_mobike_pursue(struct ike_sa *sa, uint64_t now)
{
	struct ike_mobike *mobike = &sa->mobike;

	if (mobike->update_wanted) {
		mobike->update_wanted = mobike->check_wanted = false;
		return send_request(sa, now, IKE_PURPOSE_UPDATE, IKE_NOTIFY_UPDATE_SA_ADDRESSES);
	}
	if (mobike->announce_wanted) {
		mobike->announce_wanted = false;
		return send_request(sa, now, IKE_PURPOSE_CHECK, IKE_NOTIFY_NO_ADDITIONAL_ADDRESSES);
	}
	if (mobike->check_wanted) {
		mobike->check_wanted = false;
		return send_request(sa, now, IKE_PURPOSE_CHECK, IKE_NOTIFY_COOKIE2);
	}
	return false;
}

/* The peer gets what is sent to sa->endpoint: its packets go there. */
static void move_children(struct ike_sa *sa)
{
	for (size_t i = 0; i < IKE_CHILDREN_LIMIT; i++) {
		struct ike_action *action;

		if (!sa->children[i].id || !sa->children[i].installed)
			continue;
		action = ike_actions_add(&sa->context->actions, IKE_ACTION_MOVE, sa->id, NULL, 0);
		if (!action)
			return;
		action->child = sa->children[i];
		action->endpoint = sa->endpoint;
		/* All of a peer's pairs go to one place. */
		return;
	}
}

/* How the peer sees us: another mapping of a NAT than before is a move that we have not noticed
 * (§3.8). */
static void look_at_mapping(struct ike_sa *sa, const struct ike_chain *chain)
{
	struct ike_mobike *mobike = &sa->mobike;
	struct ike_notify notify;
	bool update = sa->answered.purpose == IKE_PURPOSE_UPDATE;

	if (!ike_chain_find_notify(chain, IKE_NOTIFY_NAT_DETECTION_DESTINATION_IP, &notify) ||
	    notify.data.size != sizeof mobike->mapping)
		return;
	if (mobike->mapped && !update && mobike->first &&
	    memcmp(mobike->mapping, notify.data.data, sizeof mobike->mapping) != 0)
		mobike->update_wanted = true;
	mobike->mapped = true;
	memcpy(mobike->mapping, notify.data.data, sizeof mobike->mapping);
}

bool ike_mobike_response(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	const struct ike_request *request = &sa->answered;
	struct ike_notify notify, error;

	if (!sa->mobike.supported)
		return true;
	if (request->has_cookie &&
	    (!ike_chain_find_notify(chain, IKE_NOTIFY_COOKIE2, &notify) ||
	     notify.data.size != sizeof request->cookie ||
	     CRYPTO_memcmp(notify.data.data, request->cookie, sizeof request->cookie) != 0)) {
		snprintf(sa->trouble, sizeof sa->trouble,
			 "somebody answered at an address where the peer is not");
		ike_actions_note(&sa->context->actions, "%s: %s", sa->peer, sa->trouble);
		ike_sa_delete(sa, now);
		return false;
	}
	look_at_mapping(sa, chain);
	if (!request->has_cookie)
		return true;
	if (ike_chain_find_error(chain, &error)) {
		snprintf(sa->trouble, sizeof sa->trouble, "it refused an address with %s",
			 ike_notify_name(error.type));
		return true;
	}
	/* Another move came meanwhile; a request that went to several places proves none (§3.7). */
	if (sa->mobike.update_wanted || sa->mobike.check_wanted)
		return true;
	if (request->moved) {
		sa->mobike.check_wanted = true;
		return true;
	}
	if (request->purpose == IKE_PURPOSE_UPDATE)
		sa->mobike.updates++;
	move_children(sa);
	return true;
}
