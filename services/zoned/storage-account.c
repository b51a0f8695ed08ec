/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/storage-account.h"

#include "services/zoned/storage-internal.h"

#define COLUMNS "id, domain, key, created, disabled, purged, allow_md5"

/* Accounts are read and written rarely: these statements live as long as one call. NULL when SQLite
 * does not take it. */
static sqlite3_stmt *prepare(struct storage *storage, const char *text)
{
	sqlite3_stmt *statement = NULL;

	sqlite3_prepare_v2(storage_database(storage), text, -1, &statement, NULL);
	return statement;
}

static int step(sqlite3_stmt *statement)
{
	return statement ? sqlite3_step(statement) : SQLITE_ERROR;
}

static struct stored_account read_row(sqlite3_stmt *statement)
{
	return (struct stored_account){
		.id = sqlite3_column_int64(statement, 0),
		.domain = (const char *)sqlite3_column_text(statement, 1),
		.key = sqlite3_column_blob(statement, 2),
		.key_size = sqlite3_column_bytes(statement, 2),
		.created = sqlite3_column_int64(statement, 3),
		.is_disabled = sqlite3_column_int(statement, 4),
		.is_purged = sqlite3_column_int(statement, 5),
		.allows_md5 = sqlite3_column_int(statement, 6),
	};
}

/* Each row to the callback; finalizes the statement. How many there were, or a negative errno. */
static int walk(sqlite3_stmt *statement, storage_account_callback callback, void *userdata)
{
	int result = SQLITE_ERROR, r = 0, n = 0;

	while (r >= 0 && (result = step(statement)) == SQLITE_ROW) {
		struct stored_account account = read_row(statement);

		r = callback(userdata, &account);
		n++;
	}
	sqlite3_finalize(statement);
	if (r >= 0)
		r = storage_to_errno(result);
	return r < 0 ? r : n;
}

int storage_walk_accounts(struct storage *storage, storage_account_callback callback,
			  void *userdata)
{
	int r = walk(prepare(storage, "SELECT " COLUMNS " FROM accounts ORDER BY domain"), callback,
		     userdata);

	return r < 0 ? r : 0;
}

int storage_find_account(struct storage *storage, const char *domain,
			 storage_account_callback callback, void *userdata)
{
	sqlite3_stmt *statement =
		prepare(storage, "SELECT " COLUMNS " FROM accounts WHERE domain = ?1");
	int r;

	sqlite3_bind_text(statement, 1, domain, -1, SQLITE_STATIC);
	r = walk(statement, callback, userdata);
	return r < 0 ? r : r == 0 ? -ENOENT : 0;
}

struct change_walk {
	storage_account_change_callback callback;
	void *userdata;
	int64_t generation;
};

static int report_change(void *userdata, const struct stored_account *account)
{
	struct change_walk *change = userdata;

	return change->callback(change->userdata, change->generation, account->id, account);
}

/* What an entry of the log is about: as it is now, which may be later than the entry. */
static int walk_change(struct storage *storage, struct change_walk *change, int64_t id)
{
	sqlite3_stmt *statement =
		prepare(storage, "SELECT " COLUMNS " FROM accounts WHERE id = ?1");
	int r;

	sqlite3_bind_int64(statement, 1, id);
	r = walk(statement, report_change, change);
	return r == 0 ? change->callback(change->userdata, change->generation, id, NULL) : r;
}

int storage_walk_account_changes(struct storage *storage, int64_t since,
				 storage_account_change_callback callback, void *userdata)
{
	sqlite3_stmt *statement = prepare(storage, "SELECT generation, account FROM account_log"
						   " WHERE generation > ?1 ORDER BY generation");
	struct change_walk change = { callback, userdata, since };
	int result = SQLITE_ERROR, r = 0;

	sqlite3_bind_int64(statement, 1, since);
	while (r >= 0 && (result = step(statement)) == SQLITE_ROW) {
		int64_t generation = sqlite3_column_int64(statement, 0);

		if (generation != change.generation + 1) {
			r = -ESTALE;
			break;
		}
		change.generation = generation;
		r = walk_change(storage, &change, sqlite3_column_int64(statement, 1));
	}
	sqlite3_finalize(statement);
	if (r < 0)
		return r;
	/* Entries of an earlier version of the program are not in the log. */
	return change.generation == since && result == SQLITE_DONE ? -ESTALE
								   : storage_to_errno(result);
}

