/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/registrar.h"

#include "common/base/log.h"
#include "services/registrar/device.h"
#include "services/registrar/registrar-words.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static uint32_t random_number(void)
{
	uint32_t number = 0;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		number = realtime_usec();
	return number;
}

static uint64_t now(struct registrar *registrar)
{
	return loop_now(daemon_loop(registrar->daemon));
}

static void note(struct registrar *registrar, const char *text)
{
	timeline_note(&registrar->timeline, registrar->state.place.generation, "%s", text);
	log_info("%s", text);
}

static const char *endpoint_text(const struct sockaddr_in *endpoint, char text[32])
{
	char address[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &endpoint->sin_addr, address, sizeof(address));
	snprintf(text, 32, "%s:%u", address, ntohs(endpoint->sin_port));
	return text;
}

static void free_records(struct registrar *registrar)
{
	for (size_t i = 0; registrar->records && registrar->records[i]; i++)
		free(registrar->records[i]);
	free(registrar->records);
	registrar->records = NULL;
}

/* What the server has, as text. */
static void show_records(struct registrar *registrar)
{
	ldns_rr_list *list = registrar->published_records.acknowledged;
	size_t n = list ? ldns_rr_list_rr_count(list) : 0;

	free_records(registrar);
	registrar->records = calloc(n + 1, sizeof(char *));
	for (size_t i = 0; registrar->records && i < n; i++) {
		char *text = ldns_rr2str(ldns_rr_list_rr(list, i));

		if (!text)
			break;
		text[strcspn(text, "\n")] = 0;
		for (char *tab = text; (tab = strchr(tab, '\t'));)
			*tab = ' ';
		registrar->records[i] = text;
	}
}

/* The server has acknowledged what was sent. */
static void show_published(struct registrar *registrar)
{
	const struct registrar_state *state = &registrar->state;
	char text[32];

	registrar->published.generation = state->published_place.generation;
	registrar->published.lease = state->lease;
	registrar->published.expires = state->expires;
	strcpy(registrar->published.server, endpoint_text(&registrar->server, text));
	show_records(registrar);
	registrar_bus_emit_published(registrar);
}

/* It has them no more. */
static void show_unpublished(struct registrar *registrar)
{
	services_on_lost(shares_services(registrar->shares));
	if (registrar->published_records.acknowledged)
		published_records_expired(&registrar->published_records);
	if (!registrar->published.lease)
		return;
	memset(&registrar->published, 0, sizeof(registrar->published));
	free_records(registrar);
	registrar_bus_emit_published(registrar);
}

static void make_reason(struct registrar *registrar)
{
	const struct registrar_state *state = &registrar->state;
	char *reason = registrar->reason, endpoint[32], server[32];
	const size_t size = sizeof(registrar->reason);

	endpoint_text(&state->published_place.endpoint, endpoint);
	endpoint_text(&registrar->server, server);
	switch (state->phase) {
	case REGISTRAR_PHASE_STARTING:
		snprintf(reason, size, "starting");
		return;
	case REGISTRAR_PHASE_WAITING_IDENTITY:
		snprintf(reason, size, "waiting for identity to say who this host is%s%s",
			 state->trouble[0] ? ": " : "", state->trouble);
		return;
	case REGISTRAR_PHASE_SIGNED_OUT:
		snprintf(reason, size, "not signed in: homewardctl sign-in ACCOUNT");
		return;
	case REGISTRAR_PHASE_WAITING_MAPPER:
		snprintf(reason, size, "waiting for mapper to say where this host is");
		return;
	case REGISTRAR_PHASE_WAITING_NETWORK:
		snprintf(reason, size, "there is no network");
		return;
	case REGISTRAR_PHASE_WAITING_MAPPING:
		snprintf(reason, size, "the tunnel's port has no address to the outside yet");
		return;
	case REGISTRAR_PHASE_DISCOVERING:
		snprintf(reason, size, "looking for the server of %s",
			 registrar->held.names.account_domain);
		return;
	case REGISTRAR_PHASE_PUBLISHING:
		snprintf(reason, size, "telling %s where this host is", server);
		return;
	case REGISTRAR_PHASE_PUBLISHED:
		snprintf(reason, size, "published as %s at %s for %u s", endpoint,
			 registrar->published.server, state->lease);
		return;
	case REGISTRAR_PHASE_RETRYING:
	case REGISTRAR_PHASE_UNREACHABLE:
	case REGISTRAR_PHASE_UNTRUSTED:
	case REGISTRAR_PHASE_CLOCK_SKEW:
	case REGISTRAR_PHASE_BAD_KEY:
	case REGISTRAR_PHASE_REFUSED:
	case REGISTRAR_PHASE_NAME_TAKEN:
		snprintf(reason, size, "%s", state->trouble);
		return;
	case REGISTRAR_PHASE_WITHDRAWING:
		snprintf(reason, size, "taking this host's records out of the zone");
		return;
	case REGISTRAR_PHASE_SUSPENDED:
		snprintf(reason, size, "this host is going to sleep, and is not in the zone");
		return;
	}
}

