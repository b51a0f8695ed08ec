/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/keyd/ike-manager-state.h"

#include "common/base/hash.h"
#include "services/keyd/ike-child-state.h"
#include "services/keyd/ike-sa-internal.h"

#include <openssl/crypto.h>
#include <stdio.h>

#define BACKOFF_FIRST     1000 /* ms between negotiations with one peer that fail */
#define BACKOFF_LAST      30000
#define RETRY_SOON        1000
#define SETTLE            2000 /* for tunneld's state to follow what we installed or removed */
#define ORPHAN_DELAY      1000
#define ORPHAN_SPREAD     2000
#define ENDPOINT_PATIENCE 10000 /* for the address of a peer to become known */
#define COLLISION_PATIENCE                                                                         \
	3000 /* our own IKE_AUTH may take this long before the peer's goes first */

/* What we remember of a peer besides what Tunnel1 shows. */
struct peer {
	UT_hash_handle hh; /* by the host id */
	struct ike_tunnel_peer shown;
	bool present;        /* in the last list */
	uint64_t not_before; /* ms; of the next negotiation */
	uint64_t backoff;
	uint64_t acquiring_since; /* UINT64_MAX: it is not */
	uint64_t
		orphan_at; /* when a pair that is not ours is replaced; UINT64_MAX: there is none */
};

struct ike_manager {
	struct ike_context context;
	unsigned int cookies_from;
	struct ike_sa *sas; /* newest first */
	struct peer *peers; /* a hash table */
	/*
	 * ms; no later than ike_manager_tick() has something to do, while `due_known`. To look at
	 * all SAs after each message would be most of the work with many of them: what concerns one
	 * SA or peer only can make it earlier, and everything else makes it unknown.
	 */
	uint64_t due;
	bool due_known;
	uint64_t last_id;
	uint64_t next_child_id;
};

static void reap(struct ike_manager *manager, uint64_t now);

static struct ike_local *local_free(struct ike_local *local)
{
	if (!local)
		return NULL;
	ike_trust_free(local->trust);
	explicit_bzero(local, sizeof *local);
	free(local);
	return NULL;
}

static bool same_endpoint(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
	return a->sin_addr.s_addr == b->sin_addr.s_addr && a->sin_port == b->sin_port;
}

/* tunneld shows one peer for each host id. A host that was switched off and on has another one, and
 * is shown beside its former self. */
static struct peer *find_peer(const struct ike_manager *manager, const char *name,
			      const uint8_t host_id[16])
{
	struct peer *peer;

	HASH_FIND(hh, manager->peers, host_id, sizeof peer->shown.host_id, peer);
	return peer && !strcmp(peer->shown.name, name) ? peer : NULL;
}

/* Whether there may be something to negotiate with it, now or later. */
static bool wants_something(const struct peer *peer)
{
	return peer->present &&
	       (peer->shown.state == IKE_PEER_ACQUIRING || peer->orphan_at != UINT64_MAX);
}

/* Something happened to this SA. */
static void touch(struct ike_manager *manager, const struct ike_sa *sa)
{
	const struct peer *peer = find_peer(manager, sa->peer, sa->peer_host_id);
	uint64_t due = ike_sa_due(sa);

	if (due < manager->due)
		manager->due = due;
	/* It may have waited for this SA. */
	if (peer && wants_something(peer))
		manager->due_known = false;
}

static struct ike_sa *find_sa(const struct ike_manager *manager, uint64_t id)
{
	for (struct ike_sa *sa = manager->sas; sa; sa = sa->next)
		if (sa->id == id && sa->state != IKE_SA_DEAD)
			return sa;
	return NULL;
}

static void add_sa(struct ike_manager *manager, struct ike_sa *sa)
{
	sa->id = ++manager->last_id;
	sa->next = manager->sas;
	manager->sas = sa;
	touch(manager, sa);
	ike_actions_add(&manager->context.actions, IKE_ACTION_CHANGED, sa->id, NULL, 0);
}

