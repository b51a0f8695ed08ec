/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/keyring.h"

#include "common/keys/account-keys.h"

#include <ctype.h>

#define HOST_ID_DIGITS 8

static struct keyring_entry *find_entry(struct keyring *keyring, const char *key_name)
{
	for (size_t i = 0; i < KEYRING_SIZE; i++)
		if (keyring->entries[i].secret &&
		    strcmp(keyring->entries[i].key_name, key_name) == 0)
			return &keyring->entries[i];
	return NULL;
}

static struct keyring_entry *free_entry(struct keyring *keyring)
{
	struct keyring_entry *oldest = &keyring->entries[0];

	for (size_t i = 0; i < KEYRING_SIZE; i++) {
		if (!keyring->entries[i].secret)
			return &keyring->entries[i];
		if (keyring->entries[i].used < oldest->used)
			oldest = &keyring->entries[i];
	}
	oldest->secret = secret_free(oldest->secret);
	return oldest;
}

static int derive_host_secret(struct keyring *keyring, const struct account *account,
			      const char *key_name, struct secret **ret)
{
	struct keyring_entry *entry = find_entry(keyring, key_name);
	struct secret *secret;
	int r;

	if (!entry) {
		r = account_keys_derive_host_tsig(account->key, key_name, &secret);
		if (r < 0)
			return r;
		entry = free_entry(keyring);
		strcpy(entry->key_name, key_name);
		entry->account = account->id;
		entry->secret = secret;
	}
	entry->used = ++keyring->n_uses;
	*ret = entry->secret;
	return 0;
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

int keyring_find(struct keyring *keyring, const struct accounts *accounts,
		 const struct dns_name *key_name, struct identity *ret)
{
	struct dns_name name = *key_name;
	struct identity identity = {};
	char text[DNS_NAME_TEXT_SIZE];
	struct name_key whole;
	struct secret *secret;
	int r;

	dns_name_lower(&name);
	name_key_from_wire(name.octets, name.size, &whole);
	identity.account = accounts_find(accounts, &whole);
	if (!identity.account || dns_name_to_text(&name, text, sizeof text) < 0 ||
	    strlen(text) >= sizeof identity.key_name)
		return 0;
	strcpy(identity.key_name, text);
	secret = identity.account->key;
	if (!name_key_equal(&whole, &identity.account->name)) {
		if (!parse_host(&name, identity.account, &identity.host))
			return 0;
		identity.is_host = true;
		r = derive_host_secret(keyring, identity.account, identity.key_name, &secret);
		if (r < 0)
			return r;
	}
	identity.key = (struct dns_tsig_key){
		.name = name,
		.algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256,
		.secret = secret->data,
		.secret_size = secret->size,
	};
	*ret = identity;
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

void keyring_forget(struct keyring *keyring, int64_t account)
{
	for (size_t i = 0; i < KEYRING_SIZE; i++)
		if (account < 0 || keyring->entries[i].account == account)
			keyring->entries[i].secret = secret_free(keyring->entries[i].secret);
}
