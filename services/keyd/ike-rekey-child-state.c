/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * New child SAs within an IKE SA, in the place of others or beside them (RFC 7296 §1.3.1, §1.3.3,
 * §2.8). The new pair is installed before the old one is given up: by the responder before it
 * answers, by the initiator before it deletes.
 */
#include "services/keyd/ike-create-child.h"

/* REKEY_SA and CHILD_SA_NOT_FOUND name a child by an SPI (§3.10). */
static void add_child_notify(struct ike_builder *builder, enum ike_notify_type type, uint32_t spi)
{
	struct writer *writer = ike_builder_open(builder, IKE_PAYLOAD_NOTIFY);

	writer_u8(writer, IKE_PROTOCOL_ESP);
	writer_u8(writer, IKE_SPI_SIZE_ESP);
	writer_u16(writer, type);
	writer_u32(writer, spi);
	ike_builder_close(builder);
}

static void add_key_exchange(struct ike_builder *builder, const struct ike_negotiation *negotiation)
{
	struct ike_octets value;

	ike_builder_add(builder, IKE_PAYLOAD_NONCE, negotiation->nonce, sizeof negotiation->nonce);
	if (!negotiation->exchange)
		return;
	value = ike_key_exchange_public(negotiation->exchange);
	ike_builder_add_ke(builder, ike_key_exchange_group(negotiation->exchange), value.data,
			   value.size);
}

/* Keys of the new child, to tunneld. `shared` is empty without a key exchange. */
static int install(struct ike_sa *sa, const struct ike_negotiation *negotiation,
		   struct ike_child *child, struct ike_octets shared)
{
	struct ike_octets own = { negotiation->nonce, sizeof negotiation->nonce };
	struct ike_octets peer = { negotiation->peer_nonce.data, negotiation->peer_nonce.size };
	uint8_t material[ESP_KEYMAT_LIMIT];
	int r = ike_keys_derive_child_fresh(
		&sa->suite, &sa->keys, shared, child->initiator ? own : peer,
		child->initiator ? peer : own, material, 2 * esp_suite_key_size(&child->suite));

	if (r >= 0)
		r = ike_child_install(sa, child, material);
	explicit_bzero(material, sizeof material);
	return r;
}

/* Ours. */

int ike_rekey_child_send(struct ike_sa *sa, uint64_t now)
{
	struct ike_context *context = sa->context;
	struct ike_negotiation *ours = sa->ours;
	struct ike_child *old = ours->old_child ? ike_child_find(sa, ours->old_child) : NULL;
	struct ike_child *child = ike_child_find(sa, ours->child);
	uint8_t buffer[1024];
	struct ike_builder inner;
	int r;

	/* What it was to replace has gone while it waited for room to be sent again. */
	if (child && ours->old_child && (!old || old->closing || old->replaced)) {
		ike_child_forget(sa, child);
		return -ENOENT;
	}
	if (!child)
		child = ike_child_add(sa, true);
	if (!child)
		return -ENOSPC;
	ours->child = child->id;
	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	if (old)
		add_child_notify(&inner, IKE_NOTIFY_REKEY_SA, old->spi_in);
	ike_proposal_write_esp_offer(ike_builder_open(&inner, IKE_PAYLOAD_SA),
				     &context->preferences, child->spi_in, IKE_WITH_KEY_EXCHANGE);
	ike_builder_close(&inner);
	add_key_exchange(&inner, ours);
	ike_builder_add_selector(&inner, IKE_PAYLOAD_TSI, context->local->host_id);
	ike_builder_add_selector(&inner, IKE_PAYLOAD_TSR, sa->peer_host_id);
	ours->message_id = sa->requests.next_id;
	r = ike_sa_request_sealed(sa, now, IKE_EXCHANGE_CREATE_CHILD_SA, &inner,
				  IKE_CREATE_DEADLINE);
	if (r < 0)
		ike_child_forget(sa, child);
	return r;
}

/* The exchange is over; what it would have made is forgotten. */
static void abandon(struct ike_sa *sa)
{
	struct ike_child *child = ike_child_find(sa, sa->ours->child);

	if (child)
		ike_child_forget(sa, child);
	ike_create_end(sa);
}

void ike_rekey_child_refused(struct ike_sa *sa, uint64_t now, uint16_t type)
{
	struct ike_child *old = ike_child_find(sa, sa->ours->old_child);
	bool replaced =
		ike_create_rival(sa) || (sa->ours->old_child && !old) || (old && old->replaced);

	abandon(sa);
	/* The peer was first (§2.8.1): its child is there, and it deletes the old one. */
	if (replaced)
		return;
	/* One that it asked for it has when our answer has arrived. */
	if (type == IKE_NOTIFY_CHILD_SA_NOT_FOUND && old && !old->initiator &&
	    now < old->created + IKE_CREATE_DEADLINE)
		type = IKE_NOTIFY_TEMPORARY_FAILURE;
	if (type == IKE_NOTIFY_TEMPORARY_FAILURE) {
		ike_create_retry(sa, now);
		/* Out of step for minutes (§2.25). */
		if (now >= sa->refused_since + IKE_CREATE_PATIENCE)
			ike_sa_renew(sa, now);
		return;
	}
	if (type == IKE_NOTIFY_CHILD_SA_NOT_FOUND && old) {
		/* It does not have it: one from scratch (§2.25). */
		ike_child_remove(sa, old);
		sa->child_wanted = !ike_child_main(sa);
		return;
	}
	/* A peer that makes no child SAs this way gets a new IKE SA. */
	ike_sa_renew(sa, now);
}

