/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * absent --owner appears--> reading --answer--> present --any signal--> present, reading again
 * Any state --owner gone--> absent, mirror emptied. A read that fails leaves the old mirror; one
 * that timed out is sent again.
 *
 * With neighbour_follow() a signal that says what changed is taken in as it is, and nothing is read
 * at once: messages of one sender arrive in their order, so what a read answered is older than
 * every signal after it and has all before it. The read that makes up for a lost signal follows
 * later, once for all signals until then.
 */
#include "common/loop/neighbour.h"

#include "common/base/hash.h"
#include "common/loop/daemon.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum value_kind {
	VALUE_NUMBER,
	VALUE_TEXT,
	VALUE_OCTETS,
	VALUE_ENDPOINT,
	VALUE_ENTRIES, /* octets: of each entry the number, then the text with its NUL */
};

struct value {
	struct value *next;
	enum value_kind kind;
	uint64_t number;
	char *text; /* VALUE_TEXT, VALUE_ENDPOINT */
	uint8_t *octets;
	size_t n_octets;
	char property[];
};

struct facet {
	struct facet *next;
	struct value *values;
	char interface[];
};

/* Never without facets. */
struct object {
	UT_hash_handle hh; /* by path, in the order in which they came */
	struct facet *facets;
	char path[];
};

struct neighbour {
	sd_bus *bus;
	const char *name;
	neighbour_callback callback;
	void *userdata;

	char *owner; /* the unique name; NULL: absent */
	uint64_t incarnation;
	struct object *objects; /* a hash table */
	bool have_state;
	bool stale;     /* something changed after the read under way was sent */
	bool notifying; /* the callback runs; freeing is put off to its end */
	bool freed;

	sd_bus_slot *owner_match, *signal_match, *owner_call, *read_call;

	neighbour_object_callback on_object; /* NULL: signals are not taken in */
	struct loop_timer *verify_timer;
	bool verifying; /* it is set */
};

/* Between a signal that was taken in and the read that shows whether others were lost: so much, and
 * for each object, because the read costs as much as there are. */
#define VERIFY_DELAY            2000 /* ms */
#define VERIFY_DELAY_PER_OBJECT 2

static void request_state(struct neighbour *neighbour);

static void value_free(struct value *value)
{
	free(value->text);
	free(value->octets);
	free(value);
}

static void facet_free(struct facet *facet)
{
	while (facet->values) {
		struct value *value = facet->values;

		facet->values = value->next;
		value_free(value);
	}
	free(facet);
}

static struct object *object_free(struct object *object)
{
	while (object && object->facets) {
		struct facet *facet = object->facets;

		object->facets = facet->next;
		facet_free(facet);
	}
	free(object);
	return NULL;
}

DEFINE_CLEANUP(struct object *, object_free)

/* The whole table. */
static struct object *objects_free(struct object *objects)
{
	struct object *object = objects;

	HASH_CLEAR(hh, objects);
	while (object) {
		struct object *next = object->hh.next;

		object_free(object);
		object = next;
	}
	return NULL;
}

DEFINE_CLEANUP(struct object *, objects_free)

static struct neighbour *destroy(struct neighbour *neighbour)
{
	sd_bus_slot_unref(neighbour->owner_match);
	sd_bus_slot_unref(neighbour->signal_match);
	sd_bus_slot_unref(neighbour->owner_call);
	sd_bus_slot_unref(neighbour->read_call);
	loop_timer_free(neighbour->verify_timer);
	objects_free(neighbour->objects);
	sd_bus_unref(neighbour->bus);
	free(neighbour->owner);
	free(neighbour);
	return NULL;
}

/* `path` NULL: of everything. */
static void notify(struct neighbour *neighbour, const char *path)
{
	neighbour->notifying = true;
	if (path)
		neighbour->on_object(neighbour, path, neighbour->userdata);
	else
		neighbour->callback(neighbour, neighbour->userdata);
	neighbour->notifying = false;
	if (neighbour->freed)
		destroy(neighbour);
}

