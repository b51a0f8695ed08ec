/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a gateway sends to a subscriber (UPnP Device Architecture §4.3). */
#include "services/mapper/igd-call-wire.h"

/* Header and body; a longer one is refused. */
#define GENA_SIZE_MAX 16384

struct gena_notification {
	char subscription[IGD_SUBSCRIPTION_ID + 1];
	struct in_addr external; /* the address it tells; 0.0.0.0: none */
};

/* 0: it is not there whole. Otherwise the status to answer with: 200, and then `ret` is filled in;
 * 400, 404 (another path than `path`), 405, 412, 413. A body that cannot be delimited is not waited
 * for. */
int gena_read(const void *data, size_t size, const char *path, struct gena_notification *ret);

/* The answer. Returns its length. */
size_t gena_build_answer(int status, char *ret, size_t size);
