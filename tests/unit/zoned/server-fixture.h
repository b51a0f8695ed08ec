/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An authority with one account, a clock that the test moves, and clients that sign. */
#include "common/dns/dns-update.h"
#include "services/zoned/authority.h"
#include "tests/unit/zoned/memory-storage.h"

#define FIXTURE_ACCOUNT 1
#define FIXTURE_DOMAIN  "alice.members.example.org"
#define DESKTOP_KEY     "1a2b3c4d.desktop." FIXTURE_DOMAIN
#define LAPTOP_KEY      "5e6f7081.laptop." FIXTURE_DOMAIN

struct fixture {
	struct authority_options options;
	struct authority *authority;
	struct memory_storage storage;
	struct moment moment;
	struct outbox outbox; /* what was sent since fixture_clear_outbox() */
	struct peer peer;     /* of the client that speaks next */
	bool fails_to_commit;
	/* Where the records are in a primary: what becomes of authority_updates(). */
	int (*publish)(struct fixture *fixture);
	void *primary;
};

void fixture_start(struct fixture *fixture);
/* The account with what is stored of it, after authority_forget_account(). */
void fixture_add_account(struct fixture *fixture);
void fixture_stop(struct fixture *fixture);
/* The process is killed and started again. */
void fixture_restart(struct fixture *fixture);
/* Lets time pass, doing at each moment what is due then, to the end or until something is sent. */
void fixture_sleep(struct fixture *fixture, uint64_t msec);
bool fixture_sleep_until_sent(struct fixture *fixture, uint64_t msec);
/* Ticks and transactions until nothing is due now. */
void fixture_work(struct fixture *fixture);
void fixture_clear_outbox(struct fixture *fixture);

/* The key of this name: the account's domain or a host's. Static memory, good until the next call.
 */
const struct dns_tsig_key *fixture_key(const char *key_name);
/* Of fixture_key() from now on; fixture_start() sets HMAC-SHA256. */
void fixture_set_algorithm(enum dns_tsig_algorithm algorithm);

/* One message out, built by the test, signed unless `key_name` is NULL; work until all is answered.
 */
struct exchange {
	uint8_t octets[DNS_MESSAGE_SIZE_MAX];
	struct dns_builder builder;
	struct dns_tsig_mac mac;
	struct dns_message *answer; /* of the last fixture_send() */
};
void exchange_begin_query(struct exchange *exchange, const char *name, ldns_rr_type type);
void exchange_begin_update(struct exchange *exchange);
void exchange_add_lease(struct exchange *exchange, uint32_t lease);
/* "desktop A 192.0.2.1", names relative to the account unless they end with a dot; TTL 10. */
ldns_rr *exchange_rr(const char *text);
ldns_rdf *exchange_name(const char *text);
void exchange_add(struct exchange *exchange, const char *text);
void exchange_delete(struct exchange *exchange, const char *text);
void exchange_delete_rrset(struct exchange *exchange, const char *name, ldns_rr_type type);

/* Sends; the answer must be signed (if the request was) and by the right key. Its RCODE, or -1 when
 * there is no answer. */
int fixture_send(struct fixture *fixture, struct exchange *exchange, const char *key_name);
void exchange_clear(struct exchange *exchange);

/* How many records of this kind the account's key sees; -1 for NXDOMAIN. */
int fixture_count(struct fixture *fixture, const char *name, ldns_rr_type type);
uint32_t fixture_serial(struct fixture *fixture);
/* One UPDATE that adds one record; the RCODE. */
int fixture_add(struct fixture *fixture, const char *key_name, uint32_t lease, const char *text);
