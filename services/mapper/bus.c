/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Properties are served from a copy of what was announced last; announcing makes a new copy from
 * the state and signals the difference. So a reader never sees half of a change, and what it reads
 * after a signal is what the signal said.
 */
#include "services/mapper/bus.h"

#include "services/mapper/bus-shown.h"
#include "services/mapper/mapping-state.h"
#include "services/mapper/wish-state.h"

#include "bus-interfaces/errors.h"
#include "common/base/wall-clock.h"
#include "common/loop/bus-values.h"
#include "common/loop/caller-check.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define ROOT_PATH         HOMEWARD_OBJECT_ROOT "/Mapper1"
#define ROOT_INTERFACE    "org.homeward.Mapper1"
#define MAPPING_INTERFACE "org.homeward.Mapper1.Mapping"

struct mapping_object {
	struct mapping_object *next;
	struct bus *bus;
	struct mapping *mapping; /* NULL: it is gone */
	char path[64];
	sd_bus_slot *slot;
	struct shown_mapping shown;
	uint64_t expires_at; /* as announced, in the state's time; UINT64_MAX: never */
};

struct bus {
	struct mapper *mapper;
	sd_bus *connection;
	sd_bus_slot *root_slot, *match_slot;
	struct caller_check *callers;
	struct shown_network shown;
	struct mapping_object *objects;
	uint64_t n_objects_made;
	struct wall_clock wall_clock;
	uint64_t checked_at, checked; /* in the state's time, and what is told of it */
	bool finishing;
};

/* A call that waits for whether its caller may. */
struct question {
	struct bus *bus;
	struct mapping_wish wish;
};

/* Announcing. */

/* By the clock as it is now: it may have been set after the gateway granted the mapping. */
static uint64_t expires_seconds(struct mapping_object *object)
{
	struct bus *bus = object->bus;

	if (object->expires_at == UINT64_MAX)
		return 0;
	return wall_clock_seconds(&bus->wall_clock, object->expires_at, mapper_now(bus->mapper),
				  realtime_usec());
}

static void fill_mapping(struct mapping_object *object, struct shown_mapping *shown)
{
	object->expires_at = object->mapping->expires_at;
	shown_fill_mapping(mapper_state_of(object->bus->mapper), object->mapping, shown);
	shown->expires = expires_seconds(object);
}

static void note_network(struct bus *bus, const struct shown_network *former)
{
	struct timeline *timeline = mapper_timeline(bus->mapper);
	const struct shown_network *shown = &bus->shown;

	if (!strcmp(shown->nat_kind, former->nat_kind) &&
	    !strcmp(shown->external_address, former->external_address))
		return;
	if (shown->forwarded)
		timeline_note(timeline, shown->generation, "forwarded by hand at %s",
			      shown->external_address);
	else if (!strcmp(shown->nat_kind, "public") || !strcmp(shown->nat_kind, "unmapped"))
		timeline_note(timeline, shown->generation, "public at %s", shown->external_address);
	else if (*shown->external_address)
		timeline_note(timeline, shown->generation, "external address %s",
			      shown->external_address);
}

static void note_mapping(struct mapping_object *object, const struct shown_mapping *former)
{
	struct timeline *timeline = mapper_timeline(object->bus->mapper);
	const struct shown_mapping *shown = &object->shown;
	char address[INET_ADDRSTRLEN] = "";

	if (!strcmp(shown->state, former->state) && shown->generation == former->generation &&
	    !memcmp(&shown->external, &former->external, sizeof shown->external))
		return;
	inet_ntop(AF_INET, &shown->external.sin_addr, address, sizeof address);
	if (shown->external.sin_addr.s_addr)
		timeline_note(timeline, shown->generation, "%s %s: %s:%u", shown->state,
			      shown->label, address, ntohs(shown->external.sin_port));
	else if (*shown->last_error)
		timeline_note(timeline, shown->generation, "%s %s: %s", shown->state, shown->label,
			      shown->last_error);
}