static int add_entry(struct value *value, const char *text, uint64_t number)
{
	size_t size = strlen(text) + 1;
	uint8_t *octets = realloc(value->octets, value->n_octets + sizeof(number) + size);

	if (!octets)
		return -ENOMEM;
	memcpy(octets + value->n_octets, &number, sizeof(number));
	memcpy(octets + value->n_octets + sizeof(number), text, size);
	value->octets = octets;
	value->n_octets += sizeof(number) + size;
	return 0;
}

static int read_entries(sd_bus_message *message, struct value *value)
{
	const char *text;
	uint64_t number;
	int r = sd_bus_message_enter_container(message, 'v', "a(st)");

	value->kind = VALUE_ENTRIES;
	if (r >= 0)
		r = sd_bus_message_enter_container(message, 'a', "(st)");
	while (r >= 0 && (r = sd_bus_message_read(message, "(st)", &text, &number)) > 0)
		r = add_entry(value, text, number);
	if (r >= 0)
		r = sd_bus_message_exit_container(message);
	return r < 0 ? r : sd_bus_message_exit_container(message);
}

/* The content of the variant at the message's position; a type we do not mirror is skipped. */
static int read_value(sd_bus_message *message, struct value *value, bool *ret_known)
{
	const char *contents;
	const char *text;
	const void *octets;
	char type;
	int r;

	r = sd_bus_message_peek_type(message, &type, &contents);
	if (r < 0)
		return r;
	*ret_known = true;
	if (!strcmp(contents, "s") || !strcmp(contents, "o") || !strcmp(contents, "g")) {
		value->kind = VALUE_TEXT;
		r = sd_bus_message_read(message, "v", contents, &text);
		if (r >= 0 && !(value->text = strdup(text)))
			r = -ENOMEM;
		return r;
	}
	if (!strcmp(contents, "(sq)")) {
		uint16_t port;

		value->kind = VALUE_ENDPOINT;
		r = sd_bus_message_read(message, "v", contents, &text, &port);
		if (r >= 0 && !(value->text = strdup(text)))
			r = -ENOMEM;
		value->number = port;
		return r;
	}
	if (!strcmp(contents, "ay")) {
		value->kind = VALUE_OCTETS;
		r = sd_bus_message_enter_container(message, 'v', "ay");
		if (r >= 0)
			r = sd_bus_message_read_array(message, 'y', &octets, &value->n_octets);
		if (r >= 0 && !(value->octets = malloc(value->n_octets + 1)))
			r = -ENOMEM;
		if (r >= 0 && value->n_octets)
			memcpy(value->octets, octets, value->n_octets);
		return r < 0 ? r : sd_bus_message_exit_container(message);
	}
	if (!strcmp(contents, "a(st)"))
		return read_entries(message, value);
	value->kind = VALUE_NUMBER;
	if (!strcmp(contents, "t"))
		return sd_bus_message_read(message, "v", contents, &value->number);
	if (!strcmp(contents, "u") || !strcmp(contents, "b")) {
		uint32_t number = 0;

		r = sd_bus_message_read(message, "v", contents, &number);
		value->number = number;
		return r;
	}
	if (!strcmp(contents, "q")) {
		uint16_t number = 0;

		r = sd_bus_message_read(message, "v", contents, &number);
		value->number = number;
		return r;
	}
	if (!strcmp(contents, "y")) {
		uint8_t number = 0;

		r = sd_bus_message_read(message, "v", contents, &number);
		value->number = number;
		return r;
	}
	*ret_known = false;
	return sd_bus_message_skip(message, "v");
}

/* Puts a value in the place of the one of the same name. */
static void set_value(struct facet *facet, struct value *value)
{
	struct value **at = &facet->values;

	while (*at && strcmp((*at)->property, value->property))
		at = &(*at)->next;
	if (*at) {
		value->next = (*at)->next;
		value_free(*at);
	}
	*at = value;
}

