/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages of long-lived queries (RFC 8764), each with one question and one LLQ option, signed by
 * TSIG. Several questions could share a message; one each keeps every query's handshake its own,
 * and a person has few machines.
 */
#include "common/dns/dns-message.h"
#include "common/dns/dns-options.h"
#include "common/dns/dns-tsig.h"

/* A request: setup, challenge response or refresh. The size or a negative errno. */
struct llq_request {
	const ldns_rdf *name;
	ldns_rr_type type;
	uint16_t message_id;
	struct dns_llq llq;
};
int llq_wire_write_request(const struct llq_request *request, const struct dns_tsig_key *key,
			   uint64_t realtime, uint8_t *buffer, size_t capacity,
			   struct dns_tsig_mac *ret_mac);

/* A message from the server. */
struct llq_message {
	struct dns_message *dns; /* owned; without records until llq_wire_read_records() */
	const ldns_rr *question; /* in `dns` */
	bool has_llq;            /* an error answer may have none */
	struct dns_llq llq;
	struct dns_tsig tsig; /* found, not verified */
};
/* -EBADMSG: malformed, no response, or not one question and at most one LLQ option. -ENOKEY: not
 * signed. */
int llq_wire_read(const uint8_t *data, size_t size, struct llq_message *ret);
/* The records of a message that has been verified. 0, -EBADMSG or -ENOMEM. */
int llq_wire_read_records(const uint8_t *data, size_t size, struct llq_message *message);
void llq_wire_clear(struct llq_message *message);

/* The acknowledgement of an event (RFC 8764 §6.3): a response with its ID, question and option,
 * signed as the response to it. The size or a negative errno. */
int llq_wire_write_ack(const struct llq_message *event, const struct dns_tsig_key *key,
		       uint64_t realtime, uint8_t *buffer, size_t capacity);
