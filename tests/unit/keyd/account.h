/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An account made for a test: an Ed25519 key with its certificate, and hosts with certificates by
 * it. */
#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define TEST_DOMAIN "alice.members.example.org"
/* Certificates of tests are valid around this moment. */
#define TEST_REALTIME 1800000000

struct test_octets {
	uint8_t data[2048];
	size_t size;
};

struct test_account {
	EVP_PKEY *key;
	struct test_octets certificate;
};

struct test_host {
	EVP_PKEY *key;
	struct test_octets certificate;
};

/* Aborts on failure, as all of these. */
void test_account_make(struct test_account *account, const char *domain);
/* The same octets each time. */
void test_account_make_seeded(struct test_account *account, const char *domain,
			      const uint8_t seed[32]);
void test_account_drop(struct test_account *account);

struct test_host_options {
	const char *names; /* "DNS:desktop.alice...,DNS:AutoTunnel-...": the subject alternative
			      names */
	const char *constraints;    /* NULL: "critical,CA:FALSE" */
	long not_before, not_after; /* seconds from TEST_REALTIME; both 0: one day around it */
	unsigned int rsa;           /* 1024 or 2048: an RSA key of so many bits instead of P-256 */
	const uint8_t *seed;        /* 32 octets: an Ed25519 key from them instead of P-256 */
	uint64_t issued;            /* not 0: said by the serial number */
};

void test_host_make(struct test_host *host, const struct test_account *account,
		    const struct test_host_options *options);
void test_host_drop(struct test_host *host);

/* ECDSA with SHA-256, DER, as identity's Sign. */
void test_host_sign(const struct test_host *host, const uint8_t *octets, size_t size,
		    struct test_octets *ret);
