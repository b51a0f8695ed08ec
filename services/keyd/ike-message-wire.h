/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * IKEv2 messages as octets (RFC 7296 §3): the header, the chain of payloads, and the payloads whose
 * form does not depend on anything negotiated. The SA payload is in ike-proposal-wire.h, encryption
 * in ike-crypto.h. Readers borrow from the message; nothing here allocates.
 */
#include "common/wire/cursor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IKE_HEADER_SIZE       28
#define IKE_VERSION           0x20
#define IKE_MESSAGE_LIMIT     8192 /* octets of one message, either way */
#define IKE_PAYLOADS_LIMIT    32   /* payloads of one message */
#define IKE_SELECTORS_LIMIT   8    /* traffic selectors of one payload */
#define IKE_NOTIFY_SPI_LIMIT  8
#define IKE_CERTIFICATE_X509  4  /* encoding "X.509 Certificate - Signature" (§3.6) */
#define IKE_METHOD_SHARED_KEY 2  /* shared key message integrity code */
#define IKE_METHOD_SIGNATURE  14 /* digital signature (RFC 7427) */
#define IKE_ID_FQDN           2
#define IKE_SELECTOR_IPV6     8
#define IKE_SPI_SIZE_IKE      8
#define IKE_SPI_SIZE_ESP      4
#define IKE_NONCE_MINIMUM     16
#define IKE_NONCE_MAXIMUM     256
#define IKE_COOKIE_LIMIT      64

enum ike_exchange {
	IKE_EXCHANGE_SA_INIT = 34,
	IKE_EXCHANGE_AUTH = 35,
	IKE_EXCHANGE_CREATE_CHILD_SA = 36,
	IKE_EXCHANGE_INFORMATIONAL = 37,
	IKE_EXCHANGE_SESSION_RESUME = 38,
	IKE_EXCHANGE_INTERMEDIATE = 43,
	IKE_EXCHANGE_FOLLOWUP_KE = 44,
};

enum ike_flag {
	IKE_FLAG_INITIATOR = 0x08, /* the sender began the IKE SA (not: this exchange) */
	IKE_FLAG_VERSION = 0x10,
	IKE_FLAG_RESPONSE = 0x20,
};

enum ike_payload_type {
	IKE_PAYLOAD_NONE = 0,
	IKE_PAYLOAD_SA = 33,
	IKE_PAYLOAD_KE = 34,
	IKE_PAYLOAD_IDI = 35,
	IKE_PAYLOAD_IDR = 36,
	IKE_PAYLOAD_CERT = 37,
	IKE_PAYLOAD_CERTREQ = 38,
	IKE_PAYLOAD_AUTH = 39,
	IKE_PAYLOAD_NONCE = 40,
	IKE_PAYLOAD_NOTIFY = 41,
	IKE_PAYLOAD_DELETE = 42,
	IKE_PAYLOAD_VENDOR = 43,
	IKE_PAYLOAD_TSI = 44,
	IKE_PAYLOAD_TSR = 45,
	IKE_PAYLOAD_SK = 46,
	IKE_PAYLOAD_CP = 47,
	IKE_PAYLOAD_EAP = 48,
	IKE_PAYLOAD_SKF = 53,
};

enum ike_protocol {
	IKE_PROTOCOL_NONE = 0,
	IKE_PROTOCOL_IKE = 1,
	IKE_PROTOCOL_AH = 2,
	IKE_PROTOCOL_ESP = 3,
};

