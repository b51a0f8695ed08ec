/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The services this host shares: those asked for on the bus, kept in the state folder, and those
 * carried from the local network for as long as Avahi sees them. Shows each as an object; what goes
 * into the zone and when is service-state.h's.
 */
#include "common/loop/loop.h"
#include "services/registrar/service-state.h"

#include <systemd/sd-bus.h>

struct shares;

struct shares_options {
	struct loop *loop;
	sd_bus *bus;
	const char *folder; /* kept, not copied */
	/* Something is wanted that was not before, or the other way round. */
	void (*on_change)(void *userdata);
	void *userdata;
};

/* Reads what was kept. What of it is not valid is left out, with a word in the log. */
int shares_new(const struct shares_options *options, struct shares **ret);
struct shares *shares_free(struct shares *shares);

struct services *shares_services(struct shares *shares);
/* Brings the objects to what is so: who this host is, whether it is published, and in words why
 * not. */
void shares_show(struct shares *shares, const struct host_names *names, bool published,
		 const char *reason);
/* The names of services may have numbers now that are worth keeping. */
void shares_keep(struct shares *shares);

/* Methods and properties of org.homeward.Registrar1. */
int shares_on_share_service(struct shares *shares, sd_bus_message *call, sd_bus_error *error);
int shares_on_share_from_lan(struct shares *shares, sd_bus_message *call, sd_bus_error *error);
int shares_on_unshare_from_lan(struct shares *shares, sd_bus_message *call, sd_bus_error *error);
int shares_append_lan(const struct shares *shares, sd_bus_message *reply);

DEFINE_CLEANUP(struct shares *, shares_free)
