/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the password comes from. It is never an argument, and never printed. */
#include "clients/ctl/ctl.h"

#include <stddef.h>

#define PASSWORD_STDIN -1

/*
 * A descriptor from which the whole password can be read, for handing over: what descriptor
 * `given`, standard input for PASSWORD_STDIN, holds up to its end; where that is a terminal, what
 * is typed there without echo. The caller closes *ret_fd. CTL_DONE, or another status after a
 * complaint.
 */
enum ctl_status password_open(int given, int *ret_fd);
/* Asks on the terminal, with echo, into `answer`. */
enum ctl_status password_ask_account(char *answer, size_t size);
