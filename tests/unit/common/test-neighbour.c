/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * common/loop: a daemon and a neighbour that mirrors it, on a bus of their own. The daemon is a
 * child of this program, so that it can be killed; without dbus-daemon the tests are skipped.
 */
#include "common/loop/bus-values.h"
#include "common/loop/daemon.h"
#include "common/loop/neighbour.h"
#include "common/loop/timeline.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

/* What we were started as. /proc/self/exe would be valgrind itself under valgrind. */
static const char *program;

#define NAME      "org.homeward.Test1"
#define INTERFACE "org.homeward.Test1"
#define PATH      "/org/homeward/Test1"
#define ITEM      "/org/homeward/Test1/item/1"
#define PATIENCE  20000 /* ms; only a failure waits that long */

/* The child. */

struct shown {
	struct daemon *daemon;
	sd_bus_slot *slot, *item_slot;
	const char *text;
	uint64_t number;
	uint16_t port;
	struct timeline timeline;
	struct sockaddr_in endpoint;
	struct {
		uint64_t drops;
	} counters;
	int pipe;
};

static int get_endpoint(sd_bus *bus, const char *path, const char *interface, const char *property,
			sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	return bus_append_endpoint(reply, userdata);
}

static int get_counters(sd_bus *bus, const char *path, const char *interface, const char *property,
			sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	static const struct counter_description names[] = { { "Drops", 0 }, {} };

	return bus_append_counters(reply, names, userdata);
}

static int get_octets(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	return sd_bus_message_append_array(reply, 'y', "\1\0\2", 3);
}

static int get_entries(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "a(st)", 2, "one", (uint64_t)1, "", UINT64_MAX);
}

static int method_set(sd_bus_message *message, void *userdata, sd_bus_error *error);

static const sd_bus_vtable item_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Port", "q", NULL, offsetof(struct shown, port),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Text", "s", NULL, offsetof(struct shown, text),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Number", "t", NULL, offsetof(struct shown, number),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Endpoint", "(sq)", get_endpoint, offsetof(struct shown, endpoint),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Octets", "ay", get_octets, 0, 0),
	SD_BUS_PROPERTY("Entries", "a(st)", get_entries, 0, 0),
	SD_BUS_PROPERTY("Counters", "a{st}", get_counters, offsetof(struct shown, counters), 0),
	SD_BUS_PROPERTY("Timeline", "a(tts)", timeline_property, offsetof(struct shown, timeline),
			0),
	SD_BUS_METHOD_WITH_ARGS("Set", SD_BUS_ARGS("t", number), SD_BUS_NO_RESULT, method_set,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

/* Number 1 adds the item, 2 takes it away; 99 is an error. With 77 the text is another, and the
 * signal of that is lost. */
static int method_set(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	sd_bus *bus = sd_bus_message_get_bus(message);
	struct shown *shown = userdata;
	uint64_t number;
	int r = sd_bus_message_read(message, "t", &number);

	if (r < 0)
		return r;
	if (number == 99)
		return sd_bus_error_set(error, "org.homeward.Error.InvalidArgument", "not 99");
	shown->number = number;
	if (number == 77)
		shown->text = "silent";
	timeline_note(&shown->timeline, number, "set to %d", (int)number);
	if (number == 1) {
		sd_bus_add_object_vtable(bus, &shown->item_slot, ITEM, INTERFACE ".Item",
					 item_vtable, shown);
		sd_bus_emit_object_added(bus, ITEM);
	} else if (number == 2) {
		sd_bus_emit_object_removed(bus, ITEM);
		shown->item_slot = sd_bus_slot_unref(shown->item_slot);
	}
	sd_bus_emit_properties_changed(bus, PATH, INTERFACE, "Number", NULL);
	return sd_bus_reply_method_return(message, NULL);
}

static void say_goodbye(void *userdata)
{
	struct shown *shown = userdata;

	daemon_stop(shown->daemon, 0);
}

static int run_child(void)
{
	static const struct daemon_options options = { .bus_name = NAME,
						       .on_terminate = say_goodbye };
	struct shown shown = { .text = "hello", .port = 4500 };
	int status;

	shown.endpoint.sin_addr.s_addr = inet_addr("11.0.1.1");
	shown.endpoint.sin_port = htons(4501);
	if (daemon_new(&options, &shown, &shown.daemon) < 0)
		return 10;
	if (sd_bus_add_object_vtable(daemon_bus(shown.daemon), &shown.slot, PATH, INTERFACE, vtable,
				     &shown) < 0)
		return 11;
	if (daemon_announce(shown.daemon) < 0)
		return 12;
	status = daemon_run(shown.daemon);
	sd_bus_slot_unref(shown.item_slot);
	sd_bus_slot_unref(shown.slot);
	daemon_free(shown.daemon);
	return status;
}

static pid_t start_child(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* A program of its own: a libuv loop does not survive fork(). */
		execl(program, program, "child", NULL);
		_exit(127);
	}
	return pid;
}

