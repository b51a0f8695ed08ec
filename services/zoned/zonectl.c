/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* zonectl: makes, lists and removes accounts in zoned's database, with zoned running or not, and
 * asks a running zoned how it is. */
#include "config.h"

#include "common/keys/account-keys.h"
#include "services/zoned/storage.h"
#include "services/zoned/terminal-password.h"
#include "services/zoned/zoned-config.h"

#include <fcntl.h>
#include <getopt.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#define PASSWORD_LIMIT 1024

static const char help[] =
	"Usage: zonectl [--config FILE] COMMAND\n"
	"\n"
	"  account add NAME [--password-fd N]   make an account; asks for its password, or reads "
	"it\n"
	"                                       from descriptor N\n"
	"  account list                         the accounts and when they were made\n"
	"  account remove NAME                  remove an account and all its records\n"
	"  account key NAME [--output FILE]     the name of the account's key; with --output the "
	"key\n"
	"                                       itself into a new file for `nsupdate -k`\n"
	"  status                               counters of the running zoned\n"
	"\n"
	"NAME is an account (alice) or its domain (alice.members.example.org).\n"
	"\n"
	"  --config FILE  read FILE instead of " ZONED_DEFAULT_CONFIG "\n"
	"  --help         print this\n"
	"  --version      print the version\n";

struct arguments {
	const char *config_path;
	const char *output;
	int password_fd; /* -1: ask */
	char **words;
	int n_words;
};

struct command {
	const char *words[2]; /* the second may be NULL */
	bool wants_name;
	int (*run)(const struct arguments *arguments, const struct zoned_config *config,
		   const char *domain);
};

static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int fail(const char *format, ...)
{
	va_list arguments;

	fputs("zonectl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return 1;
}

static int open_database(const struct zoned_config *config, enum storage_mode mode,
			 struct storage **ret)
{
	cleanup(freep) char *message = NULL;
	int r;

	/* Without a database there are no accounts: say that, and not what SQLite calls it. */
	if (mode == STORAGE_EXISTING && access(config->database, F_OK) < 0 && errno == ENOENT)
		return fail("there is no database %s yet; `zonectl account add` makes it",
			    config->database);
	r = storage_open(config->database, mode, ret, &message);
	return r < 0 ? fail("%s", message ?: strerror(-r)) : 0;
}

static int read_password(const struct arguments *arguments, const char *domain, struct secret **ret)
{
	cleanup(freep) char *prompt = NULL;
	int r;

	if (arguments->password_fd >= 0)
		r = secret_from_descriptor(arguments->password_fd, PASSWORD_LIMIT, ret);
	else if (asprintf(&prompt, "Password for %s", domain) < 0)
		r = -ENOMEM;
	else
		r = terminal_password_ask(prompt, ret);
	switch (-r) {
	case 0:
		return 0;
	case ENOTTY:
		return fail("there is no terminal to ask on; use --password-fd");
	case EKEYREJECTED:
		return fail("three times two different passwords; nothing was made");
	case ENODATA:
		return fail("the password is empty");
	case EFBIG:
		return fail("the password is longer than %d octets", PASSWORD_LIMIT);
	default:
		return fail("cannot read the password: %s", strerror(-r));
	}
}

static int account_add(const struct arguments *arguments, const struct zoned_config *config,
		       const char *domain)
{
	cleanup(storage_freep) struct storage *storage = NULL;
	cleanup(secret_freep) struct secret *password = NULL, *master = NULL, *key = NULL;
	cleanup(secret_freep) struct secret *present = NULL;
	int r;

	if (open_database(config, STORAGE_CREATE, &storage))
		return 1;
	/* Said before anybody types a password twice. */
	if (storage_read_account_key(storage, domain, &present) >= 0)
		return fail("the account %s exists already", domain);
	if (read_password(arguments, domain, &password))
		return 1;
	r = account_keys_derive_master(password, domain, &master);
	if (r >= 0)
		r = account_keys_derive_tsig(master, &key);
	if (r < 0)
		return fail("cannot derive the key: %s", strerror(-r));
	r = storage_add_account(storage, domain, key, time(NULL));
	if (r == -EEXIST)
		return fail("the account %s exists already", domain);
	if (r < 0)
		return fail("cannot write to %s: %s", config->database, storage_error(storage));
	printf("made %s\n", domain);
	return 0;
}

static int print_account(void *userdata, int64_t id, const char *domain, const void *key,
			 size_t key_size, int64_t created)
{
	time_t at = created;
	struct tm tm;
	char date[32] = "";

	if (localtime_r(&at, &tm))
		strftime(date, sizeof date, "%Y-%m-%d %H:%M", &tm);
	printf("%-40s %s\n", domain, date);
	return 0;
}

static int account_list(const struct arguments *arguments, const struct zoned_config *config,
			const char *domain)
{
	cleanup(storage_freep) struct storage *storage = NULL;
	int r;

	if (open_database(config, STORAGE_EXISTING, &storage))
		return 1;
	r = storage_walk_accounts(storage, print_account, NULL);
	return r < 0 ? fail("cannot read %s: %s", config->database, storage_error(storage)) : 0;
}

static int account_remove(const struct arguments *arguments, const struct zoned_config *config,
			  const char *domain)
{
	cleanup(storage_freep) struct storage *storage = NULL;
	int r;

	if (open_database(config, STORAGE_EXISTING, &storage))
		return 1;
	r = storage_remove_account(storage, domain);
	if (r == -ENOENT)
		return fail("there is no account %s", domain);
	if (r < 0)
		return fail("cannot write to %s: %s", config->database, storage_error(storage));
	printf("removed %s\n", domain);
	return 0;
}

/* The form of BIND's tools. The file must be new, so that it cannot be somebody else's. */
static int write_key_file(const char *path, const char *domain, const struct secret *key)
{
	char encoded[64], text[ACCOUNT_DOMAIN_SIZE + 128];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t n;
	int size;

	if (fd < 0)
		return fail("cannot make %s: %s", path, strerror(errno));
	if (key->size > ACCOUNT_KEY_SIZE) {
		close_fd(fd);
		return fail("the key in the database is too long");
	}
	EVP_EncodeBlock((unsigned char *)encoded, key->data, key->size);
	size = snprintf(text, sizeof text,
			"key \"%s\" {\n\talgorithm hmac-sha256;\n\tsecret \"%s\";\n};\n", domain,
			encoded);
	n = write(fd, text, size);
	explicit_bzero(encoded, sizeof encoded);
	explicit_bzero(text, sizeof text);
	if (n != size || fsync(fd) < 0) {
		int error = n >= 0 && n != size ? ENOSPC : errno;

		close_fd(fd);
		/* It would stand in the way of the next try. */
		unlink(path);
		return fail("cannot write %s: %s", path, strerror(error));
	}
	close_fd(fd);
	return 0;
}

static int account_key(const struct arguments *arguments, const struct zoned_config *config,
		       const char *domain)
{
	cleanup(storage_freep) struct storage *storage = NULL;
	cleanup(secret_freep) struct secret *key = NULL;
	int r;

	if (open_database(config, STORAGE_EXISTING, &storage))
		return 1;
	r = storage_read_account_key(storage, domain, &key);
	if (r == -ENOENT)
		return fail("there is no account %s", domain);
	if (r < 0)
		return fail("cannot read %s: %s", config->database, storage_error(storage));
	if (arguments->output)
		return write_key_file(arguments->output, domain, key);
	printf("%s hmac-sha256\n", domain);
	return 0;
}

static int status(const struct arguments *arguments, const struct zoned_config *config,
		  const char *domain)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup(close_fdp) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[1024];
	ssize_t n;

	if (fd < 0 || strlen(config->status_socket) >= sizeof address.sun_path)
		return fail("cannot use the socket %s", config->status_socket);
	strcpy(address.sun_path, config->status_socket);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		return fail("no zoned answers on %s: %s", config->status_socket, strerror(errno));
	while ((n = read(fd, text, sizeof text)) > 0)
		fwrite(text, 1, n, stdout);
	return n < 0 ? fail("cannot read from zoned: %s", strerror(errno)) : 0;
}

