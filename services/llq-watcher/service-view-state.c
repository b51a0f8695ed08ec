/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/llq-watcher/service-view-state.h"

#include "common/dns/dns-records.h"

#include <stdio.h>
#include <string.h>

/* What the zone's server and the hosts themselves need is not shared by anybody. */
static const char *const own_types[] = { "_autotunnel._udp", "_dns-sd._udp" };

int service_view_init(struct service_view *view, const char *account_domain)
{
	char text[300];

	service_view_clear(view);
	snprintf(view->account_domain, sizeof(view->account_domain), "%s", account_domain);
	snprintf(text, sizeof(text), "_services._dns-sd._udp.%s", account_domain);
	view->account = dns_record_name(account_domain);
	view->enumeration = dns_record_name(text);
	if (view->account && view->enumeration)
		return 0;
	service_view_clear(view);
	return -EINVAL;
}

static void service_free(struct service *service)
{
	ldns_rdf_deep_free(service->full_name);
	free(service);
}

void service_view_clear(struct service_view *view)
{
	for (size_t i = 0; i < view->n_services; i++)
		service_free(view->services[i]);
	view->n_services = 0;
	ldns_rdf_deep_free(view->account);
	ldns_rdf_deep_free(view->enumeration);
	view->account = view->enumeration = NULL;
}

/* "_ssh": an underscore and up to 15 letters, digits and "-" (RFC 6335 §5.1); a little more is
 * taken. */
static bool is_service_label(const uint8_t *label)
{
	if (label[0] < 2 || label[0] > 32 || label[1] != '_')
		return false;
	for (unsigned int i = 2; i <= label[0]; i++) {
		uint8_t octet = label[i] | 0x20;

		if (!((octet >= 'a' && octet <= 'z') || (octet >= '0' && octet <= '9') ||
		      label[i] == '-' || label[i] == '_'))
			return false;
	}
	return true;
}

static bool is_protocol_label(const uint8_t *label)
{
	return label[0] == 4 && (strncasecmp((const char *)label + 1, "_tcp", 4) == 0 ||
				 strncasecmp((const char *)label + 1, "_udp", 4) == 0);
}

/* Whether `octets` of a name, to its end, are "<service>.<protocol>.<account domain>"; the first
 * two as text in lower case. */
static bool read_type(const struct service_view *view, const uint8_t *octets, size_t size,
		      char type[80])
{
	const uint8_t *protocol = octets + octets[0] + 1;
	size_t account_size = ldns_rdf_size(view->account);
	const uint8_t *rest;

	if (!is_service_label(octets) || size < octets[0] + 1u + 6 || !is_protocol_label(protocol))
		return false;
	rest = protocol + 5;
	if ((size_t)(octets + size - rest) != account_size)
		return false;
	for (size_t i = 0; i < account_size; i++) {
		uint8_t a = rest[i], b = ldns_rdf_data(view->account)[i];

		/* Lengths of labels are below 64 and so no letters. */
		if (a != b && !((a | 0x20) == (b | 0x20) && (a | 0x20) >= 'a' && (a | 0x20) <= 'z'))
			return false;
	}
	snprintf(type, 80, "%.*s.%.4s", octets[0], (const char *)octets + 1,
		 (const char *)protocol + 1);
	for (char *c = type; *c; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c += 'a' - 'A';
	}
	for (size_t i = 0; i < ARRAY_SIZE(own_types); i++) {
		if (strcmp(type, own_types[i]) == 0)
			return false;
	}
	return true;
}

/* How many octets the UTF-8 character here has; 0: it is none that a name may have (RFC 6763
 * §4.1.1: no control characters). */
static unsigned int character_size(const uint8_t *octets, unsigned int left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned int n = octets[0] < 0x80       ? 1
			 : octets[0] >> 5 == 6  ? 2
			 : octets[0] >> 4 == 14 ? 3
			 : octets[0] >> 3 == 30 ? 4
						: 0;
	uint32_t code;

	if (n == 0 || n > left)
		return 0;
	code = n == 1 ? octets[0] : octets[0] & (0x7f >> n);
	for (unsigned int i = 1; i < n; i++) {
		if (octets[i] >> 6 != 2)
			return 0;
		code = code << 6 | (octets[i] & 0x3f);
	}
	if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return code < 0x20 || (code >= 0x7f && code < 0xa0) ? 0 : n;
}

/* Of "My Desktop._ssh._tcp.<account domain>", "My Desktop". */
static bool read_instance(const struct service_view *view, const ldns_rdf *name,
			  const char *wanted_type, char instance[64])
{
	const uint8_t *octets = ldns_rdf_data(name);
	unsigned int size = octets[0];
	char type[80];

	if (size == 0 || ldns_rdf_size(name) < size + 2u + 6 ||
	    !read_type(view, octets + size + 1, ldns_rdf_size(name) - size - 1, type) ||
	    strcmp(type, wanted_type) != 0)
		return false;
	for (unsigned int i = 0; i < size;) {
		unsigned int n = character_size(octets + 1 + i, size - i);

		if (n == 0)
			return false;
		i += n;
	}
	memcpy(instance, octets + 1, size);
	instance[size] = 0;
	return true;
}

