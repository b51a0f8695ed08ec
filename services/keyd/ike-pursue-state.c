/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What an established IKE SA wants to say next. Others note what is wanted in the SA; here it
 * becomes requests, as far as the window has room, and the most urgent first. So nothing needs to
 * wait in a queue of messages, and what was settled otherwise meanwhile is never sent.
 */
#include "services/keyd/ike-create-child.h"

/* Whether new keys may be asked for at all: one exchange after the other (§2.25). */
static bool may_create(const struct ike_sa *sa)
{
	return sa->state == IKE_SA_ESTABLISHED && !sa->superseded && sa->retire_at == UINT64_MAX &&
	       sa->context->local && !sa->ours && (!sa->theirs || sa->theirs->answered);
}

/* An IKE SA is replaced while nothing else is going on in it. */
static bool may_rekey_sa(const struct ike_sa *sa)
{
	return may_create(sa) && !ike_requests_waiting(&sa->requests) && !ike_child_busy(sa);
}

static bool wants_rekey(const struct ike_child *child, uint64_t now)
{
	return child->id && child->installed && !child->closing && !child->replaced &&
	       now >= child->rekey_at;
}

static struct ike_child *find_worn(struct ike_sa *sa, uint64_t now)
{
	for (size_t i = 0; i < IKE_CHILDREN_LIMIT; i++)
		if (wants_rekey(&sa->children[i], now))
			return &sa->children[i];
	return NULL;
}

static bool send_delete(struct ike_sa *sa, uint64_t now)
{
	for (size_t i = 0; i < IKE_CHILDREN_LIMIT; i++) {
		struct ike_child *child = &sa->children[i];

		if (!child->id || !child->closing || child->told)
			continue;
		child->told = true;
		return ike_informational_delete_child(sa, now, child) >= 0;
	}
	return false;
}

static bool send_ours(struct ike_sa *sa, uint64_t now)
{
	if (sa->ours && ike_create_send(sa, now) >= 0)
		return true;
	sa->ours = ike_negotiation_free(sa->ours);
	ike_create_retry(sa, now);
	return false;
}

static bool create(struct ike_sa *sa, uint64_t now)
{
	struct ike_child *worn;

	if (sa->ours && sa->ours->again && !sa->superseded)
		return send_ours(sa, now);
	if (now < sa->retry_at)
		return false;
	if (may_rekey_sa(sa) && now >= sa->rekey_at) {
		ike_create_begin(sa, IKE_REKEY_SA, 0);
		return send_ours(sa, now);
	}
	worn = may_create(sa) && ike_child_has_room(sa) ? find_worn(sa, now) : NULL;
	if (worn || (may_create(sa) && sa->child_wanted)) {
		sa->child_wanted = false;
		ike_create_begin(sa, worn ? IKE_REKEY_CHILD : IKE_NEW_CHILD, worn ? worn->id : 0);
		return send_ours(sa, now);
	}
	return false;
}

static bool probe(struct ike_sa *sa, uint64_t now)
{
	if (!sa->probe_wanted)
		return false;
	sa->probe_wanted = false;
	/* What waits for its answer asks the same. */
	if (ike_requests_waiting(&sa->requests))
		return false;
	ike_informational_probe(sa, now);
	return true;
}

/* The last thing of all: it serves another time. */
static bool ask_for_ticket(struct ike_sa *sa, uint64_t now)
{
	if (!sa->ticket_wanted || sa->superseded || ike_requests_waiting(&sa->requests))
		return false;
	sa->ticket_wanted = false;
	ike_informational_ticket(sa, now);
	return true;
}

void ike_sa_pursue(struct ike_sa *sa, uint64_t now)
{
	if (sa->state == IKE_SA_DELETING && sa->delete_wanted &&
	    !ike_requests_waiting(&sa->requests))
		ike_informational_delete(sa, now);
	while (sa->state == IKE_SA_ESTABLISHED && ike_requests_have_room(&sa->requests))
		if (!ike_mobike_pursue(sa, now) && !send_delete(sa, now) && !create(sa, now) &&
		    !probe(sa, now) && !ask_for_ticket(sa, now))
			break;
}

static void earlier(uint64_t *due, uint64_t at)
{
	if (at < *due)
		*due = at;
}

/* When new keys that are wanted from `at` on can be asked for. */
static uint64_t create_due(const struct ike_sa *sa, uint64_t at)
{
	return at > sa->retry_at ? at : sa->retry_at;
}

/* Its last child was too old, and there is none in sight. */
static bool is_spent(const struct ike_sa *sa)
{
	return !ike_child_main(sa) && ike_child_count(sa) && !sa->ours && !sa->theirs &&
	       !sa->child_wanted && !sa->superseded;
}

uint64_t ike_sa_wants_due(const struct ike_sa *sa)
{
	uint64_t due = sa->expires_at;
	bool room = may_create(sa) && ike_requests_have_room(&sa->requests);

	if (sa->state != IKE_SA_ESTABLISHED)
		return UINT64_MAX;
	if (is_spent(sa))
		return 0;
	for (size_t i = 0; i < IKE_CHILDREN_LIMIT; i++) {
		const struct ike_child *child = &sa->children[i];

		if (child->id && !child->closing)
			earlier(&due, child->expires_at);
		/* What has to wait for an answer is looked at when that comes. */
		if (wants_rekey(child, UINT64_MAX) && room && ike_child_has_room(sa))
			earlier(&due, create_due(sa, child->rekey_at));
	}
	if (may_rekey_sa(sa))
		earlier(&due, create_due(sa, sa->rekey_at));
	if (room && sa->child_wanted)
		earlier(&due, sa->retry_at);
	return due;
}

void ike_sa_expire(struct ike_sa *sa, uint64_t now)
{
	if (sa->state != IKE_SA_ESTABLISHED)
		return;
	for (size_t i = 0; i < IKE_CHILDREN_LIMIT; i++) {
		struct ike_child *child = &sa->children[i];

		if (child->id && child->installed && now >= child->expires_at)
			ike_child_close(sa, child);
	}
	/* Keys that are too old are used no more (§2.8); traffic brings new ones. */
	if (now >= sa->expires_at || is_spent(sa)) {
		ike_actions_note(&sa->context->actions, "keys with %s are too old", sa->peer);
		ike_sa_delete(sa, now);
	}
}

void ike_sa_renew(struct ike_sa *sa, uint64_t now)
{
	sa->rekey_at = UINT64_MAX;
	for (size_t i = 0; i < IKE_CHILDREN_LIMIT; i++)
		sa->children[i].rekey_at = UINT64_MAX;
	sa->context->surroundings->renew(sa->context->userdata, sa, now);
}
