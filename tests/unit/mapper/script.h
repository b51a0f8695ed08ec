/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Timelines: what happens and what must have been asked of whom, by simulated milliseconds. The
 * speakers are this file's: they note what they are asked, and say what the test tells them to. An
 * action reads "0 pcp map 4500 as 4500 for 3600", "40 nat-pmp probe", "9 close upnp-igd"; one for a
 * gateway behind the first one "0 pcp@1 map ...".
 */
#include "services/mapper/mapper-state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SENT_LIMIT  2048
#define ASKED_LIMIT 256
#define HOUR        UINT64_C(3600000)

/* What a speaker was asked and has not answered. */
struct asked {
	unsigned int hop;
	uint32_t incarnation;
	enum mapping_protocol protocol;
	struct gateway_request request;
	uint64_t at;
};

struct script {
	struct mapper_state state;
	uint64_t now;
	char sent[SENT_LIMIT][80];
	size_t n_sent, n_checked;
	struct asked asked[ASKED_LIMIT];
	size_t n_asked;
	unsigned int hop; /* which gateway answers */
	bool quiet;       /* nothing is noted in `sent` */
};

/* What the daemon does after each event. */
void take_actions(struct script *script);
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
struct mapping *wish(struct script *script, const char *label, uint16_t port);

/* The oldest request of that kind that waits for an answer; NULL: none. */
struct asked *find_asked(struct script *script, enum mapping_protocol protocol,
			 enum gateway_operation operation);
void say(struct script *script, enum mapping_protocol protocol, const struct gateway_event *event);
/* Answers to the oldest such request. `external` may be NULL: it is not told. */
void answer(struct script *script, enum mapping_protocol protocol, enum gateway_operation operation,
	    const char *external);
void grant(struct script *script, enum mapping_protocol protocol, uint16_t port,
	   const char *external, uint32_t lifetime);
void refuse(struct script *script, enum mapping_protocol protocol, enum gateway_operation operation,
	    enum trouble trouble, unsigned int result);
void be_absent(struct script *script, enum mapping_protocol protocol,
	       enum gateway_operation operation, enum trouble trouble);

void assert_mapping(const struct mapping *mapping, const char *condition, const char *external,
		    uint16_t port);
void assert_words(struct script *script, const char *state, const char *nat_kind);
/* Behind 192.168.1.1 with the tunnel mapped at 11.0.1.1:4500 by that protocol, which is the only
 * one that is spoken there; the actions are checked off. */
struct mapping *begin_mapped(struct script *script, enum mapping_protocol protocol);

#define assert_sent(script, ...)                                                                   \
	do {                                                                                       \
		static const char *const list_[] = { __VA_ARGS__ };                                \
		assert_sent_list(script, list_, sizeof list_ / sizeof list_[0]);                   \
	} while (0)
#define assert_nothing_sent(script) assert_sent_list(script, NULL, 0)

/* No external endpoint, for assert_mapping(). */
#define NOTHING "0.0.0.0", 0
