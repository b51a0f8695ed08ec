/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/datapath-internal.h"

#include <poll.h>
#include <sched.h>
#include <time.h>

/* A turn of the loop after which an answer may be near handled no more packets. */
#define FEW_PACKETS 4
/* Answers, and answers to answers, before the loop sees to everything else. */
#define ROUNDS 8
/* So long between two looks, and somebody else had the processor: it is wanted. */
#define PREEMPTED_USEC 20
/* Turns without waiting, after waiting in vain many times. */
#define PAUSE_LIMIT 255

static uint64_t clock_usec(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

void datapath_on_wakeup_begins(void *userdata)
{
	struct tunneld *tunneld = userdata;

	tunneld->linger.sent = tunneld->counters.esp_out;
	tunneld->linger.handled = tunneld->counters.esp_out + tunneld->counters.esp_in;
}

static bool is_answer_near(const struct tunneld *tunneld)
{
	const struct tunnel_counters *counters = &tunneld->counters;

	return counters->esp_out != tunneld->linger.sent &&
	       counters->esp_out + counters->esp_in - tunneld->linger.handled <= FEW_PACKETS;
}

/* True when a datagram came; false after the time, or when there is something else to do. */
static bool await_answer(struct tunneld *tunneld)
{
	struct pollfd descriptors[] = {
		{ .fd = udp_port_fd(tunneld->udp), .events = POLLIN },
		{ .fd = tun_device_fd(tunneld->device), .events = POLLIN },
	};
	uint64_t begin = clock_usec(), before, now = begin;

	do {
		before = now;
		if (poll(descriptors, ARRAY_SIZE(descriptors), 0) != 0)
			return descriptors[0].revents & POLLIN;
		sched_yield();
		now = clock_usec();
	} while (now - before < PREEMPTED_USEC && now - begin < tunneld->settings.linger);
	return false;
}

void datapath_on_wakeup_ends(void *userdata)
{
	struct tunneld *tunneld = userdata;
	struct lingering *linger = &tunneld->linger;

	if (!tunneld->settings.linger)
		return;
	for (unsigned int i = 0; i < ROUNDS && is_answer_near(tunneld); i++) {
		if (linger->left) {
			linger->left--;
			return;
		}
		if (!await_answer(tunneld)) {
			linger->pause = 2 * linger->pause + 1;
			if (linger->pause > PAUSE_LIMIT)
				linger->pause = PAUSE_LIMIT;
			linger->left = linger->pause;
			return;
		}
		linger->pause = 0;
		datapath_on_wakeup_begins(tunneld);
		udp_port_receive(tunneld->udp);
	}
}
