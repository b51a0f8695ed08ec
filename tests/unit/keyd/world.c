/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/keyd/world.h"

#include "services/keyd/ike-manager-internal.h"

#include <arpa/inet.h>
#include <stdio.h>

#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* xorshift64*; what is random in a test comes again in its next run. */
static void fill(void *userdata, void *data, size_t size)
{
	struct host *host = userdata;
	uint8_t *octets = data;

	for (size_t i = 0; i < size; i++) {
		host->random ^= host->random >> 12;
		host->random ^= host->random << 25;
		host->random ^= host->random >> 27;
		octets[i] = host->random * 0x2545f4914f6cdd1dull >> 56;
	}
}

void host_sign_in(struct host *host, const struct test_host *identity)
{
	struct ike_local *local = calloc(1, sizeof *local);

	must(local);
	strcpy(local->name, host->name);
	memcpy(local->host_id, host->host_id, 16);
	memcpy(local->certificate, identity->certificate.data, identity->certificate.size);
	local->certificate_size = identity->certificate.size;
	local->has_ppk = host->has_ppk;
	memcpy(local->ppk, host->ppk, sizeof local->ppk);
	must(ike_trust_new(host->world->account.certificate.data,
			   host->world->account.certificate.size, TEST_DOMAIN, &local->trust) == 0);
	ike_manager_set_local(host->manager, host->world->now, local);
}

int host_keep_tickets(struct host *host)
{
	host->keeps_tickets = true;
	return ike_manager_set_resumption(host->manager, true);
}

void host_give_kem(struct host *host, const struct ike_kem *kem, enum ike_kem_use use)
{
	struct ike_preferences preferences;

	host->kem = kem;
	ike_manager_set_kem(host->manager, kem);
	if (host->setup.used)
		return;
	ike_preferences_init(&preferences);
	preferences.kem_use = use;
	ike_manager_set_preferences(host->manager, &preferences);
}

void host_give_psks(struct host *host, const char *text)
{
	struct ike_psks *psks = NULL;
	const char *complaint;
	unsigned int line;

	host->psks = text;
	if (text)
		must(ike_psks_parse(text, strlen(text), &psks, &complaint, &line) == 0);
	ike_manager_set_psks(host->manager, psks);
}

void host_start(struct host *host)
{
	const struct ike_random random = { fill, host };
	const struct host_setup *setup = &host->setup;

	must(ike_manager_new(&random, &host->manager) == 0);
	if (setup->used) {
		ike_manager_set_preferences(host->manager, &setup->preferences);
		ike_manager_set_lifetimes(host->manager, &setup->lifetimes);
		ike_manager_set_datagram_size(host->manager, setup->datagram_size);
		if (setup->cookies_always)
			ike_manager_set_cookies_from(host->manager, 0);
	}
	ike_manager_set_kem(host->manager, host->kem);
	ike_manager_set_realtime(host->manager, TEST_REALTIME);
	if (host->keeps_tickets)
		must(host_keep_tickets(host) == 0);
	host_give_psks(host, host->psks);
	host_sign_in(host, &host->identity);
}

void host_restart(struct host *host)
{
	static const uint8_t secret[32] = "of the machine";
	const struct ike_random random = { fill, host };
	struct ike_blob saved = {};

	if (host->keeps_tickets)
		must(ike_tickets_save(ike_manager_tickets(host->manager), &random, secret,
				      &saved) == 0);
	ike_manager_free(host->manager);
	host->life++;
	host_start(host);
	if (host->keeps_tickets)
		must(ike_tickets_load(ike_manager_tickets(host->manager), TEST_REALTIME, secret,
				      (struct ike_octets){ saved.data, saved.size }) == 0);
	ike_blob_clear(&saved);
	host_show(host);
	host_run(host);
}

static void make_host(struct world *world, int index, const char *label, uint8_t last)
{
	struct host *host = &world->hosts[index];
	const uint8_t id[16] = { 0xfd, 1,    2,    3,    4,    5,    6,    7,
				 0x00, 0x22, 0x69, 0xff, 0xfe, 0x8e, 0x34, last };
	char names[512];

	host->world = world;
	host->random = 0x9e3779b97f4a7c15ull + last;
	snprintf(host->name, sizeof host->name, "%s." TEST_DOMAIN, label);
	memcpy(host->host_id, id, sizeof id);
	snprintf(names, sizeof names,
		 "DNS:%s,DNS:AutoTunnel-00-22-69-FF-FE-8E-34-%02X." TEST_DOMAIN, host->name, last);
	test_host_make(&host->identity, &world->account,
		       &(struct test_host_options){ .names = names });
	host->address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(4500) };
	host->address.sin_addr.s_addr = htonl(0xc6336400 + last);
	host_start(host);
}

