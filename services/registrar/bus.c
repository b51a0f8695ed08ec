/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.homeward.Registrar1: translates, decides nothing. */
#include "common/loop/bus-values.h"
#include "services/registrar/registrar.h"

#include <string.h>

#define PATH      "/org/homeward/Registrar1"
#define INTERFACE "org.homeward.Registrar1"

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	struct registrar *registrar = userdata;

	return sd_bus_message_append(reply, "s", registrar_phase_to_text(registrar->state.phase));
}

static int get_reason(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	struct registrar *registrar = userdata;

	return sd_bus_message_append(reply, "s", registrar->reason);
}

static int get_counters(sd_bus *bus, const char *path, const char *interface, const char *property,
			sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	static const struct counter_description counters[] = {
		{ "UpdatesSent", offsetof(struct registrar_counts, updates_sent) },
		{ "UpdatesAcknowledged", offsetof(struct registrar_counts, updates_acknowledged) },
		{ "UpdatesFailed", offsetof(struct registrar_counts, updates_failed) },
		{ "Refused", offsetof(struct registrar_counts, refused) },
		{ "Withdrawals", offsetof(struct registrar_counts, withdrawals) },
		{ "OldGenerationsIgnored", offsetof(struct registrar_counts, old_generations) },
		{ "MessagesDropped", offsetof(struct registrar_counts, messages_dropped) },
		{ NULL },
	};
	struct registrar *registrar = userdata;

	return bus_append_counters(reply, counters, &registrar->state.counts);
}

static int get_published(sd_bus *bus, const char *path, const char *interface, const char *property,
			 sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	struct registrar *registrar = userdata;
	const struct registrar_published *published = &registrar->published;
	uint64_t expires = 0;

	/* By the clock as it is now: it may have been set after the server granted the lease. */
	if (published->lease)
		expires = wall_clock_seconds(&registrar->wall_clock, published->expires,
					     loop_now(daemon_loop(registrar->daemon)),
					     realtime_usec());
	return sd_bus_message_append(reply, "(ttts)", published->generation, published->lease,
				     expires, published->server);
}

static int get_records(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	struct registrar *registrar = userdata;

	return sd_bus_message_append_strv(reply, registrar->records);
}

static int on_refresh(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	registrar_refresh(userdata);
	return sd_bus_reply_method_return(message, "");
}

static int get_lan(sd_bus *bus, const char *path, const char *interface, const char *property,
		   sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	struct registrar *registrar = userdata;

	return shares_append_lan(registrar->shares, reply);
}

static int on_share_service(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct registrar *registrar = userdata;

	return shares_on_share_service(registrar->shares, message, ret_error);
}

static int on_share_from_lan(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct registrar *registrar = userdata;

	return shares_on_share_from_lan(registrar->shares, message, ret_error);
}

static int on_unshare_from_lan(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct registrar *registrar = userdata;

	return shares_on_unshare_from_lan(registrar->shares, message, ret_error);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("State", "s", get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Reason", "s", get_reason, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Counters", "a{st}", get_counters, 0, 0),
	SD_BUS_PROPERTY("Timeline", "a(tts)", timeline_property,
			offsetof(struct registrar, timeline), 0),
	SD_BUS_PROPERTY("Published", "(ttts)", get_published, 0,
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Records", "as", get_records, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("SharedFromLan", "a(sbs)", get_lan, 0, 0),
	SD_BUS_METHOD_WITH_ARGS(
		"ShareService",
		SD_BUS_ARGS("s", type, "s", name, "q", port, "aay", text, "as", subtypes),
		SD_BUS_RESULT("o", service), on_share_service, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("ShareFromLan", SD_BUS_ARGS("s", type, "b", everyone),
				SD_BUS_NO_RESULT, on_share_from_lan, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("UnshareFromLan", SD_BUS_ARGS("s", type), SD_BUS_NO_RESULT,
				on_unshare_from_lan, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Refresh", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, on_refresh,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

int registrar_bus_add(struct registrar *registrar)
{
	return sd_bus_add_object_vtable(daemon_bus(registrar->daemon), &registrar->bus_slot, PATH,
					INTERFACE, vtable, registrar);
}

void registrar_bus_emit_state(struct registrar *registrar)
{
	sd_bus *bus = daemon_bus(registrar->daemon);

	if (registrar->shown_phase != registrar->state.phase)
		sd_bus_emit_properties_changed(bus, PATH, INTERFACE, "State", NULL);
	if (strcmp(registrar->shown_reason, registrar->reason) != 0)
		sd_bus_emit_properties_changed(bus, PATH, INTERFACE, "Reason", NULL);
	registrar->shown_phase = registrar->state.phase;
	strcpy(registrar->shown_reason, registrar->reason);
}

void registrar_bus_emit_published(struct registrar *registrar)
{
	sd_bus_emit_properties_changed(daemon_bus(registrar->daemon), PATH, INTERFACE, "Published",
				       "Records", NULL);
}
