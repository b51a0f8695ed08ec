/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-child-state.h"
#include "services/keyd/ike-manager-internal.h"
#include "services/keyd/ike-revoked-state.h"
#include "services/keyd/ike-sa-internal.h"

#define COLLISION_PATIENCE                                                                         \
	3000 /* our own IKE_AUTH may take this long before the peer's goes first */

static void touch(struct ike_manager *manager, struct ike_sa *sa)
{
	ike_sas_touch(&manager->sas, sa);
}

/* Not one that has ended. */
static struct ike_sa *find_sa(const struct ike_manager *manager, uint64_t id)
{
	struct ike_sa *sa = ike_sas_find(&manager->sas, id);

	return sa && sa->state != IKE_SA_DEAD ? sa : NULL;
}

static void note_added(struct ike_manager *manager, struct ike_sa *sa, int r)
{
	if (r < 0)
		ike_sa_drop(sa);
	ike_actions_add(&manager->context.actions, IKE_ACTION_CHANGED, sa->id, NULL, 0);
}

void ike_manager_add_sa(struct ike_manager *manager, struct ike_sa *sa)
{
	sa->id = ++manager->last_id;
	note_added(manager, sa, ike_sas_add(&manager->sas, sa));
}

void ike_manager_add_stranger(struct ike_manager *manager, struct ike_sa *sa,
			      const uint8_t hash[IKE_FIRST_HASH_SIZE])
{
	sa->id = ++manager->last_id;
	note_added(manager, sa, ike_sas_add_stranger(&manager->sas, sa, hash));
}

#define for_each_other(other, manager, sa)                                                         \
	for (struct ike_sa *other = ike_sas_with(&(manager)->sas, (sa)->peer); other;              \
	     other = other->links.next_of_group)                                                   \
		if (other != (sa))

/* What the SAs ask of us. */

static uint16_t admit(void *userdata, struct ike_sa *sa, uint64_t now)
{
	struct ike_manager *manager = userdata;
	bool we_lead = memcmp(manager->context.local->host_id, sa->peer_host_id, 16) < 0;
	struct ike_sa *oldest = NULL;
	unsigned int n = 0;

	for_each_other(other, manager, sa)
	{
		if (other->state == IKE_SA_DEAD)
			continue;
		n++;
		if (!oldest || other->id < oldest->id)
			oldest = other;
		if (!other->initiator || !ike_sa_is_connecting(other))
			continue;
		touch(manager, other);
		if (other->state == IKE_SA_INIT_SENT)
			ike_sa_drop(other);
		else if (we_lead && (other->state == IKE_SA_INSTALLING ||
				     now < other->auth_began + COLLISION_PATIENCE))
			return IKE_NOTIFY_TEMPORARY_FAILURE;
	}
	if (n >= IKE_PEER_SAS_MAXIMUM) {
		touch(manager, oldest);
		ike_sa_drop(oldest);
	}
	return ike_sas_join(&manager->sas, sa) < 0 ? IKE_NOTIFY_TEMPORARY_FAILURE : 0;
}

static bool find_host_id(void *userdata, const char *name, uint8_t ret[16])
{
	const struct ike_manager *manager = userdata;

	for (const struct ike_peer *peer = manager->peers; peer; peer = peer->by_host_id.next)
		if (!strcmp(peer->shown.name, name)) {
			memcpy(ret, peer->shown.host_id, 16);
			return true;
		}
	return false;
}

static bool has_other(void *userdata, const struct ike_sa *sa)
{
	const struct ike_manager *manager = userdata;

	for_each_other(other, manager, sa) if (other->state == IKE_SA_ESTABLISHED) return true;
	return false;
}

static bool take_spi(void *userdata, uint32_t spi)
{
	struct ike_manager *manager = userdata;

	return ike_spis_take(&manager->spis, spi);
}

static void give_spi(void *userdata, uint32_t spi)
{
	struct ike_manager *manager = userdata;

	ike_spis_give(&manager->spis, spi);
}

