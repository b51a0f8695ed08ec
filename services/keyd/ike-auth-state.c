/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * IKE_AUTH (RFC 7296 §1.2): both sides prove who they are, by certificates of the account and
 * signatures that identity and its like make, and agree on one child SA between their two host ids.
 */
#include "services/keyd/ike-child-state.h"
#include "services/keyd/ike-sa-internal.h"

#include <stdio.h>

#define PPK_ID_FIXED 2 /* a name that always means the same key */

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

/* Body of an ID payload with our name. */
static size_t own_id(const struct ike_local *local, uint8_t body[4 + IKE_NAME_LIMIT])
{
	struct writer writer = writer_init(body, 4 + IKE_NAME_LIMIT);

	writer_u8(&writer, IKE_ID_FQDN);
	writer_unsigned(&writer, 0, 3);
	writer_copy(&writer, local->name, strlen(local->name));
	return writer.position;
}

int ike_auth_ask_signature(struct ike_sa *sa, uint64_t now)
{
	const uint8_t *sk_p = sa->initiator ? sa->keys.pi : sa->keys.pr;
	uint8_t id[4 + IKE_NAME_LIMIT];
	size_t id_size = own_id(sa->context->local, id), size;
	uint8_t *octets;
	int r;

	r = ike_signed_octets(sa->suite.prf, sk_p, sa->keys.prf_size,
			      (struct ike_octets){ sa->own_init.data, sa->own_init.size },
			      (struct ike_octets){ sa->peer_nonce.data, sa->peer_nonce.size },
			      (struct ike_octets){ id, id_size }, &octets, &size);
	if (r < 0)
		return r;
	sa->auth_began = now;
	ike_sa_set_state(sa, IKE_SA_SIGNING, now + IKE_INTERNAL_LIMIT);
	if (!ike_actions_add(&sa->context->actions, IKE_ACTION_SIGN, sa->id, octets, size))
		r = -ENOMEM;
	free(octets);
	return r;
}

int ike_auth_mix_ppk(struct ike_sa *sa)
{
	const struct ike_local *local = sa->context->local;

	return sa->peer_takes_ppk
		       ? ike_keys_mix_ppk(&sa->suite, &sa->keys,
					  (struct ike_octets){ local->ppk, sizeof local->ppk })
		       : 0;
}

/* Which key it is (RFC 8784 §5.1). */
static void add_ppk_id(struct ike_sa *sa, struct ike_builder *inner)
{
	const char *domain = ike_trust_domain(sa->context->local->trust);
	uint8_t id[1 + IKE_NAME_LIMIT];
	struct writer writer = writer_init(id, sizeof id);

	writer_u8(&writer, PPK_ID_FIXED);
	writer_copy(&writer, domain, strlen(domain));
	ike_builder_add_notify(inner, IKE_NOTIFY_PPK_IDENTITY, id, writer.position);
}

/*
 * Responder: the preshared key that the initiator names must be the account's. NULL, or a reason.
 * Whoever says that it has a key must use it: so nobody needs to sign twice (NO_PPK_AUTH).
 */
static const char *check_ppk(struct ike_sa *sa, const struct ike_chain *chain)
{
	const char *domain = ike_trust_domain(sa->context->local->trust);
	struct ike_notify id;

	if (!sa->peer_takes_ppk)
		return sa->context->ppk_use == IKE_PPK_REQUIRED
			       ? "it uses no post-quantum preshared key, and we require one"
			       : NULL;
	if (!ike_chain_find_notify(chain, IKE_NOTIFY_PPK_IDENTITY, &id) ||
	    id.data.size != 1 + strlen(domain) || id.data.data[0] != PPK_ID_FIXED ||
	    strncasecmp((const char *)id.data.data + 1, domain, strlen(domain)))
		return "it has another post-quantum preshared key than ours";
	return ike_auth_mix_ppk(sa) < 0 ? "the preshared key cannot be used" : NULL;
}

/*
 * The peer's ID, certificate and AUTH. 0; or -EACCES with *ret_reason, and nothing in the SA
 * changed. `name` gets the proved name in lower case.
 */
