/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/identity/revoking.h"

#include "common/base/log.h"
#include "common/keys/issue-time.h"
#include "services/identity/identity.h"
#include "services/identity/password-reader.h"

#include <stdio.h>
#include <string.h>

#define SUBMISSION_MSEC 45000

static const char *const revoked_properties[] = { "Revoked", "RevocationNumber", NULL };
static const char *const submission_properties[] = { "Submission", NULL };

static int copy_list(const struct certificate *list, struct certificate *ret)
{
	*ret = (struct certificate){ .data = malloc(list->size ?: 1), .size = list->size };
	if (!ret->data)
		return -ENOMEM;
	memcpy(ret->data, list->data, list->size);
	return 0;
}

static bool is_same_list(const struct certificate *a, const struct certificate *b)
{
	return a->size == b->size && !memcmp(a->data, b->data, a->size);
}

static void clear_zone(struct zone_lists *zone)
{
	for (size_t i = 0; i < zone->n; i++)
		certificate_deinit(&zone->items[i]);
	*zone = (struct zone_lists){};
}

/* Keeping
 * ------------------------------------------------------------------------------------------- */

struct saving {
	struct identity *identity;
	uint8_t *data; /* NULL: nothing is to be kept */
	size_t size;
	int error;
};

static void on_save(void *userdata)
{
	struct saving *saving = userdata;
	const struct store *store = &saving->identity->config->store;

	saving->error = store_save_revocations(store, saving->data, saving->size);
}

static void on_saved(void *userdata)
{
	struct saving *saving = userdata;
	struct revoking *revoking = &saving->identity->revoking;

	revoking->saving = false;
	if (saving->error < 0)
		log_error("cannot keep which hosts were forgotten: %s", strerror(-saving->error));
	else
		revoking->stored = saving->data;
	if (revoking->unsaved)
		revoking_save(saving->identity);
	if (saving->identity->terminating)
		identity_terminate(saving->identity);
	free(saving->data);
	free(saving);
}

void revoking_save(struct identity *identity)
{
	struct revoking *revoking = &identity->revoking;
	bool empty = !revoking->known.list.number && !revoking->known.forgotten;
	struct saving *saving;

	revoking->unsaved = true;
	if (revoking->saving)
		return;
	revoking->unsaved = false;
	if (empty && !revoking->stored)
		return;
	saving = calloc(1, sizeof *saving);
	if (!saving)
		return;
	saving->identity = identity;
	if ((!empty && revocations_encode(&revoking->known, &saving->data, &saving->size) < 0) ||
	    loop_queue_work(daemon_loop(identity->daemon), on_save, on_saved, saving) < 0) {
		free(saving->data);
		free(saving);
		return;
	}
	revoking->saving = true;
}

/* What is known
 * ------------------------------------------------------------------------------------------- */

bool revoking_covers_us(const struct identity *identity)
{
	const struct credentials *credentials = identity->credentials;
	uint64_t issued = 0;

	if (!credentials)
		return false;
	(void)issue_time_of_tag(credentials->tag, strlen(credentials->tag), &issued);
	return revocation_list_covers(&identity->revoking.known.list, credentials->host, issued);
}

int revoking_bind(struct identity *identity)
{
	struct revoking *revoking = &identity->revoking;
	const struct credentials *credentials = identity->credentials;
	char domain[NAME_SIZE];
	int r;

	names_account_domain(&credentials->name, domain);
	clear_zone(&revoking->zone);
	r = revocations_bind(&revoking->known, domain, &credentials->account_certificate);
	if (r >= 0 && !revoking_covers_us(identity))
		revoking->known.forgotten = 0;
	return r;
}

static void note_new(struct identity *identity, const struct revocation_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct revocation *item = &list->items[i];

		if (revocation_list_until(&identity->revoking.known.list, item->host) >=
		    item->until)
			continue;
		timeline_note(&identity->timeline, 0, "%s was forgotten", item->host);
		log_info("%s was forgotten: what it had up to %llu is worth nothing any more",
			 item->host, (unsigned long long)item->until);
	}
}

/* One list that the zone or we ourselves have. Whether it said something new. */
static bool learn(struct identity *identity, const struct certificate *data)
{
	const struct certificate *account = &identity->credentials->account_certificate;
	struct revocations *known = &identity->revoking.known;
	struct revocation_list list;
	int r = revocation_list_verify(data->data, data->size, account->data, account->size, &list);

	if (r < 0) {
		identity->counters.lists_refused++;
		log_warning("a revocation list in the zone is not the account's: %s",
			    r == -EACCES         ? "another one issued it"
			    : r == -EKEYREJECTED ? "its signature is wrong"
						 : "it cannot be read");
		return false;
	}
	if (list.number < known->list.number) {
		identity->counters.lists_old++;
		log_warning("the zone shows revocation list %llu, but there was %llu already",
			    (unsigned long long)list.number,
			    (unsigned long long)known->list.number);
	}
	note_new(identity, &list);
	r = revocation_list_merge(&known->list, &list);
	if (r < 0)
		log_error("more hosts were forgotten than can be kept");
	identity->counters.lists_taken++;
	return r != 0;
}

