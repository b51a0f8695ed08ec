/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Two sockets. On one the kernel notifies; a notification only means "look again", because not
 * every change is notified (a link that goes down takes its routes along without a word) and
 * notifications get lost (ENOBUFS). On the other one all three tables are then read, one dump after
 * the other.
 *
 *   idle --notification--> reading links --> addresses --> routes --> idle, or reading once more
 */
#include "services/mapper/network-watch.h"

#include "services/mapper/gateway-neighbour.h"

#include "common/base/log.h"

#include <libmnl/libmnl.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define TABLE_LIMIT 4096 /* rows of each kind; more are not looked at */
#define BATCH_LIMIT 64
#define RETRY_MSEC  200   /* until a request that the kernel did not take is made again */
#define BUFFER_SIZE 32768 /* what the kernel puts into one piece of a dump at most */

enum reading {
	READING_NOTHING,
	READING_LINKS,
	READING_ADDRESSES,
	READING_ROUTES,
};

struct network_watch {
	struct loop *loop;
	const struct network_watch_callbacks *callbacks;
	void *userdata;
	struct mnl_socket *notifications, *dumps;
	struct loop_io *notifications_io, *dumps_io;
	struct loop_timer *timer;
	struct gateway_neighbour *neighbour;
	struct network_state state;

	enum reading reading;
	bool again;        /* something changed while reading */
	uint64_t retry_at; /* the last request failed: read anew then; 0: it did not */
	bool complained;
	uint32_t sequence;
	struct network_tables tables;
};

static void read_tables(struct network_watch *watch);

static void set_timer(struct network_watch *watch)
{
	uint64_t due = network_state_due(&watch->state);

	if (watch->retry_at && watch->retry_at < due)
		due = watch->retry_at;
	loop_timer_set(watch->timer, due);
}

static void settle(void *userdata)
{
	struct network_watch *watch = userdata;
	uint64_t now = loop_now(watch->loop);
	enum network_change change = network_state_settle(&watch->state, now);
	const struct network_view *view = &watch->state.settled;

	if (watch->retry_at && now >= watch->retry_at)
		read_tables(watch);
	set_timer(watch);
	switch (change) {
	case NETWORK_SAME:
		break;
	case NETWORK_DETAILS:
		watch->callbacks->on_details(watch->userdata, view);
		break;
	case NETWORK_OTHER:
		watch->callbacks->on_network(watch->userdata, view);
		gateway_neighbour_watch(watch->neighbour, view->link, view->gateway);
		break;
	}
}

static void on_neighbour(void *userdata, const uint8_t *mac, size_t size)
{
	struct network_watch *watch = userdata;

	/* Before the view is settled the entry is another network's. */
	if (size == NETWORK_MAC && network_state_set_mac(&watch->state, mac))
		watch->callbacks->on_gateway_mac(watch->userdata, &watch->state.settled);
}

void network_watch_set_captive(struct network_watch *watch, bool captive)
{
	if (network_state_set_captive(&watch->state, captive))
		watch->callbacks->on_details(watch->userdata, &watch->state.settled);
}

/* One more row, zeroed; NULL when there is no room. */
static void *grow(void **rows, size_t *n_rows, size_t size)
{
	void *more;

	if (*n_rows >= TABLE_LIMIT)
		return NULL;
	if ((*n_rows & (*n_rows - 1)) == 0) {
		more = realloc(*rows, (*n_rows ? *n_rows * 2 : 1) * size);
		if (!more)
			return NULL;
		*rows = more;
	}
	more = (char *)*rows + (*n_rows)++ * size;
	memset(more, 0, size);
	return more;
}

/* A name may hold any octets but '/' and white space; a string on the bus may not. It is only
 * shown: what is done to an interface is done by its index. */
static void copy_name(char name[static IFNAMSIZ], const char *from)
{
	strncpy(name, from, IFNAMSIZ - 1);
	for (char *octet = name; *octet; octet++)
		if (*octet <= ' ' || *octet > '~')
			*octet = '?';
}

static void add_link(struct network_watch *watch, const struct nlmsghdr *header)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(header);
	struct network_link *link =
		grow((void **)&watch->tables.links, &watch->tables.n_links, sizeof *link);
	const struct nlattr *attribute;
	const char *kind = network_link_kind(header);

	if (!link)
		return;
	link->index = info->ifi_index;
	link->up = network_link_is_up(info);
	link->tunnel = network_link_is_tunnel(header);
	link->internal = link->tunnel || info->ifi_type == ARPHRD_LOOPBACK ||
			 (kind && (!strcmp(kind, "bridge") || !strcmp(kind, "dummy")));
	mnl_attr_for_each (attribute, header, sizeof *info)
		if (mnl_attr_get_type(attribute) == IFLA_IFNAME &&
		    mnl_attr_validate(attribute, MNL_TYPE_STRING) >= 0)
			copy_name(link->name, mnl_attr_get_str(attribute));
}

