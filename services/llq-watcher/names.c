/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/names.h"

#include "common/base/log.h"
#include "common/dns/dns-records.h"
#include "services/llq-watcher/link-watch.h"
#include "services/llq-watcher/resolved-client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define LISTEN_AGAIN_MSEC 5000
#define DOMAINS_MAX       (STUB_REVERSE_MAX + 1)

/* Names of domains, for resolved. */
struct domains {
	char *names[DOMAINS_MAX + 1]; /* ended by NULL */
};

struct names {
	struct loop *loop;
	const struct names_config *config;
	names_callback on_change, on_want;
	void (*on_done)(void *userdata);
	void *userdata;

	struct stub_server *server; /* NULL: it could not listen yet */
	int server_error;
	struct stub_zone *zone; /* NULL: nobody is signed in */
	struct stub_view view;
	struct stub_counts counts;
	struct stub_subtypes subtypes;
	uint64_t wanted_changes; /* of the subtypes */

	struct names_state state;
	struct link_watch *link;
	struct resolved_client *resolved;
	struct loop_timer *timer, *listen_timer;
	struct domains domains, told; /* wanted; what resolved is being told */
	struct resolved_settings settings;
	char trouble[160]; /* resolved's last no, in its words */

	char stub[32];
	char reason[640];
	enum names_phase phase;
};

static void drive(struct names *names);

static void domains_clear(struct domains *domains)
{
	for (size_t i = 0; domains->names[i]; i++)
		free(domains->names[i]);
	memset(domains, 0, sizeof(*domains));
}

static int domains_read(struct domains *domains, const struct stub_zone *zone)
{
	const char *name;

	domains_clear(domains);
	for (size_t i = 0; i < DOMAINS_MAX && (name = stub_zone_domain(zone, i)); i++) {
		domains->names[i] = strdup(name);
		if (!domains->names[i])
			return -ENOMEM;
	}
	return 0;
}

static bool domains_equal(const struct domains *domains, const struct stub_zone *zone)
{
	size_t i = 0;

	for (; domains->names[i]; i++) {
		const char *name = stub_zone_domain(zone, i);

		if (!name || strcmp(domains->names[i], name) != 0)
			return false;
	}
	return i > 0 && !stub_zone_domain(zone, i);
}

/* What to say. */

/* One line that goes into a configuration, and what it means for those who have another one. */
static void describe_manual(struct names *names)
{
	const char *domain = names->domains.names[0] ?: "";
	char address[INET_ADDRSTRLEN], why[200] = " is not running";

	inet_ntop(AF_INET, &names->config->address, address, sizeof(address));
	if (names->trouble[0])
		snprintf(why, sizeof(why), " does not take our names (%s)", names->trouble);
	snprintf(names->reason, sizeof(names->reason),
		 "systemd-resolved%s; for dnsmasq: \"server=/%s/%s#%u\"; other resolvers have to "
		 "forward that domain to %s port %u",
		 why, domain, address, names->config->port, address, names->config->port);
}

static void describe(struct names *names)
{
	const char *domain = names->domains.names[0] ?: "";
	const size_t size = sizeof(names->reason);

	if (!names->config->enable) {
		snprintf(names->reason, size, "the configuration says [stub] enable = no");
		return;
	}
	if (!names->server) {
		snprintf(names->reason, size, "cannot answer on %s: %s", names->stub,
			 strerror(-names->server_error));
		return;
	}
	switch (names->phase) {
	case NAMES_PHASE_OFF:
		snprintf(names->reason, size, "not signed in");
		return;
	case NAMES_PHASE_WAITING:
		snprintf(names->reason, size,
			 names->state.link ? "telling systemd-resolved about %s on %s"
					   : "to tell systemd-resolved about %s, the interface %s "
					     "has to be there",
			 domain, names->config->interface);
		return;
	case NAMES_PHASE_RESOLVED:
		snprintf(names->reason, size, "systemd-resolved asks %s for names below %s",
			 names->stub, domain);
		return;
	case NAMES_PHASE_MANUAL:
		describe_manual(names);
		return;
	}
}

static void show(struct names *names)
{
	char former[sizeof(names->reason)];
	enum names_phase phase = names->server ? names_state_phase(&names->state) : NAMES_PHASE_OFF;

	memcpy(former, names->reason, sizeof(former));
	names->phase = phase;
	describe(names);
	if (strcmp(former, names->reason) == 0)
		return;
	log_info("names: %s", names->reason);
	if (names->on_change)
		names->on_change(names->userdata);
}

/* systemd-resolved. */