/* {sv} into a facet; a value of a type that we do not mirror is left out. */
static int read_property(sd_bus_message *message, struct facet *facet)
{
	struct value *value;
	const char *property;
	bool known = false;
	int r = sd_bus_message_read(message, "s", &property);

	if (r < 0)
		return r;
	value = calloc(1, sizeof *value + strlen(property) + 1);
	if (!value)
		return -ENOMEM;
	strcpy(value->property, property);
	r = read_value(message, value, &known);
	if (r < 0 || !known)
		value_free(value);
	else
		set_value(facet, value);
	return r;
}

/* a{sv} into a facet. */
static int read_properties(sd_bus_message *message, struct facet *facet)
{
	int r = sd_bus_message_enter_container(message, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
		r = read_property(message, facet);
		if (r >= 0)
			r = sd_bus_message_exit_container(message);
	}
	return r < 0 ? r : sd_bus_message_exit_container(message);
}

static void remove_facet(struct object *object, const char *interface)
{
	struct facet **at = &object->facets, *facet;

	while (*at && strcmp((*at)->interface, interface))
		at = &(*at)->next;
	facet = *at;
	if (!facet)
		return;
	*at = facet->next;
	facet_free(facet);
}

/* {sa{sv}} into an object; what sd-bus shows of every object says nothing. */
static int read_facet(sd_bus_message *message, struct object *object)
{
	struct facet *facet;
	const char *interface;
	int r = sd_bus_message_read(message, "s", &interface);

	if (r < 0)
		return r;
	if (!strncmp(interface, "org.freedesktop.DBus.", 21))
		return sd_bus_message_skip(message, "a{sv}");
	facet = calloc(1, sizeof *facet + strlen(interface) + 1);
	if (!facet)
		return -ENOMEM;
	strcpy(facet->interface, interface);
	remove_facet(object, interface);
	facet->next = object->facets;
	object->facets = facet;
	return read_properties(message, facet);
}

/* a{sa{sv}} into an object. */
static int read_facets(sd_bus_message *message, struct object *object)
{
	int r = sd_bus_message_enter_container(message, 'a', "{sa{sv}}");

	while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sa{sv}")) > 0) {
		r = read_facet(message, object);
		if (r >= 0)
			r = sd_bus_message_exit_container(message);
	}
	return r < 0 ? r : sd_bus_message_exit_container(message);
}

/* oa{sa{sv}} into the table. *ret_path is the message's. */
static int read_object(sd_bus_message *message, struct object **objects, const char **ret_path)
{
	cleanup(object_freep) struct object *object = NULL;
	struct object *former;
	int r = sd_bus_message_read(message, "o", ret_path);

	if (r < 0)
		return r;
	HASH_FIND_STR(*objects, *ret_path, former);
	if (former)
		return read_facets(message, former);
	object = calloc(1, sizeof *object + strlen(*ret_path) + 1);
	if (!object)
		return -ENOMEM;
	strcpy(object->path, *ret_path);
	r = read_facets(message, object);
	if (r < 0 || !object->facets)
		return r;
	HASH_ADD_STR(*objects, path, object);
	if (!hash_has(&object->hh))
		return -ENOMEM;
	steal_ptr(object);
	return 0;
}

/* a{oa{sa{sv}}} into a new table. */
static int read_objects(sd_bus_message *message, struct object **ret)
{
	cleanup(objects_freep) struct object *objects = NULL;
	const char *path;
	int r = sd_bus_message_enter_container(message, 'a', "{oa{sa{sv}}}");

	while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "oa{sa{sv}}")) > 0) {
		r = read_object(message, &objects, &path);
		if (r >= 0)
			r = sd_bus_message_exit_container(message);
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(message);
	if (r < 0)
		return r;
	*ret = steal_ptr(objects);
	return 0;
}

