/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Accounts as a file, to move them to another node: JSON, keys in base64. */
#include "services/zoned/zonectl.h"

#include "common/keys/account-keys.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FORMAT     "homeward accounts 1"
#define FILE_LIMIT (256 * 1024 * 1024)
#define KEY_LIMIT  64
#define CHUNK      65536

/* Export -----------------------------------------------------------------------------------------
 */

static int export_account(void *userdata, const struct stored_account *account)
{
	char key[EVP_ENCODE_LENGTH(KEY_LIMIT)];
	json_object *object = json_object_new_object();

	if (account->key_size > KEY_LIMIT)
		return -EFBIG;
	EVP_EncodeBlock((unsigned char *)key, account->key, account->key_size);
	json_object_object_add(object, "domain", json_object_new_string(account->domain));
	json_object_object_add(object, "key", json_object_new_string(key));
	json_object_object_add(object, "created", json_object_new_int64(account->created));
	json_object_object_add(object, "disabled", json_object_new_boolean(account->is_disabled));
	json_object_object_add(object, "allow-md5", json_object_new_boolean(account->allows_md5));
	explicit_bzero(key, sizeof key);
	return json_object_array_add(userdata, object) < 0 ? -ENOMEM : 0;
}

static int collect(const struct zonectl *ctl, struct storage *storage, json_object *accounts)
{
	int r = ZONECTL_DONE;

	if (ctl->n_operands == 0)
		return zonectl_check(ctl, storage,
				     storage_walk_accounts(storage, export_account, accounts));
	for (int i = 0; !r && i < ctl->n_operands; i++) {
		struct zonectl one = *ctl;

		if (zonectl_find_domain(&ctl->config, ctl->operands[i], one.domain))
			return ZONECTL_FAILED;
		r = zonectl_check(
			&one, storage,
			storage_find_account(storage, one.domain, export_account, accounts));
	}
	return r;
}

