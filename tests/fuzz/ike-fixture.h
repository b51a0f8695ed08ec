/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the targets of keyd share: the host laptop of a made-up account, and IKE SAs of it with
 * desktop in a state of one's choice, with the same keys each time. So a corpus may hold messages
 * whose signatures are right.
 */
#include "services/keyd/ike-manager-state.h"
#include "tests/unit/keyd/account.h"

#define FIXTURE_LAPTOP  "laptop." TEST_DOMAIN
#define FIXTURE_DESKTOP "desktop." TEST_DOMAIN

struct fixture {
	struct test_account account;
	struct test_host laptop, desktop;
	uint8_t laptop_id[16], desktop_id[16];
	struct ike_context context; /* of laptop */
	struct sockaddr_in from;    /* where desktop is */
	uint8_t random;             /* counts up */
	uint64_t n_children;        /* numbers given to children */
	struct ike_sa *adopted;     /* successors of SAs; freed by fixture_clear() */
};

/* Made at the first call, kept. */
struct fixture *fixture_get(void);
/* A local identity of laptop, from malloc. */
struct ike_local *fixture_local(const struct fixture *fixture);
/* laptop's SA, that has exchanged IKE_SA_INIT: INIT with its first message, then `state`. The
 * caller frees. */
struct ike_sa *fixture_sa(struct fixture *fixture, bool initiator, enum ike_sa_state state);
/* Drops what laptop wants done. */
void fixture_clear(struct fixture *fixture);
