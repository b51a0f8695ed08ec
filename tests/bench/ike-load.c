/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Hosts of an account that negotiate with one responder, as many at a time as one says, by keyd's
 * own state machine as initiator:
 *
 *   ike-load HOSTS ADDRESS PORT COUNT AT-ONCE
 *
 * HOSTS is a file of words: "account DOMAIN CERTIFICATE", "peer NAME HOST-ID", then lines "host
 * NAME HOST-ID CERTIFICATE KEY"; certificates and keys (PKCS #8) DER in hex. The hosts take turns;
 * each handshake is a host that knows nothing of former ones. Prints one JSON object.
 */
#include "services/keyd/ike-manager-state.h"

#include <arpa/inet.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define HOSTS_LIMIT   16384
#define AT_ONCE_LIMIT 64
#define LINE_LIMIT    8192
#define PATIENCE      10000 /* ms for one handshake */
#define MARKER        4     /* octets before IKE on port 4500 (RFC 3948 §2.2) */

struct host {
	char name[IKE_NAME_LIMIT];
	uint8_t id[16];
	uint8_t certificate[IKE_CERTIFICATE_LIMIT];
	size_t certificate_size;
	EVP_PKEY *key;
};

struct handshake {
	struct ike_manager *manager; /* NULL: the place is free */
	const struct host *host;
	int fd;
	uint64_t began; /* ns */
	bool done, failed;
};

static struct {
	char domain[IKE_NAME_LIMIT];
	uint8_t account[IKE_CERTIFICATE_LIMIT];
	size_t account_size;
	struct ike_tunnel_peer peer;
	struct host *hosts[HOSTS_LIMIT];
	unsigned int n_hosts;

	struct handshake places[AT_ONCE_LIMIT];
	unsigned int count, at_once, n_begun, n_done, n_failed;
	double *times; /* ms, of those that succeeded */
	unsigned int n_times;
	char failure[160];
} load;

static void fail(const char *what)
{
	fprintf(stderr, "ike-load: %s\n", what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

static size_t from_hex(const char *hex, uint8_t *ret, size_t capacity)
{
	size_t n = strlen(hex) / 2;

	if (n > capacity)
		fail("too much hex");
	for (size_t i = 0; i < n; i++) {
		char pair[] = { hex[2 * i], hex[2 * i + 1], 0 };

		ret[i] = strtoul(pair, NULL, 16);
	}
	return n;
}

static void add_host(const char *name, const char *id, const char *certificate, const char *key)
{
	struct host *host = calloc(1, sizeof *host);
	uint8_t der[2048];
	const uint8_t *at = der;
	size_t size;

	if (!host || load.n_hosts == HOSTS_LIMIT)
		fail("too many hosts");
	snprintf(host->name, sizeof host->name, "%s", name);
	if (inet_pton(AF_INET6, id, host->id) != 1)
		fail("bad host id");
	host->certificate_size = from_hex(certificate, host->certificate, sizeof host->certificate);
	size = from_hex(key, der, sizeof der);
	host->key = d2i_AutoPrivateKey(NULL, &at, size);
	if (!host->key)
		fail("bad key");
	load.hosts[load.n_hosts++] = host;
}

static void read_hosts(const char *path)
{
	static char line[LINE_LIMIT];
	FILE *file = fopen(path, "r");

	if (!file)
		fail("no file of hosts");
	while (fgets(line, sizeof line, file)) {
		char *rest = line, *words[5] = {};

		for (int i = 0; i < 5; i++)
			words[i] = strtok_r(i ? NULL : line, " \n", &rest) ?: (char *)"";
		if (!strcmp(words[0], "account")) {
			snprintf(load.domain, sizeof load.domain, "%s", words[1]);
			load.account_size = from_hex(words[2], load.account, sizeof load.account);
		} else if (!strcmp(words[0], "peer")) {
			snprintf(load.peer.name, sizeof load.peer.name, "%s", words[1]);
			if (inet_pton(AF_INET6, words[2], load.peer.host_id) != 1)
				fail("bad host id of the peer");
		} else if (!strcmp(words[0], "host")) {
			add_host(words[1], words[2], words[3], words[4]);
		}
	}
	fclose(file);
	if (!load.n_hosts)
		fail("no hosts");
}

static void fill(void *userdata, void *data, size_t size)
{
	if (RAND_bytes(data, size) != 1)
		abort();
}

static void sign(struct handshake *handshake, const struct ike_action *action, uint64_t now)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t signature[256];
	size_t size = sizeof signature;

	if (EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, handshake->host->key) != 1 ||
	    EVP_DigestSign(context, signature, &size, action->data, action->size) != 1)
		fail("cannot sign");
	EVP_MD_CTX_free(context);
	ike_manager_signed(handshake->manager, now, action->sa, signature, size);
}

static void carry_out(struct handshake *handshake, const struct ike_action *action, uint64_t now)
{
	uint8_t datagram[MARKER + IKE_MESSAGE_LIMIT] = {};

	switch (action->type) {
	case IKE_ACTION_SEND:
		memcpy(datagram + MARKER, action->data, action->size);
		if (send(handshake->fd, datagram, MARKER + action->size, 0) < 0 && errno != EAGAIN)
			fail("cannot send");
		break;
	case IKE_ACTION_SIGN:
		sign(handshake, action, now);
		break;
	case IKE_ACTION_INSTALL:
		handshake->done = true;
		break;
	case IKE_ACTION_ACQUIRE_FAILED:
		handshake->failed = true;
		memcpy(load.failure, action->text, sizeof load.failure);
		break;
	case IKE_ACTION_REMOVE:
	case IKE_ACTION_REMOVE_ALL:
	case IKE_ACTION_RETIRE:
	case IKE_ACTION_MOVE:
	case IKE_ACTION_CHANGED:
	case IKE_ACTION_NOTE:
		break;
	}
}