static int on_state(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct neighbour *neighbour = userdata;
	struct object *objects = NULL;

	neighbour->read_call = sd_bus_slot_unref(neighbour->read_call);
	if (sd_bus_message_is_method_error(message, NULL)) {
		/* It is just leaving, or too busy to answer: the owner's change or its next signal
		 * brings us back; a timeout means that the call itself was lost. */
		if (neighbour->stale ||
		    sd_bus_message_is_method_error(message, SD_BUS_ERROR_NO_REPLY) ||
		    sd_bus_message_is_method_error(message, SD_BUS_ERROR_TIMEOUT))
			request_state(neighbour);
		return 0;
	}
	if (read_objects(message, &objects) < 0)
		return 0;
	objects_free(neighbour->objects);
	neighbour->objects = objects;
	neighbour->have_state = true;
	if (neighbour->stale)
		request_state(neighbour);
	notify(neighbour, NULL);
	return 0;
}

static void request_state(struct neighbour *neighbour)
{
	if (!neighbour->owner)
		return;
	if (neighbour->read_call) {
		neighbour->stale = true;
		return;
	}
	neighbour->stale = false;
	sd_bus_call_method_async(neighbour->bus, &neighbour->read_call, neighbour->owner,
				 HOMEWARD_OBJECT_ROOT, "org.freedesktop.DBus.ObjectManager",
				 "GetManagedObjects", on_state, neighbour, NULL);
}

static void set_owner(struct neighbour *neighbour, const char *owner)
{
	bool was_present = neighbour->have_state;

	if (neighbour->owner && !strcmp(neighbour->owner, owner))
		return;
	free(neighbour->owner);
	neighbour->owner = *owner ? strdup(owner) : NULL;
	neighbour->objects = objects_free(neighbour->objects);
	neighbour->have_state = false;
	neighbour->read_call = sd_bus_slot_unref(neighbour->read_call);
	if (neighbour->owner) {
		neighbour->incarnation++;
		request_state(neighbour);
	}
	if (was_present)
		notify(neighbour, NULL);
}

static int on_owner_changed(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct neighbour *neighbour = userdata;
	const char *owner;

	if (sd_bus_message_read(message, "sss", NULL, NULL, &owner) < 0)
		return 0;
	/* An answer to the first question would now be older than this. */
	neighbour->owner_call = sd_bus_slot_unref(neighbour->owner_call);
	set_owner(neighbour, owner);
	return 0;
}

static int on_owner(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct neighbour *neighbour = userdata;
	const char *owner;

	neighbour->owner_call = sd_bus_slot_unref(neighbour->owner_call);
	if (sd_bus_message_is_method_error(message, NULL) ||
	    sd_bus_message_read(message, "s", &owner) < 0)
		return 0;
	set_owner(neighbour, owner);
	return 0;
}

static struct facet *find_facet(const struct object *object, const char *interface)
{
	for (struct facet *facet = object->facets; facet; facet = facet->next)
		if (!strcmp(facet->interface, interface))
			return facet;
	return NULL;
}

/* -ENOENT for an object that we do not have, or a property that has to be asked for. */
static int apply_properties(struct neighbour *neighbour, sd_bus_message *message, const char *path)
{
	const char *interface, *property;
	struct object *object;
	struct facet *facet;
	int r = sd_bus_message_read(message, "s", &interface);

	if (r < 0)
		return r;
	HASH_FIND_STR(neighbour->objects, path, object);
	facet = object ? find_facet(object, interface) : NULL;
	if (!facet)
		return -ENOENT;
	r = read_properties(message, facet);
	if (r >= 0)
		r = sd_bus_message_enter_container(message, 'a', "s");
	if (r < 0)
		return r;
	r = sd_bus_message_read(message, "s", &property);
	return r > 0 ? -ENOENT : r;
}

static int apply_removal(struct neighbour *neighbour, sd_bus_message *message,
			 const char **ret_path)
{
	struct object *object;
	const char *interface;
	int r = sd_bus_message_read(message, "o", ret_path);

	if (r < 0)
		return r;
	HASH_FIND_STR(neighbour->objects, *ret_path, object);
	if (!object)
		return 0;
	r = sd_bus_message_enter_container(message, 'a', "s");
	while (r >= 0 && (r = sd_bus_message_read(message, "s", &interface)) > 0)
		remove_facet(object, interface);
	if (!object->facets) {
		HASH_DEL(neighbour->objects, object);
		object_free(object);
	}
	return r;
}

