/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* INFORMATIONAL (RFC 7296 §1.4): deletes, and the question whether the other side is there. */
#include "services/keyd/ike-sa-internal.h"

/* Whether the payload deletes the whole SA; its child's pair is removed at once. */
static bool apply_delete(struct ike_sa *sa, const struct ike_payload *payload,
			 struct ike_builder *answer)
{
	uint8_t protocol, spi_size;
	struct ike_octets spis;
	struct reader reader;
	uint16_t n;

	if (ike_delete_read(payload, &protocol, &spi_size, &n, &spis) < 0)
		return false;
	if (protocol == IKE_PROTOCOL_IKE)
		return true;
	if (protocol != IKE_PROTOCOL_ESP || spi_size != IKE_SPI_SIZE_ESP)
		return false;
	reader = reader_init(spis.data, spis.size);
	while (n-- > 0)
		if (reader_u32(&reader) == sa->child.spi_out && sa->child.id) {
			/* It names its inbound half, the answer names ours (§1.4.1). */
			ike_builder_add_delete_esp(answer, sa->child.spi_in);
			ike_sa_remove_child(sa);
			sa->delete_wanted = true;
		}
	return false;
}

void ike_informational_request(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	uint8_t buffer[256];
	struct ike_builder answer;
	struct ike_notify error;
	bool ended = false;

	ike_builder_begin_inner(&answer, buffer, sizeof buffer);
	for (size_t i = 0; i < chain->n_payloads; i++)
		if (chain->payloads[i].type == IKE_PAYLOAD_DELETE &&
		    apply_delete(sa, &chain->payloads[i], &answer))
			ended = true;
	/* An initiator that cannot believe our AUTH says so here (§2.21.2). */
	if (ike_chain_find_error(chain, &error) && error.type == IKE_NOTIFY_AUTHENTICATION_FAILED)
		ended = true;
	if (ended)
		ike_builder_begin_inner(&answer, buffer, sizeof buffer);
	ike_sa_answer_sealed(sa, IKE_EXCHANGE_INFORMATIONAL, &answer);
	if (ended) {
		sa->context->counters.deleted++;
		ike_sa_remove_child(sa);
		ike_requests_clear(&sa->requests);
		ike_sa_set_state(sa, IKE_SA_CLOSED, now + IKE_CLOSED_LINGER);
	} else if (sa->delete_wanted && sa->state == IKE_SA_ESTABLISHED) {
		/* Without its one child an SA is of no use. */
		ike_informational_delete(sa, now);
	}
}

void ike_informational_response(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	if (sa->state != IKE_SA_DELETING)
		return;
	if (sa->delete_wanted)
		ike_informational_delete(sa, now);
	else
		ike_sa_drop(sa);
}

void ike_informational_delete(struct ike_sa *sa, uint64_t now)
{
	uint8_t buffer[64];
	struct ike_builder inner;

	ike_sa_remove_child(sa);
	if (sa->state != IKE_SA_DELETING) {
		sa->context->counters.deleted++;
		ike_sa_set_state(sa, IKE_SA_DELETING, now + IKE_DELETE_DEADLINE);
	}
	/* One request at a time: after the response to what is under way. */
	sa->delete_wanted = ike_requests_waiting(&sa->requests);
	if (sa->delete_wanted)
		return;
	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	ike_builder_add_delete_ike(&inner);
	if (ike_sa_request_sealed(sa, now, IKE_EXCHANGE_INFORMATIONAL, &inner,
				  IKE_DELETE_DEADLINE) < 0)
		ike_sa_drop(sa);
}

void ike_informational_probe(struct ike_sa *sa, uint64_t now)
{
	uint8_t buffer[1];
	struct ike_builder inner;

	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	ike_sa_request_sealed(sa, now, IKE_EXCHANGE_INFORMATIONAL, &inner, IKE_LIVENESS_DEADLINE);
}
