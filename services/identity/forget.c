/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/identity/forget.h"

#include "common/keys/account-keys.h"
#include "services/identity/password-reader.h"

#include <string.h>

struct forget {
	struct forget_order order;
	struct certificate account;
	struct password_reader password;
	forget_done done;
	void *userdata;
	struct forget_result result;
};

static struct forget *forget_free(struct forget *forget)
{
	if (!forget)
		return NULL;
	password_reader_deinit(&forget->password);
	certificate_deinit(&forget->account);
	certificate_deinit(&forget->result.list);
	secret_free(forget->result.tsig);
	free(forget);
	return NULL;
}

DEFINE_CLEANUP(struct forget *, forget_free)

static int sign(struct forget *forget, const struct secret *master)
{
	struct forget_result *result = &forget->result;
	cleanup(secret_freep) struct secret *seed = NULL;
	int r = account_keys_derive_signing_seed(master, &seed);

	if (r < 0)
		return r;
	r = revocation_list_sign(&forget->order.list, seed, forget->account.data,
				 forget->account.size, forget->order.now, &result->list.data,
				 &result->list.size);
	result->list_full = r == -EFBIG;
	return r;
}

static int make(struct forget *forget)
{
	cleanup(secret_freep) struct secret *password = NULL, *master = NULL;
	char domain[NAME_SIZE];
	int r = password_reader_read(&forget->password, &password);

	names_account_domain(&forget->order.name, domain);
	if (r >= 0)
		r = account_keys_derive_master(password, domain, &master);
	if (r >= 0)
		r = sign(forget, master);
	if (r >= 0)
		r = account_keys_derive_tsig(master, &forget->result.tsig);
	return r;
}

static void on_work(void *userdata)
{
	struct forget *forget = userdata;
	int r = make(forget);

	forget->result.error = r < 0 ? r : 0;
}

static void on_done(void *userdata)
{
	struct forget *forget = userdata;

	forget->done(forget->userdata, &forget->result);
	forget_free(forget);
}

int forget_start(struct loop *loop, const struct forget_order *order, int password_fd,
		 forget_done done, void *userdata, struct forget **ret)
{
	cleanup(forget_freep) struct forget *forget = calloc(1, sizeof *forget);
	int r;

	if (!forget)
		return -ENOMEM;
	forget->order = *order;
	forget->done = done;
	forget->userdata = userdata;
	r = password_reader_init(&forget->password, loop, password_fd, order->password_msec);
	if (r < 0)
		return r;
	/* Signing out may free the one that was lent. */
	forget->account.data = malloc(order->account->size);
	if (!forget->account.data)
		return -ENOMEM;
	forget->account.size = order->account->size;
	memcpy(forget->account.data, order->account->data, order->account->size);
	r = loop_queue_work(loop, on_work, on_done, forget);
	if (r < 0)
		return r;
	*ret = steal_ptr(forget);
	return 0;
}

void forget_cancel(struct forget *forget)
{
	password_reader_cancel(&forget->password);
}
