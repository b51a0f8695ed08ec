/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* STUN messages of strangers: what was understood is written and read once more, as a request it is
 * answered, as an answer it is believed or not. */
#include "common/net/stun-wire.h"
#include "services/mapper/stun-state.h"
#include "services/zoned/stun-responder-state.h"

#include <arpa/inet.h>

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct stun_message *message)
{
	uint8_t octets[STUN_MESSAGE_LIMIT];
	struct writer writer = writer_init(octets, sizeof octets);
	struct stun_message again;

	stun_begin(&writer, message->type, message->txid);
	if (message->xor_mapped.family)
		stun_put_xor_mapped(&writer, &message->xor_mapped, message->txid);
	if (message->other_address.family)
		stun_put_address(&writer, STUN_OTHER_ADDRESS, &message->other_address);
	if (message->error)
		stun_put_error(&writer, message->error, "");
	if (message->has_response_port)
		stun_put_response_port(&writer, message->response_port);
	stun_put_unknown_attributes(&writer, message->unknown, message->n_unknown);
	stun_put_fingerprint(&writer);
	assert(stun_parse(octets, stun_end(&writer), &again) == 0);
	assert(again.has_fingerprint && again.error == message->error);
	assert(memcmp(&again.xor_mapped, &message->xor_mapped, sizeof again.xor_mapped) == 0);
	assert(memcmp(&again.other_address, &message->other_address, sizeof again.other_address) ==
	       0);
}

/* The same to each question, with the number that it has to have. */
static void feed_state(const uint8_t *data, size_t size)
{
	const struct sockaddr_in server = { .sin_family = AF_INET,
					    .sin_addr.s_addr = htonl(0xcb007135),
					    .sin_port = htons(STUN_PORT) };
	static const uint8_t random[STUN_TXID_SIZE] = "abcdefghijkl";
	uint8_t octets[STUN_MESSAGE_LIMIT];
	struct stun_state state = {};
	struct stun_packet packet;
	uint64_t now = 1000;
	int n = 0;

	memcpy(octets, data, size);
	stun_state_begin(&state, (struct in_addr){ htonl(0xc0a8010a) }, &server, 1, now);
	stun_state_prove(&state, 4500, now);
	while (stun_state_due(&state) != UINT64_MAX) {
		now = stun_state_due(&state);
		while (stun_state_take_packet(&state, now, random, &packet)) {
			/* A server does not keep us busy without end. */
			assert(++n < 64);
			assert(packet.size <= STUN_PACKET_SIZE);
			memcpy(octets + 8, packet.octets + 8, STUN_TXID_SIZE);
			stun_state_receive(&state, packet.socket, &packet.to, octets, size, now);
			stun_state_receive(&state, STUN_SOCKET_MAPPED, &packet.to, octets, size,
					   now);
		}
	}
}

static void ask(const uint8_t *data, size_t size)
{
	static const struct endpoint first = { { 203, 0, 113, 53 }, 3478, 4 };
	static const struct endpoint second = { { 203, 0, 113, 54 }, 3479, 4 };
	static const struct peer peer = { .remote = { { 198, 51, 100, 7 }, 40000, 4 },
					  .local = { { 203, 0, 113, 53 }, 3478, 4 } };
	static struct stun_responder responder;
	uint8_t answer[STUN_ANSWER_LIMIT];
	struct stun_message message;
	struct peer way;
	size_t n;

	memset(&responder, 0, sizeof responder);
	responder.primary = first;
	responder.alternate = second;
	n = stun_responder_answer(&responder, &peer, data, size, 1000, answer, &way);
	if (n == 0)
		return;
	assert(stun_parse(answer, n, &message) == 0);
	assert(message.type == STUN_SUCCESS || message.type == STUN_ERROR);
	assert(n <= size || n <= 100);
	assert(memcmp(way.remote.address, peer.remote.address, 16) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stun_message message;

	if (size >= STUN_HEADER_SIZE && size <= STUN_MESSAGE_LIMIT)
		feed_state(data, size);
	ask(data, size);

	if (stun_parse(data, size, &message) < 0)
		return 0;
	assert(stun_is_message(data, size));
	write_again(&message);
	return 0;
}
