/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* igd-state.c and its parts: a gateway that the test plays call by call, in simulated time. */
#include "services/mapper/igd-state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GATEWAY "192.168.1.1"
#define US      "192.168.1.10"
#define OTHER   "192.168.1.11"
#define KNOWN   "http://192.168.1.1:5000/rootDesc.xml"

struct scene {
	struct igd_state state;
	uint64_t now;
	uint32_t last_id;
	unsigned int n_searches, n_unicast, n_abandoned;
	struct igd_call call; /* the last one */
	bool have_call;
	struct gateway_event events[32];
	unsigned int n_events;
	bool remakes; /* what is said to be gone is asked for at once, as mapper does */
	unsigned int n_lost;
};

static struct in_addr address(const char *text)
{
	return (struct in_addr){ inet_addr(text) };
}

static void remake(struct scene *scene, const struct gateway_event *event)
{
	struct gateway_request request = { .id = ++scene->last_id,
					   .operation = GATEWAY_MAP,
					   .transport = event->transport,
					   .internal_port = event->internal_port,
					   .lifetime = 3600 };

	scene->n_lost++;
	assert_int_equal(igd_state_request(&scene->state, &request, scene->now), 0);
}

static void run(struct scene *scene)
{
	struct igd_action action;

	for (int n = 0; igd_state_take_action(&scene->state, scene->now, &action); n++) {
		assert_true(n < 100);
		switch (action.kind) {
		case IGD_ACTION_SEARCH:
			scene->n_searches++;
			scene->n_unicast += action.unicast;
			break;
		case IGD_ACTION_CALL:
			assert_false(scene->have_call);
			scene->call = action.call;
			scene->have_call = true;
			break;
		case IGD_ACTION_ABANDON:
			scene->n_abandoned++;
			scene->have_call = false;
			break;
		case IGD_ACTION_EVENT:
			if (scene->remakes && action.event.kind == GATEWAY_EVENT_MAPPING)
				remake(scene, &action.event);
			if (scene->remakes)
				break;
			assert_true(scene->n_events < 32);
			scene->events[scene->n_events++] = action.event;
			break;
		}
	}
}

/* On to the next thing that is due. */
static void pass(struct scene *scene)
{
	uint64_t due = igd_state_due(&scene->state);

	assert_true(due != UINT64_MAX);
	if (due > scene->now)
		scene->now = due;
	run(scene);
}

static void pass_until(struct scene *scene, uint64_t end)
{
	while (igd_state_due(&scene->state) <= end)
		pass(scene);
	scene->now = end;
}

static void begin(struct scene *scene, const char *known)
{
	memset(scene, 0, sizeof *scene);
	scene->now = 1000000;
	igd_state_init(&scene->state, address(GATEWAY), address(US), known, 7);
}

static uint32_t ask(struct scene *scene, const struct gateway_request *request)
{
	struct gateway_request copy = *request;

	copy.id = ++scene->last_id;
	assert_int_equal(igd_state_request(&scene->state, &copy, scene->now), 0);
	run(scene);
	return copy.id;
}

static uint32_t ask_map(struct scene *scene, uint16_t internal, uint16_t external)
{
	return ask(scene, &(struct gateway_request){ .operation = GATEWAY_MAP,
						     .transport = IPPROTO_UDP,
						     .internal_port = internal,
						     .external_port = external,
						     .lifetime = 3600,
						     .label = "tunnel" });
}

static void expect_call(struct scene *scene, enum igd_call_kind kind)
{
	assert_true(scene->have_call);
	assert_int_equal(scene->call.kind, kind);
}

static void answer(struct scene *scene, struct igd_answer answer)
{
	assert_true(scene->have_call);
	answer.id = scene->call.id;
	scene->have_call = false;
	igd_state_on_answer(&scene->state, &answer, scene->now);
	run(scene);
}

static void fault(struct scene *scene, unsigned int code)
{
	answer(scene, (struct igd_answer){ .outcome = IGD_FAULT, .code = code });
}

static struct igd_service service(enum igd_service_type type, const char *path)
{
	struct igd_service service = { .type = type };

	service.control.address = address(GATEWAY);
	service.control.port = 5000;
	strcpy(service.control.path, path);
	return service;
}

static void answer_description(struct scene *scene, enum igd_service_type type)
{
	struct igd_answer description = { .services = { service(type, "/ctl") } };

	expect_call(scene, IGD_CALL_DESCRIBE);
	answer(scene, description);
}

static void answer_address(struct scene *scene, const char *external)
{
	expect_call(scene, IGD_CALL_ADDRESS);
	answer(scene, (struct igd_answer){ .external = address(external) });
}

static void answer_added(struct scene *scene)
{
	answer(scene, (struct igd_answer){ .external_port = scene->call.external_port });
}

static void answer_entry(struct scene *scene, const char *client, uint32_t lifetime)
{
	expect_call(scene, IGD_CALL_ENTRY);
	answer(scene, (struct igd_answer){ .client = address(client),
					   .internal_port = scene->call.internal_port,
					   .enabled = true,
					   .lifetime = lifetime });
}

static const struct gateway_event *expect_event(struct scene *scene, enum gateway_event_kind kind,
						uint32_t id)
{
	const struct gateway_event *event = &scene->events[0];

	assert_int_equal(scene->n_events, 1);
	scene->n_events = 0;
	assert_int_equal(event->kind, kind);
	assert_int_equal(event->id, id);
	return event;
}

static void hear(struct scene *scene, const char *source, const char *text)
{
	struct ssdp_message message;

	assert_int_equal(ssdp_parse(text, strlen(text), &message), 0);
	igd_state_on_message(&scene->state, address(source), &message, scene->now);
	run(scene);
}

#define FOUND(location)                                                                            \
	"HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"           \
	"LOCATION: " location "\r\n\r\n"
#define FOUND_BOOTED(location, boot)                                                               \
	"HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"           \
	"LOCATION: " location "\r\nBOOTID.UPNP.ORG: " boot "\r\n\r\n"
#define ALIVE_OLD(location)                                                                        \
	"NOTIFY * HTTP/1.1\r\nNT: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"         \
	"NTS: ssdp:alive\r\nLOCATION: " location "\r\n\r\n"
