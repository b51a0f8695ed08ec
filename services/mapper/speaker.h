/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A speaker asks one gateway by one protocol: a driver with its socket around a pure part that
 * keeps that protocol's timers and rules.
 */
#include "services/mapper/gateway-event.h"

#include "common/loop/loop.h"

/* One gateway, or one further NAT behind it. */
struct speaker_gateway {
	struct in_addr address;
	struct in_addr local; /* ours on that network: sockets are bound to it */
	int link;
	/* What this gateway sees our packets come from; differs from `local` behind another NAT
	 * that was mapped before (hop by hop). */
	struct in_addr seen_as;
	/* IGD: the description's URL that worked last time here, or NULL. Borrowed for the call. */
	const char *known_location;
};

struct speaker;
typedef void (*speaker_callback)(void *userdata, enum mapping_protocol protocol,
				 const struct gateway_event *event);

struct announcement;

struct speaker_class {
	enum mapping_protocol protocol;
	const char *name; /* "pcp", "nat-pmp", "upnp-igd" */
	/* 0 or a negative errno. Callbacks come from the loop or from within request(); the
	 * speaker may be freed from within one. */
	int (*open)(struct loop *loop, const struct speaker_gateway *gateway,
		    speaker_callback callback, void *userdata, struct speaker **ret);
	/* Takes NULL, returns NULL. Nothing that comes later reaches the callback. */
	struct speaker *(*free)(struct speaker *speaker);
	/* 0, -EBUSY (too many under way), or a negative errno; else one ANSWER or ABSENT follows,
	 * unless it is cancelled. Repeating it by the protocol's timers is the speaker's. */
	int (*request)(struct speaker *speaker, const struct gateway_request *request);
	void (*cancel)(struct speaker *speaker, uint32_t id);
	/* Something multicast by this gateway; NULL where the protocol has none. */
	void (*announcement)(struct speaker *speaker, const struct announcement *announcement);
	const struct speaker_counters *(*counters)(const struct speaker *speaker);
	/* IGD: the description's URL, to be remembered; NULL: none. */
	const char *(*location)(const struct speaker *speaker);
};

extern const struct speaker_class pcp_speaker, natpmp_speaker, igd_speaker;
