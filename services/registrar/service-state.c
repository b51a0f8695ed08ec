/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/service-state.h"

#include "services/registrar/service-records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REFUSED_MSEC    (10 * 60000)
#define NAME_TAKEN_MSEC (5 * 60000)
#define NUMBER_MAX      20

void services_deinit(struct services *services)
{
	while (services->first)
		services_remove(services, services->first);
}

void service_instance_name(const struct service *service, const char *host_name,
			   char ret[static SERVICE_LABEL_SIZE])
{
	service_offer_number_name(*service->offer.name ? service->offer.name : host_name,
				  service->number, ret);
}

/* Whether another service of the type has the name that this one has or would have. */
static bool is_taken_here(const struct services *services, const struct service *service,
			  const char *host_name)
{
	char name[SERVICE_LABEL_SIZE], other_name[SERVICE_LABEL_SIZE];

	service_instance_name(service, host_name, name);
	for (const struct service *other = services->first; other; other = other->next) {
		if (other == service || strcasecmp(other->offer.type, service->offer.type) != 0)
			continue;
		service_instance_name(other, host_name, other_name);
		if (!strcasecmp(name, other_name))
			return true;
	}
	return false;
}

int services_add(struct services *services, const struct service_offer *offer,
		 enum service_source source, unsigned int number, const char *host_name,
		 struct service **ret)
{
	struct service **end = &services->first, *service;

	if (services->n >= SERVICES_MAX)
		return -ENOSPC;
	service = calloc(1, sizeof(*service));
	if (!service)
		return -ENOMEM;
	service->offer = *offer;
	service->source = source;
	service->number = number;
	while (source == SERVICE_SOURCE_LAN && service->number < NUMBER_MAX &&
	       is_taken_here(services, service, host_name))
		service->number++;
	if (is_taken_here(services, service, host_name)) {
		free(service);
		return -EEXIST;
	}
	while (*end)
		end = &(*end)->next;
	*end = service;
	services->n++;
	*ret = service;
	return 0;
}

void services_remove(struct services *services, struct service *service)
{
	struct service **link = &services->first;

	while (*link != service)
		link = &(*link)->next;
	*link = service->next;
	services->n--;
	if (service->condition == SERVICE_PUBLISHED || service->included) {
		services->withdrawn = true;
		services->withdrawal_sent = false;
	}
	free(service);
}

void services_change(struct services *services, struct service *service,
		     const struct service_offer *offer)
{
	char name[SERVICE_LABEL_SIZE];

	strcpy(name, service->offer.name);
	service->offer = *offer;
	strcpy(service->offer.name, name);
	service->changed = true;
	service->not_before = 0;
}

static bool is_due(const struct service *service, uint64_t now)
{
	return now >= service->not_before;
}

/* Whether the zone does not have it as it is wanted. */
static bool is_new(const struct service *service)
{
	return service->condition != SERVICE_PUBLISHED || service->changed;
}

bool services_differ(const struct services *services, uint64_t now)
{
	if (services->withdrawn)
		return true;
	for (const struct service *service = services->first; service; service = service->next)
		if (is_new(service) && is_due(service, now))
			return true;
	return false;
}

uint64_t services_due(const struct services *services, uint64_t now)
{
	uint64_t due = UINT64_MAX;

	for (const struct service *service = services->first; service; service = service->next)
		if (is_new(service) && !is_due(service, now) && service->not_before < due)
			due = service->not_before;
	return due;
}

static void block(struct service *service, enum service_condition condition, uint64_t until,
		  const char *trouble)
{
	service->condition = condition;
	service->not_before = until;
	service->trouble = trouble;
}

