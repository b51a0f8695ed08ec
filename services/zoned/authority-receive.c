/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/authority-internal.h"

#include "services/zoned/authority-follow.h"
#include "services/zoned/authority-session.h"
#include "services/zoned/authority-transfer.h"
#include "services/zoned/query-state.h"

#define RCODE_BADVERS 16
/* Shortest MAC: half of SHA-256, and the whole of MD5. */
#define MAC_SIZE_LEAST 16

void request_clear(struct request *request)
{
	dns_message_free(request->message);
	free(request->octets);
	*request = (struct request){};
}

/* The one question of an ordinary query or the zone section, or NULL. */
static const ldns_rr *only_question(const struct request *request)
{
	if (dns_message_count(request->message, DNS_SECTION_QUESTION) != 1)
		return NULL;
	return dns_message_rr(request->message, DNS_SECTION_QUESTION, 0);
}

/* The zone that may answer this client about this name. NULL: none, and whether the name or the
 * account exists must not show. */
static const struct zone *find_zone(const struct authority *authority,
				    const struct request *request, const struct name_key *name)
{
	/* A secondary may read everything. */
	const struct account *account = request->identity.is_transfer
						? accounts_find(&authority->accounts, name)
						: request->identity.account;

	if (name_key_equal(name, &authority->zone_name) ||
	    name_key_equal(name, &authority->server_name) ||
	    name_key_equal(name, &authority->tlsa_name)) {
		if (name_key_is_within(name, &authority->zone_name))
			return authority->public_zone;
		/* A name of others; but our clients may learn what they can believe us. */
		return request->is_signed && name_key_equal(name, &authority->tlsa_name)
			       ? authority->server_zone
			       : NULL;
	}
	/* Resolvers that minimise what they ask for come by way of "_udp". */
	if (authority->stun_name.size && name->size > authority->zone_name.size &&
	    name_key_is_within(&authority->stun_name, name))
		return authority->public_zone;
	if (request->is_signed && account && name_key_is_within(name, &account->name))
		return account->zone;
	if (authority->follower && follow_is_public(authority, name))
		return authority->public_zone;
	return NULL;
}

static void refuse(struct authority *authority, const struct request *request,
		   const struct moment *moment, struct outbox *outbox)
{
	authority->counters.refused++;
	answer_rcode(authority, request, LDNS_RCODE_REFUSED, moment, outbox);
}

void authority_answer_question(struct authority *authority, const struct request *request,
			       const ldns_rr *question, const struct moment *moment,
			       struct outbox *outbox)
{
	uint16_t type = ldns_rr_get_type(question);
	uint16_t class = ldns_rr_get_class(question);
	const struct zone *zone;
	struct answer answer;
	struct name_key name;

	name_key_from_rdf(ldns_rr_owner(question), &name);
	zone = find_zone(authority, request, &name);
	if (!zone || type == LDNS_RR_TYPE_AXFR || type == LDNS_RR_TYPE_IXFR ||
	    (class != LDNS_RR_CLASS_IN && class != LDNS_RR_CLASS_ANY)) {
		refuse(authority, request, moment, outbox);
		return;
	}
	if (authority->follower && !follow_knows(authority, zone)) {
		answer_rcode(authority, request, LDNS_RCODE_SERVFAIL, moment, outbox);
		return;
	}
	answer_begin(&answer, request, 0, 0);
	query_answer(&answer.builder, DNS_FLAG_QR | (request->message->flags & DNS_FLAG_RD), zone,
		     zone == authority->public_zone ? NULL : authority->public_zone,
		     ldns_rr_owner(question), type, moment->now);
	answer_send(authority, &answer, request, moment, outbox);
}

static void receive_query(struct authority *authority, struct request *request,
			  const struct moment *moment, struct outbox *outbox)
{
	const ldns_rr *question = only_question(request);
	struct dns_llq llqs[DNS_LLQ_MAX];
	int n_llqs = dns_options_read_llqs(request->message->options,
					   request->message->options_size, llqs, ARRAY_SIZE(llqs));

	authority->counters.queries++;
	if (request->is_signed && !request->is_revoked)
		authority_bind_session(authority, moment, request, outbox);
	if (n_llqs < 0 || (n_llqs == 0 && !question)) {
		authority->counters.malformed++;
		answer_rcode(authority, request, LDNS_RCODE_FORMERR, moment, outbox);
	} else if (n_llqs > 0 && request->is_signed && !request->is_revoked) {
		authority_receive_llq(authority, moment, request, llqs, n_llqs, outbox);
	} else if (n_llqs > 0) {
		refuse(authority, request, moment, outbox);
	} else {
		authority_answer_question(authority, request, question, moment, outbox);
	}
}

