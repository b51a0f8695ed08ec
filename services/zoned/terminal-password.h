/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/keys/secret.h"

/* Asks on the terminal without echo, twice, until both are the same. 0, -ENOTTY without a terminal,
 * -EKEYREJECTED when they differ three times, -ENODATA for an empty one. */
int terminal_password_ask(const char *prompt, struct secret **ret);
