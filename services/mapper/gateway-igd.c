/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* UPnP IGD: igd-state.c decides; here are its sockets, its timer and its worker. */
#include "services/mapper/gena-listener.h"
#include "services/mapper/igd-state.h"
#include "services/mapper/speaker.h"
#include "services/mapper/ssdp-search.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define WORKER "igd-worker"
/* A worker that has had nothing to do for so long ends. */
#define IDLE_MSEC      10000
#define FAREWELL_CALLS 16

struct speaker {
	struct loop *loop;
	struct speaker_gateway gateway;
	speaker_callback callback;
	void *userdata;
	struct igd_state state;
	struct ssdp_search *search;
	struct gena_listener *listener;
	struct loop_timer *timer, *idle;

	struct loop_process *worker;
	struct loop_io *worker_io;
	int worker_fd;

	char location[IGD_URL_SIZE];
	struct speaker_counters counters;
	bool carrying_out, freed;
};

static void carry_out(struct speaker *speaker);

static uint64_t now_of(const struct speaker *speaker)
{
	return loop_now(speaker->loop);
}

/* The worker. */

static void end_worker(struct speaker *speaker)
{
	speaker->worker_io = loop_io_free(speaker->worker_io);
	speaker->worker_fd = close_fd(speaker->worker_fd);
	speaker->worker = loop_process_free(speaker->worker);
	loop_timer_set(speaker->idle, UINT64_MAX);
}

static void on_worker_ended(void *userdata, int status)
{
	struct speaker *speaker = userdata;

	end_worker(speaker);
	igd_state_on_worker_lost(&speaker->state, now_of(speaker));
	carry_out(speaker);
}

static void on_worker_readable(void *userdata, int status, int events)
{
	struct speaker *speaker = userdata;
	uint8_t octets[sizeof(struct igd_answer) + 1];
	struct igd_answer answer;
	ssize_t size = recv(speaker->worker_fd, octets, sizeof octets, MSG_DONTWAIT);
	bool good;

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size <= 0) {
		on_worker_ended(speaker, -1);
		return;
	}
	good = igd_answer_read(octets, size, speaker->gateway.address, &answer) == 0;
	igd_state_on_answer(&speaker->state, good ? &answer : NULL, now_of(speaker));
	loop_timer_set_delay(speaker->idle, IDLE_MSEC);
	carry_out(speaker);
}

/* It lies beside this program. */
static int worker_path(char *path, size_t size)
{
	ssize_t length = readlink("/proc/self/exe", path, size);
	char *name;

	if (length < 0)
		return -errno;
	if ((size_t)length >= size)
		return -ENAMETOOLONG;
	path[length] = '\0';
	name = strrchr(path, '/') + 1;
	if (path + size - name < (ptrdiff_t)sizeof WORKER)
		return -ENAMETOOLONG;
	memcpy(name, WORKER, sizeof WORKER);
	return 0;
}

static int start_worker(struct speaker *speaker)
{
	char path[PATH_MAX];
	int fds[2], r;

	r = worker_path(path, sizeof path);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	r = loop_process_new(speaker->loop, path, fds[1], on_worker_ended, speaker,
			     &speaker->worker);
	if (r >= 0)
		r = loop_io_new(speaker->loop, fds[0], UV_READABLE, on_worker_readable, speaker,
				&speaker->worker_io);
	if (r < 0) {
		close_fd(fds[0]);
		speaker->worker = loop_process_free(speaker->worker);
		return r;
	}
	speaker->worker_fd = fds[0];
	return 0;
}

