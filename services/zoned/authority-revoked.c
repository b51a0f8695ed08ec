/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Keys of forgotten hosts: what they may still ask, and the end of what they had. */
#include "services/zoned/authority-internal.h"

#include "services/zoned/revoked-state.h"

#include <utlist.h>

/* A key whose host was signed in so far in the future, in seconds, was made by a wrong clock; it is
 * not taken, or a list of now could not forget it. */
#define ISSUE_TIME_AHEAD DNS_TSIG_FUDGE

bool authority_is_revoked(struct account *account, const struct zone *zone,
			  const struct identity *identity, const struct moment *moment)
{
	const struct revocation_list *list;

	if (!identity->is_host)
		return false;
	if (revoked_issue_time(identity->key_name) >
	    (uint64_t)(moment->date / 1000) + ISSUE_TIME_AHEAD)
		return true;
	list = revoked_read(zone, &account->revoked);
	return revoked_covers_key(list, identity->key_name, account->domain);
}

bool authority_may_ask_revoked(const struct account *account, const struct request *request)
{
	const struct dns_message *message = request->message;
	struct name_key list, name;
	const ldns_rr *question;

	if (message->opcode != LDNS_PACKET_QUERY ||
	    dns_message_count(message, DNS_SECTION_QUESTION) != 1)
		return false;
	question = dns_message_rr(message, DNS_SECTION_QUESTION, 0);
	name_key_from_rdf(ldns_rr_owner(question), &name);
	return ldns_rr_get_type(question) == LDNS_RR_TYPE_CERT &&
	       revoked_name(account->zone, &list) && name_key_equal(&name, &list);
}

static void end_llqs(struct authority *authority, struct account *account,
		     const struct revocation_list *list, const struct moment *moment)
{
	struct llq_question *question, *next_question;
	struct llq *llq, *next;

	HASH_ITER (hh, account->llq_questions, question, next_question)
		DL_FOREACH_SAFE2 (question->llqs, llq, next, next)
			if (!llq->is_new &&
			    revoked_covers_key(list, llq->owner->key_name, account->domain))
				llq_table_remove(&authority->llqs, llq, moment->now);
}

void authority_end_revoked(struct authority *authority, struct account *account,
			   const struct moment *moment)
{
	const struct revocation_list *list = revoked_read(account->zone, &account->revoked);
	struct session *session, *next;

	if (!list)
		return;
	for (session = account->sessions; session; session = next) {
		next = session->next_of_account;
		if (revoked_covers_key(list, session->owner->key_name, account->domain))
			session_leave(&authority->sessions, session, LDNS_RCODE_REFUSED);
	}
	end_llqs(authority, account, list, moment);
}
