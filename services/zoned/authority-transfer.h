/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Zone transfers to secondaries (RFC 5936, RFC 1995) and telling them of changes (RFC 1996). */
#include "services/zoned/authority-internal.h"

/* A request signed by a key for transfers: it may read everything and write nothing. */
void authority_receive_transfer(struct authority *authority, const struct moment *moment,
				struct request *request, struct outbox *outbox);
/* A response with opcode NOTIFY. */
void authority_receive_notify_answer(struct authority *authority, const struct peer *peer,
				     const uint8_t *data, size_t size);

/* An account came, is as the storage has it, goes. */
int authority_begin_replication(struct authority *authority, struct account *account);
void authority_complete_replication(struct authority *authority, struct account *account);
void authority_end_replication(struct authority *authority, struct account *account);

/* Adds what leads from `zone` to `staged` to what is written; the transaction is settled. */
int authority_write_journal(struct account *account, struct change_list *changes);
void authority_settle_journal(struct authority *authority, struct account *account, bool durable);

/* Messages to secondaries that are due. */
void authority_send_notifies(struct authority *authority, const struct moment *moment,
			     struct outbox *outbox);
uint64_t authority_next_notify(const struct authority *authority, uint64_t now);