static int check_peer(struct ike_sa *sa, const struct ike_chain *chain, char name[IKE_NAME_LIMIT],
		      uint8_t eui64[8], const char **ret_reason)
{
	const struct ike_payload *id =
		ike_chain_find(chain, sa->initiator ? IKE_PAYLOAD_IDR : IKE_PAYLOAD_IDI);
	const struct ike_payload *certificate = ike_chain_find(chain, IKE_PAYLOAD_CERT);
	const struct ike_payload *auth = ike_chain_find(chain, IKE_PAYLOAD_AUTH);
	cleanup(EVP_PKEY_freep) EVP_PKEY *key = NULL;
	struct ike_octets id_data, certificate_data, auth_data;
	uint8_t id_type, encoding, method, *octets;
	struct ike_holder holder;
	size_t size;
	int r;

	*ret_reason = "it did not say who it is";
	if (!id || !certificate || !auth || ike_id_read(id, &id_type, &id_data) < 0 ||
	    ike_certificate_read(certificate, &encoding, &certificate_data) < 0 ||
	    ike_authentication_read(auth, &method, &auth_data) < 0)
		return -EACCES;
	if (id_type != IKE_ID_FQDN || !id_data.size || id_data.size >= IKE_NAME_LIMIT ||
	    memchr(id_data.data, 0, id_data.size))
		return -EACCES;
	for (size_t i = 0; i < id_data.size; i++) {
		uint8_t c = id_data.data[i];

		name[i] = c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c;
	}
	name[id_data.size] = 0;
	*ret_reason = "it sent no X.509 certificate";
	if (encoding != IKE_CERTIFICATE_X509)
		return -EACCES;
	*ret_reason = "it does not sign in the form of RFC 7427";
	if (method != IKE_METHOD_SIGNATURE)
		return -EACCES;
	r = ike_certificate_check(sa->context->local->trust, certificate_data.data,
				  certificate_data.size, name, sa->context->realtime, &holder,
				  ret_reason);
	if (r < 0)
		return r;
	key = holder.key;
	memcpy(eui64, holder.eui64, 8);
	r = ike_signed_octets(sa->suite.prf, sa->initiator ? sa->keys.pr : sa->keys.pi,
			      sa->keys.prf_size,
			      (struct ike_octets){ sa->peer_init.data, sa->peer_init.size },
			      (struct ike_octets){ sa->nonce, sizeof sa->nonce },
			      (struct ike_octets){ id->data, id->size }, &octets, &size);
	if (r < 0)
		return r;
	*ret_reason = "its signature is wrong";
	r = ike_signature_check(key, auth_data.data, auth_data.size, octets, size);
	free(octets);
	return r < 0 ? -EACCES : 0;
}

/* A host id (RFC 6281 §6.3) whose low half is the one the certificate proves. */
static bool is_host_id(const uint8_t address[16], const uint8_t eui64[8])
{
	return address[0] == 0xfd && !memcmp(address + 8, eui64, 8);
}

/* The peer's host id: the one address it offers, or the one the tunnel knows when it offers more.
 */
static bool find_peer_host_id(struct ike_sa *sa, const struct ike_selectors *offered,
			      const uint8_t eui64[8], uint8_t ret[16])
{
	const struct ike_context *context = sa->context;

	for (size_t i = 0; i < offered->n_items; i++) {
		const struct ike_selector *selector = &offered->items[i];

		if (ike_selector_is_unlimited(selector) &&
		    !memcmp(selector->first, selector->last, 16) &&
		    is_host_id(selector->first, eui64)) {
			memcpy(ret, selector->first, 16);
			return true;
		}
	}
	return context->surroundings->find_host_id(context->userdata, sa->peer, ret) &&
	       is_host_id(ret, eui64) && ike_selectors_cover(offered, ret);
}

/* Responder: the child the peer asks for. 0, or the notification why there will be none. */
static uint16_t choose_child(struct ike_sa *sa, const struct ike_chain *chain,
			     const uint8_t eui64[8])
{
	const struct ike_payload *proposals = ike_chain_find(chain, IKE_PAYLOAD_SA);
	struct ike_selectors initiator, responder;
	uint32_t spi_out;
	struct esp_suite suite;
	struct ike_child *child;
	int r;

	if (!proposals || ike_selectors_find(chain, &initiator, &responder) < 0)
		return IKE_NOTIFY_INVALID_SYNTAX;
	if (!ike_selectors_cover(&responder, sa->context->local->host_id) ||
	    !find_peer_host_id(sa, &initiator, eui64, sa->peer_host_id))
		return IKE_NOTIFY_TS_UNACCEPTABLE;
	r = ike_proposal_choose_esp(&sa->context->preferences, proposals->data, proposals->size,
				    IKE_WITHOUT_KEY_EXCHANGE, &suite, &spi_out,
				    &sa->child_proposal);
	if (r < 0)
		return r == -ENOENT ? IKE_NOTIFY_NO_PROPOSAL_CHOSEN : IKE_NOTIFY_INVALID_SYNTAX;
	child = ike_child_add(sa, false);
	if (!child)
		return IKE_NOTIFY_NO_ADDITIONAL_SAS;
	child->suite = suite;
	child->spi_out = spi_out;
	return 0;
}

