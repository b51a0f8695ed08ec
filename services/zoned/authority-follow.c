/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/zoned/authority-follow.h"

#include "services/zoned/transfer-wire.h"

#define SRV_TARGET       3
#define CLAIM_RETRY_MSEC 2000

/* An account that cannot be, for the names below it. */
#define TEMPLATE_LABEL "_"

static int make_template(struct authority *authority, struct zone **ret)
{
	ldns_rdf *apex = ldns_dname_new_frm_str(TEMPLATE_LABEL);
	cleanup(zone_freep) struct zone *zone = NULL;
	/* Other nodes may have TLS where this one has not. */
	struct authority_options options = *authority->options;
	int r = -ENOMEM;

	options.tls_port = options.tls_port ?: 1;
	if (apex && ldns_dname_cat(apex, authority->options->zone) == LDNS_STATUS_OK)
		r = zone_new(apex, &zone);
	ldns_rdf_deep_free(apex);
	if (r >= 0)
		r = authority_put_services(&options, zone);
	if (r >= 0)
		*ret = steal_ptr(zone);
	return r;
}

int follower_new(struct authority *authority, struct follower **ret)
{
	cleanup(follower_freep) struct follower *follower = calloc(1, sizeof *follower);
	int r;

	if (!follower)
		return -ENOMEM;
	follower->claim_at = ZONE_NEVER;
	r = zone_new(authority->options->zone, &follower->upper);
	if (r >= 0)
		r = make_template(authority, &follower->template);
	if (r < 0)
		return r;
	*ret = steal_ptr(follower);
	return 0;
}

struct follower *follower_free(struct follower *follower)
{
	if (!follower)
		return NULL;
	for (size_t i = 0; i < follower->n_learnt; i++)
		zone_delta_free(follower->learnt[i].delta);
	free(follower->learnt);
	zone_free(follower->upper);
	zone_free(follower->template);
	free(follower);
	return NULL;
}

/* Kinds of records
 * ----------------------------------------------------------------------------------- */

bool follow_is_local(const struct account *account, const struct zone_record *record)
{
	return record->owner_size == account->name.size &&
	       (record->type == LDNS_RR_TYPE_SOA || record->type == LDNS_RR_TYPE_NS);
}

bool follow_is_fixed(const struct authority *authority, const struct account *account,
		     const struct zone_record *record)
{
	const struct zone *template = authority->follower->template;
	size_t apex = template->apex_key.size;

	for (size_t i = 0; i < template->n_records; i++) {
		const struct zone_record *fixed = template->records[i];
		size_t size = fixed->owner_size - apex;

		if (fixed->type == record->type &&
		    record->owner_size == account->name.size + size &&
		    memcmp(fixed->key + apex, record->key + account->name.size, size) == 0)
			return true;
	}
	return false;
}

/* What a signed zone has besides its records; nobody asks us for proofs. */
static bool is_proof(uint16_t type)
{
	return type == LDNS_RR_TYPE_RRSIG || type == LDNS_RR_TYPE_NSEC ||
	       type == LDNS_RR_TYPE_NSEC3 || type == LDNS_RR_TYPE_NSEC3PARAM || type == 65534;
}

static bool names_us(const struct authority *authority, const struct zone *zone,
		     const struct name_key *service, bool *ret_exists)
{
	struct zone_range range = zone_find_rrset(zone, service, LDNS_RR_TYPE_SRV);

	*ret_exists = range.start < range.end;
	for (size_t i = range.start; i < range.end; i++) {
		struct name_key target;

		name_key_from_rdf(ldns_rr_rdf(zone->records[i]->rr, SRV_TARGET), &target);
		if (name_key_equal(&target, &authority->server_name))
			return true;
	}
	return false;
}

