/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/watcher.h"

#include "common/base/log.h"
#include "common/dns-client/dns-stream.h"
#include "common/dns/server-words.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* A host that moved changes its SRV and its A; they are told in two messages. */
#define SETTLE_MSEC 20
/* Of each host, and hosts that services leave room for. */
#define HOST_QUESTIONS    4
#define REVOKED_QUESTIONS 1
#define NEW_HOSTS         4
/* So long the last known is taken for true while a connection is made anew. */
#define STALE_MSEC 15000

static void drive(struct watcher *watcher);

static uint32_t random_number(void *userdata)
{
	uint32_t number = 0;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		number = realtime_usec();
	return number;
}

static struct llq_time time_now(struct watcher *watcher)
{
	return (struct llq_time){ .now = loop_now(daemon_loop(watcher->daemon)),
				  .realtime = realtime_usec() / 1000000 };
}

static void note(struct watcher *watcher, const char *text)
{
	timeline_note(&watcher->timeline, watcher->state.generation, "%s", text);
	log_info("%s", text);
}

static void set_server(struct watcher *watcher, const struct sockaddr_in *server)
{
	char address[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &server->sin_addr, address, sizeof(address));
	snprintf(watcher->server_text, sizeof(watcher->server_text), "%s:%u", address,
		 ntohs(server->sin_port));
}

static void note_host(struct watcher *watcher, const struct host *host)
{
	char address[INET_ADDRSTRLEN], text[120];

	if (host->changes & HOST_CHANGE_REMOVED)
		snprintf(text, sizeof(text), "%s is gone", host->label);
	else if (host->changes & HOST_CHANGE_ENDPOINT && host->live)
		snprintf(text, sizeof(text), "%s is at %s:%u", host->label,
			 inet_ntop(AF_INET, &host->endpoint.sin_addr, address, sizeof(address)),
			 ntohs(host->endpoint.sin_port));
	else if (host->changes & HOST_CHANGE_ENDPOINT)
		snprintf(text, sizeof(text), "%s has no endpoint now", host->label);
	else
		return;
	note(watcher, text);
}

/* Tells the bus what the view says now. */
static void show_hosts(struct watcher *watcher)
{
	for (size_t i = 0; i < watcher->view.n_hosts; i++) {
		struct host *host = watcher->view.hosts[i];

		if (!host->changes)
			continue;
		if (host->changes & HOST_CHANGE_ADDED)
			host->since = realtime_usec() / 1000000;
		host_set_not_heard_since(host, watcher->not_heard_since);
		note_host(watcher, host);
		watcher_bus_emit_host(watcher, host);
		host->changes &= HOST_CHANGE_REMOVED;
	}
	host_view_drop_removed(&watcher->view);
}

static void show_services(struct watcher *watcher)
{
	for (size_t i = 0; i < watcher->services.n_services; i++) {
		struct service *service = watcher->services.services[i];

		if (!service->changes)
			continue;
		if (service->changes & SERVICE_CHANGE_ADDED)
			service->since = realtime_usec() / 1000000;
		watcher_bus_emit_service(watcher, service);
		service->changes &= SERVICE_CHANGE_REMOVED;
	}
	service_view_drop_removed(&watcher->services);
}

static void show_names(struct watcher *watcher)
{
	if (watch_set_status(watcher->set) == LLQ_STATUS_WATCHING)
		watcher->complete = true;
	if (watcher->held.number)
		names_show(watcher->names, &watcher->held.names, watcher->set, watcher->complete);
}

static void on_settled(void *userdata)
{
	struct watcher *watcher = userdata;

	/* First, so that whom this host may still speak to is known before where they are. */
	if (watcher->held.number)
		revoked_show(watcher->revoked, watcher->held.names.account_domain, watcher->set);
	host_view_update(&watcher->view, watcher->set);
	show_hosts(watcher);
	service_view_update(&watcher->services, watcher->set);
	service_view_set_not_heard_since(&watcher->services, watcher->not_heard_since);
	show_services(watcher);
	show_names(watcher);
	/* The reason says how many hosts there are. */
	drive(watcher);
}

