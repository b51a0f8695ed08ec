/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/share-object.h"

#include "common/loop/bus-values.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERFACE "org.homeward.Registrar1.Service"

struct shown {
	char name[SERVICE_LABEL_SIZE];
	char state[16];
	char reason[700];
	char source[8];
	struct service_offer offer;
};

struct share_object {
	sd_bus *bus;
	struct shares *shares;
	struct service *service;
	sd_bus_slot *slot;
	char path[64];
	struct shown shown;
};

static int get_port(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct share_object *object = userdata;

	return sd_bus_message_append(reply, "q", object->shown.offer.port);
}

static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct share_object *object = userdata;
	const struct service_offer *offer = &object->shown.offer;
	int r = sd_bus_message_open_container(reply, 'a', "ay");

	for (size_t at = 0; r >= 0 && at < offer->text_size; at += 1 + offer->text[at])
		r = sd_bus_message_append_array(reply, 'y', offer->text + at + 1, offer->text[at]);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_subtypes(sd_bus *bus, const char *path, const char *interface, const char *property,
			sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct share_object *object = userdata;
	const struct service_offer *offer = &object->shown.offer;
	int r = sd_bus_message_open_container(reply, 'a', "s");

	for (size_t i = 0; r >= 0 && i < offer->n_subtypes; i++)
		r = sd_bus_message_append(reply, "s", offer->subtypes[i]);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int on_unshare(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct share_object *object = userdata;

	return shares_on_unshare(object->shares, object->service, call, error);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Type", "s", bus_property_text,
			offsetof(struct share_object, shown.offer.type),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Name", "s", bus_property_text, offsetof(struct share_object, shown.name),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Port", "q", get_port, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Text", "aay", get_text, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Subtypes", "as", get_subtypes, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("State", "s", bus_property_text, offsetof(struct share_object, shown.state),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Reason", "s", bus_property_text,
			offsetof(struct share_object, shown.reason),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Source", "s", bus_property_text,
			offsetof(struct share_object, shown.source),
			SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_METHOD_WITH_ARGS("Unshare", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, on_unshare,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static const char *state_word(const struct service *service, bool published)
{
	switch (service->condition) {
	case SERVICE_WAITING:
		break;
	case SERVICE_PUBLISHED:
		return published ? "published" : "waiting";
	case SERVICE_REFUSED:
		return "refused";
	case SERVICE_NAME_TAKEN:
		return "name-taken";
	}
	return "waiting";
}

static void fill(struct shown *shown, const struct service *service, const struct host_names *names,
		 bool published, const char *reason)
{
	char wanted[SERVICE_LABEL_SIZE];

	memset(shown, 0, sizeof(*shown));
	shown->offer = service->offer;
	strcpy(shown->source, service->source == SERVICE_SOURCE_LAN ? "lan" : "command");
	strcpy(shown->state, state_word(service, published));
	service_instance_name(service, names->host_name, shown->name);
	service_offer_number_name(*service->offer.name ? service->offer.name : names->host_name, 1,
				  wanted);
	if (service->trouble)
		snprintf(shown->reason, sizeof(shown->reason), "%s", service->trouble);
	else if (!published)
		snprintf(shown->reason, sizeof(shown->reason), "this host is not in the zone: %s",
			 reason);
	else if (service->condition != SERVICE_PUBLISHED)
		snprintf(shown->reason, sizeof(shown->reason), "on its way to the zone");
	else if (*service->seen_at)
		snprintf(shown->reason, sizeof(shown->reason),
			 "%s offers it at port %u: have this host forward its port %u there",
			 service->seen_at, service->offer.port, service->offer.port);
	else if (strcmp(wanted, shown->name) != 0)
		snprintf(shown->reason, sizeof(shown->reason),
			 "in the zone as \"%s\": there is a \"%s\" already", shown->name, wanted);
	else
		snprintf(shown->reason, sizeof(shown->reason), "in the zone");
}

void share_object_show(struct share_object *object, struct service *service,
		       const struct host_names *names, bool published, const char *reason)
{
	struct shown former = object->shown, *shown = &object->shown;
	char *changed[7];
	size_t n = 0;

	fill(shown, service, names, published, reason);
	if (strcmp(former.name, shown->name) != 0)
		changed[n++] = (char *)"Name";
	if (strcmp(former.state, shown->state) != 0)
		changed[n++] = (char *)"State";
	if (strcmp(former.reason, shown->reason) != 0)
		changed[n++] = (char *)"Reason";
	if (former.offer.port != shown->offer.port)
		changed[n++] = (char *)"Port";
	if (!service_offer_equal(&former.offer, &shown->offer)) {
		changed[n++] = (char *)"Text";
		changed[n++] = (char *)"Subtypes";
	}
	changed[n] = NULL;
	if (n)
		sd_bus_emit_properties_changed_strv(object->bus, object->path, INTERFACE, changed);
}

int share_object_new(sd_bus *bus, struct shares *shares, uint64_t number, struct service *service,
		     const char *host_name, struct share_object **ret)
{
	struct share_object *object = calloc(1, sizeof(*object));
	struct host_names names = { 0 };
	int r;

	if (!object)
		return -ENOMEM;
	object->bus = bus;
	object->shares = shares;
	object->service = service;
	snprintf(object->path, sizeof(object->path), "/org/homeward/Registrar1/service/%" PRIu64,
		 number);
	snprintf(names.host_name, sizeof(names.host_name), "%s", host_name);
	fill(&object->shown, service, &names, true, "");
	r = sd_bus_add_object_vtable(bus, &object->slot, object->path, INTERFACE, vtable, object);
	if (r < 0) {
		free(object);
		return r;
	}
	sd_bus_emit_object_added(bus, object->path);
	*ret = object;
	return 0;
}

struct share_object *share_object_free(struct share_object *object)
{
	if (!object)
		return NULL;
	sd_bus_emit_object_removed(object->bus, object->path);
	sd_bus_slot_unref(object->slot);
	free(object);
	return NULL;
}

const char *share_object_path(const struct share_object *object)
{
	return object->path;
}
