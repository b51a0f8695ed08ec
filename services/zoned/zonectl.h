/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of zonectl share among themselves. */
#include "services/zoned/storage-account.h"
#include "services/zoned/zoned-config.h"

#include <json-c/json.h>

/* Exit status. */
enum { ZONECTL_DONE = 0, ZONECTL_FAILED = 1, ZONECTL_USAGE = 2 };

struct zonectl {
	const char *config_path;
	struct zoned_config config;
	char **operands; /* after the words of the command */
	int n_operands;
	char domain[ACCOUNT_DOMAIN_SIZE]; /* of the account the first operand names, if the command
					   * takes one; "" without operand */
	const char *output;               /* file to be written */
	int password_fd;                  /* -1: ask */
	unsigned int watch;               /* seconds; 0: once */
	bool json;
	bool purge;
	int allow_md5; /* -1: not said; 0; 1 */
};

/* Says what is wrong and returns ZONECTL_FAILED. */
int zonectl_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* As zoned_config_account_domain(), with words. */
int zonectl_find_domain(const struct zoned_config *config, const char *account,
			char ret[static ACCOUNT_DOMAIN_SIZE]);
/* As storage_open(), with words. */
int zonectl_open(const struct zonectl *ctl, enum storage_mode mode, struct storage **ret);
/* What the storage functions returned, in words: ZONECTL_DONE for 0 and more. */
int zonectl_check(const struct zonectl *ctl, struct storage *storage, int r);
/* Prints and frees. */
int zonectl_print_json(json_object *object);
/* "2h 05m", "3m 20s"; static memory. */
const char *zonectl_duration(int64_t seconds);
/* "2026-11-22 20:15", local time; static memory. */
const char *zonectl_date(int64_t seconds);
/* The account's name without the zone; static memory. */
const char *zonectl_label(const char *domain);
/* A file that was not there before, mode 0600, whole or not at all. */
int zonectl_write_file(const char *path, const char *text, size_t size);

typedef int (*zonectl_command)(const struct zonectl *ctl);
int zonectl_account_add(const struct zonectl *ctl);
int zonectl_account_passwd(const struct zonectl *ctl);
int zonectl_account_modify(const struct zonectl *ctl);
int zonectl_account_disable(const struct zonectl *ctl);
int zonectl_account_enable(const struct zonectl *ctl);
int zonectl_account_delete(const struct zonectl *ctl);
int zonectl_account_list(const struct zonectl *ctl);
int zonectl_account_show(const struct zonectl *ctl);
int zonectl_account_key(const struct zonectl *ctl);
int zonectl_account_export(const struct zonectl *ctl);
int zonectl_account_import(const struct zonectl *ctl);
int zonectl_zone_show(const struct zonectl *ctl);
int zonectl_leases(const struct zonectl *ctl);
int zonectl_subscriptions(const struct zonectl *ctl);
int zonectl_status(const struct zonectl *ctl);
int zonectl_tls_pin(const struct zonectl *ctl);

/* zonectl-status.c: what zoned says of itself, by name; NULL when it does not run. To be put. */
json_object *zonectl_read_status(const struct zonectl *ctl);
