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

int account_new(struct accounts *accounts, int64_t id, const char *domain, const void *key,
		size_t key_size, struct account **ret)
{
	cleanup(account_freep) struct account *account = calloc(1, sizeof *account);
	int r = 0;

	if (!account)
		return -ENOMEM;
	account->id = id;
	if (!accounts->keys)
		r = secret_pool_new(&accounts->keys);
	if (r >= 0)
		r = set_domain(account, domain);
	if (r >= 0)
		r = secret_pool_copy(accounts->keys, key, key_size, &account->key);
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
	zone_free(account->base);
	replication_free(account->replication);
	revoked_cache_free(account->revoked);
	secret_free(account->key);
	free(account);
	return NULL;
}

int accounts_add(struct accounts *accounts, struct account *account)
{
	struct account *same;

	HASH_FIND(by_name, accounts->by_name, account->name.octets, account->name.size, same);
	if (!same)
		HASH_FIND(by_id, accounts->by_id, &account->id, sizeof account->id, same);
	if (same) {
		account_free(account);
		return -EEXIST;
	}
	HASH_ADD_KEYPTR(by_name, accounts->by_name, account->name.octets, account->name.size,
			account);
	if (hash_has(&account->by_name))
		HASH_ADD(by_id, accounts->by_id, id, sizeof account->id, account);
	if (!hash_has(&account->by_id)) {
		if (hash_has(&account->by_name))
			HASH_DELETE(by_name, accounts->by_name, account);
		account_free(account);
		return -ENOMEM;
	}
	accounts->n++;
	if (!accounts->shortest || account->name.size < accounts->shortest)
		accounts->shortest = account->name.size;
	return 0;
}

void accounts_remove(struct accounts *accounts, struct account *account)
{
	HASH_DELETE(by_name, accounts->by_name, account);
	HASH_DELETE(by_id, accounts->by_id, account);
	due_heap_remove(&accounts->lease_ends, &account->lease_end);
	accounts->n--;
	account_free(account);
}

void accounts_clear(struct accounts *accounts)
{
	struct account *account, *next;

	HASH_ITER (by_id, accounts->by_id, account, next)
		accounts_remove(accounts, account);
	due_heap_clear(&accounts->lease_ends);
	secret_pool_free(accounts->keys);
	*accounts = (struct accounts){};
}

struct account *accounts_find(const struct accounts *accounts, const struct name_key *name)
{
	/* An account's name is a prefix of the key: try each, label by label from the root down. */
	for (size_t size = 0; size < name->size;) {
		struct account *account;

		size += 1 + name->octets[size];
		if (size < accounts->shortest)
			continue;
		HASH_FIND(by_name, accounts->by_name, name->octets, size, account);
		if (account)
			return account;
	}
	return NULL;
}

struct account *accounts_find_id(const struct accounts *accounts, int64_t id)
{
	struct account *account;

	HASH_FIND(by_id, accounts->by_id, &id, sizeof id, account);
	return account;
}

void accounts_note_leases(struct accounts *accounts, struct account *account)
{
	/* Without memory the records are out of sight at the end of their lease and go with the
	 * next change. */
	(void)due_heap_set(&accounts->lease_ends, &account->lease_end,
			   zone_next_expiry(account->zone));
}
