/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/uplink-query.h"

#include "common/net/way.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

struct uplink_query {
	struct netlink netlink;
};

int uplink_query_new(struct uplink_query **ret)
{
	cleanup(uplink_query_freep) struct uplink_query *query = calloc(1, sizeof *query);
	int r;

	if (!query)
		return -ENOMEM;
	r = netlink_open(&query->netlink, NETLINK_ROUTE);
	if (r < 0)
		return r;
	*ret = steal_ptr(query);
	return 0;
}

struct uplink_query *uplink_query_free(struct uplink_query *query)
{
	if (!query)
		return NULL;
	netlink_close(&query->netlink);
	free(query);
	return NULL;
}

int uplink_query_find(struct uplink_query *query, struct in_addr destination, int link,
		      struct uplink *ret)
{
	struct way way;
	int r = way_find(&query->netlink, destination, link, &way);

	*ret = (struct uplink){ way.link, way.source, way.next_hop };
	return r;
}

bool uplink_query_runs(struct uplink_query *query, int link)
{
	return way_link_runs(&query->netlink, link, NULL);
}

struct detour uplink_query_detour(struct uplink_query *query, struct in_addr destination)
{
	return detour_find(&query->netlink, destination);
}

static struct nlmsghdr *neighbour_init(void *buffer, uint16_t type, uint8_t flags,
				       const struct uplink *uplink)
{
	struct nlmsghdr *request =
		netlink_request(buffer, type, type == RTM_NEWNEIGH ? NLM_F_REPLACE : 0);
	struct ndmsg *neighbour = mnl_nlmsg_put_extra_header(request, sizeof *neighbour);

	neighbour->ndm_family = AF_INET;
	neighbour->ndm_ifindex = uplink->link;
	neighbour->ndm_state = NUD_NONE;
	neighbour->ndm_flags = flags;
	mnl_attr_put_u32(request, NDA_DST, uplink->next_hop.s_addr);
	return request;
}

static void on_neighbour(void *userdata, const struct nlmsghdr *message)
{
	const struct ndmsg *neighbour = mnl_nlmsg_get_payload(message);
	uint16_t *state = userdata;

	if (message->nlmsg_type == RTM_NEWNEIGH)
		*state = neighbour->ndm_state;
}

bool uplink_query_nudge(struct uplink_query *query, const struct uplink *uplink)
{
	char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	uint16_t state = NUD_NONE;
	int r = netlink_ask(&query->netlink, neighbour_init(buffer, RTM_GETNEIGH, 0, uplink),
			    on_neighbour, &state);

	/* No entry: nothing was sent there yet. */
	if (r == -ENOENT)
		return false;
	if (r < 0 || !(state & (NUD_INCOMPLETE | NUD_FAILED)))
		return true;
	/* The entry as if nobody had asked, with the packets that wait; and use of it, which asks.
	 */
	r = netlink_ask(&query->netlink, neighbour_init(buffer, RTM_NEWNEIGH, 0, uplink), NULL,
			NULL);
	if (r >= 0)
		r = netlink_ask(&query->netlink,
				neighbour_init(buffer, RTM_NEWNEIGH, NTF_USE, uplink), NULL, NULL);
	return r < 0;
}
