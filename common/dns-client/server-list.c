/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/dns-client/server-list.h"

#include "common/dns/dns-name.h"
#include "common/dns/dns-records.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct target {
	uint16_t priority, weight, port;
	const ldns_rdf *name;
};

static size_t read_targets(const struct dns_message *answer, const ldns_rdf *owner,
			   struct target ret[static DNS_SERVERS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < dns_message_count(answer, DNS_SECTION_ANSWER) && n < DNS_SERVERS_MAX;
	     i++) {
		const ldns_rr *rr = dns_message_rr(answer, DNS_SECTION_ANSWER, i);
		struct target *target = &ret[n];

		if (!dns_record_is(rr, owner, LDNS_RR_TYPE_SRV) ||
		    dns_record_read_srv(rr, &target->priority, &target->port, &target->name) < 0)
			continue;
		/* A target of "." says that the service is not offered. */
		if (target->port == 0 || ldns_rdf_size(target->name) <= 1)
			continue;
		target->weight = ldns_rdf2native_int16(ldns_rr_rdf(rr, 1));
		n++;
	}
	return n;
}

/* Lowest priority first; of one priority those without weight first, so that they have their small
 * chance in choose(). */
static int compare(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return (x->weight > 0) - (y->weight > 0);
}

/* Which of the first `n`, all of one priority, comes next. */
static size_t choose(const struct target *targets, size_t n, server_list_random random)
{
	uint32_t sum = 0, wanted;

	for (size_t i = 0; i < n; i++)
		sum += targets[i].weight;
	wanted = random() % (sum + 1);
	sum = 0;
	for (size_t i = 0; i < n; i++) {
		sum += targets[i].weight;
		if (sum >= wanted)
			return i;
	}
	return 0;
}

static void order(struct target *targets, size_t n, server_list_random random)
{
	qsort(targets, n, sizeof(*targets), compare);
	for (size_t i = 0; i + 1 < n; i++) {
		struct target chosen;
		size_t same = 1, k;

		while (i + same < n && targets[i + same].priority == targets[i].priority)
			same++;
		k = i + choose(targets + i, same, random);
		chosen = targets[k];
		memmove(targets + i + 1, targets + i, (k - i) * sizeof(*targets));
		targets[i] = chosen;
	}
}

static bool read_name(const ldns_rdf *rdf, char *text, size_t size)
{
	struct dns_name name;

	return dns_name_from_rdf(rdf, &name) == 0 && dns_name_to_text(&name, text, size) == 0;
}

size_t server_list_add(struct server_list *list, const struct dns_message *answer,
		       const ldns_rdf *owner, unsigned int service, bool tls,
		       server_list_random random)
{
	struct target targets[DNS_SERVERS_MAX];
	size_t n = read_targets(answer, owner, targets), former = list->n;

	order(targets, n, random);
	for (size_t i = 0; i < n && list->n < DNS_SERVERS_MAX; i++) {
		struct dns_server server = { .service = service, .tls = tls };
		ldns_rr *a = dns_message_find(answer, targets[i].name, LDNS_RR_TYPE_A);

		if (!read_name(targets[i].name, server.trust.name, sizeof(server.trust.name)))
			continue;
		server.address.sin_family = AF_INET;
		server.address.sin_port = htons(targets[i].port);
		if (a)
			dns_record_read_a(a, &server.address.sin_addr);
		list->items[list->n++] = server;
	}
	return list->n - former;
}

size_t server_list_without_address(const struct server_list *list)
{
	size_t i = 0;

	while (i < list->n && list->items[i].address.sin_addr.s_addr)
		i++;
	return i;
}

void server_list_set_address(struct server_list *list, const char *name, struct in_addr address)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcasecmp(list->items[i].trust.name, name) == 0)
			list->items[i].address.sin_addr = address;
}

void server_list_read_tlsa(const struct dns_message *answer, const ldns_rdf *owner,
			   struct dns_pins *ret)
{
	for (size_t i = 0;
	     i < dns_message_count(answer, DNS_SECTION_ANSWER) && ret->n < DNS_PINS_MAX; i++) {
		const ldns_rr *rr = dns_message_rr(answer, DNS_SECTION_ANSWER, i);
		const ldns_rdf *data;

		if (!dns_record_is(rr, owner, LDNS_RR_TYPE_TLSA) || ldns_rr_rd_count(rr) != 4)
			continue;
		data = ldns_rr_rdf(rr, 3);
		/* Usage DANE-EE, selector SPKI, matching type SHA-256. */
		if (ldns_rdf_data(ldns_rr_rdf(rr, 0))[0] == 3 &&
		    ldns_rdf_data(ldns_rr_rdf(rr, 1))[0] == 1 &&
		    ldns_rdf_data(ldns_rr_rdf(rr, 2))[0] == 1 &&
		    ldns_rdf_size(data) == DNS_PIN_SIZE)
			memcpy(ret->items[ret->n++], ldns_rdf_data(data), DNS_PIN_SIZE);
	}
}

size_t server_list_find_same(const struct server_list *list, size_t i)
{
	const struct dns_server *server = &list->items[i];

	for (size_t k = 0; k < i; k++) {
		const struct dns_server *other = &list->items[k];

		if (other->tls &&
		    other->address.sin_addr.s_addr == server->address.sin_addr.s_addr &&
		    other->address.sin_port == server->address.sin_port &&
		    strcasecmp(other->trust.name, server->trust.name) == 0)
			return k;
	}
	return i;
}
