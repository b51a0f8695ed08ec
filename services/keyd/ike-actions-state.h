/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the decisions want done: a queue that the daemon empties after each event. Everything in an
 * action is its own copy, so it may be carried out when the SA it came from is gone.
 */
#include "services/keyd/ike-auth.h"

enum ike_action_type {
	IKE_ACTION_SEND,    /* `data` to `endpoint` through the channel */
	IKE_ACTION_SIGN,    /* `data` by the host's key; answer with ike_manager_signed() */
	IKE_ACTION_INSTALL, /* `child` with the keys `data`; answer with ike_manager_installed() */
	IKE_ACTION_REMOVE,  /* the pair with child.spi_in */
	IKE_ACTION_REMOVE_ALL,     /* every pair of the peer `name` */
	IKE_ACTION_MOVE,           /* the peer of the pair with child.spi_in is at `endpoint` */
	IKE_ACTION_RETIRE,         /* the same: nothing more is sent on it, it receives a while */
	IKE_ACTION_ACQUIRE_FAILED, /* for the peer `name`, because of `text` */
	IKE_ACTION_CHANGED,        /* the SA `sa` is new, other than before, or gone */
	IKE_ACTION_NOTE,           /* `text` for the timeline and the journal */
};

/* A pair of ESP security associations. */
struct ike_child {
	uint64_t id; /* its number on the bus; 0: there is none */
	uint32_t spi_in, spi_out;
	struct esp_suite suite;
	bool initiator;      /* whether we began the exchange that made it */
	bool asked;          /* tunneld was given it, and has it or will */
	bool installed;      /* tunneld said that it has it */
	bool closing;        /* our delete is wanted or under way */
	bool told;           /* the delete is under way */
	bool replaced;       /* by the peer, which is to delete it */
	uint64_t created;    /* ms; when it was installed */
	uint64_t rekey_at;   /* ms; UINT64_MAX: not by time */
	uint64_t expires_at; /* ms; UINT64_MAX: never */
};

struct ike_action {
	struct ike_action *next;
	enum ike_action_type type;
	uint64_t sa;
	struct sockaddr_in endpoint;
	uint8_t *data; /* wiped with the action */
	size_t size;
	struct ike_child child;
	uint64_t limit_octets, limit_packets; /* with INSTALL; 0: none */
	uint8_t host_id[16];
	char name[IKE_NAME_LIMIT];
	char text[160];
};

struct ike_actions {
	struct ike_action *first, **last;
};

void ike_actions_init(struct ike_actions *actions);
void ike_actions_deinit(struct ike_actions *actions);
/* The oldest one, or NULL; the caller frees it with ike_action_free(). */
struct ike_action *ike_actions_take(struct ike_actions *actions);
struct ike_action *ike_action_free(struct ike_action *action);

/* Each copies what it is given. Without memory an action is lost, as a datagram may be: the peer's
 * or our own retransmission, or a timeout, deals with it. The new action, or NULL. */
struct ike_action *ike_actions_add(struct ike_actions *actions, enum ike_action_type type,
				   uint64_t sa, const void *data, size_t size);
void ike_actions_send(struct ike_actions *actions, uint64_t sa, const struct sockaddr_in *endpoint,
		      const void *data, size_t size);
void ike_actions_note(struct ike_actions *actions, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define IKE_ENDPOINT_TEXT (INET_ADDRSTRLEN + 6)

/* "192.0.2.1:4500"; returns `text`. */
const char *ike_endpoint_text(const struct sockaddr_in *endpoint, char text[IKE_ENDPOINT_TEXT]);

DEFINE_CLEANUP(struct ike_action *, ike_action_free)