static struct in_addr attribute_address(const struct nlattr *attribute)
{
	struct in_addr address = {};

	if (mnl_attr_get_payload_len(attribute) == sizeof address)
		memcpy(&address, mnl_attr_get_payload(attribute), sizeof address);
	return address;
}

/* IFA_LOCAL is ours; on a point-to-point link IFA_ADDRESS is the other end's. */
static struct in_addr own_address(const struct nlmsghdr *header)
{
	struct in_addr local = {}, address = {};
	const struct nlattr *attribute;

	mnl_attr_for_each (attribute, header, sizeof(struct ifaddrmsg)) {
		if (mnl_attr_get_type(attribute) == IFA_LOCAL)
			local = attribute_address(attribute);
		else if (mnl_attr_get_type(attribute) == IFA_ADDRESS)
			address = attribute_address(attribute);
	}
	return local.s_addr ? local : address;
}

static void add_address(struct network_watch *watch, const struct nlmsghdr *header)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(header);
	struct network_address *row;

	if (info->ifa_family != AF_INET || info->ifa_scope > RT_SCOPE_LINK ||
	    info->ifa_prefixlen > 32)
		return;
	row = grow((void **)&watch->tables.addresses, &watch->tables.n_addresses, sizeof *row);
	if (!row)
		return;
	row->link = info->ifa_index;
	row->prefix = info->ifa_prefixlen;
	row->secondary = info->ifa_flags & IFA_F_SECONDARY;
	row->link_scope = info->ifa_scope == RT_SCOPE_LINK;
	row->address = own_address(header);
}

static void add_route(struct network_watch *watch, const struct nlmsghdr *header)
{
	struct network_route route, *row;

	if (!network_route_read(header, &route))
		return;
	row = grow((void **)&watch->tables.routes, &watch->tables.n_routes, sizeof *row);
	if (row)
		*row = route;
}

/* A payload of the size that its type has. */
static bool has_payload(const struct nlmsghdr *header)
{
	size_t size = mnl_nlmsg_get_payload_len(header);

	switch (header->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return size >= sizeof(struct ifinfomsg);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return size >= sizeof(struct ifaddrmsg);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return size >= sizeof(struct rtmsg);
	}
	return false;
}

static int on_row(const struct nlmsghdr *header, void *userdata)
{
	struct network_watch *watch = userdata;

	if (!has_payload(header))
		return MNL_CB_OK;
	switch (header->nlmsg_type) {
	case RTM_NEWLINK:
		add_link(watch, header);
		break;
	case RTM_NEWADDR:
		add_address(watch, header);
		break;
	case RTM_NEWROUTE:
		add_route(watch, header);
		break;
	}
	return MNL_CB_OK;
}

static void send_dump(struct network_watch *watch, enum reading reading)
{
	char octets[64] __attribute__((aligned(NLMSG_ALIGNTO))) = {};
	struct nlmsghdr *header = mnl_nlmsg_put_header(octets);
	struct rtmsg *route;

	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->nlmsg_seq = ++watch->sequence;
	switch (reading) {
	case READING_NOTHING:
		return;
	case READING_LINKS:
		header->nlmsg_type = RTM_GETLINK;
		mnl_nlmsg_put_extra_header(header, sizeof(struct ifinfomsg));
		break;
	case READING_ADDRESSES:
		header->nlmsg_type = RTM_GETADDR;
		mnl_nlmsg_put_extra_header(header, sizeof(struct ifaddrmsg));
		((struct ifaddrmsg *)mnl_nlmsg_get_payload(header))->ifa_family = AF_INET;
		break;
	case READING_ROUTES:
		header->nlmsg_type = RTM_GETROUTE;
		route = mnl_nlmsg_put_extra_header(header, sizeof *route);
		route->rtm_family = AF_INET;
		route->rtm_table = RT_TABLE_MAIN;
		break;
	}
	watch->reading = reading;
	if (mnl_socket_sendto(watch->dumps, header, header->nlmsg_len) < 0) {
		if (!watch->complained)
			log_warning("cannot ask the kernel for its tables: %s", strerror(errno));
		watch->complained = true;
		watch->reading = READING_NOTHING;
		watch->retry_at = loop_now(watch->loop) + RETRY_MSEC;
		set_timer(watch);
	}
}

static void read_tables(struct network_watch *watch)
{
	if (watch->reading != READING_NOTHING) {
		watch->again = true;
		return;
	}
	watch->again = false;
	watch->retry_at = 0;
	watch->tables.n_links = watch->tables.n_addresses = watch->tables.n_routes = 0;
	send_dump(watch, READING_LINKS);
}

