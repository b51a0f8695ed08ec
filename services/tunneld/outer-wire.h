/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the IP header outside says for the packet inside, and the other way round: congestion marks
 * (RFC 6040) and the DSCP (RFC 4301 §5.1.2).
 */
#include <stdint.h>

/*
 * The octet of the outer header is (inner traffic class & mask) | value. Congestion marks are
 * copied always (RFC 6040 §4.1, normal mode). The DSCP is not, unless the configuration says so: it
 * tells everybody on the way which of the packets are a call and which a backup, and they can be
 * told apart where ESP is there to make them alike; many networks clear it anyhow.
 */
struct outer_tos {
	uint8_t mask, value;
};
#define OUTER_TOS_NONE ((struct outer_tos){ .mask = 0x03 })

/* "copy", "none" or a DSCP, 0 to 63. 0 or -EINVAL. */
int outer_tos_from_string(const char *text, struct outer_tos *ret);

static inline uint8_t outer_tos(struct outer_tos policy, uint8_t traffic_class)
{
	return (traffic_class & policy.mask) | policy.value;
}

/* RFC 6040 §4.2. */
enum ecn_verdict {
	ECN_FINE,
	ECN_UNUSUAL, /* "(!)": no tunnel of today sends this */
	ECN_ALARM,   /* "(!!!)": somebody on the way does what must not be done */
	ECN_DROP,    /* the same, and the inner packet cannot say what it went through */
};

/* What the inner packet becomes when the outer one carried `outer` (two bits): changes the packet,
 * which has a whole IPv6 header, where needed. */
enum ecn_verdict ecn_combine(uint8_t *packet, uint8_t outer);
