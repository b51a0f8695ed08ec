/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/config.h"
#include "common/base/log.h"
#include "services/identity/identity.h"

#include <openssl/crypto.h>
#include <string.h>

/* Room for a few keys at once; a piece is 32 octets at least. */
#define SECURE_HEAP_SIZE  65536
#define SECURE_HEAP_PIECE 32

static int parse_host_name(const char *value, void *field)
{
	char label[LABEL_SIZE], **host_name = field;
	char *copy;

	if (names_parse_label(value, label) < 0)
		return -EINVAL;
	copy = strdup(label);
	if (!copy)
		return -ENOMEM;
	free(*host_name);
	*host_name = copy;
	return 0;
}

#define FIELD(name) offsetof(struct identity_config, name)

static const struct config_key keys[] = {
	{ "identity", "host-name", CONFIG_CUSTOM, FIELD(host_name), .parse = parse_host_name,
	  .expected = "1 to 63 letters, digits and inner hyphens" },
	{ "identity", "keep-host-id", CONFIG_BOOLEAN, FIELD(store.keep_host_id) },
	{ "identity", "modified-eui64", CONFIG_BOOLEAN, FIELD(modified_eui64) },
	{ "identity", "password-timeout", CONFIG_UNSIGNED, FIELD(password_timeout), .minimum = 1,
	  .maximum = 3600 },
	{ "paths", "runtime", CONFIG_STRING, FIELD(store.runtime_folder) },
	{ "paths", "state", CONFIG_STRING, FIELD(store.state_folder) },
	{},
};

static int read_config(const char *path, struct identity_config *config)
{
	cleanup(freep) char *message = NULL;

	config->store.runtime_folder = strdup(RUNSTATEDIR "/homeward/identity");
	config->store.state_folder = strdup(LOCALSTATEDIR "/lib/homeward/identity");
	if (!config->store.runtime_folder || !config->store.state_folder)
		return -ENOMEM;
	if (config_read(path, keys, config, &message) >= 0)
		return 0;
	log_error("%s", message ? message : "out of memory");
	return -EINVAL;
}

/* The numbers of private keys, which OpenSSL keeps, stay out of cores and swap. */
static void keep_numbers_out_of_cores(void)
{
#ifndef __SANITIZE_ADDRESS__
	/* (The leak checker does not look for pointers in there.) */
	if (CRYPTO_secure_malloc_init(SECURE_HEAP_SIZE, SECURE_HEAP_PIECE) != 1)
		log_warning("no memory that is kept out of swap for the private key");
#endif
}

/* Without a key the store is a file that only we and root can read. */
static void load_key(struct store *store)
{
	int r = store_load_key(store);

	if (r == -ENOENT || r == -ENODATA)
		log_info("no key to seal the stored account with: it is a plain file");
	else if (r < 0)
		log_error("the key to seal the stored account with cannot be read: %s",
			  strerror(-r));
}

int main(int argc, char **argv)
{
	cleanup(identity_freep) struct identity *identity = NULL;
	struct identity_config config = { .password_timeout = 30 };
	const char *path;
	int r = daemon_parse_arguments(argc, argv, "Host id, account and keys of this host.",
				       SYSCONFDIR "/homeward/identity.conf", &path);

	if (r <= 0)
		return r < 0;
	r = read_config(path, &config);
	if (r >= 0) {
		keep_numbers_out_of_cores();
		load_key(&config.store);
		r = identity_new(&config, &identity);
	}
	r = r < 0 ? 1 : identity_run(identity);
	identity = identity_free(identity);
	free(config.host_name);
	free(config.store.runtime_folder);
	free(config.store.state_folder);
	store_key_free(config.store.key);
	return r;
}
