/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/loop/loop.h"

#include "common/loop/loop-internal.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/timerfd.h>
#include <time.h>

struct loop_timer {
	struct loop *loop;
	struct loop_io *io; /* of `fd` */
	int fd;             /* timerfd of CLOCK_BOOTTIME */
	loop_timer_callback callback;
	void *userdata;
};

struct loop_io {
	uv_poll_t uv;
	struct loop *loop;
	int fd;
	int events; /* wanted; 0: none */
	loop_io_callback callback;
	void *userdata;
};

struct loop_signal {
	uv_signal_t uv;
	struct loop *loop;
	struct loop_signal *next;
	loop_signal_callback callback;
	void *userdata;
};

struct loop_work {
	uv_work_t uv;
	struct loop *loop;
	loop_work_callback work, done;
	void *userdata;
};

static uint64_t clock_msec(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

uint64_t loop_now(struct loop *loop)
{
	return clock_msec(CLOCK_BOOTTIME);
}

uint64_t realtime_usec(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

int loop_new(struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof *loop);
	int r;

	if (!loop)
		return -ENOMEM;
	r = uv_loop_init(&loop->uv);
	if (r < 0) {
		free(loop);
		return r;
	}
	loop->uv.data = loop;
	*ret = loop;
	return 0;
}

uv_loop_t *loop_uv(struct loop *loop)
{
	return &loop->uv;
}

static void on_signal_closed(uv_handle_t *handle)
{
	struct loop_signal *signal = container_of((uv_signal_t *)handle, struct loop_signal, uv);

	loop_handle_closed(signal->loop);
	free(signal);
}

struct loop *loop_free(struct loop *loop)
{
	if (!loop)
		return NULL;
	loop_detach_bus(loop);
	while (loop->signals) {
		struct loop_signal *signal = loop->signals;

		loop->signals = signal->next;
		uv_close((uv_handle_t *)&signal->uv, on_signal_closed);
	}
	loop_forget_processes(loop);
	while (loop->processes)
		uv_run(&loop->uv, UV_RUN_ONCE);
	/* What is still working or closing calls back in here and nowhere else. */
	while (loop->n_working)
		uv_run(&loop->uv, UV_RUN_ONCE);
	/* A stop asked for outside of uv_run() makes the next one return at once, so once is not
	 * enough. */
	for (int round = 0; round < 2; round++)
		uv_run(&loop->uv, UV_RUN_NOWAIT);
	/* An owner forgot a timer or a descriptor: a bug of ours, shown where it is cheap to find.
	 */
	assert(!loop->n_open);
	if (uv_loop_close(&loop->uv) == 0)
		free(loop);
	return NULL;
}

int loop_run(struct loop *loop)
{
	while (!loop->stopping)
		uv_run(&loop->uv, UV_RUN_ONCE);
	return loop->status;
}

void loop_stop(struct loop *loop, int status)
{
	if (!loop->stopping)
		loop->status = status;
	loop->stopping = true;
	uv_stop(&loop->uv);
}

static void on_io(uv_poll_t *uv, int status, int events)
{
	struct loop_io *io = container_of(uv, struct loop_io, uv);

	/* libuv stops watching when the kernel reports an error, which on a datagram socket is an
	 * ordinary event (an ICMP message). Say what poll(2) would: the owner's next read or write
	 * tells what it was. */
	if (status == UV_EBADF && io->events && fcntl(io->fd, F_GETFD) >= 0) {
		loop_io_set(io, io->events);
		status = 0;
		events = io->events;
	}
	io->callback(io->userdata, status, events);
}

int loop_io_new(struct loop *loop, int fd, int events, loop_io_callback callback, void *userdata,
		struct loop_io **ret)
{
	struct loop_io *io = calloc(1, sizeof *io);
	int r;

	if (!io)
		return -ENOMEM;
	r = uv_poll_init(&loop->uv, &io->uv, fd);
	if (r < 0) {
		free(io);
		return r;
	}
	io->loop = loop;
	io->fd = fd;
	io->callback = callback;
	io->userdata = userdata;
	loop_handle_opened(loop);
	loop_io_set(io, events);
	*ret = io;
	return 0;
}

static void on_io_closed(uv_handle_t *handle)
{
	struct loop_io *io = container_of((uv_poll_t *)handle, struct loop_io, uv);

	loop_handle_closed(io->loop);
	free(io);
}

struct loop_io *loop_io_free(struct loop_io *io)
{
	if (io)
		uv_close((uv_handle_t *)&io->uv, on_io_closed);
	return NULL;
}

void loop_io_set(struct loop_io *io, int events)
{
	/* libuv would take it out of the kernel's set and put it in again. */
	if (events && events == io->events && uv_is_active((uv_handle_t *)&io->uv))
		return;
	io->events = events;
	if (events)
		uv_poll_start(&io->uv, events, on_io);
	else
		uv_poll_stop(&io->uv);
}

/* libuv's own timers count CLOCK_MONOTONIC, which stands still while the machine sleeps: after an
 * hour of sleep they would ring an hour late, on leases that ended meanwhile. */
static void on_timer(void *userdata, int status, int events)
{
	struct loop_timer *timer = userdata;
	uint64_t n_rung;

	/* Nothing to read: it was set anew after it rang and before we came here. */
	if (read(timer->fd, &n_rung, sizeof n_rung) == sizeof n_rung)
		timer->callback(timer->userdata);
}

int loop_timer_new(struct loop *loop, loop_timer_callback callback, void *userdata,
		   struct loop_timer **ret)
{
	struct loop_timer *timer = calloc(1, sizeof *timer);
	int r;

	if (!timer)
		return -ENOMEM;
	timer->loop = loop;
	timer->callback = callback;
	timer->userdata = userdata;
	timer->fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	r = timer->fd < 0 ? -errno
			  : loop_io_new(loop, timer->fd, UV_READABLE, on_timer, timer, &timer->io);
	if (r < 0) {
		loop_timer_free(timer);
		return r;
	}
	*ret = timer;
	return 0;
}

struct loop_timer *loop_timer_free(struct loop_timer *timer)
{
	if (!timer)
		return NULL;
	loop_io_free(timer->io);
	close_fd(timer->fd);
	free(timer);
	return NULL;
}

void loop_timer_set(struct loop_timer *timer, uint64_t due)
{
	struct itimerspec setting = { 0 };

	if (due != UINT64_MAX) {
		setting.it_value.tv_sec = due / 1000;
		/* All zero would mean never. */
		setting.it_value.tv_nsec = due % 1000 * 1000000 + 1;
	}
	if (timerfd_settime(timer->fd, TFD_TIMER_ABSTIME, &setting, NULL) < 0)
		abort();
}

void loop_timer_set_delay(struct loop_timer *timer, uint64_t delay)
{
	uint64_t now = loop_now(timer->loop);

	loop_timer_set(timer, delay < UINT64_MAX - now ? now + delay : UINT64_MAX);
}

static void on_work(uv_work_t *uv)
{
	struct loop_work *request = container_of(uv, struct loop_work, uv);

	request->work(request->userdata);
}

static void on_work_done(uv_work_t *uv, int status)
{
	struct loop_work *request = container_of(uv, struct loop_work, uv);

	request->loop->n_working--;
	request->done(request->userdata);
	free(request);
}

int loop_queue_work(struct loop *loop, loop_work_callback work, loop_work_callback done,
		    void *userdata)
{
	struct loop_work *request = calloc(1, sizeof *request);
	int r;

	if (!request)
		return -ENOMEM;
	request->loop = loop;
	request->work = work;
	request->done = done;
	request->userdata = userdata;
	r = uv_queue_work(&loop->uv, &request->uv, on_work, on_work_done);
	if (r < 0) {
		free(request);
		return r;
	}
	loop->n_working++;
	return 0;
}

static void on_signal(uv_signal_t *uv, int signal_number)
{
	struct loop_signal *signal = container_of(uv, struct loop_signal, uv);

	signal->callback(signal->userdata, signal_number);
}

int loop_add_signal(struct loop *loop, int signal_number, loop_signal_callback callback,
		    void *userdata)
{
	struct loop_signal *signal = calloc(1, sizeof *signal);
	int r;

	if (!signal)
		return -ENOMEM;
	r = uv_signal_init(&loop->uv, &signal->uv);
	if (r < 0) {
		free(signal);
		return r;
	}
	signal->loop = loop;
	signal->callback = callback;
	signal->userdata = userdata;
	signal->next = loop->signals;
	loop->signals = signal;
	loop_handle_opened(loop);
	return uv_signal_start(&signal->uv, on_signal, signal_number);
}
