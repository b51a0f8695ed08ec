/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * All IKE SAs of the host: which peers need one, which message belongs to which, what strangers may
 * take.
 *
 * When both hosts begin at the same time, each is asked as responder while its own request is under
 * way. What decides is how far our own went: if the other side has not answered it, the other's is
 * proved to get through and ours is given up. If it has, the host with the lower host id goes on
 * with its own and refuses with TEMPORARY_FAILURE, the other takes what comes. So one SA results,
 * and nobody waits.
 */
#include "services/keyd/ike-sa-state.h"

#define IKE_HALF_OPEN_MAXIMUM 64 /* SAs of strangers; the oldest goes */
/* From so many on, a stranger shows first that it is where it says it is. */
#define IKE_HALF_OPEN_EASY 16
/* Of these, SAs of one address that has shown it. */
#define IKE_HALF_OPEN_OF_ADDRESS 8
#define IKE_PEER_SAS_MAXIMUM     6 /* of one proved peer; the oldest goes */

enum ike_peer_state {
	IKE_PEER_IDLE,
	IKE_PEER_ACQUIRING,
	IKE_PEER_ESTABLISHED,
};

/* A peer as Tunnel1 shows it. */
struct ike_tunnel_peer {
	char path[128];
	char name[IKE_NAME_LIMIT];
	uint8_t host_id[16];
	struct sockaddr_in endpoint; /* 0.0.0.0: not known */
	enum ike_peer_state state;
	bool silent;   /* we send and hear nothing */
	uint32_t worn; /* inbound SPI of a pair to be replaced soon; 0: none */
};

struct ike_manager;

int ike_manager_new(const struct ike_random *random, struct ike_manager **ret);
/* Wipes everything; nothing is sent. */
struct ike_manager *ike_manager_free(struct ike_manager *manager);

/* After each call below: what is to be done, oldest first; NULL: nothing more. The caller frees it.
 */
struct ike_action *ike_manager_take(struct ike_manager *manager);
/* When ike_manager_tick() has something to do; UINT64_MAX: never. */
uint64_t ike_manager_due(const struct ike_manager *manager);
void ike_manager_tick(struct ike_manager *manager, uint64_t now);
/* Algorithms of the negotiations from now on; at first all of them. Copied. */
void ike_manager_set_preferences(struct ike_manager *manager,
				 const struct ike_preferences *preferences);
/* What computes the additional key exchange, as the preferences want it; NULL, as at first: nothing
 * does. To be called before there are SAs. */
void ike_manager_set_kem(struct ike_manager *manager, const struct ike_kem *kem);
/* From how many SAs of strangers on they need cookies; IKE_HALF_OPEN_EASY at first, 0: always. */
void ike_manager_set_cookies_from(struct ike_manager *manager, unsigned int n);
/* The largest IP datagram of ours that is not made into fragments, IKE_DATAGRAM_SIZE at first; from
 * IKE_DATAGRAM_MINIMUM up. */
void ike_manager_set_datagram_size(struct ike_manager *manager, unsigned int size);
/* How long keys are used that begin to be from now on. Copied. */
void ike_manager_set_lifetimes(struct ike_manager *manager, const struct ike_lifetimes *lifetimes);
/* IKE_PPK_PREFERRED at first. */
void ike_manager_set_ppk_use(struct ike_manager *manager, enum ike_ppk_use use);
/* Takes `psks`, which may be NULL: the peers that prove themselves by them, from now on. */
void ike_manager_set_psks(struct ike_manager *manager, struct ike_psks *psks);
/* Whether SAs that were lost are resumed (RFC 5723); not at first. 0 or -ENOMEM. */
int ike_manager_set_resumption(struct ike_manager *manager, bool use);
/* What is kept for that, to be saved and loaded; NULL: nothing is. Borrowed. */
struct ike_tickets *ike_manager_tickets(struct ike_manager *manager);
/* Seconds of the clock on the wall, for certificates. */
void ike_manager_set_realtime(struct ike_manager *manager, int64_t realtime);

/* Who we are; takes `local` (from malloc), frees it and its trust. NULL: nobody; every SA is
 * deleted. The same as before changes nothing; another identity ends what was made with the former
 * one. */
void ike_manager_set_local(struct ike_manager *manager, uint64_t now, struct ike_local *local);
/* The account's forgotten hosts: what they prove themselves with is not taken from now on, and what
 * was made with them ends at once. Copied. To be called before ike_manager_set_local() where both
 * have changed. */
void ike_manager_set_revoked(struct ike_manager *manager, uint64_t now,
			     const struct revocation_list *revoked);
/* All peers as Tunnel1 shows them now. */
void ike_manager_set_peers(struct ike_manager *manager, uint64_t now,
			   const struct ike_tunnel_peer *peers, size_t n_peers);
/* One of them, as it is shown now; the others are as they were. */
void ike_manager_set_peer(struct ike_manager *manager, uint64_t now,
			  const struct ike_tunnel_peer *shown);
/* The peer with this path is shown no more. */
void ike_manager_forget_peer(struct ike_manager *manager, uint64_t now, const char *path);
/* tunneld is another process than before and has no pairs: the SAs are ended, so that the other
 * sides negotiate anew when they have something to send. */
void ike_manager_tunnel_restarted(struct ike_manager *manager, uint64_t now);

/* Our side has another network. */
void ike_manager_network_changed(struct ike_manager *manager, uint64_t now);

void ike_manager_receive(struct ike_manager *manager, uint64_t now, const struct sockaddr_in *from,
			 const uint8_t *data, size_t size);
/* Answers to actions, by the SA's number; one that is gone is passed over. */
void ike_manager_signed(struct ike_manager *manager, uint64_t now, uint64_t sa,
			const uint8_t *signature, size_t size);
void ike_manager_installed(struct ike_manager *manager, uint64_t now, uint64_t sa, uint32_t spi_in,
			   bool success, const char *reason);

/* New keys for the SA and its children (RFC 7296 §2.8). -ENOENT, or -ENOTCONN when it is not
 * established. */
int ike_manager_rekey(struct ike_manager *manager, uint64_t now, uint64_t sa);
/* The same for one child, by its number. */
int ike_manager_rekey_child(struct ike_manager *manager, uint64_t now, uint64_t child);
/* -ENOENT */
int ike_manager_terminate(struct ike_manager *manager, uint64_t now, uint64_t sa);
void ike_manager_terminate_all(struct ike_manager *manager, uint64_t now);
/* Whether an SA is left that still has something to say. */
bool ike_manager_busy(const struct ike_manager *manager);

/* NULL: there is none. Borrowed until the next call. */
const struct ike_sa *ike_manager_find(const struct ike_manager *manager, uint64_t sa);
const struct ike_counters *ike_manager_counters(const struct ike_manager *manager);

DEFINE_CLEANUP(struct ike_manager *, ike_manager_free)
