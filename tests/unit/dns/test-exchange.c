/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an exchange ends with when there is no answer. In a network of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "common/dns-client/dns-exchange.h"

#include <arpa/inet.h>
#include <cmocka.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define PORT     5300
#define PATIENCE 60000 /* ms; only a failure waits that long */
#define BIG      (DNS_UDP_SIZE + 1)

static struct loop *loop;
static int result;

/* A network of its own, with nothing in it but the loopback. */
static void enter_network(bool up)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = up ? IFF_UP | IFF_RUNNING : 0 };
	cleanup(close_fdp) int fd = -1;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		skip();
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
}

static void give_up(void *userdata)
{
	loop_stop(loop, 1);
}

static void on_answer(void *userdata, const struct dns_exchange_result *answer)
{
	result = answer->error;
	loop_stop(loop, 0);
}

/* What asking 127.0.0.1 ends with, for a message of `size` octets. */
static int ask(size_t size, bool brief)
{
	static const uint8_t message[BIG];
	struct dns_exchange_options options = {
		.server = { .sin_family = AF_INET, .sin_port = htons(PORT) },
		.message = message,
		.size = size,
		.brief = brief,
	};
	struct dns_exchange *exchange;
	struct loop_timer *patience;

	options.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(loop_timer_new(loop, give_up, NULL, &patience), 0);
	loop_timer_set_delay(patience, PATIENCE);
	assert_int_equal(dns_exchange_new(loop, &options, on_answer, NULL, &exchange), 0);
	assert_int_equal(loop_run(loop), 0);
	dns_exchange_free(exchange);
	loop_timer_free(patience);
	loop_free(loop);
	return result;
}

static void test_no_network(void **unused)
{
	enter_network(false);
	assert_int_equal(ask(BIG, false), -ENETUNREACH);
}

static void test_nobody_listens(void **unused)
{
	enter_network(true);
	assert_int_equal(ask(BIG, false), -ECONNREFUSED);
	assert_int_equal(ask(DNS_HEADER_SIZE, true), -ECONNREFUSED);
}

static void test_silence(void **unused)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	cleanup(close_fdp) int fd = -1;
	uint8_t octets[DNS_UDP_SIZE];
	int n = 0;

	enter_network(true);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(ask(DNS_HEADER_SIZE, true), -ETIMEDOUT);
	while (recv(fd, octets, sizeof(octets), 0) == DNS_HEADER_SIZE)
		n++;
	assert_int_equal(n, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_network),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_silence),
	};

	return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
