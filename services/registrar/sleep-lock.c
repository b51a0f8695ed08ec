/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/sleep-lock.h"

#include "common/base/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define NAME      "org.freedesktop.login1"
#define PATH      "/org/freedesktop/login1"
#define INTERFACE "org.freedesktop.login1.Manager"

/* logind's own default, for when it does not say. */
#define DELAY_DEFAULT_USEC (5 * UINT64_C(1000000))
/* We let go this much earlier, so that it is our decision and not logind's complaint. */
#define MARGIN_MSEC      500
#define DELAY_LEAST_MSEC 100

struct sleep_lock {
	sd_bus *bus;
	sleep_lock_callback callback;
	void *userdata;
	sd_bus_slot *owner_match, *sleep_match, *inhibit_call, *manager_call;
	struct loop_timer *timer;
	char *owner; /* logind's unique name; NULL: not there */
	uint64_t delay_usec;
	int fd; /* the lock; -1: not held */
	bool sleeping;
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
	if (lock->sleeping || sd_bus_message_read(reply, "h", &fd) < 0)
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
	if (sd_bus_message_new_method_call(lock->bus, &call, NAME, PATH, INTERFACE, "Inhibit") <
		    0 ||
	    sd_bus_message_append(call, "ssss", "sleep", "homeward",
				  "takes this host out of its zone", "delay") < 0 ||
	    sd_bus_message_set_auto_start(call, false) < 0 ||
	    sd_bus_call_async(lock->bus, &lock->inhibit_call, call, on_inhibited, lock, 0) < 0)
		log_error("cannot ask logind for a lock");
}

static void set_sleeping(struct sleep_lock *lock, bool sleeping)
{
	uint64_t delay = lock->delay_usec / 1000;

	if (lock->sleeping == sleeping)
		return;
	lock->sleeping = sleeping;
	if (sleeping)
		loop_timer_set_delay(lock->timer, delay > MARGIN_MSEC + DELAY_LEAST_MSEC
							  ? delay - MARGIN_MSEC
							  : DELAY_LEAST_MSEC);
	else
		take(lock);
	lock->callback(lock->userdata, sleeping);
}

/* The values wanted of an a{sv}; what is not there stays as it is. */
static int read_manager(sd_bus_message *reply, uint64_t *delay, int *sleeping)
{
	int r = sd_bus_message_enter_container(reply, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
		const char *name;

		r = sd_bus_message_read(reply, "s", &name);
		if (r >= 0 && !strcmp(name, "InhibitDelayMaxUSec"))
			r = sd_bus_message_read(reply, "v", "t", delay);
		else if (r >= 0 && !strcmp(name, "PreparingForSleep"))
			r = sd_bus_message_read(reply, "v", "b", sleeping);
		else if (r >= 0)
			r = sd_bus_message_skip(reply, "v");
		if (r >= 0)
			r = sd_bus_message_exit_container(reply);
	}
	return r;
}

static int on_manager(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct sleep_lock *lock = userdata;
	const char *sender = sd_bus_message_get_sender(reply);
	uint64_t delay = 0;
	int sleeping = false;

	lock->manager_call = sd_bus_slot_unref(lock->manager_call);
	/* Whoever answers for logind is logind, whatever it knows. */
	if (sd_bus_message_is_method_error(reply, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	    sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
		return 0;
	if (sender && *sender == ':') {
		free(lock->owner);
		lock->owner = strdup(sender);
	}
	if (sd_bus_message_is_method_error(reply, NULL) ||
	    read_manager(reply, &delay, &sleeping) < 0)
		return 0;
	if (delay)
		lock->delay_usec = delay;
	/* We were started while the machine was on its way to sleep. */
	if (sleeping)
		set_sleeping(lock, true);
	return 0;
}

static void ask_manager(struct sleep_lock *lock)
{
	cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL;

	lock->manager_call = sd_bus_slot_unref(lock->manager_call);
	if (sd_bus_message_new_method_call(lock->bus, &call, NAME, PATH,
					   "org.freedesktop.DBus.Properties", "GetAll") < 0 ||
	    sd_bus_message_append(call, "s", INTERFACE) < 0 ||
	    sd_bus_message_set_auto_start(call, false) < 0 ||
	    sd_bus_call_async(lock->bus, &lock->manager_call, call, on_manager, lock, 0) < 0)
		log_error("cannot ask logind how long it waits");
}

static int on_prepare(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct sleep_lock *lock = userdata;
	const char *sender = sd_bus_message_get_sender(message);
	int sleeping;

	/* Anybody on the bus can send us a signal. */
	if (!lock->owner || !sender || strcmp(sender, lock->owner) != 0 ||
	    sd_bus_message_read(message, "b", &sleeping) < 0)
		return 0;
	set_sleeping(lock, sleeping);
	return 0;
}

static int on_owner(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct sleep_lock *lock = userdata;
	const char *name, *former, *owner;

	if (sd_bus_message_read(message, "sss", &name, &former, &owner) < 0)
		return 0;
	free(lock->owner);
	lock->owner = NULL;
	lock->inhibit_call = sd_bus_slot_unref(lock->inhibit_call);
	sleep_lock_let_go(lock);
	/* Who would tell us that the machine is awake again? */
	set_sleeping(lock, false);
	if (*owner) {
		ask_manager(lock);
		take(lock);
	}
	return 0;
}

int sleep_lock_new(struct loop *loop, sd_bus *bus, sleep_lock_callback callback, void *userdata,
		   struct sleep_lock **ret)
{
	cleanup(sleep_lock_freep) struct sleep_lock *lock = calloc(1, sizeof(*lock));
	int r;

	if (!lock)
		return -ENOMEM;
	lock->bus = sd_bus_ref(bus);
	lock->callback = callback;
	lock->userdata = userdata;
	lock->delay_usec = DELAY_DEFAULT_USEC;
	lock->fd = -1;
	r = loop_timer_new(loop, on_timer, lock, &lock->timer);
	if (r >= 0)
		r = sd_bus_add_match_async(bus, &lock->owner_match,
					   "type='signal',sender='org.freedesktop.DBus',"
					   "path='/org/freedesktop/DBus',"
					   "interface='org.freedesktop.DBus',"
					   "member='NameOwnerChanged',arg0='" NAME "'",
					   on_owner, NULL, lock);
	if (r >= 0)
		r = sd_bus_match_signal_async(bus, &lock->sleep_match, NAME, PATH, INTERFACE,
					      "PrepareForSleep", on_prepare, NULL, lock);
	if (r < 0)
		return r;
	ask_manager(lock);
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
	sd_bus_slot_unref(lock->owner_match);
	sd_bus_slot_unref(lock->sleep_match);
	sd_bus_slot_unref(lock->inhibit_call);
	sd_bus_slot_unref(lock->manager_call);
	sd_bus_unref(lock->bus);
	free(lock->owner);
	free(lock);
	return NULL;
}
