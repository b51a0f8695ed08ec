/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/peer-table.h"

#include <string.h>

/* The low half of a host id is an EUI-64, of which the last octets differ between machines. */
static size_t host_bucket(const struct in6_addr *host_id)
{
	const uint8_t *octets = host_id->s6_addr;

	return (octets[15] ^ octets[14] << 3 ^ octets[13] << 5 ^ octets[4]) &
	       (PEER_TABLE_BUCKETS - 1);
}

/* SPIs of our side are random. */
static size_t spi_bucket(uint32_t spi)
{
	return spi & (PEER_TABLE_BUCKETS - 1);
}

/* Numbers are given one after the other. */
static size_t number_bucket(uint32_t number)
{
	return number & (PEER_TABLE_BUCKETS - 1);
}

int peer_table_add(struct peer_table *table, struct peer *peer)
{
	struct peer **bucket = &table->by_host[host_bucket(&peer->host_id)];
	struct peer **numbers;

	if (table->n_peers >= PEER_TABLE_PEERS_MAX)
		return -ENOSPC;
	peer->number = ++table->last_number;
	peer->previous = NULL;
	peer->next = table->peers;
	if (peer->next)
		peer->next->previous = peer;
	table->peers = peer;
	numbers = &table->by_number[number_bucket(peer->number)];
	peer->next_by_number = *numbers;
	*numbers = peer;
	peer->next_by_host = *bucket;
	*bucket = peer;
	table->n_peers++;
	return 0;
}

void peer_table_remove(struct peer_table *table, struct peer *peer)
{
	struct peer **link;

	for (struct sa_pair *pair = peer->pairs; pair; pair = pair->next)
		peer_table_remove_pair(table, pair);
	for (link = &table->by_host[host_bucket(&peer->host_id)]; *link != peer;)
		link = &(*link)->next_by_host;
	*link = peer->next_by_host;
	for (link = &table->by_number[number_bucket(peer->number)]; *link != peer;)
		link = &(*link)->next_by_number;
	*link = peer->next_by_number;
	if (peer->previous)
		peer->previous->next = peer->next;
	else
		table->peers = peer->next;
	if (peer->next)
		peer->next->previous = peer->previous;
	table->n_peers--;
	peer_free(peer);
}

void peer_table_clear(struct peer_table *table)
{
	while (table->peers)
		peer_table_remove(table, table->peers);
}

struct peer *peer_table_find_host(const struct peer_table *table, const struct in6_addr *host_id)
{
	struct peer *peer = table->by_host[host_bucket(host_id)];

	while (peer && memcmp(&peer->host_id, host_id, sizeof *host_id))
		peer = peer->next_by_host;
	return peer;
}

struct peer *peer_table_find_number(const struct peer_table *table, uint32_t number)
{
	struct peer *peer = table->by_number[number_bucket(number)];

	while (peer && peer->number != number)
		peer = peer->next_by_number;
	return peer;
}

struct sa_pair *peer_table_find_spi(const struct peer_table *table, uint32_t spi_in)
{
	struct sa_pair *pair = table->by_spi[spi_bucket(spi_in)];

	while (pair && pair->spi_in != spi_in)
		pair = pair->next_by_spi;
	return pair;
}

bool peer_table_knows_address(const struct peer_table *table, const struct in_addr *address)
{
	unsigned int left = PEER_TABLE_LOOKED_AT;

	for (const struct peer *peer = table->peers; peer && left; peer = peer->next, left--)
		if (peer->endpoint.sin_addr.s_addr == address->s_addr ||
		    peer->dns_endpoint.sin_addr.s_addr == address->s_addr)
			return true;
	return false;
}

void peer_table_add_pair(struct peer_table *table, struct sa_pair *pair)
{
	struct sa_pair **bucket = &table->by_spi[spi_bucket(pair->spi_in)];

	pair->next_by_spi = *bucket;
	*bucket = pair;
}

void peer_table_remove_pair(struct peer_table *table, struct sa_pair *pair)
{
	struct sa_pair **link = &table->by_spi[spi_bucket(pair->spi_in)];

	while (*link && *link != pair)
		link = &(*link)->next_by_spi;
	if (*link)
		*link = pair->next_by_spi;
}
