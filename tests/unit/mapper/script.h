/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Timelines: what happens and what must have been sent, by simulated milliseconds. A sent request
 * reads "250 address", "4 map 4500 as 4500 for 3600", "9 delete 4500".
 */
#include "services/mapper/announcement-wire.h"
#include "services/mapper/mapper-state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SENT_LIMIT 512
#define HOUR       UINT64_C(3600000)

struct script {
	struct mapper_state state;
	uint64_t now;
	char sent[SENT_LIMIT][64];
	size_t n_sent, n_checked;
};

/* What the daemon does after each event. */
void take_requests(struct script *script);
/* Lets time pass as the daemon does: to each due time, and to `then`. */
void at(struct script *script, uint64_t then);
void assert_sent_list(struct script *script, const char *const *expected, size_t n);
/* The script begins at 0, without a network. */
void begin(struct script *script);
void end(struct script *script);
/* Events. */
struct network_view view(const char *address, const char *gateway);
void arrive(struct script *script, const char *address, const char *gateway);
void lose_network(struct script *script);
void answer(struct script *script, const struct natpmp_response *response);
void answer_address(struct script *script, const char *address, uint32_t epoch);
void answer_map(struct script *script, uint16_t internal, uint16_t external, uint32_t lifetime,
		uint32_t epoch);
void answer_failure(struct script *script, enum natpmp_operation operation, uint16_t result);
void announce(struct script *script, const char *source, enum announcement_kind kind,
	      const char *address, uint32_t epoch);
struct mapping *wish(struct script *script, const char *label, uint16_t port);
void assert_mapping(const struct mapping *mapping, const char *condition, const char *external,
		    uint16_t port);
void assert_words(struct script *script, const char *state, const char *nat_kind);
/* Behind 192.168.1.1 with the tunnel mapped at 11.0.1.1:4500, and the requests checked. */
struct mapping *begin_mapped(struct script *script);

#define assert_sent(script, ...)                                                                   \
	do {                                                                                       \
		static const char *const list_[] = { __VA_ARGS__ };                                \
		assert_sent_list(script, list_, sizeof list_ / sizeof list_[0]);                   \
	} while (0)
#define assert_nothing_sent(script) assert_sent_list(script, NULL, 0)

/* No external endpoint, for assert_mapping(). */
#define NOTHING "0.0.0.0", 0
