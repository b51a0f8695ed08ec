/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The commands of zonectl: what each takes, and what is said of it. */
#include "services/zoned/zonectl.h"

#include <stdio.h>

enum option_bit {
	OPTION_OUTPUT = 1 << 0,
	OPTION_PASSWORD = 1 << 1,
	OPTION_JSON = 1 << 2,
	OPTION_PURGE = 1 << 3,
	OPTION_MD5 = 1 << 4,
	OPTION_WATCH = 1 << 5,
	N_OPTION_BITS = 6,
};

enum operand { NONE, ACCOUNT, MAYBE_ACCOUNT, MAYBE_ACCOUNTS, ONE_FILE };

struct command {
	const char *words[2]; /* the second may be NULL */
	enum operand operand;
	unsigned int options;
	const char *usage; /* after the words */
	const char *summary;
	const char *details;
	zonectl_command run;
};

/* The command that the words begin with, and how many of them are its name; NULL: there is none. */
const struct command *zonectl_find_command(char **words, int n_words, int *ret_n);
/* What may stand behind this first word, as "add, passwd"; false: nothing begins so. */
bool zonectl_list_second_words(const char *word, char *ret, size_t size);
void zonectl_print_help(FILE *file);
void zonectl_print_command_help(const struct command *command);
