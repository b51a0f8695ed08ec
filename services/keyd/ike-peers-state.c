/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The peers that Tunnel1 shows: with whom keys are to be negotiated and when, and what is reported
 * of it.
 */
#include "services/keyd/ike-child-state.h"
#include "services/keyd/ike-manager-internal.h"
#include "services/keyd/ike-revoked-state.h"

#include <stdio.h>

#define BACKOFF_FIRST     1000 /* ms between negotiations with one peer that fail */
#define BACKOFF_LAST      30000
#define RETRY_SOON        1000
#define SETTLE            2000 /* for tunneld's state to follow what we installed or removed */
#define ORPHAN_DELAY      1000
#define ORPHAN_SPREAD     2000
#define ENDPOINT_PATIENCE 10000 /* for the address of a peer to become known */

static bool same_endpoint(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
	return a->sin_addr.s_addr == b->sin_addr.s_addr && a->sin_port == b->sin_port;
}

static bool is_for(const struct ike_sa *sa, const struct ike_tunnel_peer *peer)
{
	return !memcmp(sa->peer_host_id, peer->host_id, 16);
}

#define for_each_sa(sa, manager, peer)                                                             \
	for (struct ike_sa *sa = ike_sas_with(&(manager)->sas, (peer)->shown.name); sa;            \
	     sa = sa->links.next_of_group)                                                         \
		if (is_for(sa, &(peer)->shown))

struct ike_peer *ike_peers_find(const struct ike_manager *manager, const char *name,
				const uint8_t host_id[16])
{
	struct ike_peer *peer;

	HASH_FIND(by_host_id, manager->peers, host_id, sizeof peer->shown.host_id, peer);
	return peer && !strcmp(peer->shown.name, name) ? peer : NULL;
}

/* Whether there may be something to negotiate with it, now or later. */
static bool wants_something(const struct ike_peer *peer)
{
	return peer->present &&
	       (peer->shown.state == IKE_PEER_ACQUIRING || peer->orphan_at != UINT64_MAX);
}

static bool is_connecting_to(const struct ike_manager *manager, const struct ike_peer *peer)
{
	for_each_sa(sa, manager, peer) if (ike_sa_is_connecting(sa)) return true;
	return false;
}

static bool is_established_with(const struct ike_manager *manager, const struct ike_peer *peer)
{
	for_each_sa(sa, manager, peer) if (sa->state == IKE_SA_ESTABLISHED) return true;
	return false;
}

static bool has_endpoint(const struct ike_peer *peer)
{
	return peer->shown.endpoint.sin_addr.s_addr && peer->shown.endpoint.sin_port;
}

