/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * TSIG (RFC 8945) over the octets of a message. ldns has TSIG too, but it reads the clock itself,
 * does not check the time window, cannot answer with an error, and signs only what it built; events
 * of long-lived queries need all of that. Times are seconds since 1970 and come from the caller.
 *
 * A server:
 *     dns_tsig_find(message)             1: a TSIG record; 0: none; -EBADMSG: answer FORMERR,
 * unsigned look for its key_name              (NULL when there is none) dns_tsig_verify(...) OK; or
 * an error: answer with dns_tsig_sign_error() dns_tsig_sign(reply, &tsig.mac) A client keeps the
 * MAC that dns_tsig_sign() gave for its request and hands it to dns_tsig_verify().
 *
 * An event of a long-lived query is signed like a request (no prior MAC), its acknowledgement like
 * a response to it.
 */
#include "common/dns/dns-name.h"

#define DNS_TSIG_FUDGE        300 /* seconds; RFC 8945 §10 */
#define DNS_TSIG_MAC_SIZE_MAX 64

/* The numbers are kept in zoned's database. */
enum dns_tsig_algorithm {
	DNS_TSIG_ALGORITHM_UNKNOWN,
	DNS_TSIG_ALGORITHM_HMAC_SHA256,
	DNS_TSIG_ALGORITHM_HMAC_SHA384,
	DNS_TSIG_ALGORITHM_HMAC_SHA512,
	DNS_TSIG_ALGORITHM_HMAC_SHA224,
	DNS_TSIG_ALGORITHM_HMAC_SHA256_128,
	DNS_TSIG_ALGORITHM_HMAC_SHA384_192,
	DNS_TSIG_ALGORITHM_HMAC_SHA512_256,
	DNS_TSIG_ALGORITHM_HMAC_SHA1,
	DNS_TSIG_ALGORITHM_HMAC_MD5,
};

/* Values of the field Error. */
enum dns_tsig_error {
	DNS_TSIG_ERROR_NONE = 0,
	DNS_TSIG_ERROR_BADSIG = 16,
	DNS_TSIG_ERROR_BADKEY = 17,
	DNS_TSIG_ERROR_BADTIME = 18,
	DNS_TSIG_ERROR_BADTRUNC = 22,
};

/* What dns_tsig_verify() finds, besides 0. */
enum dns_tsig_result {
	DNS_TSIG_RESULT_OK = 0,
	DNS_TSIG_RESULT_FORMERR = 1, /* drop it; a server answers RCODE FORMERR, unsigned */
	DNS_TSIG_RESULT_BADSIG = DNS_TSIG_ERROR_BADSIG,
	DNS_TSIG_RESULT_BADKEY = DNS_TSIG_ERROR_BADKEY,
	DNS_TSIG_RESULT_BADTIME = DNS_TSIG_ERROR_BADTIME,
	DNS_TSIG_RESULT_BADTRUNC = DNS_TSIG_ERROR_BADTRUNC,
};

/* A key made ready for one algorithm: who signs much with it saves half of the work. */
struct dns_tsig_hmac;

struct dns_tsig_key {
	struct dns_name name; /* in any case */
	enum dns_tsig_algorithm algorithm;
	const uint8_t *secret; /* borrowed */
	size_t secret_size;
	struct dns_tsig_hmac *hmac; /* borrowed; NULL, or made of this secret. Of one thread */
};

struct dns_tsig_mac {
	uint8_t size;
	uint8_t octets[DNS_TSIG_MAC_SIZE_MAX];
};

/* A TSIG record as it was found. */
struct dns_tsig {
	struct dns_name key_name;       /* in lower case */
	struct dns_name algorithm_name; /* in lower case */
	enum dns_tsig_algorithm algorithm;
	uint64_t time_signed;
	uint16_t fudge;
	struct dns_tsig_mac mac;
	uint16_t original_id;
	uint16_t error;
	uint16_t other_size;
	uint8_t other[6];
	size_t start; /* where the record begins: the message proper is what comes before */
};

enum dns_tsig_algorithm dns_tsig_algorithm_from_text(const char *name); /* "hmac-sha256" */
/* HMAC-MD5, which must not be used any more, and HMAC-SHA1, which should not (RFC 8945 §6): not to
 * be taken unless somebody asked for them. */
bool dns_tsig_algorithm_is_old(enum dns_tsig_algorithm algorithm);

/* For `algorithm` and `secret` of the key, which are copied. 0 or -EIO. */
int dns_tsig_hmac_new(const struct dns_tsig_key *key, struct dns_tsig_hmac **ret);
struct dns_tsig_hmac *dns_tsig_hmac_free(struct dns_tsig_hmac *hmac);

/* Looks for the TSIG record. 1: found. 0: none. -EBADMSG: the message is malformed, or a TSIG
 * record is not the last one, not the only one, or cannot be interpreted. */
int dns_tsig_find(const uint8_t *message, size_t size, struct dns_tsig *ret);

/* Checks key, MAC, time and truncation in this order (RFC 8945 §5.2). `key` NULL: unknown. `prior`:
 * the request's MAC when this is a response, otherwise NULL. The window of time is the sender's
 * fudge, DNS_TSIG_FUDGE at the most. `mac_size_min`: shortest MAC taken by policy; 0: whole ones
 * only. */
enum dns_tsig_result dns_tsig_verify(const uint8_t *message, const struct dns_tsig *tsig,
				     const struct dns_tsig_key *key,
				     const struct dns_tsig_mac *prior, uint64_t now,
				     size_t mac_size_min);

/* Octets that a TSIG record by this key takes, Other Data of an error included; without an error it
 * has DNS_TSIG_OTHER_SIZE fewer. */
#define DNS_TSIG_OTHER_SIZE 6
size_t dns_tsig_size(const struct dns_tsig_key *key);

/* Signs the complete message in `message` (position 0 is its header) by appending a TSIG record and
 * counting it. `prior` as above. The MAC goes to `ret_mac` (may be NULL). 0; -ENOBUFS when it does
 * not fit (the message is then as it was); -EINVAL; -EIO when the library fails. */
int dns_tsig_sign(struct writer *message, const struct dns_tsig_key *key,
		  const struct dns_tsig_mac *prior, uint64_t now, struct dns_tsig_mac *ret_mac);

/* Appends the TSIG record of an error answer to the request that carried `request`: unsigned for
 * BADKEY and BADSIG (`key` is not used), signed for BADTIME (with the server's time in Other Data)
 * and BADTRUNC. The caller has set RCODE NOTAUTH. Errors as dns_tsig_sign(). */
int dns_tsig_sign_error(struct writer *message, const struct dns_tsig *request,
			const struct dns_tsig_key *key, enum dns_tsig_error error, uint64_t now);

/* For what signs otherwise (dns-tsig-chain.c): the digest in OpenSSL's words and the size of a
 * whole MAC (may be NULL), NULL for no algorithm; its name in DNS, 0 or -EINVAL; and appending a
 * TSIG record that is complete, 0 or -ENOBUFS. */
const char *dns_tsig_digest_name(enum dns_tsig_algorithm algorithm, size_t *ret_mac_size);
int dns_tsig_algorithm_to_name(enum dns_tsig_algorithm algorithm, struct dns_name *ret);
int dns_tsig_append(struct writer *message, const struct dns_tsig *tsig);

/* Octets in Other Data of a BADTIME answer as seconds; 0 when there are none. */
uint64_t dns_tsig_other_time(const struct dns_tsig *tsig);