#define ALIVE(location, boot)                                                                      \
	"NOTIFY * HTTP/1.1\r\nNT: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"         \
	"NTS: ssdp:alive\r\nLOCATION: " location "\r\nBOOTID.UPNP.ORG: " boot "\r\n\r\n"

/* A mapping of port 4500 at a gateway of version 1. */
static void map_at(struct scene *scene, enum igd_service_type type)
{
	uint32_t id;

	begin(scene, KNOWN);
	id = ask_map(scene, 4500, 0);
	answer_description(scene, type);
	expect_call(scene, type == IGD_IP_CONNECTION_2 ? IGD_CALL_ADD_ANY : IGD_CALL_ADD);
	answer_added(scene);
	answer_entry(scene, US, 3600);
	answer_address(scene, "11.0.1.1");
	expect_event(scene, GATEWAY_EVENT_ANSWER, id);
}

/* Searching. */

static void test_search_silent(void **unused)
{
	struct scene scene;
	uint64_t start;
	uint32_t id;

	begin(&scene, NULL);
	start = scene.now;
	id = ask(&scene, &(struct gateway_request){ .operation = GATEWAY_PROBE });
	assert_int_equal(scene.n_searches, 3);
	while (!scene.n_events)
		pass(&scene);
	assert_int_equal(scene.n_searches, 13);
	assert_int_equal(scene.n_unicast, 2);
	assert_int_equal(scene.now - start, 2700);
	assert_int_equal(expect_event(&scene, GATEWAY_EVENT_ABSENT, id)->trouble, TROUBLE_SILENT);
	assert_true(igd_state_due(&scene.state) == UINT64_MAX);
}

static void test_search_again(void **unused)
{
	struct scene scene;
	uint64_t start;
	uint32_t id;

	begin(&scene, NULL);
	ask(&scene, &(struct gateway_request){ .operation = GATEWAY_PROBE });
	while (!scene.n_events)
		pass(&scene);
	scene.n_events = 0;
	scene.n_searches = 0;
	start = scene.now;
	id = ask(&scene, &(struct gateway_request){ .operation = GATEWAY_PROBE, .again = true });
	while (!scene.n_events)
		pass(&scene);
	assert_int_equal(scene.n_searches, 3);
	assert_int_equal(scene.now - start, 2000);
	assert_int_equal(expect_event(&scene, GATEWAY_EVENT_ABSENT, id)->trouble, TROUBLE_SILENT);
	id = ask(&scene, &(struct gateway_request){ .operation = GATEWAY_PROBE, .again = true });
	hear(&scene, GATEWAY, FOUND(KNOWN));
	answer_description(&scene, IGD_IP_CONNECTION_1);
	assert_int_equal(expect_event(&scene, GATEWAY_EVENT_ANSWER, id)->trouble, TROUBLE_NONE);
}

static void test_first_good_answer(void **unused)
{
	struct scene scene;
	uint32_t id;

	begin(&scene, NULL);
	id = ask(&scene, &(struct gateway_request){ .operation = GATEWAY_PROBE });
	hear(&scene, OTHER, FOUND("http://192.168.1.11:80/x"));
	hear(&scene, GATEWAY, FOUND("http://192.168.1.11:80/x"));
	hear(&scene, GATEWAY, FOUND("http://router/x"));
	hear(&scene, GATEWAY, "HTTP/1.1 200 OK\r\nST: urn:other\r\nLOCATION: " KNOWN "\r\n\r\n");
	assert_false(scene.have_call);
	assert_int_equal(scene.state.counters.messages_foreign, 1);
	assert_int_equal(scene.state.counters.messages_malformed, 2);
	hear(&scene, GATEWAY, FOUND(KNOWN));
	answer_description(&scene, IGD_IP_CONNECTION_1);
	assert_int_equal(expect_event(&scene, GATEWAY_EVENT_ANSWER, id)->trouble, TROUBLE_NONE);
	/* The rest of the search is not sent. */
	assert_int_equal(scene.n_searches, 3);
}

static void test_next_candidate(void **unused)
{
	struct scene scene;
	uint32_t id;

	begin(&scene, NULL);
	id = ask(&scene, &(struct gateway_request){ .operation = GATEWAY_PROBE });
	hear(&scene, GATEWAY, FOUND("http://192.168.1.1:1/printer"));
	hear(&scene, GATEWAY, FOUND("http://192.168.1.1:1/printer"));
	hear(&scene, GATEWAY, FOUND("http://192.168.1.1:2/gateway"));
	answer(&scene, (struct igd_answer){ .outcome = IGD_NONSENSE });
	assert_int_equal(scene.call.url.port, 2);
	answer_description(&scene, IGD_PPP_CONNECTION_1);
	expect_event(&scene, GATEWAY_EVENT_ANSWER, id);
}

/* More answers than a gateway has reason to give are not followed. */
static void test_many_candidates(void **unused)
{
	struct scene scene;
	uint32_t id;

	begin(&scene, NULL);
	id = ask(&scene, &(struct gateway_request){ .operation = GATEWAY_PROBE });
	hear(&scene, GATEWAY, FOUND("http://192.168.1.1:1/"));
	hear(&scene, GATEWAY, FOUND("http://192.168.1.1:2/"));
	hear(&scene, GATEWAY, FOUND("http://192.168.1.1:3/"));
	hear(&scene, GATEWAY, FOUND("http://192.168.1.1:4/"));
	hear(&scene, GATEWAY, FOUND("http://192.168.1.1:5/"));
	assert_int_equal(scene.state.counters.messages_unexpected, 1);
	for (int i = 0; i < 4; i++) {
		expect_call(&scene, IGD_CALL_DESCRIBE);
		fault(&scene, 404);
	}
	assert_false(scene.have_call);
	while (!scene.n_events)
		pass(&scene);
	assert_int_equal(scene.events[0].result, 404);
	assert_int_equal(expect_event(&scene, GATEWAY_EVENT_ABSENT, id)->trouble,
			 TROUBLE_MALFORMED);
}