static void forget_hosts(struct watcher *watcher)
{
	loop_timer_set(watcher->settle, UINT64_MAX);
	for (size_t i = 0; i < watcher->view.n_hosts; i++)
		watcher->view.hosts[i]->changes |= HOST_CHANGE_REMOVED;
	show_hosts(watcher);
	for (size_t i = 0; i < watcher->services.n_services; i++)
		watcher->services.services[i]->changes |= SERVICE_CHANGE_REMOVED;
	show_services(watcher);
}

static void want_questions(struct watcher *watcher, const struct llq_time *time)
{
	/* With room for some that will come. */
	size_t others = (watcher->view.n_hosts + NEW_HOSTS) * HOST_QUESTIONS + 1 +
			REVOKED_QUESTIONS + NAMES_QUESTIONS;

	watch_set_want_begin(watcher->set);
	revoked_want(watcher->revoked, watcher->held.names.account_domain, watcher->set);
	host_view_want(&watcher->view, watcher->set);
	names_want(watcher->names, &watcher->held.names, watcher->set);
	service_view_want(&watcher->services, watcher->set,
			  others < LLQ_SET_MAX ? LLQ_SET_MAX - others : 0);
	watch_set_want_end(watcher->set, time);
}

static void follow_status(struct watcher *watcher, uint64_t now);

/* Takes what the set of queries has to say after a datagram, a tick or a start. */
static void follow_set(struct watcher *watcher)
{
	struct llq_time time = time_now(watcher);

	if (watcher->seen_changes != watch_set_changes(watcher->set)) {
		watcher->seen_changes = watch_set_changes(watcher->set);
		want_questions(watcher, &time);
		loop_timer_set_delay(watcher->settle, SETTLE_MSEC);
	}
	/* The last answer may have been that there is nothing. */
	if (!watcher->complete && watch_set_status(watcher->set) == LLQ_STATUS_WATCHING)
		loop_timer_set_delay(watcher->settle, SETTLE_MSEC);
	if (watcher->seen_heard != watch_set_heard(watcher->set)) {
		watcher->seen_heard = watch_set_heard(watcher->set);
		watcher->last_heard = time.realtime;
	}
	follow_status(watcher, time.now);
	/* While a better way is looked for the present one is good. */
	if (watcher->state.activity == WATCHER_ACTIVITY_NONE)
		link_stop(watcher->link);
	link_flush(watcher->link);
}

/* The set was abandoned: what it knew stays. */
static void start_way(struct watcher *watcher, const struct dns_server *server)
{
	struct llq_time time = time_now(watcher);
	char words[80];
	int r;

	set_server(watcher, &server->address);
	/* Only the same way takes the place of what there was by itself. */
	if (link_transport(watcher->link) != server->service)
		link_stop(watcher->link);
	want_questions(watcher, &time);
	r = link_start(watcher->link, server, &watcher->held.tsig,
		       watcher->held.names.account_domain);
	if (r < 0) {
		snprintf(words, sizeof(words), "cannot open a socket: %s", strerror(-r));
		watcher_state_on_status(&watcher->state, time.now, LLQ_STATUS_FAILED, 0, words);
		return;
	}
	mapper_client_want_port(watcher->mapper, link_port(watcher->link));
	snprintf(words, sizeof(words), "setting up the queries at %s", watcher->server_text);
	note(watcher, words);
	follow_set(watcher);
}

static void start_set(struct watcher *watcher)
{
	const struct dns_server *server = ways_first(&watcher->ways, time_now(watcher).now);

	if (server)
		start_way(watcher, server);
	else
		watcher_state_on_status(&watcher->state, time_now(watcher).now,
					LLQ_STATUS_UNSUPPORTED, 0, NULL);
}

/* The present way does not work: on to the next one, or the end of it for now. */
static void give_up_way(struct watcher *watcher, uint64_t now, enum llq_status status,
			enum ways_failure failure, const char *words)
{
	const struct dns_server *next;

	if (words)
		note(watcher, words);
	if (watcher_state_on_broken(&watcher->state, now))
		return;
	next = ways_next(&watcher->ways, failure, now);
	if (next)
		start_way(watcher, next);
	else
		watcher_state_on_status(&watcher->state, now, status, 0, words);
}

