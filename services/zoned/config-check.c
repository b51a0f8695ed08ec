/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/config-check.h"

#include "services/zoned/socket-address.h"
#include "services/zoned/tls-context.h"
#include "services/zoned/tls-credentials.h"
#include "services/zoned/zoned-config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct check {
	struct zoned_config config;
	struct authority_options options;
	struct transfer_settings transfer;
	struct transfer_keys backend_keys;
	char pin[TLS_PIN_TEXT_SIZE]; /* "": no TLS, or no certificate yet */
};

/* The certificate and its key, if they are there or have to be. */
static int check_tls(struct check *check, char **ret_message)
{
	const struct zoned_config *config = &check->config;
	uint8_t pin[TLS_PIN_SIZE];
	SSL_CTX *context = NULL;
	int r;

	if (config->tls.port == 0 ||
	    (config->tls.has_own && access(config->tls.certificate, F_OK) < 0))
		return 0;
	r = tls_context_new(config->tls.certificate, config->tls.private_key, &context,
			    ret_message);
	SSL_CTX_free(context);
	if (r >= 0)
		r = tls_credentials_pin(config->tls.certificate, pin, ret_message);
	if (r >= 0)
		tls_pin_to_text(pin, check->pin);
	return r;
}

/* As zoned does it when it starts. */
static int read_all(struct check *check, const char *path, char **ret_message)
{
	int r = access(path, R_OK) < 0 ? -errno : 0;

	if (r < 0) {
		if (asprintf(ret_message, "%s: %s", path, strerror(-r)) < 0)
			*ret_message = NULL;
		return r;
	}
	r = zoned_config_read(path, &check->config, ret_message);
	if (r >= 0)
		r = zoned_config_make_options(&check->config, &check->options, ret_message);
	if (r >= 0)
		r = transfer_settings_load(&check->config.transfer, check->options.zone,
					   &check->transfer, ret_message);
	if (r >= 0 && check->config.backend.type == BACKEND_DNS)
		r = backend_settings_load(&check->config.backend, &check->backend_keys,
					  ret_message);
	return r < 0 ? r : check_tls(check, ret_message);
}

static void print_addresses(const struct endpoint_list *list, const char *without)
{
	for (size_t i = 0; i < list->n; i++) {
		char text[INET6_ADDRSTRLEN] = "?";

		inet_ntop(list->items[i].family == 4 ? AF_INET : AF_INET6, list->items[i].address,
			  text, sizeof text);
		printf("%s%s", i ? ", " : "", text);
	}
	printf("%s", list->n ? "" : without);
}

static void print_tls(const struct check *check)
{
	const struct zoned_config *config = &check->config;

	if (config->tls.port == 0) {
		puts("TLS          none");
		return;
	}
	printf("TLS          port %u, certificate %s%s%s\n", config->tls.port,
	       config->tls.certificate, check->pin[0] ? ", pin " : " (zoned makes it)", check->pin);
}

static void print_stun(const struct zoned_config *config)
{
	struct endpoint alternate = config->stun.alternate;
	char text[ENDPOINT_TEXT_SIZE];

	if (config->stun.port == 0) {
		puts("STUN         none");
		return;
	}
	printf("STUN         on ");
	print_addresses(config->stun.addresses.n ? &config->stun.addresses
						 : &config->listen_addresses,
			"all addresses");
	printf(", port %u", config->stun.port);
	alternate.port = config->stun.alternate_port;
	if (alternate.family)
		printf(", and %s", endpoint_to_text(&alternate, text));
	putchar('\n');
}

static void print_backend(const struct backend_config *config)
{
	char text[ENDPOINT_TEXT_SIZE];

	if (config->type == BACKEND_DNS)
		printf("records      in the primary %s\n",
		       endpoint_to_text(&config->primary, text));
}

static void print_all(const struct check *check)
{
	const struct zoned_config *config = &check->config;
	char text[ENDPOINT_TEXT_SIZE];

	printf("zone %s\n", config->zone);
	printf("server       %s, reached at ", config->server_name);
	print_addresses(&config->server_addresses, "what its own zone says");
	printf("\nlistening on ");
	print_addresses(&config->listen_addresses, "all addresses");
	printf(", port %u\n", config->port);
	print_tls(check);
	print_stun(config);
	printf("database     %s%s\n", config->database,
	       access(config->database, F_OK) < 0 ? " (zoned makes it)" : "");
	print_backend(&config->backend);
	printf("leases       of records %u to %u s, of queries %u to %u s\n",
	       config->update_lease.minimum, config->update_lease.maximum,
	       config->llq_lease.minimum, config->llq_lease.maximum);
	printf("metrics      %s", config->metrics.socket);
	if (config->metrics.port) {
		struct endpoint endpoint = config->metrics.address;

		endpoint.port = config->metrics.port;
		printf(", http://%s/metrics", endpoint_to_text(&endpoint, text));
	}
	putchar('\n');
}

int zoned_check_config(const char *path)
{
	cleanup(freep) char *message = NULL;
	struct check check = {};
	int r = read_all(&check, path, &message);

	if (r < 0)
		fprintf(stderr, "%s\n", message ?: strerror(-r));
	else
		print_all(&check);
	transfer_settings_clear(&check.transfer);
	transfer_keys_clear(&check.backend_keys);
	zoned_config_clear_options(&check.options);
	zoned_config_clear(&check.config);
	return r < 0;
}
