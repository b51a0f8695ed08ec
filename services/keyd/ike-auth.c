/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-auth.h"

#include "common/keys/issue-time.h"

#include "services/keyd/ike-verified.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <strings.h>

#define TUNNEL_LABEL_PREFIX "autotunnel-"
#define TUNNEL_LABEL_SIZE   (sizeof TUNNEL_LABEL_PREFIX - 1 + 8 * 3 - 1)
#define RSA_BITS_MINIMUM    2048
#define CLOCK_TOLERANCE     (24 * 3600) /* s that a host's clock may run ahead of ours */

struct ike_trust {
	X509 *certificate;
	X509_STORE *store;
	struct ike_verified *verified;
	uint8_t hash[IKE_CERTREQ_HASH_SIZE];
	char domain[IKE_NAME_LIMIT];
};

DEFINE_CLEANUP(X509 *, X509_free)
DEFINE_CLEANUP(X509_STORE_CTX *, X509_STORE_CTX_free)
DEFINE_CLEANUP(X509_ALGOR *, X509_ALGOR_free)
DEFINE_CLEANUP(GENERAL_NAMES *, GENERAL_NAMES_free)
DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)
DEFINE_CLEANUP(RSA_PSS_PARAMS *, RSA_PSS_PARAMS_free)

/* ecdsa-with-SHA256 (RFC 5758 §3.2): what identity's Sign makes. */
static const uint8_t ecdsa_sha256[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
					0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };

/* One certificate and nothing after it. */
static X509 *read_certificate(const uint8_t *data, size_t size)
{
	const uint8_t *at = data;
	X509 *certificate;

	if (size > IKE_CERTIFICATE_LIMIT)
		return NULL;
	certificate = d2i_X509(NULL, &at, size);
	ERR_clear_error();
	if (certificate && at != data + size) {
		X509_free(certificate);
		return NULL;
	}
	return certificate;
}

/* SHA-1 of the SubjectPublicKeyInfo. */
static int hash_public_key(X509 *certificate, uint8_t ret[IKE_CERTREQ_HASH_SIZE])
{
	uint8_t *der = NULL;
	int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
	int r;

	if (size < 0)
		return -EBADMSG;
	r = EVP_Digest(der, size, ret, NULL, EVP_sha1(), NULL) == 1 ? 0 : -EIO;
	OPENSSL_free(der);
	return r;
}

int ike_trust_new(const uint8_t *certificate, size_t size, const char *domain,
		  struct ike_trust **ret)
{
	cleanup(ike_trust_freep) struct ike_trust *trust = calloc(1, sizeof *trust);
	int r;

	if (!trust)
		return -ENOMEM;
	if (strlen(domain) >= sizeof trust->domain)
		return -EINVAL;
	strcpy(trust->domain, domain);
	trust->certificate = read_certificate(certificate, size);
	if (!trust->certificate)
		return -EBADMSG;
	r = hash_public_key(trust->certificate, trust->hash);
	if (r < 0)
		return r;
	r = ike_verified_new(&trust->verified);
	if (r < 0)
		return r;
	trust->store = X509_STORE_new();
	if (!trust->store || X509_STORE_add_cert(trust->store, trust->certificate) != 1)
		return -ENOMEM;
	*ret = steal_ptr(trust);
	return 0;
}

struct ike_trust *ike_trust_free(struct ike_trust *trust)
{
	if (!trust)
		return NULL;
	X509_STORE_free(trust->store);
	ike_verified_free(trust->verified);
	X509_free(trust->certificate);
	free(trust);
	return NULL;
}

void ike_trust_hash(const struct ike_trust *trust, uint8_t ret[IKE_CERTREQ_HASH_SIZE])
{
	memcpy(ret, trust->hash, IKE_CERTREQ_HASH_SIZE);
}

const char *ike_trust_domain(const struct ike_trust *trust)
{
	return trust->domain;
}

bool ike_trust_has_name(const struct ike_trust *trust, const char *name)
{
	size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return size && size < 64 && name[size] == '.' && !strcmp(name + size + 1, trust->domain);
}

