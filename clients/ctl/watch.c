/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * `homewardctl watch`: keeps a copy of each daemon's state and prints what its signals change in
 * it. A daemon that leaves and comes back is read anew.
 */
#include "clients/ctl/output.h"
#include "clients/ctl/snapshot.h"
#include "clients/ctl/text.h"
#include "common/base/cleanup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Until a daemon that did not answer is asked again. */
#define ASK_AGAIN_USEC (3 * 1000 * 1000)

struct watched {
	struct watch *watch;
	const struct ctl_daemon *daemon;
	char *owner; /* unique name; NULL: not running */
	json_object *state;
	bool again; /* to be read anew */
};

struct watch {
	struct ctl *ctl;
	struct watched daemons[CTL_DAEMONS];
};

static uint64_t realtime_usec(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

/* The beginning of a line for people. */
static void begin_line(const struct watched *watched)
{
	uint64_t now = realtime_usec();
	time_t seconds = (time_t)(now / 1000000);
	char text[32], full[48];
	struct tm parts;

	localtime_r(&seconds, &parts);
	strftime(text, sizeof text, "%H:%M:%S", &parts);
	snprintf(full, sizeof full, "%s.%03u", text, (unsigned int)(now / 1000 % 1000));
	output_padded(watched->watch->ctl, OUTPUT_FAINT, full, 14);
	output_padded(watched->watch->ctl, OUTPUT_BOLD, watched->daemon->name, 12);
}

/* The beginning of a line for programs. */
static json_object *begin_event(const struct watched *watched, const char *event)
{
	json_object *object = json_object_new_object();

	json_object_object_add(object, "time_us", json_object_new_uint64(realtime_usec()));
	json_object_object_add(object, "daemon", json_object_new_string(watched->daemon->name));
	json_object_object_add(object, "event", json_object_new_string(event));
	return object;
}

/* What people call an object. */
static void name_of(json_object *object, char ret[static TEXT_SIZE])
{
	static const char *const keys[] = { "name", "label", "peer" };
	const char *path = values_text(object, "path"), *last = strrchr(path, '/');

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		text_first_label(values_text(object, keys[i]), ret);
		if (*ret)
			return;
	}
	text_clean(last ? last + 1 : path, ret);
}

static bool is_time(const char *key)
{
	static const char *const keys[] = { "expires", "established", "last_handshake", "since",
					    "not_heard_since" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(key, keys[i]))
			return true;
	return false;
}

/* What says nothing to a person, or is said by something else. */
static bool is_noise(const char *key)
{
	static const char *const keys[] = {
		"records",     "generation", "endpoint_generation", "account_certificate",
		"certificate", "reason",     "names_reason"
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(key, keys[i]))
			return true;
	return false;
}

static void show_value(const char *key, json_object *value, char ret[static TEXT_SIZE])
{
	char ends[TEXT_SIZE];
	uint64_t now = realtime_usec() / 1000000;

	if (values_member(value, "address")) {
		text_endpoint(value, "-", ret);
	} else if (!strcmp(key, "published") && value) {
		text_relative(values_number(value, "expires"), now, ends);
		snprintf(ret, TEXT_SIZE, "change %" PRIu64 " (ends %.40s)",
			 values_number(value, "generation"), ends);
	} else if (is_time(key) && json_object_get_uint64(value)) {
		text_relative(json_object_get_uint64(value), now, ret);
	} else if (!value || is_time(key)) {
		strcpy(ret, "-");
	} else {
		text_value(value, ret);
	}
}

static void report_presence(const struct watched *watched)
{
	bool running = values_flag(watched->state, "running");
	const char *error = values_text(watched->state, "error");
	char state[TEXT_SIZE], reason[TEXT_SIZE];

	if (watched->watch->ctl->json) {
		json_object *event = begin_event(watched, *error    ? "silent"
							  : running ? "running"
								    : "gone");

		json_object_object_add(event, "state",
				       json_object_get(values_member(watched->state, "state")));
		json_object_object_add(event, "reason",
				       json_object_get(values_member(watched->state, "reason")));
		snapshot_print(event, true);
		return;
	}
	begin_line(watched);
	if (*error)
		strcpy(state, "failed to answer");
	else
		text_clean(running ? values_text(watched->state, "state") : "not running", state);
	text_clean(*error ? error : values_text(watched->state, "reason"), reason);
	output_padded(watched->watch->ctl, output_tone_of(state), state, 0);
	printf("%s%s\n", *reason ? ": " : "", reason);
}

