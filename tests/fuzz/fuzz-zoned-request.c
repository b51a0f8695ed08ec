/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Octets of requests in, answers out: the whole of zoned but sockets and disk, with the storage in
 * memory. The input is a sequence of messages:
 *
 *   control octet, two octets of length, the message
 *
 * Control: bits 0-1 sign it (0: not, 1: with the account's key, 2: with desktop's, 3: with
 * laptop's), bit 2 over TLS, bit 3 from another port, bit 4 the process is killed and started again
 * afterwards, bit 5 some time passes, bit 6 this transaction fails, bit 7 the ids of the last LLQ
 * message that was sent are written into it, since no fuzzer finds a keyed digest; after a message
 * over TLS the connection ends if bit 3 is set too. A message may say it is signed already; then it
 * stays as it is. Everything sent must be a message that parses.
 */
#include "common/dns/dns-message.h"
#include "common/dns/dns-options.h"
#include "common/dns/dns-push.h"
#include "common/dns/dns-tsig.h"
#include "common/keys/account-keys.h"
#include "services/zoned/authority.h"
#include "tests/unit/zoned/memory-storage.h"

#define DOMAIN       "alice.members.example.org"
#define MESSAGES_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t account_secret[ACCOUNT_KEY_SIZE];

struct world {
	struct authority_options options;
	struct authority *authority;
	struct memory_storage storage;
	struct moment moment;
	/* Of the last LLQ message sent. */
	uint64_t llq_id;
	uint32_t llq_lease;
	uint16_t message_id;
	struct dns_tsig_mac mac;
};

/* All zero, as the corpus has it. */
static bool read_binding(void *userdata, const struct peer *peer, uint8_t *ret)
{
	memset(ret, 0, DNS_CHANNEL_BINDING_SIZE);
	return true;
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void start(struct world *world)
{
	must(authority_new(&world->options, &world->authority) == 0);
	must(authority_add_account(world->authority, 1, DOMAIN, account_secret,
				   sizeof account_secret) == 0);
	memory_storage_load(&world->storage, world->authority, 1, &world->moment);
	must(authority_complete_account(world->authority, 1, &world->moment) == 0);
}

static void remember(struct world *world, const struct reply *reply,
		     const struct dns_message *message)
{
	struct dns_llq llqs[DNS_LLQ_MAX];
	struct dns_tsig tsig;

	if (dns_options_read_llqs(message->options, message->options_size, llqs, DNS_LLQ_MAX) < 1)
		return;
	world->llq_id = llqs[0].id;
	world->llq_lease = llqs[0].lease;
	world->message_id = message->id;
	if (dns_tsig_find(reply->data, reply->size, &tsig) > 0)
		world->mac = tsig.mac;
}

static void check_dso(const struct reply *reply)
{
	struct dns_dso message;

	must(dns_dso_parse(reply->data, reply->size, &message) == 0);
	must(message.kind != DNS_DSO_REQUEST);
	must(message.type != DNS_DSO_PUSH || dns_push_check(&message, reply->size) == 0);
}

static void check_sent(struct world *world, struct outbox *outbox)
{
	for (size_t i = 0; i < outbox->n; i++) {
		struct dns_message *message = NULL;

		if (outbox->items[i].kind != REPLY_SEND)
			continue;
		if (outbox->items[i].peer.connection &&
		    dns_dso_is(outbox->items[i].data, outbox->items[i].size)) {
			check_dso(&outbox->items[i]);
			continue;
		}
		must(dns_message_parse(outbox->items[i].data, outbox->items[i].size, &message) ==
		     0);
		must(message->flags & DNS_FLAG_QR);
		remember(world, &outbox->items[i], message);
		dns_message_free(message);
	}
	outbox_clear(outbox);
}

static void work(struct world *world, bool fails)
{
	for (unsigned int i = 0; i < 50; i++) {
		struct change_list changes = {};
		struct outbox outbox = {};

		if (authority_next_due(world->authority, &world->moment) > world->moment.now)
			return;
		authority_tick(world->authority, &world->moment, &outbox);
		if (authority_begin(world->authority, &world->moment, &changes) > 0) {
			if (fails)
				change_list_clear(&changes);
			else
				memory_storage_apply(&world->storage, &changes);
			authority_finish(world->authority, &world->moment, !fails, &outbox);
		}
		check_sent(world, &outbox);
	}
	abort();
}

/* Only the first LLQ option: the one of the corpus. An acknowledgement gets the event's message id
 * too. */
static void write_ids(const struct world *world, uint8_t *octets, size_t size)
{
	struct dns_message *message = NULL;
	struct dns_llq llq;

	if (dns_message_parse(octets, size, &message) < 0)
		return;
	if (dns_options_read_llqs(message->options, message->options_size, &llq, 1) == 1 &&
	    message->options_size == DNS_OPTION_LLQ_SIZE) {
		struct writer writer =
			writer_init(octets + (message->options - octets), DNS_OPTION_LLQ_SIZE);

		llq.id = world->llq_id;
		if (llq.opcode == DNS_LLQ_OPCODE_SETUP)
			llq.lease = world->llq_lease;
		dns_option_write_llq(&writer, &llq);
		if (message->flags & DNS_FLAG_QR) {
			octets[0] = world->message_id >> 8;
			octets[1] = world->message_id;
		}
	}
	dns_message_free(message);
}

static size_t sign(uint8_t *octets, size_t size, unsigned int who, const struct dns_tsig_mac *prior,
		   uint64_t seconds)
{
	static const char *const names[] = { DOMAIN, "1a2b3c4d.desktop." DOMAIN,
					     "5e6f7081.laptop." DOMAIN };
	struct writer writer = writer_init(octets, DNS_MESSAGE_SIZE_MAX);
	cleanup(secret_freep) struct secret *account = NULL, *host = NULL;
	struct dns_tsig_key key = { .algorithm = DNS_TSIG_ALGORITHM_HMAC_SHA256,
				    .secret = account_secret,
				    .secret_size = sizeof account_secret };

	must(secret_new_copy(account_secret, sizeof account_secret, &account) == 0);
	must(dns_name_from_text(names[who - 1], &key.name) == 0);
	if (who > 1) {
		must(account_keys_derive_host_tsig(account, names[who - 1], &host) == 0);
		key.secret = host->data;
	}
	writer.position = size;
	(void)dns_tsig_sign(&writer, &key, prior, seconds, NULL);
	return writer.position;
}

static void run_message(struct world *world, uint8_t control, const uint8_t *data, size_t size)
{
	static uint8_t octets[DNS_MESSAGE_SIZE_MAX];
	struct peer peer = { .remote = { { 192, 0, 2, 7 }, 40000 + (control >> 3 & 1), 4 },
			     .local = { { 192, 0, 2, 53 }, 53, 4 },
			     .connection = control >> 2 & 1,
			     .transport = control & 4 ? TRANSPORT_TLS : TRANSPORT_UDP };
	struct outbox outbox = {};
	uint8_t *exact;

	memcpy(octets, data, size);
	if (control & 0x80)
		write_ids(world, octets, size);
	if (control & 3)
		size = sign(octets, size, control & 3,
			    size > 2 && octets[2] & 0x80 ? &world->mac : NULL,
			    world->moment.date / 1000);
	/* Memory of exactly this size: a sanitizer sees the first octet read beyond it. */
	exact = malloc(size ? size : 1);
	must(exact);
	memcpy(exact, octets, size);
	authority_receive(world->authority, &world->moment, &peer, exact, size, &outbox);
	free(exact);
	check_sent(world, &outbox);
	work(world, control & 0x40);
	if ((control & 0x0c) == 0x0c)
		authority_connection_closed(world->authority, &peer);
	if (control & 0x10) {
		authority_free(world->authority);
		start(world);
	}
	if (control & 0x20) {
		world->moment.now += 1000000;
		world->moment.date += 1000000;
	}
	work(world, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader reader = reader_init(data, size);
	struct world world = {
		.options = {
			.zone = ldns_dname_new_frm_str("members.example.org"),
			.server_name = ldns_dname_new_frm_str("ns.example.net"),
			.port = 53,
			.update_lease = { 1800, 7200 },
			.key_lease = { 1800, 604800 },
			.llq_lease = { 900, 7200 },
			.llqs_per_key = 4,
			.llqs_total = 6,
			.push_per_key = 8,
			.push_total = 12,
			.dso_limits = { 30000, 3600000 },
			.tls_port = 853,
			.stream_idle_msec = { 0, 15000, 30000 },
			.channel_binding = read_binding,
		},
		.moment = { 1000000, 1700000000000 },
	};

	for (size_t i = 0; i < sizeof account_secret; i++)
		account_secret[i] = i;
	start(&world);
	for (unsigned int i = 0; i < MESSAGES_MAX && reader_left(&reader) > 3; i++) {
		uint8_t control = reader_u8(&reader);
		size_t length = reader_u16(&reader);

		if (length > reader_left(&reader))
			length = reader_left(&reader);
		run_message(&world, control, reader_take(&reader, length), length);
	}
	authority_free(world.authority);
	memory_storage_clear(&world.storage);
	ldns_rdf_deep_free(world.options.zone);
	ldns_rdf_deep_free(world.options.server_name);
	return 0;
}