/* Whether the peer of this SA is known: we chose it, or it proved itself. */
static bool is_with(const struct ike_sa *sa, const char *name)
{
	return (sa->initiator || sa->authenticated) && !strcmp(sa->peer, name);
}

static bool is_for(const struct ike_sa *sa, const struct ike_tunnel_peer *peer)
{
	return is_with(sa, peer->name) && !memcmp(sa->peer_host_id, peer->host_id, 16);
}

static bool is_connecting_to(const struct ike_manager *manager, const struct ike_tunnel_peer *peer)
{
	for (const struct ike_sa *sa = manager->sas; sa; sa = sa->next)
		if (is_for(sa, peer) && ike_sa_is_connecting(sa))
			return true;
	return false;
}

static bool is_established_with(const struct ike_manager *manager,
				const struct ike_tunnel_peer *peer)
{
	for (const struct ike_sa *sa = manager->sas; sa; sa = sa->next)
		if (is_for(sa, peer) && sa->state == IKE_SA_ESTABLISHED)
			return true;
	return false;
}

/* What the SAs ask of us. */

static uint16_t admit(void *userdata, struct ike_sa *sa, uint64_t now)
{
	struct ike_manager *manager = userdata;
	bool we_lead = memcmp(manager->context.local->host_id, sa->peer_host_id, 16) < 0;
	struct ike_sa *oldest = NULL;
	unsigned int n = 0;

	for (struct ike_sa *other = manager->sas; other; other = other->next) {
		if (other == sa || other->state == IKE_SA_DEAD || !is_with(other, sa->peer))
			continue;
		n++;
		oldest = other;
		if (!other->initiator || !ike_sa_is_connecting(other))
			continue;
		if (other->state == IKE_SA_INIT_SENT)
			ike_sa_drop(other);
		else if (we_lead && (other->state == IKE_SA_INSTALLING ||
				     now < other->auth_began + COLLISION_PATIENCE))
			return IKE_NOTIFY_TEMPORARY_FAILURE;
	}
	if (n >= IKE_PEER_SAS_MAXIMUM)
		ike_sa_drop(oldest);
	return 0;
}

static bool find_host_id(void *userdata, const char *name, uint8_t ret[16])
{
	const struct ike_manager *manager = userdata;

	for (const struct peer *peer = manager->peers; peer; peer = peer->hh.next)
		if (!strcmp(peer->shown.name, name)) {
			memcpy(ret, peer->shown.host_id, 16);
			return true;
		}
	return false;
}

static bool has_other(void *userdata, const struct ike_sa *sa)
{
	const struct ike_manager *manager = userdata;

	for (const struct ike_sa *other = manager->sas; other; other = other->next)
		if (other != sa && other->state == IKE_SA_ESTABLISHED && is_with(other, sa->peer))
			return true;
	return false;
}

static bool spi_in_use(void *userdata, uint32_t spi)
{
	const struct ike_manager *manager = userdata;

	for (struct ike_sa *sa = manager->sas; sa; sa = sa->next)
		if (ike_child_find_in(sa, spi))
			return true;
	return false;
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
	struct peer *peer = find_peer(manager, sa->peer, sa->peer_host_id);

	if (!ike_child_main(sa))
		return;
	for (struct ike_sa *other = manager->sas; other; other = other->next) {
		if (other == sa || other->state != IKE_SA_ESTABLISHED || !is_with(other, sa->peer))
			continue;
		if (!other->superseded && other->initiator != sa->initiator && leads(manager, sa))
			retire(manager, now, other->created > sa->created ? sa : other, false);
		else if (other->created <= sa->created && (sa->initiator || sa->initial_contact))
			retire(manager, now, other, !sa->initiator);
	}
	if (peer) {
		peer->backoff = 0;
		peer->not_before = now + SETTLE;
		peer->orphan_at = UINT64_MAX;
	}
	ike_actions_note(&manager->context.actions, "keys agreed with %s as %s", sa->peer,
			 sa->initiator ? "initiator" : "responder");
}

static void adopt(void *userdata, struct ike_sa *sa)
{
	struct ike_manager *manager = userdata;

	manager->due_known = false;
	add_sa(manager, sa);
}

