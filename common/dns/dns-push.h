/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * DNS Push Notifications (RFC 8765): its four TLVs in DSO messages, for both sides. The functions
 * that build make a whole message but for dns_builder_finish(), whose result says whether it fit.
 */
#include "common/dns/dns-dso.h"

/* What the TTL of a record in a PUSH says when it removes. */
#define DNS_PUSH_TTL_MAX        0x7FFFFFFFu
#define DNS_PUSH_TTL_REMOVED    0xFFFFFFFFu
#define DNS_PUSH_TTL_COLLECTIVE 0xFFFFFFFEu

/* Milliseconds to wait after a refused SUBSCRIBE (RFC 8765 §6.2.2), said by the server and assumed
 * by a client that was not told. */
uint32_t dns_push_retry_delay(uint8_t rcode);

/* SUBSCRIBE. `name`, `type` and `class` are of the question; ANY (255) means all. */
void dns_push_build_subscribe(struct dns_builder *builder, void *buffer, size_t capacity,
			      uint16_t id, const ldns_rdf *name, uint16_t type, uint16_t class);
struct dns_push_question {
	struct dns_name name; /* as it was written */
	uint16_t type;
	uint16_t class;
};
/* 0, or -EBADMSG when the data is not exactly one question with an uncompressed name. */
int dns_push_read_subscribe(const struct reader *data, struct dns_push_question *ret);

/* UNSUBSCRIBE: `id` is that of the SUBSCRIBE. */
void dns_push_build_unsubscribe(struct dns_builder *builder, void *buffer, size_t capacity,
				uint16_t id);
int dns_push_read_unsubscribe(const struct reader *data, uint16_t *ret_id);

/* RECONFIRM: the record of which the client doubts that it is still true. */
void dns_push_build_reconfirm(struct dns_builder *builder, void *buffer, size_t capacity,
			      const ldns_rr *rr);
/* 0, or -EBADMSG also for type or class ANY. The record's data is not looked at. */
int dns_push_read_reconfirm(const struct reader *data, struct dns_push_question *ret);

/*
 * PUSH. Begin, add changes, end, dns_builder_finish(). `capacity` at most DNS_DSO_SIZE_MAX. To
 * learn whether a change still fits: dns_builder_mark() before, and dns_builder_rewind() when the
 * builder's writer has failed after it. Without any change it must not be sent.
 */
size_t dns_push_begin(struct dns_builder *builder, void *buffer, size_t capacity);
void dns_push_add(struct dns_builder *builder, const ldns_rr *rr); /* with its own TTL */
void dns_push_remove(struct dns_builder *builder, const ldns_rr *rr);
/* All records of the name of this type; with type ANY of all types; with class ANY of all classes
 * and types. */
void dns_push_remove_all(struct dns_builder *builder, const ldns_rdf *name, uint16_t type,
			 uint16_t class);
void dns_push_end(struct dns_builder *builder, size_t position);

enum dns_push_kind {
	DNS_PUSH_ADD,          /* `rr`, of this TTL from now on */
	DNS_PUSH_REMOVE,       /* `rr` */
	DNS_PUSH_REMOVE_RRSET, /* all of `name`, `type` and `class` */
	DNS_PUSH_REMOVE_CLASS, /* all of `name` and `class` */
	DNS_PUSH_REMOVE_NAME,  /* all of `name` */
};

struct dns_push_change {
	enum dns_push_kind kind;
	struct dns_name name;
	uint16_t type;  /* not for DNS_PUSH_REMOVE_CLASS and _NAME */
	uint16_t class; /* not for DNS_PUSH_REMOVE_NAME */
	ldns_rr *rr;    /* DNS_PUSH_ADD and _REMOVE: the caller's to free; otherwise NULL */
};

/* The changes of a PUSH, one after the other: set `data` to message->data after dns_push_check().
 * 1: a change; 0: no more; -EBADMSG: an error that ends the session; -ENOMEM. Records with a TTL
 * that means nothing are passed over. */
int dns_push_next(struct reader *data, struct dns_push_change *ret);
/* Whether all of this message is a PUSH as it has to be: unidirectional, not too long, with at
 * least one change, each well-formed. 0, -EBADMSG or -ENOMEM. */
int dns_push_check(const struct dns_dso *message, size_t size);
