/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * firewalld, where it runs: our interfaces are put into a zone, since those that are in none are in
 * the default one, which lets in what strangers in a café may. What comes out of the tunnel are the
 * account's hosts. Whoever put the interface into another zone is not contradicted.
 */
#include "common/loop/loop.h"

#include <systemd/sd-bus.h>

struct firewall_client;

/* `second`: another interface, which may come later; NULL: none. `on_change`:
 * firewall_client_zone() is another one. Strings are kept, not copied. */
int firewall_client_new(sd_bus *bus, const char *zone, const char *interface, const char *second,
			void (*on_change)(void *userdata), void *userdata,
			struct firewall_client **ret);
struct firewall_client *firewall_client_free(struct firewall_client *client);
/* The zone that firewalld put the (first) interface into for us; "" when it did not, or does not
 * run. */
const char *firewall_client_zone(const struct firewall_client *client);

DEFINE_CLEANUP(struct firewall_client *, firewall_client_free)