/* The RCODE that keeps an UPDATE from being tried at all, or NOERROR. */
static uint16_t check_update(const struct authority *authority, const struct request *request)
{
	const ldns_rr *zone = only_question(request);
	struct dns_update_lease lease;
	struct name_key name;

	if (!zone || ldns_rr_get_type(zone) != LDNS_RR_TYPE_SOA ||
	    dns_options_read_update_lease(request->message->options, request->message->options_size,
					  &lease) < 0)
		return LDNS_RCODE_FORMERR;
	if (!request->is_signed)
		return LDNS_RCODE_REFUSED;
	name_key_from_rdf(ldns_rr_owner(zone), &name);
	if (name_key_equal(&name, &request->identity.account->name))
		return ldns_rr_get_class(zone) == LDNS_RR_CLASS_IN ? LDNS_RCODE_NOERROR
								   : LDNS_RCODE_NOTAUTH;
	/* Whether another account exists is nobody's business. */
	if (name_key_is_within(&name, &authority->zone_name) &&
	    !name_key_is_within(&name, &request->identity.account->name))
		return LDNS_RCODE_REFUSED;
	return LDNS_RCODE_NOTAUTH;
}

static void receive_update(struct authority *authority, struct request *request,
			   const struct moment *moment, struct outbox *outbox)
{
	uint16_t rcode = check_update(authority, request);

	authority->counters.updates++;
	if (rcode == LDNS_RCODE_NOERROR) {
		if (authority_enqueue(authority, request, OPERATION_UPDATE))
			return;
		authority->counters.overloaded++;
		rcode = LDNS_RCODE_SERVFAIL;
	}
	if (rcode == LDNS_RCODE_FORMERR)
		authority->counters.malformed++;
	else if (rcode == LDNS_RCODE_REFUSED)
		authority->counters.refused++;
	authority->counters.updates_refused++;
	answer_rcode(authority, request, rcode, moment, outbox);
}

static bool is_primary_key(const struct authority *authority, const struct dns_name *name)
{
	return authority->options->primary_key &&
	       dns_name_equal(&authority->options->primary_key->tsig.name, name);
}

/* The key the message claims. Whether an account exists is nobody's business, and BADKEY for one
 * that does not where BADSIG is for one that does would tell: so in our zone every name that could
 * be a key's has a key, if only one that nobody has; then there is no account. Returns as
 * keyring_find(). */
static int find_key(struct authority *authority, struct request *request)
{
	const struct dns_name *name = &request->tsig.key_name;
	const struct transfer_key *transfer_key =
		transfer_keys_find(authority->options->transfer_keys, name);
	int r;

	if (transfer_key) {
		request->identity =
			(struct identity){ .is_transfer = true,
					   .is_primary = is_primary_key(authority, name),
					   .key = transfer_key->tsig };
		return 1;
	}
	if (is_primary_key(authority, name)) {
		request->identity =
			(struct identity){ .is_primary = true,
					   .key = authority->options->primary_key->tsig };
		return 1;
	}
	r = keyring_find(&authority->keyring, &authority->accounts, name, &request->identity);
	if (r == 0)
		r = keyring_find_decoy(&authority->keyring, &authority->zone_name, authority->decoy,
				       name, &request->identity);
	/* Any algorithm, so that the answer to a wrong signature does not tell which are allowed.
	 */
	if (r > 0 && request->tsig.algorithm != DNS_TSIG_ALGORITHM_UNKNOWN)
		request->identity.key.algorithm = request->tsig.algorithm;
	return r;
}

/* What the owner of the key is told who signed rightly but may not; OK for the others. */
static enum dns_tsig_result check_terms(struct request *request, const struct moment *moment)
{
	struct account *account = request->identity.account;

	if (account && authority_is_revoked(account, account->zone, &request->identity, moment)) {
		request->is_revoked = true;
		if (!authority_may_ask_revoked(account, request))
			return DNS_TSIG_RESULT_BADKEY;
	}
	if (account && dns_tsig_algorithm_is_old(request->tsig.algorithm) && !account->allows_md5)
		return DNS_TSIG_RESULT_BADKEY;
	return DNS_TSIG_RESULT_OK;
}