static bool is_ours(const struct authority *authority, const struct account *account,
		    const struct zone *zone)
{
	struct name_key protocol, service;
	bool exists;

	if (name_key_below(&account->name, "_tcp", &protocol) &&
	    name_key_below(&protocol, "_dns-update-tls", &service)) {
		bool is = names_us(authority, zone, &service, &exists);

		if (exists)
			return is;
	}
	return name_key_below(&account->name, "_udp", &protocol) &&
	       name_key_below(&protocol, "_dns-update", &service) &&
	       names_us(authority, zone, &service, &exists);
}

bool follow_owns(const struct authority *authority, const struct account *account)
{
	return authority->follower->is_synced &&
	       is_ours(authority, account, account->staged ?: account->zone);
}

bool follow_is_ready(const struct authority *authority)
{
	return authority->follower->is_synced && authority->follower->is_reachable;
}

uint64_t follow_may_expire(const struct authority *authority)
{
	return follow_is_ready(authority) ? authority->follower->expire_at : ZONE_NEVER;
}

static bool is_empty(const struct account *account, const struct zone *zone)
{
	for (size_t i = 0; i < zone->n_records; i++)
		if (!follow_is_local(account, zone->records[i]))
			return false;
	return true;
}

bool follow_knows(const struct authority *authority, const struct zone *zone)
{
	/* At the least SOA, NS, and one more. */
	return authority->follower->is_synced || zone == authority->public_zone ||
	       zone->n_records > 2;
}

/* Applying differences
 * ------------------------------------------------------------------------------- */

static void remove_record(struct zone *zone, const struct zone_record *record)
{
	struct name_key name = { .size = record->owner_size };
	struct zone_range range;

	memcpy(name.octets, record->key, name.size);
	range = zone_find_rrset(zone, &name, record->type);
	for (size_t i = range.start; i < range.end; i++) {
		if (zone->records[i] != record)
			continue;
		zone_remove_at(zone, i);
		return;
	}
}

/* A record as it is in the primary, with what `known` has about the same data: lease, writer, id.
 */
static int make_record(const struct zone *known, const ldns_rr *rr, struct zone_record **ret)
{
	cleanup(zone_record_unrefp) struct zone_record *record = NULL;
	const struct zone_record *same;
	ldns_rr *copy = ldns_rr_clone(rr);
	int r = copy ? zone_record_new(copy, ZONE_NEVER, NULL, &record) : -ENOMEM;

	if (r < 0)
		return r;
	same = zone_find_same(known, record);
	if (same && ldns_rr_ttl(same->rr) == ldns_rr_ttl(rr)) {
		*ret = zone_record_ref((struct zone_record *)same);
		return 0;
	}
	if (same) {
		struct zone_record *with_lease;

		copy = ldns_rr_clone(rr);
		r = copy ? zone_record_new(copy, same->expires, same->writer, &with_lease)
			 : -ENOMEM;
		if (r < 0)
			return r;
		with_lease->id = same->id;
		with_lease->fixed = same->fixed;
		*ret = with_lease;
		return 0;
	}
	*ret = steal_ptr(record);
	return 0;
}

/* One difference. `known` may be the zone itself. -ESTALE when it does not fit. */
static int apply_item(struct zone *zone, const struct zone *known, bool is_added, const ldns_rr *rr,
		      struct zone_record **ret_added)
{
	cleanup(zone_record_unrefp) struct zone_record *record = NULL;
	struct zone_record *same;
	int r = make_record(known, rr, &record);

	if (r < 0)
		return r;
	same = zone_find_same(zone, record);
	if (is_added) {
		*ret_added = record;
		return zone_put(zone, record);
	}
	if (!same)
		return -ESTALE;
	remove_record(zone, same);
	return 0;
}

static int begin_base(struct authority *authority, struct account *account, bool is_whole)
{
	struct follower *follower = authority->follower;
	bool is_new = !account->base;
	int r = 0;

	if (is_whole)
		account->base = zone_free(account->base);
	if (account->base)
		return 0;
	if (!is_whole) {
		r = zone_new_copy(account->zone, &account->base);
	} else {
		r = zone_new(account->zone->apex, &account->base);
		for (size_t i = 0; r >= 0 && i < account->zone->n_records; i++)
			if (follow_is_local(account, account->zone->records[i]))
				r = zone_put(account->base, account->zone->records[i]);
	}
	if (is_new) {
		account->next_based = follower->based;
		follower->based = account;
	}
	return r;
}

