/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Finds the servers of an account (docs/ARCHITECTURE.md, "Names in the zone"). First one that knows
 * the account: a server set in the configuration, or the name servers of the members zone, asked of
 * the system's resolvers, first the one that answered last. Of it, signed: the SRV records of the
 * services below the account, in the order given, and the addresses of their targets; where such an
 * address is not to be had, the server asked stands in. Then for TLS, unless the configuration has
 * pins, the TLSA record of each server, asked of that server itself and signed; where it does not
 * answer, of the first one; without any answer the search has failed.
 *
 * All that goes over the network in the clear: it is what a stranger may know, and changes nothing.
 */
#include "common/dns-client/dns-exchange.h"
#include "common/dns-client/server-config.h"
#include "common/dns-client/server-list.h"

struct dns_locator;

/* Services of one kind are spellings of the same (RFC 6281 §5.2 has "_udp" also for what is TCP):
 * once one of a kind is there, the others of that kind are not asked for. */
struct dns_locator_service {
	const char *name;  /* "_dns-update-tls._udp"; kept */
	unsigned int kind; /* comes back as dns_server.service */
	bool tls;
};

struct dns_locator_options {
	const struct dns_locator_service *services; /* kept */
	size_t n_services;
	/* Kept. What it says of encryption leaves services out; its pins are those of all servers.
	 */
	const struct dns_server_config *config;
};

struct dns_locator_target {
	const char *members_domain;     /* members.example.org; copied */
	const char *account_domain;     /* alice.members.example.org; copied */
	const struct dns_tsig_key *key; /* must live until the callback or dns_locator_stop() */
};

/* `error` 0: there is at least one server, in the order of the services and then of the SRV
 * records; borrowed. Otherwise a negative errno, those of dns_exchange among them, and -ENOENT: no
 * server is named; `words` say what was not found (borrowed). */
typedef void (*dns_locator_callback)(void *userdata, int error, const char *words,
				     const struct server_list *servers);

int dns_locator_new(struct loop *loop, const struct dns_locator_options *options,
		    dns_locator_callback callback, void *userdata, struct dns_locator **ret);
struct dns_locator *dns_locator_free(struct dns_locator *locator);
/* Begins anew; the callback comes once, from the loop. 0 or a negative errno, and then it does not.
 */
int dns_locator_start(struct dns_locator *locator, const struct dns_locator_target *target);
void dns_locator_stop(struct dns_locator *locator);
/* The network changed: what is under way is asked again at once. */
void dns_locator_resend(struct dns_locator *locator);
/* In the callback with -ETIME: what time the server had, in seconds since 1970; 0: it did not say.
 */
uint64_t dns_locator_server_time(const struct dns_locator *locator);
/* In the callback with -ENOKEY: the server that said so; family 0: none did. */
struct sockaddr_in dns_locator_server_asked(const struct dns_locator *locator);

DEFINE_CLEANUP(struct dns_locator *, dns_locator_free)
