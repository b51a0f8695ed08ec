/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/gateway-memory-state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct remembered_gateway *gateway_memory_find(struct gateway_memory *memory,
					       struct in_addr address, const uint8_t *mac)
{
	for (size_t i = 0; i < memory->n; i++) {
		struct remembered_gateway *gateway = &memory->gateways[i];

		if (gateway->address.s_addr != address.s_addr)
			continue;
		if (!mac || !gateway->have_mac || !memcmp(gateway->mac, mac, MEMORY_MAC))
			return gateway;
	}
	return NULL;
}

/* The one met last, with room for it; its MAC is learned. */
static struct remembered_gateway *meet(struct gateway_memory *memory, struct in_addr address,
				       const uint8_t *mac)
{
	struct remembered_gateway *found = gateway_memory_find(memory, address, mac);
	struct remembered_gateway gateway = { .address = address };
	size_t last = found ? (size_t)(found - memory->gateways) : memory->n;

	if (found)
		gateway = *found;
	else if (memory->n < MEMORY_GATEWAYS)
		memory->n++;
	else
		last--;
	memmove(memory->gateways + 1, memory->gateways, last * sizeof gateway);
	if (mac && !gateway.have_mac) {
		memcpy(gateway.mac, mac, MEMORY_MAC);
		gateway.have_mac = true;
		memory->changes++;
	}
	if (last || !found)
		memory->changes++;
	memory->gateways[0] = gateway;
	return &memory->gateways[0];
}

enum mapping_protocol gateway_memory_hint(struct gateway_memory *memory, struct in_addr address,
					  const uint8_t *mac)
{
	struct remembered_gateway *gateway = gateway_memory_find(memory, address, mac);

	if (!gateway)
		return PROTOCOL_NONE;
	gateway->uses++;
	return gateway->uses % MEMORY_USES_LIMIT ? gateway->protocol : PROTOCOL_NONE;
}

void gateway_memory_note(struct gateway_memory *memory, struct in_addr address, const uint8_t *mac,
			 enum mapping_protocol protocol)
{
	struct remembered_gateway *gateway;

	if (!protocol && !gateway_memory_find(memory, address, mac))
		return;
	gateway = meet(memory, address, mac);
	if (gateway->protocol == protocol)
		return;
	gateway->protocol = protocol;
	if (protocol != PROTOCOL_IGD)
		*gateway->location = 0;
	memory->changes++;
}

void gateway_memory_note_location(struct gateway_memory *memory, struct in_addr address,
				  const uint8_t *mac, const char *location)
{
	struct remembered_gateway *gateway;

	/* A line of the file holds it: nothing that ends a line or a word. */
	if (strlen(location) > MEMORY_LOCATION || strpbrk(location, " \t\r\n"))
		return;
	gateway = meet(memory, address, mac);
	if (!strcmp(gateway->location, location))
		return;
	strcpy(gateway->location, location);
	memory->changes++;
}

void gateway_memory_note_port(struct gateway_memory *memory, struct in_addr address,
			      const uint8_t *mac, const struct remembered_port *port)
{
	struct remembered_gateway *gateway = meet(memory, address, mac);
	bool is_news;
	size_t i = 0;

	while (i < gateway->n_ports && (gateway->ports[i].transport != port->transport ||
					gateway->ports[i].internal_port != port->internal_port))
		i++;
	is_news = i == gateway->n_ports || gateway->ports[i].external_port != port->external_port;
	/* The latest at the end: what nobody uses any more goes first. */
	if (i == MEMORY_PORTS)
		i = 0;
	else if (i == gateway->n_ports)
		gateway->n_ports++;
	memmove(gateway->ports + i, gateway->ports + i + 1,
		(gateway->n_ports - i - 1) * sizeof gateway->ports[0]);
	gateway->ports[gateway->n_ports - 1] = *port;
	memory->changes += is_news;
}

