/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Each query:
 *   idle --start--> setup --challenge--> response --ACK and answers--> established
 *   setup --ACK and answers at once, as a server may over TLS--> established
 *   setup, response --no answer for 14 s--> the set has failed
 *   established --80, 90, 95 % of the lease, or a probe--> refresh sent --ack--> established
 *   refresh --NO-SUCH-LLQ--> setup, and a probe of all others: the server forgot
 *   refresh --no ack until the lease ends, or 14 s for a probe--> the set has failed
 * Attempts that were lost while the server was heard otherwise do not count: they begin again.
 */
#include "services/llq-watcher/llq-watch-state.h"

#include "services/llq-watcher/message-queue.h"
#include "services/llq-watcher/record-list.h"

#include <errno.h>
#include <string.h>

#define MESSAGE_SIZE 900 /* two names of 255 octets and the rest */
#define EVENTS_KEPT  16
#define RESTARTS_MAX 3
#define LEASE_LEAST  60 /* seconds; what a confused server may grant */

/* After each attempt, milliseconds until the next; after the last, until it is given up. Of a setup
 * (RFC 8764 §5.1), and of a probe, which RFC 8764 does not know. */
static const uint16_t setup_intervals[] = { 2000, 4000, 8000 };
static const uint16_t probe_intervals[] = { 500, 1500, 4000, 8000 };
#define GIVE_UP_MSEC 14000 /* the sum of either */
/* Percent of the lease at which a refresh is sent (RFC 8764 §7.1), and when it is over. */
static const uint8_t refresh_percents[] = { 80, 90, 95, 100 };

enum phase {
	PHASE_IDLE,
	PHASE_SETUP,    /* step 1 sent */
	PHASE_RESPONSE, /* step 3 sent */
	PHASE_ESTABLISHED,
};

struct query {
	ldns_rdf *name;
	ldns_rr_type type;
	bool wanted;
	enum phase phase;
	uint64_t id;
	uint32_t lease;          /* seconds, as granted by the challenge */
	uint64_t granted;        /* ms: when the lease began */
	uint64_t remaining;      /* ms: how much of it there was then */
	unsigned int n_sent;     /* attempts of this step */
	unsigned int n_restarts; /* handshakes refused with NO-SUCH-LLQ in a row */
	uint64_t due;
	uint64_t probe_at; /* UINT64_MAX: not probed */
	bool outstanding;  /* `message` waits for its answer */
	bool probing;      /* it is a refresh sent as a probe */
	uint16_t message_id;
	struct dns_tsig_mac mac;
	uint8_t message[MESSAGE_SIZE];
	size_t message_size;
	ldns_rr_list *records; /* NULL: never told */
	/* Events taken: their MACs tell a repetition, their time a replay. */
	struct dns_tsig_mac events[EVENTS_KEPT];
	unsigned int n_events;
	uint64_t last_event; /* Time Signed */
};

struct llq_set {
	struct llq_set_options options;
	const struct dns_tsig_key *key; /* NULL: not started */
	struct query *queries[LLQ_SET_MAX];
	size_t n_queries;
	bool stream;
	uint64_t probe_interval; /* 0: never */
	enum llq_status failure; /* LLQ_STATUS_IDLE: none */
	uint32_t retry_after;
	uint64_t changes, heard;
	uint64_t last_heard; /* ms */
	struct llq_counts counts;
	struct message_queue queue;
};

int llq_set_new(const struct llq_set_options *options, struct llq_set **ret)
{
	struct llq_set *set = calloc(1, sizeof(*set));

	if (!set)
		return -ENOMEM;
	set->options = *options;
	*ret = set;
	return 0;
}

static void query_free(struct query *query)
{
	ldns_rdf_deep_free(query->name);
	ldns_rr_list_deep_free(query->records);
	free(query);
}

struct llq_set *llq_set_free(struct llq_set *set)
{
	if (!set)
		return NULL;
	llq_set_clear(set);
	free(set);
	return NULL;
}

bool llq_set_next_datagram(struct llq_set *set, const uint8_t **ret_data, size_t *ret_size)
{
	return message_queue_next(&set->queue, ret_data, ret_size);
}

