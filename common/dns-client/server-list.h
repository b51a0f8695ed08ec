/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Servers of an account from the SRV records that name them, in the order in which they are to be
 * tried (RFC 2782), their addresses, and what their TLSA records say of their keys. Pure.
 */
#include "common/dns-client/dns-server.h"
#include "common/dns/dns-message.h"

struct server_list {
	struct dns_server items[DNS_SERVERS_MAX]; /* address 0.0.0.0: not known yet */
	size_t n;
};

typedef uint32_t (*server_list_random)(void);

/* Adds the targets of the SRV records of `owner` in an answer: by priority, and within it by chance
 * weighted as they say. Addresses that came along are filled in. Returns how many were added: none
 * where the service is not offered, and what is beyond the list's room is left out. */
size_t server_list_add(struct server_list *list, const struct dns_message *answer,
		       const ldns_rdf *owner, unsigned int service, bool tls,
		       server_list_random random);
/* The first one without an address; the list's `n` when all have one. */
size_t server_list_without_address(const struct server_list *list);
/* For all with this name. */
void server_list_set_address(struct server_list *list, const char *name, struct in_addr address);
/* Adds what TLSA records 3 1 1 of `owner` in an answer say; others are not for us. */
void server_list_read_tlsa(const struct dns_message *answer, const ldns_rdf *owner,
			   struct dns_pins *ret);
/* One with the same name, address and port before number `i`; `i` when there is none. */
size_t server_list_find_same(const struct server_list *list, size_t i);