/* The keys of the first child are of the nonces of IKE_SA_INIT (§2.17). */
static int ask_install(struct ike_sa *sa, uint64_t now)
{
	struct ike_child *child = &sa->children[0];
	uint8_t material[ESP_KEYMAT_LIMIT];
	int r = ike_keys_derive_child(&sa->suite, &sa->keys, ike_sa_nonce(sa, true),
				      ike_sa_nonce(sa, false), material,
				      2 * esp_suite_key_size(&child->suite));

	if (r >= 0)
		r = ike_child_install(sa, child, material);
	explicit_bzero(material, sizeof material);
	if (r >= 0)
		ike_sa_set_state(sa, IKE_SA_INSTALLING, now + IKE_INTERNAL_LIMIT);
	return r;
}

/* Ends an SA whose request we refuse; the answer is kept for repetitions. */
static void refuse(struct ike_sa *sa, uint64_t now, enum ike_notify_type type)
{
	sa->context->counters.refused_peers++;
	ike_sa_answer_error(sa, IKE_EXCHANGE_AUTH, type, NULL, 0);
	ike_sa_set_state(sa, IKE_SA_CLOSED, now + IKE_CLOSED_LINGER);
}

/* Responder. */
void ike_auth_request(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	char name[IKE_NAME_LIMIT] = "", address[IKE_ENDPOINT_TEXT];
	const struct ike_payload *wanted = ike_chain_find(chain, IKE_PAYLOAD_IDR);
	const struct ike_local *local = sa->context->local;
	struct ike_octets wanted_id;
	struct ike_notify notify;
	const char *reason;
	uint16_t refusal;
	uint8_t eui64[8], type;

	reason = check_ppk(sa, chain);
	if (!reason && check_peer(sa, chain, name, eui64, &reason) >= 0)
		reason = !strcmp(name, local->name) ? "it has our own name"
			 : !sa->peer_takes_sha256   ? "it takes no signatures with SHA-256"
						    : NULL;
	if (reason) {
		if (now >= sa->context->note_refusals_after) {
			sa->context->note_refusals_after = now + IKE_REFUSAL_NOTES;
			ike_actions_note(&sa->context->actions, "refused a peer at %s: %s",
					 ike_endpoint_text(&sa->asked_from, address), reason);
		}
		refuse(sa, now, IKE_NOTIFY_AUTHENTICATION_FAILED);
		return;
	}
	/* It may say whom it means to speak to (§2.15); a stale address in DNS leads to others. */
	if (wanted && (ike_id_read(wanted, &type, &wanted_id) < 0 || type != IKE_ID_FQDN ||
		       wanted_id.size != strlen(local->name) ||
		       strncasecmp((const char *)wanted_id.data, local->name, wanted_id.size))) {
		refuse(sa, now, IKE_NOTIFY_AUTHENTICATION_FAILED);
		return;
	}
	strcpy(sa->peer, name);
	sa->authenticated = true;
	sa->endpoint = sa->asked_from;
	sa->initial_contact = ike_chain_find_notify(chain, IKE_NOTIFY_INITIAL_CONTACT, &notify);
	sa->child_error = choose_child(sa, chain, eui64);
	if (sa->child_error == IKE_NOTIFY_INVALID_SYNTAX) {
		refuse(sa, now, IKE_NOTIFY_INVALID_SYNTAX);
		return;
	}
	refusal = sa->context->surroundings->admit(sa->context->userdata, sa, now);
	if (refusal) {
		ike_child_forget(sa, &sa->children[0]);
		refuse(sa, now, refusal);
		return;
	}
	if (ike_auth_ask_signature(sa, now) < 0)
		ike_sa_fail(sa, "out of memory");
}

