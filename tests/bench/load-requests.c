/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/load.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Without an answer for so long a request is sent again, and so many times before it is lost. */
#define AGAIN_AFTER (3 * LOAD_SECOND)
#define TRIES_MAX   20
/* Requests on the way at the start; each answer allows one more up to the window. Before a server
 * has its rhythm a whole window would overflow its socket. */
#define WINDOW_START 4
/* Queries are sent again and again; so many different ones. */
#define QUERIES_MAX 65536

struct request {
	uint8_t *data;
	uint16_t size;
	uint32_t key;
};

struct slot {
	uint64_t sent; /* for the first time; 0: free */
	uint64_t again;
	uint32_t request;
	uint32_t tries;
};

/* Each socket has ids of its own, given in the order of sending. */
struct lane {
	int fd;
	struct slot *slots; /* by id */
	uint64_t n_sent;
	uint64_t oldest; /* all sent before this one are answered or lost */
	unsigned int n_waiting;
	unsigned int window;
};

struct run {
	const struct load_options *options;
	struct request *requests;
	size_t n_requests;
	uint8_t *octets; /* of all of them */
	struct lane *lanes;
	size_t n_begun;
	size_t n_answered;
	size_t n_lost;
	size_t n_resent;
	size_t n_bad_signature;
	size_t n_verified;
	size_t n_strange; /* answers to nothing */
	size_t rcodes[16];
	struct load_series times;
	uint64_t first;
	uint64_t last;
};

/* Everything that will be sent, built and signed. Request i goes out on socket i % sockets with the
 * id i / sockets. Names differ from one request to the next. */
static void build_requests(struct run *run, enum load_kind kind)
{
	const struct load_options *options = run->options;
	uint64_t seconds = load_now() / LOAD_SECOND;
	size_t used = 0, capacity;

	run->n_requests = options->count;
	if (kind == LOAD_QUERY && run->n_requests > (size_t)QUERIES_MAX * options->sockets)
		run->n_requests = (size_t)QUERIES_MAX * options->sockets;
	capacity = run->n_requests * 512 + LOAD_MESSAGE_MAX;
	run->octets = malloc(capacity);
	run->requests = calloc(run->n_requests, sizeof(*run->requests));
	if (!run->octets || !run->requests)
		load_die("no memory");
	for (size_t i = 0; i < run->n_requests; i++) {
		size_t key = i % options->keys.n;
		unsigned int host = i / options->keys.n % options->hosts;
		struct writer message = writer_init(run->octets + used, capacity - used);
		uint16_t id = i / options->sockets;

		if (kind == LOAD_QUERY)
			load_build_query(&message, &options->keys.items[key], host, id, seconds);
		else
			load_build_update(&message, &options->keys.items[key],
					  options->zone.size ? &options->zone : NULL, host,
					  1024 + (seconds + i / options->keys.n / options->hosts) %
							  60000,
					  id, seconds);
		run->requests[i] =
			(struct request){ run->octets + used, message.position, (uint32_t)key };
		used += message.position;
	}
}