/* "AutoTunnel-00-22-69-FF-FE-8E-34-2A.<domain>" in either case. */
static bool read_tunnel_name(const char *name, const char *domain, uint8_t eui64[8])
{
	const char *at = name + sizeof TUNNEL_LABEL_PREFIX - 1;

	if (strncasecmp(name, TUNNEL_LABEL_PREFIX, sizeof TUNNEL_LABEL_PREFIX - 1) ||
	    strlen(name) < TUNNEL_LABEL_SIZE || name[TUNNEL_LABEL_SIZE] != '.' ||
	    strcasecmp(name + TUNNEL_LABEL_SIZE + 1, domain))
		return false;
	for (int i = 0; i < 8; i++, at += 3) {
		int high = OPENSSL_hexchar2int(at[0]), low = OPENSSL_hexchar2int(at[1]);

		if (high < 0 || low < 0 || (i < 7 && at[2] != '-'))
			return false;
		eui64[i] = high << 4 | low;
	}
	return true;
}

static int check_names(X509 *certificate, const char *name, const char *domain, uint8_t eui64[8],
		       const char **ret_reason)
{
	cleanup(GENERAL_NAMES_freep) GENERAL_NAMES *names =
		X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	unsigned int n_tunnel_names = 0;
	bool has_name = false;

	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *entry = sk_GENERAL_NAME_value(names, i);
		const char *text;

		if (entry->type != GEN_DNS)
			continue;
		text = (const char *)ASN1_STRING_get0_data(entry->d.dNSName);
		/* A NUL inside would let one name pass for another. */
		if (strlen(text) != (size_t)ASN1_STRING_length(entry->d.dNSName))
			continue;
		/* That is no name of a host: who was forgotten is on the list under the other. */
		if (read_tunnel_name(text, domain, eui64))
			n_tunnel_names++;
		else if (!strcasecmp(text, name))
			has_name = true;
	}
	if (!has_name)
		*ret_reason = "its certificate is for another name";
	else if (n_tunnel_names != 1)
		*ret_reason = "its certificate has not one AutoTunnel name of the account";
	return has_name && n_tunnel_names == 1 ? 0 : -EACCES;
}

static int check_chain(const struct ike_trust *trust, X509 *certificate, int64_t realtime,
		       const char **ret_reason)
{
	cleanup(X509_STORE_CTX_freep) X509_STORE_CTX *context = X509_STORE_CTX_new();
	int error;

	if (!context || X509_STORE_CTX_init(context, trust->store, certificate, NULL) != 1)
		return -ENOMEM;
	X509_STORE_CTX_set_time(context, 0, realtime);
	if (X509_verify_cert(context) == 1)
		return 0;
	error = X509_STORE_CTX_get_error(context);
	ERR_clear_error();
	*ret_reason = error == X509_V_ERR_CERT_NOT_YET_VALID
			      ? "its certificate is not valid yet; is a clock wrong?"
		      : error == X509_V_ERR_CERT_HAS_EXPIRED
			      ? "its certificate is valid no more; is a clock wrong?"
			      : "its certificate is not of this account";
	return error == X509_V_ERR_CERT_NOT_YET_VALID ? -EAGAIN : -EACCES;
}

/* Seconds since 1970; 0 for what is no time. */
static int64_t read_time(const ASN1_TIME *at)
{
	struct tm broken;

	return ASN1_TIME_to_tm(at, &broken) == 1 ? timegm(&broken) : 0;
}

/* It need not be checked again while both it and the account's are valid. */
static void remember(const struct ike_trust *trust, X509 *certificate, const uint8_t *data,
		     size_t size, const char *name, const struct ike_holder *holder)
{
	int64_t from = read_time(X509_get0_notBefore(certificate));
	int64_t until = read_time(X509_get0_notAfter(certificate));
	int64_t account_from = read_time(X509_get0_notBefore(trust->certificate));
	int64_t account_until = read_time(X509_get0_notAfter(trust->certificate));

	ike_verified_add(trust->verified, data, size, name,
			 from > account_from ? from : account_from,
			 until < account_until ? until : account_until, holder);
}

static uint64_t read_issue_time(X509 *certificate)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);

	return ASN1_STRING_type(serial) == V_ASN1_INTEGER
		       ? issue_time_of_serial(ASN1_STRING_get0_data(serial),
					      ASN1_STRING_length(serial))
		       : 0;
}

