/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.homeward.Registrar1.Service: one shared service on the bus. Translates, decides nothing. */
#include "services/registrar/service-state.h"

#include <systemd/sd-bus.h>

struct share_object;
struct shares;

int share_object_new(sd_bus *bus, struct shares *shares, uint64_t number, struct service *service,
		     const char *host_name, struct share_object **ret);
struct share_object *share_object_free(struct share_object *object);
const char *share_object_path(const struct share_object *object);
/* Announces what changed since. */
void share_object_show(struct share_object *object, struct service *service,
		       const struct host_names *names, bool published, const char *reason);

/* shares.c: what Unshare does. */
int shares_on_unshare(struct shares *shares, struct service *service, sd_bus_message *call,
		      sd_bus_error *error);
