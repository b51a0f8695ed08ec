/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-sas-state.h"

#include "services/keyd/ike-sa-state.h"

#include <string.h>

/* The SAs with one peer. There is one while there are any. */
struct ike_sa_group {
	UT_hash_handle hh; /* by the name */
	struct ike_sa *first;
	char name[];
};

static struct ike_sa_group *find_group(const struct ike_sas *sas, const char *name)
{
	struct ike_sa_group *group;

	HASH_FIND(hh, sas->groups, name, strlen(name), group);
	return group;
}

static struct ike_sa_group *add_group(struct ike_sas *sas, const char *name)
{
	struct ike_sa_group *group = calloc(1, sizeof *group + strlen(name) + 1);

	if (!group)
		return NULL;
	strcpy(group->name, name);
	HASH_ADD_KEYPTR(hh, sas->groups, group->name, strlen(name), group);
	if (hash_has(&group->hh))
		return group;
	free(group);
	return NULL;
}

int ike_sas_join(struct ike_sas *sas, struct ike_sa *sa)
{
	struct ike_sa_group *group;

	/* Before that its peer is whoever it says. */
	if (sa->links.group || !(sa->initiator || sa->authenticated))
		return 0;
	group = find_group(sas, sa->peer) ?: add_group(sas, sa->peer);
	if (!group)
		return -ENOMEM;
	sa->links.group = group;
	sa->links.next_of_group = group->first;
	group->first = sa;
	return 0;
}

static void leave(struct ike_sas *sas, struct ike_sa *sa)
{
	struct ike_sa_group *group = sa->links.group;
	struct ike_sa **at;

	if (!group)
		return;
	for (at = &group->first; *at != sa;)
		at = &(*at)->links.next_of_group;
	*at = sa->links.next_of_group;
	sa->links.group = NULL;
	if (group->first)
		return;
	HASH_DEL(sas->groups, group);
	free(group);
}

int ike_sas_add(struct ike_sas *sas, struct ike_sa *sa)
{
	sa->next = sas->first;
	if (sas->first)
		sas->first->links.previous = sa;
	sas->first = sa;
	sa->links.own_spi = ike_sa_spi(sa);
	HASH_ADD(links.by_id, sas->by_id, id, sizeof sa->id, sa);
	HASH_ADD(links.by_spi, sas->by_spi, links.own_spi, sizeof sa->links.own_spi, sa);
	ike_sas_touch(sas, sa);
	if (!hash_has(&sa->links.by_id) || !hash_has(&sa->links.by_spi))
		return -ENOMEM;
	return ike_sas_join(sas, sa);
}

int ike_sas_add_stranger(struct ike_sas *sas, struct ike_sa *sa,
			 const uint8_t hash[IKE_FIRST_HASH_SIZE])
{
	int r = ike_sas_add(sas, sa);

	sa->links.stranger = true;
	sa->links.next_stranger = sas->strangers;
	sas->strangers = sa;
	memcpy(sa->links.first_hash, hash, sizeof sa->links.first_hash);
	HASH_ADD(links.by_first, sas->by_first, links.first_hash, sizeof sa->links.first_hash, sa);
	return hash_has(&sa->links.by_first) ? r : -ENOMEM;
}

static void forget_stranger(struct ike_sas *sas, struct ike_sa *sa)
{
	struct ike_sa **at = &sas->strangers;

	if (!sa->links.stranger)
		return;
	while (*at != sa)
		at = &(*at)->links.next_stranger;
	*at = sa->links.next_stranger;
	sa->links.stranger = false;
}

static void forget_touched(struct ike_sas *sas, struct ike_sa *sa)
{
	struct ike_sa **at = &sas->touched;

	if (!sa->links.touched)
		return;
	while (*at != sa)
		at = &(*at)->links.next_touched;
	*at = sa->links.next_touched;
	sa->links.touched = false;
}

void ike_sas_remove(struct ike_sas *sas, struct ike_sa *sa)
{
	struct ike_sa_links *links = &sa->links;

	if (hash_has(&links->by_id))
		HASH_DELETE(links.by_id, sas->by_id, sa);
	if (hash_has(&links->by_spi))
		HASH_DELETE(links.by_spi, sas->by_spi, sa);
	if (hash_has(&links->by_first))
		HASH_DELETE(links.by_first, sas->by_first, sa);
	leave(sas, sa);
	forget_stranger(sas, sa);
	forget_touched(sas, sa);
	due_heap_remove(&sas->due, &links->due);
	if (sa->next)
		sa->next->links.previous = links->previous;
	if (links->previous)
		links->previous->next = sa->next;
	else
		sas->first = sa->next;
	ike_sa_free(sa);
}

void ike_sas_deinit(struct ike_sas *sas)
{
	while (sas->first)
		ike_sas_remove(sas, sas->first);
	due_heap_clear(&sas->due);
}

struct ike_sa *ike_sas_find(const struct ike_sas *sas, uint64_t id)
{
	struct ike_sa *sa;

	HASH_FIND(links.by_id, sas->by_id, &id, sizeof id, sa);
	return sa;
}

struct ike_sa *ike_sas_find_spi(const struct ike_sas *sas, uint64_t own_spi)
{
	struct ike_sa *sa;

	HASH_FIND(links.by_spi, sas->by_spi, &own_spi, sizeof own_spi, sa);
	return sa;
}

struct ike_sa *ike_sas_find_first(const struct ike_sas *sas,
				  const uint8_t hash[IKE_FIRST_HASH_SIZE])
{
	struct ike_sa *sa;

	HASH_FIND(links.by_first, sas->by_first, hash, IKE_FIRST_HASH_SIZE, sa);
	return sa;
}

struct ike_sa *ike_sas_with(const struct ike_sas *sas, const char *name)
{
	struct ike_sa_group *group = find_group(sas, name);

	return group ? group->first : NULL;
}

void ike_sas_touch(struct ike_sas *sas, struct ike_sa *sa)
{
	if (sa->links.touched)
		return;
	sa->links.touched = true;
	sa->links.next_touched = sas->touched;
	sas->touched = sa;
}

struct ike_sa *ike_sas_take_touched(struct ike_sas *sas)
{
	struct ike_sa *sa = sas->touched;

	if (sa)
		forget_touched(sas, sa);
	return sa;
}

void ike_sas_update(struct ike_sas *sas, struct ike_sa *sa)
{
	if (sa->authenticated)
		forget_stranger(sas, sa);
	/* Without memory it is not due before something happens to it. The heap only grows with the
	 * first of so many. */
	due_heap_set(&sas->due, &sa->links.due, ike_sa_due(sa));
}

struct ike_sa *ike_sas_take_due(struct ike_sas *sas, uint64_t now)
{
	struct due_entry *entry = due_heap_first(&sas->due);

	if (!entry || entry->due > now)
		return NULL;
	due_heap_remove(&sas->due, entry);
	return container_of(entry, struct ike_sa, links.due);
}