static int begin_whole(struct authority *authority, const struct learnt *learnt, uint64_t sequence)
{
	struct account *account, *next;
	int r = 0;

	HASH_ITER (by_id, authority->accounts.by_id, account, next) {
		if (sequence < account->learnt_from ||
		    (learnt->is_only && !name_key_equal(&account->name, &learnt->only)))
			continue;
		r = begin_base(authority, account, true);
		if (r < 0)
			return r;
	}
	return r;
}

static int apply_to_account(struct authority *authority, struct account *account,
			    const struct zone_delta_item *item)
{
	struct zone_record *added = NULL;
	int r = begin_base(authority, account, false);

	if (r >= 0)
		r = apply_item(account->base, account->staged ?: account->zone, item->is_added,
			       item->rr, &added);
	if (added && !follow_is_local(account, added))
		added->fixed = follow_is_fixed(authority, account, added);
	if (r == -ESTALE) {
		authority->follower->wants_whole = true;
		return 0;
	}
	return r;
}

static int apply_learnt(struct authority *authority, const struct learnt *learnt, uint64_t sequence)
{
	const struct zone_delta *delta = learnt->delta;
	int r = delta->is_whole ? begin_whole(authority, learnt, sequence) : 0;

	for (size_t i = 0; r >= 0 && i < delta->n; i++) {
		uint16_t type = ldns_rr_get_type(delta->items[i].rr);
		struct account *account;
		struct name_key owner;

		name_key_from_rdf(ldns_rr_owner(delta->items[i].rr), &owner);
		account = accounts_find(&authority->accounts, &owner);
		if (!account || sequence < account->learnt_from || is_proof(type) ||
		    (owner.size == account->name.size &&
		     (type == LDNS_RR_TYPE_SOA || type == LDNS_RR_TYPE_NS)))
			continue;
		r = apply_to_account(authority, account, &delta->items[i]);
	}
	return r;
}

