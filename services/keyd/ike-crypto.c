/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-crypto.h"

#include "common/base/cleanup.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define ICV_SIZE      16
#define IV_SIZE       8
#define SALT_SIZE     4
#define PIECES_LIMIT  4
#define FRAGMENT_SIZE 4 /* number and total of an SKF payload */

DEFINE_CLEANUP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)
DEFINE_CLEANUP(EVP_MAC *, EVP_MAC_free)
DEFINE_CLEANUP(EVP_MAC_CTX *, EVP_MAC_CTX_free)

static const char *prf_digest(uint16_t prf)
{
	switch (prf) {
	case IKE_PRF_HMAC_SHA2_256:
		return "SHA256";
	case IKE_PRF_HMAC_SHA2_384:
		return "SHA384";
	case IKE_PRF_HMAC_SHA2_512:
		return "SHA512";
	}
	return NULL;
}

size_t ike_prf_size(uint16_t prf)
{
	switch (prf) {
	case IKE_PRF_HMAC_SHA2_256:
		return 32;
	case IKE_PRF_HMAC_SHA2_384:
		return 48;
	case IKE_PRF_HMAC_SHA2_512:
		return 64;
	}
	return 0;
}

int ike_prf(uint16_t prf, const void *key, size_t key_size, const struct ike_octets *data,
	    size_t n_data, uint8_t *ret)
{
	cleanup(EVP_MAC_freep) EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	cleanup(EVP_MAC_CTX_freep) EVP_MAC_CTX *context = mac ? EVP_MAC_CTX_new(mac) : NULL;
	const char *digest = prf_digest(prf);
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string("digest", (char *)digest, 0),
		OSSL_PARAM_construct_end(),
	};
	size_t size;

	if (!digest)
		return -EINVAL;
	if (!context || EVP_MAC_init(context, key, key_size, parameters) != 1)
		return -EIO;
	for (size_t i = 0; i < n_data; i++)
		if (data[i].size && EVP_MAC_update(context, data[i].data, data[i].size) != 1)
			return -EIO;
	return EVP_MAC_final(context, ret, &size, IKE_PRF_LIMIT) == 1 ? 0 : -EIO;
}

int ike_prf_plus(uint16_t prf, const void *key, size_t key_size, const struct ike_octets *data,
		 size_t n_data, uint8_t *ret, size_t size)
{
	size_t block = ike_prf_size(prf);
	uint8_t last[IKE_PRF_LIMIT];
	struct ike_octets pieces[PIECES_LIMIT + 2];
	size_t done = 0;
	int r = 0;

	if (!block || n_data > PIECES_LIMIT || size > 255 * block)
		return -EINVAL;
	for (size_t i = 0; i < n_data; i++)
		pieces[i + 1] = data[i];
	for (uint8_t n = 1; done < size && r >= 0; n++) {
		size_t want = size - done < block ? size - done : block;

		pieces[0] = (struct ike_octets){ last, n == 1 ? 0 : block };
		pieces[n_data + 1] = (struct ike_octets){ &n, 1 };
		r = ike_prf(prf, key, key_size, pieces, n_data + 2, last);
		if (r >= 0)
			memcpy(ret + done, last, want);
		done += want;
	}
	OPENSSL_cleanse(last, sizeof last);
	return r;
}

/* SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr from SKEYSEED; AEAD has no SK_a. */
static int expand(const struct ike_suite *suite, struct ike_octets seed,
		  struct ike_octets nonce_initiator, struct ike_octets nonce_responder,
		  uint64_t spi_initiator, uint64_t spi_responder, struct ike_keys *ret)
{
	uint8_t spis[16], material[3 * IKE_PRF_LIMIT + 2 * IKE_KEY_LIMIT];
	const struct ike_octets data[] = { nonce_initiator, nonce_responder, { spis, 16 } };
	struct ike_keys keys = {
		.prf_size = ike_prf_size(suite->prf),
		.key_size = suite->key_bits / 8 + SALT_SIZE,
	};
	struct writer writer = writer_init(spis, sizeof spis);
	size_t size = 3 * keys.prf_size + 2 * keys.key_size;
	struct reader reader;
	int r;

	if (keys.key_size > IKE_KEY_LIMIT)
		return -EINVAL;
	writer_u64(&writer, spi_initiator);
	writer_u64(&writer, spi_responder);
	r = ike_prf_plus(suite->prf, seed.data, seed.size, data, ARRAY_SIZE(data), material, size);
	if (r >= 0) {
		reader = reader_init(material, size);
		reader_copy(&reader, keys.d, keys.prf_size);
		reader_copy(&reader, keys.ei, keys.key_size);
		reader_copy(&reader, keys.er, keys.key_size);
		reader_copy(&reader, keys.pi, keys.prf_size);
		reader_copy(&reader, keys.pr, keys.prf_size);
		*ret = keys;
	}
	OPENSSL_cleanse(material, sizeof material);
	OPENSSL_cleanse(&keys, sizeof keys);
	return r;
}

int ike_keys_derive(const struct ike_suite *suite, struct ike_octets nonce_initiator,
		    struct ike_octets nonce_responder, struct ike_octets shared,
		    uint64_t spi_initiator, uint64_t spi_responder, struct ike_keys *ret)
{
	uint8_t nonces[2 * IKE_NONCE_MAXIMUM], seed[IKE_PRF_LIMIT];
	struct writer writer = writer_init(nonces, sizeof nonces);
	int r;

	writer_copy(&writer, nonce_initiator.data, nonce_initiator.size);
	writer_copy(&writer, nonce_responder.data, nonce_responder.size);
	if (writer.failed)
		return -EINVAL;
	r = ike_prf(suite->prf, nonces, writer.position, &shared, 1, seed);
	if (r >= 0)
		r = expand(suite, (struct ike_octets){ seed, ike_prf_size(suite->prf) },
			   nonce_initiator, nonce_responder, spi_initiator, spi_responder, ret);
	OPENSSL_cleanse(seed, sizeof seed);
	return r;
}

int ike_keys_rekey(uint16_t former_prf, const struct ike_keys *former,
		   const struct ike_suite *suite, struct ike_octets nonce_initiator,
		   struct ike_octets nonce_responder, struct ike_octets shared,
		   uint64_t spi_initiator, uint64_t spi_responder, struct ike_keys *ret)
{
	const struct ike_octets data[] = { shared, nonce_initiator, nonce_responder };
	uint8_t seed[IKE_PRF_LIMIT];
	int r;

	r = ike_prf(former_prf, former->d, former->prf_size, data, ARRAY_SIZE(data), seed);
	if (r >= 0)
		r = expand(suite, (struct ike_octets){ seed, former->prf_size }, nonce_initiator,
			   nonce_responder, spi_initiator, spi_responder, ret);
	OPENSSL_cleanse(seed, sizeof seed);
	return r;
}

int ike_keys_resume(const struct ike_suite *suite, const uint8_t *former_d,
		    struct ike_octets nonce_initiator, struct ike_octets nonce_responder,
		    uint64_t spi_initiator, uint64_t spi_responder, struct ike_keys *ret)
{
	const struct ike_octets data[] = { { (const uint8_t *)"Resumption", 10 },
					   nonce_initiator,
					   nonce_responder };
	size_t size = ike_prf_size(suite->prf);
	uint8_t seed[IKE_PRF_LIMIT];
	int r;

	r = ike_prf(suite->prf, former_d, size, data, ARRAY_SIZE(data), seed);
	if (r >= 0)
		r = expand(suite, (struct ike_octets){ seed, size }, nonce_initiator,
			   nonce_responder, spi_initiator, spi_responder, ret);
	OPENSSL_cleanse(seed, sizeof seed);
	return r;
}

