/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/zoned/server-fixture.h"

#include "common/keys/account-keys.h"
#include "tests/unit/zoned/unit.h"

static uint8_t account_secret[ACCOUNT_KEY_SIZE];
static enum dns_tsig_algorithm algorithm;

void fixture_set_algorithm(enum dns_tsig_algorithm wanted)
{
	algorithm = wanted;
}

void fixture_add_account(struct fixture *fixture)
{
	assert_int_equal(authority_add_account(fixture->authority, FIXTURE_ACCOUNT, FIXTURE_DOMAIN,
					       account_secret, sizeof account_secret),
			 0);
	memory_storage_load(&fixture->storage, fixture->authority, FIXTURE_ACCOUNT,
			    &fixture->moment);
	assert_int_equal(
		authority_complete_account(fixture->authority, FIXTURE_ACCOUNT, &fixture->moment),
		0);
}

static void make_authority(struct fixture *fixture)
{
	assert_int_equal(authority_new(&fixture->options, &fixture->authority), 0);
	fixture_add_account(fixture);
}

void fixture_start(struct fixture *fixture)
{
	ldns_rr *address;

	fixture_set_algorithm(DNS_TSIG_ALGORITHM_HMAC_SHA256);
	for (size_t i = 0; i < sizeof account_secret; i++)
		account_secret[i] = i;
	*fixture = (struct fixture){
		.options = {
			.zone = ldns_dname_new_frm_str("members.example.org"),
			.server_name = ldns_dname_new_frm_str("ns.members.example.org"),
			.server_addresses = ldns_rr_list_new(),
			.port = 53,
			.serial = 1,
			.update_lease = { 1800, 7200 },
			.key_lease = { 1800, 604800 },
			.llq_lease = { 900, 7200 },
			.llqs_per_key = 4,
			.llqs_total = 6,
			.llq_secret = "thirty-two octets nobody guesses",
		},
		.moment = { 1000000, 1700000000000 },
		.peer = { .remote = { { 192, 0, 2, 7 }, 40000, 4 },
			  .local = { { 192, 0, 2, 53 }, 53, 4 } },
	};
	assert_int_equal(ldns_rr_new_frm_str(&address, "ns.members.example.org. 3600 A 192.0.2.53",
					     0, NULL, NULL),
			 LDNS_STATUS_OK);
	ldns_rr_list_push_rr(fixture->options.server_addresses, address);
	make_authority(fixture);
}

void fixture_stop(struct fixture *fixture)
{
	authority_free(fixture->authority);
	memory_storage_clear(&fixture->storage);
	outbox_clear(&fixture->outbox);
	ldns_rdf_deep_free(fixture->options.zone);
	ldns_rdf_deep_free(fixture->options.server_name);
	ldns_rr_list_deep_free(fixture->options.server_addresses);
}

void fixture_restart(struct fixture *fixture)
{
	authority_free(fixture->authority);
	fixture->options.llq_secret[0]++;
	make_authority(fixture);
}

void fixture_work(struct fixture *fixture)
{
	for (unsigned int i = 0; i < 100; i++) {
		struct change_list changes = {};
		int r;

		if (authority_next_due(fixture->authority, &fixture->moment) > fixture->moment.now)
			return;
		authority_tick(fixture->authority, &fixture->moment, &fixture->outbox);
		r = authority_begin(fixture->authority, &fixture->moment, &changes);
		assert_true(r >= 0);
		while (r == AUTHORITY_PUBLISH)
			r = authority_resume(fixture->authority, &fixture->moment,
					     fixture->publish(fixture), &changes);
		if (r == 0)
			continue;
		assert_true(authority_is_busy(fixture->authority));
		if (fixture->fails_to_commit)
			change_list_clear(&changes);
		else
			memory_storage_apply(&fixture->storage, &changes);
		authority_finish(fixture->authority, &fixture->moment, !fixture->fails_to_commit,
				 &fixture->outbox);
	}
	fail_msg("the authority never comes to rest");
}

