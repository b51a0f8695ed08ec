/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * IKE_AUTH (RFC 7296 §1.2): both sides prove who they are (ike-proof-state.c) and agree on
 * one child SA between their two host ids.
 */
#include "services/keyd/ike-child-state.h"
#include "services/keyd/ike-intermediate.h"
#include "services/keyd/ike-proof.h"
#include "services/keyd/ike-resume.h"

#include <stdio.h>

/* A host id (RFC 6281 §6.3) whose low half is the one the certificate proves, if there is one. */
static bool is_host_id(const uint8_t address[16], const struct ike_proved *proved)
{
	return address[0] == 0xfd && (!proved->has_eui64 || !memcmp(address + 8, proved->eui64, 8));
}

/* The peer's host id: the one address it offers, or the one the tunnel knows when it offers more or
 * nothing proves that the address is its own. */
static bool find_peer_host_id(struct ike_sa *sa, const struct ike_selectors *offered,
			      const struct ike_proved *proved, uint8_t ret[16])
{
	const struct ike_context *context = sa->context;

	/* A resumed session is between these two host ids. */
	if (sa->session) {
		memcpy(ret, sa->session->host_id, 16);
		return ike_selectors_cover(offered, ret);
	}
	for (size_t i = 0; proved->has_eui64 && i < offered->n_items; i++) {
		const struct ike_selector *selector = &offered->items[i];

		if (ike_selector_is_unlimited(selector) &&
		    !memcmp(selector->first, selector->last, 16) &&
		    is_host_id(selector->first, proved)) {
			memcpy(ret, selector->first, 16);
			return true;
		}
	}
	return context->surroundings->find_host_id(context->userdata, sa->peer, ret) &&
	       is_host_id(ret, proved) && ike_selectors_cover(offered, ret);
}

/* Responder: the child the peer asks for. 0, or the notification why there will be none. */
static uint16_t choose_child(struct ike_sa *sa, const struct ike_chain *chain,
			     const struct ike_proved *proved)
{
	const struct ike_payload *proposals = ike_chain_find(chain, IKE_PAYLOAD_SA);
	struct ike_selectors initiator, responder;
	uint32_t spi_out;
	struct esp_suite suite;
	struct ike_child *child;
	int r;

	if (!proposals || ike_selectors_find(chain, &initiator, &responder) < 0)
		return IKE_NOTIFY_INVALID_SYNTAX;
	if (!ike_selectors_cover(&responder, sa->context->local->host_id) ||
	    !find_peer_host_id(sa, &initiator, proved, sa->peer_host_id))
		return IKE_NOTIFY_TS_UNACCEPTABLE;
	r = ike_proposal_choose_esp(&sa->context->preferences, proposals->data, proposals->size,
				    IKE_WITHOUT_KEY_EXCHANGE, &suite, &spi_out,
				    &sa->child_proposal);
	if (r < 0)
		return r == -ENOENT ? IKE_NOTIFY_NO_PROPOSAL_CHOSEN : IKE_NOTIFY_INVALID_SYNTAX;
	child = ike_child_add(sa, false);
	if (!child)
		return IKE_NOTIFY_NO_ADDITIONAL_SAS;
	child->suite = suite;
	child->spi_out = spi_out;
	return 0;
}

/* The keys of the first child are of the nonces of IKE_SA_INIT (§2.17). */
static int ask_install(struct ike_sa *sa, uint64_t now)
{
	struct ike_child *child = &sa->children[0];
	uint8_t material[ESP_KEYMAT_LIMIT];
	int r = ike_keys_derive_child(&sa->suite, &sa->keys, ike_sa_nonce(sa, true),
				      ike_sa_nonce(sa, false), material,
				      2 * esp_suite_key_size(&child->suite));

	if (r >= 0)
		r = ike_child_install(sa, child, material);
	explicit_bzero(material, sizeof material);
	if (r >= 0)
		ike_sa_set_state(sa, IKE_SA_INSTALLING, now + IKE_INTERNAL_LIMIT);
	return r;
}

/* Ends an SA whose request we refuse; the answer is kept for repetitions. */
static void refuse(struct ike_sa *sa, uint64_t now, enum ike_notify_type type)
{
	sa->context->counters.refused_peers++;
	ike_sa_answer_error(sa, IKE_EXCHANGE_AUTH, type, NULL, 0);
	ike_sa_set_state(sa, IKE_SA_CLOSED, now + IKE_CLOSED_LINGER);
}

