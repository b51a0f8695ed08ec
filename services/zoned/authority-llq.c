/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages of long-lived queries: the challenge is answered at once; setups, refreshes and
 * cancellations change what must survive a crash and go through the queue. */
#include "services/zoned/authority-session.h"

/* An acknowledgement is about as large as its event; a stranger's message is no work. */
#define ACK_SIZE_MAX 4096

bool authority_make_claim(const struct request *request, size_t i, uint32_t lease,
			  struct llq_claim *ret)
{
	const ldns_rr *question = dns_message_rr(request->message, DNS_SECTION_QUESTION, i);
	uint16_t type = ldns_rr_get_type(question);

	/* ANY is no query to be kept, and neither are the types that are no data (RFC 8764 §5.2.1).
	 */
	if (ldns_rr_get_class(question) != LDNS_RR_CLASS_IN || type == LDNS_RR_TYPE_OPT ||
	    type == 0 || (type >= 249 && type <= 255))
		return false;
	*ret = (struct llq_claim){
		.remote = request->peer.remote,
		.key_name = request->identity.key_name,
		.type = type,
		.lease = lease,
	};
	name_key_from_rdf(ldns_rr_owner(question), &ret->name);
	return true;
}

static void answer_options(struct authority *authority, const struct request *request,
			   const struct dns_llq *llqs, size_t n, const struct moment *moment,
			   struct outbox *outbox)
{
	struct answer answer;

	answer_begin(&answer, request, DNS_FLAG_AA, n * DNS_OPTION_LLQ_SIZE);
	for (size_t i = 0; i < n; i++)
		dns_option_write_llq(&answer.options_writer, &llqs[i]);
	answer_send(authority, &answer, request, moment, outbox);
}

/* The whole message is wrong in the same way. The DNS message is not, so its RCODE stays NOERROR
 * (RFC 8764 §5.2.3). */
static void answer_error(struct authority *authority, const struct request *request,
			 const struct dns_llq *llqs, size_t n, enum dns_llq_error error,
			 const struct moment *moment, struct outbox *outbox)
{
	struct dns_llq answers[DNS_LLQ_MAX];

	authority->counters.llq_rejected++;
	for (size_t i = 0; i < n; i++)
		answers[i] = (struct dns_llq){ DNS_LLQ_VERSION, llqs[i].opcode, error, 0, 0 };
	answer_options(authority, request, answers, n, moment, outbox);
}

/* One option for each question, and all of one kind. */
static enum dns_llq_error check_form(const struct request *request, const struct dns_llq *llqs,
				     size_t n)
{
	struct llq_claim claim;

	if (n != dns_message_count(request->message, DNS_SECTION_QUESTION))
		return DNS_LLQ_ERROR_FORMAT_ERR;
	for (size_t i = 0; i < n; i++) {
		if (llqs[i].version != DNS_LLQ_VERSION)
			return DNS_LLQ_ERROR_BAD_VERS;
		if (llqs[i].opcode != llqs[0].opcode ||
		    (llqs[i].opcode != DNS_LLQ_OPCODE_SETUP &&
		     llqs[i].opcode != DNS_LLQ_OPCODE_REFRESH) ||
		    (llqs[i].id == 0) != (llqs[0].id == 0) ||
		    !authority_make_claim(request, i, 0, &claim))
			return DNS_LLQ_ERROR_FORMAT_ERR;
	}
	return DNS_LLQ_ERROR_NONE;
}

/* Whether all names are the account's own. */
static bool is_allowed(const struct request *request)
{
	for (size_t i = 0; i < dns_message_count(request->message, DNS_SECTION_QUESTION); i++) {
		struct name_key name;

		name_key_from_rdf(
			ldns_rr_owner(dns_message_rr(request->message, DNS_SECTION_QUESTION, i)),
			&name);
		if (!name_key_is_within(&name, &request->identity.account->name))
			return false;
	}
	return true;
}

static void challenge(struct authority *authority, const struct request *request,
		      const struct dns_llq *llqs, size_t n, const struct moment *moment,
		      struct outbox *outbox)
{
	const struct authority_options *options = authority->options;
	bool is_full =
		authority_is_full(authority, request->identity.account, request->identity.key_name);
	struct dns_llq answers[DNS_LLQ_MAX];

