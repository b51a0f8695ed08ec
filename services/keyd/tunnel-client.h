/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The only file that talks to tunneld: the peers it shows, the IKE channel, security associations.
 */
#include "common/loop/neighbour.h"
#include "services/keyd/ike-manager-state.h"

struct tunnel_client;

struct tunnel_client_callbacks {
	/* Something it shows changed, or it went or came: look at everything. */
	void (*changed)(void *userdata);
	/* This peer came, went or changed, and nothing else. */
	void (*peer_changed)(void *userdata, const char *path);
	/* The answer to tunnel_client_open_channel(): a descriptor that is the receiver's, or a
	 * negative errno. */
	void (*opened)(void *userdata, int fd);
	/* The answer to tunnel_client_install(). */
	void (*installed)(void *userdata, uint64_t sa, uint32_t spi_in, bool success,
			  const char *reason);
};

/* Keeps a pointer to `callbacks`. */
int tunnel_client_new(struct loop *loop, sd_bus *bus,
		      const struct tunnel_client_callbacks *callbacks, void *userdata,
		      struct tunnel_client **ret);
struct tunnel_client *tunnel_client_free(struct tunnel_client *client);

/* Whether it is there and past its start. */
bool tunnel_client_present(const struct tunnel_client *client);
/* Another number is another process. */
uint64_t tunnel_client_incarnation(const struct tunnel_client *client);
/* The network generation it acts on. */
uint64_t tunnel_client_generation(const struct tunnel_client *client);
/* All peers, in memory that the caller frees; 0 or -ENOMEM. */
int tunnel_client_read_peers(const struct tunnel_client *client, struct ike_tunnel_peer **ret,
			     size_t *ret_n);
/* One of them. False for one that is gone, or that nobody can negotiate with: no name, no host id.
 */
bool tunnel_client_read_peer(const struct tunnel_client *client, const char *path,
			     struct ike_tunnel_peer *ret);

/* 0 or a negative errno; the answer comes later. */
int tunnel_client_open_channel(struct tunnel_client *client);
/* `action` is of type IKE_ACTION_INSTALL; the answer always comes, perhaps at once. */
void tunnel_client_install(struct tunnel_client *client, const struct ike_action *action);
/* Without an answer: what does not arrive concerns a tunneld that is gone. */
void tunnel_client_remove(struct tunnel_client *client, uint32_t spi_in);
void tunnel_client_remove_all(struct tunnel_client *client, const char *peer_path);
void tunnel_client_move(struct tunnel_client *client, uint32_t spi_in,
			const struct sockaddr_in *endpoint);
void tunnel_client_retire(struct tunnel_client *client, uint32_t spi_in);
void tunnel_client_acquire_failed(struct tunnel_client *client, const char *peer_path,
				  const char *reason);

DEFINE_CLEANUP(struct tunnel_client *, tunnel_client_free)
