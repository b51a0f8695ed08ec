/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The whole state of a daemon as one JSON object: "running", the properties of its manager object,
 * and a list for each kind of its other objects, whose elements also have "path".
 */
#include "clients/ctl/ctl.h"
#include "clients/ctl/daemons.h"
#include "clients/ctl/values.h"

/* The caller puts *ret. A daemon that is not there gives {"running": false}; one that does not
 * answer has "error" in it. CTL_DONE, or CTL_UNREACHABLE when the bus itself failed, after a
 * complaint. */
enum ctl_status snapshot_read(struct ctl *ctl, const struct ctl_daemon *daemon, json_object **ret);
/* All daemons, by their names. */
enum ctl_status snapshot_read_all(struct ctl *ctl, json_object **ret);
bool snapshot_any_running(json_object *snapshot);
/* Takes the timelines out: they are for `trace`. */
void snapshot_drop_timelines(json_object *snapshot);
/* Complains when the daemon is not running or does not answer. */
enum ctl_status snapshot_require(json_object *state, const struct ctl_daemon *daemon);
/* Prints and puts an object or array, for people or on one line. */
void snapshot_print(json_object *object, bool one_line);

/* Parts, for who follows signals. `interfaces` is at an a{sa{sv}}. */
int snapshot_add_object(json_object *state, const struct ctl_daemon *daemon, const char *path,
			sd_bus_message *interfaces);
/* The object with that path: `state` itself or an element of one of its lists; NULL. */
json_object *snapshot_find(json_object *state, const struct ctl_daemon *daemon, const char *path,
			   const char *interface);
/* Removes it from its list. */
void snapshot_remove(json_object *state, const char *path, const char *interface);