	authority->counters.llq_rejected += is_full;
	for (size_t i = 0; i < n; i++) {
		struct llq_claim claim;

		answers[i] = (struct dns_llq){ DNS_LLQ_VERSION, DNS_LLQ_OPCODE_SETUP };
		authority_make_claim(request, i, lease_grant(&options->llq_lease, llqs[i].lease),
				     &claim);
		answers[i].lease = is_full ? LLQ_FULL_RETRY : claim.lease;
		answers[i].error = is_full ? DNS_LLQ_ERROR_SERV_FULL : DNS_LLQ_ERROR_NONE;
		if (!is_full)
			answers[i].id = llq_challenge(options->llq_secret, &claim, moment->now);
	}
	answer_options(authority, request, answers, n, moment, outbox);
}

void authority_receive_llq(struct authority *authority, const struct moment *moment,
			   struct request *request, const struct dns_llq *llqs, size_t n,
			   struct outbox *outbox)
{
	enum dns_llq_error error = check_form(request, llqs, n);
	bool is_refresh = llqs[0].opcode == DNS_LLQ_OPCODE_REFRESH;
	struct operation *operation;

	if (error != DNS_LLQ_ERROR_NONE) {
		answer_error(authority, request, llqs, n, error, moment, outbox);
		return;
	}
	if (!is_allowed(request)) {
		authority->counters.refused++;
		answer_rcode(authority, request, LDNS_RCODE_REFUSED, moment, outbox);
		return;
	}
	if (!is_refresh && llqs[0].id == 0) {
		challenge(authority, request, llqs, n, moment, outbox);
		return;
	}
	if (request->peer.connection && !is_refresh)
		authority_hold_llqs(authority, moment, &request->peer, outbox);
	operation = authority_enqueue(authority, request,
				      is_refresh ? OPERATION_LLQ_REFRESH : OPERATION_LLQ_CONFIRM);
	if (!operation) {
		authority->counters.overloaded++;
		answer_rcode(authority, request, LDNS_RCODE_SERVFAIL, moment, outbox);
		return;
	}
	memcpy(operation->llqs, llqs, n * sizeof *llqs);
	operation->n_llqs = n;
}

/* Whether the message is from the client of `llq` and about the event under way: signed with its
 * key over the event's MAC, so that nobody else's word and no old one ends an event. */
static bool is_ack_of(struct authority *authority, const struct llq *llq, const struct peer *peer,
		      const uint8_t *data, const struct dns_tsig *tsig, const struct moment *moment)
{
	struct identity identity;

	if (!llq->event || llq->event->id != (data[0] << 8 | data[1]) ||
	    llq->peer.connection != peer->connection ||
	    !endpoint_equal(&llq->peer.remote, &peer->remote) ||
	    keyring_find(&authority->keyring, &authority->accounts, &tsig->key_name, &identity) <=
		    0)
		return false;
	identity.key.algorithm = llq->owner->algorithm;
	return strcmp(identity.key_name, llq->owner->key_name) == 0 &&
	       dns_tsig_verify(data, tsig, &identity.key, &llq->event->mac, moment->date / 1000,
			       0) == DNS_TSIG_RESULT_OK;
}

void authority_receive_ack(struct authority *authority, const struct moment *moment,
			   const struct peer *peer, const uint8_t *data, size_t size)
{
	const uint8_t *options = NULL;
	size_t options_size = 0;
	struct llq *llq = NULL;
	struct dns_llq option;
	struct dns_tsig tsig;
	int is_signed = size > ACK_SIZE_MAX ? -EBADMSG : dns_tsig_find(data, size, &tsig);

	if (is_signed < 0 || dns_options_find(data, size, &options, &options_size) < 0) {
		authority->counters.malformed++;
		return;
	}
	if (is_signed && (data[2] >> 3 & 0xf) == LDNS_PACKET_QUERY &&
	    dns_options_read_llqs(options, options_size, &option, 1) == 1 &&
	    option.opcode == DNS_LLQ_OPCODE_EVENT)
		llq = llq_table_find(&authority->llqs, option.id);
	if (!llq || !is_ack_of(authority, llq, peer, data, &tsig, moment)) {
		authority->counters.llq_acks_ignored++;
		return;
	}
	authority->counters.llq_acks++;
	/* The client may have no use for it any more. */
	if (option.error == DNS_LLQ_ERROR_NO_SUCH_LLQ) {
		llq_table_remove(&authority->llqs, llq, moment->now);
		return;
	}
	llq_event_acknowledged(llq);
	llq_table_note_time(&authority->llqs, llq);
	authority_check_llq(authority, llq);
}
