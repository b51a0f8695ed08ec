/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/storage-schema.h"

#include "common/base/cleanup.h"

#include <stdio.h>

/* What makes version i + 1 out of version i. */
static const char *const steps[] = {
	/* 1: accounts, their records and long-lived queries. */
	"CREATE TABLE accounts ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, domain TEXT NOT NULL UNIQUE,"
	" key BLOB NOT NULL, created INTEGER NOT NULL) STRICT;"
	"CREATE TABLE records ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" account INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,"
	" owner BLOB NOT NULL, type INTEGER NOT NULL, ttl INTEGER NOT NULL, data BLOB NOT NULL,"
	" expires INTEGER NOT NULL, writer TEXT) STRICT;"
	"CREATE INDEX records_by_account ON records(account);"
	"CREATE TABLE llqs ("
	" id INTEGER PRIMARY KEY,"
	" account INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,"
	" name BLOB NOT NULL, type INTEGER NOT NULL, key_name TEXT NOT NULL,"
	" remote BLOB NOT NULL, local BLOB NOT NULL, lease INTEGER NOT NULL,"
	" expires INTEGER NOT NULL, n_events INTEGER NOT NULL, known BLOB NOT NULL, offered BLOB"
	") STRICT;"
	"CREATE INDEX llqs_by_account ON llqs(account);"
	"CREATE TABLE generation (accounts INTEGER NOT NULL) STRICT;"
	"INSERT INTO generation VALUES (1);"
	"CREATE TRIGGER account_added AFTER INSERT ON accounts"
	" BEGIN UPDATE generation SET accounts = accounts + 1; END;"
	"CREATE TRIGGER account_removed AFTER DELETE ON accounts"
	" BEGIN UPDATE generation SET accounts = accounts + 1; END;",

	/* 2: accounts may be disabled, and may be allowed keys of HMAC-MD5. */
	"ALTER TABLE accounts ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE accounts ADD COLUMN allow_md5 INTEGER NOT NULL DEFAULT 0;"
	"CREATE TRIGGER account_changed AFTER UPDATE ON accounts"
	" BEGIN UPDATE generation SET accounts = accounts + 1; END;",

	/* 3: what changed in the accounts' zones, for secondaries. */
	"CREATE TABLE journal ("
	" id INTEGER PRIMARY KEY,"
	" account INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,"
	" serial_from INTEGER NOT NULL, serial_to INTEGER NOT NULL,"
	" removed BLOB NOT NULL, added BLOB NOT NULL, UNIQUE (account, serial_to)) STRICT;",

	/* 4: events of long-lived queries are not written down any more. Clients of those there
	 * were set them up anew when they are refused the next refresh. */
	"DROP TABLE llqs;"
	"CREATE TABLE llqs ("
	" id INTEGER PRIMARY KEY,"
	" account INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,"
	" name BLOB NOT NULL, type INTEGER NOT NULL, key_name TEXT NOT NULL,"
	" remote BLOB NOT NULL, local BLOB NOT NULL, lease INTEGER NOT NULL,"
	" expires INTEGER NOT NULL, serial INTEGER NOT NULL) STRICT;"
	"CREATE INDEX llqs_by_account ON llqs(account);"
	"CREATE TABLE llq_removals ("
	" account INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,"
	" serial INTEGER NOT NULL, date INTEGER NOT NULL,"
	" owner BLOB NOT NULL, type INTEGER NOT NULL, data BLOB NOT NULL) STRICT;"
	"CREATE INDEX llq_removals_by_account ON llq_removals(account);"
	"CREATE INDEX llq_removals_by_date ON llq_removals(date);",

	/* 5: which accounts were touched lately, so that zoned need not look at all of them; and
	 * the mark of a disabled account that its records are to go. */
	"ALTER TABLE accounts ADD COLUMN purged INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE account_log (generation INTEGER PRIMARY KEY, account INTEGER NOT NULL) "
	"STRICT;"
	"CREATE TRIGGER generation_changed AFTER UPDATE ON generation BEGIN"
	" DELETE FROM account_log WHERE generation <= NEW.accounts - 10000; END;"
	"DROP TRIGGER account_added;"
	"DROP TRIGGER account_changed;"
	"DROP TRIGGER account_removed;"
	"CREATE TRIGGER account_added AFTER INSERT ON accounts BEGIN"
	" UPDATE generation SET accounts = accounts + 1;"
	" INSERT INTO account_log SELECT accounts, NEW.id FROM generation; END;"
	"CREATE TRIGGER account_changed AFTER UPDATE ON accounts BEGIN"
	" UPDATE generation SET accounts = accounts + 1;"
	" INSERT INTO account_log SELECT accounts, NEW.id FROM generation; END;"
	"CREATE TRIGGER account_removed AFTER DELETE ON accounts BEGIN"
	" UPDATE generation SET accounts = accounts + 1;"
	" INSERT INTO account_log SELECT accounts, OLD.id FROM generation; END;",

	/* 6: the algorithm by which events are signed, as its client signs: 1 is HMAC-SHA256. */
	"ALTER TABLE llqs ADD COLUMN algorithm INTEGER NOT NULL DEFAULT 1;",
};

int storage_schema_version(void)
{
	return ARRAY_SIZE(steps);
}

static int read_version(sqlite3 *database, int *ret)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(database, "PRAGMA user_version", -1, &statement, NULL);

	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result == SQLITE_ROW)
		*ret = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return result == SQLITE_ROW ? 0 : -EIO;
}

static int execute(sqlite3 *database, const char *text)
{
	return sqlite3_exec(database, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : -EIO;
}

/* Inside a transaction: the other process may have made the step while this one waited for it. */
static int make_step(sqlite3 *database, int target)
{
	char count[64];
	int version;
	int r = read_version(database, &version);

	if (r < 0 || version >= target)
		return r;
	snprintf(count, sizeof count, "PRAGMA user_version = %d", version + 1);
	r = execute(database, steps[version]);
	return r < 0 ? r : execute(database, count);
}

int storage_schema_upgrade(sqlite3 *database, int target)
{
	for (;;) {
		int version;
		int r = read_version(database, &version);

		if (r < 0 || version == target)
			return r;
		if (version < 0 || version > target)
			return -EPROTONOSUPPORT;
		r = execute(database, "BEGIN IMMEDIATE");
		if (r >= 0)
			r = make_step(database, target);
		if (r >= 0)
			r = execute(database, "COMMIT");
		if (r < 0)
			return r;
	}
}
