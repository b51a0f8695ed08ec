/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/dns/dns-tsig.h"

#include "common/dns/dns-message.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#define CLASS_ANY      255
#define TYPE_TSIG      250
#define MAC_SIZE_LEAST 10 /* RFC 8945 §5.2.2.1 */
#define ARCOUNT_AT     10

static const struct algorithm {
	const char *name;   /* in DNS */
	const char *digest; /* in OpenSSL */
	uint8_t hash_size;
	uint8_t mac_size; /* less where the name says so */
} algorithms[] = {
	[DNS_TSIG_ALGORITHM_HMAC_SHA256] = { "hmac-sha256", "SHA256", 32, 32 },
	[DNS_TSIG_ALGORITHM_HMAC_SHA384] = { "hmac-sha384", "SHA384", 48, 48 },
	[DNS_TSIG_ALGORITHM_HMAC_SHA512] = { "hmac-sha512", "SHA512", 64, 64 },
	[DNS_TSIG_ALGORITHM_HMAC_SHA224] = { "hmac-sha224", "SHA224", 28, 28 },
	[DNS_TSIG_ALGORITHM_HMAC_SHA256_128] = { "hmac-sha256-128", "SHA256", 32, 16 },
	[DNS_TSIG_ALGORITHM_HMAC_SHA384_192] = { "hmac-sha384-192", "SHA384", 48, 24 },
	[DNS_TSIG_ALGORITHM_HMAC_SHA512_256] = { "hmac-sha512-256", "SHA512", 64, 32 },
	[DNS_TSIG_ALGORITHM_HMAC_SHA1] = { "hmac-sha1", "SHA1", 20, 20 },
	[DNS_TSIG_ALGORITHM_HMAC_MD5] = { "hmac-md5.sig-alg.reg.int", "MD5", 16, 16 },
};

enum dns_tsig_algorithm dns_tsig_algorithm_from_text(const char *name)
{
	for (unsigned int i = 1; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
		if (strcasecmp(name, algorithms[i].name) == 0)
			return i;
	}
	return DNS_TSIG_ALGORITHM_UNKNOWN;
}

bool dns_tsig_algorithm_is_old(enum dns_tsig_algorithm algorithm)
{
	return algorithm == DNS_TSIG_ALGORITHM_HMAC_MD5 ||
	       algorithm == DNS_TSIG_ALGORITHM_HMAC_SHA1;
}

static void read_rdata(struct reader *rdata, struct dns_tsig *tsig)
{
	char text[DNS_NAME_TEXT_SIZE];
	size_t mac_size;

	dns_name_read(rdata, false, &tsig->algorithm_name);
	if (rdata->failed)
		return;
	dns_name_lower(&tsig->algorithm_name);
	dns_name_to_text(&tsig->algorithm_name, text, sizeof(text));
	tsig->algorithm = dns_tsig_algorithm_from_text(text);
	tsig->time_signed = reader_unsigned(rdata, 6);
	tsig->fudge = reader_u16(rdata);
	mac_size = reader_u16(rdata);
	if (mac_size > sizeof(tsig->mac.octets)) {
		rdata->failed = true;
		return;
	}
	tsig->mac.size = mac_size;
	reader_copy(rdata, tsig->mac.octets, mac_size);
	tsig->original_id = reader_u16(rdata);
	tsig->error = reader_u16(rdata);
	tsig->other_size = reader_u16(rdata);
	if (tsig->other_size > sizeof(tsig->other)) {
		rdata->failed = true;
		return;
	}
	reader_copy(rdata, tsig->other, tsig->other_size);
	if (reader_left(rdata) > 0)
		rdata->failed = true;
}

/* The record at the reader. Its type goes to *ret_type; when that is TSIG, it is read into `tsig`.
 */
static void read_record(struct reader *reader, struct dns_tsig *tsig, uint16_t *ret_type)
{
	size_t start = reader->position;
	struct reader rdata;
	uint16_t class;
	uint32_t ttl;

	dns_name_read(reader, true, &tsig->key_name);
	*ret_type = reader_u16(reader);
	class = reader_u16(reader);
	ttl = reader_u32(reader);
	rdata = reader_sub(reader, reader_u16(reader));
	if (reader->failed || *ret_type != TYPE_TSIG)
		return;
	if (class != CLASS_ANY || ttl != 0) {
		reader->failed = true;
		return;
	}
	dns_name_lower(&tsig->key_name);
	tsig->start = start;
	read_rdata(&rdata, tsig);
	reader->failed |= rdata.failed;
}

