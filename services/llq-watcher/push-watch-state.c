/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The session:
 *   idle --start--> binding sent --signed answer--> keepalive and all SUBSCRIBEs sent: bound
 *   bound --RCODE of a server without DSO--> unsupported
 *   bound --Retry Delay--> delayed
 *   any --refused--> refused; --no answer in time, an error of the protocol--> failed
 * Each question:
 *   idle --SUBSCRIBE--> asked --NOERROR--> subscribed --a second later--> settled
 *   asked --not wanted any more, response--> UNSUBSCRIBE, gone
 */
#include "services/llq-watcher/push-watch-state.h"

#include "common/dns/dns-options.h"
#include "common/dns/dns-push.h"
#include "services/llq-watcher/message-queue.h"
#include "services/llq-watcher/record-list.h"

#include <errno.h>
#include <string.h>

#define BINDING_MSEC       10000
#define KEEPALIVE_MSEC     14000
#define SUBSCRIBE_MSEC     30000
#define SETTLE_MSEC        1000
#define PROBE_MSEC         30000
#define INTERVAL_LEAST     10000 /* RFC 8490 §6.5.2: less from a server is an error */
#define INACTIVITY_WISH    15000
#define DELAY_MOST_MSEC    3600000
#define SUBSCRIPTION_BYTES 512
#define QUESTION_REST      4  /* type and class */
#define OPT_HEADER         11 /* before its options */

enum stage {
	STAGE_IDLE,
	STAGE_BINDING,
	STAGE_BOUND,
};

enum phase {
	PHASE_IDLE,
	PHASE_ASKED,
	PHASE_SUBSCRIBED,
	PHASE_SETTLED,
};

struct question {
	ldns_rdf *name;
	ldns_rr_type type;
	bool wanted;
	bool told; /* ever */
	enum phase phase;
	uint16_t id;           /* of the SUBSCRIBE; in use until UNSUBSCRIBE */
	uint64_t due;          /* of the response; or when it is settled */
	ldns_rr_list *records; /* told since the SUBSCRIBE; NULL: none ever was sent */
	ldns_rr_list *former;  /* known from before it, until settled; NULL: nothing was */
	ldns_rr_list *shown;   /* both, while there is `former` */
};

struct push_set {
	struct llq_set_options options;
	enum stage stage;
	const struct dns_tsig_key *key;
	struct question *questions[LLQ_SET_MAX];
	size_t n_questions;
	uint64_t probe_interval, server_interval;
	uint64_t quiet_since;              /* the last message either way */
	uint16_t binding_id, keepalive_id; /* 0: not outstanding */
	struct dns_tsig_mac binding_mac;
	uint64_t answer_due;     /* of binding or keepalive */
	enum llq_status failure; /* LLQ_STATUS_IDLE: none */
	bool broken;
	uint64_t retry_after;
	uint64_t changes, heard;
	struct llq_counts counts;
	struct message_queue queue;
};

int push_set_new(const struct llq_set_options *options, struct push_set **ret)
{
	struct push_set *set = calloc(1, sizeof(*set));

	if (!set)
		return -ENOMEM;
	set->options = *options;
	set->probe_interval = PROBE_MSEC;
	*ret = set;
	return 0;
}

static void question_free(struct question *question)
{
	ldns_rdf_deep_free(question->name);
	ldns_rr_list_deep_free(question->records);
	ldns_rr_list_deep_free(question->former);
	ldns_rr_list_deep_free(question->shown);
	free(question);
}

struct push_set *push_set_free(struct push_set *set)
{
	if (!set)
		return NULL;
	push_set_clear(set);
	free(set);
	return NULL;
}

static void fail(struct push_set *set, enum llq_status failure)
{
	if (set->failure == LLQ_STATUS_IDLE)
		set->failure = failure;
}

/* RFC 8490 §5.3.1. */
static void break_off(struct push_set *set)
{
	set->counts.malformed++;
	set->broken = true;
	fail(set, LLQ_STATUS_FAILED);
}

static void send_message(struct push_set *set, const void *data, size_t size,
			 const struct llq_time *time)
{
	if (!message_queue_push(&set->queue, data, size))
		fail(set, LLQ_STATUS_FAILED);
	set->quiet_since = time->now;
}

