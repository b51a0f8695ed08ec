/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clients/ctl/snapshot.h"

#include "common/base/cleanup.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_USEC (3 * 1000 * 1000)

static bool is_known_kind(const struct ctl_daemon *daemon, const char *interface)
{
	for (const char *const *kind = daemon->kinds; *kind; kind++)
		if (!strcmp(*kind, interface))
			return true;
	return false;
}

static json_object *list_of(json_object *state, const char *interface)
{
	char key[VALUES_KEY_SIZE];
	json_object *list;

	values_list_key(interface, key);
	list = values_member(state, key);
	if (!list) {
		list = json_object_new_array();
		json_object_object_add(state, key, list);
	}
	return list;
}

json_object *snapshot_find(json_object *state, const struct ctl_daemon *daemon, const char *path,
			   const char *interface)
{
	json_object *list;

	if (!strcmp(path, daemon->path) && !strcmp(interface, daemon->bus_name))
		return state;
	if (!is_known_kind(daemon, interface))
		return NULL;
	list = list_of(state, interface);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object *element = json_object_array_get_idx(list, i);

		if (!strcmp(values_text(element, "path"), path))
			return element;
	}
	return NULL;
}

void snapshot_remove(json_object *state, const char *path, const char *interface)
{
	json_object *list = list_of(state, interface);

	for (size_t i = json_object_array_length(list); i > 0; i--)
		if (!strcmp(values_text(json_object_array_get_idx(list, i - 1), "path"), path))
			json_object_array_del_idx(list, i - 1, 1);
}

int snapshot_add_object(json_object *state, const struct ctl_daemon *daemon, const char *path,
			sd_bus_message *interfaces)
{
	int r = sd_bus_message_enter_container(interfaces, 'a', "{sa{sv}}");

	while (r >= 0 && (r = sd_bus_message_enter_container(interfaces, 'e', "sa{sv}")) > 0) {
		json_object *object;
		const char *interface;

		r = sd_bus_message_read(interfaces, "s", &interface);
		if (r < 0)
			return r;
		object = snapshot_find(state, daemon, path, interface);
		if (!object && is_known_kind(daemon, interface)) {
			object = json_object_new_object();
			json_object_object_add(object, "path", json_object_new_string(path));
			json_object_array_add(list_of(state, interface), object);
		}
		r = object ? values_read_properties(interfaces, object)
			   : sd_bus_message_skip(interfaces, "a{sv}");
		if (r >= 0)
			r = sd_bus_message_exit_container(interfaces);
	}
	return r < 0 ? r : sd_bus_message_exit_container(interfaces);
}

static int read_objects(json_object *state, const struct ctl_daemon *daemon,
			sd_bus_message *message)
{
	int r = sd_bus_message_enter_container(message, 'a', "{oa{sa{sv}}}");

	while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "oa{sa{sv}}")) > 0) {
		const char *path;

		r = sd_bus_message_read(message, "o", &path);
		if (r >= 0)
			r = snapshot_add_object(state, daemon, path, message);
		if (r >= 0)
			r = sd_bus_message_exit_container(message);
	}
	return r < 0 ? r : sd_bus_message_exit_container(message);
}

enum ctl_status snapshot_read(struct ctl *ctl, const struct ctl_daemon *daemon, json_object **ret)
{
	cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	json_object *state = json_object_new_object();
	int r = sd_bus_message_new_method_call(ctl->bus, &call, daemon->bus_name, OBJECT_ROOT,
					       "org.freedesktop.DBus.ObjectManager",
					       "GetManagedObjects");

	json_object_object_add(state, "running", json_object_new_boolean(true));
	for (const char *const *kind = daemon->kinds; *kind; kind++)
		list_of(state, *kind);
	/* Looking must not start what somebody stopped. */
	if (r >= 0)
		r = sd_bus_message_set_auto_start(call, false);
	if (r >= 0)
		r = sd_bus_call(ctl->bus, call, ANSWER_USEC, &error, &reply);
	if (r >= 0) {
		r = read_objects(state, daemon, reply);
		if (r < 0)
			json_object_object_add(state, "error",
					       json_object_new_string("its answer is unreadable"));
	} else if (!sd_bus_error_is_set(&error) || !sd_bus_is_open(ctl->bus)) {
		json_object_put(state);
		sd_bus_error_free(&error);
		return ctl_complain(CTL_UNREACHABLE, "the connection to the system bus ended: %s",
				    strerror(-r));
	} else if (ctl_is_absent(&error)) {
		json_object_object_add(state, "running", json_object_new_boolean(false));
	} else {
		json_object_object_add(state, "error", json_object_new_string(error.message));
	}
	sd_bus_error_free(&error);
	*ret = state;
	return CTL_DONE;
}

enum ctl_status snapshot_read_all(struct ctl *ctl, json_object **ret)
{
	json_object *all = json_object_new_object();

	for (size_t i = 0; i < CTL_DAEMONS; i++) {
		json_object *state;
		enum ctl_status status = snapshot_read(ctl, &ctl_daemons[i], &state);

		if (status != CTL_DONE) {
			json_object_put(all);
			return status;
		}
		json_object_object_add(all, ctl_daemons[i].name, state);
	}
	*ret = all;
	return CTL_DONE;
}

bool snapshot_any_running(json_object *snapshot)
{
	for (size_t i = 0; i < CTL_DAEMONS; i++)
		if (values_flag(values_member(snapshot, ctl_daemons[i].name), "running"))
			return true;
	return false;
}

void snapshot_drop_timelines(json_object *snapshot)
{
	for (size_t i = 0; i < CTL_DAEMONS; i++) {
		json_object *state = values_member(snapshot, ctl_daemons[i].name);

		if (state)
			json_object_object_del(state, "timeline");
	}
}

enum ctl_status snapshot_require(json_object *state, const struct ctl_daemon *daemon)
{
	if (!values_flag(state, "running"))
		return ctl_complain(CTL_UNREACHABLE,
				    "%s is not running; start it with \"systemctl start %s\"",
				    daemon->name, daemon->unit);
	if (*values_text(state, "error"))
		return ctl_complain(CTL_UNREACHABLE, "%s does not answer: %s", daemon->name,
				    values_text(state, "error"));
	return CTL_DONE;
}

void snapshot_print(json_object *object, bool one_line)
{
	int flags = JSON_C_TO_STRING_NOSLASHESCAPE |
		    (one_line ? JSON_C_TO_STRING_PLAIN
			      : JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED);

	puts(json_object_to_json_string_ext(object, flags));
	fflush(stdout);
	json_object_put(object);
}
