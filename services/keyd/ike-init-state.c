/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* IKE_SA_INIT (RFC 7296 §1.2): two messages in the clear that agree on keys with somebody unknown.
 */
#include "services/keyd/ike-init.h"
#include "services/keyd/ike-intermediate.h"
#include "services/keyd/ike-proof.h"
#include "services/keyd/ike-resume.h"

#include <stdio.h>

/* Cookies and groups asked for in one negotiation: an honest responder needs two. */
#define IKE_RESTARTS_MAXIMUM 6

/*
 * Where a message seems to come from and goes to (§2.23). We use UDP encapsulation always, and do
 * not know which address our packets leave from; an origin that cannot be right makes the peer see
 * a NAT before us and do the same.
 */
void ike_sa_add_nat_detection(struct ike_builder *builder, uint64_t spi_initiator,
			      uint64_t spi_responder, const struct sockaddr_in *to)
{
	const struct sockaddr_in nowhere = { .sin_family = AF_INET };
	uint8_t hash[IKE_NAT_HASH_SIZE];

	if (ike_nat_hash(spi_initiator, spi_responder, &nowhere, hash) >= 0)
		ike_builder_add_notify(builder, IKE_NOTIFY_NAT_DETECTION_SOURCE_IP, hash,
				       sizeof hash);
	if (ike_nat_hash(spi_initiator, spi_responder, to, hash) >= 0)
		ike_builder_add_notify(builder, IKE_NOTIFY_NAT_DETECTION_DESTINATION_IP, hash,
				       sizeof hash);
}

bool ike_sa_has_ppk(const struct ike_context *context)
{
	return context->local && context->local->has_ppk && context->ppk_use != IKE_PPK_NEVER;
}

static void add_hash_algorithms(struct ike_builder *builder)
{
	uint8_t body[16];
	struct writer writer = writer_init(body, sizeof body);

	ike_hash_algorithms_write(&writer);
	ike_builder_add_notify(builder, IKE_NOTIFY_SIGNATURE_HASH_ALGORITHMS, body,
			       writer.position);
}

/* With the cookie that was asked for, and a public value of the group that was. */
static int send_request(struct ike_sa *sa, uint64_t now)
{
	struct ike_header header = ike_sa_header(sa, IKE_EXCHANGE_SA_INIT, false, 0);
	struct ike_octets value = ike_key_exchange_public(sa->key_exchange);
	struct ike_builder builder;
	uint8_t message[1024];
	int r;

	ike_builder_begin(&builder, message, sizeof message, &header);
	/* First, so that a responder finds it without reading further (§2.6). */
	if (sa->cookie.data)
		ike_builder_add_notify(&builder, IKE_NOTIFY_COOKIE, sa->cookie.data,
				       sa->cookie.size);
	/* All we can do, also when the responder has asked for a group: so nobody on the way can
	 * leave it less to choose from (§2.7). */
	ike_proposal_write_ike_offer(ike_builder_open(&builder, IKE_PAYLOAD_SA),
				     &sa->context->preferences, NULL);
	ike_builder_close(&builder);
	ike_builder_add_ke(&builder, ike_key_exchange_group(sa->key_exchange), value.data,
			   value.size);
	ike_builder_add(&builder, IKE_PAYLOAD_NONCE, sa->nonce, sizeof sa->nonce);
	ike_sa_add_nat_detection(&builder, sa->spi_initiator, 0, &sa->endpoint);
	add_hash_algorithms(&builder);
	ike_builder_add_notify(&builder, IKE_NOTIFY_FRAGMENTATION_SUPPORTED, NULL, 0);
	if (ike_sa_has_ppk(sa->context))
		ike_builder_add_notify(&builder, IKE_NOTIFY_USE_PPK, NULL, 0);
	if (ike_preferences_kem(&sa->context->preferences) != IKE_KEM_NEVER)
		ike_builder_add_notify(&builder, IKE_NOTIFY_INTERMEDIATE_EXCHANGE_SUPPORTED, NULL,
				       0);
	r = ike_builder_finish(&builder);
	if (r < 0)
		return r;
	/* AUTH covers the last one sent, with its cookie. */
	r = ike_blob_set(&sa->own_init, message, r);
	if (r < 0)
		return r;
	return ike_sa_request(sa, now, IKE_EXCHANGE_SA_INIT, sa->own_init.data, sa->own_init.size,
			      IKE_INIT_DEADLINE);
}