/* AUTH with our signature, and what goes with it. */
static int add_own_proof(struct ike_sa *sa, struct ike_builder *inner, const uint8_t *signature,
			 size_t size)
{
	const struct ike_local *local = sa->context->local;
	uint8_t auth[256], wanted[IKE_CERTREQ_HASH_SIZE];
	int auth_size = ike_signature_wrap(signature, size, auth, sizeof auth);

	if (auth_size < 0)
		return auth_size;
	ike_builder_add_id(inner, sa->initiator ? IKE_PAYLOAD_IDI : IKE_PAYLOAD_IDR, local->name);
	ike_builder_add_tagged(inner, IKE_PAYLOAD_CERT, IKE_CERTIFICATE_X509, local->certificate,
			       local->certificate_size);
	if (sa->initiator) {
		ike_trust_hash(local->trust, wanted);
		ike_builder_add_tagged(inner, IKE_PAYLOAD_CERTREQ, IKE_CERTIFICATE_X509, wanted,
				       sizeof wanted);
		ike_builder_add_id(inner, IKE_PAYLOAD_IDR, sa->peer);
	}
	ike_builder_add_tagged(inner, IKE_PAYLOAD_AUTH, IKE_METHOD_SIGNATURE, auth, auth_size);
	ike_sa_add_window(inner);
	ike_mobike_add_supported(inner);
	return 0;
}

static int send_auth_request(struct ike_sa *sa, uint64_t now, const uint8_t *signature, size_t size)
{
	struct ike_context *context = sa->context;
	uint8_t buffer[IKE_MESSAGE_LIMIT];
	struct ike_builder inner;
	struct ike_child *child;
	int r;

	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	r = add_own_proof(sa, &inner, signature, size);
	if (r < 0)
		return r;
	if (sa->peer_takes_ppk)
		add_ppk_id(sa, &inner);
	if (!context->surroundings->has_other(context->userdata, sa))
		ike_builder_add_notify(&inner, IKE_NOTIFY_INITIAL_CONTACT, NULL, 0);
	child = ike_child_add(sa, true);
	if (!child)
		return -ENOSPC;
	ike_proposal_write_esp_offer(ike_builder_open(&inner, IKE_PAYLOAD_SA),
				     &context->preferences, child->spi_in,
				     IKE_WITHOUT_KEY_EXCHANGE);
	ike_builder_close(&inner);
	ike_builder_add_selector(&inner, IKE_PAYLOAD_TSI, context->local->host_id);
	ike_builder_add_selector(&inner, IKE_PAYLOAD_TSR, sa->peer_host_id);
	return ike_sa_request_sealed(sa, now, IKE_EXCHANGE_AUTH, &inner, IKE_AUTH_DEADLINE);
}

/* Responder: once the child is in, since the peer uses it at once. */
static void send_auth_answer(struct ike_sa *sa)
{
	uint8_t buffer[IKE_MESSAGE_LIMIT];
	struct ike_builder inner;
	int r;

	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	r = add_own_proof(sa, &inner, sa->signature.data, sa->signature.size);
	/* It says that the key is in use, and nothing else (RFC 8784 §3). */
	if (sa->peer_takes_ppk)
		ike_builder_add_notify(&inner, IKE_NOTIFY_PPK_IDENTITY, NULL, 0);
	if (sa->child_error) {
		ike_builder_add_notify(&inner, sa->child_error, NULL, 0);
	} else {
		ike_proposal_write_esp(ike_builder_open(&inner, IKE_PAYLOAD_SA), sa->child_proposal,
				       &sa->children[0].suite, sa->children[0].spi_in);
		ike_builder_close(&inner);
		ike_builder_add_selector(&inner, IKE_PAYLOAD_TSI, sa->peer_host_id);
		ike_builder_add_selector(&inner, IKE_PAYLOAD_TSR, sa->context->local->host_id);
	}
	if (r >= 0)
		r = ike_sa_answer_sealed(sa, IKE_EXCHANGE_AUTH, &inner);
	ike_blob_clear(&sa->signature);
	if (r < 0)
		ike_sa_fail(sa, "cannot write the answer");
}

static void become_established(struct ike_sa *sa, uint64_t now)
{
	sa->context->counters.established++;
	ike_sa_set_state(sa, IKE_SA_ESTABLISHED, now + IKE_LIVENESS_SILENCE);
	sa->window_told = true;
	ike_lifetimes_begin_sa(sa, now);
	sa->context->surroundings->established(sa->context->userdata, sa, now);
}

