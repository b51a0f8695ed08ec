/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the two ways to begin an IKE SA have in common: IKE_SA_INIT and IKE_SESSION_RESUME. */
#include "services/keyd/ike-sa-internal.h"

/* Initiator: begins with IKE_SA_INIT. 0 or a negative errno. */
int ike_init_begin(struct ike_sa *sa, uint64_t now);
/* Responder: an answer that leaves nothing behind here. */
void ike_init_refuse(struct ike_context *context, const struct sockaddr_in *to,
		     const struct ike_header *request, enum ike_notify_type type, const void *data,
		     size_t size);
