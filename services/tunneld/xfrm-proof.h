/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shows that the kernel's ESP is ours, with states of its own on the loopback interface: for each
 * algorithm a packet that the kernel seals is opened by our code and is what went in, with 64-bit
 * numbers that begin where they were told to.
 */
#include "services/tunneld/xfrm-link.h"

struct xfrm_proof;

/* 0, or a negative errno and words about what failed. The proof may be freed from here. */
typedef void (*xfrm_proof_callback)(void *userdata, int r, const char *what);

/* Begins when the loop turns, and calls back once. The link stays the caller's. 0 or a negative
 * errno. */
int xfrm_proof_new(struct loop *loop, struct xfrm_link *link, uint32_t if_id,
		   xfrm_proof_callback callback, void *userdata, struct xfrm_proof **ret);
/* Nothing stays behind in the kernel. */
struct xfrm_proof *xfrm_proof_free(struct xfrm_proof *proof);

DEFINE_CLEANUP(struct xfrm_proof *, xfrm_proof_free)
