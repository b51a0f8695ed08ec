/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-resume.h"

#include "services/keyd/ike-init.h"
#include "services/keyd/ike-proof.h"
#include "services/keyd/ike-revoked-state.h"
#include "services/keyd/ike-tickets-state.h"

#define COOKIES_MAXIMUM 6 /* asked for in one resumption: an honest responder needs one or two */
#define LIFETIME        14400 /* s of a ticket, where IKE SAs are not replaced by time */

/* Whether we would go on with this session today. */
static bool is_good(const struct ike_context *context, const struct ike_session *session)
{
	bool has_psk = ike_psks_find(context->psks, session->peer).size;

	return context->local && ike_session_suits(session, &context->preferences) &&
	       (session->ppk || context->ppk_use != IKE_PPK_REQUIRED) &&
	       has_psk == (session->proof == IKE_PROOF_PSK) &&
	       ike_trust_has_name(context->local->trust, session->peer) &&
	       strcmp(session->peer, context->local->name) &&
	       !ike_revoked_covers(context->revoked, session->peer, session->issued);
}

static void take_over(struct ike_sa *sa, const struct ike_session *session)
{
	sa->suite = session->suite;
	sa->proof = session->proof;
	sa->peer_takes_ppk = session->ppk;
	sa->peer_issued = session->issued;
}

void ike_resume_free(struct ike_sa *sa)
{
	if (sa->session)
		ike_session_wipe(sa->session);
	free(sa->session);
	sa->session = NULL;
	ike_blob_clear(&sa->ticket);
}

void ike_resume_end(struct ike_sa *sa)
{
	if (!sa->session)
		return;
	sa->resumed = true;
	sa->context->counters.resumed++;
	ike_resume_free(sa);
}

static int derive(struct ike_sa *sa, const uint8_t *nonce, size_t nonce_size,
		  const uint8_t *message, size_t size)
{
	int r = ike_blob_set(&sa->peer_nonce, nonce, nonce_size);

	if (r >= 0)
		r = ike_blob_set(&sa->peer_init, message, size);
	if (r >= 0)
		r = ike_keys_resume(&sa->suite, sa->session->d, ike_sa_nonce(sa, true),
				    ike_sa_nonce(sa, false), sa->spi_initiator, sa->spi_responder,
				    &sa->keys);
	return r;
}

static bool is_nonce(const struct ike_payload *payload)
{
	return payload && payload->size >= IKE_NONCE_MINIMUM && payload->size <= IKE_NONCE_MAXIMUM;
}

/* Initiator. */

void ike_resume_prepare(struct ike_sa *sa, uint64_t now)
{
	struct ike_context *context = sa->context;
	struct ike_session session;

	/* Beside another SA this one is to bring new keys. */
	if (!context->tickets || context->surroundings->has_other(context->userdata, sa) ||
	    !ike_tickets_take(context->tickets, context->realtime, sa->peer, sa->peer_host_id,
			      &session, &sa->ticket))
		return;
	if (is_good(context, &session))
		sa->session = malloc(sizeof session);
	if (sa->session) {
		*sa->session = session;
		take_over(sa, &session);
		sa->timer = now + IKE_RESUME_PATIENCE;
	} else {
		ike_blob_clear(&sa->ticket);
	}
	ike_session_wipe(&session);
}

int ike_resume_send(struct ike_sa *sa, uint64_t now)
{
	struct ike_header header = ike_sa_header(sa, IKE_EXCHANGE_SESSION_RESUME, false, 0);
	uint8_t message[1024 + IKE_FOREIGN_TICKET_LIMIT];
	struct ike_builder builder;
	int r;

	ike_builder_begin(&builder, message, sizeof message, &header);
	if (sa->cookie.data)
		ike_builder_add_notify(&builder, IKE_NOTIFY_COOKIE, sa->cookie.data,
				       sa->cookie.size);
	ike_builder_add(&builder, IKE_PAYLOAD_NONCE, sa->nonce, sizeof sa->nonce);
	ike_builder_add_notify(&builder, IKE_NOTIFY_TICKET_OPAQUE, sa->ticket.data,
			       sa->ticket.size);
	ike_sa_add_nat_detection(&builder, sa->spi_initiator, 0, &sa->endpoint);
	ike_builder_add_notify(&builder, IKE_NOTIFY_FRAGMENTATION_SUPPORTED, NULL, 0);
	r = ike_builder_finish(&builder);
	if (r >= 0)
		r = ike_blob_set(&sa->own_init, message, r);
	return r < 0 ? r
		     : ike_sa_request(sa, now, IKE_EXCHANGE_SESSION_RESUME, sa->own_init.data,
				      sa->own_init.size, IKE_INIT_DEADLINE);
}

