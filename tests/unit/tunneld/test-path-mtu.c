/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/path-mtu-state.h"
#include "tests/unit/tunneld/unit.h"

#define LIMIT 1438

/* A path in simulated time: what fits comes back as an answer after `rtt`. */
struct path {
	struct path_mtu mtu;
	uint64_t now;
	uint16_t fits;
	uint32_t rtt;
	bool dead, silent; /* nothing passes; the peer answers no dummies */
	bool echoes;       /* but echo requests */
	uint64_t small_at; /* something small is answered then */
	uint64_t small_took;
	unsigned int lose; /* the next so many probes */
	uint64_t data_every;
	uint64_t shrunk_at, raised_at; /* last change of `current` */
	unsigned int n_probes;
	struct {
		uint64_t at;
		uint32_t number;
	} answers[64];
	unsigned int n_answers;
};

static struct path *make(uint16_t fits, uint32_t rtt)
{
	static struct path path;

	path = (struct path){ .now = 1000, .fits = fits, .rtt = rtt, .data_every = 5 };
	path_mtu_init(&path.mtu, LIMIT);
	return &path;
}

static void note(struct path *path, uint16_t before)
{
	if (path->mtu.current < before)
		path->shrunk_at = path->now;
	if (path->mtu.current > before)
		path->raised_at = path->now;
	assert_true(path->mtu.current >= PATH_MTU_LEAST && path->mtu.current <= LIMIT);
}

static void fire(struct path *path)
{
	uint16_t size, before = path->mtu.current;
	uint32_t number;
	bool changed = path_mtu_timer(&path->mtu, path->now, &size, &number);

	assert_int_equal(changed, before != path->mtu.current);
	note(path, before);
	if (!size)
		return;
	path->n_probes++;
	if (path->lose) {
		path->lose--;
		return;
	}
	if (path->dead || (path->silent && !(path->echoes && path->mtu.by_echo)) ||
	    (size > path->fits && size > PATH_MTU_LEAST))
		return;
	assert_true(path->n_answers < 64);
	path->answers[path->n_answers].at = path->now + path->rtt;
	path->answers[path->n_answers++].number = number;
}

/* So many ms, with data as large as may be, and some of the other side's. */
static void run(struct path *path, uint64_t msec)
{
	for (uint64_t end = path->now + msec; path->now < end; path->now++) {
		for (unsigned int i = 0; i < path->n_answers; i++) {
			uint16_t before = path->mtu.current;

			if (path->answers[i].at > path->now || path->dead)
				continue;
			path_mtu_answered(&path->mtu, path->now, path->answers[i].number);
			note(path, before);
			path->answers[i--] = path->answers[--path->n_answers];
		}
		if (path->now == path->small_at && !path->dead)
			path_mtu_timed(&path->mtu, path->small_took);
		if (path->data_every && path->now % path->data_every == 0) {
			path_mtu_sent(&path->mtu, path->now, path->mtu.current);
			if (!path->dead)
				path_mtu_heard(&path->mtu, path->now);
		}
		if (path->now >= path->mtu.due)
			fire(path);
	}
}

/* The path is another one: a small probe goes at once. */
static void change(struct path *path)
{
	path_mtu_suspect(&path->mtu, path->now, true);
	path->small_at = path->now + path->rtt;
	path->small_took = path->rtt;
}

static void test_the_largest_at_once(void **state)
{
	struct path *path = make(1500, 20);

	assert_int_equal(path->mtu.current, PATH_MTU_LEAST);
	run(path, 30);
	assert_int_equal(path->mtu.current, LIMIT);
	assert_int_equal(path->n_probes, 1);
	/* And proven once a second while data flows. */
	run(path, 10000);
	assert_in_range(path->n_probes, 9, 12);
	assert_int_equal(path->mtu.n_shrunk, 0);
}