static uint64_t next_child_id(void *userdata)
{
	struct ike_manager *manager = userdata;

	return ++manager->next_child_id;
}

/* One side decides where both may have begun: that with the lower host id. */
static bool leads(const struct ike_manager *manager, const struct ike_sa *sa)
{
	return memcmp(manager->context.local->host_id, sa->peer_host_id, 16) < 0;
}

static void retire(struct ike_manager *manager, uint64_t now, struct ike_sa *sa, bool silently)
{
	sa->retire_at = now + IKE_RETIRE_DELAY;
	sa->retire_silently = silently;
	touch(manager, sa);
}

/*
 * What this SA takes the place of is ended after a moment, in which packets under way on the former
 * pair still arrive. The initiator does it; after an initial contact the other side knows the
 * former ones no more, and the responder forgets them. When each side has begun one of two, the
 * leading side ends the older one.
 */
static void established(void *userdata, struct ike_sa *sa, uint64_t now)
{
	struct ike_manager *manager = userdata;
	struct ike_peer *peer = ike_peers_find(manager, sa->peer, sa->peer_host_id);

	/* Both have signed them, and nobody needs them again. */
	ike_blob_clear(&sa->own_init);
	ike_blob_clear(&sa->peer_init);
	if (!ike_child_main(sa))
		return;
	for_each_other(other, manager, sa)
	{
		if (other->state != IKE_SA_ESTABLISHED)
			continue;
		if (!other->superseded && other->initiator != sa->initiator && leads(manager, sa))
			retire(manager, now, other->created > sa->created ? sa : other, false);
		else if (other->created <= sa->created && (sa->initiator || sa->initial_contact))
			retire(manager, now, other, !sa->initiator);
	}
	if (peer)
		ike_peers_succeeded(manager, now, peer);
	ike_actions_note(&manager->context.actions, "keys agreed with %s as %s", sa->peer,
			 sa->initiator ? "initiator" : "responder");
}

static void adopt(void *userdata, struct ike_sa *sa)
{
	ike_manager_add_sa(userdata, sa);
}

/* It may be changed. */
static struct ike_sa *find_by_own_spi(void *userdata, uint64_t spi)
{
	struct ike_manager *manager = userdata;
	struct ike_sa *sa = ike_sas_find_spi(&manager->sas, spi);

	if (!sa || sa->state != IKE_SA_ESTABLISHED)
		return NULL;
	touch(manager, sa);
	return sa;
}

/* A new SA from the beginning, whose coming ends the former one. */
static void renew(void *userdata, struct ike_sa *sa, uint64_t now)
{
	struct ike_manager *manager = userdata;
	struct ike_sa *next;

	for_each_other(other, manager, sa) if (ike_sa_is_connecting(other)) return;
	next = ike_sa_initiate(&manager->context, now, sa->peer, sa->peer_host_id, &sa->endpoint);
	if (next)
		ike_manager_add_sa(manager, next);
}

static const struct ike_surroundings surroundings = {
	.admit = admit,
	.find_host_id = find_host_id,
	.has_other = has_other,
	.take_spi = take_spi,
	.give_spi = give_spi,
	.next_child_id = next_child_id,
	.adopt = adopt,
	.find = find_by_own_spi,
	.renew = renew,
	.established = established,
};

int ike_manager_new(const struct ike_random *random, struct ike_manager **ret)
{
	struct ike_manager *manager = calloc(1, sizeof *manager);

	if (!manager)
		return -ENOMEM;
	manager->context.random = *random;
	manager->cookies_from = IKE_HALF_OPEN_EASY;
	ike_manager_set_datagram_size(manager, IKE_DATAGRAM_SIZE);
	ike_preferences_init(&manager->context.preferences);
	ike_lifetimes_init(&manager->context.lifetimes);
	manager->context.surroundings = &surroundings;
	manager->context.userdata = manager;
	ike_actions_init(&manager->context.actions);
	*ret = manager;
	return 0;
}

