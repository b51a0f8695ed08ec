/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The services that the account's hosts share, this one included, as the answers to the questions
 * of a struct watch_set have them (RFC 6763): the list of types names the types, each type's PTR
 * records name the instances, each instance has SRV and TXT. Pure.
 *
 * Any host of the account may share anything, so all of it is bounded, and what has no well-formed
 * name is left out. The hosts' own questions come first: services get what room they leave.
 *
 * A value that is not known yet again, because its question is being asked anew, stays what it was.
 */
#include "services/llq-watcher/watch-set.h"

#define SERVICE_TYPES_MAX 64  /* kinds of service */
#define SERVICE_VIEW_MAX  128 /* services */
#define SERVICE_TEXT_MAX  64  /* strings of TXT shown */
#define SERVICE_TEXT_SIZE 2048

enum service_change {
	SERVICE_CHANGE_ADDED = 1 << 0,
	SERVICE_CHANGE_REMOVED = 1 << 1,
	SERVICE_CHANGE_TARGET = 1 << 2, /* host, target or port, and whether it is live */
	SERVICE_CHANGE_TEXT = 1 << 3,
	SERVICE_CHANGE_HEARD = 1 << 4, /* not_heard_since, and so whether it is live */
};

struct service {
	char name[64];    /* of the instance, UTF-8: My Desktop */
	char type[80];    /* _ssh._tcp */
	char domain[256]; /* the account's */
	char host[64];    /* label of the host that offers it: desktop; empty: not known */
	char target[320]; /* its full name; empty: not known */
	uint16_t port;    /* host order */
	bool live;        /* the zone has its SRV record now */
	uint8_t text[SERVICE_TEXT_SIZE]; /* strings of the TXT record, each after its length */
	size_t text_size;
	ldns_rdf *full_name;
	bool listed;              /* only inside service_view_update() */
	unsigned int changes;     /* enum service_change, for the caller to clear */
	uint64_t number;          /* of its object; another one when it went and came back */
	uint64_t since;           /* for the caller */
	uint64_t not_heard_since; /* by the caller's clock; 0: the zone is heard */
	void *userdata;           /* for the caller */
};

struct service_view {
	char account_domain[256];
	ldns_rdf *account, *enumeration; /* NULL: not initialised */
	struct service *services[SERVICE_VIEW_MAX];
	size_t n_services;
	uint64_t last_number;
};

/* 0, or a negative errno: nothing is wanted and shown then. */
int service_view_init(struct service_view *view, const char *account_domain);
/* Frees the services; numbers go on. */
void service_view_clear(struct service_view *view);
/* Names the questions to ask, at most `room` of them, by what the set answered so far: between
 * watch_set_want_begin() and watch_set_want_end(). */
void service_view_want(const struct service_view *view, struct watch_set *set, size_t room);
/* Takes over what the set now says; each service's `changes` say what that was. */
void service_view_update(struct service_view *view, const struct watch_set *set);
/* As host_set_not_heard_since(), of all. */
void service_view_set_not_heard_since(struct service_view *view, uint64_t since);
/* Frees the services that were removed, once the caller has told about it. */
void service_view_drop_removed(struct service_view *view);
