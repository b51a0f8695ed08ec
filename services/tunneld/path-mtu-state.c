/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/path-mtu-state.h"

/* The time for an answer: two round trips. */
#define ANSWER_MSEC_LEAST 40
#define ANSWER_MSEC_MOST  1000
#define ANSWER_MSEC_FIRST 200

void path_mtu_init(struct path_mtu *mtu, uint16_t limit)
{
	*mtu = (struct path_mtu){
		.limit = limit,
		.current = PATH_MTU_LEAST,
		.high = limit,
		.due = PATH_MTU_NEVER,
		.again_at = PATH_MTU_NEVER,
	};
}

void path_mtu_rest(struct path_mtu *mtu)
{
	mtu->size = 0;
	mtu->due = PATH_MTU_NEVER;
}

static void wake_at(struct path_mtu *mtu, uint64_t due)
{
	if (due < mtu->due)
		mtu->due = due;
}

static void probe(struct path_mtu *mtu, uint64_t now, uint16_t size)
{
	mtu->size = size;
	mtu->shots = 0;
	mtu->heard = false;
	wake_at(mtu, now);
}

/* The time for an answer. Whether there are answers at all is asked with patience. Another path is
 * not thought to be much faster than the one before. */
static uint64_t answer_msec(const struct path_mtu *mtu)
{
	uint64_t msec = mtu->rtt ? 2 * (uint64_t)mtu->rtt : ANSWER_MSEC_FIRST;

	if (mtu->other_path && msec < ANSWER_MSEC_FIRST)
		msec = ANSWER_MSEC_FIRST;
	if (msec > ANSWER_MSEC_MOST || mtu->size == PATH_MTU_LEAST)
		return ANSWER_MSEC_MOST;
	return msec > ANSWER_MSEC_LEAST ? msec : ANSWER_MSEC_LEAST;
}

static const struct path_mtu_shot *shot(const struct path_mtu *mtu, uint32_t number)
{
	return &mtu->sent[number % PATH_MTU_REMEMBERED];
}

/* When the next shot is due, or after the last one the verdict. Without hurry a lost answer is
 * waited for before the next; in a hurry the last shot leaves one round trip before the end of two.
 */
static uint64_t next_at(const struct path_mtu *mtu)
{
	uint64_t wait = answer_msec(mtu), last = shot(mtu, mtu->number)->at;

	if (mtu->hurry && mtu->shots < PATH_MTU_SHOTS)
		return last + wait / 4;
	/* Who answers small probes, too, is about to say how long answers take. */
	if (mtu->hurry && mtu->other_path && mtu->answers && !mtu->by_echo)
		wait = ANSWER_MSEC_MOST;
	if (mtu->hurry)
		return shot(mtu, mtu->number - mtu->shots + 1)->at + wait;
	return last + (mtu->shots < PATH_MTU_SHOTS ? wait * 3 / 4 : wait);
}

static void end_search(struct path_mtu *mtu, uint64_t now)
{
	mtu->size = 0;
	mtu->searched = true;
	/* Next time it may be another one, or the same with another mind. */
	if (mtu->current == PATH_MTU_LEAST)
		mtu->answers = mtu->by_echo = false;
	mtu->again_at = mtu->current < mtu->limit ? now + PATH_MTU_RAISE_MSEC : PATH_MTU_NEVER;
}

/* The size to try next: the largest first, for most paths take it; then the middle. */
static void search(struct path_mtu *mtu, uint64_t now)
{
	if (mtu->current >= mtu->limit)
		end_search(mtu, now);
	else if (mtu->high == mtu->limit)
		probe(mtu, now, mtu->limit);
	else if (mtu->high < mtu->current + PATH_MTU_GRAIN)
		end_search(mtu, now);
	else
		probe(mtu, now, mtu->current + (mtu->high - mtu->current + 1) / 2);
}

static void begin_search(struct path_mtu *mtu, uint64_t now)
{
	mtu->searched = false;
	mtu->high = mtu->limit;
	search(mtu, now);
}

void path_mtu_suspect(struct path_mtu *mtu, uint64_t now, bool changed)
{
	/* What is answered now was sent before. */
	for (unsigned int i = 0; i < PATH_MTU_REMEMBERED; i++)
		mtu->sent[i].size = 0;
	mtu->hurry = true;
	if (changed) {
		mtu->other_path = true;
		mtu->high = mtu->limit;
		mtu->searched = mtu->current >= mtu->limit;
	}
	if (mtu->current > PATH_MTU_LEAST)
		probe(mtu, now, mtu->current);
	else if (mtu->size)
		probe(mtu, now, mtu->size);
}

