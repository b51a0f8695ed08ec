/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/stream-list.h"

void connection_list_append(struct connection_list *list, struct connection_link *link)
{
	link->next = NULL;
	link->previous = list->last;
	if (list->last)
		list->last->next = link;
	else
		list->first = link;
	list->last = link;
	list->n++;
}

void connection_list_remove(struct connection_list *list, struct connection_link *link)
{
	if (link->previous)
		link->previous->next = link->next;
	else
		list->first = link->next;
	if (link->next)
		link->next->previous = link->previous;
	else
		list->last = link->previous;
	list->n--;
}
