/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/keys/revocation-list.h"

#include <string.h>

static bool is_label(const char *text)
{
	size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return size && size < REVOCATION_HOST_SIZE && !text[size];
}

/* The first entry that is not before this name. */
static size_t find_place(const struct revocation_list *list, const char *host)
{
	size_t i = 0;

	while (i < list->n && strcmp(list->items[i].host, host) < 0)
		i++;
	return i;
}

uint64_t revocation_list_until(const struct revocation_list *list, const char *host)
{
	size_t i = find_place(list, host);

	return i < list->n && !strcmp(list->items[i].host, host) ? list->items[i].until : 0;
}

bool revocation_list_covers(const struct revocation_list *list, const char *host, uint64_t issued)
{
	uint64_t until = revocation_list_until(list, host);

	return until && issued <= until;
}

int revocation_list_add(struct revocation_list *list, const char *host, uint64_t until)
{
	size_t i = find_place(list, host);

	if (!is_label(host) || !until)
		return -EINVAL;
	if (i < list->n && !strcmp(list->items[i].host, host)) {
		if (until > list->items[i].until)
			list->items[i].until = until;
		return 0;
	}
	if (list->n == REVOCATION_HOSTS_MAX)
		return -ENOSPC;
	memmove(&list->items[i + 1], &list->items[i], (list->n - i) * sizeof *list->items);
	list->items[i] = (struct revocation){ .until = until };
	strcpy(list->items[i].host, host);
	list->n++;
	return 0;
}

int revocation_list_merge(struct revocation_list *list, const struct revocation_list *other)
{
	bool changed = other->number > list->number;

	if (changed)
		list->number = other->number;
	for (size_t i = 0; i < other->n; i++) {
		const struct revocation *item = &other->items[i];
		int r;

		if (revocation_list_until(list, item->host) >= item->until)
			continue;
		r = revocation_list_add(list, item->host, item->until);
		if (r < 0)
			return r;
		changed = true;
	}
	return changed;
}
