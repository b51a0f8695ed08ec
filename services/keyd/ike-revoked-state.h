/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Hosts that were forgotten (docs/ARCHITECTURE.md, "Forgotten hosts"), as the IKE SAs see them. */
#include "common/keys/revocation-list.h"
#include "services/keyd/ike-sa-state.h"

#define IKE_REVOKED_REASON "it was forgotten (homewardctl forget): it has to be signed in anew"

/* Whether what `name`, a host's full name, was issued at `issued` is worth nothing any more. `list`
 * may be NULL. */
bool ike_revoked_covers(const struct revocation_list *list, const char *name, uint64_t issued);
/* Whoever makes an SA of remembered proof (a successor, a resumed one) carries sa->peer_issued
 * over, and asks ike_revoked_covers() with it. */

/* Copies the list into the context. 1; 0: it is the same; -ENOMEM. */
int ike_revoked_set(struct ike_context *context, const struct revocation_list *list);
/* Whether the SA's peer is one of them; then the SA says so, and is to be deleted. */
bool ike_revoked_end(struct ike_sa *sa);