static void drive(struct registrar *registrar);

static void cancel(struct registrar *registrar)
{
	registrar->exchange = dns_exchange_free(registrar->exchange);
	dns_locator_stop(registrar->locator);
}

static void forget_key(struct registrar *registrar)
{
	cancel(registrar);
	dns_channel_set_servers(registrar->channel, NULL, 0);
	signing_key_deinit(&registrar->held);
	published_records_deinit(&registrar->published_records);
	services_unblock(shares_services(registrar->shares));
	note(registrar, "key forgotten");
}

/* By how many seconds the server's clock is ahead of ours; 0: it did not say. */
static int64_t clock_difference(uint64_t server_time)
{
	return server_time ? (int64_t)(server_time - realtime_usec() / 1000000) : 0;
}

static void set_servers(struct registrar *registrar, const struct server_list *servers)
{
	dns_channel_set_servers(registrar->channel, servers->items, servers->n);
	registrar->server = servers->items[0].address;
	memset(&registrar->clear, 0, sizeof(registrar->clear));
	for (size_t i = 0; i < servers->n && !registrar->clear.sin_family; i++)
		if (!servers->items[i].tls)
			registrar->clear = servers->items[i].address;
}

static void on_located(void *userdata, int error, const char *found,
		       const struct server_list *servers)
{
	struct registrar *registrar = userdata;
	enum registrar_result result = REGISTRAR_RESULT_OK;
	char words[320] = "";

	if (error == 0) {
		set_servers(registrar, servers);
	} else {
		result = registrar_result_of_error(
			registrar->held.names.account_domain, error,
			clock_difference(dns_locator_server_time(registrar->locator)), words,
			sizeof(words));
		/* It knows better which of the servers on the way it was. */
		if (result == REGISTRAR_RESULT_FAILED || result == REGISTRAR_RESULT_UNREACHABLE)
			snprintf(words, sizeof(words), "%s; trying again", found);
		note(registrar, words);
	}
	registrar_state_on_located(&registrar->state, now(registrar), result, words,
				   random_number());
	drive(registrar);
}

/* What the UPDATE sent last is about. */
static const char *sent_text(const struct registrar *registrar, char text[32])
{
	const struct registrar_state *state = &registrar->state;

	if (state->sent_host_settled && !state->sent_whole)
		return "shared services";
	return endpoint_text(&state->sent.endpoint, text);
}

static void note_published(struct registrar *registrar)
{
	char text[32];
	const char *what = sent_text(registrar, text);

	timeline_note(&registrar->timeline, registrar->state.sent.generation, "published %s", what);
	log_info("published %s, lease %u s", what, registrar->state.lease);
}

static void note_records(struct registrar *registrar, enum registrar_result result, bool withdrawn)
{
	if (result == REGISTRAR_RESULT_SERVICE) {
		if (published_records_refused(&registrar->published_records) < 0)
			log_error("out of memory");
		shares_keep(registrar->shares);
		return;
	}
	if (result != REGISTRAR_RESULT_OK)
		return;
	if (withdrawn)
		published_records_deinit(&registrar->published_records);
	else if (published_records_acknowledged(&registrar->published_records,
						registrar->sent_records) < 0)
		log_error("out of memory");
}

/* Whether a shared service and not the host itself is what the server does not want. */
static enum registrar_result result_for_services(struct registrar *registrar,
						 enum registrar_result result, char *words,
						 size_t size)
{
	const struct registrar_state *state = &registrar->state;
	enum registrar_result verdict =
		services_on_result(shares_services(registrar->shares), result,
				   state->sent_host_settled && !state->sent_whole,
				   registrar->held.names.host_name, now(registrar));

	if (verdict == REGISTRAR_RESULT_SERVICE)
		snprintf(words, size, "the server does not take a shared service as it is (%s)",
			 result == REGISTRAR_RESULT_NAME_TAKEN ? "its name is taken" : "refused");
	return verdict;
}

