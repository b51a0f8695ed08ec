/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the zone server says to a sign-in, as registrar's State tells it. */
#include "clients/ctl/snapshot.h"

struct verdict_wait;

/* Starts listening, before the sign-in: a verdict that registrar still shows from an earlier one
 * counts for nothing until it has moved on. */
enum ctl_status verdict_wait_new(struct ctl *ctl, struct verdict_wait **ret);
struct verdict_wait *verdict_wait_free(struct verdict_wait *wait);
/* CTL_DONE when published, CTL_REFUSED, CTL_NAME_TAKEN, CTL_UNCONFIRMED after `seconds`, or
 * CTL_UNREACHABLE after a complaint. *ret_state is registrar's last state, for the caller to put.
 */
enum ctl_status verdict_wait_run(struct verdict_wait *wait, uint64_t seconds,
				 json_object **ret_state);
