/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/zoned/unit.h"

#include "services/zoned/lease-state.h"
#include "services/zoned/zone-state.h"

#include <string.h>

static ldns_rdf *name_from(const char *text)
{
	ldns_rdf *name = ldns_dname_new_frm_str(text);

	assert_non_null(name);
	return name;
}

static struct name_key key_from(const char *text)
{
	ldns_rdf *name = name_from(text);
	struct name_key key;

	name_key_from_rdf(name, &key);
	ldns_rdf_deep_free(name);
	return key;
}

static struct zone_record *record_from(const char *text, uint64_t expires)
{
	struct zone_record *record;
	ldns_rr *rr;

	assert_int_equal(ldns_rr_new_frm_str(&rr, text, 10, NULL, NULL), LDNS_STATUS_OK);
	assert_int_equal(zone_record_new(rr, expires, "key", &record), 0);
	return record;
}

static void put(struct zone *zone, const char *text, uint64_t expires)
{
	struct zone_record *record = record_from(text, expires);

	assert_int_equal(zone_put(zone, record), 0);
	zone_record_unref(record);
}

static struct zone *zone_from(const char *apex)
{
	ldns_rdf *name = name_from(apex);
	struct zone *zone;

	assert_int_equal(zone_new(name, &zone), 0);
	ldns_rdf_deep_free(name);
	return zone;
}

static void keys_of_names(void **state)
{
	struct name_key apex = key_from("a.example."), below = key_from("X.a.EXAMPLE."),
			beside = key_from("ba.example."), made;

	assert_true(name_key_is_within(&apex, &apex));
	assert_true(name_key_is_within(&below, &apex));
	assert_false(name_key_is_within(&beside, &apex));
	assert_false(name_key_is_within(&apex, &below));
	assert_true(name_key_below(&apex, "x", &made));
	assert_true(name_key_equal(&made, &below));
	assert_int_equal(key_from(".").size, 0);
}

static void keys_of_the_longest_names(void **state)
{
	char text[256];
	struct name_key parent = key_from("."), child;

	memset(text, 'a', 63);
	text[63] = 0;
	for (int i = 0; i < 3; i++) {
		assert_true(name_key_below(&parent, text, &child));
		parent = child;
	}
	text[62] = 0;
	assert_false(name_key_below(&parent, text, &child));
	text[61] = 0;
	assert_true(name_key_below(&parent, text, &child));
	assert_int_equal(child.size, 254);
	assert_false(name_key_below(&child, "a", &parent));
}

static void ranges(void **state)
{
	struct zone *zone = zone_from("z.");
	struct name_key host = key_from("host.z."), under = key_from("_udp.host.z."),
			none = key_from("hos.z.");
	struct zone_range range;

	put(zone, "host.z. A 192.0.2.2", ZONE_NEVER);
	put(zone, "host.z. A 192.0.2.1", ZONE_NEVER);
	put(zone, "HOST.z. A 192.0.2.1", ZONE_NEVER);
	put(zone, "host.z. TYPE257 \\# 1 00", ZONE_NEVER);
	put(zone, "a._udp.host.z. A 192.0.2.1", ZONE_NEVER);
	put(zone, "hostile.z. A 192.0.2.1", ZONE_NEVER);
	range = zone_find_rrset(zone, &host, LDNS_RR_TYPE_A);
	assert_int_equal(range.end - range.start, 2);
	range = zone_find_name(zone, &host);
	assert_int_equal(range.end - range.start, 3);
	range = zone_find_subtree(zone, &host);
	assert_int_equal(range.end - range.start, 4);
	range = zone_find_name(zone, &under);
	assert_int_equal(range.end - range.start, 0);
	range = zone_find_subtree(zone, &under);
	assert_int_equal(range.end - range.start, 1);
	range = zone_find_subtree(zone, &none);
	assert_int_equal(range.end - range.start, 0);
	zone_free(zone);
}

struct seen {
	int added, removed, refreshed;
};

static int see(void *userdata, enum zone_change change, struct zone_record *record)
{
	struct seen *seen = userdata;

	switch (change) {
	case ZONE_CHANGE_ADDED:
		seen->added++;
		break;
	case ZONE_CHANGE_REMOVED:
		seen->removed++;
		break;
	case ZONE_CHANGE_REFRESHED:
		seen->refreshed++;
		break;
	}
	return 0;
}

