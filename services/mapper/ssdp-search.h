/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The sockets of SSDP: searches go out on one network, and what comes from the gateway is read. */
#include "services/mapper/ssdp-wire.h"

#include "common/loop/loop.h"

struct ssdp_search;

/* `message` NULL: it was malformed. The search may be freed from within. */
typedef void (*ssdp_search_callback)(void *userdata, struct in_addr source,
				     const struct ssdp_message *message);

struct ssdp_search_place {
	struct in_addr gateway, local;
	int link;
};

/* 0 or a negative errno. That nobody else lets us hear announcements is no failure. */
int ssdp_search_new(struct loop *loop, const struct ssdp_search_place *place,
		    ssdp_search_callback callback, void *userdata, struct ssdp_search **ret);
struct ssdp_search *ssdp_search_free(struct ssdp_search *search);
/* Asks the group, or the gateway alone. 0 or a negative errno. */
int ssdp_search_send(struct ssdp_search *search, enum ssdp_target target, bool unicast);

DEFINE_CLEANUP(struct ssdp_search *, ssdp_search_free)
