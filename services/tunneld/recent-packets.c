/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/recent-packets.h"

#include <stdlib.h>
#include <string.h>

void recent_packets_note(struct recent_packets *recent, uint64_t now, const uint8_t *data,
			 size_t size)
{
	struct recent_packet *packet;

	if (size > RECENT_PACKET_SIZE)
		return;
	if (!recent->ring)
		recent->ring = malloc(RECENT_PACKETS * sizeof *recent->ring);
	if (!recent->ring)
		return;
	if (recent->n == RECENT_PACKETS)
		recent_packets_take(recent);
	packet = &recent->ring[(recent->first + recent->n++) % RECENT_PACKETS];
	packet->at = now;
	packet->size = size;
	memcpy(packet->data, data, size);
}

const struct recent_packet *recent_packets_take(struct recent_packets *recent)
{
	const struct recent_packet *packet;

	if (!recent->n)
		return NULL;
	packet = &recent->ring[recent->first];
	recent->first = (recent->first + 1) % RECENT_PACKETS;
	recent->n--;
	return packet;
}

void recent_packets_clear(struct recent_packets *recent)
{
	free(recent->ring);
	*recent = (struct recent_packets){ 0 };
}
