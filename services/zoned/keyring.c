/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/keyring.h"

#include "common/keys/account-keys.h"
#include "common/keys/issue-time.h"

/* `identity.account` is NULL for what keyring_find_decoy() found. */
struct keyring_entry {
	struct identity identity;
	struct secret *secret;
	UT_hash_handle hh;
};

static struct keyring_entry *free_entry(struct keyring_entry *entry)
{
	dns_tsig_hmac_free(entry->identity.key.hmac);
	secret_free(entry->secret);
	free(entry);
	return NULL;
}

static void remove_entry(struct keyring *keyring, struct keyring_entry *entry)
{
	HASH_DELETE(hh, keyring->entries, entry);
	keyring->n--;
	free_entry(entry);
}

/* Into the table, as the last used. */
static int add_entry(struct keyring *keyring, struct keyring_entry *entry)
{
	const struct dns_name *name = &entry->identity.key.name;

	HASH_ADD_KEYPTR(hh, keyring->entries, name->octets, name->size, entry);
	if (!hash_has(&entry->hh)) {
		free_entry(entry);
		return -ENOMEM;
	}
	keyring->n++;
	if (keyring->n > KEYRING_SIZE)
		remove_entry(keyring, keyring->entries);
	return 0;
}

/* What is kept of this name in lower case. */
static struct keyring_entry *find_entry(struct keyring *keyring, const struct dns_name *name)
{
	struct keyring_entry *entry;

	HASH_FIND(hh, keyring->entries, name->octets, name->size, entry);
	if (!entry || !entry->hh.next)
		return entry;
	HASH_DELETE(hh, keyring->entries, entry);
	keyring->n--;
	return add_entry(keyring, entry) < 0 ? NULL : entry;
}

/* Whether the name is that of a host's key: its digits, and one label between them and the account.
 */
static bool parse_host(const struct dns_name *name, const struct account *account,
		       struct name_key *ret_host)
{
	struct name_key whole;
	size_t n_digits = name->octets[0], host_end;
	uint64_t time;

	if (issue_time_of_tag((const char *)name->octets + 1, n_digits, &time) < 0)
		return false;
	name_key_from_wire(name->octets, name->size, &whole);
	if (whole.size <= account->name.size)
		return false;
	host_end = account->name.size + 1 + whole.octets[account->name.size];
	if (host_end + 1 + n_digits != whole.size)
		return false;
	*ret_host = whole;
	ret_host->size = host_end;
	return true;
}

/* Whose key has this name in lower case, which is an account's or below it. 1; 0: nobody's. */
static int identify(struct account *account, const struct dns_name *name, struct identity *ret)
{
	char text[DNS_NAME_TEXT_SIZE];
	struct name_key whole;

	if (dns_name_to_text(name, text, sizeof text) < 0 || strlen(text) >= sizeof ret->key_name)
		return 0;
	ret->account = account;
	strcpy(ret->key_name, text);
	name_key_from_wire(name->octets, name->size, &whole);
	if (name_key_equal(&whole, &account->name))
		return 1;
	ret->is_host = true;
	return parse_host(name, account, &ret->host);
}

static int make_ready(struct keyring_entry *entry, const struct account *account,
		      const struct dns_name *name)
{
	struct identity *identity = &entry->identity;
	int r = identity->is_host
			? account_keys_derive_host_tsig(account->key, identity->key_name,
							&entry->secret)
			: secret_new_copy(account->key->data, account->key->size, &entry->secret);

	if (r < 0)
		return r;
	identity->key = (struct dns_tsig_key){
		.name = *name,
		.algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256,
		.secret = entry->secret->data,
		.secret_size = entry->secret->size,
	};
	return dns_tsig_hmac_new(&identity->key, &identity->key.hmac) < 0 ? -ENOMEM : 0;
}

/* 1, 0 or -ENOMEM. */
static int new_entry(struct keyring *keyring, struct account *account, const struct dns_name *name,
		     struct keyring_entry **ret)
{
	struct keyring_entry *entry = calloc(1, sizeof *entry);
	int r;

	if (!entry)
		return -ENOMEM;
	r = identify(account, name, &entry->identity);
	if (r > 0)
		r = make_ready(entry, account, name) < 0 ? -ENOMEM : 1;
	if (r <= 0) {
		free_entry(entry);
		return r;
	}
	*ret = entry;
	return add_entry(keyring, entry) < 0 ? -ENOMEM : 1;
}

int keyring_find(struct keyring *keyring, const struct accounts *accounts,
		 const struct dns_name *key_name, struct identity *ret)
{
	struct dns_name name = *key_name;
	struct keyring_entry *entry;
	struct name_key whole;
	int r = 1;

	dns_name_lower(&name);
	entry = find_entry(keyring, &name);
	if (!entry || !entry->identity.account) {
		struct account *account;

		name_key_from_wire(name.octets, name.size, &whole);
		account = accounts_find(accounts, &whole);
		if (!account)
			return 0;
		if (entry)
			remove_entry(keyring, entry);
		r = new_entry(keyring, account, &name, &entry);
	}
	if (r > 0)
		*ret = entry->identity;
	return r;
}

int keyring_find_decoy(struct keyring *keyring, const struct name_key *zone, struct secret *secret,
		       const struct dns_name *key_name, struct identity *ret)
{
	struct account decoy = { .key = secret };
	struct dns_name name = *key_name;
	struct keyring_entry *entry;
	int r = 1;

	dns_name_lower(&name);
	name_key_from_wire(name.octets, name.size, &decoy.name);
	if (!name_key_is_within(&decoy.name, zone) || decoy.name.size == zone->size)
		return 0;
	decoy.name.size = zone->size + 1 + decoy.name.octets[zone->size];
	entry = find_entry(keyring, &name);
	if (!entry)
		r = new_entry(keyring, &decoy, &name, &entry);
	if (r <= 0)
		return r;
	entry->identity.account = NULL;
	*ret = entry->identity;
	return 1;
}

int keyring_find_text(struct keyring *keyring, const struct accounts *accounts,
		      const char *key_name, struct identity *ret)
{
	struct dns_name name;

	if (dns_name_from_text(key_name, &name) < 0)
		return 0;
	return keyring_find(keyring, accounts, &name, ret);
}

void keyring_forget(struct keyring *keyring, const struct account *account)
{
	struct keyring_entry *entry, *next;

	HASH_ITER (hh, keyring->entries, entry, next)
		if (!account || entry->identity.account == account)
			remove_entry(keyring, entry);
}
