/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* zonectl: makes, changes and shows the accounts in zoned's database, with zoned running or not,
 * and asks a running zoned how it is. */
#include "config.h"

#include "services/zoned/zonectl.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum option_bit {
	OPTION_OUTPUT = 1 << 0,
	OPTION_PASSWORD = 1 << 1,
	OPTION_JSON = 1 << 2,
	OPTION_PURGE = 1 << 3,
	OPTION_MD5 = 1 << 4,
	OPTION_WATCH = 1 << 5,
	N_OPTION_BITS = 6,
};

static const char *const option_names[N_OPTION_BITS] = { "output", "password-fd", "json",
							 "purge",  "allow-md5",   "watch" };

enum operand { NONE, ACCOUNT, MAYBE_ACCOUNT, MAYBE_ACCOUNTS, ONE_FILE };

struct command {
	const char *words[2]; /* the second may be NULL */
	enum operand operand;
	unsigned int options;
	const char *usage; /* after the words */
	const char *summary;
	const char *details;
	zonectl_command run;
};

static const struct command commands[] = {
	{ { "account", "add" },
	  ACCOUNT,
	  OPTION_PASSWORD | OPTION_MD5,
	  "NAME [--password-fd N] [--allow-md5]",
	  "make an account",
	  "Asks for the password on the terminal, or reads it from descriptor N. What is kept is "
	  "a\n"
	  "key that follows from it, never the password.\n"
	  "\n"
	  "--allow-md5 lets keys of this account sign with HMAC-MD5 and HMAC-SHA1, which should "
	  "not\n"
	  "be used any more (RFC 8945 section 6).\n",
	  zonectl_account_add },
	{ { "account", "passwd" },
	  ACCOUNT,
	  OPTION_PASSWORD,
	  "NAME [--password-fd N]",
	  "give an account another password",
	  "A running zoned takes the new key at once and refuses the old one: each host has to "
	  "sign in\n"
	  "again (homewardctl sign-in). Records stay until their leases end.\n",
	  zonectl_account_passwd },
	{ { "account", "modify" },
	  ACCOUNT,
	  OPTION_MD5,
	  "NAME --allow-md5=yes|no",
	  "allow old algorithms to an account, or not",
	  "See `zonectl account add --help`.\n",
	  zonectl_account_modify },
	{ { "account", "disable" },
	  ACCOUNT,
	  OPTION_PURGE,
	  "NAME [--purge]",
	  "refuse an account's keys",
	  "Everything signed by this account's keys is refused from now on, and its subscriptions "
	  "end.\n"
	  "Its records stay until their leases end; with --purge they go at once.\n",
	  zonectl_account_disable },
	{ { "account", "enable" },
	  ACCOUNT,
	  0,
	  "NAME",
	  "accept a disabled account's keys again",
	  "Hosts register again by themselves when they try next.\n",
	  zonectl_account_enable },
	{ { "account", "delete" },
	  ACCOUNT,
	  0,
	  "NAME",
	  "delete an account and all its records",
	  "Cannot be undone, but by making it again with the same password: then hosts need not "
	  "sign\n"
	  "in again.\n",
	  zonectl_account_delete },
	{ { "account", "remove" },
	  ACCOUNT,
	  0,
	  "NAME",
	  NULL,
	  "The same as `account delete`.\n",
	  zonectl_account_delete },
	{ { "account", "list" },
	  NONE,
	  OPTION_JSON,
	  "[--json]",
	  "the accounts, and when they were made",
	  "",
	  zonectl_account_list },
	{ { "account", "show" },
	  ACCOUNT,
	  OPTION_JSON,
	  "NAME [--json]",
	  "one account: state, hosts, records, subscriptions",
	  "",
	  zonectl_account_show },
	{ { "account", "key" },
	  ACCOUNT,
	  OPTION_OUTPUT,
	  "NAME [--output FILE]",
	  "the name of the account's key, or the key in a new file",
	  "With --output the key itself goes into FILE, which must not exist, in the form that\n"
	  "`nsupdate -k` and `dig -k` read. Who has it may do everything below the account.\n",
	  zonectl_account_key },
	{ { "account", "export" },
	  MAYBE_ACCOUNTS,
	  OPTION_OUTPUT,
	  "[NAME...] [--output FILE]",
	  "accounts with their keys, for another node",
	  "Without names: all. Writes FILE, which must not exist and gets mode 0600, or standard "
	  "output\n"
	  "when that is no terminal. Whoever reads it can read and change these zones.\n",
	  zonectl_account_export },
	{ { "account", "import" },
	  ONE_FILE,
	  0,
	  "FILE",
	  "accounts from `account export` of another node",
	  "FILE must be readable by its owner only; - is standard input. All of them are made or "
	  "none;\n"
	  "an account that is there with the same key is left as it is.\n",
	  zonectl_account_import },
	{ { "zone", "show" },
	  ACCOUNT,
	  OPTION_JSON,
	  "NAME [--json]",
	  "an account's records, what is left of their leases, who wrote them",
	  "As the database has them: without the records that follow from the configuration.\n",
	  zonectl_zone_show },
	{ { "leases", NULL },
	  MAYBE_ACCOUNT,
	  OPTION_JSON,
	  "[NAME] [--json]",
	  "who holds records, and for how long",
	  "One line for each key that wrote records, of all accounts or of one.\n",
	  zonectl_leases },
	{ { "subscriptions", NULL },
	  MAYBE_ACCOUNT,
	  OPTION_JSON,
	  "[NAME] [--json]",
	  "long-lived queries, and how many push subscriptions there are",
	  "Long-lived queries by UDP are kept in the database; those on connections, and "
	  "subscriptions\n"
	  "of DNS Push, live as long as the connection and are counted only.\n",
	  zonectl_subscriptions },
	{ { "status", NULL },
	  NONE,
	  OPTION_JSON | OPTION_WATCH,
	  "[--json] [--watch[=SECONDS]]",
	  "counters of the running zoned",
	  "With --watch again and again, with what came since.\n",
	  zonectl_status },
	{ { "counters", NULL },
	  NONE,
	  OPTION_JSON | OPTION_WATCH,
	  "[--json] [--watch[=SECONDS]]",
	  NULL,
	  "The same as `status`.\n",
	  zonectl_status },
	{ { "tls", "pin" },
	  NONE,
	  OPTION_JSON,
	  "[--json]",
	  "the pin of the server's key, for clients that pin it",
	  "The SHA-256 of the public key in the certificate that the configuration names or zoned "
	  "made\n"
	  "(RFC 7858 section 4.2). It goes into [server] pin of registrar.conf and "
	  "llq-watcher.conf.\n",
	  zonectl_tls_pin },
};

