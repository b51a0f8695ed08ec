/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the manager share: ike-manager-state.c (all SAs, and what they ask),
 * ike-peers-state.c (who needs one), ike-strangers-state.c (who else wants one). */
#include "services/keyd/ike-manager-state.h"

/* What we remember of a peer besides what Tunnel1 shows. */
struct ike_peer {
	UT_hash_handle by_host_id, by_path;
	struct ike_tunnel_peer shown;
	bool present;        /* in the last list */
	uint64_t not_before; /* ms; of the next negotiation */
	uint64_t backoff;
	bool wary;                /* somebody may have answered in its place */
	uint64_t acquiring_since; /* UINT64_MAX: it is not */
	uint64_t
		orphan_at; /* when a pair that is not ours is replaced; UINT64_MAX: there is none */
	struct due_entry due;
};

struct ike_manager {
	struct ike_context context;
	unsigned int cookies_from;
	struct ike_sas sas;
	struct ike_spis spis;
	struct ike_peer *peers, *peers_by_path; /* hash tables */
	struct due_heap peers_due;
	uint64_t last_id;
	uint64_t next_child_id;
};

/* It gets a number and belongs to the manager. Without memory it is ended at once. */
void ike_manager_add_sa(struct ike_manager *manager, struct ike_sa *sa);
/* The same for one whose first message has this hash. */
void ike_manager_add_stranger(struct ike_manager *manager, struct ike_sa *sa,
			      const uint8_t hash[IKE_FIRST_HASH_SIZE]);
/* At the end of every event: reports what failed, frees what is dead, and notes when the SAs that
 * were touched are due. */
void ike_manager_settle(struct ike_manager *manager, uint64_t now);

/* The peers. */

/* tunneld shows one peer for each host id. A host that was switched off and on has another one, and
 * is shown beside its former self. */
struct ike_peer *ike_peers_find(const struct ike_manager *manager, const char *name,
				const uint8_t host_id[16]);
/* Something happened to it, or to an SA with it. */
void ike_peers_update(struct ike_manager *manager, struct ike_peer *peer);
void ike_peers_update_all(struct ike_manager *manager);
/* An SA with it was established. */
void ike_peers_succeeded(struct ike_manager *manager, uint64_t now, struct ike_peer *peer);
/* Our negotiation with it failed; `soon`: because it negotiates with us itself. */
void ike_peers_failed(struct ike_manager *manager, uint64_t now, struct ike_peer *peer, bool soon,
		      const char *reason);
/* The list of forgotten hosts is another one: pairs of a former keyd with such hosts end. */
void ike_peers_revoked(struct ike_manager *manager);
/* Those that have something to do. */
void ike_peers_tick(struct ike_manager *manager, uint64_t now);
void ike_peers_deinit(struct ike_manager *manager);

/* A first request of somebody. */
void ike_strangers_receive(struct ike_manager *manager, uint64_t now,
			   const struct sockaddr_in *from, const struct ike_header *header,
			   const uint8_t *data, size_t size);