static void test_endless_description(void **unused)
{
	struct scene scene;
	uint64_t start;
	uint32_t id;

	begin(&scene, NULL);
	id = ask(&scene, &(struct gateway_request){ .operation = GATEWAY_PROBE });
	hear(&scene, GATEWAY, FOUND(KNOWN));
	start = scene.now;
	expect_call(&scene, IGD_CALL_DESCRIBE);
	while (!scene.n_events)
		pass(&scene);
	assert_int_equal(scene.n_abandoned, 1);
	assert_int_equal(scene.now - start, 5000);
	assert_int_equal(expect_event(&scene, GATEWAY_EVENT_ABSENT, id)->trouble, TROUBLE_SILENT);
}

static void test_known_location(void **unused)
{
	struct scene scene;
	uint32_t id;

	begin(&scene, KNOWN);
	id = ask(&scene, &(struct gateway_request){ .operation = GATEWAY_PROBE });
	assert_int_equal(scene.n_searches, 0);
	expect_call(&scene, IGD_CALL_DESCRIBE);
	assert_string_equal(scene.call.url.path, "/rootDesc.xml");
	answer_description(&scene, IGD_IP_CONNECTION_1);
	expect_event(&scene, GATEWAY_EVENT_ANSWER, id);
	assert_int_equal(scene.n_searches, 0);
}

static void test_known_location_gone(void **unused)
{
	struct scene scene;
	uint64_t start;

	begin(&scene, KNOWN);
	start = scene.now;
	ask(&scene, &(struct gateway_request){ .operation = GATEWAY_PROBE });
	pass(&scene);
	assert_int_equal(scene.now - start, 1500);
	assert_int_equal(scene.n_abandoned, 1);
	assert_int_equal(scene.n_searches, 3);
	begin(&scene, KNOWN);
	ask(&scene, &(struct gateway_request){ .operation = GATEWAY_PROBE });
	answer(&scene, (struct igd_answer){ .outcome = IGD_UNREACHABLE });
	assert_int_equal(scene.n_searches, 3);
	/* One of another network is not asked at all. */
	begin(&scene, "http://192.168.2.1:5000/rootDesc.xml");
	ask(&scene, &(struct gateway_request){ .operation = GATEWAY_PROBE });
	assert_false(scene.have_call);
	assert_int_equal(scene.n_searches, 3);
}

/* IG-5. */
static void test_several_devices(void **unused)
{
	struct scene scene;
	uint32_t id;

	begin(&scene, KNOWN);
	id = ask_map(&scene, 4500, 0);
	expect_call(&scene, IGD_CALL_DESCRIBE);
	answer(&scene, (struct igd_answer){ .services = { service(IGD_IP_CONNECTION_1, "/a"),
							  service(IGD_PPP_CONNECTION_1, "/b") } });
	expect_call(&scene, IGD_CALL_STATUS);
	assert_string_equal(scene.call.url.path, "/a");
	answer(&scene, (struct igd_answer){ .connected = true });
	answer_address(&scene, "100.64.0.1");
	expect_call(&scene, IGD_CALL_STATUS);
	assert_string_equal(scene.call.url.path, "/b");
	answer(&scene, (struct igd_answer){ .connected = true });
	answer_address(&scene, "11.0.1.1");
	expect_call(&scene, IGD_CALL_ADD);
	assert_string_equal(scene.call.url.path, "/b");
	assert_int_equal(scene.call.service, IGD_PPP_CONNECTION_1);
	answer_added(&scene);
	answer_entry(&scene, US, 3600);
	answer_address(&scene, "11.0.1.1");
	expect_event(&scene, GATEWAY_EVENT_ANSWER, id);
}

/* Mapping. */

static void test_map_version_1(void **unused)
{
	const struct gateway_event *event;
	struct scene scene;
	uint32_t id;

	begin(&scene, KNOWN);
	id = ask_map(&scene, 4500, 0);
	answer_description(&scene, IGD_IP_CONNECTION_1);
	expect_call(&scene, IGD_CALL_ADD);
	assert_int_equal(scene.call.external_port, 4500);
	assert_int_equal(scene.call.client.s_addr, address(US).s_addr);
	assert_int_equal(scene.call.lifetime, 3600);
	assert_string_equal(scene.call.label, "tunnel");
	assert_true(scene.call.undo);
	answer_added(&scene);
	answer_entry(&scene, US, 3599);
	answer_address(&scene, "11.0.1.1");
	event = expect_event(&scene, GATEWAY_EVENT_ANSWER, id);
	assert_int_equal(event->trouble, TROUBLE_NONE);
	assert_int_equal(event->external.s_addr, address("11.0.1.1").s_addr);
	assert_int_equal(event->external_port, 4500);
	assert_int_equal(event->lifetime, 3599);
	/* Again: the same place, and not to be undone. */
	id = ask_map(&scene, 4500, 5555);
	expect_call(&scene, IGD_CALL_ADD);
	assert_int_equal(scene.call.external_port, 4500);
	assert_false(scene.call.undo);
	answer_added(&scene);
	answer_entry(&scene, US, 0);
	event = expect_event(&scene, GATEWAY_EVENT_ANSWER, id);
	assert_int_equal(event->lifetime, 3600);
}

static void test_map_version_2(void **unused)
{
	const struct gateway_event *event;
	struct scene scene;
	uint32_t id;

	begin(&scene, KNOWN);
	id = ask(&scene, &(struct gateway_request){ .operation = GATEWAY_MAP,
						    .transport = IPPROTO_TCP,
						    .internal_port = 22,
						    .external_port = 2222,
						    .lifetime = UINT32_MAX,
						    .label = "a&<b>\"\r\n\x80" });
	answer_description(&scene, IGD_IP_CONNECTION_2);
	expect_call(&scene, IGD_CALL_ADD_ANY);
	assert_int_equal(scene.call.external_port, 2222);
	assert_int_equal(scene.call.lifetime, 604800);
	assert_string_equal(scene.call.label, "a__b_____");
	answer(&scene, (struct igd_answer){ .external_port = 3333 });
	expect_call(&scene, IGD_CALL_ENTRY);
	assert_int_equal(scene.call.external_port, 3333);
	answer_entry(&scene, US, 600);
	answer_address(&scene, "11.0.1.1");
	event = expect_event(&scene, GATEWAY_EVENT_ANSWER, id);
	assert_int_equal(event->external_port, 3333);
	assert_int_equal(event->lifetime, 600);
	/* A renewal names the port. */
	id = ask(&scene, &(struct gateway_request){ .operation = GATEWAY_MAP,
						    .transport = IPPROTO_TCP,
						    .internal_port = 22,
						    .lifetime = 3600 });
	expect_call(&scene, IGD_CALL_ADD);
	assert_int_equal(scene.call.external_port, 3333);
}

