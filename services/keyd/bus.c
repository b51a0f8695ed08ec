/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * org.homeward.Key1: translates, decides nothing. An object shows a copy of what its SA was when it
 * was announced last; strangers who have not proved who they are get no object.
 */
#include "bus-interfaces/errors.h"
#include "common/base/hash.h"
#include "common/loop/bus-values.h"
#include "common/loop/caller-check.h"
#include "services/keyd/keyd.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define ROOT_PATH    HOMEWARD_OBJECT_ROOT "/Key1"
#define IKE_PREFIX   ROOT_PATH "/ike_sa"
#define CHILD_PREFIX ROOT_PATH "/child_sa"
#define PATH_SIZE    64
/* ms that an announcement waits: an SA is made in a few steps, of which the last is of interest. */
#define ANNOUNCE_DELAY  10
#define ROOT_INTERFACE  "org.homeward.Key1"
#define IKE_INTERFACE   "org.homeward.Key1.IkeSa"
#define CHILD_INTERFACE "org.homeward.Key1.ChildSa"

struct shown_ike {
	const char *state, *role;
	char peer[IKE_NAME_LIMIT];
	char host_id[INET6_ADDRSTRLEN];
	char proposal[64];
	const char *authentication;
	int ppk, resumed; /* booleans */
	uint64_t spi_initiator, spi_responder;
	struct sockaddr_in endpoint;
	uint64_t established; /* seconds of CLOCK_REALTIME */
	uint64_t next_rekey;  /* the same; 0: none */
	uint64_t retransmissions;
	char last_error[120];
};

struct shown_child {
	const char *state;
	char ike_path[PATH_SIZE];
	uint32_t spi_in, spi_out;
	const char *algorithm;
	uint64_t established;
	uint64_t next_rekey;
};

struct sa_object {
	UT_hash_handle hh; /* by the number */
	struct bus *bus;
	uint64_t id;
	struct child_object *children;
	uint64_t rekey_at; /* ms, that next_rekey was computed from */
	struct shown_ike ike;
};

/* A child may change from one IKE SA to its successor. */
struct child_object {
	UT_hash_handle hh; /* by the number */
	struct bus *bus;
	struct sa_object *owner;
	struct child_object *next; /* of the same owner */
	uint64_t id;
	uint64_t rekey_at;
	struct shown_child child;
};

/* An SA that is other than it is shown. */
struct news {
	UT_hash_handle hh; /* by the number */
	uint64_t id;
};

struct bus {
	struct keyd *keyd;
	sd_bus *connection;
	/* One table of properties for all objects of a kind: one for each takes kilobytes. */
	sd_bus_slot *slot, *ike_slot, *child_slot, *ike_nodes, *child_nodes;
	const char *state; /* announced last */
	const char *reason;
	struct caller_check *callers;
	struct sa_object *objects; /* hash tables */
	struct child_object *children;
	struct news *news; /* a hash table, in the order in which they came */
	struct loop_timer *timer;
	bool announcing;
};

static void ike_path(uint64_t id, char ret[PATH_SIZE])
{
	snprintf(ret, PATH_SIZE, IKE_PREFIX "/%ju", (uintmax_t)id);
}

static void child_path(uint64_t id, char ret[PATH_SIZE])
{
	snprintf(ret, PATH_SIZE, CHILD_PREFIX "/%ju", (uintmax_t)id);
}

/* The number at the end of a path, which is written in one way only; 0: none. */
static uint64_t read_path(const char *path, const char *prefix)
{
	size_t size = strlen(prefix);
	const char *digits = path + size;
	uint64_t id = 0;

	if (*digits++ != '/' || *digits == '0' || strlen(digits) > 19 ||
	    strspn(digits, "0123456789") != strlen(digits))
		return 0;
	while (*digits)
		id = 10 * id + (*digits++ - '0');
	return id;
}

