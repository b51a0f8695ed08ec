/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gateway-pcp.c and gateway-natpmp.c against a gateway played on a loopback address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "services/mapper/announcement-wire.h"
#include "services/mapper/gateway-socket.h"
#include "tests/unit/mapper/pcp-server.h"

#include <arpa/inet.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE 20000 /* ms; only a failure waits that long */

struct scene {
	struct loop *loop;
	struct loop_timer *patience;
	struct loop_io *io;
	struct speaker_gateway gateway;
	const struct speaker_class *class;
	struct speaker *speaker;
	int server, elsewhere;
	void (*serve)(struct scene *scene, uint8_t *octets, size_t size);
	void (*hear)(struct scene *scene);
	struct sockaddr_in client;
	unsigned int n_served, n_events;
	struct gateway_event events[16];
};

static void give_up(void *userdata)
{
	struct scene *scene = userdata;

	loop_stop(scene->loop, 1);
}

static void on_event(void *userdata, enum mapping_protocol protocol,
		     const struct gateway_event *event)
{
	struct scene *scene = userdata;

	assert_int_equal(protocol, scene->class->protocol);
	assert_true(scene->n_events < ARRAY_SIZE(scene->events));
	scene->events[scene->n_events++] = *event;
	if (scene->hear)
		scene->hear(scene);
	else
		loop_stop(scene->loop, 0);
}

static void on_request(void *userdata, int status, int events)
{
	struct scene *scene = userdata;
	uint8_t octets[1200];
	socklen_t size_of_client = sizeof scene->client;
	ssize_t size = recvfrom(scene->server, octets, sizeof octets, 0,
				(struct sockaddr *)&scene->client, &size_of_client);

	if (size < 0)
		return;
	scene->n_served++;
	scene->serve(scene, octets, size);
}

static void send_to_client(struct scene *scene, int from, const void *octets, size_t size)
{
	assert_int_equal(sendto(from, octets, size, 0, (struct sockaddr *)&scene->client,
				sizeof scene->client),
			 size);
}

static int socket_at(const char *address, uint16_t port)
{
	struct sockaddr_in name = { .sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr.s_addr = inet_addr(address) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
	return fd;
}

static void begin(struct scene *scene, const struct speaker_class *class, const char *address,
		  void (*serve)(struct scene *, uint8_t *, size_t))
{
	*scene = (struct scene){ .class = class, .serve = serve, .server = -1 };
	scene->gateway.address.s_addr = inet_addr(address);
	scene->gateway.local.s_addr = inet_addr("127.0.0.9");
	assert_int_equal(loop_new(&scene->loop), 0);
	assert_int_equal(loop_timer_new(scene->loop, give_up, scene, &scene->patience), 0);
	loop_timer_set_delay(scene->patience, PATIENCE);
	if (serve) {
		scene->server = socket_at(address, GATEWAY_PORT);
		assert_int_equal(loop_io_new(scene->loop, scene->server, UV_READABLE, on_request,
					     scene, &scene->io),
				 0);
	}
	scene->elsewhere = socket_at(address, GATEWAY_PORT + 1);
	assert_int_equal(
		class->open(scene->loop, &scene->gateway, on_event, scene, &scene->speaker), 0);
}

static void end(struct scene *scene)
{
	scene->class->free(scene->speaker);
	loop_timer_free(scene->patience);
	if (scene->io)
		loop_io_free(scene->io);
	if (scene->server >= 0)
		close(scene->server);
	close(scene->elsewhere);
	loop_free(scene->loop);
}

static struct gateway_request mapping(void)
{
	return (struct gateway_request){ .id = 7,
					 .operation = GATEWAY_MAP,
					 .transport = IPPROTO_UDP,
					 .internal_port = 4500,
					 .external_port = 4500,
					 .lifetime = 3600,
					 .nonce = "twelve octet" };
}

static void ask(struct scene *scene, const struct gateway_request *request)
{
	assert_int_equal(scene->class->request(scene->speaker, request), 0);
	assert_int_equal(scene->n_events, 0);
	assert_int_equal(loop_run(scene->loop), 0);
}

/* First what is no answer, then from elsewhere, then the answer. */
static void serve_pcp(struct scene *scene, uint8_t *octets, size_t size)
{
	static const uint8_t seen_as[16] = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 9 };
	uint8_t longer[1104] = {};

	assert_int_equal(size, 60);
	assert_memory_equal(octets + 8, seen_as, sizeof seen_as);
	assert_int_equal(scene->client.sin_addr.s_addr, inet_addr("127.0.0.9"));
	pcp_server_answer(octets, size, PCP_SUCCESS, 1800, 1000, 61234, "11.0.1.1");
	send_to_client(scene, scene->server, octets, 59);
	memcpy(longer, octets, size);
	send_to_client(scene, scene->server, longer, sizeof longer);
	send_to_client(scene, scene->elsewhere, octets, size);
	send_to_client(scene, scene->server, octets, size);
}

static void assert_mapped(const struct scene *scene)
{
	assert_int_equal(scene->n_events, 1);
	assert_int_equal(scene->events[0].kind, GATEWAY_EVENT_ANSWER);
	assert_int_equal(scene->events[0].id, 7);
	assert_int_equal(scene->events[0].trouble, TROUBLE_NONE);
	assert_int_equal(scene->events[0].external_port, 61234);
	assert_int_equal(scene->events[0].lifetime, 1800);
}