static const struct command commands[] = {
	{ { "account", "add" }, true, account_add },
	{ { "account", "list" }, false, account_list },
	{ { "account", "remove" }, true, account_remove },
	{ { "account", "key" }, true, account_key },
	{ { "status", NULL }, false, status },
};

static const struct command *find_command(const struct arguments *arguments, int *ret_n_words)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		int n = commands[i].words[1] ? 2 : 1;

		if (arguments->n_words < n ||
		    strcmp(arguments->words[0], commands[i].words[0]) != 0 ||
		    (n == 2 && strcmp(arguments->words[1], commands[i].words[1]) != 0))
			continue;
		*ret_n_words = n + commands[i].wants_name;
		return &commands[i];
	}
	return NULL;
}

static int run_command(const struct arguments *arguments)
{
	cleanup(freep) char *message = NULL;
	char domain[ACCOUNT_DOMAIN_SIZE] = "";
	struct zoned_config config;
	const struct command *command;
	int n_words, r;

	command = find_command(arguments, &n_words);
	if (!command)
		return fail("no such command; see --help");
	if (arguments->n_words != n_words)
		return fail(arguments->n_words < n_words ? "the name of the account is missing"
							 : "too many words; see --help");
	r = zoned_config_read(arguments->config_path, &config, &message);
	if (r < 0)
		r = fail("%s", message ?: strerror(-r));
	else if (command->wants_name &&
		 zoned_config_account_domain(&config, arguments->words[2], domain) < 0)
		r = fail("\"%s\" cannot be an account of %s: letters, digits and hyphens",
			 arguments->words[2], config.zone);
	else
		r = command->run(arguments, &config, domain);
	zoned_config_clear(&config);
	return r;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "output", required_argument, NULL, 'o' },
		{ "password-fd", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{},
	};
	static const struct rlimit no_core = { 0, 0 };
	struct arguments arguments = { .config_path = ZONED_DEFAULT_CONFIG, .password_fd = -1 };
	int option;
	char *end;

	setrlimit(RLIMIT_CORE, &no_core);
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'c':
			arguments.config_path = optarg;
			break;
		case 'o':
			arguments.output = optarg;
			break;
		case 'p':
			arguments.password_fd = strtol(optarg, &end, 10);
			if (*end || end == optarg || arguments.password_fd < 0)
				return fail("--password-fd wants the number of a descriptor");
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		case 'v':
			puts(PACKAGE_STRING);
			return 0;
		default:
			return 1;
		}
	}
	arguments.words = argv + optind;
	arguments.n_words = argc - optind;
	if (arguments.n_words == 0) {
		fputs(help, stderr);
		return 1;
	}
	return run_command(&arguments);
}