void ike_sa_signed(struct ike_sa *sa, uint64_t now, const uint8_t *signature, size_t size)
{
	int r;

	if (sa->state != IKE_SA_SIGNING || !sa->context->local)
		return;
	if (!signature) {
		ike_sa_fail(sa, "identity gave no signature");
		return;
	}
	if (sa->initiator) {
		ike_sa_set_state(sa, IKE_SA_AUTH_SENT, UINT64_MAX);
		r = send_auth_request(sa, now, signature, size);
	} else {
		r = ike_blob_set(&sa->signature, signature, size);
		if (r >= 0 && sa->child_error) {
			become_established(sa, now);
			send_auth_answer(sa);
		} else if (r >= 0) {
			r = ask_install(sa, now);
		}
	}
	if (r < 0)
		ike_sa_fail(sa, "cannot go on after the signature");
}

void ike_auth_installed(struct ike_sa *sa, uint64_t now, bool success, const char *reason)
{
	if (sa->state != IKE_SA_INSTALLING)
		return;
	if (!success)
		snprintf(sa->failure, sizeof sa->failure, "tunneld did not install it: %s", reason);
	if (success)
		ike_child_begin(sa, now, &sa->children[0]);
	if (sa->initiator) {
		if (success) {
			become_established(sa, now);
		} else {
			ike_child_forget(sa, &sa->children[0]);
			ike_informational_delete(sa, now);
		}
		return;
	}
	if (!success) {
		/* The IKE SA stands, its child does not (§1.2). */
		sa->child_error = IKE_NOTIFY_TEMPORARY_FAILURE;
		ike_child_forget(sa, &sa->children[0]);
	}
	/* The answer goes out after this, so the child is there for the first packet. */
	become_established(sa, now);
	send_auth_answer(sa);
}

/* Initiator: the child we are given must be the one we asked for. 0, or a reason. */
static const char *accept_child(struct ike_sa *sa, const struct ike_chain *chain)
{
	const struct ike_payload *proposal = ike_chain_find(chain, IKE_PAYLOAD_SA);
	struct ike_selectors initiator, responder;

	if (!proposal || ike_selectors_find(chain, &initiator, &responder) < 0)
		return "its answer is incomplete";
	if (!ike_selectors_are(&initiator, sa->context->local->host_id) ||
	    !ike_selectors_are(&responder, sa->peer_host_id))
		return "it wants other traffic than we do";
	if (ike_proposal_read_esp_answer(&sa->context->preferences, proposal->data, proposal->size,
					 IKE_WITHOUT_KEY_EXCHANGE, &sa->children[0].suite,
					 &sa->children[0].spi_out) < 0)
		return "it chose an algorithm we did not offer";
	return NULL;
}

/* Initiator: the peer holds the SA for good, so it must be told that we do not. */
static void reject(struct ike_sa *sa, uint64_t now, const char *reason)
{
	snprintf(sa->failure, sizeof sa->failure, "%s", reason);
	ike_child_forget(sa, &sa->children[0]);
	ike_informational_delete(sa, now);
}

/* Initiator. */
void ike_auth_response(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	struct ike_notify error, notify;
	bool refused = ike_chain_find_error(chain, &error);
	char name[IKE_NAME_LIMIT];
	const char *reason;
	uint8_t eui64[8];

	if (refused && !ike_chain_find(chain, IKE_PAYLOAD_AUTH)) {
		sa->retry_soon = error.type == IKE_NOTIFY_TEMPORARY_FAILURE;
		ike_sa_fail(sa, "it refused with %s", ike_notify_name(error.type));
		return;
	}
	if (sa->peer_takes_ppk && !ike_chain_find_notify(chain, IKE_NOTIFY_PPK_IDENTITY, &notify)) {
		reject(sa, now, "it does not use the post-quantum preshared key");
		return;
	}
	if (check_peer(sa, chain, name, eui64, &reason) < 0) {
		reject(sa, now, reason);
		return;
	}
	if (strcmp(name, sa->peer)) {
		reject(sa, now, "another host answered");
		return;
	}
	if (!is_host_id(sa->peer_host_id, eui64)) {
		reject(sa, now, "its host id is not the one its certificate proves");
		return;
	}
	sa->authenticated = true;
	reason = refused ? ike_notify_name(error.type) : accept_child(sa, chain);
	if (reason)
		reject(sa, now, reason);
	else if (ask_install(sa, now) < 0)
		reject(sa, now, "out of memory");
}
