/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * This host's records (docs/ARCHITECTURE.md, "Names in the zone"), and the lease of an answer.
 * Pure. published-records.h makes the messages.
 */
#include "common/dns/dns-message.h"
#include "common/dns/dns-tsig.h"
#include "common/dns/host-names.h"

#include <netinet/in.h>

#define REGISTRATION_TTL   10
#define REGISTRATION_LEASE 5400 /* seconds; RFC 6281 §5.2: 90 minutes */

#define REGISTRATION_DEVICE_STRINGS 4
struct registration_device {
	char strings[REGISTRATION_DEVICE_STRINGS]
		    [80]; /* "model=Linux x86_64"; empty ones at the end */
};

/* The records to be published at `endpoint` (network order). NULL: no memory, or a name that is
 * none. Freed with ldns_rr_list_deep_free(). */
ldns_rr_list *registration_records(const struct host_names *identity,
				   const struct registration_device *device,
				   const struct sockaddr_in *endpoint);

/* The lease in a response to an UPDATE that asked for `wanted`: what was granted, or what was
 * wanted when the server says nothing (RFC 9664 §4.2). At least 30 s and at most a week, so that a
 * confused server cannot make us hammer it or fall silent. */
uint32_t registration_read_lease(const struct dns_message *response, uint32_t wanted);
