/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The account's forgotten hosts (docs/ARCHITECTURE.md, "Forgotten hosts"): what is known of them,
 * what the zone shows, and the one list of ours on its way there.
 *
 *   Forget --password, keys, list (forget.h)--> submission --registrar--> zone --llq-watcher-->
 * known
 */
#include "common/loop/loop.h"
#include "services/identity/forget.h"
#include "services/identity/revocations-wire.h"

#define REVOKING_ZONE_LISTS_MAX 8

struct identity;

/* Called once with 0, or a negative errno and what to say to people. */
typedef void (*identity_done)(void *userdata, int error, const char *message);

struct zone_lists {
	bool shown; /* somebody said what the zone has, if only that it is nothing */
	size_t n;
	struct certificate items[REVOKING_ZONE_LISTS_MAX];
};

struct revoking {
	struct revocations known;
	struct zone_lists zone;
	struct loop_timer *patience;
	bool stored, saving, unsaved; /* of `known` */

	/* The call of Forget that is not answered yet; `done` NULL: there is none. */
	identity_done done;
	void *userdata;
	char host[LABEL_SIZE];
	struct forget *forget; /* while its list is being made, or one that nobody waits for */
	bool abandoned;        /* nobody does */
	uint64_t number;       /* of the submission; 0: none waits */
	struct certificate list;
	struct secret *tsig;
};

int revoking_init(struct identity *identity);
/* Ends what is under way, with words for who asked. */
void revoking_stop(struct identity *identity, const char *words);
void revoking_deinit(struct identity *identity);
/* Signed in, now or before a restart. 0 or a negative errno. */
int revoking_bind(struct identity *identity);
/* Whether this host's own keys are worth nothing any more. */
bool revoking_covers_us(const struct identity *identity);
/* Keeps what is known, off the loop. */
void revoking_save(struct identity *identity);

/* As the functions of identity.h. -EKEYREJECTED, -ENOSPC and -EREMOTEIO are its own errors. */
int revoking_forget(struct identity *identity, const char *host, int password_fd,
		    identity_done done, void *userdata, const char **ret_message);
/* Copies the lists. */
int revoking_take_lists(struct identity *identity, const struct certificate *lists, size_t n,
			const char **ret_message);
/* Returns a sealed memfd that the caller closes, while revoking.number is not 0. */
int revoking_give_key(struct identity *identity, char ret_name[static NAME_SIZE],
		      const char **ret_message);
int revoking_finish(struct identity *identity, uint64_t number, bool published, const char *words,
		    const char **ret_message);
