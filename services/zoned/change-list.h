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
	CHANGE_DELETE_LLQ,
	CHANGE_PUT_JOURNAL,
	CHANGE_DELETE_JOURNAL, /* the entry that leads to `serial` */
	CHANGE_CLEAR_JOURNAL,
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

/* A long-lived query: enough to go on with it after a restart. Record sets are sequences of records
 * in the form of a message, without compression. */
struct stored_llq {
	uint64_t id;
	struct octets name;
	uint16_t type;
	char *key_name;
	struct endpoint remote;
	struct endpoint local;
	uint32_t lease; /* seconds granted */
	int64_t expires;
	uint32_t n_events;
	struct octets known;
	struct octets offered; /* what an event not acknowledged yet makes of `known` */
	bool is_offering;
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
		struct stored_record record;
		struct stored_llq llq;
		struct stored_journal journal;
		uint32_t serial;
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
/* A copy in memory of its own; 0 or -ENOMEM. */
int octets_copy(const void *data, size_t size, struct octets *ret);
