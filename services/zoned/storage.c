/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/storage.h"

#include "services/zoned/storage-account.h"
#include "services/zoned/storage-internal.h"
#include "services/zoned/storage-schema.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/stat.h>

/* How long a writer waits for the other process's transaction. */
#define BUSY_MSEC 5000

enum statement {
	STATEMENT_PUT_RECORD,
	STATEMENT_DELETE_RECORD,
	STATEMENT_PUT_LLQ,
	STATEMENT_REFRESH_LLQ,
	STATEMENT_DELETE_LLQ,
	STATEMENT_PUT_JOURNAL,
	STATEMENT_DELETE_JOURNAL,
	STATEMENT_CLEAR_JOURNAL,
	STATEMENT_WALK_JOURNAL,
	STATEMENT_PUT_REMOVAL,
	STATEMENT_FORGET_REMOVALS,
	STATEMENT_TRIM_REMOVALS,
	STATEMENT_MOVE_RECORDS,
	STATEMENT_MOVE_LLQS,
	STATEMENT_MOVE_REMOVALS,
	STATEMENT_WALK_RECORDS,
	STATEMENT_WALK_LLQS,
	STATEMENT_WALK_REMOVALS,
	STATEMENT_LAST_RECORD,
	STATEMENT_GENERATION,
	N_STATEMENTS,
};

/* A record or query of an account that was removed meanwhile is not inserted: its batch must not
 * fail for the others in it. */
static const char *const statement_texts[N_STATEMENTS] = {
	[STATEMENT_PUT_RECORD] = "INSERT OR REPLACE INTO records(id, account, owner, type, ttl, "
				 "data, expires, writer)"
				 " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE EXISTS (SELECT 1 "
				 "FROM accounts WHERE id = ?2)",
	[STATEMENT_DELETE_RECORD] = "DELETE FROM records WHERE id = ?1",
	[STATEMENT_PUT_LLQ] = "INSERT OR REPLACE INTO llqs(id, account, name, type, key_name, "
			      "remote, local, lease, expires, serial, algorithm)"
			      " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11"
			      " WHERE EXISTS (SELECT 1 FROM accounts WHERE id = ?2)",
	[STATEMENT_REFRESH_LLQ] = "UPDATE llqs SET lease = ?2, expires = ?3, serial = ?4"
				  " WHERE id = ?1",
	[STATEMENT_DELETE_LLQ] = "DELETE FROM llqs WHERE id = ?1",
	[STATEMENT_PUT_JOURNAL] = "INSERT OR REPLACE INTO journal(account, serial_from, serial_to,"
				  " removed, added)"
				  " SELECT ?1, ?2, ?3, ?4, ?5"
				  " WHERE EXISTS (SELECT 1 FROM accounts WHERE id = ?1)",
	[STATEMENT_DELETE_JOURNAL] = "DELETE FROM journal WHERE account = ?1 AND serial_to = ?2",
	[STATEMENT_CLEAR_JOURNAL] = "DELETE FROM journal WHERE account = ?1",
	[STATEMENT_WALK_JOURNAL] = "SELECT serial_from, serial_to, removed, added FROM journal"
				   " WHERE account = ?1 ORDER BY id",
	[STATEMENT_PUT_REMOVAL] =
		"INSERT INTO llq_removals(account, serial, date, owner, type, data)"
		" SELECT ?1, ?2, ?3, ?4, ?5, ?6"
		" WHERE EXISTS (SELECT 1 FROM accounts WHERE id = ?1)",
	[STATEMENT_FORGET_REMOVALS] = "DELETE FROM llq_removals WHERE date < ?1",
	/* Serials go round (RFC 1982). */
	[STATEMENT_TRIM_REMOVALS] = "DELETE FROM llq_removals WHERE account = ?1"
				    " AND ((?2 - serial) & 4294967295) < 2147483648",
	[STATEMENT_MOVE_RECORDS] = "UPDATE records SET expires = expires + ?1 WHERE expires <> 0",
	[STATEMENT_MOVE_LLQS] = "UPDATE llqs SET expires = expires + ?1",
	[STATEMENT_MOVE_REMOVALS] = "UPDATE llq_removals SET date = date + ?1",
	[STATEMENT_WALK_RECORDS] = "SELECT id, owner, type, ttl, data, expires, writer FROM "
				   "records WHERE account = ?1",
	[STATEMENT_WALK_LLQS] = "SELECT id, name, type, key_name, remote, local, lease, expires, "
				"serial, algorithm FROM llqs WHERE account = ?1",
	[STATEMENT_WALK_REMOVALS] = "SELECT serial, date, owner, type, data FROM llq_removals"
				    " WHERE account = ?1",
	[STATEMENT_LAST_RECORD] = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence"
				  " WHERE name = 'records'",
	[STATEMENT_GENERATION] = "SELECT accounts FROM generation",
};