struct world *world_new(void)
{
	struct world *world = calloc(1, sizeof *world);

	must(world);
	world->now = 1000000;
	test_account_make(&world->account, TEST_DOMAIN);
	make_host(world, 0, "desktop", 0x2a);
	make_host(world, 1, "laptop", 0x2b);
	world->hosts[0].peer_endpoint = world->hosts[1].address;
	world->hosts[1].peer_endpoint = world->hosts[0].address;
	return world;
}

void world_free(struct world *world)
{
	for (int i = 0; i < WORLD_HOSTS; i++) {
		ike_manager_free(world->hosts[i].manager);
		test_host_drop(&world->hosts[i].identity);
	}
	while (world->datagrams) {
		struct datagram *datagram = world->datagrams;

		world->datagrams = datagram->next;
		free(datagram);
	}
	while (world->late) {
		struct late *late = world->late;

		world->late = late->next;
		ike_action_free(late->action);
		free(late);
	}
	test_account_drop(&world->account);
	free(world);
}

int world_set_up(void **state)
{
	*state = world_new();
	return 0;
}

int world_tear_down(void **state)
{
	world_free(*state);
	return 0;
}

struct host *world_host(struct world *world, int index)
{
	return &world->hosts[index];
}

static struct host *other_host(struct host *host)
{
	return &host->world->hosts[host == &host->world->hosts[0]];
}

/* More than any host of a test ever has, after one another. */
#define LAST_ID 400

const struct ike_sa *host_next_sa(const struct host *host, const struct ike_sa *sa)
{
	const struct ike_sa *next = NULL;

	for (uint64_t id = sa ? sa->id + 1 : 1; id < LAST_ID && !next; id++)
		next = ike_manager_find(host->manager, id);
	return next;
}

struct ike_sa *host_current_sa(const struct host *host)
{
	const struct ike_sa *newest = NULL;

	for (const struct ike_sa *sa = host_next_sa(host, NULL); sa; sa = host_next_sa(host, sa))
		if (sa->state == IKE_SA_ESTABLISHED && !sa->superseded)
			newest = sa;
	return (struct ike_sa *)newest;
}

unsigned int host_pairs(const struct host *host)
{
	unsigned int n = 0;

	for (int i = 0; i < WORLD_PAIRS; i++)
		n += host->pairs[i].there;
	return n;
}

const struct pair *host_pair(const struct host *host)
{
	const struct pair *newest = NULL;

	for (int i = 0; i < WORLD_PAIRS; i++)
		if (host->pairs[i].there && (!newest || host->pairs[i].child.id > newest->child.id))
			newest = &host->pairs[i];
	return newest;
}

bool world_agrees(const struct world *world)
{
	const struct pair *a = host_pair(&world->hosts[0]), *b = host_pair(&world->hosts[1]);
	size_t half;

	if (!a || !b || a->keys_size != b->keys_size)
		return false;
	half = a->keys_size / 2;
	return a->child.spi_in == b->child.spi_out && a->child.spi_out == b->child.spi_in &&
	       a->child.suite.esn == b->child.suite.esn &&
	       a->child.initiator != b->child.initiator &&
	       !memcmp(a->host_id, world->hosts[1].host_id, 16) &&
	       !memcmp(b->host_id, world->hosts[0].host_id, 16) &&
	       !memcmp(a->keys, b->keys + half, half) && !memcmp(a->keys + half, b->keys, half) &&
	       memcmp(a->keys, a->keys + half, half);
}

