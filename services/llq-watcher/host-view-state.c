/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/host-view-state.h"

#include "common/dns/dns-records.h"

#include <stdio.h>
#include <string.h>

#define SERVICE "_autotunnel._udp"

void host_view_init(struct host_view *view, const char *account_domain, const char *own_label)
{
	memset(view, 0, sizeof(*view));
	snprintf(view->account_domain, sizeof(view->account_domain), "%s", account_domain);
	snprintf(view->own_label, sizeof(view->own_label), "%s", own_label);
}

void host_view_clear(struct host_view *view)
{
	for (size_t i = 0; i < view->n_hosts; i++)
		free(view->hosts[i]);
	view->n_hosts = 0;
}

static ldns_rdf *service_name(const struct host_view *view, const struct host *host)
{
	char text[400];

	snprintf(text, sizeof(text), SERVICE ".%s", host ? host->name : view->account_domain);
	return dns_record_name(text);
}

/* A label as identity makes them, in lower case: letters, digits and "-". */
static bool read_label(const uint8_t *octets, char label[64])
{
	unsigned int size = octets[0];

	if (size == 0 || size > 63)
		return false;
	for (unsigned int i = 0; i < size; i++) {
		uint8_t octet = octets[1 + i];

		if (octet >= 'A' && octet <= 'Z')
			octet += 'a' - 'A';
		if (!((octet >= 'a' && octet <= 'z') || (octet >= '0' && octet <= '9') ||
		      octet == '-'))
			return false;
		label[i] = octet;
	}
	label[size] = 0;
	return true;
}

/* Of "_autotunnel._udp.desktop.<account domain>", "desktop". False for any other name. */
static bool label_of_service(const struct host_view *view, const ldns_rdf *name, char label[64])
{
	static const uint8_t prefix[] = "\13_autotunnel\4_udp";
	const size_t prefix_size = sizeof(prefix) - 1;
	struct host host = { 0 };
	ldns_rdf *expected;
	bool same;

	if (ldns_rdf_size(name) < prefix_size + 3 ||
	    !read_label(ldns_rdf_data(name) + prefix_size, label))
		return false;
	snprintf(host.name, sizeof(host.name), "%s.%s", label, view->account_domain);
	expected = service_name(view, &host);
	same = expected && ldns_dname_compare(expected, name) == 0;
	ldns_rdf_deep_free(expected);
	return same;
}

/* The first label as it is written, for people: AutoTunnel-00-22-…; false when it is none. */
static bool first_label(const ldns_rdf *name, char label[64])
{
	const uint8_t *octets = ldns_rdf_data(name);
	char lowered[64];

	if (!read_label(octets, lowered))
		return false;
	memcpy(label, octets + 1, octets[0]);
	label[octets[0]] = 0;
	return true;
}

static bool is_of_account(const struct host_view *view, const ldns_rdf *name)
{
	ldns_rdf *domain = dns_record_name(view->account_domain);
	bool is_below = domain && ldns_dname_is_subdomain(name, domain);

	ldns_rdf_deep_free(domain);
	return is_below;
}

/* The target of the SRV record with the lowest priority. Only names of the account: the server
 * tells us of no others, and would refuse to be watched at all if one host named one. */
static const ldns_rdf *choose_target(const struct host_view *view, const ldns_rr_list *records,
				     uint16_t *ret_port)
{
	const ldns_rdf *best = NULL, *target;
	uint16_t best_priority = 0, priority, port;

	for (size_t i = 0; records && i < ldns_rr_list_rr_count(records); i++) {
		if (dns_record_read_srv(ldns_rr_list_rr(records, i), &priority, &port, &target) <
			    0 ||
		    port == 0 || !is_of_account(view, target))
			continue;
		if (!best || priority < best_priority) {
			best = target;
			best_priority = priority;
			*ret_port = port;
		}
	}
	return best;
}

