/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-kem.h"

#include "common/base/cleanup.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)

/* By name alone: the headers of OpenSSL 3.0 know neither it nor its parameters. */
#define NAME "ML-KEM-768"

/* 0 or -EIO; what OpenSSL has to say about it is not kept. */
static int outcome(bool success)
{
	ERR_clear_error();
	return success ? 0 : -EIO;
}

/* The one parameter of this name, and the end of the list. */
static void one_parameter(OSSL_PARAM parameters[2], const char *name, const uint8_t *data,
			  size_t size)
{
	parameters[0] = OSSL_PARAM_construct_octet_string(name, (uint8_t *)data, size);
	parameters[1] = OSSL_PARAM_construct_end();
}

static EVP_PKEY *make_pair(const uint8_t *seed)
{
	cleanup(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context =
		EVP_PKEY_CTX_new_from_name(NULL, NAME, NULL);
	OSSL_PARAM parameters[2];
	EVP_PKEY *key = NULL;

	one_parameter(parameters, "seed", seed, IKE_KEM_SEED);
	if (!context || EVP_PKEY_keygen_init(context) != 1 ||
	    EVP_PKEY_CTX_set_params(context, parameters) != 1 ||
	    EVP_PKEY_generate(context, &key) != 1)
		return NULL;
	return key;
}

static EVP_PKEY *read_public(const uint8_t *public_value)
{
	cleanup(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context =
		EVP_PKEY_CTX_new_from_name(NULL, NAME, NULL);
	OSSL_PARAM parameters[2];
	EVP_PKEY *key = NULL;

	one_parameter(parameters, "pub", public_value, IKE_KEM_PUBLIC);
	if (!context || EVP_PKEY_fromdata_init(context) != 1 ||
	    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
		return NULL;
	return key;
}

static int make(const uint8_t seed[IKE_KEM_SEED], uint8_t ret_public[IKE_KEM_PUBLIC])
{
	cleanup(EVP_PKEY_freep) EVP_PKEY *key = make_pair(seed);
	size_t size = 0;

	return outcome(key &&
		       EVP_PKEY_get_octet_string_param(key, "pub", ret_public, IKE_KEM_PUBLIC,
						       &size) == 1 &&
		       size == IKE_KEM_PUBLIC);
}

static int encapsulate(const uint8_t public_value[IKE_KEM_PUBLIC],
		       const uint8_t entropy[IKE_KEM_ENTROPY],
		       uint8_t ret_ciphertext[IKE_KEM_CIPHERTEXT],
		       uint8_t ret_shared[IKE_KEM_SHARED])
{
	cleanup(EVP_PKEY_freep) EVP_PKEY *key = read_public(public_value);
	cleanup(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context =
		key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
	size_t size = IKE_KEM_CIPHERTEXT, shared_size = IKE_KEM_SHARED;
	OSSL_PARAM parameters[2];

	if (!key) {
		ERR_clear_error();
		return -EBADMSG;
	}
	one_parameter(parameters, "ikme", entropy, IKE_KEM_ENTROPY);
	return outcome(context && EVP_PKEY_encapsulate_init(context, parameters) == 1 &&
		       EVP_PKEY_encapsulate(context, ret_ciphertext, &size, ret_shared,
					    &shared_size) == 1 &&
		       size == IKE_KEM_CIPHERTEXT && shared_size == IKE_KEM_SHARED);
}

static int decapsulate(const uint8_t seed[IKE_KEM_SEED],
		       const uint8_t ciphertext[IKE_KEM_CIPHERTEXT],
		       uint8_t ret_shared[IKE_KEM_SHARED])
{
	cleanup(EVP_PKEY_freep) EVP_PKEY *key = make_pair(seed);
	cleanup(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context =
		key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
	size_t size = IKE_KEM_SHARED;

	return outcome(context && EVP_PKEY_decapsulate_init(context, NULL) == 1 &&
		       EVP_PKEY_decapsulate(context, ret_shared, &size, ciphertext,
					    IKE_KEM_CIPHERTEXT) == 1 &&
		       size == IKE_KEM_SHARED);
}

/* Whether it does what it says, and from what it is given: what is named like this by another
 * provider may not. */
static bool works(const struct ike_kem *kem)
{
	static const uint8_t seed[IKE_KEM_SEED] = { 1 }, entropy[IKE_KEM_ENTROPY] = { 2 };
	uint8_t public_value[2][IKE_KEM_PUBLIC], ciphertext[2][IKE_KEM_CIPHERTEXT];
	uint8_t shared[3][IKE_KEM_SHARED];

	for (int i = 0; i < 2; i++)
		if (kem->make(seed, public_value[i]) < 0 ||
		    kem->encapsulate(public_value[i], entropy, ciphertext[i], shared[i]) < 0)
			return false;
	return kem->decapsulate(seed, ciphertext[0], shared[2]) >= 0 &&
	       !memcmp(public_value[0], public_value[1], IKE_KEM_PUBLIC) &&
	       !memcmp(ciphertext[0], ciphertext[1], IKE_KEM_CIPHERTEXT) &&
	       !memcmp(shared[0], shared[1], IKE_KEM_SHARED) &&
	       !memcmp(shared[0], shared[2], IKE_KEM_SHARED);
}

const struct ike_kem *ike_kem_of_openssl(void)
{
	static const struct ike_kem kem = { make, encapsulate, decapsulate };

	return works(&kem) ? &kem : NULL;
}
