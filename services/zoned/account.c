/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/account.h"

#include <ctype.h>
#include <string.h>

static int set_domain(struct account *account, const char *domain)
{
	size_t size = strlen(domain);
	ldns_rdf *apex;
	int r;

	if (size && domain[size - 1] == '.')
		size--;
	if (size == 0 || size >= sizeof account->domain)
		return -EINVAL;
	for (size_t i = 0; i < size; i++)
		account->domain[i] = tolower((unsigned char)domain[i]);
	apex = ldns_dname_new_frm_str(account->domain);
	if (!apex)
		return -EINVAL;
	name_key_from_rdf(apex, &account->name);
	r = zone_new(apex, &account->zone);
	ldns_rdf_deep_free(apex);
	return r;
}

int account_new(int64_t id, const char *domain, const void *key, size_t key_size,
		struct account **ret)
{
	cleanup(account_freep) struct account *account = calloc(1, sizeof *account);
	int r;

	if (!account)
		return -ENOMEM;
	account->id = id;
	r = set_domain(account, domain);
	if (r >= 0)
		r = secret_new_copy(key, key_size, &account->key);
	if (r < 0)
		return r;
	*ret = steal_ptr(account);
	return 0;
}

struct account *account_free(struct account *account)
{
	if (!account)
		return NULL;
	zone_free(account->zone);
	zone_free(account->staged);
	replication_free(account->replication);
	secret_free(account->key);
	free(account);
	return NULL;
}

static int compare(const struct name_key *a, const struct name_key *b)
{
	int order = memcmp(a->octets, b->octets, a->size < b->size ? a->size : b->size);

	return order ?: a->size - b->size;
}

/* The first account whose name is not before `name`. */
static size_t lower_bound(const struct accounts *accounts, const struct name_key *name)
{
	size_t low = 0, high = accounts->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&accounts->items[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int accounts_add(struct accounts *accounts, struct account *account)
{
	size_t position = lower_bound(accounts, &account->name);
	struct account **items;

	if (position < accounts->n &&
	    name_key_equal(&accounts->items[position]->name, &account->name)) {
		account_free(account);
		return -EEXIST;
	}
	items = reallocarray(accounts->items, accounts->n + 1, sizeof *items);
	if (!items) {
		account_free(account);
		return -ENOMEM;
	}
	memmove(items + position + 1, items + position, (accounts->n - position) * sizeof *items);
	items[position] = account;
	accounts->items = items;
	accounts->n++;
	return 0;
}

void accounts_remove_at(struct accounts *accounts, size_t position)
{
	account_free(accounts->items[position]);
	accounts->n--;
	memmove(accounts->items + position, accounts->items + position + 1,
		(accounts->n - position) * sizeof *accounts->items);
}

void accounts_clear(struct accounts *accounts)
{
	for (size_t i = 0; i < accounts->n; i++)
		account_free(accounts->items[i]);
	free(accounts->items);
	*accounts = (struct accounts){};
}

struct account *accounts_find(const struct accounts *accounts, const struct name_key *name)
{
	struct name_key ancestor = *name;

	/* An account's name is a prefix of the key: try each, label by label from the root down. */
	for (size_t size = 0; size < name->size;) {
		size_t position;

		size += 1 + name->octets[size];
		ancestor.size = size;
		position = lower_bound(accounts, &ancestor);
		if (position < accounts->n &&
		    name_key_equal(&accounts->items[position]->name, &ancestor))
			return accounts->items[position];
	}
	return NULL;
}

struct account *accounts_find_id(const struct accounts *accounts, int64_t id)
{
	for (size_t i = 0; i < accounts->n; i++)
		if (accounts->items[i]->id == id)
			return accounts->items[i];
	return NULL;
}
