/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/load.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <string.h>
#include <sys/resource.h>

static const char help[] =
	"Usage: dns-load MODE --keys FILE [OPTION...]\n"
	"\n"
	"Modes:\n"
	"  query      signed questions for the SRV records of hosts, over UDP\n"
	"  update     signed UPDATEs of them, each with a lease and of one record\n"
	"  subscribe  subscriptions to them; then, by lines on stdin,\n"
	"             change COUNT PAUSE-MSEC EVENTS TIMEOUT-MSEC\n"
	"             status\n"
	"             quit\n"
	"\n"
	"  --server ADDRESS  of the server (127.0.0.1)\n"
	"  --port PORT       (53)\n"
	"  --keys FILE       lines \"domain key-name secret\", HMAC-SHA256, secret in Base64\n"
	"  --zone NAME       zone of the UPDATEs (the domain of the key)\n"
	"  --hosts N         so many hosts for each key (1)\n"
	"  --count N         so many requests (10000)\n"
	"  --window N        so many unanswered at once (256)\n"
	"  --sockets N       from so many sockets (4)\n"
	"  --verify N        check the signature of each Nth answer (100; 0: none)\n"
	"  --llq N           subscribe: so many long-lived queries\n"
	"  --push N          subscribe: so many DNS Push subscriptions over TLS\n"
	"  --tls-port PORT   (853)\n"
	"  --from ADDRESS    subscribe: the first source address (127.1.0.1)\n"
	"\n"
	"Prints one JSON object per line. Exit status 2: not everything was answered NOERROR.\n";

enum {
	OPTION_SERVER = 256,
	OPTION_PORT,
	OPTION_KEYS,
	OPTION_ZONE,
	OPTION_HOSTS,
	OPTION_COUNT,
	OPTION_WINDOW,
	OPTION_SOCKETS,
	OPTION_VERIFY,
	OPTION_LLQ,
	OPTION_PUSH,
	OPTION_TLS_PORT,
	OPTION_FROM,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "server", required_argument, NULL, OPTION_SERVER },
	{ "port", required_argument, NULL, OPTION_PORT },
	{ "keys", required_argument, NULL, OPTION_KEYS },
	{ "zone", required_argument, NULL, OPTION_ZONE },
	{ "hosts", required_argument, NULL, OPTION_HOSTS },
	{ "count", required_argument, NULL, OPTION_COUNT },
	{ "window", required_argument, NULL, OPTION_WINDOW },
	{ "sockets", required_argument, NULL, OPTION_SOCKETS },
	{ "verify", required_argument, NULL, OPTION_VERIFY },
	{ "llq", required_argument, NULL, OPTION_LLQ },
	{ "push", required_argument, NULL, OPTION_PUSH },
	{ "tls-port", required_argument, NULL, OPTION_TLS_PORT },
	{ "from", required_argument, NULL, OPTION_FROM },
	{ "help", no_argument, NULL, OPTION_HELP },
	{},
};

static unsigned long number(const char *text, unsigned long least, unsigned long most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || end == text || value < least || value > most)
		load_die("\"%s\" is not a number from %lu to %lu", text, least, most);
	return value;
}

static in_addr_t address(const char *text)
{
	struct in_addr value;

	if (inet_pton(AF_INET, text, &value) != 1)
		load_die("\"%s\" is not an IPv4 address", text);
	return value.s_addr;
}

static void take_option(struct load_options *options, int option, const char *value)
{
	switch (option) {
	case OPTION_SERVER:
		options->server.sin_addr.s_addr = address(value);
		options->tls.sin_addr = options->server.sin_addr;
		break;
	case OPTION_PORT:
		options->server.sin_port = htons(number(value, 1, 65535));
		break;
	case OPTION_KEYS:
		load_keys_read(value, &options->keys);
		break;
	case OPTION_ZONE:
		if (dns_name_from_text(value, &options->zone) < 0)
			load_die("\"%s\" is not a name", value);
		break;
	case OPTION_HOSTS:
		options->hosts = number(value, 1, 1000000);
		break;
	case OPTION_COUNT:
		options->count = number(value, 1, 100000000);
		break;
	case OPTION_WINDOW:
		options->window = number(value, 1, 32768);
		break;
	case OPTION_SOCKETS:
		options->sockets = number(value, 1, 1024);
		break;
	case OPTION_VERIFY:
		options->verify = number(value, 0, 1000000);
		break;
	case OPTION_LLQ:
		options->llqs = number(value, 0, 1000000);
		break;
	case OPTION_PUSH:
		options->pushes = number(value, 0, 1000000);
		break;
	case OPTION_TLS_PORT:
		options->tls.sin_port = htons(number(value, 1, 65535));
		break;
	case OPTION_FROM:
		options->from = address(value);
		break;
	case OPTION_HELP:
		fputs(help, stdout);
		exit(0);
	default:
		exit(1);
	}
}

/* One for each TLS connection: all that we may have, and more if we may say so. */
static void allow_descriptors(void)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };

	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	struct load_options options = {
		.server = { .sin_family = AF_INET, .sin_port = htons(53) },
		.tls = { .sin_family = AF_INET, .sin_port = htons(853) },
		.hosts = 1,
		.count = 10000,
		.window = 256,
		.sockets = 4,
		.verify = 100,
	};
	int option, r;

	options.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	options.tls.sin_addr = options.server.sin_addr;
	options.from = htonl(0x7f010001);
	allow_descriptors();
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) >= 0)
		take_option(&options, option, optarg);
	if (optind + 1 != argc || options.keys.n == 0)
		load_die("a mode and --keys are needed; see --help");
	if (strcmp(argv[optind], "query") == 0)
		r = load_requests(&options, LOAD_QUERY);
	else if (strcmp(argv[optind], "update") == 0)
		r = load_requests(&options, LOAD_UPDATE);
	else if (strcmp(argv[optind], "subscribe") == 0)
		r = load_subscribe(&options);
	else
		load_die("there is no mode \"%s\"", argv[optind]);
	load_keys_clear(&options.keys);
	return r;
}
