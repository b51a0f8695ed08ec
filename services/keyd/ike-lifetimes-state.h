/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How long keys are used (RFC 7296 §2.8). Each side decides for itself; a random part keeps two
 * with the same settings from beginning at the same moment (§2.8.1).
 */
#include <stdint.h>

struct ike_context;
struct ike_sa;
struct ike_child;

struct ike_lifetimes {
	uint64_t sa, child;  /* ms until new keys are negotiated; 0: not by time */
	unsigned int jitter; /* per cent of these, and of the volumes below, that are random */
	uint64_t octets;     /* of one child's pair; 0: no limit */
	uint64_t packets;    /* in one direction; 0: no limit but the sequence numbers */
};

/* Four hours, one hour, a tenth; 64 GiB. */
void ike_lifetimes_init(struct ike_lifetimes *lifetimes);
/* It begins to be used: when it is to be replaced, and when it ends in any case. */
void ike_lifetimes_begin_sa(struct ike_sa *sa, uint64_t now);
void ike_lifetimes_begin_child(struct ike_sa *sa, uint64_t now, struct ike_child *child);
/* A volume without its random part; 0 stays 0. */
uint64_t ike_lifetimes_volume(const struct ike_context *context, uint64_t volume);
