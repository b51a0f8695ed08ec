/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The account's records as programs on this machine get to see them: what the server tells us, this
 * host's own name, the reverse names of the host ids, and the apex. Made anew after each change and
 * not changed after stub_zone_finish(). Pure.
 *
 * Who runs the zone's server, or another host of the account, can put anything into it; a program
 * that asks us takes the answer for the tunnel's. So only addresses that lead into the tunnel are
 * told (host ids, fd00::/8; the outer address of a tunnel is there at its AutoTunnel name alone),
 * no name outside the account is pointed to, and no reverse name but those of host ids is ours.
 */
#include "common/dns/dns-message.h"

#include <netinet/in.h>

/* Seconds. Programs do not keep what they learn for long, since our view is live; and who asked for
 * a machine that was off finds it once it is on. */
#define STUB_TTL          10
#define STUB_TTL_NEGATIVE 1
/* Records taken at most; all of an account's hosts and services are far fewer. */
#define STUB_RECORDS_MAX 8192
/* Reverse names, one for each host id. */
#define STUB_REVERSE_MAX 128

struct stub_zone;

/* Of an account, alice.members.example.org; with the records of its apex. 0 or a negative errno. */
int stub_zone_new(const char *account_domain, struct stub_zone **ret);
struct stub_zone *stub_zone_free(struct stub_zone *zone);
/* A copy of what may be told; the rest is left out without a word. -ENOMEM. */
int stub_zone_add(struct stub_zone *zone, const ldns_rr *rr);
/* A host of the account by its label and id. 0, -EINVAL for a label that is none, or -ENOMEM. */
int stub_zone_add_host(struct stub_zone *zone, const char *label, const struct in6_addr *id);
/* Makes it ready for questions. */
void stub_zone_finish(struct stub_zone *zone);

/* The domains that it answers for: the account's, then the reverse names. NULL beyond the last one.
 * Borrowed. */
const char *stub_zone_domain(const struct stub_zone *zone, size_t i);

enum stub_find {
	STUB_FIND_OUTSIDE, /* not ours */
	STUB_FIND_NO_NAME,
	STUB_FIND_NO_DATA, /* the name is there, or one below it, without this type */
	STUB_FIND_FOUND,
};
struct stub_found {
	const ldns_rdf *domain;  /* the one of ours that the name is in */
	ldns_rr *const *records; /* with this owner and, but for ANY, type */
	size_t n;
};
/* All borrowed from the zone. */
enum stub_find stub_zone_find(const struct stub_zone *zone, const ldns_rdf *name, ldns_rr_type type,
			      struct stub_found *ret);
/* SOA of one of our domains, for negative answers. Freed with ldns_rr_free(); NULL: no memory. */
ldns_rr *stub_zone_soa(const struct stub_zone *zone, const ldns_rdf *domain);

DEFINE_CLEANUP(struct stub_zone *, stub_zone_free)