/* Responder. */
void ike_auth_request(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	char address[IKE_ENDPOINT_TEXT];
	const struct ike_payload *wanted = ike_chain_find(chain, IKE_PAYLOAD_IDR);
	const struct ike_local *local = sa->context->local;
	struct ike_octets wanted_id, instead = {};
	struct ike_proved proved;
	struct ike_notify notify;
	const char *reason;
	uint16_t refusal;
	uint8_t type;

	ike_intermediate_forget(sa);
	reason = ike_proof_take_ppk(sa, chain, &instead);
	if (!reason &&
	    ike_proof_check(sa, chain, instead.data ? &instead : NULL, &proved, &reason) >= 0)
		reason = !strcmp(proved.name, local->name) ? "it has our own name"
			 : !ike_proof_signs(sa, proved.proof) || sa->peer_takes_sha256
				 ? NULL
				 : "it takes no signatures with SHA-256";
	if (reason) {
		if (now >= sa->context->note_refusals_after) {
			sa->context->note_refusals_after = now + IKE_REFUSAL_NOTES;
			ike_actions_note(&sa->context->actions, "refused a peer at %s: %s",
					 ike_endpoint_text(&sa->asked_from, address), reason);
		}
		refuse(sa, now, IKE_NOTIFY_AUTHENTICATION_FAILED);
		return;
	}
	/* It may say whom it means to speak to (§2.15); a stale address in DNS leads to others. */
	if (wanted && (ike_id_read(wanted, &type, &wanted_id) < 0 || type != IKE_ID_FQDN ||
		       wanted_id.size != strlen(local->name) ||
		       strncasecmp((const char *)wanted_id.data, local->name, wanted_id.size))) {
		refuse(sa, now, IKE_NOTIFY_AUTHENTICATION_FAILED);
		return;
	}
	if (!ike_resume_spend(sa)) {
		refuse(sa, now, IKE_NOTIFY_AUTHENTICATION_FAILED);
		return;
	}
	strcpy(sa->peer, proved.name);
	sa->proof_expires = proved.expires;
	ike_resume_hear_wish(sa, chain);
	sa->proof = proved.proof;
	sa->authenticated = true;
	sa->peer_issued = proved.issued;
	sa->endpoint = sa->asked_from;
	sa->initial_contact = ike_chain_find_notify(chain, IKE_NOTIFY_INITIAL_CONTACT, &notify);
	sa->child_error = choose_child(sa, chain, &proved);
	if (sa->child_error == IKE_NOTIFY_INVALID_SYNTAX) {
		refuse(sa, now, IKE_NOTIFY_INVALID_SYNTAX);
		return;
	}
	refusal = sa->context->surroundings->admit(sa->context->userdata, sa, now);
	if (refusal) {
		ike_child_forget(sa, &sa->children[0]);
		refuse(sa, now, refusal);
		return;
	}
	if (ike_proof_begin(sa, now) < 0)
		ike_sa_fail(sa, "out of memory");
}

static int send_auth_request(struct ike_sa *sa, uint64_t now)
{
	struct ike_context *context = sa->context;
	uint8_t buffer[IKE_MESSAGE_LIMIT];
	struct ike_builder inner;
	struct ike_child *child;

	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	ike_proof_write(sa, &inner);
	ike_sa_add_window(&inner);
	ike_mobike_add_supported(&inner);
	ike_proof_add_ppk_id(sa, &inner);
	ike_resume_add_wish(sa, &inner);
	if (!context->surroundings->has_other(context->userdata, sa))
		ike_builder_add_notify(&inner, IKE_NOTIFY_INITIAL_CONTACT, NULL, 0);
	child = ike_child_add(sa, true);
	if (!child)
		return -ENOSPC;
	ike_proposal_write_esp_offer(ike_builder_open(&inner, IKE_PAYLOAD_SA),
				     &context->preferences, child->spi_in,
				     IKE_WITHOUT_KEY_EXCHANGE);
	ike_builder_close(&inner);
	ike_builder_add_selector(&inner, IKE_PAYLOAD_TSI, context->local->host_id);
	ike_builder_add_selector(&inner, IKE_PAYLOAD_TSR, sa->peer_host_id);
	return ike_sa_request_sealed(sa, now, IKE_EXCHANGE_AUTH, &inner, IKE_AUTH_DEADLINE);
}

/* Responder: once the child is in, since the peer uses it at once. */
static void send_auth_answer(struct ike_sa *sa)
{
	uint8_t buffer[IKE_MESSAGE_LIMIT];
	struct ike_builder inner;

	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	ike_proof_write(sa, &inner);
	ike_sa_add_window(&inner);
	ike_mobike_add_supported(&inner);
	ike_proof_add_ppk_id(sa, &inner);
	if (sa->child_error) {
		ike_builder_add_notify(&inner, sa->child_error, NULL, 0);
	} else {
		ike_proposal_write_esp(ike_builder_open(&inner, IKE_PAYLOAD_SA), sa->child_proposal,
				       &sa->children[0].suite, sa->children[0].spi_in);
		ike_builder_close(&inner);
		ike_builder_add_selector(&inner, IKE_PAYLOAD_TSI, sa->peer_host_id);
		ike_builder_add_selector(&inner, IKE_PAYLOAD_TSR, sa->context->local->host_id);
	}
	ike_resume_add_ticket(sa, NULL, &inner);
	ike_proof_forget(sa);
	ike_resume_end(sa);
	if (ike_sa_answer_sealed(sa, IKE_EXCHANGE_AUTH, &inner) < 0)
		ike_sa_fail(sa, "cannot write the answer");
}