static void test_every_path(void **state)
{
	for (uint16_t fits = 1200; fits <= 1450; fits++) {
		struct path *path = make(fits, 1 + fits % 90);

		run(path, 15000);
		if (fits >= LIMIT)
			assert_int_equal(path->mtu.current, LIMIT);
		else if (fits < PATH_MTU_LEAST)
			assert_int_equal(path->mtu.current, PATH_MTU_LEAST);
		else
			assert_in_range(path->mtu.current,
					fits - PATH_MTU_GRAIN + 1 < PATH_MTU_LEAST
						? PATH_MTU_LEAST
						: fits - PATH_MTU_GRAIN + 1,
					fits);
		assert_true(path->mtu.searched);
		assert_int_equal(path->mtu.n_shrunk, 0);
	}
}

static void test_nothing_flows(void **state)
{
	struct path *path = make(1500, 20);

	path->data_every = 0;
	run(path, 5000);
	assert_int_equal(path->n_probes, 0);
	path->data_every = 5;
	run(path, 100);
	path->data_every = 0;
	path->n_probes = 0;
	run(path, 3600000);
	assert_int_equal(path->n_probes, 0);
	assert_true(path->mtu.due == PATH_MTU_NEVER);
}

static void test_shrinks_at_a_move(void **state)
{
	for (uint32_t rtt = 1; rtt <= 300; rtt += 13) {
		struct path *path = make(1500, rtt);
		uint64_t moved;

		run(path, 5000);
		assert_int_equal(path->mtu.current, LIMIT);
		path->fits = 1400;
		moved = path->now;
		change(path);
		run(path, 10000);
		assert_int_equal(path->mtu.n_shrunk, 1);
		assert_in_range(path->mtu.current, 1393, 1400);
		/* Two round trips, or 40 ms on a path that is faster than its computers. */
		path = make(1500, rtt);
		run(path, 5000);
		path->fits = 1400;
		moved = path->now;
		change(path);
		while (!path->shrunk_at)
			run(path, 1);
		assert_in_range(path->shrunk_at - moved, 1, (2 * rtt > 40 ? 2 * rtt : 40) + 5);
	}
}

static void test_shrinks_unannounced(void **state)
{
	struct path *path = make(1500, 10);
	uint64_t lost;

	run(path, 5000);
	path->fits = 1300;
	lost = path->now;
	while (!path->shrunk_at)
		run(path, 1);
	assert_in_range(path->shrunk_at - lost, 1, PATH_MTU_VERIFY_MSEC + 60);
	run(path, 5000);
	assert_in_range(path->mtu.current, 1293, 1300);
	/* Somebody notices a silence: then it does not take that second. */
	path->shrunk_at = 0;
	path->fits = PATH_MTU_LEAST;
	lost = path->now;
	path_mtu_suspect(&path->mtu, path->now, false);
	while (!path->shrunk_at)
		run(path, 1);
	assert_in_range(path->shrunk_at - lost, 1, 60);
}

static void test_an_outage_is_no_size(void **state)
{
	struct path *path = make(1500, 30);

	run(path, 2000);
	path->dead = true;
	path_mtu_suspect(&path->mtu, path->now, true);
	run(path, 20000);
	assert_int_equal(path->mtu.current, LIMIT);
	path->dead = false;
	path->n_answers = 0;
	run(path, 5000);
	assert_int_equal(path->mtu.current, LIMIT);
	assert_int_equal(path->mtu.n_shrunk, 0);
	/* Back, and narrower. */
	path->dead = true;
	path_mtu_suspect(&path->mtu, path->now, true);
	run(path, 2000);
	path->dead = false;
	path->fits = 1350;
	run(path, 8000);
	assert_in_range(path->mtu.current, 1343, 1350);
	assert_int_equal(path->mtu.n_shrunk, 1);
}