static void send_built(struct push_set *set, struct dns_builder *builder, const uint8_t *buffer,
		       const struct llq_time *time)
{
	int size = dns_builder_finish(builder);

	if (size < 0)
		fail(set, LLQ_STATUS_FAILED);
	else
		send_message(set, buffer, size, time);
}

static struct question *find_id(const struct push_set *set, uint16_t id)
{
	for (size_t i = 0; i < set->n_questions; i++) {
		struct question *question = set->questions[i];

		if (question->phase != PHASE_IDLE && question->id == id)
			return question;
	}
	return NULL;
}

static uint16_t choose_id(const struct push_set *set)
{
	uint16_t id;

	do
		id = set->options.random(set->options.userdata);
	while (id == 0 || id == set->binding_id || id == set->keepalive_id || find_id(set, id));
	return id;
}

static void send_binding(struct push_set *set, const struct push_start *start,
			 const struct llq_time *time)
{
	uint8_t buffer[1024], option[4 + PUSH_BINDING_SIZE + 4 + DNS_PADDING_QUERY];
	struct writer options = writer_init(option, sizeof(option));
	struct dns_builder builder;
	int size;

	dns_option_write_channel_binding(&options, start->binding);
	size = DNS_HEADER_SIZE + ldns_rdf_size(start->domain) + QUESTION_REST + OPT_HEADER +
	       options.position + dns_tsig_size(start->key) - DNS_TSIG_OTHER_SIZE;
	dns_option_write_padding(&options, size, DNS_PADDING_QUERY, sizeof(buffer));
	set->binding_id = choose_id(set);
	dns_builder_init(&builder, buffer, sizeof(buffer), set->binding_id, 0);
	dns_builder_add_question(&builder, start->domain, LDNS_RR_TYPE_SOA, LDNS_RR_CLASS_IN);
	dns_builder_add_edns(&builder, DNS_UDP_SIZE, 0, option, options.position);
	size = dns_builder_sign(&builder, start->key, NULL, time->realtime, &set->binding_mac);
	if (size < 0)
		fail(set, LLQ_STATUS_FAILED);
	else
		send_message(set, buffer, size, time);
	set->answer_due = time->now + BINDING_MSEC;
}

static void send_keepalive(struct push_set *set, const struct llq_time *time)
{
	const struct dns_dso_keepalive wish = {
		.inactivity_timeout = INACTIVITY_WISH,
		.interval =
			set->probe_interval > INTERVAL_LEAST ? set->probe_interval : INTERVAL_LEAST,
	};
	struct dns_builder builder;
	uint8_t buffer[64];

	set->counts.refreshes++;
	set->keepalive_id = choose_id(set);
	dns_dso_begin(&builder, buffer, sizeof(buffer), set->keepalive_id);
	dns_dso_add_keepalive(&builder, &wish);
	send_built(set, &builder, buffer, time);
	set->answer_due = time->now + KEEPALIVE_MSEC;
}

static void send_subscribe(struct push_set *set, struct question *question,
			   const struct llq_time *time)
{
	uint8_t buffer[SUBSCRIPTION_BYTES];
	struct dns_builder builder;

	set->counts.setups++;
	question->id = choose_id(set);
	dns_push_build_subscribe(&builder, buffer, sizeof(buffer), question->id, question->name,
				 question->type, LDNS_RR_CLASS_IN);
	send_built(set, &builder, buffer, time);
	question->phase = PHASE_ASKED;
	question->due = time->now + SUBSCRIBE_MSEC;
	/* What is known becomes what was known. */
	ldns_rr_list_deep_free(question->former);
	question->former = question->shown ?: question->records;
	if (question->shown)
		ldns_rr_list_deep_free(question->records);
	if (!question->told) {
		ldns_rr_list_deep_free(question->former);
		question->former = NULL;
	}
	question->shown = question->former ? ldns_rr_list_clone(question->former) : NULL;
	question->records = ldns_rr_list_new();
}

static void send_unsubscribe(struct push_set *set, const struct question *question,
			     const struct llq_time *time)
{
	struct dns_builder builder;
	uint8_t buffer[64];

	dns_push_build_unsubscribe(&builder, buffer, sizeof(buffer), question->id);
	send_built(set, &builder, buffer, time);
}

static bool is_running(const struct push_set *set)
{
	return set->stage == STAGE_BOUND && set->failure == LLQ_STATUS_IDLE;
}

