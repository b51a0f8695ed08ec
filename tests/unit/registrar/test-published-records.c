/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "services/registrar/published-records.h"

#include "common/dns/dns-options.h"

#include <cmocka.h>
#include <string.h>

#define ZONE "alice.members.example.org"

/* Records of the zone by their text, names below it. */
static ldns_rr_list *list(const char *const *texts)
{
	ldns_rr_list *made = ldns_rr_list_new();
	ldns_rdf *origin = ldns_dname_new_frm_str(ZONE);

	for (; *texts; texts++) {
		ldns_rr *rr;

		assert_int_equal(ldns_rr_new_frm_str(&rr, *texts, 10, origin, NULL),
				 LDNS_STATUS_OK);
		ldns_rr_list_push_rr(made, rr);
	}
	ldns_rdf_deep_free(origin);
	return made;
}
#define LIST(...) list((const char *const[]){ __VA_ARGS__, NULL })

#define SRV     "_autotunnel._udp.desktop SRV 0 0 4500 AutoTunnel-1"
#define A       "AutoTunnel-1 A 203.0.113.5"
#define A_MOVED "AutoTunnel-1 A 198.51.100.7"
#define PTR     "_autotunnel._udp PTR _autotunnel._udp.desktop"
#define SSH     "desktop._ssh._tcp SRV 0 0 22 desktop"
#define SSH_PTR "_ssh._tcp PTR desktop._ssh._tcp"
#define TYPES   "_services._dns-sd._udp PTR _ssh._tcp"

/* "-owner type" for the deletion of an RRset, "-owner type data" of a record, "+owner type data".
 */
