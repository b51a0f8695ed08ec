/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shows that the kernel's ESP is ours, with states of its own on the loopback interface: for each
 * algorithm a packet that the kernel seals is opened by our code and is what went in, with 64-bit
 * numbers that begin where they were told to.
 */
#include "services/tunneld/xfrm-link.h"

/* 0, or a negative errno and in *ret_what words about what failed. Nothing stays behind. */
int xfrm_proof_run(struct xfrm_link *link, uint32_t if_id, const char **ret_what);
