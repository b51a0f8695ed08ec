/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Values of the bus as JSON. Keys are the properties' names in snake case (HostId: host_id); octets
 * are hexadecimal digits; an endpoint is {"address", "port"} or null; Published and Timeline are
 * objects with the names of their documentation.
 */
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#define VALUES_KEY_SIZE 64

/* HostId -> host_id. A longer name is cut. */
void values_key(const char *name, char ret[static VALUES_KEY_SIZE]);
/* org.homeward.Key1.IkeSa -> ike_sas */
void values_list_key(const char *interface, char ret[static VALUES_KEY_SIZE]);

/* Reads the a{sv} at the message's position into `object`, replacing what has the same key.
 * 0 or a negative errno. */
int values_read_properties(sd_bus_message *message, json_object *object);

/* Members of an object; "", 0, false or NULL when there is no such member or of another type. */
const char *values_text(json_object *object, const char *key);
uint64_t values_number(json_object *object, const char *key);
bool values_flag(json_object *object, const char *key);
json_object *values_member(json_object *object, const char *key);
/* Elements of a member that is an array. */
size_t values_count(json_object *object, const char *key);
json_object *values_element(json_object *object, const char *key, size_t index);