/* The set cannot go on with this server: the caller decides when to start again. */
static void fail(struct llq_set *set, enum llq_status failure)
{
	if (set->failure == LLQ_STATUS_IDLE)
		set->failure = failure;
	for (size_t i = 0; i < set->n_queries; i++) {
		set->queries[i]->due = UINT64_MAX;
		set->queries[i]->outstanding = false;
	}
}

/* Writes, signs and sends a request of this query. */
static void send_request(struct llq_set *set, struct query *query, const struct dns_llq *llq,
			 const struct llq_time *time)
{
	struct llq_request request = { .name = query->name, .type = query->type, .llq = *llq };
	uint16_t former = query->message_id;
	int size;

	/* Another ID each time: a late challenge must not look like an ACK (RFC 8764, appendix A).
	 */
	do
		request.message_id = set->options.random(set->options.userdata);
	while (request.message_id == former);
	request.llq.version = DNS_LLQ_VERSION;
	size = llq_wire_write_request(&request, set->key, time->realtime, query->message,
				      sizeof(query->message), &query->mac);
	if (size < 0) {
		fail(set, LLQ_STATUS_FAILED);
		return;
	}
	query->message_id = request.message_id;
	query->message_size = size;
	query->outstanding = true;
	query->n_sent = 1;
	message_queue_push(&set->queue, query->message, size);
}

static void send_setup(struct llq_set *set, struct query *query, const struct llq_time *time)
{
	struct dns_llq llq = { .opcode = DNS_LLQ_OPCODE_SETUP, .lease = LLQ_LEASE };

	set->counts.setups++;
	query->phase = PHASE_SETUP;
	query->probing = false;
	query->probe_at = UINT64_MAX;
	query->n_events = 0;
	query->last_event = 0;
	query->due = time->now + setup_intervals[0];
	send_request(set, query, &llq, time);
}

static void send_challenge_response(struct llq_set *set, struct query *query,
				    const struct llq_time *time)
{
	struct dns_llq llq = { .opcode = DNS_LLQ_OPCODE_SETUP,
			       .id = query->id,
			       .lease = query->lease };

	query->phase = PHASE_RESPONSE;
	query->due = time->now + setup_intervals[0];
	send_request(set, query, &llq, time);
}

static void send_refresh(struct llq_set *set, struct query *query, uint32_t lease,
			 const struct llq_time *time)
{
	struct dns_llq llq = { .opcode = DNS_LLQ_OPCODE_REFRESH, .id = query->id, .lease = lease };

	set->counts.refreshes++;
	send_request(set, query, &llq, time);
}

static uint64_t refresh_time(const struct query *query, unsigned int i)
{
	return query->granted + query->remaining * refresh_percents[i] / 100;
}

static void set_probe(struct query *query, uint64_t at)
{
	query->probe_at = at;
	query->due = refresh_time(query, 0) < at ? refresh_time(query, 0) : at;
}

/* The lease runs from now on, and nothing is outstanding. */
static void set_granted(struct llq_set *set, struct query *query, uint32_t lease, uint64_t now)
{
	query->granted = now;
	query->remaining = (lease > LEASE_LEAST ? lease : LEASE_LEAST) * UINT64_C(1000);
	query->outstanding = query->probing = false;
	query->n_sent = 0;
	query->n_restarts = 0;
	set_probe(query, set->probe_interval ? now + set->probe_interval : UINT64_MAX);
}

static void resend(struct llq_set *set, struct query *query)
{
	query->n_sent++;
	if (set->stream)
		return;
	message_queue_push(&set->queue, query->message, query->message_size);
}

/* Whether all attempts were lost because the server is gone, and not by bad luck. */
static bool is_server_gone(const struct llq_set *set, uint64_t now)
{
	return now - set->last_heard >= GIVE_UP_MSEC;
}

static void on_setup_due(struct llq_set *set, struct query *query, const struct llq_time *time)
{
	if (query->n_sent < ARRAY_SIZE(setup_intervals)) {
		query->due = time->now + setup_intervals[query->n_sent];
		resend(set, query);
	} else if (is_server_gone(set, time->now)) {
		fail(set, LLQ_STATUS_FAILED);
	} else {
		send_setup(set, query, time);
	}
}