void push_set_start(struct push_set *set, const struct push_start *start,
		    const struct llq_time *time)
{
	push_set_stop(set);
	set->key = start->key;
	set->stage = STAGE_BINDING;
	set->server_interval = UINT64_MAX;
	send_binding(set, start, time);
}

void push_set_stop(struct push_set *set)
{
	for (size_t i = 0; i < set->n_questions; i++)
		set->questions[i]->phase = PHASE_IDLE;
	message_queue_clear(&set->queue);
	set->stage = STAGE_IDLE;
	set->key = NULL;
	set->binding_id = set->keepalive_id = 0;
	set->failure = LLQ_STATUS_IDLE;
	set->broken = false;
	set->retry_after = 0;
}

void push_set_clear(struct push_set *set)
{
	push_set_stop(set);
	for (size_t i = 0; i < set->n_questions; i++)
		question_free(set->questions[i]);
	set->n_questions = 0;
	set->changes++;
}

static struct question *find(const struct push_set *set, const ldns_rdf *name, ldns_rr_type type)
{
	for (size_t i = 0; i < set->n_questions; i++) {
		struct question *question = set->questions[i];

		if (question->type == type && ldns_dname_compare(question->name, name) == 0)
			return question;
	}
	return NULL;
}

void push_set_want_begin(struct push_set *set)
{
	for (size_t i = 0; i < set->n_questions; i++)
		set->questions[i]->wanted = false;
}

int push_set_want(struct push_set *set, const ldns_rdf *name, ldns_rr_type type)
{
	struct question *question = find(set, name, type);

	if (!question) {
		if (set->n_questions == LLQ_SET_MAX)
			return -ENOSPC;
		question = calloc(1, sizeof(*question));
		if (question)
			question->name = ldns_rdf_clone(name);
		if (!question || !question->name) {
			free(question);
			return -ENOMEM;
		}
		question->type = type;
		set->questions[set->n_questions++] = question;
	}
	question->wanted = true;
	return 0;
}

/* A question nobody wants is given up, but not before its response: an id that is answered must be
 * one that was asked. */
static bool give_up(struct push_set *set, struct question *question, const struct llq_time *time)
{
	if (question->wanted || (is_running(set) && question->phase == PHASE_ASKED))
		return false;
	if (is_running(set) && question->phase != PHASE_IDLE)
		send_unsubscribe(set, question, time);
	question_free(question);
	return true;
}

static void drop_unwanted(struct push_set *set, const struct llq_time *time)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n_questions; i++) {
		if (!give_up(set, set->questions[i], time))
			set->questions[n++] = set->questions[i];
	}
	set->n_questions = n;
}

void push_set_want_end(struct push_set *set, const struct llq_time *time)
{
	drop_unwanted(set, time);
	for (size_t i = 0; is_running(set) && i < set->n_questions; i++) {
		if (set->questions[i]->phase == PHASE_IDLE)
			send_subscribe(set, set->questions[i], time);
	}
}

void push_set_probe_every(struct push_set *set, uint64_t interval)
{
	set->probe_interval = interval ?: PROBE_MSEC;
}

static uint64_t keepalive_time(const struct push_set *set)
{
	uint64_t interval = set->server_interval < set->probe_interval ? set->server_interval
								       : set->probe_interval;

	return set->quiet_since + interval;
}

static void set_shown(struct question *question)
{
	ldns_rr_list *former = question->former;

	if (!former)
		return;
	/* What is new comes first: who looks at one record only gets the newest. */
	ldns_rr_list_deep_free(question->shown);
	question->shown = ldns_rr_list_clone(question->records);
	for (size_t i = 0; question->shown && i < ldns_rr_list_rr_count(former); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(former, i);

		if (!record_list_contains(question->records, rr))
			record_list_add(question->shown, rr);
	}
}

static void settle(struct push_set *set, struct question *question)
{
	question->phase = PHASE_SETTLED;
	question->told = true;
	question->due = UINT64_MAX;
	set->changes++;
	ldns_rr_list_deep_free(question->former);
	ldns_rr_list_deep_free(question->shown);
	question->former = question->shown = NULL;
}