static void on_updated(void *userdata, const struct dns_exchange_result *answer)
{
	struct registrar *registrar = userdata;
	bool withdrawing = registrar->state.activity == REGISTRAR_ACTIVITY_WITHDRAWING;
	enum registrar_result result;
	char words[320] = "";
	uint32_t lease = 0;

	if (answer->error < 0)
		result = registrar_result_of_error(
			registrar->held.names.account_domain, answer->error,
			clock_difference(answer->server_time), words, sizeof(words));
	else
		result = registrar_result_of_rcode(&registrar->held.names, answer->response->rcode,
						   words, sizeof(words));
	if (result == REGISTRAR_RESULT_UNTRUSTED && answer->words)
		snprintf(words, sizeof(words), "%s", answer->words);
	if (dns_channel_server(registrar->channel) && dns_channel_count(registrar->channel))
		registrar->server = dns_channel_server(registrar->channel)->address;
	if (result == REGISTRAR_RESULT_OK && !withdrawing)
		lease = registration_read_lease(answer->response, registrar->config->lease);
	if (!withdrawing)
		result = result_for_services(registrar, result, words, sizeof(words));
	note_records(registrar, result, withdrawing);
	registrar->state.counts.messages_dropped += dns_exchange_dropped(registrar->exchange);
	registrar->exchange = dns_exchange_free(registrar->exchange);
	registrar_state_on_updated(&registrar->state, now(registrar), result, lease, words,
				   random_number());
	if (result != REGISTRAR_RESULT_OK)
		note(registrar, words);
	else if (withdrawing)
		note(registrar, "withdrawn");
	else
		note_published(registrar);
	if (result == REGISTRAR_RESULT_OK && !withdrawing)
		show_published(registrar);
	drive(registrar);
}

/* Sends an UPDATE; a failure to do so comes back as any other. */
static void send_update(struct registrar *registrar, const uint8_t *message, int size)
{
	struct dns_exchange_options options = {
		.server = registrar->clear,
		.channel = dns_channel_count(registrar->channel) ? registrar->channel : NULL,
		.message = message,
		.size = size < 0 ? 0 : size,
		.key = &registrar->held.tsig,
	};
	int r = size;

	if (r >= 0)
		r = dns_exchange_new(daemon_loop(registrar->daemon), &options, on_updated,
				     registrar, &registrar->exchange);
	if (r < 0) {
		log_error("cannot send an update: %s", strerror(-r));
		registrar_state_on_updated(&registrar->state, now(registrar),
					   REGISTRAR_RESULT_FAILED, 0, strerror(-r), 0);
	}
}

static int write_publication(struct registrar *registrar, uint8_t *message)
{
	const struct host_names *names = &registrar->held.names;
	struct published_records *published = &registrar->published_records;
	uint32_t lease = registrar->config->lease;
	int size;

	ldns_rr_list_deep_free(registrar->sent_records);
	registrar->sent_records =
		registration_records(names, &registrar->device, &registrar->state.sent.endpoint);
	if (!registrar->sent_records ||
	    services_select(shares_services(registrar->shares), names,
			    registrar->state.sent_host_settled && !registrar->state.sent_whole,
			    now(registrar), registrar->sent_records) < 0)
		return -ENOMEM;
	if (registrar->state.sent_whole)
		size = published_records_write_whole(published, names->account_domain,
						     registrar->sent_records, lease, message,
						     PUBLISHED_MESSAGE_SIZE);
	else
		size = published_records_write_difference(published, names->account_domain,
							  registrar->sent_records, lease, message,
							  PUBLISHED_MESSAGE_SIZE);
	return size < 0                                                         ? size
	       : published_records_sent(published, registrar->sent_records) < 0 ? -ENOMEM
										: size;
}

static void publish(struct registrar *registrar)
{
	cleanup(freep) uint8_t *message = malloc(PUBLISHED_MESSAGE_SIZE);
	int size = message ? write_publication(registrar, message) : -ENOMEM;
	char text[32];

	timeline_note(&registrar->timeline, registrar->state.sent.generation, "update sent: %s",
		      sent_text(registrar, text));
	send_update(registrar, message, size);
}