static void assert_changes(const uint8_t *buffer, int size, const char *const *expected)
{
	cleanup(dns_message_freep) struct dns_message *message = NULL;
	size_t n = 0;

	assert_true(size > 0);
	assert_int_equal(dns_message_parse(buffer, size, &message), 0);
	assert_int_equal(message->opcode, LDNS_PACKET_UPDATE);
	assert_int_equal(dns_message_count(message, DNS_SECTION_ANSWER), 0);
	for (size_t i = 0; i < dns_message_count(message, DNS_SECTION_AUTHORITY); i++) {
		ldns_rr *rr = dns_message_rr(message, DNS_SECTION_AUTHORITY, i);
		bool is_deletion = ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN;
		ldns_rr_list *wanted;
		char text[200];

		assert_non_null(expected[i]);
		assert_int_equal(expected[i][0], is_deletion ? '-' : '+');
		snprintf(text, sizeof(text), "%s", expected[i] + 1);
		if (ldns_rr_get_class(rr) == LDNS_RR_CLASS_ANY) {
			/* The RRset's name and type are those of any record of it. */
			assert_int_equal(ldns_rr_rd_count(rr), 0);
			wanted = LIST(text);
			assert_int_equal(ldns_rr_get_type(rr),
					 ldns_rr_get_type(ldns_rr_list_rr(wanted, 0)));
			assert_int_equal(
				ldns_dname_compare(ldns_rr_owner(rr),
						   ldns_rr_owner(ldns_rr_list_rr(wanted, 0))),
				0);
		} else {
			wanted = LIST(text);
			ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
			assert_int_equal(ldns_rr_compare(rr, ldns_rr_list_rr(wanted, 0)), 0);
		}
		ldns_rr_list_deep_free(wanted);
		n++;
	}
	assert_null(expected[n]);
}
#define CHANGES(...)                                                                               \
	assert_changes(buffer, size, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static uint8_t buffer[PUBLISHED_MESSAGE_SIZE];

static void whole(void **state)
{
	struct published_records published = { 0 };
	ldns_rr_list *wanted = LIST(SRV, A, PTR, SSH, SSH_PTR, TYPES);
	int size = published_records_write_whole(&published, ZONE, wanted, 5400, buffer,
						 sizeof(buffer));
	cleanup(dns_message_freep) struct dns_message *message = NULL;
	struct dns_update_lease lease;

	CHANGES("-" SRV, "+" SRV, "-" A, "+" A, "+" PTR, "-" SSH, "+" SSH, "+" SSH_PTR, "+" TYPES);
	assert_int_equal(dns_message_parse(buffer, size, &message), 0);
	assert_int_equal(
		dns_options_read_update_lease(message->options, message->options_size, &lease), 1);
	assert_int_equal(lease.lease, 5400);
	/* A refresh is the same message. */
	assert_int_equal(published_records_acknowledged(&published, wanted), 0);
	size = published_records_write_whole(&published, ZONE, wanted, 5400, buffer,
					     sizeof(buffer));
	CHANGES("-" SRV, "+" SRV, "-" A, "+" A, "+" PTR, "-" SSH, "+" SSH, "+" SSH_PTR, "+" TYPES);
	ldns_rr_list_deep_free(wanted);
	published_records_deinit(&published);
}

/* What was sent and not answered goes, too. */
static void whole_after_doubt(void **state)
{
	struct published_records published = { 0 };
	ldns_rr_list *first = LIST(SRV, A, SSH, SSH_PTR), *wanted = LIST(SRV, A_MOVED);
	int size;

	assert_int_equal(published_records_sent(&published, first), 0);
	size = published_records_write_whole(&published, ZONE, wanted, 5400, buffer,
					     sizeof(buffer));
	CHANGES("-" SSH, "-" SSH_PTR, "-" SRV, "+" SRV, "-" A, "+" A_MOVED);
	assert_int_equal(published_records_sent(&published, wanted), 0);
	/* Nor is that known to have arrived. */
	size = published_records_write_withdrawal(&published, ZONE, NULL, buffer, sizeof(buffer));
	CHANGES("-" SRV, "-" A, "-" SSH, "-" SSH_PTR);
	assert_int_equal(published_records_acknowledged(&published, wanted), 0);
	size = published_records_write_withdrawal(&published, ZONE, NULL, buffer, sizeof(buffer));
	CHANGES("-" SRV, "-" A_MOVED);
	ldns_rr_list_deep_free(first);
	ldns_rr_list_deep_free(wanted);
	published_records_deinit(&published);
}

static void difference(void **state)
{
	struct published_records published = { 0 };
	ldns_rr_list *first = LIST(SRV, A, PTR), *moved = LIST(SRV, A_MOVED, PTR);
	ldns_rr_list *shared = LIST(SRV, A_MOVED, PTR, SSH, SSH_PTR, TYPES);
	int size;

	assert_int_equal(published_records_acknowledged(&published, first), 0);
	size = published_records_write_difference(&published, ZONE, moved, 5400, buffer,
						  sizeof(buffer));
	CHANGES("-" A, "+" A_MOVED);
	assert_int_equal(published_records_acknowledged(&published, moved), 0);
	size = published_records_write_difference(&published, ZONE, shared, 5400, buffer,
						  sizeof(buffer));
	CHANGES("-" SSH, "+" SSH, "+" SSH_PTR, "+" TYPES);
	assert_int_equal(published_records_acknowledged(&published, shared), 0);
	size = published_records_write_difference(&published, ZONE, moved, 5400, buffer,
						  sizeof(buffer));
	CHANGES("-" SSH, "-" SSH_PTR, "-" TYPES);
	size = published_records_write_difference(&published, ZONE, shared, 5400, buffer,
						  sizeof(buffer));
	CHANGES();
	assert_true(published_records_equal(published.acknowledged, shared));
	assert_false(published_records_equal(published.acknowledged, moved));
	ldns_rr_list_deep_free(first);
	ldns_rr_list_deep_free(moved);
	ldns_rr_list_deep_free(shared);
	published_records_deinit(&published);
}

static void withdrawal(void **state)
{
	struct published_records published = { 0 };
	ldns_rr_list *usual = LIST(SRV, A, PTR), *shared = LIST(SRV, A_MOVED, PTR, SSH, SSH_PTR);
	int size =
		published_records_write_withdrawal(&published, ZONE, usual, buffer, sizeof(buffer));

	CHANGES("-" SRV, "-" A, "-" PTR);
	assert_int_equal(published_records_acknowledged(&published, shared), 0);
	size = published_records_write_withdrawal(&published, ZONE, usual, buffer, sizeof(buffer));
	CHANGES("-" SRV, "-" A, "-" PTR, "-" SSH, "-" SSH_PTR);
	ldns_rr_list_deep_free(usual);
	ldns_rr_list_deep_free(shared);
	published_records_deinit(&published);
}

static void too_big(void **state)
{
	struct published_records published = { 0 };
	ldns_rr_list *wanted = LIST(SRV, A, PTR);

	for (size_t size = 0; size < 200; size++)
		assert_true(published_records_write_whole(&published, ZONE, wanted, 5400, buffer,
							  size) < 0);
	ldns_rr_list_deep_free(wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),      cmocka_unit_test(whole_after_doubt),
		cmocka_unit_test(difference), cmocka_unit_test(withdrawal),
		cmocka_unit_test(too_big),
	};

	return cmocka_run_group_tests_name("published-records", tests, NULL, NULL);
}