/* A new private value for the group. */
static int begin_key_exchange(struct ike_sa *sa, uint16_t group)
{
	struct ike_key_exchange *exchange;
	int r = ike_key_exchange_begin(group, &sa->context->random, &exchange);

	if (r < 0)
		return r;
	sa->context->counters.key_exchanges++;
	ike_key_exchange_free(sa->key_exchange);
	sa->key_exchange = exchange;
	return 0;
}

int ike_init_begin(struct ike_sa *sa, uint64_t now)
{
	int r = begin_key_exchange(sa, sa->context->preferences.groups.items[0]);

	return r < 0 ? r : send_request(sa, now);
}

struct ike_sa *ike_sa_initiate(struct ike_context *context, uint64_t now, const char *peer,
			       const uint8_t host_id[16], const struct sockaddr_in *endpoint)
{
	cleanup(ike_sa_freep) struct ike_sa *sa = ike_sa_new(context, now, true);

	if (!sa || strlen(peer) >= sizeof sa->peer)
		return NULL;
	strcpy(sa->peer, peer);
	memcpy(sa->peer_host_id, host_id, sizeof sa->peer_host_id);
	sa->endpoint = *endpoint;
	sa->proof = ike_proof_of(context, peer);
	sa->state = IKE_SA_INIT_SENT;
	ike_resume_prepare(sa, now);
	if ((sa->session ? ike_resume_send(sa, now) : ike_init_begin(sa, now)) < 0)
		return NULL;
	context->counters.negotiations_begun++;
	return steal_ptr(sa);
}

/* What an IKE_SA_INIT message must hold. */
struct init_content {
	struct ike_octets proposals, public_key, nonce;
	uint16_t group;
	bool takes_sha256, takes_fragments, takes_ppk, takes_intermediate;
};

/* 0, or -EBADMSG. The group is not looked at. */
static int read_content(const struct ike_chain *chain, struct init_content *ret)
{
	const struct ike_payload *sa = ike_chain_find(chain, IKE_PAYLOAD_SA);
	const struct ike_payload *ke = ike_chain_find(chain, IKE_PAYLOAD_KE);
	const struct ike_payload *nonce = ike_chain_find(chain, IKE_PAYLOAD_NONCE);
	struct ike_notify hashes, other;

	if (!sa || !ke || !nonce || ike_ke_read(ke, &ret->group, &ret->public_key) < 0 ||
	    nonce->size < IKE_NONCE_MINIMUM || nonce->size > IKE_NONCE_MAXIMUM)
		return -EBADMSG;
	ret->proposals = (struct ike_octets){ sa->data, sa->size };
	ret->nonce = (struct ike_octets){ nonce->data, nonce->size };
	ret->takes_sha256 =
		ike_chain_find_notify(chain, IKE_NOTIFY_SIGNATURE_HASH_ALGORITHMS, &hashes) &&
		ike_hash_algorithms_have(hashes.data, IKE_HASH_SHA2_256);
	ret->takes_fragments =
		ike_chain_find_notify(chain, IKE_NOTIFY_FRAGMENTATION_SUPPORTED, &other);
	ret->takes_ppk = ike_chain_find_notify(chain, IKE_NOTIFY_USE_PPK, &other);
	ret->takes_intermediate =
		ike_chain_find_notify(chain, IKE_NOTIFY_INTERMEDIATE_EXCHANGE_SUPPORTED, &other);
	return 0;
}

/* The keys of the SA from what both sides sent. */
static int derive(struct ike_sa *sa, const struct init_content *content,
		  const struct ike_shared *shared, const uint8_t *message, size_t size)
{
	int r = ike_blob_set(&sa->peer_nonce, content->nonce.data, content->nonce.size);

	if (r >= 0)
		r = ike_blob_set(&sa->peer_init, message, size);
	if (r >= 0)
		r = ike_keys_derive(&sa->suite, ike_sa_nonce(sa, true), ike_sa_nonce(sa, false),
				    ike_shared_octets(shared), sa->spi_initiator, sa->spi_responder,
				    &sa->keys);
	sa->peer_takes_sha256 = content->takes_sha256;
	sa->peer_takes_fragments = content->takes_fragments;
	sa->peer_takes_ppk = content->takes_ppk && ike_sa_has_ppk(sa->context);
	return r;
}

/* Initiator: with the value the responder sent. */
static int finish_key_exchange(struct ike_sa *sa, const struct init_content *content,
			       const uint8_t *message, size_t size)
{
	struct ike_shared shared;
	int r;

	/* It must have taken the group whose value we sent, and answer with that (§2.7). */
	if (content->group != ike_key_exchange_group(sa->key_exchange) ||
	    sa->suite.group != content->group)
		return -EBADMSG;
	r = ike_key_exchange_finish(sa->key_exchange, content->public_key, &shared);
	if (r >= 0)
		r = derive(sa, content, &shared, message, size);
	ike_shared_wipe(&shared);
	return r;
}