static void on_dump_end(struct network_watch *watch)
{
	switch (watch->reading) {
	case READING_NOTHING:
		break;
	case READING_LINKS:
		send_dump(watch, READING_ADDRESSES);
		break;
	case READING_ADDRESSES:
		send_dump(watch, READING_ROUTES);
		break;
	case READING_ROUTES:
		watch->reading = READING_NOTHING;
		watch->complained = false;
		network_state_set_tables(&watch->state, &watch->tables, !watch->again);
		if (watch->again)
			read_tables(watch);
		settle(watch);
		break;
	}
}

/* The tables that were being read are of no use any more. */
static void restart_reading(struct network_watch *watch)
{
	watch->reading = READING_NOTHING;
	read_tables(watch);
}

static void on_dump(void *userdata, int status, int events)
{
	char octets[BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct network_watch *watch = userdata;
	struct mnl_socket *socket = watch->dumps;

	for (int i = 0; i < BATCH_LIMIT; i++) {
		ssize_t size = mnl_socket_recvfrom(socket, octets, sizeof octets);
		int r;

		if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			return;
		if (size < 0) {
			restart_reading(watch);
			continue;
		}
		r = mnl_cb_run(octets, size, watch->sequence, mnl_socket_get_portid(socket), on_row,
			       watch);
		/* EINTR: the table changed while it was read. ESRCH, EPROTO: a leftover of a dump
		 * that was given up. */
		if (r < 0 && errno != ESRCH && errno != EPROTO)
			restart_reading(watch);
		else if (r == MNL_CB_STOP)
			on_dump_end(watch);
	}
}

static int on_notification(const struct nlmsghdr *header, void *userdata)
{
	struct network_watch *watch = userdata;
	uint64_t now = loop_now(watch->loop);
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(header);

	if (!has_payload(header))
		return MNL_CB_OK;
	if (header->nlmsg_type == RTM_DELLINK ||
	    (header->nlmsg_type == RTM_NEWLINK && !network_link_is_up(link)))
		network_state_note_link_down(&watch->state, link->ifi_index, now);
	else
		network_state_note_change(&watch->state, now);
	return MNL_CB_OK;
}

static void on_notifications(void *userdata, int status, int events)
{
	char octets[BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct network_watch *watch = userdata;

	for (int i = 0; i < BATCH_LIMIT; i++) {
		ssize_t size = mnl_socket_recvfrom(watch->notifications, octets, sizeof octets);

		if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			break;
		/* Some were lost: all that they could have said is in the tables. */
		if (size < 0)
			network_state_note_change(&watch->state, loop_now(watch->loop));
		else
			mnl_cb_run(octets, size, 0, 0, on_notification, watch);
	}
	read_tables(watch);
	set_timer(watch);
}

static int open_socket(struct mnl_socket **ret, unsigned int groups)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0) {
		int r = -errno;

		mnl_socket_close(socket);
		return r;
	}
	*ret = socket;
	return 0;
}

int network_watch_new(struct loop *loop, const struct network_watch_callbacks *callbacks,
		      void *userdata, struct network_watch **ret)
{
	struct network_watch *watch = calloc(1, sizeof *watch);
	int r;

	if (!watch)
		return -ENOMEM;
	watch->loop = loop;
	watch->callbacks = callbacks;
	watch->userdata = userdata;
	r = open_socket(&watch->notifications,
			RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE);
	if (r >= 0)
		r = open_socket(&watch->dumps, 0);
	if (r >= 0)
		r = loop_timer_new(loop, settle, watch, &watch->timer);
	if (r >= 0)
		r = loop_io_new(loop, mnl_socket_get_fd(watch->notifications), UV_READABLE,
				on_notifications, watch, &watch->notifications_io);
	if (r >= 0)
		r = loop_io_new(loop, mnl_socket_get_fd(watch->dumps), UV_READABLE, on_dump, watch,
				&watch->dumps_io);
	if (r >= 0)
		r = gateway_neighbour_new(loop, on_neighbour, watch, &watch->neighbour);
	if (r < 0) {
		network_watch_free(watch);
		return r;
	}
	read_tables(watch);
	*ret = watch;
	return 0;
}

struct network_watch *network_watch_free(struct network_watch *watch)
{
	if (!watch)
		return NULL;
	loop_io_free(watch->notifications_io);
	loop_io_free(watch->dumps_io);
	loop_timer_free(watch->timer);
	gateway_neighbour_free(watch->neighbour);
	if (watch->notifications)
		mnl_socket_close(watch->notifications);
	if (watch->dumps)
		mnl_socket_close(watch->dumps);
	free(watch->tables.links);
	free(watch->tables.addresses);
	free(watch->tables.routes);
	free(watch);
	return NULL;
}

void network_watch_reprove(struct network_watch *watch)
{
	const struct network_view *view = &watch->state.settled;

	network_state_note_change(&watch->state, loop_now(watch->loop));
	read_tables(watch);
	gateway_neighbour_watch(watch->neighbour, view->link, view->gateway);
	set_timer(watch);
}
