/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * DNS Stateful Operations (RFC 8490): a header with opcode 6 and no sections, then TLVs. The first
 * one of a request and of a unidirectional message is the primary one, which says what it is about.
 * For both sides; what a session makes of a message is not decided here.
 *
 * A TLV's data comes as a reader over the whole message up to the end of the TLV, positioned at the
 * start of the data, so that compressed names in it can be read.
 */
#include "common/dns/dns-builder.h"

#define DNS_OPCODE_DSO      6
#define DNS_RCODE_DSOTYPENI 11
/* Longest message that RFC 8765 §6.3.1 allows a PUSH to be. */
#define DNS_DSO_SIZE_MAX 16382

enum dns_dso_type {
	DNS_DSO_KEEPALIVE = 1,
	DNS_DSO_RETRY_DELAY = 2,
	DNS_DSO_PADDING = 3,
	DNS_DSO_SUBSCRIBE = 0x0040,
	DNS_DSO_PUSH = 0x0041,
	DNS_DSO_UNSUBSCRIBE = 0x0042,
	DNS_DSO_RECONFIRM = 0x0043,
};

enum dns_dso_kind {
	DNS_DSO_REQUEST,        /* wants a response with the same id */
	DNS_DSO_UNIDIRECTIONAL, /* id 0: no response ever */
	DNS_DSO_RESPONSE,
};

struct dns_dso {
	enum dns_dso_kind kind;
	uint16_t id;
	uint8_t rcode;      /* DNS_DSO_RESPONSE */
	uint16_t type;      /* of the first TLV, enum dns_dso_type or anything; 0: there is none */
	struct reader data; /* of the first TLV */
	struct reader tlvs; /* all of them, for dns_dso_next() */
};

/* Times in milliseconds; this one means never. */
#define DNS_DSO_FOREVER 0xFFFFFFFFu

struct dns_dso_keepalive {
	uint32_t inactivity_timeout;
	uint32_t interval;
};

/* Whether a message begins like one of these. */
bool dns_dso_is(const uint8_t *data, size_t size);
/* Takes a message apart; its octets must outlive the result. 0; -EPROTO: it has sections, and a
 * request is answered FORMERR (RFC 8490 §5.4); -EBADMSG: an error that ends the session (§5.3.1):
 * not this opcode, a response without an id, a TLV that is cut off, a request without any. */
int dns_dso_parse(const uint8_t *data, size_t size, struct dns_dso *ret);
/* 1 and the next TLV, or 0. */
int dns_dso_next(struct reader *tlvs, uint16_t *ret_type, struct reader *ret_data);
/* The first TLV of this type among all of them, for responses. */
bool dns_dso_find(const struct dns_dso *message, enum dns_dso_type type, struct reader *ret_data);

/* 0, or -EBADMSG for data of a wrong length. */
int dns_dso_read_keepalive(const struct reader *data, struct dns_dso_keepalive *ret);
int dns_dso_read_retry_delay(const struct reader *data, uint32_t *ret_msec);

/* A message in the making: begin, add TLVs, dns_builder_finish(). `id` is 0 for a unidirectional
 * message only. */
void dns_dso_begin(struct dns_builder *builder, void *buffer, size_t capacity, uint16_t id);
void dns_dso_begin_response(struct dns_builder *builder, void *buffer, size_t capacity, uint16_t id,
			    uint8_t rcode);
/* Returns the position that dns_dso_end_tlv() wants. */
size_t dns_dso_begin_tlv(struct dns_builder *builder, uint16_t type);
void dns_dso_end_tlv(struct dns_builder *builder, size_t position);

void dns_dso_add_keepalive(struct dns_builder *builder, const struct dns_dso_keepalive *keepalive);
void dns_dso_add_retry_delay(struct dns_builder *builder, uint32_t msec);
/* Brings the message to a multiple of `block` octets, if that fits. Last of all, and never alone.
 */
void dns_dso_add_padding(struct dns_builder *builder, size_t block);
