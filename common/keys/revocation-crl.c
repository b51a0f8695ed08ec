/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The octets of a revocation list. */
#include "common/keys/revocation-list.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

/* RFC 5280 wants a date by which there is another list; there is one when there is something new.
 */
#define NEXT_UPDATE "21200101000000Z"
#define SERIAL_SIZE 16

DEFINE_CLEANUP(ASN1_INTEGER *, ASN1_INTEGER_free)
DEFINE_CLEANUP(ASN1_TIME *, ASN1_TIME_free)
DEFINE_CLEANUP(BIGNUM *, BN_free)
DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(GENERAL_NAMES *, GENERAL_NAMES_free)
DEFINE_CLEANUP(X509 *, X509_free)
DEFINE_CLEANUP(X509_CRL *, X509_CRL_free)
DEFINE_CLEANUP(X509_EXTENSION *, X509_EXTENSION_free)
DEFINE_CLEANUP(X509_REVOKED *, X509_REVOKED_free)

/* Writing ----------------------------------------------------------------------------------------
 */

/* The same for the same name, so that the next list of the account has it again. */
static int set_serial(X509_REVOKED *entry, const char *host)
{
	cleanup(ASN1_INTEGER_freep) ASN1_INTEGER *serial = NULL;
	cleanup(BN_freep) BIGNUM *number = NULL;
	uint8_t digest[EVP_MAX_MD_SIZE];

	if (EVP_Digest(host, strlen(host), digest, NULL, EVP_sha256(), NULL) != 1)
		return -EIO;
	digest[0] = (digest[0] & 0x7f) | 0x40;
	number = BN_bin2bn(digest, SERIAL_SIZE, NULL);
	serial = number ? BN_to_ASN1_INTEGER(number, NULL) : NULL;
	return serial && X509_REVOKED_set_serialNumber(entry, serial) == 1 ? 0 : -ENOMEM;
}

static GENERAL_NAME *new_dns_name(const char *host)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();

	if (!name || !text || ASN1_STRING_set(text, host, -1) != 1) {
		GENERAL_NAME_free(name);
		ASN1_IA5STRING_free(text);
		return NULL;
	}
	GENERAL_NAME_set0_value(name, GEN_DNS, text);
	return name;
}

static int set_host(X509_REVOKED *entry, const char *host)
{
	cleanup(GENERAL_NAMES_freep) GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = new_dns_name(host);

	if (!names || !name || sk_GENERAL_NAME_push(names, name) < 1) {
		GENERAL_NAME_free(name);
		return -ENOMEM;
	}
	return X509_REVOKED_add1_ext_i2d(entry, NID_subject_alt_name, names, 0,
					 X509V3_ADD_APPEND) == 1
		       ? 0
		       : -ENOMEM;
}

static int add_entry(X509_CRL *crl, const struct revocation *item)
{
	cleanup(X509_REVOKED_freep) X509_REVOKED *entry = X509_REVOKED_new();
	cleanup(ASN1_TIME_freep) ASN1_TIME *date = ASN1_TIME_set(NULL, (time_t)item->until);
	int r;

	if (!entry || !date || X509_REVOKED_set_revocationDate(entry, date) != 1)
		return -ENOMEM;
	r = set_serial(entry, item->host);
	if (r >= 0)
		r = set_host(entry, item->host);
	if (r >= 0 && X509_CRL_add0_revoked(crl, entry) != 1)
		r = -ENOMEM;
	if (r >= 0)
		steal_ptr(entry);
	return r;
}

static int set_number(X509_CRL *crl, uint64_t number)
{
	cleanup(ASN1_INTEGER_freep) ASN1_INTEGER *value = ASN1_INTEGER_new();

	return value && ASN1_INTEGER_set_uint64(value, number) == 1 &&
			       X509_CRL_add1_ext_i2d(crl, NID_crl_number, value, 0,
						     X509V3_ADD_APPEND) == 1
		       ? 0
		       : -ENOMEM;
}

