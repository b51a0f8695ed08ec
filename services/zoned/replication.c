/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/replication.h"

struct replication *replication_new(const struct account *account)
{
	struct replication *replication = calloc(1, sizeof *replication);

	if (replication)
		replication->account = account;
	return replication;
}

struct replication *replication_free(struct replication *replication)
{
	if (!replication)
		return NULL;
	journal_clear(&replication->journal);
	stored_journal_clear(&replication->staged);
	free(replication);
	return NULL;
}
