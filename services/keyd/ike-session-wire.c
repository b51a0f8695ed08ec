/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-session-wire.h"

#include "services/keyd/ike-kem.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#define VERSION      2
#define TAG_SIZE     (IKE_SEAL_OVERHEAD - IKE_SEAL_NONCE)
#define CLEAR_SIZE   (1 + IKE_TICKET_KEY_ID)
#define FLAG_PPK     0x01
#define FLAG_KEM     0x02
#define SESSION_SIZE 464 /* more than any has */
#define LABEL        "homeward keyd resumption v1"

DEFINE_CLEANUP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)
DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)

bool ike_session_suits(const struct ike_session *session, const struct ike_preferences *preferences)
{
	bool cipher = false, prf = false;

	for (size_t i = 0; i < preferences->ike.n; i++)
		if (preferences->ike.items[i].encryption == session->suite.encryption &&
		    preferences->ike.items[i].key_bits == session->suite.key_bits)
			cipher = true;
	for (size_t i = 0; i < preferences->prfs.n; i++)
		if (preferences->prfs.items[i] == session->suite.prf)
			prf = true;
	return cipher && prf &&
	       (session->suite.kem || ike_preferences_kem(preferences) != IKE_KEM_REQUIRED);
}

void ike_session_wipe(struct ike_session *session)
{
	OPENSSL_cleanse(session, sizeof *session);
}

void ike_session_write(struct writer *writer, const struct ike_session *session)
{
	size_t size = strlen(session->peer);

	writer_u16(writer, session->suite.encryption);
	writer_u16(writer, session->suite.key_bits);
	writer_u16(writer, session->suite.prf);
	writer_u16(writer, session->suite.group);
	writer_copy(writer, session->d, ike_prf_size(session->suite.prf));
	writer_u8(writer, session->proof);
	writer_u8(writer, (session->ppk ? FLAG_PPK : 0) | (session->suite.kem ? FLAG_KEM : 0));
	writer_u64(writer, session->issued);
	writer_u64(writer, session->ends);
	writer_u64(writer, session->proof_expires);
	writer_copy(writer, session->host_id, sizeof session->host_id);
	writer_u8(writer, size);
	writer_copy(writer, session->peer, size);
}

int ike_session_read(struct reader *reader, struct ike_session *ret)
{
	struct ike_session session = {};
	uint8_t proof, flags;
	size_t size;
	int r = -EBADMSG;

	session.suite.encryption = reader_u16(reader);
	session.suite.key_bits = reader_u16(reader);
	session.suite.prf = reader_u16(reader);
	session.suite.group = reader_u16(reader);
	size = ike_prf_size(session.suite.prf);
	if (!size || !ike_cipher_name(session.suite.encryption, session.suite.key_bits) ||
	    !ike_group_name(session.suite.group))
		return -EBADMSG;
	reader_copy(reader, session.d, size);
	proof = reader_u8(reader);
	flags = reader_u8(reader);
	session.issued = reader_u64(reader);
	session.ends = reader_u64(reader);
	session.proof_expires = reader_u64(reader);
	reader_copy(reader, session.host_id, sizeof session.host_id);
	size = reader_u8(reader);
	reader_copy(reader, session.peer, size);
	session.proof = proof == IKE_PROOF_PSK ? IKE_PROOF_PSK : IKE_PROOF_CERTIFICATE;
	session.ppk = flags & FLAG_PPK;
	session.suite.kem = flags & FLAG_KEM ? IKE_KEM_MLKEM768 : 0;
	if (!reader->failed && size && !memchr(session.peer, 0, size) && proof <= IKE_PROOF_PSK) {
		*ret = session;
		r = 0;
	}
	ike_session_wipe(&session);
	return r;
}

int ike_seal(const uint8_t key[IKE_SEAL_KEY], const uint8_t nonce[IKE_SEAL_NONCE],
	     struct ike_octets clear, const uint8_t *text, size_t size, uint8_t *ret)
{
	cleanup(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int n;

	memcpy(ret, nonce, IKE_SEAL_NONCE);
	ret += IKE_SEAL_NONCE;
	if (!context || EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce) != 1 ||
	    EVP_EncryptUpdate(context, NULL, &n, clear.data, clear.size) != 1 ||
	    EVP_EncryptUpdate(context, ret, &n, text, size) != 1 ||
	    EVP_EncryptFinal_ex(context, ret + size, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, ret + size) != 1)
		return -EIO;
	return 0;
}

