/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/identity/sign-in.h"

#include "common/keys/account-keys.h"
#include "services/identity/host-key.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>

struct sign_in {
	struct loop *loop;
	struct sign_in_order order;
	int password_fd, cancel_fd;
	sign_in_done done;
	void *userdata;
	int error;
	struct credentials *credentials;
};

static struct sign_in *sign_in_free(struct sign_in *sign_in)
{
	if (!sign_in)
		return NULL;
	close_fd(sign_in->password_fd);
	close_fd(sign_in->cancel_fd);
	credentials_free(sign_in->credentials);
	free(sign_in);
	return NULL;
}

DEFINE_CLEANUP(struct sign_in *, sign_in_free)

/* 0 once the descriptor has something to read or has ended. */
static int wait_readable(const struct sign_in *sign_in, uint64_t until)
{
	struct pollfd fds[] = {
		{ .fd = sign_in->password_fd, .events = POLLIN },
		{ .fd = sign_in->cancel_fd, .events = POLLIN },
	};

	for (;;) {
		uint64_t now = loop_now(sign_in->loop);
		int n = now < until ? poll(fds, ARRAY_SIZE(fds), (int)(until - now)) : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (fds[1].revents)
			return -ECANCELED;
		return n ? 0 : -ETIMEDOUT;
	}
}

/* Up to the end of the descriptor, without one trailing newline. The writer may never end it, and a
 * reader beside us may take what poll() saw; the time limit holds for the first, and for the second
 * only whoever may call SignIn at all could do it. */
static int read_password(const struct sign_in *sign_in, struct secret **ret)
{
	cleanup(secret_freep) struct secret *room = NULL;
	uint64_t until = loop_now(sign_in->loop) + sign_in->order.password_msec;
	size_t size = 0;
	int r = secret_new(PASSWORD_LIMIT + 2, &room);

	while (r >= 0 && size < room->size) {
		ssize_t got;

		r = wait_readable(sign_in, until);
		if (r < 0)
			return r;
		got = read(sign_in->password_fd, room->data + size, room->size - size);
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return -EBADF;
		if (got == 0)
			break;
		if (got > 0)
			size += got;
	}
	if (r < 0)
		return r;
	if (size && room->data[size - 1] == '\n')
		size--;
	if (!size)
		return -ENODATA;
	return size > PASSWORD_LIMIT ? -EFBIG : secret_new_copy(room->data, size, ret);
}

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

static int make_certificates(const struct secret *seed, const char *account_domain,
			     struct credentials *credentials)
{
	cleanup(EVP_PKEY_freep) EVP_PKEY *key = NULL;
	char host_domain[NAME_SIZE], tunnel_domain[NAME_SIZE], label[TUNNEL_LABEL_SIZE];
	uint8_t serial[CERTIFICATE_SERIAL_SIZE];
	int r;

	if (getrandom(serial, sizeof serial, 0) != sizeof serial)
		return -EIO;
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
	strcpy(credentials->tag, order->tag);
	memcpy(credentials->eui64, order->eui64, EUI64_SIZE);
	names_account_domain(&order->name, account_domain);
	names_tsig_key(&order->name, order->host, order->tag, key_name);
	r = derive(password, account_domain, key_name, &seed, &credentials->tsig,
		   &credentials->ppk);
	if (r >= 0)
		r = make_certificates(seed, account_domain, credentials);
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
	int r = read_password(sign_in, &password);

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
		.cancel_fd = eventfd(0, EFD_CLOEXEC),
		.password_fd = fcntl(password_fd, F_DUPFD_CLOEXEC, 3),
	};
	if (sign_in->cancel_fd < 0 || sign_in->password_fd < 0)
		return -errno;
	r = loop_queue_work(loop, on_work, on_done, sign_in);
	if (r < 0)
		return r;
	*ret = steal_ptr(sign_in);
	return 0;
}

void sign_in_cancel(struct sign_in *sign_in)
{
	eventfd_write(sign_in->cancel_fd, 1);
}
