/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Strings of TXT records, which may hold any octets. Pure. */
#include <json-c/json.h>

/* The octets of values.h's hexadecimal digits as a person reads them: UTF-8 as it is; control
 * characters, "\" and what is no UTF-8 as \xNN. */
json_object *octets_readable(const char *digits);
/* Does so with the strings of the member "text" of a service. */
void octets_make_readable(json_object *service);
