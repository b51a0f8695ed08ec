/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a peer that has proved who it is may send in an established IKE SA: several messages one
 * after the other, while we have a wish of our own under way or none. The first octet says what we
 * want; then each message is an octet (its exchange, and whether it answers us), its length in two,
 * and the chain inside, whose first octet is the type of its first payload.
 */
#include "common/wire/cursor.h"
#include "services/keyd/ike-child-state.h"
#include "services/keyd/ike-sa-internal.h"
#include "tests/fuzz/ike-fixture.h"

#define MESSAGES 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	WANT_CHILD = 1 << 0,
	WANT_SA = 1 << 1,
	WITH_MOBIKE = 1 << 2,
	ARE_FIRST = 1 << 3,
	NOT_INSTALLED = 1 << 4, /* tunneld refuses */
};

enum {
	IS_INFORMATIONAL = 1 << 0,
	IS_RESPONSE = 1 << 1,
	OF_SUCCESSOR = 1 << 2,
};

static void begin(struct fixture *fixture, struct ike_sa *sa, uint8_t mode)
{
	memcpy(sa->peer_host_id, fixture->desktop_id, 16);
	strcpy(sa->peer, FIXTURE_DESKTOP);
	sa->mobike.supported = mode & WITH_MOBIKE;
	sa->mobike.first = mode & ARE_FIRST;
	ike_requests_set_limit(&sa->requests, IKE_WINDOW);
	ike_requests_clear(&sa->requests);
	sa->children[0].expires_at = UINT64_MAX;
	sa->children[0].rekey_at = mode & WANT_CHILD ? 1 : UINT64_MAX;
	if (mode & WANT_SA)
		sa->rekey_at = 1;
	ike_sa_tick(sa, 1);
}

/* Of the oldest request of ours that waits for this exchange's answer. */
static uint32_t find_asked(const struct ike_sa *sa, uint8_t exchange)
{
	uint32_t id = 0;

	for (size_t i = 0; i < IKE_WINDOW; i++)
		if (sa->requests.places[i].message.data &&
		    sa->requests.places[i].exchange == exchange)
			id = sa->requests.places[i].id;
	return id;
}

static void give(struct ike_sa *sa, uint64_t now, uint8_t kind, const uint8_t *chain, size_t size)
{
	uint8_t exchange =
		kind & IS_INFORMATIONAL ? IKE_EXCHANGE_INFORMATIONAL : IKE_EXCHANGE_CREATE_CHILD_SA;
	bool response = kind & IS_RESPONSE;
	struct ike_header header =
		ike_sa_header(sa, exchange, response,
			      response ? find_asked(sa, exchange) : sa->answers.expected_id);
	uint8_t message[IKE_MESSAGE_LIMIT];
	int n;

	header.flags ^= IKE_FLAG_INITIATOR;
	n = ike_sk_seal(&sa->suite, ike_sa_peer_key(sa, header.exchange), 7 + now, &header,
			chain[0], chain + 1, size - 1, message, sizeof message);
	if (n < 0 || ike_header_read(message, n, &header) < 0)
		return;
	ike_sa_receive(sa, now, &sa->endpoint, &header, message, n);
	/* Again: the same answer. */
	ike_sa_receive(sa, now, &sa->endpoint, &header, message, n);
}

static void install(struct ike_sa *sa, uint64_t now, bool success)
{
	for (size_t i = 0; i < IKE_CHILDREN_LIMIT; i++)
		if (sa->children[i].id && sa->children[i].spi_out && !sa->children[i].installed)
			ike_sa_installed(sa, now, sa->children[i].spi_in, success, "no room");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fixture *fixture = fixture_get();
	struct reader reader = reader_init(data, size);
	uint8_t mode = reader_u8(&reader);
	struct ike_sa *sa = fixture_sa(fixture, mode & ARE_FIRST, IKE_SA_ESTABLISHED);

	begin(fixture, sa, mode);
	for (uint64_t now = 2; now < 2 + MESSAGES && reader_left(&reader) > 3; now++) {
		uint8_t kind = reader_u8(&reader);
		uint16_t n = reader_u16(&reader);
		const uint8_t *chain = reader_take(&reader, n);
		struct ike_sa *to = kind & OF_SUCCESSOR && fixture->adopted ? fixture->adopted : sa;

		if (!chain || n < 1 || n > IKE_MESSAGE_LIMIT - IKE_SK_OVERHEAD)
			break;
		give(to, now, kind, chain, n);
		install(to, now, !(mode & NOT_INSTALLED));
		if (ike_child_count(sa) > IKE_CHILDREN_LIMIT)
			abort();
	}
	ike_sa_tick(sa, 10000);
	ike_sa_tick(sa, 100000);
	ike_sa_free(sa);
	fixture_clear(fixture);
	return 0;
}