/* The answer in the clear is followed after a moment: it may be anybody's who sees our requests,
 * and the true one, which makes it void, may be under way. What came last counts. */
static bool hear_hint(struct ike_sa *sa, uint64_t now)
{
	if (sa->n_restarts >= IKE_RESTARTS_MAXIMUM)
		return false;
	if (sa->timer == UINT64_MAX)
		sa->timer = now + (sa->wary ? IKE_HINT_WARY : IKE_HINT_DELAY);
	return true;
}

/* The responder wants the request again with its cookie (§2.6). */
static bool hear_cookie(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	struct ike_notify cookie;

	if (!ike_chain_find_notify(chain, IKE_NOTIFY_COOKIE, &cookie))
		return false;
	if (cookie.data.size < 1 || cookie.data.size > IKE_COOKIE_LIMIT) {
		sa->context->counters.malformed++;
		return true;
	}
	/* The answer to a repetition of what we have followed already. */
	if (sa->cookie.data && sa->cookie.size == cookie.data.size &&
	    !memcmp(sa->cookie.data, cookie.data.data, cookie.data.size))
		return true;
	return hear_hint(sa, now) &&
	       ike_blob_set(&sa->hinted_cookie, cookie.data.data, cookie.data.size) >= 0;
}

/* The responder wants a value of another group, which must be one of those we offered (§1.2). */
static bool hear_group(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	const struct ike_numbers *groups = &sa->context->preferences.groups;
	struct ike_notify notify;
	struct reader reader;
	uint16_t group;
	bool ours = false;

	if (!ike_chain_find_notify(chain, IKE_NOTIFY_INVALID_KE_PAYLOAD, &notify))
		return false;
	reader = reader_init(notify.data.data, notify.data.size);
	group = reader_u16(&reader);
	for (size_t i = 0; i < groups->n; i++)
		if (groups->items[i] == group)
			ours = !reader.failed;
	if (!ours)
		return false;
	if (group == ike_key_exchange_group(sa->key_exchange))
		return true;
	if (!hear_hint(sa, now))
		return false;
	sa->hinted_group = group;
	return true;
}

void ike_init_follow(struct ike_sa *sa, uint64_t now)
{
	if (sa->hinted_cookie.data) {
		ike_blob_clear(&sa->cookie);
		sa->cookie = sa->hinted_cookie;
		sa->hinted_cookie = (struct ike_blob){};
	}
	if (sa->hinted_group)
		begin_key_exchange(sa, sa->hinted_group);
	sa->hinted_group = 0;
	/* There is an end to it. */
	sa->n_restarts++;
	send_request(sa, now);
}

/* An error that nothing authenticates: we go on until the deadline, for the true answer may come,
 * and keep it as the likely reason. */
static void note_hint(struct ike_sa *sa, const struct ike_chain *chain)
{
	struct ike_notify error;

	sa->context->counters.unexpected++;
	if (ike_chain_find_error(chain, &error))
		snprintf(sa->failure, sizeof sa->failure, "it refused with %s",
			 ike_notify_name(error.type));
}

void ike_init_response(struct ike_sa *sa, uint64_t now, const struct sockaddr_in *from,
		       const struct ike_header *header, const uint8_t *data, size_t size)
{
	struct init_content content;
	struct ike_chain chain;
	struct ike_suite suite;

	if (header->message_id != 0 || ike_chain_read(header->next_payload, data + IKE_HEADER_SIZE,
						      size - IKE_HEADER_SIZE, &chain) < 0) {
		sa->context->counters.malformed++;
		return;
	}
	if (!ike_chain_find(&chain, IKE_PAYLOAD_SA)) {
		if (!hear_cookie(sa, now, &chain) && !hear_group(sa, now, &chain))
			note_hint(sa, &chain);
		return;
	}
	if (!header->spi_responder || ike_chain_find_unsupported(&chain) ||
	    read_content(&chain, &content) < 0 ||
	    ike_proposal_read_ike_answer(&sa->context->preferences, content.proposals.data,
					 content.proposals.size, &suite, NULL) < 0 ||
	    (suite.kem && !content.takes_intermediate)) {
		sa->context->counters.malformed++;
		return;
	}
	sa->spi_responder = header->spi_responder;
	sa->suite = suite;
	if (finish_key_exchange(sa, &content, data, size) < 0) {
		/* Somebody's nonsense; the true answer may still come. */
		sa->context->counters.malformed++;
		sa->spi_responder = 0;
		return;
	}
	sa->key_exchange = ike_key_exchange_free(sa->key_exchange);
	ike_blob_clear(&sa->cookie);
	ike_blob_clear(&sa->hinted_cookie);
	*sa->failure = 0;
	ike_sa_take_answer(sa, now, ike_requests_find(&sa->requests, 0));
	if (sa->proof == IKE_PROOF_CERTIFICATE && !sa->peer_takes_sha256)
		ike_sa_fail(sa, "it takes no signatures with SHA-256");
	else if (!sa->peer_takes_ppk && sa->context->ppk_use == IKE_PPK_REQUIRED)
		ike_sa_fail(sa, "it uses no post-quantum preshared key, and we require one");
	else if (ike_intermediate_begin(sa, now) < 0)
		ike_sa_fail(sa, "cannot go on after the first exchange");
}

