/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A load generator for DNS servers: signed queries and UPDATEs at full speed, long-lived queries
 * and Push subscriptions by the ten thousand. What it sends is built and signed before the clock
 * starts wherever that is possible, so that the server is what is measured. Times are nanoseconds
 * of CLOCK_REALTIME, which is also what the kernel stamps datagrams with.
 */
#include "common/base/cleanup.h"
#include "common/dns/dns-builder.h"
#include "common/dns/dns-options.h"

#include <netinet/in.h>
#include <openssl/evp.h>
#include <stdio.h>

#define LOAD_MESSAGE_MAX 768
#define LOAD_MAC_SIZE    32
#define LOAD_BATCH       64
#define LOAD_MSEC        1000000ull
#define LOAD_SECOND      1000000000ull

uint64_t load_now(void);
/* Says it on stderr and exits 1: for what makes a measurement impossible. */
_Noreturn void load_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Keys and messages --------------------------------------------------------------------------- */

struct load_key {
	struct dns_tsig_key key; /* HMAC-SHA256; for dns_tsig_verify() */
	struct dns_name domain;  /* of the account: what its names are below */
	uint8_t secret[64];
	EVP_MAC_CTX *hmac; /* keyed; each signature works on a copy */
};

struct load_keys {
	struct load_key *items;
	size_t n;
};

/* Each line of the file: domain, name of the key, secret in Base64. Dies when it cannot. */
void load_keys_read(const char *path, struct load_keys *ret);
void load_keys_clear(struct load_keys *keys);

/* Appends TSIG to the message; `prior` (LOAD_MAC_SIZE octets or NULL) as for dns_tsig_sign(). */
void load_sign(struct writer *message, const struct load_key *key, const uint8_t *prior,
	       uint64_t seconds);
/* The MAC in what load_sign() made. */
const uint8_t *load_mac_of(const struct writer *message);
/* Whether the answer is signed with the key, over `prior` when that is not NULL. */
bool load_verify(const uint8_t *message, size_t size, const struct load_key *key,
		 const uint8_t *prior);

/* The service name of a host, _autotunnel._udp.host<number>.<domain>. */
void load_host_name(const struct load_key *key, unsigned int host, struct dns_name *ret);
/* A question for its SRV record. */
void load_build_query(struct writer *message, const struct load_key *key, unsigned int host,
		      uint16_t id, uint64_t seconds);
/* Replaces its SRV record by one with this port, with a lease of two hours. `zone` NULL: the
 * account's domain. */
void load_build_update(struct writer *message, const struct load_key *key,
		       const struct dns_name *zone, unsigned int host, uint16_t port, uint16_t id,
		       uint64_t seconds);
/* Anything about one LLQ. */
void load_build_llq(struct writer *message, const struct load_key *key, unsigned int host,
		    uint16_t id, uint16_t flags, const struct dns_llq *llq, const uint8_t *prior,
		    uint64_t seconds);

/* A question for the SOA of the key's domain that says which TLS connection it came by. */
void load_build_binding(struct writer *message, const struct load_key *key, uint16_t id,
			const uint8_t binding[static DNS_CHANNEL_BINDING_SIZE], uint64_t seconds);

/* What a received message says, read without making objects of it. */
struct load_outline {
	uint16_t id;
	uint16_t flags;
	uint16_t n_answers;
	bool has_llq;
	struct dns_llq llq;
	const uint8_t *mac; /* NULL: not signed */
};
bool load_scan(const uint8_t *message, size_t size, struct load_outline *ret);

/* Figures --------------------------------------------------------------------------------------
 */

struct load_series {
	uint64_t *items; /* nanoseconds */
	size_t n;
	size_t capacity;
};
void load_series_add(struct load_series *series, uint64_t value);
/* `"name": {"p50_ms": …, "p99_ms": …, "p999_ms": …, "max_ms": …}`; sorts. */
void load_series_print(struct load_series *series, const char *name, FILE *out);
void load_series_clear(struct load_series *series);
/* Processor seconds of this process so far. */
double load_processor_time(void);

/* What is done --------------------------------------------------------------------------------- */

struct load_options {
	struct sockaddr_in server;
	struct sockaddr_in tls;
	struct load_keys keys;
	struct dns_name zone; /* size 0: each account is its own */
	unsigned int hosts;   /* per key */
	size_t count;
	unsigned int window;
	unsigned int sockets;
	unsigned int verify; /* each so-manieth answer's signature is checked; 0: none */
	size_t llqs;
	size_t pushes;
	in_addr_t from; /* first source address of subscriptions */
};

enum load_kind {
	LOAD_QUERY,
	LOAD_UPDATE,
};
/* Sends `count` requests and prints what came of them. 0: all were answered NOERROR. */
int load_requests(const struct load_options *options, enum load_kind kind);
/* Sets up the subscriptions, says so, and then does what the lines on stdin say. */
int load_subscribe(const struct load_options *options);

/* Subscription i, of whatever kind, is about this host of this key. */
struct load_subject {
	const struct load_key *key;
	unsigned int host;
};
struct load_subject load_subject(const struct load_options *options, size_t i);

/* What has a descriptor in the session's epoll; the first member of what owns it. */
struct load_watch {
	int fd;
	void (*ready)(struct load_watch *watch, uint32_t events);
};

/* What all subscriptions of a process have in common. */
struct load_session {
	const struct load_options *options;
	int epoll;
	size_t n_live;
	size_t n_failed;
	/* Of the change under way. */
	uint64_t changed; /* when it was sent; 0: none is */
	uint32_t change;  /* its number */
	size_t n_arrived;
	uint64_t first;
	uint64_t last;
	struct load_series times;
	/* Since the start. */
	size_t n_events;
	size_t n_repeated; /* events sent again */
	size_t n_verified;
	size_t n_bad_signatures;
};
void load_session_watch(struct load_session *session, struct load_watch *watch, uint32_t events);
/* A subscriber learned something at `when`. */
void load_session_event(struct load_session *session, uint64_t when);

struct load_llqs;
struct load_llqs *load_llqs_new(struct load_session *session);
struct load_llqs *load_llqs_free(struct load_llqs *llqs);
/* Goes on with the setups, as many at once as the window says. True: all are live or failed. */
bool load_llqs_step(struct load_llqs *llqs);

struct load_pushes;
struct load_pushes *load_pushes_new(struct load_session *session);
struct load_pushes *load_pushes_free(struct load_pushes *pushes);
bool load_pushes_step(struct load_pushes *pushes);
/* Milliseconds that the server granted; 0: nothing was said. */
uint32_t load_pushes_keepalive(const struct load_pushes *pushes);
