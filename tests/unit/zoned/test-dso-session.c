/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/zoned/unit.h"

#include "common/base/cleanup.h"
#include "services/zoned/dso-session-state.h"

#define NOW 1000000u

/* Header, and a TLV without data. */
static size_t write_message(uint8_t *octets, uint16_t id, uint16_t flags, int type)
{
	struct writer writer = writer_init(octets, 64);

	writer_u16(&writer, id);
	writer_u16(&writer, flags | DNS_FLAGS_OPCODE(DNS_OPCODE_DSO));
	writer_u64(&writer, 0);
	if (type >= 0) {
		writer_u16(&writer, type);
		writer_u16(&writer, 0);
	}
	return writer.position;
}

static enum dso_verdict judge(bool is_established, uint16_t id, uint16_t flags, int type,
			      uint8_t *ret_rcode)
{
	struct dso_session session;
	struct dns_dso message;
	uint8_t octets[64];
	size_t size = write_message(octets, id, flags, type);

	dso_session_begin(&session, NOW);
	session.is_established = is_established;
	*ret_rcode = 0;
	return dso_session_judge(&session, octets, size, &message, ret_rcode);
}

/* RFC 8490 §5.4.5, §6.6.1, §7.1, §8.1; RFC 8765 §6.3, §6.4, §6.5. */
static void verdicts(void **state)
{
	static const struct {
		uint16_t id, flags;
		int type;
		enum dso_verdict before, after; /* the session is established */
		uint8_t rcode;
	} cases[] = {
		{ 7, 0, DNS_DSO_KEEPALIVE, DSO_KEEPALIVE, DSO_KEEPALIVE, 0 },
		{ 7, 0, DNS_DSO_SUBSCRIBE, DSO_SUBSCRIBE, DSO_SUBSCRIBE, 0 },
		{ 7, 0, DNS_DSO_RETRY_DELAY, DSO_FATAL, DSO_FATAL, 0 },
		{ 7, 0, DNS_DSO_PUSH, DSO_FATAL, DSO_FATAL, 0 },
		{ 7, 0, DNS_DSO_UNSUBSCRIBE, DSO_REFUSE, DSO_REFUSE, LDNS_RCODE_FORMERR },
		{ 7, 0, DNS_DSO_RECONFIRM, DSO_REFUSE, DSO_REFUSE, LDNS_RCODE_FORMERR },
		{ 7, 0, DNS_DSO_PADDING, DSO_REFUSE, DSO_REFUSE, LDNS_RCODE_FORMERR },
		{ 7, 0, 0x1234, DSO_REFUSE, DSO_REFUSE, DNS_RCODE_DSOTYPENI },
		{ 7, 0, 0, DSO_REFUSE, DSO_REFUSE, DNS_RCODE_DSOTYPENI },
		{ 7, 0, -1, DSO_FATAL, DSO_FATAL, 0 },
		{ 0, 0, DNS_DSO_KEEPALIVE, DSO_FATAL, DSO_FATAL, 0 },
		{ 0, 0, DNS_DSO_SUBSCRIBE, DSO_FATAL, DSO_FATAL, 0 },
		{ 0, 0, DNS_DSO_RETRY_DELAY, DSO_FATAL, DSO_FATAL, 0 },
		{ 0, 0, DNS_DSO_PUSH, DSO_FATAL, DSO_FATAL, 0 },
		{ 0, 0, DNS_DSO_UNSUBSCRIBE, DSO_FATAL, DSO_UNSUBSCRIBE, 0 },
		{ 0, 0, DNS_DSO_RECONFIRM, DSO_FATAL, DSO_RECONFIRM, 0 },
		{ 0, 0, 0x1234, DSO_FATAL, DSO_FATAL, 0 },
		{ 7, DNS_FLAG_QR, DNS_DSO_KEEPALIVE, DSO_FATAL, DSO_FATAL, 0 },
		{ 7, DNS_FLAG_QR, -1, DSO_FATAL, DSO_FATAL, 0 },
		{ 0, DNS_FLAG_QR, -1, DSO_FATAL, DSO_FATAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t rcode;

		assert_int_equal(judge(false, cases[i].id, cases[i].flags, cases[i].type, &rcode),
				 cases[i].before);
		assert_int_equal(judge(true, cases[i].id, cases[i].flags, cases[i].type, &rcode),
				 cases[i].after);
		assert_int_equal(rcode, cases[i].rcode);
	}
}

static void sections_are_answered_formerr(void **state)
{
	struct dso_session session;
	struct dns_dso message;
	uint8_t octets[64], rcode;
	size_t size = write_message(octets, 0x0102, 0, DNS_DSO_KEEPALIVE);

	dso_session_begin(&session, NOW);
	octets[11] = 1;
	assert_int_equal(dso_session_judge(&session, octets, size, &message, &rcode), DSO_REFUSE);
	assert_int_equal(rcode, LDNS_RCODE_FORMERR);
	assert_int_equal(message.id, 0x0102);
	octets[0] = octets[1] = 0;
	assert_int_equal(dso_session_judge(&session, octets, size, &message, &rcode), DSO_FATAL);
	octets[1] = 1;
	octets[2] |= 0x80;
	assert_int_equal(dso_session_judge(&session, octets, size, &message, &rcode), DSO_FATAL);
}

static void after_goodbye_nothing_is_heard(void **state)
{
	struct dso_session session;
	struct dns_dso message;
	uint8_t octets[64], rcode;
	size_t size = write_message(octets, 7, 0, DNS_DSO_KEEPALIVE);

	dso_session_begin(&session, NOW);
	dso_session_end(&session, NOW);
	assert_int_equal(dso_session_judge(&session, octets, size, &message, &rcode), DSO_IGNORE);
	assert_int_equal(dso_session_judge(&session, octets, 3, &message, &rcode), DSO_IGNORE);
	assert_int_equal(dso_session_deadline(&session), NOW + 5000);
}

static void silence(void **state)
{
	struct dso_session session;

	dso_session_begin(&session, NOW);
	assert_int_equal(dso_session_deadline(&session), UINT64_MAX);
	/* Both times are 15 s; the server waits twice that. */
	session.is_established = true;
	assert_int_equal(dso_session_deadline(&session), NOW + 30000);
	/* Keepalives alone do not prove that somebody has a use for the session. */
	dso_session_touch(&session, true, NOW + 20000);
	assert_int_equal(dso_session_deadline(&session), NOW + 30000);
	dso_session_touch(&session, false, NOW + 21000);
	assert_int_equal(dso_session_deadline(&session), NOW + 51000);
	/* With a subscription only the keepalives count. */
	session.n_operations = 1;
	dso_session_touch(&session, true, NOW + 40000);
	assert_int_equal(dso_session_deadline(&session), NOW + 70000);
	session.n_operations = 0;
	assert_int_equal(dso_session_deadline(&session), NOW + 51000);
}

static void times_granted(void **state)
{
	static const struct dso_limits limits = { .inactivity_timeout = 30000,
						  .interval = 3600000 };
	static const struct {
		struct dns_dso_keepalive wanted, granted;
		uint64_t deadline;
	} cases[] = {
		{ { 15000, 60000 }, { 15000, 60000 }, NOW + 30000 },
		{ { DNS_DSO_FOREVER, DNS_DSO_FOREVER }, { 30000, 3600000 }, NOW + 60000 },
		/* RFC 8490 §6.5.2: never less than ten seconds. */
		{ { 0, 0 }, { 0, 10000 }, NOW + 5000 },
		{ { 30000, 1 }, { 30000, 10000 }, NOW + 20000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dns_dso_keepalive granted;
		struct dso_session session;

		dso_session_begin(&session, NOW);
		session.is_established = true;
		granted = dso_session_grant(&session, &limits, &cases[i].wanted);
		assert_int_equal(granted.inactivity_timeout, cases[i].granted.inactivity_timeout);
		assert_int_equal(granted.interval, cases[i].granted.interval);
		assert_int_equal(dso_session_deadline(&session), cases[i].deadline);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(sections_are_answered_formerr),
		cmocka_unit_test(after_goodbye_nothing_is_heard),
		cmocka_unit_test(silence),
		cmocka_unit_test(times_granted),
	};

	return cmocka_run_group_tests_name("dso-session", tests, NULL, NULL);
}
