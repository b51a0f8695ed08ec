/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One host with many peers: 300 here, or as many as HOMEWARD_IKE_PEERS says (10,000 take a minute).
 * What is shown is that nobody is forgotten and nobody taken for another.
 */
#include "services/keyd/ike-child-state.h"
#include "services/keyd/ike-manager-internal.h"
#include "tests/unit/keyd/account.h"
#include "tests/unit/keyd/test.h"

#include <arpa/inet.h>
#include <openssl/rand.h>
#include <stdio.h>

#define PEERS         300
#define PEERS_LIMIT   60000
#define SERVER        "desktop." TEST_DOMAIN
#define SERVER_NUMBER 0xffff

struct datagram {
	struct datagram *next;
	unsigned int from, to;
	size_t size;
	uint8_t data[];
};

struct peer {
	struct ike_manager *manager;
	struct test_host identity;
	char name[64];
	uint32_t spi_in, spi_out; /* of its pair, from its side */
};

struct crowd {
	uint64_t now;
	struct test_account account;
	struct peer server, *peers;
	unsigned int n;
	struct datagram *first, **last;      /* under way */
	unsigned int n_installed, n_removed; /* at the server */
};

static void fill(void *userdata, void *data, size_t size)
{
	assert_int_equal(RAND_bytes(data, size), 1);
}

static void make_id(unsigned int number, uint8_t id[16])
{
	const uint8_t octets[16] = { 0xfd, 1, 2, 3, 4, 5, 6, 7, 2, 0, 0x5e, 0xff, 0xfe, 0 };

	memcpy(id, octets, sizeof octets);
	id[14] = number >> 8;
	id[15] = number;
}

static struct sockaddr_in make_address(unsigned int number)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(4500) };

	address.sin_addr.s_addr = htonl(0x0a000000 + number);
	return address;
}

static struct peer *find_peer(struct crowd *crowd, unsigned int number)
{
	return number == SERVER_NUMBER ? &crowd->server : &crowd->peers[number];
}

static void make_peer(struct crowd *crowd, unsigned int number, const char *label)
{
	static const struct ike_random random = { fill, NULL };
	struct peer *peer = find_peer(crowd, number);
	struct ike_local *local = calloc(1, sizeof *local);
	char names[256];

	assert_non_null(local);
	snprintf(peer->name, sizeof peer->name, "%s." TEST_DOMAIN, label);
	snprintf(names, sizeof names,
		 "DNS:%s,DNS:AutoTunnel-02-00-5E-FF-FE-00-%02X-%02X." TEST_DOMAIN, peer->name,
		 number >> 8, number & 255);
	test_host_make(&peer->identity, &crowd->account,
		       &(struct test_host_options){ .names = names });
	assert_int_equal(ike_manager_new(&random, &peer->manager), 0);
	ike_manager_set_realtime(peer->manager, TEST_REALTIME);
	strcpy(local->name, peer->name);
	make_id(number, local->host_id);
	local->certificate_size = peer->identity.certificate.size;
	memcpy(local->certificate, peer->identity.certificate.data, local->certificate_size);
	assert_int_equal(ike_trust_new(crowd->account.certificate.data,
				       crowd->account.certificate.size, TEST_DOMAIN, &local->trust),
			 0);
	ike_manager_set_local(peer->manager, crowd->now, local);
}

static void post(struct crowd *crowd, unsigned int from, const struct ike_action *action)
{
	struct datagram *datagram = malloc(sizeof *datagram + action->size);
	unsigned int to = ntohl(action->endpoint.sin_addr.s_addr) & 0xffff;

	assert_non_null(datagram);
	*datagram = (struct datagram){ .from = from, .to = to, .size = action->size };
	memcpy(datagram->data, action->data, action->size);
	*crowd->last = datagram;
	crowd->last = &datagram->next;
}

