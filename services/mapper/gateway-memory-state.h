/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What worked at which gateway, by its address and MAC: where to begin when we are there again.
 * Never more than that: it is proven anew each time. While the kernel does not know the MAC yet
 * (before the first packet), the gateway of this address that was met last is meant.
 */
#include "services/mapper/gateway-event.h"

#include <stddef.h>

#define MEMORY_GATEWAYS 64
#define MEMORY_PORTS    8
#define MEMORY_LOCATION 200
#define MEMORY_MAC      6
/* A gateway may have learned a better protocol (RFC 6886 §1.1): each so many times, what is
 * remembered is not used. */
#define MEMORY_USES_LIMIT 16

struct remembered_port {
	int transport;
	uint16_t internal_port, external_port;
};

struct remembered_gateway {
	struct in_addr address;
	bool have_mac;
	uint8_t mac[MEMORY_MAC];
	enum mapping_protocol protocol; /* PROTOCOL_NONE: what worked does no more */
	unsigned int uses;
	char location[MEMORY_LOCATION + 1]; /* IGD: its description's URL; empty: none */
	uint16_t silence; /* s for which flows are remembered there; 0: not known */
	struct remembered_port ports[MEMORY_PORTS];
	size_t n_ports;
};

/* All zero is an empty one. */
struct gateway_memory {
	struct remembered_gateway gateways[MEMORY_GATEWAYS]; /* the one met last first */
	size_t n;
	uint64_t changes; /* counts them: another number is to be stored */
};

/* NULL: unknown. `mac` may be NULL. */
struct remembered_gateway *gateway_memory_find(struct gateway_memory *memory,
					       struct in_addr address, const uint8_t *mac);
/* What to try first there. */
enum mapping_protocol gateway_memory_hint(struct gateway_memory *memory, struct in_addr address,
					  const uint8_t *mac);
/* What works there now; PROTOCOL_NONE: what did works no more. */
void gateway_memory_note(struct gateway_memory *memory, struct in_addr address, const uint8_t *mac,
			 enum mapping_protocol protocol);
void gateway_memory_note_location(struct gateway_memory *memory, struct in_addr address,
				  const uint8_t *mac, const char *location);
void gateway_memory_note_port(struct gateway_memory *memory, struct in_addr address,
			      const uint8_t *mac, const struct remembered_port *port);
void gateway_memory_note_silence(struct gateway_memory *memory, struct in_addr address,
				 const uint8_t *mac, uint16_t silence);
/* 0: none is known. */
uint16_t gateway_memory_port(struct gateway_memory *memory, struct in_addr address,
			     const uint8_t *mac, int transport, uint16_t internal_port);

/* One line without its end; the length, or a negative errno. */
#define MEMORY_LINE_LIMIT 600
int gateway_memory_format_line(const struct remembered_gateway *gateway, char *line, size_t size);
/* Appends; the rest of a full memory is left away. 0 or -EBADMSG. */
int gateway_memory_parse_line(struct gateway_memory *memory, const char *line);
