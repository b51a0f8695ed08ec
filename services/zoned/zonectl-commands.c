/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/zonectl-commands.h"

#include <string.h>

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

static void print_words(FILE *file, const struct command *command)
{
	fprintf(file, "%s%s%s", command->words[0], command->words[1] ? " " : "",
		command->words[1] ?: "");
}

void zonectl_print_help(FILE *file)
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

void zonectl_print_command_help(const struct command *command)
{
	printf("Usage: zonectl ");
	print_words(stdout, command);
	printf(" %s\n", command->usage);
	if (command->details[0])
		printf("\n%s", command->details);
}

const struct command *zonectl_find_command(char **words, int n_words, int *ret_n)
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

bool zonectl_list_second_words(const char *word, char *ret, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_SIZE(commands) && used < size; i++)
		if (commands[i].words[1] && commands[i].summary &&
		    strcmp(commands[i].words[0], word) == 0)
			used += snprintf(ret + used, size - used, "%s%s", used ? ", " : "",
					 commands[i].words[1]);
	return used > 0;
}
