/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/account-loader.h"

#include "common/base/log.h"

static int take_record(void *userdata, const struct stored_record *record)
{
	struct account_loader *loader = userdata;
	int r = authority_add_record(loader->authority, loader->loading, record, &loader->moment);

	if (r == -EINVAL)
		log_warning("record %lld of the database makes no sense; passed over",
			    (long long)record->id);
	return r == -ENOMEM ? r : 0;
}

static int take_llq(void *userdata, const struct stored_llq *llq)
{
	struct account_loader *loader = userdata;
	int r = authority_add_llq(loader->authority, loader->loading, llq, &loader->moment);

	return r == -ENOMEM ? r : 0;
}

static int take_journal(void *userdata, const struct stored_journal *entry)
{
	struct account_loader *loader = userdata;

	return authority_add_journal(loader->authority, loader->loading, entry);
}

static int take_removal(void *userdata, const struct stored_removal *removal)
{
	struct account_loader *loader = userdata;
	int r = authority_add_removal(loader->authority, loader->loading, removal);

	return r == -ENOMEM ? r : 0;
}

/* 1: it was changed. 0: it was so. -EAGAIN: later. */
static int apply_terms(struct account_loader *loader, const struct stored_account *account)
{
	struct account_terms terms = {
		.key = account->key,
		.key_size = account->key_size,
		.is_disabled = account->is_disabled,
		.is_purged = account->is_purged,
		.allows_md5 = account->allows_md5,
	};

	return authority_change_account(loader->authority, account->id, &terms, &loader->moment);
}

static int read_account(struct account_loader *loader, const struct stored_account *account)
{
	struct storage *storage = loader->storage;
	int64_t id = account->id;
	int r;

	loader->loading = id;
	r = storage_walk_records(storage, id, take_record, loader);
	if (r >= 0)
		r = storage_walk_removals(storage, id, take_removal, loader);
	if (r >= 0)
		r = storage_walk_llqs(storage, id, take_llq, loader);
	if (r >= 0 && loader->is_replicated)
		r = storage_walk_journal(storage, id, take_journal, loader);
	if (r >= 0)
		r = authority_complete_account(loader->authority, id, &loader->moment);
	return r;
}

static int add_account(struct account_loader *loader, const struct stored_account *account)
{
	int r = authority_add_account(loader->authority, account->id, account->domain, account->key,
				      account->key_size);

	if (r == -EEXIST)
		return 0;
	if (r == -EINVAL) {
		log_warning("account %s does not belong to %s; passed over", account->domain,
			    loader->zone);
		return 0;
	}
	if (r >= 0)
		r = read_account(loader, account);
	if (r >= 0)
		r = apply_terms(loader, account);
	if (r < 0) {
		/* Half of it would be served as if it were all, and never be read again. */
		authority_forget_account(loader->authority, account->id);
		return r;
	}
	if (!loader->is_quiet)
		log_info("account %s", account->domain);
	return 0;
}

static int take_account(void *userdata, const struct stored_account *account)
{
	struct account_loader *loader = userdata;
	int r;

	if (!authority_has_account(loader->authority, account->id, account->domain))
		return add_account(loader, account);
	authority_list_account(loader->authority, account->id);
	r = apply_terms(loader, account);
	if (r > 0)
		log_info("account %s was changed%s", account->domain,
			 account->is_disabled ? "; it is disabled" : "");
	return r;
}

/* All accounts. Removing has to wait for the transaction under way. */
static int walk_all(struct account_loader *loader, int64_t generation)
{
	int r;

	authority_unlist_accounts(loader->authority);
	r = storage_walk_accounts(loader->storage, take_account, loader);
	if (r < 0)
		return r;
	if (authority_is_busy(loader->authority))
		return -EAGAIN;
	authority_keep_listed(loader->authority);
	/* What was removed and made again could not come in before the old one had gone. */
	r = storage_walk_accounts(loader->storage, take_account, loader);
	if (r < 0)
		return r;
	loader->generation = generation;
	return 0;
}

static int take_change(void *userdata, int64_t generation, int64_t id,
		       const struct stored_account *account)
{
	struct account_loader *loader = userdata;
	int r = 0;

	if (account)
		r = take_account(loader, account);
	else if (authority_is_busy(loader->authority))
		r = -EAGAIN;
	else
		authority_forget_account(loader->authority, id);
	if (r >= 0)
		loader->generation = generation;
	return r < 0 ? r : 0;
}

int account_loader_refresh(struct account_loader *loader, const struct moment *moment)
{
	int64_t generation;
	int r = storage_accounts_generation(loader->storage, &generation);

	if (r < 0 || generation == loader->generation)
		return r;
	loader->moment = *moment;
	loader->is_quiet = loader->generation == 0;
	r = loader->generation ? storage_walk_account_changes(loader->storage, loader->generation,
							      take_change, loader)
			       : -ESTALE;
	if (r == -ESTALE)
		r = walk_all(loader, generation);
	if (r >= 0 && loader->is_quiet)
		log_info("%zu accounts", authority_n_accounts(loader->authority));
	return r == -EAGAIN ? 0 : r;
}
