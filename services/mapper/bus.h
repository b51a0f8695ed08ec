/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.homeward.Mapper1 and org.homeward.Mapper1.Mapping: translates, decides nothing. */
#include "services/mapper/mapper.h"

struct bus;

/* 0 or a negative errno. */
int bus_new(struct mapper *mapper, sd_bus *connection, struct bus **ret);
/* Objects go; what the callers wanted stays in the state. */
struct bus *bus_free(struct bus *bus);
/* No more wishes are taken, and all mappings are about to go. */
void bus_finish(struct bus *bus);
/* The mapping is about to go: its object does, with the next announcement. */
void bus_forget_mapping(struct mapping *mapping);
/* Tells what differs from what was told before. */
void bus_announce(struct bus *bus);
