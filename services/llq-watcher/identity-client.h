/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.homeward.Identity1 as the watcher sees it: who we are, the key we sign with, and who wants to
 * know which hosts were forgotten. */
#include "common/dns-client/signing-identity.h"

#define IDENTITY_CLIENT_LISTS_MAX 8

int identity_client_new(sd_bus *bus, signing_identity_callback on_change,
			signing_identity_key_callback on_key, void *userdata,
			struct signing_identity **ret);

struct identity_client_list {
	const uint8_t *data; /* DER */
	size_t size;
};

/* Says what the zone has now. 0 or a negative errno; the answer is not waited for. */
int identity_client_show_lists(struct signing_identity *identity,
			       const struct identity_client_list *lists, size_t n);
