/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/sleep-lock.h"

#include "common/base/log.h"
#include "common/loop/sleep-watch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* We let go this much earlier, so that it is our decision and not logind's complaint. */
#define MARGIN_MSEC      500
#define DELAY_LEAST_MSEC 100

struct sleep_lock {
	sd_bus *bus;
	sleep_lock_callback callback;
	void *userdata;
	sd_bus_slot *inhibit_call;
	struct loop_timer *timer;
	struct sleep_watch *watch;
	int fd; /* the lock; -1: not held */
};

void sleep_lock_let_go(struct sleep_lock *lock)
{
	loop_timer_set(lock->timer, UINT64_MAX);
	lock->fd = close_fd(lock->fd);
}

static void on_timer(void *userdata)
{
	log_warning("the server does not answer; the machine goes to sleep without its word");
	sleep_lock_let_go(userdata);
}

static int on_inhibited(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct sleep_lock *lock = userdata;
	const sd_bus_error *wrong = sd_bus_message_get_error(reply);
	int fd;

	lock->inhibit_call = sd_bus_slot_unref(lock->inhibit_call);
	if (wrong) {
		if (!sd_bus_error_has_name(wrong, SD_BUS_ERROR_SERVICE_UNKNOWN) &&
		    !sd_bus_error_has_name(wrong, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
			log_warning("logind does not let us delay the machine's sleep: %s",
				    wrong->message);
		return 0;
	}
	/* It came too late to be of use. */
	if (sleep_watch_is_sleeping(lock->watch) || sd_bus_message_read(reply, "h", &fd) < 0)
		return 0;
	close_fd(lock->fd);
	lock->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return 0;
}

static void take(struct sleep_lock *lock)
{
	cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL;

	if (lock->fd >= 0 || lock->inhibit_call)
		return;
	if (sd_bus_message_new_method_call(lock->bus, &call, LOGIND_NAME, LOGIND_PATH,
					   LOGIND_INTERFACE, "Inhibit") < 0 ||
	    sd_bus_message_append(call, "ssss", "sleep", "homeward",
				  "takes this host out of its zone", "delay") < 0 ||
	    sd_bus_message_set_auto_start(call, false) < 0 ||
	    sd_bus_call_async(lock->bus, &lock->inhibit_call, call, on_inhibited, lock, 0) < 0)
		log_error("cannot ask logind for a lock");
}

static void on_sleep(void *userdata, bool sleeping)
{
	struct sleep_lock *lock = userdata;
	uint64_t delay = sleep_watch_delay_usec(lock->watch) / 1000;

	if (sleeping)
		loop_timer_set_delay(lock->timer, delay > MARGIN_MSEC + DELAY_LEAST_MSEC
							  ? delay - MARGIN_MSEC
							  : DELAY_LEAST_MSEC);
	else
		take(lock);
	lock->callback(lock->userdata, sleeping);
}

static void on_logind(void *userdata, bool present)
{
	struct sleep_lock *lock = userdata;

	lock->inhibit_call = sd_bus_slot_unref(lock->inhibit_call);
	sleep_lock_let_go(lock);
	if (present)
		take(lock);
}

int sleep_lock_new(struct loop *loop, sd_bus *bus, sleep_lock_callback callback, void *userdata,
		   struct sleep_lock **ret)
{
	static const struct sleep_watch_callbacks callbacks = {
		.on_sleep = on_sleep,
		.on_logind = on_logind,
	};
	cleanup(sleep_lock_freep) struct sleep_lock *lock = calloc(1, sizeof(*lock));
	int r;

	if (!lock)
		return -ENOMEM;
	lock->bus = sd_bus_ref(bus);
	lock->callback = callback;
	lock->userdata = userdata;
	lock->fd = -1;
	r = loop_timer_new(loop, on_timer, lock, &lock->timer);
	if (r >= 0)
		r = sleep_watch_new(bus, &callbacks, lock, &lock->watch);
	if (r < 0)
		return r;
	take(lock);
	*ret = steal_ptr(lock);
	return 0;
}

struct sleep_lock *sleep_lock_free(struct sleep_lock *lock)
{
	if (!lock)
		return NULL;
	close_fd(lock->fd);
	loop_timer_free(lock->timer);
	sleep_watch_free(lock->watch);
	sd_bus_slot_unref(lock->inhibit_call);
	sd_bus_unref(lock->bus);
	free(lock);
	return NULL;
}