static void follow_status(struct watcher *watcher, uint64_t now)
{
	enum llq_status status = watch_set_status(watcher->set);

	switch (status) {
	case LLQ_STATUS_IDLE:
		/* The connection is not there yet. */
		return;
	case LLQ_STATUS_UNSUPPORTED:
		link_stop(watcher->link);
		give_up_way(watcher, now, status, WAYS_UNSUPPORTED, "the server knows no DNS Push");
		return;
	case LLQ_STATUS_FAILED:
		link_stop(watcher->link);
		give_up_way(watcher, now, status, WAYS_FAILED, NULL);
		return;
	case LLQ_STATUS_CONNECTING:
	case LLQ_STATUS_WATCHING:
	case LLQ_STATUS_FULL:
	case LLQ_STATUS_REFUSED:
	case LLQ_STATUS_DELAYED:
		watcher_state_on_status(&watcher->state, now, status,
					watch_set_retry_after(watcher->set), NULL);
		return;
	}
}

static void on_lost(void *userdata, int error, const char *words)
{
	struct watcher *watcher = userdata;
	enum ways_failure failure = link_was_open(watcher->link) ? WAYS_FAILED : WAYS_UNREACHABLE;

	if (error == DNS_STREAM_UNTRUSTED)
		failure = WAYS_UNTRUSTED;
	if (watcher->state.activity != WATCHER_ACTIVITY_NONE)
		give_up_way(watcher, time_now(watcher).now, LLQ_STATUS_FAILED, failure, words);
	drive(watcher);
}

static void forget_key(struct watcher *watcher)
{
	dns_locator_stop(watcher->locator);
	link_stop(watcher->link);
	forget_hosts(watcher);
	watch_set_clear(watcher->set);
	watcher->seen_changes = watch_set_changes(watcher->set);
	host_view_clear(&watcher->view);
	service_view_clear(&watcher->services);
	mapper_client_want_port(watcher->mapper, 0);
	names_forget(watcher->names);
	revoked_forget(watcher->revoked);
	watcher->complete = false;
	signing_key_deinit(&watcher->held);
	watcher->server_text[0] = 0;
	note(watcher, "key forgotten");
}

static void locate(struct watcher *watcher)
{
	struct dns_locator_target target = {
		.members_domain = watcher->held.names.members_domain,
		.account_domain = watcher->held.names.account_domain,
		.key = &watcher->held.tsig,
	};
	int r = dns_locator_start(watcher->locator, &target);

	if (r < 0)
		watcher_state_on_located(&watcher->state, time_now(watcher).now, false,
					 strerror(-r));
}

static void describe_failure(struct watcher *watcher, int error, const char *found, char *words,
			     size_t size)
{
	const char *name = watcher->held.names.account_domain;
	uint64_t server_time = dns_locator_server_time(watcher->locator);

	if (error == -ENOKEY || error == -EKEYREJECTED)
		server_words_bad_key(name, words, size);
	else if (error == -EACCES)
		snprintf(words, size, "the server does not let this host read %.100s", name);
	else if (error == -ETIME)
		server_words_clock(server_time ? (int64_t)(server_time - time_now(watcher).realtime)
					       : 0,
				   words, size);
	else
		snprintf(words, size, "%s; trying again", found);
}

static void ask_whether_forgotten(struct watcher *watcher, int error)
{
	struct sockaddr_in server = dns_locator_server_asked(watcher->locator);

	if (error == -ENOKEY)
		revoked_ask(watcher->revoked, watcher->held.names.account_domain, &server,
			    &watcher->held.tsig);
}

static void on_located(void *userdata, int error, const char *found,
		       const struct server_list *servers)
{
	struct watcher *watcher = userdata;
	bool refused = error == -ENOKEY || error == -EKEYREJECTED || error == -EACCES;
	char words[320];

	if (error == 0) {
		ways_set(&watcher->ways, servers, time_now(watcher).now);
		set_server(watcher, &servers->items[0].address);
	} else {
		describe_failure(watcher, error, found, words, sizeof(words));
		note(watcher, words);
		ask_whether_forgotten(watcher, error);
	}
	if (error < 0 && link_transport(watcher->link) != WATCH_TRANSPORT_NONE) {
		ways_later(&watcher->ways, time_now(watcher).now);
		watcher_state_stay(&watcher->state);
		drive(watcher);
		return;
	}
	watcher_state_on_located(&watcher->state, time_now(watcher).now, refused,
				 error == 0 ? NULL : words);
	drive(watcher);
}