static void carry_out(struct crowd *crowd, unsigned int number, const struct ike_action *action)
{
	struct peer *peer = find_peer(crowd, number);
	struct test_octets signature;

	switch (action->type) {
	case IKE_ACTION_SEND:
		post(crowd, number, action);
		break;
	case IKE_ACTION_SIGN:
		test_host_sign(&peer->identity, action->data, action->size, &signature);
		ike_manager_signed(peer->manager, crowd->now, action->sa, signature.data,
				   signature.size);
		break;
	case IKE_ACTION_INSTALL:
		peer->spi_in = action->child.spi_in;
		peer->spi_out = action->child.spi_out;
		crowd->n_installed += number == SERVER_NUMBER;
		ike_manager_installed(peer->manager, crowd->now, action->sa, action->child.spi_in,
				      true, NULL);
		break;
	case IKE_ACTION_REMOVE:
	case IKE_ACTION_REMOVE_ALL:
		crowd->n_removed += number == SERVER_NUMBER;
		break;
	case IKE_ACTION_ACQUIRE_FAILED:
		fail_msg("%s: %s", peer->name, action->text);
		break;
	case IKE_ACTION_MOVE:
	case IKE_ACTION_RETIRE:
	case IKE_ACTION_CHANGED:
	case IKE_ACTION_NOTE:
		break;
	}
}

static void run(struct crowd *crowd, unsigned int number)
{
	struct ike_action *action;

	while ((action = ike_manager_take(find_peer(crowd, number)->manager))) {
		carry_out(crowd, number, action);
		ike_action_free(action);
	}
}

static void run_all(struct crowd *crowd)
{
	struct datagram *datagram;

	while ((datagram = crowd->first)) {
		struct sockaddr_in from = make_address(datagram->from);

		crowd->first = datagram->next;
		if (!crowd->first)
			crowd->last = &crowd->first;
		ike_manager_receive(find_peer(crowd, datagram->to)->manager, crowd->now, &from,
				    datagram->data, datagram->size);
		run(crowd, datagram->to);
		free(datagram);
	}
}

static void connect_peer(struct crowd *crowd, unsigned int number)
{
	struct ike_tunnel_peer server = { .path = "/peer/1",
					  .name = SERVER,
					  .endpoint = make_address(SERVER_NUMBER),
					  .state = IKE_PEER_ACQUIRING };
	struct peer *peer = find_peer(crowd, number);

	make_id(SERVER_NUMBER, server.host_id);
	ike_manager_set_peers(peer->manager, crowd->now, &server, 1);
	run(crowd, number);
	run_all(crowd);
	server.state = IKE_PEER_ESTABLISHED;
	ike_manager_set_peers(peer->manager, crowd->now, &server, 1);
}

static int set_up(void **state)
{
	const char *wanted = getenv("HOMEWARD_IKE_PEERS");
	struct crowd *crowd = calloc(1, sizeof *crowd);

	assert_non_null(crowd);
	crowd->now = 1000;
	crowd->last = &crowd->first;
	crowd->n = wanted ? strtoul(wanted, NULL, 10) : PEERS;
	assert_in_range(crowd->n, 1, PEERS_LIMIT);
	crowd->peers = calloc(crowd->n, sizeof *crowd->peers);
	assert_non_null(crowd->peers);
	test_account_make(&crowd->account, TEST_DOMAIN);
	make_peer(crowd, SERVER_NUMBER, "desktop");
	for (unsigned int i = 0; i < crowd->n; i++) {
		char label[32];

		snprintf(label, sizeof label, "h%u", i);
		make_peer(crowd, i, label);
		connect_peer(crowd, i);
	}
	*state = crowd;
	return 0;
}

static int tear_down(void **state)
{
	struct crowd *crowd = *state;

	for (unsigned int i = 0; i <= crowd->n; i++) {
		struct peer *peer = find_peer(crowd, i < crowd->n ? i : SERVER_NUMBER);

		ike_manager_free(peer->manager);
		test_host_drop(&peer->identity);
	}
	test_account_drop(&crowd->account);
	free(crowd->peers);
	free(crowd);
	return 0;
}

/* The server's SA with this peer: there is one, with its pair. */
static const struct ike_sa *check_sa(struct crowd *crowd, unsigned int number)
{
	struct peer *peer = find_peer(crowd, number);
	const struct ike_sas *sas = &crowd->server.manager->sas;
	const struct ike_sa *sa = ike_sas_with(sas, peer->name);
	const struct ike_child *child;

	assert_non_null(sa);
	assert_null(sa->links.next_of_group);
	assert_int_equal(sa->state, IKE_SA_ESTABLISHED);
	child = ike_child_main(sa);
	assert_non_null(child);
	assert_int_equal(child->spi_in, peer->spi_out);
	assert_int_equal(child->spi_out, peer->spi_in);
	assert_true(ike_spis_have(&crowd->server.manager->spis, child->spi_in));
	assert_ptr_equal(ike_manager_find(crowd->server.manager, sa->id), sa);
	return sa;
}

