/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "services/tunneld/esp-wire.h"

#include <stdbool.h>
#include <stdint.h>

struct peer;

/* The two directions that were negotiated together. Owned by its peer. */
struct sa_pair {
	struct sa_pair *next;        /* an older one of the same peer */
	struct sa_pair *next_by_spi; /* for the table */
	struct peer *peer;
	uint32_t spi_in, spi_out;
	struct esp_in *in;
	struct esp_out *out; /* NULL: the kernel seals (datapath-xfrm.h), and nobody else ever */
	struct kernel_pair *kernel; /* datapath-xfrm.c's; NULL: none */
	bool esn;
	bool initiator;
	bool proven;                          /* something authenticated came over it */
	bool retired;                         /* nothing more is to be sent on it */
	bool worn;                            /* it should be replaced soon */
	uint64_t octets;                      /* of both directions */
	uint64_t limit_octets, limit_packets; /* that make it worn; 0: none */
	uint64_t order;                       /* rises with each pair of the peer */
	uint64_t ends_at;                     /* a former pair; PEER_NEVER otherwise */
};

struct sa_pair *sa_pair_free(struct sa_pair *pair);

DEFINE_CLEANUP(struct sa_pair *, sa_pair_free)