int ike_unseal(const uint8_t key[IKE_SEAL_KEY], struct ike_octets clear, struct ike_octets sealed,
	       uint8_t *ret)
{
	cleanup(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	const uint8_t *text = sealed.data + IKE_SEAL_NONCE;
	size_t size = sealed.size - IKE_SEAL_OVERHEAD;
	uint8_t tag[TAG_SIZE];
	int n;

	if (sealed.size <= IKE_SEAL_OVERHEAD)
		return -EBADMSG;
	memcpy(tag, text + size, sizeof tag);
	if (!context ||
	    EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, sealed.data) != 1 ||
	    EVP_DecryptUpdate(context, NULL, &n, clear.data, clear.size) != 1 ||
	    EVP_DecryptUpdate(context, ret, &n, text, size) != 1 ||
	    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) != 1 ||
	    EVP_DecryptFinal_ex(context, ret + n, &n) != 1)
		return -EBADMSG;
	return size;
}

int ike_seal_key(const uint8_t secret[32], const uint8_t salt[32], uint8_t ret[IKE_SEAL_KEY])
{
	cleanup(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context =
		EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
	size_t size = IKE_SEAL_KEY;

	if (!context || EVP_PKEY_derive_init(context) != 1 ||
	    EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) != 1 ||
	    EVP_PKEY_CTX_set1_hkdf_salt(context, salt, 32) != 1 ||
	    EVP_PKEY_CTX_set1_hkdf_key(context, secret, 32) != 1 ||
	    EVP_PKEY_CTX_add1_hkdf_info(context, (const uint8_t *)LABEL, sizeof LABEL - 1) != 1 ||
	    EVP_PKEY_derive(context, ret, &size) != 1)
		return -EIO;
	return 0;
}

int ike_ticket_seal(const uint8_t key[IKE_SEAL_KEY], const uint8_t id[IKE_TICKET_KEY_ID],
		    const uint8_t nonce[IKE_SEAL_NONCE], const struct ike_session *session,
		    uint8_t ret[IKE_TICKET_LIMIT])
{
	uint8_t text[SESSION_SIZE];
	struct writer writer = writer_init(text, sizeof text);
	int r;

	ret[0] = VERSION;
	memcpy(ret + 1, id, IKE_TICKET_KEY_ID);
	ike_session_write(&writer, session);
	r = writer.failed ? -ENOBUFS
			  : ike_seal(key, nonce, (struct ike_octets){ ret, CLEAR_SIZE }, text,
				     writer.position, ret + CLEAR_SIZE);
	OPENSSL_cleanse(text, sizeof text);
	return r < 0 ? r : (int)(CLEAR_SIZE + IKE_SEAL_OVERHEAD + writer.position);
}

bool ike_ticket_names(struct ike_octets ticket, const uint8_t **ret_id, const uint8_t **ret_nonce)
{
	if (ticket.size <= CLEAR_SIZE + IKE_SEAL_OVERHEAD || ticket.size > IKE_TICKET_LIMIT ||
	    ticket.data[0] != VERSION)
		return false;
	*ret_id = ticket.data + 1;
	*ret_nonce = ticket.data + CLEAR_SIZE;
	return true;
}

int ike_ticket_open(const uint8_t key[IKE_SEAL_KEY], struct ike_octets ticket,
		    struct ike_session *ret)
{
	const struct ike_octets clear = { ticket.data, CLEAR_SIZE };
	const struct ike_octets sealed = { ticket.data + CLEAR_SIZE, ticket.size - CLEAR_SIZE };
	uint8_t text[IKE_TICKET_LIMIT];
	struct reader reader;
	int r = ike_unseal(key, clear, sealed, text);

	if (r >= 0) {
		reader = reader_init(text, r);
		r = ike_session_read(&reader, ret);
		if (r >= 0 && reader_left(&reader))
			r = -EBADMSG;
	}
	OPENSSL_cleanse(text, sizeof text);
	return r;
}