static int check_anew(const struct ike_trust *trust, const uint8_t *data, size_t size,
		      const char *name, int64_t realtime, struct ike_holder *ret,
		      const char **ret_reason)
{
	cleanup(X509_freep) X509 *certificate = read_certificate(data, size);
	struct ike_holder holder;
	int r;

	if (!certificate) {
		*ret_reason = "its certificate cannot be read";
		return -EACCES;
	}
	if (!ike_trust_has_name(trust, name)) {
		*ret_reason = "its name is not one of the account";
		return -EACCES;
	}
	r = check_chain(trust, certificate, realtime, ret_reason);
	/* It may have been made a moment ago by a host whose clock is a little ahead. */
	if (r == -EAGAIN)
		r = check_chain(trust, certificate, realtime + CLOCK_TOLERANCE, ret_reason);
	if (r < 0)
		return r == -EAGAIN ? -EACCES : r;
	if ((X509_get_extension_flags(certificate) & EXFLAG_CA) ||
	    !(X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE)) {
		*ret_reason = "its certificate is not a host's";
		return -EACCES;
	}
	r = check_names(certificate, name, trust->domain, holder.eui64, ret_reason);
	if (r < 0)
		return r;
	holder.issued = read_issue_time(certificate);
	holder.key = X509_get_pubkey(certificate);
	if (!holder.key) {
		*ret_reason = "the key in its certificate cannot be read";
		return -EACCES;
	}
	holder.expires = read_time(X509_get0_notAfter(certificate));
	remember(trust, certificate, data, size, name, &holder);
	*ret = holder;
	return 0;
}

int ike_certificate_check(const struct ike_trust *trust, const uint8_t *data, size_t size,
			  const char *name, int64_t realtime, struct ike_holder *ret,
			  const char **ret_reason)
{
	if (ike_verified_find(trust->verified, data, size, name, realtime, ret))
		return 0;
	return check_anew(trust, data, size, name, realtime, ret, ret_reason);
}

int ike_signed_octets(uint16_t prf, const uint8_t *sk_p, size_t sk_p_size,
		      struct ike_octets message, struct ike_octets nonce, struct ike_octets id,
		      struct ike_octets between, uint8_t **ret, size_t *ret_size)
{
	uint8_t maced[IKE_PRF_LIMIT];
	size_t maced_size = ike_prf_size(prf);
	struct writer writer;
	uint8_t *octets;
	int r;

	r = ike_prf(prf, sk_p, sk_p_size, &id, 1, maced);
	if (r < 0)
		return r;
	octets = malloc(message.size + nonce.size + maced_size + between.size);
	if (!octets)
		return -ENOMEM;
	writer = writer_init(octets, message.size + nonce.size + maced_size + between.size);
	writer_copy(&writer, message.data, message.size);
	writer_copy(&writer, nonce.data, nonce.size);
	writer_copy(&writer, maced, maced_size);
	writer_copy(&writer, between.data, between.size);
	*ret = octets;
	*ret_size = writer.position;
	return 0;
}

int ike_signature_wrap(const uint8_t *signature, size_t size, uint8_t *ret, size_t capacity)
{
	struct writer writer = writer_init(ret, capacity);

	writer_u8(&writer, sizeof ecdsa_sha256);
	writer_copy(&writer, ecdsa_sha256, sizeof ecdsa_sha256);
	writer_copy(&writer, signature, size);
	return writer.failed ? -ENOBUFS : (int)writer.position;
}

static const EVP_MD *sha2(int nid)
{
	switch (nid) {
	case NID_sha256:
	case NID_ecdsa_with_SHA256:
	case NID_sha256WithRSAEncryption:
		return EVP_sha256();
	case NID_sha384:
	case NID_ecdsa_with_SHA384:
	case NID_sha384WithRSAEncryption:
		return EVP_sha384();
	case NID_sha512:
	case NID_ecdsa_with_SHA512:
	case NID_sha512WithRSAEncryption:
		return EVP_sha512();
	}
	return NULL;
}

/* The digest of RSASSA-PSS parameters (RFC 8017 A.2.3); NULL for one that is not SHA-2 or not the
 * same in both places. */
