/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.homeward.Identity1 as the registrar sees it: who we are, the key we sign with, and what else
 * identity wants to have in the zone. */
#include "common/dns-client/signing-identity.h"

#define SUBMISSION_FORMER_MAX 8

int identity_client_new(sd_bus *bus, signing_identity_callback on_change,
			signing_identity_key_callback on_key, void *userdata,
			struct signing_identity **ret);

/* A revocation list that waits for the zone; all zero: none. */
struct submission {
	uint64_t number;
	char host[64];
	char key_name[256]; /* the account's own key, and its domain */
	struct secret *secret;
	uint8_t *list; /* DER, as are the former ones */
	size_t list_size;
	struct {
		uint8_t *data;
		size_t size;
	} former[SUBMISSION_FORMER_MAX];
	size_t n_former;
};
/* Wipes. */
void submission_deinit(struct submission *submission);

/* The number of what waits, 0: nothing; and the identity that says so. */
uint64_t identity_client_submission(struct signing_identity *identity, uint64_t *ret_incarnation);
/* `submission` is the callback's to take and set to zero. It does not come when identity refuses:
 * then nothing waits any more. */
typedef void (*submission_callback)(void *userdata, struct submission *submission);
int identity_client_get_submission(struct signing_identity *identity, sd_bus_slot **ret_slot,
				   submission_callback callback, void *userdata);
void identity_client_finish_submission(struct signing_identity *identity, uint64_t number,
				       bool published, const char *words);