/* From the beginning, with a key exchange and signatures. */
static void negotiate(struct ike_sa *sa, uint64_t now)
{
	ike_resume_free(sa);
	ike_blob_clear(&sa->cookie);
	sa->n_restarts = 0;
	sa->peer_takes_ppk = false;
	sa->suite = (struct ike_suite){};
	sa->timer = UINT64_MAX;
	if (ike_init_begin(sa, now) < 0)
		ike_sa_fail(sa, "out of memory");
}

void ike_resume_give_up(struct ike_sa *sa, uint64_t now)
{
	if (sa->context->tickets)
		ike_tickets_keep(sa->context->tickets, sa->session,
				 (struct ike_octets){ sa->ticket.data, sa->ticket.size });
	negotiate(sa, now);
}

/* The responder wants the request again with its cookie (§2.6). Nothing is lost if it is somebody
 * else's: the request costs little, and there is an end to it. */
static bool follow_cookie(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	struct ike_notify cookie;

	if (!ike_chain_find_notify(chain, IKE_NOTIFY_COOKIE, &cookie) || cookie.data.size < 1 ||
	    cookie.data.size > IKE_COOKIE_LIMIT || sa->n_restarts >= COOKIES_MAXIMUM)
		return false;
	/* The answer to a repetition of what we have followed already. */
	if (sa->cookie.data && sa->cookie.size == cookie.data.size &&
	    !memcmp(sa->cookie.data, cookie.data.data, cookie.data.size))
		return true;
	sa->n_restarts++;
	if (ike_blob_set(&sa->cookie, cookie.data.data, cookie.data.size) >= 0)
		ike_resume_send(sa, now);
	return true;
}

void ike_resume_response(struct ike_sa *sa, uint64_t now, const struct ike_header *header,
			 const uint8_t *data, size_t size)
{
	const struct ike_payload *nonce;
	struct ike_notify notify;
	struct ike_chain chain;

	if (header->message_id != 0 || ike_chain_read(header->next_payload, data + IKE_HEADER_SIZE,
						      size - IKE_HEADER_SIZE, &chain) < 0) {
		sa->context->counters.malformed++;
		return;
	}
	nonce = ike_chain_find(&chain, IKE_PAYLOAD_NONCE);
	/* Nothing authenticates a refusal: who forges one makes us sign, and no more. */
	if (!nonce && ike_chain_find_notify(&chain, IKE_NOTIFY_TICKET_NACK, &notify)) {
		sa->context->counters.resumptions_refused++;
		negotiate(sa, now);
		return;
	}
	if (!nonce && follow_cookie(sa, now, &chain))
		return;
	if (!header->spi_responder || ike_chain_find_unsupported(&chain) || !is_nonce(nonce)) {
		sa->context->counters.malformed++;
		return;
	}
	sa->spi_responder = header->spi_responder;
	sa->peer_takes_fragments =
		ike_chain_find_notify(&chain, IKE_NOTIFY_FRAGMENTATION_SUPPORTED, &notify);
	if (derive(sa, nonce->data, nonce->size, data, size) < 0) {
		sa->spi_responder = 0;
		return;
	}
	ike_blob_clear(&sa->cookie);
	*sa->failure = 0;
	ike_sa_take_answer(sa, now, ike_requests_find(&sa->requests, 0));
	if (ike_proof_begin(sa, now) < 0)
		ike_sa_fail(sa, "out of memory");
}

/* Responder. */