static void test_no_any(void **unused)
{
	struct scene scene;

	begin(&scene, KNOWN);
	ask_map(&scene, 4500, 0);
	answer_description(&scene, IGD_IP_CONNECTION_2);
	expect_call(&scene, IGD_CALL_ADD_ANY);
	fault(&scene, 401);
	expect_call(&scene, IGD_CALL_ADD);
	fault(&scene, 401);
	assert_int_equal(scene.events[0].result, 401);
	assert_int_equal(scene.events[0].trouble, TROUBLE_UNSUPPORTED_OPERATION);
}

/* IG-10. */
static void test_conflict(void **unused)
{
	const struct gateway_event *event;
	struct scene scene;
	uint32_t id;

	begin(&scene, KNOWN);
	id = ask_map(&scene, 4500, 0);
	answer_description(&scene, IGD_IP_CONNECTION_1);
	fault(&scene, 718);
	expect_call(&scene, IGD_CALL_ADD);
	assert_true(scene.call.external_port >= 20000);
	answer_added(&scene);
	/* It says that it did, but it is another's. */
	answer_entry(&scene, OTHER, 3600);
	for (int i = 0; i < 6; i++) {
		expect_call(&scene, IGD_CALL_ADD);
		fault(&scene, 718);
	}
	assert_false(scene.have_call);
	event = expect_event(&scene, GATEWAY_EVENT_ANSWER, id);
	assert_int_equal(event->trouble, TROUBLE_CONFLICT);
	assert_int_equal(event->result, 718);
}

static void test_same_port(void **unused)
{
	struct scene scene;
	uint32_t id;

	begin(&scene, KNOWN);
	id = ask_map(&scene, 4500, 4600);
	answer_description(&scene, IGD_IP_CONNECTION_1);
	assert_int_equal(scene.call.external_port, 4600);
	fault(&scene, 724);
	expect_call(&scene, IGD_CALL_ADD);
	assert_int_equal(scene.call.external_port, 4500);
	fault(&scene, 718);
	assert_int_equal(expect_event(&scene, GATEWAY_EVENT_ANSWER, id)->trouble, TROUBLE_CONFLICT);
	ask_map(&scene, 4501, 4600);
	assert_int_equal(scene.call.external_port, 4501);
}

/* IG-8. */
static void test_only_permanent(void **unused)
{
	static const unsigned int codes[] = { 725, 402 };

	for (int i = 0; i < 2; i++) {
		struct scene scene;
		uint32_t id;

		begin(&scene, KNOWN);
		id = ask_map(&scene, 4500, 0);
		answer_description(&scene, IGD_IP_CONNECTION_1);
		fault(&scene, codes[i]);
		expect_call(&scene, IGD_CALL_ADD);
		assert_int_equal(scene.call.external_port, 4500);
		assert_int_equal(scene.call.lifetime, 0);
		answer_added(&scene);
		answer_entry(&scene, US, 0);
		answer_address(&scene, "11.0.1.1");
		assert_int_equal(expect_event(&scene, GATEWAY_EVENT_ANSWER, id)->lifetime, 0);
		/* The next one is asked for like this at once; another no is a no. */
		ask_map(&scene, 4501, 0);
		assert_int_equal(scene.call.lifetime, 0);
		fault(&scene, codes[i]);
		assert_int_equal(scene.n_events, 1);
	}
}

static void test_faults(void **unused)
{
	static const struct {
		unsigned int code;
		enum trouble trouble;
	} faults[] = {
		{ 606, TROUBLE_REFUSED },
		{ 728, TROUBLE_OUT_OF_RESOURCES },
		{ 729, TROUBLE_CONFLICT },
		{ 715, TROUBLE_UNSUPPORTED_OPERATION },
		{ 716, TROUBLE_UNSUPPORTED_OPERATION },
		{ 726, TROUBLE_UNSUPPORTED_OPERATION },
		{ 727, TROUBLE_UNSUPPORTED_OPERATION },
		{ 732, TROUBLE_UNSUPPORTED_OPERATION },
		{ 733, TROUBLE_UNSUPPORTED_OPERATION },
		{ 999, TROUBLE_UNKNOWN_RESULT },
	};

	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		const struct gateway_event *event;
		struct scene scene;
		uint32_t id;

		begin(&scene, KNOWN);
		id = ask_map(&scene, 4500, 0);
		answer_description(&scene, IGD_IP_CONNECTION_1);
		fault(&scene, faults[i].code);
		event = expect_event(&scene, GATEWAY_EVENT_ANSWER, id);
		assert_int_equal(event->trouble, faults[i].trouble);
		assert_int_equal(event->result, faults[i].code);
	}
}

static void test_action_failed(void **unused)
{
	struct scene scene;
	uint32_t id;

	begin(&scene, KNOWN);
	id = ask_map(&scene, 4500, 0);
	answer_description(&scene, IGD_IP_CONNECTION_1);
	fault(&scene, 501);
	expect_call(&scene, IGD_CALL_ADD);
	fault(&scene, 501);
	assert_int_equal(expect_event(&scene, GATEWAY_EVENT_ANSWER, id)->trouble,
			 TROUBLE_UNKNOWN_RESULT);
}

