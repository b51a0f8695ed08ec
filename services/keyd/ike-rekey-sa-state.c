/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * An IKE SA in the place of another (RFC 7296 §1.3.2, §2.8.2, §2.18): new keys and message numbers
 * from 0, no new proof of who the two are. It inherits the child SAs; whoever began deletes the
 * former SA.
 */
#include "services/keyd/ike-create-child.h"

/* An SA with the same peer as this one, with new keys. */
static struct ike_sa *succeed(struct ike_sa *sa, uint64_t now,
			      const struct ike_negotiation *negotiation, bool initiator,
			      const struct ike_suite *suite, uint64_t spi_peer,
			      struct ike_octets shared)
{
	cleanup(ike_sa_freep) struct ike_sa *next = ike_sa_new(sa->context, now, initiator);
	struct ike_octets own = { negotiation->nonce, sizeof negotiation->nonce };
	struct ike_octets peer = { negotiation->peer_nonce.data, negotiation->peer_nonce.size };

	if (!next)
		return NULL;
	next->spi_initiator = initiator ? negotiation->spi : spi_peer;
	next->spi_responder = initiator ? spi_peer : negotiation->spi;
	next->suite = *suite;
	/* It is in the keys through SK_d. */
	next->suite.kem = sa->suite.kem;
	if (ike_keys_rekey(sa->suite.prf, &sa->keys, suite, initiator ? own : peer,
			   initiator ? peer : own, shared, next->spi_initiator, next->spi_responder,
			   &next->keys) < 0)
		return NULL;
	strcpy(next->peer, sa->peer);
	memcpy(next->peer_host_id, sa->peer_host_id, sizeof next->peer_host_id);
	next->authenticated = true;
	next->peer_issued = sa->peer_issued;
	/* Of the first one: what began later takes its place. */
	next->created = sa->created;
	next->endpoint = sa->endpoint;
	next->round_trip = sa->round_trip;
	next->mobike.supported = sa->mobike.supported;
	next->mobike.first = sa->mobike.first;
	memcpy(next->mobike.others, sa->mobike.others, sizeof next->mobike.others);
	next->mobike.n_others = sa->mobike.n_others;
	next->peer_takes_fragments = sa->peer_takes_fragments;
	/* It came into the keys through SK_d, and not again (RFC 8784 §3). */
	next->peer_takes_ppk = sa->peer_takes_ppk;
	next->proof = sa->proof;
	next->proof_expires = sa->proof_expires;
	next->resumed = sa->resumed;
	next->ticket_wanted = sa->ticket_wanted;
	next->fragment_limit = sa->fragment_limit;
	next->state = IKE_SA_ESTABLISHED;
	next->timer = now + IKE_LIVENESS_SILENCE;
	ike_lifetimes_begin_sa(next, now);
	sa->context->surroundings->adopt(sa->context->userdata, next);
	sa->context->counters.rekeyed++;
	return steal_ptr(next);
}

static uint64_t new_spi(struct ike_context *context)
{
	uint64_t spi = 0;

	while (!spi)
		context->random.fill(context->random.userdata, &spi, sizeof spi);
	return spi;
}

static void add_body(struct ike_builder *builder, const struct ike_negotiation *negotiation)
{
	struct ike_octets value = ike_key_exchange_public(negotiation->exchange);

	ike_builder_add(builder, IKE_PAYLOAD_NONCE, negotiation->nonce, sizeof negotiation->nonce);
	ike_builder_add_ke(builder, ike_key_exchange_group(negotiation->exchange), value.data,
			   value.size);
}

/* The successor has the children from now on. */
static void hand_over(struct ike_sa *sa, struct ike_sa *next)
{
	ike_child_inherit(sa, next);
	next->child_wanted = sa->child_wanted;
	/* A move that has not been told yet. */
	next->mobike.update_wanted = sa->mobike.update_wanted;
	next->mobike.announce_wanted = sa->mobike.announce_wanted;
	next->mobike.check_wanted = sa->mobike.check_wanted;
	/* And its end, when another SA has taken the place of both. */
	next->retire_at = sa->retire_at;
	next->retire_silently = sa->retire_silently;
	sa->superseded = true;
}

/* Ours. */

int ike_rekey_sa_send(struct ike_sa *sa, uint64_t now)
{
	struct ike_negotiation *ours = sa->ours;
	uint8_t buffer[1024];
	struct ike_builder inner;

	if (!ours->spi)
		ours->spi = new_spi(sa->context);
	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	ike_proposal_write_ike_offer(ike_builder_open(&inner, IKE_PAYLOAD_SA),
				     &sa->context->preferences, &ours->spi);
	ike_builder_close(&inner);
	add_body(&inner, ours);
	ours->message_id = sa->requests.next_id;
	return ike_sa_request_sealed(sa, now, IKE_EXCHANGE_CREATE_CHILD_SA, &inner,
				     IKE_CREATE_DEADLINE);
}

/* The SA that the peer made at the same time as we ours; NULL. */
static struct ike_sa *find_theirs(struct ike_sa *sa)
{
	if (!sa->theirs || sa->theirs->kind != IKE_REKEY_SA)
		return NULL;
	return sa->context->surroundings->find(sa->context->userdata, sa->theirs->spi);
}

void ike_rekey_sa_forget(struct ike_sa *sa)
{
	struct ike_sa *theirs;

	if (!sa->ours || sa->ours->kind != IKE_REKEY_SA)
		return;
	theirs = find_theirs(sa);
	if (theirs && theirs->state == IKE_SA_ESTABLISHED)
		hand_over(sa, theirs);
	ike_create_end(sa);
}