static int tell(struct names *names)
{
	int r = domains_read(&names->told, names->zone);

	if (r < 0)
		return r;
	names->settings = (struct resolved_settings){
		.server = { .sin_family = AF_INET,
			    .sin_addr = names->config->address,
			    .sin_port = htons(names->config->port) },
		.domains = (const char *const *)names->told.names,
		.search = names->config->search,
	};
	return resolved_client_tell(names->resolved, names->state.asked_link, &names->settings);
}

static void finish(struct names *names)
{
	void (*on_done)(void *userdata) = names->on_done;

	names->on_done = NULL;
	if (on_done)
		on_done(names->userdata);
}

static void carry_out(struct names *names, enum names_action action)
{
	int r = 0;

	switch (action) {
	case NAMES_ACTION_NONE:
		return;
	case NAMES_ACTION_TELL:
		r = tell(names);
		break;
	case NAMES_ACTION_REVERT:
		r = resolved_client_revert(names->resolved, names->state.asked_link);
		break;
	case NAMES_ACTION_EXIT:
		finish(names);
		return;
	}
	if (r < 0)
		names_state_on_done(&names->state, loop_now(names->loop), false, false);
}

static void drive(struct names *names)
{
	enum names_action action;

	do {
		action = names_state_step(&names->state, loop_now(names->loop));
		carry_out(names, action);
	} while (action != NAMES_ACTION_NONE && action != NAMES_ACTION_EXIT);
	loop_timer_set(names->timer, names->state.due);
	show(names);
}

static void on_timer(void *userdata)
{
	drive(userdata);
}

static void on_owner(void *userdata)
{
	struct names *names = userdata;

	names->trouble[0] = 0;
	names_state_set_resolved(&names->state, resolved_client_incarnation(names->resolved));
	drive(names);
}

static void on_told(void *userdata, bool refused, const char *words)
{
	struct names *names = userdata;

	snprintf(names->trouble, sizeof(names->trouble), "%s", words ?: "");
	if (words)
		log_info("names: systemd-resolved says: %s", words);
	names_state_on_done(&names->state, loop_now(names->loop), !words, refused);
	drive(names);
}

static void on_link(void *userdata, unsigned int index)
{
	struct names *names = userdata;

	names_state_set_link(&names->state, index);
	drive(names);
}

/* The stub. */

static size_t answer(void *userdata, const struct stub_question *question, uint8_t *reply,
		     size_t capacity)
{
	struct names *names = userdata;
	size_t size = stub_answer(&names->view, question, loop_now(names->loop), reply, capacity,
				  &names->counts);

	if (names->wanted_changes != names->subtypes.changes) {
		names->wanted_changes = names->subtypes.changes;
		names->on_want(names->userdata);
	}
	return size;
}

static void wish(struct names *names)
{
	if (names->state.terminating)
		return;
	names_state_set_wish(&names->state,
			     names->zone && names->server ? NAMES_WISH_TELL : NAMES_WISH_NOTHING);
}

static void listen_now(void *userdata)
{
	struct names *names = userdata;
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr = names->config->address,
				       .sin_port = htons(names->config->port) };

	names->server_error = stub_server_new(names->loop, &address, answer, names, &names->server);
	if (names->server_error < 0)
		loop_timer_set_delay(names->listen_timer, LISTEN_AGAIN_MSEC);
	else if (names->zone)
		wish(names);
}

static void on_listen_timer(void *userdata)
{
	listen_now(userdata);
	drive(userdata);
}

int names_new(struct daemon *daemon, const struct names_config *config, names_callback on_change,
	      names_callback on_want, void *userdata, struct names **ret)
{
	cleanup(names_freep) struct names *names = calloc(1, sizeof(*names));
	char address[INET_ADDRSTRLEN];
	int r;

	if (!names)
		return -ENOMEM;
	names->loop = daemon_loop(daemon);
	names->config = config;
	names->on_want = on_want;
	names_state_init(&names->state);
	r = loop_timer_new(names->loop, on_timer, names, &names->timer);
	if (r >= 0)
		r = loop_timer_new(names->loop, on_listen_timer, names, &names->listen_timer);
	if (r >= 0)
		r = link_watch_new(names->loop, config->interface, on_link, names, &names->link);
	if (r >= 0)
		r = resolved_client_new(daemon_bus(daemon), on_owner, on_told, names,
					&names->resolved);
	if (r < 0)
		return r;
	if (config->enable) {
		inet_ntop(AF_INET, &config->address, address, sizeof(address));
		snprintf(names->stub, sizeof(names->stub), "%s:%u", address, config->port);
		listen_now(names);
	}
	names_state_set_link(&names->state, link_watch_index(names->link));
	drive(names);
	names->on_change = on_change;
	names->userdata = userdata;
	*ret = steal_ptr(names);
	return 0;
}