static void want_host(const struct host_view *view, struct watch_set *set, const char *label)
{
	struct host host = { 0 };
	const ldns_rdf *target;
	ldns_rdf *name, *service;
	uint16_t port;

	snprintf(host.name, sizeof(host.name), "%s.%s", label, view->account_domain);
	name = dns_record_name(host.name);
	service = service_name(view, &host);
	if (name && service) {
		watch_set_want(set, service, LDNS_RR_TYPE_SRV);
		watch_set_want(set, name, LDNS_RR_TYPE_AAAA);
		watch_set_want(set, name, LDNS_RR_TYPE_TXT);
		target = choose_target(view, watch_set_records(set, service, LDNS_RR_TYPE_SRV),
				       &port);
		if (target)
			watch_set_want(set, target, LDNS_RR_TYPE_A);
	}
	ldns_rdf_deep_free(name);
	ldns_rdf_deep_free(service);
}

/* Calls back for each other host in the list; at most HOST_VIEW_MAX of them. */
#define for_each_listed(view, list, i, n, label)                                                   \
	for (size_t i = 0, n = 0; (list) && i < ldns_rr_list_rr_count(list) && n < HOST_VIEW_MAX;  \
	     i++)                                                                                  \
		if (read_listed(view, ldns_rr_list_rr(list, i), label) && ++n)

static bool read_listed(const struct host_view *view, const ldns_rr *ptr, char label[64])
{
	const ldns_rdf *target;

	return dns_record_read_target(ptr, &target) == 0 && label_of_service(view, target, label) &&
	       strcasecmp(label, view->own_label) != 0;
}

void host_view_want(const struct host_view *view, struct watch_set *set)
{
	ldns_rdf *browse = service_name(view, NULL);
	const ldns_rr_list *list;
	char label[64];

	if (!browse)
		return;
	list = watch_set_records(set, browse, LDNS_RR_TYPE_PTR);
	watch_set_want(set, browse, LDNS_RR_TYPE_PTR);
	for_each_listed(view, list, i, n, label) want_host(view, set, label);
	ldns_rdf_deep_free(browse);
}

static struct host *find_host(const struct host_view *view, const char *label)
{
	for (size_t i = 0; i < view->n_hosts; i++) {
		if (strcmp(view->hosts[i]->label, label) == 0)
			return view->hosts[i];
	}
	return NULL;
}

static void list_host(struct host_view *view, const char *label)
{
	struct host *host = find_host(view, label);

	if (!host && view->n_hosts < HOST_VIEW_MAX) {
		host = calloc(1, sizeof(*host));
		if (!host)
			return;
		snprintf(host->label, sizeof(host->label), "%s", label);
		snprintf(host->name, sizeof(host->name), "%s.%s", label, view->account_domain);
		host->changes = HOST_CHANGE_ADDED;
		view->hosts[view->n_hosts++] = host;
	}
	if (host)
		host->listed = true;
}

static void update_id(struct host *host, const ldns_rr_list *records)
{
	struct in6_addr id = { 0 };
	bool has_id = false;

	if (!records)
		return;
	if (ldns_rr_list_rr_count(records) > 0)
		has_id = dns_record_read_aaaa(ldns_rr_list_rr(records, 0), &id) == 0;
	if (has_id == host->has_id && memcmp(&id, &host->id, sizeof(id)) == 0)
		return;
	host->has_id = has_id;
	host->id = id;
	host->changes |= HOST_CHANGE_ID;
}

static void update_device(struct host *host, const ldns_rr_list *records)
{
	char device[HOST_DEVICE_MAX][256] = { "" };
	unsigned int n = 0;

	if (!records)
		return;
	if (ldns_rr_list_rr_count(records) > 0) {
		const ldns_rr *rr = ldns_rr_list_rr(records, 0);

		for (size_t i = 0; i < ldns_rr_rd_count(rr) && n < HOST_DEVICE_MAX; i++) {
			const uint8_t *octets = ldns_rdf_data(ldns_rr_rdf(rr, i));
			unsigned int size = octets[0];

			if (size + 1u > ldns_rdf_size(ldns_rr_rdf(rr, i)) || size == 0)
				continue;
			/* Shown to people and on the bus: printable ASCII only. */
			for (unsigned int k = 0; k < size; k++)
				device[n][k] = octets[1 + k] >= ' ' && octets[1 + k] <= '~'
						       ? octets[1 + k]
						       : '?';
			n++;
		}
	}
	if (n == host->n_device && memcmp(device, host->device, sizeof(device)) == 0)
		return;
	memcpy(host->device, device, sizeof(device));
	host->n_device = n;
	host->changes |= HOST_CHANGE_DEVICE;
}

