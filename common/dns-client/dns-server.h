/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A server of the account and how it is spoken to, as the locator found or the configuration said.
 */
#include "common/dns-client/dns-trust.h"

#include <netinet/in.h>

#define DNS_SERVERS_MAX 16

/* What the configuration says about encryption. */
enum dns_encryption {
	DNS_ENCRYPTION_TLS,       /* TLS or nothing */
	DNS_ENCRYPTION_PREFERRED, /* TLS where the account's domain offers it and it can be reached
				   */
	DNS_ENCRYPTION_NONE,      /* in the clear */
};
#define DNS_ENCRYPTION_CHOICES ((const char *const[]){ "tls", "preferred", "none", NULL })

struct dns_server {
	unsigned int service; /* index into the locator's */
	bool tls;
	struct sockaddr_in address;
	struct dns_trust trust; /* its name, and with TLS the rest */
};