int ike_keys_mix_ppk(const struct ike_suite *suite, struct ike_keys *keys, struct ike_octets ppk)
{
	struct ike_keys mixed = *keys;
	const struct {
		const uint8_t *from;
		uint8_t *to;
	} mixes[] = { { keys->d, mixed.d }, { keys->pi, mixed.pi }, { keys->pr, mixed.pr } };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(mixes) && r >= 0; i++) {
		const struct ike_octets data = { mixes[i].from, keys->prf_size };

		r = ike_prf_plus(suite->prf, ppk.data, ppk.size, &data, 1, mixes[i].to,
				 keys->prf_size);
	}
	if (r >= 0)
		*keys = mixed;
	OPENSSL_cleanse(&mixed, sizeof mixed);
	return r;
}

void ike_keys_wipe(struct ike_keys *keys)
{
	OPENSSL_cleanse(keys, sizeof *keys);
}

int ike_keys_derive_child(const struct ike_suite *suite, const struct ike_keys *keys,
			  struct ike_octets nonce_initiator, struct ike_octets nonce_responder,
			  uint8_t *ret, size_t size)
{
	struct ike_octets data[] = { nonce_initiator, nonce_responder };

	return ike_prf_plus(suite->prf, keys->d, keys->prf_size, data, ARRAY_SIZE(data), ret, size);
}

int ike_keys_derive_child_fresh(const struct ike_suite *suite, const struct ike_keys *keys,
				struct ike_octets shared, struct ike_octets nonce_initiator,
				struct ike_octets nonce_responder, uint8_t *ret, size_t size)
{
	struct ike_octets data[] = { shared, nonce_initiator, nonce_responder };

	return ike_prf_plus(suite->prf, keys->d, keys->prf_size, data, ARRAY_SIZE(data), ret, size);
}

static const EVP_CIPHER *suite_cipher(const struct ike_suite *suite)
{
	if (suite->encryption == IKE_ENCR_CHACHA20_POLY1305)
		return EVP_chacha20_poly1305();
	return suite->key_bits == 256 ? EVP_aes_256_gcm() : EVP_aes_128_gcm();
}

/* Salt after the key, then the IV of the message (RFC 5282 §4, RFC 7634 §2). */
static void make_nonce(const struct ike_suite *suite, const uint8_t *key, const uint8_t *iv,
		       uint8_t nonce[SALT_SIZE + IV_SIZE])
{
	memcpy(nonce, key + suite->key_bits / 8, SALT_SIZE);
	memcpy(nonce + SALT_SIZE, iv, IV_SIZE);
}

