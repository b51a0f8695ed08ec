/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Domain names as uncompressed octets (RFC 1035 §3.1), for where an ldns_rdf is too much: TSIG
 * works on octets. ldns_rdf_data() of an LDNS_RDF_TYPE_DNAME holds the same form.
 */
#include "common/wire/cursor.h"

#include <ldns/ldns.h>

#define DNS_NAME_SIZE_MAX 255

struct dns_name {
	uint8_t size; /* 1 to 255, the root label counted */
	uint8_t octets[DNS_NAME_SIZE_MAX];
};

/* Reads a name. The reader's data begins with the message's header, so that compression pointers
 * mean something; each must point further back than all before it. On failure the reader has
 * failed. */
void dns_name_read(struct reader *reader, bool compressed, struct dns_name *ret);
void dns_name_write(struct writer *writer, const struct dns_name *name);
/* A to Z become a to z: the canonical form (RFC 4034 §6.2). */
void dns_name_lower(struct dns_name *name);
/* Without regard to case. */
bool dns_name_equal(const struct dns_name *a, const struct dns_name *b);
/* `text` with or without the final dot; no escapes. 0 or -EINVAL. */
int dns_name_from_text(const char *text, struct dns_name *ret);
int dns_name_from_rdf(const ldns_rdf *rdf, struct dns_name *ret);
/* A name as text without the final dot ("." for the root); octets other than letters, digits, "-"
 * and
 * "_" are escaped as \DDD. Always ends with NUL; -ENOBUFS when cut. 1021 octets are always enough.
 */
int dns_name_to_text(const struct dns_name *name, char *text, size_t size);
#define DNS_NAME_TEXT_SIZE 1021
