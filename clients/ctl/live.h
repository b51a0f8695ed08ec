/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* `homewardctl status --live`: what goes to and comes from each peer, each second. */
#include "clients/ctl/ctl.h"

#include <stdint.h>

/* `times` tables, or until it is interrupted with 0. */
enum ctl_status live_show(struct ctl *ctl, uint64_t times);