static void differences(void **state)
{
	struct zone *from = zone_from("z."), *to;
	struct seen seen = {};

	put(from, "a.z. A 192.0.2.1", 100);
	put(from, "b.z. A 192.0.2.1", 100);
	put(from, "c.z. 10 A 192.0.2.1", 100);
	assert_int_equal(zone_new_copy(from, &to), 0);
	assert_false(zone_differs(from, to));
	put(to, "b.z. A 192.0.2.1", 200);
	assert_false(zone_differs(from, to));
	put(to, "c.z. 20 A 192.0.2.1", 100);
	put(to, "d.z. A 192.0.2.1", 100);
	zone_remove_at(to, 0);
	assert_true(zone_differs(from, to));
	assert_int_equal(zone_diff(from, to, see, &seen), 0);
	assert_int_equal(seen.added, 2);
	assert_int_equal(seen.removed, 1);
	assert_int_equal(seen.refreshed, 1);
	zone_free(from);
	zone_free(to);
}

static void ids_are_kept(void **state)
{
	struct zone *from = zone_from("z."), *to = zone_from("z.");

	put(from, "a.z. A 192.0.2.1", ZONE_NEVER);
	from->records[0]->id = 7;
	put(to, "A.z. A 192.0.2.1", ZONE_NEVER);
	put(to, "b.z. A 192.0.2.1", ZONE_NEVER);
	zone_adopt_ids(from, to);
	assert_int_equal(to->records[0]->id, 7);
	assert_int_equal(to->records[1]->id, 0);
	zone_free(from);
	zone_free(to);
}

static void expiry(void **state)
{
	struct zone *zone = zone_from("z.");
	struct name_key a = key_from("a.z.");

	put(zone, "a.z. A 192.0.2.1", 100);
	put(zone, "b.z. A 192.0.2.1", 200);
	put(zone, "c.z. A 192.0.2.1", ZONE_NEVER);
	assert_int_equal(zone_next_expiry(zone), 100);
	assert_true(zone_range_has_live(zone, zone_find_name(zone, &a), 99));
	assert_false(zone_range_has_live(zone, zone_find_name(zone, &a), 100));
	assert_int_equal(zone_expire(zone, 99), 0);
	assert_int_equal(zone_expire(zone, 100), 1);
	assert_int_equal(zone_next_expiry(zone), 200);
	assert_int_equal(zone_expire(zone, 1000), 1);
	assert_true(zone_next_expiry(zone) == ZONE_NEVER);
	zone_free(zone);
}

static void serial(void **state)
{
	struct zone *zone = zone_from("z.");

	assert_int_equal(zone_bump_serial(zone), 0);
	put(zone, "z. SOA a. b. 4294967294 1 1 1 1", ZONE_NEVER);
	assert_int_equal(zone_bump_serial(zone), 0);
	assert_int_equal(zone_serial(zone), 4294967295u);
	assert_int_equal(zone_bump_serial(zone), 0);
	assert_int_equal(zone_serial(zone), 1);
	assert_int_equal(zone->n_records, 1);
	zone_free(zone);
}

static void lease_bounds(void **state)
{
	static const struct lease_bounds bounds = { 1800, 7200 };

	assert_int_equal(lease_grant(&bounds, 0), 1800);
	assert_int_equal(lease_grant(&bounds, 1800), 1800);
	assert_int_equal(lease_grant(&bounds, 7200), 7200);
	assert_int_equal(lease_grant(&bounds, 0x80000000), 7200);
	assert_true(lease_end(5, 0xFFFFFFFF) == 5 + 0xFFFFFFFFull * 1000);
	assert_int_equal(lease_left(1000, 1000), 0);
	assert_int_equal(lease_left(1000, 1001), 1);
	assert_int_equal(lease_left(1000, 3000), 2);
}

static void lease_dates(void **state)
{
	static const struct moment before = { 5000000, 1700000000000 },
				   after = { 10, 1700000100000 };
	int64_t date = lease_to_date(&before, 5000000 + 300000);

	assert_true(date == 1700000300000);
	assert_true(lease_from_date(&before, date, 300) == 5300000);
	assert_true(lease_from_date(&after, date, 200) == 10 + 200000);
	assert_true(lease_from_date(&after, date, 199) == 10 + 199000);
	assert_int_equal(lease_to_date(&before, ZONE_NEVER), STORED_NEVER);
	assert_true(lease_from_date(&after, STORED_NEVER, 1) == ZONE_NEVER);
	assert_int_equal(lease_from_date(&after, 1, 1), 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_names), cmocka_unit_test(keys_of_the_longest_names),
		cmocka_unit_test(ranges),        cmocka_unit_test(differences),
		cmocka_unit_test(ids_are_kept),  cmocka_unit_test(expiry),
		cmocka_unit_test(serial),        cmocka_unit_test(lease_bounds),
		cmocka_unit_test(lease_dates),
	};

	return cmocka_run_group_tests_name("zoned zone", tests, NULL, NULL);
}