typedef void (*each_type)(void *userdata, const ldns_rdf *name, const char *type);

static void for_each_type(const struct service_view *view, const struct watch_set *set,
			  each_type callback, void *userdata)
{
	const ldns_rr_list *types = watch_set_records(set, view->enumeration, LDNS_RR_TYPE_PTR);
	const ldns_rdf *name;
	char type[80];
	size_t n = 0;

	for (size_t i = 0; types && i < ldns_rr_list_rr_count(types) && n < SERVICE_TYPES_MAX;
	     i++) {
		if (dns_record_read_target(ldns_rr_list_rr(types, i), &name) < 0 ||
		    !read_type(view, ldns_rdf_data(name), ldns_rdf_size(name), type))
			continue;
		n++;
		callback(userdata, name, type);
	}
}

struct wanting {
	const struct service_view *view;
	struct watch_set *set;
	size_t room; /* questions */
};

static void want_type(void *userdata, const ldns_rdf *name, const char *type)
{
	struct wanting *wanting = userdata;

	if (wanting->room > 0 && watch_set_want(wanting->set, name, LDNS_RR_TYPE_PTR) >= 0)
		wanting->room--;
}

static void want_instances(void *userdata, const ldns_rdf *name, const char *type)
{
	struct wanting *wanting = userdata;
	const ldns_rr_list *instances = watch_set_records(wanting->set, name, LDNS_RR_TYPE_PTR);
	const ldns_rdf *instance;
	char text[64];

	for (size_t i = 0; instances && i < ldns_rr_list_rr_count(instances) && wanting->room >= 2;
	     i++) {
		if (dns_record_read_target(ldns_rr_list_rr(instances, i), &instance) < 0 ||
		    !read_instance(wanting->view, instance, type, text))
			continue;
		wanting->room -= 2;
		watch_set_want(wanting->set, instance, LDNS_RR_TYPE_SRV);
		watch_set_want(wanting->set, instance, LDNS_RR_TYPE_TXT);
	}
}

void service_view_want(const struct service_view *view, struct watch_set *set, size_t room)
{
	struct wanting wanting = { .view = view, .set = set };

	if (!view->enumeration || room == 0)
		return;
	watch_set_want(set, view->enumeration, LDNS_RR_TYPE_PTR);
	wanting.room = room - 1;
	if (wanting.room > SERVICE_TYPES_MAX + 2 * SERVICE_VIEW_MAX)
		wanting.room = SERVICE_TYPES_MAX + 2 * SERVICE_VIEW_MAX;
	for_each_type(view, set, want_type, &wanting);
	for_each_type(view, set, want_instances, &wanting);
}

static struct service *find_service(const struct service_view *view, const ldns_rdf *full_name)
{
	for (size_t i = 0; i < view->n_services; i++) {
		if (ldns_dname_compare(view->services[i]->full_name, full_name) == 0)
			return view->services[i];
	}
	return NULL;
}

static void list_service(struct service_view *view, const ldns_rdf *full_name, const char *name,
			 const char *type)
{
	struct service *service = find_service(view, full_name);

	if (!service && view->n_services < SERVICE_VIEW_MAX) {
		service = calloc(1, sizeof(*service));
		if (!service)
			return;
		service->full_name = ldns_rdf_clone(full_name);
		if (!service->full_name) {
			free(service);
			return;
		}
		snprintf(service->name, sizeof(service->name), "%s", name);
		snprintf(service->type, sizeof(service->type), "%s", type);
		snprintf(service->domain, sizeof(service->domain), "%s", view->account_domain);
		service->number = ++view->last_number;
		service->changes = SERVICE_CHANGE_ADDED;
		view->services[view->n_services++] = service;
	}
	if (service)
		service->listed = true;
}

struct updating {
	struct service_view *view;
	const struct watch_set *set;
};

/* A type whose answer is not known yet says nothing about its services. */
static void keep_type(struct service_view *view, const char *type)
{
	for (size_t i = 0; i < view->n_services; i++) {
		if (strcmp(view->services[i]->type, type) == 0)
			view->services[i]->listed = true;
	}
}

static void list_instances(void *userdata, const ldns_rdf *name, const char *type)
{
	struct updating *updating = userdata;
	const ldns_rr_list *instances = watch_set_records(updating->set, name, LDNS_RR_TYPE_PTR);
	const ldns_rdf *instance;
	char text[64];

	if (!instances)
		keep_type(updating->view, type);
	for (size_t i = 0; instances && i < ldns_rr_list_rr_count(instances); i++) {
		if (dns_record_read_target(ldns_rr_list_rr(instances, i), &instance) == 0 &&
		    read_instance(updating->view, instance, type, text))
			list_service(updating->view, instance, text, type);
	}
}

