/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/resume-watch.h"

#include "services/mapper/resume-state.h"

#include "common/base/log.h"
#include "common/loop/sleep-watch.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

struct resume_watch {
	struct resume_state state;
	resume_watch_callback callback;
	void *userdata;
	struct sleep_watch *logind;
	struct loop_io *io;
	int fd; /* the timer that is cancelled when the clock jumps */
};

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) < 0)
		abort();
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Never rings: only its cancellation is wanted. */
static int arm(int fd)
{
	struct itimerspec never = { .it_value.tv_sec =
					    sizeof(time_t) > 4 ? INT64_C(1) << 40 : INT32_MAX };

	return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) < 0
		       ? -errno
		       : 0;
}

static void on_clock_jumped(void *userdata, int status, int events)
{
	struct resume_watch *watch = userdata;
	uint64_t expirations;

	/* ECANCELED is what it is there for. */
	if (read(watch->fd, &expirations, sizeof expirations) < 0 && errno == EAGAIN)
		return;
	if (arm(watch->fd) < 0) {
		log_warning("a sleep of the machine will only be known from logind: %s",
			    strerror(errno));
		watch->io = loop_io_free(watch->io);
	}
	if (resume_state_on_clocks(&watch->state, read_clock(CLOCK_BOOTTIME),
				   read_clock(CLOCK_MONOTONIC)))
		watch->callback(watch->userdata);
}

static void on_sleep(void *userdata, bool sleeping)
{
	struct resume_watch *watch = userdata;

	if (!sleeping && resume_state_on_awake(&watch->state, read_clock(CLOCK_BOOTTIME),
					       read_clock(CLOCK_MONOTONIC)))
		watch->callback(watch->userdata);
}

int resume_watch_new(struct loop *loop, sd_bus *bus, resume_watch_callback callback, void *userdata,
		     struct resume_watch **ret)
{
	static const struct sleep_watch_callbacks callbacks = { .on_sleep = on_sleep };
	cleanup(resume_watch_freep) struct resume_watch *watch = calloc(1, sizeof *watch);
	int r;

	if (!watch)
		return -ENOMEM;
	watch->callback = callback;
	watch->userdata = userdata;
	watch->fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	r = watch->fd < 0 ? -errno : arm(watch->fd);
	if (r >= 0)
		r = loop_io_new(loop, watch->fd, UV_READABLE, on_clock_jumped, watch, &watch->io);
	if (r >= 0)
		r = sleep_watch_new(bus, &callbacks, watch, &watch->logind);
	if (r < 0)
		return r;
	resume_state_on_clocks(&watch->state, read_clock(CLOCK_BOOTTIME),
			       read_clock(CLOCK_MONOTONIC));
	*ret = steal_ptr(watch);
	return 0;
}

struct resume_watch *resume_watch_free(struct resume_watch *watch)
{
	if (!watch)
		return NULL;
	sleep_watch_free(watch->logind);
	loop_io_free(watch->io);
	close_fd(watch->fd);
	free(watch);
	return NULL;
}