struct ike_manager *ike_manager_free(struct ike_manager *manager)
{
	if (!manager)
		return NULL;
	ike_sas_deinit(&manager->sas);
	ike_spis_clear(&manager->spis);
	ike_peers_deinit(manager);
	ike_actions_deinit(&manager->context.actions);
	ike_local_free(manager->context.local);
	ike_psks_free(manager->context.psks);
	free(manager->context.revoked);
	ike_tickets_free(manager->context.tickets);
	ike_cookies_wipe(&manager->context.cookies);
	free(manager);
	return NULL;
}

struct ike_action *ike_manager_take(struct ike_manager *manager)
{
	return ike_actions_take(&manager->context.actions);
}

void ike_manager_set_preferences(struct ike_manager *manager,
				 const struct ike_preferences *preferences)
{
	manager->context.preferences = *preferences;
	manager->context.preferences.has_kem = manager->context.kem;
}

void ike_manager_set_kem(struct ike_manager *manager, const struct ike_kem *kem)
{
	manager->context.kem = kem;
	manager->context.preferences.has_kem = kem;
}

void ike_manager_set_cookies_from(struct ike_manager *manager, unsigned int n)
{
	manager->cookies_from = n;
}

void ike_manager_set_datagram_size(struct ike_manager *manager, unsigned int size)
{
	manager->context.fragment_limit = size - IKE_DATAGRAM_OVERHEAD;
}

void ike_manager_set_lifetimes(struct ike_manager *manager, const struct ike_lifetimes *lifetimes)
{
	manager->context.lifetimes = *lifetimes;
}

void ike_manager_set_ppk_use(struct ike_manager *manager, enum ike_ppk_use use)
{
	manager->context.ppk_use = use;
}

void ike_manager_set_psks(struct ike_manager *manager, struct ike_psks *psks)
{
	ike_psks_free(manager->context.psks);
	manager->context.psks = psks;
}

int ike_manager_set_resumption(struct ike_manager *manager, bool use)
{
	manager->context.tickets = ike_tickets_free(manager->context.tickets);
	return use ? ike_tickets_new(&manager->context.tickets) : 0;
}

struct ike_tickets *ike_manager_tickets(struct ike_manager *manager)
{
	return manager->context.tickets;
}

void ike_manager_set_realtime(struct ike_manager *manager, int64_t realtime)
{
	manager->context.realtime = realtime;
}

const struct ike_sa *ike_manager_find(const struct ike_manager *manager, uint64_t id)
{
	return find_sa(manager, id);
}

const struct ike_counters *ike_manager_counters(const struct ike_manager *manager)
{
	return &manager->context.counters;
}

static void report_failure(struct ike_manager *manager, uint64_t now, struct ike_sa *sa)
{
	struct ike_peer *peer = ike_peers_find(manager, sa->peer, sa->peer_host_id);

	sa->reported = true;
	/* The peer's own negotiation is under way. */
	if (!sa->retry_soon) {
		manager->context.counters.negotiations_failed++;
		ike_actions_note(&manager->context.actions, "no keys with %s: %s", sa->peer,
				 sa->failure);
	}
	if (peer && sa->n_restarts)
		peer->wary = true;
	if (peer)
		ike_peers_failed(manager, now, peer, sa->retry_soon, sa->failure);
}

static void settle_sa(struct ike_manager *manager, uint64_t now, struct ike_sa *sa)
{
	struct ike_peer *peer = ike_peers_find(manager, sa->peer, sa->peer_host_id);

	if (*sa->failure && sa->initiator && !sa->reported &&
	    (sa->state == IKE_SA_DEAD || sa->state == IKE_SA_DELETING))
		report_failure(manager, now, sa);
	if (sa->state == IKE_SA_DEAD) {
		ike_actions_add(&manager->context.actions, IKE_ACTION_CHANGED, sa->id, NULL, 0);
		ike_sas_remove(&manager->sas, sa);
	} else {
		ike_sas_update(&manager->sas, sa);
	}
	/* It may have waited for this SA. */
	if (peer)
		ike_peers_update(manager, peer);
}

