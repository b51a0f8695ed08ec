/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/record-list.h"

static bool same_record(const ldns_rr *a, const ldns_rr *b)
{
	if (ldns_rr_get_type(a) != ldns_rr_get_type(b) ||
	    ldns_rr_rd_count(a) != ldns_rr_rd_count(b) ||
	    ldns_dname_compare(ldns_rr_owner(a), ldns_rr_owner(b)) != 0)
		return false;
	for (size_t i = 0; i < ldns_rr_rd_count(a); i++) {
		if (ldns_rdf_compare(ldns_rr_rdf(a, i), ldns_rr_rdf(b, i)) != 0)
			return false;
	}
	return true;
}

bool record_list_contains(const ldns_rr_list *list, const ldns_rr *rr)
{
	for (size_t i = 0; list && i < ldns_rr_list_rr_count(list); i++) {
		if (same_record(ldns_rr_list_rr(list, i), rr))
			return true;
	}
	return false;
}

void record_list_remove(ldns_rr_list *list, const ldns_rr *rr)
{
	size_t count = ldns_rr_list_rr_count(list), n = 0;

	for (size_t i = 0; i < count; i++) {
		ldns_rr *present = ldns_rr_list_rr(list, i);

		if (same_record(present, rr))
			ldns_rr_free(present);
		else
			ldns_rr_list_set_rr(list, present, n++);
	}
	ldns_rr_list_set_rr_count(list, n);
}

void record_list_add(ldns_rr_list *list, const ldns_rr *rr)
{
	size_t most =
		ldns_rr_get_type(rr) == LDNS_RR_TYPE_PTR ? RECORD_LIST_MAX : RECORD_LIST_OWN_MAX;
	ldns_rr *copy;

	record_list_remove(list, rr);
	if (ldns_rr_list_rr_count(list) >= most || ldns_rr_uncompressed_size(rr) > RECORD_SIZE_MAX)
		return;
	copy = ldns_rr_clone(rr);
	if (copy && !ldns_rr_list_push_rr(list, copy))
		ldns_rr_free(copy);
}