static void withdraw(struct registrar *registrar)
{
	static const struct sockaddr_in nowhere = { .sin_family = AF_INET };
	const struct host_names *names = &registrar->held.names;
	cleanup(freep) uint8_t *message = malloc(PUBLISHED_MESSAGE_SIZE);
	ldns_rr_list *usual = registration_records(names, &registrar->device, &nowhere);
	int size = -ENOMEM;

	if (message && usual)
		size = published_records_write_withdrawal(&registrar->published_records,
							  names->account_domain, usual, message,
							  PUBLISHED_MESSAGE_SIZE);
	ldns_rr_list_deep_free(usual);
	note(registrar, "withdrawal sent");
	send_update(registrar, message, size);
}

static void locate(struct registrar *registrar)
{
	struct dns_locator_target target = {
		.members_domain = registrar->held.names.members_domain,
		.account_domain = registrar->held.names.account_domain,
		.key = &registrar->held.tsig,
	};
	int r = dns_locator_start(registrar->locator, &target);

	if (r < 0)
		registrar_state_on_located(&registrar->state, now(registrar),
					   REGISTRAR_RESULT_FAILED, strerror(-r), random_number());
}

static void carry_out(struct registrar *registrar, enum registrar_action action)
{
	switch (action) {
	case REGISTRAR_ACTION_NONE:
		return;
	case REGISTRAR_ACTION_GET_KEY:
		if (signing_identity_get_key(registrar->identity, &registrar->held) < 0)
			registrar_state_on_key(&registrar->state, now(registrar), 0, false);
		return;
	case REGISTRAR_ACTION_FORGET_KEY:
		forget_key(registrar);
		return;
	case REGISTRAR_ACTION_LOCATE:
		locate(registrar);
		return;
	case REGISTRAR_ACTION_PUBLISH:
		publish(registrar);
		return;
	case REGISTRAR_ACTION_WITHDRAW:
		withdraw(registrar);
		return;
	case REGISTRAR_ACTION_CANCEL:
		cancel(registrar);
		return;
	case REGISTRAR_ACTION_EXIT:
		daemon_stop(registrar->daemon, 0);
		return;
	}
}

/* Steps until nothing is to be done, then waits. */
static void drive(struct registrar *registrar)
{
	struct services *services = shares_services(registrar->shares);
	struct registrar_state *state = &registrar->state;
	enum registrar_action action;
	uint64_t services_at;

	do {
		registrar_state_set_services(state, services_differ(services, now(registrar)));
		action = registrar_state_step(state, now(registrar));
		carry_out(registrar, action);
	} while (action != REGISTRAR_ACTION_NONE && action != REGISTRAR_ACTION_EXIT);
	if (!state->published)
		show_unpublished(registrar);
	else if (registrar->published.generation != state->published_place.generation)
		show_published(registrar);
	if (state->sleeping && registrar_state_may_sleep(state))
		sleep_lock_let_go(registrar->sleep_lock);
	services_at = services_due(services, now(registrar));
	loop_timer_set(registrar->timer, services_at < state->due ? services_at : state->due);
	make_reason(registrar);
	registrar_bus_emit_state(registrar);
	shares_show(registrar->shares, &registrar->held.names, state->published, registrar->reason);
}

static void on_timer(void *userdata)
{
	drive(userdata);
}

static void on_identity(void *userdata)
{
	struct registrar *registrar = userdata;
	struct signing_identity_view view;

	signing_identity_read(registrar->identity, &view);
	registrar_state_set_identity(&registrar->state, view.present, view.number);
	drive(registrar);
	list_submission_look(registrar->list_submission);
}

static void on_key(void *userdata, struct signing_key *key, const char *words)
{
	struct registrar *registrar = userdata;
	struct registrar_state *state = &registrar->state;

	if (words) {
		snprintf(state->trouble, sizeof(state->trouble), "%s", words);
		log_warning("identity gave no key: %s", words);
	}
	registrar_state_on_key(state, now(registrar), key->number, !words);
	drive(registrar);
}

/* From where we are now: what was sent before may have its answer nowhere. */
static void ask_anew(struct registrar *registrar)
{
	dns_locator_resend(registrar->locator);
	dns_channel_reset(registrar->channel);
	if (registrar->exchange)
		dns_exchange_resend(registrar->exchange);
}