/* Takes in what a signal says; *ret_path is the object that is other now, NULL: none. A negative
 * errno for what has to be read. */
static int apply(struct neighbour *neighbour, sd_bus_message *message, const char **ret_path)
{
	*ret_path = NULL;
	if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Properties",
				     "PropertiesChanged")) {
		*ret_path = sd_bus_message_get_path(message);
		return apply_properties(neighbour, message, *ret_path);
	}
	if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.ObjectManager",
				     "InterfacesAdded"))
		return read_object(message, &neighbour->objects, ret_path);
	if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.ObjectManager",
				     "InterfacesRemoved"))
		return apply_removal(neighbour, message, ret_path);
	/* A signal of the interface's own says that something happens, and properties show it. */
	return 0;
}

static int on_signal(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct neighbour *neighbour = userdata;
	const char *sender = sd_bus_message_get_sender(message);
	const char *path;

	/* sd-bus cannot know which connection has the name of our match: signals that another match
	 * of this process asked for come here, too. */
	if (!neighbour->owner || !sender || strcmp(sender, neighbour->owner))
		return 0;
	if (!neighbour->on_object || !neighbour->have_state ||
	    apply(neighbour, message, &path) < 0) {
		request_state(neighbour);
		return 0;
	}
	if (!neighbour->verifying)
		loop_timer_set_delay(neighbour->verify_timer,
				     VERIFY_DELAY +
					     VERIFY_DELAY_PER_OBJECT *
						     (uint64_t)HASH_COUNT(neighbour->objects));
	neighbour->verifying = true;
	if (path)
		notify(neighbour, path);
	return 0;
}

static void on_verify(void *userdata)
{
	struct neighbour *neighbour = userdata;

	neighbour->verifying = false;
	request_state(neighbour);
}

int neighbour_follow(struct neighbour *neighbour, struct loop *loop,
		     neighbour_object_callback callback)
{
	int r = loop_timer_new(loop, on_verify, neighbour, &neighbour->verify_timer);

	if (r >= 0)
		neighbour->on_object = callback;
	return r;
}

int neighbour_new(sd_bus *bus, const char *name, neighbour_callback callback, void *userdata,
		  struct neighbour **ret)
{
	cleanup(neighbour_freep) struct neighbour *neighbour = calloc(1, sizeof *neighbour);
	char rule[512];
	int r;

	if (!neighbour)
		return -ENOMEM;
	neighbour->bus = sd_bus_ref(bus);
	neighbour->name = name;
	neighbour->callback = callback;
	neighbour->userdata = userdata;
	snprintf(rule, sizeof rule,
		 "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
		 "member='NameOwnerChanged',arg0='%s'",
		 name);
	r = sd_bus_add_match_async(bus, &neighbour->owner_match, rule, on_owner_changed, NULL,
				   neighbour);
	if (r < 0)
		return r;
	snprintf(rule, sizeof rule, "type='signal',sender='%s',path_namespace='%s'", name,
		 HOMEWARD_OBJECT_ROOT);
	r = sd_bus_add_match_async(bus, &neighbour->signal_match, rule, on_signal, NULL, neighbour);
	if (r < 0)
		return r;
	r = sd_bus_call_method_async(bus, &neighbour->owner_call, "org.freedesktop.DBus",
				     "/org/freedesktop/DBus", "org.freedesktop.DBus",
				     "GetNameOwner", on_owner, neighbour, "s", name);
	if (r < 0)
		return r;
	*ret = steal_ptr(neighbour);
	return 0;
}

struct neighbour *neighbour_free(struct neighbour *neighbour)
{
	if (!neighbour)
		return NULL;
	if (neighbour->notifying)
		neighbour->freed = true;
	else
		destroy(neighbour);
	return NULL;
}

bool neighbour_present(const struct neighbour *neighbour)
{
	return neighbour->have_state;
}

uint64_t neighbour_incarnation(const struct neighbour *neighbour)
{
	return neighbour->incarnation;
}

