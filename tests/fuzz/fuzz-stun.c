/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* STUN messages of strangers; what was understood is written and read once more. */
#include "common/net/stun-wire.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stun_message message;

	if (stun_parse(data, size, &message) < 0)
		return 0;
	assert(stun_is_message(data, size));
	write_again(&message);
	return 0;
}
