/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/revoked.h"

#include "common/base/log.h"
#include "common/dns/dns-builder.h"
#include "common/dns/dns-records.h"
#include "common/keys/revocation-list.h"

#include <stdio.h>
#include <string.h>

#define NAME_SIZE    400
#define MESSAGE_SIZE 1024

struct revoked {
	struct loop *loop;
	struct signing_identity *identity;
	struct dns_exchange *exchange;
	/* What identity was told last, and which one. */
	ldns_rr_list *told;
	uint64_t incarnation;
	char account_domain[256];
};

int revoked_new(struct loop *loop, struct signing_identity *identity, struct revoked **ret)
{
	struct revoked *revoked = calloc(1, sizeof(*revoked));

	if (!revoked)
		return -ENOMEM;
	revoked->loop = loop;
	revoked->identity = identity;
	*ret = revoked;
	return 0;
}

void revoked_forget(struct revoked *revoked)
{
	if (!revoked)
		return;
	revoked->exchange = dns_exchange_free(revoked->exchange);
	ldns_rr_list_deep_free(revoked->told);
	revoked->told = NULL;
}

struct revoked *revoked_free(struct revoked *revoked)
{
	revoked_forget(revoked);
	free(revoked);
	return NULL;
}

static ldns_rdf *make_name(const char *account_domain)
{
	char text[NAME_SIZE];

	snprintf(text, sizeof(text), REVOCATION_LABEL ".%s", account_domain);
	return dns_record_name(text);
}

void revoked_want(struct revoked *revoked, const char *account_domain, struct watch_set *set)
{
	cleanup(ldns_rdf_freep) ldns_rdf *name = make_name(account_domain);

	if (name && watch_set_want(set, name, LDNS_RR_TYPE_CERT) < 0)
		log_warning("there is no room to ask which hosts were forgotten");
}

static bool are_same(const ldns_rr_list *a, const ldns_rr_list *b)
{
	size_t n = ldns_rr_list_rr_count(b);

	if (!a || ldns_rr_list_rr_count(a) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (ldns_rr_compare(ldns_rr_list_rr(a, i), ldns_rr_list_rr(b, i)))
			return false;
	return true;
}

static void tell(struct revoked *revoked, const ldns_rr_list *records)
{
	struct identity_client_list lists[IDENTITY_CLIENT_LISTS_MAX];
	uint64_t incarnation = neighbour_incarnation(signing_identity_neighbour(revoked->identity));
	size_t n = 0;

	if (incarnation == revoked->incarnation && are_same(revoked->told, records))
		return;
	for (size_t i = 0; i < ldns_rr_list_rr_count(records) && n < ARRAY_SIZE(lists); i++)
		if (dns_record_read_cert(ldns_rr_list_rr(records, i), &lists[n].data,
					 &lists[n].size) >= 0 &&
		    lists[n].size <= REVOCATION_LIST_SIZE_MAX)
			n++;
	if (identity_client_show_lists(revoked->identity, lists, n) < 0)
		return;
	ldns_rr_list_deep_free(revoked->told);
	revoked->told = ldns_rr_list_clone(records);
	revoked->incarnation = incarnation;
}

void revoked_show(struct revoked *revoked, const char *account_domain, struct watch_set *set)
{
	cleanup(ldns_rdf_freep) ldns_rdf *name = make_name(account_domain);
	const ldns_rr_list *records = name ? watch_set_records(set, name, LDNS_RR_TYPE_CERT) : NULL;

	if (records)
		tell(revoked, records);
}

static void on_answer(void *userdata, const struct dns_exchange_result *result)
{
	struct revoked *revoked = userdata;
	cleanup(ldns_rdf_freep) ldns_rdf *name = make_name(revoked->account_domain);
	ldns_rr_list *records = ldns_rr_list_new();

	for (size_t i = 0; result->error == 0 && name && records &&
			   i < dns_message_count(result->response, DNS_SECTION_ANSWER);
	     i++) {
		ldns_rr *rr = dns_message_rr(result->response, DNS_SECTION_ANSWER, i);

		if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_CERT &&
		    ldns_dname_compare(ldns_rr_owner(rr), name) == 0)
			ldns_rr_list_push_rr(records, rr);
	}
	/* Without an answer nothing is said about what the zone has. */
	if (records && ldns_rr_list_rr_count(records) > 0)
		tell(revoked, records);
	ldns_rr_list_free(records);
	revoked->exchange = dns_exchange_free(revoked->exchange);
}

void revoked_ask(struct revoked *revoked, const char *account_domain,
		 const struct sockaddr_in *server, const struct dns_tsig_key *key)
{
	cleanup(ldns_rdf_freep) ldns_rdf *name = make_name(account_domain);
	uint8_t message[MESSAGE_SIZE];
	struct dns_exchange_options options = { .server = *server, .message = message, .key = key };
	struct dns_builder builder;
	int r;

	if (!name || !server->sin_family)
		return;
	snprintf(revoked->account_domain, sizeof(revoked->account_domain), "%s", account_domain);
	dns_builder_init(&builder, message, sizeof(message), 0, 0);
	dns_builder_add_question(&builder, name, LDNS_RR_TYPE_CERT, LDNS_RR_CLASS_IN);
	dns_builder_add_edns(&builder, DNS_UDP_SIZE, 0, NULL, 0);
	r = dns_builder_finish(&builder);
	if (r < 0)
		return;
	options.size = r;
	revoked->exchange = dns_exchange_free(revoked->exchange);
	r = dns_exchange_new(revoked->loop, &options, on_answer, revoked, &revoked->exchange);
	if (r < 0)
		log_warning("cannot ask whether this host was forgotten: %s", strerror(-r));
}