struct storage {
	sqlite3 *database;
	sqlite3_stmt *statements[N_STATEMENTS];
	int log_pages;
	char *complaint; /* of the last commit that failed; NULL: SQLite's own last word */
};

int storage_to_errno(int result)
{
	switch (result & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CANTOPEN:
		return -ENOENT;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return -EACCES;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	default:
		return -EIO;
	}
}

sqlite3 *storage_database(struct storage *storage)
{
	return storage->database;
}

/* The prepared statement, ready to be bound. */
static sqlite3_stmt *get_statement(struct storage *storage, enum statement which)
{
	sqlite3_stmt **statement = &storage->statements[which];

	if (!*statement)
		sqlite3_prepare_v3(storage->database, statement_texts[which], -1,
				   SQLITE_PREPARE_PERSISTENT, statement, NULL);
	else
		sqlite3_reset(*statement);
	return *statement;
}

/* Runs a bound statement that gives no rows. */
static int run(sqlite3_stmt *statement)
{
	int result = sqlite3_step(statement);

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return storage_to_errno(result);
}

static void bind_octets(sqlite3_stmt *statement, int position, const struct octets *octets)
{
	sqlite3_bind_blob(statement, position, octets->data ?: (const void *)"", octets->size,
			  SQLITE_STATIC);
}

static struct octets column_octets(sqlite3_stmt *statement, int position)
{
	return (struct octets){ (uint8_t *)sqlite3_column_blob(statement, position),
				sqlite3_column_bytes(statement, position) };
}

/* Made by us with mode 0600 before SQLite opens it; the files beside it get the same mode and
 * owner. When root makes it in zoned's folder it is zoned's. */
static int create_file(const char *path)
{
	cleanup(freep) char *copy = strdup(path);
	cleanup(close_fdp) int fd = -1;
	struct stat folder;

	if (!copy)
		return -ENOMEM;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	if (geteuid() == 0 && stat(dirname(copy), &folder) == 0 &&
	    fchown(fd, folder.st_uid, folder.st_gid) < 0)
		return -errno;
	return 0;
}

static int set_up(struct storage *storage)
{
	int result;

	sqlite3_busy_timeout(storage->database, BUSY_MSEC);
	result = sqlite3_exec(storage->database,
			      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			      "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;"
			      "PRAGMA trusted_schema = OFF;",
			      NULL, NULL, NULL);
	if (result == SQLITE_OK &&
	    storage_schema_upgrade(storage->database, storage_schema_version()) == -EPROTONOSUPPORT)
		return -EPROTONOSUPPORT;
	return storage_to_errno(sqlite3_errcode(storage->database));
}

static int complain(int error, const char *path, struct storage *storage, char **ret_message)
{
	const char *words =
		error == -EPROTONOSUPPORT
			? "it was made by a newer version of zoned; use that, or another "
			  "database"
		: storage && storage->database ? sqlite3_errmsg(storage->database)
					       : strerror(-error);

	if (asprintf(ret_message, "cannot open the database %s: %s", path, words) < 0)
		*ret_message = NULL;
	return error;
}

