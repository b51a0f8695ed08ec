/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* INFORMATIONAL (RFC 7296 §1.4): deletes, and the question whether the other side is there. */
#include "services/keyd/ike-create-child.h"
#include "services/keyd/ike-resume.h"

/* The peer closes one child; its inbound half is our outbound one. */
static void end_child(struct ike_sa *sa, uint32_t spi, struct ike_builder *answer)
{
	struct ike_child *child = ike_child_find_out(sa, spi);

	/* One whose creation is not answered yet it cannot know. */
	if (!child || (sa->theirs && !sa->theirs->answered && sa->theirs->child == child->id))
		return;
	/* It is ended while tunneld is installing it. */
	if (sa->ours && sa->ours->child == child->id)
		ike_create_end(sa);
	/* When both delete it at once, each has said so already (§1.4.1, §2.25.1). */
	if (!child->told)
		ike_builder_add_delete_esp(answer, child->spi_in);
	ike_child_end(sa, child);
}

/* Whether the payload deletes the whole SA; children are ended at once. */
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
	ike_rekey_sa_use(sa);
	reader = reader_init(spis.data, spis.size);
	while (n-- > 0)
		end_child(sa, reader_u32(&reader), answer);
	return false;
}

/* Whether the peer has just taken the last child, and no other is to come. */
static bool is_useless(const struct ike_sa *sa)
{
	return sa->state == IKE_SA_ESTABLISHED && !sa->superseded && !ike_child_count(sa) &&
	       !sa->ours && !sa->theirs && !sa->child_wanted;
}

static void add_answers(struct ike_sa *sa, const struct ike_chain *chain,
			struct ike_builder *answer)
{
	ike_mobike_request(sa, chain, answer);
	ike_resume_add_ticket(sa, chain, answer);
}

void ike_informational_request(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	unsigned int n_children = ike_child_count(sa);
	uint8_t buffer[512 + IKE_TICKET_LIMIT];
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
	else
		add_answers(sa, chain, &answer);
	ike_sa_answer_sealed(sa, IKE_EXCHANGE_INFORMATIONAL, &answer);
	if (ended) {
		sa->context->counters.deleted++;
		/* A successor the peer has made takes the children (§2.8.2). */
		ike_rekey_sa_forget(sa);
		ike_sa_remove_children(sa);
		ike_requests_clear(&sa->requests);
		ike_sa_set_state(sa, IKE_SA_CLOSED, now + IKE_CLOSED_LINGER);
	} else if (n_children && is_useless(sa)) {
		ike_informational_delete(sa, now);
	}
}

void ike_informational_response(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	struct ike_child *child;

	if (sa->state == IKE_SA_ESTABLISHED && !ike_mobike_response(sa, now, chain))
		return;
	switch ((enum ike_purpose)sa->answered.purpose) {
	case IKE_PURPOSE_PROBE:
	case IKE_PURPOSE_UPDATE:
	case IKE_PURPOSE_CHECK:
		break;
	case IKE_PURPOSE_TICKET:
		ike_resume_keep(sa, chain);
		break;
	case IKE_PURPOSE_DELETE_CHILD:
		child = ike_child_find(sa, sa->answered.subject);
		if (child)
			ike_child_end(sa, child);
		break;
	case IKE_PURPOSE_DELETE_SA:
		ike_sa_drop(sa);
		break;
	}
}

static int request(struct ike_sa *sa, uint64_t now, enum ike_purpose purpose, uint64_t subject,
		   struct ike_builder *inner, uint64_t deadline)
{
	int r = ike_sa_request_sealed(sa, now, IKE_EXCHANGE_INFORMATIONAL, inner, deadline);

	if (r < 0)
		return r;
	ike_sa_last_request(sa)->purpose = purpose;
	ike_sa_last_request(sa)->subject = subject;
	return 0;
}

void ike_informational_delete(struct ike_sa *sa, uint64_t now)
{
	uint8_t buffer[64];
	struct ike_builder inner;

	ike_sa_remove_children(sa);
	if (sa->state != IKE_SA_DELETING) {
		sa->context->counters.deleted++;
		ike_sa_set_state(sa, IKE_SA_DELETING, now + IKE_DELETE_DEADLINE);
	}
	/* The last request of all: after the answers to what is under way. */
	sa->delete_wanted = ike_requests_waiting(&sa->requests);
	if (sa->delete_wanted)
		return;
	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	ike_builder_add_delete_ike(&inner);
	if (request(sa, now, IKE_PURPOSE_DELETE_SA, 0, &inner, IKE_DELETE_DEADLINE) < 0)
		ike_sa_drop(sa);
}

int ike_informational_delete_child(struct ike_sa *sa, uint64_t now, const struct ike_child *child)
{
	uint8_t buffer[64];
	struct ike_builder inner;

	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	ike_builder_add_delete_esp(&inner, child->spi_in);
	return request(sa, now, IKE_PURPOSE_DELETE_CHILD, child->id, &inner, IKE_LIVENESS_DEADLINE);
}

void ike_informational_ticket(struct ike_sa *sa, uint64_t now)
{
	uint8_t buffer[64];
	struct ike_builder inner;

	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	ike_resume_add_wish(sa, &inner);
	request(sa, now, IKE_PURPOSE_TICKET, 0, &inner, IKE_LIVENESS_DEADLINE);
}

void ike_informational_probe(struct ike_sa *sa, uint64_t now)
{
	uint8_t buffer[128];
	struct ike_builder inner;

	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	/* A successor of an SA begins with a window of one (§2.3). */
	if (!sa->window_told)
		ike_sa_add_window(&inner);
	sa->window_told = true;
	ike_mobike_add_detection(sa, &inner);
	request(sa, now, IKE_PURPOSE_PROBE, 0, &inner, IKE_LIVENESS_DEADLINE);
}