void ike_manager_settle(struct ike_manager *manager, uint64_t now)
{
	struct ike_sa *sa;

	while ((sa = ike_sas_take_touched(&manager->sas)))
		settle_sa(manager, now, sa);
}

uint64_t ike_manager_due(const struct ike_manager *manager)
{
	uint64_t due = due_heap_next(&manager->sas.due);
	uint64_t peers_due = due_heap_next(&manager->peers_due);

	return due < peers_due ? due : peers_due;
}

void ike_manager_tick(struct ike_manager *manager, uint64_t now)
{
	struct ike_sa *sa;

	while ((sa = ike_sas_take_due(&manager->sas, now))) {
		touch(manager, sa);
		ike_sa_tick(sa, now);
	}
	ike_manager_settle(manager, now);
	ike_peers_tick(manager, now);
	ike_manager_settle(manager, now);
}

/* The world. */

void ike_manager_set_local(struct ike_manager *manager, uint64_t now, struct ike_local *local)
{
	if (ike_local_same(manager->context.local, local)) {
		ike_local_free(local);
		return;
	}
	ike_manager_terminate_all(manager, now);
	/* What was kept is another identity's; the first one may have loaded its own. */
	if (manager->context.local && manager->context.tickets)
		ike_tickets_clear(manager->context.tickets);
	ike_local_free(manager->context.local);
	manager->context.local = local;
	ike_peers_update_all(manager);
	ike_manager_tick(manager, now);
}

void ike_manager_set_revoked(struct ike_manager *manager, uint64_t now,
			     const struct revocation_list *revoked)
{
	if (ike_revoked_set(&manager->context, revoked) <= 0)
		return;
	for (struct ike_sa *sa = manager->sas.first; sa; sa = sa->next)
		if (ike_revoked_end(sa)) {
			touch(manager, sa);
			ike_sa_delete(sa, now);
		}
	ike_peers_revoked(manager);
	ike_manager_settle(manager, now);
}

void ike_manager_tunnel_restarted(struct ike_manager *manager, uint64_t now)
{
	for (struct ike_sa *sa = manager->sas.first; sa; sa = sa->next) {
		/* What is still being agreed will be installed in the tunneld that is there then.
		 */
		if (ike_sa_is_connecting(sa) && sa->state != IKE_SA_INSTALLING)
			continue;
		touch(manager, sa);
		ike_sa_forget_children(sa);
		ike_sa_delete(sa, now);
	}
	ike_manager_settle(manager, now);
}

void ike_manager_network_changed(struct ike_manager *manager, uint64_t now)
{
	for (struct ike_sa *sa = manager->sas.first; sa; sa = sa->next)
		if (sa->state != IKE_SA_DEAD) {
			touch(manager, sa);
			ike_sa_hurry(sa, now);
			ike_mobike_moved(sa);
			ike_sa_pursue(sa, now);
		}
	ike_manager_settle(manager, now);
}

/* Messages. */

static bool is_first_request(const struct ike_header *header)
{
	return (header->exchange == IKE_EXCHANGE_SA_INIT ||
		header->exchange == IKE_EXCHANGE_SESSION_RESUME) &&
	       !header->spi_responder && header->message_id == 0 && header->spi_initiator &&
	       (header->flags & IKE_FLAG_INITIATOR) && !(header->flags & IKE_FLAG_RESPONSE);
}

static struct ike_sa *find_by_spi(const struct ike_manager *manager,
				  const struct ike_header *header)
{
	bool from_initiator = header->flags & IKE_FLAG_INITIATOR;
	struct ike_sa *sa = ike_sas_find_spi(&manager->sas, from_initiator ? header->spi_responder
									   : header->spi_initiator);

	if (!sa || sa->initiator == from_initiator || sa->state == IKE_SA_DEAD ||
	    sa->spi_initiator != header->spi_initiator)
		return NULL;
	if (sa->spi_responder == header->spi_responder ||
	    (sa->state == IKE_SA_INIT_SENT && (header->exchange == IKE_EXCHANGE_SA_INIT ||
					       header->exchange == IKE_EXCHANGE_SESSION_RESUME)))
		return sa;
	return NULL;
}

