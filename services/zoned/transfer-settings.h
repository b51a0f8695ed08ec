/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Section [transfer] of zoned.conf: the keys of secondaries, and who is told of changes. */
#include "services/zoned/notify-state.h"

struct transfer_config {
	char *key_files; /* paths, separated by commas or blanks */
	struct notify_target_options targets[NOTIFY_TARGETS_MAX]; /* without `key` */
	size_t n_targets;
};

/* "192.0.2.1, 192.0.2.2#5353 transfer.example.net": addresses, each with its port and the name of
 * the key to sign with if it wants them; for CONFIG_CUSTOM. */
int transfer_config_parse_targets(const char *value, void *config);
void transfer_config_clear(struct transfer_config *config);

/* Section [backend]. */
enum backend_type {
	BACKEND_STORAGE,
	BACKEND_DNS,
};
struct backend_config {
	int type; /* enum backend_type */
	struct endpoint primary;
	char *key_file; /* with one key */
};
int backend_config_parse_primary(const char *value, void *endpoint);
void backend_config_clear(struct backend_config *config);
/* Reads the key file: the only key in it. 0 or a negative errno with a complaint. */
int backend_settings_load(const struct backend_config *config, struct transfer_keys *ret,
			  char **ret_complaint);

/* What the files say. */
struct transfer_settings {
	struct transfer_keys keys;
	struct notify_target_options
		targets[NOTIFY_TARGETS_MAX]; /* refer to `keys` and the config */
	size_t n_targets;
};

/* Reads the key files. `zone`: the members zone, where keys are accounts'. 0 or a negative errno
 * with a complaint, which the caller frees. transfer_settings_clear() in either case. */
int transfer_settings_load(const struct transfer_config *config, const ldns_rdf *zone,
			   struct transfer_settings *ret, char **ret_complaint);
void transfer_settings_clear(struct transfer_settings *settings);

/* "192.0.2.1", "192.0.2.1#5353", "2001:db8::1#5353"; without a port, `port`. 0 or -EINVAL. */
int transfer_parse_endpoint(const char *text, uint16_t port, struct endpoint *ret);
