/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/zoned/unit.h"

#include "services/zoned/zone-journal.h"

static void put(struct zone *zone, const char *text)
{
	struct zone_record *record;
	ldns_rr *rr = NULL;

	assert_int_equal(ldns_rr_new_frm_str(&rr, text, 10, NULL, NULL), LDNS_STATUS_OK);
	assert_int_equal(zone_record_new(rr, ZONE_NEVER, NULL, &record), 0);
	assert_int_equal(zone_put(zone, record), 0);
	zone_record_unref(record);
}

static struct zone *make_zone(uint32_t serial)
{
	ldns_rdf *apex = ldns_dname_new_frm_str("alice.example.org");
	struct zone *zone;
	char text[200];

	assert_int_equal(zone_new(apex, &zone), 0);
	ldns_rdf_deep_free(apex);
	snprintf(text, sizeof text, "alice.example.org. IN SOA a. b. %u 1 1 1 1", serial);
	put(zone, text);
	return zone;
}

struct seen {
	char text[2000];
};

static int note(void *userdata, const ldns_rr *rr)
{
	char *text = ldns_rr2str(rr);

	strcat(userdata, text);
	free(text);
	return 0;
}

static void difference(void **state)
{
	cleanup(zone_freep) struct zone *from = make_zone(7), *to = make_zone(8);
	struct stored_journal entry;
	struct seen removed = {}, added = {};

	put(from, "a.alice.example.org. 10 A 192.0.2.1");
	put(from, "b.alice.example.org. 10 A 192.0.2.2");
	put(from, "c.alice.example.org. 10 A 192.0.2.3");
	put(to, "b.alice.example.org. 20 A 192.0.2.2");
	put(to, "c.alice.example.org. 10 A 192.0.2.3");
	put(to, "d.alice.example.org. 10 A 192.0.2.4");
	assert_int_equal(journal_make_entry(from, to, &entry), 0);
	assert_int_equal(entry.from, 7);
	assert_int_equal(entry.to, 8);
	assert_int_equal(journal_walk(&entry.removed, note, &removed), 0);
	assert_int_equal(journal_walk(&entry.added, note, &added), 0);
	assert_string_equal(removed.text, "alice.example.org.\t10\tIN\tSOA\ta. b. 7 1 1 1 1\n"
					  "a.alice.example.org.\t10\tIN\tA\t192.0.2.1\n"
					  "b.alice.example.org.\t10\tIN\tA\t192.0.2.2\n");
	assert_string_equal(added.text, "alice.example.org.\t10\tIN\tSOA\ta. b. 8 1 1 1 1\n"
					"b.alice.example.org.\t20\tIN\tA\t192.0.2.2\n"
					"d.alice.example.org.\t10\tIN\tA\t192.0.2.4\n");
	/* Cut anywhere it is an error or fewer records, never more than there is. */
	for (size_t size = 0; size < entry.added.size; size++) {
		struct octets cut = { malloc(size ?: 1), size };
		struct seen some = {};

		memcpy(cut.data, entry.added.data, size);
		(void)journal_walk(&cut, note, &some);
		free(cut.data);
	}
	stored_journal_clear(&entry);
}

static struct stored_journal entry_of(uint32_t from, size_t size)
{
	return (struct stored_journal){ .from = from,
					.to = from + 1,
					.removed = { calloc(1, size), size },
					.added = { calloc(1, 1), 0 } };
}

static void bounded(void **state)
{
	struct zone_journal journal = {};
	struct stored_journal entry;

	for (uint32_t i = 1; i <= 2 * JOURNAL_ENTRIES_MAX; i++) {
		entry = entry_of(i, 10);
		assert_int_equal(journal_append(&journal, &entry), 0);
	}
	assert_int_equal(journal.n, JOURNAL_ENTRIES_MAX);
	assert_int_equal(journal_find(&journal, JOURNAL_ENTRIES_MAX), -1);
	assert_int_equal(journal_find(&journal, JOURNAL_ENTRIES_MAX + 1), 0);
	assert_int_equal(journal_find(&journal, 2 * JOURNAL_ENTRIES_MAX), JOURNAL_ENTRIES_MAX - 1);
	for (uint32_t i = 2 * JOURNAL_ENTRIES_MAX + 1; i < 3 * JOURNAL_ENTRIES_MAX; i++) {
		entry = entry_of(i, 1000);
		assert_int_equal(journal_append(&journal, &entry), 0);
		assert_true(journal.size <= JOURNAL_SIZE_MAX);
	}
	assert_int_equal(journal.n, JOURNAL_SIZE_MAX / 1000);
	/* What is too big leaves no way from the serials before it. */
	entry = entry_of(3 * JOURNAL_ENTRIES_MAX, JOURNAL_SIZE_MAX + 1);
	assert_int_equal(journal_append(&journal, &entry), 0);
	assert_int_equal(journal.n, 0);
	assert_int_equal(journal.size, 0);
	/* Nor does a gap. */
	for (uint32_t i = 5; i < 15; i += 5) {
		entry = entry_of(i, 10);
		assert_int_equal(journal_append(&journal, &entry), 0);
		assert_int_equal(journal.n, 1);
	}
	journal_clear(&journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(difference),
		cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
