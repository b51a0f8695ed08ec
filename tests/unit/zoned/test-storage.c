/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/zoned/unit.h"

#include "services/zoned/storage-account.h"
#include "services/zoned/storage-schema.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

struct place {
	char folder[64];
	char path[96];
	struct storage *storage;
};

static int open_storage(struct place *place, enum storage_mode mode)
{
	cleanup(freep) char *message = NULL;
	int r = storage_open(place->path, mode, &place->storage, &message);

	assert_int_equal(r < 0, message != NULL);
	return r;
}

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof *place);

	strcpy(place->folder, "/tmp/homeward-storage-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	snprintf(place->path, sizeof place->path, "%s/zone.db", place->folder);
	*state = place;
	return open_storage(place, STORAGE_CREATE);
}

static void remove_files(const char *database)
{
	static const char *const endings[] = { "", "-wal", "-shm" };

	for (size_t i = 0; i < 3; i++) {
		char path[128];

		snprintf(path, sizeof path, "%s%s", database, endings[i]);
		unlink(path);
	}
}

static int teardown(void **state)
{
	struct place *place = *state;

	storage_free(place->storage);
	remove_files(place->path);
	rmdir(place->folder);
	free(place);
	return 0;
}

static const struct stored_account sample = {
	.domain = "alice.z",
	.key = (const uint8_t *)"0123456789abcdef0123456789abcdef",
	.key_size = 32,
	.created = 1700000000,
};

static void add_account(struct storage *storage, const char *domain)
{
	struct stored_account account = sample;

	account.domain = domain;
	assert_int_equal(storage_add_account(storage, &account), 0);
}

struct found {
	int n;
	int64_t account;
	bool is_disabled, is_purged, allows_md5;
	struct stored_record record;
	struct stored_llq llq;
	struct stored_removal removal;
};

static int find_account(void *userdata, const struct stored_account *account)
{
	struct found *found = userdata;

	assert_int_equal(account->key_size, 32);
	assert_int_equal(account->created, 1700000000);
	found->account = account->id;
	found->is_disabled = account->is_disabled;
	found->is_purged = account->is_purged;
	found->allows_md5 = account->allows_md5;
	found->n++;
	return 0;
}

static int find_record(void *userdata, const struct stored_record *record)
{
	struct found *found = userdata;

	found->record = *record;
	assert_memory_equal(record->owner.data, "\001a\001z", 5);
	assert_memory_equal(record->data.data, "\xc0\0\x02\x01", 4);
	assert_string_equal(record->writer ?: "nobody", record->id == 2 ? "nobody" : "key");
	found->n++;
	return 0;
}

static int find_llq(void *userdata, const struct stored_llq *llq)
{
	struct found *found = userdata;

	found->llq = *llq;
	assert_memory_equal(llq->name.data, "\001a\001z", 5);
	assert_string_equal(llq->key_name, "key");
	found->n++;
	return 0;
}

static sqlite3 *open_raw(const char *path)
{
	sqlite3 *database;

	assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
	return database;
}

static void append_record(struct change_list *list, int64_t account, int64_t id, int64_t expires,
			  const char *writer)
{
	struct change change = { .kind = CHANGE_PUT_RECORD, .account = account };

	change.record.id = id;
	change.record.type = 1;
	change.record.ttl = 0xFFFFFFFF;
	change.record.expires = expires;
	change.record.writer = writer ? strdup(writer) : NULL;
	octets_copy("\001a\001z", 5, &change.record.owner);
	octets_copy("\xc0\0\x02\x01", 4, &change.record.data);
	assert_int_equal(change_list_append(list, &change), 0);
}