static void test_lost_probes(void **state)
{
	struct path *path = make(1500, 20);

	path->lose = 2;
	run(path, 1000);
	assert_int_equal(path->mtu.current, LIMIT);
	path->lose = 2;
	path_mtu_suspect(&path->mtu, path->now, true);
	run(path, 1000);
	assert_int_equal(path->mtu.n_shrunk, 0);
}

/* The round trip of the former path says nothing about the new one. */
static void test_a_slower_path(void **state)
{
	for (uint32_t rtt = 5; rtt <= 900; rtt += 35) {
		struct path *path = make(1500, 3);

		run(path, 5000);
		path->n_answers = 0;
		path->rtt = rtt;
		change(path);
		run(path, 10000);
		assert_int_equal(path->mtu.n_shrunk, 0);
		assert_int_equal(path->mtu.current, LIMIT);
		assert_in_range(path->mtu.rtt, rtt * 9 / 10, rtt);
		/* And back: the faster one's is known at once, too. */
		path->n_answers = 0;
		path->rtt = 3;
		path->fits = 1400;
		change(path);
		run(path, 45);
		assert_int_equal(path->mtu.n_shrunk, 1);
	}
}

/* Nobody answers what is small, and the new path is a hundred times slower: sizes seem to fail, and
 * their answers come later. */
static void test_answers_later_than_thought(void **state)
{
	struct path *path = make(1500, 3);

	run(path, 3000);
	path->rtt = 600;
	path_mtu_suspect(&path->mtu, path->now, true);
	run(path, 20000);
	assert_int_equal(path->mtu.current, LIMIT);
	assert_true(path->mtu.answers);
}

static void test_a_peer_that_answers_none(void **state)
{
	struct path *path = make(1500, 20);

	path->silent = true;
	run(path, 20000);
	assert_int_equal(path->mtu.current, PATH_MTU_LEAST);
	/* Two sizes by dummies, and two by echo requests. */
	assert_int_equal(path->n_probes, 4 * PATH_MTU_SHOTS);
	run(path, PATH_MTU_RAISE_MSEC - 20000);
	assert_int_equal(path->n_probes, 4 * PATH_MTU_SHOTS);
	/* It is another one now. */
	path->silent = false;
	run(path, 20000);
	assert_int_equal(path->mtu.current, LIMIT);
}

/* Another implementation: it discards dummies, and its kernel answers echo requests. */
static void test_a_peer_that_echoes(void **state)
{
	for (uint16_t fits = 1270; fits <= 1450; fits += 9) {
		struct path *path = make(fits, 20);

		path->silent = path->echoes = true;
		run(path, 20000);
		if (fits < PATH_MTU_LEAST)
			assert_int_equal(path->mtu.current, PATH_MTU_LEAST);
		else
			assert_in_range(path->mtu.current,
					fits < LIMIT ? fits - PATH_MTU_GRAIN + 1 : LIMIT,
					fits < LIMIT ? fits : LIMIT);
		assert_int_equal(path->mtu.n_shrunk, 0);
		if (fits < 1350)
			continue;
		/* Known as one that echoes, it is asked so after a move, too. */
		path->n_probes = 0;
		path->fits = 1300;
		path_mtu_suspect(&path->mtu, path->now, true);
		run(path, 5000);
		assert_int_equal(path->mtu.n_shrunk, 1);
		assert_in_range(path->mtu.current, 1293, 1300);
		/* Then one of ours takes its place, on a path where nothing more fits. */
		path->silent = false;
		path->echoes = false;
		path->fits = PATH_MTU_LEAST;
		run(path, PATH_MTU_RAISE_MSEC + 60000);
		assert_int_equal(path->mtu.current, PATH_MTU_LEAST);
		path->fits = 1500;
		path_mtu_suspect(&path->mtu, path->now, true);
		run(path, 20000);
		assert_int_equal(path->mtu.current, LIMIT);
		assert_false(path->mtu.by_echo);
	}
}