static void set_endpoint(struct host *host, const struct sockaddr_in *endpoint)
{
	bool live = endpoint->sin_family == AF_INET;

	if (endpoint->sin_family != host->endpoint.sin_family ||
	    endpoint->sin_port != host->endpoint.sin_port ||
	    endpoint->sin_addr.s_addr != host->endpoint.sin_addr.s_addr) {
		host->endpoint = *endpoint;
		host->endpoint_generation++;
		host->changes |= HOST_CHANGE_ENDPOINT;
	}
	if (live != host->live) {
		host->live = live;
		host->changes |= HOST_CHANGE_LIVE;
	}
}

static void update_endpoint(const struct host_view *view, struct host *host,
			    const struct watch_set *set, const ldns_rr_list *services)
{
	struct sockaddr_in endpoint = { 0 };
	const ldns_rr_list *addresses;
	char label[64] = "";
	const ldns_rdf *target;
	uint16_t port = 0;

	if (!services)
		return;
	target = choose_target(view, services, &port);
	if (!target || !first_label(target, label)) {
		set_endpoint(host, &endpoint);
		return;
	}
	if (strcmp(label, host->tunnel_label) != 0) {
		strcpy(host->tunnel_label, label);
		host->changes |= HOST_CHANGE_TUNNEL_LABEL;
	}
	addresses = watch_set_records(set, target, LDNS_RR_TYPE_A);
	if (!addresses)
		return;
	if (ldns_rr_list_rr_count(addresses) > 0 &&
	    dns_record_read_a(ldns_rr_list_rr(addresses, 0), &endpoint.sin_addr) == 0) {
		endpoint.sin_family = AF_INET;
		endpoint.sin_port = htons(port);
	}
	set_endpoint(host, &endpoint);
}

static void update_host(const struct host_view *view, struct host *host,
			const struct watch_set *set)
{
	ldns_rdf *name = dns_record_name(host->name), *service = service_name(view, host);

	if (name && service) {
		update_id(host, watch_set_records(set, name, LDNS_RR_TYPE_AAAA));
		update_device(host, watch_set_records(set, name, LDNS_RR_TYPE_TXT));
		update_endpoint(view, host, set, watch_set_records(set, service, LDNS_RR_TYPE_SRV));
	}
	ldns_rdf_deep_free(name);
	ldns_rdf_deep_free(service);
}

void host_view_update(struct host_view *view, const struct watch_set *set)
{
	ldns_rdf *browse = service_name(view, NULL);
	const ldns_rr_list *list = browse ? watch_set_records(set, browse, LDNS_RR_TYPE_PTR) : NULL;
	char label[64];

	ldns_rdf_deep_free(browse);
	if (!list)
		return;
	for (size_t i = 0; i < view->n_hosts; i++)
		view->hosts[i]->listed = false;
	for_each_listed(view, list, i, n, label) list_host(view, label);
	for (size_t i = 0; i < view->n_hosts; i++) {
		struct host *host = view->hosts[i];

		if (host->listed)
			update_host(view, host, set);
		else
			host->changes |= HOST_CHANGE_REMOVED;
	}
}

void host_set_not_heard_since(struct host *host, uint64_t since)
{
	if (host->not_heard_since == since)
		return;
	host->changes |= HOST_CHANGE_HEARD;
	if (host->live && !since != !host->not_heard_since)
		host->changes |= HOST_CHANGE_LIVE;
	host->not_heard_since = since;
}

void host_view_drop_removed(struct host_view *view)
{
	size_t n = 0;

	for (size_t i = 0; i < view->n_hosts; i++) {
		if (view->hosts[i]->changes & HOST_CHANGE_REMOVED)
			free(view->hosts[i]);
		else
			view->hosts[n++] = view->hosts[i];
	}
	view->n_hosts = n;
}
