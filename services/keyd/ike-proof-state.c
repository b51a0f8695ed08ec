/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What both sides show in IKE_AUTH (RFC 7296 §2.15): a signature and a certificate of the account,
 * or a code made with a preshared key. Which of them it is follows from the peer's name alone. With
 * a post-quantum preshared key that is optional, an initiator proves itself twice (RFC 8784 §3).
 */
#include "services/keyd/ike-proof.h"

#include "services/keyd/ike-intermediate.h"
#include "services/keyd/ike-revoked-state.h"

#include <openssl/crypto.h>

#define PPK_ID_FIXED 2 /* a name that always means the same key */
#define PSK_PAD      "Key Pad for IKEv2"

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

enum ike_proof ike_proof_of(const struct ike_context *context, const char *peer)
{
	return ike_psks_find(context->psks, peer).size ? IKE_PROOF_PSK : IKE_PROOF_CERTIFICATE;
}

bool ike_proof_signs(const struct ike_sa *sa, enum ike_proof proof)
{
	return proof == IKE_PROOF_CERTIFICATE && !sa->session;
}

/* The octets that one side proves to have seen; `id` is the body of its ID payload. */
static int proved_octets(const struct ike_sa *sa, const struct ike_keys *keys, bool own,
			 struct ike_octets id, uint8_t **ret, size_t *ret_size)
{
	const struct ike_blob *init = own ? &sa->own_init : &sa->peer_init;
	bool of_initiator = own == sa->initiator;
	uint8_t between[2 * IKE_PRF_LIMIT + 4];

	return ike_signed_octets(sa->suite.prf, of_initiator ? keys->pi : keys->pr, keys->prf_size,
				 (struct ike_octets){ init->data, init->size },
				 ike_sa_nonce(sa, !of_initiator), id,
				 ike_intermediate_covered(sa, between), ret, ret_size);
}

/* The code by which a side with the same secret is known; of ike_prf_size() octets. */
static int make_code(const struct ike_sa *sa, const struct ike_keys *keys, bool own,
		     struct ike_octets id, struct ike_octets psk, uint8_t ret[IKE_PRF_LIMIT])
{
	const struct ike_octets pad = { (const uint8_t *)PSK_PAD, sizeof PSK_PAD - 1 };
	uint8_t key[IKE_PRF_LIMIT], *octets = NULL;
	struct ike_octets data;
	int r = 0;

	/* Who resumes an SA shows that it has its secret (RFC 5723 §5.1). */
	if (sa->session)
		memcpy(key, own == sa->initiator ? keys->pi : keys->pr, keys->prf_size);
	else
		r = ike_prf(sa->suite.prf, psk.data, psk.size, &pad, 1, key);
	if (r >= 0)
		r = proved_octets(sa, keys, own, id, &octets, &data.size);
	if (r >= 0) {
		data.data = octets;
		r = ike_prf(sa->suite.prf, key, keys->prf_size, &data, 1, ret);
	}
	free(octets);
	explicit_bzero(key, sizeof key);
	return r;
}

/* Ours; the keys are those of the SA, or those without the post-quantum preshared key. */
static int make_own_code(struct ike_sa *sa, const struct ike_keys *keys, struct ike_blob *ret)
{
	uint8_t id[4 + IKE_NAME_LIMIT], code[IKE_PRF_LIMIT];
	struct ike_octets body = { id, own_id(sa->context->local, id) };
	int r = make_code(sa, keys, true, body, ike_psks_find(sa->context->psks, sa->peer), code);

	return r < 0 ? r : ike_blob_set(ret, code, keys->prf_size);
}

static int ask_signature(struct ike_sa *sa, const struct ike_keys *keys)
{
	uint8_t id[4 + IKE_NAME_LIMIT], *octets;
	struct ike_octets body = { id, own_id(sa->context->local, id) };
	size_t size;
	int r = proved_octets(sa, keys, true, body, &octets, &size);

	if (r < 0)
		return r;
	sa->context->counters.signatures_made++;
	if (!ike_actions_add(&sa->context->actions, IKE_ACTION_SIGN, sa->id, octets, size))
		r = -ENOMEM;
	free(octets);
	return r;
}