void push_set_tick(struct push_set *set, const struct llq_time *time)
{
	bool waits = set->binding_id || set->keepalive_id;

	if (set->stage == STAGE_IDLE || set->failure != LLQ_STATUS_IDLE)
		return;
	if (waits && time->now >= set->answer_due) {
		fail(set, LLQ_STATUS_FAILED);
		return;
	}
	for (size_t i = 0; i < set->n_questions; i++) {
		struct question *question = set->questions[i];

		if (question->phase == PHASE_SUBSCRIBED && time->now >= question->due)
			settle(set, question);
		else if (question->phase == PHASE_ASKED && time->now >= question->due)
			fail(set, LLQ_STATUS_FAILED);
	}
	if (is_running(set) && !waits && time->now >= keepalive_time(set))
		send_keepalive(set, time);
}

uint64_t push_set_due(const struct push_set *set)
{
	bool waits = set->binding_id || set->keepalive_id;
	uint64_t due;

	if (set->stage == STAGE_IDLE || set->failure != LLQ_STATUS_IDLE)
		return UINT64_MAX;
	due = waits ? set->answer_due : keepalive_time(set);
	for (size_t i = 0; i < set->n_questions; i++) {
		const struct question *question = set->questions[i];

		if ((question->phase == PHASE_SUBSCRIBED || question->phase == PHASE_ASKED) &&
		    question->due < due)
			due = question->due;
	}
	return due;
}

bool push_set_next_message(struct push_set *set, const uint8_t **ret_data, size_t *ret_size)
{
	return message_queue_next(&set->queue, ret_data, ret_size);
}

static void on_bound(struct push_set *set, const struct llq_time *time)
{
	set->stage = STAGE_BOUND;
	send_keepalive(set, time);
	for (size_t i = 0; is_running(set) && i < set->n_questions; i++)
		send_subscribe(set, set->questions[i], time);
}

/* The answer to the query that names the connection. */
static void take_binding(struct push_set *set, const uint8_t *data, size_t size,
			 const struct llq_time *time)
{
	cleanup(dns_message_freep) struct dns_message *message = NULL;
	struct dns_tsig tsig;

	if (dns_message_parse(data, size, &message) < 0) {
		break_off(set);
		return;
	}
	if (!set->binding_id || message->id != set->binding_id || !(message->flags & DNS_FLAG_QR)) {
		set->counts.unexpected++;
		return;
	}
	set->binding_id = 0;
	if (dns_tsig_find(data, size, &tsig) != 1) {
		set->counts.unsigned_messages++;
		fail(set, LLQ_STATUS_FAILED);
	} else if (message->rcode == LDNS_RCODE_NOTAUTH && tsig.mac.size == 0) {
		/* Unknown key or wrong signature; over TLS it is the server that says so. */
		fail(set, LLQ_STATUS_REFUSED);
	} else if (dns_tsig_verify(data, &tsig, set->key, &set->binding_mac, time->realtime, 0) !=
		   DNS_TSIG_RESULT_OK) {
		set->counts.unverified++;
		fail(set, LLQ_STATUS_FAILED);
	} else if (message->rcode == LDNS_RCODE_REFUSED) {
		fail(set, LLQ_STATUS_REFUSED);
	} else if (message->rcode == LDNS_RCODE_NOERROR || message->rcode == LDNS_RCODE_NXDOMAIN) {
		on_bound(set, time);
	} else {
		fail(set, LLQ_STATUS_FAILED);
	}
}

static void take_server_times(struct push_set *set, const struct reader *data)
{
	struct dns_dso_keepalive keepalive;

	if (dns_dso_read_keepalive(data, &keepalive) < 0 || keepalive.interval < INTERVAL_LEAST)
		break_off(set);
	else
		set->server_interval =
			keepalive.interval == DNS_DSO_FOREVER ? UINT64_MAX / 2 : keepalive.interval;
}

static void delay(struct push_set *set, uint64_t msec)
{
	set->retry_after = msec < DELAY_MOST_MSEC ? msec : DELAY_MOST_MSEC;
	fail(set, LLQ_STATUS_DELAYED);
}

/* A request that the server did not grant. */
static void take_refusal(struct push_set *set, const struct dns_dso *response)
{
	struct reader data;
	uint32_t msec;

	switch (response->rcode) {
	case LDNS_RCODE_NOTIMPL:
	case LDNS_RCODE_FORMERR:
	case DNS_RCODE_DSOTYPENI:
		fail(set, LLQ_STATUS_UNSUPPORTED);
		return;
	case LDNS_RCODE_REFUSED:
	case LDNS_RCODE_NOTAUTH:
		fail(set, LLQ_STATUS_REFUSED);
		return;
	default:
		if (dns_dso_find(response, DNS_DSO_RETRY_DELAY, &data) &&
		    dns_dso_read_retry_delay(&data, &msec) == 0)
			delay(set, msec);
		else
			fail(set, LLQ_STATUS_FAILED);
		return;
	}
}

