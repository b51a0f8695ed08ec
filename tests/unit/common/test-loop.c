/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* common/loop/loop.c: what its header promises beyond libuv. */
#include "common/loop/loop.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

struct probe {
	struct loop *loop;
	struct loop_timer *timer;
	struct loop_io *io;
	uint64_t rang_at;
	int n_calls;
	int status, events;
	int last_error;
	int fd;
};

static void ring(void *userdata)
{
	struct probe *probe = userdata;

	probe->rang_at = loop_now(probe->loop);
	probe->n_calls++;
	loop_stop(probe->loop, 7);
}

static void stop(void *userdata)
{
	loop_stop(userdata, 1);
}

static void test_timer_never_rings_early(void **state)
{
	struct probe probe = {};

	assert_int_equal(loop_new(&probe.loop), 0);
	assert_int_equal(loop_timer_new(probe.loop, ring, &probe, &probe.timer), 0);
	for (int i = 0; i < 20; i++) {
		uint64_t due = loop_now(probe.loop) + 3;

		loop_timer_set(probe.timer, due);
		while (probe.n_calls == i)
			uv_run(loop_uv(probe.loop), UV_RUN_ONCE);
		assert_true(probe.rang_at >= due);
	}
	loop_timer_free(probe.timer);
	loop_free(probe.loop);
}

static void test_timer_is_replaced_and_stopped(void **state)
{
	struct probe probe = {}, never = {};

	assert_int_equal(loop_new(&probe.loop), 0);
	never.loop = probe.loop;
	assert_int_equal(loop_timer_new(probe.loop, ring, &probe, &probe.timer), 0);
	assert_int_equal(loop_timer_new(probe.loop, ring, &never, &never.timer), 0);
	loop_timer_set_delay(probe.timer, 100000);
	loop_timer_set_delay(never.timer, 0);
	loop_timer_set(never.timer, UINT64_MAX);
	loop_timer_set_delay(probe.timer, 5);
	assert_int_equal(loop_run(probe.loop), 7);
	assert_int_equal(probe.n_calls, 1);
	assert_int_equal(never.n_calls, 0);
	loop_timer_free(never.timer);
	loop_timer_free(probe.timer);
	loop_free(probe.loop);
}

static void free_other(void *userdata)
{
	struct probe *probe = userdata;

	probe->timer = loop_timer_free(probe->timer);
	loop_stop(probe->loop, 0);
}

static void test_freed_timer_does_not_ring(void **state)
{
	struct probe probe = {};
	struct loop_timer *first;

	assert_int_equal(loop_new(&probe.loop), 0);
	assert_int_equal(loop_timer_new(probe.loop, free_other, &probe, &first), 0);
	assert_int_equal(loop_timer_new(probe.loop, ring, &probe, &probe.timer), 0);
	loop_timer_set_delay(first, 0);
	loop_timer_set_delay(probe.timer, 0);
	assert_int_equal(loop_run(probe.loop), 0);
	assert_int_equal(probe.n_calls, 0);
	loop_timer_free(first);
	loop_free(probe.loop);
}

/* main() that fails between daemon_new() and daemon_run() takes this way. */
static void test_stopped_before_it_ran(void **state)
{
	struct probe probe = {};

	assert_int_equal(loop_new(&probe.loop), 0);
	assert_int_equal(loop_timer_new(probe.loop, ring, &probe, &probe.timer), 0);
	loop_stop(probe.loop, 3);
	loop_stop(probe.loop, 4);
	assert_int_equal(loop_run(probe.loop), 3);
	loop_timer_free(probe.timer);
	loop_free(probe.loop);
	assert_null(loop_free(NULL));
	assert_null(loop_timer_free(NULL));
	assert_null(loop_io_free(NULL));
}

static void on_ready(void *userdata, int status, int events)
{
	struct probe *probe = userdata;
	char octets[16];

	probe->n_calls++;
	probe->status = status;
	probe->events = events;
	probe->last_error = recv(probe->fd, octets, sizeof octets, 0) < 0 ? errno : 0;
	loop_stop(probe->loop, 0);
}

static void test_io_readable(void **state)
{
	struct probe probe = {};
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	probe.fd = pair[0];
	assert_int_equal(loop_new(&probe.loop), 0);
	assert_int_equal(loop_io_new(probe.loop, pair[0], UV_READABLE, on_ready, &probe, &probe.io),
			 0);
	assert_int_equal(send(pair[1], "x", 1, 0), 1);
	loop_run(probe.loop);
	assert_int_equal(probe.n_calls, 1);
	assert_int_equal(probe.status, 0);
	assert_int_equal(probe.events, UV_READABLE);
	loop_io_free(probe.io);
	close(pair[0]);
	close(pair[1]);
	loop_free(probe.loop);
}

/* ICMP port unreachable, twice: the watch must survive it. */
static void test_io_survives_socket_errors(void **state)
{
	struct sockaddr_in nobody = { .sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof nobody;
	struct probe probe = {};
	int closed = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(closed, (struct sockaddr *)&nobody, sizeof nobody), 0);
	assert_int_equal(getsockname(closed, (struct sockaddr *)&nobody, &length), 0);
	close(closed);
	probe.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(probe.fd, (struct sockaddr *)&nobody, sizeof nobody), 0);
	assert_int_equal(loop_new(&probe.loop), 0);
	assert_int_equal(
		loop_io_new(probe.loop, probe.fd, UV_READABLE, on_ready, &probe, &probe.io), 0);
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(send(probe.fd, "x", 1, 0), 1);
		while (probe.n_calls < i)
			uv_run(loop_uv(probe.loop), UV_RUN_ONCE);
		assert_int_equal(probe.status, 0);
		assert_int_equal(probe.events, UV_READABLE);
		assert_int_equal(probe.last_error, ECONNREFUSED);
	}
	loop_io_free(probe.io);
	close(probe.fd);
	loop_free(probe.loop);
}

