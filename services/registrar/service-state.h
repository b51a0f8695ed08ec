/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The services that this host shares: which of them go into the next UPDATE, and what its answer
 * says about each. Pure; times as in registrar-state.h.
 *
 * An UPDATE is taken or refused as a whole, and a service that the zone does not want must not keep
 * the host out of it, nor the others. So when one that has services in it which were not there
 * before is refused, they go one by one from then on, after the host itself: the one that is
 * refused alone is to blame. A taken name gets a number, as Bonjour does ("desktop (2)").
 */
#include "common/dns/dns-message.h"
#include "common/dns/host-names.h"
#include "services/registrar/registrar-state.h"
#include "services/registrar/service-offer.h"

#define SERVICES_MAX 64

enum service_source {
	SERVICE_SOURCE_COMMAND, /* asked for on the bus, and kept */
	SERVICE_SOURCE_LAN,     /* seen on the local network */
};

enum service_condition {
	SERVICE_WAITING,
	SERVICE_PUBLISHED,
	SERVICE_REFUSED,
	SERVICE_NAME_TAKEN,
};

struct service {
	struct service *next;
	struct service_offer offer;
	enum service_source source;
	enum service_condition condition;
	unsigned int number; /* of the name: see service_offer_number_name() */
	bool included;       /* in the UPDATE sent last */
	bool changed;        /* since then */
	uint64_t not_before;
	const char *trouble; /* in words, static; NULL: none */
	/* The context's. */
	void *userdata;
	char seen_at[256]; /* which machine of the local network offers it; "": this one */
};

struct services {
	struct service *first; /* in the order they came */
	size_t n;
	bool apart;     /* one new service at a time */
	bool withdrawn; /* one that was published is gone, and the server does not know */
	bool withdrawal_sent;
};

void services_deinit(struct services *services);

/* 0; -EEXIST: there is one of that type and name already (LAN services get a number instead);
 * -ENOSPC: there are SERVICES_MAX; -ENOMEM. `host_name` stands for an empty name. */
int services_add(struct services *services, const struct service_offer *offer,
		 enum service_source source, unsigned int number, const char *host_name,
		 struct service **ret);
/* Frees it. */
void services_remove(struct services *services, struct service *service);
/* Other port, texts or subtypes; type and name stay. */
void services_change(struct services *services, struct service *service,
		     const struct service_offer *offer);

/* The name as it is published or about to be. */
void service_instance_name(const struct service *service, const char *host_name,
			   char ret[static SERVICE_LABEL_SIZE]);

/* Whether the zone does not have what is wanted. */
bool services_differ(const struct services *services, uint64_t now);
/* When a service may be tried again, at the earliest; UINT64_MAX: none waits for that. */
uint64_t services_due(const struct services *services, uint64_t now);

/* Chooses those for the UPDATE that is to be sent, and pushes their records on `list`. `settled`:
 * the zone has the host's own records, and this UPDATE changes none of them. 0 or -ENOMEM. */
int services_select(struct services *services, const struct host_names *names, bool settled,
		    uint64_t now, ldns_rr_list *list);
/* What the answer to that UPDATE means for the host: the same, or REGISTRAR_RESULT_SERVICE when a
 * service is or may be to blame. */
enum registrar_result services_on_result(struct services *services, enum registrar_result result,
					 bool settled, const char *host_name, uint64_t now);
/* The zone has none of them any more: withdrawn, or the lease ended. */
void services_on_lost(struct services *services);
/* What was refused may be tried again at once. */
void services_unblock(struct services *services);
