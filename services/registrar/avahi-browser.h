/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What Avahi sees of one type of services on the local network, followed over the bus without
 * libavahi-client: its calls wait for the answer on the caller's thread. Avahi may come, go and
 * come again; without it nothing is seen.
 *
 * Needs the interface Server2 (Avahi 0.8): there a browser is started once we know its name, so
 * that no signal is lost.
 */
#include "common/base/cleanup.h"

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

struct avahi_browser;

struct avahi_service {
	const char *name; /* of the instance, UTF-8 */
	const char *host; /* "printer.local" */
	uint16_t port;    /* host order */
	/* Strings of the TXT record, each after its length; those longer than 255 octets left out.
	 */
	const uint8_t *text;
	size_t text_size;
};

struct avahi_browser_callbacks {
	/* Found, or found to be another than before. Borrowed until it returns. */
	void (*found)(void *userdata, const struct avahi_service *service);
	void (*gone)(void *userdata, const char *name);
};

/* `type` "_ipp._tcp". Without `everyone` only what this host announces itself. 0 or a negative
 * errno; the callbacks come from the loop. */
int avahi_browser_new(sd_bus *bus, const char *type, bool everyone,
		      const struct avahi_browser_callbacks *callbacks, void *userdata,
		      struct avahi_browser **ret);
/* Without a callback. */
struct avahi_browser *avahi_browser_free(struct avahi_browser *browser);
/* In words, static; NULL: Avahi is there and looks. */
const char *avahi_browser_trouble(const struct avahi_browser *browser);

DEFINE_CLEANUP(struct avahi_browser *, avahi_browser_free)
