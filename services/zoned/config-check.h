/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* `zoned --check-config`: prints what zoned would do by this file, or what is wrong with it, and
 * touches nothing. Returns the exit status. */
int zoned_check_config(const char *path);