static void report_object(const struct watched *watched, const char *event, json_object *object)
{
	char name[TEXT_SIZE];

	name_of(object, name);
	if (watched->watch->ctl->json) {
		json_object *line = begin_event(watched, event);

		json_object_object_add(line, "name", json_object_new_string(name));
		json_object_object_add(line, "object", json_object_get(object));
		snapshot_print(line, true);
		return;
	}
	begin_line(watched);
	printf("%s %s\n", name, event);
}

static void print_change(const struct watched *watched, json_object *object, const char *key,
			 json_object *from, json_object *to)
{
	json_object *line = begin_event(watched, "changed");
	char name[TEXT_SIZE];

	if (object != watched->state) {
		name_of(object, name);
		json_object_object_add(line, "name", json_object_new_string(name));
		json_object_object_add(line, "path",
				       json_object_get(values_member(object, "path")));
	}
	json_object_object_add(line, "property", json_object_new_string(key));
	json_object_object_add(line, "from", json_object_get(from));
	json_object_object_add(line, "to", json_object_get(to));
	snapshot_print(line, true);
}

/* What a person reads of one signal: one line. */
struct sentence {
	const struct watched *watched;
	json_object *object;
	bool begun;
};

static void begin_sentence(struct sentence *sentence)
{
	char name[TEXT_SIZE];

	if (sentence->begun) {
		fputs(", ", stdout);
		return;
	}
	sentence->begun = true;
	begin_line(sentence->watched);
	if (sentence->object != sentence->watched->state) {
		name_of(sentence->object, name);
		printf("%s: ", name);
	}
}

static void say_change(struct sentence *sentence, const char *key, json_object *from,
		       json_object *to)
{
	char words[VALUES_KEY_SIZE], values[2][TEXT_SIZE];

	begin_sentence(sentence);
	snprintf(words, sizeof words, "%s", key);
	for (char *at = words; *at; at++)
		if (*at == '_')
			*at = ' ';
	show_value(key, from, values[0]);
	show_value(key, to, values[1]);
	printf("%s %s -> %s", words, values[0], values[1]);
}

static void say_reason(struct sentence *sentence, json_object *reason)
{
	char text[TEXT_SIZE];

	text_value(reason, text);
	if (sentence->begun)
		fputs(": ", stdout);
	else
		begin_sentence(sentence);
	fputs(text, stdout);
}

/* Takes `changes` into `object` and reports what is new in them. */
static void apply(const struct watched *watched, json_object *object, json_object *changes)
{
	struct sentence sentence = { .watched = watched, .object = object };
	json_object *reason = NULL;

	json_object_object_foreach(changes, key, to)
	{
		json_object *from = json_object_get(values_member(object, key));

		if (!json_object_equal(from, to)) {
			json_object_object_add(object, key, json_object_get(to));
			if (watched->watch->ctl->json)
				print_change(watched, object, key, from, to);
			else if (!strcmp(key, "reason"))
				reason = to;
			else if (!is_noise(key))
				say_change(&sentence, key, from, to);
		}
		json_object_put(from);
	}
	if (reason)
		say_reason(&sentence, reason);
	if (sentence.begun)
		putchar('\n');
}

static void on_properties(struct watched *watched, sd_bus_message *message)
{
	json_object *changes = json_object_new_object(), *object;
	const char *interface;

	if (sd_bus_message_read(message, "s", &interface) >= 0 &&
	    values_read_properties(message, changes) >= 0) {
		object = snapshot_find(watched->state, watched->daemon,
				       sd_bus_message_get_path(message), interface);
		if (object)
			apply(watched, object, changes);
	}
	json_object_put(changes);
}

static void on_added(struct watched *watched, sd_bus_message *message)
{
	const char *path;

	if (sd_bus_message_read(message, "o", &path) < 0 ||
	    snapshot_add_object(watched->state, watched->daemon, path, message) < 0)
		return;
	for (const char *const *kind = watched->daemon->kinds; *kind; kind++) {
		json_object *object = snapshot_find(watched->state, watched->daemon, path, *kind);

		if (object)
			report_object(watched, "added", object);
	}
}

static void on_removed(struct watched *watched, sd_bus_message *message)
{
	const char *path;

	if (sd_bus_message_read(message, "o", &path) < 0)
		return;
	for (const char *const *kind = watched->daemon->kinds; *kind; kind++) {
		json_object *object = snapshot_find(watched->state, watched->daemon, path, *kind);

		if (!object)
			continue;
		report_object(watched, "removed", object);
		snapshot_remove(watched->state, path, *kind);
	}
}

