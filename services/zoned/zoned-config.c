/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/zoned-config.h"

#include "common/base/config.h"
#include "common/net/stun-wire.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>

#define ONE_WEEK 604800
/* RFC 8490 §6.5.2 recommends an hour between keepalives. */
#define DSO_INTERVAL_MSEC 3600000

static int parse_addresses(const char *value, void *field)
{
	struct endpoint_list *list = field;
	cleanup(freep) char *copy = strdup(value);
	char *save = NULL;

	if (!copy)
		return -ENOMEM;
	for (char *word = strtok_r(copy, ", \t", &save); word;
	     word = strtok_r(NULL, ", \t", &save)) {
		struct endpoint endpoint = {};

		if (inet_pton(AF_INET, word, endpoint.address) == 1)
			endpoint.family = 4;
		else if (inet_pton(AF_INET6, word, endpoint.address) == 1)
			endpoint.family = 6;
		if (!endpoint.family || list->n == ZONED_LISTEN_MAX)
			return -EINVAL;
		list->items[list->n++] = endpoint;
	}
	return 0;
}

static int parse_address(const char *value, void *field)
{
	struct endpoint_list list = {};
	int r = parse_addresses(value, &list);

	if (r >= 0 && list.n != 1)
		r = -EINVAL;
	if (r >= 0)
		*(struct endpoint *)field = list.items[0];
	return r;
}

static int parse_domain(const char *value, void *field)
{
	ldns_rdf *name = strchr(value, '\\') ? NULL : ldns_dname_new_frm_str(value);
	size_t labels = name ? ldns_dname_label_count(name) : 0;
	char **domain = field;

	ldns_rdf_deep_free(name);
	if (labels == 0 || strlen(value) >= ACCOUNT_DOMAIN_SIZE)
		return -EINVAL;
	free(*domain);
	*domain = strdup(value);
	if (!*domain)
		return -ENOMEM;
	if ((*domain)[strlen(*domain) - 1] == '.')
		(*domain)[strlen(*domain) - 1] = 0;
	return 0;
}

#define FIELD(name) offsetof(struct zoned_config, name)

static const char *const backend_types[] = { "storage", "dns", NULL };

