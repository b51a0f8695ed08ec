/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/mapper.h"

#include "services/mapper/announcement-listener.h"
#include "services/mapper/bus.h"
#include "services/mapper/captive-watch.h"
#include "services/mapper/mapping-state.h"
#include "services/mapper/natpmp-conversation.h"
#include "services/mapper/network-watch.h"
#include "services/mapper/packet-count.h"
#include "services/mapper/resume-watch.h"
#include "services/mapper/wish-state.h"

#include "common/base/atomic-file.h"
#include "common/base/log.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define GOODBYE_MSEC          1000
#define GENERATION_FILE_LIMIT 64

struct mapper {
	const struct mapper_config *config;
	struct daemon *daemon;
	struct bus *bus;
	struct network_watch *watch;
	struct resume_watch *resume;
	struct captive_watch *captive;
	struct announcement_listener *listener;
	struct loop_timer *timer;
	struct mapper_state state;
	struct timeline timeline;
	struct packet_count packets;
	uint64_t checked_at; /* 0: nobody asked yet */

	struct gateway_natpmp *natpmp;
	uint32_t conversation; /* that `natpmp` is for */
	uint64_t stored_generation;
	uint64_t noted_generation; /* "asked gateway" is in the timeline */
	uint64_t noted_restarts;
	bool store_failed;
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

uint64_t mapper_gateway_packets(struct mapper *mapper)
{
	return mapper->packets.total;
}

unsigned int mapper_gateway_packets_per_minute(struct mapper *mapper)
{
	return packet_count_last_minute(&mapper->packets, mapper_now(mapper));
}

int mapper_check(struct mapper *mapper)
{
	uint64_t now = mapper_now(mapper);

	if (mapper->checked_at && now - mapper->checked_at < MAPPER_CHECK_MSEC)
		return -EBUSY;
	mapper->checked_at = now;
	mapper_state_reprove(&mapper->state, now);
	captive_watch_reprove(mapper->captive);
	mapper_carry_out(mapper);
	return 0;
}

/* The last generation announced, so that it does not fall when we are restarted. */
static char *generation_path(const struct mapper *mapper)
{
	char *path;

	if (asprintf(&path, "%s/generation", mapper->config->runtime_folder) < 0)
		return NULL;
	return path;
}

static uint64_t load_generation(const struct mapper *mapper)
{
	cleanup(freep) char *path = generation_path(mapper);
	cleanup(freep) uint8_t *text = NULL;
	uint64_t generation = 0;
	size_t size;
	int r;

	if (!path)
		return 0;
	r = atomic_file_read(path, GENERATION_FILE_LIMIT, &text, &size);
	if (r < 0 && r != -ENOENT)
		log_warning("%s: %s", path, strerror(-r));
	if (r < 0)
		return 0;
	if (sscanf((const char *)text, "%" SCNu64, &generation) != 1)
		log_warning("%s holds no number; beginning at 1", path);
	return generation;
}

static void store_generation(struct mapper *mapper)
{
	cleanup(freep) char *path = generation_path(mapper);
	char text[GENERATION_FILE_LIMIT];
	int r = -ENOMEM;

	if (mapper->stored_generation == mapper->state.generation)
		return;
	mapper->stored_generation = mapper->state.generation;
	snprintf(text, sizeof text, "%" PRIu64 "\n", mapper->state.generation);
	if (path)
		r = atomic_file_write_volatile(path, text, strlen(text), 0644);
	if (r < 0 && !mapper->store_failed)
		log_warning("%s: %s; the network generation will not survive a restart",
			    path ? path : "generation", strerror(-r));
	mapper->store_failed = r < 0;
}

static void on_response(void *userdata, const struct natpmp_response *response)
{
	struct mapper *mapper = userdata;

	if (!response) {
		mapper->state.counters.responses_malformed++;
		return;
	}
	mapper_state_on_response(&mapper->state, mapper->conversation, response,
				 mapper_now(mapper));
	mapper_carry_out(mapper);
}

static void on_unreachable(void *userdata)
{
	struct mapper *mapper = userdata;

	mapper_state_on_unreachable(&mapper->state, mapper->conversation, mapper_now(mapper));
	mapper_carry_out(mapper);
}

static void open_conversation(struct mapper *mapper)
{
	static const struct gateway_natpmp_callbacks callbacks = {
		.on_response = on_response,
		.on_unreachable = on_unreachable,
	};
	int r = gateway_natpmp_new(daemon_loop(mapper->daemon), mapper->state.network.gateway,
				   &callbacks, mapper, &mapper->natpmp);

	if (r < 0)
		log_warning("cannot speak to the gateway: %s", strerror(-r));
}

/* One socket for each conversation: what comes late on a former one reaches nobody. */
static void follow_conversation(struct mapper *mapper)
{
	if (mapper->conversation == mapper->state.conversation)
		return;
	mapper->natpmp = gateway_natpmp_free(mapper->natpmp);
	mapper->conversation = mapper->state.conversation;
}

static void send_request(struct mapper *mapper, const struct gateway_request *request)
{
	char gateway[INET_ADDRSTRLEN];
	int r;

	if (mapper->noted_generation != mapper->state.generation) {
		mapper->noted_generation = mapper->state.generation;
		inet_ntop(AF_INET, &mapper->state.network.gateway, gateway, sizeof gateway);
		timeline_note(&mapper->timeline, mapper->state.generation, "asked gateway %s",
			      gateway);
	}
	/* Without a socket, or when sending fails, the request is as if it were lost on its way,
	 * and the next one tries again. */
	if (!mapper->natpmp && mapper->conversation)
		open_conversation(mapper);
	if (!mapper->natpmp)
		return;
	r = gateway_natpmp_send(mapper->natpmp, request);
	if (r >= 0)
		packet_count_add(&mapper->packets, 1, mapper_now(mapper));
	if (r == -ECONNREFUSED)
		mapper_state_on_unreachable(&mapper->state, mapper->conversation,
					    mapper_now(mapper));
	else if (r < 0)
		log_debug("sending to the gateway: %s", strerror(-r));
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
	struct gateway_request request;
	uint64_t due, wish_end;

	end_abandoned_wishes(mapper);
	follow_conversation(mapper);
	while (mapper_state_take_request(&mapper->state, mapper_now(mapper), &request))
		send_request(mapper, &request);
	store_generation(mapper);
	if (mapper->noted_restarts != mapper->state.counters.gateway_restarts) {
		mapper->noted_restarts = mapper->state.counters.gateway_restarts;
		timeline_note(&mapper->timeline, mapper->state.generation,
			      "gateway restarted: mapping again");
	}
	if (mapper->bus)
		bus_announce(mapper->bus);
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
	store_generation(mapper);
	if (mapper->bus)
		bus_announce(mapper->bus);
	mapper_carry_out(mapper);
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
	mapper_state_on_announcement(&mapper->state, source, link, announcement,
				     mapper_now(mapper));
	mapper_carry_out(mapper);
}

static void on_terminate(void *userdata)
{
	struct mapper *mapper = userdata;

	bus_finish(mapper->bus);
	mapper_state_finish(&mapper->state, mapper_now(mapper));
	mapper_carry_out(mapper);
}

static const struct daemon_options options = {
	.bus_name = "org.homeward.Mapper1",
	.on_terminate = on_terminate,
	.goodbye_msec = GOODBYE_MSEC,
};

static int start(struct mapper *mapper)
{
	uint64_t seed = 0;
	int r = daemon_new(&options, mapper, &mapper->daemon);

	if (r < 0)
		return r;
	if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0)
		seed = realtime_usec();
	mapper->stored_generation = load_generation(mapper);
	mapper_state_init(&mapper->state, mapper->stored_generation, seed);
	r = loop_timer_new(daemon_loop(mapper->daemon), on_timer, mapper, &mapper->timer);
	if (r < 0)
		return r;
	r = network_watch_new(daemon_loop(mapper->daemon), &network_callbacks, mapper,
			      &mapper->watch);
	if (r < 0)
		return r;
	r = start_captive_watch(mapper);
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
	network_watch_free(mapper->watch);
	gateway_natpmp_free(mapper->natpmp);
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
