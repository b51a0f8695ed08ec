/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-child-state.h"
#include "services/keyd/ike-intermediate.h"
#include "services/keyd/ike-proof.h"
#include "services/keyd/ike-resume.h"

#include <stdarg.h>
#include <stdio.h>

struct ike_sa *ike_sa_new(struct ike_context *context, uint64_t now, bool initiator)
{
	struct ike_sa *sa = calloc(1, sizeof *sa);
	uint64_t spi = 0;

	if (!sa)
		return NULL;
	sa->context = context;
	sa->initiator = initiator;
	sa->fragment_limit = context->fragment_limit;
	sa->created = sa->heard = now;
	sa->timer = sa->retire_at = sa->rekey_at = sa->expires_at = UINT64_MAX;
	while (!spi)
		context->random.fill(context->random.userdata, &spi, sizeof spi);
	if (initiator)
		sa->spi_initiator = spi;
	else
		sa->spi_responder = spi;
	context->random.fill(context->random.userdata, sa->nonce, sizeof sa->nonce);
	return sa;
}

struct ike_sa *ike_sa_free(struct ike_sa *sa)
{
	if (!sa)
		return NULL;
	ike_key_exchange_free(sa->key_exchange);
	ike_blob_clear(&sa->cookie);
	ike_blob_clear(&sa->hinted_cookie);
	ike_reassembly_free(sa->request_pieces);
	ike_reassembly_free(sa->response_pieces);
	ike_blob_clear(&sa->peer_nonce);
	ike_blob_clear(&sa->own_init);
	ike_blob_clear(&sa->peer_init);
	ike_proof_forget(sa);
	ike_intermediate_forget(sa);
	ike_resume_free(sa);
	ike_negotiation_free(sa->ours);
	ike_negotiation_free(sa->theirs);
	ike_negotiation_free(sa->rival);
	ike_requests_clear(&sa->requests);
	ike_answers_clear(&sa->answers);
	explicit_bzero(sa, sizeof *sa);
	free(sa);
	return NULL;
}

bool ike_sa_is_connecting(const struct ike_sa *sa)
{
	switch (sa->state) {
	case IKE_SA_INIT_SENT:
	case IKE_SA_HALF_OPEN:
	case IKE_SA_INTERMEDIATE_SENT:
	case IKE_SA_SIGNING:
	case IKE_SA_AUTH_SENT:
	case IKE_SA_INSTALLING:
		return true;
	case IKE_SA_ESTABLISHED:
	case IKE_SA_DELETING:
	case IKE_SA_CLOSED:
	case IKE_SA_DEAD:
		break;
	}
	return false;
}

uint64_t ike_sa_spi(const struct ike_sa *sa)
{
	return sa->initiator ? sa->spi_initiator : sa->spi_responder;
}

void ike_sa_set_state(struct ike_sa *sa, enum ike_sa_state state, uint64_t timer)
{
	sa->state = state;
	sa->timer = timer;
	ike_actions_add(&sa->context->actions, IKE_ACTION_CHANGED, sa->id, NULL, 0);
}

void ike_sa_remove_children(struct ike_sa *sa)
{
	for (size_t i = 0; i < IKE_CHILDREN_LIMIT; i++)
		if (sa->children[i].id)
			ike_child_remove(sa, &sa->children[i]);
}

void ike_sa_forget_children(struct ike_sa *sa)
{
	for (size_t i = 0; i < IKE_CHILDREN_LIMIT; i++)
		if (sa->children[i].id)
			ike_child_forget(sa, &sa->children[i]);
}

void ike_sa_drop(struct ike_sa *sa)
{
	ike_sa_remove_children(sa);
	ike_requests_clear(&sa->requests);
	ike_sa_set_state(sa, IKE_SA_DEAD, UINT64_MAX);
}

void ike_sa_fail(struct ike_sa *sa, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(sa->failure, sizeof sa->failure, format, arguments);
	va_end(arguments);
	ike_sa_drop(sa);
}

