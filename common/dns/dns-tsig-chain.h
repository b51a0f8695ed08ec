/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Answers of several messages over a stream (RFC 8945 §5.3.1), as zone transfers are. The first
 * message is signed as any answer; the MAC of each later one covers the MAC before it, the message,
 * and of the TSIG record only the time. Whoever sends signs each message; whoever receives lets up
 * to 99 messages in a row go without, if the next one vouches for them.
 */
#include "common/base/cleanup.h"
#include "common/dns/dns-tsig.h"

#define DNS_TSIG_CHAIN_UNSIGNED_MAX 99

/* Signs the second or a later message. `prior`: the MAC of the message before it. As
 * dns_tsig_sign(). */
int dns_tsig_sign_next(struct writer *message, const struct dns_tsig_key *key,
		       const struct dns_tsig_mac *prior, uint64_t now,
		       struct dns_tsig_mac *ret_mac);

struct dns_tsig_chain;

/* `key` is borrowed until the end of the chain; `request` is the MAC of the request. 0 or -ENOMEM.
 */
int dns_tsig_chain_new(const struct dns_tsig_key *key, const struct dns_tsig_mac *request,
		       struct dns_tsig_chain **ret);
struct dns_tsig_chain *dns_tsig_chain_free(struct dns_tsig_chain *chain);

/* The next message. OK: it is well signed, or it is unsigned where it may be. Nothing of it is to
 * be believed before dns_tsig_chain_is_complete(). */
enum dns_tsig_result dns_tsig_chain_verify(struct dns_tsig_chain *chain, const uint8_t *message,
					   size_t size, uint64_t now);
/* Whether everything up to here is vouched for. */
bool dns_tsig_chain_is_complete(const struct dns_tsig_chain *chain);

DEFINE_CLEANUP(struct dns_tsig_chain *, dns_tsig_chain_free)