/* It says yes and does nothing. */
static void test_claims(void **unused)
{
	struct scene scene;
	uint32_t id;

	begin(&scene, KNOWN);
	id = ask_map(&scene, 4500, 0);
	answer_description(&scene, IGD_IP_CONNECTION_1);
	answer_added(&scene);
	expect_call(&scene, IGD_CALL_ENTRY);
	fault(&scene, 714);
	assert_int_equal(expect_event(&scene, GATEWAY_EVENT_ANSWER, id)->trouble,
			 TROUBLE_NOT_FORWARDED);
	/* Or has it, but switched off. */
	id = ask_map(&scene, 4500, 0);
	answer_added(&scene);
	answer(&scene, (struct igd_answer){ .client = address(US), .internal_port = 4500 });
	assert_int_equal(expect_event(&scene, GATEWAY_EVENT_ANSWER, id)->trouble,
			 TROUBLE_NOT_FORWARDED);
	/* Or talks nonsense. */
	id = ask_map(&scene, 4500, 0);
	answer(&scene, (struct igd_answer){ .outcome = IGD_NONSENSE });
	expect_call(&scene, IGD_CALL_ENTRY);
	answer(&scene, (struct igd_answer){ .outcome = IGD_NONSENSE });
	assert_int_equal(expect_event(&scene, GATEWAY_EVENT_ANSWER, id)->trouble,
			 TROUBLE_MALFORMED);
	/* One that cannot be asked is believed. */
	id = ask_map(&scene, 4500, 0);
	answer_added(&scene);
	fault(&scene, 401);
	answer_address(&scene, "11.0.1.1");
	assert_int_equal(expect_event(&scene, GATEWAY_EVENT_ANSWER, id)->trouble, TROUBLE_NONE);
}

static void test_no_address(void **unused)
{
	const struct gateway_event *event;
	struct scene scene;
	uint32_t id;

	begin(&scene, KNOWN);
	id = ask(&scene, &(struct gateway_request){ .operation = GATEWAY_ADDRESS });
	answer_description(&scene, IGD_IP_CONNECTION_1);
	answer_address(&scene, "0.0.0.0");
	event = expect_event(&scene, GATEWAY_EVENT_ANSWER, id);
	assert_int_equal(event->trouble, TROUBLE_NETWORK_FAILURE);
	id = ask(&scene, &(struct gateway_request){ .operation = GATEWAY_ADDRESS });
	fault(&scene, 501);
	event = expect_event(&scene, GATEWAY_EVENT_ANSWER, id);
	assert_int_equal(event->trouble, TROUBLE_NETWORK_FAILURE);
	assert_int_equal(event->result, 501);
	/* A private one is told as it is: what it means is the same whatever the protocol. */
	id = ask(&scene, &(struct gateway_request){ .operation = GATEWAY_ADDRESS });
	answer_address(&scene, "10.0.0.1");
	event = expect_event(&scene, GATEWAY_EVENT_ANSWER, id);
	assert_int_equal(event->external.s_addr, address("10.0.0.1").s_addr);
}

/* Deleting. */

static void test_delete(void **unused)
{
	struct scene scene;
	struct gateway_request deletion = { .operation = GATEWAY_DELETE,
					    .transport = IPPROTO_UDP,
					    .internal_port = 4500 };
	uint32_t id;

	map_at(&scene, IGD_IP_CONNECTION_1);
	id = ask(&scene, &deletion);
	expect_call(&scene, IGD_CALL_DELETE);
	assert_int_equal(scene.call.external_port, 4500);
	fault(&scene, 714);
	assert_int_equal(expect_event(&scene, GATEWAY_EVENT_ANSWER, id)->trouble, TROUBLE_NONE);
	/* Left by a run that crashed: it is looked at first. */
	deletion.external_port = 4600;
	id = ask(&scene, &deletion);
	answer_entry(&scene, US, 0);
	expect_call(&scene, IGD_CALL_DELETE);
	assert_int_equal(scene.call.external_port, 4600);
	answer(&scene, (struct igd_answer){ .outcome = IGD_DONE });
	expect_event(&scene, GATEWAY_EVENT_ANSWER, id);
	/* Another host's by now. */
	id = ask(&scene, &deletion);
	answer_entry(&scene, OTHER, 0);
	assert_false(scene.have_call);
	expect_event(&scene, GATEWAY_EVENT_ANSWER, id);
	/* Gone by itself. */
	id = ask(&scene, &deletion);
	fault(&scene, 714);
	expect_event(&scene, GATEWAY_EVENT_ANSWER, id);
	/* Refused. */
	id = ask(&scene, &deletion);
	answer_entry(&scene, US, 0);
	fault(&scene, 606);
	assert_int_equal(expect_event(&scene, GATEWAY_EVENT_ANSWER, id)->trouble, TROUBLE_REFUSED);
	/* Nothing to be deleted. */
	deletion.external_port = 0;
	id = ask(&scene, &deletion);
	expect_event(&scene, GATEWAY_EVENT_ANSWER, id);
}

/* Losing interest. */

static void test_cancel(void **unused)
{
	struct scene scene;
	uint32_t id;

	begin(&scene, KNOWN);
	id = ask_map(&scene, 4500, 0);
	answer_description(&scene, IGD_IP_CONNECTION_1);
	expect_call(&scene, IGD_CALL_ADD);
	igd_state_cancel(&scene.state, id, scene.now);
	answer_added(&scene);
	expect_call(&scene, IGD_CALL_DELETE);
	answer(&scene, (struct igd_answer){ .outcome = IGD_DONE });
	assert_int_equal(scene.n_events, 0);
	assert_int_equal(scene.state.n_tasks, 0);
	/* Later: the mapping is there already. */
	id = ask_map(&scene, 4500, 0);
	answer_added(&scene);
	igd_state_cancel(&scene.state, id, scene.now);
	answer_entry(&scene, US, 3600);
	expect_call(&scene, IGD_CALL_DELETE);
	answer(&scene, (struct igd_answer){ .outcome = IGD_DONE });
	assert_int_equal(scene.state.n_tasks, 0);
	/* Before anything was sent. */
	ask_map(&scene, 4500, 0);
	id = ask_map(&scene, 4501, 0);
	igd_state_cancel(&scene.state, id, scene.now);
	assert_int_equal(scene.state.n_tasks, 1);
	assert_int_equal(scene.n_events, 0);
}

static void test_cancelled_renewal_stays(void **unused)
{
	struct scene scene;
	uint32_t id;

	map_at(&scene, IGD_IP_CONNECTION_1);
	id = ask_map(&scene, 4500, 0);
	igd_state_cancel(&scene.state, id, scene.now);
	answer_added(&scene);
	assert_false(scene.have_call);
	assert_int_equal(scene.state.n_tasks, 0);
}

