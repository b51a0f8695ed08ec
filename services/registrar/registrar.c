/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/registrar.h"

#include "common/base/log.h"
#include "services/registrar/device.h"

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

/* The records sent, as text, now that the server has them. */
static void show_records(struct registrar *registrar)
{
	size_t n = ldns_rr_list_rr_count(registrar->sent_records);

	free_records(registrar);
	registrar->records = calloc(n + 1, sizeof(char *));
	for (size_t i = 0; registrar->records && i < n; i++) {
		char *text = ldns_rr2str(ldns_rr_list_rr(registrar->sent_records, i));

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
	case REGISTRAR_PHASE_REFUSED:
	case REGISTRAR_PHASE_NAME_TAKEN:
		snprintf(reason, size, "%s", state->trouble);
		return;
	case REGISTRAR_PHASE_WITHDRAWING:
		snprintf(reason, size, "taking this host's records out of the zone");
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
	signing_key_deinit(&registrar->held);
	note(registrar, "key forgotten");
}

static enum registrar_result result_of_error(struct registrar *registrar, int error, char *words,
					     size_t size)
{
	const char *name = registrar->held.names.account_domain;

	switch (error) {
	case -ENOKEY:
	case -EKEYREJECTED:
		snprintf(words, size,
			 "wrong password or unknown account: the server of %.90s does not accept "
			 "this "
			 "host's key; sign out and in again",
			 name);
		return REGISTRAR_RESULT_REFUSED;
	case -EACCES:
		snprintf(words, size, "the server does not let this host act for %s", name);
		return REGISTRAR_RESULT_REFUSED;
	case -ETIME:
		snprintf(words, size,
			 "this host's clock and the server's differ by more than five minutes: "
			 "set the clock");
		return REGISTRAR_RESULT_CLOCK;
	case -ETIMEDOUT:
		snprintf(words, size, "the server of %s does not answer; trying again", name);
		return REGISTRAR_RESULT_FAILED;
	default:
		snprintf(words, size, "asking the server of %s failed: %s; trying again", name,
			 strerror(-error));
		return REGISTRAR_RESULT_FAILED;
	}
}

static enum registrar_result result_of_rcode(struct registrar *registrar, uint16_t rcode,
					     char *words, size_t size)
{
	const struct host_names *held = &registrar->held.names;

	switch (rcode) {
	case LDNS_RCODE_NOERROR:
		return REGISTRAR_RESULT_OK;
	case LDNS_RCODE_YXDOMAIN:
		snprintf(words, size,
			 "another host of this account is called %s: sign out, choose another name "
			 "(homewardctl set-name), sign in again",
			 held->host_name);
		return REGISTRAR_RESULT_NAME_TAKEN;
	case LDNS_RCODE_REFUSED:
	case LDNS_RCODE_NOTAUTH:
	case LDNS_RCODE_NOTZONE:
		snprintf(words, size, "the server refuses to publish this host under its name");
		return REGISTRAR_RESULT_REFUSED;
	default:
		snprintf(words, size,
			 "the server could not publish this host (RCODE %u); trying again", rcode);
		return REGISTRAR_RESULT_FAILED;
	}
}

static void on_located(void *userdata, int error, const char *found,
		       const struct sockaddr_in *server)
{
	struct registrar *registrar = userdata;
	enum registrar_result result = REGISTRAR_RESULT_OK;
	char words[200] = "";

	if (error == 0) {
		registrar->server = *server;
	} else {
		result = result_of_error(registrar, error, words, sizeof(words));
		/* It knows better which of the servers on the way it was. */
		if (result == REGISTRAR_RESULT_FAILED)
			snprintf(words, sizeof(words), "%s; trying again", found);
		note(registrar, words);
	}
	registrar_state_on_located(&registrar->state, now(registrar), result, words);
	drive(registrar);
}

static void note_published(struct registrar *registrar)
{
	char endpoint[32];

	timeline_note(&registrar->timeline, registrar->state.sent.generation, "published %s",
		      endpoint_text(&registrar->state.sent.endpoint, endpoint));
	log_info("published %s, lease %u s", endpoint, registrar->state.lease);
}

static void on_updated(void *userdata, const struct dns_exchange_result *answer)
{
	struct registrar *registrar = userdata;
	bool withdrawing = registrar->state.activity == REGISTRAR_ACTIVITY_WITHDRAWING;
	enum registrar_result result;
	char words[200] = "";
	uint32_t lease = 0;

	if (answer->error < 0)
		result = result_of_error(registrar, answer->error, words, sizeof(words));
	else
		result = result_of_rcode(registrar, answer->response->rcode, words, sizeof(words));
	if (result == REGISTRAR_RESULT_OK && !withdrawing)
		lease = registration_read_lease(answer->response, registrar->config->lease);
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
		.server = registrar->server,
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

static void publish(struct registrar *registrar)
{
	uint8_t message[DNS_UDP_SIZE * 2];
	char endpoint[32];
	int size = -ENOMEM;

	ldns_rr_list_deep_free(registrar->sent_records);
	registrar->sent_records = registration_records(&registrar->held.names, &registrar->device,
						       &registrar->state.sent.endpoint);
	if (registrar->sent_records)
		size = registration_write_publish(&registrar->held.names, registrar->sent_records,
						  registrar->config->lease, message,
						  sizeof(message));
	timeline_note(&registrar->timeline, registrar->state.sent.generation, "update sent: %s",
		      endpoint_text(&registrar->state.sent.endpoint, endpoint));
	send_update(registrar, message, size);
}

static void withdraw(struct registrar *registrar)
{
	uint8_t message[DNS_UDP_SIZE * 2];
	int size = registration_write_withdraw(&registrar->held.names, message, sizeof(message));

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
					   REGISTRAR_RESULT_FAILED, strerror(-r));
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
	enum registrar_action action;

	do {
		action = registrar_state_step(&registrar->state, now(registrar));
		carry_out(registrar, action);
	} while (action != REGISTRAR_ACTION_NONE && action != REGISTRAR_ACTION_EXIT);
	if (!registrar->state.published)
		show_unpublished(registrar);
	loop_timer_set(registrar->timer, registrar->state.due);
	make_reason(registrar);
	registrar_bus_emit_state(registrar);
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
		dns_locator_resend(registrar->locator);
	}
	drive(registrar);
}

