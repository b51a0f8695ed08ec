/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/mapper.h"

#include "services/mapper/announcement-listener.h"
#include "services/mapper/bus.h"
#include "services/mapper/captive-watch.h"
#include "services/mapper/mapping-state.h"
#include "services/mapper/network-watch.h"
#include "services/mapper/packet-count.h"
#include "services/mapper/resume-watch.h"
#include "services/mapper/silence-client.h"
#include "services/mapper/speakers.h"
#include "services/mapper/store.h"
#include "services/mapper/wish-state.h"

#include "common/base/log.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define GOODBYE_MSEC 1000

struct mapper {
	const struct mapper_config *config;
	struct daemon *daemon;
	struct bus *bus;
	struct network_watch *watch;
	struct resume_watch *resume;
	struct captive_watch *captive;
	struct reachability *reachability;
	struct silence_client *silence;
	struct announcement_listener *listener;
	struct loop_timer *timer;
	struct mapper_state state;
	struct timeline timeline;
	struct packet_count packets;
	uint64_t checked_at; /* 0: nobody asked yet */

	struct speakers *speakers;
	struct store *store;
	bool acting;               /* what speakers say meanwhile is acted on by who is at it */
	bool unsent;               /* the last request, and it is in the log */
	uint64_t noted_generation; /* "asked gateway" is in the timeline */
	uint64_t noted_restarts;
};

struct mapper_state *mapper_state_of(struct mapper *mapper)
{
	return &mapper->state;
}

struct timeline *mapper_timeline(struct mapper *mapper)
{
	return &mapper->timeline;
}

uint64_t mapper_now(struct mapper *mapper)
{
	return loop_now(daemon_loop(mapper->daemon));
}

/* Speakers count by themselves; what came since is of now. */
static void count_packets(struct mapper *mapper)
{
	struct speaker_counters counters;

	speakers_count(mapper->speakers, &counters);
	packet_count_add(&mapper->packets, counters.packets_sent - mapper->packets.total,
			 mapper_now(mapper));
}

uint64_t mapper_gateway_packets(struct mapper *mapper)
{
	count_packets(mapper);
	return mapper->packets.total;
}

unsigned int mapper_gateway_packets_per_minute(struct mapper *mapper)
{
	count_packets(mapper);
	return packet_count_last_minute(&mapper->packets, mapper_now(mapper));
}

void mapper_count_speakers(struct mapper *mapper, struct speaker_counters *ret)
{
	speakers_count(mapper->speakers, ret);
}

int mapper_check(struct mapper *mapper)
{
	uint64_t now = mapper_now(mapper);

	if (mapper->checked_at && now - mapper->checked_at < MAPPER_CHECK_MSEC)
		return -EBUSY;
	mapper->checked_at = now;
	mapper_state_reprove(&mapper->state, now);
	captive_watch_reprove(mapper->captive);
	reachability_begin(mapper->reachability);
	mapper_carry_out(mapper);
	return 0;
}

struct stun_client_counters mapper_stun_counters(struct mapper *mapper)
{
	const struct stun_client_counters *of_trials;
	struct stun_client_counters counters = {};

	/* None while we say goodbye. */
	if (!mapper->reachability)
		return counters;
	counters = *reachability_counters(mapper->reachability);
	of_trials = silence_client_counters(mapper->silence);
	counters.requests_sent += of_trials->requests_sent;
	counters.answers_accepted += of_trials->answers_accepted;
	counters.answers_malformed += of_trials->answers_malformed;
	counters.answers_foreign += of_trials->answers_foreign;
	counters.answers_unexpected += of_trials->answers_unexpected;
	return counters;
}

void mapper_measure_silence(struct mapper *mapper)
{
	if (mapper->silence)
		silence_client_want(mapper->silence);
}

