/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether what the kernel may do for us (offloads.h) gives the right octets on this machine, now:
 * known packets through a TUN interface of the proof's own and through a pair of loopback sockets,
 * each first without and then with the offload. Kernels have broken one or the other silently; a
 * tunnel that trusts it then loses or corrupts data, so it is looked at once at each start.
 *
 * What does not even work without the offload (no IPv6, a firewall in between) proves nothing, and
 * nothing is turned off for it.
 */
#include "services/tunneld/offloads.h"

/* Turns off in `offloads` what was on and is broken; the same is set in *ret_broken. Takes some
 * milliseconds, where something is broken some seconds. */
void offload_proof_run(struct offloads *offloads, struct offloads *ret_broken);
