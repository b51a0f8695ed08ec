/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * EDNS options: Update Lease (RFC 9664 §4) and LLQ (RFC 8764 §3.2). They are written into, and read
 * from, the RDATA of an OPT record: see dns_builder_add_edns() and struct dns_message.
 */
#include "common/wire/cursor.h"

#define DNS_OPTION_LLQ          1
#define DNS_OPTION_UPDATE_LEASE 2
#define DNS_OPTION_LLQ_SIZE     22 /* with code and length */

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

/* The next option. 1: *ret_code and *ret_value are set. 0: no more. -EBADMSG: malformed. */
int dns_options_next(struct reader *options, uint16_t *ret_code, struct reader *ret_value);
/* All LLQ options in their order: k questions have k of them. Returns how many (0: none), -EBADMSG
 * when one is not of its length, -E2BIG when there are more than `capacity`. */
int dns_options_read_llqs(const uint8_t *options, size_t size, struct dns_llq *ret_llqs,
			  size_t capacity);
/* 1: found. 0: none. -EBADMSG: a wrong length, or more than one. */
int dns_options_read_update_lease(const uint8_t *options, size_t size,
				  struct dns_update_lease *ret);