static const struct config_key keys[] = {
	{ "zone", "name", CONFIG_CUSTOM, FIELD(zone), .parse = parse_domain,
	  .expected = "a domain name such as members.example.org" },
	{ "zone", "server", CONFIG_CUSTOM, FIELD(server_name), .parse = parse_domain,
	  .expected = "the domain name of this server" },
	{ "zone", "server-address", CONFIG_CUSTOM, FIELD(server_addresses),
	  .parse = parse_addresses, .expected = "IPv4 or IPv6 addresses" },
	{ "listen", "address", CONFIG_CUSTOM, FIELD(listen_addresses), .parse = parse_addresses,
	  .expected = "IPv4 or IPv6 addresses" },
	{ "listen", "port", CONFIG_UNSIGNED, FIELD(port), 1, 65535 },
	{ "push", "per-key", CONFIG_UNSIGNED, FIELD(push_per_key), 1, 1000000 },
	{ "push", "total", CONFIG_UNSIGNED, FIELD(push_total), 1, 10000000 },
	{ "tcp", "connections", CONFIG_UNSIGNED, FIELD(tcp_limits.connections), 1, 1000000 },
	{ "tcp", "per-address", CONFIG_UNSIGNED, FIELD(tcp_limits.per_address), 1, 1000000 },
	{ "tcp", "idle", CONFIG_UNSIGNED, FIELD(tcp_limits.idle), 1, 86400 },
	{ "tls", "connections", CONFIG_UNSIGNED, FIELD(tls_limits.connections), 1, 1000000 },
	{ "tls", "per-address", CONFIG_UNSIGNED, FIELD(tls_limits.per_address), 1, 1000000 },
	{ "tls", "idle", CONFIG_UNSIGNED, FIELD(tls_limits.idle), 1, 86400 },
	{ "metrics", "socket", CONFIG_STRING, FIELD(metrics.socket) },
	{ "metrics", "address", CONFIG_CUSTOM, FIELD(metrics.address), .parse = parse_address,
	  .expected = "an IPv4 or IPv6 address" },
	{ "metrics", "port", CONFIG_UNSIGNED, FIELD(metrics.port), 0, 65535 },
	{ "tls", "port", CONFIG_UNSIGNED, FIELD(tls.port), 0, 65535 },
	{ "tls", "certificate", CONFIG_STRING, FIELD(tls.certificate) },
	{ "tls", "private-key", CONFIG_STRING, FIELD(tls.private_key) },
	{ "stun", "address", CONFIG_CUSTOM, FIELD(stun.addresses), .parse = parse_addresses,
	  .expected = "IPv4 or IPv6 addresses" },
	{ "stun", "port", CONFIG_UNSIGNED, FIELD(stun.port), 0, 65535 },
	{ "stun", "alternate-address", CONFIG_CUSTOM, FIELD(stun.alternate), .parse = parse_address,
	  .expected = "an IPv4 or IPv6 address" },
	{ "stun", "alternate-port", CONFIG_UNSIGNED, FIELD(stun.alternate_port), 1, 65535 },
	{ "paths", "database", CONFIG_STRING, FIELD(database) },
	{ "update-lease", "minimum", CONFIG_UNSIGNED, FIELD(update_lease.minimum), 1, ONE_WEEK },
	{ "update-lease", "maximum", CONFIG_UNSIGNED, FIELD(update_lease.maximum), 1, ONE_WEEK },
	{ "update-lease", "key-maximum", CONFIG_UNSIGNED, FIELD(key_lease_maximum), 1, ONE_WEEK },
	{ "llq-lease", "minimum", CONFIG_UNSIGNED, FIELD(llq_lease.minimum), 1, ONE_WEEK },
	{ "llq-lease", "maximum", CONFIG_UNSIGNED, FIELD(llq_lease.maximum), 1, ONE_WEEK },
	{ "llq", "per-key", CONFIG_UNSIGNED, FIELD(llqs_per_key), 1, 100000 },
	{ "backend", "type", CONFIG_CHOICE, FIELD(backend.type), .choices = backend_types },
	{ "backend", "primary", CONFIG_CUSTOM, FIELD(backend.primary),
	  .parse = backend_config_parse_primary, .expected = "an address, with #port if need be" },
	{ "backend", "key", CONFIG_STRING, FIELD(backend.key_file) },
	{ "transfer", "keys", CONFIG_STRING, FIELD(transfer.key_files) },
	{ "transfer", "also-notify", CONFIG_CUSTOM, FIELD(transfer),
	  .parse = transfer_config_parse_targets,
	  .expected = "addresses, each with #port and a key's name if need be" },
	{ "llq", "total", CONFIG_UNSIGNED, FIELD(llqs_total), 1, 1000000 },
	{},
};

/* The first one of the second address's family is the one that it is the alternate of. */
const struct endpoint *zoned_config_stun_primary(const struct zoned_config *config)
{
	for (size_t i = 0; config->stun.alternate.family && i < config->stun.addresses.n; i++)
		if (config->stun.addresses.items[i].family == config->stun.alternate.family)
			return &config->stun.addresses.items[i];
	return NULL;
}

static const char *check_stun(const struct zoned_config *config)
{
	const struct endpoint *primary = zoned_config_stun_primary(config);

	if (config->stun.port == 0)
		return NULL;
	if (config->stun.port == config->port)
		return "[stun] port is that of [listen]: STUN needs one of its own";
	if (!config->stun.alternate.family)
		return NULL;
	if (!primary)
		return "[stun] alternate-address needs an address of the same family beside it";
	if (endpoint_equal(primary, &config->stun.alternate))
		return "[stun] alternate-address is not another address";
	if (config->stun.alternate_port == config->stun.port)
		return "[stun] alternate-port is not another port";
	return NULL;
}

