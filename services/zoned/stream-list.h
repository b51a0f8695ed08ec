/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

struct connection_link {
	struct connection_link *previous, *next;
};

/* Connections in the order in which they were used last, the longest silent one first. */
struct connection_list {
	struct connection_link *first, *last;
	size_t n;
};

/* At the end: used just now. */
void connection_list_append(struct connection_list *list, struct connection_link *link);
/* Of a link that is in it. */
void connection_list_remove(struct connection_list *list, struct connection_link *link);