int ike_rekey_child_response(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain,
			     const struct ike_create_content *content)
{
	struct ike_negotiation *ours = sa->ours;
	struct ike_child *child = ike_child_find(sa, ours->child);
	struct ike_selectors initiator, responder;
	struct ike_shared shared = {};
	int r;

	if (!child || ike_selectors_find(chain, &initiator, &responder) < 0 ||
	    !ike_selectors_are(&initiator, sa->context->local->host_id) ||
	    !ike_selectors_are(&responder, sa->peer_host_id))
		return -EBADMSG;
	r = ike_proposal_read_esp_answer(&sa->context->preferences, content->proposals.data,
					 content->proposals.size, IKE_WITH_KEY_EXCHANGE,
					 &child->suite, &child->spi_out);
	if (r < 0)
		return r;
	if (child->suite.group) {
		if (child->suite.group != ike_key_exchange_group(ours->exchange) ||
		    content->group != child->suite.group)
			return -EBADMSG;
		r = ike_key_exchange_finish(ours->exchange, content->public_value, &shared);
	}
	if (r >= 0)
		r = install(sa, ours, child, ike_shared_octets(&shared));
	ike_shared_wipe(&shared);
	ours->answered = r >= 0;
	return r;
}

/* Both sides have it: what it replaces goes; or it does, if the peer's of the same moment stays. */
static void settle_ours(struct ike_sa *sa, uint64_t now, struct ike_child *child)
{
	struct ike_child *old = ike_child_find(sa, sa->ours->old_child);
	const struct ike_negotiation *rival = ike_create_rival(sa);

	if (rival && ike_negotiation_loses(sa->ours, rival)) {
		ike_child_close(sa, child);
		if (old)
			old->replaced = true;
	} else if (old) {
		ike_child_close(sa, old);
	}
	ike_create_end(sa);
}

static void installed_ours(struct ike_sa *sa, uint64_t now, struct ike_child *child, bool success,
			   const char *reason)
{
	if (success) {
		sa->context->counters.children_rekeyed++;
		ike_child_begin(sa, now, child);
		settle_ours(sa, now, child);
		return;
	}
	/* The peer has it; it is told that we do not, and the old one stays. */
	snprintf(sa->trouble, sizeof sa->trouble, "tunneld did not install new keys: %s", reason);
	ike_actions_note(&sa->context->actions, "%s: %s", sa->peer, sa->trouble);
	child->asked = false;
	ike_child_close(sa, child);
	ike_create_end(sa);
	ike_create_retry(sa, now);
}

/* Theirs. */

/* The child that is to be replaced, or NULL after a refusal. */
static struct ike_child *find_rekeyed(struct ike_sa *sa, const struct ike_notify *rekeyed)
{
	struct reader reader = reader_init(rekeyed->spi, rekeyed->spi_size);
	uint32_t spi = reader_u32(&reader);
	struct ike_child *child = reader.failed ? NULL : ike_child_find_out(sa, spi);
	uint8_t buffer[64];
	struct ike_builder inner;

	if (rekeyed->protocol != IKE_PROTOCOL_ESP || !child) {
		ike_builder_begin_inner(&inner, buffer, sizeof buffer);
		add_child_notify(&inner, IKE_NOTIFY_CHILD_SA_NOT_FOUND, spi);
		ike_sa_answer_sealed(sa, IKE_EXCHANGE_CREATE_CHILD_SA, &inner);
		return NULL;
	}
	if (child->closing || !child->installed) {
		ike_create_refuse(sa, IKE_NOTIFY_TEMPORARY_FAILURE);
		return NULL;
	}
	return child;
}

/* What the peer wants, and we can do: the suite and its SPI. False after a refusal. */
static bool choose(struct ike_sa *sa, const struct ike_chain *chain,
		   const struct ike_create_content *content, struct esp_suite *suite, uint32_t *spi,
		   uint8_t *number)
{
	struct ike_selectors initiator, responder;
	int r;

	if (ike_selectors_find(chain, &initiator, &responder) < 0) {
		ike_create_refuse(sa, IKE_NOTIFY_INVALID_SYNTAX);
		return false;
	}
	if (!ike_selectors_cover(&responder, sa->context->local->host_id) ||
	    !ike_selectors_cover(&initiator, sa->peer_host_id)) {
		ike_create_refuse(sa, IKE_NOTIFY_TS_UNACCEPTABLE);
		return false;
	}
	r = ike_proposal_choose_esp(&sa->context->preferences, content->proposals.data,
				    content->proposals.size, IKE_WITH_KEY_EXCHANGE, suite, spi,
				    number);
	if (r < 0) {
		ike_create_refuse(sa, r == -ENOENT ? IKE_NOTIFY_NO_PROPOSAL_CHOSEN
						   : IKE_NOTIFY_INVALID_SYNTAX);
		return false;
	}
	if (suite->group && suite->group != content->group) {
		ike_create_refuse_group(sa, suite->group);
		return false;
	}
	return true;
}