void ike_manager_receive(struct ike_manager *manager, uint64_t now, const struct sockaddr_in *from,
			 const uint8_t *data, size_t size)
{
	struct ike_counters *counters = &manager->context.counters;
	struct ike_header header;
	struct ike_sa *sa;

	counters->received++;
	if (size > IKE_MESSAGE_LIMIT || ike_header_read(data, size, &header) < 0) {
		counters->malformed++;
		return;
	}
	/* A higher minor version is to be treated as ours (§2.5). */
	if (header.version >> 4 != IKE_VERSION >> 4) {
		counters->wrong_version++;
		return;
	}
	if (is_first_request(&header)) {
		ike_strangers_receive(manager, now, from, &header, data, size);
		return;
	}
	sa = find_by_spi(manager, &header);
	if (!sa) {
		counters->unknown_spi++;
		return;
	}
	touch(manager, sa);
	ike_sa_receive(sa, now, from, &header, data, size);
	ike_manager_settle(manager, now);
}

void ike_manager_signed(struct ike_manager *manager, uint64_t now, uint64_t id,
			const uint8_t *signature, size_t size)
{
	struct ike_sa *sa = find_sa(manager, id);

	if (sa) {
		touch(manager, sa);
		ike_sa_signed(sa, now, signature, size);
	}
	ike_manager_settle(manager, now);
}

void ike_manager_installed(struct ike_manager *manager, uint64_t now, uint64_t id, uint32_t spi_in,
			   bool success, const char *reason)
{
	struct ike_sa *sa = find_sa(manager, id);

	/* An SA may have a successor meanwhile, which has its children. */
	if (!sa || !ike_child_find_in(sa, spi_in))
		sa = manager->sas.first;
	while (sa && (sa->state == IKE_SA_DEAD || !ike_child_find_in(sa, spi_in)))
		sa = sa->next;
	if (sa) {
		touch(manager, sa);
		ike_sa_installed(sa, now, spi_in, success, reason);
	}
	ike_manager_settle(manager, now);
}

int ike_manager_rekey(struct ike_manager *manager, uint64_t now, uint64_t id)
{
	struct ike_sa *sa = find_sa(manager, id);

	if (!sa)
		return -ENOENT;
	if (sa->state != IKE_SA_ESTABLISHED)
		return -ENOTCONN;
	/* One that has a successor has been replaced just now. */
	if (!sa->superseded)
		ike_sa_rekey(sa, now);
	touch(manager, sa);
	ike_manager_settle(manager, now);
	return 0;
}

int ike_manager_rekey_child(struct ike_manager *manager, uint64_t now, uint64_t id)
{
	for (struct ike_sa *sa = manager->sas.first; sa; sa = sa->next) {
		int r = sa->state == IKE_SA_DEAD ? -ENOENT : ike_sa_rekey_child(sa, now, id);

		if (r == -ENOENT)
			continue;
		touch(manager, sa);
		ike_manager_settle(manager, now);
		return r;
	}
	return -ENOENT;
}

int ike_manager_terminate(struct ike_manager *manager, uint64_t now, uint64_t id)
{
	struct ike_sa *sa = find_sa(manager, id);

	if (!sa)
		return -ENOENT;
	touch(manager, sa);
	/* Who ends it wants nothing of it to stay. */
	if (manager->context.tickets)
		ike_tickets_drop(manager->context.tickets, sa->peer);
	ike_sa_delete(sa, now);
	ike_manager_settle(manager, now);
	return 0;
}

void ike_manager_terminate_all(struct ike_manager *manager, uint64_t now)
{
	for (struct ike_sa *sa = manager->sas.first; sa; sa = sa->next) {
		touch(manager, sa);
		ike_sa_delete(sa, now);
	}
	ike_manager_settle(manager, now);
}

bool ike_manager_busy(const struct ike_manager *manager)
{
	for (const struct ike_sa *sa = manager->sas.first; sa; sa = sa->next)
		if (sa->state == IKE_SA_DELETING)
			return true;
	return false;
}
