/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/identity/sign-in.h"

#include "common/keys/account-keys.h"
#include "common/keys/issue-time.h"
#include "services/identity/host-key.h"
#include "services/identity/password-reader.h"

#include <string.h>
#include <sys/random.h>

struct sign_in {
	struct loop *loop;
	struct sign_in_order order;
	struct password_reader password;
	sign_in_done done;
	void *userdata;
	int error;
	struct credentials *credentials;
};

static struct sign_in *sign_in_free(struct sign_in *sign_in)
{
	if (!sign_in)
		return NULL;
	password_reader_deinit(&sign_in->password);
	credentials_free(sign_in->credentials);
	free(sign_in);
	return NULL;
}

DEFINE_CLEANUP(struct sign_in *, sign_in_free)

/* The account's secrets, as long as this host needs them. */
static int derive(const struct secret *password, const char *account_domain, const char *key_name,
		  struct secret **ret_seed, struct secret **ret_tsig, struct secret **ret_ppk)
{
	cleanup(secret_freep) struct secret *master = NULL, *account_tsig = NULL;
	int r = account_keys_derive_master(password, account_domain, &master);

	if (r >= 0)
		r = account_keys_derive_tsig(master, &account_tsig);
	if (r >= 0)
		r = account_keys_derive_host_tsig(account_tsig, key_name, ret_tsig);
	if (r >= 0)
		r = account_keys_derive_ppk(master, ret_ppk);
	if (r >= 0)
		r = account_keys_derive_signing_seed(master, ret_seed);
	return r;
}

static int make_certificates(const struct secret *seed, const char *account_domain, uint64_t time,
			     struct credentials *credentials)
{
	cleanup(EVP_PKEY_freep) EVP_PKEY *key = NULL;
	char host_domain[NAME_SIZE], tunnel_domain[NAME_SIZE], label[TUNNEL_LABEL_SIZE];
	uint8_t random[ISSUE_SERIAL_RANDOM_SIZE], serial[CERTIFICATE_SERIAL_SIZE];
	int r;

	if (getrandom(random, sizeof random, 0) != sizeof random)
		return -EIO;
	issue_time_to_serial(time, random, serial);
	eui64_to_tunnel_label(credentials->eui64, label);
	names_below_account(&credentials->name, credentials->host, host_domain);
	names_below_account(&credentials->name, label, tunnel_domain);
	r = host_key_generate(&key);
	if (r >= 0)
		r = host_key_export(key, &credentials->host_key);
	if (r >= 0)
		r = certificate_make_account(seed, account_domain,
					     &credentials->account_certificate);
	if (r >= 0)
		r = certificate_make_host(seed, &credentials->account_certificate, key, host_domain,
					  tunnel_domain, serial, &credentials->certificate);
	return r;
}

static int make_credentials(const struct sign_in_order *order, const struct secret *password,
			    struct credentials **ret)
{
	cleanup(credentials_freep) struct credentials *credentials = calloc(1, sizeof *credentials);
	cleanup(secret_freep) struct secret *seed = NULL;
	char account_domain[NAME_SIZE], key_name[NAME_SIZE];
	int r;

	if (!credentials)
		return -ENOMEM;
	credentials->name = order->name;
	strcpy(credentials->host, order->host);
	names_key_tag(order->tag, order->time, credentials->tag);
	memcpy(credentials->eui64, order->eui64, EUI64_SIZE);
	names_account_domain(&order->name, account_domain);
	names_tsig_key(&order->name, order->host, credentials->tag, key_name);
	r = derive(password, account_domain, key_name, &seed, &credentials->tsig,
		   &credentials->ppk);
	if (r >= 0)
		r = make_certificates(seed, account_domain, order->time, credentials);
	if (r < 0)
		return r;
	*ret = steal_ptr(credentials);
	return 0;
}

static void on_work(void *userdata)
{
	struct sign_in *sign_in = userdata;
	cleanup(credentials_freep) struct credentials *credentials = NULL;
	cleanup(secret_freep) struct secret *password = NULL;
	int r = password_reader_read(&sign_in->password, &password);

	if (r >= 0)
		r = make_credentials(&sign_in->order, password, &credentials);
	if (r >= 0)
		r = store_save_credentials(sign_in->order.store, credentials);
	if (r >= 0)
		sign_in->credentials = steal_ptr(credentials);
	sign_in->error = r < 0 ? r : 0;
}

static void on_done(void *userdata)
{
	struct sign_in *sign_in = userdata;

	sign_in->done(sign_in->userdata, sign_in->error, steal_ptr(sign_in->credentials));
	sign_in_free(sign_in);
}

int sign_in_start(struct loop *loop, const struct sign_in_order *order, int password_fd,
		  sign_in_done done, void *userdata, struct sign_in **ret)
{
	cleanup(sign_in_freep) struct sign_in *sign_in = calloc(1, sizeof *sign_in);
	int r;

	if (!sign_in)
		return -ENOMEM;
	*sign_in = (struct sign_in){
		.loop = loop,
		.order = *order,
		.done = done,
		.userdata = userdata,
	};
	r = password_reader_init(&sign_in->password, loop, password_fd, order->password_msec);
	if (r < 0)
		return r;
	r = loop_queue_work(loop, on_work, on_done, sign_in);
	if (r < 0)
		return r;
	*ret = steal_ptr(sign_in);
	return 0;
}

void sign_in_cancel(struct sign_in *sign_in)
{
	password_reader_cancel(&sign_in->password);
}