static void on_probe_due(struct llq_set *set, struct query *query, const struct llq_time *time)
{
	bool lost = query->outstanding && query->n_sent == ARRAY_SIZE(probe_intervals);

	if (lost && is_server_gone(set, time->now)) {
		fail(set, LLQ_STATUS_FAILED);
	} else if (lost || !query->outstanding) {
		query->probing = true;
		query->due = time->now + probe_intervals[0];
		send_refresh(set, query, query->lease, time);
	} else {
		query->due = time->now + probe_intervals[query->n_sent];
		resend(set, query);
	}
}

static void on_refresh_due(struct llq_set *set, struct query *query, const struct llq_time *time)
{
	unsigned int attempt = query->outstanding ? query->n_sent : 0;

	if (attempt == ARRAY_SIZE(refresh_percents) - 1) {
		fail(set, LLQ_STATUS_FAILED);
		return;
	}
	if (attempt == 0)
		send_refresh(set, query, query->lease, time);
	else
		resend(set, query);
	query->due = refresh_time(query, attempt + 1);
}

static void on_due(struct llq_set *set, struct query *query, const struct llq_time *time)
{
	switch (query->phase) {
	case PHASE_IDLE:
		return;
	case PHASE_SETUP:
	case PHASE_RESPONSE:
		on_setup_due(set, query, time);
		return;
	case PHASE_ESTABLISHED:
		if (query->probing || (!query->outstanding && time->now >= query->probe_at))
			on_probe_due(set, query, time);
		else
			on_refresh_due(set, query, time);
		return;
	}
}

void llq_set_tick(struct llq_set *set, const struct llq_time *time)
{
	for (size_t i = 0; i < set->n_queries && set->failure == LLQ_STATUS_IDLE; i++) {
		if (set->queries[i]->due <= time->now)
			on_due(set, set->queries[i], time);
	}
}

uint64_t llq_set_due(const struct llq_set *set)
{
	uint64_t due = UINT64_MAX;

	for (size_t i = 0; i < set->n_queries; i++) {
		if (set->queries[i]->due < due)
			due = set->queries[i]->due;
	}
	return due;
}

void llq_set_start(struct llq_set *set, const struct dns_tsig_key *key, const struct llq_time *time)
{
	message_queue_clear(&set->queue);
	set->key = key;
	set->failure = LLQ_STATUS_IDLE;
	set->last_heard = time->now;
	for (size_t i = 0; i < set->n_queries && set->failure == LLQ_STATUS_IDLE; i++) {
		set->queries[i]->n_restarts = 0;
		send_setup(set, set->queries[i], time);
	}
}

void llq_set_use_stream(struct llq_set *set, bool stream)
{
	set->stream = stream;
}

static void set_idle(struct query *query)
{
	query->phase = PHASE_IDLE;
	query->outstanding = query->probing = false;
	query->due = UINT64_MAX;
}

/* Best effort: the answer is not waited for; a query that stays ends with its lease. */
static void give_up(struct llq_set *set, struct query *query, const struct llq_time *time)
{
	if (set->key && query->phase == PHASE_ESTABLISHED)
		send_refresh(set, query, 0, time);
	set_idle(query);
}

void llq_set_abandon(struct llq_set *set)
{
	for (size_t i = 0; i < set->n_queries; i++)
		set_idle(set->queries[i]);
	message_queue_clear(&set->queue);
	set->key = NULL;
	set->failure = LLQ_STATUS_IDLE;
}

void llq_set_stop(struct llq_set *set, const struct llq_time *time)
{
	for (size_t i = 0; i < set->n_queries; i++)
		give_up(set, set->queries[i], time);
	set->key = NULL;
	set->failure = LLQ_STATUS_IDLE;
}

void llq_set_clear(struct llq_set *set)
{
	for (size_t i = 0; i < set->n_queries; i++)
		query_free(set->queries[i]);
	set->n_queries = 0;
	message_queue_clear(&set->queue);
	set->key = NULL;
	set->failure = LLQ_STATUS_IDLE;
	set->changes++;
}

