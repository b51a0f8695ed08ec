/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Zone transfers as a client sees them: asking for a zone or for what changed since a serial, and
 * reading the answer message by message (RFC 5936, RFC 1995). Nothing of an answer is given away
 * before its end has come and all of it is vouched for by the key.
 */
#include "common/dns/dns-builder.h"

/* Records of one answer; a primary that sends more is not followed. */
#define TRANSFER_RECORDS_MAX 50000000

/* What a zone needs to come from one serial to another, in this order. Without SOA records. */
struct zone_delta {
	bool is_whole; /* nothing of what was there before; all are added */
	uint32_t from; /* unless is_whole */
	uint32_t to;
	ldns_rr *soa; /* of the new version */
	struct zone_delta_item {
		bool is_added; /* or removed */
		ldns_rr *rr;
	} * items;
	size_t n;
	size_t capacity;
};

struct zone_delta *zone_delta_free(struct zone_delta *delta);
/* Takes `rr` over, also on failure. */
int zone_delta_append(struct zone_delta *delta, bool is_added, ldns_rr *rr);

/* A query for the zone; with `serial`, for what changed since. Signed. The size or a negative
 * errno. */
int transfer_build_query(uint8_t *octets, size_t capacity, uint16_t id, const ldns_rdf *zone,
			 const uint32_t *serial, const struct dns_tsig_key *key, uint64_t now,
			 struct dns_tsig_mac *ret_mac);

struct transfer_reader;

/* `serial`: what was asked with; NULL: the whole zone. `key` is borrowed. 0 or -ENOMEM. */
int transfer_reader_new(const ldns_rdf *zone, uint16_t id, const uint32_t *serial,
			const struct dns_tsig_key *key, const struct dns_tsig_mac *request,
			struct transfer_reader **ret);
struct transfer_reader *transfer_reader_free(struct transfer_reader *reader);

/* The next message. 0: more must come. 1: this was the last one, and `ret` is what it makes (NULL:
 * there is nothing newer). -EBADMSG: malformed or not well signed. -EREMOTEIO: the server answered
 * with an error, transfer_reader_rcode(). -ESTALE: no answer to this question; the whole zone is to
 * be asked for. -ENOMEM. */
int transfer_reader_take(struct transfer_reader *reader, const uint8_t *octets, size_t size,
			 uint64_t now, struct zone_delta **ret);
uint16_t transfer_reader_rcode(const struct transfer_reader *reader);

DEFINE_CLEANUP(struct zone_delta *, zone_delta_free)
DEFINE_CLEANUP(struct transfer_reader *, transfer_reader_free)
