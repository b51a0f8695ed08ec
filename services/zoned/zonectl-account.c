/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/zonectl.h"

#include "common/keys/account-keys.h"
#include "services/zoned/terminal-password.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PASSWORD_LIMIT 1024

/* The password, and the account's key that follows from it. */
static int read_password(const struct zonectl *ctl, struct secret **ret)
{
	cleanup(freep) char *prompt = NULL;
	int r;

	if (ctl->password_fd >= 0)
		r = secret_from_descriptor(ctl->password_fd, PASSWORD_LIMIT, ret);
	else if (asprintf(&prompt, "Password for %s", ctl->domain) < 0)
		r = -ENOMEM;
	else
		r = terminal_password_ask(prompt, ret);
	switch (-r) {
	case 0:
		return ZONECTL_DONE;
	case ENOTTY:
		return zonectl_fail("there is no terminal to ask on; use --password-fd");
	case EKEYREJECTED:
		return zonectl_fail("three times two different passwords; nothing was done");
	case ENODATA:
		return zonectl_fail("the password is empty");
	case EFBIG:
		return zonectl_fail("the password is longer than %d octets", PASSWORD_LIMIT);
	default:
		return zonectl_fail("cannot read the password: %s", strerror(-r));
	}
}

static int read_key(const struct zonectl *ctl, struct secret **ret)
{
	cleanup(secret_freep) struct secret *password = NULL, *master = NULL;
	int r = read_password(ctl, &password);

	if (r)
		return r;
	r = account_keys_derive_master(password, ctl->domain, &master);
	if (r >= 0)
		r = account_keys_derive_tsig(master, ret);
	return r < 0 ? zonectl_fail("cannot derive the key: %s", strerror(-r)) : ZONECTL_DONE;
}

static int ignore(void *userdata, const struct stored_account *account)
{
	return 0;
}

int zonectl_account_add(const struct zonectl *ctl)
{
	cleanup(storage_freep) struct storage *storage = NULL;
	cleanup(secret_freep) struct secret *key = NULL;
	struct stored_account account = {
		.domain = ctl->domain,
		.allows_md5 = ctl->allow_md5 > 0,
		.created = time(NULL),
	};
	int r = zonectl_open(ctl, STORAGE_CREATE, &storage);

	/* Said before anybody types a password twice. */
	if (!r && storage_find_account(storage, ctl->domain, ignore, NULL) >= 0)
		r = zonectl_check(ctl, storage, -EEXIST);
	if (!r)
		r = read_key(ctl, &key);
	if (r)
		return r;
	account.key = key->data;
	account.key_size = key->size;
	r = zonectl_check(ctl, storage, storage_add_account(storage, &account));
	if (!r)
		printf("made %s\n", ctl->domain);
	return r;
}

int zonectl_account_passwd(const struct zonectl *ctl)
{
	cleanup(storage_freep) struct storage *storage = NULL;
	cleanup(secret_freep) struct secret *key = NULL;
	int r = zonectl_open(ctl, STORAGE_EXISTING, &storage);

	if (!r)
		r = zonectl_check(ctl, storage,
				  storage_find_account(storage, ctl->domain, ignore, NULL));
	if (!r)
		r = read_key(ctl, &key);
	if (!r)
		r = zonectl_check(ctl, storage, storage_set_account_key(storage, ctl->domain, key));
	if (!r)
		printf("%s has a new password; each of its hosts has to sign in again\n",
		       ctl->domain);
	return r;
}

int zonectl_account_modify(const struct zonectl *ctl)
{
	cleanup(storage_freep) struct storage *storage = NULL;
	int r;

	if (ctl->allow_md5 < 0)
		return zonectl_fail("nothing to modify: say --allow-md5=yes or --allow-md5=no");
	r = zonectl_open(ctl, STORAGE_EXISTING, &storage);
	if (!r)
		r = zonectl_check(ctl, storage,
				  storage_set_account_md5(storage, ctl->domain, ctl->allow_md5));
	if (!r)
		printf("%s %s sign with HMAC-MD5 and HMAC-SHA1\n", ctl->domain,
		       ctl->allow_md5 ? "may" : "may not");
	return r;
}

static int set_disabled(const struct zonectl *ctl, bool disabled, const char *words)
{
	cleanup(storage_freep) struct storage *storage = NULL;
	int r = zonectl_open(ctl, STORAGE_EXISTING, &storage);

	if (!r)
		r = zonectl_check(
			ctl, storage,
			storage_set_account_disabled(storage, ctl->domain, disabled, ctl->purge));
	if (!r)
		printf("%s %s\n", words, ctl->domain);
	return r;
}

int zonectl_account_disable(const struct zonectl *ctl)
{
	return set_disabled(ctl, true, "disabled");
}

int zonectl_account_enable(const struct zonectl *ctl)
{
	return set_disabled(ctl, false, "enabled");
}

int zonectl_account_delete(const struct zonectl *ctl)
{
	cleanup(storage_freep) struct storage *storage = NULL;
	int r = zonectl_open(ctl, STORAGE_EXISTING, &storage);

	if (!r)
		r = zonectl_check(ctl, storage, storage_remove_account(storage, ctl->domain));
	if (!r)
		printf("deleted %s\n", ctl->domain);
	return r;
}

/* Lists
 * ------------------------------------------------------------------------------------------- */

static json_object *account_to_json(const struct stored_account *account)
{
	json_object *object = json_object_new_object();

	json_object_object_add(object, "domain", json_object_new_string(account->domain));
	json_object_object_add(object, "created", json_object_new_int64(account->created));
	json_object_object_add(object, "disabled", json_object_new_boolean(account->is_disabled));
	json_object_object_add(object, "allow-md5", json_object_new_boolean(account->allows_md5));
	return object;
}

