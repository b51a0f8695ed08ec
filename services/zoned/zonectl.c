/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* zonectl: makes, changes and shows the accounts in zoned's database, with zoned running or not,
 * and asks a running zoned how it is. */
#include "config.h"

#include "services/zoned/zonectl-commands.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static const char *const option_names[N_OPTION_BITS] = { "output", "password-fd", "json",
							 "purge",  "allow-md5",   "watch" };

/* The command line
 * ----------------------------------------------------------------------------------- */

static int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int complain(const char *format, ...)
{
	va_list arguments;

	fputs("zonectl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs("; see --help\n", stderr);
	return ZONECTL_USAGE;
}

static int check_operands(const struct command *command, const struct zonectl *ctl)
{
	static const int least[] = { [ACCOUNT] = 1, [ONE_FILE] = 1 };
	static const int most[] = {
		[ACCOUNT] = 1, [MAYBE_ACCOUNT] = 1, [ONE_FILE] = 1, [MAYBE_ACCOUNTS] = 100000
	};
	int n_least = command->operand < ARRAY_SIZE(least) ? least[command->operand] : 0;

	if (ctl->n_operands < n_least)
		return complain(command->operand == ACCOUNT ? "the name of the account is missing"
							    : "the name of the file is missing");
	if (ctl->n_operands > most[command->operand])
		return complain("\"%s\" is one word too many",
				ctl->operands[most[command->operand]]);
	return ZONECTL_DONE;
}

static int run(const struct command *command, struct zonectl *ctl)
{
	cleanup(freep) char *message = NULL;
	int r = zoned_config_read(ctl->config_path, &ctl->config, &message);

	if (r < 0)
		return zonectl_fail("%s", message ?: strerror(-r));
	if ((command->operand == ACCOUNT || command->operand == MAYBE_ACCOUNT) && ctl->n_operands &&
	    zonectl_find_domain(&ctl->config, ctl->operands[0], ctl->domain))
		return ZONECTL_FAILED;
	return command->run(ctl);
}

static const struct option options[] = {
	{ "output", required_argument, NULL, OPTION_OUTPUT },
	{ "password-fd", required_argument, NULL, OPTION_PASSWORD },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "purge", no_argument, NULL, OPTION_PURGE },
	{ "allow-md5", optional_argument, NULL, OPTION_MD5 },
	{ "watch", optional_argument, NULL, OPTION_WATCH },
	{ "config", required_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'v' },
	{},
};

/* A whole number from 0; -1 for anything else. */
static int parse_number(const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);

	return *end || end == text || number < 0 || number > INT_MAX ? -1 : (int)number;
}

/* One option with its value. */
static int take_option(struct zonectl *ctl, int option, const char *value)
{
	switch (option) {
	case OPTION_OUTPUT:
		ctl->output = value;
		break;
	case OPTION_PASSWORD:
		ctl->password_fd = parse_number(value);
		if (ctl->password_fd < 0)
			return complain("--password-fd wants the number of a descriptor");
		break;
	case OPTION_JSON:
		ctl->json = true;
		break;
	case OPTION_PURGE:
		ctl->purge = true;
		break;
	case OPTION_MD5:
		ctl->allow_md5 = !value || strcmp(value, "yes") == 0;
		if (value && !ctl->allow_md5 && strcmp(value, "no") != 0)
			return complain("--allow-md5 is yes or no");
		break;
	case OPTION_WATCH:
		ctl->watch = value ? parse_number(value) : 1;
		if (ctl->watch < 1 || ctl->watch > 86400)
			return complain("--watch wants a number of seconds");
		break;
	case 'c':
		ctl->config_path = value;
		break;
	}
	return ZONECTL_DONE;
}

static int complain_of_words(char **words, int n)
{
	char others[100];

	if (!zonectl_list_second_words(words[0], others, sizeof others))
		return complain("there is no command \"%s\"", words[0]);
	if (n == 1)
		return complain("%s what? %s", words[0], others);
	return complain("there is no \"%s %s\" but %s", words[0], words[1], others);
}

int main(int argc, char **argv)
{
	static const struct rlimit no_core = { 0, 0 };
	struct zonectl ctl = { .config_path = ZONED_DEFAULT_CONFIG,
			       .password_fd = -1,
			       .allow_md5 = -1 };
	const struct command *command;
	unsigned int given = 0;
	bool wants_help = false;
	int option, n_words, r;

	setrlimit(RLIMIT_CORE, &no_core);
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == '?')
			return ZONECTL_USAGE;
		if (option == 'v') {
			puts(PACKAGE_STRING);
			return ZONECTL_DONE;
		}
		wants_help |= option == 'h';
		if (option < 1 << N_OPTION_BITS)
			given |= option;
		r = take_option(&ctl, option, optarg);
		if (r)
			return r;
	}
	if (optind == argc) {
		zonectl_print_help(wants_help ? stdout : stderr);
		return wants_help ? ZONECTL_DONE : ZONECTL_USAGE;
	}
	command = zonectl_find_command(argv + optind, argc - optind, &n_words);
	if (!command && wants_help) {
		zonectl_print_help(stdout);
		return ZONECTL_DONE;
	}
	if (!command)
		return complain_of_words(argv + optind, argc - optind);
	if (wants_help) {
		zonectl_print_command_help(command);
		return ZONECTL_DONE;
	}
	for (int i = 0; i < N_OPTION_BITS; i++)
		if (given & ~command->options & 1 << i)
			return complain("--%s does not go with this command", option_names[i]);
	ctl.operands = argv + optind + n_words;
	ctl.n_operands = argc - optind - n_words;
	r = check_operands(command, &ctl) ?: run(command, &ctl);
	zoned_config_clear(&ctl.config);
	return r;
}