/* Below 16384: errors. */
enum ike_notify_type {
	IKE_NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD = 1,
	IKE_NOTIFY_INVALID_IKE_SPI = 4,
	IKE_NOTIFY_INVALID_MAJOR_VERSION = 5,
	IKE_NOTIFY_INVALID_SYNTAX = 7,
	IKE_NOTIFY_INVALID_MESSAGE_ID = 9,
	IKE_NOTIFY_NO_PROPOSAL_CHOSEN = 14,
	IKE_NOTIFY_INVALID_KE_PAYLOAD = 17,
	IKE_NOTIFY_AUTHENTICATION_FAILED = 24,
	IKE_NOTIFY_SINGLE_PAIR_REQUIRED = 34,
	IKE_NOTIFY_NO_ADDITIONAL_SAS = 35,
	IKE_NOTIFY_TS_UNACCEPTABLE = 38,
	IKE_NOTIFY_UNACCEPTABLE_ADDRESSES = 40,
	IKE_NOTIFY_UNEXPECTED_NAT_DETECTED = 41,
	IKE_NOTIFY_TEMPORARY_FAILURE = 43,
	IKE_NOTIFY_CHILD_SA_NOT_FOUND = 44,
	IKE_NOTIFY_STATUS = 16384, /* the first that is no error */
	IKE_NOTIFY_INITIAL_CONTACT = 16384,
	IKE_NOTIFY_SET_WINDOW_SIZE = 16385,
	IKE_NOTIFY_NAT_DETECTION_SOURCE_IP = 16388,
	IKE_NOTIFY_NAT_DETECTION_DESTINATION_IP = 16389,
	IKE_NOTIFY_COOKIE = 16390,
	IKE_NOTIFY_USE_TRANSPORT_MODE = 16391,
	IKE_NOTIFY_REKEY_SA = 16393,
	IKE_NOTIFY_ESP_TFC_PADDING_NOT_SUPPORTED = 16394,
	IKE_NOTIFY_TICKET_LT_OPAQUE = 16409,
	IKE_NOTIFY_TICKET_REQUEST = 16410,
	IKE_NOTIFY_TICKET_ACK = 16411,
	IKE_NOTIFY_TICKET_NACK = 16412,
	IKE_NOTIFY_TICKET_OPAQUE = 16413,
	IKE_NOTIFY_FRAGMENTATION_SUPPORTED = 16430,
	IKE_NOTIFY_MOBIKE_SUPPORTED = 16396,
	IKE_NOTIFY_ADDITIONAL_IP4_ADDRESS = 16397,
	IKE_NOTIFY_ADDITIONAL_IP6_ADDRESS = 16398,
	IKE_NOTIFY_NO_ADDITIONAL_ADDRESSES = 16399,
	IKE_NOTIFY_UPDATE_SA_ADDRESSES = 16400,
	IKE_NOTIFY_COOKIE2 = 16401,
	IKE_NOTIFY_NO_NATS_ALLOWED = 16402,
	IKE_NOTIFY_SIGNATURE_HASH_ALGORITHMS = 16431,
	IKE_NOTIFY_USE_PPK = 16435,
	IKE_NOTIFY_PPK_IDENTITY = 16436,
	IKE_NOTIFY_NO_PPK_AUTH = 16437,
	IKE_NOTIFY_INTERMEDIATE_EXCHANGE_SUPPORTED = 16438,
};

struct ike_header {
	uint64_t spi_initiator, spi_responder;
	uint8_t next_payload;
	uint8_t version;
	uint8_t exchange;
	uint8_t flags;
	uint32_t message_id;
	uint32_t length;
};

struct ike_payload {
	uint8_t type;
	uint8_t next; /* of the payload after it; for SK and SKF the first one inside */
	bool critical;
	const uint8_t *data; /* without the generic header */
	size_t size;
};

/* Which piece of a message an SKF payload is (RFC 7383 §2.5): from 1 to the total. */
struct ike_fragment {
	uint16_t number, total;
};

/* A whole chain, checked for its lengths. */
struct ike_chain {
	struct ike_payload payloads[IKE_PAYLOADS_LIMIT];
	size_t n_payloads;
};

struct ike_octets {
	const uint8_t *data;
	size_t size;
};

struct ike_notify {
	uint8_t protocol;
	uint16_t type;
	uint8_t spi[IKE_NOTIFY_SPI_LIMIT];
	uint8_t spi_size;
	struct ike_octets data;
};

/* An address range; IPv6 only, since nothing else goes through our tunnels. */
struct ike_selector {
	uint8_t type;
	uint8_t protocol; /* 0: any */
	uint16_t port_first, port_last;
	uint8_t first[16], last[16];
};

struct ike_selectors {
	struct ike_selector items[IKE_SELECTORS_LIMIT];
	size_t n_items;
};

/* 0, or -EBADMSG when it is no IKE message of exactly `size` octets. The version is left to the
 * caller. */
int ike_header_read(const uint8_t *data, size_t size, struct ike_header *ret);

/* The chain that begins with type `first`. SK and SKF end it: what is inside is another chain.
 * -EBADMSG for a length that does not fit, -E2BIG for too many payloads. */