static struct ike_sa *find_by_own_spi(void *userdata, uint64_t spi)
{
	struct ike_manager *manager = userdata;

	/* It may be changed. */
	manager->due_known = false;
	for (struct ike_sa *sa = manager->sas; sa; sa = sa->next)
		if (ike_sa_spi(sa) == spi && sa->state == IKE_SA_ESTABLISHED)
			return sa;
	return NULL;
}

/* A new SA from the beginning, whose coming ends the former one. */
static void renew(void *userdata, struct ike_sa *sa, uint64_t now)
{
	struct ike_manager *manager = userdata;
	struct ike_sa *next;

	for (next = manager->sas; next; next = next->next)
		if (is_with(next, sa->peer) && ike_sa_is_connecting(next))
			return;
	next = ike_sa_initiate(&manager->context, now, sa->peer, sa->peer_host_id, &sa->endpoint);
	manager->due_known = false;
	if (next)
		add_sa(manager, next);
}

static const struct ike_surroundings surroundings = {
	.admit = admit,
	.find_host_id = find_host_id,
	.has_other = has_other,
	.spi_in_use = spi_in_use,
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

static void remove_peer(struct ike_manager *manager, struct peer *peer)
{
	HASH_DEL(manager->peers, peer);
	free(peer);
}

struct ike_manager *ike_manager_free(struct ike_manager *manager)
{
	if (!manager)
		return NULL;
	while (manager->sas) {
		struct ike_sa *sa = manager->sas;

		manager->sas = sa->next;
		ike_sa_free(sa);
	}
	while (manager->peers)
		remove_peer(manager, manager->peers);
	ike_actions_deinit(&manager->context.actions);
	local_free(manager->context.local);
	ike_psks_free(manager->context.psks);
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

/* Negotiations. */

static void report_failure(struct ike_manager *manager, struct peer *peer, const char *reason)
{
	struct ike_action *action =
		ike_actions_add(&manager->context.actions, IKE_ACTION_ACQUIRE_FAILED, 0, NULL, 0);

	if (!action)
		return;
	strcpy(action->name, peer->shown.path);
	snprintf(action->text, sizeof action->text, "%s", reason);
}

static void initiate(struct ike_manager *manager, uint64_t now, struct peer *peer)
{
	struct ike_sa *sa = ike_sa_initiate(&manager->context, now, peer->shown.name,
					    peer->shown.host_id, &peer->shown.endpoint);

	peer->not_before = now + SETTLE;
	if (sa)
		add_sa(manager, sa);
}

/* A pair that no SA of ours made: a former keyd's. Both ends may have lost theirs; the delay
 * differs. */
static void watch_orphan(struct ike_manager *manager, uint64_t now, struct peer *peer)
{
	uint16_t spread;

	if (peer->shown.state != IKE_PEER_ESTABLISHED ||
	    is_established_with(manager, &peer->shown)) {
		peer->orphan_at = UINT64_MAX;
		return;
	}
	if (peer->orphan_at != UINT64_MAX)
		return;
	manager->context.random.fill(manager->context.random.userdata, &spread, sizeof spread);
	peer->orphan_at = now + ORPHAN_DELAY + spread % ORPHAN_SPREAD;
	if (peer->orphan_at < peer->not_before)
		peer->orphan_at = peer->not_before;
}

static void fail(struct ike_manager *manager, uint64_t now, struct ike_sa *sa)
{
	struct peer *peer = find_peer(manager, sa->peer, sa->peer_host_id);

	sa->reported = true;
	manager->due_known = false;
	if (sa->retry_soon) {
		/* The peer's own negotiation is under way; only if it comes to nothing we begin
		 * again. */
		if (peer) {
			peer->not_before = now + RETRY_SOON;
			watch_orphan(manager, now, peer);
		}
		return;
	}
	manager->context.counters.negotiations_failed++;
	ike_actions_note(&manager->context.actions, "no keys with %s: %s", sa->peer, sa->failure);
	if (!peer)
		return;
	peer->backoff = peer->backoff ? 2 * peer->backoff : BACKOFF_FIRST;
	if (peer->backoff > BACKOFF_LAST)
		peer->backoff = BACKOFF_LAST;
	peer->not_before = now + peer->backoff;
	peer->acquiring_since = UINT64_MAX;
	watch_orphan(manager, now, peer);
	if (peer->shown.state == IKE_PEER_ACQUIRING) {
		report_failure(manager, peer, sa->failure);
		/* Until tunneld shows it; otherwise we would begin again on what it showed before.
		 */
		peer->shown.state = IKE_PEER_IDLE;
	}
}

/* Reports what failed and frees what is dead. */
static void reap(struct ike_manager *manager, uint64_t now)
{
	for (struct ike_sa **at = &manager->sas; *at;) {
		struct ike_sa *sa = *at;

		if (*sa->failure && sa->initiator && !sa->reported &&
		    (sa->state == IKE_SA_DEAD || sa->state == IKE_SA_DELETING))
			fail(manager, now, sa);
		if (sa->state != IKE_SA_DEAD) {
			at = &sa->next;
			continue;
		}
		*at = sa->next;
		touch(manager, sa);
		ike_actions_add(&manager->context.actions, IKE_ACTION_CHANGED, sa->id, NULL, 0);
		ike_sa_free(sa);
	}
}

static bool has_endpoint(const struct peer *peer)
{
	return peer->shown.endpoint.sin_addr.s_addr && peer->shown.endpoint.sin_port;
}

static void tick_peer(struct ike_manager *manager, uint64_t now, struct peer *peer)
{
	/* Most peers want nothing: they cost no look at the SAs. */
	if (!wants_something(peer) || !manager->context.local ||
	    is_connecting_to(manager, &peer->shown))
		return;
	if (peer->shown.state == IKE_PEER_ACQUIRING) {
		if (peer->acquiring_since == UINT64_MAX)
			peer->acquiring_since = now;
		if (has_endpoint(peer)) {
			if (now >= peer->not_before)
				initiate(manager, now, peer);
		} else if (now >= peer->acquiring_since + ENDPOINT_PATIENCE) {
			report_failure(manager, peer, "where it is now is not known");
			peer->shown.state = IKE_PEER_IDLE;
			peer->acquiring_since = UINT64_MAX;
		}
	}
	if (now >= peer->orphan_at) {
		peer->orphan_at = UINT64_MAX;
		if (peer->shown.state == IKE_PEER_ESTABLISHED && has_endpoint(peer) &&
		    !is_established_with(manager, &peer->shown))
			initiate(manager, now, peer);
	}
}

/* The time tick_peer() waits for. */
static uint64_t peer_due(const struct ike_manager *manager, const struct peer *peer)
{
	uint64_t due = peer->orphan_at;

	if (!wants_something(peer) || !manager->context.local ||
	    is_connecting_to(manager, &peer->shown))
		return UINT64_MAX;
	if (peer->shown.state == IKE_PEER_ACQUIRING) {
		uint64_t then = has_endpoint(peer) ? peer->not_before
				: peer->acquiring_since == UINT64_MAX
					? 0
					: peer->acquiring_since + ENDPOINT_PATIENCE;

		if (then < due)
			due = then;
	}
	return due;
}

uint64_t ike_manager_due(struct ike_manager *manager)
{
	if (manager->due_known)
		return manager->due;
	manager->due = UINT64_MAX;
	for (const struct ike_sa *sa = manager->sas; sa; sa = sa->next)
		if (ike_sa_due(sa) < manager->due)
			manager->due = ike_sa_due(sa);
	for (const struct peer *peer = manager->peers; peer; peer = peer->hh.next)
		if (peer_due(manager, peer) < manager->due)
			manager->due = peer_due(manager, peer);
	manager->due_known = true;
	return manager->due;
}

void ike_manager_tick(struct ike_manager *manager, uint64_t now)
{
	manager->due_known = false;
	for (struct ike_sa *sa = manager->sas; sa; sa = sa->next)
		ike_sa_tick(sa, now);
	reap(manager, now);
	for (struct peer *peer = manager->peers; peer; peer = peer->hh.next)
		tick_peer(manager, now, peer);
}

/* The world. */

static bool same_local(const struct ike_local *a, const struct ike_local *b)
{
	uint8_t hash_a[IKE_CERTREQ_HASH_SIZE], hash_b[IKE_CERTREQ_HASH_SIZE];

	if (!a || !b)
		return a == b;
	ike_trust_hash(a->trust, hash_a);
	ike_trust_hash(b->trust, hash_b);
	return !strcmp(a->name, b->name) && !memcmp(a->host_id, b->host_id, 16) &&
	       a->certificate_size == b->certificate_size &&
	       !memcmp(a->certificate, b->certificate, a->certificate_size) &&
	       !memcmp(hash_a, hash_b, sizeof hash_a) && a->has_ppk == b->has_ppk &&
	       !CRYPTO_memcmp(a->ppk, b->ppk, sizeof a->ppk) &&
	       !strcmp(ike_trust_domain(a->trust), ike_trust_domain(b->trust));
}

void ike_manager_set_local(struct ike_manager *manager, uint64_t now, struct ike_local *local)
{
	if (same_local(manager->context.local, local)) {
		local_free(local);
		return;
	}
	manager->due_known = false;
	ike_manager_terminate_all(manager, now);
	local_free(manager->context.local);
	manager->context.local = local;
	ike_manager_tick(manager, now);
}

static struct peer *add_peer(struct ike_manager *manager, const struct ike_tunnel_peer *shown)
{
	struct peer *peer = calloc(1, sizeof *peer);

	if (!peer)
		return NULL;
	peer->shown = *shown;
	peer->acquiring_since = peer->orphan_at = UINT64_MAX;
	HASH_ADD(hh, manager->peers, shown.host_id, sizeof peer->shown.host_id, peer);
	if (hash_has(&peer->hh))
		return peer;
	free(peer);
	return NULL;
}

static void move_sas(struct ike_manager *manager, uint64_t now, const struct peer *peer)
{
	for (struct ike_sa *sa = manager->sas; sa; sa = sa->next)
		if (is_for(sa, &peer->shown) && sa->state != IKE_SA_DEAD) {
			ike_sa_move(sa, now, &peer->shown.endpoint);
			touch(manager, sa);
		}
}

/* What tunneld sees and we do not: a pair that has carried enough, a peer that is silent. */
static void look_at_traffic(struct ike_manager *manager, uint64_t now, const struct peer *peer)
{
	for (struct ike_sa *sa = manager->sas; sa; sa = sa->next) {
		struct ike_child *worn;

		if (sa->state != IKE_SA_ESTABLISHED || !is_for(sa, &peer->shown))
			continue;
		worn = peer->shown.worn ? ike_child_find_in(sa, peer->shown.worn) : NULL;
		if (worn && worn->rekey_at > now)
			ike_sa_rekey_child(sa, now, worn->id);
		if (peer->shown.silent && !sa->superseded)
			ike_sa_probe(sa, now);
	}
}

/* NULL without memory. */
static struct peer *show_peer(struct ike_manager *manager, uint64_t now,
			      const struct ike_tunnel_peer *shown)
{
	struct peer *peer;
	bool moved;

	HASH_FIND(hh, manager->peers, shown->host_id, sizeof shown->host_id, peer);
	/* Under another name it is another one. */
	if (peer && strcmp(peer->shown.name, shown->name)) {
		remove_peer(manager, peer);
		peer = NULL;
	}
	if (!peer)
		peer = add_peer(manager, shown);
	if (!peer)
		return NULL;
	moved = !same_endpoint(&peer->shown.endpoint, &shown->endpoint);
	peer->shown = *shown;
	peer->present = true;
	if (peer->shown.worn || peer->shown.silent)
		look_at_traffic(manager, now, peer);
	if (peer->shown.state != IKE_PEER_ACQUIRING)
		peer->acquiring_since = UINT64_MAX;
	/* Only what changed: between two looks an SA may have learnt a newer address itself. */
	if (moved && has_endpoint(peer))
		move_sas(manager, now, peer);
	watch_orphan(manager, now, peer);
	return peer;
}

void ike_manager_set_peers(struct ike_manager *manager, uint64_t now,
			   const struct ike_tunnel_peer *peers, size_t n_peers)
{
	struct peer *peer, *next;

	for (peer = manager->peers; peer; peer = peer->hh.next)
		peer->present = false;
	for (size_t i = 0; i < n_peers; i++)
		show_peer(manager, now, &peers[i]);
	HASH_ITER (hh, manager->peers, peer, next)
		if (!peer->present)
			remove_peer(manager, peer);
	ike_manager_tick(manager, now);
}

void ike_manager_set_peer(struct ike_manager *manager, uint64_t now,
			  const struct ike_tunnel_peer *shown)
{
	struct peer *peer = show_peer(manager, now, shown);

	if (!peer)
		return;
	tick_peer(manager, now, peer);
	/* Where nothing is to be negotiated, nothing was done but to note what it is. */
	if (wants_something(peer) || shown->worn || shown->silent)
		manager->due_known = false;
}

void ike_manager_forget_peer(struct ike_manager *manager, const char *path)
{
	struct peer *peer, *next;

	HASH_ITER (hh, manager->peers, peer, next)
		if (!strcmp(peer->shown.path, path))
			remove_peer(manager, peer);
}

void ike_manager_tunnel_restarted(struct ike_manager *manager, uint64_t now)
{
	manager->due_known = false;
	for (struct ike_sa *sa = manager->sas; sa; sa = sa->next) {
		/* What is still being agreed will be installed in the tunneld that is there then.
		 */
		if (ike_sa_is_connecting(sa) && sa->state != IKE_SA_INSTALLING)
			continue;
		ike_sa_forget_children(sa);
		ike_sa_delete(sa, now);
	}
	reap(manager, now);
}

void ike_manager_network_changed(struct ike_manager *manager, uint64_t now)
{
	manager->due_known = false;
	for (struct ike_sa *sa = manager->sas; sa; sa = sa->next)
		if (sa->state != IKE_SA_DEAD) {
			ike_sa_hurry(sa, now);
			ike_mobike_moved(sa);
			ike_sa_pursue(sa, now);
		}
}

/* Messages. */

static bool is_first_request(const struct ike_header *header)
{
	return header->exchange == IKE_EXCHANGE_SA_INIT && !header->spi_responder &&
	       header->message_id == 0 && header->spi_initiator &&
	       (header->flags & IKE_FLAG_INITIATOR) && !(header->flags & IKE_FLAG_RESPONSE);
}

/* The SAs of strangers, all or those of one address. */
static unsigned int count_half_open(const struct ike_manager *manager,
				    const struct sockaddr_in *from, struct ike_sa **ret_oldest)
{
	unsigned int n = 0;

	for (struct ike_sa *sa = manager->sas; sa; sa = sa->next)
		if (!sa->initiator && !sa->authenticated && sa->state != IKE_SA_DEAD &&
		    (!from || sa->endpoint.sin_addr.s_addr == from->sin_addr.s_addr)) {
			n++;
			*ret_oldest = sa;
		}
	return n;
}

/* Room for one more stranger. `proved`: where he is, as his cookie shows; one such place cannot
 * take all there is. */
static void bound_half_open(struct ike_manager *manager, uint64_t now,
			    const struct sockaddr_in *proved)
{
	struct ike_sa *oldest = NULL;

	if ((!proved || count_half_open(manager, proved, &oldest) < IKE_HALF_OPEN_OF_ADDRESS) &&
	    count_half_open(manager, NULL, &oldest) < IKE_HALF_OPEN_MAXIMUM)
		return;
	manager->context.counters.half_open_dropped++;
	ike_sa_drop(oldest);
	reap(manager, now);
}

static void receive_first(struct ike_manager *manager, uint64_t now, const struct sockaddr_in *from,
			  const struct ike_header *header, const uint8_t *data, size_t size)
{
	struct ike_sa *sa;
	bool wary;

	for (sa = manager->sas; sa; sa = sa->next)
		if (sa->spi_initiator == header->spi_initiator &&
		    ike_sa_repeat_init(sa, from, data, size))
			return;
	if (!manager->context.local) {
		manager->context.counters.not_ready++;
		return;
	}
	wary = count_half_open(manager, NULL, &sa) >= manager->cookies_from;
	if (wary && !ike_sa_has_cookie(&manager->context, now, from, header, data, size))
		return;
	sa = ike_sa_respond(&manager->context, now, from, header, data, size);
	if (!sa)
		return;
	bound_half_open(manager, now, wary ? from : NULL);
	add_sa(manager, sa);
}

static struct ike_sa *find_by_spi(const struct ike_manager *manager,
				  const struct ike_header *header)
{
	bool from_initiator = header->flags & IKE_FLAG_INITIATOR;

	for (struct ike_sa *sa = manager->sas; sa; sa = sa->next) {
		if (sa->initiator == from_initiator || sa->state == IKE_SA_DEAD)
			continue;
		if (sa->spi_initiator == header->spi_initiator &&
		    (sa->spi_responder == header->spi_responder ||
		     (sa->state == IKE_SA_INIT_SENT && header->exchange == IKE_EXCHANGE_SA_INIT)))
			return sa;
	}
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
		receive_first(manager, now, from, &header, data, size);
		return;
	}
	sa = find_by_spi(manager, &header);
	if (!sa) {
		counters->unknown_spi++;
		return;
	}
	ike_sa_receive(sa, now, from, &header, data, size);
	touch(manager, sa);
	reap(manager, now);
}

void ike_manager_signed(struct ike_manager *manager, uint64_t now, uint64_t id,
			const uint8_t *signature, size_t size)
{
	struct ike_sa *sa = find_sa(manager, id);

	if (sa) {
		ike_sa_signed(sa, now, signature, size);
		touch(manager, sa);
	}
	reap(manager, now);
}

void ike_manager_installed(struct ike_manager *manager, uint64_t now, uint64_t id, uint32_t spi_in,
			   bool success, const char *reason)
{
	struct ike_sa *sa = manager->sas;

	/* An SA may have a successor meanwhile, which has its children. */
	while (sa && (sa->state == IKE_SA_DEAD || !ike_child_find_in(sa, spi_in)))
		sa = sa->next;
	if (sa) {
		ike_sa_installed(sa, now, spi_in, success, reason);
		touch(manager, sa);
	}
	reap(manager, now);
}

int ike_manager_rekey(struct ike_manager *manager, uint64_t now, uint64_t id)
{
	struct ike_sa *sa = find_sa(manager, id);

	manager->due_known = false;
	if (!sa)
		return -ENOENT;
	if (sa->state != IKE_SA_ESTABLISHED)
		return -ENOTCONN;
	/* One that has a successor has been replaced just now. */
	if (!sa->superseded)
		ike_sa_rekey(sa, now);
	reap(manager, now);
	return 0;
}

int ike_manager_rekey_child(struct ike_manager *manager, uint64_t now, uint64_t id)
{
	manager->due_known = false;
	for (struct ike_sa *sa = manager->sas; sa; sa = sa->next) {
		int r = sa->state == IKE_SA_DEAD ? -ENOENT : ike_sa_rekey_child(sa, now, id);

		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

int ike_manager_terminate(struct ike_manager *manager, uint64_t now, uint64_t id)
{
	struct ike_sa *sa = find_sa(manager, id);

	if (!sa)
		return -ENOENT;
	manager->due_known = false;
	ike_sa_delete(sa, now);
	reap(manager, now);
	return 0;
}

void ike_manager_terminate_all(struct ike_manager *manager, uint64_t now)
{
	manager->due_known = false;
	for (struct ike_sa *sa = manager->sas; sa; sa = sa->next)
		ike_sa_delete(sa, now);
	reap(manager, now);
}

bool ike_manager_busy(const struct ike_manager *manager)
{
	for (const struct ike_sa *sa = manager->sas; sa; sa = sa->next)
		if (sa->state == IKE_SA_DELETING)
			return true;
	return false;
}
