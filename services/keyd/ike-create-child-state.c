/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * CREATE_CHILD_SA (RFC 7296 §1.3): what kind of exchange a message is of, and what may not be done
 * now (§2.25). ike-rekey-child-state.c and ike-rekey-sa-state.c do it.
 */
#include "services/keyd/ike-create-child.h"

int ike_create_content_read(const struct ike_chain *chain, struct ike_create_content *ret)
{
	const struct ike_payload *sa = ike_chain_find(chain, IKE_PAYLOAD_SA);
	const struct ike_payload *nonce = ike_chain_find(chain, IKE_PAYLOAD_NONCE);
	const struct ike_payload *ke = ike_chain_find(chain, IKE_PAYLOAD_KE);

	memset(ret, 0, sizeof *ret);
	if (!sa || sa->size < 8 || !nonce || nonce->size < IKE_NONCE_MINIMUM ||
	    nonce->size > IKE_NONCE_MAXIMUM ||
	    (ke && ike_ke_read(ke, &ret->group, &ret->public_value) < 0))
		return -EBADMSG;
	ret->proposals = (struct ike_octets){ sa->data, sa->size };
	ret->nonce = (struct ike_octets){ nonce->data, nonce->size };
	/* The protocol of the first proposal (§3.3.1). */
	ret->kind = sa->data[5] == IKE_PROTOCOL_IKE ? IKE_REKEY_SA : IKE_NEW_CHILD;
	if (ret->kind == IKE_NEW_CHILD &&
	    ike_chain_find_notify(chain, IKE_NOTIFY_REKEY_SA, &ret->rekeyed))
		ret->kind = IKE_REKEY_CHILD;
	return 0;
}

void ike_create_refuse(struct ike_sa *sa, enum ike_notify_type type)
{
	ike_sa_answer_error(sa, IKE_EXCHANGE_CREATE_CHILD_SA, type, NULL, 0);
}

void ike_create_refuse_group(struct ike_sa *sa, uint16_t group)
{
	const uint8_t wanted[] = { group >> 8, group };

	ike_sa_answer_error(sa, IKE_EXCHANGE_CREATE_CHILD_SA, IKE_NOTIFY_INVALID_KE_PAYLOAD, wanted,
			    sizeof wanted);
}

void ike_create_child_request(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	struct ike_create_content content;

	ike_rekey_sa_use(sa);
	if (ike_create_content_read(chain, &content) < 0) {
		ike_create_refuse(sa, IKE_NOTIFY_INVALID_SYNTAX);
		return;
	}
	/* An SA that ends or has a successor; and one thing of the peer's after the other. */
	if (sa->state != IKE_SA_ESTABLISHED || sa->superseded ||
	    (sa->theirs && !sa->theirs->answered)) {
		ike_create_refuse(sa, IKE_NOTIFY_TEMPORARY_FAILURE);
		return;
	}
	switch (content.kind) {
	case IKE_NEW_CHILD:
	case IKE_REKEY_CHILD:
		if (sa->ours && sa->ours->kind == IKE_REKEY_SA)
			ike_create_refuse(sa, IKE_NOTIFY_TEMPORARY_FAILURE);
		else
			ike_rekey_child_request(sa, now, chain, &content);
		break;
	case IKE_REKEY_SA:
		/* One successor of the peer's waits for the answer to ours: there is no second. */
		if ((sa->ours && sa->ours->kind != IKE_REKEY_SA) || ike_child_busy(sa) ||
		    (sa->theirs && sa->theirs->kind == IKE_REKEY_SA))
			ike_create_refuse(sa, IKE_NOTIFY_TEMPORARY_FAILURE);
		else
			ike_rekey_sa_request(sa, now, &content);
		break;
	}
}

bool ike_create_begin(struct ike_sa *sa, enum ike_negotiation_kind kind, uint64_t old_child)
{
	struct ike_context *context = sa->context;

	sa->ours = ike_negotiation_new(kind, &context->random);
	if (!sa->ours)
		return false;
	sa->ours->old_child = old_child;
	context->counters.key_exchanges++;
	if (ike_key_exchange_begin(context->preferences.groups.items[0], &context->random,
				   &sa->ours->exchange) < 0)
		sa->ours = ike_negotiation_free(sa->ours);
	return sa->ours;
}

