/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The socket pair over which IKE messages go between keyd, which has no socket, and our port. A
 * record is the remote's address and the message (org.homeward.Tunnel1.OpenIkeChannel). What does
 * not fit at once is dropped: IKE sends again by itself.
 */
#include "common/loop/loop.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ike_channel;

/* A message of keyd's to `remote`; NULL: a record that is malformed. */
typedef void (*ike_channel_callback)(void *userdata, const struct sockaddr_in *remote,
				     const uint8_t *message, size_t size);

int ike_channel_new(struct loop *loop, ike_channel_callback callback, void *userdata,
		    struct ike_channel **ret);
struct ike_channel *ike_channel_free(struct ike_channel *channel);

/* Opens it anew, closing a former one. Returns the other end, to be given away and closed by the
 * caller, or a negative errno. */
int ike_channel_open(struct ike_channel *channel);
/* Whether half of what fits waits for keyd to read it: time to let go what it can do without. */
bool ike_channel_is_half_full(const struct ike_channel *channel);
/* A message from `remote` for keyd. 0; -ENOTCONN when nobody has the channel open; -EAGAIN when its
 * reader is too slow; another negative errno. */
int ike_channel_send(struct ike_channel *channel, const struct sockaddr_in *remote,
		     const uint8_t *message, size_t size);

DEFINE_CLEANUP(struct ike_channel *, ike_channel_free)
