/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What one transaction writes, as values with no pointer into the zones, so that it can go to
 * another thread. Times are milliseconds since 1970.
 */
#include "common/base/cleanup.h"
#include "services/zoned/endpoint.h"

#include <stddef.h>
#include <stdint.h>

enum change_kind {
	CHANGE_PUT_RECORD,
	CHANGE_DELETE_RECORD,
	CHANGE_PUT_LLQ,
	CHANGE_REFRESH_LLQ,
	CHANGE_DELETE_LLQ,
	CHANGE_PUT_JOURNAL,
	CHANGE_DELETE_JOURNAL, /* the entry that leads to `serial` */
	CHANGE_CLEAR_JOURNAL,
	CHANGE_PUT_REMOVAL,
	CHANGE_FORGET_REMOVALS,
	CHANGE_TRIM_REMOVALS, /* of the account, up to and with `serial` */
	CHANGE_MOVE_DATES,    /* of everything there is, in all accounts */
};

/* Expiry of a record without a lease. */
#define STORED_NEVER 0

struct octets {
	uint8_t *data;
	size_t size;
};

struct stored_record {
	int64_t id;
	struct octets owner; /* uncompressed, in the case it was written in */
	uint16_t type;
	uint32_t ttl;
	struct octets data;
	int64_t expires; /* STORED_NEVER, or when */
	char *writer;    /* may be NULL */
};

/*
 * A long-lived query: enough to go on with it after a restart. Its events are not written down. The
 * client knows what became of the account's zone up to `serial`; whatever was removed since then
 * is among the removals, and what is there it is told again.
 */
struct stored_llq {
	uint64_t id;
	struct octets name;
	uint16_t type;
	char *key_name;
	int algorithm; /* enum dns_tsig_algorithm */
	struct endpoint remote;
	struct endpoint local;
	uint32_t lease; /* seconds granted */
	int64_t expires;
	uint32_t serial;
};

struct refreshed_llq {
	uint64_t id;
	uint32_t lease;
	int64_t expires;
	uint32_t serial;
};

/* A record that somebody had a long-lived query about when it was removed. Nobody asks for it any
 * more when no query can be older. */
struct stored_removal {
	uint32_t serial; /* of the account's zone without it */
	int64_t date;
	struct octets owner;
	uint16_t type;
	struct octets data;
};

/* What led from one serial of an account's zone to the next: records in the form of a message,
 * without compression, the SOA first. */
struct stored_journal {
	uint32_t from;
	uint32_t to;
	struct octets removed;
	struct octets added;
};

struct change {
	enum change_kind kind;
	int64_t account;
	union {
		int64_t record_id;
		uint64_t llq_id;
		int64_t msec;   /* MOVE_DATES */
		int64_t before; /* FORGET_REMOVALS: those of an earlier date */
		struct stored_record record;
		struct stored_llq llq;
		struct stored_journal journal;
		uint32_t serial;
		struct refreshed_llq refreshed_llq;
		struct stored_removal removal;
	};
};

struct change_list {
	struct change *items;
	size_t n;
	size_t capacity;
};

/* Takes over what `change` points to, also on failure. 0 or -ENOMEM. */
int change_list_append(struct change_list *list, const struct change *change);
void change_list_clear(struct change_list *list);
void change_clear(struct change *change);
void stored_record_clear(struct stored_record *record);
void stored_llq_clear(struct stored_llq *llq);
void stored_journal_clear(struct stored_journal *journal);
void stored_removal_clear(struct stored_removal *removal);
/* A copy in memory of its own; 0 or -ENOMEM. */
int octets_copy(const void *data, size_t size, struct octets *ret);
