/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* IKE_SA_INIT (RFC 7296 §1.2): two messages in the clear that agree on keys with somebody unknown.
 */
#include "services/keyd/ike-sa-internal.h"

#include <openssl/crypto.h>
#include <stdio.h>

#define COOKIE_SIZE 17 /* its period, and a MAC */

/*
 * Where a message seems to come from and goes to (§2.23). We use UDP encapsulation always, and do
 * not know which address our packets leave from; an origin that cannot be right makes the peer see
 * a NAT before us and do the same.
 */
static void add_nat_detection(struct ike_builder *builder, uint64_t spi_initiator,
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

static void add_hash_algorithms(struct ike_builder *builder)
{
	uint8_t body[16];
	struct writer writer = writer_init(body, sizeof body);

	ike_hash_algorithms_write(&writer);
	ike_builder_add_notify(builder, IKE_NOTIFY_SIGNATURE_HASH_ALGORITHMS, body,
			       writer.position);
}

static int send_request(struct ike_sa *sa, uint64_t now, const struct ike_octets *cookie)
{
	struct ike_header header = ike_sa_header(sa, IKE_EXCHANGE_SA_INIT, false, 0);
	uint8_t message[1024], public_key[IKE_X25519_SIZE];
	struct ike_builder builder;
	int r = ike_x25519_public(sa->private_key, public_key);

	if (r < 0)
		return r;
	ike_builder_begin(&builder, message, sizeof message, &header);
	/* First, so that a responder finds it without reading further (§2.6). */
	if (cookie)
		ike_builder_add_notify(&builder, IKE_NOTIFY_COOKIE, cookie->data, cookie->size);
	ike_proposal_write_ike_offer(ike_builder_open(&builder, IKE_PAYLOAD_SA));
	ike_builder_close(&builder);
	ike_builder_add_ke(&builder, IKE_GROUP_X25519, public_key, sizeof public_key);
	ike_builder_add(&builder, IKE_PAYLOAD_NONCE, sa->nonce, sizeof sa->nonce);
	add_nat_detection(&builder, sa->spi_initiator, 0, &sa->endpoint);
	add_hash_algorithms(&builder);
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

struct ike_sa *ike_sa_initiate(struct ike_context *context, uint64_t now, const char *peer,
			       const uint8_t host_id[16], const struct sockaddr_in *endpoint)
{
	cleanup(ike_sa_freep) struct ike_sa *sa = ike_sa_new(context, now, true);

	if (!sa || strlen(peer) >= sizeof sa->peer)
		return NULL;
	strcpy(sa->peer, peer);
	memcpy(sa->peer_host_id, host_id, sizeof sa->peer_host_id);
	sa->endpoint = *endpoint;
	sa->state = IKE_SA_INIT_SENT;
	if (send_request(sa, now, NULL) < 0)
		return NULL;
	context->counters.negotiations_begun++;
	return steal_ptr(sa);
}

/* What an IKE_SA_INIT message must hold. */
struct init_content {
	struct ike_octets proposals, public_key, nonce;
	uint16_t group;
	bool takes_sha256;
};

/* 0, or -EBADMSG. The group is not looked at. */
static int read_content(const struct ike_chain *chain, struct init_content *ret)
{
	const struct ike_payload *sa = ike_chain_find(chain, IKE_PAYLOAD_SA);
	const struct ike_payload *ke = ike_chain_find(chain, IKE_PAYLOAD_KE);
	const struct ike_payload *nonce = ike_chain_find(chain, IKE_PAYLOAD_NONCE);
	struct ike_notify hashes;

	if (!sa || !ke || !nonce || ike_ke_read(ke, &ret->group, &ret->public_key) < 0 ||
	    nonce->size < IKE_NONCE_MINIMUM || nonce->size > IKE_NONCE_MAXIMUM)
		return -EBADMSG;
	ret->proposals = (struct ike_octets){ sa->data, sa->size };
	ret->nonce = (struct ike_octets){ nonce->data, nonce->size };
	ret->takes_sha256 =
		ike_chain_find_notify(chain, IKE_NOTIFY_SIGNATURE_HASH_ALGORITHMS, &hashes) &&
		ike_hash_algorithms_have(hashes.data, IKE_HASH_SHA2_256);
	return 0;
}

/* The keys of the SA from what both sides sent. */
static int derive(struct ike_sa *sa, const struct init_content *content, const uint8_t *message,
		  size_t size)
{
	uint8_t shared[IKE_X25519_SIZE];
	int r;

	if (content->group != IKE_GROUP_X25519 || content->public_key.size != IKE_X25519_SIZE)
		return -EBADMSG;
	r = ike_blob_set(&sa->peer_nonce, content->nonce.data, content->nonce.size);
	if (r >= 0)
		r = ike_blob_set(&sa->peer_init, message, size);
	if (r >= 0)
		r = ike_x25519_shared(sa->private_key, content->public_key.data, shared);
	if (r >= 0)
		r = ike_keys_derive(&sa->suite, ike_sa_nonce(sa, true), ike_sa_nonce(sa, false),
				    (struct ike_octets){ shared, sizeof shared }, sa->spi_initiator,
				    sa->spi_responder, &sa->keys);
	explicit_bzero(shared, sizeof shared);
	sa->peer_takes_sha256 = content->takes_sha256;
	return r;
}

/* The responder wants the request again with its cookie (§2.6). */
static bool follow_cookie(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	struct ike_notify cookie;

	if (!ike_chain_find_notify(chain, IKE_NOTIFY_COOKIE, &cookie))
		return false;
	if (cookie.data.size < 1 || cookie.data.size > IKE_COOKIE_LIMIT) {
		sa->context->counters.malformed++;
		return true;
	}
	send_request(sa, now, &cookie.data);
	return true;
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
	uint8_t number;

	if (header->message_id != 0 || ike_chain_read(header->next_payload, data + IKE_HEADER_SIZE,
						      size - IKE_HEADER_SIZE, &chain) < 0) {
		sa->context->counters.malformed++;
		return;
	}
	if (!ike_chain_find(&chain, IKE_PAYLOAD_SA)) {
		if (!follow_cookie(sa, now, &chain))
			note_hint(sa, &chain);
		return;
	}
	if (!header->spi_responder || ike_chain_find_unsupported(&chain) ||
	    read_content(&chain, &content) < 0 ||
	    ike_proposal_choose_ike(content.proposals.data, content.proposals.size, &suite,
				    &number) < 0) {
		sa->context->counters.malformed++;
		return;
	}
	sa->spi_responder = header->spi_responder;
	sa->suite = suite;
	if (derive(sa, &content, data, size) < 0) {
		/* Somebody's nonsense; the true answer may still come. */
		sa->context->counters.malformed++;
		sa->spi_responder = 0;
		return;
	}
	explicit_bzero(sa->private_key, sizeof sa->private_key);
	*sa->failure = 0;
	ike_sa_take_answer(sa, now, ike_requests_find(&sa->requests, 0));
	if (!sa->peer_takes_sha256)
		ike_sa_fail(sa, "it takes no signatures with SHA-256");
	else if (ike_auth_ask_signature(sa, now) < 0)
		ike_sa_fail(sa, "out of memory");
}

/* An answer that leaves nothing behind here. */
static void refuse(struct ike_context *context, const struct sockaddr_in *to,
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

/* What shows that somebody gets what is sent to `from`: nothing of it is stored. */
static int make_cookie(const struct ike_context *context, uint8_t period,
		       const struct sockaddr_in *from, const struct ike_header *header,
		       const struct ike_payload *nonce, uint8_t ret[COOKIE_SIZE])
{
	uint8_t origin[15], mac[IKE_PRF_LIMIT];
	struct writer writer = writer_init(origin, sizeof origin);
	const struct ike_octets data[] = { { origin, sizeof origin },
					   { nonce->data, nonce->size } };
	int r;

	writer_u8(&writer, period);
	writer_u64(&writer, header->spi_initiator);
	writer_copy(&writer, &from->sin_addr, 4);
	writer_copy(&writer, &from->sin_port, 2);
	r = ike_prf(IKE_PRF_HMAC_SHA2_256, context->cookie_secret, sizeof context->cookie_secret,
		    data, ARRAY_SIZE(data), mac);
	ret[0] = period;
	memcpy(ret + 1, mac, COOKIE_SIZE - 1);
	return r;
}

bool ike_sa_has_cookie(struct ike_context *context, uint64_t now, const struct sockaddr_in *from,
		       const struct ike_header *header, const uint8_t *data, size_t size)
{
	uint8_t period = now / IKE_COOKIE_PERIOD, wanted[COOKIE_SIZE];
	const struct ike_payload *nonce;
	struct ike_notify cookie;
	struct ike_chain chain;

	if (ike_chain_read(header->next_payload, data + IKE_HEADER_SIZE, size - IKE_HEADER_SIZE,
			   &chain) < 0 ||
	    !(nonce = ike_chain_find(&chain, IKE_PAYLOAD_NONCE))) {
		context->counters.malformed++;
		return false;
	}
	if (ike_chain_find_notify(&chain, IKE_NOTIFY_COOKIE, &cookie) &&
	    cookie.data.size == COOKIE_SIZE && (uint8_t)(period - cookie.data.data[0]) <= 1 &&
	    make_cookie(context, cookie.data.data[0], from, header, nonce, wanted) >= 0 &&
	    !CRYPTO_memcmp(cookie.data.data, wanted, COOKIE_SIZE))
		return true;
	if (make_cookie(context, period, from, header, nonce, wanted) >= 0) {
		context->counters.cookies_sent++;
		refuse(context, from, header, IKE_NOTIFY_COOKIE, wanted, COOKIE_SIZE);
	}
	return false;
}

static int send_response(struct ike_sa *sa, const struct sockaddr_in *to, uint8_t proposal)
{
	struct ike_header header = ike_sa_header(sa, IKE_EXCHANGE_SA_INIT, true, 0);
	uint8_t message[1024], public_key[IKE_X25519_SIZE], wanted[IKE_CERTREQ_HASH_SIZE];
	struct ike_builder builder;
	int r = ike_x25519_public(sa->private_key, public_key);

	if (r < 0)
		return r;
	ike_builder_begin(&builder, message, sizeof message, &header);
	ike_proposal_write_ike(ike_builder_open(&builder, IKE_PAYLOAD_SA), proposal, &sa->suite);
	ike_builder_close(&builder);
	ike_builder_add_ke(&builder, IKE_GROUP_X25519, public_key, sizeof public_key);
	ike_builder_add(&builder, IKE_PAYLOAD_NONCE, sa->nonce, sizeof sa->nonce);
	add_nat_detection(&builder, sa->spi_initiator, sa->spi_responder, to);
	ike_trust_hash(sa->context->local->trust, wanted);
	ike_builder_add_tagged(&builder, IKE_PAYLOAD_CERTREQ, IKE_CERTIFICATE_X509, wanted,
			       sizeof wanted);
	add_hash_algorithms(&builder);
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

struct ike_sa *ike_sa_respond(struct ike_context *context, uint64_t now,
			      const struct sockaddr_in *from, const struct ike_header *header,
			      const uint8_t *data, size_t size)
{
	static const uint8_t wanted_group[] = { 0, IKE_GROUP_X25519 };
	cleanup(ike_sa_freep) struct ike_sa *sa = NULL;
	struct init_content content;
	struct ike_chain chain;
	struct ike_suite suite;
	uint8_t number, unsupported;
	int r;

	if (ike_chain_read(header->next_payload, data + IKE_HEADER_SIZE, size - IKE_HEADER_SIZE,
			   &chain) < 0 ||
	    read_content(&chain, &content) < 0) {
		context->counters.malformed++;
		return NULL;
	}
	unsupported = ike_chain_find_unsupported(&chain);
	r = ike_proposal_choose_ike(content.proposals.data, content.proposals.size, &suite,
				    &number);
	if (unsupported || r < 0 || content.group != suite.group) {
		context->counters.refused_peers++;
		if (unsupported)
			refuse(context, from, header, IKE_NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD,
			       &unsupported, 1);
		else if (r == -ENOENT)
			refuse(context, from, header, IKE_NOTIFY_NO_PROPOSAL_CHOSEN, NULL, 0);
		else if (r < 0)
			refuse(context, from, header, IKE_NOTIFY_INVALID_SYNTAX, NULL, 0);
		else
			refuse(context, from, header, IKE_NOTIFY_INVALID_KE_PAYLOAD, wanted_group,
			       sizeof wanted_group);
		return NULL;
	}
	sa = ike_sa_new(context, now, false);
	if (!sa)
		return NULL;
	sa->spi_initiator = header->spi_initiator;
	sa->suite = suite;
	sa->endpoint = *from;
	sa->answers.expected_id = 1;
	sa->state = IKE_SA_HALF_OPEN;
	sa->timer = now + IKE_HALF_OPEN_LIMIT;
	if (derive(sa, &content, data, size) < 0) {
		context->counters.malformed++;
		return NULL;
	}
	r = send_response(sa, from, number);
	explicit_bzero(sa->private_key, sizeof sa->private_key);
	return r < 0 ? NULL : steal_ptr(sa);
}
