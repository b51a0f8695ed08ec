/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/dns-client/dns-trust.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define PREFIX      "sha256/"
#define BASE64_SIZE 44 /* of 32 octets */

void dns_pin_to_text(const uint8_t pin[static DNS_PIN_SIZE], char text[static DNS_PIN_TEXT_SIZE])
{
	memcpy(text, PREFIX, strlen(PREFIX));
	EVP_EncodeBlock((unsigned char *)text + strlen(PREFIX), pin, DNS_PIN_SIZE);
}

int dns_pins_parse(const char *value, void *field)
{
	struct dns_pins *pins = field;
	uint8_t octets[DNS_PIN_SIZE + 1];

	/* 44 characters of base64 are 33 octets; the one "=" at the end takes the last one away. */
	if (pins->n == DNS_PINS_MAX || strncmp(value, PREFIX, strlen(PREFIX)) != 0)
		return -EINVAL;
	value += strlen(PREFIX);
	if (strlen(value) != BASE64_SIZE || strchr(value, '=') != value + BASE64_SIZE - 1 ||
	    EVP_DecodeBlock(octets, (const unsigned char *)value, BASE64_SIZE) !=
		    (int)sizeof(octets))
		return -EINVAL;
	memcpy(pins->items[pins->n++], octets, DNS_PIN_SIZE);
	return 0;
}

static bool contains(const struct dns_pins *pins, const uint8_t *pin)
{
	for (size_t i = 0; i < pins->n; i++)
		if (memcmp(pins->items[i], pin, DNS_PIN_SIZE) == 0)
			return true;
	return false;
}

enum dns_trust_basis dns_trust_basis(const struct dns_trust *trust)
{
	if (trust->pins.n > 0)
		return DNS_TRUST_BASIS_PINS;
	return trust->tlsa.n > 0 ? DNS_TRUST_BASIS_TLSA : DNS_TRUST_BASIS_PKIX;
}

bool dns_trust_accepts(const struct dns_trust *trust, const struct dns_trust_finding *finding)
{
	if (!finding->seen)
		return false;
	switch (dns_trust_basis(trust)) {
	case DNS_TRUST_BASIS_PINS:
		return contains(&trust->pins, finding->pin);
	case DNS_TRUST_BASIS_TLSA:
		return contains(&trust->tlsa, finding->pin);
	case DNS_TRUST_BASIS_PKIX:
		return finding->pkix_error == X509_V_OK;
	}
	return false;
}

void dns_trust_explain(const struct dns_trust *trust, const struct dns_trust_finding *finding,
		       char *words, size_t size)
{
	char pin[DNS_PIN_TEXT_SIZE];

	if (!finding->seen) {
		snprintf(words, size, "the server %.100s shows no certificate", trust->name);
		return;
	}
	dns_pin_to_text(finding->pin, pin);
	switch (dns_trust_basis(trust)) {
	case DNS_TRUST_BASIS_PINS:
		snprintf(words, size,
			 "the server's certificate has pin %s, none of the pins configured in %s: "
			 "if its key was changed on purpose, put this pin there",
			 pin, trust->config ?: "the configuration");
		return;
	case DNS_TRUST_BASIS_TLSA:
		snprintf(words, size,
			 "the server's certificate has pin %s, not the one that the account's "
			 "server tells of %.60s: somebody is between, or it changed just now",
			 pin, trust->name);
		return;
	case DNS_TRUST_BASIS_PKIX:
		snprintf(words, size,
			 "the server's certificate is not trusted for %.60s (%s%s%.40s): if it is "
			 "right, put pin = %s into %s",
			 trust->name, X509_verify_cert_error_string(finding->pkix_error),
			 finding->subject[0] ? "; it is for " : "", finding->subject, pin,
			 trust->config ?: "the configuration");
		return;
	}
}

/* The first name of the certificate, as far as it is one to show. */
static void read_subject(X509 *certificate, char *text, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const unsigned char *octets;
		size_t n, length;

		if (name->type != GEN_DNS)
			continue;
		octets = ASN1_STRING_get0_data(name->d.dNSName);
		length = ASN1_STRING_length(name->d.dNSName);
		for (n = 0; n < length && n + 1 < size; n++)
			text[n] = octets[n] > ' ' && octets[n] <= '~' ? octets[n] : '?';
		text[n] = 0;
		break;
	}
	GENERAL_NAMES_free(names);
}

static void read_certificate(X509 *certificate, struct dns_trust_finding *finding)
{
	unsigned char *spki = NULL;
	int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);

	if (size > 0 && EVP_Digest(spki, size, finding->pin, NULL, EVP_sha256(), NULL) == 1) {
		read_subject(certificate, finding->subject, sizeof(finding->subject));
		finding->seen = true;
	}
	OPENSSL_free(spki);
}

/* In the place of OpenSSL's own verification of the chain. */
static int verify(X509_STORE_CTX *store, void *userdata)
{
	struct dns_trust_check *check = userdata;
	struct dns_trust_finding *finding = &check->finding;
	X509 *certificate = X509_STORE_CTX_get0_cert(store);

	memset(finding, 0, sizeof(*finding));
	if (certificate)
		read_certificate(certificate, finding);
	if (dns_trust_basis(&check->trust) == DNS_TRUST_BASIS_PKIX) {
		/* The chain, the dates, the purpose, the name: all as set below. */
		if (X509_verify_cert(store) == 1)
			return finding->seen;
		finding->pkix_error = X509_STORE_CTX_get_error(store);
		return 0;
	}
	if (dns_trust_accepts(&check->trust, finding))
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

int dns_trust_apply(struct dns_trust_check *check, SSL_CTX *context, SSL *ssl)
{
	const char *name = check->trust.name;

	SSL_CTX_set_cert_verify_callback(context, verify, check);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	if (name[0] && SSL_set_tlsext_host_name(ssl, name) != 1)
		return -EIO;
	if (dns_trust_basis(&check->trust) != DNS_TRUST_BASIS_PKIX)
		return 0;
	/* Without a name any certificate would be the right one. */
	if (!name[0] || SSL_CTX_set_default_verify_paths(context) != 1 ||
	    SSL_set1_host(ssl, name) != 1)
		return -EIO;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
				       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return 0;
}