static int send_response(struct ike_sa *sa, const struct sockaddr_in *to)
{
	struct ike_header header = ike_sa_header(sa, IKE_EXCHANGE_SESSION_RESUME, true, 0);
	struct ike_builder builder;
	uint8_t message[512];
	int r;

	ike_builder_begin(&builder, message, sizeof message, &header);
	ike_builder_add(&builder, IKE_PAYLOAD_NONCE, sa->nonce, sizeof sa->nonce);
	ike_sa_add_nat_detection(&builder, sa->spi_initiator, sa->spi_responder, to);
	ike_builder_add_notify(&builder, IKE_NOTIFY_FRAGMENTATION_SUPPORTED, NULL, 0);
	r = ike_builder_finish(&builder);
	if (r >= 0)
		r = ike_blob_set(&sa->own_init, message, r);
	if (r >= 0) {
		sa->context->counters.sent++;
		ike_actions_send(&sa->context->actions, sa->id, to, sa->own_init.data,
				 sa->own_init.size);
	}
	return r;
}

static struct ike_sa *begin_answering(struct ike_context *context, uint64_t now,
				      const struct sockaddr_in *from,
				      const struct ike_header *header,
				      const struct ike_session *session, struct ike_octets ticket)
{
	cleanup(ike_sa_freep) struct ike_sa *sa = ike_sa_new(context, now, false);

	if (!sa)
		return NULL;
	sa->session = malloc(sizeof *sa->session);
	if (!sa->session || ike_blob_set(&sa->ticket, ticket.data, ticket.size) < 0)
		return NULL;
	*sa->session = *session;
	take_over(sa, session);
	sa->spi_initiator = header->spi_initiator;
	sa->endpoint = *from;
	sa->answers.expected_id = 1;
	sa->state = IKE_SA_HALF_OPEN;
	sa->timer = now + IKE_HALF_OPEN_LIMIT;
	return steal_ptr(sa);
}

struct ike_sa *ike_resume_respond(struct ike_context *context, uint64_t now,
				  const struct sockaddr_in *from, const struct ike_header *header,
				  const uint8_t *data, size_t size)
{
	cleanup(ike_sa_freep) struct ike_sa *sa = NULL;
	const struct ike_payload *nonce;
	struct ike_notify ticket, other;
	struct ike_session session;
	struct ike_chain chain;
	uint8_t unsupported;

	if (ike_chain_read(header->next_payload, data + IKE_HEADER_SIZE, size - IKE_HEADER_SIZE,
			   &chain) < 0 ||
	    !is_nonce(nonce = ike_chain_find(&chain, IKE_PAYLOAD_NONCE)) ||
	    !ike_chain_find_notify(&chain, IKE_NOTIFY_TICKET_OPAQUE, &ticket)) {
		context->counters.malformed++;
		return NULL;
	}
	unsupported = ike_chain_find_unsupported(&chain);
	if (unsupported) {
		ike_init_refuse(context, from, header, IKE_NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD,
				&unsupported, 1);
		return NULL;
	}
	if (!context->tickets ||
	    ike_tickets_open(context->tickets, context->realtime, ticket.data, &session) < 0 ||
	    !is_good(context, &session)) {
		context->counters.tickets_refused++;
		ike_init_refuse(context, from, header, IKE_NOTIFY_TICKET_NACK, NULL, 0);
		return NULL;
	}
	sa = begin_answering(context, now, from, header, &session, ticket.data);
	ike_session_wipe(&session);
	if (!sa || derive(sa, nonce->data, nonce->size, data, size) < 0)
		return NULL;
	sa->peer_takes_fragments =
		ike_chain_find_notify(&chain, IKE_NOTIFY_FRAGMENTATION_SUPPORTED, &other);
	return send_response(sa, from) < 0 ? NULL : steal_ptr(sa);
}

bool ike_resume_spend(struct ike_sa *sa)
{
	const struct ike_octets ticket = { sa->ticket.data, sa->ticket.size };
	struct ike_context *context = sa->context;
	struct ike_session session;
	bool good;

	if (!sa->session)
		return true;
	good = context->tickets &&
	       ike_tickets_open(context->tickets, context->realtime, ticket, &session) >= 0;
	if (good) {
		ike_session_wipe(&session);
		ike_tickets_spend(context->tickets, context->realtime, ticket, sa->session->ends);
	}
	return good;
}

