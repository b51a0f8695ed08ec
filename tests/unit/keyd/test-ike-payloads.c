/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Payloads that nobody knows, marked critical or not (RFC 7296 §2.5), and INITIAL_CONTACT (§2.4).
 */
#include "services/keyd/ike-manager-state.h"
#include "services/keyd/ike-sa-internal.h"
#include "tests/unit/keyd/test.h"
#include "tests/unit/keyd/world.h"

#define UNKNOWN  200
#define CRITICAL 0x80

static struct ike_sa *find_sa(struct host *host)
{
	for (uint64_t id = 20; id > 0; id--) {
		const struct ike_sa *sa = ike_manager_find(host->manager, id);

		if (sa && sa->state == IKE_SA_ESTABLISHED)
			return (struct ike_sa *)sa;
	}
	return NULL;
}

/* The last datagram that passed, and whether the first request is changed. */
static struct datagram last;
static uint8_t added_type, added_flags;
static bool mark_all;

/* One more payload at the beginning of the first request; or all of its payloads marked. */
static unsigned int change(struct world *world, struct datagram *datagram)
{
	uint8_t *data = datagram->data;

	if (datagram->number == 0 && added_type) {
		memmove(data + 28 + 8, data + 28, datagram->size - 28);
		memcpy(data + 28, (uint8_t[]){ data[16], added_flags, 0, 8, 1, 2, 3, 4 }, 8);
		data[16] = added_type;
		datagram->size += 8;
		data[26] = datagram->size >> 8;
		data[27] = datagram->size;
	}
	for (size_t at = 28; datagram->number == 0 && mark_all && at + 4 <= datagram->size;
	     at += data[at + 2] << 8 | data[at + 3])
		data[at + 1] |= CRITICAL;
	last = *datagram;
	return 1;
}

static void begin(struct world *world, uint8_t type, uint8_t flags, bool all)
{
	added_type = type;
	added_flags = flags;
	mark_all = all;
	world->network = change;
	host_want(world_host(world, 0));
}

/* In the clear it is refused with its type, and nothing is kept. */
static void test_critical_in_the_clear(void **state)
{
	struct world *world = *state;

	begin(world, UNKNOWN, CRITICAL, false);
	world_run_until(world, 30);
	assert_int_equal(world->n_sent, 2);
	/* Header, and one notification: UNSUPPORTED_CRITICAL_PAYLOAD. */
	assert_int_equal(last.size, 28 + 8 + 1);
	assert_int_equal(last.data[18], IKE_EXCHANGE_SA_INIT);
	assert_int_equal(last.data[19], IKE_FLAG_RESPONSE);
	assert_octets(last.data + 28, "0000000900000001c8");
	assert_octets(last.data + 8, "0000000000000000");
	/* And the one that is repeated does as it was meant: nothing authenticates a refusal. */
	world_run_until(world, 60000);
	assert_true(world_agrees(world));
}

static unsigned int n_first_answers(const struct world *world)
{
	return host_counters(&world->hosts[1])->refused_peers;
}

/* Without the bit it is passed over, as what we know is with it. AUTH then covers what each side
 * has seen, so that changing it on the way leads nowhere; the refusal, if any, is the point. */
static void test_passed_over(void **state)
{
	static const struct {
		uint8_t type, flags;
		bool all;
	} cases[] = { { UNKNOWN, 0, false },
		      { UNKNOWN, 0x7f, false },
		      { IKE_PAYLOAD_VENDOR, CRITICAL, false },
		      { 0, 0, true } };

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct world *world = world_new();

		begin(world, cases[i].type, cases[i].flags, cases[i].all);
		world_run_until(world, 30);
		assert_int_equal(n_first_answers(world), 0);
		assert_true(last.size > 100);
		world_free(world);
	}
}

/* The same in what is encrypted: an INFORMATIONAL of ours with that payload in it. */
static void ask(struct host *host, uint8_t type, uint8_t flags)
{
	struct ike_sa *sa = find_sa(host);
	uint8_t buffer[64];
	struct ike_builder inner;

	ike_builder_begin_inner(&inner, buffer, sizeof buffer);
	ike_builder_add(&inner, type, "what", 4);
	buffer[1] = flags;
	assert_int_equal(ike_sa_request_sealed(sa, host->world->now, IKE_EXCHANGE_INFORMATIONAL,
					       &inner, IKE_LIVENESS_DEADLINE),
			 0);
	ike_sa_last_request(sa)->purpose = IKE_PURPOSE_PROBE;
	host_run(host);
}