static int check(const struct zoned_config *config, const char *path, char **ret_message)
{
	const char *complaint = NULL;

	if (!config->zone)
		complaint = "[zone] name is missing: the members zone, such as members.example.org";
	else if (config->update_lease.minimum > config->update_lease.maximum)
		complaint = "[update-lease] minimum is above maximum";
	else if (config->update_lease.minimum > config->key_lease_maximum)
		complaint = "[update-lease] minimum is above key-maximum";
	else if (config->llq_lease.minimum > config->llq_lease.maximum)
		complaint = "[llq-lease] minimum is above maximum";
	else if (!config->tls.certificate != !config->tls.private_key)
		complaint = "[tls] certificate and private-key belong together";
	else if (config->tls.port == config->port)
		complaint = "[tls] port is that of [listen]: TLS needs one of its own";
	else if (config->metrics.port &&
		 (config->metrics.port == config->port || config->metrics.port == config->tls.port))
		complaint = "[metrics] port is that of [listen] or [tls]: it needs one of its own";
	else if (config->backend.type == BACKEND_DNS && !config->backend.primary.family)
		complaint = "[backend] primary is missing: the address of the server";
	else if (config->backend.type == BACKEND_DNS && !config->backend.key_file)
		complaint = "[backend] key is missing: the file with the key that the server knows";
	if (!complaint)
		complaint = check_stun(config);
	if (!complaint)
		return 0;
	if (asprintf(ret_message, "%s: %s", path, complaint) < 0)
		*ret_message = NULL;
	return -EINVAL;
}

/* Beside the database, too. */
static int name_credentials(struct zoned_config *config)
{
	const char *slash = strrchr(config->database, '/');
	int size = slash ? (int)(slash - config->database) + 1 : 0;

	if (config->tls.certificate)
		return 0;
	config->tls.has_own = true;
	if (asprintf(&config->tls.certificate, "%.*stls-certificate.pem", size, config->database) <
	    0)
		config->tls.certificate = NULL;
	if (asprintf(&config->tls.private_key, "%.*stls-private-key.pem", size, config->database) <
	    0)
		config->tls.private_key = NULL;
	return config->tls.certificate && config->tls.private_key ? 0 : -ENOMEM;
}

int zoned_config_read(const char *path, struct zoned_config *config, char **ret_message)
{
	int r;

	*config = (struct zoned_config){
		.port = 53,
		.database = strdup(LOCALSTATEDIR "/lib/homeward/zoned/zone.db"),
		.update_lease = { 1800, 7200 },
		.key_lease_maximum = 7200,
		.llq_lease = { 900, 7200 },
		.llqs_per_key = 256,
		.llqs_total = 16384,
		.push_per_key = 256,
		.push_total = 65536,
		.tcp_limits = { 1024, 128, 15 },
		.tls_limits = { 16384, 512, 30 },
		.tls.port = 853,
		.stun = { .port = STUN_PORT, .alternate_port = STUN_PORT + 1 },
		.metrics.address = { { 127, 0, 0, 1 }, 0, 4 },
	};
	*ret_message = NULL;
	if (!config->database)
		return -ENOMEM;
	r = config_read(path, keys, config, ret_message);
	if (r >= 0)
		r = check(config, path, ret_message);
	if (r < 0)
		return r;
	if (!config->server_name && asprintf(&config->server_name, "ns.%s", config->zone) < 0) {
		config->server_name = NULL;
		return -ENOMEM;
	}
	r = name_credentials(config);
	if (r < 0)
		return r;
	/* Beside the database: in a folder that is zoned's alone. */
	if (!config->metrics.socket &&
	    asprintf(&config->metrics.socket, "%s.metrics", config->database) < 0) {
		config->metrics.socket = NULL;
		return -ENOMEM;
	}
	return 0;
}

void zoned_config_clear(struct zoned_config *config)
{
	free(config->zone);
	free(config->server_name);
	free(config->database);
	free(config->metrics.socket);
	transfer_config_clear(&config->transfer);
	backend_config_clear(&config->backend);
	free(config->tls.certificate);
	free(config->tls.private_key);
	*config = (struct zoned_config){};
}

