/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What zonectl changes of accounts that are being served. */
#include "services/zoned/authority-internal.h"

static bool has_key(const struct account *account, const struct account_terms *terms)
{
	return account->key->size == terms->key_size &&
	       memcmp(account->key->data, terms->key, terms->key_size) == 0;
}

/* Long-lived queries and push sessions. */
static void end_queries(struct authority *authority, struct account *account,
			const struct moment *moment)
{
	struct llq_question *question, *next;

	HASH_ITER (hh, account->llq_questions, question, next)
		llq_table_remove_question(&authority->llqs, question, moment->now);
	session_table_leave_account(&authority->sessions, account, LDNS_RCODE_REFUSED);
}

static bool is_purgeable(const struct zone_record *record)
{
	return !record->fixed && record->type != LDNS_RR_TYPE_SOA && record->expires > 1;
}

static bool has_leases(const struct zone *zone)
{
	for (size_t i = 0; i < zone->n_records; i++)
		if (is_purgeable(zone->records[i]))
			return true;
	return false;
}

static int end_leases_in(struct zone *zone)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < zone->n_records; i++) {
		cleanup(zone_record_unrefp) struct zone_record *record = NULL;

		if (!is_purgeable(zone->records[i]))
			continue;
		r = zone_record_new_refreshed(zone->records[i], 1, zone->records[i]->writer,
					      &record);
		if (r >= 0)
			r = zone_put(zone, record);
	}
	return r;
}

/* They end in the past: the next transaction removes the records as it does with any lease that
 * ends, and tells whoever has to know. */
static int end_leases(struct authority *authority, struct account *account)
{
	cleanup(zone_freep) struct zone *next = NULL;
	int r;

	if (!has_leases(account->zone))
		return 0;
	r = zone_new_copy(account->zone, &next);
	if (r >= 0)
		r = end_leases_in(next);
	if (r < 0)
		return r;
	zone_free(account->zone);
	account->zone = steal_ptr(next);
	accounts_note_leases(&authority->accounts, account);
	return 1;
}

static int change_key(struct authority *authority, struct account *account,
		      const struct account_terms *terms)
{
	struct secret *key;
	int r = secret_new_copy(terms->key, terms->key_size, &key);

	if (r < 0)
		return r;
	secret_free(account->key);
	account->key = key;
	keyring_forget(&authority->keyring, account);
	return 0;
}

int authority_change_account(struct authority *authority, int64_t id,
			     const struct account_terms *terms, const struct moment *moment)
{
	struct account *account = accounts_find_id(&authority->accounts, id);
	bool has_new_key, is_cut_off, is_changed;
	int r = 0;

	if (!account)
		return -ENOENT;
	has_new_key = !has_key(account, terms);
	is_cut_off = terms->is_disabled && !account->is_disabled;
	if (!has_new_key && !terms->is_purged && account->is_disabled == terms->is_disabled &&
	    account->allows_md5 == terms->allows_md5)
		return 0;
	if (authority->is_busy)
		return -EAGAIN;
	if (has_new_key)
		r = change_key(authority, account, terms);
	if (r < 0)
		return r;
	if (has_new_key || is_cut_off)
		end_queries(authority, account, moment);
	is_changed = has_new_key || account->is_disabled != terms->is_disabled ||
		     account->allows_md5 != terms->allows_md5;
	account->is_disabled = terms->is_disabled;
	account->allows_md5 = terms->allows_md5;
	r = terms->is_purged ? end_leases(authority, account) : 0;
	return r < 0 ? r : r > 0 || is_changed;
}

size_t authority_n_records(const struct authority *authority)
{
	struct account *account, *next;
	size_t n = 0;

	HASH_ITER (by_id, authority->accounts.by_id, account, next)
		n += account->zone->n_records;
	return n;
}
