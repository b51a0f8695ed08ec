/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What must hold of each datagram that goes between the hosts of a world, whatever the network
 * does: message numbers and windows (RFC 7296 §2.1-2.3), one role per IKE SA, responses only to
 * requests and no more of them, the same octets under the same number, and no pair of key and
 * initialization vector twice. It sees the datagrams and, for the keys, the IKE SAs. The first rule
 * that is broken is kept as a text.
 */
#include "tests/unit/keyd/world.h"

struct watch;

struct watch *watch_new(void);
struct watch *watch_free(struct watch *watch);

/* A datagram leaves a host; before it is changed or lost. */
void watch_sent(struct watch *watch, const struct datagram *datagram);
/* One arrives at a host. Those that others made up are not shown here. */
void watch_arrived(struct watch *watch, const struct datagram *datagram);
/* The keys in use now: each once. */
void watch_keys(struct watch *watch, struct world *world);

/* The rule that was broken first; NULL: none. */
const char *watch_complaint(const struct watch *watch);
/* How many encrypted datagrams were looked at. */
unsigned int watch_sealed(const struct watch *watch);