static struct sa_object *find_object(const struct bus *bus, uint64_t id)
{
	struct sa_object *object;

	HASH_FIND(hh, bus->objects, &id, sizeof id, object);
	return object;
}

static struct child_object *find_child(const struct bus *bus, uint64_t id)
{
	struct child_object *object;

	HASH_FIND(hh, bus->children, &id, sizeof id, object);
	return object;
}

#define COUNTER(name, field)                                                                       \
	{                                                                                          \
		name, offsetof(struct ike_counters, field)                                         \
	}

static const struct counter_description counter_descriptions[] = {
	COUNTER("MessagesReceived", received),
	COUNTER("MessagesSent", sent),
	COUNTER("Retransmitted", retransmitted),
	COUNTER("RepeatedResponses", repeated_responses),
	COUNTER("FragmentsReceived", fragments_received),
	COUNTER("FragmentsRefused", fragments_refused),
	COUNTER("Reassembled", reassembled),
	COUNTER("Malformed", malformed),
	COUNTER("Unauthentic", unauthentic),
	COUNTER("UnknownSpi", unknown_spi),
	COUNTER("OutOfWindow", out_of_window),
	COUNTER("Unexpected", unexpected),
	COUNTER("WrongVersion", wrong_version),
	COUNTER("NotReady", not_ready),
	COUNTER("HalfOpenDropped", half_open_dropped),
	COUNTER("HalfOpenExpired", half_open_expired),
	COUNTER("CookiesSent", cookies_sent),
	COUNTER("OtherGroupWanted", other_group_wanted),
	COUNTER("RefusedPeers", refused_peers),
	COUNTER("ForgottenPeers", forgotten_peers),
	COUNTER("Rekeyed", rekeyed),
	COUNTER("ChildrenRekeyed", children_rekeyed),
	COUNTER("AddressesUpdated", addresses_updated),
	COUNTER("SignaturesMade", signatures_made),
	COUNTER("SignaturesChecked", signatures_checked),
	COUNTER("KeyExchanges", key_exchanges),
	COUNTER("Resumed", resumed),
	COUNTER("ResumptionsRefused", resumptions_refused),
	COUNTER("TicketsGiven", tickets_given),
	COUNTER("TicketsKept", tickets_kept),
	COUNTER("TicketsRefused", tickets_refused),
	COUNTER("NegotiationsBegun", negotiations_begun),
	COUNTER("NegotiationsFailed", negotiations_failed),
	COUNTER("Established", established),
	COUNTER("Deleted", deleted),
	COUNTER("DeadPeers", dead_peers),
	{},
};

static int get_state(sd_bus *connection, const char *path, const char *interface,
		     const char *property, sd_bus_message *reply, void *userdata,
		     sd_bus_error *ret_error)
{
	struct bus *bus = userdata;

	return sd_bus_message_append(reply, "s",
				     strcmp(property, "State") ? bus->reason : bus->state);
}

static int get_counters(sd_bus *connection, const char *path, const char *interface,
			const char *property, sd_bus_message *reply, void *userdata,
			sd_bus_error *ret_error)
{
	struct bus *bus = userdata;

	return bus_append_counters(reply, counter_descriptions,
				   ike_manager_counters(keyd_manager(bus->keyd)));
}

static int get_timeline(sd_bus *connection, const char *path, const char *interface,
			const char *property, sd_bus_message *reply, void *userdata,
			sd_bus_error *ret_error)
{
	struct bus *bus = userdata;

	return timeline_property(connection, path, interface, property, reply,
				 keyd_timeline(bus->keyd), ret_error);
}

static const sd_bus_vtable root_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("State", "s", get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Reason", "s", get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Counters", "a{st}", get_counters, 0, 0),
	SD_BUS_PROPERTY("Timeline", "a(tts)", get_timeline, 0, 0),
	SD_BUS_VTABLE_END,
};

/* Objects. */

