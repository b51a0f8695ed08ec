/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The kernel's neighbour entry of one address: which hardware answers for it. A gateway of the same
 * address with another MAC is another gateway.
 *
 * It has a socket of its own: in a large network the kernel tells of neighbours by the hundred, and
 * what is lost there is not to be taken for a change of routes.
 */
#include "common/loop/loop.h"

#include <netinet/in.h>

struct gateway_neighbour;

/* The entry holds an address of `size` octets; also when it is the same as before. Borrowed. */
typedef void (*gateway_neighbour_callback)(void *userdata, const uint8_t *mac, size_t size);

/* 0 or a negative errno. */
int gateway_neighbour_new(struct loop *loop, gateway_neighbour_callback callback, void *userdata,
			  struct gateway_neighbour **ret);
struct gateway_neighbour *gateway_neighbour_free(struct gateway_neighbour *neighbour);
/* Whose entry it is from now on; 0.0.0.0: nobody's. The kernel is asked what it knows; what it
 * learns later it tells. */
void gateway_neighbour_watch(struct gateway_neighbour *neighbour, int link, struct in_addr address);

DEFINE_CLEANUP(struct gateway_neighbour *, gateway_neighbour_free)