/* Looks at the signature. True to go on; otherwise it has been answered. */
static bool authenticate(struct authority *authority, struct request *request,
			 const struct moment *moment, struct outbox *outbox)
{
	const struct dns_tsig_key *key = &request->identity.key;
	enum dns_tsig_result result;
	int r = find_key(authority, request);

	if (r < 0) {
		answer_rcode(authority, request, LDNS_RCODE_SERVFAIL, moment, outbox);
		return false;
	}
	result = dns_tsig_verify(request->octets, &request->tsig, r > 0 ? key : NULL, NULL,
				 moment->date / 1000, MAC_SIZE_LEAST);
	/* Nobody can have made it; but if so, it is worth nothing. */
	if (result == DNS_TSIG_RESULT_OK && !request->identity.account &&
	    !request->identity.is_transfer && !request->identity.is_primary)
		result = DNS_TSIG_RESULT_BADSIG;
	if (result == DNS_TSIG_RESULT_OK)
		result = check_terms(request, moment);
	switch (result) {
	case DNS_TSIG_RESULT_OK:
		request->is_signed = true;
		if (request->identity.account)
			request->account_id = request->identity.account->id;
		if (!request->identity.account || !request->identity.account->is_disabled)
			return true;
		refuse(authority, request, moment, outbox);
		return false;
	case DNS_TSIG_RESULT_FORMERR:
		authority->counters.malformed++;
		answer_rcode(authority, request, LDNS_RCODE_FORMERR, moment, outbox);
		return false;
	case DNS_TSIG_RESULT_BADKEY:
		authority->counters.bad_key++;
		break;
	case DNS_TSIG_RESULT_BADSIG:
	case DNS_TSIG_RESULT_BADTRUNC:
		/* Of accounts that are not there as well: metrics may be open to anybody. */
		authority->counters.bad_signature++;
		break;
	case DNS_TSIG_RESULT_BADTIME:
		authority->counters.bad_time++;
		break;
	}
	answer_tsig_error(authority, request, key, (enum dns_tsig_error)result, moment, outbox);
	return false;
}

/* What the signer says is worth being read. */
static bool read_records(struct authority *authority, struct request *request,
			 const struct moment *moment, struct outbox *outbox)
{
	struct dns_message *whole;
	int r = dns_message_parse(request->octets, request->size, &whole);

	if (r < 0) {
		authority->counters.malformed += r == -EBADMSG;
		answer_rcode(authority, request,
			     r == -EBADMSG ? LDNS_RCODE_FORMERR : LDNS_RCODE_SERVFAIL, moment,
			     outbox);
		return false;
	}
	dns_message_free(request->message);
	request->message = whole;
	return true;
}

static void dispatch(struct authority *authority, struct request *request,
		     const struct moment *moment, struct outbox *outbox)
{
	uint8_t opcode = request->message->opcode;

	if (opcode != LDNS_PACKET_QUERY && opcode != LDNS_PACKET_UPDATE &&
	    !(opcode == LDNS_PACKET_NOTIFY && authority->follower))
		answer_rcode(authority, request, LDNS_RCODE_NOTIMPL, moment, outbox);
	else if (request->message->edns_version > 0)
		answer_rcode(authority, request, RCODE_BADVERS, moment, outbox);
	else if (request->message->has_tsig && !(authenticate(authority, request, moment, outbox) &&
						 read_records(authority, request, moment, outbox)))
		return;
	else if (opcode == LDNS_PACKET_NOTIFY)
		follow_receive_notify(authority, request, moment, outbox);
	else if (request->identity.is_transfer)
		authority_receive_transfer(authority, moment, request, outbox);
	else if (request->identity.is_primary)
		refuse(authority, request, moment, outbox);
	else if (opcode == LDNS_PACKET_UPDATE)
		receive_update(authority, request, moment, outbox);
	else
		receive_query(authority, request, moment, outbox);
}

/* The records of a stranger are not read: nothing that is unsigned depends on them. */
static int take_apart(struct request *request, const uint8_t *data, size_t size)
{
	struct octets octets;
	int r = octets_copy(data, size, &octets);

	if (r < 0)
		return r;
	request->octets = octets.data;
	request->size = size;
	r = dns_message_parse_outline(request->octets, size, &request->message);
	if (r < 0)
		return r;
	r = dns_tsig_find(request->octets, size, &request->tsig);
	return r < 0 ? r : 0;
}

void authority_receive(struct authority *authority, const struct moment *moment,
		       const struct peer *peer, const uint8_t *data, size_t size,
		       struct outbox *outbox)
{
	struct request request = { .peer = *peer };
	int r;

	if (size < DNS_HEADER_SIZE || size > DNS_MESSAGE_SIZE_MAX) {
		authority->counters.malformed++;
		return;
	}
	if (peer->connection && dns_dso_is(data, size)) {
		authority_receive_dso(authority, moment, peer, data, size, outbox);
		return;
	}
	if (data[2] & DNS_FLAG_QR >> 8) {
		if ((data[2] >> 3 & 0xf) == LDNS_PACKET_NOTIFY) {
			authority_receive_notify_answer(authority, peer, data, size);
			return;
		}
		authority_receive_ack(authority, moment, peer, data, size);
		return;
	}
	r = take_apart(&request, data, size);
	if (r >= 0 && authority_admit_on_session(authority, moment, &request, outbox)) {
		dispatch(authority, &request, moment, outbox);
	} else if (r == -EBADMSG) {
		authority->counters.malformed++;
		answer_malformed(peer, data, size, outbox);
	}
	request_clear(&request);
}