int ike_proof_begin(struct ike_sa *sa, uint64_t now)
{
	int r;

	sa->auth_began = now;
	if (ike_proof_signs(sa, sa->proof)) {
		ike_sa_set_state(sa, IKE_SA_SIGNING, now + IKE_INTERNAL_LIMIT);
		return ask_signature(sa, &sa->keys);
	}
	r = make_own_code(sa, &sa->keys, &sa->own_proof);
	if (r >= 0 && sa->bare_keys)
		r = make_own_code(sa, sa->bare_keys, &sa->bare_proof);
	return r < 0 ? r : ike_auth_proved(sa, now);
}

int ike_proof_signed(struct ike_sa *sa, uint64_t now, const uint8_t *signature, size_t size)
{
	struct ike_blob *place = sa->own_proof.data ? &sa->bare_proof : &sa->own_proof;
	uint8_t auth[256];
	int auth_size = ike_signature_wrap(signature, size, auth, sizeof auth), r;

	if (auth_size < 0)
		return auth_size;
	r = ike_blob_set(place, auth, auth_size);
	if (r < 0)
		return r;
	if (sa->bare_keys && !sa->bare_proof.data)
		return ask_signature(sa, sa->bare_keys);
	return ike_auth_proved(sa, now);
}

void ike_proof_write(struct ike_sa *sa, struct ike_builder *inner)
{
	const struct ike_local *local = sa->context->local;
	bool signs = ike_proof_signs(sa, sa->proof);
	uint8_t wanted[IKE_CERTREQ_HASH_SIZE];

	ike_builder_add_id(inner, sa->initiator ? IKE_PAYLOAD_IDI : IKE_PAYLOAD_IDR, local->name);
	if (signs)
		ike_builder_add_tagged(inner, IKE_PAYLOAD_CERT, IKE_CERTIFICATE_X509,
				       local->certificate, local->certificate_size);
	if (signs && sa->initiator) {
		ike_trust_hash(local->trust, wanted);
		ike_builder_add_tagged(inner, IKE_PAYLOAD_CERTREQ, IKE_CERTIFICATE_X509, wanted,
				       sizeof wanted);
	}
	if (sa->initiator)
		ike_builder_add_id(inner, IKE_PAYLOAD_IDR, sa->peer);
	ike_builder_add_tagged(inner, IKE_PAYLOAD_AUTH,
			       signs ? IKE_METHOD_SIGNATURE : IKE_METHOD_SHARED_KEY,
			       sa->own_proof.data, sa->own_proof.size);
	if (sa->bare_proof.data)
		ike_builder_add_notify(inner, IKE_NOTIFY_NO_PPK_AUTH, sa->bare_proof.data,
				       sa->bare_proof.size);
}

/* The peer's. */

static int read_name(const struct ike_payload *id, char ret[IKE_NAME_LIMIT])
{
	struct ike_octets name;
	uint8_t type;

	if (!id || ike_id_read(id, &type, &name) < 0 || type != IKE_ID_FQDN || !name.size ||
	    name.size >= IKE_NAME_LIMIT || memchr(name.data, 0, name.size))
		return -EBADMSG;
	for (size_t i = 0; i < name.size; i++) {
		uint8_t c = name.data[i];

		ret[i] = c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c;
	}
	ret[name.size] = 0;
	return 0;
}

static int check_signature(struct ike_sa *sa, const struct ike_chain *chain, struct ike_octets id,
			   struct ike_octets auth, struct ike_proved *ret, const char **ret_reason)
{
	const struct ike_payload *certificate = ike_chain_find(chain, IKE_PAYLOAD_CERT);
	cleanup(EVP_PKEY_freep) EVP_PKEY *key = NULL;
	struct ike_octets certificate_data;
	struct ike_holder holder;
	uint8_t encoding, *octets;
	size_t size;
	int r;