int storage_begin(struct storage *storage)
{
	return storage_to_errno(
		sqlite3_exec(storage_database(storage), "BEGIN IMMEDIATE", NULL, NULL, NULL));
}

int storage_end(struct storage *storage, bool commit)
{
	sqlite3 *database = storage_database(storage);
	int result = SQLITE_OK;

	if (commit)
		result = sqlite3_exec(database, "COMMIT", NULL, NULL, NULL);
	if (!commit || result != SQLITE_OK)
		sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);
	return storage_to_errno(result);
}

int storage_add_account(struct storage *storage, const struct stored_account *account)
{
	sqlite3_stmt *statement = prepare(
		storage, "INSERT INTO accounts(domain, key, created, disabled, purged, allow_md5)"
			 " VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
	int result;

	sqlite3_bind_text(statement, 1, account->domain, -1, SQLITE_STATIC);
	sqlite3_bind_blob(statement, 2, account->key, account->key_size, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 3, account->created);
	sqlite3_bind_int(statement, 4, account->is_disabled);
	sqlite3_bind_int(statement, 5, account->is_purged);
	sqlite3_bind_int(statement, 6, account->allows_md5);
	result = step(statement);
	sqlite3_finalize(statement);
	return storage_to_errno(result);
}

/* Runs and finalizes a statement about one account, whose domain is its parameter 1. */
static int change_account(struct storage *storage, sqlite3_stmt *statement, const char *domain)
{
	int result;

	sqlite3_bind_text(statement, 1, domain, -1, SQLITE_STATIC);
	result = step(statement);
	sqlite3_finalize(statement);
	if (storage_to_errno(result) < 0)
		return storage_to_errno(result);
	return sqlite3_changes(storage_database(storage)) ? 0 : -ENOENT;
}

int storage_remove_account(struct storage *storage, const char *domain)
{
	return change_account(storage, prepare(storage, "DELETE FROM accounts WHERE domain = ?1"),
			      domain);
}

/* The change, and the end of the account's queries: both or none. Finalizes the statement. */
static int change_and_end_queries(struct storage *storage, sqlite3_stmt *statement,
				  const char *domain)
{
	int r = storage_begin(storage);

	if (r < 0) {
		sqlite3_finalize(statement);
		return r;
	}
	r = change_account(storage, statement, domain);
	if (r >= 0) {
		r = change_account(storage,
				   prepare(storage, "DELETE FROM llqs WHERE account ="
						    " (SELECT id FROM accounts WHERE domain = ?1)"),
				   domain);
		/* It had none. */
		if (r == -ENOENT)
			r = 0;
	}
	if (r < 0) {
		storage_end(storage, false);
		return r;
	}
	return storage_end(storage, true);
}

int storage_set_account_key(struct storage *storage, const char *domain, const struct secret *key)
{
	sqlite3_stmt *statement =
		prepare(storage, "UPDATE accounts SET key = ?2 WHERE domain = ?1");

	sqlite3_bind_blob(statement, 2, key->data, key->size, SQLITE_STATIC);
	return change_and_end_queries(storage, statement, domain);
}

int storage_set_account_disabled(struct storage *storage, const char *domain, bool disabled,
				 bool purge)
{
	sqlite3_stmt *statement = prepare(storage, "UPDATE accounts SET disabled = ?2, purged = ?3"
						   " WHERE domain = ?1");

	sqlite3_bind_int(statement, 2, disabled);
	sqlite3_bind_int(statement, 3, disabled && purge);
	return disabled ? change_and_end_queries(storage, statement, domain)
			: change_account(storage, statement, domain);
}

int storage_set_account_md5(struct storage *storage, const char *domain, bool allowed)
{
	sqlite3_stmt *statement =
		prepare(storage, "UPDATE accounts SET allow_md5 = ?2 WHERE domain = ?1");

	sqlite3_bind_int(statement, 2, allowed);
	return change_account(storage, statement, domain);
}

static int take_key(void *userdata, const struct stored_account *account)
{
	return secret_new_copy(account->key, account->key_size, userdata);
}

int storage_read_account_key(struct storage *storage, const char *domain, struct secret **ret)
{
	return storage_find_account(storage, domain, take_key, ret);
}