static struct query *find(const struct llq_set *set, const ldns_rdf *name, ldns_rr_type type)
{
	for (size_t i = 0; i < set->n_queries; i++) {
		struct query *query = set->queries[i];

		if (query->type == type && ldns_dname_compare(query->name, name) == 0)
			return query;
	}
	return NULL;
}

void llq_set_want_begin(struct llq_set *set)
{
	for (size_t i = 0; i < set->n_queries; i++)
		set->queries[i]->wanted = false;
}

int llq_set_want(struct llq_set *set, const ldns_rdf *name, ldns_rr_type type)
{
	struct query *query = find(set, name, type);

	if (!query) {
		if (set->n_queries == LLQ_SET_MAX)
			return -ENOSPC;
		query = calloc(1, sizeof(*query));
		if (query)
			query->name = ldns_rdf_clone(name);
		if (!query || !query->name) {
			free(query);
			return -ENOMEM;
		}
		query->type = type;
		query->due = query->probe_at = UINT64_MAX;
		set->queries[set->n_queries++] = query;
	}
	query->wanted = true;
	return 0;
}

void llq_set_want_end(struct llq_set *set, const struct llq_time *time)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n_queries; i++) {
		struct query *query = set->queries[i];

		if (query->wanted) {
			set->queries[n++] = query;
			continue;
		}
		give_up(set, query, time);
		query_free(query);
	}
	set->n_queries = n;
	for (size_t i = 0; i < n; i++) {
		if (set->key && set->failure == LLQ_STATUS_IDLE &&
		    set->queries[i]->phase == PHASE_IDLE)
			send_setup(set, set->queries[i], time);
	}
}

void llq_set_probe_every(struct llq_set *set, uint64_t interval, const struct llq_time *time)
{
	if (set->probe_interval == interval)
		return;
	set->probe_interval = interval;
	for (size_t i = 0; i < set->n_queries; i++) {
		struct query *query = set->queries[i];

		if (query->phase == PHASE_ESTABLISHED && !query->outstanding)
			set_probe(query, interval ? time->now + interval : UINT64_MAX);
	}
}

/* Takes the answers of an ACK (all there is) or of an event (what changed) into the query's
 * records. */
static void take_answers(struct llq_set *set, struct query *query,
			 const struct llq_message *message, bool all)
{
	if (all || !query->records) {
		ldns_rr_list_deep_free(query->records);
		query->records = ldns_rr_list_new();
	}
	set->changes++;
	for (size_t i = 0;
	     query->records && i < dns_message_count(message->dns, DNS_SECTION_ANSWER); i++) {
		const ldns_rr *rr = dns_message_rr(message->dns, DNS_SECTION_ANSWER, i);

		if (ldns_rr_get_type(rr) != query->type ||
		    ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN || ldns_rr_rd_count(rr) == 0 ||
		    ldns_dname_compare(ldns_rr_owner(rr), query->name) != 0)
			continue;
		if (ldns_rr_ttl(rr) == DNS_LLQ_TTL_REMOVED) {
			set->counts.removals++;
			record_list_remove(query->records, rr);
		} else {
			record_list_add(query->records, rr);
		}
	}
}

/* The message is whole only after this. */
static bool verify(struct llq_set *set, struct llq_message *message, const uint8_t *data,
		   size_t size, const struct dns_tsig_mac *prior, const struct llq_time *time)
{
	if (dns_tsig_verify(data, &message->tsig, set->key, prior, time->realtime, 0) !=
	    DNS_TSIG_RESULT_OK) {
		set->counts.unverified++;
		return false;
	}
	if (llq_wire_read_records(data, size, message) < 0) {
		set->counts.malformed++;
		return false;
	}
	set->heard++;
	set->last_heard = time->now;
	return true;
}

static bool asks(const struct query *query, const struct llq_message *message)
{
	return ldns_rr_get_type(message->question) == query->type &&
	       ldns_dname_compare(ldns_rr_owner(message->question), query->name) == 0;
}

