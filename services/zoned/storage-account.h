/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The accounts in the database: written by zonectl, read by zoned, which notices each change. */
#include "services/zoned/storage.h"

#include <stdbool.h>

struct stored_account {
	int64_t id;
	const char *domain; /* in lower case */
	const uint8_t *key; /* its TSIG key */
	size_t key_size;
	int64_t created; /* seconds since 1970 */
	bool is_disabled;
	bool is_purged;  /* with is_disabled: its records do not wait for their leases to end */
	bool allows_md5; /* HMAC-MD5 and HMAC-SHA1 */
};

/* The callbacks borrow what they get; a negative result stops the walk and is returned. */
typedef int (*storage_account_callback)(void *userdata, const struct stored_account *account);
int storage_walk_accounts(struct storage *storage, storage_account_callback callback,
			  void *userdata);
/* Calls back once; -ENOENT when there is no such account. */
int storage_find_account(struct storage *storage, const char *domain,
			 storage_account_callback callback, void *userdata);

/* A number that grows whenever an account is added, changed or removed. Cheap: a page of memory as
 * long as nobody else wrote. */
int storage_accounts_generation(struct storage *storage, int64_t *ret);
/* Calls back for each account touched after that generation, the earliest first; `account` is NULL
 * when it is gone. -ESTALE when that is too long ago to be known: walk through all of them. */
typedef int (*storage_account_change_callback)(void *userdata, int64_t generation, int64_t id,
					       const struct stored_account *account);
int storage_walk_account_changes(struct storage *storage, int64_t since,
				 storage_account_change_callback callback, void *userdata);

/* For several of the following in one transaction. */
int storage_begin(struct storage *storage);
int storage_end(struct storage *storage, bool commit);

/* `id` is chosen here. -EEXIST, or another negative errno. */
int storage_add_account(struct storage *storage, const struct stored_account *account);
/* These return -ENOENT when there is no such account. Its records and queries go with it: */
int storage_remove_account(struct storage *storage, const char *domain);
/* Its queries end, since their clients cannot check what a new key signs: */
int storage_set_account_key(struct storage *storage, const char *domain, const struct secret *key);
/* Its queries end when it is disabled: */
int storage_set_account_disabled(struct storage *storage, const char *domain, bool disabled,
				 bool purge);
int storage_set_account_md5(struct storage *storage, const char *domain, bool allowed);
/* The account's key. */
int storage_read_account_key(struct storage *storage, const char *domain, struct secret **ret);
