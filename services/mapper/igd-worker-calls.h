/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the worker does with a call. Blocks as long as the gateway likes: whoever started the worker
 * ends it. */
#include "services/mapper/igd-call-wire.h"

void igd_worker_perform(const struct igd_call *call, struct igd_answer *ret);

/* Reads a description, and the services of a gateway in it, if any. For the worker and for its
 * fuzzing. `location` is where it came from. */
void igd_worker_read_description(const char *xml, int size, const char *location,
				 struct igd_answer *ret);

/* SUBSCRIBE, its renewal and UNSUBSCRIBE (UPnP Device Architecture §4.1). */
void igd_worker_subscribe(const struct igd_call *call, struct igd_answer *ret);
