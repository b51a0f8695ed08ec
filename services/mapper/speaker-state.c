/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/speaker-state.h"

#include "common/base/cleanup.h"

#include <string.h>

#define RESTARTS_BELIEVED  3 /* as often as a person may pull the plug in a while */
#define RESTART_WAIT       10000
#define RESTART_WAIT_LIMIT 600000
#define RESTARTS_MEMORY    600000
#define RESTART_GAP        1000
#define ASK_WAIT           1000
#define ASK_WAIT_LIMIT     600000

void speaker_events_push(struct speaker_events *events, const struct gateway_event *event)
{
	if (events->n < ARRAY_SIZE(events->events))
		events->events[events->n++] = *event;
}

bool speaker_events_take(struct speaker_events *events, struct gateway_event *ret)
{
	if (!events->n)
		return false;
	*ret = events->events[0];
	events->n--;
	memmove(events->events, events->events + 1, events->n * sizeof events->events[0]);
	return true;
}

struct gateway_event speaker_event_to(enum gateway_event_kind kind,
				      const struct gateway_request *request)
{
	return (struct gateway_event){ .kind = kind,
				       .id = request->id,
				       .operation = request->operation,
				       .transport = request->transport,
				       .internal_port = request->internal_port };
}

/* xorshift */
uint64_t speaker_random_below(uint64_t *random, uint64_t limit)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random % limit;
}

static uint64_t doubled(uint64_t wait, unsigned int times, uint64_t limit)
{
	while (times-- && wait < limit)
		wait *= 2;
	return wait < limit ? wait : limit;
}

uint64_t speaker_restart_delay(struct speaker_restarts *restarts, uint64_t *random, uint64_t spread,
			       uint64_t now)
{
	uint64_t delay = speaker_random_below(random, spread + 1);

	/* However true they are: one that answers each question with another address would be asked
	 * as fast as it answers. */
	if (restarts->any && now - restarts->last_at < RESTART_GAP)
		delay += RESTART_GAP - (now - restarts->last_at);
	restarts->any = true;
	if (restarts->n && now - restarts->last_at > RESTARTS_MEMORY)
		restarts->n = 0;
	restarts->last_at = now;
	if (restarts->n++ >= RESTARTS_BELIEVED)
		delay += doubled(RESTART_WAIT, restarts->n - RESTARTS_BELIEVED - 1,
				 RESTART_WAIT_LIMIT);
	return delay;
}

void speaker_restarts_believe(struct speaker_restarts *restarts)
{
	restarts->n = 0;
}

bool speaker_lost_grants(uint64_t granted_at, uint32_t epoch, uint64_t now)
{
	/* Clocks may differ by an eighth (RFC 6886 §3.6), and it counts whole seconds. */
	return granted_at != UINT64_MAX &&
	       (now - granted_at) * 7 / 8 > (epoch + UINT64_C(1)) * 1000;
}

bool speaker_may_have_lost_grants(uint64_t granted_at, uint32_t epoch, uint64_t now)
{
	/* It may have counted a second that had only begun. */
	return granted_at != UINT64_MAX && now - granted_at + 2000 >= epoch * UINT64_C(1000);
}

bool speaker_announced_before(struct speaker_announced *announced, uint32_t epoch, uint64_t now)
{
	uint64_t elapsed = now - announced->at, former = announced->epoch;
	/* Whole seconds, by a clock that may differ by a sixteenth. Within one second they tell
	 * nothing: then it may be another restart. */
	bool before = announced->any && elapsed >= 1000 &&
		      (epoch + UINT64_C(1)) * 1000 > former * 1000 + elapsed - elapsed / 16 &&
		      epoch * UINT64_C(1000) < (former + 1) * 1000 + elapsed + elapsed / 16;

	*announced = (struct speaker_announced){ .any = true, .epoch = epoch, .at = now };
	return before;
}

void speaker_hearsay_init(struct speaker_hearsay *hearsay)
{
	*hearsay = (struct speaker_hearsay){ .ask_at = UINT64_MAX, .wait = ASK_WAIT };
}

void speaker_hearsay_hear(struct speaker_hearsay *hearsay, uint64_t at)
{
	if (hearsay->ask_at != UINT64_MAX)
		return;
	/* It was quiet for long. */
	if (at >= hearsay->not_before + ASK_WAIT_LIMIT)
		hearsay->wait = ASK_WAIT;
	hearsay->ask_at = at > hearsay->not_before ? at : hearsay->not_before;
}

void speaker_hearsay_hurry(struct speaker_hearsay *hearsay, uint64_t now)
{
	speaker_hearsay_hear(hearsay, now);
	if (hearsay->ask_at > now)
		hearsay->ask_at = now > hearsay->not_before ? now : hearsay->not_before;
}

bool speaker_hearsay_due(struct speaker_hearsay *hearsay, uint64_t now)
{
	if (now < hearsay->ask_at)
		return false;
	hearsay->ask_at = UINT64_MAX;
	hearsay->not_before = now + hearsay->wait;
	hearsay->wait = doubled(hearsay->wait, 1, ASK_WAIT_LIMIT);
	return true;
}

void speaker_hearsay_confirm(struct speaker_hearsay *hearsay)
{
	hearsay->wait = ASK_WAIT;
}