int storage_open(const char *path, enum storage_mode mode, struct storage **ret, char **ret_message)
{
	cleanup(storage_freep) struct storage *storage = calloc(1, sizeof *storage);
	int r = storage ? 0 : -ENOMEM;

	if (r >= 0 && mode == STORAGE_CREATE)
		r = create_file(path);
	if (r < 0)
		return complain(r, path, NULL, ret_message);
	r = storage_to_errno(sqlite3_open_v2(path, &storage->database,
					     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
	if (r >= 0)
		r = set_up(storage);
	if (r < 0)
		return complain(r, path, storage, ret_message);
	*ret = steal_ptr(storage);
	return 0;
}

struct storage *storage_free(struct storage *storage)
{
	if (!storage)
		return NULL;
	for (size_t i = 0; i < N_STATEMENTS; i++)
		sqlite3_finalize(storage->statements[i]);
	sqlite3_close(storage->database);
	free(storage->complaint);
	free(storage);
	return NULL;
}

void storage_set_patience(struct storage *storage, unsigned int msec)
{
	sqlite3_busy_timeout(storage->database, msec);
}

const char *storage_error(struct storage *storage)
{
	return storage->complaint ?: sqlite3_errmsg(storage->database);
}

static int put_record(struct storage *storage, int64_t account, const struct stored_record *record)
{
	sqlite3_stmt *statement = get_statement(storage, STATEMENT_PUT_RECORD);

	if (!statement)
		return -EIO;
	sqlite3_bind_int64(statement, 1, record->id);
	sqlite3_bind_int64(statement, 2, account);
	bind_octets(statement, 3, &record->owner);
	sqlite3_bind_int(statement, 4, record->type);
	sqlite3_bind_int64(statement, 5, record->ttl);
	bind_octets(statement, 6, &record->data);
	sqlite3_bind_int64(statement, 7, record->expires);
	sqlite3_bind_text(statement, 8, record->writer, -1, SQLITE_STATIC);
	return run(statement);
}

static int put_llq(struct storage *storage, int64_t account, const struct stored_llq *llq)
{
	sqlite3_stmt *statement = get_statement(storage, STATEMENT_PUT_LLQ);

	if (!statement)
		return -EIO;
	sqlite3_bind_int64(statement, 1, (int64_t)llq->id);
	sqlite3_bind_int64(statement, 2, account);
	bind_octets(statement, 3, &llq->name);
	sqlite3_bind_int(statement, 4, llq->type);
	sqlite3_bind_text(statement, 5, llq->key_name, -1, SQLITE_STATIC);
	sqlite3_bind_blob(statement, 6, &llq->remote, sizeof llq->remote, SQLITE_STATIC);
	sqlite3_bind_blob(statement, 7, &llq->local, sizeof llq->local, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 8, llq->lease);
	sqlite3_bind_int64(statement, 9, llq->expires);
	sqlite3_bind_int64(statement, 10, llq->serial);
	sqlite3_bind_int(statement, 11, llq->algorithm);
	return run(statement);
}

static int refresh_llq(struct storage *storage, const struct refreshed_llq *llq)
{
	sqlite3_stmt *statement = get_statement(storage, STATEMENT_REFRESH_LLQ);

	if (!statement)
		return -EIO;
	sqlite3_bind_int64(statement, 1, (int64_t)llq->id);
	sqlite3_bind_int64(statement, 2, llq->lease);
	sqlite3_bind_int64(statement, 3, llq->expires);
	sqlite3_bind_int64(statement, 4, llq->serial);
	return run(statement);
}

static int put_removal(struct storage *storage, int64_t account,
		       const struct stored_removal *removal)
{
	sqlite3_stmt *statement = get_statement(storage, STATEMENT_PUT_REMOVAL);

	if (!statement)
		return -EIO;
	sqlite3_bind_int64(statement, 1, account);
	sqlite3_bind_int64(statement, 2, removal->serial);
	sqlite3_bind_int64(statement, 3, removal->date);
	bind_octets(statement, 4, &removal->owner);
	sqlite3_bind_int(statement, 5, removal->type);
	bind_octets(statement, 6, &removal->data);
	return run(statement);
}

/* By id or by date. */
static int run_with_number(struct storage *storage, enum statement which, int64_t number)
{
	sqlite3_stmt *statement = get_statement(storage, which);

	if (!statement)
		return -EIO;
	sqlite3_bind_int64(statement, 1, number);
	return run(statement);
}

static int put_journal(struct storage *storage, int64_t account, const struct stored_journal *entry)
{
	sqlite3_stmt *statement = get_statement(storage, STATEMENT_PUT_JOURNAL);

	if (!statement)
		return -EIO;
	sqlite3_bind_int64(statement, 1, account);
	sqlite3_bind_int64(statement, 2, entry->from);
	sqlite3_bind_int64(statement, 3, entry->to);
	bind_octets(statement, 4, &entry->removed);
	bind_octets(statement, 5, &entry->added);
	return run(statement);
}

static int run_with_serial(struct storage *storage, enum statement which, int64_t account,
			   uint32_t serial)
{
	sqlite3_stmt *statement = get_statement(storage, which);

	if (!statement)
		return -EIO;
	sqlite3_bind_int64(statement, 1, account);
	sqlite3_bind_int64(statement, 2, serial);
	return run(statement);
}

static int move_dates(struct storage *storage, int64_t msec)
{
	int r = run_with_number(storage, STATEMENT_MOVE_RECORDS, msec);

	if (r >= 0)
		r = run_with_number(storage, STATEMENT_MOVE_LLQS, msec);
	return r < 0 ? r : run_with_number(storage, STATEMENT_MOVE_REMOVALS, msec);
}

static int write_change(struct storage *storage, const struct change *change)
{
	switch (change->kind) {
	case CHANGE_PUT_RECORD:
		return put_record(storage, change->account, &change->record);
	case CHANGE_DELETE_RECORD:
		return run_with_number(storage, STATEMENT_DELETE_RECORD, change->record_id);
	case CHANGE_PUT_LLQ:
		return put_llq(storage, change->account, &change->llq);
	case CHANGE_REFRESH_LLQ:
		return refresh_llq(storage, &change->refreshed_llq);
	case CHANGE_PUT_REMOVAL:
		return put_removal(storage, change->account, &change->removal);
	case CHANGE_FORGET_REMOVALS:
		return run_with_number(storage, STATEMENT_FORGET_REMOVALS, change->before);
	case CHANGE_MOVE_DATES:
		return move_dates(storage, change->msec);
	case CHANGE_DELETE_LLQ:
		return run_with_number(storage, STATEMENT_DELETE_LLQ, (int64_t)change->llq_id);
	case CHANGE_PUT_JOURNAL:
		return put_journal(storage, change->account, &change->journal);
	case CHANGE_DELETE_JOURNAL:
		return run_with_serial(storage, STATEMENT_DELETE_JOURNAL, change->account,
				       change->serial);
	case CHANGE_TRIM_REMOVALS:
		return run_with_serial(storage, STATEMENT_TRIM_REMOVALS, change->account,
				       change->serial);
	case CHANGE_CLEAR_JOURNAL:
		return run_with_number(storage, STATEMENT_CLEAR_JOURNAL, change->account);
	}
	return -EINVAL;
}

static int execute(struct storage *storage, const char *text)
{
	return storage_to_errno(sqlite3_exec(storage->database, text, NULL, NULL, NULL));
}

static int write_changes(struct storage *storage, const struct change_list *changes)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < changes->n; i++)
		r = write_change(storage, &changes->items[i]);
	return r < 0 ? r : execute(storage, "COMMIT");
}