static void note_asked(struct mapper *mapper)
{
	char gateway[INET_ADDRSTRLEN];

	if (mapper->noted_generation == mapper->state.generation)
		return;
	mapper->noted_generation = mapper->state.generation;
	inet_ntop(AF_INET, &mapper->state.network.gateway, gateway, sizeof gateway);
	timeline_note(&mapper->timeline, mapper->state.generation, "asked gateway %s", gateway);
}

static void act(struct mapper *mapper)
{
	struct mapper_action action;
	int r;

	mapper->acting = true;
	speakers_follow(mapper->speakers, &mapper->state);
	while (mapper_state_take_action(&mapper->state, mapper_now(mapper), &action)) {
		if (action.kind == MAPPER_REQUEST)
			note_asked(mapper);
		r = speakers_act(mapper->speakers, &mapper->state, &action);
		if (r < 0) {
			/* Once for each time that it begins. */
			if (!mapper->unsent)
				log_warning("cannot speak to the gateway: %s", strerror(-r));
			mapper->unsent = true;
			mapper_state_on_unsent(&mapper->state, &action, mapper_now(mapper));
		} else if (action.kind == MAPPER_REQUEST) {
			mapper->unsent = false;
		}
		/* What was said within that may have changed the chain. */
		speakers_follow(mapper->speakers, &mapper->state);
	}
	mapper->acting = false;
}

static void on_event(void *userdata, unsigned int hop, uint32_t incarnation,
		     enum mapping_protocol protocol, const struct gateway_event *event)
{
	struct mapper *mapper = userdata;
	const char *location = NULL;

	mapper_state_on_event(&mapper->state, hop, incarnation, protocol, event,
			      mapper_now(mapper));
	if (protocol == PROTOCOL_IGD && event->kind == GATEWAY_EVENT_ANSWER && !event->trouble)
		location = speakers_location(mapper->speakers);
	if (location)
		mapper_state_note_location(&mapper->state, location);
	if (!mapper->acting)
		mapper_carry_out(mapper);
}

static void end_abandoned_wishes(struct mapper *mapper)
{
	uint64_t now = mapper_now(mapper);
	struct mapping *mapping;

	while ((mapping = wish_next_ended(&mapper->state, now))) {
		bus_forget_mapping(mapping);
		mapping_remove(&mapper->state, mapping, now);
	}
}

void mapper_carry_out(struct mapper *mapper)
{
	uint64_t due, wish_end;

	end_abandoned_wishes(mapper);
	if (mapper->reachability)
		reachability_follow(mapper->reachability);
	if (mapper->silence)
		silence_client_follow(mapper->silence);
	act(mapper);
	store_save_generation(mapper->store, &mapper->state);
	if (mapper->noted_restarts != mapper->state.counters.gateway_restarts) {
		mapper->noted_restarts = mapper->state.counters.gateway_restarts;
		timeline_note(&mapper->timeline, mapper->state.generation,
			      "gateway restarted: mapping again");
	}
	if (mapper->bus)
		bus_announce(mapper->bus);
	store_save(mapper->store, &mapper->state);
	count_packets(mapper);
	due = mapper_state_due(&mapper->state);
	wish_end = wish_due(&mapper->state);
	loop_timer_set(mapper->timer, due < wish_end ? due : wish_end);
	if (mapper_state_finished(&mapper->state))
		daemon_stop(mapper->daemon, 0);
}

static void on_timer(void *userdata)
{
	mapper_carry_out(userdata);
}

static void on_network(void *userdata, const struct network_view *view)
{
	char address[INET_ADDRSTRLEN], gateway[INET_ADDRSTRLEN];
	struct mapper *mapper = userdata;

	mapper_state_set_network(&mapper->state, view, mapper_now(mapper));
	inet_ntop(AF_INET, &view->address, address, sizeof address);
	inet_ntop(AF_INET, &view->gateway, gateway, sizeof gateway);
	if (view->link)
		timeline_note(&mapper->timeline, mapper->state.generation,
			      "network settled: %s %s via %s", view->interface, address, gateway);
	else
		timeline_note(&mapper->timeline, mapper->state.generation, "no network: %s",
			      network_kind_word(view->kind));
	log_info("network %" PRIu64 ": %s %s", mapper->state.generation,
		 view->link ? view->interface : "none", view->link ? address : "");
	/* Tunnels move at once; the gateway is asked after that. */
	store_save_generation(mapper->store, &mapper->state);
	if (mapper->bus)
		bus_announce(mapper->bus);
	mapper_carry_out(mapper);
	reachability_begin(mapper->reachability);
	captive_watch_set_network(mapper->captive, view);
}

