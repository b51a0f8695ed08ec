/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a zone has for its secondaries; only where there are any. */
#include "services/zoned/notify-state.h"
#include "services/zoned/zone-journal.h"

struct account;

struct replication {
	const struct account *account; /* whose it is */
	struct zone_journal journal;
	bool is_storage_stale;        /* the storage has entries that are not in `journal` */
	struct stored_journal staged; /* what the transaction under way adds */
	bool has_staged;
	struct notify_zone notify;
};

struct replication *replication_new(const struct account *account); /* NULL without memory */
struct replication *replication_free(struct replication *replication);

DEFINE_CLEANUP(struct replication *, replication_free)
