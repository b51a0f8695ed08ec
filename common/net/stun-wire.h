/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * STUN Binding messages (RFC 8489) with what RFC 5780 adds to find out how a NAT behaves. Nothing
 * is authenticated: what a server says is a hint (docs/ARCHITECTURE.md, "What kind of NAT").
 */
#include "common/wire/cursor.h"

#define STUN_PORT          3478
#define STUN_COOKIE        0x2112a442
#define STUN_HEADER_SIZE   20
#define STUN_TXID_SIZE     12
#define STUN_UNKNOWN_LIMIT 8
/* Larger ones are not ours: RFC 8489 §6.1 keeps messages below 548 octets where the path is not
 * known, and PADDING is there to be a little more than an Ethernet takes. */
#define STUN_MESSAGE_LIMIT 2048

enum stun_type {
	STUN_REQUEST = 0x0001,
	STUN_INDICATION = 0x0011,
	STUN_SUCCESS = 0x0101,
	STUN_ERROR = 0x0111,
};

enum stun_attribute {
	STUN_MAPPED_ADDRESS = 0x0001,
	STUN_CHANGE_REQUEST = 0x0003,
	STUN_USERNAME = 0x0006,
	STUN_MESSAGE_INTEGRITY = 0x0008,
	STUN_ERROR_CODE = 0x0009,
	STUN_UNKNOWN_ATTRIBUTES = 0x000a,
	STUN_REALM = 0x0014,
	STUN_NONCE = 0x0015,
	STUN_MESSAGE_INTEGRITY_SHA256 = 0x001c,
	STUN_XOR_MAPPED_ADDRESS = 0x0020,
	STUN_PADDING = 0x0026,
	STUN_RESPONSE_PORT = 0x0027,
	STUN_SOFTWARE = 0x8022,
	STUN_FINGERPRINT = 0x8028,
	STUN_RESPONSE_ORIGIN = 0x802b,
	STUN_OTHER_ADDRESS = 0x802c,
};

/* From here on an attribute may be passed over by who does not know it. */
#define STUN_OPTIONAL_ATTRIBUTES 0x8000

#define STUN_BAD_REQUEST       400
#define STUN_UNKNOWN_ATTRIBUTE 420

struct stun_address {
	uint8_t family; /* 4, 6, or 0: absent */
	uint16_t port;  /* host order */
	uint8_t octets[16];
};

struct stun_message {
	uint16_t type; /* enum stun_type */
	uint8_t txid[STUN_TXID_SIZE];
	struct stun_address xor_mapped, mapped, response_origin, other_address;
	bool has_change_request, change_address, change_port;
	bool has_response_port;
	uint16_t response_port;
	bool has_padding;
	bool has_fingerprint; /* and it was right */
	uint16_t error;       /* 300 to 699; 0: no ERROR-CODE */
	/* The first of those that must be understood and are not (§6.3.1). */
	uint16_t unknown[STUN_UNKNOWN_LIMIT];
	size_t n_unknown;
};

/* 0, or -EBADMSG for what is no Binding message or is malformed. */
int stun_parse(const void *octets, size_t size, struct stun_message *ret);

/* Whether this may be a STUN message at all, among others on the same socket (§5). */
bool stun_is_message(const void *octets, size_t size);

/* What others see, as the server says: XOR-MAPPED-ADDRESS, or else MAPPED-ADDRESS. Family 0: it
 * does not. */
const struct stun_address *stun_reflexive(const struct stun_message *message);

/* Writing: begin, attributes, end. The writer's error sticks (common/wire/cursor.h); the message
 * begins at the writer's position 0. */
void stun_begin(struct writer *writer, uint16_t type, const uint8_t txid[STUN_TXID_SIZE]);
void stun_put_address(struct writer *writer, uint16_t attribute,
		      const struct stun_address *address);
void stun_put_xor_mapped(struct writer *writer, const struct stun_address *address,
			 const uint8_t txid[STUN_TXID_SIZE]);
void stun_put_change_request(struct writer *writer, bool address, bool port);
void stun_put_response_port(struct writer *writer, uint16_t port);
/* So many octets, rounded up to four. */
void stun_put_padding(struct writer *writer, size_t size);
void stun_put_error(struct writer *writer, uint16_t error, const char *reason);
void stun_put_unknown_attributes(struct writer *writer, const uint16_t *attributes, size_t n);
/* The last attribute. */
void stun_put_fingerprint(struct writer *writer);
/* Sets the length. Returns the size, or -ENOBUFS. */
int stun_end(struct writer *writer);