/* Leases by who owns the account now. */
static int settle_leases(struct authority *authority, struct account *account,
			 const struct moment *moment)
{
	bool is_owned = is_ours(authority, account, account->base);
	uint64_t expires =
		is_owned ? lease_end(moment->now, authority->options->update_lease.maximum)
			 : ZONE_NEVER;

	for (size_t i = 0; i < account->base->n_records; i++) {
		struct zone_record *record = account->base->records[i];
		cleanup(zone_record_unrefp) struct zone_record *next = NULL;
		bool is_known = record->writer || record->expires != ZONE_NEVER;
		int r;

		if (record->fixed || follow_is_local(account, record) || is_known == is_owned)
			continue;
		r = zone_record_new_refreshed(record, expires, NULL, &next);
		if (r >= 0)
			r = zone_put(account->base, next);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Nobody has made this account's service records yet. */
static int claim(struct authority *authority, struct account *account, struct zone *zone)
{
	cleanup(zone_freep) struct zone *fixed = NULL;
	int r = zone_new(account->zone->apex, &fixed);

	if (r >= 0)
		r = authority_put_services(authority->options, fixed);
	for (size_t i = 0; r >= 0 && i < fixed->n_records; i++)
		if (!follow_is_local(account, fixed->records[i]))
			r = zone_put(zone, fixed->records[i]);
	return r;
}

static void put_off_claims(struct follower *follower, const struct moment *moment)
{
	follower->claim_at = moment->now + CLAIM_RETRY_MSEC;
}

/* Accounts that nothing was learnt about, but which could not be claimed before. */
static int begin_unclaimed(struct authority *authority, const struct moment *moment)
{
	struct follower *follower = authority->follower;
	struct account *account, *next;
	int r = 0;

	if (follower->claim_at > moment->now)
		return 0;
	follower->claim_at = ZONE_NEVER;
	HASH_ITER (by_id, authority->accounts.by_id, account, next) {
		account->is_unclaimed = account->is_unclaimed && is_empty(account, account->zone);
		if (!account->is_unclaimed)
			continue;
		/* Should this try fail as well. */
		put_off_claims(follower, moment);
		r = begin_base(authority, account, false);
		if (r < 0)
			return r;
	}
	return r;
}

/* Leases that the transaction under way has given, of records that the primary told nothing about.
 */
static int take_leases(struct account *account)
{
	for (size_t i = 0; account->staged && i < account->base->n_records; i++) {
		const struct zone_record *record = account->base->records[i];
		struct zone_record *same = zone_find_same(account->staged, record);
		int r;

		if (!same || same == record || ldns_rr_ttl(same->rr) != ldns_rr_ttl(record->rr))
			continue;
		r = zone_put(account->base, same);
		if (r < 0)
			return r;
	}
	return 0;
}

static int stage_base(struct authority *authority, struct account *account,
		      const struct moment *moment, bool may_claim)
{
	struct zone *next;
	int r = take_leases(account);

	if (r >= 0)
		r = settle_leases(authority, account, moment);

	if (r >= 0)
		r = zone_new_copy(account->base, &next);
	if (r < 0)
		return r;
	account->is_unclaimed = is_empty(account, next);
	if (account->is_unclaimed && may_claim)
		r = claim(authority, account, next);
	else if (account->is_unclaimed)
		put_off_claims(authority->follower, moment);
	if (r >= 0 && zone_differs(account->zone, next))
		r = zone_bump_serial(next);
	if (r < 0) {
		zone_free(next);
		return r;
	}
	authority_set_staged(authority, account, next);
	return 0;
}

static void drop_bases(struct authority *authority)
{
	struct follower *follower = authority->follower;

	while (follower->based) {
		struct account *account = follower->based;

		follower->based = account->next_based;
		account->next_based = NULL;
		account->base = zone_free(account->base);
	}
}

/* The accounts as the primary has them, as far as something was learnt about them. */
static int make_bases(struct authority *authority)
{
	struct follower *follower = authority->follower;
	int r = 0;

	drop_bases(authority);
	for (size_t i = 0; r >= 0 && i < follower->n_learnt; i++)
		r = apply_learnt(authority, &follower->learnt[i], follower->sequence + i);
	return r;
}

bool follow_has_arrived(struct authority *authority)
{
	return make_bases(authority) >= 0 && follow_is_published(authority);
}

int follow_stage(struct authority *authority, const struct moment *moment, bool may_claim)
{
	struct follower *follower = authority->follower;
	int r = make_bases(authority);

	if (r >= 0 && may_claim)
		r = begin_unclaimed(authority, moment);
	for (struct account *account = follower->based; r >= 0 && account;
	     account = account->next_based)
		r = stage_base(authority, account, moment, may_claim);
	follower->n_taken = follower->n_learnt;
	return r;
}

void follow_settle(struct authority *authority, bool durable)
{
	struct follower *follower = authority->follower;
	size_t n = durable ? follower->n_taken : 0;

	drop_bases(authority);
	follower->n_taken = 0;
	if (n == 0)
		return;
	for (size_t i = 0; i < n; i++)
		zone_delta_free(follower->learnt[i].delta);
	follower->n_learnt -= n;
	follower->sequence += n;
	memmove(follower->learnt, follower->learnt + n,
		follower->n_learnt * sizeof *follower->learnt);
}

uint64_t follow_next_work(const struct authority *authority, uint64_t now)
{
	const struct follower *follower = authority->follower;

	if (follower->n_learnt)
		return now;
	return follow_is_ready(authority) ? follower->claim_at : ZONE_NEVER;
}

/* What is above the accounts
 * ------------------------------------------------------------------------- */

/* What clients know this server's certificate by is ours to say. */
static int keep_pin(const struct authority *authority, struct zone *zone)
{
	const struct zone *old = authority->public_zone;
	struct zone_range range = { 0, 0 };
	int r = 0;

	if (authority->tlsa_name.size)
		range = zone_find_rrset(old, &authority->tlsa_name, LDNS_RR_TYPE_TLSA);
	for (size_t i = range.start; r >= 0 && i < range.end; i++)
		r = zone_put(zone, old->records[i]);
	return r;
}

/* The members zone as everybody may see it: what the configuration says of this server, and of the
 * primary's the SOA, the name servers and what is at and below their names. */
static int rebuild_public_zone(struct authority *authority, const ldns_rr *soa)
{
	const struct zone *upper = authority->follower->upper;
	struct zone_range servers = zone_find_rrset(upper, &upper->apex_key, LDNS_RR_TYPE_NS);
	cleanup(zone_freep) struct zone *zone = NULL;
	struct zone_record *record = NULL;
	int r = authority_make_public_zone(authority, &zone);

	if (r >= 0) {
		struct zone_range own = zone_find_rrset(zone, &zone->apex_key, LDNS_RR_TYPE_SOA);

		for (size_t i = own.end; i > own.start; i--)
			zone_remove_at(zone, i - 1);
		r = make_record(zone, soa, &record);
	}
	if (r >= 0)
		r = zone_put(zone, record);
	zone_record_unref(record);
	if (r >= 0 && servers.start < servers.end) {
		struct zone_range own = zone_find_rrset(zone, &zone->apex_key, LDNS_RR_TYPE_NS);

		for (size_t i = own.end; i > own.start; i--)
			zone_remove_at(zone, i - 1);
	}
	for (size_t i = servers.start; r >= 0 && i < servers.end; i++) {
		struct name_key name;
		struct zone_range range;

		r = zone_put(zone, upper->records[i]);
		name_key_from_rdf(ldns_rr_rdf(upper->records[i]->rr, 0), &name);
		if (!name_key_is_within(&name, &upper->apex_key))
			continue;
		range = zone_find_subtree(upper, &name);
		for (size_t k = range.start; r >= 0 && k < range.end; k++)
			r = zone_put(zone, upper->records[k]);
	}
	if (r >= 0)
		r = keep_pin(authority, zone);
	if (r < 0)
		return r;
	zone_free(authority->public_zone);
	authority->public_zone = steal_ptr(zone);
	return 0;
}

bool follow_is_public(const struct authority *authority, const struct name_key *name)
{
	const struct zone *zone = authority->public_zone;
	struct zone_range servers = zone_find_rrset(zone, &zone->apex_key, LDNS_RR_TYPE_NS);

	for (size_t i = servers.start; i < servers.end; i++) {
		struct name_key server;

		name_key_from_rdf(ldns_rr_rdf(zone->records[i]->rr, 0), &server);
		if (server.size > zone->apex_key.size &&
		    name_key_is_within(&server, &zone->apex_key) &&
		    name_key_is_within(name, &server))
			return true;
	}
	return false;
}

static int learn_upper(struct authority *authority, const struct zone_delta *delta)
{
	struct follower *follower = authority->follower;
	int r = 0;

	if (delta->is_whole) {
		zone_free(follower->upper);
		follower->upper = NULL;
		r = zone_new(authority->options->zone, &follower->upper);
	}
	for (size_t i = 0; r >= 0 && i < delta->n; i++) {
		const ldns_rr *rr = delta->items[i].rr;
		struct zone_record *added;
		struct name_key owner;

		name_key_from_rdf(ldns_rr_owner(rr), &owner);
		if (is_proof(ldns_rr_get_type(rr)) || accounts_find(&authority->accounts, &owner))
			continue;
		r = apply_item(follower->upper, follower->upper, delta->items[i].is_added, rr,
			       &added);
		if (r == -ESTALE) {
			follower->wants_whole = true;
			r = 0;
		}
	}
	return r < 0 ? r : rebuild_public_zone(authority, delta->soa);
}

static int queue(struct follower *follower, const struct learnt *learnt)
{
	struct learnt *items =
		reallocarray(follower->learnt, follower->n_learnt + 1, sizeof *items);

	if (!items)
		return -ENOMEM;
	follower->learnt = items;
	items[follower->n_learnt++] = *learnt;
	return 0;
}

int authority_learn(struct authority *authority, struct zone_delta *delta)
{
	struct follower *follower = authority->follower;
	struct learnt learnt = { .delta = delta };
	int r = learn_upper(authority, delta);

	if (r >= 0)
		r = queue(follower, &learnt);
	if (r < 0) {
		zone_delta_free(delta);
		follower->wants_whole = true;
		return r;
	}
	if (delta->is_whole) {
		follower->is_synced = true;
		follower->wants_whole = false;
		follower->has_lost = false;
	}
	authority->counters.transfers_in++;
	return 0;
}

/* Accounts
 * ------------------------------------------------------------------------------------------- */

/* Takes what was nobody's until now. */
static int adopt(struct authority *authority, struct account *account)
{
	struct follower *follower = authority->follower;
	struct zone_range range = zone_find_subtree(follower->upper, &account->name);
	struct learnt learnt = { .only = account->name, .is_only = true };
	int r = 0;

	learnt.delta = calloc(1, sizeof *learnt.delta);
	if (!learnt.delta)
		return -ENOMEM;
	learnt.delta->is_whole = true;
	for (size_t i = range.start; r >= 0 && i < range.end; i++)
		r = zone_delta_append(learnt.delta, true,
				      ldns_rr_clone(follower->upper->records[i]->rr));
	if (r >= 0)
		r = queue(follower, &learnt);
	if (r < 0) {
		zone_delta_free(learnt.delta);
		return r;
	}
	for (size_t i = range.end; i > range.start; i--)
		zone_remove_at(follower->upper, i - 1);
	account->learnt_from = follower->sequence + follower->n_learnt - 1;
	return 0;
}

int follow_complete_account(struct authority *authority, struct account *account)
{
	struct follower *follower = authority->follower;

	if (!follower->is_synced)
		return 0;
	if (follower->has_lost)
		follower->wants_whole = true;
	return adopt(authority, account);
}

void follow_forget_account(struct authority *authority, struct account *account)
{
	struct account **at = &authority->follower->based;

	while (*at && *at != account)
		at = &(*at)->next_based;
	if (*at)
		*at = account->next_based;
	authority->follower->has_lost = true;
}

/* From outside
 * --------------------------------------------------------------------------------------- */

void authority_set_reachable(struct authority *authority, bool is_reachable)
{
	authority->follower->is_reachable = is_reachable;
}

bool authority_take_notified(struct authority *authority)
{
	bool is_notified = authority->follower && authority->follower->is_notified;

	if (is_notified)
		authority->follower->is_notified = false;
	return is_notified;
}

bool authority_wants_whole(const struct authority *authority)
{
	return authority->follower->wants_whole;
}

void follow_receive_notify(struct authority *authority, struct request *request,
			   const struct moment *moment, struct outbox *outbox)
{
	const struct endpoint *primary = &authority->options->primary;
	const ldns_rr *question = dns_message_rr(request->message, DNS_SECTION_QUESTION, 0);
	bool is_primary = request->peer.remote.family == primary->family &&
			  memcmp(request->peer.remote.address, primary->address,
				 sizeof primary->address) == 0;
	uint16_t rcode = LDNS_RCODE_NOERROR;

	if (!question || (!is_primary && !request->identity.is_primary))
		rcode = LDNS_RCODE_REFUSED;
	else if (ldns_dname_compare(ldns_rr_owner(question), authority->options->zone) != 0)
		rcode = LDNS_RCODE_NOTAUTH;
	else
		authority->follower->is_notified = true;
	answer_rcode(authority, request, rcode, moment, outbox);
}
