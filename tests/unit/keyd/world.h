/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Hosts of one account that negotiate in memory at simulated milliseconds. Each has a manager; the
 * world plays network, tunneld and identity. What the network does to a datagram is up to the test.
 */
#include "services/keyd/ike-manager-state.h"
#include "tests/unit/keyd/account.h"

#define WORLD_HOSTS 2
#define WORLD_PAIRS 8
#define WORLD_DELAY 20 /* ms of each datagram */

struct pair {
	bool there;
	struct ike_child child;
	uint8_t keys[ESP_KEYMAT_LIMIT];
	size_t keys_size;
	uint8_t host_id[16];
	char name[IKE_NAME_LIMIT];
	struct sockaddr_in endpoint;
	unsigned int life; /* of the keyd that had it installed */
};

/* An answer of identity or tunneld that keyd has not got yet. */
struct late {
	struct late *next;
	uint64_t at;
	struct host *host;
	unsigned int life;
	struct ike_action *action;
};

/* What a host's keyd.conf says. */
struct host_setup {
	bool used; /* otherwise all is as it is by itself */
	struct ike_preferences preferences;
	struct ike_lifetimes lifetimes;
	bool cookies_always;
	unsigned int datagram_size;
};

struct host {
	struct world *world;
	struct host_setup setup;
	struct ike_manager *manager;
	struct test_host identity;
	uint8_t ppk[IKE_PPK_SIZE];
	bool has_ppk;
	bool keeps_tickets;
	const struct ike_kem *kem; /* NULL: it can compute none */
	const char *psks;          /* as in the file; NULL: none */
	char name[IKE_NAME_LIMIT];
	uint8_t host_id[16];
	struct sockaddr_in address;       /* where it is */
	struct sockaddr_in peer_endpoint; /* what its tunnel knows of the other */
	bool wants_traffic;               /* acquiring while it has no pair */
	bool peer_hidden;                 /* its tunnel does not know the other */
	bool refuses_install;
	bool orphan; /* its tunnel has a pair of a former keyd */
	bool no_signature;
	bool silent;       /* its tunnel sends and hears nothing */
	uint32_t worn;     /* what its tunnel shows so */
	bool without_pair; /* it gave up a pair before it had another */
	struct pair pairs[WORLD_PAIRS];
	unsigned int n_installed; /* ever */
	unsigned int n_failed;    /* AcquireFailed, ever */
	char failure[160];
	unsigned int n_notes; /* ever */
	unsigned int n_moved; /* MoveSa, ever */
	unsigned int life;    /* how often keyd was started anew */
	uint64_t random;
};

struct datagram {
	struct datagram *next;
	uint64_t at;         /* ms of its arrival */
	unsigned int number; /* of all that were sent */
	struct sockaddr_in from, to;
	size_t size;
	uint8_t data[IKE_MESSAGE_LIMIT];
};

struct world {
	uint64_t now;
	struct test_account account;
	struct host hosts[WORLD_HOSTS];
	struct datagram *datagrams; /* by arrival */
	unsigned int n_sent;
	/* Called for each datagram sent; may change it; number of copies to deliver. NULL: one. */
	unsigned int (*network)(struct world *world, struct datagram *datagram);
	/* Called for each that comes to a host, before its keyd has it; may be NULL. */
	void (*arrived)(struct world *world, struct host *host, const struct datagram *datagram);
	/* Called for what a keyd wants done; may be NULL. */
	void (*wanted)(struct world *world, struct host *host, const struct ike_action *action);
	/* How long identity takes to sign, and tunneld to say that it has installed, in ms; 0 and
	 * NULL: it is at once. */
	uint64_t (*slowness)(struct world *world);
	struct late *late;
	void *userdata;
};

struct world *world_new(void);
void world_free(struct world *world);
/* For cmocka: *state is a new world, and is freed again. */
int world_set_up(void **state);
int world_tear_down(void **state);
/* Host 0 is "desktop" with the lower host id, host 1 "laptop". */
struct host *world_host(struct world *world, int index);
/* Starts the host's keyd, which has none. */
void host_start(struct host *host);
/* A new, forgetful keyd on the host. */
void host_restart(struct host *host);
void host_sign_in(struct host *host, const struct test_host *identity);
/* From now on tickets are kept (RFC 5723), over restarts too; forgets those there are. 0 or
 * -ENOMEM. */
int host_keep_tickets(struct host *host);
/* From now on it adds this key exchange, as `use` says; before it has SAs. */
void host_give_kem(struct host *host, const struct ike_kem *kem, enum ike_kem_use use);
/* Preshared keys, as they stand in the file; NULL: none. `text` must stay. */
void host_give_psks(struct host *host, const char *text);
/* Tells the manager what its tunnel shows now. */
void host_show(struct host *host);
/* Carries out what a manager wants. */
void host_run(struct host *host);
/* It has something to send to the other one. */
void host_want(struct host *host);
/* The test has changed the SA: what follows from that is done. */
void host_pursue(struct host *host, struct ike_sa *sa);
/* Until `end` (ms from the beginning). */
void world_run_until(struct world *world, uint64_t end);
/* The datagram with this index under way arrives now, or is lost. */
void world_deliver(struct world *world, unsigned int index, bool lose);
/* Nothing is under way. */
bool world_quiet(const struct world *world);
/* A datagram of the test's own. */
void world_inject(struct world *world, const struct sockaddr_in *from, const struct sockaddr_in *to,
		  const void *data, size_t size);

/* The IKE SAs of a host, oldest first: the first one after `sa`, or of all when that is NULL. */
const struct ike_sa *host_next_sa(const struct host *host, const struct ike_sa *sa);
/* The one that is used: the newest that has no successor; NULL. */
struct ike_sa *host_current_sa(const struct host *host);
unsigned int host_pairs(const struct host *host);
/* The only pair, or the newest. */
const struct pair *host_pair(const struct host *host);
/* Whether both ends hold the same keys crosswise in one pair each. */
bool world_agrees(const struct world *world);
const struct ike_counters *host_counters(const struct host *host);