static int end_child(pid_t pid, int signal_number)
{
	int status;

	kill(pid, signal_number);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* This side. */

struct side {
	struct daemon *daemon;
	struct neighbour *neighbour;
	struct loop_timer *patience;
	int n_notified;
	int n_objects_notified;
	bool late, free_in_callback, follow;
	int error_seen;
};

static void on_late(void *userdata)
{
	struct side *side = userdata;

	side->late = true;
}

static void on_neighbour(struct neighbour *neighbour, void *userdata)
{
	struct side *side = userdata;

	side->n_notified++;
	if (side->free_in_callback)
		side->neighbour = neighbour_free(neighbour);
}

static void on_object(struct neighbour *neighbour, const char *path, void *userdata)
{
	struct side *side = userdata;

	side->n_objects_notified++;
	if (side->free_in_callback)
		side->neighbour = neighbour_free(neighbour);
}

static const struct daemon_options side_options = { .bus_name = "org.homeward.Side1" };

static void side_open(struct side *side)
{
	assert_int_equal(daemon_new(&side_options, side, &side->daemon), 0);
	assert_int_equal(loop_timer_new(daemon_loop(side->daemon), on_late, side, &side->patience),
			 0);
	loop_timer_set_delay(side->patience, PATIENCE);
	assert_int_equal(
		neighbour_new(daemon_bus(side->daemon), NAME, on_neighbour, side, &side->neighbour),
		0);
	if (side->follow)
		assert_int_equal(
			neighbour_follow(side->neighbour, daemon_loop(side->daemon), on_object), 0);
}

static void side_close(struct side *side)
{
	neighbour_free(side->neighbour);
	loop_timer_free(side->patience);
	daemon_free(side->daemon);
}

#define run_until(side, condition)                                                                 \
	do {                                                                                       \
		while (!(side)->late && !(condition))                                              \
			uv_run(loop_uv(daemon_loop((side)->daemon)), UV_RUN_ONCE);                 \
		assert_true(condition);                                                            \
	} while (0)

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct side *side = userdata;

	side->error_seen = sd_bus_message_is_method_error(reply, NULL) ? 1 : -1;
	return 0;
}

static void set_number(struct side *side, uint64_t number)
{
	assert_true(neighbour_call(side->neighbour, NULL, PATH, INTERFACE, "Set", on_reply, side,
				   "t", number) >= 0);
}

static uint64_t shown_number(const struct side *side)
{
	return neighbour_number(side->neighbour, PATH, INTERFACE, "Number");
}

static void check_entries(const struct neighbour *neighbour)
{
	size_t position = 0;
	const char *text;
	uint64_t number;

	assert_true(neighbour_next_entry(neighbour, PATH, INTERFACE, "Entries", &position, &text,
					 &number));
	assert_string_equal(text, "one");
	assert_int_equal(number, 1);
	assert_true(neighbour_next_entry(neighbour, PATH, INTERFACE, "Entries", &position, &text,
					 &number));
	assert_string_equal(text, "");
	assert_int_equal(number, UINT64_MAX);
	assert_false(neighbour_next_entry(neighbour, PATH, INTERFACE, "Entries", &position, &text,
					  &number));
	position = 0;
	assert_false(neighbour_next_entry(neighbour, PATH, INTERFACE, "Octets", &position, &text,
					  &number));
}