static void test_raised_again_later(void **state)
{
	struct path *path = make(1380, 20);

	run(path, 10000);
	assert_in_range(path->mtu.current, 1373, 1380);
	path->fits = 1500;
	run(path, 60000);
	assert_in_range(path->mtu.current, 1373, 1380);
	run(path, PATH_MTU_RAISE_MSEC);
	assert_int_equal(path->mtu.current, LIMIT);
	/* A change of the path does not wait for that. */
	path = make(1380, 20);
	run(path, 10000);
	path->fits = 1500;
	path_mtu_suspect(&path->mtu, path->now, true);
	run(path, 1000);
	assert_int_equal(path->mtu.current, LIMIT);
}

static void test_our_own_link_is_narrow(void **state)
{
	struct path_mtu mtu;
	uint16_t size;
	uint32_t number;

	path_mtu_init(&mtu, LIMIT);
	path_mtu_sent(&mtu, 5, 1280);
	path_mtu_timer(&mtu, 5, &size, &number);
	assert_int_equal(size, LIMIT);
	assert_false(path_mtu_refused(&mtu, 5));
	path_mtu_timer(&mtu, 6, &size, &number);
	assert_int_equal(size, PATH_MTU_LEAST);
	assert_false(path_mtu_answered(&mtu, 8, number));
	for (unsigned int i = 0; i < 40 && !mtu.searched; i++) {
		path_mtu_timer(&mtu, 10 + i, &size, &number);
		if (size > PATH_MTU_LEAST)
			assert_false(path_mtu_refused(&mtu, 10 + i));
	}
	assert_true(mtu.searched);
	assert_int_equal(mtu.current, PATH_MTU_LEAST);
	/* In force already, and then our link became narrow: no wait for an answer. */
	path_mtu_init(&mtu, LIMIT);
	path_mtu_sent(&mtu, 5, 1280);
	path_mtu_timer(&mtu, 5, &size, &number);
	assert_true(path_mtu_answered(&mtu, 8, number));
	path_mtu_suspect(&mtu, 10, true);
	path_mtu_timer(&mtu, 10, &size, &number);
	assert_int_equal(size, LIMIT);
	assert_true(path_mtu_refused(&mtu, 10));
	assert_int_equal(mtu.current, PATH_MTU_LEAST);
}

static void test_strange_answers(void **state)
{
	struct path_mtu mtu;
	uint16_t size;
	uint32_t number;

	path_mtu_init(&mtu, LIMIT);
	for (uint32_t i = 0; i < 40; i++)
		assert_false(path_mtu_answered(&mtu, 5, i));
	assert_false(mtu.answers);
	path_mtu_sent(&mtu, 5, 100);
	path_mtu_timer(&mtu, 5, &size, &number);
	assert_false(path_mtu_answered(&mtu, 6, number + 1));
	assert_false(path_mtu_answered(&mtu, 6, number + PATH_MTU_REMEMBERED));
	assert_true(path_mtu_answered(&mtu, 6, number));
	/* Said twice. */
	assert_false(path_mtu_answered(&mtu, 7, number));
	path_mtu_rest(&mtu);
	assert_true(mtu.due == PATH_MTU_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_largest_at_once),
		cmocka_unit_test(test_every_path),
		cmocka_unit_test(test_nothing_flows),
		cmocka_unit_test(test_shrinks_at_a_move),
		cmocka_unit_test(test_shrinks_unannounced),
		cmocka_unit_test(test_an_outage_is_no_size),
		cmocka_unit_test(test_lost_probes),
		cmocka_unit_test(test_a_slower_path),
		cmocka_unit_test(test_answers_later_than_thought),
		cmocka_unit_test(test_a_peer_that_answers_none),
		cmocka_unit_test(test_a_peer_that_echoes),
		cmocka_unit_test(test_raised_again_later),
		cmocka_unit_test(test_our_own_link_is_narrow),
		cmocka_unit_test(test_strange_answers),
	};

	return cmocka_run_group_tests_name("tunneld/path-mtu", tests, NULL, NULL);
}