static int set_issuer(X509_CRL *crl, X509 *account)
{
	cleanup(X509_EXTENSION_freep) X509_EXTENSION *extension = NULL;
	X509V3_CTX context;

	X509V3_set_ctx(&context, account, NULL, NULL, crl, 0);
	extension =
		X509V3_EXT_conf_nid(NULL, &context, NID_authority_key_identifier, "keyid:always");
	return extension && X509_CRL_add_ext(crl, extension, -1) == 1 &&
			       X509_CRL_set_issuer_name(crl, X509_get_subject_name(account)) == 1
		       ? 0
		       : -ENOMEM;
}

static int set_dates(X509_CRL *crl, uint64_t now)
{
	cleanup(ASN1_TIME_freep) ASN1_TIME *made = ASN1_TIME_set(NULL, (time_t)now);
	cleanup(ASN1_TIME_freep) ASN1_TIME *next = ASN1_TIME_new();

	return made && next && ASN1_TIME_set_string_X509(next, NEXT_UPDATE) == 1 &&
			       X509_CRL_set1_lastUpdate(crl, made) == 1 &&
			       X509_CRL_set1_nextUpdate(crl, next) == 1
		       ? 0
		       : -ENOMEM;
}

static int to_octets(X509_CRL *crl, uint8_t **ret, size_t *ret_size)
{
	uint8_t *octets = NULL;
	int size = i2d_X509_CRL(crl, &octets);

	if (size <= 0)
		return -ENOMEM;
	*ret = size <= REVOCATION_LIST_SIZE_MAX ? malloc(size) : NULL;
	if (*ret) {
		memcpy(*ret, octets, size);
		*ret_size = size;
	}
	OPENSSL_free(octets);
	if (size > REVOCATION_LIST_SIZE_MAX)
		return -EFBIG;
	return *ret ? 0 : -ENOMEM;
}

static X509 *read_certificate(const uint8_t *data, size_t size)
{
	return size <= REVOCATION_LIST_SIZE_MAX ? d2i_X509(NULL, &data, (long)size) : NULL;
}

static int make(const struct revocation_list *list, EVP_PKEY *key, X509 *account, uint64_t now,
		uint8_t **ret, size_t *ret_size)
{
	cleanup(X509_CRL_freep) X509_CRL *crl = X509_CRL_new();
	int r;

	if (!crl || X509_CRL_set_version(crl, X509_CRL_VERSION_2) != 1)
		return -ENOMEM;
	r = set_issuer(crl, account);
	if (r >= 0)
		r = set_dates(crl, now);
	if (r >= 0)
		r = set_number(crl, list->number);
	for (size_t i = 0; r >= 0 && i < list->n; i++)
		r = add_entry(crl, &list->items[i]);
	if (r < 0)
		return r;
	if (X509_CRL_sort(crl) != 1 || !X509_CRL_sign(crl, key, NULL))
		return -EIO;
	return to_octets(crl, ret, ret_size);
}

int revocation_list_sign(const struct revocation_list *list, const struct secret *seed,
			 const uint8_t *account, size_t account_size, uint64_t now, uint8_t **ret,
			 size_t *ret_size)
{
	cleanup(EVP_PKEY_freep) EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed->data, seed->size);
	cleanup(X509_freep) X509 *issuer = read_certificate(account, account_size);
	int r = -EINVAL;

	if (key && issuer)
		r = X509_check_private_key(issuer, key) == 1
			    ? make(list, key, issuer, now, ret, ret_size)
			    : -EKEYREJECTED;
	ERR_clear_error();
	return r;
}

/* Reading ----------------------------------------------------------------------------------------
 */