static void open_lanes(struct run *run, int epoll)
{
	const struct load_options *options = run->options;

	run->lanes = calloc(options->sockets, sizeof(*run->lanes));
	for (unsigned int i = 0; run->lanes && i < options->sockets; i++) {
		struct lane *lane = &run->lanes[i];
		struct epoll_event event = { .events = EPOLLIN };
		static const int size = 4 << 20;

		lane->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		lane->window = WINDOW_START;
		lane->slots = calloc(65536, sizeof(*lane->slots));
		setsockopt(lane->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
		if (!lane->slots ||
		    connect(lane->fd, (struct sockaddr *)&options->server, sizeof(options->server)))
			load_die("cannot open a socket");
		epoll_ctl(epoll, EPOLL_CTL_ADD, lane->fd, &event);
	}
}

static void send_batch(struct run *run, unsigned int which)
{
	const struct load_options *options = run->options;
	struct lane *lane = &run->lanes[which];
	struct mmsghdr messages[LOAD_BATCH] = {};
	struct iovec octets[LOAD_BATCH];
	unsigned int n = 0;
	uint64_t now;
	int sent;

	while (n < LOAD_BATCH && lane->n_waiting + n < lane->window) {
		uint64_t number = (lane->n_sent + n) * options->sockets + which;
		const struct request *request = &run->requests[number % run->n_requests];

		if (number >= options->count || lane->slots[(lane->n_sent + n) & 0xffff].sent)
			break;
		octets[n] = (struct iovec){ request->data, request->size };
		messages[n].msg_hdr.msg_iov = &octets[n];
		messages[n].msg_hdr.msg_iovlen = 1;
		n++;
	}
	if (n == 0)
		return;
	now = load_now();
	sent = sendmmsg(lane->fd, messages, n, 0);
	for (int i = 0; i < sent; i++) {
		uint64_t number = lane->n_sent++;

		lane->slots[number & 0xffff] = (struct slot){
			.sent = now,
			.again = now + AGAIN_AFTER,
			.request = (number * options->sockets + which) % run->n_requests,
			.tries = 1,
		};
		lane->n_waiting++;
		run->n_begun++;
	}
}

static void check_signature(struct run *run, const struct slot *slot, const uint8_t *data,
			    size_t size)
{
	const struct request *request = &run->requests[slot->request];
	struct writer message = { request->data, request->size, request->size, false };

	run->n_verified++;
	if (!load_verify(data, size, &run->options->keys.items[request->key],
			 load_mac_of(&message)))
		run->n_bad_signature++;
}

static void take_answer(struct run *run, struct lane *lane, const uint8_t *data, size_t size,
			uint64_t now)
{
	struct slot *slot;

	if (size < DNS_HEADER_SIZE)
		return;
	slot = &lane->slots[data[0] << 8 | data[1]];
	if (!slot->sent) {
		run->n_strange++;
		return;
	}
	run->rcodes[data[3] & 15]++;
	load_series_add(&run->times, now - slot->sent);
	if (run->options->verify && run->n_answered % run->options->verify == 0)
		check_signature(run, slot, data, size);
	slot->sent = 0;
	lane->n_waiting--;
	if (lane->window <
	    (run->options->window + run->options->sockets - 1) / run->options->sockets)
		lane->window++;
	run->n_answered++;
	run->last = now;
}

static bool receive_batch(struct run *run, struct lane *lane)
{
	static uint8_t data[LOAD_BATCH][DNS_UDP_SIZE];
	struct mmsghdr messages[LOAD_BATCH] = {};
	struct iovec octets[LOAD_BATCH];
	uint64_t now;
	int n;

	for (unsigned int i = 0; i < LOAD_BATCH; i++) {
		octets[i] = (struct iovec){ data[i], sizeof(data[i]) };
		messages[i].msg_hdr.msg_iov = &octets[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(lane->fd, messages, LOAD_BATCH, MSG_DONTWAIT, NULL);
	now = load_now();
	for (int i = 0; i < n; i++)
		take_answer(run, lane, data[i], messages[i].msg_len, now);
	return n > 0;
}

static void send_again(struct run *run, struct lane *lane, struct slot *slot, uint64_t now)
{
	const struct request *request = &run->requests[slot->request];

	if (slot->tries == TRIES_MAX) {
		slot->sent = 0;
		lane->n_waiting--;
		run->n_lost++;
		return;
	}
	slot->tries++;
	slot->again = now + AGAIN_AFTER;
	run->n_resent++;
	(void)send(lane->fd, request->data, request->size, 0);
}

static void look_for_lost(struct run *run, struct lane *lane, uint64_t now)
{
	uint64_t number;

	while (lane->oldest < lane->n_sent && !lane->slots[lane->oldest & 0xffff].sent)
		lane->oldest++;
	for (number = lane->oldest; number < lane->n_sent; number++) {
		struct slot *slot = &lane->slots[number & 0xffff];

		if (slot->sent && now >= slot->again)
			send_again(run, lane, slot, now);
	}
}

static void do_run(struct run *run)
{
	const struct load_options *options = run->options;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	uint64_t next_look;

	open_lanes(run, epoll);
	run->first = load_now();
	next_look = run->first + LOAD_SECOND / 20;
	while (run->n_answered + run->n_lost < options->count) {
		struct epoll_event events[8];
		bool got = false;

		for (unsigned int i = 0; i < options->sockets; i++) {
			send_batch(run, i);
			got |= receive_batch(run, &run->lanes[i]);
		}
		if (!got)
			(void)epoll_wait(epoll, events, 8, 50);
		if (load_now() < next_look)
			continue;
		next_look = load_now() + LOAD_SECOND / 20;
		for (unsigned int i = 0; i < options->sockets; i++)
			look_for_lost(run, &run->lanes[i], load_now());
	}
	close_fd(epoll);
}

static void print(struct run *run, enum load_kind kind, double processor)
{
	double seconds = (double)(run->last - run->first) / LOAD_SECOND;

	printf("{\"mode\": \"%s\", \"count\": %zu, \"window\": %u, \"keys\": %zu, \"hosts\": %u, ",
	       kind == LOAD_QUERY ? "query" : "update", run->options->count, run->options->window,
	       run->options->keys.n, run->options->hosts);
	printf("\"seconds\": %.3f, \"rate\": %.0f, \"answered\": %zu, \"noerror\": %zu, "
	       "\"lost\": %zu, \"resent\": %zu, \"verified\": %zu, \"bad_signatures\": %zu, "
	       "\"strange\": %zu, ",
	       seconds, seconds > 0 ? run->n_answered / seconds : 0, run->n_answered,
	       run->rcodes[0], run->n_lost, run->n_resent, run->n_verified, run->n_bad_signature,
	       run->n_strange);
	printf("\"generator_processor\": %.2f, ", seconds > 0 ? processor / seconds : 0);
	printf("\"rcodes\": {");
	for (unsigned int i = 0, n = 0; i < 16; i++)
		if (run->rcodes[i])
			printf("%s\"%u\": %zu", n++ ? ", " : "", i, run->rcodes[i]);
	printf("}, ");
	load_series_print(&run->times, "latency", stdout);
	printf("}\n");
}

int load_requests(const struct load_options *options, enum load_kind kind)
{
	struct run run = { .options = options };
	double processor;
	bool ok;

	build_requests(&run, kind);
	processor = load_processor_time();
	do_run(&run);
	print(&run, kind, load_processor_time() - processor);
	ok = run.rcodes[0] == options->count && run.n_bad_signature == 0;
	for (unsigned int i = 0; i < options->sockets; i++) {
		close_fd(run.lanes[i].fd);
		free(run.lanes[i].slots);
	}
	free(run.lanes);
	free(run.requests);
	free(run.octets);
	load_series_clear(&run.times);
	return ok ? 0 : 2;
}