void host_show(struct host *host)
{
	struct host *other = other_host(host);
	struct ike_tunnel_peer peer = { .path = "/peer/1", .endpoint = host->peer_endpoint };

	peer.silent = host->silent;
	peer.worn = host->worn;
	strcpy(peer.name, other->name);
	memcpy(peer.host_id, other->host_id, 16);
	peer.state = host_pairs(host) || host->orphan ? IKE_PEER_ESTABLISHED
		     : host->wants_traffic            ? IKE_PEER_ACQUIRING
						      : IKE_PEER_IDLE;
	ike_manager_set_peers(host->manager, host->world->now, &peer, host->peer_hidden ? 0 : 1);
}

static void queue(struct world *world, struct datagram *datagram)
{
	struct datagram **at = &world->datagrams;

	while (*at && (*at)->at <= datagram->at)
		at = &(*at)->next;
	datagram->next = *at;
	*at = datagram;
}

static void post(struct world *world, const struct sockaddr_in *from, const struct sockaddr_in *to,
		 const void *data, size_t size, bool through_network)
{
	struct datagram *datagram = calloc(1, sizeof *datagram);
	unsigned int copies = 1;

	must(datagram && size <= sizeof datagram->data);
	datagram->at = world->now + WORLD_DELAY;
	datagram->from = *from;
	datagram->to = *to;
	datagram->size = size;
	memcpy(datagram->data, data, size);
	if (through_network) {
		datagram->number = world->n_sent++;
		if (world->network)
			copies = world->network(world, datagram);
	}
	for (unsigned int i = 1; i < copies; i++) {
		struct datagram *copy = malloc(sizeof *copy);

		must(copy);
		*copy = *datagram;
		copy->at += 3 * i;
		queue(world, copy);
	}
	if (copies)
		queue(world, datagram);
	else
		free(datagram);
}

void world_inject(struct world *world, const struct sockaddr_in *from, const struct sockaddr_in *to,
		  const void *data, size_t size)
{
	post(world, from, to, data, size, false);
}

/* tunneld has the pair, or has refused it; keyd does not know yet. */
static void install(struct host *host, const struct ike_action *action)
{
	struct pair *pair = NULL;

	if (host->refuses_install)
		return;
	for (int i = 0; i < WORLD_PAIRS; i++)
		if (!host->pairs[i].there)
			pair = &host->pairs[i];
	must(pair);
	*pair = (struct pair){
		.there = true,
		.child = action->child,
		.keys_size = action->size,
		.endpoint = action->endpoint,
		.life = host->life,
	};
	memcpy(pair->keys, action->data, action->size);
	memcpy(pair->host_id, action->host_id, 16);
	strcpy(pair->name, action->name);
	host->n_installed++;
	host->orphan = false;
	host->peer_endpoint = action->endpoint;
}

static bool has_pair(const struct host *host, uint32_t spi_in)
{
	for (int i = 0; i < WORLD_PAIRS; i++)
		if (host->pairs[i].there && host->pairs[i].child.spi_in == spi_in)
			return true;
	return false;
}

/* keyd hears what became of what it wanted. */
static void answer(struct host *host, const struct ike_action *action)
{
	struct test_octets signature;

	if (action->type == IKE_ACTION_INSTALL) {
		ike_manager_installed(host->manager, host->world->now, action->sa,
				      action->child.spi_in, has_pair(host, action->child.spi_in),
				      "no room");
		host_show(host);
		return;
	}
	test_host_sign(&host->identity, action->data, action->size, &signature);
	ike_manager_signed(host->manager, host->world->now, action->sa,
			   host->no_signature ? NULL : signature.data, signature.size);
}

/* Takes the action when its answer comes later. */
static bool postpone(struct host *host, struct ike_action *action)
{
	struct world *world = host->world;
	struct late **at = &world->late, *late;
	uint64_t msec;

	if (!world->slowness ||
	    (action->type != IKE_ACTION_SIGN && action->type != IKE_ACTION_INSTALL))
		return false;
	msec = world->slowness(world);
	if (!msec)
		return false;
	if (action->type == IKE_ACTION_INSTALL)
		install(host, action);
	late = calloc(1, sizeof *late);
	must(late);
	*late = (struct late){
		.at = world->now + msec, .host = host, .life = host->life, .action = action
	};
	while (*at && (*at)->at <= late->at)
		at = &(*at)->next;
	late->next = *at;
	*at = late;
	return true;
}

