/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/identity/host-key.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)

int host_key_generate(EVP_PKEY **ret)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	ERR_clear_error();
	if (!key)
		return -EIO;
	*ret = key;
	return 0;
}

int host_key_export(EVP_PKEY *key, struct secret **ret)
{
	uint8_t *octets = NULL;
	int size = i2d_PrivateKey(key, &octets);
	int r;

	ERR_clear_error();
	if (size <= 0)
		return -ENOMEM;
	r = secret_new_copy(octets, size, ret);
	OPENSSL_clear_free(octets, size);
	return r;
}

int host_key_import(const struct secret *octets, EVP_PKEY **ret)
{
	const uint8_t *position = octets->data;
	cleanup(EVP_PKEY_freep) EVP_PKEY *key =
		d2i_PrivateKey(EVP_PKEY_EC, NULL, &position, (long)octets->size);
	char group[32];
	size_t size;

	ERR_clear_error();
	if (!key || position != octets->data + octets->size ||
	    EVP_PKEY_get_group_name(key, group, sizeof group, &size) != 1 ||
	    strcmp(group, "prime256v1"))
		return -EBADMSG;
	*ret = steal_ptr(key);
	return 0;
}

int host_key_sign(EVP_PKEY *key, const void *octets, size_t size, uint8_t **ret_signature,
		  size_t *ret_size)
{
	cleanup(EVP_MD_CTX_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t room = EVP_PKEY_get_size(key);
	uint8_t *signature = malloc(room);
	int r = signature ? 0 : -ENOMEM;

	if (r >= 0 && (!context ||
		       EVP_DigestSignInit_ex(context, NULL, "SHA256", NULL, NULL, key, NULL) != 1 ||
		       EVP_DigestSign(context, signature, &room, octets, size) != 1))
		r = -EIO;
	ERR_clear_error();
	if (r < 0) {
		free(signature);
		return r;
	}
	*ret_signature = signature;
	*ret_size = room;
	return 0;
}