/* Keys of our half and of the peer's. */
static int agree(struct ike_sa *sa, const struct ike_create_content *content,
		 struct ike_negotiation *theirs, struct ike_child *child)
{
	struct ike_shared shared = {};
	int r = ike_blob_set(&theirs->peer_nonce, content->nonce.data, content->nonce.size);

	sa->context->counters.key_exchanges += child->suite.group != 0;
	if (r >= 0 && child->suite.group)
		r = ike_key_exchange_answer(child->suite.group, &sa->context->random,
					    content->public_value, &theirs->exchange, &shared);
	if (r >= 0)
		r = install(sa, theirs, child, ike_shared_octets(&shared));
	ike_shared_wipe(&shared);
	return r;
}

void ike_rekey_child_request(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain,
			     const struct ike_create_content *content)
{
	cleanup(ike_negotiation_freep) struct ike_negotiation *theirs = NULL;
	struct ike_child *old = NULL, *child;
	struct esp_suite suite = {};
	uint8_t number = 0;
	uint32_t spi = 0;
	int r;

	if (content->kind == IKE_REKEY_CHILD && !(old = find_rekeyed(sa, &content->rekeyed)))
		return;
	if (!choose(sa, chain, content, &suite, &spi, &number))
		return;
	child = ike_child_add(sa, false);
	if (!child) {
		ike_create_refuse(sa, IKE_NOTIFY_NO_ADDITIONAL_SAS);
		return;
	}
	child->suite = suite;
	child->spi_out = spi;
	theirs = ike_negotiation_new(content->kind, &sa->context->random);
	r = theirs ? agree(sa, content, theirs, child) : -ENOMEM;
	if (r < 0) {
		ike_child_forget(sa, child);
		ike_create_refuse(sa, r == -EBADMSG ? IKE_NOTIFY_INVALID_SYNTAX
						    : IKE_NOTIFY_TEMPORARY_FAILURE);
		return;
	}
	theirs->message_id = sa->asked_id;
	theirs->old_child = old ? old->id : 0;
	theirs->child = child->id;
	theirs->proposal = number;
	if (ike_negotiation_collides(sa->ours, sa->theirs)) {
		ike_negotiation_free(sa->rival);
		sa->rival = sa->theirs;
	} else {
		ike_negotiation_free(sa->theirs);
	}
	sa->theirs = steal_ptr(theirs);
}

static void answer(struct ike_sa *sa, const struct ike_negotiation *theirs,
		   const struct ike_child *child)
{
	uint8_t buffer[1024];
	struct ike_builder inner;

	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	ike_proposal_write_esp(ike_builder_open(&inner, IKE_PAYLOAD_SA), theirs->proposal,
			       &child->suite, child->spi_in);
	ike_builder_close(&inner);
	add_key_exchange(&inner, theirs);
	ike_builder_add_selector(&inner, IKE_PAYLOAD_TSI, sa->peer_host_id);
	ike_builder_add_selector(&inner, IKE_PAYLOAD_TSR, sa->context->local->host_id);
	ike_sa_answer_id(sa, theirs->message_id, IKE_EXCHANGE_CREATE_CHILD_SA, &inner);
}

static void installed_theirs(struct ike_sa *sa, uint64_t now, struct ike_child *child, bool success)
{
	struct ike_negotiation *theirs = sa->theirs;
	struct ike_child *old = ike_child_find(sa, theirs->old_child);
	uint8_t buffer[64];
	struct ike_builder inner;

	if (!success) {
		ike_child_forget(sa, child);
		ike_builder_begin_inner(&inner, buffer, sizeof buffer);
		ike_builder_add_notify(&inner, IKE_NOTIFY_TEMPORARY_FAILURE, NULL, 0);
		ike_sa_answer_id(sa, theirs->message_id, IKE_EXCHANGE_CREATE_CHILD_SA, &inner);
		sa->theirs = ike_negotiation_free(sa->theirs);
		return;
	}
	sa->context->counters.children_rekeyed++;
	ike_child_begin(sa, now, child);
	answer(sa, theirs, child);
	theirs->answered = true;
	if (old) {
		old->replaced = true;
		if (old->expires_at > now + IKE_REPLACED_LIMIT)
			old->expires_at = now + IKE_REPLACED_LIMIT;
	}
	/* Kept only while ours may turn out to be of the same moment. */
	if (!ike_negotiation_collides(sa->ours, theirs))
		sa->theirs = ike_negotiation_free(sa->theirs);
}

void ike_rekey_child_installed(struct ike_sa *sa, uint64_t now, struct ike_child *child,
			       bool success, const char *reason)
{
	if (sa->ours && sa->ours->child == child->id)
		installed_ours(sa, now, child, success, reason);
	else if (sa->theirs && sa->theirs->child == child->id)
		installed_theirs(sa, now, child, success);
}