void ike_rekey_sa_refused(struct ike_sa *sa, uint64_t now, uint16_t type)
{
	bool theirs = find_theirs(sa);

	ike_rekey_sa_forget(sa);
	/* The peer was first, and deletes this one (§2.8.2). */
	if (theirs) {
		sa->retire_at = now + IKE_REPLACED_LIMIT;
		return;
	}
	if (type != IKE_NOTIFY_TEMPORARY_FAILURE) {
		ike_sa_renew(sa, now);
		return;
	}
	ike_create_retry(sa, now);
	if (now >= sa->refused_since + IKE_CREATE_PATIENCE)
		ike_sa_renew(sa, now);
}

int ike_rekey_sa_response(struct ike_sa *sa, uint64_t now, const struct ike_create_content *content)
{
	struct ike_negotiation *ours = sa->ours;
	struct ike_sa *next = NULL, *theirs = find_theirs(sa);
	struct ike_suite suite;
	struct ike_shared shared = {};
	uint64_t spi;
	int r;

	r = ike_proposal_read_ike_answer(&sa->context->preferences, content->proposals.data,
					 content->proposals.size, &suite, &spi);
	if (r < 0 || !spi || content->group != suite.group ||
	    suite.group != ike_key_exchange_group(ours->exchange))
		return -EBADMSG;
	r = ike_key_exchange_finish(ours->exchange, content->public_value, &shared);
	if (r >= 0)
		next = succeed(sa, now, ours, true, &suite, spi, ike_shared_octets(&shared));
	ike_shared_wipe(&shared);
	if (!next)
		return r < 0 ? r : -ENOMEM;
	ours->answered = true;
	if (sa->theirs && ike_negotiation_loses(ours, sa->theirs) && theirs) {
		/* The peer's stays; it deletes this one, and we what we have made (§2.8.2). */
		hand_over(sa, theirs);
		next->superseded = true;
		ike_sa_delete(next, now);
		sa->retire_at = now + IKE_REPLACED_LIMIT;
	} else {
		hand_over(sa, next);
		/* The peer deletes it (§2.8.2). */
		if (theirs) {
			theirs->superseded = true;
			theirs->retire_at = now + IKE_REPLACED_LIMIT;
		}
		ike_sa_delete(sa, now);
	}
	ike_create_end(sa);
	return 0;
}

void ike_rekey_sa_use(struct ike_sa *sa)
{
	struct ike_sa *former;

	if (!sa->former_spi)
		return;
	former = sa->context->surroundings->find(sa->context->userdata, sa->former_spi);
	sa->former_spi = 0;
	if (former)
		ike_rekey_sa_forget(former);
}

/* Theirs. */

static void answer(struct ike_sa *sa, const struct ike_negotiation *theirs,
		   const struct ike_suite *suite)
{
	uint8_t buffer[1024];
	struct ike_builder inner;

	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	ike_proposal_write_ike(ike_builder_open(&inner, IKE_PAYLOAD_SA), theirs->proposal, suite,
			       &theirs->spi);
	ike_builder_close(&inner);
	add_body(&inner, theirs);
	ike_sa_answer_sealed(sa, IKE_EXCHANGE_CREATE_CHILD_SA, &inner);
}

void ike_rekey_sa_request(struct ike_sa *sa, uint64_t now, const struct ike_create_content *content)
{
	cleanup(ike_negotiation_freep) struct ike_negotiation *theirs = NULL;
	struct ike_shared shared = {};
	struct ike_sa *next = NULL;
	struct ike_suite suite = {};
	uint64_t spi = 0;
	uint8_t number;
	int r = ike_proposal_choose_ike(&sa->context->preferences, content->proposals.data,
					content->proposals.size, &suite, &spi, &number);

	if (r < 0 || !spi) {
		ike_create_refuse(sa, r == -ENOENT ? IKE_NOTIFY_NO_PROPOSAL_CHOSEN
						   : IKE_NOTIFY_INVALID_SYNTAX);
		return;
	}
	if (content->group != suite.group) {
		ike_create_refuse_group(sa, suite.group);
		return;
	}
	theirs = ike_negotiation_new(IKE_REKEY_SA, &sa->context->random);
	r = theirs ? ike_blob_set(&theirs->peer_nonce, content->nonce.data, content->nonce.size)
		   : -ENOMEM;
	sa->context->counters.key_exchanges++;
	if (r >= 0)
		r = ike_key_exchange_answer(suite.group, &sa->context->random,
					    content->public_value, &theirs->exchange, &shared);
	if (r >= 0) {
		theirs->spi = new_spi(sa->context);
		theirs->proposal = number;
		theirs->answered = true;
		next = succeed(sa, now, theirs, false, &suite, spi, ike_shared_octets(&shared));
	}
	ike_shared_wipe(&shared);
	if (!next) {
		ike_create_refuse(sa, r == -EBADMSG ? IKE_NOTIFY_INVALID_SYNTAX
						    : IKE_NOTIFY_TEMPORARY_FAILURE);
		return;
	}
	answer(sa, theirs, &suite);
	/* Whose stays is known when ours is answered; without one of ours, theirs does. */
	if (sa->ours) {
		next->former_spi = ike_sa_spi(sa);
		ike_negotiation_free(sa->theirs);
		sa->theirs = steal_ptr(theirs);
		return;
	}
	hand_over(sa, next);
	sa->retire_at = now + IKE_REPLACED_LIMIT;
}
