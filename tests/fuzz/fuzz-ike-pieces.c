/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Pieces of messages (RFC 7383), as somebody may send them who has exchanged keys with us. The
 * first octet chooses the state; then come pieces: message ID, number, total, type of the first
 * payload, size, and so many octets, which are encrypted.
 */
#include "services/keyd/ike-sa-internal.h"
#include "tests/fuzz/ike-fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void give(struct ike_sa *sa, uint64_t iv, struct reader *reader)
{
	struct ike_header header = {
		.spi_initiator = sa->spi_initiator,
		.spi_responder = sa->spi_responder,
		.version = IKE_VERSION,
		.exchange = sa->state == IKE_SA_ESTABLISHED ? IKE_EXCHANGE_INFORMATIONAL
							    : IKE_EXCHANGE_AUTH,
		.flags = sa->initiator ? IKE_FLAG_RESPONSE : IKE_FLAG_INITIATOR,
		.message_id = reader_u8(reader),
	};
	uint8_t number = reader_u8(reader), total = reader_u8(reader);
	const struct ike_fragment fragment = { number, total };
	uint8_t first = reader_u8(reader), message[IKE_MESSAGE_LIMIT];
	size_t size = reader_u8(reader) * 4u;
	const uint8_t *octets;
	int n;

	if (size > reader_left(reader))
		size = reader_left(reader);
	octets = reader_take(reader, size);
	n = ike_skf_seal(&sa->suite, ike_sa_peer_key(sa, header.exchange), iv, &header, &fragment,
			 first, octets, size, message, sizeof message);
	if (n < 0 || ike_header_read(message, n, &header) < 0)
		return;
	ike_sa_receive(sa, iv, &sa->endpoint, &header, message, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum ike_sa_state states[] = { IKE_SA_HALF_OPEN, IKE_SA_AUTH_SENT,
						    IKE_SA_ESTABLISHED };
	struct fixture *fixture = fixture_get();
	struct reader reader = reader_init(data, size);
	unsigned int which = reader_u8(&reader) % ARRAY_SIZE(states);
	struct ike_sa *sa = fixture_sa(fixture, which == 1, states[which]);

	for (uint64_t iv = 1; reader_left(&reader); iv++)
		give(sa, iv, &reader);
	if (sa->state == IKE_SA_ESTABLISHED && !sa->authenticated)
		abort();
	ike_sa_free(sa);
	fixture_clear(fixture);
	return 0;
}