int zonectl_fail(const char *format, ...)
{
	va_list arguments;

	fputs("zonectl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return ZONECTL_FAILED;
}

int zonectl_open(const struct zonectl *ctl, enum storage_mode mode, struct storage **ret)
{
	const char *path = ctl->config.database;
	cleanup(freep) char *message = NULL;
	int r;

	/* Without a database there are no accounts: say that, and not what SQLite calls it. */
	if (mode == STORAGE_EXISTING && access(path, F_OK) < 0 && errno == ENOENT)
		return zonectl_fail("there is no database %s yet; `zonectl account add` makes it",
				    path);
	r = storage_open(path, mode, ret, &message);
	return r < 0 ? zonectl_fail("%s", message ?: strerror(-r)) : ZONECTL_DONE;
}

/* SQLite's words, unless they are about the undoing, which went well. */
static const char *words_for(struct storage *storage, int r)
{
	const char *words = storage_error(storage);

	return strcmp(words, "not an error") == 0 ? strerror(-r) : words;
}

int zonectl_check(const struct zonectl *ctl, struct storage *storage, int r)
{
	if (r >= 0)
		return ZONECTL_DONE;
	switch (-r) {
	case ENOENT:
		return zonectl_fail("there is no account %s; see `zonectl account list`",
				    ctl->domain);
	case EEXIST:
		return zonectl_fail("the account %s exists already", ctl->domain);
	case ENOMEM:
		return zonectl_fail("%s", strerror(ENOMEM));
	default:
		return zonectl_fail("cannot use %s: %s", ctl->config.database,
				    words_for(storage, r));
	}
}

int zonectl_print_json(json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
							    JSON_C_TO_STRING_SPACED |
							    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	return ZONECTL_DONE;
}

const char *zonectl_duration(int64_t seconds)
{
	static char text[32];

	if (seconds < 0)
		seconds = 0;
	if (seconds >= 3600)
		snprintf(text, sizeof text, "%lldh %02dm", (long long)seconds / 3600,
			 (int)(seconds % 3600 / 60));
	else
		snprintf(text, sizeof text, "%dm %02ds", (int)seconds / 60, (int)seconds % 60);
	return text;
}

const char *zonectl_date(int64_t seconds)
{
	static char text[32];
	time_t at = seconds;
	struct tm tm;

	text[0] = 0;
	if (localtime_r(&at, &tm))
		strftime(text, sizeof text, "%Y-%m-%d %H:%M", &tm);
	return text;
}

const char *zonectl_label(const char *domain)
{
	static char text[ACCOUNT_DOMAIN_SIZE];

	snprintf(text, sizeof text, "%.*s", (int)strcspn(domain, "."), domain);
	return text;
}

int zonectl_write_file(const char *path, const char *text, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t n = 0;

	if (fd < 0)
		return zonectl_fail("cannot make %s: %s", path, strerror(errno));
	for (size_t done = 0; done < size && n >= 0; done += n)
		n = write(fd, text + done, size - done);
	if (n < 0 || fsync(fd) < 0) {
		int error = errno;

		close_fd(fd);
		/* It would stand in the way of the next try. */
		unlink(path);
		return zonectl_fail("cannot write %s: %s", path, strerror(error));
	}
	close_fd(fd);
	return ZONECTL_DONE;
}

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

static void print_words(FILE *file, const struct command *command)
{
	fprintf(file, "%s%s%s", command->words[0], command->words[1] ? " " : "",
		command->words[1] ?: "");
}

static void print_help(FILE *file)
{
	fputs("Usage: zonectl [--config FILE] COMMAND\n\n", file);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		int width = 20;

		if (!commands[i].summary)
			continue;
		fputs("  ", file);
		print_words(file, &commands[i]);
		width -= strlen(commands[i].words[0]);
		if (commands[i].words[1])
			width -= 1 + strlen(commands[i].words[1]);
		fprintf(file, "%*s%s\n", width, "", commands[i].summary);
	}
	fputs("\n"
	      "`zonectl COMMAND --help` says more. NAME is an account (alice) or its domain\n"
	      "(alice.members.example.org).\n"
	      "\n"
	      "  --config FILE  read FILE instead of " ZONED_DEFAULT_CONFIG "\n"
	      "  --help         print this\n"
	      "  --version      print the version\n"
	      "\n"
	      "Exit status: 0 done; 1 not done, for the reason printed; 2 wrong command line.\n",
	      file);
}