/* "desktop" and "desktop.<account domain>" of a target that is a host of the account. */
static bool read_target(const struct service_view *view, const ldns_rdf *target, char host[64],
			char text[320])
{
	const uint8_t *octets = ldns_rdf_data(target);
	unsigned int size = octets[0];

	if (size == 0 || !ldns_dname_is_subdomain(target, view->account) ||
	    ldns_rdf_size(target) != size + 1 + ldns_rdf_size(view->account))
		return false;
	for (unsigned int i = 0; i < size; i++) {
		uint8_t octet = octets[1 + i];

		if (octet >= 'A' && octet <= 'Z')
			octet += 'a' - 'A';
		if (!((octet >= 'a' && octet <= 'z') || (octet >= '0' && octet <= '9') ||
		      octet == '-'))
			return false;
		host[i] = octet;
	}
	host[size] = 0;
	snprintf(text, 320, "%s.%s", host, view->account_domain);
	return true;
}

/* By the SRV record with the lowest priority whose target is a host of the account: nobody else's
 * machine is reached through the tunnel. */
static void update_target(const struct service_view *view, struct service *service,
			  const ldns_rr_list *records)
{
	char host[64] = "", target[320] = "", other_host[64], other_target[320];
	uint16_t best = 0, port = 0, priority, other_port;
	const ldns_rdf *rdf;
	bool live = false;

	if (!records)
		return;
	for (size_t i = 0; i < ldns_rr_list_rr_count(records); i++) {
		if (dns_record_read_srv(ldns_rr_list_rr(records, i), &priority, &other_port, &rdf) <
			    0 ||
		    !read_target(view, rdf, other_host, other_target) || (live && priority >= best))
			continue;
		live = true;
		best = priority;
		port = other_port;
		strcpy(host, other_host);
		strcpy(target, other_target);
	}
	if (live == service->live && port == service->port && strcmp(host, service->host) == 0)
		return;
	service->live = live;
	service->port = port;
	strcpy(service->host, host);
	strcpy(service->target, target);
	service->changes |= SERVICE_CHANGE_TARGET;
}

static void update_text(struct service *service, const ldns_rr_list *records)
{
	uint8_t text[SERVICE_TEXT_SIZE];
	size_t size = 0, n = 0;

	if (!records)
		return;
	if (ldns_rr_list_rr_count(records) > 0) {
		const ldns_rr *rr = ldns_rr_list_rr(records, 0);

		for (size_t i = 0; i < ldns_rr_rd_count(rr) && n < SERVICE_TEXT_MAX; i++) {
			const uint8_t *octets = ldns_rdf_data(ldns_rr_rdf(rr, i));

			/* One empty string stands for none (RFC 6763 §6.1). */
			if (octets[0] == 0 || octets[0] + 1u > ldns_rdf_size(ldns_rr_rdf(rr, i)))
				continue;
			if (octets[0] + 1u > sizeof(text) - size)
				break;
			memcpy(text + size, octets, octets[0] + 1u);
			size += octets[0] + 1u;
			n++;
		}
	}
	if (size == service->text_size && memcmp(text, service->text, size) == 0)
		return;
	memcpy(service->text, text, size);
	service->text_size = size;
	service->changes |= SERVICE_CHANGE_TEXT;
}

void service_view_update(struct service_view *view, const struct watch_set *set)
{
	struct updating updating = { .view = view, .set = set };

	if (!view->enumeration || !watch_set_records(set, view->enumeration, LDNS_RR_TYPE_PTR))
		return;
	for (size_t i = 0; i < view->n_services; i++)
		view->services[i]->listed = false;
	for_each_type(view, set, list_instances, &updating);
	for (size_t i = 0; i < view->n_services; i++) {
		struct service *service = view->services[i];
		const ldns_rdf *name = service->full_name;

		if (!service->listed) {
			service->changes |= SERVICE_CHANGE_REMOVED;
			continue;
		}
		update_target(view, service, watch_set_records(set, name, LDNS_RR_TYPE_SRV));
		update_text(service, watch_set_records(set, name, LDNS_RR_TYPE_TXT));
	}
}

void service_view_set_not_heard_since(struct service_view *view, uint64_t since)
{
	for (size_t i = 0; i < view->n_services; i++) {
		struct service *service = view->services[i];

		if (service->not_heard_since == since)
			continue;
		service->not_heard_since = since;
		service->changes |= SERVICE_CHANGE_HEARD;
	}
}

void service_view_drop_removed(struct service_view *view)
{
	size_t n = 0;

	for (size_t i = 0; i < view->n_services; i++) {
		if (view->services[i]->changes & SERVICE_CHANGE_REMOVED)
			service_free(view->services[i]);
		else
			view->services[n++] = view->services[i];
	}
	view->n_services = n;
}