const struct ike_negotiation *ike_create_rival(const struct ike_sa *sa)
{
	if (ike_negotiation_collides(sa->ours, sa->rival))
		return sa->rival;
	return ike_negotiation_collides(sa->ours, sa->theirs) ? sa->theirs : NULL;
}

void ike_create_end(struct ike_sa *sa)
{
	sa->ours = ike_negotiation_free(sa->ours);
	sa->rival = ike_negotiation_free(sa->rival);
	/* One that is not answered yet goes on. */
	if (sa->theirs && sa->theirs->answered)
		sa->theirs = ike_negotiation_free(sa->theirs);
}

void ike_create_retry(struct ike_sa *sa, uint64_t now)
{
	uint16_t spread;

	sa->context->random.fill(sa->context->random.userdata, &spread, sizeof spread);
	sa->retry_at = now + IKE_CREATE_RETRY + spread % IKE_CREATE_RETRY;
	if (!sa->refused_since)
		sa->refused_since = now;
}

/* It wants another of our groups: the same again with that (§1.3), when the window has room. */
static bool follow_group(struct ike_sa *sa, const struct ike_notify *error)
{
	const struct ike_numbers *groups = &sa->context->preferences.groups;
	struct reader reader = reader_init(error->data.data, error->data.size);
	uint16_t group = reader_u16(&reader);
	struct ike_key_exchange *exchange;
	struct ike_negotiation *ours = sa->ours;
	bool known = false;

	for (size_t i = 0; i < groups->n; i++)
		known = known || groups->items[i] == group;
	if (reader.failed || !known || ++ours->n_tries > groups->n ||
	    ike_key_exchange_begin(group, &sa->context->random, &exchange) < 0)
		return false;
	sa->context->counters.key_exchanges++;
	ike_key_exchange_free(ours->exchange);
	ours->exchange = exchange;
	ours->again = true;
	return true;
}

int ike_create_send(struct ike_sa *sa, uint64_t now)
{
	sa->ours->again = false;
	return sa->ours->kind == IKE_REKEY_SA ? ike_rekey_sa_send(sa, now)
					      : ike_rekey_child_send(sa, now);
}

static void refused(struct ike_sa *sa, uint64_t now, const struct ike_notify *error)
{
	if (error->type == IKE_NOTIFY_INVALID_KE_PAYLOAD && follow_group(sa, error))
		return;
	ike_actions_note(&sa->context->actions, "%s refused new keys with %s", sa->peer,
			 ike_notify_name(error->type));
	snprintf(sa->trouble, sizeof sa->trouble, "it refused new keys with %s",
		 ike_notify_name(error->type));
	if (sa->ours->kind == IKE_REKEY_SA)
		ike_rekey_sa_refused(sa, now, error->type);
	else
		ike_rekey_child_refused(sa, now, error->type);
}

void ike_create_child_response(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	struct ike_create_content content;
	struct ike_notify error;

	/* Its purpose may be gone: the SA has a successor, or ends. */
	if (!sa->ours || sa->ours->again || sa->ours->message_id != sa->answered.id ||
	    sa->state != IKE_SA_ESTABLISHED)
		return;
	if (ike_chain_find_error(chain, &error)) {
		refused(sa, now, &error);
		return;
	}
	sa->refused_since = 0;
	if (ike_create_content_read(chain, &content) < 0 ||
	    ike_blob_set(&sa->ours->peer_nonce, content.nonce.data, content.nonce.size) < 0 ||
	    (sa->ours->kind == IKE_REKEY_SA
		     ? ike_rekey_sa_response(sa, now, &content)
		     : ike_rekey_child_response(sa, now, chain, &content)) < 0) {
		/* The peer holds for made what we cannot use (§2.21.3). */
		sa->context->counters.malformed++;
		snprintf(sa->trouble, sizeof sa->trouble,
			 "its answer to new keys was not understood");
		ike_actions_note(&sa->context->actions, "%s: %s", sa->peer, sa->trouble);
		ike_sa_delete(sa, now);
	}
}