struct names *names_free(struct names *names)
{
	if (!names)
		return NULL;
	stub_server_free(names->server);
	resolved_client_free(names->resolved);
	link_watch_free(names->link);
	loop_timer_free(names->timer);
	loop_timer_free(names->listen_timer);
	stub_zone_free(names->zone);
	stub_subtypes_clear(&names->subtypes);
	domains_clear(&names->domains);
	domains_clear(&names->told);
	free(names);
	return NULL;
}

struct filling {
	struct stub_zone *zone;
	int result;
};

static void add_record(void *userdata, const ldns_rr *rr)
{
	struct filling *filling = userdata;

	if (filling->result == 0)
		filling->result = stub_zone_add(filling->zone, rr);
}

static int make_zone(const struct host_names *self, const struct watch_set *set,
		     struct stub_zone **ret)
{
	cleanup(stub_zone_freep) struct stub_zone *zone = NULL;
	struct filling filling;
	int r;

	r = stub_zone_new(self->account_domain, &zone);
	if (r == 0)
		r = stub_zone_add_host(zone, self->host_name, &self->host_id);
	if (r < 0)
		return r;
	filling = (struct filling){ .zone = zone };
	watch_set_each_record(set, add_record, &filling);
	if (filling.result < 0)
		return filling.result;
	stub_zone_finish(zone);
	*ret = steal_ptr(zone);
	return 0;
}

void names_show(struct names *names, const struct host_names *self, const struct watch_set *set,
		bool complete)
{
	struct stub_zone *zone;
	int r;

	if (!names->config->enable)
		return;
	r = make_zone(self, set, &zone);
	if (r < 0) {
		log_warning("names: cannot take the news over: %s", strerror(-r));
		return;
	}
	stub_zone_free(names->zone);
	names->zone = zone;
	names->view.zone = zone;
	names->view.complete = complete;
	names->view.subtypes = &names->subtypes;
	stub_subtypes_update(&names->subtypes, set);
	if (names->server)
		stub_server_again(names->server);
	if (!domains_equal(&names->domains, zone)) {
		domains_read(&names->domains, zone);
		names_state_set_changed(&names->state);
	}
	wish(names);
	drive(names);
}

void names_want(const struct names *names, const struct host_names *self, struct watch_set *set)
{
	char text[400];
	ldns_rdf *name;

	if (!names->config->enable)
		return;
	snprintf(text, sizeof(text), "%s.%s", self->host_name, self->account_domain);
	name = dns_record_name(text);
	if (name)
		watch_set_want(set, name, LDNS_RR_TYPE_TXT);
	ldns_rdf_deep_free(name);
	snprintf(text, sizeof(text), "_autotunnel._udp.%s.%s", self->host_name,
		 self->account_domain);
	name = dns_record_name(text);
	if (name)
		watch_set_want(set, name, LDNS_RR_TYPE_SRV);
	ldns_rdf_deep_free(name);
	stub_subtypes_want(&names->subtypes, set);
}

void names_set_stale(struct names *names, bool stale)
{
	names->view.stale = stale;
}

void names_forget(struct names *names)
{
	if (!names->zone && names->state.wish == NAMES_WISH_NOTHING)
		return;
	names->zone = stub_zone_free(names->zone);
	names->view = (struct stub_view){ 0 };
	stub_subtypes_clear(&names->subtypes);
	domains_clear(&names->domains);
	if (!names->config->enable)
		return;
	wish(names);
	drive(names);
}

void names_terminate(struct names *names, void (*on_done)(void *userdata))
{
	names->on_done = on_done;
	names_state_terminate(&names->state);
	drive(names);
}

enum names_phase names_phase(const struct names *names)
{
	return names->phase;
}

const char *names_phase_to_text(enum names_phase phase)
{
	switch (phase) {
	case NAMES_PHASE_OFF:
		return "off";
	case NAMES_PHASE_WAITING:
		return "waiting";
	case NAMES_PHASE_RESOLVED:
		return "resolved";
	case NAMES_PHASE_MANUAL:
		return "manual";
	}
	return "off";
}

const char *names_reason(const struct names *names)
{
	return names->reason;
}

const char *names_stub(const struct names *names)
{
	return names->server ? names->stub : "";
}

void names_read_counts(const struct names *names, struct names_counts *ret)
{
	*ret = (struct names_counts){ .stub = names->counts };
	if (names->server)
		ret->server = *stub_server_counts(names->server);
}
