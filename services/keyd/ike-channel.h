/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The sequenced-packet socket through which tunneld hands us IKE datagrams and takes ours: keyd has
 * no socket of its own. Records as OpenIkeChannel of org.homeward.Tunnel1 says. */
#include "common/loop/loop.h"

#include <netinet/in.h>

struct ike_channel;

typedef void (*ike_channel_callback)(void *userdata, const struct sockaddr_in *from,
				     const uint8_t *message, size_t size);
/* The other end is closed; the channel may be freed in it. */
typedef void (*ike_channel_closed_callback)(void *userdata);

/* Takes `fd`, also on failure. */
int ike_channel_new(struct loop *loop, int fd, ike_channel_callback callback,
		    ike_channel_closed_callback on_closed, void *userdata,
		    struct ike_channel **ret);
struct ike_channel *ike_channel_free(struct ike_channel *channel);
/* 0, or a negative errno; -EAGAIN when the channel is full. What is lost is sent again in time. */
int ike_channel_send(struct ike_channel *channel, const struct sockaddr_in *to,
		     const uint8_t *message, size_t size);

DEFINE_CLEANUP(struct ike_channel *, ike_channel_free)