/* The time look_after() waits for. */
static uint64_t find_due(const struct ike_manager *manager, const struct ike_peer *peer)
{
	uint64_t due = peer->orphan_at;

	/* Most peers want nothing: they cost no look at the SAs. */
	if (!wants_something(peer) || !manager->context.local || is_connecting_to(manager, peer))
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

/* Without memory it is not due before something happens to it. */
void ike_peers_update(struct ike_manager *manager, struct ike_peer *peer)
{
	due_heap_set(&manager->peers_due, &peer->due, find_due(manager, peer));
}

void ike_peers_update_all(struct ike_manager *manager)
{
	for (struct ike_peer *peer = manager->peers; peer; peer = peer->by_host_id.next)
		ike_peers_update(manager, peer);
}

static void remove_peer(struct ike_manager *manager, struct ike_peer *peer)
{
	due_heap_remove(&manager->peers_due, &peer->due);
	HASH_DELETE(by_host_id, manager->peers, peer);
	HASH_DELETE(by_path, manager->peers_by_path, peer);
	free(peer);
}

void ike_peers_deinit(struct ike_manager *manager)
{
	while (manager->peers)
		remove_peer(manager, manager->peers);
	due_heap_clear(&manager->peers_due);
}

/* Something to be done with the whole peer; NULL without memory. */
static struct ike_action *add_action(struct ike_manager *manager, const struct ike_peer *peer,
				     enum ike_action_type type)
{
	struct ike_action *action = ike_actions_add(&manager->context.actions, type, 0, NULL, 0);

	if (action)
		strcpy(action->name, peer->shown.path);
	return action;
}

static void report_failure(struct ike_manager *manager, struct ike_peer *peer, const char *reason)
{
	struct ike_action *action = add_action(manager, peer, IKE_ACTION_ACQUIRE_FAILED);

	if (action)
		snprintf(action->text, sizeof action->text, "%s", reason);
}

static void initiate(struct ike_manager *manager, uint64_t now, struct ike_peer *peer)
{
	struct ike_sa *sa = ike_sa_initiate(&manager->context, now, peer->shown.name,
					    peer->shown.host_id, &peer->shown.endpoint);

	peer->not_before = now + SETTLE;
	if (!sa)
		return;
	sa->wary = peer->wary;
	ike_manager_add_sa(manager, sa);
}

/* Whether it has a pair that no SA of ours made: a former keyd's. */
static bool is_orphan(const struct ike_manager *manager, const struct ike_peer *peer)
{
	return peer->shown.state == IKE_PEER_ESTABLISHED && !is_established_with(manager, peer);
}

/* When its keys were issued only the former keyd knew, so any word of the list about the host ends
 * them; one that was signed in since then negotiates anew. */
static bool end_forgotten(struct ike_manager *manager, const struct ike_peer *peer)
{
	if (!is_orphan(manager, peer) || is_connecting_to(manager, peer) ||
	    !ike_revoked_covers(manager->context.revoked, peer->shown.name, 0) ||
	    !add_action(manager, peer, IKE_ACTION_REMOVE_ALL))
		return false;
	ike_actions_note(&manager->context.actions, "%s was forgotten: its former keys end",
			 peer->shown.name);
	return true;
}

void ike_peers_revoked(struct ike_manager *manager)
{
	for (struct ike_peer *peer = manager->peers; peer; peer = peer->by_host_id.next)
		end_forgotten(manager, peer);
}

/* Both ends may have lost theirs; the delay differs. */
static void watch_orphan(struct ike_manager *manager, uint64_t now, struct ike_peer *peer)
{
	uint16_t spread;

	if (!is_orphan(manager, peer) || end_forgotten(manager, peer)) {
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

void ike_peers_succeeded(struct ike_manager *manager, uint64_t now, struct ike_peer *peer)
{
	peer->backoff = 0;
	peer->wary = false;
	peer->not_before = now + SETTLE;
	peer->orphan_at = UINT64_MAX;
	ike_peers_update(manager, peer);
}

void ike_peers_failed(struct ike_manager *manager, uint64_t now, struct ike_peer *peer, bool soon,
		      const char *reason)
{
	if (soon) {
		/* Only if its own negotiation comes to nothing we begin again. */
		peer->not_before = now + RETRY_SOON;
		watch_orphan(manager, now, peer);
		ike_peers_update(manager, peer);
		return;
	}
	peer->backoff = peer->backoff ? 2 * peer->backoff : BACKOFF_FIRST;
	if (peer->backoff > BACKOFF_LAST)
		peer->backoff = BACKOFF_LAST;
	peer->not_before = now + peer->backoff;
	peer->acquiring_since = UINT64_MAX;
	watch_orphan(manager, now, peer);
	if (peer->shown.state == IKE_PEER_ACQUIRING) {
		report_failure(manager, peer, reason);
		/* Until tunneld shows it; otherwise we would begin again on what it showed before.
		 */
		peer->shown.state = IKE_PEER_IDLE;
	}
	ike_peers_update(manager, peer);
}

static void look_after(struct ike_manager *manager, uint64_t now, struct ike_peer *peer)
{
	if (!wants_something(peer) || !manager->context.local || is_connecting_to(manager, peer))
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
		    !is_established_with(manager, peer))
			initiate(manager, now, peer);
	}
}

void ike_peers_tick(struct ike_manager *manager, uint64_t now)
{
	struct due_entry *entry;

	/* What it waits for then is later: it has begun, or says what is missing and waits. */
	while ((entry = due_heap_first(&manager->peers_due)) && entry->due <= now) {
		struct ike_peer *peer = container_of(entry, struct ike_peer, due);

		due_heap_remove(&manager->peers_due, entry);
		look_after(manager, now, peer);
		ike_peers_update(manager, peer);
		if (peer->due.position && peer->due.due <= now)
			due_heap_set(&manager->peers_due, &peer->due, now + 1);
	}
}

static struct ike_peer *add_peer(struct ike_manager *manager, const struct ike_tunnel_peer *shown)
{
	struct ike_peer *peer = calloc(1, sizeof *peer);

	if (!peer)
		return NULL;
	peer->shown = *shown;
	peer->acquiring_since = peer->orphan_at = UINT64_MAX;
	HASH_ADD(by_host_id, manager->peers, shown.host_id, sizeof peer->shown.host_id, peer);
	if (!hash_has(&peer->by_host_id)) {
		free(peer);
		return NULL;
	}
	HASH_ADD(by_path, manager->peers_by_path, shown.path, strlen(shown->path), peer);
	if (hash_has(&peer->by_path))
		return peer;
	HASH_DELETE(by_host_id, manager->peers, peer);
	free(peer);
	return NULL;
}

static void move_sas(struct ike_manager *manager, uint64_t now, const struct ike_peer *peer)
{
	for_each_sa(sa, manager, peer) if (sa->state != IKE_SA_DEAD)
	{
		ike_sas_touch(&manager->sas, sa);
		ike_sa_move(sa, now, &peer->shown.endpoint);
	}
}

/* What tunneld sees and we do not: a pair that has carried enough, a peer that is silent. */
static void look_at_traffic(struct ike_manager *manager, uint64_t now, const struct ike_peer *peer)
{
	for_each_sa(sa, manager, peer)
	{
		struct ike_child *worn;

		if (sa->state != IKE_SA_ESTABLISHED)
			continue;
		ike_sas_touch(&manager->sas, sa);
		worn = peer->shown.worn ? ike_child_find_in(sa, peer->shown.worn) : NULL;
		if (worn && worn->rekey_at > now)
			ike_sa_rekey_child(sa, now, worn->id);
		if (peer->shown.silent && !sa->superseded)
			ike_sa_probe(sa, now);
	}
}

static void show_peer(struct ike_manager *manager, uint64_t now,
		      const struct ike_tunnel_peer *shown)
{
	struct ike_peer *peer;
	bool moved;

	HASH_FIND(by_host_id, manager->peers, shown->host_id, sizeof shown->host_id, peer);
	/* Under another name it is another one. */
	if (peer && (strcmp(peer->shown.name, shown->name) != 0 ||
		     strcmp(peer->shown.path, shown->path) != 0)) {
		remove_peer(manager, peer);
		peer = NULL;
	}
	if (!peer)
		peer = add_peer(manager, shown);
	if (!peer)
		return;
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
	ike_peers_update(manager, peer);
}

/* A peer is gone. If its name has another host id now it started anew, and the SAs with the former
 * one are nobody's. */
static void end_replaced(struct ike_manager *manager, uint64_t now, const struct ike_peer *gone)
{
	bool replaced = false;

	if (!ike_sas_with(&manager->sas, gone->shown.name))
		return;
	for (const struct ike_peer *peer = manager->peers; peer; peer = peer->by_host_id.next)
		replaced |= peer != gone && peer->present &&
			    !strcmp(peer->shown.name, gone->shown.name);
	if (!replaced)
		return;
	for_each_sa(sa, manager, gone) if (sa->state != IKE_SA_DEAD)
	{
		ike_sas_touch(&manager->sas, sa);
		ike_actions_note(&manager->context.actions,
				 "%s has another host id: its former keys end", gone->shown.name);
		ike_sa_delete(sa, now);
	}
}

void ike_manager_set_peers(struct ike_manager *manager, uint64_t now,
			   const struct ike_tunnel_peer *peers, size_t n_peers)
{
	struct ike_peer *peer, *next;

	for (peer = manager->peers; peer; peer = peer->by_host_id.next)
		peer->present = false;
	for (size_t i = 0; i < n_peers; i++)
		show_peer(manager, now, &peers[i]);
	for (peer = manager->peers; peer; peer = next) {
		next = peer->by_host_id.next;
		if (peer->present)
			continue;
		end_replaced(manager, now, peer);
		remove_peer(manager, peer);
	}
	ike_manager_tick(manager, now);
}

void ike_manager_set_peer(struct ike_manager *manager, uint64_t now,
			  const struct ike_tunnel_peer *shown)
{
	show_peer(manager, now, shown);
	ike_manager_tick(manager, now);
}

void ike_manager_forget_peer(struct ike_manager *manager, uint64_t now, const char *path)
{
	struct ike_peer *peer;

	HASH_FIND(by_path, manager->peers_by_path, path, strlen(path), peer);
	if (!peer)
		return;
	end_replaced(manager, now, peer);
	remove_peer(manager, peer);
	ike_manager_tick(manager, now);
}
