/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * org.freedesktop.resolve1: who answers for some domains on a link. The calls of one request go out
 * one after the other, since polkit may make a later one overtake; domains come before the server,
 * so that nothing else ever goes there.
 */
#include "common/loop/loop.h"

#include <netinet/in.h>

struct resolved_client;

struct resolved_settings {
	struct sockaddr_in server;
	const char *const *domains; /* ended by NULL; without the final dot */
	bool search;                /* the first is also tried after names without a dot */
};

/* It came, went, or was started again: see resolved_client_incarnation(). */
typedef void (*resolved_client_owner_callback)(void *userdata);
/* `words` NULL: done. `refused`: it does not want to, rather than being silent. */
typedef void (*resolved_client_done_callback)(void *userdata, bool refused, const char *words);

int resolved_client_new(sd_bus *bus, resolved_client_owner_callback on_owner,
			resolved_client_done_callback on_done, void *userdata,
			struct resolved_client **ret);
struct resolved_client *resolved_client_free(struct resolved_client *client);
/* 0: it is not there. */
uint64_t resolved_client_incarnation(const struct resolved_client *client);
/* Whether it is known by now if it is there. */
bool resolved_client_decided(const struct resolved_client *client);
/* One request at a time; on_done comes from the loop, once, unless a negative errno is returned.
 * The settings have to live until then. */
int resolved_client_tell(struct resolved_client *client, unsigned int link,
			 const struct resolved_settings *settings);
int resolved_client_revert(struct resolved_client *client, unsigned int link);

DEFINE_CLEANUP(struct resolved_client *, resolved_client_free)
