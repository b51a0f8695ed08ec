/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Connections that are more than a way for questions: DSO sessions (RFC 8490), DNS Push (RFC 8765),
 * long-lived queries over TCP and TLS. */
#include "services/zoned/authority-internal.h"

/* authority-session.c */

/* A message with opcode DSO. */
void authority_receive_dso(struct authority *authority, const struct moment *moment,
			   const struct peer *peer, const uint8_t *data, size_t size,
			   struct outbox *outbox);
/* A message of another kind on a connection, parsed as far as its options. False: it is not to be
 * answered. */
bool authority_admit_on_session(struct authority *authority, const struct moment *moment,
				const struct request *request, struct outbox *outbox);
/* A request by an account's key: if it proves by the octets of the connection's TLS that its sender
 * is who is at the other end, the connection is that key's from now on. */
void authority_bind_session(struct authority *authority, const struct moment *moment,
			    const struct request *request, struct outbox *outbox);
/* Tells the stream server whether this connection is to be kept, if that has changed. */
void authority_keep_session(struct session *session, struct outbox *outbox);
/* The connection is aborted and the session forgotten. */
void authority_abort_session(struct authority *authority, struct session *session,
			     struct outbox *outbox);
/* What is due: who was silent too long, who has to leave. */
void authority_tick_sessions(struct authority *authority, const struct moment *moment,
			     struct outbox *outbox);

/* A long-lived query is about to be set up on this connection. */
void authority_hold_llqs(struct authority *authority, const struct moment *moment,
			 const struct peer *peer, struct outbox *outbox);
/* It is set up, and ends with its connection. False when that has gone. */
bool authority_attach_llq(struct authority *authority, const struct llq *llq);

/* authority-push.c */

void authority_receive_subscribe(struct authority *authority, const struct moment *moment,
				 struct session *session, const struct dns_dso *message,
				 struct outbox *outbox);
/* A response without more than its RCODE; a delay if it is an error. */
void authority_answer_dso(struct authority *authority, struct session *session, uint16_t id,
			  uint8_t rcode, const struct moment *moment, struct outbox *outbox);

/* The difference of two versions of an account's zone, in the order of the zone, for its
 * subscribers. */
struct push_change {
	struct account *account; /* its zone is the new version */
	struct push_part *parts;
	size_t n;
	size_t capacity;
	bool is_incomplete; /* without memory */
};
void authority_note_push(struct push_change *change, enum zone_change kind,
			 struct zone_record *record, uint64_t now);
/* Tells them, and clears `change`. */
void authority_send_push(struct authority *authority, struct push_change *change,
			 const struct moment *moment, struct outbox *outbox);