/* An SK payload, or an SKF payload when there is a `fragment`. */
static int seal(const struct ike_suite *suite, const uint8_t *key, uint64_t iv,
		const struct ike_header *header, const struct ike_fragment *fragment, uint8_t first,
		const uint8_t *inner, size_t inner_size, uint8_t *ret, size_t capacity)
{
	static const uint8_t pad_length[1];
	cleanup(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	struct writer writer = writer_init(ret, capacity);
	struct ike_header outer = *header;
	uint8_t nonce[SALT_SIZE + IV_SIZE], *iv_at, *text, *icv;
	size_t clear_size;
	int n;

	if (inner_size > IKE_MESSAGE_LIMIT)
		return -ENOBUFS;
	outer.next_payload = fragment ? IKE_PAYLOAD_SKF : IKE_PAYLOAD_SK;
	outer.length = inner_size + (fragment ? IKE_SKF_OVERHEAD : IKE_SK_OVERHEAD);
	ike_header_write(&writer, &outer);
	writer_u8(&writer, first);
	writer_u8(&writer, 0);
	writer_u16(&writer, outer.length - IKE_HEADER_SIZE);
	if (fragment) {
		writer_u16(&writer, fragment->number);
		writer_u16(&writer, fragment->total);
	}
	clear_size = writer.position;
	iv_at = writer_room(&writer, IV_SIZE);
	text = writer_room(&writer, inner_size + 1);
	icv = writer_room(&writer, ICV_SIZE);
	if (writer.failed)
		return -ENOBUFS;
	for (int i = IV_SIZE; i > 0; i--, iv >>= 8)
		iv_at[i - 1] = iv;
	make_nonce(suite, key, iv_at, nonce);
	if (!context || EVP_EncryptInit_ex(context, suite_cipher(suite), NULL, key, nonce) != 1 ||
	    EVP_EncryptUpdate(context, NULL, &n, ret, clear_size) != 1 ||
	    (inner_size && EVP_EncryptUpdate(context, text, &n, inner, inner_size) != 1) ||
	    EVP_EncryptUpdate(context, text + inner_size, &n, pad_length, 1) != 1 ||
	    EVP_EncryptFinal_ex(context, icv, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, ICV_SIZE, icv) != 1)
		return -EIO;
	return writer.position;
}

int ike_sk_seal(const struct ike_suite *suite, const uint8_t *key, uint64_t iv,
		const struct ike_header *header, uint8_t first, const uint8_t *inner,
		size_t inner_size, uint8_t *ret, size_t capacity)
{
	return seal(suite, key, iv, header, NULL, first, inner, inner_size, ret, capacity);
}

int ike_skf_seal(const struct ike_suite *suite, const uint8_t *key, uint64_t iv,
		 const struct ike_header *header, const struct ike_fragment *fragment,
		 uint8_t first, const uint8_t *inner, size_t inner_size, uint8_t *ret,
		 size_t capacity)
{
	return seal(suite, key, iv, header, fragment, first, inner, inner_size, ret, capacity);
}

int ike_sk_open(const struct ike_suite *suite, const uint8_t *key, const uint8_t *message,
		const struct ike_payload *payload, uint8_t *ret)
{
	cleanup(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	size_t fragment_size = payload->type == IKE_PAYLOAD_SKF ? FRAGMENT_SIZE : 0;
	struct reader reader = reader_init(payload->data, payload->size);
	uint8_t nonce[SALT_SIZE + IV_SIZE];
	const uint8_t *iv, *text, *icv;
	size_t size, clear_size = payload->data - message + fragment_size;
	int n, pad;

	reader_take(&reader, fragment_size);
	iv = reader_take(&reader, IV_SIZE);
	if (reader_left(&reader) < ICV_SIZE + 1)
		return -EBADMSG;
	size = reader_left(&reader) - ICV_SIZE;
	text = reader_take(&reader, size);
	icv = reader_take(&reader, ICV_SIZE);
	make_nonce(suite, key, iv, nonce);
	if (!context)
		return -ENOMEM;
	if (EVP_DecryptInit_ex(context, suite_cipher(suite), NULL, key, nonce) != 1 ||
	    EVP_DecryptUpdate(context, NULL, &n, message, clear_size) != 1 ||
	    EVP_DecryptUpdate(context, ret, &n, text, size) != 1 ||
	    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, ICV_SIZE, (void *)icv) != 1 ||
	    EVP_DecryptFinal_ex(context, ret + n, &n) != 1)
		return -EBADMSG;
	/* The padding's length comes last; the padding itself may be anything (RFC 7296 §3.14). */
	pad = ret[size - 1];
	return (size_t)pad + 1 > size ? -EBADMSG : (int)(size - 1 - pad);
}

int ike_nat_hash(uint64_t spi_initiator, uint64_t spi_responder, const struct sockaddr_in *endpoint,
		 uint8_t ret[IKE_NAT_HASH_SIZE])
{
	uint8_t data[22];
	struct writer writer = writer_init(data, sizeof data);
	unsigned int size;

	writer_u64(&writer, spi_initiator);
	writer_u64(&writer, spi_responder);
	writer_copy(&writer, &endpoint->sin_addr, 4);
	writer_copy(&writer, &endpoint->sin_port, 2);
	return EVP_Digest(data, sizeof data, ret, &size, EVP_sha1(), NULL) == 1 ? 0 : -EIO;
}

int ike_sha256(const void *data, size_t size, uint8_t ret[32])
{
	unsigned int n;

	return EVP_Digest(data, size, ret, &n, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}
