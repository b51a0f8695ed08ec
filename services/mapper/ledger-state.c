/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/ledger-state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static size_t find(const struct ledger *ledger, struct in_addr gateway, struct in_addr local,
		   int transport, uint16_t internal_port)
{
	for (size_t i = 0; i < ledger->n; i++) {
		const struct ledger_entry *entry = &ledger->entries[i];

		if (entry->gateway.s_addr == gateway.s_addr &&
		    entry->local.s_addr == local.s_addr && entry->transport == transport &&
		    entry->internal_port == internal_port)
			return i;
	}
	return ledger->n;
}

static void drop(struct ledger *ledger, size_t i)
{
	ledger->n--;
	memmove(ledger->entries + i, ledger->entries + i + 1,
		(ledger->n - i) * sizeof ledger->entries[0]);
	ledger->changes++;
}

void ledger_note(struct ledger *ledger, const struct ledger_entry *entry)
{
	size_t i =
		find(ledger, entry->gateway, entry->local, entry->transport, entry->internal_port);

	if (i < ledger->n)
		drop(ledger, i);
	if (ledger->n == LEDGER_LIMIT)
		drop(ledger, 0);
	ledger->entries[ledger->n++] = *entry;
	ledger->changes++;
}

const struct ledger_entry *ledger_find(const struct ledger *ledger, struct in_addr gateway,
				       struct in_addr local, int transport, uint16_t internal_port)
{
	size_t i = find(ledger, gateway, local, transport, internal_port);

	return i < ledger->n ? &ledger->entries[i] : NULL;
}

void ledger_forget(struct ledger *ledger, struct in_addr gateway, struct in_addr local,
		   int transport, uint16_t internal_port)
{
	size_t i = find(ledger, gateway, local, transport, internal_port);

	if (i < ledger->n)
		drop(ledger, i);
}

void ledger_expire(struct ledger *ledger, uint64_t now)
{
	for (size_t i = ledger->n; i-- > 0;)
		if (ledger->entries[i].expires_at <= now)
			drop(ledger, i);
}

int ledger_format_line(const struct ledger_entry *entry, char *line, size_t size)
{
	char gateway[INET_ADDRSTRLEN], local[INET_ADDRSTRLEN], external[INET_ADDRSTRLEN];
	char nonce[2 * SPEAKER_NONCE_SIZE + 1];
	int n;

	inet_ntop(AF_INET, &entry->gateway, gateway, sizeof gateway);
	inet_ntop(AF_INET, &entry->local, local, sizeof local);
	inet_ntop(AF_INET, &entry->external, external, sizeof external);
	for (size_t i = 0; i < SPEAKER_NONCE_SIZE; i++)
		snprintf(nonce + 2 * i, 3, "%02x", entry->nonce[i]);
	n = snprintf(line, size, "%s %s %d %d %u %u %s %" PRIu64 " %s %s", gateway, local,
		     entry->protocol, entry->transport, entry->internal_port, entry->external_port,
		     external, entry->expires_at, nonce, entry->label);
	return n < 0 || (size_t)n >= size ? -ENOBUFS : n;
}

int ledger_parse_line(const char *line, struct ledger_entry *ret)
{
	char gateway[INET_ADDRSTRLEN], local[INET_ADDRSTRLEN], external[INET_ADDRSTRLEN];
	char nonce[2 * SPEAKER_NONCE_SIZE + 1];
	struct ledger_entry entry = {};
	int protocol, end = 0;

	if (sscanf(line,
		   "%15s %15s %d %d %" SCNu16 " %" SCNu16 " %15s %" SCNu64
		   " %24[0-9a-f] %32[a-z0-9-]%n",
		   gateway, local, &protocol, &entry.transport, &entry.internal_port,
		   &entry.external_port, external, &entry.expires_at, nonce, entry.label,
		   &end) != 10 ||
	    line[end] || strlen(nonce) != 2 * SPEAKER_NONCE_SIZE)
		return -EBADMSG;
	if (protocol != PROTOCOL_PCP && protocol != PROTOCOL_NATPMP && protocol != PROTOCOL_IGD)
		return -EBADMSG;
	if ((entry.transport != IPPROTO_UDP && entry.transport != IPPROTO_TCP) ||
	    !entry.internal_port || !entry.external_port)
		return -EBADMSG;
	entry.protocol = protocol;
	if (inet_pton(AF_INET, gateway, &entry.gateway) != 1 ||
	    inet_pton(AF_INET, local, &entry.local) != 1 ||
	    inet_pton(AF_INET, external, &entry.external) != 1)
		return -EBADMSG;
	for (size_t i = 0; i < SPEAKER_NONCE_SIZE; i++)
		sscanf(nonce + 2 * i, "%2hhx", &entry.nonce[i]);
	*ret = entry;
	return 0;
}
