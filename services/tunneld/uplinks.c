/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/uplinks.h"

#include "common/base/log.h"
#include "services/tunneld/datapath.h"
#include "services/tunneld/uplink-query.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#define BATCH_LIMIT 64
#define BUFFER_SIZE 8192

struct uplinks {
	struct tunneld *tunneld;
	struct mnl_socket *notifications;
	struct loop_io *io;
	struct uplink_query *query;
	struct router_watch routers;
	struct loop_timer *timer;
	struct detour detour; /* that everything takes */
};

static void note(struct uplinks *uplinks, const struct uplink *uplink)
{
	char source[INET_ADDRSTRLEN], interface[IF_NAMESIZE] = "";

	inet_ntop(AF_INET, &uplink->source, source, sizeof source);
	if_indextoname(uplink->link, interface);
	timeline_note(&uplinks->tunneld->timeline, uplinks->tunneld->generation,
		      "sending from %s (%s)", source, interface);
}

/* Which way packets to the peer take now. */
static void look_at_peer(struct uplinks *uplinks, struct peer *peer, struct uplink *noted)
{
	uint64_t now = loop_now(uplinks->tunneld->loop);
	struct uplink uplink;
	unsigned int todo;

	if (uplink_query_find(uplinks->query, peer->endpoint.sin_addr, uplinks->detour.link,
			      &uplink) < 0 ||
	    !peer_would_move(peer, &uplink) || !uplink_query_runs(uplinks->query, uplink.link))
		return;
	if (!uplink_equal(&uplink, noted))
		note(uplinks, &uplink);
	*noted = uplink;
	todo = peer_hear_uplink(peer, now, &uplink);
	router_watch_add(&uplinks->routers, now, &uplink);
	datapath_carry_out(uplinks->tunneld, peer, todo);
}

static void look(struct uplinks *uplinks)
{
	struct uplink noted = {};

	for (struct peer *peer = uplinks->tunneld->peers.peers; peer; peer = peer->next)
		if (peer->phase == PEER_ESTABLISHED)
			look_at_peer(uplinks, peer, &noted);
	loop_timer_set(uplinks->timer, uplinks->routers.due);
}

static void set_detour(struct uplinks *uplinks, const struct detour *detour)
{
	bool changed = detour->link != uplinks->detour.link;

	uplinks->detour = *detour;
	if (changed)
		udp_port_set_link(uplinks->tunneld->udp, detour->link);
}

/* Of the first peer whose way leads over an interface without carrier. */
static struct detour find_detour(struct uplinks *uplinks)
{
	struct detour detour = {};

	for (struct peer *peer = uplinks->tunneld->peers.peers; peer && !detour.link;
	     peer = peer->next)
		if (peer->phase == PEER_ESTABLISHED)
			detour = uplink_query_detour(uplinks->query, peer->endpoint.sin_addr);
	return detour;
}

/* It has its carrier again, or its route is gone, or so is that of the detour. */
static void end_detour(struct uplinks *uplinks)
{
	struct detour detour;

	if (!uplinks->detour.link)
		return;
	detour = find_detour(uplinks);
	if (detour.link != uplinks->detour.link || detour.avoided != uplinks->detour.avoided)
		set_detour(uplinks, &(struct detour){});
}

void uplinks_choose(struct uplinks *uplinks)
{
	struct detour detour = find_detour(uplinks);

	set_detour(uplinks, &detour);
	look(uplinks);
}

void uplinks_find(struct uplinks *uplinks, struct peer *peer)
{
	if (peer->phase == PEER_ESTABLISHED)
		(void)uplink_query_find(uplinks->query, peer->endpoint.sin_addr,
					uplinks->detour.link, &peer->uplink);
}

static int on_notification(const struct nlmsghdr *header, void *userdata)
{
	struct uplinks *uplinks = userdata;
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(header);

	if ((header->nlmsg_type != RTM_NEWLINK && header->nlmsg_type != RTM_DELLINK) ||
	    mnl_nlmsg_get_payload_len(header) < sizeof *link)
		return MNL_CB_OK;
	if (header->nlmsg_type == RTM_DELLINK || !(link->ifi_flags & IFF_RUNNING))
		for (struct peer *peer = uplinks->tunneld->peers.peers; peer; peer = peer->next)
			peer_lose_link(peer, link->ifi_index);
	return MNL_CB_OK;
}

static void on_notifications(void *userdata, int status, int events)
{
	char octets[BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct uplinks *uplinks = userdata;

	for (int i = 0; i < BATCH_LIMIT; i++) {
		ssize_t size = mnl_socket_recvfrom(uplinks->notifications, octets, sizeof octets);

		if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			break;
		/* When some are lost the mapper still tells. */
		if (size > 0)
			mnl_cb_run(octets, size, 0, 0, on_notification, uplinks);
	}
	end_detour(uplinks);
	look(uplinks);
}

static void on_timer(void *userdata)
{
	struct uplinks *uplinks = userdata;
	struct router_watch *routers = &uplinks->routers;

	if (router_watch_look(routers, loop_now(uplinks->tunneld->loop)))
		for (unsigned int i = routers->n_routers; i-- > 0;)
			if (uplink_query_nudge(uplinks->query, &routers->routers[i]))
				router_watch_drop(routers, i);
	loop_timer_set(uplinks->timer, routers->due);
}

int uplinks_new(struct tunneld *tunneld, struct uplinks **ret)
{
	struct uplinks *uplinks = calloc(1, sizeof *uplinks);
	int r;

	if (!uplinks)
		return -ENOMEM;
	uplinks->tunneld = tunneld;
	router_watch_init(&uplinks->routers);
	uplinks->notifications = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!uplinks->notifications ||
	    mnl_socket_bind(uplinks->notifications,
			    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE,
			    MNL_SOCKET_AUTOPID) < 0)
		r = -errno;
	else
		r = uplink_query_new(&uplinks->query);
	if (r >= 0)
		r = loop_timer_new(tunneld->loop, on_timer, uplinks, &uplinks->timer);
	if (r >= 0)
		r = loop_io_new(tunneld->loop, mnl_socket_get_fd(uplinks->notifications),
				UV_READABLE, on_notifications, uplinks, &uplinks->io);
	if (r < 0) {
		uplinks_free(uplinks);
		return r;
	}
	*ret = uplinks;
	return 0;
}

struct uplinks *uplinks_free(struct uplinks *uplinks)
{
	if (!uplinks)
		return NULL;
	loop_io_free(uplinks->io);
	loop_timer_free(uplinks->timer);
	uplink_query_free(uplinks->query);
	if (uplinks->notifications)
		mnl_socket_close(uplinks->notifications);
	free(uplinks);
	return NULL;
}