void path_mtu_sent(struct path_mtu *mtu, uint64_t now, uint16_t size)
{
	if (mtu->size)
		return;
	if (!mtu->searched || now >= mtu->again_at)
		begin_search(mtu, now);
	else if (size > PATH_MTU_LEAST && mtu->current > PATH_MTU_LEAST &&
		 now - mtu->verified >= PATH_MTU_VERIFY_MSEC)
		probe(mtu, now, mtu->current);
}

void path_mtu_heard(struct path_mtu *mtu, uint64_t now)
{
	if (!mtu->size || mtu->heard)
		return;
	mtu->heard = true;
	/* What was sent long before may have been lost with everything else. */
	if (mtu->shots == PATH_MTU_SHOTS && now >= next_at(mtu)) {
		mtu->shots = 0;
		wake_at(mtu, now);
	}
}

/* The size under way does not get through. */
static bool fail(struct path_mtu *mtu, uint64_t now)
{
	uint16_t failed = mtu->size;
	bool shrinks = failed == mtu->current && failed > PATH_MTU_LEAST;

	mtu->hurry = false;

	if (shrinks) {
		mtu->current = PATH_MTU_LEAST;
		mtu->n_shrunk++;
	}
	if (failed == PATH_MTU_LEAST) {
		/* It answers none of this kind. */
		mtu->by_echo = !mtu->by_echo;
		if (mtu->by_echo)
			begin_search(mtu, now);
		else
			end_search(mtu, now);
		return false;
	}
	mtu->high = failed - 1;
	mtu->searched = false;
	if (mtu->answers)
		search(mtu, now);
	else
		probe(mtu, now, PATH_MTU_LEAST);
	return shrinks;
}

static void note_time(struct path_mtu *mtu, uint64_t took)
{
	if (took > mtu->rtt || mtu->other_path)
		mtu->rtt = took;
	else
		mtu->rtt = (7 * (uint64_t)mtu->rtt + took + 4) / 8;
	/* 0 means unknown. */
	if (!mtu->rtt)
		mtu->rtt = 1;
	mtu->other_path = false;
}

void path_mtu_timed(struct path_mtu *mtu, uint64_t took)
{
	if (!mtu->other_path)
		return;
	note_time(mtu, took);
	if (mtu->size && mtu->shots)
		wake_at(mtu, next_at(mtu));
}

bool path_mtu_answered(struct path_mtu *mtu, uint64_t now, uint32_t number)
{
	const struct path_mtu_shot *answered = shot(mtu, number);
	uint16_t size = answered->size;
	bool late = size != mtu->size, raised = size > mtu->current;

	if (!size || answered->number != number)
		return false;
	note_time(mtu, now - answered->at);
	mtu->sent[number % PATH_MTU_REMEMBERED].size = 0;
	mtu->answers = true;
	if (raised)
		mtu->current = size;
	if (size == mtu->current)
		mtu->verified = now;
	if (!raised && late)
		return false;
	mtu->size = 0;
	mtu->hurry = false;
	if (late)
		/* It had failed, and so had those above it, for want of patience. */
		begin_search(mtu, now);
	else if (!mtu->searched)
		search(mtu, now);
	return raised;
}

bool path_mtu_refused(struct path_mtu *mtu, uint64_t now)
{
	return mtu->size && fail(mtu, now);
}

bool path_mtu_timer(struct path_mtu *mtu, uint64_t now, uint16_t *ret_size, uint32_t *ret_number)
{
	bool changed = false;

	*ret_size = 0;
	mtu->due = PATH_MTU_NEVER;
	if (mtu->size && mtu->shots == PATH_MTU_SHOTS && now >= next_at(mtu)) {
		/* While nothing at all comes, the size is not to blame. */
		if (!mtu->heard)
			return false;
		changed = fail(mtu, now);
	}
	if (!mtu->size)
		return changed;
	if (!mtu->shots || (mtu->shots < PATH_MTU_SHOTS && now >= next_at(mtu))) {
		mtu->shots++;
		mtu->n_probes++;
		*ret_size = mtu->size;
		*ret_number = ++mtu->number;
		mtu->sent[mtu->number % PATH_MTU_REMEMBERED] =
			(struct path_mtu_shot){ mtu->number, mtu->size, now };
	}
	wake_at(mtu, next_at(mtu));
	return changed;
}
