/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The tables of the database and how a database of an earlier version becomes one of today.
 *
 * `PRAGMA user_version` counts the steps that have been made: a new database is at 0 and makes them
 * all. A step that was released is never changed; whoever needs another column appends a step.
 */
#include <sqlite3.h>

/* The version after the last step. */
int storage_schema_version(void);
/* Brings the database up to `version`, one durable step after the other; two processes may try at
 * once. 0; -EPROTONOSUPPORT: it is newer than that; or -EIO, which sqlite3_errmsg()
 * explains. After a failure close it, which undoes the step that failed. */
int storage_schema_upgrade(sqlite3 *database, int version);