/* The server forgot this query: its lease ended, an event went unacknowledged, or the server lost
 * all of them. So the others are looked at as well. */
static void on_forgotten(struct llq_set *set, struct query *query, const struct llq_time *time)
{
	if (query->phase == PHASE_ESTABLISHED) {
		for (size_t i = 0; i < set->n_queries; i++) {
			struct query *other = set->queries[i];

			if (other->phase == PHASE_ESTABLISHED && !other->outstanding)
				set_probe(other, time->now);
		}
		send_setup(set, query, time);
		return;
	}
	if (++query->n_restarts > RESTARTS_MAX)
		fail(set, LLQ_STATUS_FAILED);
	else
		send_setup(set, query, time);
}

static void on_error(struct llq_set *set, struct query *query, const struct llq_message *message,
		     const struct llq_time *time)
{
	uint16_t rcode = message->dns->rcode;

	if (message->has_llq && message->llq.error == DNS_LLQ_ERROR_NO_SUCH_LLQ) {
		on_forgotten(set, query, time);
		return;
	}
	if (message->has_llq && message->llq.error == DNS_LLQ_ERROR_SERV_FULL) {
		set->retry_after = message->llq.lease;
		fail(set, LLQ_STATUS_FULL);
		return;
	}
	/* One of the clocks was set meanwhile. Looking for the server anew tells of it, and sees
	 * soon when it is right again. */
	fail(set, rcode == LDNS_RCODE_SERVFAIL || message->tsig.error == DNS_TSIG_ERROR_BADTIME
			  ? LLQ_STATUS_FAILED
			  : LLQ_STATUS_REFUSED);
}

/* Over a stream the client's address needs no proof, so a server may leave out challenge and
 * response. What has records is no challenge. */
static bool is_ack_at_once(const struct llq_set *set, const struct llq_message *message)
{
	return set->stream && dns_message_count(message->dns, DNS_SECTION_ANSWER) > 0;
}

static void establish(struct llq_set *set, struct query *query, const struct llq_message *message,
		      const struct llq_time *time)
{
	query->phase = PHASE_ESTABLISHED;
	set_granted(set, query, message->llq.lease, time->now);
	take_answers(set, query, message, true);
}

static void on_answer(struct llq_set *set, struct query *query, const struct llq_message *message,
		      const struct llq_time *time)
{
	const struct dns_llq *llq = &message->llq;

	if (message->dns->rcode != LDNS_RCODE_NOERROR || !message->has_llq ||
	    llq->error != DNS_LLQ_ERROR_NONE) {
		/* NXDOMAIN is an answer like any other: there is nothing yet. */
		if (message->dns->rcode != LDNS_RCODE_NXDOMAIN || !message->has_llq ||
		    llq->error != DNS_LLQ_ERROR_NONE) {
			on_error(set, query, message, time);
			return;
		}
	}
	switch (query->phase) {
	case PHASE_IDLE:
		return;
	case PHASE_SETUP:
		if (llq->opcode != DNS_LLQ_OPCODE_SETUP || llq->id == 0)
			break;
		query->id = llq->id;
		query->lease = llq->lease;
		if (is_ack_at_once(set, message))
			establish(set, query, message, time);
		else
			send_challenge_response(set, query, time);
		return;
	case PHASE_RESPONSE:
		if (llq->opcode != DNS_LLQ_OPCODE_SETUP || llq->id != query->id)
			break;
		establish(set, query, message, time);
		return;
	case PHASE_ESTABLISHED:
		if (llq->opcode != DNS_LLQ_OPCODE_REFRESH || llq->id != query->id)
			break;
		set_granted(set, query, llq->lease, time->now);
		return;
	}
	set->counts.unexpected++;
}

static bool is_repetition(const struct query *query, const struct dns_tsig *tsig)
{
	unsigned int n = query->n_events < EVENTS_KEPT ? query->n_events : EVENTS_KEPT;

	for (unsigned int i = 0; i < n; i++) {
		if (query->events[i].size == tsig->mac.size &&
		    memcmp(query->events[i].octets, tsig->mac.octets, tsig->mac.size) == 0)
			return true;
	}
	return false;
}