static void on_details(void *userdata, const struct network_view *view)
{
	struct mapper *mapper = userdata;

	if (view->kind != mapper->state.network.kind)
		timeline_note(&mapper->timeline, mapper->state.generation, "network is %s",
			      network_kind_word(view->kind));
	mapper_state_set_details(&mapper->state, view);
	mapper_carry_out(mapper);
}

static void on_gateway_mac(void *userdata, const struct network_view *view)
{
	struct mapper *mapper = userdata;
	bool replaced = mapper->state.network.have_mac;

	mapper_state_set_details(&mapper->state, view);
	if (replaced) {
		timeline_note(&mapper->timeline, mapper->state.generation,
			      "another device answers at the gateway's address");
		mapper_state_reprove(&mapper->state, mapper_now(mapper));
	}
	mapper_carry_out(mapper);
}

static void on_captive(void *userdata, bool captive)
{
	struct mapper *mapper = userdata;

	network_watch_set_captive(mapper->watch, captive);
}

static int start_captive_watch(struct mapper *mapper)
{
	struct captive_url url;
	bool wanted = mapper->config->captive_check &&
		      captive_url_read(mapper->config->captive_check, &url);

	return captive_watch_new(daemon_loop(mapper->daemon), daemon_bus(mapper->daemon),
				 wanted ? &url : NULL, on_captive, mapper, &mapper->captive);
}

static void on_reachability(void *userdata)
{
	mapper_carry_out(userdata);
}

static int start_reachability(struct mapper *mapper)
{
	const struct reachability_context context = {
		.loop = daemon_loop(mapper->daemon),
		.bus = daemon_bus(mapper->daemon),
		.config = &mapper->config->stun,
		.state = &mapper->state,
		.timeline = &mapper->timeline,
		.on_change = on_reachability,
		.userdata = mapper,
	};

	return reachability_new(&context, &mapper->reachability);
}

static int start_silence(struct mapper *mapper)
{
	const struct silence_context context = {
		.loop = daemon_loop(mapper->daemon),
		.silences = &mapper->config->silences,
		.state = &mapper->state,
		.timeline = &mapper->timeline,
		.on_change = on_reachability,
		.userdata = mapper,
	};

	return silence_client_new(&context, &mapper->silence);
}

static const struct network_watch_callbacks network_callbacks = {
	.on_network = on_network,
	.on_details = on_details,
	.on_gateway_mac = on_gateway_mac,
};

/* Gateways forget what was not renewed, and this may be another place. */
static void on_resume(void *userdata)
{
	struct mapper *mapper = userdata;

	timeline_note(&mapper->timeline, mapper->state.generation,
		      "awake again: all is asked for anew");
	network_watch_reprove(mapper->watch);
	mapper_state_reprove(&mapper->state, mapper_now(mapper));
	captive_watch_reprove(mapper->captive);
	reachability_begin(mapper->reachability);
	mapper_carry_out(mapper);
}

static void on_announcement(void *userdata, struct in_addr source, int link,
			    const struct announcement *announcement)
{
	struct mapper *mapper = userdata;

	if (!announcement) {
		mapper->state.counters.announcements_malformed++;
		return;
	}
	if (mapper_state_on_announcement(&mapper->state, source, link, mapper_now(mapper)))
		speakers_hear(mapper->speakers, announcement);
	mapper_carry_out(mapper);
}