int storage_commit(struct storage *storage, const struct change_list *changes)
{
	int r = execute(storage, "BEGIN IMMEDIATE");

	if (r >= 0)
		r = write_changes(storage, changes);
	free(storage->complaint);
	storage->complaint = NULL;
	if (r >= 0)
		return r;
	/* What failed, not what became of undoing it. */
	storage->complaint = strdup(sqlite3_errmsg(storage->database));
	if (!sqlite3_get_autocommit(storage->database))
		execute(storage, "ROLLBACK");
	return r;
}

/* The log --------------------------------------------------------------------------------------
 */

static int on_logged(void *userdata, sqlite3 *database, const char *name, int n_pages)
{
	struct storage *storage = userdata;

	storage->log_pages = n_pages;
	/* What is committed is so, whatever comes of this. */
	if (n_pages >= STORAGE_LOG_PAGES_MAX)
		(void)storage_checkpoint(storage);
	return SQLITE_OK;
}

void storage_defer_checkpoints(struct storage *storage)
{
	sqlite3_wal_hook(storage->database, on_logged, storage);
}

int storage_log_pages(const struct storage *storage)
{
	return storage->log_pages;
}

int storage_checkpoint(struct storage *storage)
{
	return storage_to_errno(sqlite3_wal_checkpoint_v2(storage->database, NULL,
							  SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));
}