static void check_mirror(bool follow)
{
	struct side side = { .follow = follow };
	struct sockaddr_in endpoint;
	const uint8_t *octets;
	size_t size;
	pid_t child;

	side_open(&side);
	assert_false(neighbour_present(side.neighbour));
	assert_int_equal(neighbour_call(side.neighbour, NULL, PATH, INTERFACE, "Set", on_reply,
					&side, "t", (uint64_t)1),
			 -ENOTCONN);
	child = start_child();
	run_until(&side, neighbour_present(side.neighbour));
	assert_int_equal(neighbour_incarnation(side.neighbour), 1);
	assert_string_equal(neighbour_next(side.neighbour, INTERFACE, NULL), PATH);
	assert_null(neighbour_next(side.neighbour, INTERFACE, PATH));
	assert_string_equal(neighbour_string(side.neighbour, PATH, INTERFACE, "Text"), "hello");
	assert_null(neighbour_string(side.neighbour, PATH, INTERFACE, "Number"));
	assert_null(neighbour_string(side.neighbour, PATH, INTERFACE, "Absent"));
	assert_true(neighbour_endpoint(side.neighbour, PATH, INTERFACE, "Endpoint", &endpoint));
	assert_int_equal(ntohs(endpoint.sin_port), 4501);
	assert_int_equal(endpoint.sin_addr.s_addr, inet_addr("11.0.1.1"));
	octets = neighbour_octets(side.neighbour, PATH, INTERFACE, "Octets", &size);
	assert_int_equal(size, 3);
	assert_memory_equal(octets, "\1\0\2", 3);
	check_entries(side.neighbour);

	/* Objects come and go, a burst of changes ends in the last state. */
	set_number(&side, 1);
	run_until(&side, neighbour_next(side.neighbour, INTERFACE ".Item", NULL));
	assert_int_equal(neighbour_number(side.neighbour, ITEM, INTERFACE ".Item", "Port"), 4500);
	/* The bus lets a connection wait for 128 answers. */
	for (uint64_t i = 3; i < 99; i++)
		set_number(&side, i);
	set_number(&side, 2);
	run_until(&side, shown_number(&side) == 2 &&
				 !neighbour_next(side.neighbour, INTERFACE ".Item", NULL));
	side.error_seen = 0;
	set_number(&side, 99);
	run_until(&side, side.error_seen == 1);
	assert_int_equal(end_child(child, SIGTERM), 0);
	run_until(&side, !neighbour_present(side.neighbour));
	side_close(&side);
}

static void test_mirror(void **state)
{
	check_mirror(false);
}

static void test_followed(void **state)
{
	check_mirror(true);
}

/* What signals say is there without a read; and a read comes, which has what no signal said. */
static void test_lost_signal(void **state)
{
	struct side side = { .follow = true };
	pid_t child;
	int reads;

	side_open(&side);
	child = start_child();
	run_until(&side, neighbour_present(side.neighbour) && side.n_notified);
	reads = side.n_notified;
	set_number(&side, 1);
	run_until(&side, neighbour_next(side.neighbour, INTERFACE ".Item", NULL) &&
				 shown_number(&side) == 1);
	set_number(&side, 2);
	run_until(&side, !neighbour_next(side.neighbour, INTERFACE ".Item", NULL) &&
				 shown_number(&side) == 2);
	set_number(&side, 77);
	run_until(&side, shown_number(&side) == 77);
	/* Two of the item and three of the number. */
	assert_int_equal(side.n_objects_notified, 5);
	assert_int_equal(side.n_notified, reads);
	assert_string_equal(neighbour_string(side.neighbour, PATH, INTERFACE, "Text"), "hello");
	run_until(&side, side.n_notified > reads);
	assert_string_equal(neighbour_string(side.neighbour, PATH, INTERFACE, "Text"), "silent");
	assert_int_equal(shown_number(&side), 77);
	assert_int_equal(end_child(child, SIGTERM), 0);
	side_close(&side);
}

