/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared services as registrar's snapshot has them. */
#include "clients/ctl/ctl.h"
#include "clients/ctl/values.h"

#define SHARES_INTERFACE "org.homeward.Registrar1.Service"

/* The last part of the object's path; borrowed. */
const char *shares_number(json_object *service);
/* The type of an element of "shared_from_lan". */
const char *shares_lan_type(json_object *lan);
/* Into the order in which they were shared. */
void shares_sort(json_object *state);
/* What was just shared, for people or as JSON. */
void shares_print_one(const struct ctl *ctl, json_object *service);