/* What the answer that passed last says. */
static void read_answer(struct host *host, struct ike_chain *ret, uint8_t inner[IKE_MESSAGE_LIMIT])
{
	const struct ike_sa *sa = find_sa(host);
	struct ike_header header;
	struct ike_chain outer;
	int r;

	assert_int_equal(ike_header_read(last.data, last.size, &header), 0);
	assert_int_equal(header.exchange, IKE_EXCHANGE_INFORMATIONAL);
	assert_true(header.flags & IKE_FLAG_RESPONSE);
	assert_int_equal(
		ike_chain_read(header.next_payload, last.data + 28, last.size - 28, &outer), 0);
	r = ike_sk_open(&sa->suite, ike_sa_peer_key(sa, header.exchange), last.data,
			&outer.payloads[0], inner);
	assert_true(r >= 0);
	assert_int_equal(ike_chain_read(outer.payloads[0].next, inner, r, ret), 0);
}

static void test_encrypted(void **state)
{
	static const struct {
		uint8_t type, flags;
		bool refused;
	} cases[] = { { UNKNOWN, CRITICAL, true },
		      { UNKNOWN, 0, false },
		      { IKE_PAYLOAD_VENDOR, CRITICAL, false },
		      { 1, CRITICAL, true } };
	struct world *world = *state;
	struct host *desktop = world_host(world, 0);

	begin(world, 0, 0, false);
	world_run_until(world, 1000);
	assert_true(world_agrees(world));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t inner[IKE_MESSAGE_LIMIT];
		struct ike_notify notify;
		struct ike_chain chain;

		ask(desktop, cases[i].type, cases[i].flags);
		world_run_until(world, 1000 + 500 * (i + 1));
		read_answer(desktop, &chain, inner);
		assert_int_equal(ike_chain_find_error(&chain, &notify), cases[i].refused);
		if (cases[i].refused) {
			assert_int_equal(notify.type, IKE_NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD);
			assert_int_equal(notify.data.size, 1);
			assert_int_equal(notify.data.data[0], cases[i].type);
			assert_int_equal(chain.n_payloads, 1);
		}
		/* Either way the SA goes on. */
		assert_true(world_agrees(world));
	}
}

/* INITIAL_CONTACT: the first SA has it; one beside another has not; one after a restart has it,
 * and the other side lets go of what it had, without a word about it. */
static void test_initial_contact(void **state)
{
	struct world *world = *state;
	struct host *desktop = world_host(world, 0), *laptop = world_host(world, 1);
	uint64_t former, deleted;

	host_show(laptop);
	host_want(desktop);
	world_run_until(world, 1000);
	assert_true(find_sa(laptop)->initial_contact);
	/* A new one from the beginning, beside it. */
	ike_sa_renew(find_sa(desktop), world->now);
	host_run(desktop);
	former = find_sa(laptop)->id;
	world_run_until(world, 3000);
	assert_true(find_sa(laptop)->id > former);
	assert_false(find_sa(laptop)->initial_contact);
	world_run_until(world, 30000);
	former = find_sa(laptop)->id;
	deleted = host_counters(laptop)->deleted;
	host_restart(desktop);
	world_run_until(world, 60000);
	assert_true(find_sa(laptop)->id != former);
	assert_true(find_sa(laptop)->initial_contact);
	assert_null(ike_manager_find(laptop->manager, former));
	assert_int_equal(host_counters(laptop)->deleted, deleted);
	assert_int_equal(host_counters(desktop)->unknown_spi, 0);
	assert_int_equal(host_pairs(laptop), 1);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		test(test_critical_in_the_clear),
		cmocka_unit_test(test_passed_over),
		test(test_encrypted),
		test(test_initial_contact),
	};

	return cmocka_run_group_tests_name("ike-payloads", tests, NULL, NULL);
}