static void carry_out(struct host *host, const struct ike_action *action)
{
	switch (action->type) {
	case IKE_ACTION_SEND:
		post(host->world, &host->address, &action->endpoint, action->data, action->size,
		     true);
		break;
	case IKE_ACTION_SIGN:
		answer(host, action);
		break;
	case IKE_ACTION_INSTALL:
		install(host, action);
		answer(host, action);
		break;
	case IKE_ACTION_RETIRE:
	case IKE_ACTION_REMOVE:
		for (int i = 0; i < WORLD_PAIRS; i++)
			if (host->pairs[i].child.spi_in == action->child.spi_in)
				host->pairs[i].there = false;
		host->without_pair = host->without_pair || !host_pairs(host);
		host_show(host);
		break;
	case IKE_ACTION_REMOVE_ALL:
		host->orphan = false;
		memset(host->pairs, 0, sizeof host->pairs);
		host_show(host);
		break;
	case IKE_ACTION_ACQUIRE_FAILED:
		host->n_failed++;
		strcpy(host->failure, action->text);
		host->wants_traffic = false;
		host_show(host);
		break;
	case IKE_ACTION_MOVE:
		host->peer_endpoint = action->endpoint;
		host->n_moved++;
		host_show(host);
		break;
	case IKE_ACTION_NOTE:
		host->n_notes++;
		break;
	case IKE_ACTION_CHANGED:
		break;
	}
}

void host_run(struct host *host)
{
	struct ike_action *action;

	while ((action = ike_manager_take(host->manager))) {
		if (host->world->wanted)
			host->world->wanted(host->world, host, action);
		if (postpone(host, action))
			continue;
		carry_out(host, action);
		ike_action_free(action);
	}
}

static void answer_late(struct world *world)
{
	struct late *late = world->late;

	world->late = late->next;
	/* A keyd that was started anew meanwhile never asked. */
	if (late->life == late->host->life) {
		answer(late->host, late->action);
		host_run(late->host);
	}
	ike_action_free(late->action);
	free(late);
}

void host_pursue(struct host *host, struct ike_sa *sa)
{
	ike_sas_touch(&host->manager->sas, sa);
	ike_sa_tick(sa, host->world->now);
	ike_manager_settle(host->manager, host->world->now);
	host_run(host);
}

static void arrive(struct world *world, struct datagram *datagram)
{
	for (int i = 0; i < WORLD_HOSTS; i++) {
		struct host *host = &world->hosts[i];

		if (host->address.sin_addr.s_addr != datagram->to.sin_addr.s_addr ||
		    host->address.sin_port != datagram->to.sin_port)
			continue;
		if (world->arrived)
			world->arrived(world, host, datagram);
		ike_manager_receive(host->manager, world->now, &datagram->from, datagram->data,
				    datagram->size);
		host_run(host);
	}
	free(datagram);
}

void world_deliver(struct world *world, unsigned int index, bool lose)
{
	struct datagram **at = &world->datagrams, *datagram;

	while (index--)
		at = &(*at)->next;
	datagram = *at;
	*at = datagram->next;
	if (lose)
		free(datagram);
	else
		arrive(world, datagram);
}

bool world_quiet(const struct world *world)
{
	return !world->datagrams;
}

void world_run_until(struct world *world, uint64_t end)
{
	end += 1000000;
	for (;;) {
		uint64_t next = world->datagrams ? world->datagrams->at : UINT64_MAX;

		if (world->late && world->late->at < next)
			next = world->late->at;
		for (int i = 0; i < WORLD_HOSTS; i++) {
			uint64_t due = ike_manager_due(world->hosts[i].manager);

			if (due < next)
				next = due;
		}
		if (next > end)
			break;
		if (next > world->now)
			world->now = next;
		if (world->datagrams && world->datagrams->at <= world->now) {
			struct datagram *datagram = world->datagrams;

			world->datagrams = datagram->next;
			arrive(world, datagram);
		}
		if (world->late && world->late->at <= world->now)
			answer_late(world);
		for (int i = 0; i < WORLD_HOSTS; i++) {
			ike_manager_tick(world->hosts[i].manager, world->now);
			host_run(&world->hosts[i]);
		}
	}
	world->now = end;
}

const struct ike_counters *host_counters(const struct host *host)
{
	return ike_manager_counters(host->manager);
}

void host_want(struct host *host)
{
	host->wants_traffic = true;
	host_show(host);
	host_run(host);
}
