/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ticket-store.h"

#include "common/base/atomic-file.h"
#include "common/base/log.h"
#include "common/base/wall-clock.h"
#include "common/keys/secret.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define FILE_NAME  "/resumption"
#define FILE_LIMIT (64u << 20)
/* ms from a change to the file; longer with many tickets, so that writing is never most of the
 * work. */
#define DELAY(n_tickets) (20 + (n_tickets) / 8)

struct ticket_store {
	struct ike_manager *manager;
	const struct ike_random *random;
	struct loop_timer *timer;
	char path[PATH_MAX];
	struct secret *secret; /* NULL: nothing is written */
	uint64_t saved;        /* version that the file has */
	bool loaded, waiting, complained;
};

static void save(struct ticket_store *store)
{
	struct ike_tickets *tickets = ike_manager_tickets(store->manager);
	struct ike_blob octets = {};
	int r;

	store->waiting = false;
	if (!store->secret || store->saved == ike_tickets_version(tickets))
		return;
	r = ike_tickets_save(tickets, store->random, store->secret->data, &octets);
	if (r >= 0)
		r = atomic_file_write_volatile(store->path, octets.data, octets.size, 0600);
	ike_blob_clear(&octets);
	if (r >= 0)
		store->saved = ike_tickets_version(tickets);
	else if (!store->complained)
		log_warning("cannot write %s: %s; after a restart SAs are negotiated anew",
			    store->path, strerror(-r));
	store->complained = r < 0;
}

static void on_timer(void *userdata)
{
	save(userdata);
}

int ticket_store_new(struct loop *loop, struct ike_manager *manager,
		     const struct ike_random *random, const char *folder, struct ticket_store **ret)
{
	cleanup(ticket_store_freep) struct ticket_store *store = calloc(1, sizeof *store);
	int r;

	if (!store)
		return -ENOMEM;
	store->manager = manager;
	store->random = random;
	if (snprintf(store->path, sizeof store->path, "%s" FILE_NAME, folder) >=
	    (int)sizeof store->path)
		return -ENAMETOOLONG;
	r = loop_timer_new(loop, on_timer, store, &store->timer);
	if (r < 0)
		return r;
	*ret = steal_ptr(store);
	return 0;
}

struct ticket_store *ticket_store_free(struct ticket_store *store)
{
	if (!store)
		return NULL;
	if (store->secret)
		save(store);
	secret_free(store->secret);
	loop_timer_free(store->timer);
	free(store);
	return NULL;
}

/* The account's key, for this host only: one that took another name begins anew. */
static int make_secret(const struct ike_local *local, struct secret **ret)
{
	const struct ike_octets data[] = {
		{ (const uint8_t *)local->name, strlen(local->name) },
		{ local->host_id, sizeof local->host_id },
		{ local->certificate, local->certificate_size },
	};
	uint8_t secret[IKE_PRF_LIMIT];
	int r = ike_prf(IKE_PRF_HMAC_SHA2_256, local->ppk, sizeof local->ppk, data,
			sizeof data / sizeof *data, secret);

	if (r >= 0)
		r = secret_new_copy(secret, 32, ret);
	explicit_bzero(secret, sizeof secret);
	return r;
}

static void load(struct ticket_store *store)
{
	struct ike_tickets *tickets = ike_manager_tickets(store->manager);
	uint8_t *data = NULL;
	size_t size;
	int r;

	store->loaded = true;
	if (atomic_file_read(store->path, FILE_LIMIT, &data, &size) < 0)
		return;
	r = ike_tickets_load(tickets, realtime_usec() / 1000000, store->secret->data,
			     (struct ike_octets){ data, size });
	if (r >= 0)
		log_info("%zu IKE SAs of before can be resumed", ike_tickets_count(tickets));
	else
		log_info("what %s holds is not this host's, or damaged: SAs are negotiated anew",
			 store->path);
	free(data);
}

void ticket_store_open(struct ticket_store *store, const struct ike_local *local)
{
	store->secret = secret_free(store->secret);
	if (!local || !local->has_ppk) {
		unlink(store->path);
		store->saved = 0;
		return;
	}
	if (make_secret(local, &store->secret) >= 0 && !store->loaded)
		load(store);
}

void ticket_store_look(struct ticket_store *store)
{
	struct ike_tickets *tickets = ike_manager_tickets(store->manager);

	if (!store->secret || store->waiting || store->saved == ike_tickets_version(tickets))
		return;
	store->waiting = true;
	loop_timer_set_delay(store->timer, DELAY(ike_tickets_count(tickets)));
}