static void on_names_gone(void *userdata)
{
	struct watcher *watcher = userdata;

	daemon_stop(watcher->daemon, 0);
}

/* A program asks for what was not watched so far. */
static void on_names_want(void *userdata)
{
	struct watcher *watcher = userdata;
	struct llq_time time = time_now(watcher);

	if (!watcher->held.number)
		return;
	want_questions(watcher, &time);
	follow_set(watcher);
	drive(watcher);
}

static void on_names(void *userdata)
{
	watcher_bus_emit_names(userdata);
}

static void carry_out(struct watcher *watcher, enum watcher_action action)
{
	switch (action) {
	case WATCHER_ACTION_NONE:
		return;
	case WATCHER_ACTION_GET_KEY:
		if (signing_identity_get_key(watcher->identity, &watcher->held) < 0)
			watcher_state_on_key(&watcher->state, time_now(watcher).now, 0, false);
		return;
	case WATCHER_ACTION_FORGET_KEY:
		forget_key(watcher);
		return;
	case WATCHER_ACTION_LOCATE:
		locate(watcher);
		return;
	case WATCHER_ACTION_START:
		start_set(watcher);
		return;
	case WATCHER_ACTION_STOP:
		link_stop(watcher->link);
		return;
	case WATCHER_ACTION_CANCEL:
		link_stop(watcher->link);
		dns_locator_stop(watcher->locator);
		return;
	case WATCHER_ACTION_EXIT:
		names_terminate(watcher->names, on_names_gone);
		return;
	}
}

static void make_reason(struct watcher *watcher)
{
	const struct watcher_state *state = &watcher->state;
	const size_t size = sizeof(watcher->reason);
	char *reason = watcher->reason;

	switch (state->phase) {
	case WATCHER_PHASE_STARTING:
		snprintf(reason, size, "starting");
		return;
	case WATCHER_PHASE_WAITING_IDENTITY:
		snprintf(reason, size, "waiting for identity to say who this host is%s%s",
			 state->trouble[0] ? ": " : "", state->trouble);
		return;
	case WATCHER_PHASE_SIGNED_OUT:
		snprintf(reason, size, "not signed in: homewardctl sign-in ACCOUNT");
		return;
	case WATCHER_PHASE_WAITING_MAPPER:
		snprintf(reason, size, "waiting for mapper to say where this host is");
		return;
	case WATCHER_PHASE_WAITING_NETWORK:
		snprintf(reason, size, "there is no network");
		return;
	case WATCHER_PHASE_DISCOVERING:
		snprintf(reason, size, "looking for the server of %s",
			 watcher->held.names.account_domain);
		return;
	case WATCHER_PHASE_CONNECTING:
		snprintf(reason, size, "setting up queries at %s", watcher->server_text);
		return;
	case WATCHER_PHASE_WATCHING:
		snprintf(reason, size, "%s tells of %zu other host%s", watcher->server_text,
			 watcher->view.n_hosts, watcher->view.n_hosts == 1 ? "" : "s");
		return;
	case WATCHER_PHASE_RETRYING:
	case WATCHER_PHASE_REFUSED:
		snprintf(reason, size, "%s", state->trouble);
		return;
	}
}

/* Whether what is shown may be out of date: at once when the server is known not to tell, and after
 * a while when it is not known. Returns when to look again. */
