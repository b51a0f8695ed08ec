/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What stands between this network and the internet, in the words of the bus. */

enum nat_kind {
	NAT_UNKNOWN,
	NAT_PUBLIC,        /* nothing translates */
	NAT_MAPPED,        /* the gateway translates, and maps ports */
	NAT_UNMAPPED,      /* it translates, and no mapping protocol is answered */
	NAT_REFUSED,       /* it answers one, and refuses */
	NAT_DOUBLE,        /* behind the gateway is another NAT */
	NAT_CARRIER_GRADE, /* and that is the provider's (RFC 6598) */
	NAT_ROUTED,        /* the default router does not translate, one behind it does */
};

/* RFC 4787 §4.1 for mapping, §5 for filtering. */
enum nat_behaviour {
	NAT_BEHAVIOUR_UNKNOWN,
	NAT_ENDPOINT_INDEPENDENT,
	NAT_ADDRESS_DEPENDENT,
	NAT_ADDRESS_AND_PORT_DEPENDENT,
};

/* Whether a datagram from outside reached a mapped port. */
enum nat_verified {
	NAT_VERIFIED_UNKNOWN,
	NAT_VERIFIED_YES,
	NAT_VERIFIED_NO,
};

/* "double-nat" and so on. */
const char *nat_kind_word(enum nat_kind kind);
const char *nat_behaviour_word(enum nat_behaviour behaviour);
const char *nat_verified_word(enum nat_verified verified);
