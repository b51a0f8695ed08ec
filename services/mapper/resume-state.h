/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether the machine has slept: by what logind says, and by the clocks, for machines without
 * logind and for sleeps it knows nothing of (a virtual machine that was stopped). CLOCK_BOOTTIME
 * goes on during a sleep and CLOCK_MONOTONIC does not. Pure; all times in milliseconds.
 */
#include <stdbool.h>
#include <stdint.h>

struct resume_state {
	bool have_clocks;
	uint64_t slept; /* how far the clocks are apart */
	bool have_resumed;
	uint64_t resumed_at; /* of CLOCK_BOOTTIME */
};

/* The clocks as they are. True when the machine has slept since they were looked at last. */
bool resume_state_on_clocks(struct resume_state *state, uint64_t boottime, uint64_t monotonic);
/* logind says that the machine is awake again. True unless the clocks said so just now. */
bool resume_state_on_awake(struct resume_state *state, uint64_t boottime, uint64_t monotonic);
