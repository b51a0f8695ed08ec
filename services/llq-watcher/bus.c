/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.homeward.Watcher1 and its hosts: translates, decides nothing. */
#include "common/loop/bus-values.h"
#include "services/llq-watcher/watcher.h"

#include <arpa/inet.h>
#include <string.h>

#define PATH           "/org/homeward/Watcher1"
#define HOSTS_PATH     "/org/homeward/Watcher1/host"
#define INTERFACE      "org.homeward.Watcher1"
#define HOST_INTERFACE "org.homeward.Watcher1.Host"

#define GETTER(name)                                                                               \
	static int name(sd_bus *bus, const char *path, const char *interface,                      \
			const char *property, sd_bus_message *reply, void *userdata,               \
			sd_bus_error *ret_error)

GETTER(get_state)
{
	struct watcher *watcher = userdata;

	return sd_bus_message_append(reply, "s", watcher_phase_to_text(watcher->state.phase));
}

GETTER(get_reason)
{
	return sd_bus_message_append(reply, "s", ((struct watcher *)userdata)->reason);
}

struct watcher_counts {
	struct llq_counts llq;
	uint64_t strangers;
	struct names_counts names;
};

GETTER(get_counters)
{
	static const struct counter_description counters[] = {
		{ "Setups", offsetof(struct watcher_counts, llq.setups) },
		{ "Refreshes", offsetof(struct watcher_counts, llq.refreshes) },
		{ "Events", offsetof(struct watcher_counts, llq.events) },
		{ "DuplicateEvents", offsetof(struct watcher_counts, llq.duplicate_events) },
		{ "Removals", offsetof(struct watcher_counts, llq.removals) },
		{ "DroppedMalformed", offsetof(struct watcher_counts, llq.malformed) },
		{ "DroppedUnsigned", offsetof(struct watcher_counts, llq.unsigned_messages) },
		{ "DroppedUnverified", offsetof(struct watcher_counts, llq.unverified) },
		{ "DroppedUnexpected", offsetof(struct watcher_counts, llq.unexpected) },
		{ "DroppedStrangers", offsetof(struct watcher_counts, strangers) },
		{ "StubQueries", offsetof(struct watcher_counts, names.stub.queries) },
		{ "StubRefused", offsetof(struct watcher_counts, names.stub.refused) },
		{ "StubNotReady", offsetof(struct watcher_counts, names.stub.not_ready) },
		{ "StubDroppedMalformed", offsetof(struct watcher_counts, names.stub.malformed) },
		{ "StubDroppedStrangers", offsetof(struct watcher_counts, names.server.strangers) },
		{ "StubClosed", offsetof(struct watcher_counts, names.server.closed) },
		{ NULL },
	};
	struct watcher *watcher = userdata;
	struct watcher_counts counts = { .llq = *watch_set_counts(watcher->set),
					 .strangers = link_strangers(watcher->link) };

	names_read_counts(watcher->names, &counts.names);
	return bus_append_counters(reply, counters, &counts);
}

GETTER(get_server)
{
	return sd_bus_message_append(reply, "s", ((struct watcher *)userdata)->server_text);
}

static const char *transport_to_text(enum watch_transport transport)
{
	switch (transport) {
	case WATCH_TRANSPORT_NONE:
		return "none";
	case WATCH_TRANSPORT_PUSH_TLS:
		return "push-tls";
	case WATCH_TRANSPORT_LLQ_TLS:
		return "llq-tls";
	case WATCH_TRANSPORT_LLQ_UDP:
		return "llq-udp";
	}
	return "none";
}

GETTER(get_transport)
{
	struct watcher *watcher = userdata;

	return sd_bus_message_append(reply, "s", transport_to_text(link_transport(watcher->link)));
}

GETTER(get_not_heard_since)
{
	return sd_bus_message_append(reply, "t", ((struct watcher *)userdata)->not_heard_since);
}

GETTER(get_last_heard)
{
	return sd_bus_message_append(reply, "t", ((struct watcher *)userdata)->last_heard);
}

GETTER(get_stub)
{
	return sd_bus_message_append(reply, "s", names_stub(((struct watcher *)userdata)->names));
}

GETTER(get_names)
{
	const struct watcher *watcher = userdata;

	return sd_bus_message_append(reply, "s", names_phase_to_text(names_phase(watcher->names)));
}