void gateway_memory_note_silence(struct gateway_memory *memory, struct in_addr address,
				 const uint8_t *mac, uint16_t silence)
{
	struct remembered_gateway *gateway;

	if (!silence && !gateway_memory_find(memory, address, mac))
		return;
	gateway = meet(memory, address, mac);
	memory->changes += gateway->silence != silence;
	gateway->silence = silence;
}

uint16_t gateway_memory_port(struct gateway_memory *memory, struct in_addr address,
			     const uint8_t *mac, int transport, uint16_t internal_port)
{
	const struct remembered_gateway *gateway = gateway_memory_find(memory, address, mac);

	for (size_t i = 0; gateway && i < gateway->n_ports; i++)
		if (gateway->ports[i].transport == transport &&
		    gateway->ports[i].internal_port == internal_port)
			return gateway->ports[i].external_port;
	return 0;
}

int gateway_memory_format_line(const struct remembered_gateway *gateway, char *line, size_t size)
{
	char address[INET_ADDRSTRLEN], mac[2 * MEMORY_MAC + 1] = "-";
	size_t n;

	inet_ntop(AF_INET, &gateway->address, address, sizeof address);
	for (size_t i = 0; gateway->have_mac && i < MEMORY_MAC; i++)
		snprintf(mac + 2 * i, 3, "%02x", gateway->mac[i]);
	n = snprintf(line, size, "%s %s %d %u %s", address, mac, gateway->protocol, gateway->uses,
		     *gateway->location ? gateway->location : "-");
	for (size_t i = 0; i < gateway->n_ports && n < size; i++)
		n += snprintf(line + n, size - n, " %d:%u:%u", gateway->ports[i].transport,
			      gateway->ports[i].internal_port, gateway->ports[i].external_port);
	if (gateway->silence && n < size)
		n += snprintf(line + n, size - n, " silence:%u", gateway->silence);
	return n >= size ? -ENOBUFS : (int)n;
}

static int parse_ports(const char *text, struct remembered_gateway *gateway)
{
	while (*text) {
		struct remembered_port *port = &gateway->ports[gateway->n_ports];
		int n = 0;

		if (sscanf(text, " silence:%" SCNu16 "%n", &gateway->silence, &n) == 1) {
			text += n;
			continue;
		}
		if (gateway->n_ports == MEMORY_PORTS)
			return -EBADMSG;
		if (sscanf(text, " %d:%" SCNu16 ":%" SCNu16 "%n", &port->transport,
			   &port->internal_port, &port->external_port, &n) != 3)
			return -EBADMSG;
		gateway->n_ports++;
		text += n;
	}
	return 0;
}

int gateway_memory_parse_line(struct gateway_memory *memory, const char *line)
{
	struct remembered_gateway gateway = {};
	char address[INET_ADDRSTRLEN], mac[2 * MEMORY_MAC + 1];
	int protocol, end = 0;

	_Static_assert(MEMORY_LOCATION == 200, "the format names it");
	if (sscanf(line, "%15s %12s %d %u %200s%n", address, mac, &protocol, &gateway.uses,
		   gateway.location, &end) != 5)
		return -EBADMSG;
	if (protocol < PROTOCOL_NONE || protocol > PROTOCOL_IGD ||
	    inet_pton(AF_INET, address, &gateway.address) != 1)
		return -EBADMSG;
	gateway.protocol = protocol;
	if (!strcmp(gateway.location, "-"))
		*gateway.location = 0;
	if (strcmp(mac, "-") != 0) {
		if (strlen(mac) != 2 * MEMORY_MAC ||
		    strspn(mac, "0123456789abcdef") != 2 * MEMORY_MAC)
			return -EBADMSG;
		for (size_t i = 0; i < MEMORY_MAC; i++)
			sscanf(mac + 2 * i, "%2hhx", &gateway.mac[i]);
		gateway.have_mac = true;
	}
	if (parse_ports(line + end, &gateway) < 0)
		return -EBADMSG;
	if (memory->n < MEMORY_GATEWAYS)
		memory->gateways[memory->n++] = gateway;
	return 0;
}