int ike_chain_read(uint8_t first, const uint8_t *data, size_t size, struct ike_chain *ret);
/* The first payload of a type, or NULL. */
const struct ike_payload *ike_chain_find(const struct ike_chain *chain, enum ike_payload_type type);
/* The first notify payload of a type; false when there is none (malformed ones are passed over). */
bool ike_chain_find_notify(const struct ike_chain *chain, enum ike_notify_type type,
			   struct ike_notify *ret);
/* The first notify payload that is an error; false when there is none. */
bool ike_chain_find_error(const struct ike_chain *chain, struct ike_notify *ret);
/* The type of the first payload we do not know that is marked critical; 0: none. */
uint8_t ike_chain_find_unsupported(const struct ike_chain *chain);

/* Bodies. Each returns 0 or -EBADMSG. */
int ike_fragment_read(const struct ike_payload *payload, struct ike_fragment *ret);
int ike_notify_read(const struct ike_payload *payload, struct ike_notify *ret);
int ike_ke_read(const struct ike_payload *payload, uint16_t *ret_group, struct ike_octets *ret);
int ike_id_read(const struct ike_payload *payload, uint8_t *ret_type, struct ike_octets *ret);
/* Also of the form of CERTREQ: one octet, then data. */
int ike_certificate_read(const struct ike_payload *payload, uint8_t *ret_encoding,
			 struct ike_octets *ret);
int ike_authentication_read(const struct ike_payload *payload, uint8_t *ret_method,
			    struct ike_octets *ret);
/* The SPIs as they are: *ret_n of spi_size octets each in *ret_spis. */
int ike_delete_read(const struct ike_payload *payload, uint8_t *ret_protocol, uint8_t *ret_spi_size,
		    uint16_t *ret_n, struct ike_octets *ret_spis);
/* Selectors of other types than IPv6 ranges are checked and left out. */
int ike_selectors_read(const struct ike_payload *payload, struct ike_selectors *ret);

/*
 * Writing. A builder chains payloads in a buffer of the caller's; its error sticks, and
 * ike_builder_finish() tells. A chain that will be encrypted has no header:
 * ike_builder_begin_inner().
 */
struct ike_builder {
	struct writer writer;
	uint8_t first;     /* type of the first payload of an inner chain */
	size_t next_at;    /* where the type of the next payload goes; SIZE_MAX: into `first` */
	size_t payload_at; /* the payload that is open; SIZE_MAX: none */
	bool inner;
};

void ike_header_write(struct writer *writer, const struct ike_header *header);
void ike_builder_begin(struct ike_builder *builder, void *buffer, size_t capacity,
		       const struct ike_header *header);
void ike_builder_begin_inner(struct ike_builder *builder, void *buffer, size_t capacity);
/* The body goes to the writer that is returned; then close. */
struct writer *ike_builder_open(struct ike_builder *builder, enum ike_payload_type type);
void ike_builder_close(struct ike_builder *builder);
/* The size, or -ENOBUFS. Fills in the length of the header unless inner. */
int ike_builder_finish(struct ike_builder *builder);

void ike_builder_add(struct ike_builder *builder, enum ike_payload_type type, const void *data,
		     size_t size);
void ike_builder_add_notify(struct ike_builder *builder, enum ike_notify_type type,
			    const void *data, size_t size);
void ike_builder_add_ke(struct ike_builder *builder, uint16_t group, const void *data, size_t size);
/* IDi, IDr with a type; CERT, CERTREQ, AUTH with an octet before the data. */
void ike_builder_add_id(struct ike_builder *builder, enum ike_payload_type type, const char *fqdn);
void ike_builder_add_tagged(struct ike_builder *builder, enum ike_payload_type type, uint8_t tag,
			    const void *data, size_t size);
/* Deletes the IKE SA that the message belongs to. */
void ike_builder_add_delete_ike(struct ike_builder *builder);
void ike_builder_add_delete_esp(struct ike_builder *builder, uint32_t spi);
/* TSi or TSr of this one address, every protocol and port. */
void ike_builder_add_selector(struct ike_builder *builder, enum ike_payload_type type,
			      const uint8_t address[16]);

/* For people: "AUTHENTICATION_FAILED"; of an unknown one "notification". */
const char *ike_notify_name(uint16_t type);