int dns_tsig_find(const uint8_t *message, size_t size, struct dns_tsig *ret)
{
	struct reader reader = reader_init(message, size);
	struct dns_tsig tsig = { 0 };
	uint32_t counts[4], n_records;
	struct dns_name question;
	uint16_t type = 0;

	reader_u32(&reader);
	for (int i = 0; i < 4; i++)
		counts[i] = reader_u16(&reader);
	for (uint32_t i = 0; i < counts[0] && !reader.failed; i++) {
		dns_name_read(&reader, true, &question);
		reader_u32(&reader);
	}
	n_records = counts[1] + counts[2] + counts[3];
	for (uint32_t i = 0; i < n_records && !reader.failed; i++) {
		read_record(&reader, &tsig, &type);
		if (!reader.failed && type == TYPE_TSIG && (i + 1 < n_records || counts[3] == 0))
			return -EBADMSG;
	}
	if (reader.failed || reader_left(&reader) > 0)
		return -EBADMSG;
	if (type != TYPE_TSIG)
		return 0;
	*ret = tsig;
	return 1;
}

static void write_variables(struct writer *writer, const struct dns_tsig *tsig)
{
	dns_name_write(writer, &tsig->key_name);
	writer_u16(writer, CLASS_ANY);
	writer_u32(writer, 0);
	dns_name_write(writer, &tsig->algorithm_name);
	writer_unsigned(writer, tsig->time_signed, 6);
	writer_u16(writer, tsig->fudge);
	writer_u16(writer, tsig->error);
	writer_u16(writer, tsig->other_size);
	writer_copy(writer, tsig->other, tsig->other_size);
}

/* HMAC ready for a message. NULL: the library fails. */
static EVP_MAC_CTX *new_context(const struct dns_tsig_key *key)
{
	const struct algorithm *algorithm = &algorithms[key->algorithm];
	OSSL_PARAM parameters[2] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)algorithm->digest,
						 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *context = hmac ? EVP_MAC_CTX_new(hmac) : NULL;

	if (context && !EVP_MAC_init(context, key->secret, key->secret_size, parameters)) {
		EVP_MAC_CTX_free(context);
		context = NULL;
	}
	EVP_MAC_free(hmac);
	return context;
}

struct dns_tsig_hmac {
	enum dns_tsig_algorithm algorithm;
	EVP_MAC_CTX *context;
};

int dns_tsig_hmac_new(const struct dns_tsig_key *key, struct dns_tsig_hmac **ret)
{
	struct dns_tsig_hmac *hmac = calloc(1, sizeof(*hmac));

	if (!hmac)
		return -EIO;
	hmac->algorithm = key->algorithm;
	hmac->context = new_context(key);
	if (!hmac->context) {
		free(hmac);
		return -EIO;
	}
	*ret = hmac;
	return 0;
}

struct dns_tsig_hmac *dns_tsig_hmac_free(struct dns_tsig_hmac *hmac)
{
	if (!hmac)
		return NULL;
	EVP_MAC_CTX_free(hmac->context);
	free(hmac);
	return NULL;
}

static bool digest(EVP_MAC_CTX *context, enum dns_tsig_algorithm algorithm,
		   const struct dns_tsig_mac *prior, const uint8_t *message,
		   const struct dns_tsig *tsig, uint16_t arcount, struct dns_tsig_mac *ret)
{
	uint8_t header[DNS_HEADER_SIZE], variables[2 * DNS_NAME_SIZE_MAX + 32];
	struct writer at_variables = writer_init(variables, sizeof(variables));
	uint8_t prior_size[2] = { 0, prior ? prior->size : 0 };
	size_t size = 0;

	memcpy(header, message, sizeof(header));
	header[0] = tsig->original_id >> 8;
	header[1] = tsig->original_id;
	header[ARCOUNT_AT] = arcount >> 8;
	header[ARCOUNT_AT + 1] = arcount;
	write_variables(&at_variables, tsig);
	return !at_variables.failed &&
	       (!prior || (EVP_MAC_update(context, prior_size, sizeof(prior_size)) &&
			   EVP_MAC_update(context, prior->octets, prior->size))) &&
	       EVP_MAC_update(context, header, sizeof(header)) &&
	       EVP_MAC_update(context, message + sizeof(header), tsig->start - sizeof(header)) &&
	       EVP_MAC_update(context, variables, at_variables.position) &&
	       EVP_MAC_final(context, ret->octets, &size, sizeof(ret->octets)) &&
	       size == algorithms[algorithm].hash_size;
}