static void check_owner_killed(bool follow)
{
	pid_t child = start_child();
	struct side side = { .follow = follow };

	side_open(&side);
	for (uint64_t i = 1; i <= 3; i++) {
		run_until(&side, neighbour_present(side.neighbour));
		assert_int_equal(neighbour_incarnation(side.neighbour), i);
		assert_int_equal(shown_number(&side), 0);
		set_number(&side, 5);
		run_until(&side, shown_number(&side) == 5);
		assert_int_equal(end_child(child, SIGKILL), 128 + SIGKILL);
		run_until(&side, !neighbour_present(side.neighbour));
		assert_null(neighbour_next(side.neighbour, INTERFACE, NULL));
		child = start_child();
	}
	run_until(&side, neighbour_present(side.neighbour));
	side.free_in_callback = true;
	set_number(&side, 6);
	run_until(&side, !side.neighbour);
	side_close(&side);
	assert_int_equal(end_child(child, SIGTERM), 0);
}

static void test_owner_killed_and_back(void **state)
{
	check_owner_killed(false);
}

static void test_owner_killed_followed(void **state)
{
	check_owner_killed(true);
}

/* A second owner of the name does not queue: it says so and leaves. */
static void test_name_taken(void **state)
{
	pid_t child = start_child(), second;
	struct side side = {};
	int status;

	side_open(&side);
	run_until(&side, neighbour_present(side.neighbour));
	second = start_child();
	assert_int_equal(waitpid(second, &status, 0), second);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_equal(end_child(child, SIGINT), 0);
	side_close(&side);
}

/* daemon_free() without daemon_run(), as after a failed start. */
static void test_never_ran(void **state)
{
	struct daemon *daemon;

	assert_int_equal(daemon_new(&side_options, NULL, &daemon), 0);
	daemon_stop(daemon, 1);
	daemon_free(daemon);
	assert_int_equal(daemon_new(&side_options, NULL, &daemon), 0);
	daemon_announce(daemon);
	daemon_free(daemon);
}

struct bus {
	pid_t pid;
	char folder[64];
	char config[128];
};

static int start_bus(void **state)
{
	static struct bus bus;
	char address[256];
	int ready[2];
	FILE *config;
	ssize_t got;

	strcpy(bus.folder, "/tmp/homeward-test.XXXXXX");
	if (!mkdtemp(bus.folder) || pipe(ready) < 0)
		return -1;
	snprintf(bus.config, sizeof bus.config, "%s/bus.conf", bus.folder);
	config = fopen(bus.config, "we");
	if (!config)
		return -1;
	fprintf(config,
		"<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration "
		"1.0//EN\" "
		"\"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
		"<busconfig><type>session</type><listen>unix:path=%s/bus</listen>"
		"<policy context=\"default\"><allow send_destination=\"*\"/><allow own=\"*\"/>"
		"<allow eavesdrop=\"false\"/></policy></busconfig>\n",
		bus.folder);
	fclose(config);
	bus.pid = fork();
	if (bus.pid < 0)
		return -1;
	if (!bus.pid) {
		char option[160], print[32];

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		snprintf(option, sizeof option, "--config-file=%s", bus.config);
		snprintf(print, sizeof print, "--print-address=%d", ready[1]);
		execlp("dbus-daemon", "dbus-daemon", option, print, "--nofork", "--nopidfile",
		       NULL);
		_exit(127);
	}
	close(ready[1]);
	/* The address comes once the bus listens; the end of the pipe when it failed. */
	got = read(ready[0], address, sizeof address);
	close(ready[0]);
	*state = &bus;
	if (got <= 0) {
		printf("no dbus-daemon here: skipped\n");
		exit(77);
	}
	snprintf(address, sizeof address, "unix:path=%s/bus", bus.folder);
	return setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
}

static int stop_bus(void **state)
{
	struct bus *bus = *state;
	char socket_path[128];

	kill(bus->pid, SIGTERM);
	waitpid(bus->pid, NULL, 0);
	snprintf(socket_path, sizeof socket_path, "%s/bus", bus->folder);
	unlink(socket_path);
	unlink(bus->config);
	return rmdir(bus->folder);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mirror),
		cmocka_unit_test(test_followed),
		cmocka_unit_test(test_lost_signal),
		cmocka_unit_test(test_owner_killed_and_back),
		cmocka_unit_test(test_owner_killed_followed),
		cmocka_unit_test(test_name_taken),
		cmocka_unit_test(test_never_ran),
	};

	program = argv[0];
	if (argc > 1 && !strcmp(argv[1], "child"))
		return run_child();
	return cmocka_run_group_tests_name("neighbour", tests, start_bus, stop_bus);
}
