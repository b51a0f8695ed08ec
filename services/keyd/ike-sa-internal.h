/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of one IKE SA share: ike-sa-state.c (life), ike-exchange-state.c (messages),
 * ike-init-state.c, ike-auth-state.c, ike-informational-state.c (the exchanges). */
#include "services/keyd/ike-sa-state.h"

struct ike_sa *ike_sa_new(struct ike_context *context, uint64_t now, bool initiator);
void ike_sa_set_state(struct ike_sa *sa, enum ike_sa_state state, uint64_t timer);
/* The SA ends before it was established, for this reason. */
void ike_sa_fail(struct ike_sa *sa, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ike_sa_remove_child(struct ike_sa *sa);
/* A request had no answer until its deadline. */
void ike_sa_give_up(struct ike_sa *sa);

/* Header of our next message in an exchange. */
struct ike_header ike_sa_header(const struct ike_sa *sa, uint8_t exchange, bool response,
				uint32_t id);
/* Sends a request: the message as it is, or a chain that is encrypted first. */
int ike_sa_request(struct ike_sa *sa, uint64_t now, uint8_t exchange, const uint8_t *message,
		   size_t size, uint64_t deadline);
int ike_sa_request_sealed(struct ike_sa *sa, uint64_t now, uint8_t exchange,
			  struct ike_builder *inner, uint64_t deadline);
/* The request that was sent last and has no answer; NULL: none. */
struct ike_request *ike_sa_last_request(struct ike_sa *sa);
/* The answer to `request` came. */
void ike_sa_take_answer(struct ike_sa *sa, uint64_t now, struct ike_request *request);
void ike_sa_tick_requests(struct ike_sa *sa, uint64_t now);
uint64_t ike_sa_requests_due(const struct ike_sa *sa);
/* Answers the request with this number, and keeps the answer. */
int ike_sa_answer_id(struct ike_sa *sa, uint32_t id, uint8_t exchange, struct ike_builder *inner);
/* The same for the request that was received last. */
int ike_sa_answer_sealed(struct ike_sa *sa, uint8_t exchange, struct ike_builder *inner);
/* Answers with one error notification. */
void ike_sa_answer_error(struct ike_sa *sa, uint8_t exchange, enum ike_notify_type type,
			 const void *data, size_t size);

/* How many requests we take at once. */
void ike_sa_add_window(struct ike_builder *builder);

const uint8_t *ike_sa_own_key(const struct ike_sa *sa);
const uint8_t *ike_sa_peer_key(const struct ike_sa *sa);
struct ike_octets ike_sa_nonce(const struct ike_sa *sa, bool of_initiator);

/* The exchanges. `chain` is what the encrypted payload held. */
void ike_init_response(struct ike_sa *sa, uint64_t now, const struct sockaddr_in *from,
		       const struct ike_header *header, const uint8_t *data, size_t size);
/* Both roles: has the octets of our AUTH signed. */
int ike_auth_ask_signature(struct ike_sa *sa, uint64_t now);
void ike_auth_request(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
void ike_auth_response(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
void ike_informational_request(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
void ike_informational_response(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
/* Sends the delete of the IKE SA. */
void ike_informational_delete(struct ike_sa *sa, uint64_t now);
/* Asks whether the peer is there. */
void ike_informational_probe(struct ike_sa *sa, uint64_t now);