static int get_text(sd_bus *connection, const char *path, const char *interface,
		    const char *property, sd_bus_message *reply, void *userdata,
		    sd_bus_error *ret_error)
{
	return sd_bus_message_append(reply, "s", *(const char **)userdata);
}

static int get_path(sd_bus *connection, const char *path, const char *interface,
		    const char *property, sd_bus_message *reply, void *userdata,
		    sd_bus_error *ret_error)
{
	return sd_bus_message_append(reply, "o", (const char *)userdata);
}

/* What somebody asked for, until it is known whether he may. The SA is named by its number: it may
 * be gone by then. */
struct wish {
	struct keyd *keyd;
	int (*carry_out)(struct keyd *keyd, uint64_t id);
	uint64_t id;
};

static void on_allowed(void *userdata, sd_bus_message *call, uid_t uid)
{
	const struct wish *wish = userdata;
	int r = wish->carry_out(wish->keyd, wish->id);

	/* To end one that is gone is what was asked for. */
	if ((r == -ENOENT && wish->carry_out != keyd_terminate) || r == -ENOTCONN)
		sd_bus_reply_method_errorf(call, HOMEWARD_ERROR_NOT_ESTABLISHED,
					   "this SA is not established");
	else if (r < 0 && r != -ENOENT)
		sd_bus_reply_method_errorf(call, HOMEWARD_ERROR_FAILED, "out of memory");
	else
		sd_bus_reply_method_return(call, NULL);
}

static int ask(struct bus *bus, sd_bus_message *call, sd_bus_error *error,
	       int (*carry_out)(struct keyd *keyd, uint64_t id), uint64_t id)
{
	struct wish *wish = malloc(sizeof *wish);
	int r;

	if (!wish)
		return -ENOMEM;
	*wish = (struct wish){ bus->keyd, carry_out, id };
	r = caller_check_start(bus->callers, call, on_allowed, free, wish, error);
	if (r < 0)
		free(wish);
	return r < 0 ? r : 1;
}

static int on_rekey(sd_bus_message *call, void *userdata, sd_bus_error *ret_error)
{
	struct sa_object *object = userdata;

	return ask(object->bus, call, ret_error, keyd_rekey, object->id);
}

static int on_rekey_child(sd_bus_message *call, void *userdata, sd_bus_error *ret_error)
{
	struct child_object *object = userdata;

	return ask(object->bus, call, ret_error, keyd_rekey_child, object->id);
}

static int on_terminate(sd_bus_message *call, void *userdata, sd_bus_error *ret_error)
{
	struct sa_object *object = userdata;

	return ask(object->bus, call, ret_error, keyd_terminate, object->id);
}

#define CHANGES      SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define IKE(field)   offsetof(struct sa_object, ike.field)
#define CHILD(field) offsetof(struct child_object, child.field)

