/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a primary says, as a node in front of it takes it: messages of transfers are read, and what
 * comes of them is learnt by an authority with one account, transaction by transaction. The input
 * is a sequence of transfers:
 *
 *   control octet, octet with the number of messages, and for each two octets of length and it
 *
 * Control: bit 0 asks for differences since the serial reached so far, bit 1 the primary refuses
 * what is published, bit 2 by a prerequisite that fails, bit 3 the storage fails, bit 4 two hours
 * pass, bit 5 leaves the messages as they are instead of signing them.
 */
#include "common/dns/dns-tsig-chain.h"
#include "services/zoned/authority.h"
#include "services/zoned/transfer-wire.h"

#define DOMAIN "alice.members.example.org"
#define ID     0x4242

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t secret[32];
static struct dns_tsig_key key = { .algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256,
				   .secret = secret,
				   .secret_size = sizeof secret };
static const struct dns_tsig_mac request_mac = { .size = 32 };

struct world {
	struct authority_options options;
	struct authority *authority;
	struct moment moment;
	uint32_t serial;
	bool has_zone;
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void work(struct world *world, uint8_t control)
{
	for (unsigned int i = 0; i < 50; i++) {
		struct change_list changes = {};
		struct outbox outbox = {};
		int r;

		if (authority_next_due(world->authority, &world->moment) > world->moment.now)
			return;
		authority_tick(world->authority, &world->moment, &outbox);
		r = authority_begin(world->authority, &world->moment, &changes);
		while (r == AUTHORITY_PUBLISH)
			r = authority_resume(world->authority, &world->moment,
					     control & 2   ? -EREMOTEIO
					     : control & 4 ? -EAGAIN
							   : 0,
					     &changes);
		if (r > 0)
			authority_finish(world->authority, &world->moment, !(control & 8), &outbox);
		change_list_clear(&changes);
		outbox_clear(&outbox);
	}
	abort();
}

/* Signs it as the next of its transfer; a message that is none stays as it is. */
static size_t sign(uint8_t *octets, size_t size, struct dns_tsig_mac *mac, bool is_first)
{
	struct writer writer = writer_init(octets, DNS_MESSAGE_SIZE_MAX);

	writer.position = size;
	if (size < DNS_HEADER_SIZE)
		return size;
	if (is_first)
		(void)dns_tsig_sign(&writer, &key, &request_mac, 1700000000, mac);
	else
		(void)dns_tsig_sign_next(&writer, &key, mac, 1700000000, mac);
	return writer.position;
}

static int take(struct transfer_reader *reader, struct reader *input, uint8_t control,
		struct dns_tsig_mac *mac, bool is_first, struct zone_delta **ret)
{
	static uint8_t octets[DNS_MESSAGE_SIZE_MAX];
	size_t size = reader_u16(input);
	const uint8_t *message = reader_take(input, size);
	uint8_t *exact;
	int r;

	if (!message)
		return -EBADMSG;
	memcpy(octets, message, size);
	if (!(control & 32))
		size = sign(octets, size, mac, is_first);
	exact = malloc(size ? size : 1);
	must(exact);
	memcpy(exact, octets, size);
	r = transfer_reader_take(reader, exact, size, 1700000000, ret);
	free(exact);
	return r;
}

static void run_transfer(struct world *world, struct reader *input)
{
	uint8_t control = reader_u8(input);
	uint8_t n = reader_u8(input);
	bool is_incremental = world->has_zone && control & 1;
	struct transfer_reader *reader;
	struct zone_delta *delta = NULL;
	struct dns_tsig_mac mac = {};
	int r = 0;

	must(transfer_reader_new(world->options.zone, ID, is_incremental ? &world->serial : NULL,
				 &key, &request_mac, &reader) == 0);
	for (unsigned int i = 0; r == 0 && i < n; i++)
		r = take(reader, input, control, &mac, i == 0, &delta);
	transfer_reader_free(reader);
	if (delta) {
		must(r == 1);
		world->serial = delta->to;
		world->has_zone = true;
		must(authority_learn(world->authority, delta) == 0);
	}
	if (control & 16) {
		world->moment.now += 7200000;
		world->moment.date += 7200000;
	}
	work(world, control);
	if (control & 8) {
		world->moment.now += 2000;
		work(world, 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = { .options = { .zone = ldns_dname_new_frm_str("members.example.org"),
					    .server_name = ldns_dname_new_frm_str(
						    "ns.members.example.org"),
					    .port = 53,
					    .serial = 1,
					    .update_lease = { 1800, 7200 },
					    .llq_lease = { 900, 7200 },
					    .is_follower = true },
			       .moment = { 1000000, 1700000000000 } };
	struct reader input = reader_init(data, size);

	must(dns_name_from_text("transfer.example.net", &key.name) == 0);
	must(authority_new(&world.options, &world.authority) == 0);
	must(authority_add_account(world.authority, 1, DOMAIN, secret, sizeof secret) == 0);
	must(authority_complete_account(world.authority, 1, &world.moment) == 0);
	authority_set_reachable(world.authority, true);
	for (unsigned int i = 0; i < 16 && reader_left(&input) > 0; i++)
		run_transfer(&world, &input);
	authority_free(world.authority);
	ldns_rdf_deep_free(world.options.zone);
	ldns_rdf_deep_free(world.options.server_name);
	return 0;
}