	*ret_reason = "it sent no X.509 certificate";
	if (!certificate || ike_certificate_read(certificate, &encoding, &certificate_data) < 0 ||
	    encoding != IKE_CERTIFICATE_X509)
		return -EACCES;
	r = ike_certificate_check(sa->context->local->trust, certificate_data.data,
				  certificate_data.size, ret->name, sa->context->realtime, &holder,
				  ret_reason);
	if (r < 0)
		return r;
	key = holder.key;
	memcpy(ret->eui64, holder.eui64, sizeof ret->eui64);
	ret->has_eui64 = true;
	ret->issued = holder.issued;
	ret->expires = holder.expires;
	r = proved_octets(sa, &sa->keys, false, id, &octets, &size);
	if (r < 0)
		return r;
	*ret_reason = "its signature is wrong";
	sa->context->counters.signatures_checked++;
	r = ike_signature_check(key, auth.data, auth.size, octets, size);
	free(octets);
	return r < 0 ? -EACCES : 0;
}

static int check_code(const struct ike_sa *sa, struct ike_octets id, struct ike_octets auth,
		      const struct ike_proved *proved, const char **ret_reason)
{
	uint8_t code[IKE_PRF_LIMIT];
	int r = make_code(sa, &sa->keys, false, id, ike_psks_find(sa->context->psks, proved->name),
			  code);

	if (r < 0)
		return r;
	*ret_reason = sa->session ? "it does not know what it wants to resume"
				  : "it has another preshared key than ours";
	return auth.size != sa->keys.prf_size || CRYPTO_memcmp(auth.data, code, auth.size) ? -EACCES
											   : 0;
}

static int check_method(struct ike_sa *sa, const struct ike_chain *chain,
			const struct ike_octets *instead, struct ike_proved *ret,
			const char **ret_reason)
{
	const struct ike_payload *id =
		ike_chain_find(chain, sa->initiator ? IKE_PAYLOAD_IDR : IKE_PAYLOAD_IDI);
	const struct ike_payload *auth = ike_chain_find(chain, IKE_PAYLOAD_AUTH);
	struct ike_octets data, body;
	uint8_t method;

	*ret = (struct ike_proved){};
	*ret_reason = "it did not say who it is";
	if (read_name(id, ret->name) < 0 || !auth ||
	    ike_authentication_read(auth, &method, &data) < 0)
		return -EACCES;
	body = (struct ike_octets){ id->data, id->size };
	if (instead)
		data = *instead;
	if (sa->session) {
		ret->proof = sa->session->proof;
		ret->issued = sa->session->issued;
		/* However often it is resumed: its certificate does not last longer. */
		ret->expires = sa->session->proof_expires;
		*ret_reason = "it resumes what another host had";
		return method == IKE_METHOD_SHARED_KEY && !strcmp(ret->name, sa->session->peer)
			       ? check_code(sa, body, data, ret, ret_reason)
			       : -EACCES;
	}
	ret->proof = ike_proof_of(sa->context, ret->name);
	switch (ret->proof) {
	case IKE_PROOF_CERTIFICATE:
		*ret_reason = method == IKE_METHOD_SHARED_KEY
				      ? "it has a preshared key for us, and we have none for it"
				      : "it does not sign in the form of RFC 7427";
		if (method != IKE_METHOD_SIGNATURE)
			return -EACCES;
		return check_signature(sa, chain, body, data, ret, ret_reason);
	case IKE_PROOF_PSK:
		*ret_reason = "it has no preshared key for us, and we have one for it";
		if (method != IKE_METHOD_SHARED_KEY)
			return -EACCES;
		if (!ike_trust_has_name(sa->context->local->trust, ret->name)) {
			*ret_reason = "its name is not one of the account";
			return -EACCES;
		}
		return check_code(sa, body, data, ret, ret_reason);
	}
	return -EACCES;
}