static const sd_bus_vtable ike_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Peer", "s", bus_property_text, IKE(peer), CHANGES),
	SD_BUS_PROPERTY("HostId", "s", bus_property_text, IKE(host_id), CHANGES),
	SD_BUS_PROPERTY("State", "s", get_text, IKE(state), CHANGES),
	SD_BUS_PROPERTY("Role", "s", get_text, IKE(role), CHANGES),
	SD_BUS_PROPERTY("SpiInitiator", "t", NULL, IKE(spi_initiator), CHANGES),
	SD_BUS_PROPERTY("SpiResponder", "t", NULL, IKE(spi_responder), CHANGES),
	SD_BUS_PROPERTY("Endpoint", "(sq)", bus_property_endpoint, IKE(endpoint), CHANGES),
	SD_BUS_PROPERTY("Proposal", "s", bus_property_text, IKE(proposal), CHANGES),
	SD_BUS_PROPERTY("Authentication", "s", get_text, IKE(authentication), CHANGES),
	SD_BUS_PROPERTY("Ppk", "b", NULL, IKE(ppk), CHANGES),
	SD_BUS_PROPERTY("Resumed", "b", NULL, IKE(resumed), CHANGES),
	SD_BUS_PROPERTY("Established", "t", NULL, IKE(established), CHANGES),
	SD_BUS_PROPERTY("NextRekey", "t", NULL, IKE(next_rekey), CHANGES),
	SD_BUS_PROPERTY("Retransmissions", "t", NULL, IKE(retransmissions), 0),
	SD_BUS_PROPERTY("LastError", "s", bus_property_text, IKE(last_error), CHANGES),
	SD_BUS_METHOD("Rekey", "", "", on_rekey, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Terminate", "", "", on_terminate, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable child_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("IkeSa", "o", get_path, CHILD(ike_path), CHANGES),
	SD_BUS_PROPERTY("SpiIn", "u", NULL, CHILD(spi_in), CHANGES),
	SD_BUS_PROPERTY("SpiOut", "u", NULL, CHILD(spi_out), CHANGES),
	SD_BUS_PROPERTY("Algorithm", "s", get_text, CHILD(algorithm), CHANGES),
	SD_BUS_PROPERTY("State", "s", get_text, CHILD(state), CHANGES),
	SD_BUS_PROPERTY("Established", "t", NULL, CHILD(established), CHANGES),
	SD_BUS_PROPERTY("NextRekey", "t", NULL, CHILD(next_rekey), CHANGES),
	SD_BUS_METHOD("Rekey", "", "", on_rekey_child, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static void announce_all(struct bus *bus);

static int find_ike_object(sd_bus *connection, const char *path, const char *interface,
			   void *userdata, void **ret_found, sd_bus_error *ret_error)
{
	announce_all(userdata);
	*ret_found = find_object(userdata, read_path(path, IKE_PREFIX));
	return *ret_found != NULL;
}

static int find_child_object(sd_bus *connection, const char *path, const char *interface,
			     void *userdata, void **ret_found, sd_bus_error *ret_error)
{
	announce_all(userdata);
	*ret_found = find_child(userdata, read_path(path, CHILD_PREFIX));
	return *ret_found != NULL;
}

/* Room for so many paths and the end of the list, which sd-bus frees. */
static int make_nodes(unsigned int n, char ***ret)
{
	*ret = calloc(n + 1, sizeof **ret);
	return *ret ? 0 : -ENOMEM;
}

static int list_ike_nodes(sd_bus *connection, const char *prefix, void *userdata, char ***ret_nodes,
			  sd_bus_error *ret_error)
{
	struct bus *bus = userdata;
	char **node;
	int r;

	announce_all(bus);
	r = make_nodes(HASH_COUNT(bus->objects), ret_nodes);
	node = *ret_nodes;

	for (struct sa_object *object = bus->objects; r >= 0 && object; object = object->hh.next) {
		*node = malloc(PATH_SIZE);
		if (!*node)
			break;
		ike_path(object->id, *node++);
	}
	return r;
}

static int list_child_nodes(sd_bus *connection, const char *prefix, void *userdata,
			    char ***ret_nodes, sd_bus_error *ret_error)
{
	struct bus *bus = userdata;
	char **node;
	int r;

	announce_all(bus);
	r = make_nodes(HASH_COUNT(bus->children), ret_nodes);
	node = *ret_nodes;

	for (struct child_object *object = bus->children; r >= 0 && object;
	     object = object->hh.next) {
		*node = malloc(PATH_SIZE);
		if (!*node)
			break;
		child_path(object->id, *node++);
	}
	return r;
}

/* NULL: it is not shown. */
static const char *state_word(const struct ike_sa *sa)
{
	switch (sa->state) {
	case IKE_SA_INIT_SENT:
	case IKE_SA_INTERMEDIATE_SENT:
	case IKE_SA_SIGNING:
	case IKE_SA_AUTH_SENT:
	case IKE_SA_INSTALLING:
		return "connecting";
	case IKE_SA_ESTABLISHED:
		return "established";
	case IKE_SA_DELETING:
		return "deleting";
	case IKE_SA_HALF_OPEN:
	case IKE_SA_CLOSED:
	case IKE_SA_DEAD:
		break;
	}
	return NULL;
}

/* A time of the loop as seconds of CLOCK_REALTIME; 0 for none. */
static uint64_t realtime_of(const struct keyd *keyd, uint64_t at)
{
	uint64_t now = keyd_now(keyd), seconds = realtime_usec() / 1000000;

	if (at == UINT64_MAX)
		return 0;
	return at > now ? seconds + (at - now) / 1000 : seconds;
}

static void fill_ike(struct sa_object *object, const struct ike_sa *sa)
{
	struct shown_ike *shown = &object->ike;
	static const uint8_t none[16];

	shown->state = state_word(sa);
	shown->role = sa->initiator ? "initiator" : "responder";
	strcpy(shown->peer, sa->peer);
	*shown->host_id = 0;
	if (memcmp(sa->peer_host_id, none, sizeof none))
		inet_ntop(AF_INET6, sa->peer_host_id, shown->host_id, sizeof shown->host_id);
	*shown->proposal = 0;
	if (sa->suite.encryption)
		ike_suite_name(&sa->suite, shown->proposal, sizeof shown->proposal);
	shown->authentication = sa->proof == IKE_PROOF_PSK ? "psk" : "certificate";
	shown->ppk = sa->peer_takes_ppk;
	shown->resumed = sa->resumed;
	shown->spi_initiator = sa->spi_initiator;
	shown->spi_responder = sa->spi_responder;
	shown->endpoint = sa->endpoint;
	if (sa->state == IKE_SA_ESTABLISHED && !shown->established)
		shown->established = realtime_usec() / 1000000;
	if (sa->rekey_at != object->rekey_at)
		shown->next_rekey = realtime_of(object->bus->keyd, sa->rekey_at);
	object->rekey_at = sa->rekey_at;
	shown->retransmissions = sa->retransmitted;
	snprintf(shown->last_error, sizeof shown->last_error, "%s",
		 *sa->trouble ? sa->trouble : sa->failure);
}

static void fill_child(struct child_object *object, const struct ike_sa *sa,
		       const struct ike_child *child)
{
	struct shown_child *shown = &object->child;

	shown->state = child->closing ? "closing" : child->replaced ? "replaced" : "live";
	ike_path(sa->id, shown->ike_path);
	shown->spi_in = child->spi_in;
	shown->spi_out = child->spi_out;
	shown->algorithm = esp_suite_name(&child->suite);
	/* Computed once, so that rounding is no change. */
	if (child->rekey_at != object->rekey_at)
		shown->next_rekey = realtime_of(object->bus->keyd, child->rekey_at);
	object->rekey_at = child->rekey_at;
}

static void own_child(struct sa_object *owner, struct child_object *object)
{
	object->owner = owner;
	object->next = owner->children;
	owner->children = object;
}

static void disown_child(struct child_object *object)
{
	struct child_object **at = &object->owner->children;

	while (*at != object)
		at = &(*at)->next;
	*at = object->next;
}

static void add_child(struct sa_object *owner, const struct ike_sa *sa,
		      const struct ike_child *child)
{
	struct child_object *object = calloc(1, sizeof *object);
	struct bus *bus = owner->bus;
	char path[PATH_SIZE];

	if (!object)
		return;
	object->bus = bus;
	object->id = child->id;
	fill_child(object, sa, child);
	object->child.established = realtime_usec() / 1000000;
	HASH_ADD(hh, bus->children, id, sizeof object->id, object);
	if (!hash_has(&object->hh)) {
		free(object);
		return;
	}
	own_child(owner, object);
	child_path(object->id, path);
	sd_bus_emit_object_added(bus->connection, path);
}

static void remove_child(struct child_object *object)
{
	char path[PATH_SIZE];

	child_path(object->id, path);
	sd_bus_emit_object_removed(object->bus->connection, path);
	disown_child(object);
	HASH_DEL(object->bus->children, object);
	free(object);
}

static void show_child(struct sa_object *owner, const struct ike_sa *sa,
		       const struct ike_child *child)
{
	struct child_object *object = find_child(owner->bus, child->id);
	struct shown_child former;
	char path[PATH_SIZE];

	if (!object) {
		add_child(owner, sa, child);
		return;
	}
	if (object->owner != owner) {
		disown_child(object);
		own_child(owner, object);
	}
	former = object->child;
	fill_child(object, sa, child);
	child_path(object->id, path);
	if (memcmp(&former, &object->child, sizeof former))
		sd_bus_emit_properties_changed(owner->bus->connection, path, CHILD_INTERFACE,
					       "IkeSa", "State", "NextRekey", NULL);
}

static bool is_shown(const struct ike_sa *sa, uint64_t id)
{
	for (size_t i = 0; sa && i < IKE_CHILDREN_LIMIT; i++)
		if (sa->children[i].id == id && sa->children[i].installed)
			return true;
	return false;
}

/* `sa` NULL: none is shown any more. */
static void show_children(struct sa_object *owner, const struct ike_sa *sa)
{
	struct child_object *next;

	for (size_t i = 0; sa && i < IKE_CHILDREN_LIMIT; i++)
		if (sa->children[i].id && sa->children[i].installed)
			show_child(owner, sa, &sa->children[i]);
	for (struct child_object *object = owner->children; object; object = next) {
		next = object->next;
		if (!is_shown(sa, object->id))
			remove_child(object);
	}
}

static struct sa_object *add_object(struct bus *bus, const struct ike_sa *sa)
{
	struct sa_object *object = calloc(1, sizeof *object);
	char path[PATH_SIZE];

	if (!object)
		return NULL;
	object->bus = bus;
	object->id = sa->id;
	fill_ike(object, sa);
	HASH_ADD(hh, bus->objects, id, sizeof object->id, object);
	if (!hash_has(&object->hh)) {
		free(object);
		return NULL;
	}
	ike_path(object->id, path);
	sd_bus_emit_object_added(bus->connection, path);
	return object;
}

static void remove_object(struct sa_object *object)
{
	char path[PATH_SIZE];

	show_children(object, NULL);
	ike_path(object->id, path);
	sd_bus_emit_object_removed(object->bus->connection, path);
	HASH_DEL(object->bus->objects, object);
	free(object);
}

static void announce_changes(struct sa_object *object, const struct ike_sa *sa)
{
	struct shown_ike former = object->ike;
	char path[PATH_SIZE];

	fill_ike(object, sa);
	ike_path(object->id, path);
	if (memcmp(&former, &object->ike, sizeof former))
		sd_bus_emit_properties_changed(object->bus->connection, path, IKE_INTERFACE, "Peer",
					       "HostId", "State", "Role", "SpiInitiator",
					       "SpiResponder", "Endpoint", "Proposal",
					       "Authentication", "Ppk", "Resumed", "Established",
					       "NextRekey", "LastError", NULL);
}

static void announce(struct bus *bus, uint64_t id)
{
	const struct ike_sa *sa = ike_manager_find(keyd_manager(bus->keyd), id);
	struct sa_object *object = find_object(bus, id);

	if (!sa || !state_word(sa)) {
		if (object)
			remove_object(object);
		return;
	}
	if (object)
		announce_changes(object, sa);
	else
		object = add_object(bus, sa);
	if (object)
		show_children(object, sa);
}

/* Also before anybody reads an object: nobody sees one as it was. */
static void announce_all(struct bus *bus)
{
	struct news *news;

	/* To announce is to read. */
	if (bus->announcing)
		return;
	bus->announcing = true;
	while ((news = bus->news)) {
		uint64_t id = news->id;

		HASH_DEL(bus->news, news);
		free(news);
		announce(bus, id);
	}
	bus->announcing = false;
}

static void on_timer(void *userdata)
{
	announce_all(userdata);
}

void bus_announce_sa(struct bus *bus, uint64_t id)
{
	struct news *news;

	HASH_FIND(hh, bus->news, &id, sizeof id, news);
	if (news)
		return;
	if (!bus->news)
		loop_timer_set_delay(bus->timer, ANNOUNCE_DELAY);
	news = calloc(1, sizeof *news);
	if (!news)
		return;
	news->id = id;
	HASH_ADD(hh, bus->news, id, sizeof news->id, news);
	if (!hash_has(&news->hh))
		free(news);
}

void bus_announce_state(struct bus *bus)
{
	const char *state = keyd_state(bus->keyd), *reason = keyd_reason(bus->keyd);

	if (!strcmp(state, bus->state) && !strcmp(reason, bus->reason))
		return;
	bus->state = state;
	bus->reason = reason;
	sd_bus_emit_properties_changed(bus->connection, ROOT_PATH, ROOT_INTERFACE, "State",
				       "Reason", NULL);
}

int bus_new(struct keyd *keyd, struct loop *loop, sd_bus *connection, struct bus **ret)
{
	struct bus *bus = calloc(1, sizeof *bus);
	int r;

	if (!bus)
		return -ENOMEM;
	bus->keyd = keyd;
	bus->connection = connection;
	bus->state = "starting";
	bus->reason = "starting";
	r = loop_timer_new(loop, on_timer, bus, &bus->timer);
	if (r >= 0)
		r = caller_check_new(connection, "org.homeward.key.manage-tunnels",
				     "renew or end tunnels", &bus->callers);
	if (r >= 0)
		r = sd_bus_add_object_vtable(connection, &bus->slot, ROOT_PATH, ROOT_INTERFACE,
					     root_vtable, bus);
	if (r >= 0)
		r = sd_bus_add_fallback_vtable(connection, &bus->ike_slot, IKE_PREFIX,
					       IKE_INTERFACE, ike_vtable, find_ike_object, bus);
	if (r >= 0)
		r = sd_bus_add_node_enumerator(connection, &bus->ike_nodes, IKE_PREFIX,
					       list_ike_nodes, bus);
	if (r >= 0)
		r = sd_bus_add_fallback_vtable(connection, &bus->child_slot, CHILD_PREFIX,
					       CHILD_INTERFACE, child_vtable, find_child_object,
					       bus);
	if (r >= 0)
		r = sd_bus_add_node_enumerator(connection, &bus->child_nodes, CHILD_PREFIX,
					       list_child_nodes, bus);
	if (r < 0) {
		bus_free(bus);
		return r;
	}
	*ret = bus;
	return 0;
}

struct bus *bus_free(struct bus *bus)
{
	struct sa_object *object, *next_object;
	struct child_object *child, *next_child;
	struct news *news, *next_news;

	if (!bus)
		return NULL;
	loop_timer_free(bus->timer);
	HASH_ITER (hh, bus->news, news, next_news) {
		HASH_DEL(bus->news, news);
		free(news);
	}
	HASH_ITER (hh, bus->children, child, next_child) {
		HASH_DEL(bus->children, child);
		free(child);
	}
	HASH_ITER (hh, bus->objects, object, next_object) {
		HASH_DEL(bus->objects, object);
		free(object);
	}
	caller_check_free(bus->callers);
	sd_bus_slot_unref(bus->ike_nodes);
	sd_bus_slot_unref(bus->child_nodes);
	sd_bus_slot_unref(bus->ike_slot);
	sd_bus_slot_unref(bus->child_slot);
	sd_bus_slot_unref(bus->slot);
	free(bus);
	return NULL;
}