static void take_response(struct push_set *set, const struct dns_dso *response,
			  const struct llq_time *time)
{
	struct question *question = find_id(set, response->id);
	struct reader data;

	if (set->keepalive_id && response->id == set->keepalive_id) {
		set->keepalive_id = 0;
		if (response->rcode != LDNS_RCODE_NOERROR)
			take_refusal(set, response);
		else if (dns_dso_find(response, DNS_DSO_KEEPALIVE, &data))
			take_server_times(set, &data);
		return;
	}
	if (!question || question->phase != PHASE_ASKED) {
		break_off(set);
		return;
	}
	if (response->rcode != LDNS_RCODE_NOERROR) {
		take_refusal(set, response);
		return;
	}
	question->phase = PHASE_SUBSCRIBED;
	question->due = time->now + SETTLE_MSEC;
	if (!question->wanted)
		drop_unwanted(set, time);
}

static void remove_all(struct push_set *set, struct question *question)
{
	if (!question->records)
		return;
	set->counts.removals++;
	ldns_rr_list_deep_free(question->records);
	ldns_rr_list_deep_free(question->former);
	ldns_rr_list_deep_free(question->shown);
	question->records = ldns_rr_list_new();
	question->former = question->shown = NULL;
}

static void apply(struct push_set *set, struct question *question,
		  const struct dns_push_change *change)
{
	switch (change->kind) {
	case DNS_PUSH_ADD:
		if (ldns_rr_rd_count(change->rr) > 0)
			record_list_add(question->records, change->rr);
		break;
	case DNS_PUSH_REMOVE:
		set->counts.removals++;
		record_list_remove(question->records, change->rr);
		if (question->former)
			record_list_remove(question->former, change->rr);
		break;
	case DNS_PUSH_REMOVE_RRSET:
	case DNS_PUSH_REMOVE_CLASS:
	case DNS_PUSH_REMOVE_NAME:
		remove_all(set, question);
		break;
	}
	question->told = true;
	set_shown(question);
	set->changes++;
}

static bool concerns(const struct question *question, const struct dns_push_change *change)
{
	struct dns_name name;

	if (question->phase == PHASE_IDLE || !question->records ||
	    dns_name_from_rdf(question->name, &name) < 0 || !dns_name_equal(&name, &change->name))
		return false;
	switch (change->kind) {
	case DNS_PUSH_ADD:
	case DNS_PUSH_REMOVE:
	case DNS_PUSH_REMOVE_RRSET:
		return change->type == question->type && change->class == LDNS_RR_CLASS_IN;
	case DNS_PUSH_REMOVE_CLASS:
		return change->class == LDNS_RR_CLASS_IN;
	case DNS_PUSH_REMOVE_NAME:
		return true;
	}
	return false;
}

static void take_push(struct push_set *set, const struct dns_dso *message, size_t size)
{
	struct reader data = message->data;
	struct dns_push_change change;
	int r = dns_push_check(message, size);

	if (r < 0) {
		if (r == -ENOMEM)
			fail(set, LLQ_STATUS_FAILED);
		else
			break_off(set);
		return;
	}
	set->counts.events++;
	while (dns_push_next(&data, &change) == 1) {
		bool taken = false;

		for (size_t i = 0; i < set->n_questions; i++) {
			if (!concerns(set->questions[i], &change))
				continue;
			apply(set, set->questions[i], &change);
			taken = true;
		}
		/* It may have crossed an UNSUBSCRIBE. */
		set->counts.unexpected += !taken;
		ldns_rr_free(change.rr);
	}
}

static void take_unidirectional(struct push_set *set, const struct dns_dso *message, size_t size)
{
	uint32_t msec;

	switch (message->type) {
	case DNS_DSO_KEEPALIVE:
		take_server_times(set, &message->data);
		return;
	case DNS_DSO_RETRY_DELAY:
		if (dns_dso_read_retry_delay(&message->data, &msec) < 0)
			break_off(set);
		else
			delay(set, msec);
		return;
	case DNS_DSO_PUSH:
		take_push(set, message, size);
		return;
	default:
		break_off(set);
		return;
	}
}