/* The whole MAC over: prior MAC, the message without its TSIG record (`arcount` records in
 * Additional), the variables (RFC 8945 §4.3.3). 0 or -EIO. */
static int compute_mac(const struct dns_tsig_key *key, const struct dns_tsig_mac *prior,
		       const uint8_t *message, const struct dns_tsig *tsig, uint16_t arcount,
		       struct dns_tsig_mac *ret)
{
	bool is_ready = key->hmac && key->hmac->algorithm == key->algorithm;
	EVP_MAC_CTX *context = is_ready ? key->hmac->context : new_context(key);
	bool ok = context && (!is_ready || EVP_MAC_init(context, NULL, 0, NULL)) &&
		  digest(context, key->algorithm, prior, message, tsig, arcount, ret);

	ret->size = algorithms[key->algorithm].mac_size;
	if (!is_ready)
		EVP_MAC_CTX_free(context);
	return ok ? 0 : -EIO;
}

static uint16_t read_arcount(const uint8_t *message)
{
	return message[ARCOUNT_AT] << 8 | message[ARCOUNT_AT + 1];
}

enum dns_tsig_result dns_tsig_verify(const uint8_t *message, const struct dns_tsig *tsig,
				     const struct dns_tsig_key *key,
				     const struct dns_tsig_mac *prior, uint64_t now,
				     size_t mac_size_min)
{
	size_t whole, least, fudge;
	struct dns_tsig_mac mac;

	if (!key || tsig->algorithm == DNS_TSIG_ALGORITHM_UNKNOWN ||
	    tsig->algorithm != key->algorithm || !dns_name_equal(&tsig->key_name, &key->name))
		return DNS_TSIG_RESULT_BADKEY;
	whole = algorithms[tsig->algorithm].mac_size;
	least = algorithms[tsig->algorithm].hash_size / 2;
	if (least < MAC_SIZE_LEAST)
		least = MAC_SIZE_LEAST;
	/* An error answer that says BADKEY or BADSIG has no MAC, and proves nothing. */
	if (tsig->mac.size == 0 &&
	    (tsig->error == DNS_TSIG_ERROR_BADKEY || tsig->error == DNS_TSIG_ERROR_BADSIG))
		return DNS_TSIG_RESULT_BADSIG;
	if (tsig->mac.size > whole || tsig->mac.size < least)
		return DNS_TSIG_RESULT_FORMERR;
	if (compute_mac(key, prior, message, tsig, read_arcount(message) - 1, &mac) < 0 ||
	    CRYPTO_memcmp(mac.octets, tsig->mac.octets, tsig->mac.size) != 0)
		return DNS_TSIG_RESULT_BADSIG;
	/* Whoever wants a longer window than ours does not get it: in it, what was recorded is as
	 * good as new. */
	fudge = tsig->fudge < DNS_TSIG_FUDGE ? tsig->fudge : DNS_TSIG_FUDGE;
	if (now > tsig->time_signed + fudge || now + fudge < tsig->time_signed)
		return DNS_TSIG_RESULT_BADTIME;
	if (tsig->mac.size < (mac_size_min && mac_size_min < whole ? mac_size_min : whole))
		return DNS_TSIG_RESULT_BADTRUNC;
	return DNS_TSIG_RESULT_OK;
}

#define FIXED_SIZE (10 + 16) /* of the record, and of its RDATA */

size_t dns_tsig_size(const struct dns_tsig_key *key)
{
	const struct algorithm *algorithm = &algorithms[key->algorithm];
	struct dns_tsig tsig;

	return key->name.size + strlen(algorithm->name) + 2 + FIXED_SIZE + algorithm->mac_size +
	       sizeof(tsig.other);
}