static void run(struct handshake *handshake)
{
	struct ike_action *action;

	while ((action = ike_manager_take(handshake->manager))) {
		carry_out(handshake, action, now_ns() / 1000000);
		ike_action_free(action);
	}
	if (!handshake->done && !handshake->failed &&
	    now_ns() - handshake->began < PATIENCE * UINT64_C(1000000))
		return;
	if (handshake->done)
		load.times[load.n_times++] = (now_ns() - handshake->began) / 1e6;
	else
		load.n_failed++;
	load.n_done++;
	close(handshake->fd);
	ike_manager_free(handshake->manager);
	handshake->manager = NULL;
}

static void begin(struct handshake *handshake, const struct sockaddr_in *target)
{
	const struct ike_random random = { fill, NULL };
	struct ike_local *local = calloc(1, sizeof *local);
	struct ike_preferences preferences;
	uint64_t now = now_ns() / 1000000;

	*handshake = (struct handshake){ .host = load.hosts[load.n_begun++ % load.n_hosts] };
	handshake->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (!local || handshake->fd < 0 || ike_manager_new(&random, &handshake->manager) < 0 ||
	    connect(handshake->fd, (const struct sockaddr *)target, sizeof *target) < 0)
		fail("cannot begin");
	strcpy(local->name, handshake->host->name);
	memcpy(local->host_id, handshake->host->id, 16);
	memcpy(local->certificate, handshake->host->certificate, handshake->host->certificate_size);
	local->certificate_size = handshake->host->certificate_size;
	if (ike_trust_new(load.account, load.account_size, load.domain, &local->trust) < 0)
		fail("bad certificate of the account");
	/* One choice of each, the same for every responder. */
	ike_preferences_init(&preferences);
	preferences.ike.n = preferences.esp.n = preferences.prfs.n = preferences.groups.n = 1;
	ike_manager_set_preferences(handshake->manager, &preferences);
	ike_manager_set_realtime(handshake->manager, time(NULL));
	ike_manager_set_local(handshake->manager, now, local);
	handshake->began = now_ns();
	load.peer.endpoint = *target;
	load.peer.state = IKE_PEER_ACQUIRING;
	ike_manager_set_peers(handshake->manager, now, &load.peer, 1);
	run(handshake);
}

static void receive(struct handshake *handshake, const struct sockaddr_in *target)
{
	uint8_t datagram[MARKER + IKE_MESSAGE_LIMIT];
	ssize_t n;

	while (handshake->manager &&
	       (n = recv(handshake->fd, datagram, sizeof datagram, 0)) > MARKER) {
		ike_manager_receive(handshake->manager, now_ns() / 1000000, target,
				    datagram + MARKER, n - MARKER);
		run(handshake);
	}
}

/* One round: what came in, and what is due. */
static void turn(const struct sockaddr_in *target)
{
	struct pollfd polled[AT_ONCE_LIMIT];
	uint64_t now, wait = 1000;

	for (unsigned int i = 0; i < load.at_once; i++) {
		struct handshake *handshake = &load.places[i];
		uint64_t due;

		if (!handshake->manager && load.n_begun < load.count)
			begin(handshake, target);
		polled[i] = (struct pollfd){ .fd = handshake->manager ? handshake->fd : -1,
					     .events = POLLIN };
		if (!handshake->manager)
			continue;
		due = ike_manager_due(handshake->manager);
		now = now_ns() / 1000000;
		if (due <= now)
			wait = 0;
		else if (due - now < wait)
			wait = due - now;
	}
	poll(polled, load.at_once, wait);
	for (unsigned int i = 0; i < load.at_once; i++) {
		struct handshake *handshake = &load.places[i];

		if (polled[i].revents)
			receive(handshake, target);
		if (handshake->manager) {
			ike_manager_tick(handshake->manager, now_ns() / 1000000);
			run(handshake);
		}
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	struct sockaddr_in target = { .sin_family = AF_INET };
	uint64_t began;
	double seconds;

	if (argc != 6 || inet_pton(AF_INET, argv[2], &target.sin_addr) != 1)
		fail("usage: ike-load HOSTS ADDRESS PORT COUNT AT-ONCE");
	target.sin_port = htons(atoi(argv[3]));
	load.count = atoi(argv[4]);
	load.at_once = atoi(argv[5]);
	load.times = calloc(load.count + 1, sizeof *load.times);
	if (!load.times || !load.at_once || load.at_once > AT_ONCE_LIMIT)
		fail("bad numbers");
	strcpy(load.peer.path, "/peer");
	read_hosts(argv[1]);
	began = now_ns();
	while (load.n_done < load.count)
		turn(&target);
	seconds = (now_ns() - began) / 1e9;
	qsort(load.times, load.n_times, sizeof *load.times, compare);
	printf("{\"handshakes\": %u, \"failed\": %u, \"seconds\": %.4f, \"p50_ms\": %.3f, "
	       "\"p99_ms\": %.3f, \"failure\": \"%s\"}\n",
	       load.n_times, load.n_failed, seconds, load.times[load.n_times / 2],
	       load.times[load.n_times * 99 / 100], load.failure);
	return 0;
}