static void test_farewell(void **unused)
{
	struct igd_call calls[4];
	struct scene scene;
	bool wait;

	begin(&scene, KNOWN);
	ask_map(&scene, 4500, 0);
	assert_int_equal(igd_state_farewell(&scene.state, calls, 4, &wait), 0);
	assert_false(wait);
	begin(&scene, KNOWN);
	ask_map(&scene, 4500, 0);
	answer_description(&scene, IGD_IP_CONNECTION_1);
	assert_int_equal(igd_state_farewell(&scene.state, calls, 4, &wait), 0);
	assert_true(wait);
	begin(&scene, KNOWN);
	ask_map(&scene, 4500, 0);
	answer_description(&scene, IGD_IP_CONNECTION_1);
	answer_added(&scene);
	assert_int_equal(igd_state_farewell(&scene.state, calls, 4, &wait), 1);
	assert_int_equal(calls[0].kind, IGD_CALL_DELETE);
	assert_int_equal(calls[0].external_port, 4500);
	/* What was told is the caller's to delete. */
	map_at(&scene, IGD_IP_CONNECTION_1);
	assert_int_equal(igd_state_farewell(&scene.state, calls, 4, &wait), 0);
}

/* Looking after it. */

static void test_poll(void **unused)
{
	const struct gateway_event *event;
	struct scene scene;
	uint64_t start;

	map_at(&scene, IGD_IP_CONNECTION_1);
	start = scene.now;
	pass(&scene);
	assert_int_equal(scene.now - start, 180000);
	answer_address(&scene, "11.0.1.1");
	answer_entry(&scene, US, 3000);
	assert_int_equal(scene.n_events, 0);
	assert_false(scene.have_call);
	pass(&scene);
	assert_int_equal(scene.now - start, 360000);
	answer_address(&scene, "11.0.1.2");
	event = expect_event(&scene, GATEWAY_EVENT_ADDRESS, 0);
	assert_int_equal(event->external.s_addr, address("11.0.1.2").s_addr);
	fault(&scene, 714);
	event = expect_event(&scene, GATEWAY_EVENT_MAPPING, 0);
	assert_int_equal(event->internal_port, 4500);
	assert_int_equal(event->transport, IPPROTO_UDP);
	assert_int_equal(event->external_port, 0);
}

/* With HTTP gone it is searched; where it answers again the mappings are looked at. */
static void test_lost_and_found(void **unused)
{
	struct scene scene;

	map_at(&scene, IGD_IP_CONNECTION_1);
	pass(&scene);
	expect_call(&scene, IGD_CALL_ADDRESS);
	answer(&scene, (struct igd_answer){ .outcome = IGD_UNREACHABLE });
	assert_int_equal(scene.n_searches, 3);
	hear(&scene, GATEWAY, FOUND("http://192.168.1.1:6000/new.xml"));
	answer_description(&scene, IGD_IP_CONNECTION_1);
	answer_address(&scene, "11.0.1.1");
	expect_call(&scene, IGD_CALL_ENTRY);
	fault(&scene, 714);
	expect_event(&scene, GATEWAY_EVENT_MAPPING, 0);
}

static void test_lost(void **unused)
{
	struct scene scene;
	uint32_t id;

	map_at(&scene, IGD_IP_CONNECTION_1);
	pass(&scene);
	answer(&scene, (struct igd_answer){ .outcome = IGD_UNREACHABLE });
	while (!scene.n_events)
		pass(&scene);
	expect_event(&scene, GATEWAY_EVENT_RESTARTED, 0);
	/* During a request: searched once more, then it is absent. */
	map_at(&scene, IGD_IP_CONNECTION_1);
	id = ask_map(&scene, 4500, 0);
	pass(&scene);
	assert_int_equal(scene.n_abandoned, 1);
	hear(&scene, GATEWAY, FOUND(KNOWN));
	answer_description(&scene, IGD_IP_CONNECTION_1);
	expect_call(&scene, IGD_CALL_ADD);
	pass(&scene);
	assert_int_equal(scene.n_abandoned, 2);
	assert_int_equal(scene.events[0].id, id);
	assert_int_equal(scene.events[0].kind, GATEWAY_EVENT_ABSENT);
}

static void test_restart_heard(void **unused)
{
	struct scene scene;

	begin(&scene, NULL);
	ask_map(&scene, 4500, 0);
	hear(&scene, GATEWAY, FOUND_BOOTED(KNOWN, "1"));
	answer_description(&scene, IGD_IP_CONNECTION_1);
	answer_added(&scene);
	answer_entry(&scene, US, 3600);
	answer_address(&scene, "11.0.1.1");
	scene.n_events = 0;
	hear(&scene, GATEWAY, ALIVE(KNOWN, "1"));
	assert_false(scene.have_call);
	hear(&scene, OTHER, ALIVE(KNOWN, "2"));
	assert_false(scene.have_call);
	hear(&scene, GATEWAY, ALIVE(KNOWN, "2"));
	answer_address(&scene, "11.0.1.1");
	answer_entry(&scene, US, 3600);
	assert_int_equal(scene.n_events, 0);
}

/* At a known location nobody has said yet how often it was booted: the first word may be that of a
 * restart, the second one is not. */
static void test_first_boot_id(void **unused)
{
	struct scene scene;

	map_at(&scene, IGD_IP_CONNECTION_1);
	hear(&scene, GATEWAY, ALIVE(KNOWN, "2"));
	answer_address(&scene, "11.0.1.1");
	fault(&scene, 714);
	expect_event(&scene, GATEWAY_EVENT_MAPPING, 0);
	scene.now += 60000;
	hear(&scene, GATEWAY, ALIVE(KNOWN, "2"));
	assert_false(scene.have_call);
}

/* A gateway that says so again and again is asked ever more seldom. */
static void test_flood_heard(void **unused)
{
	struct scene scene;
	unsigned int n_calls = 0;
	uint64_t end;

	map_at(&scene, IGD_IP_CONNECTION_1);
	end = scene.now + 60000;
	for (unsigned int i = 0; scene.now < end; i++) {
		hear(&scene, GATEWAY, i % 2 ? ALIVE(KNOWN, "1") : ALIVE(KNOWN, "2"));
		while (scene.have_call) {
			n_calls++;
			if (scene.call.kind == IGD_CALL_ADDRESS)
				answer_address(&scene, "11.0.1.1");
			else
				answer_entry(&scene, US, 3600);
		}
		pass_until(&scene, scene.now + 10);
	}
	assert_true(n_calls >= 2 && n_calls <= 14);
}

