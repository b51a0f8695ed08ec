/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/keys/account-keys.h"

#include <ctype.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#define SCRYPT_N 131072
#define SCRYPT_R 8
#define SCRYPT_P 1
/* What N and r need, and some room for OpenSSL's own bookkeeping. */
#define SCRYPT_MEMORY (160ull << 20)
#define NAME_LIMIT    255

/* Lower case, no final dot; -EINVAL for an empty or too long name. */
static int canonical_name(const char *name, char ret[static NAME_LIMIT + 1])
{
	size_t size = strlen(name);

	if (size && name[size - 1] == '.')
		size--;
	if (!size || size > NAME_LIMIT)
		return -EINVAL;
	for (size_t i = 0; i < size; i++)
		ret[i] = tolower((unsigned char)name[i]);
	ret[size] = 0;
	return 0;
}

int account_keys_derive_master(const struct secret *password, const char *account_domain,
			       struct secret **ret)
{
	cleanup(secret_freep) struct secret *master = NULL;
	char salt[NAME_LIMIT + 1];
	int r = canonical_name(account_domain, salt);

	if (r >= 0)
		r = secret_new(ACCOUNT_KEY_SIZE, &master);
	if (r < 0)
		return r;
	if (EVP_PBE_scrypt((const char *)password->data, password->size, (const uint8_t *)salt,
			   strlen(salt), SCRYPT_N, SCRYPT_R, SCRYPT_P, SCRYPT_MEMORY, master->data,
			   master->size) != 1)
		return -ENOMEM;
	*ret = steal_ptr(master);
	return 0;
}

static int expand(const struct secret *key, const char *info, struct secret **ret)
{
	cleanup(secret_freep) struct secret *derived = NULL;
	EVP_KDF *kdf = NULL;
	EVP_KDF_CTX *context = NULL;
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key->data, key->size),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (char *)info, strlen(info)),
		OSSL_PARAM_construct_end(),
	};
	int r = secret_new(ACCOUNT_KEY_SIZE, &derived);

	if (r < 0)
		return r;
	kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	context = EVP_KDF_CTX_new(kdf);
	if (!context || EVP_KDF_derive(context, derived->data, derived->size, parameters) != 1)
		r = -ENOMEM;
	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	if (r < 0)
		return r;
	*ret = steal_ptr(derived);
	return 0;
}

int account_keys_derive_tsig(const struct secret *master, struct secret **ret)
{
	return expand(master, "homeward account tsig v1", ret);
}

int account_keys_derive_ppk(const struct secret *master, struct secret **ret)
{
	return expand(master, "homeward account ppk v1", ret);
}

int account_keys_derive_signing_seed(const struct secret *master, struct secret **ret)
{
	return expand(master, "homeward account signing v1", ret);
}

int account_keys_derive_host_tsig(const struct secret *tsig, const char *key_name,
				  struct secret **ret)
{
	static const char label[] = "homeward host tsig v1 ";
	char info[sizeof label + NAME_LIMIT];
	int r;

	strcpy(info, label);
	r = canonical_name(key_name, info + sizeof label - 1);
	return r < 0 ? r : expand(tsig, info, ret);
}
