/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/fuzz/ike-fixture.h"

#include "services/keyd/ike-sa-internal.h"
#include "tests/unit/keyd/played-kem.h"

#include <arpa/inet.h>

#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void fill(void *userdata, void *data, size_t size)
{
	struct fixture *fixture = userdata;
	uint8_t *octets = data;

	for (size_t i = 0; i < size; i++)
		octets[i] = ++fixture->random | 0x40;
}

static uint16_t admit(void *userdata, struct ike_sa *sa, uint64_t now)
{
	return 0;
}

static bool find_host_id(void *userdata, const char *name, uint8_t ret[16])
{
	struct fixture *fixture = userdata;

	memcpy(ret, fixture->desktop_id, 16);
	return true;
}

static bool has_other(void *userdata, const struct ike_sa *sa)
{
	return false;
}

static bool take_spi(void *userdata, uint32_t spi)
{
	return true;
}

static void give_spi(void *userdata, uint32_t spi)
{
}

static uint64_t next_child_id(void *userdata)
{
	struct fixture *fixture = userdata;

	return ++fixture->n_children;
}

static void adopt(void *userdata, struct ike_sa *sa)
{
	struct fixture *fixture = userdata;

	sa->next = fixture->adopted;
	fixture->adopted = sa;
}

static struct ike_sa *find(void *userdata, uint64_t spi)
{
	struct fixture *fixture = userdata;

	for (struct ike_sa *sa = fixture->adopted; sa; sa = sa->next)
		if (ike_sa_spi(sa) == spi && sa->state == IKE_SA_ESTABLISHED)
			return sa;
	return NULL;
}

static void renew(void *userdata, struct ike_sa *sa, uint64_t now)
{
}

static void established(void *userdata, struct ike_sa *sa, uint64_t now)
{
}

static const struct ike_surroundings surroundings = {
	admit,         find_host_id, has_other, take_spi, give_spi,
	next_child_id, adopt,        find,      renew,    established,
};

static void make_host(struct fixture *fixture, struct test_host *host, const char *names,
		      uint8_t last, uint8_t id[16])
{
	const uint8_t host_id[16] = { 0xfd, 1,    2,    3,    4,    5,    6,    7,
				      0x00, 0x22, 0x69, 0xff, 0xfe, 0x8e, 0x34, last };
	const uint8_t seed[32] = { last };

	memcpy(id, host_id, 16);
	test_host_make(host, &fixture->account,
		       &(struct test_host_options){ .names = names, .seed = seed });
}

struct fixture *fixture_get(void)
{
	static struct fixture *fixture;
	static const uint8_t seed[32] = "the account of the fuzz targets";

	if (fixture)
		return fixture;
	fixture = calloc(1, sizeof *fixture);
	must(fixture);
	test_account_make_seeded(&fixture->account, TEST_DOMAIN, seed);
	make_host(fixture, &fixture->desktop,
		  "DNS:" FIXTURE_DESKTOP ",DNS:AutoTunnel-00-22-69-FF-FE-8E-34-2A." TEST_DOMAIN,
		  0x2a, fixture->desktop_id);
	make_host(fixture, &fixture->laptop,
		  "DNS:" FIXTURE_LAPTOP ",DNS:AutoTunnel-00-22-69-FF-FE-8E-34-2B." TEST_DOMAIN,
		  0x2b, fixture->laptop_id);
	fixture->from = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(4500) };
	fixture->from.sin_addr.s_addr = htonl(0xc6336401);
	fixture->context.random = (struct ike_random){ fill, fixture };
	fixture->context.realtime = TEST_REALTIME;
	fixture->context.surroundings = &surroundings;
	fixture->context.userdata = fixture;
	ike_preferences_init(&fixture->context.preferences);
	fixture->context.kem = &played_kem;
	fixture->context.preferences.has_kem = true;
	fixture->context.fragment_limit = IKE_DATAGRAM_SIZE - IKE_DATAGRAM_OVERHEAD;
	fixture->context.local = fixture_local(fixture);
	ike_actions_init(&fixture->context.actions);
	return fixture;
}

struct ike_local *fixture_local(const struct fixture *fixture)
{
	struct ike_local *local = calloc(1, sizeof *local);

	must(local);
	strcpy(local->name, FIXTURE_LAPTOP);
	memcpy(local->host_id, fixture->laptop_id, 16);
	memcpy(local->certificate, fixture->laptop.certificate.data,
	       fixture->laptop.certificate.size);
	local->certificate_size = fixture->laptop.certificate.size;
	must(ike_trust_new(fixture->account.certificate.data, fixture->account.certificate.size,
			   TEST_DOMAIN, &local->trust) == 0);
	return local;
}

struct ike_sa *fixture_sa(struct fixture *fixture, bool initiator, enum ike_sa_state state)
{
	static const char nonce[] = "a nonce of the other side";
	static const char shared[] = "a secret both have computed";
	const struct ike_suite suite = { IKE_ENCR_AES_GCM_16, 128, IKE_PRF_HMAC_SHA2_256,
					 IKE_GROUP_X25519 };
	struct ike_sa *sa;

	fixture->random = 0;
	fixture->n_children = 1;
	sa = ike_sa_new(&fixture->context, 0, initiator);
	must(sa);
	if (initiator) {
		sa->spi_responder = 0x1122334455667788;
		strcpy(sa->peer, FIXTURE_DESKTOP);
		memcpy(sa->peer_host_id, fixture->desktop_id, 16);
		sa->children[0] =
			(struct ike_child){ .id = 1, .spi_in = 0x40000001, .initiator = true };
		must(ike_requests_add(&sa->requests, 1, "request", 7));
		sa->requests.places[1].exchange = IKE_EXCHANGE_AUTH;
	} else {
		sa->spi_initiator = 0x1122334455667788;
		sa->answers.expected_id = 1;
	}
	sa->suite = suite;
	sa->endpoint = fixture->from;
	sa->peer_takes_sha256 = true;
	sa->peer_takes_fragments = true;
	must(ike_blob_set(&sa->peer_nonce, nonce, sizeof nonce) == 0);
	must(ike_blob_set(&sa->own_init, "our first message", 17) == 0);
	must(ike_blob_set(&sa->peer_init, "the peer's first message", 24) == 0);
	must(ike_keys_derive(&suite, ike_sa_nonce(sa, true), ike_sa_nonce(sa, false),
			     (struct ike_octets){ (const uint8_t *)shared, sizeof shared },
			     sa->spi_initiator, sa->spi_responder, &sa->keys) == 0);
	sa->state = state;
	if (state == IKE_SA_ESTABLISHED) {
		sa->children[0] = (struct ike_child){
			.id = 1, .spi_in = 0x40000001, .spi_out = 0x50000001, .installed = true
		};
		sa->authenticated = true;
	}
	return sa;
}

void fixture_clear(struct fixture *fixture)
{
	while (fixture->adopted) {
		struct ike_sa *sa = fixture->adopted;

		fixture->adopted = sa->next;
		ike_sa_free(sa);
	}
	ike_actions_deinit(&fixture->context.actions);
}
