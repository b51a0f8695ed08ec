/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Brings a revocation list of identity's into the zone: finds the server, sends one UPDATE signed
 * with the account's own key, tells identity what came of it, and wipes the key. Apart from the
 * registration of this host: it needs neither its key nor an endpoint.
 */
#include "common/dns-client/dns-locator.h"
#include "services/registrar/identity-client.h"

struct list_submission;

/* All borrowed. 0 or a negative errno. */
int list_submission_new(struct loop *loop, const struct dns_locator_options *options,
			struct signing_identity *identity, struct list_submission **ret);
struct list_submission *list_submission_free(struct list_submission *submission);
/* After each change of identity: whether something waits. */
void list_submission_look(struct list_submission *submission);

DEFINE_CLEANUP(struct list_submission *, list_submission_free)