int services_select(struct services *services, const struct host_names *names, bool settled,
		    uint64_t now, ldns_rr_list *list)
{
	/* What is new goes alone, once the host and those that were there are. */
	bool all = !services->apart, one = services->apart && settled && !services->withdrawn;
	int r = 0;

	services->withdrawal_sent = services->withdrawn;
	for (struct service *service = services->first; service; service = service->next) {
		bool take = is_due(service, now) && (all || one);
		char name[SERVICE_LABEL_SIZE];

		service->included = false;
		if (service->condition == SERVICE_PUBLISHED && !service->changed)
			take = true;
		else if (take && !all)
			one = false;
		if (!take)
			continue;
		service_instance_name(service, names->host_name, name);
		r = service_records_push(list, names, &service->offer, name);
		if (r == -ENOMEM)
			return r;
		if (r < 0) {
			block(service, SERVICE_REFUSED, UINT64_MAX,
			      "its name would be too long together with the account's domain");
			continue;
		}
		service->included = true;
	}
	return 0;
}

static size_t count_included(const struct services *services, bool only_new)
{
	size_t n = 0;

	for (const struct service *service = services->first; service; service = service->next)
		n += service->included && (!only_new || is_new(service));
	return n;
}

static void on_acknowledged(struct services *services)
{
	bool more = false;

	if (services->withdrawal_sent)
		services->withdrawn = services->withdrawal_sent = false;
	for (struct service *service = services->first; service; service = service->next) {
		if (service->included) {
			service->condition = SERVICE_PUBLISHED;
			service->changed = false;
			service->trouble = NULL;
		}
		service->included = false;
		more = more || (is_new(service) && !service->trouble);
	}
	if (!more)
		services->apart = false;
}

/* This service alone was refused. */
static void blame(struct services *services, struct service *service, enum registrar_result result,
		  const char *host_name, uint64_t now)
{
	if (result != REGISTRAR_RESULT_NAME_TAKEN) {
		services->withdrawn =
			services->withdrawn || service->condition == SERVICE_PUBLISHED;
		block(service, SERVICE_REFUSED, now + REFUSED_MSEC,
		      "the server does not let this host share it");
		return;
	}
	service->condition = SERVICE_WAITING;
	do
		service->number++;
	while (service->number < NUMBER_MAX && is_taken_here(services, service, host_name));
	if (service->number >= NUMBER_MAX) {
		service->number = 1;
		block(service, SERVICE_NAME_TAKEN, now + NAME_TAKEN_MSEC,
		      "other hosts of the account have that name: share it under another one");
	}
}

static enum registrar_result on_refused(struct services *services, enum registrar_result result,
					bool settled, const char *host_name, uint64_t now)
{
	size_t n_new = count_included(services, true);
	struct service *service;

	if (!count_included(services, false))
		return result;
	/* What the zone took before it does not take any more; which, is to be seen. */
	if (!n_new)
		services_on_lost(services);
	for (service = services->first; n_new == 1 && settled && service; service = service->next)
		if (service->included && is_new(service))
			blame(services, service, result, host_name, now);
	if (n_new != 1 || !settled)
		services->apart = true;
	for (service = services->first; service; service = service->next)
		service->included = false;
	return REGISTRAR_RESULT_SERVICE;
}

enum registrar_result services_on_result(struct services *services, enum registrar_result result,
					 bool settled, const char *host_name, uint64_t now)
{
	switch (result) {
	case REGISTRAR_RESULT_OK:
		on_acknowledged(services);
		return result;
	case REGISTRAR_RESULT_REFUSED:
	case REGISTRAR_RESULT_NAME_TAKEN:
		return on_refused(services, result, settled, host_name, now);
	case REGISTRAR_RESULT_FAILED:
	case REGISTRAR_RESULT_UNREACHABLE:
	case REGISTRAR_RESULT_UNTRUSTED:
	case REGISTRAR_RESULT_CLOCK:
	case REGISTRAR_RESULT_BAD_KEY:
	case REGISTRAR_RESULT_SERVICE:
		break;
	}
	return result;
}

void services_on_lost(struct services *services)
{
	for (struct service *service = services->first; service; service = service->next)
		if (service->condition == SERVICE_PUBLISHED)
			service->condition = SERVICE_WAITING;
}

void services_unblock(struct services *services)
{
	for (struct service *service = services->first; service; service = service->next) {
		service->not_before = 0;
		service->trouble = NULL;
		if (service->condition != SERVICE_PUBLISHED)
			service->condition = SERVICE_WAITING;
	}
}
