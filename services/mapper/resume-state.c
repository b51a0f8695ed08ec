/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/resume-state.h"

#define SLEEP_LEAST 1000  /* less is the time between the two readings, or nobody's concern */
#define SAME_RESUME 10000 /* logind speaks up so late after the clocks at most */

bool resume_state_on_clocks(struct resume_state *state, uint64_t boottime, uint64_t monotonic)
{
	uint64_t slept = boottime > monotonic ? boottime - monotonic : 0;
	bool resumed = state->have_clocks && slept >= state->slept + SLEEP_LEAST;

	state->have_clocks = true;
	state->slept = slept;
	if (resumed) {
		state->have_resumed = true;
		state->resumed_at = boottime;
	}
	return resumed;
}

bool resume_state_on_awake(struct resume_state *state, uint64_t boottime, uint64_t monotonic)
{
	bool known = state->have_resumed && boottime - state->resumed_at < SAME_RESUME;

	if (resume_state_on_clocks(state, boottime, monotonic))
		return true;
	return !known;
}
