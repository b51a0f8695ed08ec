/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What people call a service, and what DNS service discovery does. Pure but for the system's list
 * of ports. */
#include <stdbool.h>
#include <stdint.h>

#define SERVICE_TYPE_SIZE 32

/* "ssh" -> "_ssh._tcp" and 22; "_http._tcp" stays, with the port where it is known and 0 where not.
 * False: neither a name we know nor a type. */
bool service_type_of(const char *text, char ret_type[static SERVICE_TYPE_SIZE], uint16_t *ret_port);
