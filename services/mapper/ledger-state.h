/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What gateways were made to map and may still know: of this run, of one that crashed, of networks
 * we left. It is kept in a file (store.c), so that a mapping is adopted when it is asked for again,
 * or deleted when it is not.
 */
#include "services/mapper/gateway-event.h"

#include <stddef.h>

#define LEDGER_LIMIT 128

struct ledger_entry {
	struct in_addr gateway;
	struct in_addr local; /* whom it forwards to, as the gateway sees us */
	enum mapping_protocol protocol;
	int transport;
	uint16_t internal_port, external_port;
	struct in_addr external; /* 0.0.0.0: not told */
	uint64_t expires_at;     /* ms of CLOCK_BOOTTIME; UINT64_MAX: never */
	uint8_t nonce[SPEAKER_NONCE_SIZE];
	char label[MAPPING_LABEL_LIMIT + 1];
};

/* All zero is an empty one. */
struct ledger {
	struct ledger_entry entries[LEDGER_LIMIT]; /* the oldest first */
	size_t n;
	uint64_t changes; /* counts them: another number is to be stored */
};

/* Replaces the entry for the same gateway, address, transport and internal port; without room, the
 * oldest one is forgotten. */
void ledger_note(struct ledger *ledger, const struct ledger_entry *entry);
const struct ledger_entry *ledger_find(const struct ledger *ledger, struct in_addr gateway,
				       struct in_addr local, int transport, uint16_t internal_port);
void ledger_forget(struct ledger *ledger, struct in_addr gateway, struct in_addr local,
		   int transport, uint16_t internal_port);
/* Forgets what gateways have forgotten by themselves. */
void ledger_expire(struct ledger *ledger, uint64_t now);

/* One line without its end; the length, or a negative errno. */
#define LEDGER_LINE_LIMIT 200
int ledger_format_line(const struct ledger_entry *entry, char *line, size_t size);
/* 0 or -EBADMSG. */
int ledger_parse_line(const char *line, struct ledger_entry *ret);