static bool sleep_until(struct fixture *fixture, uint64_t end, bool stop_when_sent)
{
	for (;;) {
		uint64_t due = authority_next_due(fixture->authority, &fixture->moment);
		uint64_t next = due < end ? due : end;

		if (next > fixture->moment.now) {
			fixture->moment.date += next - fixture->moment.now;
			fixture->moment.now = next;
		}
		fixture_work(fixture);
		if (stop_when_sent && fixture->outbox.n)
			return true;
		if (next == end)
			return false;
	}
}

void fixture_sleep(struct fixture *fixture, uint64_t msec)
{
	sleep_until(fixture, fixture->moment.now + msec, false);
}

bool fixture_sleep_until_sent(struct fixture *fixture, uint64_t msec)
{
	return sleep_until(fixture, fixture->moment.now + msec, true);
}

void fixture_clear_outbox(struct fixture *fixture)
{
	outbox_clear(&fixture->outbox);
}

const struct dns_tsig_key *fixture_key(const char *key_name)
{
	static uint8_t secret[ACCOUNT_KEY_SIZE];
	static struct dns_tsig_key key;

	memcpy(secret, account_secret, sizeof secret);
	if (strcmp(key_name, FIXTURE_DOMAIN) != 0) {
		cleanup(secret_freep) struct secret *account = NULL, *host = NULL;

		assert_int_equal(secret_new_copy(account_secret, sizeof account_secret, &account),
				 0);
		assert_int_equal(account_keys_derive_host_tsig(account, key_name, &host), 0);
		memcpy(secret, host->data, sizeof secret);
	}
	assert_int_equal(dns_name_from_text(key_name, &key.name), 0);
	key.algorithm = algorithm;
	key.secret = secret;
	key.secret_size = sizeof secret;
	return &key;
}

/* Messages ---------------------------------------------------------------------------------------
 */

ldns_rdf *exchange_name(const char *text)
{
	cleanup(freep) char *full = NULL;
	ldns_rdf *name;

	if (text[0] && text[strlen(text) - 1] == '.')
		full = strdup(text);
	else if (strcmp(text, "@") == 0)
		full = strdup(FIXTURE_DOMAIN ".");
	else if (asprintf(&full, "%s." FIXTURE_DOMAIN ".", text) < 0)
		abort();
	name = ldns_dname_new_frm_str(full);
	assert_non_null(name);
	return name;
}

ldns_rr *exchange_rr(const char *text)
{
	ldns_rdf *origin = ldns_dname_new_frm_str(FIXTURE_DOMAIN ".");
	ldns_rr *rr;

	assert_int_equal(ldns_rr_new_frm_str(&rr, text, 10, origin, NULL), LDNS_STATUS_OK);
	ldns_rdf_deep_free(origin);
	return rr;
}

void exchange_begin_query(struct exchange *exchange, const char *name, ldns_rr_type type)
{
	ldns_rdf *question = exchange_name(name);

	exchange->answer = NULL;
	dns_builder_init(&exchange->builder, exchange->octets, sizeof exchange->octets, 0x1234, 0);
	dns_builder_add_question(&exchange->builder, question, type, LDNS_RR_CLASS_IN);
	ldns_rdf_deep_free(question);
}

void exchange_begin_update(struct exchange *exchange)
{
	ldns_rdf *zone = exchange_name("@");

	exchange->answer = NULL;
	dns_update_begin(&exchange->builder, exchange->octets, sizeof exchange->octets, 0x4242,
			 zone);
	ldns_rdf_deep_free(zone);
}

void exchange_add_lease(struct exchange *exchange, uint32_t lease)
{
	struct dns_update_lease option = { .lease = lease };

	dns_update_add_lease(&exchange->builder, &option);
}

void exchange_add(struct exchange *exchange, const char *text)
{
	ldns_rr *rr = exchange_rr(text);

	dns_update_add(&exchange->builder, rr);
	ldns_rr_free(rr);
}

void exchange_delete(struct exchange *exchange, const char *text)
{
	ldns_rr *rr = exchange_rr(text);

	dns_update_delete_rr(&exchange->builder, rr);
	ldns_rr_free(rr);
}