int storage_walk_records(struct storage *storage, int64_t account, storage_record_callback callback,
			 void *userdata)
{
	sqlite3_stmt *statement = get_statement(storage, STATEMENT_WALK_RECORDS);
	int result = SQLITE_ERROR, r = 0;

	sqlite3_bind_int64(statement, 1, account);
	while (r >= 0 && statement && (result = sqlite3_step(statement)) == SQLITE_ROW) {
		struct stored_record record = {
			.id = sqlite3_column_int64(statement, 0),
			.owner = column_octets(statement, 1),
			.type = sqlite3_column_int(statement, 2),
			.ttl = sqlite3_column_int64(statement, 3),
			.data = column_octets(statement, 4),
			.expires = sqlite3_column_int64(statement, 5),
			.writer = (char *)sqlite3_column_text(statement, 6),
		};

		r = callback(userdata, &record);
	}
	sqlite3_reset(statement);
	return r < 0 ? r : storage_to_errno(result);
}

static bool column_endpoint(sqlite3_stmt *statement, int position, struct endpoint *ret)
{
	struct octets octets = column_octets(statement, position);

	if (octets.size != sizeof *ret)
		return false;
	memcpy(ret, octets.data, sizeof *ret);
	return true;
}

int storage_walk_llqs(struct storage *storage, int64_t account, storage_llq_callback callback,
		      void *userdata)
{
	sqlite3_stmt *statement = get_statement(storage, STATEMENT_WALK_LLQS);
	int result = SQLITE_ERROR, r = 0;

	sqlite3_bind_int64(statement, 1, account);
	while (r >= 0 && statement && (result = sqlite3_step(statement)) == SQLITE_ROW) {
		struct stored_llq llq = {
			.id = (uint64_t)sqlite3_column_int64(statement, 0),
			.name = column_octets(statement, 1),
			.type = sqlite3_column_int(statement, 2),
			.key_name = (char *)sqlite3_column_text(statement, 3),
			.lease = sqlite3_column_int64(statement, 6),
			.expires = sqlite3_column_int64(statement, 7),
			.serial = sqlite3_column_int64(statement, 8),
			.algorithm = sqlite3_column_int(statement, 9),
		};

		if (column_endpoint(statement, 4, &llq.remote) &&
		    column_endpoint(statement, 5, &llq.local))
			r = callback(userdata, &llq);
	}
	sqlite3_reset(statement);
	return r < 0 ? r : storage_to_errno(result);
}

int storage_walk_journal(struct storage *storage, int64_t account,
			 storage_journal_callback callback, void *userdata)
{
	sqlite3_stmt *statement = get_statement(storage, STATEMENT_WALK_JOURNAL);
	int result = SQLITE_ERROR, r = 0;

	sqlite3_bind_int64(statement, 1, account);
	while (r >= 0 && statement && (result = sqlite3_step(statement)) == SQLITE_ROW) {
		struct stored_journal entry = {
			.from = sqlite3_column_int64(statement, 0),
			.to = sqlite3_column_int64(statement, 1),
			.removed = column_octets(statement, 2),
			.added = column_octets(statement, 3),
		};

		r = callback(userdata, &entry);
	}
	sqlite3_reset(statement);
	return r < 0 ? r : storage_to_errno(result);
}

int storage_walk_removals(struct storage *storage, int64_t account,
			  storage_removal_callback callback, void *userdata)
{
	sqlite3_stmt *statement = get_statement(storage, STATEMENT_WALK_REMOVALS);
	int result = SQLITE_ERROR, r = 0;

	sqlite3_bind_int64(statement, 1, account);
	while (r >= 0 && statement && (result = sqlite3_step(statement)) == SQLITE_ROW) {
		struct stored_removal removal = {
			.serial = sqlite3_column_int64(statement, 0),
			.date = sqlite3_column_int64(statement, 1),
			.owner = column_octets(statement, 2),
			.type = sqlite3_column_int(statement, 3),
			.data = column_octets(statement, 4),
		};

		r = callback(userdata, &removal);
	}
	sqlite3_reset(statement);
	return r < 0 ? r : storage_to_errno(result);
}

static int read_number(struct storage *storage, enum statement which, int64_t *ret)
{
	sqlite3_stmt *statement = get_statement(storage, which);
	int result = statement ? sqlite3_step(statement) : SQLITE_ERROR;

	if (result == SQLITE_ROW)
		*ret = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return result == SQLITE_ROW ? 0 : storage_to_errno(result) ?: -ENODATA;
}

int storage_last_record_id(struct storage *storage, int64_t *ret)
{
	return read_number(storage, STATEMENT_LAST_RECORD, ret);
}

int storage_accounts_generation(struct storage *storage, int64_t *ret)
{
	return read_number(storage, STATEMENT_GENERATION, ret);
}