/* A responder may have to repeat its answer to IKE_INTERMEDIATE when it has the next keys. */
static const struct ike_keys *keys_of(const struct ike_sa *sa, uint8_t exchange)
{
	return exchange == IKE_EXCHANGE_INTERMEDIATE && sa->former_keys ? sa->former_keys
									: &sa->keys;
}

const uint8_t *ike_sa_own_key(const struct ike_sa *sa, uint8_t exchange)
{
	const struct ike_keys *keys = keys_of(sa, exchange);

	return sa->initiator ? keys->ei : keys->er;
}

const uint8_t *ike_sa_peer_key(const struct ike_sa *sa, uint8_t exchange)
{
	const struct ike_keys *keys = keys_of(sa, exchange);

	return sa->initiator ? keys->er : keys->ei;
}

struct ike_octets ike_sa_nonce(const struct ike_sa *sa, bool of_initiator)
{
	if (of_initiator == sa->initiator)
		return (struct ike_octets){ sa->nonce, sizeof sa->nonce };
	return (struct ike_octets){ sa->peer_nonce.data, sa->peer_nonce.size };
}

void ike_sa_move(struct ike_sa *sa, uint64_t now, const struct sockaddr_in *endpoint)
{
	if (sa->endpoint.sin_addr.s_addr == endpoint->sin_addr.s_addr &&
	    sa->endpoint.sin_port == endpoint->sin_port)
		return;
	sa->endpoint = *endpoint;
	ike_sa_hurry(sa, now);
	/* Only who began decides; the other side knows its own address (RFC 4555 §3.5). */
	if (sa->mobike.first)
		ike_mobike_moved(sa);
	ike_sa_pursue(sa, now);
	ike_actions_add(&sa->context->actions, IKE_ACTION_CHANGED, sa->id, NULL, 0);
}

void ike_sa_delete(struct ike_sa *sa, uint64_t now)
{
	switch (sa->state) {
	case IKE_SA_ESTABLISHED:
		ike_informational_delete(sa, now);
		break;
	case IKE_SA_INSTALLING:
		/* To the responder an initiator that got this far is there. */
		if (sa->initiator)
			ike_informational_delete(sa, now);
		else
			ike_sa_drop(sa);
		break;
	case IKE_SA_INIT_SENT:
	case IKE_SA_HALF_OPEN:
	case IKE_SA_INTERMEDIATE_SENT:
	case IKE_SA_SIGNING:
	case IKE_SA_AUTH_SENT:
		ike_sa_drop(sa);
		break;
	case IKE_SA_DELETING:
	case IKE_SA_CLOSED:
	case IKE_SA_DEAD:
		break;
	}
}

void ike_sa_give_up(struct ike_sa *sa)
{
	char text[IKE_ENDPOINT_TEXT];

	switch (sa->state) {
	case IKE_SA_INTERMEDIATE_SENT:
	case IKE_SA_AUTH_SENT:
		sa->retry_soon = true;
		ike_sa_fail(sa, "no answer from %s", ike_endpoint_text(&sa->endpoint, text));
		break;
	case IKE_SA_INIT_SENT:
		/* An error in the clear that came meanwhile may have been anybody's, but says more.
		 */
		if (*sa->failure)
			ike_sa_drop(sa);
		else
			ike_sa_fail(sa, "no answer from %s",
				    ike_endpoint_text(&sa->endpoint, text));
		break;
	case IKE_SA_ESTABLISHED:
		sa->context->counters.dead_peers++;
		ike_actions_note(&sa->context->actions, "%s answers no more", sa->peer);
		ike_sa_drop(sa);
		break;
	case IKE_SA_HALF_OPEN:
	case IKE_SA_SIGNING:
	case IKE_SA_INSTALLING:
	case IKE_SA_DELETING:
	case IKE_SA_CLOSED:
	case IKE_SA_DEAD:
		ike_sa_drop(sa);
		break;
	}
}