static int on_signal(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct watched *watched = userdata;
	const char *sender = sd_bus_message_get_sender(message);

	/* Matches by well-known name are the bus's work: here every daemon's signals come to all of
	 * them. */
	if (!watched->owner || !sender || strcmp(sender, watched->owner) != 0)
		return 0;
	if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Properties",
				     "PropertiesChanged"))
		on_properties(watched, message);
	else if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.ObjectManager",
					  "InterfacesAdded"))
		on_added(watched, message);
	else if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.ObjectManager",
					  "InterfacesRemoved"))
		on_removed(watched, message);
	return 0;
}

static void set_owner(struct watched *watched, const char *owner)
{
	free(watched->owner);
	watched->owner = *owner ? strdup(owner) : NULL;
	watched->again = true;
}

static int on_owner(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	const char *owner;

	if (sd_bus_message_read(message, "sss", NULL, NULL, &owner) >= 0)
		set_owner(userdata, owner);
	return 0;
}

static int start(struct watched *watched)
{
	sd_bus *bus = watched->watch->ctl->bus;
	sd_bus_creds *owner = NULL;
	const char *unique = "";
	char rule[256];
	int r;

	snprintf(rule, sizeof rule,
		 "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'",
		 watched->daemon->bus_name);
	r = sd_bus_add_match(bus, NULL, rule, on_owner, watched);
	snprintf(rule, sizeof rule, "type='signal',sender='%s',path_namespace='%s'",
		 watched->daemon->bus_name, OBJECT_ROOT);
	if (r >= 0)
		r = sd_bus_add_match(bus, NULL, rule, on_signal, watched);
	if (r < 0)
		return r;
	if (sd_bus_get_name_creds(bus, watched->daemon->bus_name, SD_BUS_CREDS_UNIQUE_NAME,
				  &owner) >= 0)
		sd_bus_creds_get_unique_name(owner, &unique);
	set_owner(watched, unique);
	sd_bus_creds_unref(owner);
	return 0;
}

static enum ctl_status read_again(struct watch *watch)
{
	for (size_t i = 0; i < CTL_DAEMONS; i++) {
		struct watched *watched = &watch->daemons[i];
		enum ctl_status status;
		json_object *state;
		bool silent;

		if (!watched->again)
			continue;
		watched->again = false;
		status = snapshot_read(watch->ctl, watched->daemon, &state);
		if (status != CTL_DONE)
			return status;
		silent = *values_text(watched->state, "error") && *values_text(state, "error");
		json_object_put(watched->state);
		watched->state = state;
		if (!silent)
			report_presence(watched);
	}
	return CTL_DONE;
}

/* Those that did not answer are asked again; returns whether there are any. */
static bool ask_silent_again(struct watch *watch, bool now)
{
	bool any = false;

	for (size_t i = 0; i < CTL_DAEMONS; i++) {
		struct watched *watched = &watch->daemons[i];

		if (!*values_text(watched->state, "error"))
			continue;
		any = true;
		watched->again |= now;
	}
	return any;
}

static enum ctl_status run(struct watch *watch)
{
	for (;;) {
		enum ctl_status status = read_again(watch);
		int r;

		if (status != CTL_DONE)
			return status;
		r = sd_bus_process(watch->ctl->bus, NULL);
		if (r == 0) {
			bool silent = ask_silent_again(watch, false);

			fflush(stdout);
			r = sd_bus_wait(watch->ctl->bus, silent ? ASK_AGAIN_USEC : UINT64_MAX);
			if (r == 0)
				ask_silent_again(watch, true);
		}
		if (r < 0 && r != -EINTR)
			return ctl_complain(CTL_UNREACHABLE,
					    "the connection to the system bus ended: %s",
					    strerror(-r));
	}
}

enum ctl_status ctl_watch_command(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status = ctl_no_arguments(argc, argv);
	struct watch watch = { .ctl = ctl };

	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	for (size_t i = 0; status == CTL_DONE && i < CTL_DAEMONS; i++) {
		int r;

		watch.daemons[i] = (struct watched){ .watch = &watch, .daemon = &ctl_daemons[i] };
		r = start(&watch.daemons[i]);
		if (r < 0)
			status = ctl_complain(CTL_UNREACHABLE,
					      "cannot listen on the system bus: %s", strerror(-r));
	}
	if (status == CTL_DONE)
		status = run(&watch);
	for (size_t i = 0; i < CTL_DAEMONS; i++) {
		free(watch.daemons[i].owner);
		json_object_put(watch.daemons[i].state);
	}
	return status;
}