const char *neighbour_next(const struct neighbour *neighbour, const char *interface,
			   const char *path)
{
	struct object *object = neighbour->objects;

	if (path) {
		HASH_FIND_STR(neighbour->objects, path, object);
		object = object ? object->hh.next : NULL;
	}
	for (; object; object = object->hh.next)
		if (find_facet(object, interface))
			return object->path;
	return NULL;
}

static const struct value *find_value(const struct neighbour *neighbour, const char *path,
				      const char *interface, const char *property,
				      enum value_kind kind)
{
	const struct facet *facet;
	struct object *object;

	HASH_FIND_STR(neighbour->objects, path, object);
	facet = object ? find_facet(object, interface) : NULL;
	for (const struct value *value = facet ? facet->values : NULL; value; value = value->next)
		if (!strcmp(value->property, property))
			return value->kind == kind ? value : NULL;
	return NULL;
}

const char *neighbour_string(const struct neighbour *neighbour, const char *path,
			     const char *interface, const char *property)
{
	const struct value *value = find_value(neighbour, path, interface, property, VALUE_TEXT);

	return value ? value->text : NULL;
}

uint64_t neighbour_number(const struct neighbour *neighbour, const char *path,
			  const char *interface, const char *property)
{
	const struct value *value = find_value(neighbour, path, interface, property, VALUE_NUMBER);

	return value ? value->number : 0;
}

const uint8_t *neighbour_octets(const struct neighbour *neighbour, const char *path,
				const char *interface, const char *property, size_t *ret_size)
{
	const struct value *value = find_value(neighbour, path, interface, property, VALUE_OCTETS);

	*ret_size = value ? value->n_octets : 0;
	return value ? value->octets : NULL;
}

bool neighbour_endpoint(const struct neighbour *neighbour, const char *path, const char *interface,
			const char *property, struct sockaddr_in *ret)
{
	const struct value *value =
		find_value(neighbour, path, interface, property, VALUE_ENDPOINT);

	*ret = (struct sockaddr_in){ .sin_family = AF_INET };
	if (!value || inet_pton(AF_INET, value->text, &ret->sin_addr) != 1)
		return false;
	ret->sin_port = htons(value->number);
	return true;
}

bool neighbour_next_entry(const struct neighbour *neighbour, const char *path,
			  const char *interface, const char *property, size_t *position,
			  const char **ret_text, uint64_t *ret_number)
{
	const struct value *value = find_value(neighbour, path, interface, property, VALUE_ENTRIES);

	if (!value || *position >= value->n_octets)
		return false;
	memcpy(ret_number, value->octets + *position, sizeof(*ret_number));
	*ret_text = (const char *)value->octets + *position + sizeof(*ret_number);
	*position += sizeof(*ret_number) + strlen(*ret_text) + 1;
	return true;
}

int neighbour_call(struct neighbour *neighbour, sd_bus_slot **ret_slot, const char *path,
		   const char *interface, const char *member, sd_bus_message_handler_t callback,
		   void *userdata, const char *types, ...)
{
	va_list arguments;
	int r;

	if (!neighbour->owner)
		return -ENOTCONN;
	va_start(arguments, types);
	r = sd_bus_call_method_asyncv(neighbour->bus, ret_slot, neighbour->owner, path, interface,
				      member, callback, userdata, types, arguments);
	va_end(arguments);
	return r;
}

int neighbour_message_new(struct neighbour *neighbour, const char *path, const char *interface,
			  const char *member, sd_bus_message **ret)
{
	if (!neighbour->owner)
		return -ENOTCONN;
	return sd_bus_message_new_method_call(neighbour->bus, ret, neighbour->owner, path,
					      interface, member);
}

int neighbour_send(struct neighbour *neighbour, sd_bus_slot **ret_slot, sd_bus_message *message,
		   sd_bus_message_handler_t callback, void *userdata)
{
	return sd_bus_call_async(neighbour->bus, ret_slot, message, callback, userdata, 0);
}
