/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Brings the accounts in memory up to what zonectl wrote into the database: all of them at the
 * start, then those that the log of the database names. */
#include "services/zoned/authority.h"
#include "services/zoned/storage-account.h"

struct account_loader {
	struct authority *authority;
	struct storage *storage;
	const char *zone;     /* for messages */
	bool is_replicated;   /* the journal is wanted */
	struct moment moment; /* of the call that is going on */
	int64_t generation;   /* of the accounts in memory; 0: none were read yet */
	int64_t loading;      /* the account being read */
	bool is_quiet;        /* no word about each account */
};

/* What has to wait for the end of the transaction under way is done at a later call. 0, or a
 * negative errno when the database cannot be read. Cheap when nothing was written. */
int account_loader_refresh(struct account_loader *loader, const struct moment *moment);
