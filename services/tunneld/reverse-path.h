/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Strict reverse path filtering (RFC 3704, net.ipv4.conf.*.rp_filter = 1): the kernel drops what
 * comes by another interface than it would answer by. With several ways to the internet that is
 * what peers send to the one that is not preferred, for example while we move from one to the
 * other. The tunnel's own interface carries IPv6 alone, to which this does not apply.
 */
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

/* The content of /proc/net/route. Interfaces with a default route, one after the other: `*position`
 * is 0 for the first. False: there are no more. */
bool reverse_path_next(const char *routes, size_t *position, char ret_interface[IFNAMSIZ]);
/* Whether packets are lost to it here; then *ret_interface is where, if there is more than one
 * default route. */
bool reverse_path_is_strict(char ret_interface[IFNAMSIZ]);
