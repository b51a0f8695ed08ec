/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/identity/certificate.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/*
 * Fixed dates, for the account because every host derives the same octets, and for the hosts
 * because a date would only do harm: a machine that signs in before its clock is set would have a
 * certificate that its peers refuse, or that ends early. Nothing renews a host's certificate; what
 * it says is true as long as the account's key says so, and signing in again makes a new one.
 */
#define VALID_FROM  "20200101000000Z"
#define VALID_UNTIL "21200101000000Z"

DEFINE_CLEANUP(X509 *, X509_free)
DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(BIGNUM *, BN_free)
DEFINE_CLEANUP(X509_EXTENSION *, X509_EXTENSION_free)

/* X.520 limits a common name to 64 characters; a longer one is cut, alike on every host. Who the
 * certificate is for is said by its alternative names. */
static int set_name(X509_NAME *name, const char *text)
{
	size_t size = strlen(text);

	if (size > ub_common_name)
		size = ub_common_name;
	return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC,
					  (const unsigned char *)text, (int)size, -1, 0) == 1
		       ? 0
		       : -EINVAL;
}

static int add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	cleanup(X509_EXTENSION_freep) X509_EXTENSION *extension = NULL;
	X509V3_CTX context;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	return extension && X509_add_ext(certificate, extension, -1) == 1 ? 0 : -ENOMEM;
}

static int set_serial(X509 *certificate, const uint8_t *octets, size_t size)
{
	cleanup(BN_freep) BIGNUM *number = BN_bin2bn(octets, (int)size, NULL);

	return number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) ? 0
											: -ENOMEM;
}

static int set_dates(X509 *certificate)
{
	return ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), VALID_FROM) == 1 &&
			       ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate),
							 VALID_UNTIL) == 1
		       ? 0
		       : -ENOMEM;
}

/* Ed25519 signs the whole certificate by itself: no digest (RFC 8410). */
static int sign(X509 *certificate, EVP_PKEY *key, struct certificate *ret)
{
	uint8_t *octets = NULL, *copy;
	int size;

	if (!X509_sign(certificate, key, NULL))
		return -EIO;
	size = i2d_X509(certificate, &octets);
	if (size <= 0)
		return -ENOMEM;
	copy = malloc(size);
	if (copy) {
		memcpy(copy, octets, size);
		*ret = (struct certificate){ .data = copy, .size = size };
	}
	OPENSSL_free(octets);
	return copy ? 0 : -ENOMEM;
}

static int make_account(EVP_PKEY *key, const char *account_domain, struct certificate *ret)
{
	static const uint8_t serial[] = { 1 };
	cleanup(X509_freep) X509 *certificate = X509_new();
	char name[ub_common_name + 1];
	int r;

	if (!certificate)
		return -ENOMEM;
	snprintf(name, sizeof name, "%s account", account_domain);
	if (X509_set_version(certificate, X509_VERSION_3) != 1 || set_dates(certificate) < 0 ||
	    X509_set_pubkey(certificate, key) != 1)
		return -ENOMEM;
	r = set_serial(certificate, serial, sizeof serial);
	if (r >= 0)
		r = set_name(X509_get_subject_name(certificate), name);
	if (r >= 0)
		r = set_name(X509_get_issuer_name(certificate), name);
	if (r >= 0)
		r = add_extension(certificate, certificate, NID_basic_constraints,
				  "critical,CA:TRUE");
	if (r >= 0)
		r = add_extension(certificate, certificate, NID_key_usage,
				  "critical,keyCertSign,cRLSign");
	if (r >= 0)
		r = add_extension(certificate, certificate, NID_subject_key_identifier, "hash");
	return r < 0 ? r : sign(certificate, key, ret);
}

int certificate_make_account(const struct secret *seed, const char *account_domain,
			     struct certificate *ret)
{
	cleanup(EVP_PKEY_freep) EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed->data, seed->size);
	int r = key ? make_account(key, account_domain, ret) : -EINVAL;

	ERR_clear_error();
	return r;
}

static X509 *parse(const struct certificate *certificate)
{
	const uint8_t *octets = certificate->data;

	return certificate->size && certificate->size <= INT_MAX
		       ? d2i_X509(NULL, &octets, (long)certificate->size)
		       : NULL;
}

static int add_host_extensions(X509 *certificate, X509 *account, const char *host_domain,
			       const char *tunnel_domain)
{
	char names[1024];
	int r;

	if (snprintf(names, sizeof names, "DNS:%s,DNS:%s", host_domain, tunnel_domain) >=
	    (int)sizeof names)
		return -EINVAL;
	r = add_extension(certificate, account, NID_basic_constraints, "critical,CA:FALSE");
	if (r >= 0)
		r = add_extension(certificate, account, NID_key_usage, "critical,digitalSignature");
	if (r >= 0)
		r = add_extension(certificate, account, NID_ext_key_usage, "serverAuth,clientAuth");
	if (r >= 0)
		r = add_extension(certificate, account, NID_subject_alt_name, names);
	if (r >= 0)
		r = add_extension(certificate, account, NID_subject_key_identifier, "hash");
	if (r >= 0)
		r = add_extension(certificate, account, NID_authority_key_identifier,
				  "keyid:always");
	return r;
}

static int make_host(EVP_PKEY *key, X509 *account, EVP_PKEY *host_key, const char *host_domain,
		     const char *tunnel_domain, const uint8_t *serial, struct certificate *ret)
{
	cleanup(X509_freep) X509 *certificate = X509_new();
	/* Twenty octets at most and a positive number (RFC 5280 §4.1.2.2), of this size. */
	uint8_t number[CERTIFICATE_SERIAL_SIZE];
	int r;

	if (!certificate)
		return -ENOMEM;
	memcpy(number, serial, sizeof number);
	number[0] &= 0x7f;
	if (!number[0])
		number[0] = 0x40;
	if (X509_set_version(certificate, X509_VERSION_3) != 1 || set_dates(certificate) < 0 ||
	    X509_set_issuer_name(certificate, X509_get_subject_name(account)) != 1 ||
	    X509_set_pubkey(certificate, host_key) != 1)
		return -ENOMEM;
	r = set_serial(certificate, number, sizeof number);
	if (r >= 0)
		r = set_name(X509_get_subject_name(certificate), host_domain);
	if (r >= 0)
		r = add_host_extensions(certificate, account, host_domain, tunnel_domain);
	return r < 0 ? r : sign(certificate, key, ret);
}

int certificate_make_host(const struct secret *seed, const struct certificate *account,
			  EVP_PKEY *host_key, const char *host_domain, const char *tunnel_domain,
			  const uint8_t serial[static CERTIFICATE_SERIAL_SIZE],
			  struct certificate *ret)
{
	cleanup(EVP_PKEY_freep) EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed->data, seed->size);
	cleanup(X509_freep) X509 *issuer = parse(account);
	int r = -EINVAL;

	if (key && issuer && X509_check_private_key(issuer, key) == 1)
		r = make_host(key, issuer, host_key, host_domain, tunnel_domain, serial, ret);
	ERR_clear_error();
	return r;
}

int certificate_check_host(const struct certificate *host, const struct certificate *account,
			   EVP_PKEY *host_key)
{
	cleanup(X509_freep) X509 *certificate = parse(host);
	cleanup(X509_freep) X509 *issuer = parse(account);
	bool good = certificate && issuer && X509_check_private_key(certificate, host_key) == 1 &&
		    X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;

	ERR_clear_error();
	return good ? 0 : -EBADMSG;
}

void certificate_deinit(struct certificate *certificate)
{
	free(certificate->data);
	*certificate = (struct certificate){};
}
