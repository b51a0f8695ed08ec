/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A received message, taken apart. ldns decodes each record; what it leaves to its caller is
 * checked here: that each record's data has all its fields and nothing after them, that OPT comes
 * at most once, that nothing follows the last record. OPT and TSIG are not among the records of the
 * sections.
 *
 * Records of class ANY or NONE may have no data (ldns_rr_rd_count() 0), as UPDATE wants; those of
 * other classes always have the fields of their type, so ldns_rr_rdf(rr, 0) of an A record is an
 * address.
 */
#include "common/base/cleanup.h"
#include "common/wire/cursor.h"

/* Before ldns, which makes a bool of its own otherwise. */
#include <stdbool.h>

#include <ldns/ldns.h>
#include <stdint.h>

#define DNS_HEADER_SIZE      12
#define DNS_MESSAGE_SIZE_MAX 65535
/* What we announce by EDNS, and the largest message sent over UDP: passes every network of today
 * without fragments. */
#define DNS_UDP_SIZE 1232

#define DNS_OUTLINE_QUESTIONS 32

enum dns_section {
	DNS_SECTION_QUESTION,  /* or Zone */
	DNS_SECTION_ANSWER,    /* or Prerequisite */
	DNS_SECTION_AUTHORITY, /* or Update */
	DNS_SECTION_ADDITIONAL,
	DNS_N_SECTIONS,
};

#define DNS_FLAG_QR              0x8000
#define DNS_FLAG_AA              0x0400
#define DNS_FLAG_TC              0x0200
#define DNS_FLAG_RD              0x0100
#define DNS_FLAG_RA              0x0080
#define DNS_FLAGS_OPCODE(opcode) ((unsigned int)(opcode) << 11)

struct dns_message {
	uint16_t id;
	uint16_t flags; /* as received: DNS_FLAG_… */
	uint8_t opcode;
	uint16_t rcode; /* with the upper bits of EDNS */
	ldns_rr_list *sections[DNS_N_SECTIONS];
	bool has_edns;
	uint8_t edns_version;
	uint16_t edns_udp_size; /* at least 512; 512 without EDNS */
	const uint8_t *options; /* RDATA of OPT, borrowed from the input */
	size_t options_size;
	bool has_tsig; /* the last record is TSIG; says nothing about its worth: see dns-tsig.h */
};

/* Takes apart the message at `data`, which must outlive the result (options point into it). 0,
 * -EBADMSG or -ENOMEM. With -EBADMSG a server that wants to answer FORMERR still finds ID and flags
 * in the first octets if there are DNS_HEADER_SIZE of them. */
int dns_message_parse(const uint8_t *data, size_t size, struct dns_message **ret);
/* The same without the records, whose data is not looked at: question, EDNS and whether there is
 * TSIG. For what nobody has vouched for yet. ldns follows compressed names in a record's data in
 * circles tens of thousands of times before it gives up, and makes an object of each field. More
 * than DNS_OUTLINE_QUESTIONS questions are -EBADMSG: nobody asks so many, and each is an object. */
int dns_message_parse_outline(const uint8_t *data, size_t size, struct dns_message **ret);
struct dns_message *dns_message_free(struct dns_message *message);

/* One record at the reader's position, checked as those of a message are. The reader's data begins
 * with the message's header. 1: a record, the caller frees it; -EBADMSG (the reader has failed) or
 * -ENOMEM. */
int dns_message_read_rr(struct reader *reader, ldns_rr **ret);

size_t dns_message_count(const struct dns_message *message, enum dns_section section);
/* Borrowed. NULL beyond the last one. */
ldns_rr *dns_message_rr(const struct dns_message *message, enum dns_section section, size_t i);

DEFINE_CLEANUP(struct dns_message *, dns_message_free)