/* A server has nothing to ask of us. What is not known is refused; what a server must not ask is an
 * error (RFC 8765 §6.2 to §6.5, RFC 8490 §7.1). */
static void take_request(struct push_set *set, const struct dns_dso *request,
			 const struct llq_time *time)
{
	struct dns_builder builder;
	uint8_t buffer[64];

	switch (request->type) {
	case DNS_DSO_KEEPALIVE:
	case DNS_DSO_RETRY_DELAY:
	case DNS_DSO_PADDING:
	case DNS_DSO_SUBSCRIBE:
	case DNS_DSO_PUSH:
	case DNS_DSO_UNSUBSCRIBE:
	case DNS_DSO_RECONFIRM:
		break_off(set);
		return;
	default:
		dns_dso_begin_response(&builder, buffer, sizeof(buffer), request->id,
				       DNS_RCODE_DSOTYPENI);
		send_built(set, &builder, buffer, time);
		return;
	}
}

static void take_dso(struct push_set *set, const uint8_t *data, size_t size,
		     const struct llq_time *time)
{
	struct dns_dso message;

	if (set->stage != STAGE_BOUND || dns_dso_parse(data, size, &message) < 0) {
		break_off(set);
		return;
	}
	switch (message.kind) {
	case DNS_DSO_REQUEST:
		take_request(set, &message, time);
		return;
	case DNS_DSO_UNIDIRECTIONAL:
		take_unidirectional(set, &message, size);
		return;
	case DNS_DSO_RESPONSE:
		take_response(set, &message, time);
		return;
	}
}

void push_set_receive(struct push_set *set, const struct llq_time *time, const uint8_t *data,
		      size_t size)
{
	if (set->stage == STAGE_IDLE || set->failure != LLQ_STATUS_IDLE)
		return;
	set->quiet_since = time->now;
	if (dns_dso_is(data, size))
		take_dso(set, data, size, time);
	else
		take_binding(set, data, size, time);
	/* All of it comes over a connection whose other end has proven itself. */
	if (set->failure == LLQ_STATUS_IDLE)
		set->heard++;
}

enum llq_status push_set_status(const struct push_set *set)
{
	if (set->failure != LLQ_STATUS_IDLE)
		return set->failure;
	if (set->stage == STAGE_IDLE)
		return LLQ_STATUS_IDLE;
	if (set->stage == STAGE_BINDING)
		return LLQ_STATUS_CONNECTING;
	for (size_t i = 0; i < set->n_questions; i++) {
		const struct question *question = set->questions[i];

		if (question->phase == PHASE_IDLE || question->phase == PHASE_ASKED ||
		    (question->phase == PHASE_SUBSCRIBED &&
		     ldns_rr_list_rr_count(question->records) == 0))
			return LLQ_STATUS_CONNECTING;
	}
	return LLQ_STATUS_WATCHING;
}

uint64_t push_set_retry_after(const struct push_set *set)
{
	return set->retry_after;
}

bool push_set_is_broken(const struct push_set *set)
{
	return set->broken;
}

static const ldns_rr_list *visible(const struct question *question)
{
	if (question->shown)
		return question->shown;
	/* Whether there are none is known only when the first of them had time to come. */
	return question->told ? question->records : NULL;
}

const ldns_rr_list *push_set_records(const struct push_set *set, const ldns_rdf *name,
				     ldns_rr_type type)
{
	const struct question *question = find(set, name, type);

	return question ? visible(question) : NULL;
}

void push_set_each_record(const struct push_set *set,
			  void (*callback)(void *userdata, const ldns_rr *rr), void *userdata)
{
	for (size_t i = 0; i < set->n_questions; i++) {
		const ldns_rr_list *records = visible(set->questions[i]);

		for (size_t k = 0; records && k < ldns_rr_list_rr_count(records); k++)
			callback(userdata, ldns_rr_list_rr(records, k));
	}
}

uint64_t push_set_changes(const struct push_set *set)
{
	return set->changes;
}

uint64_t push_set_heard(const struct push_set *set)
{
	return set->heard;
}

const struct llq_counts *push_set_counts(const struct push_set *set)
{
	return &set->counts;
}