static int send_call(struct speaker *speaker, const struct igd_call *call)
{
	int r = speaker->worker ? 0 : start_worker(speaker);

	if (r < 0)
		return r;
	if (send(speaker->worker_fd, call, sizeof *call, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -errno;
	loop_timer_set(speaker->idle, UINT64_MAX);
	speaker->counters.packets_sent++;
	return 0;
}

/* Nothing is under way: that is when the timer is set. */
static void on_idle(void *userdata)
{
	end_worker(userdata);
}

/* Events of the gateway. */

static bool on_notified(void *userdata, const struct gena_notification *notification)
{
	struct speaker *speaker = userdata;
	bool ours = igd_state_on_notified(&speaker->state, notification->subscription,
					  notification->external, now_of(speaker));

	carry_out(speaker);
	return ours;
}

static void on_message(void *userdata, struct in_addr source, const struct ssdp_message *message)
{
	struct speaker *speaker = userdata;

	if (message)
		igd_state_on_message(&speaker->state, source, message, now_of(speaker));
	else
		speaker->state.counters.messages_malformed++;
	carry_out(speaker);
}

/* Where the gateway is to send events; where we cannot listen, there are none. */
static int add_callback(struct speaker *speaker, struct igd_call *call)
{
	int r = 0;

	if (!speaker->listener)
		r = gena_listener_new(speaker->loop, speaker->gateway.local,
				      speaker->gateway.address, on_notified, speaker,
				      &speaker->listener);
	if (r >= 0)
		gena_listener_url(speaker->listener, &call->callback);
	return r;
}

/* Actions. */

static void make_call(struct speaker *speaker, struct igd_call *call)
{
	int r = call->kind == IGD_CALL_SUBSCRIBE ? add_callback(speaker, call) : 0;

	if (r >= 0)
		r = send_call(speaker, call);
	if (r >= 0)
		return;
	if (speaker->worker)
		end_worker(speaker);
	if (call->kind == IGD_CALL_SUBSCRIBE)
		igd_state_on_answer(&speaker->state, NULL, now_of(speaker));
	else
		igd_state_on_worker_lost(&speaker->state, now_of(speaker));
}

static int open_search(struct speaker *speaker)
{
	const struct ssdp_search_place place = { .gateway = speaker->gateway.address,
						 .local = speaker->gateway.local,
						 .link = speaker->gateway.link };

	if (speaker->search)
		return 0;
	return ssdp_search_new(speaker->loop, &place, on_message, speaker, &speaker->search);
}

/* What counters() and location() show. */
static void show(struct speaker *speaker)
{
	const struct igd_counters *seen = &speaker->state.counters;

	speaker->counters.retransmissions = seen->calls_overdue;
	speaker->counters.responses_accepted = seen->messages_accepted + seen->answers_accepted;
	speaker->counters.responses_malformed = seen->messages_malformed + seen->answers_malformed;
	speaker->counters.responses_foreign = seen->messages_foreign;
	speaker->counters.responses_unexpected = seen->messages_unexpected;
	speaker->location[0] = '\0';
	if (speaker->state.phase == IGD_READY)
		igd_url_format(&speaker->state.location, speaker->location);
}

static void perform(struct speaker *speaker, struct igd_action *action)
{
	show(speaker);
	switch (action->kind) {
	case IGD_ACTION_SEARCH:
		/* One that cannot be sent is as good as lost; there are more. */
		if (open_search(speaker) >= 0 &&
		    ssdp_search_send(speaker->search, action->target, action->unicast) >= 0)
			speaker->counters.packets_sent++;
		return;
	case IGD_ACTION_CALL:
		make_call(speaker, &action->call);
		return;
	case IGD_ACTION_ABANDON:
		end_worker(speaker);
		return;
	case IGD_ACTION_EVENT:
		speaker->callback(speaker->userdata, PROTOCOL_IGD, &action->event);
		return;
	}
}

static void destroy(struct speaker *speaker)
{
	ssdp_search_free(speaker->search);
	gena_listener_free(speaker->listener);
	loop_timer_free(speaker->timer);
	loop_timer_free(speaker->idle);
	free(speaker);
}

static void carry_out(struct speaker *speaker)
{
	struct igd_action action;

	if (speaker->carrying_out)
		return;
	speaker->carrying_out = true;
	while (!speaker->freed && igd_state_take_action(&speaker->state, now_of(speaker), &action))
		perform(speaker, &action);
	speaker->carrying_out = false;
	if (speaker->freed) {
		destroy(speaker);
		return;
	}
	show(speaker);
	loop_timer_set(speaker->timer, igd_state_due(&speaker->state));
}

static void on_timer(void *userdata)
{
	carry_out(userdata);
}

/* The class. */

static int igd_open(struct loop *loop, const struct speaker_gateway *gateway,
		    speaker_callback callback, void *userdata, struct speaker **ret)
{
	struct speaker *speaker = calloc(1, sizeof *speaker);
	uint64_t random = 0;
	int r;

	if (!speaker)
		return -ENOMEM;
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		random = realtime_usec();
	speaker->loop = loop;
	speaker->gateway = *gateway;
	speaker->gateway.known_location = NULL;
	speaker->callback = callback;
	speaker->userdata = userdata;
	speaker->worker_fd = -1;
	igd_state_init(&speaker->state, gateway->address,
		       gateway->seen_as.s_addr ? gateway->seen_as : gateway->local,
		       gateway->known_location, random);
	r = loop_timer_new(loop, on_timer, speaker, &speaker->timer);
	if (r >= 0)
		r = loop_timer_new(loop, on_idle, speaker, &speaker->idle);
	if (r < 0) {
		destroy(speaker);
		return r;
	}
	/* One whose location is known may never be searched for, and yet says when it restarts.
	 * Where nothing can be heard now, a search tries again. */
	open_search(speaker);
	*ret = speaker;
	return 0;
}

/* The worker is left alone with what is still to be said; it ends by itself. */
static void say_farewell(struct speaker *speaker)
{
	struct igd_call calls[FAREWELL_CALLS];
	bool wait;
	size_t n = igd_state_farewell(&speaker->state, calls, FAREWELL_CALLS, &wait);

	for (size_t i = 0; i < n; i++)
		if (send_call(speaker, &calls[i]) < 0)
			break;
	if (!n && !wait) {
		end_worker(speaker);
		return;
	}
	speaker->worker_io = loop_io_free(speaker->worker_io);
	speaker->worker_fd = close_fd(speaker->worker_fd);
	speaker->worker = loop_process_release(speaker->worker);
}

static struct speaker *igd_free(struct speaker *speaker)
{
	if (!speaker)
		return NULL;
	say_farewell(speaker);
	if (speaker->carrying_out)
		speaker->freed = true;
	else
		destroy(speaker);
	return NULL;
}

static int igd_request(struct speaker *speaker, const struct gateway_request *request)
{
	int r = igd_state_request(&speaker->state, request, now_of(speaker));

	if (r >= 0)
		carry_out(speaker);
	return r;
}

static void igd_cancel(struct speaker *speaker, uint32_t id)
{
	igd_state_cancel(&speaker->state, id, now_of(speaker));
	carry_out(speaker);
}

static const struct speaker_counters *igd_counters(const struct speaker *speaker)
{
	return &speaker->counters;
}

static const char *igd_location(const struct speaker *speaker)
{
	return speaker->location[0] ? speaker->location : NULL;
}

const struct speaker_class igd_speaker = {
	.protocol = PROTOCOL_IGD,
	.name = "upnp-igd",
	.open = igd_open,
	.free = igd_free,
	.request = igd_request,
	.cancel = igd_cancel,
	.counters = igd_counters,
	.location = igd_location,
};
