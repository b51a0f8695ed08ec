/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sets of records as a server tells of their changes. Two records are the same when owner, type and
 * data are; the TTL does not count. Pure. */
#include "common/dns/dns-message.h"

bool record_list_contains(const ldns_rr_list *list, const ldns_rr *rr);
void record_list_remove(ldns_rr_list *list, const ldns_rr *rr);
/* Any host of the account may write names of its own, and point to them from a name of all. */
#define RECORD_LIST_MAX 512
/* Other types are a host's own, and of use only as far as people and programs read them. */
#define RECORD_LIST_OWN_MAX 16
#define RECORD_SIZE_MAX     4096 /* octets, with the owner's name */
/* Adds a copy, in the place of one that is the same; without memory, or where it would be more or
 * larger than the above, it adds none. */
void record_list_add(ldns_rr_list *list, const ldns_rr *rr);