static void on_terminate(void *userdata)
{
	struct mapper *mapper = userdata;

	bus_finish(mapper->bus);
	/* Its mapping goes with all others. */
	mapper->reachability = reachability_free(mapper->reachability);
	mapper->silence = silence_client_free(mapper->silence);
	mapper_state_finish(&mapper->state, mapper_now(mapper));
	mapper_carry_out(mapper);
}

static const struct daemon_options options = {
	.bus_name = "org.homeward.Mapper1",
	.on_terminate = on_terminate,
	.goodbye_msec = GOODBYE_MSEC,
};

/* Nonces keep others from touching our mappings (RFC 6887 §18.1). */
static void fill_random(void *octets, size_t size)
{
	ssize_t n = getrandom(octets, size, 0);

	/* So few octets are never given in part, and after boot nobody waits for them. */
	if (n != (ssize_t)size)
		abort();
}

static int start_state(struct mapper *mapper)
{
	const struct mapper_config *config = mapper->config;
	struct mapper_state *state = &mapper->state;
	int r = store_new(config->runtime_folder, config->state_folder, &mapper->store);

	if (r < 0)
		return r;
	mapper_state_init(state, store_load_generation(mapper->store), fill_random);
	if (config->protocols[0])
		memcpy(state->protocols, config->protocols, sizeof config->protocols);
	memcpy(state->nested, config->nested, sizeof state->nested);
	state->forwarded = config->forwarded;
	store_load(mapper->store, state, mapper_now(mapper));
	return speakers_new(daemon_loop(mapper->daemon), on_event, mapper, &mapper->speakers);
}

static int start(struct mapper *mapper)
{
	int r = daemon_new(&options, mapper, &mapper->daemon);

	if (r < 0)
		return r;
	r = start_state(mapper);
	if (r < 0)
		return r;
	r = loop_timer_new(daemon_loop(mapper->daemon), on_timer, mapper, &mapper->timer);
	if (r < 0)
		return r;
	r = network_watch_new(daemon_loop(mapper->daemon), &network_callbacks, mapper,
			      &mapper->watch);
	if (r < 0)
		return r;
	r = start_captive_watch(mapper);
	if (r >= 0)
		r = start_reachability(mapper);
	if (r >= 0)
		r = start_silence(mapper);
	if (r < 0)
		return r;
	r = resume_watch_new(daemon_loop(mapper->daemon), daemon_bus(mapper->daemon), on_resume,
			     mapper, &mapper->resume);
	if (r < 0)
		return r;
	r = announcement_listener_new(daemon_loop(mapper->daemon), on_announcement, mapper,
				      &mapper->listener);
	if (r < 0)
		log_warning("cannot listen to announcements of gateways: %s", strerror(-r));
	r = bus_new(mapper, daemon_bus(mapper->daemon), &mapper->bus);
	return r < 0 ? r : daemon_announce(mapper->daemon);
}

int mapper_new(const struct mapper_config *config, struct mapper **ret)
{
	struct mapper *mapper = calloc(1, sizeof *mapper);
	int r;

	if (!mapper)
		return -ENOMEM;
	mapper->config = config;
	r = start(mapper);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		mapper_free(mapper);
		return r;
	}
	*ret = mapper;
	return 0;
}

struct mapper *mapper_free(struct mapper *mapper)
{
	if (!mapper)
		return NULL;
	bus_free(mapper->bus);
	announcement_listener_free(mapper->listener);
	resume_watch_free(mapper->resume);
	captive_watch_free(mapper->captive);
	reachability_free(mapper->reachability);
	silence_client_free(mapper->silence);
	network_watch_free(mapper->watch);
	speakers_free(mapper->speakers);
	store_free(mapper->store);
	loop_timer_free(mapper->timer);
	daemon_free(mapper->daemon);
	mapper_state_deinit(&mapper->state);
	free(mapper);
	return NULL;
}

int mapper_run(struct mapper *mapper)
{
	return daemon_run(mapper->daemon);
}
