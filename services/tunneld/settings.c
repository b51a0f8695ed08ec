/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/settings.h"

#include "common/base/cleanup.h"
#include "common/base/config.h"
#include "common/base/log.h"

#include <net/if.h>
#include <string.h>

static int parse_interface(const char *value, void *field)
{
	char **name = field;
	char *copy;

	if (!*value || strlen(value) >= IFNAMSIZ || strpbrk(value, "/%: \t") ||
	    !strcmp(value, ".") || !strcmp(value, ".."))
		return -EINVAL;
	copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	free(*name);
	*name = copy;
	return 0;
}

static int parse_provider(const char *value, void *field)
{
	return aead_provider_from_string(value, field);
}

static int parse_dscp(const char *value, void *field)
{
	return outer_tos_from_string(value, field);
}

static int parse_datapath(const char *value, void *field)
{
	static const char *const words[] = { "auto", "user", "kernel" };
	enum datapath_kind *kind = field;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcmp(value, words[i])) {
			*kind = i;
			return 0;
		}
	}
	return -EINVAL;
}

#define OFFLOAD(name, field)                                                                       \
	{                                                                                          \
		.section = "offload", .key = name, .type = CONFIG_BOOLEAN,                         \
		.offset = offsetof(struct settings, offloads.field)                                \
	}

static const struct config_key keys[] = {
	{ .section = "tunnel",
	  .key = "interface",
	  .type = CONFIG_CUSTOM,
	  .offset = offsetof(struct settings, interface),
	  .parse = parse_interface,
	  .expected = "a name for a network interface, at most 15 characters" },
	{ .section = "tunnel",
	  .key = "port",
	  .type = CONFIG_UNSIGNED,
	  .offset = offsetof(struct settings, port),
	  .minimum = 1,
	  .maximum = 65535 },
	{ .section = "tunnel",
	  .key = "mtu",
	  .type = CONFIG_UNSIGNED,
	  .offset = offsetof(struct settings, mtu),
	  .minimum = 1280,
	  .maximum = SETTINGS_MTU_MAXIMUM },
	{ .section = "tunnel",
	  .key = "linger",
	  .type = CONFIG_UNSIGNED,
	  .offset = offsetof(struct settings, linger),
	  .minimum = 0,
	  .maximum = 1000 },
	{ .section = "outer",
	  .key = "dscp",
	  .type = CONFIG_CUSTOM,
	  .offset = offsetof(struct settings, tos),
	  .parse = parse_dscp,
	  .expected = "none, copy, or a number from 0 to 63" },
	{ .section = "datapath",
	  .key = "kind",
	  .type = CONFIG_CUSTOM,
	  .offset = offsetof(struct settings, datapath),
	  .parse = parse_datapath,
	  .expected = "auto, user or kernel" },
	{ .section = "firewall",
	  .key = "zone",
	  .type = CONFIG_STRING,
	  .offset = offsetof(struct settings, firewall_zone) },
	OFFLOAD("tso", tso),
	OFFLOAD("uso", uso),
	OFFLOAD("udp-segment", gro_send),
	OFFLOAD("udp-gro", gro_receive),
	OFFLOAD("coalesce", coalesce),
	{ .section = "offload",
	  .key = "aead",
	  .type = CONFIG_CUSTOM,
	  .offset = offsetof(struct settings, offloads.aead),
	  .parse = parse_provider,
	  .expected = "any, openssl or ipsec-mb" },
	{},
};

int settings_read(struct settings *settings, const char *path)
{
	cleanup(freep) char *message = NULL;
	int r;

	*settings = (struct settings){ .port = 4500,
				       .mtu = SETTINGS_MTU_MAXIMUM,
				       .linger = 100,
				       .tos = OUTER_TOS_NONE,
				       .offloads = { true, true, true, true, true,
						     AEAD_PROVIDER_ANY } };
	settings->interface = strdup("homeward0");
	settings->firewall_zone = strdup("homeward");
	if (!settings->interface || !settings->firewall_zone)
		return -ENOMEM;
	r = config_read(path, keys, settings, &message);
	if (r < 0)
		log_error("%s", message ?: strerror(-r));
	return r;
}

void settings_clear(struct settings *settings)
{
	free(settings->interface);
	settings->interface = NULL;
	free(settings->firewall_zone);
	settings->firewall_zone = NULL;
}
