/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/keyring.h"

#include "common/keys/account-keys.h"

#include <ctype.h>

#define HOST_ID_DIGITS 8

struct keyring_entry {
	int64_t account;
	struct secret *secret;
	UT_hash_handle hh;
	char key_name[];
};

static void remove_entry(struct keyring *keyring, struct keyring_entry *entry)
{
	HASH_DELETE(hh, keyring->entries, entry);
	keyring->n--;
	secret_free(entry->secret);
	free(entry);
}

/* Into the table, as the last used. */
static int add_entry(struct keyring *keyring, struct keyring_entry *entry)
{
	HASH_ADD_KEYPTR(hh, keyring->entries, entry->key_name, strlen(entry->key_name), entry);
	if (!hash_has(&entry->hh)) {
		secret_free(entry->secret);
		free(entry);
		return -ENOMEM;
	}
	keyring->n++;
	if (keyring->n > KEYRING_SIZE)
		remove_entry(keyring, keyring->entries);
	return 0;
}

static int new_entry(struct keyring *keyring, const struct account *account, const char *key_name,
		     struct keyring_entry **ret)
{
	struct keyring_entry *entry = calloc(1, sizeof *entry + strlen(key_name) + 1);
	int r;

	if (!entry)
		return -ENOMEM;
	strcpy(entry->key_name, key_name);
	entry->account = account->id;
	r = account_keys_derive_host_tsig(account->key, key_name, &entry->secret);
	if (r < 0) {
		free(entry);
		return r;
	}
	*ret = entry;
	return add_entry(keyring, entry);
}

static int derive_host_secret(struct keyring *keyring, const struct account *account,
			      const char *key_name, struct secret **ret)
{
	struct keyring_entry *entry;
	int r;

	HASH_FIND(hh, keyring->entries, key_name, strlen(key_name), entry);
	/* An account of this name that has gone: its key is not this one's. */
	if (entry && entry->account != account->id) {
		remove_entry(keyring, entry);
		entry = NULL;
	}
	if (entry && entry->hh.next) {
		HASH_DELETE(hh, keyring->entries, entry);
		keyring->n--;
		r = add_entry(keyring, entry);
	} else {
		r = entry ? 0 : new_entry(keyring, account, key_name, &entry);
	}
	if (r >= 0)
		*ret = entry->secret;
	return r;
}

/* Whether the name is that of a host's key: eight digits, and one label between them and the
 * account. */
static bool parse_host(const struct dns_name *name, const struct account *account,
		       struct name_key *ret_host)
{
	struct name_key whole;
	const uint8_t *digits = name->octets + 1;
	size_t host_end;

	if (name->octets[0] != HOST_ID_DIGITS)
		return false;
	for (size_t i = 0; i < HOST_ID_DIGITS; i++)
		if (!isxdigit(digits[i]))
			return false;
	name_key_from_wire(name->octets, name->size, &whole);
	if (whole.size <= account->name.size)
		return false;
	host_end = account->name.size + 1 + whole.octets[account->name.size];
	if (host_end + 1 + HOST_ID_DIGITS != whole.size)
		return false;
	*ret_host = whole;
	ret_host->size = host_end;
	return true;
}

/* The key of this name in lower case, which is an account's or below it. */
static int find_of_account(struct keyring *keyring, struct account *account,
			   const struct dns_name *name, struct identity *ret)
{
	struct identity identity = { .account = account };
	struct secret *secret = account->key;
	char text[DNS_NAME_TEXT_SIZE];
	struct name_key whole;
	int r;

	if (dns_name_to_text(name, text, sizeof text) < 0 ||
	    strlen(text) >= sizeof identity.key_name)
		return 0;
	strcpy(identity.key_name, text);
	name_key_from_wire(name->octets, name->size, &whole);
	if (!name_key_equal(&whole, &account->name)) {
		if (!parse_host(name, account, &identity.host))
			return 0;
		identity.is_host = true;
		r = derive_host_secret(keyring, account, identity.key_name, &secret);
		if (r < 0)
			return r;
	}
	identity.key = (struct dns_tsig_key){
		.name = *name,
		.algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256,
		.secret = secret->data,
		.secret_size = secret->size,
	};
	*ret = identity;
	return 1;
}

int keyring_find(struct keyring *keyring, const struct accounts *accounts,
		 const struct dns_name *key_name, struct identity *ret)
{
	struct dns_name name = *key_name;
	struct account *account;
	struct name_key whole;

	dns_name_lower(&name);
	name_key_from_wire(name.octets, name.size, &whole);
	account = accounts_find(accounts, &whole);
	return account ? find_of_account(keyring, account, &name, ret) : 0;
}

int keyring_find_decoy(struct keyring *keyring, const struct name_key *zone, struct secret *secret,
		       const struct dns_name *key_name, struct identity *ret)
{
	struct account decoy = { .key = secret };
	struct dns_name name = *key_name;
	int r;

	dns_name_lower(&name);
	name_key_from_wire(name.octets, name.size, &decoy.name);
	if (!name_key_is_within(&decoy.name, zone) || decoy.name.size == zone->size)
		return 0;
	decoy.name.size = zone->size + 1 + decoy.name.octets[zone->size];
	r = find_of_account(keyring, &decoy, &name, ret);
	if (r > 0)
		ret->account = NULL;
	return r;
}

int keyring_find_text(struct keyring *keyring, const struct accounts *accounts,
		      const char *key_name, struct identity *ret)
{
	struct dns_name name;

	if (dns_name_from_text(key_name, &name) < 0)
		return 0;
	return keyring_find(keyring, accounts, &name, ret);
}

void keyring_forget(struct keyring *keyring, int64_t account)
{
	struct keyring_entry *entry, *next;

	HASH_ITER (hh, keyring->entries, entry, next)
		if (account < 0 || entry->account == account)
			remove_entry(keyring, entry);
}
