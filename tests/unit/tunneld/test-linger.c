/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Waiting awake for an answer ("linger"), with a clock, a poll() and a port that are the test's:
 * the linker puts them before the real ones (module.mk). */
#include "services/tunneld/datapath-internal.h"
#include "tests/unit/tunneld/unit.h"

#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#define PORT_FD   10
#define DEVICE_FD 11
#define LOOK_USEC 2 /* from one look to the next */
#define NEVER     UINT64_MAX

static struct world {
	struct tunneld *tunneld;
	uint64_t now;
	uint64_t answer_at, packet_at; /* when something comes by the port, by the device */
	uint64_t away_usec;            /* so long somebody else has the processor after a look */
	unsigned int looks, received;
	unsigned int answers; /* left; each is `each` packets in and as many out */
	unsigned int each;
} world;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_poll(struct pollfd *descriptors, nfds_t n, int timeout);
int __wrap_sched_yield(void);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	assert_int_equal(clock, CLOCK_MONOTONIC);
	*ret = (struct timespec){ world.now / 1000000, world.now % 1000000 * 1000 };
	return 0;
}

int __wrap_poll(struct pollfd *descriptors, nfds_t n, int timeout)
{
	int found = 0;

	assert_int_equal(timeout, 0);
	world.looks++;
	for (nfds_t i = 0; i < n; i++) {
		bool port = descriptors[i].fd == PORT_FD;

		assert_true(port || descriptors[i].fd == DEVICE_FD);
		descriptors[i].revents =
			world.now >= (port ? world.answer_at : world.packet_at) ? POLLIN : 0;
		found += descriptors[i].revents != 0;
	}
	return found;
}

int __wrap_sched_yield(void)
{
	world.now += LOOK_USEC + world.away_usec;
	return 0;
}

int udp_port_fd(const struct udp_port *udp)
{
	return PORT_FD;
}

int tun_device_fd(const struct tun_device *device)
{
	return DEVICE_FD;
}

/* An answer, which is answered in turn. */
void udp_port_receive(struct udp_port *udp)
{
	assert_true(world.now >= world.answer_at && world.answers);
	world.received++;
	world.answers--;
	world.tunneld->counters.esp_in += world.each;
	world.tunneld->counters.esp_out += world.each;
	world.answer_at = world.answers ? world.now + 5 : NEVER;
}

static int set_up(void **state)
{
	world = (struct world){ .tunneld = calloc(1, sizeof *world.tunneld),
				.now = 1000000,
				.answer_at = NEVER,
				.packet_at = NEVER,
				.each = 1 };
	assert_non_null(world.tunneld);
	world.tunneld->settings.linger = 100;
	return 0;
}

static int tear_down(void **state)
{
	free(world.tunneld);
	return 0;
}

/* A turn of the loop in which so many packets went out; how long it waited after them. */
static uint64_t turn(unsigned int sent)
{
	uint64_t before = world.now;

	datapath_on_wakeup_begins(world.tunneld);
	world.tunneld->counters.esp_out += sent;
	datapath_on_wakeup_ends(world.tunneld);
	return world.now - before;
}

static void answer_after(uint64_t usec, unsigned int answers)
{
	world.answer_at = world.now + usec;
	world.answers = answers;
}

static void test_switched_off(void **state)
{
	world.tunneld->settings.linger = 0;
	answer_after(0, 1);
	assert_int_equal(turn(1), 0);
	assert_int_equal(world.looks, 0);
	assert_int_equal(world.received, 0);
}

/* Nothing was sent, or so much that the next thing to do is more of it. */
static void test_nothing_to_wait_for(void **state)
{
	answer_after(0, 1);
	assert_int_equal(turn(0), 0);
	assert_int_equal(turn(5), 0);
	assert_int_equal(world.looks, 0);
	assert_int_equal(world.received, 0);
	turn(4);
	assert_int_equal(world.received, 1);
}

static void test_an_answer(void **state)
{
	answer_after(30, 1);
	turn(1);
	assert_int_equal(world.received, 1);
	/* After it, it waited in vain: once without. */
	answer_after(0, 1);
	assert_int_equal(turn(1), 0);
	assert_int_equal(world.received, 1);
	/* And back to back, but not for ever: the loop has other things to see to. */
	answer_after(30, 100);
	turn(1);
	assert_int_equal(world.received, 1 + 8);
	/* A train is no answer to wait after. */
	world.each = 3;
	answer_after(30, 100);
	turn(1);
	assert_int_equal(world.received, 1 + 8 + 1);
}

/* Not longer than configured; and after waiting in vain more and more seldom, until it helps. */
static void test_in_vain(void **state)
{
	for (unsigned int pause = 0, wanted = 1; pause < 20; pause++) {
		assert_in_range(turn(1), 100, 100 + 2 * LOOK_USEC);
		for (unsigned int i = 0; i < wanted; i++)
			assert_int_equal(turn(1), 0);
		wanted = wanted < 255 ? 2 * wanted + 1 : 255;
	}
	answer_after(0, 1);
	turn(1);
	assert_int_equal(world.received, 1);
	/* It waited in vain for one more after the answer: one turn without. */
	assert_int_equal(turn(1), 0);
	assert_in_range(turn(1), 100, 100 + 2 * LOOK_USEC);
	world.tunneld->linger = (struct lingering){};
	world.tunneld->settings.linger = 1000;
	assert_in_range(turn(1), 1000, 1000 + 2 * LOOK_USEC);
}

/* Who looks away so long was made to: somebody else wants the processor. */
static void test_the_processor_is_wanted(void **state)
{
	world.away_usec = 50;
	assert_int_equal(turn(1), LOOK_USEC + 50);
	assert_int_equal(world.looks, 1);
	assert_int_equal(turn(1), 0);
}

/* What comes from this host's own programs is the loop's. */
static void test_something_to_send(void **state)
{
	world.packet_at = world.now + 10;
	assert_in_range(turn(1), 10, 10 + LOOK_USEC);
	assert_int_equal(world.received, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_switched_off, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_to_wait_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_in_vain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_processor_is_wanted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_something_to_send, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("linger", tests, NULL, NULL);
}
