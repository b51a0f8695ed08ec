/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What stands between IKE_SA_INIT and IKE_AUTH: one exchange with ML-KEM-768, or nothing. */
#include "services/keyd/ike-sa-internal.h"

/* Initiator: goes on after IKE_SA_INIT, with IKE_INTERMEDIATE or at once with IKE_AUTH. 0 or a
 * negative errno. */
int ike_intermediate_begin(struct ike_sa *sa, uint64_t now);
/* Both roles: it was agreed upon, and has not been yet. */
bool ike_intermediate_expected(const struct ike_sa *sa);
void ike_intermediate_request(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
void ike_intermediate_response(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
/* Responder: the initiator has our answer, whose keys are needed no more. Also at the end of an SA.
 */
void ike_intermediate_forget(struct ike_sa *sa);
/* What AUTH covers besides (RFC 9242 §3.3.2); of size 0 where there was no such exchange. */
struct ike_octets ike_intermediate_covered(const struct ike_sa *sa,
					   uint8_t buffer[2 * IKE_PRF_LIMIT + 4]);