/* What has changed is kept and shown; and it may be about us. */
static void follow(struct identity *identity)
{
	revoking_save(identity);
	identity_bus_changed(identity, revoked_properties);
	if (revoking_covers_us(identity))
		identity_be_forgotten(identity);
}

/* A list of ours
 * ------------------------------------------------------------------------------------------- */

/* The call is answered; the account's key goes. */
static void answer(struct identity *identity, int error, const char *words)
{
	struct revoking *revoking = &identity->revoking;
	identity_done done = revoking->done;
	bool waited = revoking->number;

	if (revoking->patience)
		loop_timer_set(revoking->patience, UINT64_MAX);
	revoking->tsig = secret_free(revoking->tsig);
	certificate_deinit(&revoking->list);
	revoking->number = 0;
	revoking->done = NULL;
	if (waited)
		identity_bus_changed(identity, submission_properties);
	if (!done)
		return;
	if (error)
		identity->counters.forgets_refused++;
	else
		identity->counters.forgets++;
	timeline_note(&identity->timeline, 0, "forgetting %s: %s", revoking->host,
		      error ? words : "done");
	done(revoking->userdata, error, words);
}

static void on_patience(void *userdata)
{
	answer(userdata, -EREMOTEIO,
	       "registrar did not put the list into the zone; is it running? Nothing is known of "
	       "what became of it: look at \"homewardctl hosts\"");
}

static void submit(struct identity *identity, struct forget_result *result)
{
	struct revoking *revoking = &identity->revoking;
	uint64_t number = realtime_usec();

	revoking->list = result->list;
	revoking->tsig = steal_ptr(result->tsig);
	result->list = (struct certificate){};
	revoking->number = number;
	loop_timer_set_delay(revoking->patience, SUBMISSION_MSEC);
	timeline_note(&identity->timeline, 0, "a list that forgets %s goes to the zone",
		      revoking->host);
	identity_bus_changed(identity, submission_properties);
}

static void on_made(void *userdata, struct forget_result *result)
{
	struct identity *identity = userdata;
	struct revoking *revoking = &identity->revoking;
	const char *words = password_reader_words(result->error);

	revoking->forget = NULL;
	if (revoking->abandoned) {
		revoking->abandoned = false;
	} else if (!result->error) {
		submit(identity, result);
	} else if (result->error == -EKEYREJECTED) {
		answer(identity, -EKEYREJECTED, "that is not the account's password");
	} else if (result->list_full) {
		answer(identity, -ENOSPC, "the list of forgotten hosts is full");
	} else if (words) {
		answer(identity, result->error == -ECANCELED ? -ECANCELED : -EINVAL, words);
	} else {
		log_error("making a revocation list failed: %s", strerror(-result->error));
		answer(identity, -EIO, "making the list failed; the journal says why");
	}
	if (identity->terminating)
		identity_terminate(identity);
}

static int check_host(const struct identity *identity, const char *host,
		      char ret[static LABEL_SIZE], const char **ret_message)
{
	if (names_parse_label(host, ret) < 0) {
		*ret_message = "a host is named by one label, such as desktop";
		return -EINVAL;
	}
	if (!strcmp(ret, identity->credentials->host)) {
		*ret_message =
			"that is this host itself: \"homewardctl sign-out\" takes it out of the "
			"account; if it was stolen from, forget it from another host";
		return -EINVAL;
	}
	return 0;
}

/* The next list: everything known and this host. */
static int make_order(const struct identity *identity, const char *host, struct forget_order *ret,
		      const char **ret_message)
{
	const struct credentials *credentials = identity->credentials;
	uint64_t until;
	int r;

	*ret = (struct forget_order){
		.name = credentials->name,
		.account = &credentials->account_certificate,
		.list = identity->revoking.known.list,
		.now = realtime_usec() / 1000000,
		.password_msec = identity->config->password_timeout * 1000,
	};
	ret->list.number++;
	/* Whose clock is behind that of who forgot it before, or signed it in since, forgets it all
	 * the same. */
	until = revocation_list_until(&ret->list, host);
	r = revocation_list_add(&ret->list, host, until < ret->now ? ret->now : until + 1);
	if (r == -ENOSPC)
		*ret_message = "128 hosts were forgotten already, and a list has no room for more: "
			       "a new password for the account begins an empty one";
	return r;
}

