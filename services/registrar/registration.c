/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/registration.h"

#include "common/dns/dns-records.h"
#include "common/dns/dns-update.h"

#include <errno.h>
#include <stdio.h>

#define LEASE_LEAST 60
#define LEASE_MOST  (7 * 24 * 3600)
#define NAME_SIZE   600

struct names {
	char host[NAME_SIZE];    /* desktop.alice.… */
	char service[NAME_SIZE]; /* _autotunnel._udp.desktop.alice.… */
	char tunnel[NAME_SIZE];  /* AutoTunnel-….alice.… */
	char browse[NAME_SIZE];  /* _autotunnel._udp.alice.… */
};

static void make_names(const struct host_names *identity, struct names *names)
{
	snprintf(names->host, NAME_SIZE, "%s.%s", identity->host_name, identity->account_domain);
	snprintf(names->service, NAME_SIZE, "_autotunnel._udp.%s.%s", identity->host_name,
		 identity->account_domain);
	snprintf(names->tunnel, NAME_SIZE, "%s.%s", identity->tunnel_label,
		 identity->account_domain);
	snprintf(names->browse, NAME_SIZE, "_autotunnel._udp.%s", identity->account_domain);
}

/* Takes `rr`. */
static bool push(ldns_rr_list *list, ldns_rr *rr)
{
	if (rr && ldns_rr_list_push_rr(list, rr))
		return true;
	ldns_rr_free(rr);
	return false;
}

ldns_rr_list *registration_records(const struct host_names *identity,
				   const struct registration_device *device,
				   const struct sockaddr_in *endpoint)
{
	const char *strings[REGISTRATION_DEVICE_STRINGS + 1] = { NULL };
	const uint32_t ttl = REGISTRATION_TTL;
	ldns_rr_list *list = ldns_rr_list_new();
	struct names names;

	if (!list)
		return NULL;
	make_names(identity, &names);
	for (size_t i = 0; i < REGISTRATION_DEVICE_STRINGS && device->strings[i][0]; i++)
		strings[i] = device->strings[i];
	if (push(list,
		 dns_record_new_srv(names.service, ttl, ntohs(endpoint->sin_port), names.tunnel)) &&
	    push(list, dns_record_new_a(names.tunnel, ttl, endpoint->sin_addr)) &&
	    push(list, dns_record_new_aaaa(names.tunnel, ttl, &identity->host_id)) &&
	    push(list, dns_record_new_txt(names.tunnel, ttl, strings)) &&
	    push(list, dns_record_new_aaaa(names.host, ttl, &identity->host_id)) &&
	    push(list, dns_record_new_txt(names.host, ttl, strings)) &&
	    push(list, dns_record_new_ptr(names.browse, ttl, names.service)))
		return list;
	ldns_rr_list_deep_free(list);
	return NULL;
}

int registration_write_publish(const struct host_names *identity, const ldns_rr_list *records,
			       uint32_t lease, uint8_t *buffer, size_t capacity)
{
	cleanup(ldns_rdf_freep) ldns_rdf *zone = dns_record_name(identity->account_domain);
	struct dns_update_lease wanted = { .lease = lease };
	struct dns_builder builder;

	if (!zone)
		return -EINVAL;
	dns_update_begin(&builder, buffer, capacity, 0, zone);
	for (size_t i = 0; i < ldns_rr_list_rr_count(records); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(records, i);

		if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_PTR)
			dns_update_delete_rrset(&builder, ldns_rr_owner(rr), ldns_rr_get_type(rr));
		dns_update_add(&builder, rr);
	}
	dns_update_add_lease(&builder, &wanted);
	return dns_builder_finish(&builder);
}

int registration_write_withdraw(const struct host_names *identity, uint8_t *buffer, size_t capacity)
{
	cleanup(ldns_rdf_freep) ldns_rdf *zone = dns_record_name(identity->account_domain);
	struct sockaddr_in nowhere = { .sin_family = AF_INET };
	struct registration_device device = { 0 };
	ldns_rr_list *records = registration_records(identity, &device, &nowhere);
	struct dns_builder builder;

	if (!zone || !records) {
		ldns_rr_list_deep_free(records);
		return -EINVAL;
	}
	dns_update_begin(&builder, buffer, capacity, 0, zone);
	for (size_t i = 0; i < ldns_rr_list_rr_count(records); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(records, i);

		if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_PTR)
			dns_update_delete_rr(&builder, rr);
		else
			dns_update_delete_rrset(&builder, ldns_rr_owner(rr), ldns_rr_get_type(rr));
	}
	dns_builder_add_edns(&builder, DNS_UDP_SIZE, 0, NULL, 0);
	ldns_rr_list_deep_free(records);
	return dns_builder_finish(&builder);
}

uint32_t registration_read_lease(const struct dns_message *response, uint32_t wanted)
{
	struct dns_update_lease lease = { .lease = wanted };

	if (dns_options_read_update_lease(response->options, response->options_size, &lease) < 1)
		lease.lease = wanted;
	if (lease.lease < LEASE_LEAST)
		return LEASE_LEAST;
	return lease.lease < LEASE_MOST ? lease.lease : LEASE_MOST;
}