int zonectl_account_export(const struct zonectl *ctl)
{
	cleanup(storage_freep) struct storage *storage = NULL;
	json_object *object, *accounts;
	const char *text;
	size_t size, n;
	int r;

	if (!ctl->output && isatty(STDOUT_FILENO))
		return zonectl_fail("keys do not belong on a screen: use --output FILE, or a pipe");
	r = zonectl_open(ctl, STORAGE_EXISTING, &storage);
	if (r)
		return r;
	object = json_object_new_object();
	accounts = json_object_new_array();
	json_object_object_add(object, "format", json_object_new_string(FORMAT));
	json_object_object_add(object, "zone", json_object_new_string(ctl->config.zone));
	json_object_object_add(object, "accounts", accounts);
	r = collect(ctl, storage, accounts);
	n = json_object_array_length(accounts);
	if (!r) {
		text = json_object_to_json_string_length(
			object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
		if (ctl->output)
			r = zonectl_write_file(ctl->output, text, size);
		else if (fwrite(text, 1, size, stdout) != size || fflush(stdout) != 0)
			r = zonectl_fail("cannot write: %s", strerror(errno));
	}
	json_object_put(object);
	if (!r)
		fprintf(stderr,
			"zonectl: %zu accounts with their keys: whoever has this can read and "
			"change "
			"their zones; delete it when it was imported\n",
			n);
	return r;
}

/* Import -----------------------------------------------------------------------------------------
 */

/* The whole file, allocated. */
static int read_file(const char *path, char **ret, size_t *ret_size)
{
	bool is_stdin = strcmp(path, "-") == 0;
	cleanup(close_fdp) int fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	cleanup(freep) char *text = NULL;
	struct stat status;
	size_t size = 0;
	ssize_t n;

	if (fd < 0 || fstat(fd, &status) < 0)
		return zonectl_fail("cannot open %s: %s", path, strerror(errno));
	if (!is_stdin && status.st_mode & 077)
		return zonectl_fail("others may read %s, which holds keys; chmod 600 it", path);
	do {
		char *longer = size > FILE_LIMIT ? NULL : realloc(text, size + CHUNK);

		if (!longer)
			return zonectl_fail("%s is too big", path);
		text = longer;
		n = read(fd, text + size, CHUNK);
		size += n > 0 ? n : 0;
	} while (n > 0);
	if (n < 0)
		return zonectl_fail("cannot read %s: %s", path, strerror(errno));
	*ret = steal_ptr(text);
	*ret_size = size;
	return ZONECTL_DONE;
}

static json_object *parse(const char *text, size_t size)
{
	json_tokener *tokener = json_tokener_new();
	json_object *object =
		tokener && size <= INT_MAX ? json_tokener_parse_ex(tokener, text, (int)size) : NULL;

	json_tokener_free(tokener);
	return object;
}

static const char *get_text(json_object *object, const char *name)
{
	json_object *member = NULL;

	return json_object_object_get_ex(object, name, &member) &&
			       json_object_is_type(member, json_type_string)
		       ? json_object_get_string(member)
		       : NULL;
}

static bool get_boolean(json_object *object, const char *name)
{
	json_object *member = NULL;

	return json_object_object_get_ex(object, name, &member) && json_object_get_boolean(member);
}

/* A key of the usual size; false for anything else. */
static bool decode_key(const char *text, uint8_t ret[static ACCOUNT_KEY_SIZE])
{
	uint8_t octets[KEY_LIMIT + 2];

	/* 32 octets make 44 characters, the last of which stands for nothing. */
	if (!text || strlen(text) != 44 || text[43] != '=' ||
	    EVP_DecodeBlock(octets, (const unsigned char *)text, 44) != ACCOUNT_KEY_SIZE + 1)
		return false;
	memcpy(ret, octets, ACCOUNT_KEY_SIZE);
	explicit_bzero(octets, sizeof octets);
	return true;
}

struct import {
	const uint8_t *key;
	bool is_same;
};

static int compare_key(void *userdata, const struct stored_account *account)
{
	struct import *import = userdata;

	import->is_same = account->key_size == ACCOUNT_KEY_SIZE &&
			  memcmp(account->key, import->key, ACCOUNT_KEY_SIZE) == 0;
	return 0;
}

/* Counts in *n_made what was not there. */
static int import_account(const struct zonectl *ctl, struct storage *storage, json_object *object,
			  size_t *n_made)
{
	struct zonectl one = *ctl;
	const char *domain = get_text(object, "domain");
	uint8_t key[ACCOUNT_KEY_SIZE];
	struct stored_account account = {
		.domain = one.domain,
		.key = key,
		.key_size = sizeof key,
		.is_disabled = get_boolean(object, "disabled"),
		.allows_md5 = get_boolean(object, "allow-md5"),
		.created = json_object_get_int64(json_object_object_get(object, "created")),
	};
	struct import import = { .key = key };
	int r;

	if (zonectl_find_domain(&ctl->config, domain ?: "", one.domain))
		return ZONECTL_FAILED;
	if (!decode_key(get_text(object, "key"), key))
		return zonectl_fail("the key of %s is not 32 octets in base64", domain);
	if (storage_find_account(storage, one.domain, compare_key, &import) >= 0) {
		explicit_bzero(key, sizeof key);
		return import.is_same
			       ? ZONECTL_DONE
			       : zonectl_fail("the account %s exists already, with another key",
					      domain);
	}
	r = zonectl_check(&one, storage, storage_add_account(storage, &account));
	explicit_bzero(key, sizeof key);
	*n_made += !r;
	return r;
}

static int import_all(const struct zonectl *ctl, json_object *accounts)
{
	cleanup(storage_freep) struct storage *storage = NULL;
	size_t n_made = 0, n = json_object_array_length(accounts);
	int r = zonectl_open(ctl, STORAGE_CREATE, &storage);

	if (!r)
		r = zonectl_check(ctl, storage, storage_begin(storage));
	for (size_t i = 0; !r && i < n; i++)
		r = import_account(ctl, storage, json_object_array_get_idx(accounts, i), &n_made);
	if (storage && storage_end(storage, !r) < 0 && !r)
		r = zonectl_fail("cannot write to %s", ctl->config.database);
	if (!r)
		printf("made %zu accounts; %zu were there\n", n_made, n - n_made);
	return r;
}

int zonectl_account_import(const struct zonectl *ctl)
{
	const char *path = ctl->operands[0];
	cleanup(freep) char *text = NULL;
	json_object *object, *accounts = NULL;
	const char *format;
	size_t size = 0;
	int r = read_file(path, &text, &size);

	if (r)
		return r;
	object = parse(text, size);
	explicit_bzero(text, size);
	format = object ? get_text(object, "format") : NULL;
	if (!format || strcmp(format, FORMAT) != 0 ||
	    !json_object_object_get_ex(object, "accounts", &accounts) ||
	    !json_object_is_type(accounts, json_type_array))
		r = zonectl_fail("%s is not what `zonectl account export` writes", path);
	else
		r = import_all(ctl, accounts);
	json_object_put(object);
	return r;
}
