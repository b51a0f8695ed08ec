/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/outer-wire.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DSCP_MAXIMUM 63

/* RFC 3168 §5 */
enum {
	NOT_ECT,
	ECT1,
	ECT0,
	CE,
};

int outer_tos_from_string(const char *text, struct outer_tos *ret)
{
	unsigned long number;
	char *end;

	*ret = OUTER_TOS_NONE;
	if (!strcmp(text, "none"))
		return 0;
	if (!strcmp(text, "copy")) {
		ret->mask = 0xff;
		return 0;
	}
	number = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || number > DSCP_MAXIMUM)
		return -EINVAL;
	ret->value = number << 2;
	return 0;
}

enum ecn_verdict ecn_combine(uint8_t *packet, uint8_t outer)
{
	/* RFC 6040 figure 4, a row for each inner field: what it becomes, and what that tells. */
	static const struct {
		uint8_t field, verdict;
	} table[4][4] = {
		[NOT_ECT] = { [NOT_ECT] = { NOT_ECT, ECN_FINE },
			      [ECT0] = { NOT_ECT, ECN_ALARM },
			      [ECT1] = { NOT_ECT, ECN_ALARM },
			      [CE] = { NOT_ECT, ECN_DROP } },
		[ECT0] = { [NOT_ECT] = { ECT0, ECN_FINE },
			   [ECT0] = { ECT0, ECN_FINE },
			   [ECT1] = { ECT1, ECN_FINE },
			   [CE] = { CE, ECN_FINE } },
		[ECT1] = { [NOT_ECT] = { ECT1, ECN_FINE },
			   [ECT0] = { ECT1, ECN_UNUSUAL },
			   [ECT1] = { ECT1, ECN_FINE },
			   [CE] = { CE, ECN_FINE } },
		[CE] = { [NOT_ECT] = { CE, ECN_FINE },
			 [ECT0] = { CE, ECN_FINE },
			 [ECT1] = { CE, ECN_ALARM },
			 [CE] = { CE, ECN_FINE } },
	};
	uint8_t inner = packet[1] >> 4 & 3;

	packet[1] = (packet[1] & ~0x30) | table[inner][outer & 3].field << 4;
	return table[inner][outer & 3].verdict;
}