static int append_record(struct writer *message, const struct dns_tsig *tsig)
{
	struct writer saved = *message;
	uint16_t arcount = read_arcount(message->data);

	dns_name_write(message, &tsig->key_name);
	writer_u16(message, TYPE_TSIG);
	writer_u16(message, CLASS_ANY);
	writer_u32(message, 0);
	writer_u16(message, tsig->algorithm_name.size + 16 + tsig->mac.size + tsig->other_size);
	dns_name_write(message, &tsig->algorithm_name);
	writer_unsigned(message, tsig->time_signed, 6);
	writer_u16(message, tsig->fudge);
	writer_u16(message, tsig->mac.size);
	writer_copy(message, tsig->mac.octets, tsig->mac.size);
	writer_u16(message, tsig->original_id);
	writer_u16(message, tsig->error);
	writer_u16(message, tsig->other_size);
	writer_copy(message, tsig->other, tsig->other_size);
	writer_patch_u16(message, ARCOUNT_AT, arcount + 1);
	if (!message->failed)
		return 0;
	*message = saved;
	return -ENOBUFS;
}

static bool can_be_signed(const struct writer *message)
{
	return !message->failed && message->position >= DNS_HEADER_SIZE &&
	       read_arcount(message->data) < UINT16_MAX;
}

static int sign(struct writer *message, const struct dns_tsig_key *key,
		const struct dns_tsig_mac *prior, struct dns_tsig *tsig,
		struct dns_tsig_mac *ret_mac)
{
	struct dns_tsig_mac mac;
	int r;

	if (!can_be_signed(message) || key->algorithm == DNS_TSIG_ALGORITHM_UNKNOWN)
		return -EINVAL;
	tsig->key_name = key->name;
	dns_name_lower(&tsig->key_name);
	r = dns_name_from_text(algorithms[key->algorithm].name, &tsig->algorithm_name);
	if (r < 0)
		return r;
	tsig->original_id = message->data[0] << 8 | message->data[1];
	tsig->start = message->position;
	r = compute_mac(key, prior, message->data, tsig, read_arcount(message->data), &mac);
	if (r < 0)
		return r;
	tsig->mac = mac;
	r = append_record(message, tsig);
	if (r < 0)
		return r;
	if (ret_mac)
		*ret_mac = mac;
	return 0;
}

int dns_tsig_sign(struct writer *message, const struct dns_tsig_key *key,
		  const struct dns_tsig_mac *prior, uint64_t now, struct dns_tsig_mac *ret_mac)
{
	struct dns_tsig tsig = { .time_signed = now, .fudge = DNS_TSIG_FUDGE };

	return sign(message, key, prior, &tsig, ret_mac);
}

int dns_tsig_sign_error(struct writer *message, const struct dns_tsig *request,
			const struct dns_tsig_key *key, enum dns_tsig_error error, uint64_t now)
{
	struct dns_tsig tsig = { .time_signed = now, .fudge = DNS_TSIG_FUDGE, .error = error };
	struct writer other = writer_init(tsig.other, sizeof(tsig.other));

	if (error == DNS_TSIG_ERROR_BADTIME) {
		/* The request's time, so that the client's own check of the time lets it pass. */
		tsig.time_signed = request->time_signed;
		tsig.fudge = request->fudge;
		writer_unsigned(&other, now, 6);
		tsig.other_size = sizeof(tsig.other);
	}
	if (error == DNS_TSIG_ERROR_BADTIME || error == DNS_TSIG_ERROR_BADTRUNC)
		return sign(message, key, &request->mac, &tsig, NULL);
	if (!can_be_signed(message))
		return -EINVAL;
	tsig.key_name = request->key_name;
	tsig.algorithm_name = request->algorithm_name;
	tsig.original_id = message->data[0] << 8 | message->data[1];
	return append_record(message, &tsig);
}

uint64_t dns_tsig_other_time(const struct dns_tsig *tsig)
{
	struct reader reader = reader_init(tsig->other, tsig->other_size);
	uint64_t time = reader_unsigned(&reader, 6);

	return reader.failed ? 0 : time;
}

const char *dns_tsig_digest_name(enum dns_tsig_algorithm algorithm, size_t *ret_mac_size)
{
	if (algorithm == DNS_TSIG_ALGORITHM_UNKNOWN)
		return NULL;
	if (ret_mac_size)
		*ret_mac_size = algorithms[algorithm].mac_size;
	return algorithms[algorithm].digest;
}

int dns_tsig_algorithm_to_name(enum dns_tsig_algorithm algorithm, struct dns_name *ret)
{
	if (algorithm == DNS_TSIG_ALGORITHM_UNKNOWN)
		return -EINVAL;
	return dns_name_from_text(algorithms[algorithm].name, ret);
}

int dns_tsig_append(struct writer *message, const struct dns_tsig *tsig)
{
	return can_be_signed(message) ? append_record(message, tsig) : -EINVAL;
}