static void announce_mapping(struct mapping_object *object)
{
	char *names[SHOWN_NAMES_LIMIT];
	struct shown_mapping former = object->shown;

	fill_mapping(object, &object->shown);
	note_mapping(object, &former);
	if (shown_compare_mappings(&former, &object->shown, names))
		sd_bus_emit_properties_changed_strv(object->bus->connection, object->path,
						    MAPPING_INTERFACE, names);
}

static struct mapping_object *object_free(struct mapping_object *object)
{
	sd_bus_slot_unref(object->slot);
	free(object);
	return NULL;
}

void bus_forget_mapping(struct mapping *mapping)
{
	struct mapping_object *object = mapping->userdata;

	if (object)
		object->mapping = NULL;
}

void bus_finish(struct bus *bus)
{
	bus->finishing = true;
	for (struct mapping_object *object = bus->objects; object; object = object->next)
		object->mapping = NULL;
}

/* Objects whose mapping the state let go of. */
static void remove_objects(struct bus *bus)
{
	struct mapping_object **link = &bus->objects;

	while (*link) {
		struct mapping_object *object = *link;

		if (object->mapping) {
			link = &object->next;
			continue;
		}
		*link = object->next;
		sd_bus_emit_object_removed(bus->connection, object->path);
		object_free(object);
	}
}

/* When all was proven last, by the clock as it was then. */
static void fill_network(struct bus *bus, struct shown_network *shown)
{
	const struct mapper_state *state = mapper_state_of(bus->mapper);
	uint64_t age;

	shown_fill_network(state, shown);
	if (state->checked_at != bus->checked_at) {
		age = mapper_now(bus->mapper) - state->checked_at;
		bus->checked_at = state->checked_at;
		bus->checked = realtime_usec() - age * 1000;
	}
	shown->checked = bus->checked;
}

void bus_announce(struct bus *bus)
{
	struct shown_network former = bus->shown;
	char *names[SHOWN_NAMES_LIMIT];

	fill_network(bus, &bus->shown);
	note_network(bus, &former);
	if (shown_compare_networks(&former, &bus->shown, names))
		sd_bus_emit_properties_changed_strv(bus->connection, ROOT_PATH, ROOT_INTERFACE,
						    names);
	for (struct mapping_object *object = bus->objects; object; object = object->next)
		if (object->mapping)
			announce_mapping(object);
	remove_objects(bus);
}

/* Getters. */

static int get_expires(sd_bus *connection, const char *path, const char *interface,
		       const char *property, sd_bus_message *reply, void *userdata,
		       sd_bus_error *error)
{
	return sd_bus_message_append(reply, "t", expires_seconds(userdata));
}

static int get_counters(sd_bus *connection, const char *path, const char *interface,
			const char *property, sd_bus_message *reply, void *userdata,
			sd_bus_error *error)
{
	struct all_counters {
		struct mapper_counters state;
		struct speaker_counters speakers;
		struct stun_client_counters stun;
	} counters;
	static const struct counter_description names[] = {
#define COUNTER(name, member) { name, offsetof(struct all_counters, member) }
		COUNTER("NetworkChanges", state.network_changes),
		COUNTER("RequestsSent", speakers.packets_sent),
		COUNTER("Retransmissions", speakers.retransmissions),
		COUNTER("RequestsFailed", state.requests_failed),
		COUNTER("ResponsesAccepted", speakers.responses_accepted),
		COUNTER("ResponsesMalformed", speakers.responses_malformed),
		COUNTER("ResponsesForeign", speakers.responses_foreign),
		COUNTER("ResponsesUnexpected", speakers.responses_unexpected),
		COUNTER("EventsStale", state.events_stale),
		COUNTER("GatewayAbsences", state.gateway_absences),
		COUNTER("GatewayRestarts", state.gateway_restarts),
		COUNTER("ProtocolChanges", state.protocol_changes),
		COUNTER("AnnouncementsAccepted", state.announcements_accepted),
		COUNTER("AnnouncementsForeign", state.announcements_foreign),
		COUNTER("AnnouncementsMalformed", state.announcements_malformed),
		COUNTER("MappingsAdopted", state.mappings_adopted),
		COUNTER("MappingsRemoved", state.mappings_removed),
		COUNTER("StunRequestsSent", stun.requests_sent),
		COUNTER("StunAnswersAccepted", stun.answers_accepted),
		COUNTER("StunAnswersMalformed", stun.answers_malformed),
		COUNTER("StunAnswersForeign", stun.answers_foreign),
		COUNTER("StunAnswersUnexpected", stun.answers_unexpected),
#undef COUNTER
		{},
	};
	struct bus *bus = userdata;

	counters.state = mapper_state_of(bus->mapper)->counters;
	counters.stun = mapper_stun_counters(bus->mapper);
	mapper_count_speakers(bus->mapper, &counters.speakers);
	return bus_append_counters(reply, names, &counters);
}

