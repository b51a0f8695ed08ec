/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/loop/sleep-watch.h"

#include "common/base/log.h"

#include <stdlib.h>
#include <string.h>

/* logind's own default, for when it does not say. */
#define DELAY_DEFAULT_USEC (5 * UINT64_C(1000000))

struct sleep_watch {
	sd_bus *bus;
	const struct sleep_watch_callbacks *callbacks;
	void *userdata;
	sd_bus_slot *owner_match, *sleep_match, *manager_call;
	char *owner; /* logind's unique name; NULL: not there */
	uint64_t delay_usec;
	bool sleeping;
};

bool sleep_watch_is_sleeping(const struct sleep_watch *watch)
{
	return watch->sleeping;
}

uint64_t sleep_watch_delay_usec(const struct sleep_watch *watch)
{
	return watch->delay_usec;
}

static void set_sleeping(struct sleep_watch *watch, bool sleeping)
{
	if (watch->sleeping == sleeping)
		return;
	watch->sleeping = sleeping;
	watch->callbacks->on_sleep(watch->userdata, sleeping);
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
	struct sleep_watch *watch = userdata;
	const char *sender = sd_bus_message_get_sender(reply);
	uint64_t delay = 0;
	int sleeping = false;

	watch->manager_call = sd_bus_slot_unref(watch->manager_call);
	/* Whoever answers for logind is logind, whatever it knows. */
	if (sd_bus_message_is_method_error(reply, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	    sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
		return 0;
	if (sender && *sender == ':') {
		free(watch->owner);
		watch->owner = strdup(sender);
	}
	if (sd_bus_message_is_method_error(reply, NULL) ||
	    read_manager(reply, &delay, &sleeping) < 0)
		return 0;
	if (delay)
		watch->delay_usec = delay;
	/* We were started while the machine was on its way to sleep. */
	if (sleeping)
		set_sleeping(watch, true);
	return 0;
}

static void ask_manager(struct sleep_watch *watch)
{
	cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL;

	watch->manager_call = sd_bus_slot_unref(watch->manager_call);
	if (sd_bus_message_new_method_call(watch->bus, &call, LOGIND_NAME, LOGIND_PATH,
					   "org.freedesktop.DBus.Properties", "GetAll") < 0 ||
	    sd_bus_message_append(call, "s", LOGIND_INTERFACE) < 0 ||
	    sd_bus_message_set_auto_start(call, false) < 0 ||
	    sd_bus_call_async(watch->bus, &watch->manager_call, call, on_manager, watch, 0) < 0)
		log_error("cannot ask logind how long it waits");
}

static int on_prepare(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct sleep_watch *watch = userdata;
	const char *sender = sd_bus_message_get_sender(message);
	int sleeping;

	/* Anybody on the bus can send us a signal. */
	if (!watch->owner || !sender || strcmp(sender, watch->owner) != 0 ||
	    sd_bus_message_read(message, "b", &sleeping) < 0)
		return 0;
	set_sleeping(watch, sleeping);
	return 0;
}

static int on_owner(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct sleep_watch *watch = userdata;
	const char *name, *former, *owner;

	if (sd_bus_message_read(message, "sss", &name, &former, &owner) < 0)
		return 0;
	free(watch->owner);
	watch->owner = NULL;
	if (watch->callbacks->on_logind)
		watch->callbacks->on_logind(watch->userdata, false);
	/* Who would tell us that the machine is awake again? */
	set_sleeping(watch, false);
	if (!*owner)
		return 0;
	ask_manager(watch);
	if (watch->callbacks->on_logind)
		watch->callbacks->on_logind(watch->userdata, true);
	return 0;
}

int sleep_watch_new(sd_bus *bus, const struct sleep_watch_callbacks *callbacks, void *userdata,
		    struct sleep_watch **ret)
{
	cleanup(sleep_watch_freep) struct sleep_watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return -ENOMEM;
	watch->bus = sd_bus_ref(bus);
	watch->callbacks = callbacks;
	watch->userdata = userdata;
	watch->delay_usec = DELAY_DEFAULT_USEC;
	r = sd_bus_add_match_async(bus, &watch->owner_match,
				   "type='signal',sender='org.freedesktop.DBus',"
				   "path='/org/freedesktop/DBus',"
				   "interface='org.freedesktop.DBus',"
				   "member='NameOwnerChanged',arg0='" LOGIND_NAME "'",
				   on_owner, NULL, watch);
	if (r >= 0)
		r = sd_bus_match_signal_async(bus, &watch->sleep_match, LOGIND_NAME, LOGIND_PATH,
					      LOGIND_INTERFACE, "PrepareForSleep", on_prepare, NULL,
					      watch);
	if (r < 0)
		return r;
	ask_manager(watch);
	*ret = steal_ptr(watch);
	return 0;
}

struct sleep_watch *sleep_watch_free(struct sleep_watch *watch)
{
	if (!watch)
		return NULL;
	sd_bus_slot_unref(watch->owner_match);
	sd_bus_slot_unref(watch->sleep_match);
	sd_bus_slot_unref(watch->manager_call);
	sd_bus_unref(watch->bus);
	free(watch->owner);
	free(watch);
	return NULL;
}
