/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The server's end of a DSO session (RFC 8490): what a message is for, which errors end the
 * session, and when silence does. Times are milliseconds and come from the caller.
 */
#include "common/dns/dns-dso.h"

/* What both ends assume until a Keepalive said something else (RFC 8490 §6.2). */
#define DSO_DEFAULT_MSEC 15000
/* RFC 8490 §6.5.2: no keepalive interval is shorter. */
#define DSO_INTERVAL_MIN_MSEC 10000
/* How long a client that was told to go may take. */
#define DSO_GRACE_MSEC 5000

/* The longest that clients are granted. */
struct dso_limits {
	uint32_t inactivity_timeout;
	uint32_t interval;
};

struct dso_session {
	bool is_established; /* a request was answered NOERROR */
	bool is_told;        /* the client knows our times: a Keepalive was sent */
	bool is_ending;      /* Retry Delay was sent: nothing more is said, nothing is heard */
	uint32_t n_operations;
	uint32_t inactivity_timeout, interval;
	uint64_t last_activity; /* any message but Keepalive */
	uint64_t last_message;
	uint64_t ends_at; /* with is_ending */
};

void dso_session_begin(struct dso_session *session, uint64_t now);
/* A message came or went, of DNS or DSO. */
void dso_session_touch(struct dso_session *session, bool is_keepalive, uint64_t now);
/* What this client is granted that wants that; from now on it counts. */
struct dns_dso_keepalive dso_session_grant(struct dso_session *session,
					   const struct dso_limits *limits,
					   const struct dns_dso_keepalive *wanted);
/* Retry Delay was sent. */
void dso_session_end(struct dso_session *session, uint64_t now);
/* When the connection is to be aborted; UINT64_MAX: never, as things are. */
uint64_t dso_session_deadline(const struct dso_session *session);

enum dso_verdict {
	DSO_FATAL,  /* abort the connection */
	DSO_IGNORE, /* nothing at all */
	DSO_REFUSE, /* answer with the RCODE */
	DSO_KEEPALIVE,
	DSO_SUBSCRIBE,
	DSO_UNSUBSCRIBE,
	DSO_RECONFIRM,
};

/* What to do about a message. `ret` is filled in but for DSO_FATAL and DSO_IGNORE; of DSO_REFUSE it
 * has the id only. */
enum dso_verdict dso_session_judge(const struct dso_session *session, const uint8_t *data,
				   size_t size, struct dns_dso *ret, uint8_t *ret_rcode);
