/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any octets as a question to the stub: what comes out is a well-formed answer to it, or nothing.
 */
#include "services/llq-watcher/stub-state.h"

#include <assert.h>

static const char *const records[] = {
	"desktop.alice.example. 10 IN AAAA fd01::1",
	"desktop.alice.example. 10 IN TXT \"model=Linux\" \"\"",
	"_ssh._tcp.alice.example. 10 IN PTR a\\.b\\000c._ssh._tcp.alice.example.",
	"a\\.b\\000c._ssh._tcp.alice.example. 10 IN SRV 0 0 22 desktop.alice.example.",
	"_autotunnel._udp.desktop.alice.example. 10 IN SRV 0 0 4500 AutoTunnel-00.alice.example.",
	"AutoTunnel-00.alice.example. 10 IN A 203.0.113.5",
};

static struct stub_zone *make_zone(void)
{
	struct stub_zone *zone;

	if (stub_zone_new("alice.example", &zone) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
		ldns_rr *rr = NULL;

		if (ldns_rr_new_frm_str(&rr, records[i], 0, NULL, NULL) == LDNS_STATUS_OK)
			stub_zone_add(zone, rr);
		ldns_rr_free(rr);
	}
	stub_zone_finish(zone);
	return zone;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(stub_zone_freep) struct stub_zone *zone = make_zone();
	struct stub_subtypes subtypes = { 0 };
	struct stub_counts counts = { 0 };
	uint8_t reply[65535];

	for (int i = 0; i < 4; i++) {
		cleanup(dns_message_freep) struct dns_message *answer = NULL;
		struct stub_view view = {
			.zone = zone, .complete = i & 1, .stale = i & 1, .subtypes = &subtypes
		};
		struct stub_question question = {
			.data = data, .size = size, .stream = i & 2, .last = i & 1
		};
		size_t n = stub_answer(&view, &question, 0, reply, sizeof(reply), &counts);

		if (n == 0 || n == STUB_LATER)
			continue;
		assert(i & 2 || n <= STUB_UDP_MAX);
		assert(dns_message_parse(reply, n, &answer) == 0);
		assert(answer->flags & DNS_FLAG_QR && reply[0] == data[0] && reply[1] == data[1]);
	}
	stub_subtypes_clear(&subtypes);
	return 0;
}
