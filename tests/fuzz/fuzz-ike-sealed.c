/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is inside an encrypted payload, as somebody may send it who has exchanged keys with us, be
 * it before or after he proved who he is. The first octet chooses the state and the exchange, the
 * second is the type of the first payload.
 */
#include "services/keyd/ike-sa-internal.h"
#include "tests/fuzz/ike-fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	bool initiator;
	enum ike_sa_state state;
	uint8_t exchange;
	bool response;
} cases[] = {
	{ false, IKE_SA_HALF_OPEN, IKE_EXCHANGE_AUTH, false },
	{ true, IKE_SA_AUTH_SENT, IKE_EXCHANGE_AUTH, true },
	{ false, IKE_SA_ESTABLISHED, IKE_EXCHANGE_INFORMATIONAL, false },
	{ false, IKE_SA_ESTABLISHED, IKE_EXCHANGE_CREATE_CHILD_SA, false },
	{ true, IKE_SA_ESTABLISHED, IKE_EXCHANGE_INFORMATIONAL, true },
	{ false, IKE_SA_HALF_OPEN, IKE_EXCHANGE_INTERMEDIATE, false },
	{ true, IKE_SA_INTERMEDIATE_SENT, IKE_EXCHANGE_INTERMEDIATE, true },
};

static void give(struct ike_sa *sa, uint8_t exchange, bool response, const uint8_t *data,
		 size_t size)
{
	struct ike_header header = {
		.spi_initiator = sa->spi_initiator,
		.spi_responder = sa->spi_responder,
		.version = IKE_VERSION,
		.exchange = exchange,
		.flags = (sa->initiator ? 0 : IKE_FLAG_INITIATOR) |
			 (response ? IKE_FLAG_RESPONSE : 0),
		.message_id = 1,
	};
	uint8_t message[IKE_MESSAGE_LIMIT];
	int n = ike_sk_seal(&sa->suite, ike_sa_peer_key(sa, header.exchange), 7, &header, data[0],
			    data + 1, size - 1, message, sizeof message);

	if (n < 0 || ike_header_read(message, n, &header) < 0)
		return;
	ike_sa_receive(sa, 1, &sa->endpoint, &header, message, n);
	/* Again: the same answer. */
	ike_sa_receive(sa, 2, &sa->endpoint, &header, message, n);
	ike_sa_signed(sa, 3, (const uint8_t *)"signature", 9);
	ike_sa_installed(sa, 4, sa->children[0].spi_in, true, NULL);
	if (sa->state == IKE_SA_ESTABLISHED && !sa->authenticated)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fixture *fixture = fixture_get();
	struct ike_sa *sa;
	unsigned int i;

	if (size < 2 || size > IKE_MESSAGE_LIMIT - IKE_SK_OVERHEAD)
		return 0;
	i = data[0] % ARRAY_SIZE(cases);
	sa = fixture_sa(fixture, cases[i].initiator, cases[i].state);
	sa->requests.places[1].exchange = cases[i].exchange;
	if (cases[i].exchange == IKE_EXCHANGE_INTERMEDIATE)
		sa->suite.kem = IKE_KEM_MLKEM768;
	if (cases[i].state == IKE_SA_ESTABLISHED && cases[i].response)
		sa->state = IKE_SA_DELETING;
	give(sa, cases[i].exchange, cases[i].response, data + 1, size - 1);
	ike_sa_free(sa);
	fixture_clear(fixture);
	return 0;
}