static void test_all_held(void **state)
{
	struct crowd *crowd = *state;
	const struct ike_sas *sas = &crowd->server.manager->sas;

	assert_int_equal(crowd->n_installed, crowd->n);
	for (unsigned int i = 0; i < crowd->n; i++)
		check_sa(crowd, i);
	assert_int_equal(HASH_CNT(links.by_id, sas->by_id), crowd->n);
	assert_int_equal(crowd->server.manager->spis.n, crowd->n);
	assert_null(sas->strangers);
	assert_null(sas->touched);
}

/* Without traffic everybody is asked whether he is there, at his own time and once. */
static void test_everybody_is_asked(void **state)
{
	struct crowd *crowd = *state;
	const struct ike_counters *counters = ike_manager_counters(crowd->server.manager);
	uint64_t sent = counters->sent;

	assert_int_equal(ike_manager_due(crowd->server.manager), 1000 + IKE_LIVENESS_SILENCE);
	crowd->now = 1000 + IKE_LIVENESS_SILENCE;
	ike_manager_tick(crowd->server.manager, crowd->now);
	run(crowd, SERVER_NUMBER);
	run_all(crowd);
	assert_int_equal(counters->sent, sent + crowd->n);
	assert_int_equal(counters->retransmitted, 0);
	for (unsigned int i = 0; i < crowd->n; i++)
		assert_int_equal(check_sa(crowd, i)->heard, crowd->now);
	assert_int_equal(ike_manager_due(crowd->server.manager), crowd->now + IKE_LIVENESS_SILENCE);
}

/* Every third one says goodbye: what was theirs is free again, and nobody else is touched. */
static void test_some_go(void **state)
{
	struct crowd *crowd = *state;
	struct ike_manager *server = crowd->server.manager;
	unsigned int n_gone = 0;

	for (unsigned int i = 0; i < crowd->n; i += 3, n_gone++) {
		ike_manager_terminate_all(crowd->peers[i].manager, crowd->now);
		run(crowd, i);
		run_all(crowd);
	}
	crowd->now += IKE_CLOSED_LINGER;
	ike_manager_tick(server, crowd->now);
	run(crowd, SERVER_NUMBER);
	assert_int_equal(crowd->n_removed, n_gone);
	assert_int_equal(server->spis.n, crowd->n - n_gone);
	assert_int_equal(HASH_CNT(links.by_id, server->sas.by_id), crowd->n - n_gone);
	assert_int_equal(HASH_CNT(links.by_spi, server->sas.by_spi), crowd->n - n_gone);
	for (unsigned int i = 0; i < crowd->n; i++) {
		if (i % 3)
			check_sa(crowd, i);
		else
			assert_null(ike_sas_with(&server->sas, crowd->peers[i].name));
	}
	/* And they may come again. */
	for (unsigned int i = 0; i < crowd->n; i += 3) {
		connect_peer(crowd, i);
		check_sa(crowd, i);
	}
}

static void test_spis(void **state)
{
	struct ike_spis spis = {};

	/* Many that want the same places, and not so. */
	for (unsigned int stride = 1; stride <= 1 << 16; stride <<= 4) {
		for (uint32_t i = 1; i <= 1000; i++) {
			assert_false(ike_spis_have(&spis, i * stride));
			assert_true(ike_spis_take(&spis, i * stride));
			assert_false(ike_spis_take(&spis, i * stride));
		}
		for (uint32_t i = 1; i <= 1000; i += 2)
			ike_spis_give(&spis, i * stride);
		for (uint32_t i = 1; i <= 1000; i++)
			assert_int_equal(ike_spis_have(&spis, i * stride), i % 2 == 0);
		ike_spis_give(&spis, stride);
		assert_int_equal(spis.n, 500);
		for (uint32_t i = 2; i <= 1000; i += 2)
			ike_spis_give(&spis, i * stride);
		assert_int_equal(spis.n, 0);
	}
	ike_spis_clear(&spis);
	assert_false(ike_spis_have(&spis, 1));
}

int main(void)
{
	/* They follow one after the other. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spis),
		cmocka_unit_test(test_all_held),
		cmocka_unit_test(test_everybody_is_asked),
		cmocka_unit_test(test_some_go),
	};

	return cmocka_run_group_tests_name("keyd: many peers", tests, set_up, tear_down);
}
