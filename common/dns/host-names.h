/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A host of an account, by its names in the zone (docs/ARCHITECTURE.md). Domains without the final
 * dot. */
#include <netinet/in.h>

struct host_names {
	char host_name[64];       /* desktop */
	char tunnel_label[64];    /* AutoTunnel-00-22-69-FF-FE-8E-34-2A */
	char account_domain[256]; /* alice.members.example.org */
	char members_domain[256]; /* members.example.org */
	char key_name[256];       /* of its TSIG key */
	struct in6_addr host_id;
};
