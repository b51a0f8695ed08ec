/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is kept of an IKE SA so that it can be resumed (RFC 5723), as octets: in tickets, which the
 * peer keeps for us, and in keyd's own state. Both are encrypted and authenticated (AES-256-GCM).
 */
#include "services/keyd/ike-auth.h"
#include "services/keyd/ike-window-state.h"

#define IKE_SEAL_KEY      32
#define IKE_SEAL_NONCE    12
#define IKE_SEAL_OVERHEAD (IKE_SEAL_NONCE + 16)
#define IKE_TICKET_KEY_ID 8
#define IKE_TICKET_LIMIT  512 /* octets of a ticket of ours */
/* Octets of other implementations' tickets that we keep. */
#define IKE_FOREIGN_TICKET_LIMIT 2048

struct ike_session {
	char peer[IKE_NAME_LIMIT]; /* as it proved itself */
	uint8_t host_id[16];       /* of the peer */
	struct ike_suite suite;
	uint8_t d[IKE_PRF_LIMIT]; /* SK_d; of ike_prf_size() octets */
	enum ike_proof proof;     /* how both had proved themselves */
	bool ppk;                 /* the post-quantum preshared key is in SK_d */
	uint64_t issued;          /* s; when the peer got what it proved that with; 0: long ago */
	int64_t ends;             /* s; it cannot be resumed from then on */
	int64_t proof_expires;    /* s; of the peer's certificate; 0: none */
};

/* Whether both keep the same algorithms that `preferences` allow. */
bool ike_session_suits(const struct ike_session *session,
		       const struct ike_preferences *preferences);
void ike_session_wipe(struct ike_session *session);

void ike_session_write(struct writer *writer, const struct ike_session *session);
/* 0 or -EBADMSG */
int ike_session_read(struct reader *reader, struct ike_session *ret);

/* `clear` goes along unencrypted, but authenticated. Writes nonce, text and tag: `size` octets and
 * IKE_SEAL_OVERHEAD. 0 or -EIO. */
int ike_seal(const uint8_t key[IKE_SEAL_KEY], const uint8_t nonce[IKE_SEAL_NONCE],
	     struct ike_octets clear, const uint8_t *text, size_t size, uint8_t *ret);
/* The text, of `sealed.size` - IKE_SEAL_OVERHEAD octets; or -EBADMSG. */
int ike_unseal(const uint8_t key[IKE_SEAL_KEY], struct ike_octets clear, struct ike_octets sealed,
	       uint8_t *ret);
/* A key for sealing from a secret of 32 octets and a salt: HKDF with SHA-256. 0 or -EIO. */
int ike_seal_key(const uint8_t secret[32], const uint8_t salt[32], uint8_t ret[IKE_SEAL_KEY]);

/* A ticket: version, the key's name, and a session that is sealed with it. The size or negative. */
int ike_ticket_seal(const uint8_t key[IKE_SEAL_KEY], const uint8_t id[IKE_TICKET_KEY_ID],
		    const uint8_t nonce[IKE_SEAL_NONCE], const struct ike_session *session,
		    uint8_t ret[IKE_TICKET_LIMIT]);
/* Its nonce, which no other ticket has, and the name of its key. False for what is no ticket. */
bool ike_ticket_names(struct ike_octets ticket, const uint8_t **ret_id, const uint8_t **ret_nonce);
/* 0 or -EBADMSG */
int ike_ticket_open(const uint8_t key[IKE_SEAL_KEY], struct ike_octets ticket,
		    struct ike_session *ret);