int revoking_forget(struct identity *identity, const char *host, int password_fd,
		    identity_done done, void *userdata, const char **ret_message)
{
	struct revoking *revoking = &identity->revoking;
	struct forget_order order;
	char label[LABEL_SIZE];
	int r = check_host(identity, host, label, ret_message);

	if (r < 0)
		return r;
	if (revoking->done || revoking->forget) {
		*ret_message = "another host is being forgotten; wait for it";
		return -EBUSY;
	}
	if (!revoking->zone.shown) {
		*ret_message =
			"the zone's server has not told yet which hosts were forgotten before: is "
			"it out of reach? See \"homewardctl status\", and try again";
		return -EREMOTEIO;
	}
	r = make_order(identity, label, &order, ret_message);
	if (r < 0)
		return r;
	*ret_message = "cannot start";
	r = forget_start(daemon_loop(identity->daemon), &order, password_fd, on_made, identity,
			 &revoking->forget);
	if (r < 0)
		return r == -EINVAL ? -EIO : r;
	revoking->done = done;
	revoking->userdata = userdata;
	strcpy(revoking->host, label);
	return 0;
}

int revoking_take_lists(struct identity *identity, const struct certificate *lists, size_t n,
			const char **ret_message)
{
	struct revoking *revoking = &identity->revoking;
	struct zone_lists *zone = &revoking->zone;
	bool changed = false, ours = false;

	*ret_message = "there are too many lists, or one is too large";
	if (n > REVOKING_ZONE_LISTS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (lists[i].size > REVOCATION_LIST_SIZE_MAX)
			return -EINVAL;
	clear_zone(zone);
	for (size_t i = 0; i < n; i++) {
		if (copy_list(&lists[i], &zone->items[i]) < 0) {
			*ret_message = "out of memory";
			clear_zone(zone);
			return -ENOMEM;
		}
		zone->n = i + 1;
	}
	zone->shown = true;
	for (size_t i = 0; i < n; i++) {
		changed |= learn(identity, &zone->items[i]);
		ours |= revoking->number && is_same_list(&zone->items[i], &revoking->list);
	}
	if (ours)
		answer(identity, 0, NULL);
	if (changed)
		follow(identity);
	return 0;
}

int revoking_give_key(struct identity *identity, char ret_name[static NAME_SIZE],
		      const char **ret_message)
{
	*ret_message = "the key cannot be handed over";
	names_account_domain(&identity->credentials->name, ret_name);
	return secret_to_memfd(identity->revoking.tsig);
}

int revoking_finish(struct identity *identity, uint64_t number, bool published, const char *words,
		    const char **ret_message)
{
	struct revoking *revoking = &identity->revoking;
	bool changed;

	if (!revoking->number || number != revoking->number) {
		*ret_message = "nothing of that number waits for the zone";
		return -ENXIO;
	}
	if (!published) {
		answer(identity, -EREMOTEIO, words);
		return 0;
	}
	/* The zone will show it as well, but there is no reason to wait. */
	changed = learn(identity, &revoking->list);
	answer(identity, 0, NULL);
	if (changed)
		follow(identity);
	return 0;
}

/* Beginning and end
 * ------------------------------------------------------------------------------------------- */

void revoking_stop(struct identity *identity, const char *words)
{
	struct revoking *revoking = &identity->revoking;

	if (revoking->forget) {
		revoking->abandoned = true;
		forget_cancel(revoking->forget);
	}
	answer(identity, -ECANCELED, words);
	clear_zone(&revoking->zone);
}

int revoking_init(struct identity *identity)
{
	struct revoking *revoking = &identity->revoking;
	int r = loop_timer_new(daemon_loop(identity->daemon), on_patience, identity,
			       &revoking->patience);

	if (r < 0)
		return r;
	r = store_load_revocations(&identity->config->store, &revoking->known);
	revoking->stored = r >= 0;
	if (r < 0 && r != -ENOENT)
		log_error("which hosts were forgotten cannot be read, the zone has to say it "
			  "again: %s",
			  strerror(-r));
	return 0;
}

void revoking_deinit(struct identity *identity)
{
	struct revoking *revoking = &identity->revoking;

	revoking->patience = loop_timer_free(revoking->patience);
	revoking->tsig = secret_free(revoking->tsig);
	certificate_deinit(&revoking->list);
	clear_zone(&revoking->zone);
}