/* The host's name; false: it is an entry of another kind. */
static bool read_host(const X509_REVOKED *entry, char ret[static REVOCATION_HOST_SIZE])
{
	cleanup(GENERAL_NAMES_freep) GENERAL_NAMES *names =
		X509_REVOKED_get_ext_d2i(entry, NID_subject_alt_name, NULL, NULL);
	const GENERAL_NAME *name =
		names && sk_GENERAL_NAME_num(names) == 1 ? sk_GENERAL_NAME_value(names, 0) : NULL;
	const uint8_t *octets;
	size_t size;

	if (!name || name->type != GEN_DNS)
		return false;
	size = ASN1_STRING_length(name->d.dNSName);
	if (!size || size >= REVOCATION_HOST_SIZE)
		return false;
	octets = ASN1_STRING_get0_data(name->d.dNSName);
	for (size_t i = 0; i < size; i++) {
		if (!octets[i])
			return false;
		ret[i] = (char)tolower(octets[i]);
	}
	ret[size] = 0;
	return true;
}

static bool read_date(const X509_REVOKED *entry, uint64_t *ret)
{
	struct tm fields;
	time_t date;

	if (ASN1_TIME_to_tm(X509_REVOKED_get0_revocationDate(entry), &fields) != 1)
		return false;
	date = timegm(&fields);
	*ret = (uint64_t)date;
	return date > 0;
}

static int read_entries(X509_CRL *crl, struct revocation_list *ret)
{
	STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(crl);
	int n = entries ? sk_X509_REVOKED_num(entries) : 0;

	if (n > REVOCATION_HOSTS_MAX)
		return -EFBIG;
	for (int i = 0; i < n; i++) {
		const X509_REVOKED *entry = sk_X509_REVOKED_value(entries, i);
		char host[REVOCATION_HOST_SIZE];
		uint64_t until;

		/* Others, by a certificate's number alone, may be in it: nothing of ours. */
		if (!read_host(entry, host))
			continue;
		if (!read_date(entry, &until) || revocation_list_add(ret, host, until) < 0)
			return -EBADMSG;
	}
	return 0;
}

static bool read_number(X509_CRL *crl, uint64_t *ret)
{
	cleanup(ASN1_INTEGER_freep) ASN1_INTEGER *number =
		X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);

	return number && ASN1_INTEGER_get_uint64(ret, number) == 1;
}

/* A list of part of what there is, or of others' certificates, would have such. */
static bool has_unknown_extension(X509_CRL *crl)
{
	for (int i = 0; i < X509_CRL_get_ext_count(crl); i++)
		if (X509_EXTENSION_get_critical(X509_CRL_get_ext(crl, i)))
			return true;
	return false;
}

/* -EBADMSG, or the list, whoever signed it. */
static int parse(const uint8_t *data, size_t size, X509_CRL **ret_crl, struct revocation_list *ret)
{
	cleanup(X509_CRL_freep) X509_CRL *crl = NULL;
	const uint8_t *at = data;
	int r;

	if (size > REVOCATION_LIST_SIZE_MAX)
		return -EFBIG;
	crl = size ? d2i_X509_CRL(NULL, &at, (long)size) : NULL;
	*ret = (struct revocation_list){};
	if (!crl || at != data + size || X509_CRL_get_version(crl) != X509_CRL_VERSION_2 ||
	    has_unknown_extension(crl) || !read_number(crl, &ret->number))
		return -EBADMSG;
	r = read_entries(crl, ret);
	if (r >= 0 && ret_crl)
		*ret_crl = steal_ptr(crl);
	return r;
}

int revocation_list_read(const uint8_t *data, size_t size, struct revocation_list *ret)
{
	int r = parse(data, size, NULL, ret);

	ERR_clear_error();
	return r;
}

int revocation_list_verify(const uint8_t *data, size_t size, const uint8_t *account,
			   size_t account_size, struct revocation_list *ret)
{
	cleanup(X509_freep) X509 *issuer = read_certificate(account, account_size);
	cleanup(X509_CRL_freep) X509_CRL *crl = NULL;
	int r = issuer ? parse(data, size, &crl, ret) : -EINVAL;

	if (r >= 0 && X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) != 0)
		r = -EACCES;
	if (r >= 0 && (X509_CRL_get_signature_nid(crl) != NID_ED25519 ||
		       X509_CRL_verify(crl, X509_get0_pubkey(issuer)) != 1))
		r = -EKEYREJECTED;
	ERR_clear_error();
	return r;
}