static void on_event(struct llq_set *set, struct llq_message *event, const uint8_t *data,
		     size_t data_size, const struct llq_time *time)
{
	struct query *query =
		find(set, ldns_rr_owner(event->question), ldns_rr_get_type(event->question));
	uint8_t ack[MESSAGE_SIZE];
	int size;

	/* An event that overtook the ACK is not acknowledged: it comes again, after the ACK. */
	if (!query || query->phase != PHASE_ESTABLISHED || event->llq.id != query->id) {
		set->counts.unexpected++;
		return;
	}
	if (!verify(set, event, data, data_size, NULL, time))
		return;
	/* Events come one by one (the next only after our acknowledgement), so an older one than
	 * the last is somebody's recording. */
	if (event->tsig.time_signed < query->last_event && !is_repetition(query, &event->tsig)) {
		set->counts.unexpected++;
		return;
	}
	size = llq_wire_write_ack(event, set->key, time->realtime, ack, sizeof(ack));
	if (size > 0)
		message_queue_push(&set->queue, ack, size);
	if (is_repetition(query, &event->tsig)) {
		set->counts.duplicate_events++;
		return;
	}
	set->counts.events++;
	query->events[query->n_events++ % EVENTS_KEPT] = event->tsig.mac;
	query->last_event = event->tsig.time_signed;
	take_answers(set, query, event, false);
}

static struct query *find_outstanding(struct llq_set *set, const struct llq_message *message)
{
	for (size_t i = 0; i < set->n_queries; i++) {
		struct query *query = set->queries[i];

		if (query->outstanding && query->message_id == message->dns->id &&
		    asks(query, message))
			return query;
	}
	return NULL;
}

void llq_set_receive(struct llq_set *set, const struct llq_time *time, const uint8_t *data,
		     size_t size)
{
	struct llq_message message;
	struct query *query;
	int r;

	if (!set->key || set->failure != LLQ_STATUS_IDLE)
		return;
	r = llq_wire_read(data, size, &message);
	if (r < 0) {
		if (r == -ENOKEY)
			set->counts.unsigned_messages++;
		else
			set->counts.malformed++;
		return;
	}
	if (message.has_llq && message.llq.opcode == DNS_LLQ_OPCODE_EVENT) {
		on_event(set, &message, data, size, time);
	} else if ((query = find_outstanding(set, &message))) {
		if (verify(set, &message, data, size, &query->mac, time))
			on_answer(set, query, &message, time);
	} else {
		set->counts.unexpected++;
	}
	llq_wire_clear(&message);
}

enum llq_status llq_set_status(const struct llq_set *set)
{
	if (set->failure != LLQ_STATUS_IDLE)
		return set->failure;
	if (!set->key)
		return LLQ_STATUS_IDLE;
	for (size_t i = 0; i < set->n_queries; i++) {
		if (set->queries[i]->phase != PHASE_ESTABLISHED)
			return LLQ_STATUS_CONNECTING;
	}
	return LLQ_STATUS_WATCHING;
}

uint32_t llq_set_retry_after(const struct llq_set *set)
{
	return set->retry_after;
}

const ldns_rr_list *llq_set_records(const struct llq_set *set, const ldns_rdf *name,
				    ldns_rr_type type)
{
	const struct query *query = find(set, name, type);

	return query ? query->records : NULL;
}

void llq_set_each_record(const struct llq_set *set,
			 void (*callback)(void *userdata, const ldns_rr *rr), void *userdata)
{
	for (size_t i = 0; i < set->n_queries; i++) {
		const ldns_rr_list *records = set->queries[i]->records;

		for (size_t k = 0; records && k < ldns_rr_list_rr_count(records); k++)
			callback(userdata, ldns_rr_list_rr(records, k));
	}
}

uint64_t llq_set_changes(const struct llq_set *set)
{
	return set->changes;
}

uint64_t llq_set_heard(const struct llq_set *set)
{
	return set->heard;
}

const struct llq_counts *llq_set_counts(const struct llq_set *set)
{
	return &set->counts;
}
