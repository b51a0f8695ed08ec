/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the storage share among themselves. */
#include "services/zoned/storage.h"

#include <sqlite3.h>

sqlite3 *storage_database(struct storage *storage);
/* A result of SQLite as 0 or a negative errno. */
int storage_to_errno(int result);
