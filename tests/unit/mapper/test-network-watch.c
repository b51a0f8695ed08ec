/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading the kernel's tables when it does not take the requests: they are this machine's tables,
 * whatever is in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "services/mapper/network-watch.h"

#include <cmocka.h>
#include <libmnl/libmnl.h>

#define PATIENCE 20000 /* ms; only a failure waits that long */

static unsigned int n_to_refuse, n_refused;

ssize_t __real_mnl_socket_sendto(const struct mnl_socket *socket, const void *octets, size_t size);
ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *socket, const void *octets, size_t size);

/* Lets every other request pass, so that each of the three is refused some time. */
ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *socket, const void *octets, size_t size)
{
	if (n_refused < n_to_refuse && n_refused++ % 2 == 0) {
		errno = ENOBUFS;
		return -1;
	}
	return __real_mnl_socket_sendto(socket, octets, size);
}

static void on_network(void *userdata, const struct network_view *view)
{
	loop_stop(userdata, 0);
}

static void on_more(void *userdata, const struct network_view *view)
{
}

static const struct network_watch_callbacks callbacks = {
	.on_network = on_network,
	.on_details = on_more,
	.on_gateway_mac = on_more,
};

static void give_up(void *userdata)
{
	loop_stop(userdata, 1);
}

static void settles_after(unsigned int n)
{
	struct network_watch *watch;
	struct loop_timer *patience;
	struct loop *loop;

	n_to_refuse = n;
	n_refused = 0;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(loop_timer_new(loop, give_up, loop, &patience), 0);
	loop_timer_set_delay(patience, PATIENCE);
	assert_int_equal(network_watch_new(loop, &callbacks, loop, &watch), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(n_refused, n);
	network_watch_free(watch);
	loop_timer_free(patience);
	loop_free(loop);
}

static void test_reads(void **unused)
{
	settles_after(0);
}

static void test_refused_requests_are_made_again(void **unused)
{
	settles_after(1);
	settles_after(4);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_refused_requests_are_made_again),
	};

	return cmocka_run_group_tests_name("network-watch", tests, NULL, NULL);
}
