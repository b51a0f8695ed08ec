/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/tls-credentials.h"

#include "common/base/atomic-file.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define FILE_SIZE_MAX (256 << 10)
#define VALID_SECONDS (10 * 365 * 86400L)
/* A server whose clock was set back a little has a certificate that is good all the same. */
#define EARLIER_SECONDS 86400L
#define SERIAL_BITS     127

DEFINE_CLEANUP(BIO *, BIO_free)
DEFINE_CLEANUP(X509 *, X509_free)
DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(BIGNUM *, BN_free)

static int complain(char **ret_message, int error, const char *what, const char *path)
{
	if (asprintf(ret_message, "%s %s: %s", what, path, strerror(-error)) < 0)
		*ret_message = NULL;
	return error;
}

/* What a file holds, in memory that OpenSSL wipes. */
static int read_file(const char *path, BIO **ret)
{
	uint8_t *data;
	size_t size;
	int r = atomic_file_read(path, FILE_SIZE_MAX, &data, &size);
	BIO *bio;

	if (r < 0)
		return r;
	bio = BIO_new(BIO_s_secmem());
	if (!bio || BIO_write(bio, data, size) != (int)size) {
		BIO_free(bio);
		bio = NULL;
	}
	explicit_bzero(data, size);
	free(data);
	if (!bio)
		return -ENOMEM;
	*ret = bio;
	return 0;
}

static int no_password(char *buffer, int size, int is_writing, void *userdata)
{
	return -1;
}

static int read_key(const char *path, EVP_PKEY **ret)
{
	cleanup(BIO_freep) BIO *bio = NULL;
	int r = read_file(path, &bio);

	if (r < 0)
		return r;
	*ret = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	ERR_clear_error();
	return *ret ? 0 : -EBADMSG;
}

static int write_bio(BIO *bio, const char *path, mode_t mode)
{
	char *data;
	long size = BIO_get_mem_data(bio, &data);

	return size > 0 ? atomic_file_write(path, data, size, mode) : -ENOMEM;
}

static int make_key(const char *path, EVP_PKEY **ret)
{
	cleanup(EVP_PKEY_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
	cleanup(BIO_freep) BIO *bio = BIO_new(BIO_s_secmem());
	int r;

	if (!key || !bio || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		return -ENOMEM;
	r = write_bio(bio, path, 0600);
	if (r >= 0)
		*ret = steal_ptr(key);
	return r;
}

static bool add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	bool added;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	added = extension && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return added;
}

/* A host of this name; no CN of a name that is too long for one (64 characters), where nobody looks
 * anyway. */
static bool fill(X509 *certificate, EVP_PKEY *key, const char *server_name, int64_t now)
{
	cleanup(BN_freep) BIGNUM *serial = BN_new();
	cleanup(freep) char *names = NULL;
	X509_NAME *subject = X509_get_subject_name(certificate);
	time_t at = now;

	if (asprintf(&names, "DNS:%s", server_name) < 0) {
		names = NULL;
		return false;
	}
	return serial && BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
	       BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate)) &&
	       X509_set_version(certificate, X509_VERSION_3) == 1 &&
	       X509_time_adj_ex(X509_getm_notBefore(certificate), 0, -EARLIER_SECONDS, &at) &&
	       X509_time_adj_ex(X509_getm_notAfter(certificate), 0, VALID_SECONDS, &at) &&
	       X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC,
					  (const unsigned char *)"homeward", -1, -1, 0) == 1 &&
	       (strlen(server_name) > 64 ||
		X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
					   (const unsigned char *)server_name, -1, -1, 0) == 1) &&
	       X509_set_issuer_name(certificate, subject) == 1 &&
	       X509_set_pubkey(certificate, key) == 1 &&
	       add_extension(certificate, NID_subject_alt_name, names) &&
	       add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
	       add_extension(certificate, NID_subject_key_identifier, "hash");
}

static int make_certificate(const char *path, EVP_PKEY *key, const char *server_name, int64_t now)
{
	cleanup(X509_freep) X509 *certificate = X509_new();
	cleanup(BIO_freep) BIO *bio = BIO_new(BIO_s_mem());

	if (!certificate || !bio || !fill(certificate, key, server_name, now) ||
	    X509_sign(certificate, key, EVP_sha256()) <= 0 ||
	    PEM_write_bio_X509(bio, certificate) != 1) {
		ERR_clear_error();
		return -EINVAL;
	}
	return write_bio(bio, path, 0644);
}

int tls_credentials_ensure(const char *certificate, const char *key_path, const char *server_name,
			   int64_t now, char **ret_message)
{
	cleanup(EVP_PKEY_freep) EVP_PKEY *key = NULL;
	bool has_certificate = access(certificate, F_OK) == 0;
	bool has_key = access(key_path, F_OK) == 0;
	int r;

	*ret_message = NULL;
	if (has_certificate && has_key)
		return 0;
	if (has_certificate)
		return complain(ret_message, -ENOENT, "there is a certificate, but not its key",
				key_path);
	r = has_key ? read_key(key_path, &key) : make_key(key_path, &key);
	if (r < 0)
		return complain(ret_message, r, has_key ? "cannot read" : "cannot make", key_path);
	r = make_certificate(certificate, key, server_name, now);
	return r < 0 ? complain(ret_message, r, "cannot make", certificate) : 1;
}

int tls_credentials_pin(const char *path, uint8_t ret[static TLS_PIN_SIZE], char **ret_message)
{
	cleanup(X509_freep) X509 *certificate = NULL;
	cleanup(BIO_freep) BIO *bio = NULL;
	uint8_t *octets = NULL;
	int size, r;

	*ret_message = NULL;
	r = read_file(path, &bio);
	if (r < 0)
		return complain(ret_message, r, "cannot read", path);
	certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL);
	size = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &octets) : -1;
	ERR_clear_error();
	if (size < 0)
		return complain(ret_message, -EBADMSG, "there is no certificate in", path);
	r = EVP_Digest(octets, size, ret, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
	OPENSSL_free(octets);
	return r;
}

void tls_pin_to_text(const uint8_t pin[static TLS_PIN_SIZE], char ret[static TLS_PIN_TEXT_SIZE])
{
	strcpy(ret, "sha256/");
	EVP_EncodeBlock((uint8_t *)ret + 7, pin, TLS_PIN_SIZE);
}