void registrar_refresh(struct registrar *registrar)
{
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
	struct dns_locator_options options = {
		.service = "_dns-update._udp",
		.resolv_conf = config->resolv_conf,
		.configured = config->server,
		.configured_port = config->server_port,
	};
	int r;

	registrar = calloc(1, sizeof(*registrar));
	if (!registrar)
		return -ENOMEM;
	registrar->daemon = daemon;
	registrar->config = config;
	registrar_state_init(&registrar->state, now(registrar), config->startup_delay_msec,
			     random_number());
	device_describe(&registrar->device);
	make_reason(registrar);
	r = loop_timer_new(daemon_loop(daemon), on_timer, registrar, &registrar->timer);
	if (r >= 0)
		r = dns_locator_new(daemon_loop(daemon), &options, on_located, registrar,
				    &registrar->locator);
	if (r >= 0)
		r = registrar_bus_add(registrar);
	if (r >= 0)
		r = identity_client_new(daemon_bus(daemon), on_identity, on_key, registrar,
					&registrar->identity);
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
	signing_identity_free(registrar->identity);
	mapper_client_free(registrar->mapper);
	dns_exchange_free(registrar->exchange);
	dns_locator_free(registrar->locator);
	loop_timer_free(registrar->timer);
	sd_bus_slot_unref(registrar->bus_slot);
	ldns_rr_list_deep_free(registrar->sent_records);
	free_records(registrar);
	signing_key_deinit(&registrar->held);
	free(registrar);
	return NULL;
}