static int print_account(void *userdata, const struct stored_account *account)
{
	printf("%-40s %s%s%s\n", account->domain, zonectl_date(account->created),
	       account->is_disabled ? "  disabled" : "", account->allows_md5 ? "  md5" : "");
	return 0;
}

static int collect_account(void *userdata, const struct stored_account *account)
{
	return json_object_array_add(userdata, account_to_json(account)) < 0 ? -ENOMEM : 0;
}

int zonectl_account_list(const struct zonectl *ctl)
{
	cleanup(storage_freep) struct storage *storage = NULL;
	json_object *list = ctl->json ? json_object_new_array() : NULL;
	int r = zonectl_open(ctl, STORAGE_EXISTING, &storage);

	if (!r)
		r = zonectl_check(ctl, storage,
				  storage_walk_accounts(
					  storage, list ? collect_account : print_account, list));
	if (r || !list) {
		json_object_put(list);
		return r;
	}
	return zonectl_print_json(list);
}

/* What account show counts. */
struct summary {
	struct stored_account account;
	struct storage *storage;
	json_object *hosts; /* names as keys */
	int64_t n_records;
	int64_t n_queries;
};

static int count_record(void *userdata, const struct stored_record *record)
{
	struct summary *summary = userdata;
	/* A host's key: <digits>.<host>.<account>; the account's own has fewer labels. */
	const char *dot = record->writer ? strchr(record->writer, '.') : NULL;

	summary->n_records++;
	if (dot && strcmp(record->writer, summary->account.domain) != 0)
		json_object_object_add(summary->hosts, zonectl_label(dot + 1), NULL);
	return 0;
}

static int count_query(void *userdata, const struct stored_llq *llq)
{
	struct summary *summary = userdata;

	summary->n_queries++;
	return 0;
}

static int summarize(void *userdata, const struct stored_account *account)
{
	struct summary *summary = userdata;
	json_object *object, *hosts = json_object_new_array();
	int r;

	summary->account = *account;
	summary->hosts = json_object_new_object();
	r = storage_walk_records(summary->storage, account->id, count_record, summary);
	if (r >= 0)
		r = storage_walk_llqs(summary->storage, account->id, count_query, summary);
	json_object_object_foreach(summary->hosts, name, value)
	{
		(void)value;
		json_object_array_add(hosts, json_object_new_string(name));
	}
	json_object_put(summary->hosts);
	object = account_to_json(account);
	json_object_object_add(object, "hosts", hosts);
	json_object_object_add(object, "records", json_object_new_int64(summary->n_records));
	json_object_object_add(object, "long-lived-queries",
			       json_object_new_int64(summary->n_queries));
	summary->hosts = object;
	return r;
}

static void print_summary(json_object *object)
{
	json_object *hosts = json_object_object_get(object, "hosts");

	printf("%s\n", json_object_get_string(json_object_object_get(object, "domain")));
	printf("  made        %s\n",
	       zonectl_date(json_object_get_int64(json_object_object_get(object, "created"))));
	printf("  state       %s\n",
	       json_object_get_boolean(json_object_object_get(object, "disabled")) ? "disabled"
										   : "enabled");
	printf("  algorithms  hmac-sha256 and other SHA-2%s\n",
	       json_object_get_boolean(json_object_object_get(object, "allow-md5"))
		       ? ", hmac-md5, hmac-sha1"
		       : "");
	printf("  hosts       ");
	for (size_t i = 0; i < json_object_array_length(hosts); i++)
		printf("%s%s", i ? ", " : "",
		       json_object_get_string(json_object_array_get_idx(hosts, i)));
	printf("%s\n", json_object_array_length(hosts) ? "" : "none");
	printf("  records     %s\n",
	       json_object_get_string(json_object_object_get(object, "records")));
	printf("  queries     %s long-lived\n",
	       json_object_get_string(json_object_object_get(object, "long-lived-queries")));
}

int zonectl_account_show(const struct zonectl *ctl)
{
	cleanup(storage_freep) struct storage *storage = NULL;
	struct summary summary = {};
	int r = zonectl_open(ctl, STORAGE_EXISTING, &storage);

	summary.storage = storage;
	if (!r)
		r = zonectl_check(ctl, storage,
				  storage_find_account(storage, ctl->domain, summarize, &summary));
	if (!r && ctl->json)
		return zonectl_print_json(summary.hosts);
	if (!r)
		print_summary(summary.hosts);
	json_object_put(summary.hosts);
	return r;
}

/* The form of BIND's tools. */
int zonectl_account_key(const struct zonectl *ctl)
{
	cleanup(storage_freep) struct storage *storage = NULL;
	cleanup(secret_freep) struct secret *key = NULL;
	char encoded[64], text[ACCOUNT_DOMAIN_SIZE + 128];
	int size;
	int r = zonectl_open(ctl, STORAGE_EXISTING, &storage);

	if (!r)
		r = zonectl_check(ctl, storage,
				  storage_read_account_key(storage, ctl->domain, &key));
	if (r)
		return r;
	if (!ctl->output) {
		printf("%s hmac-sha256\n", ctl->domain);
		return ZONECTL_DONE;
	}
	if (key->size > ACCOUNT_KEY_SIZE)
		return zonectl_fail("the key in the database is too long");
	EVP_EncodeBlock((unsigned char *)encoded, key->data, key->size);
	size = snprintf(text, sizeof text,
			"key \"%s\" {\n\talgorithm hmac-sha256;\n\tsecret \"%s\";\n};\n",
			ctl->domain, encoded);
	r = zonectl_write_file(ctl->output, text, size);
	explicit_bzero(encoded, sizeof encoded);
	explicit_bzero(text, sizeof text);
	return r;
}