static int print_command_help(const struct command *command)
{
	printf("Usage: zonectl ");
	print_words(stdout, command);
	printf(" %s\n", command->usage);
	if (command->details[0])
		printf("\n%s", command->details);
	return ZONECTL_DONE;
}

static const struct command *find_command(char **words, int n_words, int *ret_n)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		int n = commands[i].words[1] ? 2 : 1;

		if (n_words < n || strcmp(words[0], commands[i].words[0]) != 0 ||
		    (n == 2 && strcmp(words[1], commands[i].words[1]) != 0))
			continue;
		*ret_n = n;
		return &commands[i];
	}
	return NULL;
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
	    zoned_config_account_domain(&ctl->config, ctl->operands[0], ctl->domain) < 0)
		return zonectl_fail(
			"\"%s\" cannot be an account of %s: letters, digits and hyphens",
			ctl->operands[0], ctl->config.zone);
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
		print_help(wants_help ? stdout : stderr);
		return wants_help ? ZONECTL_DONE : ZONECTL_USAGE;
	}
	command = find_command(argv + optind, argc - optind, &n_words);
	if (!command && wants_help) {
		print_help(stdout);
		return ZONECTL_DONE;
	}
	if (!command)
		return complain("no such command");
	if (wants_help)
		return print_command_help(command);
	for (int i = 0; i < N_OPTION_BITS; i++)
		if (given & ~command->options & 1 << i)
			return complain("--%s does not go with this command", option_names[i]);
	ctl.operands = argv + optind + n_words;
	ctl.n_operands = argc - optind - n_words;
	r = check_operands(command, &ctl) ?: run(command, &ctl);
	zoned_config_clear(&ctl.config);
	return r;
}