GETTER(get_names_reason)
{
	return sd_bus_message_append(reply, "s", names_reason(((struct watcher *)userdata)->names));
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("State", "s", get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Reason", "s", get_reason, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Counters", "a{st}", get_counters, 0, 0),
	SD_BUS_PROPERTY("Timeline", "a(tts)", timeline_property, offsetof(struct watcher, timeline),
			0),
	SD_BUS_PROPERTY("Server", "s", get_server, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Transport", "s", get_transport, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("LastHeard", "t", get_last_heard, 0, 0),
	SD_BUS_PROPERTY("NotHeardSince", "t", get_not_heard_since, 0,
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Stub", "s", get_stub, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Names", "s", get_names, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("NamesReason", "s", get_names_reason, 0,
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_VTABLE_END,
};

GETTER(get_name)
{
	return sd_bus_message_append(reply, "s", ((struct host *)userdata)->name);
}

GETTER(get_host_id)
{
	const struct host *host = userdata;
	char text[INET6_ADDRSTRLEN] = "";

	if (host->has_id)
		inet_ntop(AF_INET6, &host->id, text, sizeof(text));
	return sd_bus_message_append(reply, "s", text);
}

GETTER(get_tunnel_label)
{
	return sd_bus_message_append(reply, "s", ((struct host *)userdata)->tunnel_label);
}

GETTER(get_endpoint)
{
	return bus_append_endpoint(reply, &((struct host *)userdata)->endpoint);
}

GETTER(get_endpoint_generation)
{
	return sd_bus_message_append(reply, "t", ((struct host *)userdata)->endpoint_generation);
}

GETTER(get_device_info)
{
	struct host *host = userdata;
	char *strings[HOST_DEVICE_MAX + 1] = { NULL };

	for (unsigned int i = 0; i < host->n_device; i++)
		strings[i] = host->device[i];
	return sd_bus_message_append_strv(reply, strings);
}

GETTER(get_since)
{
	return sd_bus_message_append(reply, "t", ((struct host *)userdata)->since);
}

GETTER(get_live)
{
	const struct host *host = userdata;

	return sd_bus_message_append(reply, "b", host->live && !host->not_heard_since);
}

GETTER(get_host_not_heard_since)
{
	return sd_bus_message_append(reply, "t", ((struct host *)userdata)->not_heard_since);
}

static const sd_bus_vtable host_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Name", "s", get_name, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("HostId", "s", get_host_id, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("TunnelLabel", "s", get_tunnel_label, 0,
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Endpoint", "(sq)", get_endpoint, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("EndpointGeneration", "t", get_endpoint_generation, 0,
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("DeviceInfo", "as", get_device_info, 0,
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Since", "t", get_since, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Live", "b", get_live, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("NotHeardSince", "t", get_host_not_heard_since, 0,
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_VTABLE_END,
};

int watcher_bus_add(struct watcher *watcher)
{
	return sd_bus_add_object_vtable(daemon_bus(watcher->daemon), &watcher->bus_slot, PATH,
					INTERFACE, vtable, watcher);
}

void watcher_bus_emit_state(struct watcher *watcher)
{
	sd_bus *bus = daemon_bus(watcher->daemon);

	if (watcher->shown_phase != watcher->state.phase)
		sd_bus_emit_properties_changed(bus, PATH, INTERFACE, "State", NULL);
	if (strcmp(watcher->shown_reason, watcher->reason) != 0)
		sd_bus_emit_properties_changed(bus, PATH, INTERFACE, "Reason", NULL);
	if (strcmp(watcher->shown_server, watcher->server_text) != 0)
		sd_bus_emit_properties_changed(bus, PATH, INTERFACE, "Server", NULL);
	if (watcher->shown_transport != link_transport(watcher->link))
		sd_bus_emit_properties_changed(bus, PATH, INTERFACE, "Transport", NULL);
	watcher->shown_phase = watcher->state.phase;
	strcpy(watcher->shown_reason, watcher->reason);
	strcpy(watcher->shown_server, watcher->server_text);
	if (watcher->shown_not_heard_since != watcher->not_heard_since)
		sd_bus_emit_properties_changed(bus, PATH, INTERFACE, "NotHeardSince", NULL);
	watcher->shown_transport = link_transport(watcher->link);
	watcher->shown_not_heard_since = watcher->not_heard_since;
}

void watcher_bus_emit_names(struct watcher *watcher)
{
	sd_bus_emit_properties_changed(daemon_bus(watcher->daemon), PATH, INTERFACE, "Stub",
				       "Names", "NamesReason", NULL);
}

static void emit_changes(sd_bus *bus, const char *path, unsigned int changes)
{
	static const struct {
		enum host_change change;
		const char *property;
	} properties[] = {
		{ HOST_CHANGE_ID, "HostId" },
		{ HOST_CHANGE_TUNNEL_LABEL, "TunnelLabel" },
		{ HOST_CHANGE_ENDPOINT, "Endpoint" },
		{ HOST_CHANGE_ENDPOINT, "EndpointGeneration" },
		{ HOST_CHANGE_DEVICE, "DeviceInfo" },
		{ HOST_CHANGE_LIVE, "Live" },
		{ HOST_CHANGE_HEARD, "NotHeardSince" },
	};
	char *names[ARRAY_SIZE(properties) + 1] = { NULL };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(properties); i++) {
		if (changes & properties[i].change)
			names[n++] = (char *)properties[i].property;
	}
	if (n > 0)
		sd_bus_emit_properties_changed_strv(bus, path, HOST_INTERFACE, names);
}

void watcher_bus_emit_host(struct watcher *watcher, struct host *host)
{
	sd_bus *bus = daemon_bus(watcher->daemon);
	cleanup(freep) char *path = NULL;
	sd_bus_slot *slot = NULL;

	if (sd_bus_path_encode(HOSTS_PATH, host->label, &path) < 0)
		return;
	if (host->changes & HOST_CHANGE_REMOVED) {
		if (host->userdata)
			sd_bus_emit_object_removed(bus, path);
		host->userdata = sd_bus_slot_unref(host->userdata);
	} else if (host->changes & HOST_CHANGE_ADDED) {
		if (sd_bus_add_object_vtable(bus, &slot, path, HOST_INTERFACE, host_vtable, host) <
		    0)
			return;
		host->userdata = slot;
		sd_bus_emit_object_added(bus, path);
	} else {
		emit_changes(bus, path, host->changes);
	}
}
