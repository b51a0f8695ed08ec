/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/dso-session-state.h"

#include <errno.h>

#define INACTIVITY_GRACE_MSEC 5000

void dso_session_begin(struct dso_session *session, uint64_t now)
{
	*session = (struct dso_session){ .inactivity_timeout = DSO_DEFAULT_MSEC,
					 .interval = DSO_DEFAULT_MSEC,
					 .last_activity = now,
					 .last_message = now };
}

void dso_session_touch(struct dso_session *session, bool is_keepalive, uint64_t now)
{
	session->last_message = now;
	/* RFC 8490 §6.3: what only keeps a session alive is no reason to keep it. */
	if (!is_keepalive)
		session->last_activity = now;
}

static uint32_t at_most(uint32_t value, uint32_t limit)
{
	return value < limit ? value : limit;
}

struct dns_dso_keepalive dso_session_grant(struct dso_session *session,
					   const struct dso_limits *limits,
					   const struct dns_dso_keepalive *wanted)
{
	uint32_t interval = at_most(wanted->interval, limits->interval);

	session->inactivity_timeout =
		at_most(wanted->inactivity_timeout, limits->inactivity_timeout);
	session->interval = interval < DSO_INTERVAL_MIN_MSEC ? DSO_INTERVAL_MIN_MSEC : interval;
	session->is_told = true;
	return (struct dns_dso_keepalive){ session->inactivity_timeout, session->interval };
}

void dso_session_end(struct dso_session *session, uint64_t now)
{
	session->is_ending = true;
	session->ends_at = now + DSO_GRACE_MSEC;
}

static uint64_t later(uint64_t from, uint32_t msec, uint64_t least)
{
	uint64_t twice = 2 * (uint64_t)msec;

	if (msec == DNS_DSO_FOREVER)
		return UINT64_MAX;
	return from + (twice > least ? twice : least);
}

uint64_t dso_session_deadline(const struct dso_session *session)
{
	uint64_t silent, inactive = UINT64_MAX;

	if (session->is_ending)
		return session->ends_at;
	if (!session->is_established)
		return UINT64_MAX;
	silent = later(session->last_message, session->interval, 0);
	if (session->n_operations == 0)
		inactive = later(session->last_activity, session->inactivity_timeout,
				 INACTIVITY_GRACE_MSEC);
	return silent < inactive ? silent : inactive;
}

static enum dso_verdict refuse(uint8_t rcode, uint8_t *ret_rcode)
{
	*ret_rcode = rcode;
	return DSO_REFUSE;
}

static enum dso_verdict judge_request(uint16_t type, uint8_t *ret_rcode)
{
	switch (type) {
	case DNS_DSO_KEEPALIVE:
		return DSO_KEEPALIVE;
	case DNS_DSO_SUBSCRIBE:
		return DSO_SUBSCRIBE;
	case DNS_DSO_RETRY_DELAY: /* RFC 8490 §6.6.1: only we may say that */
	case DNS_DSO_PUSH:        /* RFC 8765 §6.3 */
		return DSO_FATAL;
	case DNS_DSO_UNSUBSCRIBE: /* these have no answer */
	case DNS_DSO_RECONFIRM:
	case DNS_DSO_PADDING: /* this is never the first */
		return refuse(LDNS_RCODE_FORMERR, ret_rcode);
	default:
		return refuse(DNS_RCODE_DSOTYPENI, ret_rcode);
	}
}

/* RFC 8490 §5.1, §5.4.5: not before the session is established, and only what we know. */
static enum dso_verdict judge_unidirectional(const struct dso_session *session, uint16_t type)
{
	if (session->is_established && type == DNS_DSO_UNSUBSCRIBE)
		return DSO_UNSUBSCRIBE;
	if (session->is_established && type == DNS_DSO_RECONFIRM)
		return DSO_RECONFIRM;
	return DSO_FATAL;
}

enum dso_verdict dso_session_judge(const struct dso_session *session, const uint8_t *data,
				   size_t size, struct dns_dso *ret, uint8_t *ret_rcode)
{
	struct reader reader = reader_init(data, size);
	int r;

	if (session->is_ending)
		return DSO_IGNORE;
	r = dns_dso_parse(data, size, ret);
	if (r == -EPROTO) {
		*ret = (struct dns_dso){ .id = reader_u16(&reader) };
		/* Sections: a request is answered so; nothing else can be answered. */
		if (ret->id && !(reader_u16(&reader) & DNS_FLAG_QR))
			return refuse(LDNS_RCODE_FORMERR, ret_rcode);
	}
	if (r < 0)
		return DSO_FATAL;
	switch (ret->kind) {
	case DNS_DSO_REQUEST:
		return judge_request(ret->type, ret_rcode);
	case DNS_DSO_UNIDIRECTIONAL:
		return judge_unidirectional(session, ret->type);
	case DNS_DSO_RESPONSE: /* we ask nothing */
		return DSO_FATAL;
	}
	return DSO_FATAL;
}
