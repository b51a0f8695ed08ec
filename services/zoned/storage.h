/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The database: accounts (storage-account.h), records with their leases, long-lived queries with
 * what their clients know. SQLite in WAL mode with synchronous=FULL: what storage_commit() returned
 * 0 for is on the disk, and a kill or power loss at any time leaves the last whole transaction.
 * zoned and zonectl may have it open at once.
 */
#include "common/keys/secret.h"
#include "services/zoned/change-list.h"

struct storage;

enum storage_mode {
	STORAGE_CREATE, /* make the file, mode 0600, when there is none; its owner is the folder's
			 */
	STORAGE_EXISTING,
};

/* 0, or a negative errno with the complaint in `ret_message` (the caller frees it). */
int storage_open(const char *path, enum storage_mode mode, struct storage **ret,
		 char **ret_message);
struct storage *storage_free(struct storage *storage);
/* How long to wait for the other process's transaction; 5 s unless told. A reader needs none but
 * for the moments after a crash. */
void storage_set_patience(struct storage *storage, unsigned int msec);
/* What the last failure was, in words. Borrowed. */
const char *storage_error(struct storage *storage);

/* Writes all of it in one transaction, durable on return. Changes to accounts that are gone vanish.
 * Blocks on the disk: to be run as queued work, on a storage of its own. */
int storage_commit(struct storage *storage, const struct change_list *changes);

/*
 * What is committed is in a log beside the database and goes into the database later, which costs
 * two more waits for the disk. SQLite would do that within the COMMIT that makes the log a thousand
 * pages long, and whoever waits for that one waits longer. After this it is for the caller to do,
 * with storage_checkpoint() on another storage and thread, which keeps no commit waiting; beyond
 * STORAGE_LOG_PAGES_MAX a commit does it itself.
 */
#define STORAGE_LOG_PAGES     1000 /* worth a checkpoint */
#define STORAGE_LOG_PAGES_MAX 8192 /* 32 MiB */
void storage_defer_checkpoints(struct storage *storage);
/* How long the log was at the end of the last commit. */
int storage_log_pages(const struct storage *storage);
/* As far as it goes without waiting for anybody. Blocks on the disk. */
int storage_checkpoint(struct storage *storage);

/* The callbacks borrow what they get; a negative result stops the walk and is returned. */
typedef int (*storage_record_callback)(void *userdata, const struct stored_record *record);
typedef int (*storage_llq_callback)(void *userdata, const struct stored_llq *llq);
typedef int (*storage_removal_callback)(void *userdata, const struct stored_removal *removal);
int storage_walk_records(struct storage *storage, int64_t account, storage_record_callback callback,
			 void *userdata);
int storage_walk_llqs(struct storage *storage, int64_t account, storage_llq_callback callback,
		      void *userdata);
/* The oldest first. */
typedef int (*storage_journal_callback)(void *userdata, const struct stored_journal *entry);
int storage_walk_journal(struct storage *storage, int64_t account,
			 storage_journal_callback callback, void *userdata);
int storage_walk_removals(struct storage *storage, int64_t account,
			  storage_removal_callback callback, void *userdata);
/* The highest id that any record has or had. */
int storage_last_record_id(struct storage *storage, int64_t *ret);

DEFINE_CLEANUP(struct storage *, storage_free)