void exchange_delete_rrset(struct exchange *exchange, const char *name, ldns_rr_type type)
{
	ldns_rdf *owner = exchange_name(name);

	if (type == LDNS_RR_TYPE_ANY)
		dns_update_delete_name(&exchange->builder, owner);
	else
		dns_update_delete_rrset(&exchange->builder, owner, type);
	ldns_rdf_deep_free(owner);
}

static void check_signature(struct fixture *fixture, const struct reply *reply,
			    struct exchange *exchange, const char *key_name)
{
	struct dns_tsig tsig;

	if (!key_name) {
		assert_int_equal(dns_tsig_find(reply->data, reply->size, &tsig), 0);
		return;
	}
	assert_int_equal(dns_tsig_find(reply->data, reply->size, &tsig), 1);
	assert_int_equal(dns_tsig_verify(reply->data, &tsig, fixture_key(key_name), &exchange->mac,
					 fixture->moment.date / 1000, 0),
			 DNS_TSIG_RESULT_OK);
}

int fixture_send(struct fixture *fixture, struct exchange *exchange, const char *key_name)
{
	struct dns_builder *builder = &exchange->builder;
	size_t before = fixture->outbox.n;
	const struct reply *reply;
	int size;

	size = key_name ? dns_builder_sign(builder, fixture_key(key_name), NULL,
					   fixture->moment.date / 1000, &exchange->mac)
			: dns_builder_finish(builder);
	assert_true(size > 0);
	authority_receive(fixture->authority, &fixture->moment, &fixture->peer, exchange->octets,
			  size, &fixture->outbox);
	fixture_work(fixture);
	/* Orders about the connection may come first. */
	while (before < fixture->outbox.n && fixture->outbox.items[before].kind != REPLY_SEND)
		before++;
	if (fixture->outbox.n == before)
		return -1;
	reply = &fixture->outbox.items[before];
	assert_memory_equal(&reply->peer, &fixture->peer, sizeof reply->peer);
	assert_int_equal(reply->data[0] << 8 | reply->data[1],
			 exchange->octets[0] << 8 | exchange->octets[1]);
	check_signature(fixture, reply, exchange, key_name);
	assert_int_equal(dns_message_parse(reply->data, reply->size, &exchange->answer), 0);
	assert_true(exchange->answer->flags & DNS_FLAG_QR);
	return exchange->answer->rcode;
}

void exchange_clear(struct exchange *exchange)
{
	exchange->answer = dns_message_free(exchange->answer);
}

int fixture_count(struct fixture *fixture, const char *name, ldns_rr_type type)
{
	struct exchange exchange;
	int rcode, n;

	exchange_begin_query(&exchange, name, type);
	rcode = fixture_send(fixture, &exchange, FIXTURE_DOMAIN);
	n = dns_message_count(exchange.answer, DNS_SECTION_ANSWER);
	assert_true(rcode == LDNS_RCODE_NOERROR || rcode == LDNS_RCODE_NXDOMAIN);
	assert_true(exchange.answer->flags & DNS_FLAG_AA);
	exchange_clear(&exchange);
	fixture_clear_outbox(fixture);
	return rcode == LDNS_RCODE_NXDOMAIN ? -1 : n;
}

uint32_t fixture_serial(struct fixture *fixture)
{
	struct exchange exchange;
	uint32_t serial;

	exchange_begin_query(&exchange, "@", LDNS_RR_TYPE_SOA);
	assert_int_equal(fixture_send(fixture, &exchange, FIXTURE_DOMAIN), LDNS_RCODE_NOERROR);
	serial = ldns_rdf2native_int32(
		ldns_rr_rdf(dns_message_rr(exchange.answer, DNS_SECTION_ANSWER, 0), 2));
	exchange_clear(&exchange);
	fixture_clear_outbox(fixture);
	return serial;
}

int fixture_add(struct fixture *fixture, const char *key_name, uint32_t lease, const char *text)
{
	struct exchange exchange;
	int rcode;

	exchange_begin_update(&exchange);
	exchange_add(&exchange, text);
	if (lease)
		exchange_add_lease(&exchange, lease);
	rcode = fixture_send(fixture, &exchange, key_name);
	exchange_clear(&exchange);
	return rcode;
}
