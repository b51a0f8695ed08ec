/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sd-bus on libuv. sd-bus says before each wait which events it wants and until when; so a prepare
 * handle asks it right before the loop sleeps, a poll handle waits on its descriptor and a timer on
 * its deadline, and whatever wakes us, we process until nothing is left.
 */
#include "common/loop/loop-internal.h"

#include <poll.h>
#include <time.h>

#define BATCH_LIMIT 64 /* messages in a row */

struct loop_bus {
	struct loop *loop;
	sd_bus *bus;
	uv_prepare_t prepare;
	uv_poll_t poll;
	uv_timer_t timer;
	int polled; /* what `poll` waits for at present */
	unsigned int n_open;
	bool processing;
	void (*on_lost)(void *userdata, int error);
	void *userdata;
};

static void lost(struct loop_bus *bus, int error)
{
	void (*on_lost)(void *, int) = bus->on_lost;

	bus->on_lost = NULL;
	uv_prepare_stop(&bus->prepare);
	uv_poll_stop(&bus->poll);
	uv_timer_stop(&bus->timer);
	if (on_lost)
		on_lost(bus->userdata, error);
}

static void process(struct loop_bus *bus)
{
	struct loop *loop = bus->loop;
	int r = 0;

	if (bus->processing)
		return;
	bus->processing = true;
	/* Who floods us does not keep timers and sockets waiting: sd-bus reports what it still has
	 * in its queue as a timeout of 0. */
	for (int i = 0; i < BATCH_LIMIT; i++) {
		r = sd_bus_process(bus->bus, NULL);
		/* A callback may have detached us. */
		if (loop->bus != bus)
			return;
		if (r <= 0 || loop->stopping)
			break;
	}
	bus->processing = false;
	if (r < 0)
		lost(bus, r);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	process(container_of(poll, struct loop_bus, poll));
}

static void on_deadline(uv_timer_t *timer)
{
	process(container_of(timer, struct loop_bus, timer));
}

static uint64_t monotonic_usec(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct loop_bus *bus = container_of(prepare, struct loop_bus, prepare);
	int events = sd_bus_get_events(bus->bus);
	uint64_t until;
	int r;

	if (events < 0) {
		lost(bus, events);
		return;
	}
	events = (events & POLLIN ? UV_READABLE : 0) | (events & POLLOUT ? UV_WRITABLE : 0) |
		 UV_DISCONNECT;
	/* Starting anew costs two system calls, and this runs in each round of the loop. */
	if (events != bus->polled || !uv_is_active((uv_handle_t *)&bus->poll))
		uv_poll_start(&bus->poll, events, on_poll);
	bus->polled = events;
	r = sd_bus_get_timeout(bus->bus, &until);
	if (r < 0) {
		lost(bus, r);
	} else if (until == UINT64_MAX) {
		uv_timer_stop(&bus->timer);
	} else {
		uint64_t now = monotonic_usec();

		uv_update_time(&bus->loop->uv);
		uv_timer_start(&bus->timer, on_deadline,
			       until > now ? (until - now + 999) / 1000 : 0, 0);
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct loop_bus *bus = handle->data;

	loop_handle_closed(bus->loop);
	if (--bus->n_open == 0) {
		sd_bus_flush_close_unref(bus->bus);
		free(bus);
	}
}

static void opened(struct loop_bus *bus, uv_handle_t *handle)
{
	handle->data = bus;
	bus->n_open++;
	loop_handle_opened(bus->loop);
}

int loop_attach_bus(struct loop *loop, sd_bus *connection,
		    void (*on_lost)(void *userdata, int error), void *userdata)
{
	struct loop_bus *bus;
	int fd, r;

	fd = sd_bus_get_fd(connection);
	if (fd < 0)
		return fd;
	bus = calloc(1, sizeof *bus);
	if (!bus)
		return -ENOMEM;
	bus->loop = loop;
	bus->on_lost = on_lost;
	bus->userdata = userdata;
	r = uv_poll_init(&loop->uv, &bus->poll, fd);
	if (r < 0) {
		free(bus);
		return r;
	}
	uv_timer_init(&loop->uv, &bus->timer);
	uv_prepare_init(&loop->uv, &bus->prepare);
	opened(bus, (uv_handle_t *)&bus->poll);
	opened(bus, (uv_handle_t *)&bus->timer);
	opened(bus, (uv_handle_t *)&bus->prepare);
	bus->bus = sd_bus_ref(connection);
	loop->bus = bus;
	uv_prepare_start(&bus->prepare, on_prepare);
	return 0;
}

void loop_detach_bus(struct loop *loop)
{
	struct loop_bus *bus = loop->bus;

	if (!bus)
		return;
	loop->bus = NULL;
	uv_close((uv_handle_t *)&bus->poll, on_closed);
	uv_close((uv_handle_t *)&bus->timer, on_closed);
	uv_close((uv_handle_t *)&bus->prepare, on_closed);
}
