/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whether a server's certificate is the right one. The first of these that there is decides, alone:
 *
 *  1. pins of the configuration (RFC 7858 §4.2): SHA-256 over the server's public key;
 *  2. TLSA records 3 1 1 (RFC 6698) from an answer that was signed with this host's TSIG key: who
 *     knows that key is the account's server, so a self-signed certificate needs no configuration;
 *  3. where such an answer has no TLSA record, the system's certificate authorities, and a dNSName
 *     of the certificate that is the name of the SRV record's target (RFC 9525; the common name
 *     never counts).
 *
 * With the first two, as RFC 7671 §5.1 has it for 3 1 1, names and dates in the certificate say
 * nothing. There is no fourth: a server is never taken unchecked.
 */
#include "common/base/cleanup.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_PIN_SIZE      32
#define DNS_PIN_TEXT_SIZE 52 /* "sha256/", base64, NUL */
#define DNS_PINS_MAX      8

struct dns_pins {
	size_t n;
	uint8_t items[DNS_PINS_MAX][DNS_PIN_SIZE];
};

/* What is known of a server before it is spoken to. */
struct dns_trust {
	struct dns_pins pins; /* configured */
	struct dns_pins tlsa; /* of its records */
	char name[256];       /* target of its SRV record, without the final dot */
	const char *config;   /* the file that pins go into, for words; borrowed */
};

/* What its certificate turned out to be. */
struct dns_trust_finding {
	bool seen;                 /* there was one */
	uint8_t pin[DNS_PIN_SIZE]; /* of its public key */
	char subject[128];         /* its first dNSName; empty: none */
	int pkix_error;            /* X509_V_…, when the authorities decide */
};

enum dns_trust_basis {
	DNS_TRUST_BASIS_PINS,
	DNS_TRUST_BASIS_TLSA,
	DNS_TRUST_BASIS_PKIX,
};
enum dns_trust_basis dns_trust_basis(const struct dns_trust *trust);
bool dns_trust_accepts(const struct dns_trust *trust, const struct dns_trust_finding *finding);
/* Why not, and what to do about it, in a sentence without an end. */
void dns_trust_explain(const struct dns_trust *trust, const struct dns_trust_finding *finding,
		       char *words, size_t size);

/* For one connection. */
struct dns_trust_check {
	struct dns_trust trust;
	struct dns_trust_finding finding; /* filled in the handshake */
};

/* Makes this connection's handshake end where the certificate is not accepted, and sets the name
 * sent with it (SNI). `context` is used for nothing else; `check` must live as long as it does.
 * 0 or -EIO. */
int dns_trust_apply(struct dns_trust_check *check, SSL_CTX *context, SSL *ssl);

/* "sha256/" and base64, with the NUL. */
void dns_pin_to_text(const uint8_t pin[static DNS_PIN_SIZE], char text[static DNS_PIN_TEXT_SIZE]);
/* Adds one pin to a struct dns_pins; for CONFIG_CUSTOM. 0 or -EINVAL. */
int dns_pins_parse(const char *value, void *field);
#define DNS_PINS_EXPECTED "sha256/ and the base64 of 32 octets, at most eight times"
