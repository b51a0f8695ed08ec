/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/list-submission.h"

#include "common/base/log.h"
#include "services/registrar/list-update.h"
#include "services/registrar/registrar-words.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE 65000

struct list_submission {
	struct loop *loop;
	struct signing_identity *identity;
	struct dns_locator *locator;
	struct dns_channel *channel;
	struct dns_exchange *exchange;
	sd_bus_slot *call;
	uint64_t looked_at, incarnation; /* the last number, and whose it was */

	/* While it is under way. */
	struct submission work; /* number 0: none is */
	struct dns_tsig_key key;
};

static void finish(struct list_submission *submission, const char *words)
{
	uint64_t number = submission->work.number;

	dns_locator_stop(submission->locator);
	submission->exchange = dns_exchange_free(submission->exchange);
	dns_channel_set_servers(submission->channel, NULL, 0);
	submission_deinit(&submission->work);
	if (!number)
		return;
	if (words)
		log_warning("a revocation list was not published: %s", words);
	else
		log_info("a revocation list was published");
	identity_client_finish_submission(submission->identity, number, !words, words ?: "");
}

static int64_t clock_difference(uint64_t server_time)
{
	return server_time ? (int64_t)(server_time - realtime_usec() / 1000000) : 0;
}

static void finish_error(struct list_submission *submission, int error, uint64_t server_time,
			 const char *better)
{
	char words[320];

	registrar_result_of_error(submission->work.key_name, error, clock_difference(server_time),
				  words, sizeof words);
	if (error == -ENOKEY || error == -EKEYREJECTED)
		snprintf(words, sizeof words,
			 "the zone's server does not accept the account's key: it has another "
			 "password, or no such account");
	else if (better)
		snprintf(words, sizeof words, "%s", better);
	/* Nothing is tried again here: the person is. */
	if (strstr(words, "; trying again"))
		*strstr(words, "; trying again") = 0;
	finish(submission, words);
}

static void on_updated(void *userdata, const struct dns_exchange_result *answer)
{
	struct list_submission *submission = userdata;

	if (answer->error < 0)
		finish_error(submission, answer->error, answer->server_time, answer->words);
	else
		finish(submission, list_update_words(answer->response->rcode));
}

static int write_message(const struct submission *work, uint8_t *message)
{
	struct list_update update = {
		.account_domain = work->key_name,
		.host = work->host,
		.list = { work->list, work->list_size },
		.n_former = work->n_former,
	};

	for (size_t i = 0; i < work->n_former; i++)
		update.former[i] =
			(struct list_octets){ work->former[i].data, work->former[i].size };
	return list_update_write(&update, message, MESSAGE_SIZE);
}

static void send_update(struct list_submission *submission, const struct server_list *servers)
{
	cleanup(freep) uint8_t *message = malloc(MESSAGE_SIZE);
	struct dns_exchange_options options = { .message = message, .key = &submission->key };
	int r = message ? write_message(&submission->work, message) : -ENOMEM;

	dns_channel_set_servers(submission->channel, servers->items, servers->n);
	for (size_t i = 0; i < servers->n && !options.server.sin_family; i++)
		if (!servers->items[i].tls)
			options.server = servers->items[i].address;
	if (dns_channel_count(submission->channel))
		options.channel = submission->channel;
	options.size = r < 0 ? 0 : r;
	if (r >= 0)
		r = dns_exchange_new(submission->loop, &options, on_updated, submission,
				     &submission->exchange);
	if (r < 0)
		finish_error(submission, r, 0, NULL);
}

static void on_located(void *userdata, int error, const char *found,
		       const struct server_list *servers)
{
	struct list_submission *submission = userdata;

	if (error < 0)
		finish_error(submission, error, dns_locator_server_time(submission->locator),
			     found);
	else
		send_update(submission, servers);
}

static void on_got(void *userdata, struct submission *work)
{
	struct list_submission *submission = userdata;
	struct dns_locator_target target = { .key = &submission->key };
	const char *members;
	int r;

	finish(submission, "another list is to be published first");
	submission->work = *work;
	*work = (struct submission){};
	submission->key = (struct dns_tsig_key){
		.algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256,
		.secret = submission->work.secret->data,
		.secret_size = submission->work.secret->size,
	};
	target.account_domain = submission->work.key_name;
	members = strchr(submission->work.key_name, '.');
	target.members_domain = members ? members + 1 : "";
	r = dns_name_from_text(submission->work.key_name, &submission->key.name);
	if (r >= 0)
		r = dns_locator_start(submission->locator, &target);
	if (r < 0)
		finish_error(submission, r, 0, NULL);
}

void list_submission_look(struct list_submission *submission)
{
	uint64_t incarnation, number;

	number = identity_client_submission(submission->identity, &incarnation);
	if (number == submission->looked_at && incarnation == submission->incarnation)
		return;
	submission->looked_at = number;
	submission->incarnation = incarnation;
	submission->call = sd_bus_slot_unref(submission->call);
	/* Nobody waits for it any more. */
	if (submission->work.number != number)
		submission->work.number = 0;
	if (!number)
		finish(submission, NULL);
	else if (identity_client_get_submission(submission->identity, &submission->call, on_got,
						submission) < 0)
		log_warning("identity cannot be asked for its revocation list");
}

int list_submission_new(struct loop *loop, const struct dns_locator_options *options,
			struct signing_identity *identity, struct list_submission **ret)
{
	cleanup(list_submission_freep) struct list_submission *submission =
		calloc(1, sizeof *submission);
	int r;

	if (!submission)
		return -ENOMEM;
	submission->loop = loop;
	submission->identity = identity;
	r = dns_locator_new(loop, options, on_located, submission, &submission->locator);
	if (r >= 0)
		r = dns_channel_new(loop, &submission->channel);
	if (r < 0)
		return r;
	*ret = steal_ptr(submission);
	return 0;
}

struct list_submission *list_submission_free(struct list_submission *submission)
{
	if (!submission)
		return NULL;
	sd_bus_slot_unref(submission->call);
	dns_exchange_free(submission->exchange);
	dns_locator_free(submission->locator);
	dns_channel_free(submission->channel);
	submission_deinit(&submission->work);
	free(submission);
	return NULL;
}
