/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of one IKE SA share: ike-sa-state.c (life), ike-exchange-state.c (messages),
 * ike-init-state.c, ike-auth-state.c, ike-informational-state.c (the exchanges). */
#include "services/keyd/ike-sa-state.h"

/* What a request of ours is for: its answer is dealt with accordingly. */
enum ike_purpose {
	IKE_PURPOSE_PROBE,
	IKE_PURPOSE_DELETE_CHILD, /* subject: its number */
	IKE_PURPOSE_DELETE_SA,
	IKE_PURPOSE_UPDATE, /* of addresses */
	IKE_PURPOSE_CHECK,  /* whether the peer is where we think */
	IKE_PURPOSE_TICKET, /* a ticket is asked for */
};

struct ike_sa *ike_sa_new(struct ike_context *context, uint64_t now, bool initiator);
void ike_sa_set_state(struct ike_sa *sa, enum ike_sa_state state, uint64_t timer);
/* The SA ends before it was established, for this reason. */
void ike_sa_fail(struct ike_sa *sa, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ike_sa_remove_children(struct ike_sa *sa);
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

/*
 * Messages in pieces. A message of ours is one blob, in which its pieces follow each other; *at is
 * 0 before the first. False after the last.
 */
bool ike_fragments_next(const struct ike_blob *message, size_t *at, struct ike_octets *ret);
/* Encrypts the chain `inner`, in pieces where it is larger than sa->fragment_limit and the peer
 * takes them. *ret is new. */
int ike_fragments_seal(struct ike_sa *sa, const struct ike_header *header, uint8_t first,
		       const uint8_t *inner, size_t size, struct ike_blob *ret);
/* Makes pieces of at most sa->fragment_limit of an encrypted message of ours. */
void ike_fragments_divide(struct ike_sa *sa, struct ike_blob *message);
/* `message` has no answer: pieces that go through narrower ways. */
void ike_fragments_shrink(struct ike_sa *sa, struct ike_blob *message);
/* The peer sends pieces of this size: larger ones of ours may not arrive either. */
void ike_fragments_follow(struct ike_sa *sa, size_t size);
/*
 * A piece of the peer's, with `hash` of its datagram. The size of what is in `inner` when the
 * message is complete, and then `hash` is that of the first piece; -EAGAIN when it is not, or the
 * piece is of no use (counted); -EBADMSG when it is not authentic.
 */
int ike_fragments_take(struct ike_sa *sa, uint64_t now, const struct ike_header *header,
		       const uint8_t *data, const struct ike_payload *payload,
		       uint8_t inner[IKE_MESSAGE_LIMIT], uint8_t *ret_first, uint8_t hash[32]);
/* Forgets messages whose last pieces do not come. */
void ike_fragments_expire(struct ike_sa *sa, uint64_t now);
/* When there are any. */
uint64_t ike_fragments_due(const struct ike_sa *sa);

/* Both notifications of §2.23, in a message to this place. */
void ike_sa_add_nat_detection(struct ike_builder *builder, uint64_t spi_initiator,
			      uint64_t spi_responder, const struct sockaddr_in *to);
/* How many requests we take at once. */
void ike_sa_add_window(struct ike_builder *builder);

/* What messages of an exchange are encrypted with. */
const uint8_t *ike_sa_own_key(const struct ike_sa *sa, uint8_t exchange);
const uint8_t *ike_sa_peer_key(const struct ike_sa *sa, uint8_t exchange);
struct ike_octets ike_sa_nonce(const struct ike_sa *sa, bool of_initiator);

/* Whether we have a post-quantum preshared key and want to use it. */
bool ike_sa_has_ppk(const struct ike_context *context);

/* The exchanges. `chain` is what the encrypted payload held. */
void ike_init_response(struct ike_sa *sa, uint64_t now, const struct sockaddr_in *from,
		       const struct ike_header *header, const uint8_t *data, size_t size);
/* Sends the first request again, changed as the answers in the clear want it. */
void ike_init_follow(struct ike_sa *sa, uint64_t now);
/* Both roles: what proves us is made. 0 or a negative errno. */
int ike_auth_proved(struct ike_sa *sa, uint64_t now);
void ike_auth_request(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
/* tunneld has the first child, or has not. */
void ike_auth_installed(struct ike_sa *sa, uint64_t now, bool success, const char *reason);
void ike_auth_response(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
void ike_informational_request(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
void ike_informational_response(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
/* Sends the delete of the IKE SA. */
void ike_informational_delete(struct ike_sa *sa, uint64_t now);
/* Asks for a ticket. */
void ike_informational_ticket(struct ike_sa *sa, uint64_t now);
/* Asks whether the peer is there. */
void ike_informational_probe(struct ike_sa *sa, uint64_t now);
/* 0 or a negative errno. */
int ike_informational_delete_child(struct ike_sa *sa, uint64_t now, const struct ike_child *child);
void ike_create_child_request(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
void ike_create_child_response(struct ike_sa *sa, uint64_t now, const struct ike_chain *chain);
/* tunneld has a child that was made so, or has not. */
void ike_rekey_child_installed(struct ike_sa *sa, uint64_t now, struct ike_child *child,
			       bool success, const char *reason);
/* Our own wish for a successor is forgotten; if the peer made one, it has the children. */
void ike_rekey_sa_forget(struct ike_sa *sa);
/* The peer uses an SA that it made while we were making one too: so its is the one that stays. */
void ike_rekey_sa_use(struct ike_sa *sa);

/* Sends what is wanted, as far as the window has room. */
void ike_sa_pursue(struct ike_sa *sa, uint64_t now);
/* When ike_sa_pursue() or ike_sa_expire() has something to do. */
uint64_t ike_sa_wants_due(const struct ike_sa *sa);
/* Ends what is too old. */
void ike_sa_expire(struct ike_sa *sa, uint64_t now);
/* A new SA from the beginning takes the place of this one. */
void ike_sa_renew(struct ike_sa *sa, uint64_t now);