static const EVP_MD *read_pss(const X509_ALGOR *algorithm, int *ret_salt_size)
{
	const ASN1_TYPE *type = algorithm->parameter;
	cleanup(RSA_PSS_PARAMS_freep) RSA_PSS_PARAMS *parameters = NULL;
	cleanup(X509_ALGOR_freep) X509_ALGOR *mask = NULL;
	const EVP_MD *digest, *mask_digest;

	if (!type || ASN1_TYPE_get(type) != V_ASN1_SEQUENCE)
		return NULL;
	parameters = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), type);
	if (!parameters || !parameters->hashAlgorithm || !parameters->maskGenAlgorithm ||
	    OBJ_obj2nid(parameters->maskGenAlgorithm->algorithm) != NID_mgf1 ||
	    !parameters->maskGenAlgorithm->parameter ||
	    ASN1_TYPE_get(parameters->maskGenAlgorithm->parameter) != V_ASN1_SEQUENCE)
		return NULL;
	mask = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(X509_ALGOR),
					 parameters->maskGenAlgorithm->parameter);
	if (!mask)
		return NULL;
	digest = sha2(OBJ_obj2nid(parameters->hashAlgorithm->algorithm));
	mask_digest = sha2(OBJ_obj2nid(mask->algorithm));
	*ret_salt_size = parameters->saltLength ? ASN1_INTEGER_get(parameters->saltLength) : 20;
	return digest == mask_digest && *ret_salt_size >= 0 ? digest : NULL;
}

/* Sets `context` up for the algorithm, when the key is of its kind. */
static int begin_check(EVP_MD_CTX *context, const X509_ALGOR *algorithm, EVP_PKEY *key)
{
	int nid = OBJ_obj2nid(algorithm->algorithm), kind = EVP_PKEY_get_base_id(key);
	const EVP_MD *digest = sha2(nid);
	EVP_PKEY_CTX *parameters;
	int salt_size = 0;

	if (kind == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) < RSA_BITS_MINIMUM)
		return -EOPNOTSUPP;
	switch (nid) {
	case NID_ED25519:
		if (kind != EVP_PKEY_ED25519)
			return -EOPNOTSUPP;
		digest = NULL;
		break;
	case NID_ecdsa_with_SHA256:
	case NID_ecdsa_with_SHA384:
	case NID_ecdsa_with_SHA512:
		if (kind != EVP_PKEY_EC)
			return -EOPNOTSUPP;
		break;
	case NID_sha256WithRSAEncryption:
	case NID_sha384WithRSAEncryption:
	case NID_sha512WithRSAEncryption:
		if (kind != EVP_PKEY_RSA)
			return -EOPNOTSUPP;
		break;
	case NID_rsassaPss:
		digest = read_pss(algorithm, &salt_size);
		if (kind != EVP_PKEY_RSA || !digest)
			return -EOPNOTSUPP;
		break;
	default:
		return -EOPNOTSUPP;
	}
	if (EVP_DigestVerifyInit(context, &parameters, digest, NULL, key) != 1)
		return -EIO;
	if (nid == NID_rsassaPss &&
	    (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 ||
	     EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, salt_size) != 1))
		return -EIO;
	return 0;
}

int ike_signature_check(EVP_PKEY *key, const uint8_t *data, size_t size, const uint8_t *octets,
			size_t octets_size)
{
	cleanup(EVP_MD_CTX_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
	cleanup(X509_ALGOR_freep) X509_ALGOR *algorithm = NULL;
	struct reader reader = reader_init(data, size);
	size_t der_size = reader_u8(&reader);
	const uint8_t *der = reader_take(&reader, der_size), *at = der;
	size_t signature_size = reader_left(&reader);
	const uint8_t *signature = reader_take(&reader, signature_size);
	int r;

	if (reader.failed || !der_size || !signature_size)
		return -EBADMSG;
	algorithm = d2i_X509_ALGOR(NULL, &at, der_size);
	if (!algorithm || at != der + der_size) {
		ERR_clear_error();
		return -EBADMSG;
	}
	if (!context)
		return -ENOMEM;
	r = begin_check(context, algorithm, key);
	if (r >= 0 &&
	    EVP_DigestVerify(context, signature, signature_size, octets, octets_size) != 1)
		r = -EACCES;
	ERR_clear_error();
	return r;
}

void ike_hash_algorithms_write(struct writer *writer)
{
	writer_u16(writer, IKE_HASH_SHA2_256);
	writer_u16(writer, IKE_HASH_SHA2_384);
	writer_u16(writer, IKE_HASH_SHA2_512);
	writer_u16(writer, IKE_HASH_IDENTITY);
}

bool ike_hash_algorithms_have(struct ike_octets body, enum ike_hash hash)
{
	struct reader reader = reader_init(body.data, body.size);

	while (reader_left(&reader) >= 2)
		if (reader_u16(&reader) == hash)
			return true;
	return false;
}
