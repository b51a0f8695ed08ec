/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/authority-session.h"

#include "common/dns/dns-push.h"

#include <openssl/crypto.h>

/* Restarted clients come back over this many milliseconds, not all at once. */
#define RESTART_SPREAD_MSEC 4096
#define RESTART_FIRST_MSEC  1000
/* How often to look whether a connection still has long-lived queries. */
#define LLQS_CHECK_MSEC 600000
#define LLQS_STEP       16
/* After its account was removed, disabled or given another key. */
#define LEAVE_MSEC 60000

void authority_keep_session(struct session *session, struct outbox *outbox)
{
	bool is_kept = (session->account && session->dso.is_established) || session->llqs_due;

	if (is_kept == session->is_kept)
		return;
	session->is_kept = is_kept;
	outbox_append_order(outbox, &session->peer, is_kept ? REPLY_KEEP : REPLY_RELEASE);
}

/* Long-lived queries -----------------------------------------------------------------------------
 */

/* The query with this id, if it is of this connection. */
static struct llq *find_llq(const struct authority *authority, const struct session *session,
			    uint64_t id)
{
	struct llq *llq = llq_table_find(&authority->llqs, id);

	return llq && llq->peer.connection == session->peer.connection ? llq : NULL;
}

static void drop_gone_llqs(const struct authority *authority, struct session *session)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < session->n_llqs; i++)
		if (find_llq(authority, session, session->llqs[i]))
			session->llqs[n++] = session->llqs[i];
	session->n_llqs = n;
}

void authority_hold_llqs(struct authority *authority, const struct moment *moment,
			 const struct peer *peer, struct outbox *outbox)
{
	struct session *session = session_get(&authority->sessions, peer, moment->now);

	if (!session)
		return;
	session->llqs_due = moment->now + LLQS_CHECK_MSEC;
	authority_keep_session(session, outbox);
	session_note_time(&authority->sessions, session);
}

bool authority_attach_llq(struct authority *authority, const struct llq *llq)
{
	struct session *session = session_find(&authority->sessions, llq->peer.connection);
	uint64_t *llqs;

	if (!session)
		return false;
	if (session->n_llqs % LLQS_STEP == 0) {
		drop_gone_llqs(authority, session);
		llqs = reallocarray(session->llqs, session->n_llqs + LLQS_STEP + 1, sizeof *llqs);
		if (!llqs)
			return false;
		session->llqs = llqs;
	}
	session->llqs[session->n_llqs++] = llq->id;
	return true;
}

/* Ends what lives with the connection. */
static void forget_session(struct authority *authority, struct session *session)
{
	for (uint32_t i = 0; i < session->n_llqs; i++) {
		struct llq *llq = find_llq(authority, session, session->llqs[i]);

		if (llq)
			llq_table_drop(&authority->llqs, llq);
	}
	session_remove(&authority->sessions, session);
}

/* Without any that live the connection is one like others. */
static void check_llqs(struct authority *authority, struct session *session,
		       const struct moment *moment, struct outbox *outbox)
{
	drop_gone_llqs(authority, session);
	session->llqs_due = session->n_llqs ? moment->now + LLQS_CHECK_MSEC : 0;
	authority_keep_session(session, outbox);
	session_note_time(&authority->sessions, session);
}

/* DSO
 * --------------------------------------------------------------------------------------------
 */

void authority_abort_session(struct authority *authority, struct session *session,
			     struct outbox *outbox)
{
	outbox_append_order(outbox, &session->peer, REPLY_ABORT);
	forget_session(authority, session);
}

static void send_dso(struct session *session, struct dns_builder *builder, bool is_keepalive,
		     const struct moment *moment, struct outbox *outbox)
{
	int size;

	if (session->is_padded)
		dns_dso_add_padding(builder, DNS_PADDING_RESPONSE);
	size = dns_builder_finish(builder);
	if (size < 0)
		return;
	outbox_append(outbox, &session->peer, builder->writer.data, size);
	dso_session_touch(&session->dso, is_keepalive, moment->now);
}

void authority_answer_dso(struct authority *authority, struct session *session, uint16_t id,
			  uint8_t rcode, const struct moment *moment, struct outbox *outbox)
{
	uint8_t octets[DNS_PADDING_RESPONSE];
	struct dns_builder builder;

	dns_dso_begin_response(&builder, octets, sizeof octets, id, rcode);
	if (rcode != LDNS_RCODE_NOERROR)
		dns_dso_add_retry_delay(&builder, dns_push_retry_delay(rcode));
	send_dso(session, &builder, false, moment, outbox);
}

/* What a client is granted at most: without a key no more than the stream server gives it. */
static struct dso_limits limits_of(const struct authority *authority, const struct session *session)
{
	struct dso_limits limits = authority->options->dso_limits;
	uint32_t idle = authority->options->stream_idle_msec[session->peer.transport];