static uint64_t follow_staleness(struct watcher *watcher)
{
	enum watcher_phase phase = watcher->state.phase;
	bool lost = phase == WATCHER_PHASE_RETRYING || phase == WATCHER_PHASE_REFUSED ||
		    phase == WATCHER_PHASE_WAITING_NETWORK;
	uint64_t now = time_now(watcher).now, since = 0;

	if (phase == WATCHER_PHASE_WATCHING)
		watcher->unwatched = 0;
	else if (!watcher->unwatched)
		watcher->unwatched = now;
	if (watcher->unwatched && (lost || now - watcher->unwatched >= STALE_MSEC))
		since = watcher->last_heard;
	if (since != watcher->not_heard_since) {
		watcher->not_heard_since = since;
		for (size_t i = 0; i < watcher->view.n_hosts; i++)
			host_set_not_heard_since(watcher->view.hosts[i], since);
		show_hosts(watcher);
		service_view_set_not_heard_since(&watcher->services, since);
		show_services(watcher);
	}
	return watcher->unwatched && !since && watcher->last_heard ? watcher->unwatched + STALE_MSEC
								   : UINT64_MAX;
}

static uint64_t next_due(const struct watcher *watcher, uint64_t due)
{
	const uint64_t others[] = { watch_set_due(watcher->set), watcher->state.due,
				    watcher->state.activity == WATCHER_ACTIVITY_RUNNING
					    ? ways_due(&watcher->ways)
					    : UINT64_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		due = others[i] < due ? others[i] : due;
	return due;
}

/* Steps until nothing is to be done, then waits. */
static void drive(struct watcher *watcher)
{
	enum watcher_phase former = watcher->state.phase;
	enum watcher_action action;

	do {
		action = watcher_state_step(&watcher->state, time_now(watcher).now);
		carry_out(watcher, action);
	} while (action != WATCHER_ACTION_NONE && action != WATCHER_ACTION_EXIT);
	loop_timer_set(watcher->timer, next_due(watcher, follow_staleness(watcher)));
	if (former != watcher->state.phase && watcher->state.phase == WATCHER_PHASE_WATCHING)
		note(watcher, "watching");
	if (former != watcher->state.phase && watcher->state.phase == WATCHER_PHASE_RETRYING)
		note(watcher, watcher->state.trouble);
	names_set_stale(watcher->names, watcher->not_heard_since != 0);
	if (watcher->state.phase == WATCHER_PHASE_SIGNED_OUT)
		names_forget(watcher->names);
	make_reason(watcher);
	watcher_bus_emit_state(watcher);
}

static void on_change(void *userdata)
{
	struct watcher *watcher = userdata;

	follow_set(watcher);
	drive(watcher);
}

static void on_timer(void *userdata)
{
	struct watcher *watcher = userdata;
	struct llq_time time = time_now(watcher);

	watch_set_tick(watcher->set, &time);
	follow_set(watcher);
	if (time.now >= ways_due(&watcher->ways)) {
		ways_later(&watcher->ways, time.now);
		watcher_state_look_again(&watcher->state);
	}
	drive(watcher);
}

static void on_identity(void *userdata)
{
	struct watcher *watcher = userdata;
	struct signing_identity_view view;

	signing_identity_read(watcher->identity, &view);
	watcher_state_set_identity(&watcher->state, view.present, view.number);
	drive(watcher);
	/* One that has restarted does not know what the zone has. */
	if (watcher->held.number && view.number == watcher->held.number)
		revoked_show(watcher->revoked, watcher->held.names.account_domain, watcher->set);
}

static void on_key(void *userdata, struct signing_key *key, const char *words)
{
	struct watcher *watcher = userdata;
	struct watcher_state *state = &watcher->state;

	if (words) {
		snprintf(state->trouble, sizeof(state->trouble), "%s", words);
		log_warning("identity gave no key: %s", words);
	} else {
		host_view_init(&watcher->view, key->names.account_domain, key->names.host_name);
		service_view_init(&watcher->services, key->names.account_domain);
		show_names(watcher);
	}
	watcher_state_on_key(state, time_now(watcher).now, key->number, !words);
	drive(watcher);
}

static void on_mapper(void *userdata)
{
	struct watcher *watcher = userdata;
	struct llq_time time = time_now(watcher);
	struct mapper_view view;
	bool reachable;

	mapper_client_read(watcher->mapper, &view);
	watcher_state_set_mapper(&watcher->state, view.present, view.network, view.generation,
				 view.external);
	reachable = view.present && view.reachable;
	watch_set_probe_every(
		watcher->set,
		reachable ? watcher->config->probe_msec : watcher->config->keepalive_msec, &time);
	if (watcher_state_asks_anew(&watcher->state))
		dns_locator_resend(watcher->locator);
	drive(watcher);
}

void watcher_terminate(struct watcher *watcher)
{
	watcher_state_terminate(&watcher->state);
	drive(watcher);
}

static int start_parts(struct watcher *watcher)
{
	static const struct link_events link_events = { on_change, on_lost };
	const struct llq_set_options set_options = { .random = random_number };
	static const struct dns_locator_service services[] = {
		{ "_dns-push-tls._tcp", WATCH_TRANSPORT_PUSH_TLS, true },
		/* RFC 6281 §5.3 calls it "_udp" although TLS is not; both names are in use. */
		{ "_dns-llq-tls._udp", WATCH_TRANSPORT_LLQ_TLS, true },
		{ "_dns-llq-tls._tcp", WATCH_TRANSPORT_LLQ_TLS, true },
		{ "_dns-llq._udp", WATCH_TRANSPORT_LLQ_UDP, false },
	};
	struct dns_locator_options locator_options = {
		.services = watcher->services_asked,
		.config = &watcher->config->server,
	};
	struct loop *loop = daemon_loop(watcher->daemon);
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		if (!watcher->config->transport ||
		    services[i].kind == (unsigned int)watcher->config->transport)
			watcher->services_asked[locator_options.n_services++] = services[i];
	}
	r = watch_set_new(&set_options, &watcher->set);
	if (r >= 0)
		r = loop_timer_new(loop, on_timer, watcher, &watcher->timer);
	if (r >= 0)
		r = loop_timer_new(loop, on_settled, watcher, &watcher->settle);
	if (r >= 0)
		r = link_new(loop, watcher->set, watcher->config->port, &link_events, watcher,
			     &watcher->link);
	if (r >= 0)
		r = dns_locator_new(loop, &locator_options, on_located, watcher, &watcher->locator);
	return r;
}

