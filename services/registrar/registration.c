/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/registration.h"

#include "common/dns/dns-options.h"
#include "common/dns/dns-records.h"

#include <errno.h>
#include <stdio.h>

#define LEASE_LEAST 30
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

uint32_t registration_read_lease(const struct dns_message *response, uint32_t wanted)
{
	struct dns_update_lease lease = { .lease = wanted };

	if (dns_options_read_update_lease(response->options, response->options_size, &lease) < 1)
		lease.lease = wanted;
	if (lease.lease < LEASE_LEAST)
		return LEASE_LEAST;
	return lease.lease < LEASE_MOST ? lease.lease : LEASE_MOST;
}