void ike_init_refuse(struct ike_context *context, const struct sockaddr_in *to,
		     const struct ike_header *request, enum ike_notify_type type, const void *data,
		     size_t size)
{
	struct ike_header header = *request;
	uint8_t message[64];
	struct ike_builder builder;
	int n;

	header.version = IKE_VERSION;
	header.flags = IKE_FLAG_RESPONSE;
	ike_builder_begin(&builder, message, sizeof message, &header);
	ike_builder_add_notify(&builder, type, data, size);
	n = ike_builder_finish(&builder);
	if (n > 0)
		ike_actions_send(&context->actions, 0, to, message, n);
}

bool ike_sa_has_cookie(struct ike_context *context, uint64_t now, const struct sockaddr_in *from,
		       const struct ike_header *header, const uint8_t *data, size_t size)
{
	uint8_t wanted[IKE_COOKIE_SIZE];
	const struct ike_payload *payload;
	struct ike_octets nonce;
	struct ike_notify cookie;
	struct ike_chain chain;

	if (ike_chain_read(header->next_payload, data + IKE_HEADER_SIZE, size - IKE_HEADER_SIZE,
			   &chain) < 0 ||
	    !(payload = ike_chain_find(&chain, IKE_PAYLOAD_NONCE))) {
		context->counters.malformed++;
		return false;
	}
	nonce = (struct ike_octets){ payload->data, payload->size };
	if (ike_chain_find_notify(&chain, IKE_NOTIFY_COOKIE, &cookie) &&
	    ike_cookie_check(&context->cookies, now, from, header->spi_initiator, nonce,
			     cookie.data))
		return true;
	if (ike_cookie_make(&context->cookies, &context->random, now, from, header->spi_initiator,
			    nonce, wanted) >= 0) {
		context->counters.cookies_sent++;
		ike_init_refuse(context, from, header, IKE_NOTIFY_COOKIE, wanted, sizeof wanted);
	}
	return false;
}