int ike_proof_check(struct ike_sa *sa, const struct ike_chain *chain,
		    const struct ike_octets *instead, struct ike_proved *ret,
		    const char **ret_reason)
{
	int r = check_method(sa, chain, instead, ret, ret_reason);

	/* Only now: before it has proved to be that host, it may be anybody. */
	if (r >= 0 && ike_revoked_covers(sa->context->revoked, ret->name, ret->issued)) {
		sa->context->counters.forgotten_peers++;
		*ret_reason = IKE_REVOKED_REASON;
		return -EACCES;
	}
	return r;
}

/* Post-quantum preshared keys. */

static const char *ppk_id(const struct ike_sa *sa)
{
	const struct ike_local *local = sa->context->local;

	return *local->ppk_id ? local->ppk_id : ike_trust_domain(local->trust);
}

int ike_proof_mix_ppk(struct ike_sa *sa)
{
	const struct ike_local *local = sa->context->local;
	bool optional = sa->initiator && sa->context->ppk_use == IKE_PPK_PREFERRED;

	if (!sa->peer_takes_ppk || sa->session)
		return 0;
	if (optional) {
		sa->bare_keys = malloc(sizeof *sa->bare_keys);
		if (!sa->bare_keys)
			return -ENOMEM;
		*sa->bare_keys = sa->keys;
	}
	return ike_keys_mix_ppk(&sa->suite, &sa->keys,
				(struct ike_octets){ local->ppk, sizeof local->ppk });
}

static void forget_bare(struct ike_sa *sa)
{
	if (sa->bare_keys)
		ike_keys_wipe(sa->bare_keys);
	free(sa->bare_keys);
	sa->bare_keys = NULL;
	ike_blob_clear(&sa->bare_proof);
}

void ike_proof_forget(struct ike_sa *sa)
{
	forget_bare(sa);
	ike_blob_clear(&sa->own_proof);
}

void ike_proof_add_ppk_id(struct ike_sa *sa, struct ike_builder *inner)
{
	const char *name = ppk_id(sa);
	uint8_t id[1 + IKE_NAME_LIMIT];
	struct writer writer = writer_init(id, sizeof id);

	if (!sa->peer_takes_ppk || sa->session)
		return;
	/* An answer says that the key is in use, and nothing else (RFC 8784 §3). */
	if (sa->initiator) {
		writer_u8(&writer, PPK_ID_FIXED);
		writer_copy(&writer, name, strlen(name));
	}
	ike_builder_add_notify(inner, IKE_NOTIFY_PPK_IDENTITY, id, writer.position);
}

const char *ike_proof_take_ppk(struct ike_sa *sa, const struct ike_chain *chain,
			       struct ike_octets *ret_instead)
{
	const char *name = ppk_id(sa);
	bool required = sa->context->ppk_use == IKE_PPK_REQUIRED;
	struct ike_notify id, bare;

	/* It came into the keys before, or not. */
	if (sa->session)
		return NULL;
	if (!sa->peer_takes_ppk)
		return required ? "it uses no post-quantum preshared key, and we require one"
				: NULL;
	if (ike_chain_find_notify(chain, IKE_NOTIFY_PPK_IDENTITY, &id) &&
	    id.data.size == 1 + strlen(name) && id.data.data[0] == PPK_ID_FIXED &&
	    !strncasecmp((const char *)id.data.data + 1, name, strlen(name)))
		return ike_proof_mix_ppk(sa) < 0 ? "the preshared key cannot be used" : NULL;
	if (required || !ike_chain_find_notify(chain, IKE_NOTIFY_NO_PPK_AUTH, &bare))
		return "it has another post-quantum preshared key than ours";
	/* To it the key is optional as well. */
	sa->peer_takes_ppk = false;
	*ret_instead = bare.data;
	return NULL;
}

const char *ike_proof_hear_ppk(struct ike_sa *sa, const struct ike_chain *chain)
{
	struct ike_notify id;

	if (!sa->peer_takes_ppk || sa->session ||
	    ike_chain_find_notify(chain, IKE_NOTIFY_PPK_IDENTITY, &id))
		return NULL;
	if (!sa->bare_keys)
		return "it does not use the post-quantum preshared key";
	sa->keys = *sa->bare_keys;
	sa->peer_takes_ppk = false;
	return NULL;
}
