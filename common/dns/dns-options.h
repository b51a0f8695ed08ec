/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * EDNS options: Update Lease (RFC 9664 §4), LLQ (RFC 8764 §3.2), padding (RFC 7830), the wish to
 * keep a TCP connection (RFC 7828), and one of ours that binds a key to a TLS connection. They are
 * written into, and read from, the RDATA of an OPT record: see dns_builder_add_edns() and struct
 * dns_message.
 */
#include "common/wire/cursor.h"

#define DNS_OPTION_LLQ          1
#define DNS_OPTION_UPDATE_LEASE 2
#define DNS_OPTION_KEEPALIVE    11
#define DNS_OPTION_PADDING      12
#define DNS_OPTION_LLQ_SIZE     22 /* with code and length */

/*
 * DSO messages carry no TSIG. So the client of a TLS connection sends, before its first
 * subscription, a TSIG-signed query with this option: the 32 octets that both ends of this TLS
 * connection, and nobody else, export from it (RFC 9266: label "EXPORTER-Channel-Binding", empty
 * context). With the right octets the server knows who is at the other end of the connection. The
 * code is one for local use (RFC 6891 §9).
 */
#define DNS_OPTION_CHANNEL_BINDING 65001
#define DNS_CHANNEL_BINDING_SIZE   32
#define DNS_CHANNEL_BINDING_LABEL  "EXPORTER-Channel-Binding"

/* RFC 8467 §4: sizes that padded messages are multiples of. */
#define DNS_PADDING_QUERY    128
#define DNS_PADDING_RESPONSE 468

#define DNS_LLQ_VERSION 1
/* RFC 8764 §5.2.1 asks for one IP packet; this many questions surely do not fit one. */
#define DNS_LLQ_MAX 32

enum dns_llq_opcode {
	DNS_LLQ_OPCODE_SETUP = 1,
	DNS_LLQ_OPCODE_REFRESH = 2,
	DNS_LLQ_OPCODE_EVENT = 3,
};

enum dns_llq_error {
	DNS_LLQ_ERROR_NONE = 0,
	DNS_LLQ_ERROR_SERV_FULL = 1,
	DNS_LLQ_ERROR_STATIC = 2,
	DNS_LLQ_ERROR_FORMAT_ERR = 3,
	DNS_LLQ_ERROR_NO_SUCH_LLQ = 4,
	DNS_LLQ_ERROR_BAD_VERS = 5,
	DNS_LLQ_ERROR_UNKNOWN_ERR = 6,
};

/* TTL of a record that an event removes. Not to be run through RFC 2181 §8 first. */
#define DNS_LLQ_TTL_REMOVED 0xFFFFFFFFu

struct dns_llq {
	uint16_t version;
	uint16_t opcode; /* enum dns_llq_opcode, or what the other side wrote */
	uint16_t error;
	uint64_t id;
	uint32_t lease; /* seconds */
};

struct dns_update_lease {
	uint32_t lease;     /* seconds */
	uint32_t key_lease; /* seconds; with has_key_lease */
	bool has_key_lease; /* the 8-octet form; a server answers in the form of the request */
};

void dns_option_write_llq(struct writer *options, const struct dns_llq *llq);
void dns_option_write_update_lease(struct writer *options, const struct dns_update_lease *lease);

void dns_option_write_channel_binding(struct writer *options,
				      const uint8_t binding[static DNS_CHANNEL_BINDING_SIZE]);
/* Padding that makes a message of `size` octets, this option not counted, a multiple of `block`, or
 * of `limit` octets if that is less. Nothing when the option does not fit. `size` is that of the
 * whole message: with the other options and, if it will be signed, its TSIG record. */
void dns_option_write_padding(struct writer *options, size_t size, size_t block, size_t limit);
/* The time after which an idle connection may be closed, in units of 100 ms. */
void dns_option_write_keepalive(struct writer *options, uint16_t timeout);

/* Where the options of a message are that nothing else is wanted of: RDATA of its OPT record, in
 * the message. 1: found. 0: no OPT. -EBADMSG: malformed, or more than one. */
int dns_options_find(const uint8_t *message, size_t size, const uint8_t **ret_options,
		     size_t *ret_size);

/* The next option. 1: *ret_code and *ret_value are set. 0: no more. -EBADMSG: malformed. */
int dns_options_next(struct reader *options, uint16_t *ret_code, struct reader *ret_value);
/* All LLQ options in their order: k questions have k of them. Returns how many (0: none), -EBADMSG
 * when one is not of its length, -E2BIG when there are more than `capacity`. */
int dns_options_read_llqs(const uint8_t *options, size_t size, struct dns_llq *ret_llqs,
			  size_t capacity);
/* 1: found. 0: none. -EBADMSG: a wrong length, or more than one. */
int dns_options_read_update_lease(const uint8_t *options, size_t size,
				  struct dns_update_lease *ret);
/* 1: found, borrowed. 0: none. -EBADMSG: a wrong length, or more than one. */
int dns_options_read_channel_binding(const uint8_t *options, size_t size, const uint8_t **ret);
/* 1: found; with has_timeout false the option was empty, as a client sends it. 0: none. -EBADMSG.
 */
int dns_options_read_keepalive(const uint8_t *options, size_t size, bool *ret_has_timeout,
			       uint16_t *ret_timeout);
/* Whether there is this option, whatever it holds. */
bool dns_options_have(const uint8_t *options, size_t size, uint16_t code);