	if (!session->account && idle < limits.inactivity_timeout)
		limits.inactivity_timeout = idle;
	return limits;
}

static void answer_keepalive(struct authority *authority, struct session *session,
			     const struct dns_dso *message, const struct moment *moment,
			     struct outbox *outbox)
{
	struct dso_limits limits = limits_of(authority, session);
	struct dns_dso_keepalive wanted, granted;
	uint8_t octets[DNS_PADDING_RESPONSE];
	struct dns_builder builder;

	if (dns_dso_read_keepalive(&message->data, &wanted) < 0) {
		authority_answer_dso(authority, session, message->id, LDNS_RCODE_FORMERR, moment,
				     outbox);
		return;
	}
	granted = dso_session_grant(&session->dso, &limits, &wanted);
	session->dso.is_established = true;
	dns_dso_begin_response(&builder, octets, sizeof octets, message->id, LDNS_RCODE_NOERROR);
	dns_dso_add_keepalive(&builder, &granted);
	send_dso(session, &builder, true, moment, outbox);
}

/* Our times to a client that subscribed without asking for them: by the default ones it would have
 * to write every fifteen seconds. */
static void tell_times(struct authority *authority, struct session *session,
		       const struct moment *moment, struct outbox *outbox)
{
	struct dso_limits limits = limits_of(authority, session);
	struct dns_dso_keepalive granted = { limits.inactivity_timeout, limits.interval };
	uint8_t octets[DNS_PADDING_RESPONSE];
	struct dns_builder builder;

	if (session->dso.is_told || !session->dso.n_operations)
		return;
	granted = dso_session_grant(&session->dso, &limits, &granted);
	dns_dso_begin(&builder, octets, sizeof octets, 0);
	dns_dso_add_keepalive(&builder, &granted);
	send_dso(session, &builder, true, moment, outbox);
}

/* False: that is no way to write to us. */
static bool take_unsubscribe(struct authority *authority, struct session *session,
			     const struct dns_dso *message)
{
	uint16_t id;

	if (dns_push_read_unsubscribe(&message->data, &id) < 0)
		return false;
	push_unsubscribe(&authority->sessions, session, id);
	return true;
}

/* What this server holds is the truth, there is nobody else to ask (RFC 8765 §6.5). */
static bool take_reconfirm(struct authority *authority, const struct dns_dso *message)
{
	struct dns_push_question question;

	authority->counters.push_reconfirms++;
	return dns_push_read_reconfirm(&message->data, &question) >= 0;
}

/* Whether the session goes on. */
static bool obey(struct authority *authority, struct session *session, enum dso_verdict verdict,
		 const struct dns_dso *message, uint8_t rcode, const struct moment *moment,
		 struct outbox *outbox)
{
	uint64_t connection = session->peer.connection;

	switch (verdict) {
	case DSO_FATAL:
		return false;
	case DSO_IGNORE:
		break;
	case DSO_REFUSE:
		authority_answer_dso(authority, session, message->id, rcode, moment, outbox);
		break;
	case DSO_KEEPALIVE:
		answer_keepalive(authority, session, message, moment, outbox);
		break;
	case DSO_SUBSCRIBE:
		authority_receive_subscribe(authority, moment, session, message, outbox);
		if (session_find(&authority->sessions, connection))
			tell_times(authority, session, moment, outbox);
		break;
	case DSO_UNSUBSCRIBE:
		return take_unsubscribe(authority, session, message);
	case DSO_RECONFIRM:
		return take_reconfirm(authority, message);
	}
	return true;
}

void authority_receive_dso(struct authority *authority, const struct moment *moment,
			   const struct peer *peer, const uint8_t *data, size_t size,
			   struct outbox *outbox)
{
	struct session *session = session_get(&authority->sessions, peer, moment->now);
	struct reader padding;
	enum dso_verdict verdict;
	struct dns_dso message;
	uint8_t rcode = 0;

	if (!session) {
		outbox_append_order(outbox, peer, REPLY_ABORT);
		return;
	}
	verdict = dso_session_judge(&session->dso, data, size, &message, &rcode);
	if (verdict == DSO_IGNORE)
		return;
	if (verdict != DSO_FATAL) {
		dso_session_touch(&session->dso, verdict == DSO_KEEPALIVE, moment->now);
		session->is_padded = dns_dso_find(&message, DNS_DSO_PADDING, &padding);
	}
	if (!obey(authority, session, verdict, &message, rcode, moment, outbox)) {
		authority->counters.dso_fatal++;
		authority_abort_session(authority, session, outbox);
		return;
	}
	/* It may have ended meanwhile. */
	session = session_find(&authority->sessions, peer->connection);
	if (!session)
		return;
	authority_keep_session(session, outbox);
	session_note_time(&authority->sessions, session);
}