static void on_mapper(void *userdata)
{
	struct registrar *registrar = userdata;
	struct mapper_view view;
	bool restarted;

	mapper_client_read(registrar->mapper, &view);
	restarted = view.present && view.incarnation != registrar->mapper_incarnation;
	registrar_state_set_mapper(&registrar->state, view.present, view.network, &view.place,
				   restarted);
	if (view.present)
		registrar->mapper_incarnation = view.incarnation;
	/* What is under way is asked again from the new network. A publication for a newer endpoint
	 * replaces the one under way by itself. */
	if (view.present && view.network && view.place.generation != registrar->generation) {
		registrar->generation = view.place.generation;
		ask_anew(registrar);
	}
	drive(registrar);
}

static void on_shares(void *userdata)
{
	drive(userdata);
}

static void on_sleep(void *userdata, bool sleeping)
{
	struct registrar *registrar = userdata;

	note(registrar, sleeping ? "the machine goes to sleep" : "the machine is awake again");
	registrar_state_set_sleeping(&registrar->state, sleeping);
	/* A connection from before that sleep may be one only as far as we know. */
	if (!sleeping)
		ask_anew(registrar);
	drive(registrar);
}

void registrar_refresh(struct registrar *registrar)
{
	services_unblock(shares_services(registrar->shares));
	registrar_state_refresh(&registrar->state);
	drive(registrar);
}

void registrar_terminate(struct registrar *registrar)
{
	registrar_state_terminate(&registrar->state);
	drive(registrar);
}

int registrar_new(struct daemon *daemon, const struct registrar_config *config,
		  struct registrar **ret)
{
	cleanup(registrar_freep) struct registrar *registrar = NULL;
	struct shares_options shares_options = { 0 };
	/* RFC 6281 §5.2 calls it "_udp" although TLS is not; both names are in use. */
	static const struct dns_locator_service services[] = {
		{ "_dns-update-tls._udp", 0, true },
		{ "_dns-update-tls._tcp", 0, true },
		{ "_dns-update._udp", 1, false },
	};
	const struct dns_locator_options options = {
		.services = services,
		.n_services = ARRAY_SIZE(services),
		.config = &config->server,
	};
	int r;

	registrar = calloc(1, sizeof(*registrar));
	if (!registrar)
		return -ENOMEM;
	registrar->daemon = daemon;
	registrar->config = config;
	shares_options.loop = daemon_loop(daemon);
	shares_options.bus = daemon_bus(daemon);
	shares_options.folder = config->state_folder;
	shares_options.on_change = on_shares;
	shares_options.userdata = registrar;
	registrar_state_init(&registrar->state, now(registrar), config->startup_delay_msec,
			     random_number());
	device_describe(&registrar->device);
	make_reason(registrar);
	r = loop_timer_new(daemon_loop(daemon), on_timer, registrar, &registrar->timer);
	if (r >= 0)
		r = dns_locator_new(daemon_loop(daemon), &options, on_located, registrar,
				    &registrar->locator);
	if (r >= 0)
		r = dns_channel_new(daemon_loop(daemon), &registrar->channel);
	if (r >= 0)
		r = shares_new(&shares_options, &registrar->shares);
	if (r >= 0)
		r = registrar_bus_add(registrar);
	if (r >= 0)
		r = sleep_lock_new(daemon_loop(daemon), daemon_bus(daemon), on_sleep, registrar,
				   &registrar->sleep_lock);
	if (r >= 0)
		r = identity_client_new(daemon_bus(daemon), on_identity, on_key, registrar,
					&registrar->identity);
	if (r >= 0)
		r = list_submission_new(daemon_loop(daemon), &options, registrar->identity,
					&registrar->list_submission);
	if (r >= 0)
		r = mapper_client_new(daemon_bus(daemon), on_mapper, registrar, &registrar->mapper);
	if (r < 0)
		return r;
	drive(registrar);
	*ret = steal_ptr(registrar);
	return 0;
}

struct registrar *registrar_free(struct registrar *registrar)
{
	if (!registrar)
		return NULL;
	sleep_lock_free(registrar->sleep_lock);
	shares_free(registrar->shares);
	list_submission_free(registrar->list_submission);
	signing_identity_free(registrar->identity);
	mapper_client_free(registrar->mapper);
	dns_exchange_free(registrar->exchange);
	dns_locator_free(registrar->locator);
	dns_channel_free(registrar->channel);
	loop_timer_free(registrar->timer);
	sd_bus_slot_unref(registrar->bus_slot);
	ldns_rr_list_deep_free(registrar->sent_records);
	published_records_deinit(&registrar->published_records);
	free_records(registrar);
	signing_key_deinit(&registrar->held);
	free(registrar);
	return NULL;
}
