/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* resume-watch.c without logind: the kernel cancels the timer, and CLOCK_BOOTTIME has run ahead. A
 * counter stands for the timer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "services/mapper/resume-watch.h"

#include <cmocka.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 20000 /* ms; only a failure waits that long */

static int jumping = -1; /* what stands for the timer */
static unsigned int n_armed;
static time_t slept; /* seconds */
static unsigned int n_resumes;

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __real_timerfd_create(int clock, int flags);
int __wrap_timerfd_create(int clock, int flags);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *value,
			   struct itimerspec *former);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *value,
			   struct itimerspec *former);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	int r = __real_clock_gettime(clock, now);

	if (clock == CLOCK_BOOTTIME)
		now->tv_sec += slept;
	return r;
}

int __wrap_timerfd_create(int clock, int flags)
{
	if (clock != CLOCK_REALTIME)
		return __real_timerfd_create(clock, flags);
	jumping = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return jumping;
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *value,
			   struct itimerspec *former)
{
	if (fd != jumping)
		return __real_timerfd_settime(fd, flags, value, former);
	assert_int_equal(flags, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
	n_armed++;
	return 0;
}

static void jump(void)
{
	assert_int_equal(eventfd_write(jumping, 1), 0);
}

static void on_resume(void *userdata)
{
	n_resumes++;
	loop_stop(userdata, 0);
}

static void give_up(void *userdata)
{
	loop_stop(userdata, 1);
}

/* Nobody is at the other end: a bus that never answers. */
static sd_bus *silent_bus(struct loop *loop)
{
	static const char address[] = "unix:path=/nonexistent/bus";
	sd_bus *bus;

	assert_true(sd_bus_new(&bus) >= 0);
	assert_true(sd_bus_set_address(bus, address) >= 0);
	return bus;
}

static void test_without_logind(void **unused)
{
	struct resume_watch *watch = NULL;
	struct loop_timer *patience;
	struct loop *loop;
	sd_bus *bus;
	int r;

	assert_int_equal(loop_new(&loop), 0);
	bus = silent_bus(loop);
	assert_int_equal(loop_timer_new(loop, give_up, loop, &patience), 0);
	loop_timer_set_delay(patience, PATIENCE);
	r = resume_watch_new(loop, bus, on_resume, loop, &watch);
	assert_int_equal(r, 0);
	assert_int_equal(n_armed, 1);
	/* The clock was set: that is no sleep. Then the machine slept. */
	jump();
	assert_int_equal(uv_run(loop_uv(loop), UV_RUN_ONCE) >= 0, 1);
	assert_int_equal(n_resumes, 0);
	assert_int_equal(n_armed, 2);
	slept = 5;
	jump();
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(n_resumes, 1);
	assert_int_equal(n_armed, 3);
	resume_watch_free(watch);
	loop_timer_free(patience);
	sd_bus_unref(bus);
	loop_free(loop);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_logind),
	};

	return cmocka_run_group_tests_name("resume-watch", tests, NULL, NULL);
}
