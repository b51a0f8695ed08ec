/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * All peers, found by host id, by the SPI of what they send, by number and by endpoint. Pure
 * memory.
 */
#include "services/tunneld/peer-state.h"

#define PEER_TABLE_PEERS_MAX 16384
#define PEER_TABLE_LOOKED_AT 512
#define PEER_TABLE_BUCKETS   2048 /* a power of two */

/* All zero is an empty one. */
struct peer_table {
	struct peer *peers;
	unsigned int n_peers;
	uint32_t last_number;
	struct peer *by_host[PEER_TABLE_BUCKETS];   /* linked by next_by_host */
	struct peer *by_number[PEER_TABLE_BUCKETS]; /* linked by next_by_number */
	struct sa_pair *by_spi[PEER_TABLE_BUCKETS];
};

/* Takes the peer and gives it a number that no other peer had. -ENOSPC when there are too many. */
int peer_table_add(struct peer_table *table, struct peer *peer);
/* Frees the peer and its pairs. */
void peer_table_remove(struct peer_table *table, struct peer *peer);
void peer_table_clear(struct peer_table *table);

struct peer *peer_table_find_host(const struct peer_table *table, const struct in6_addr *host_id);
struct peer *peer_table_find_number(const struct peer_table *table, uint32_t number);
struct sa_pair *peer_table_find_spi(const struct peer_table *table, uint32_t spi_in);

/* Whether a peer is at that address, or the zone says so. Of many, it looks at
 * PEER_TABLE_LOOKED_AT: it is asked in a flood. */
bool peer_table_knows_address(const struct peer_table *table, const struct in_addr *address);

/* The pair of a peer in the table becomes findable, and is found no more. */
void peer_table_add_pair(struct peer_table *table, struct sa_pair *pair);
void peer_table_remove_pair(struct peer_table *table, struct sa_pair *pair);