static int add_address(ldns_rr_list *list, const ldns_rdf *owner, const struct endpoint *address)
{
	bool is_v4 = address->family == 4;
	ldns_rdf *data = ldns_rdf_new_frm_data(is_v4 ? LDNS_RDF_TYPE_A : LDNS_RDF_TYPE_AAAA,
					       is_v4 ? 4 : 16, address->address);
	ldns_rr *rr = ldns_rr_new();

	if (!data || !rr)
		return -ENOMEM;
	ldns_rr_set_owner(rr, ldns_rdf_clone(owner));
	ldns_rr_set_type(rr, is_v4 ? LDNS_RR_TYPE_A : LDNS_RR_TYPE_AAAA);
	ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
	ldns_rr_set_ttl(rr, 3600);
	ldns_rr_push_rdf(rr, data);
	return ldns_rr_list_push_rr(list, rr) ? 0 : -ENOMEM;
}

int zoned_config_make_options(const struct zoned_config *config, struct authority_options *ret,
			      char **ret_message)
{
	bool is_inside;
	int r = 0;

	*ret = (struct authority_options){
		.zone = ldns_dname_new_frm_str(config->zone),
		.server_name = ldns_dname_new_frm_str(config->server_name),
		.server_addresses = ldns_rr_list_new(),
		.port = config->port,
		.push_per_key = config->push_per_key,
		.push_total = config->push_total,
		.dso_limits = { config->tls_limits.idle * 1000, DSO_INTERVAL_MSEC },
		.tls_port = config->tls.port,
		.stream_idle_msec = { [TRANSPORT_TCP] = config->tcp_limits.idle * 1000,
				      [TRANSPORT_TLS] = config->tls_limits.idle * 1000 },
		.update_lease = config->update_lease,
		.key_lease = { config->update_lease.minimum, config->key_lease_maximum },
		.llq_lease = config->llq_lease,
		.llqs_per_key = config->llqs_per_key,
		.llqs_total = config->llqs_total,
	};
	if (!ret->zone || !ret->server_name || !ret->server_addresses)
		return -ENOMEM;
	is_inside = ldns_dname_is_subdomain(ret->server_name, ret->zone);
	if (is_inside && config->server_addresses.n == 0) {
		if (asprintf(ret_message,
			     "[zone] server-address is missing: where clients reach %s",
			     config->server_name) < 0)
			*ret_message = NULL;
		return -EINVAL;
	}
	for (size_t i = 0; is_inside && r >= 0 && i < config->server_addresses.n; i++)
		r = add_address(ret->server_addresses, ret->server_name,
				&config->server_addresses.items[i]);
	return r;
}

void zoned_config_clear_options(struct authority_options *options)
{
	ldns_rdf_deep_free(options->zone);
	ldns_rdf_deep_free(options->server_name);
	ldns_rr_list_deep_free(options->server_addresses);
	explicit_bzero(options, sizeof *options);
}

/* Letters, digits, and hyphens inside: the account's name is part of what people type. */
static bool is_account_label(const char *label, size_t size)
{
	if (size == 0 || size > 63 || label[0] == '-' || label[size - 1] == '-')
		return false;
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)label[i]) && label[i] != '-')
			return false;
	return true;
}

int zoned_config_account_domain(const struct zoned_config *config, const char *account,
				char ret[static ACCOUNT_DOMAIN_SIZE])
{
	const char *dot = strchr(account, '.');
	size_t size = dot ? (size_t)(dot - account) : strlen(account);
	size_t rest = dot ? strlen(dot + 1) : 0;

	if (rest && dot[rest] == '.')
		rest--;
	if (dot && (rest != strlen(config->zone) || strncasecmp(dot + 1, config->zone, rest) != 0))
		return -EINVAL;
	if (!is_account_label(account, size) ||
	    snprintf(ret, ACCOUNT_DOMAIN_SIZE, "%.*s.%s", (int)size, account, config->zone) >=
		    ACCOUNT_DOMAIN_SIZE)
		return -EINVAL;
	for (char *c = ret; *c; c++)
		*c = tolower((unsigned char)*c);
	return strcasecmp(ret, config->server_name) == 0 ? -EADDRINUSE : 0;
}
