/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Windows of messages, and when a request is sent again. */
#include "services/keyd/ike-round-trip-state.h"
#include "services/keyd/ike-window-state.h"
#include "tests/unit/keyd/test.h"

/* One request at a time until the peer says that it takes more; never more than it said, nor than
 * we keep. */
static void test_room(void **state)
{
	struct ike_requests requests = { .next_id = 1 };

	assert_true(ike_requests_have_room(&requests));
	assert_false(ike_requests_waiting(&requests));
	assert_non_null(ike_requests_add(&requests, 1, "one", 3));
	assert_false(ike_requests_have_room(&requests));
	assert_true(ike_requests_waiting(&requests));
	ike_requests_set_limit(&requests, 3);
	for (uint32_t id = 2; id <= 3; id++) {
		assert_true(ike_requests_have_room(&requests));
		assert_non_null(ike_requests_add(&requests, id, "more", 4));
	}
	assert_false(ike_requests_have_room(&requests));
	/* What counts is how far it is from the oldest without an answer (§2.3). */
	ike_requests_remove(&requests, ike_requests_find(&requests, 2));
	ike_requests_remove(&requests, ike_requests_find(&requests, 3));
	assert_false(ike_requests_have_room(&requests));
	ike_requests_set_limit(&requests, 2);
	ike_requests_set_limit(&requests, 1000);
	assert_true(ike_requests_have_room(&requests));
	assert_non_null(ike_requests_add(&requests, 4, "more", 4));
	assert_false(ike_requests_have_room(&requests));
	ike_requests_remove(&requests, ike_requests_find(&requests, 1));
	assert_null(ike_requests_find(&requests, 1));
	assert_true(ike_requests_have_room(&requests));
	assert_int_equal(requests.next_id, 5);
	ike_requests_clear(&requests);
	assert_false(ike_requests_waiting(&requests));
	/* No number comes twice (§2.2). */
	requests.next_id = UINT32_MAX;
	assert_false(ike_requests_have_room(&requests));
}

static enum ike_arrival judge(struct ike_answers *answers, uint32_t id, uint8_t content)
{
	const struct sockaddr_in from = {};
	uint8_t hash[32] = { content };
	struct ike_answer *answer = NULL;
	enum ike_arrival arrival = ike_answers_judge(answers, id, hash, IKE_WINDOW, &answer);

	if (arrival == IKE_ARRIVAL_NEW)
		ike_answers_add(answers, id, hash, &from);
	if (arrival == IKE_ARRIVAL_AGAIN)
		assert_int_equal(answer->id, id);
	return arrival;
}

static void test_arrivals(void **state)
{
	struct ike_answers answers = { .expected_id = 10 };

	assert_int_equal(judge(&answers, 9, 9), IKE_ARRIVAL_OUTSIDE);
	assert_int_equal(judge(&answers, 14, 14), IKE_ARRIVAL_OUTSIDE);
	/* In any order, each once. */
	assert_int_equal(judge(&answers, 12, 12), IKE_ARRIVAL_NEW);
	assert_int_equal(judge(&answers, 12, 12), IKE_ARRIVAL_AGAIN);
	assert_int_equal(judge(&answers, 12, 99), IKE_ARRIVAL_OUTSIDE);
	assert_int_equal(answers.expected_id, 10);
	assert_int_equal(judge(&answers, 10, 10), IKE_ARRIVAL_NEW);
	assert_int_equal(answers.expected_id, 11);
	assert_int_equal(judge(&answers, 11, 11), IKE_ARRIVAL_NEW);
	assert_int_equal(answers.expected_id, 13);
	/* The answer to 10 is kept until 14 comes, which needs it. */
	assert_int_equal(ike_blob_set(&ike_answers_find(&answers, 10)->message, "ten", 3), 0);
	assert_int_equal(judge(&answers, 10, 10), IKE_ARRIVAL_AGAIN);
	assert_int_equal(judge(&answers, 14, 14), IKE_ARRIVAL_NEW);
	assert_int_equal(judge(&answers, 10, 10), IKE_ARRIVAL_OUTSIDE);
	assert_int_equal(judge(&answers, 13, 13), IKE_ARRIVAL_NEW);
	assert_int_equal(answers.expected_id, 15);
	ike_answers_clear(&answers);
	assert_null(ike_answers_find(&answers, 14));
}

/* Every order in which the messages of two windows can come, with each of them twice: each is new
 * once and only once, whatever came before. */
static void test_every_order(void **state)
{
	for (unsigned int seed = 1; seed <= 5000; seed++) {
		struct ike_answers answers = {};
		unsigned int fresh[64] = {}, base = 0;
		uint64_t dice = seed;

		for (unsigned int i = 0; i < 600; i++) {
			uint32_t id;

			dice = dice * 6364136223846793005ull + 1442695040888963407ull;
			id = base + (dice >> 33) % (2 * IKE_WINDOW);
			id = id < IKE_WINDOW ? 0 : id - IKE_WINDOW;
			if (id >= 64)
				break;
			/* The peer sends none before it has the answer IKE_WINDOW below. */
			fresh[id] += judge(&answers, id, id) == IKE_ARRIVAL_NEW;
			assert_in_range(fresh[id], 0, 1);
			base = answers.expected_id + IKE_WINDOW;
		}
		for (unsigned int id = 0; id < answers.expected_id; id++)
			assert_int_equal(fresh[id], 1);
		ike_answers_clear(&answers);
	}
}

static void test_round_trip(void **state)
{
	struct ike_round_trip trip = {};
	uint64_t delay;

	assert_in_range(ike_round_trip_first(&trip), 1, 250);
	ike_round_trip_note(&trip, 100);
	assert_int_equal(ike_round_trip_first(&trip), 300);
	for (int i = 0; i < 50; i++)
		ike_round_trip_note(&trip, 100);
	assert_in_range(ike_round_trip_first(&trip), 100, 110);
	for (int i = 0; i < 50; i++)
		ike_round_trip_note(&trip, 5);
	assert_int_equal(ike_round_trip_first(&trip), IKE_REPEAT_MINIMUM);
	for (int i = 0; i < 50; i++)
		ike_round_trip_note(&trip, 5000);
	assert_int_equal(ike_round_trip_first(&trip), IKE_REPEAT_MAXIMUM);
	ike_round_trip_forget(&trip);
	assert_int_equal(ike_round_trip_first(&trip), IKE_REPEAT_FIRST);
	delay = IKE_REPEAT_FIRST;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ike_round_trip_next(delay), 2 * delay);
		delay = ike_round_trip_next(delay);
	}
	assert_int_equal(ike_round_trip_next(3999), IKE_REPEAT_LAST);
	assert_int_equal(ike_round_trip_next(IKE_REPEAT_LAST), IKE_REPEAT_LAST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_arrivals),
		cmocka_unit_test(test_every_order),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests_name("ike-window", tests, NULL, NULL);
}
