/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a daemon dropped, refused or sent, by name. A pure part counts in its own structure of
 * uint64_t fields; the daemon's bus.c names them with a table and shows them as one property.
 */
#include <stddef.h>
#include <stdint.h>

struct counter_description {
	const char *name; /* CamelCase, as on the bus */
	size_t offset;    /* of the uint64_t in the counting structure */
};
