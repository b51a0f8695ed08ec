/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Configuration files by inih: sections of `key = value`. Each daemon declares a table of the keys
 * it knows; an unknown section or key, or a value of the wrong form, is one line that says file,
 * line number and what was expected.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit status of a daemon whose configuration is wrong (EX_CONFIG of sysexits.h): to start it again
 * is of no use before somebody has looked at it, and its unit does not. */
#define CONFIG_EXIT_STATUS 78

enum config_type {
	CONFIG_BOOLEAN,  /* bool: yes, no, true, false, on, off, 1, 0 */
	CONFIG_UNSIGNED, /* uint32_t between minimum and maximum */
	CONFIG_STRING,   /* char *, allocated; an earlier value is freed */
	CONFIG_CHOICE,   /* int: the index into `choices` */
	CONFIG_CUSTOM,   /* parse() decides */
};

struct config_key {
	const char *section; /* "" before the first [section] */
	const char *key;
	enum config_type type;
	size_t offset;              /* of the field in the target structure */
	uint32_t minimum, maximum;  /* CONFIG_UNSIGNED */
	const char *const *choices; /* CONFIG_CHOICE, ended by NULL */
	/* CONFIG_CUSTOM: 0, or -EINVAL when the value is not of the form `expected` describes. */
	int (*parse)(const char *value, void *field);
	const char *expected; /* in words; NULL: derived from the type */
};

/*
 * Reads `path` into `target` by `keys` (ended by a NULL key). A file that does not exist is an
 * empty one. Returns 0, or a negative errno with the complaint in `ret_message` (the caller frees
 * it): -EINVAL for a bad line, otherwise what reading failed with. Fields read before a bad line
 * are set.
 */
int config_read(const char *path, const struct config_key *keys, void *target, char **ret_message);

/* An IPv4 address into a struct in_addr; for CONFIG_CUSTOM. */
int config_parse_ipv4(const char *value, void *field);