static void tick_timer(struct ike_sa *sa, uint64_t now)
{
	sa->timer = UINT64_MAX;
	switch (sa->state) {
	case IKE_SA_HALF_OPEN:
		sa->context->counters.half_open_expired++;
		ike_sa_drop(sa);
		break;
	case IKE_SA_SIGNING:
		ike_sa_fail(sa, "identity did not sign in time");
		break;
	case IKE_SA_INSTALLING:
		ike_sa_fail(sa, "tunneld did not install in time");
		break;
	case IKE_SA_ESTABLISHED:
		if (now >= sa->heard + IKE_LIVENESS_SILENCE && !ike_requests_waiting(&sa->requests))
			ike_informational_probe(sa, now);
		/* What is under way is as good as a probe. */
		sa->timer = (ike_requests_waiting(&sa->requests) ? now : sa->heard) +
			    IKE_LIVENESS_SILENCE;
		/* Without memory for a probe: a little later. */
		if (sa->timer <= now)
			sa->timer = now + IKE_REPEAT_LAST;
		break;
	case IKE_SA_INIT_SENT:
		if (sa->session)
			ike_resume_give_up(sa, now);
		else
			ike_init_follow(sa, now);
		break;
	case IKE_SA_INTERMEDIATE_SENT:
	case IKE_SA_AUTH_SENT:
	case IKE_SA_DELETING:
	case IKE_SA_CLOSED:
	case IKE_SA_DEAD:
		ike_sa_drop(sa);
		break;
	}
}

void ike_sa_tick(struct ike_sa *sa, uint64_t now)
{
	if (sa->state == IKE_SA_DEAD)
		return;
	ike_fragments_expire(sa, now);
	if (now >= sa->retire_at) {
		sa->retire_at = UINT64_MAX;
		if (sa->retire_silently)
			ike_sa_drop(sa);
		else
			ike_sa_delete(sa, now);
	}
	if (sa->state != IKE_SA_DEAD && now >= sa->timer)
		tick_timer(sa, now);
	if (sa->state != IKE_SA_DEAD)
		ike_sa_tick_requests(sa, now);
	ike_sa_expire(sa, now);
	ike_sa_pursue(sa, now);
}

uint64_t ike_sa_due(const struct ike_sa *sa)
{
	uint64_t due = sa->timer < sa->retire_at ? sa->timer : sa->retire_at;

	const uint64_t others[] = { ike_sa_requests_due(sa), ike_sa_wants_due(sa),
				    ike_fragments_due(sa) };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (others[i] < due)
			due = others[i];
	return due;
}

void ike_sa_installed(struct ike_sa *sa, uint64_t now, uint32_t spi_in, bool success,
		      const char *reason)
{
	struct ike_child *child = ike_child_find_in(sa, spi_in);

	if (!child)
		return;
	if (sa->state == IKE_SA_INSTALLING)
		ike_auth_installed(sa, now, success, reason);
	else
		ike_rekey_child_installed(sa, now, child, success, reason);
	ike_sa_pursue(sa, now);
}

int ike_sa_rekey_child(struct ike_sa *sa, uint64_t now, uint64_t id)
{
	struct ike_child *child = ike_child_find(sa, id);

	if (!child)
		return -ENOENT;
	if (sa->state != IKE_SA_ESTABLISHED || child->closing)
		return -ENOTCONN;
	child->rekey_at = now;
	ike_sa_pursue(sa, now);
	return 0;
}

void ike_sa_rekey(struct ike_sa *sa, uint64_t now)
{
	sa->rekey_at = now;
	for (size_t i = 0; i < IKE_CHILDREN_LIMIT; i++)
		if (sa->children[i].id && sa->children[i].rekey_at > now)
			sa->children[i].rekey_at = now;
	ike_sa_pursue(sa, now);
}

void ike_sa_probe(struct ike_sa *sa, uint64_t now)
{
	sa->probe_wanted = sa->state == IKE_SA_ESTABLISHED;
	ike_sa_pursue(sa, now);
}