static void append_llq(struct change_list *list, int64_t account, uint64_t id, uint32_t serial)
{
	struct change change = { .kind = CHANGE_PUT_LLQ, .account = account };

	change.llq.id = id;
	change.llq.type = 12;
	change.llq.key_name = strdup("key");
	change.llq.remote = (struct endpoint){ { 192, 0, 2, 1 }, 4000, 4 };
	change.llq.local = (struct endpoint){ { 0x20, 1 }, 53, 6 };
	change.llq.algorithm = 3;
	change.llq.lease = 5400;
	change.llq.expires = 1700000000123;
	change.llq.serial = serial;
	octets_copy("\001a\001z", 5, &change.llq.name);
	assert_int_equal(change_list_append(list, &change), 0);
}

static void reopen(struct place *place)
{
	place->storage = storage_free(place->storage);
	assert_int_equal(open_storage(place, STORAGE_EXISTING), 0);
}

static void file_is_private(void **state)
{
	struct place *place = *state;
	struct stat status;

	assert_int_equal(stat(place->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void accounts(void **state)
{
	struct place *place = *state;
	cleanup(secret_freep) struct secret *key = NULL;
	struct found found = {};
	int64_t first, second;

	storage_accounts_generation(place->storage, &first);
	add_account(place->storage, "alice.z");
	storage_accounts_generation(place->storage, &second);
	assert_int_not_equal(first, second);
	assert_int_equal(storage_read_account_key(place->storage, "alice.z", &key), 0);
	assert_int_equal(key->size, 32);
	assert_int_equal(storage_add_account(place->storage, &sample), -EEXIST);
	assert_int_equal(storage_read_account_key(place->storage, "bob.z", &key), -ENOENT);
	reopen(place);
	assert_int_equal(storage_walk_accounts(place->storage, find_account, &found), 0);
	assert_int_equal(found.n, 1);
	assert_int_equal(storage_remove_account(place->storage, "bob.z"), -ENOENT);
	assert_int_equal(storage_remove_account(place->storage, "alice.z"), 0);
	storage_accounts_generation(place->storage, &first);
	assert_int_not_equal(first, second);
}

static int n_queries(struct storage *storage, int64_t account)
{
	struct found found = {};

	assert_int_equal(storage_walk_llqs(storage, account, find_llq, &found), 0);
	return found.n;
}

static void account_changes(void **state)
{
	struct place *place = *state;
	cleanup(secret_freep) struct secret *key = NULL, *read = NULL;
	struct change_list changes = {};
	struct found found = {};

	add_account(place->storage, "alice.z");
	add_account(place->storage, "bob.z");
	append_llq(&changes, 1, 5, false);
	append_llq(&changes, 2, 6, false);
	assert_int_equal(storage_commit(place->storage, &changes), 0);

	assert_int_equal(storage_set_account_md5(place->storage, "alice.z", true), 0);
	assert_int_equal(storage_set_account_md5(place->storage, "carol.z", true), -ENOENT);
	assert_int_equal(n_queries(place->storage, 1), 1);
	assert_int_equal(storage_set_account_disabled(place->storage, "alice.z", true, true), 0);
	assert_int_equal(storage_set_account_disabled(place->storage, "carol.z", true, true),
			 -ENOENT);
	assert_int_equal(n_queries(place->storage, 1), 0);
	reopen(place);
	assert_int_equal(storage_find_account(place->storage, "alice.z", find_account, &found), 0);
	assert_true(found.is_disabled && found.is_purged && found.allows_md5);
	assert_int_equal(storage_find_account(place->storage, "carol.z", find_account, &found),
			 -ENOENT);
	assert_int_equal(storage_set_account_disabled(place->storage, "alice.z", false, true), 0);
	assert_int_equal(storage_find_account(place->storage, "alice.z", find_account, &found), 0);
	assert_false(found.is_disabled || found.is_purged);

	assert_int_equal(secret_new_copy("another key of thirty-two octets", 32, &key), 0);
	assert_int_equal(storage_set_account_key(place->storage, "carol.z", key), -ENOENT);
	assert_int_equal(storage_set_account_key(place->storage, "bob.z", key), 0);
	assert_int_equal(storage_read_account_key(place->storage, "bob.z", &read), 0);
	assert_memory_equal(read->data, key->data, 32);
	assert_int_equal(n_queries(place->storage, 2), 0);

	/* Both or none. */
	assert_int_equal(storage_begin(place->storage), 0);
	assert_int_equal(storage_remove_account(place->storage, "alice.z"), 0);
	assert_int_equal(storage_end(place->storage, false), 0);
	assert_int_equal(storage_find_account(place->storage, "alice.z", find_account, &found), 0);
	change_list_clear(&changes);
}

struct log {
	char text[64];
	int64_t generation;
};

static int note_change(void *userdata, int64_t generation, int64_t id,
		       const struct stored_account *account)
{
	struct log *log = userdata;
	size_t size = strlen(log->text);

	assert_int_equal(generation, log->generation + 1);
	log->generation = generation;
	snprintf(log->text + size, sizeof log->text - size, "%d%c ", (int)id,
		 !account              ? '-'
		 : account->allows_md5 ? 'm'
				       : '+');
	return 0;
}

static void log_of_accounts(void **state)
{
	struct place *place = *state;
	struct storage *storage = place->storage;
	struct log log = {};
	int64_t now;

	storage_accounts_generation(storage, &log.generation);
	add_account(storage, "alice.z");
	add_account(storage, "bob.z");
	assert_int_equal(storage_walk_account_changes(storage, log.generation, note_change, &log),
			 0);
	assert_string_equal(log.text, "1+ 2+ ");
	storage_set_account_md5(storage, "bob.z", true);
	storage_remove_account(storage, "alice.z");
	add_account(storage, "alice.z");
	log.text[0] = 0;
	assert_int_equal(storage_walk_account_changes(storage, log.generation, note_change, &log),
			 0);
	assert_string_equal(log.text, "2m 1- 3+ ");
	storage_accounts_generation(storage, &now);
	assert_int_equal(now, log.generation);
	/* Before the log begins. */
	for (int i = 0; i < 10001; i++) {
		if (i % 1000 == 0)
			storage_begin(storage);
		storage_set_account_md5(storage, "bob.z", true);
		if (i % 1000 == 999)
			storage_end(storage, true);
	}
	storage_end(storage, true);
	assert_int_equal(storage_walk_account_changes(storage, log.generation, note_change, &log),
			 -ESTALE);
}

static void records_and_queries(void **state)
{
	struct place *place = *state;
	struct change_list changes = {};
	struct found found = {};
	struct change removal = { .kind = CHANGE_DELETE_RECORD, .account = 1 };
	struct change refresh = { .kind = CHANGE_REFRESH_LLQ, .account = 1 };
	int64_t last;

	add_account(place->storage, "alice.z");
	append_record(&changes, 1, 1, 0, "key");
	append_record(&changes, 1, 2, 1700000000123, NULL);
	append_llq(&changes, 1, UINT64_MAX, 7);
	append_llq(&changes, 1, 5, 8);
	assert_int_equal(storage_commit(place->storage, &changes), 0);
	change_list_clear(&changes);
	reopen(place);
	assert_int_equal(storage_walk_records(place->storage, 1, find_record, &found), 0);
	assert_int_equal(found.n, 2);
	assert_int_equal(found.record.ttl, 0xFFFFFFFF);
	found.n = 0;
	assert_int_equal(storage_walk_llqs(place->storage, 1, find_llq, &found), 0);
	assert_int_equal(found.n, 2);

	removal.record_id = 2;
	change_list_append(&changes, &removal);
	removal.kind = CHANGE_DELETE_LLQ;
	removal.llq_id = UINT64_MAX;
	change_list_append(&changes, &removal);
	refresh.refreshed_llq = (struct refreshed_llq){ 5, 900, 1700000000456, 0xFFFFFFFF };
	change_list_append(&changes, &refresh);
	assert_int_equal(storage_commit(place->storage, &changes), 0);
	change_list_clear(&changes);
	found.n = 0;
	assert_int_equal(storage_walk_records(place->storage, 1, find_record, &found), 0);
	assert_int_equal(found.n, 1);
	assert_int_equal(storage_last_record_id(place->storage, &last), 0);
	assert_int_equal(last, 2);
	found.n = 0;
	assert_int_equal(storage_walk_llqs(place->storage, 1, find_llq, &found), 0);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.llq.algorithm, 3);
	assert_int_equal(found.llq.remote.port, 4000);
	assert_int_equal(found.llq.local.family, 6);
	assert_int_equal(found.llq.lease, 900);
	assert_int_equal(found.llq.serial, 0xFFFFFFFF);
	assert_true(found.llq.expires == 1700000000456);
}

static int find_removal(void *userdata, const struct stored_removal *removal)
{
	struct found *found = userdata;

	found->removal = *removal;
	assert_memory_equal(removal->owner.data, "\001a\001z", 5);
	assert_memory_equal(removal->data.data, "\xc0\0\x02\x01", 4);
	found->n++;
	return 0;
}

static void removals(void **state)
{
	struct place *place = *state;
	struct change_list changes = {};
	struct found found = {};
	struct change forget = { .kind = CHANGE_FORGET_REMOVALS, .before = 1700000000002 };

	add_account(place->storage, "alice.z");
	for (int i = 1; i <= 3; i++) {
		struct change change = { .kind = CHANGE_PUT_REMOVAL, .account = i == 3 ? 77 : 1 };

		change.removal.serial = 0xFFFFFFFF;
		change.removal.date = 1700000000000 + i;
		change.removal.type = 1;
		octets_copy("\001a\001z", 5, &change.removal.owner);
		octets_copy("\xc0\0\x02\x01", 4, &change.removal.data);
		change_list_append(&changes, &change);
	}
	assert_int_equal(storage_commit(place->storage, &changes), 0);
	change_list_clear(&changes);
	assert_int_equal(storage_walk_removals(place->storage, 1, find_removal, &found), 0);
	assert_int_equal(found.n, 2);
	assert_int_equal(found.removal.serial, 0xFFFFFFFF);
	assert_int_equal(found.removal.type, 1);
	change_list_append(&changes, &forget);
	assert_int_equal(storage_commit(place->storage, &changes), 0);
	change_list_clear(&changes);
	found.n = 0;
	assert_int_equal(storage_walk_removals(place->storage, 1, find_removal, &found), 0);
	assert_int_equal(found.n, 1);
	assert_true(found.removal.date == 1700000000002);
	assert_int_equal(storage_walk_removals(place->storage, 77, find_removal, &found), 0);
	assert_int_equal(found.n, 1);
	/* Serials go round: 0xFFFFFFFF is before 1. */
	for (int i = 0; i < 2; i++) {
		struct change trim = { .kind = CHANGE_TRIM_REMOVALS, .account = 1 };

		trim.serial = i == 0 ? 0xFFFFFFFE : 1;
		change_list_append(&changes, &trim);
		assert_int_equal(storage_commit(place->storage, &changes), 0);
		change_list_clear(&changes);
		found.n = 0;
		assert_int_equal(storage_walk_removals(place->storage, 1, find_removal, &found), 0);
		assert_int_equal(found.n, i == 0);
	}
}

/* All but those of records without a lease. */
static void dates_move(void **state)
{
	struct change move = { .kind = CHANGE_MOVE_DATES, .msec = -5000 };
	struct change removal = { .kind = CHANGE_PUT_REMOVAL, .account = 1 };
	struct place *place = *state;
	struct change_list changes = {};
	struct found before = {}, found = {};

	add_account(place->storage, "alice.z");
	append_record(&changes, 1, 1, 0, "key");
	append_llq(&changes, 1, 5, 8);
	removal.removal.date = 1700000000000;
	octets_copy("\001a\001z", 5, &removal.removal.owner);
	octets_copy("\xc0\0\x02\x01", 4, &removal.removal.data);
	change_list_append(&changes, &removal);
	assert_int_equal(storage_commit(place->storage, &changes), 0);
	change_list_clear(&changes);
	assert_int_equal(storage_walk_llqs(place->storage, 1, find_llq, &before), 0);
	change_list_append(&changes, &move);
	/* Already by the new clock. */
	append_record(&changes, 1, 3, 1700000000000, "key");
	assert_int_equal(storage_commit(place->storage, &changes), 0);
	change_list_clear(&changes);
	assert_int_equal(storage_walk_llqs(place->storage, 1, find_llq, &found), 0);
	assert_true(found.llq.expires == before.llq.expires - 5000);
	assert_int_equal(storage_walk_removals(place->storage, 1, find_removal, &found), 0);
	assert_true(found.removal.date == 1699999995000);
	found.n = 0;
	assert_int_equal(storage_walk_records(place->storage, 1, find_record, &found), 0);
	assert_int_equal(found.n, 2);
	assert_true(found.record.expires == 1700000000000);
	change_list_append(&changes, &move);
	assert_int_equal(storage_commit(place->storage, &changes), 0);
	change_list_clear(&changes);
	assert_int_equal(storage_walk_records(place->storage, 1, find_record, &found), 0);
	assert_true(found.record.expires == 1699999995000);
}

/* What belongs to an account that somebody removed meanwhile vanishes; the rest is written. */
static void changes_of_a_removed_account(void **state)
{
	struct place *place = *state;
	struct change_list changes = {};
	struct found found = {};

	add_account(place->storage, "alice.z");
	append_record(&changes, 77, 1, 0, "key");
	append_llq(&changes, 77, 5, 8);
	append_record(&changes, 1, 3, 0, "key");
	assert_int_equal(storage_commit(place->storage, &changes), 0);
	change_list_clear(&changes);
	assert_int_equal(storage_walk_records(place->storage, 77, find_record, &found), 0);
	assert_int_equal(found.n, 0);
	assert_int_equal(storage_walk_records(place->storage, 1, find_record, &found), 0);
	assert_int_equal(found.n, 1);
	assert_int_equal(storage_remove_account(place->storage, "alice.z"), 0);
	found.n = 0;
	assert_int_equal(storage_walk_records(place->storage, 1, find_record, &found), 0);
	assert_int_equal(found.n, 0);
}

/* Two processes: the one sees what the other committed. */
static void two_at_once(void **state)
{
	struct place *place = *state;
	struct place other = *place;
	int64_t before, after;

	assert_int_equal(open_storage(&other, STORAGE_EXISTING), 0);
	storage_accounts_generation(place->storage, &before);
	add_account(other.storage, "alice.z");
	storage_accounts_generation(place->storage, &after);
	assert_int_not_equal(before, after);
	storage_free(other.storage);
}

static void no_such_file(void **state)
{
	struct place *place = *state;
	struct place other = *place;

	strcat(other.path, ".none");
	assert_int_equal(open_storage(&other, STORAGE_EXISTING), -ENOENT);
	snprintf(other.path, sizeof other.path, "%s/none/zone.db", place->folder);
	assert_int_equal(open_storage(&other, STORAGE_CREATE), -ENOENT);
}

static void not_a_database(void **state)
{
	struct place *place = *state;
	struct place other = *place;
	FILE *file;

	strcat(other.path, ".text");
	file = fopen(other.path, "w");
	assert_non_null(file);
	for (int i = 0; i < 100; i++)
		fputs("This is no database. ", file);
	fclose(file);
	assert_int_equal(open_storage(&other, STORAGE_CREATE), -EBADMSG);
	unlink(other.path);
}

/* A file of every earlier version, with an account and a record in it, becomes one of today. */
static void old_versions(void **state)
{
	struct place *place = *state;

	for (int version = 1; version < storage_schema_version(); version++) {
		struct place other = *place;
		struct found found = {};
		sqlite3 *database;

		strcat(other.path, ".old");
		database = open_raw(other.path);
		assert_int_equal(storage_schema_upgrade(database, version), 0);
		assert_int_equal(
			sqlite3_exec(
				database,
				"INSERT INTO accounts(domain, key, created) VALUES ('alice.z',"
				" CAST('0123456789abcdef0123456789abcdef' AS BLOB), 1700000000);"
				"INSERT INTO records VALUES (1, 1, x'0161017a00', 1, 10,"
				" x'c0000201', 0, 'key')",
				NULL, NULL, NULL),
			SQLITE_OK);
		sqlite3_close(database);
		assert_int_equal(open_storage(&other, STORAGE_EXISTING), 0);
		assert_int_equal(storage_walk_accounts(other.storage, find_account, &found), 0);
		assert_int_equal(storage_walk_records(other.storage, 1, find_record, &found), 0);
		assert_int_equal(found.n, 2);
		storage_free(other.storage);
		unlink(other.path);
	}
}

/* Its words could be misread, so it is left alone. */
static void newer_version(void **state)
{
	struct place *place = *state;
	cleanup(freep) char *message = NULL;
	sqlite3 *database = open_raw(place->path);

	place->storage = storage_free(place->storage);
	assert_int_equal(sqlite3_exec(database, "PRAGMA user_version = 10000", NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(database);
	assert_int_equal(storage_open(place->path, STORAGE_CREATE, &place->storage, &message),
			 -EPROTONOSUPPORT);
	assert_non_null(strstr(message, "newer version"));
}

/* What is said is what went wrong, not that nothing was left to be undone. */
static void failure_is_told(void **state)
{
	struct place *place = *state;
	sqlite3 *other = open_raw(place->path);
	struct change_list changes = {};

	add_account(place->storage, "alice.z");
	append_record(&changes, 1, 1, 0, "key");
	storage_set_patience(place->storage, 0);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(storage_commit(place->storage, &changes), -EBUSY);
	assert_string_equal(storage_error(place->storage), "database is locked");
	sqlite3_close(other);
	assert_int_equal(storage_commit(place->storage, &changes), 0);
	change_list_clear(&changes);
}

/* Records of some ten pages each. */
static void commit_some(struct storage *storage, int64_t first, int n)
{
	static const uint8_t data[40000];
	struct change_list changes = {};

	for (int i = 0; i < n; i++) {
		struct octets *octets;

		append_record(&changes, 1, first + i, 0, "key");
		octets = &changes.items[changes.n - 1].record.data;
		free(octets->data);
		assert_int_equal(octets_copy(data, sizeof data, octets), 0);
	}
	assert_int_equal(storage_commit(storage, &changes), 0);
	change_list_clear(&changes);
}

static off_t size_of_file(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status.st_size;
}

/* The log grows until somebody else empties it, and never beyond its bound. */
static void log_is_emptied_elsewhere(void **state)
{
	struct place *place = *state;
	struct place other = *place;
	int64_t id = 1;
	off_t before;

	assert_int_equal(open_storage(&other, STORAGE_EXISTING), 0);
	add_account(place->storage, "alice.z");
	storage_defer_checkpoints(place->storage);
	commit_some(place->storage, id++, 1);
	assert_int_equal(storage_checkpoint(other.storage), 0);
	before = size_of_file(place->path);
	while (storage_log_pages(place->storage) < STORAGE_LOG_PAGES + 100)
		commit_some(place->storage, id += 100, 100);
	assert_int_equal(size_of_file(place->path), before);
	assert_int_equal(storage_checkpoint(other.storage), 0);
	assert_true(size_of_file(place->path) > before);
	commit_some(place->storage, id += 100, 1);
	assert_in_range(storage_log_pages(place->storage), 1, 100);
	/* Nobody empties it. */
	before = size_of_file(place->path);
	while (size_of_file(place->path) == before) {
		commit_some(place->storage, id += 100, 100);
		assert_in_range(storage_log_pages(place->storage), 1, STORAGE_LOG_PAGES_MAX + 2000);
	}
	commit_some(place->storage, id += 5000, 1);
	assert_in_range(storage_log_pages(place->storage), 1, 100);
	storage_free(other.storage);
}

static int find_any(void *userdata, const struct stored_record *record)
{
	struct found *found = userdata;

	found->n++;
	return 0;
}

/* Killed at any moment
 * ---------------------------------------------------------------------------------------- */

#define BATCH 5

/* Commits one batch of records after the other, and says by a pipe when each is durable. */
static void commit_for_ever(struct place *place, int64_t id, int pipe)
{
	struct place other = *place;

	storage_defer_checkpoints(place->storage);
	if (open_storage(&other, STORAGE_EXISTING) < 0)
		_exit(1);
	for (unsigned int n = 0;; n++) {
		struct change_list changes = {};

		if (n % 8 == 7 && storage_checkpoint(other.storage) < 0)
			_exit(1);

		for (int i = 0; i < BATCH; i++)
			append_record(&changes, 1, id++, 0, "key");
		if (storage_commit(place->storage, &changes) < 0 || write(pipe, "", 1) != 1)
			_exit(1);
		change_list_clear(&changes);
	}
}

static void copy_file(const char *from, const char *to, const char *ending)
{
	char source[128], target[128], buffer[65536];
	size_t n;
	FILE *in, *out;

	snprintf(source, sizeof source, "%s%s", from, ending);
	snprintf(target, sizeof target, "%s%s", to, ending);
	in = fopen(source, "r");
	assert_non_null(in);
	out = fopen(target, "w");
	assert_non_null(out);
	while ((n = fread(buffer, 1, sizeof buffer, in)))
		assert_int_equal(fwrite(buffer, 1, n, out), n);
	fclose(in);
	assert_int_equal(fclose(out), 0);
}

/* The files as they are after SIGKILL, elsewhere and without what was in memory (the -shm file):
 * all that was said to be durable is there, and each batch is there whole or not at all. */
static void killed_while_it_writes(void **state)
{
	struct place *place = *state;
	struct place copy = *place;
	int n_before = 0;

	add_account(place->storage, "alice.z");
	strcat(copy.path, ".copy");
	for (unsigned int round = 0; round < 10; round++) {
		struct found found = {};
		struct timespec pause = { 0, 1000000 * (round * 7 % 23) };
		char octets[4096];
		int ends[2], n_acknowledged = 0, n;
		pid_t child;

		/* A connection must not be carried over a fork. */
		place->storage = storage_free(place->storage);
		assert_int_equal(pipe(ends), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			if (open_storage(place, STORAGE_EXISTING) < 0)
				_exit(1);
			commit_for_ever(place, n_before + 1, ends[1]);
		}
		close(ends[1]);
		assert_int_equal(read(ends[0], octets, 1), 1);
		nanosleep(&pause, NULL);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		while ((n = read(ends[0], octets, sizeof octets)) > 0)
			n_acknowledged += n;
		close(ends[0]);
		copy_file(place->path, copy.path, "");
		copy_file(place->path, copy.path, "-wal");
		assert_int_equal(open_storage(&copy, STORAGE_EXISTING), 0);
		assert_int_equal(storage_walk_records(copy.storage, 1, find_any, &found), 0);
		assert_int_equal(found.n % BATCH, 0);
		assert_true(found.n >= n_before + (n_acknowledged + 1) * BATCH);
		n_before = found.n;
		storage_free(copy.storage);
		remove_files(copy.path);
		assert_int_equal(open_storage(place, STORAGE_EXISTING), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(file_is_private),
		TEST(accounts),
		TEST(records_and_queries),
		TEST(changes_of_a_removed_account),
		TEST(removals),
		TEST(dates_move),
		TEST(failure_is_told),
		TEST(log_is_emptied_elsewhere),
		TEST(killed_while_it_writes),
		TEST(two_at_once),
		TEST(no_such_file),
		TEST(not_a_database),
		TEST(old_versions),
		TEST(account_changes),
		TEST(log_of_accounts),
		TEST(newer_version),
	};

	return cmocka_run_group_tests_name("zoned storage", tests, NULL, NULL);
}