struct job {
	struct loop *loop;
	int n_worked, n_done;
	bool stop_when_done;
};

static void work(void *userdata)
{
	struct job *job = userdata;

	job->n_worked++;
}

static void work_done(void *userdata)
{
	struct job *job = userdata;

	assert_int_equal(job->n_worked, 1);
	job->n_done++;
	if (job->stop_when_done)
		loop_stop(job->loop, 0);
}

static void test_work(void **state)
{
	struct job first = { .stop_when_done = true }, late = {};

	assert_int_equal(loop_new(&first.loop), 0);
	assert_int_equal(loop_queue_work(first.loop, work, work_done, &first), 0);
	loop_run(first.loop);
	assert_int_equal(first.n_done, 1);
	/* Work that is still under way at the end is waited for. */
	assert_int_equal(loop_queue_work(first.loop, work, work_done, &late), 0);
	loop_free(first.loop);
	assert_int_equal(late.n_done, 1);
}

static void on_signal(void *userdata, int signal_number)
{
	struct probe *probe = userdata;

	probe->status = signal_number;
	loop_stop(probe->loop, 0);
}

static void test_signal(void **state)
{
	struct probe probe = {};

	assert_int_equal(loop_new(&probe.loop), 0);
	assert_int_equal(loop_add_signal(probe.loop, SIGUSR1, on_signal, &probe), 0);
	raise(SIGUSR1);
	loop_run(probe.loop);
	assert_int_equal(probe.status, SIGUSR1);
	loop_free(probe.loop);
}

/* A callback may free the object that called it. */
static void free_self(void *userdata)
{
	struct probe *probe = userdata;

	probe->timer = loop_timer_free(probe->timer);
	probe->n_calls++;
	loop_stop(probe->loop, 0);
}

static void test_freed_in_its_own_callback(void **state)
{
	struct probe probe = {};
	struct loop_timer *end;

	assert_int_equal(loop_new(&probe.loop), 0);
	assert_int_equal(loop_timer_new(probe.loop, free_self, &probe, &probe.timer), 0);
	assert_int_equal(loop_timer_new(probe.loop, stop, probe.loop, &end), 0);
	loop_timer_set_delay(probe.timer, 1);
	loop_run(probe.loop);
	assert_int_equal(probe.n_calls, 1);
	loop_timer_free(end);
	loop_free(probe.loop);
}

/* A program that ends with its standard input, and one that fails. */

static void note_exit(void *userdata, int status)
{
	struct probe *probe = userdata;

	probe->n_calls++;
	probe->status = status;
	loop_stop(probe->loop, 0);
}

static int make_pair(int *ret_theirs)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	*ret_theirs = fds[1];
	return fds[0];
}

static void test_process(void **state)
{
	struct loop_process *process;
	struct probe probe = {};
	int ours, theirs;

	assert_int_equal(loop_new(&probe.loop), 0);
	ours = make_pair(&theirs);
	assert_int_equal(
		loop_process_new(probe.loop, "/bin/cat", theirs, note_exit, &probe, &process), 0);
	/* We have no copy of its end, so it hears that ours closes. */
	close(ours);
	loop_run(probe.loop);
	assert_int_equal(probe.n_calls, 1);
	assert_int_equal(probe.status, 0);
	loop_process_free(process);
	loop_free(probe.loop);
}

static void test_process_fails(void **state)
{
	struct loop_process *process;
	struct probe probe = {};
	int ours, theirs;

	assert_int_equal(loop_new(&probe.loop), 0);
	ours = make_pair(&theirs);
	assert_int_equal(loop_process_new(probe.loop, "/nonexistent/program", theirs, note_exit,
					  &probe, &process),
			 -ENOENT);
	close(ours);
	ours = make_pair(&theirs);
	assert_int_equal(
		loop_process_new(probe.loop, "/bin/false", theirs, note_exit, &probe, &process), 0);
	loop_run(probe.loop);
	assert_int_equal(probe.n_calls, 1);
	assert_int_equal(probe.status, 1);
	loop_process_free(process);
	close(ours);
	loop_free(probe.loop);
}

static void test_process_freed(void **state)
{
	struct loop_process *process;
	struct probe probe = {};
	int ours, theirs, other;

	assert_int_equal(loop_new(&probe.loop), 0);
	ours = make_pair(&theirs);
	assert_int_equal(
		loop_process_new(probe.loop, "/bin/cat", theirs, note_exit, &probe, &process), 0);
	assert_null(loop_process_free(process));
	other = make_pair(&theirs);
	assert_int_equal(
		loop_process_new(probe.loop, "/bin/cat", theirs, note_exit, &probe, &process), 0);
	assert_null(loop_process_release(process));
	/* Waits for the one that was killed, not for the one that was let go. */
	loop_free(probe.loop);
	assert_int_equal(probe.n_calls, 0);
	close(ours);
	close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timer_never_rings_early),
		cmocka_unit_test(test_timer_is_replaced_and_stopped),
		cmocka_unit_test(test_freed_timer_does_not_ring),
		cmocka_unit_test(test_stopped_before_it_ran),
		cmocka_unit_test(test_io_readable),
		cmocka_unit_test(test_io_survives_socket_errors),
		cmocka_unit_test(test_work),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_freed_in_its_own_callback),
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_process_fails),
		cmocka_unit_test(test_process_freed),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