int watcher_new(struct daemon *daemon, const struct watcher_config *config, struct watcher **ret)
{
	cleanup(watcher_freep) struct watcher *watcher = NULL;
	struct llq_time time;
	int r;

	watcher = calloc(1, sizeof(*watcher));
	if (!watcher)
		return -ENOMEM;
	watcher->daemon = daemon;
	watcher->config = config;
	watcher_state_init(&watcher->state);
	watcher->state.random = random_number(NULL);
	make_reason(watcher);
	r = start_parts(watcher);
	if (r >= 0)
		r = names_new(daemon, &config->names, on_names, on_names_want, watcher,
			      &watcher->names);
	if (r >= 0)
		r = watcher_bus_add(watcher);
	if (r >= 0)
		r = identity_client_new(daemon_bus(daemon), on_identity, on_key, watcher,
					&watcher->identity);
	if (r >= 0)
		r = revoked_new(daemon_loop(daemon), watcher->identity, &watcher->revoked);
	if (r >= 0)
		r = mapper_client_new(daemon_bus(daemon), on_mapper, watcher, &watcher->mapper);
	if (r < 0)
		return r;
	time = time_now(watcher);
	watch_set_probe_every(watcher->set, config->keepalive_msec, &time);
	drive(watcher);
	*ret = steal_ptr(watcher);
	return 0;
}

struct watcher *watcher_free(struct watcher *watcher)
{
	if (!watcher)
		return NULL;
	for (size_t i = 0; i < watcher->view.n_hosts; i++)
		sd_bus_slot_unref(watcher->view.hosts[i]->userdata);
	host_view_clear(&watcher->view);
	for (size_t i = 0; i < watcher->services.n_services; i++)
		sd_bus_slot_unref(watcher->services.services[i]->userdata);
	service_view_clear(&watcher->services);
	names_free(watcher->names);
	revoked_free(watcher->revoked);
	signing_identity_free(watcher->identity);
	mapper_client_free(watcher->mapper);
	dns_locator_free(watcher->locator);
	link_free(watcher->link);
	watch_set_free(watcher->set);
	loop_timer_free(watcher->timer);
	loop_timer_free(watcher->settle);
	sd_bus_slot_unref(watcher->bus_slot);
	signing_key_deinit(&watcher->held);
	free(watcher);
	return NULL;
}