/* Tickets. */

/* What is kept of this SA; not longer than it would have lived, or its certificate. */
static void describe(const struct ike_sa *sa, uint32_t lifetime, struct ike_session *ret)
{
	*ret = (struct ike_session){
		.suite = sa->suite,
		.proof = sa->proof,
		.ppk = sa->peer_takes_ppk,
		.issued = sa->peer_issued,
		.ends = sa->context->realtime + lifetime,
		.proof_expires = sa->proof_expires,
	};
	strcpy(ret->peer, sa->peer);
	memcpy(ret->host_id, sa->peer_host_id, sizeof ret->host_id);
	memcpy(ret->d, sa->keys.d, sa->keys.prf_size);
	if (sa->proof_expires && ret->ends > sa->proof_expires)
		ret->ends = sa->proof_expires;
}

static uint32_t lifetime_of(const struct ike_context *context)
{
	return context->lifetimes.sa ? context->lifetimes.sa / 1000 : LIFETIME;
}

void ike_resume_add_wish(const struct ike_sa *sa, struct ike_builder *inner)
{
	if (sa->context->tickets)
		ike_builder_add_notify(inner, IKE_NOTIFY_TICKET_REQUEST, NULL, 0);
}

void ike_resume_hear_wish(struct ike_sa *sa, const struct ike_chain *chain)
{
	struct ike_notify wish;

	/* Who wants one gives them as well. */
	sa->ticket_wanted = sa->context->tickets &&
			    ike_chain_find_notify(chain, IKE_NOTIFY_TICKET_REQUEST, &wish);
	sa->peer_wants_ticket = sa->ticket_wanted;
}

void ike_resume_add_ticket(struct ike_sa *sa, const struct ike_chain *chain,
			   struct ike_builder *answer)
{
	struct ike_context *context = sa->context;
	uint8_t body[4 + IKE_TICKET_LIMIT];
	struct writer writer = writer_init(body, sizeof body);
	struct ike_blob ticket = {};
	struct ike_session session;
	struct ike_notify wish;

	if (!context->tickets ||
	    !(chain ? ike_chain_find_notify(chain, IKE_NOTIFY_TICKET_REQUEST, &wish)
		    : sa->peer_wants_ticket))
		return;
	sa->peer_wants_ticket = false;
	describe(sa, lifetime_of(context), &session);
	if (session.ends > context->realtime &&
	    ike_tickets_give(context->tickets, &context->random, context->realtime, &session,
			     &ticket) >= 0) {
		writer_u32(&writer, session.ends - context->realtime);
		writer_copy(&writer, ticket.data, ticket.size);
		ike_builder_add_notify(answer, IKE_NOTIFY_TICKET_LT_OPAQUE, body, writer.position);
		context->counters.tickets_given++;
	} else {
		ike_builder_add_notify(answer, IKE_NOTIFY_TICKET_NACK, NULL, 0);
	}
	ike_session_wipe(&session);
	ike_blob_clear(&ticket);
}

void ike_resume_keep(struct ike_sa *sa, const struct ike_chain *chain)
{
	struct ike_notify notify;
	struct ike_session session;
	struct reader reader;
	uint32_t lifetime;

	if (!sa->context->tickets ||
	    !ike_chain_find_notify(chain, IKE_NOTIFY_TICKET_LT_OPAQUE, &notify))
		return;
	reader = reader_init(notify.data.data, notify.data.size);
	lifetime = reader_u32(&reader);
	if (reader.failed || !lifetime || !reader_left(&reader))
		return;
	/* No longer than we would give one for. */
	if (lifetime > lifetime_of(sa->context))
		lifetime = lifetime_of(sa->context);
	describe(sa, lifetime, &session);
	notify.data.size = reader_left(&reader);
	notify.data.data = reader_take(&reader, notify.data.size);
	ike_tickets_keep(sa->context->tickets, &session, notify.data);
	sa->context->counters.tickets_kept++;
	ike_session_wipe(&session);
}
