/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Finds the server of an account (docs/ARCHITECTURE.md, "Names in the zone"): a server set in the
 * configuration, or the first name server of the members zone, asked of the system's resolvers,
 * first the one that answered last; then, signed, the SRV record of the service below the account
 * and the address of its target, asked of that server. When the target's address is not to be had,
 * the server asked stands in for it.
 */
#include "common/dns-client/dns-exchange.h"

struct dns_locator;

struct dns_locator_options {
	const char *service;       /* "_dns-update._udp"; kept */
	const char *resolv_conf;   /* NULL: RESOLV_CONF_PATH; kept */
	struct in_addr configured; /* 0.0.0.0: none */
	uint16_t configured_port;  /* host order; of the configured server, 0: 53 */
};

struct dns_locator_target {
	const char *members_domain;     /* members.example.org; copied */
	const char *account_domain;     /* alice.members.example.org; copied */
	const struct dns_tsig_key *key; /* must live until the callback or dns_locator_stop() */
};

/* `error` 0: `server` is set. Otherwise a negative errno, those of dns_exchange among them, and
 * -ENOENT: no server is named; `words` say what was not found (borrowed). */
typedef void (*dns_locator_callback)(void *userdata, int error, const char *words,
				     const struct sockaddr_in *server);

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

DEFINE_CLEANUP(struct dns_locator *, dns_locator_free)
