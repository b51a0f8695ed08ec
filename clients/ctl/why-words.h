/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether another host of the account is reached, where it stops, and what to do about it: a walk
 * through what all daemons say, in the order in which a packet needs them. Pure.
 */
#include "clients/ctl/text.h"
#include "clients/ctl/values.h"

#define WHY_TEXT_SIZE  512
#define WHY_STEP_LIMIT 12

enum why_reach {
	WHY_REACHED,
	WHY_NOT_REACHED,
	WHY_NOT_KNOWN, /* it is still being tried */
	WHY_TRY,       /* nothing stands against it: a packet shows */
};

/* What came of packets that were sent to the host. */
struct why_trial {
	bool begun;
	bool over;      /* nobody waits any longer */
	bool answered;  /* by the host itself */
	uint64_t since; /* seconds of CLOCK_REALTIME */
	int error;      /* an errno that came back, or 0 */
};

enum why_mark {
	WHY_GOOD,
	WHY_BAD,
	WHY_OPEN, /* neither: nothing to say, or not known */
};

struct why_step {
	const char *name;
	enum why_mark mark;
	char text[WHY_TEXT_SIZE];
};

struct why_report {
	enum why_reach reach;
	const char *kind; /* one word: reached, self, daemon, signed-out, forgotten, clock, refused,
			     network, server, unknown-name, not-published, revoked, other-account,
			     unmapped, no-answer, silent, failed, trying */
	char summary[WHY_TEXT_SIZE];
	char advice[WHY_TEXT_SIZE]; /* the one thing to do; "" when there is none */
	struct why_step steps[WHY_STEP_LIMIT];
	size_t n_steps;
};

/* `all` as snapshot_read_all() gives it; `host` is a name as a person writes it: one label, or all
 * of them. */
void why_judge(json_object *all, const char *host, const struct why_trial *trial, uint64_t now,
	       struct why_report *ret);
/* The host id of the host in the view of the zone, or of the tunnel; "" when it is not known. Lives
 * as long as `all`. */
const char *why_host_id(json_object *all, const char *host);
