/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* NAT-PMP with one gateway, by libnatpmp. */
#include "services/mapper/mapper-state.h"

#include "common/loop/loop.h"

struct gateway_natpmp;

struct gateway_natpmp_callbacks {
	/* `response` is NULL when what came is none. */
	void (*on_response)(void *userdata, const struct natpmp_response *response);
	/* ICMP: nothing listens there. */
	void (*on_unreachable)(void *userdata);
};

/* Keeps a pointer to `callbacks`. 0 or a negative errno. */
int gateway_natpmp_new(struct loop *loop, struct in_addr gateway,
		       const struct gateway_natpmp_callbacks *callbacks, void *userdata,
		       struct gateway_natpmp **ret);
/* Safe from within a callback. Nothing that comes later reaches the callbacks. */
struct gateway_natpmp *gateway_natpmp_free(struct gateway_natpmp *natpmp);
/* 0, or a negative errno when it could not be sent now: sending again later is the caller's. */
int gateway_natpmp_send(struct gateway_natpmp *natpmp, const struct gateway_request *request);
