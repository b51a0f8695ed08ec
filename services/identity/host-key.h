/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* This host's ECDSA P-256 key. */
#include "common/keys/secret.h"

#include <openssl/evp.h>

/* 0 or a negative errno; the caller frees with EVP_PKEY_free(), which wipes. */
int host_key_generate(EVP_PKEY **ret);
/* The key as octets for the state file, and back. -EBADMSG for what is no P-256 private key. */
int host_key_export(EVP_PKEY *key, struct secret **ret);
int host_key_import(const struct secret *octets, EVP_PKEY **ret);
/* ECDSA over SHA-256, DER; *ret_signature is allocated. */
int host_key_sign(EVP_PKEY *key, const void *octets, size_t size, uint8_t **ret_signature,
		  size_t *ret_size);

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