static void test_pcp(void **state)
{
	const struct gateway_request request = mapping();
	const struct speaker_counters *counters;
	struct scene scene;

	begin(&scene, &pcp_speaker, "127.77.0.1", serve_pcp);
	ask(&scene, &request);
	assert_mapped(&scene);
	assert_int_equal(scene.events[0].external.s_addr, inet_addr("11.0.1.1"));
	counters = scene.class->counters(scene.speaker);
	assert_int_equal(counters->packets_sent, 1);
	assert_int_equal(counters->responses_accepted, 1);
	assert_int_equal(counters->responses_malformed, 2);
	assert_int_equal(scene.n_served, 1);
	end(&scene);
}

static void serve_further_hop(struct scene *scene, uint8_t *octets, size_t size)
{
	static const uint8_t seen_as[16] = { [10] = 0xff, [11] = 0xff, 10, 9, 8, 7 };

	assert_memory_equal(octets + 8, seen_as, sizeof seen_as);
	pcp_server_answer(octets, size, PCP_SUCCESS, 1800, 1000, 61234, "11.0.1.1");
	send_to_client(scene, scene->server, octets, size);
}

/* What the server sees is the nearer NAT's address. */
static void test_pcp_further_hop(void **state)
{
	const struct gateway_request request = mapping();
	struct scene scene;

	begin(&scene, &pcp_speaker, "127.77.0.2", serve_further_hop);
	scene.class->free(scene.speaker);
	scene.gateway.seen_as.s_addr = inet_addr("10.9.8.7");
	assert_int_equal(
		scene.class->open(scene.loop, &scene.gateway, on_event, &scene, &scene.speaker), 0);
	ask(&scene, &request);
	assert_mapped(&scene);
	end(&scene);
}

static void serve_natpmp(struct scene *scene, uint8_t *octets, size_t size)
{
	static const uint8_t answer[] = { 0,    129,  0,    0,    0, 0, 3, 232,
					  0x11, 0x94, 0xef, 0x32, 0, 0, 7, 8 };

	assert_int_equal(size, 12);
	assert_memory_equal(octets, "\0\1\0\0\x11\x94\x11\x94\0\0\x0e\x10", 12);
	assert_int_equal(scene->client.sin_addr.s_addr, inet_addr("127.0.0.9"));
	/* The first is lost. */
	if (scene->n_served == 1)
		return;
	send_to_client(scene, scene->elsewhere, answer, sizeof answer);
	send_to_client(scene, scene->server, answer, sizeof answer - 1);
	send_to_client(scene, scene->server, answer, sizeof answer);
}

static void test_natpmp(void **state)
{
	const struct gateway_request request = mapping();
	const struct speaker_counters *counters;
	struct scene scene;

	begin(&scene, &natpmp_speaker, "127.77.0.3", serve_natpmp);
	ask(&scene, &request);
	assert_mapped(&scene);
	counters = scene.class->counters(scene.speaker);
	assert_int_equal(counters->packets_sent, 2);
	assert_int_equal(counters->retransmissions, 1);
	assert_int_equal(counters->responses_malformed, 1);
	assert_int_equal(counters->responses_unexpected, 0);
	end(&scene);
}

/* Nobody listens there. */
static void test_unreachable(void **state)
{
	static const struct speaker_class *const classes[] = { &pcp_speaker, &natpmp_speaker };

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		const struct gateway_request request = mapping();
		struct scene scene;

		begin(&scene, classes[i], "127.77.0.4", NULL);
		ask(&scene, &request);
		assert_int_equal(scene.n_events, 1);
		assert_int_equal(scene.events[0].kind, GATEWAY_EVENT_ABSENT);
		assert_int_equal(scene.events[0].trouble, TROUBLE_NOT_SUPPORTED);
		end(&scene);
	}
}

static void free_speaker(struct scene *scene)
{
	scene->speaker = scene->class->free(scene->speaker);
	loop_stop(scene->loop, 0);
}

/* From within the callback, with another event waiting behind. */
static void test_freed_from_within(void **state)
{
	static const struct speaker_class *const classes[] = { &pcp_speaker, &natpmp_speaker };

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		struct gateway_request request = mapping();
		struct scene scene;

		begin(&scene, classes[i], "127.77.0.5", NULL);
		scene.hear = free_speaker;
		assert_int_equal(scene.class->request(scene.speaker, &request), 0);
		request.id++;
		ask(&scene, &request);
		assert_int_equal(scene.n_events, 1);
		end(&scene);
	}
}

static void ask_again(struct scene *scene)
{
	struct gateway_request request = mapping();

	request.id = 7 + scene->n_events;
	if (scene->n_events == 5)
		loop_stop(scene->loop, 0);
	else
		assert_int_equal(scene->class->request(scene->speaker, &request), 0);
}

static void test_asked_from_within(void **state)
{
	const struct gateway_request request = mapping();
	struct scene scene;

	begin(&scene, &pcp_speaker, "127.77.0.6", serve_pcp);
	scene.hear = ask_again;
	ask(&scene, &request);
	assert_int_equal(scene.n_events, 5);
	assert_int_equal(scene.events[4].id, 11);
	end(&scene);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pcp),
		cmocka_unit_test(test_pcp_further_hop),
		cmocka_unit_test(test_natpmp),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_freed_from_within),
		cmocka_unit_test(test_asked_from_within),
	};

	return cmocka_run_group_tests_name("gateways", tests, NULL, NULL);
}