bool authority_admit_on_session(struct authority *authority, const struct moment *moment,
				const struct request *request, struct outbox *outbox)
{
	struct session *session = session_find(&authority->sessions, request->peer.connection);

	if (!session)
		return true;
	if (session->dso.is_ending)
		return false;
	/* RFC 8490 §5.4.6: the session has its own way to say that. */
	if (session->dso.is_established && request->message->has_edns &&
	    dns_options_have(request->message->options, request->message->options_size,
			     DNS_OPTION_KEEPALIVE)) {
		authority->counters.dso_fatal++;
		authority_abort_session(authority, session, outbox);
		return false;
	}
	dso_session_touch(&session->dso, false, moment->now);
	session_note_time(&authority->sessions, session);
	return true;
}

void authority_bind_session(struct authority *authority, const struct moment *moment,
			    const struct request *request, struct outbox *outbox)
{
	const struct authority_options *options = authority->options;
	uint8_t ours[DNS_CHANNEL_BINDING_SIZE];
	struct session *session;
	const uint8_t *theirs;

	if (request->peer.transport != TRANSPORT_TLS || !options->channel_binding ||
	    !request->message->has_edns ||
	    dns_options_read_channel_binding(request->message->options,
					     request->message->options_size, &theirs) <= 0)
		return;
	if (!options->channel_binding(options->channel_userdata, &request->peer, ours) ||
	    CRYPTO_memcmp(ours, theirs, sizeof ours) != 0) {
		authority->counters.bindings_wrong++;
		return;
	}
	session = session_get(&authority->sessions, &request->peer, moment->now);
	if (!session || session->is_leaving || session->dso.is_ending)
		return;
	if (session_bind(&authority->sessions, session, request->identity.account,
			 request->identity.key_name) < 0)
		return;
	authority->counters.bindings++;
	authority_keep_session(session, outbox);
}

/* Retry Delay as a message of its own: goodbye (RFC 8490 §6.6.1). Before the session is established
 * nothing may be said; then the connection just ends. */
static void say_goodbye(struct authority *authority, struct session *session, uint8_t rcode,
			uint32_t delay, const struct moment *moment, struct outbox *outbox)
{
	uint8_t octets[DNS_PADDING_RESPONSE];
	struct dns_builder builder;

	if (!session->dso.is_established) {
		authority_abort_session(authority, session, outbox);
		return;
	}
	dns_dso_begin(&builder, octets, sizeof octets, 0);
	dns_builder_set_flags(&builder, DNS_FLAGS_OPCODE(DNS_OPCODE_DSO) | rcode);
	dns_dso_add_retry_delay(&builder, delay);
	send_dso(session, &builder, false, moment, outbox);
	dso_session_end(&session->dso, moment->now);
	session->is_leaving = false;
	session_note_time(&authority->sessions, session);
}

void authority_tick_sessions(struct authority *authority, const struct moment *moment,
			     struct outbox *outbox)
{
	struct session_table *table = &authority->sessions;
	struct due_entry *entry;

	while ((entry = due_heap_first(&table->timers)) && entry->due <= moment->now) {
		struct session *session = container_of(entry, struct session, timer);

		if (session->is_leaving) {
			say_goodbye(authority, session, session->leave_rcode, LEAVE_MSEC, moment,
				    outbox);
			continue;
		}
		if (dso_session_deadline(&session->dso) > moment->now) {
			check_llqs(authority, session, moment, outbox);
			continue;
		}
		authority->counters.dso_silent += !session->dso.is_ending;
		authority_abort_session(authority, session, outbox);
	}
}

void authority_say_goodbye(struct authority *authority, const struct moment *moment,
			   struct outbox *outbox)
{
	struct session *session, *next;

	HASH_ITER (by_connection, authority->sessions.by_connection, session, next) {
		uint32_t delay = session->peer.connection * 2654435761u % RESTART_SPREAD_MSEC;

		/* Connections without DSO end with the server, in order. */
		if (!session->dso.is_established)
			forget_session(authority, session);
		else if (!session->dso.is_ending)
			say_goodbye(authority, session, LDNS_RCODE_NOERROR,
				    RESTART_FIRST_MSEC + delay, moment, outbox);
	}
}

void authority_connection_closed(struct authority *authority, const struct peer *peer)
{
	struct session *session = session_find(&authority->sessions, peer->connection);

	if (session)
		forget_session(authority, session);
}

size_t authority_n_sessions(const struct authority *authority)
{
	return HASH_CNT(by_connection, authority->sessions.by_connection);
}

size_t authority_n_subscriptions(const struct authority *authority)
{
	return authority->sessions.n_subscriptions;
}