static int get_uplinks(sd_bus *connection, const char *path, const char *interface,
		       const char *property, sd_bus_message *reply, void *userdata,
		       sd_bus_error *error)
{
	const struct shown_uplink *uplinks = userdata;
	int r = sd_bus_message_open_container(reply, 'a', "(sssu)");

	for (size_t i = 0; r >= 0 && i < SHOWN_UPLINKS_LIMIT && *uplinks[i].interface; i++)
		r = sd_bus_message_append(reply, "(sssu)", uplinks[i].interface, uplinks[i].address,
					  uplinks[i].gateway, uplinks[i].metric);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_result(sd_bus *connection, const char *path, const char *interface,
		      const char *property, sd_bus_message *reply, void *userdata,
		      sd_bus_error *error)
{
	const struct shown_result *result = userdata;

	return sd_bus_message_append(reply, "(su)", result->protocol, result->code);
}

static int get_hops(sd_bus *connection, const char *path, const char *interface,
		    const char *property, sd_bus_message *reply, void *userdata,
		    sd_bus_error *error)
{
	const struct shown_hop *hops = userdata;
	int r = sd_bus_message_open_container(reply, 'a', "(ssq)");

	for (size_t i = 0; r >= 0 && i < SHOWN_HOPS_LIMIT && *hops[i].gateway; i++)
		r = sd_bus_message_append(reply, "(ssq)", hops[i].gateway, hops[i].protocol,
					  hops[i].port);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_packets(sd_bus *connection, const char *path, const char *interface,
		       const char *property, sd_bus_message *reply, void *userdata,
		       sd_bus_error *error)
{
	struct bus *bus = userdata;

	return sd_bus_message_append(reply, "t", mapper_gateway_packets(bus->mapper));
}

static int get_packets_per_minute(sd_bus *connection, const char *path, const char *interface,
				  const char *property, sd_bus_message *reply, void *userdata,
				  sd_bus_error *error)
{
	struct bus *bus = userdata;

	return sd_bus_message_append(reply, "u", mapper_gateway_packets_per_minute(bus->mapper));
}

static int get_timeline(sd_bus *connection, const char *path, const char *interface,
			const char *property, sd_bus_message *reply, void *userdata,
			sd_bus_error *error)
{
	struct bus *bus = userdata;

	return timeline_property(connection, path, interface, property, reply,
				 mapper_timeline(bus->mapper), error);
}

/* Methods. */

static int method_release(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct mapping_object *object = userdata;
	struct mapper *mapper = object->bus->mapper;
	struct mapping *mapping = object->mapping;
	int r;

	if (!mapping || strcmp(mapping->caller, sd_bus_message_get_sender(call)) != 0)
		return sd_bus_error_set(error, HOMEWARD_ERROR_ACCESS_DENIED,
					"another caller asked for this mapping");
	r = sd_bus_reply_method_return(call, NULL);
	bus_forget_mapping(mapping);
	mapping_remove(mapper_state_of(mapper), mapping, mapper_now(mapper));
	mapper_carry_out(mapper);
	return r;
}

static const sd_bus_vtable mapping_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Label", "s", bus_property_text,
			offsetof(struct mapping_object, shown.label),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Generation", "t", NULL, offsetof(struct mapping_object, shown.generation),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Internal", "(sq)", bus_property_endpoint,
			offsetof(struct mapping_object, shown.internal),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("External", "(sq)", bus_property_endpoint,
			offsetof(struct mapping_object, shown.external),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Protocol", "s", bus_property_text,
			offsetof(struct mapping_object, shown.protocol),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Gateway", "s", bus_property_text,
			offsetof(struct mapping_object, shown.gateway),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Lifetime", "u", NULL, offsetof(struct mapping_object, shown.lifetime),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Hops", "a(ssq)", get_hops, offsetof(struct mapping_object, shown.hops),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("ResultCode", "u", NULL, offsetof(struct mapping_object, shown.result_code),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Expires", "t", get_expires, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("State", "s", bus_property_text,
			offsetof(struct mapping_object, shown.state),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("LastError", "s", bus_property_text,
			offsetof(struct mapping_object, shown.last_error),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_release,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static int add_object(struct bus *bus, struct mapping *mapping)
{
	struct mapping_object *object = calloc(1, sizeof *object);
	int r;

	if (!object)
		return -ENOMEM;
	object->bus = bus;
	object->mapping = mapping;
	snprintf(object->path, sizeof object->path, ROOT_PATH "/mapping/%llu",
		 (unsigned long long)++bus->n_objects_made);
	r = sd_bus_add_object_vtable(bus->connection, &object->slot, object->path,
				     MAPPING_INTERFACE, mapping_vtable, object);
	if (r < 0) {
		object_free(object);
		return r;
	}
	mapping->userdata = object;
	object->next = bus->objects;
	bus->objects = object;
	fill_mapping(object, &object->shown);
	note_mapping(object, &(struct shown_mapping){});
	sd_bus_emit_object_added(bus->connection, object->path);
	return 0;
}

static int reply_object(sd_bus_message *call, const struct mapping *mapping)
{
	const struct mapping_object *object = mapping->userdata;

	return sd_bus_reply_method_return(call, "o", object->path);
}

static int read_wish(sd_bus_message *call, struct mapping_wish *wish, sd_bus_error *error)
{
	const char *label, *protocol;
	int r = sd_bus_message_read(call, "ssqqu", &label, &protocol, &wish->internal_port,
				    &wish->external_port, &wish->lifetime);

	if (r < 0)
		return r;
	if (!wish_label_is_valid(label))
		return sd_bus_error_set(error, HOMEWARD_ERROR_INVALID_ARGUMENT,
					"a label is 1 to 32 of a-z, 0-9 and \"-\"");
	strcpy(wish->label, label);
	if (!strcmp(protocol, "udp"))
		wish->transport = IPPROTO_UDP;
	else if (!strcmp(protocol, "tcp"))
		wish->transport = IPPROTO_TCP;
	else
		return sd_bus_error_set(error, HOMEWARD_ERROR_INVALID_ARGUMENT,
					"the protocol is \"udp\" or \"tcp\"");
	if (!wish->internal_port)
		return sd_bus_error_set(error, HOMEWARD_ERROR_INVALID_ARGUMENT,
					"the internal port is 1 to 65535");
	if (!wish->lifetime)
		wish->lifetime = MAPPING_DEFAULT_LIFETIME;
	return 0;
}

/* The call's answer once its caller's user is known. */
static int add_or_take_over(struct bus *bus, sd_bus_message *call, const struct mapping_wish *wish,
			    uid_t uid)
{
	const char *caller = sd_bus_message_get_sender(call);
	struct mapper_state *state = mapper_state_of(bus->mapper);
	uint64_t now = mapper_now(bus->mapper);
	struct mapping *mapping = wish_find(state, caller, uid, wish->label);
	int r;

	if (bus->finishing)
		return sd_bus_reply_method_errorf(call, HOMEWARD_ERROR_FAILED,
						  "the daemon is stopping");
	if (mapping) {
		r = wish_take_over(mapping, caller, uid);
		if (r < 0)
			return sd_bus_reply_method_errno(call, r, NULL);
		mapping_change(state, mapping, wish, now);
		return reply_object(call, mapping);
	}
	if (!wish_allowed(state, caller))
		return sd_bus_reply_method_errorf(call, HOMEWARD_ERROR_LIMITS_EXCEEDED,
						  "a caller may have %d mappings",
						  MAPPINGS_PER_CALLER);
	if (!wish_user_allowed(state, uid))
		return sd_bus_reply_method_errorf(call, HOMEWARD_ERROR_LIMITS_EXCEEDED,
						  "a user may have %d mappings", MAPPINGS_PER_USER);
	r = mapping_add(state, wish, now, &mapping);
	if (r == -EDQUOT)
		return sd_bus_reply_method_errorf(call, HOMEWARD_ERROR_LIMITS_EXCEEDED,
						  "there are %d mappings, which is the limit",
						  MAPPINGS_LIMIT);
	if (r >= 0) {
		r = wish_take_over(mapping, caller, uid);
		if (r >= 0)
			r = add_object(bus, mapping);
		if (r < 0)
			mapping_remove(state, mapping, now);
	}
	if (r < 0)
		return sd_bus_reply_method_errno(call, r, NULL);
	return reply_object(call, mapping);
}

static void on_caller_allowed(void *userdata, sd_bus_message *call, uid_t uid)
{
	struct question *question = userdata;

	add_or_take_over(question->bus, call, &question->wish, uid);
	mapper_carry_out(question->bus->mapper);
}

static int method_add_mapping(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct bus *bus = userdata;
	struct mapping_wish wish = {};
	struct mapper_state *state = mapper_state_of(bus->mapper);
	struct question *question;
	struct mapping *mapping;
	int r = read_wish(call, &wish, error);

	if (r < 0)
		return r;
	mapping = wish_find(state, sd_bus_message_get_sender(call), (uid_t)-1, wish.label);
	if (mapping) {
		mapping_change(state, mapping, &wish, mapper_now(bus->mapper));
		r = reply_object(call, mapping);
		mapper_carry_out(bus->mapper);
		return r;
	}
	/* Whose it is decides whether it may, and whether it takes over what a former connection
	 * left. */
	question = calloc(1, sizeof *question);
	if (!question)
		return -ENOMEM;
	question->bus = bus;
	question->wish = wish;
	r = caller_check_start(bus->callers, call, on_caller_allowed, free, question, error);
	if (r < 0) {
		free(question);
		return r;
	}
	return 1;
}

static int method_check(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct bus *bus = userdata;
	int r = mapper_check(bus->mapper);

	if (r == -EBUSY)
		return sd_bus_error_setf(error, HOMEWARD_ERROR_LIMITS_EXCEEDED,
					 "asked again too soon: once in %d seconds is enough",
					 MAPPER_CHECK_MSEC / 1000);
	if (r < 0)
		return r;
	return sd_bus_reply_method_return(call, NULL);
}

static int method_measure_silence(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct bus *bus = userdata;

	mapper_measure_silence(bus->mapper);
	return sd_bus_reply_method_return(call, NULL);
}

static int on_name_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
	const char *name, *former, *owner;
	struct bus *bus = userdata;

	if (sd_bus_message_read(signal, "sss", &name, &former, &owner) < 0 || *name != ':' ||
	    *owner)
		return 0;
	wish_note_caller_gone(mapper_state_of(bus->mapper), name, mapper_now(bus->mapper));
	mapper_carry_out(bus->mapper);
	return 0;
}

#define NETWORK_PROPERTY(name, type, getter, member)                                               \
	SD_BUS_PROPERTY(name, type, getter, offsetof(struct bus, shown.member),                    \
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

static const sd_bus_vtable root_vtable[] = {
	SD_BUS_VTABLE_START(0),
	NETWORK_PROPERTY("State", "s", bus_property_text, state),
	NETWORK_PROPERTY("Reason", "s", bus_property_text, reason),
	SD_BUS_PROPERTY("Counters", "a{st}", get_counters, 0, 0),
	SD_BUS_PROPERTY("Timeline", "a(tts)", get_timeline, 0, 0),
	NETWORK_PROPERTY("NetworkGeneration", "t", NULL, generation),
	NETWORK_PROPERTY("PrimaryInterface", "s", bus_property_text, interface),
	NETWORK_PROPERTY("LocalAddress", "s", bus_property_text, local_address),
	NETWORK_PROPERTY("Gateway", "s", bus_property_text, gateway),
	NETWORK_PROPERTY("ExternalAddress", "s", bus_property_text, external_address),
	NETWORK_PROPERTY("NetworkKind", "s", bus_property_text, network_kind),
	NETWORK_PROPERTY("Uplinks", "a(sssu)", get_uplinks, uplinks),
	NETWORK_PROPERTY("GatewayHardwareAddress", "s", bus_property_text,
			 gateway_hardware_address),
	NETWORK_PROPERTY("NatKind", "s", bus_property_text, nat_kind),
	NETWORK_PROPERTY("Protocol", "s", bus_property_text, protocol),
	NETWORK_PROPERTY("GatewayResult", "(su)", get_result, gateway_result),
	NETWORK_PROPERTY("ReflexiveAddress", "s", bus_property_text, reflexive_address),
	NETWORK_PROPERTY("StunServer", "s", bus_property_text, stun_server),
	NETWORK_PROPERTY("Forwarded", "b", NULL, forwarded),
	NETWORK_PROPERTY("NatMapping", "s", bus_property_text, nat_mapping),
	NETWORK_PROPERTY("NatFiltering", "s", bus_property_text, nat_filtering),
	NETWORK_PROPERTY("Verified", "s", bus_property_text, verified),
	NETWORK_PROPERTY("NatSilence", "u", NULL, nat_silence),
	NETWORK_PROPERTY("Checked", "t", NULL, checked),
	SD_BUS_PROPERTY("GatewayPackets", "t", get_packets, 0, 0),
	SD_BUS_PROPERTY("GatewayPacketsPerMinute", "u", get_packets_per_minute, 0, 0),
	SD_BUS_METHOD_WITH_ARGS("Check", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_check,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("MeasureSilence", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
				method_measure_silence, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("AddMapping",
				SD_BUS_ARGS("s", label, "s", protocol, "q", internal_port, "q",
					    external_port, "u", lifetime),
				SD_BUS_RESULT("o", mapping), method_add_mapping,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

int bus_new(struct mapper *mapper, sd_bus *connection, struct bus **ret)
{
	struct bus *bus = calloc(1, sizeof *bus);
	int r;

	if (!bus)
		return -ENOMEM;
	bus->mapper = mapper;
	bus->connection = sd_bus_ref(connection);
	fill_network(bus, &bus->shown);
	r = caller_check_new(connection, "org.homeward.mapper.add-mapping", "ask for mappings",
			     &bus->callers);
	if (r >= 0)
		r = sd_bus_add_object_vtable(connection, &bus->root_slot, ROOT_PATH, ROOT_INTERFACE,
					     root_vtable, bus);
	if (r >= 0)
		r = sd_bus_add_match_async(connection, &bus->match_slot,
					   "type='signal',sender='org.freedesktop.DBus',"
					   "interface='org.freedesktop.DBus',"
					   "member='NameOwnerChanged',arg2=''",
					   on_name_owner_changed, NULL, bus);
	if (r < 0) {
		bus_free(bus);
		return r;
	}
	*ret = bus;
	return 0;
}

struct bus *bus_free(struct bus *bus)
{
	if (!bus)
		return NULL;
	while (bus->objects) {
		struct mapping_object *object = bus->objects;

		bus->objects = object->next;
		object_free(object);
	}
	caller_check_free(bus->callers);
	sd_bus_slot_unref(bus->root_slot);
	sd_bus_slot_unref(bus->match_slot);
	sd_bus_unref(bus->connection);
	free(bus);
	return NULL;
}