static void test_switched_on(void **unused)
{
	struct scene scene;

	begin(&scene, NULL);
	ask(&scene, &(struct gateway_request){ .operation = GATEWAY_PROBE });
	while (!scene.n_events)
		pass(&scene);
	scene.n_events = 0;
	hear(&scene, GATEWAY, ALIVE(KNOWN, "1"));
	expect_event(&scene, GATEWAY_EVENT_RESTARTED, 0);
	ask(&scene, &(struct gateway_request){ .operation = GATEWAY_PROBE });
	expect_call(&scene, IGD_CALL_DESCRIBE);
}

/* Events. */

static void subscribe(struct scene *scene)
{
	struct igd_answer description = { .services = { service(IGD_IP_CONNECTION_1, "/ctl") } };

	begin(scene, KNOWN);
	ask_map(scene, 4500, 0);
	description.services[0].events = description.services[0].control;
	answer(scene, description);
	answer_added(scene);
	answer_entry(scene, US, 3600);
	answer_address(scene, "11.0.1.1");
	scene->n_events = 0;
	expect_call(scene, IGD_CALL_SUBSCRIBE);
	answer(scene, (struct igd_answer){ .subscription = "uuid:1", .lifetime = 600 });
}

static void test_events(void **unused)
{
	struct scene scene;
	uint64_t start;

	subscribe(&scene);
	start = scene.now;
	assert_false(igd_state_on_notified(&scene.state, "uuid:2", address("11.0.1.2"), scene.now));
	run(&scene);
	assert_false(scene.have_call);
	/* What we did ourselves has time. */
	assert_true(igd_state_on_notified(&scene.state, "uuid:1", address("11.0.1.1"), scene.now));
	run(&scene);
	assert_false(scene.have_call);
	/* News has not. */
	assert_true(igd_state_on_notified(&scene.state, "uuid:1", address("11.0.1.2"), scene.now));
	run(&scene);
	answer_address(&scene, "11.0.1.2");
	expect_event(&scene, GATEWAY_EVENT_ADDRESS, 0);
	answer_entry(&scene, US, 3600);
	pass(&scene);
	assert_int_equal(scene.now - start, 5000);
	answer_address(&scene, "11.0.1.2");
	answer_entry(&scene, US, 3600);
	pass(&scene);
	/* Half of its time. */
	expect_call(&scene, IGD_CALL_RENEW);
	assert_int_equal(scene.now - start, 300000);
	assert_string_equal(scene.call.subscription, "uuid:1");
	answer(&scene, (struct igd_answer){ .subscription = "uuid:1", .lifetime = 600 });
	pass(&scene);
	expect_call(&scene, IGD_CALL_RENEW);
	fault(&scene, 412);
	/* It forgot that, and perhaps more. */
	answer_address(&scene, "11.0.1.2");
	answer_entry(&scene, US, 3600);
	expect_call(&scene, IGD_CALL_SUBSCRIBE);
	fault(&scene, 500);
	assert_false(scene.have_call);
	assert_false(igd_state_on_notified(&scene.state, "uuid:1", address("11.0.1.9"), scene.now));
}

/* Without boot ids what is said every half minute may each time be that of a restart: it is looked
 * at as often as without events, instead of every quarter of an hour. */
static void test_no_boot_id(void **unused)
{
	struct scene scene;
	uint64_t start;

	subscribe(&scene);
	start = scene.now;
	pass(&scene);
	assert_int_equal(scene.now - start, 180000);
	answer_address(&scene, "11.0.1.1");
	answer_entry(&scene, US, 3600);
	pass_until(&scene, start + 181000);
	hear(&scene, GATEWAY, ALIVE_OLD(KNOWN));
	assert_false(scene.have_call);
	pass(&scene);
	expect_call(&scene, IGD_CALL_RENEW);
	answer(&scene, (struct igd_answer){ .subscription = "uuid:1", .lifetime = 1800 });
	pass(&scene);
	assert_int_equal(scene.now - start, 360000);
	answer_address(&scene, "11.0.1.1");
	fault(&scene, 714);
	expect_event(&scene, GATEWAY_EVENT_MAPPING, 0);
	/* The last time was long ago. */
	pass_until(&scene, start + 800000);
	hear(&scene, GATEWAY, ALIVE_OLD(KNOWN));
	answer_address(&scene, "11.0.1.1");
	assert_false(scene.have_call);
}

/* It is switched off just when it is asked for events: none of them would ever tell. */
static void test_restart_while_subscribing(void **unused)
{
	struct igd_answer description = { .services = { service(IGD_IP_CONNECTION_1, "/ctl") } };
	struct scene scene;

	begin(&scene, KNOWN);
	ask_map(&scene, 4500, 0);
	description.services[0].events = description.services[0].control;
	answer(&scene, description);
	answer_added(&scene);
	answer_entry(&scene, US, 3600);
	answer_address(&scene, "11.0.1.1");
	scene.n_events = 0;
	expect_call(&scene, IGD_CALL_SUBSCRIBE);
	answer(&scene, (struct igd_answer){ .outcome = IGD_UNREACHABLE });
	answer_address(&scene, "11.0.1.1");
	fault(&scene, 714);
	expect_event(&scene, GATEWAY_EVENT_MAPPING, 0);
	/* One whose events are never to be had costs a look, and then none. */
	assert_false(scene.have_call);
	pass(&scene);
	expect_call(&scene, IGD_CALL_ADDRESS);
	assert_true(scene.now >= 1000000 + 180000);
}

static void test_unsubscribe(void **unused)
{
	struct igd_call calls[4];
	struct scene scene;
	bool wait;

	subscribe(&scene);
	assert_int_equal(igd_state_farewell(&scene.state, calls, 4, &wait), 1);
	assert_int_equal(calls[0].kind, IGD_CALL_UNSUBSCRIBE);
	assert_string_equal(calls[0].subscription, "uuid:1");
}

