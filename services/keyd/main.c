/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/keyd.h"

#include "common/base/config.h"
#include "common/base/log.h"

#include <stddef.h>
#include <string.h>

#define LIST "one or more, best first, each once, of "

#define ALGORITHMS(name, field, how, words)                                                        \
	{                                                                                          \
		.section = "algorithms", .key = name, .type = CONFIG_CUSTOM,                       \
		.offset = offsetof(struct keyd_config, preferences.field), .parse = how,           \
		.expected = LIST words                                                             \
	}

#define REKEY(name, field, from, to)                                                               \
	{                                                                                          \
		.section = "rekey", .key = name, .type = CONFIG_UNSIGNED,                          \
		.offset = offsetof(struct keyd_config, rekey.field), .minimum = from,              \
		.maximum = to                                                                      \
	}
/* In the order of enum ike_ppk_use, and of enum ike_kem_use. */
static const char *const uses[] = { "preferred", "required", "never", NULL };

static const struct config_key keys[] = {
	ALGORITHMS("ike", ike, ike_preferences_parse_ciphers, IKE_CIPHER_WORDS),
	ALGORITHMS("prf", prfs, ike_preferences_parse_prfs, IKE_PRF_WORDS),
	ALGORITHMS("key-exchange", groups, ike_preferences_parse_groups, IKE_GROUP_WORDS),
	ALGORITHMS("esp", esp, ike_preferences_parse_ciphers, IKE_CIPHER_WORDS),
	{ .section = "algorithms",
	  .key = "post-quantum",
	  .type = CONFIG_CHOICE,
	  .offset = offsetof(struct keyd_config, preferences.kem_use),
	  .choices = uses },
	{ .section = "responder",
	  .key = "cookies-from",
	  .type = CONFIG_UNSIGNED,
	  .offset = offsetof(struct keyd_config, cookies_from),
	  .maximum = IKE_HALF_OPEN_MAXIMUM },
	{ .section = "messages",
	  .key = "datagram-size",
	  .type = CONFIG_UNSIGNED,
	  .offset = offsetof(struct keyd_config, datagram_size),
	  .minimum = IKE_DATAGRAM_MINIMUM,
	  .maximum = 1500 },
	REKEY("ike", ike, 0, 7 * 86400),
	REKEY("child", child, 0, 7 * 86400),
	REKEY("jitter", jitter, 0, 90),
	REKEY("mebibytes", mebibytes, 0, UINT32_MAX),
	REKEY("packets", packets, 0, UINT32_MAX),
	{ .section = "ppk",
	  .key = "use",
	  .type = CONFIG_CHOICE,
	  .offset = offsetof(struct keyd_config, ppk_use),
	  .choices = uses },
	{ .section = "resumption",
	  .key = "use",
	  .type = CONFIG_BOOLEAN,
	  .offset = offsetof(struct keyd_config, resumption) },
	{ .section = "paths",
	  .key = "runtime",
	  .type = CONFIG_STRING,
	  .offset = offsetof(struct keyd_config, runtime_folder) },
	{ .section = "psk",
	  .key = "file",
	  .type = CONFIG_STRING,
	  .offset = offsetof(struct keyd_config, psk_file) },
	{},
};

int main(int argc, char **argv)
{
	cleanup(keyd_freep) struct keyd *keyd = NULL;
	cleanup(freep) char *complaint = NULL;
	struct keyd_config config = {
		.cookies_from = IKE_HALF_OPEN_EASY,
		.datagram_size = IKE_DATAGRAM_SIZE,
		.resumption = true,
		.rekey = { .ike = 4 * 3600, .child = 3600, .jitter = 10, .mebibytes = 65536 },
	};
	const char *path;
	int r = daemon_parse_arguments(argc, argv,
				       "Negotiates keys with the account's other hosts "
				       "(IKEv2).",
				       SYSCONFDIR "/homeward/keyd.conf", &path);

	if (r <= 0)
		return r < 0;
	ike_preferences_init(&config.preferences);
	config.runtime_folder = strdup(RUNSTATEDIR "/homeward/keyd");
	r = config.runtime_folder ? config_read(path, keys, &config, &complaint) : -ENOMEM;
	if (r < 0)
		log_error("%s", complaint ? complaint : "out of memory");
	else
		r = keyd_new(&config, &keyd);
	free(config.psk_file);
	free(config.runtime_folder);
	if (r < 0)
		return 1;
	return keyd_run(keyd);
}
