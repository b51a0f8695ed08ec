/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* /etc/homeward/zoned.conf, which zoned and zonectl read alike. */
#include "services/zoned/authority.h"
#include "services/zoned/transfer-settings.h"

#define ZONED_DEFAULT_CONFIG SYSCONFDIR "/homeward/zoned.conf"
#define ZONED_LISTEN_MAX     8

struct endpoint_list {
	struct endpoint items[ZONED_LISTEN_MAX];
	size_t n;
};

struct zoned_config {
	char *zone;
	char *server_name; /* NULL: ns.<zone> */
	struct endpoint_list server_addresses;
	struct endpoint_list listen_addresses; /* none: all, IPv4 and IPv6 */
	uint32_t port;
	char *database;
	struct lease_bounds update_lease;
	uint32_t key_lease_maximum;
	struct lease_bounds llq_lease;
	uint32_t llqs_per_key;
	uint32_t llqs_total;
	uint32_t push_per_key;
	uint32_t push_total;
	struct zoned_stream_config {
		uint32_t connections, per_address;
		uint32_t idle; /* seconds */
	} tcp_limits, tls_limits;
	struct {
		char *socket;
		struct endpoint address;
		uint32_t port; /* 0: the socket only */
	} metrics;
	struct {
		uint32_t port; /* 0: no TLS */
		char *certificate;
		char *private_key;
		bool has_own; /* made by us when they are not there */
	} tls;
	struct {
		struct endpoint_list addresses; /* none: those of [listen] */
		uint32_t port;                  /* 0: no STUN */
		struct endpoint alternate;      /* family 0: none */
		uint32_t alternate_port;
	} stun;
	struct transfer_config transfer;
	struct backend_config backend;
};

/* Reads the file over the defaults. 0, or a negative errno with the complaint in `ret_message`,
 * which the caller frees. zoned_config_clear() in either case. */
int zoned_config_read(const char *path, struct zoned_config *config, char **ret_message);
void zoned_config_clear(struct zoned_config *config);

/* The address that `stun.alternate` is the other one of; NULL: there is none. */
const struct endpoint *zoned_config_stun_primary(const struct zoned_config *config);

/* What the authority wants of it. 0 or a negative errno with a complaint. */
int zoned_config_make_options(const struct zoned_config *config, struct authority_options *ret,
			      char **ret_message);
void zoned_config_clear_options(struct authority_options *options);

/* The domain of an account: "alice" or its full name becomes "alice.members.example.org". -EINVAL
 * for what cannot be an account, -EADDRINUSE for the name of the server. */
int zoned_config_account_domain(const struct zoned_config *config, const char *account,
				char ret[static ACCOUNT_DOMAIN_SIZE]);
