/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/transfer-settings.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <sys/stat.h>

#define DNS_PORT     53
#define KEY_FILE_MAX 65536

int transfer_parse_endpoint(const char *text, uint16_t port, struct endpoint *ret)
{
	const char *sign = strchr(text, '#');
	size_t size = sign ? (size_t)(sign - text) : strlen(text);
	struct endpoint endpoint = { .port = port };
	char address[INET6_ADDRSTRLEN];
	char *end;

	if (size >= sizeof address)
		return -EINVAL;
	memcpy(address, text, size);
	address[size] = 0;
	if (inet_pton(AF_INET, address, endpoint.address) == 1)
		endpoint.family = 4;
	else if (inet_pton(AF_INET6, address, endpoint.address) == 1)
		endpoint.family = 6;
	else
		return -EINVAL;
	if (sign) {
		unsigned long number = strtoul(sign + 1, &end, 10);

		if (end == sign + 1 || *end || number == 0 || number > 65535)
			return -EINVAL;
		endpoint.port = number;
	}
	*ret = endpoint;
	return 0;
}

/* One target: an address and perhaps a key's name. */
static int parse_target(char *text, struct notify_target_options *ret)
{
	char *save = NULL;
	const char *address = strtok_r(text, " \t", &save);
	const char *key = strtok_r(NULL, " \t", &save);
	int r;

	if (!address || strtok_r(NULL, " \t", &save))
		return -EINVAL;
	r = transfer_parse_endpoint(address, DNS_PORT, &ret->remote);
	if (r < 0 || !key)
		return r;
	ret->key_name = strdup(key);
	return ret->key_name ? 0 : -ENOMEM;
}

int transfer_config_parse_targets(const char *value, void *field)
{
	struct transfer_config *config = field;
	cleanup(freep) char *copy = strdup(value);
	char *save = NULL;

	if (!copy)
		return -ENOMEM;
	for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		struct notify_target_options *target = &config->targets[config->n_targets];
		int r = config->n_targets < NOTIFY_TARGETS_MAX ? parse_target(word, target)
							       : -EINVAL;

		if (r < 0)
			return r;
		config->n_targets++;
	}
	return 0;
}

void transfer_config_clear(struct transfer_config *config)
{
	free(config->key_files);
	for (size_t i = 0; i < config->n_targets; i++)
		free(config->targets[i].key_name);
	*config = (struct transfer_config){};
}

static int read_text(int fd, char **ret)
{
	cleanup(freep) char *text = calloc(1, KEY_FILE_MAX + 1);
	size_t size = 0;
	ssize_t n;

	if (!text)
		return -ENOMEM;
	while ((n = read(fd, text + size, KEY_FILE_MAX - size)) > 0)
		size += n;
	if (n < 0)
		return -errno;
	if (size == KEY_FILE_MAX)
		return -EFBIG;
	*ret = steal_ptr(text);
	return 0;
}

/* Secrets that others could read are none. */
static int load_keys(struct transfer_keys *keys, const char *path, char **ret_complaint)
{
	cleanup(close_fdp) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char *words = NULL, *text = NULL;
	struct stat status;
	int r = fd < 0 || fstat(fd, &status) < 0 ? -errno : 0;

	if (r >= 0 && status.st_mode & S_IRWXO)
		r = -EPERM;
	if (r >= 0)
		r = read_text(fd, &text);
	if (r >= 0)
		r = transfer_keys_parse(keys, text, &words);
	if (text) {
		OPENSSL_cleanse(text, strlen(text));
		free(text);
	}
	if (r < 0 && asprintf(ret_complaint, "key file %s: %s", path,
			      words         ? words
			      : r == -EPERM ? "others can read it; chmod o-rwx it"
					    : strerror(-r)) < 0)
		*ret_complaint = NULL;
	free(words);
	return r;
}

static int complain(char **ret_complaint, int error, const char *words, const char *name)
{
	if (asprintf(ret_complaint, "[transfer] %s: %s", name, words) < 0)
		*ret_complaint = NULL;
	return error;
}

/* A name in the members zone would be that of an account's or host's key. */
static int check_names(const struct transfer_keys *keys, const ldns_rdf *zone, char **ret_complaint)
{
	for (size_t i = 0; i < keys->n; i++) {
		const struct dns_name *name = &keys->items[i].tsig.name;
		ldns_rdf *rdf =
			ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, name->size, name->octets);
		bool is_inside = rdf && (ldns_dname_is_subdomain(rdf, zone) ||
					 ldns_dname_compare(rdf, zone) == 0);
		char text[DNS_NAME_TEXT_SIZE];

		ldns_rdf_deep_free(rdf);
		if (!rdf)
			return -ENOMEM;
		dns_name_to_text(name, text, sizeof text);
		if (is_inside)
			return complain(ret_complaint, -EINVAL,
					"the name of a key must not lie in the members zone", text);
	}
	return 0;
}

static int find_target_keys(struct transfer_settings *settings, char **ret_complaint)
{
	for (size_t i = 0; i < settings->n_targets; i++) {
		struct notify_target_options *target = &settings->targets[i];
		struct dns_name name;

		if (!target->key_name)
			continue;
		if (dns_name_from_text(target->key_name, &name) >= 0)
			target->key = transfer_keys_find(&settings->keys, &name);
		if (!target->key)
			return complain(ret_complaint, -EINVAL, "no key file defines this key",
					target->key_name);
	}
	return 0;
}

int transfer_settings_load(const struct transfer_config *config, const ldns_rdf *zone,
			   struct transfer_settings *ret, char **ret_complaint)
{
	cleanup(freep) char *paths = strdup(config->key_files ?: "");
	char *save = NULL;
	int r = paths ? 0 : -ENOMEM;

	*ret = (struct transfer_settings){ .n_targets = config->n_targets };
	memcpy(ret->targets, config->targets, sizeof ret->targets);
	for (char *path = paths ? strtok_r(paths, ", \t", &save) : NULL; r >= 0 && path;
	     path = strtok_r(NULL, ", \t", &save))
		r = load_keys(&ret->keys, path, ret_complaint);
	if (r >= 0)
		r = check_names(&ret->keys, zone, ret_complaint);
	return r < 0 ? r : find_target_keys(ret, ret_complaint);
}

void transfer_settings_clear(struct transfer_settings *settings)
{
	transfer_keys_clear(&settings->keys);
	*settings = (struct transfer_settings){};
}

int backend_config_parse_primary(const char *value, void *endpoint)
{
	return transfer_parse_endpoint(value, DNS_PORT, endpoint);
}

void backend_config_clear(struct backend_config *config)
{
	free(config->key_file);
	*config = (struct backend_config){};
}

int backend_settings_load(const struct backend_config *config, struct transfer_keys *ret,
			  char **ret_complaint)
{
	int r = load_keys(ret, config->key_file, ret_complaint);

	if (r < 0 || ret->n == 1)
		return r;
	if (asprintf(ret_complaint, "key file %s: one key is wanted, there are %zu",
		     config->key_file, ret->n) < 0)
		*ret_complaint = NULL;
	return -EINVAL;
}