/* In an hour with nothing happening. */
static void test_steady_state(void **unused)
{
	struct scene scene;
	unsigned int n_calls = 0;
	uint64_t end;

	map_at(&scene, IGD_IP_CONNECTION_1);
	end = scene.now + 3600000;
	while (scene.now < end) {
		pass(&scene);
		while (scene.have_call) {
			n_calls++;
			if (scene.call.kind == IGD_CALL_ADDRESS)
				answer_address(&scene, "11.0.1.1");
			else
				answer_entry(&scene, US, 3600);
		}
	}
	assert_int_equal(n_calls, 40);
}

/* Description and search work, and whatever is asked of the control URL does not: nobody waits for
 * an answer, and it is not searched for again and again. */
static void test_control_is_dead(void **unused)
{
	unsigned int n_calls = 0;
	struct scene scene;
	uint32_t id;

	begin(&scene, KNOWN);
	id = ask_map(&scene, 4500, 0);
	for (int i = 0; i < 100 && scene.state.phase != IGD_UNKNOWN; i++) {
		if (scene.have_call && scene.call.kind == IGD_CALL_DESCRIBE) {
			answer_description(&scene, IGD_IP_CONNECTION_1);
		} else if (scene.have_call) {
			n_calls++;
			answer(&scene, (struct igd_answer){ .outcome = IGD_UNREACHABLE });
		} else if (scene.state.phase == IGD_SEARCHING && !scene.state.n_candidates) {
			hear(&scene, GATEWAY, FOUND(KNOWN));
		} else {
			pass(&scene);
		}
	}
	expect_event(&scene, GATEWAY_EVENT_ABSENT, id);
	assert_int_equal(scene.state.phase, IGD_UNKNOWN);
	assert_true(igd_state_due(&scene.state) == UINT64_MAX);
	assert_true(n_calls <= 3);
	assert_true(scene.n_searches <= 6);
	/* Asked again later, it may have recovered. */
	id = ask_map(&scene, 4500, 0);
	hear(&scene, GATEWAY, FOUND(KNOWN));
	answer_description(&scene, IGD_IP_CONNECTION_1);
	answer_added(&scene);
	answer_entry(&scene, US, 3600);
	answer_address(&scene, "11.0.1.1");
	assert_int_equal(scene.events[0].id, id);
	assert_int_equal(scene.events[0].trouble, TROUBLE_NONE);
}

/* Room for one mapping only, and the latest takes it: of two that are wanted each is found missing,
 * and made again, in turns. That goes on, but slowly. */
static void test_room_for_one(void **unused)
{
	unsigned int n_calls = 0;
	struct scene scene;
	uint16_t holds = 0;
	uint64_t end;

	map_at(&scene, IGD_IP_CONNECTION_1);
	scene.remakes = true;
	ask_map(&scene, 4600, 0);
	end = scene.now + 3600000;
	for (int i = 0; i < 2000 && scene.now < end; i++) {
		if (!scene.have_call) {
			pass(&scene);
			continue;
		}
		n_calls++;
		if (scene.call.kind == IGD_CALL_ADD) {
			holds = scene.call.internal_port;
			answer_added(&scene);
		} else if (scene.call.kind == IGD_CALL_ADDRESS) {
			answer_address(&scene, "11.0.1.1");
		} else if (scene.call.internal_port == holds) {
			answer_entry(&scene, US, 3600);
		} else {
			fault(&scene, 714);
		}
	}
	assert_true(scene.now >= end);
	assert_in_range(scene.n_lost, 10, 60);
	assert_true(n_calls <= 300);
}

static void test_limits(void **unused)
{
	struct gateway_request request = { .operation = GATEWAY_PROBE };
	struct scene scene;

	begin(&scene, NULL);
	for (request.id = 1; request.id <= SPEAKER_REQUESTS_LIMIT; request.id++)
		assert_int_equal(igd_state_request(&scene.state, &request, scene.now), 0);
	assert_int_equal(igd_state_request(&scene.state, &request, scene.now), -EBUSY);
}

/* The worker crashed, or says what no worker says. */
static void test_worker(void **unused)
{
	struct scene scene;
	uint32_t id;

	begin(&scene, KNOWN);
	id = ask_map(&scene, 4500, 0);
	igd_state_on_answer(&scene.state, &(struct igd_answer){ .id = 4711 }, scene.now);
	expect_call(&scene, IGD_CALL_DESCRIBE);
	scene.have_call = false;
	igd_state_on_answer(&scene.state, NULL, scene.now);
	run(&scene);
	assert_int_equal(scene.state.counters.answers_malformed, 1);
	hear(&scene, GATEWAY, FOUND(KNOWN));
	expect_call(&scene, IGD_CALL_DESCRIBE);
	scene.have_call = false;
	igd_state_on_worker_lost(&scene.state, scene.now);
	run(&scene);
	while (!scene.n_events)
		pass(&scene);
	expect_event(&scene, GATEWAY_EVENT_ABSENT, id);
	igd_state_on_worker_lost(&scene.state, scene.now);
	run(&scene);
	assert_int_equal(scene.n_events, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_search_silent),
		cmocka_unit_test(test_search_again),
		cmocka_unit_test(test_first_good_answer),
		cmocka_unit_test(test_next_candidate),
		cmocka_unit_test(test_many_candidates),
		cmocka_unit_test(test_endless_description),
		cmocka_unit_test(test_known_location),
		cmocka_unit_test(test_known_location_gone),
		cmocka_unit_test(test_several_devices),
		cmocka_unit_test(test_map_version_1),
		cmocka_unit_test(test_map_version_2),
		cmocka_unit_test(test_no_any),
		cmocka_unit_test(test_conflict),
		cmocka_unit_test(test_same_port),
		cmocka_unit_test(test_only_permanent),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_action_failed),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_no_address),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancelled_renewal_stays),
		cmocka_unit_test(test_farewell),
		cmocka_unit_test(test_poll),
		cmocka_unit_test(test_lost_and_found),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_restart_heard),
		cmocka_unit_test(test_first_boot_id),
		cmocka_unit_test(test_no_boot_id),
		cmocka_unit_test(test_restart_while_subscribing),
		cmocka_unit_test(test_flood_heard),
		cmocka_unit_test(test_switched_on),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_unsubscribe),
		cmocka_unit_test(test_steady_state),
		cmocka_unit_test(test_control_is_dead),
		cmocka_unit_test(test_room_for_one),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_worker),
	};

	return cmocka_run_group_tests_name("igd-state", tests, NULL, NULL);
}
