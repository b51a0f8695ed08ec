/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The account's names for ordinary programs: the stub that answers DNS on a loopback address from
 * our view, and systemd-resolved, which is told to ask it. Without resolved, names_reason() says
 * what to put where.
 */
#include "common/dns/host-names.h"
#include "common/loop/daemon.h"
#include "services/llq-watcher/names-state.h"
#include "services/llq-watcher/stub-server.h"
#include "services/llq-watcher/stub-state.h"
#include "services/llq-watcher/watch-set.h"

struct names_config {
	bool enable;
	struct in_addr address; /* in 127.0.0.0/8 */
	uint32_t port;
	char *interface; /* the tunnel's */
	bool search;     /* names without a dot too */
};

struct names;

/* The phase, the words or the address of the stub changed. */
typedef void (*names_callback)(void *userdata);

/* `config` has to outlive it. 0 or a negative errno; a stub that cannot listen is none. */
int names_new(struct daemon *daemon, const struct names_config *config, names_callback on_change,
	      names_callback on_want, void *userdata, struct names **ret);
struct names *names_free(struct names *names);

/* Questions that nobody but the stub wants answered, at most NAMES_QUESTIONS: this host's own
 * records, and subtypes that programs asked for; between watch_set_want_begin() and
 * watch_set_want_end(). on_want comes when there are others. */
#define NAMES_QUESTIONS (2 + STUB_SUBTYPES_MAX)
void names_want(const struct names *names, const struct host_names *self, struct watch_set *set);
/* Answers from what the set now says, and for this host itself. `complete`: see struct stub_view.
 */
void names_show(struct names *names, const struct host_names *self, const struct watch_set *set,
		bool complete);
/* Whether the server was not heard lately. */
void names_set_stale(struct names *names, bool stale);
/* Nobody is signed in: answers nothing any more, and has resolved forget us. */
void names_forget(struct names *names);
/* Has resolved forget us; then calls back, once. */
void names_terminate(struct names *names, void (*on_done)(void *userdata));

enum names_phase names_phase(const struct names *names);
const char *names_phase_to_text(enum names_phase phase);
/* A sentence for people. Borrowed until the next change. */
const char *names_reason(const struct names *names);
/* 127.0.0.62:6281; empty when there is none. */
const char *names_stub(const struct names *names);

struct names_counts {
	struct stub_counts stub;
	struct stub_server_counts server;
};
void names_read_counts(const struct names *names, struct names_counts *ret);

DEFINE_CLEANUP(struct names *, names_free)
