/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A datagram as a stranger may send it: read by every reader, then given to a host that is signed
 * in and to one that has just sent its first message (whose SPI the input need not guess). */
#include "tests/fuzz/ike-fixture.h"
#include "tests/unit/keyd/played-kem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of IKE_SA_INIT, with each use of an additional key exchange. */
static void read_first_proposals(const struct ike_payload *payload)
{
	struct ike_preferences preferences;
	struct ike_suite ike;
	uint8_t number;

	ike_preferences_init(&preferences);
	preferences.has_kem = true;
	for (int use = IKE_KEM_PREFERRED; use <= IKE_KEM_NEVER; use++) {
		preferences.kem_use = use;
		if (ike_proposal_choose_ike(&preferences, payload->data, payload->size, &ike, NULL,
					    &number) >= 0 &&
		    (ike.kem ? use == IKE_KEM_NEVER : use == IKE_KEM_REQUIRED))
			abort();
		if (ike_proposal_read_ike_answer(&preferences, payload->data, payload->size, &ike,
						 NULL) >= 0 &&
		    (ike.kem ? use == IKE_KEM_NEVER : use == IKE_KEM_REQUIRED))
			abort();
	}
}

static void read_proposals(const struct ike_payload *payload)
{
	struct ike_preferences preferences;
	struct ike_suite ike;
	struct esp_suite esp;
	uint64_t ike_spi;
	uint32_t spi;
	uint8_t number;
	char name[64];

	ike_preferences_init(&preferences);
	if (ike_proposal_choose_ike(&preferences, payload->data, payload->size, &ike, NULL,
				    &number) >= 0)
		ike_suite_name(&ike, name, sizeof name);
	/* An answer is an offer that leaves nothing to choose. */
	if (ike_proposal_read_ike_answer(&preferences, payload->data, payload->size, &ike,
					 &ike_spi) >= 0 &&
	    ike_proposal_choose_ike(&preferences, payload->data, payload->size, &ike, &ike_spi,
				    &number) < 0)
		abort();
	for (int with = 0; with < 2; with++) {
		if (ike_proposal_choose_esp(&preferences, payload->data, payload->size, with, &esp,
					    &spi, &number) >= 0 &&
		    (!*esp_suite_name(&esp) || !spi || (!with && esp.group)))
			abort();
		ike_proposal_read_esp_answer(&preferences, payload->data, payload->size, with, &esp,
					     &spi);
	}
}

static void read_bodies(const struct ike_chain *chain)
{
	for (size_t i = 0; i < chain->n_payloads; i++) {
		const struct ike_payload *payload = &chain->payloads[i];
		struct ike_selectors selectors;
		struct ike_notify notify;
		struct ike_octets octets;
		uint16_t u16;
		uint8_t u8, spi_size;

		ike_notify_read(payload, &notify);
		ike_ke_read(payload, &u16, &octets);
		ike_id_read(payload, &u8, &octets);
		ike_certificate_read(payload, &u8, &octets);
		ike_authentication_read(payload, &u8, &octets);
		ike_delete_read(payload, &u8, &spi_size, &u16, &octets);
		ike_selectors_read(payload, &selectors);
		read_proposals(payload);
		read_first_proposals(payload);
	}
	ike_chain_find_unsupported(chain);
}

static void give(struct fixture *fixture, const uint8_t *data, size_t size)
{
	struct ike_tunnel_peer peer = { .path = "/1",
					.name = FIXTURE_DESKTOP,
					.endpoint = fixture->from,
					.state = IKE_PEER_ACQUIRING };
	struct ike_manager *manager;
	struct ike_action *action;
	uint8_t *answer = malloc(size);

	fixture->random = 0;
	if (!answer || ike_manager_new(&fixture->context.random, &manager) < 0)
		abort();
	ike_manager_set_kem(manager, &played_kem);
	ike_manager_set_realtime(manager, TEST_REALTIME);
	ike_manager_set_local(manager, 0, fixture_local(fixture));
	ike_manager_set_peers(manager, 0, &peer, 1);
	ike_manager_receive(manager, 0, &fixture->from, data, size);
	/* The first SPI it chose, so that the input is the answer to it. */
	memcpy(answer, data, size);
	while ((action = ike_manager_take(manager))) {
		if (action->type == IKE_ACTION_SEND && size >= 8)
			memcpy(answer, action->data, 8);
		ike_action_free(action);
	}
	ike_manager_receive(manager, 0, &fixture->from, answer, size);
	ike_manager_tick(manager, 1000);
	ike_manager_free(manager);
	free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ike_header header;
	struct ike_chain chain;

	if (size < IKE_HEADER_SIZE || size > IKE_MESSAGE_LIMIT)
		return 0;
	if (ike_chain_read(data[16], data + IKE_HEADER_SIZE, size - IKE_HEADER_SIZE, &chain) >= 0)
		read_bodies(&chain);
	if (ike_header_read(data, size, &header) >= 0)
		give(fixture_get(), data, size);
	return 0;
}