static int send_response(struct ike_sa *sa, const struct sockaddr_in *to, uint8_t proposal,
			 const struct ike_key_exchange *exchange)
{
	struct ike_header header = ike_sa_header(sa, IKE_EXCHANGE_SA_INIT, true, 0);
	uint8_t message[1024], wanted[IKE_CERTREQ_HASH_SIZE];
	struct ike_octets value = ike_key_exchange_public(exchange);
	struct ike_builder builder;
	int r;

	ike_builder_begin(&builder, message, sizeof message, &header);
	ike_proposal_write_ike(ike_builder_open(&builder, IKE_PAYLOAD_SA), proposal, &sa->suite,
			       NULL);
	ike_builder_close(&builder);
	ike_builder_add_ke(&builder, ike_key_exchange_group(exchange), value.data, value.size);
	ike_builder_add(&builder, IKE_PAYLOAD_NONCE, sa->nonce, sizeof sa->nonce);
	ike_sa_add_nat_detection(&builder, sa->spi_initiator, sa->spi_responder, to);
	ike_trust_hash(sa->context->local->trust, wanted);
	ike_builder_add_tagged(&builder, IKE_PAYLOAD_CERTREQ, IKE_CERTIFICATE_X509, wanted,
			       sizeof wanted);
	add_hash_algorithms(&builder);
	ike_builder_add_notify(&builder, IKE_NOTIFY_FRAGMENTATION_SUPPORTED, NULL, 0);
	/* Only to one that has said so too. */
	if (sa->peer_takes_ppk)
		ike_builder_add_notify(&builder, IKE_NOTIFY_USE_PPK, NULL, 0);
	if (sa->suite.kem)
		ike_builder_add_notify(&builder, IKE_NOTIFY_INTERMEDIATE_EXCHANGE_SUPPORTED, NULL,
				       0);
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

/* Why a request is refused that can be read; 0: it is not. */
static uint16_t judge_offer(const struct ike_context *context, const struct ike_chain *chain,
			    const struct init_content *content, struct ike_suite *suite,
			    uint8_t *number)
{
	struct ike_preferences preferences = context->preferences;
	int r;

	if (ike_chain_find_unsupported(chain))
		return IKE_NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD;
	/* Without IKE_INTERMEDIATE there is no additional key exchange (RFC 9370 §2.2.1). */
	if (!content->takes_intermediate) {
		if (ike_preferences_kem(&preferences) == IKE_KEM_REQUIRED)
			return IKE_NOTIFY_NO_PROPOSAL_CHOSEN;
		preferences.has_kem = false;
	}
	r = ike_proposal_choose_ike(&preferences, content->proposals.data, content->proposals.size,
				    suite, NULL, number);
	if (r < 0)
		return r == -ENOENT ? IKE_NOTIFY_NO_PROPOSAL_CHOSEN : IKE_NOTIFY_INVALID_SYNTAX;
	/* What we prefer decides, not what it guessed: else whoever is on the way could choose. */
	return content->group == suite->group ? 0 : IKE_NOTIFY_INVALID_KE_PAYLOAD;
}

static void refuse_offer(struct ike_context *context, const struct sockaddr_in *from,
			 const struct ike_header *header, const struct ike_chain *chain,
			 uint16_t refusal, uint16_t group)
{
	const uint8_t wanted[] = { group >> 8, group };
	uint8_t unsupported = ike_chain_find_unsupported(chain);

	if (refusal == IKE_NOTIFY_INVALID_KE_PAYLOAD) {
		context->counters.other_group_wanted++;
		ike_init_refuse(context, from, header, refusal, wanted, sizeof wanted);
		return;
	}
	context->counters.refused_peers++;
	ike_init_refuse(context, from, header, refusal, &unsupported,
			refusal == IKE_NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD);
}

/* The SA that follows from a request that suits us, and the answer. */
static struct ike_sa *accept_offer(struct ike_context *context, uint64_t now,
				   const struct sockaddr_in *from, const struct ike_header *header,
				   const struct init_content *content,
				   const struct ike_suite *suite, uint8_t number,
				   struct ike_octets message)
{
	cleanup(ike_key_exchange_freep) struct ike_key_exchange *exchange = NULL;
	cleanup(ike_sa_freep) struct ike_sa *sa = ike_sa_new(context, now, false);
	struct ike_shared shared;
	int r;

	if (!sa)
		return NULL;
	sa->spi_initiator = header->spi_initiator;
	sa->suite = *suite;
	sa->endpoint = *from;
	sa->answers.expected_id = 1;
	sa->state = IKE_SA_HALF_OPEN;
	sa->timer = now + IKE_HALF_OPEN_LIMIT;
	context->counters.key_exchanges++;
	r = ike_key_exchange_answer(suite->group, &context->random, content->public_key, &exchange,
				    &shared);
	if (r >= 0)
		r = derive(sa, content, &shared, message.data, message.size);
	ike_shared_wipe(&shared);
	if (r == -EBADMSG)
		context->counters.malformed++;
	if (r >= 0)
		r = send_response(sa, from, number, exchange);
	return r < 0 ? NULL : steal_ptr(sa);
}

struct ike_sa *ike_sa_respond(struct ike_context *context, uint64_t now,
			      const struct sockaddr_in *from, const struct ike_header *header,
			      const uint8_t *data, size_t size)
{
	struct init_content content;
	struct ike_chain chain;
	struct ike_suite suite = {};
	uint16_t refusal;
	uint8_t number;

	if (ike_chain_read(header->next_payload, data + IKE_HEADER_SIZE, size - IKE_HEADER_SIZE,
			   &chain) < 0 ||
	    read_content(&chain, &content) < 0) {
		context->counters.malformed++;
		return NULL;
	}
	refusal = judge_offer(context, &chain, &content, &suite, &number);
	if (refusal) {
		refuse_offer(context, from, header, &chain, refusal, suite.group);
		return NULL;
	}
	return accept_offer(context, now, from, header, &content, &suite, number,
			    (struct ike_octets){ data, size });
}
