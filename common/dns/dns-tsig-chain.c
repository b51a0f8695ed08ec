/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/dns/dns-tsig-chain.h"

#include "common/dns/dns-message.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#define ARCOUNT_AT  10
#define TIMERS_SIZE 8 /* time signed and fudge */

struct dns_tsig_chain {
	const struct dns_tsig_key *key;
	struct dns_tsig_mac prior;
	EVP_MAC_CTX *digest; /* over the prior MAC and the messages since, or NULL */
	unsigned int n_messages;
	unsigned int n_unsigned;
};

/* A digest that has begun with the prior MAC; NULL on failure. */
static EVP_MAC_CTX *begin_digest(const struct dns_tsig_key *key, const struct dns_tsig_mac *prior)
{
	const char *name = dns_tsig_digest_name(key->algorithm, NULL);
	OSSL_PARAM parameters[2] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)name, 0),
		OSSL_PARAM_construct_end(),
	};
	uint8_t prior_size[2] = { 0, prior->size };
	EVP_MAC *hmac = name ? EVP_MAC_fetch(NULL, "HMAC", NULL) : NULL;
	EVP_MAC_CTX *context = hmac ? EVP_MAC_CTX_new(hmac) : NULL;

	EVP_MAC_free(hmac);
	if (context && EVP_MAC_init(context, key->secret, key->secret_size, parameters) &&
	    EVP_MAC_update(context, prior_size, sizeof prior_size) &&
	    EVP_MAC_update(context, prior->octets, prior->size))
		return context;
	EVP_MAC_CTX_free(context);
	return NULL;
}

static bool finish_digest(EVP_MAC_CTX *context, const struct dns_tsig_key *key,
			  uint64_t time_signed, uint16_t fudge, struct dns_tsig_mac *ret)
{
	uint8_t octets[TIMERS_SIZE];
	struct writer timers = writer_init(octets, sizeof octets);
	size_t size = 0, mac_size = 0;

	writer_unsigned(&timers, time_signed, 6);
	writer_u16(&timers, fudge);
	if (!EVP_MAC_update(context, octets, sizeof octets) ||
	    !EVP_MAC_final(context, ret->octets, &size, sizeof ret->octets))
		return false;
	/* As much of it as the algorithm's name says. */
	dns_tsig_digest_name(key->algorithm, &mac_size);
	ret->size = mac_size;
	return mac_size <= size;
}

int dns_tsig_sign_next(struct writer *message, const struct dns_tsig_key *key,
		       const struct dns_tsig_mac *prior, uint64_t now, struct dns_tsig_mac *ret_mac)
{
	struct dns_tsig tsig = { .key_name = key->name,
				 .time_signed = now,
				 .fudge = DNS_TSIG_FUDGE };
	EVP_MAC_CTX *digest;
	bool ok;
	int r;

	if (message->failed || message->position < DNS_HEADER_SIZE ||
	    dns_tsig_algorithm_to_name(key->algorithm, &tsig.algorithm_name) < 0)
		return -EINVAL;
	dns_name_lower(&tsig.key_name);
	tsig.original_id = message->data[0] << 8 | message->data[1];
	digest = begin_digest(key, prior);
	ok = digest && EVP_MAC_update(digest, message->data, message->position) &&
	     finish_digest(digest, key, now, DNS_TSIG_FUDGE, &tsig.mac);
	EVP_MAC_CTX_free(digest);
	r = ok ? dns_tsig_append(message, &tsig) : -EIO;
	if (r >= 0 && ret_mac)
		*ret_mac = tsig.mac;
	return r;
}

int dns_tsig_chain_new(const struct dns_tsig_key *key, const struct dns_tsig_mac *request,
		       struct dns_tsig_chain **ret)
{
	struct dns_tsig_chain *chain = calloc(1, sizeof *chain);

	if (!chain)
		return -ENOMEM;
	chain->key = key;
	chain->prior = *request;
	*ret = chain;
	return 0;
}

struct dns_tsig_chain *dns_tsig_chain_free(struct dns_tsig_chain *chain)
{
	if (!chain)
		return NULL;
	EVP_MAC_CTX_free(chain->digest);
	free(chain);
	return NULL;
}

bool dns_tsig_chain_is_complete(const struct dns_tsig_chain *chain)
{
	return chain->n_messages > 0 && chain->n_unsigned == 0;
}

/* The message as it was before its TSIG record was added. */
static bool digest_signed(EVP_MAC_CTX *digest, const uint8_t *message, const struct dns_tsig *tsig)
{
	uint16_t arcount = (message[ARCOUNT_AT] << 8 | message[ARCOUNT_AT + 1]) - 1;
	uint8_t header[DNS_HEADER_SIZE];

	memcpy(header, message, sizeof header);
	header[0] = tsig->original_id >> 8;
	header[1] = tsig->original_id;
	header[ARCOUNT_AT] = arcount >> 8;
	header[ARCOUNT_AT + 1] = arcount;
	return EVP_MAC_update(digest, header, sizeof header) &&
	       EVP_MAC_update(digest, message + sizeof header, tsig->start - sizeof header);
}

static enum dns_tsig_result verify_next(struct dns_tsig_chain *chain, const uint8_t *message,
					const struct dns_tsig *tsig, uint64_t now)
{
	struct dns_tsig_mac mac;

	if (tsig->algorithm != chain->key->algorithm ||
	    !dns_name_equal(&tsig->key_name, &chain->key->name))
		return DNS_TSIG_RESULT_BADKEY;
	/* No MAC covers them here. */
	if (tsig->error || tsig->other_size)
		return DNS_TSIG_RESULT_BADSIG;
	if (!digest_signed(chain->digest, message, tsig) ||
	    !finish_digest(chain->digest, chain->key, tsig->time_signed, tsig->fudge, &mac) ||
	    mac.size != tsig->mac.size ||
	    CRYPTO_memcmp(mac.octets, tsig->mac.octets, mac.size) != 0)
		return DNS_TSIG_RESULT_BADSIG;
	if (now > tsig->time_signed + tsig->fudge || now + tsig->fudge < tsig->time_signed)
		return DNS_TSIG_RESULT_BADTIME;
	return DNS_TSIG_RESULT_OK;
}

enum dns_tsig_result dns_tsig_chain_verify(struct dns_tsig_chain *chain, const uint8_t *message,
					   size_t size, uint64_t now)
{
	struct dns_tsig tsig;
	enum dns_tsig_result result;
	int r = dns_tsig_find(message, size, &tsig);

	if (r < 0)
		return DNS_TSIG_RESULT_FORMERR;
	if (chain->n_messages == 0) {
		if (r == 0)
			return DNS_TSIG_RESULT_BADSIG;
		result = dns_tsig_verify(message, &tsig, chain->key, &chain->prior, now, 0);
	} else {
		if (!chain->digest)
			chain->digest = begin_digest(chain->key, &chain->prior);
		if (!chain->digest)
			return DNS_TSIG_RESULT_BADSIG;
		if (r == 0)
			return chain->n_unsigned++ < DNS_TSIG_CHAIN_UNSIGNED_MAX &&
					       EVP_MAC_update(chain->digest, message, size)
				       ? DNS_TSIG_RESULT_OK
				       : DNS_TSIG_RESULT_BADSIG;
		result = verify_next(chain, message, &tsig, now);
		EVP_MAC_CTX_free(chain->digest);
		chain->digest = NULL;
	}
	chain->prior = tsig.mac;
	chain->n_messages++;
	chain->n_unsigned = 0;
	return result;
}