static void become_established(struct ike_sa *sa, uint64_t now)
{
	sa->context->counters.established++;
	ike_sa_set_state(sa, IKE_SA_ESTABLISHED, now + IKE_LIVENESS_SILENCE);
	sa->window_told = true;
	ike_lifetimes_begin_sa(sa, now);
	sa->context->surroundings->established(sa->context->userdata, sa, now);
}

int ike_auth_proved(struct ike_sa *sa, uint64_t now)
{
	if (sa->initiator) {
		ike_sa_set_state(sa, IKE_SA_AUTH_SENT, UINT64_MAX);
		return send_auth_request(sa, now);
	}
	if (!sa->child_error)
		return ask_install(sa, now);
	become_established(sa, now);
	send_auth_answer(sa);
	return 0;
}

void ike_sa_signed(struct ike_sa *sa, uint64_t now, const uint8_t *signature, size_t size)
{
	if (sa->state != IKE_SA_SIGNING || !sa->context->local)
		return;
	if (!signature)
		ike_sa_fail(sa, "identity gave no signature");
	else if (ike_proof_signed(sa, now, signature, size) < 0)
		ike_sa_fail(sa, "cannot go on after the signature");
}

void ike_auth_installed(struct ike_sa *sa, uint64_t now, bool success, const char *reason)
{
	if (sa->state != IKE_SA_INSTALLING)
		return;
	if (!success)
		snprintf(sa->failure, sizeof sa->failure, "tunneld did not install it: %s", reason);
	if (success)
		ike_child_begin(sa, now, &sa->children[0]);
	if (sa->initiator) {
		if (success) {
			become_established(sa, now);
		} else {
			ike_child_forget(sa, &sa->children[0]);
			ike_informational_delete(sa, now);
		}
		return;
	}
	if (!success) {
		/* The IKE SA stands, its child does not (§1.2). */
		sa->child_error = IKE_NOTIFY_TEMPORARY_FAILURE;
		ike_child_forget(sa, &sa->children[0]);
	}
	/* The answer goes out after this, so the child is there for the first packet. */
	become_established(sa, now);
	send_auth_answer(sa);
}

/* Initiator: the child we are given must be the one we asked for. 0, or a reason. */
static const char *accept_child(struct ike_sa *sa, const struct ike_chain *chain)
{
	const struct ike_payload *proposal = ike_chain_find(chain, IKE_PAYLOAD_SA);
	struct ike_selectors initiator, responder;

	if (!proposal || ike_selectors_find(chain, &initiator, &responder) < 0)
		return "its answer is incomplete";
	if (!ike_selectors_are(&initiator, sa->context->local->host_id) ||
	    !ike_selectors_are(&responder, sa->peer_host_id))
		return "it wants other traffic than we do";
	if (ike_proposal_read_esp_answer(&sa->context->preferences, proposal->data, proposal->size,
					 IKE_WITHOUT_KEY_EXCHANGE, &sa->children[0].suite,
					 &sa->children[0].spi_out) < 0)
		return "it chose an algorithm we did not offer";
	return NULL;
}

/* Initiator: the peer holds the SA for good, so it must be told that we do not. */
static void reject(struct ike_sa *sa, uint64_t now, const char *reason)
{
	snprintf(sa->failure, sizeof sa->failure, "%s", reason);
	ike_child_forget(sa, &sa->children[0]);
	ike_informational_delete(sa, now);
}

/* Initiator. */
void ike_auth_response(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain)
{
	struct ike_proved proved;
	struct ike_notify error;
	bool refused = ike_chain_find_error(chain, &error);
	const char *reason;

	if (refused && !ike_chain_find(chain, IKE_PAYLOAD_AUTH)) {
		/* The ticket is spent, but certificates may still do. */
		sa->retry_soon = error.type == IKE_NOTIFY_TEMPORARY_FAILURE || sa->session;
		ike_sa_fail(sa, "it refused with %s", ike_notify_name(error.type));
		return;
	}
	reason = ike_proof_hear_ppk(sa, chain);
	ike_proof_forget(sa);
	if (reason || ike_proof_check(sa, chain, NULL, &proved, &reason) < 0) {
		reject(sa, now, reason);
		return;
	}
	if (strcmp(proved.name, sa->peer)) {
		reject(sa, now, "another host answered");
		return;
	}
	if (!is_host_id(sa->peer_host_id, &proved)) {
		reject(sa, now, "its host id is not the one its certificate proves");
		return;
	}
	sa->authenticated = true;
	sa->peer_issued = proved.issued;
	sa->proof_expires = proved.expires;
	ike_resume_end(sa);
	ike_resume_keep(sa, chain);
	reason = refused ? ike_notify_name(error.type) : accept_child(sa, chain);
	if (reason)
		reject(sa, now, reason);
	else if (ask_install(sa, now) < 0)
		reject(sa, now, "out of memory");
}
