/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/xfrm-wire.h"

#include "common/net/netlink.h"

#include <arpa/inet.h>
#include <linux/udp.h>
#include <linux/xfrm.h>
#include <string.h>

/* Before the user path's, should there be others: lower numbers come first. */
#define POLICY_PRIORITY 1000
#define ICV_BITS        128

static const char *const algorithm_names[] = {
	[ESP_AES128GCM16] = "rfc4106(gcm(aes))",
	[ESP_AES256GCM16] = "rfc4106(gcm(aes))",
	[ESP_CHACHA20POLY1305] = "rfc7539esp(chacha20,poly1305)",
};

static uint32_t bit_of(uint64_t sequence)
{
	return (sequence - 1) % XFRM_REPLAY_WINDOW;
}

/* The lowest number that the kernel remembers. */
static uint64_t first_of(uint64_t highest)
{
	return highest > XFRM_REPLAY_WINDOW ? highest - XFRM_REPLAY_WINDOW + 1 : 1;
}

void xfrm_replay_from_window(struct xfrm_replay *replay, const struct replay_window *window)
{
	replay->in = window->highest;
	memset(replay->seen, 0, sizeof replay->seen);
	for (uint64_t n = first_of(replay->in); n && n <= replay->in; n++)
		if (!replay_window_is_new(window, n))
			replay->seen[bit_of(n) / 32] |= UINT32_C(1) << bit_of(n) % 32;
}

void xfrm_replay_to_window(const struct xfrm_replay *replay, struct replay_window *ret)
{
	uint64_t n = replay->in > REPLAY_WINDOW_SIZE ? replay->in - REPLAY_WINDOW_SIZE + 1 : 1;

	*ret = (struct replay_window){ 0 };
	for (; n && n <= replay->in; n++)
		if (n < first_of(replay->in) || n == replay->in ||
		    replay->seen[bit_of(n) / 32] >> bit_of(n) % 32 & 1)
			replay_window_mark(ret, n);
}

static void set_selector(struct xfrm_selector *selector, const struct in6_addr *source,
			 const struct in6_addr *destination)
{
	memcpy(&selector->saddr, source, sizeof *source);
	memcpy(&selector->daddr, destination, sizeof *destination);
	selector->prefixlen_s = selector->prefixlen_d = 128;
	selector->family = AF_INET6;
}

static void put_algorithm(struct nlmsghdr *message, const struct xfrm_state *state)
{
	size_t size = esp_keymat_size(state->algorithm);
	struct {
		struct xfrm_algo_aead head;
		uint8_t key[64];
	} algorithm = { .head = { .alg_key_len = size * 8, .alg_icv_len = ICV_BITS } };

	strncpy(algorithm.head.alg_name, algorithm_names[state->algorithm],
		sizeof algorithm.head.alg_name - 1);
	memcpy(algorithm.key, state->keymat, size);
	mnl_attr_put(message, XFRMA_ALG_AEAD, sizeof algorithm.head + size, &algorithm);
	explicit_bzero(&algorithm, sizeof algorithm);
}

static void put_replay(struct nlmsghdr *message, const struct xfrm_replay *replay)
{
	struct {
		struct xfrm_replay_state_esn head;
		uint32_t seen[XFRM_REPLAY_WORDS];
	} esn = { .head = { .bmp_len = XFRM_REPLAY_WORDS,
			    .oseq = replay->out,
			    .oseq_hi = replay->out >> 32,
			    .seq = replay->in,
			    .seq_hi = replay->in >> 32,
			    .replay_window = XFRM_REPLAY_WINDOW } };

	memcpy(esn.seen, replay->seen, sizeof esn.seen);
	mnl_attr_put(message, XFRMA_REPLAY_ESN_VAL, sizeof esn, &esn);
}

static struct nlmsghdr *put_state(void *buffer, uint16_t type, const struct xfrm_state *state)
{
	struct nlmsghdr *message = netlink_request(buffer, type, 0);
	struct xfrm_usersa_info *info = mnl_nlmsg_put_extra_header(message, sizeof *info);
	struct xfrm_encap_tmpl encap = {
		.encap_type = UDP_ENCAP_ESPINUDP,
		.encap_sport = htons(state->source_port),
		.encap_dport = htons(state->destination_port),
	};

	set_selector(&info->sel, &state->inner_source, &state->inner_destination);
	info->id.daddr.a4 = state->destination.s_addr;
	info->id.spi = htonl(state->spi);
	info->id.proto = IPPROTO_ESP;
	info->saddr.a4 = state->source.s_addr;
	info->lft.hard_byte_limit = info->lft.hard_packet_limit = XFRM_INF;
	info->lft.soft_byte_limit = state->soft_octets ?: XFRM_INF;
	info->lft.soft_packet_limit = state->soft_packets ?: XFRM_INF;
	info->family = AF_INET;
	info->reqid = state->reqid;
	info->mode = XFRM_MODE_TUNNEL;
	/* On a narrow path the outer packet is cut into fragments: there is no other way for an
	 * inner one of IPv6's least MTU. */
	info->flags = XFRM_STATE_NOPMTUDISC | (state->esn ? XFRM_STATE_ESN : 0);
	mnl_attr_put(message, XFRMA_ENCAP, sizeof encap, &encap);
	mnl_attr_put_u32(message, XFRMA_IF_ID, state->if_id);
	put_algorithm(message, state);
	put_replay(message, state->replay);
	return message;
}

struct nlmsghdr *xfrm_put_state(void *buffer, const struct xfrm_state *state)
{
	struct nlmsghdr *message = put_state(buffer, XFRM_MSG_NEWSA, state);

	/* The inner traffic class is between its two ends. */
	if (!state->copy_dscp)
		mnl_attr_put_u32(message, XFRMA_SA_EXTRA_FLAGS, XFRM_SA_XFLAG_DONT_ENCAP_DSCP);
	mnl_attr_put_u32(message, XFRMA_REPLAY_THRESH, 1);
	mnl_attr_put_u32(message, XFRMA_ETIMER_THRESH, 1);
	return message;
}

struct nlmsghdr *xfrm_put_state_update(void *buffer, const struct xfrm_state *state)
{
	return put_state(buffer, XFRM_MSG_UPDSA, state);
}

struct nlmsghdr *xfrm_put_state_removal(void *buffer, struct in_addr destination, uint32_t spi)
{
	struct nlmsghdr *message = netlink_request(buffer, XFRM_MSG_DELSA, 0);
	struct xfrm_usersa_id *id = mnl_nlmsg_put_extra_header(message, sizeof *id);

	id->daddr.a4 = destination.s_addr;
	id->spi = htonl(spi);
	id->family = AF_INET;
	id->proto = IPPROTO_ESP;
	return message;
}

struct nlmsghdr *xfrm_put_state_pace(void *buffer, const struct xfrm_state *state, uint32_t ticks)
{
	struct nlmsghdr *message = netlink_request(buffer, XFRM_MSG_NEWAE, NLM_F_REPLACE);
	struct xfrm_aevent_id *id = mnl_nlmsg_put_extra_header(message, sizeof *id);

	id->sa_id.daddr.a4 = state->destination.s_addr;
	id->sa_id.spi = htonl(state->spi);
	id->sa_id.family = AF_INET;
	id->sa_id.proto = IPPROTO_ESP;
	id->saddr.a4 = state->source.s_addr;
	id->reqid = state->reqid;
	mnl_attr_put_u32(message, XFRMA_REPLAY_THRESH, 0);
	mnl_attr_put_u32(message, XFRMA_ETIMER_THRESH, ticks);
	return message;
}

struct nlmsghdr *xfrm_put_state_list(void *buffer)
{
	return netlink_request(buffer, XFRM_MSG_GETSA, NLM_F_DUMP);
}

struct nlmsghdr *xfrm_put_policy_list(void *buffer)
{
	return netlink_request(buffer, XFRM_MSG_GETPOLICY, NLM_F_DUMP);
}

struct nlmsghdr *xfrm_put_policy(void *buffer, const struct xfrm_policy *policy)
{
	struct nlmsghdr *message = netlink_request(buffer, XFRM_MSG_UPDPOLICY, 0);
	struct xfrm_userpolicy_info *info = mnl_nlmsg_put_extra_header(message, sizeof *info);
	struct xfrm_user_tmpl template = {
		.id = { .daddr.a4 = policy->destination.s_addr,
			.spi = htonl(policy->spi),
			.proto = IPPROTO_ESP },
		.family = AF_INET,
		.saddr.a4 = policy->source.s_addr,
		.reqid = policy->reqid,
		.mode = XFRM_MODE_TUNNEL,
		.aalgos = UINT32_MAX,
		.ealgos = UINT32_MAX,
		.calgos = UINT32_MAX,
	};

	set_selector(&info->sel, &policy->inner_source, &policy->inner_destination);
	info->lft.hard_byte_limit = info->lft.hard_packet_limit = XFRM_INF;
	info->lft.soft_byte_limit = info->lft.soft_packet_limit = XFRM_INF;
	info->priority = POLICY_PRIORITY;
	info->dir = policy->out ? XFRM_POLICY_OUT : XFRM_POLICY_IN;
	info->action = XFRM_POLICY_ALLOW;
	mnl_attr_put(message, XFRMA_TMPL, sizeof template, &template);
	mnl_attr_put_u32(message, XFRMA_IF_ID, policy->if_id);
	return message;
}

struct nlmsghdr *xfrm_put_policy_removal(void *buffer, const struct xfrm_policy *policy)
{
	struct nlmsghdr *message = netlink_request(buffer, XFRM_MSG_DELPOLICY, 0);
	struct xfrm_userpolicy_id *id = mnl_nlmsg_put_extra_header(message, sizeof *id);

	set_selector(&id->sel, &policy->inner_source, &policy->inner_destination);
	id->dir = policy->out ? XFRM_POLICY_OUT : XFRM_POLICY_IN;
	mnl_attr_put_u32(message, XFRMA_IF_ID, policy->if_id);
	return message;
}

/* The numbers, if they are as long as what we install. */
static int read_replay(const struct nlattr *attribute, struct xfrm_event *event)
{
	const struct xfrm_replay_state_esn *esn = mnl_attr_get_payload(attribute);
	size_t size = mnl_attr_get_payload_len(attribute);

	if (size < sizeof *esn || (size - sizeof *esn) / 4 < esn->bmp_len)
		return -EBADMSG;
	if (esn->bmp_len != XFRM_REPLAY_WORDS || esn->replay_window != XFRM_REPLAY_WINDOW)
		return 0;
	event->have_replay = true;
	event->replay.in = (uint64_t)esn->seq_hi << 32 | esn->seq;
	event->replay.out = (uint64_t)esn->oseq_hi << 32 | esn->oseq;
	memcpy(event->replay.seen, esn->bmp, sizeof event->replay.seen);
	return 0;
}

static int read_info(const struct xfrm_usersa_info *info, struct xfrm_event *event)
{
	if (info->family != AF_INET || info->id.proto != IPPROTO_ESP)
		return -ENOMSG;
	event->spi = ntohl(info->id.spi);
	event->reqid = info->reqid;
	event->destination.s_addr = info->id.daddr.a4;
	event->octets = info->curlft.bytes;
	event->packets = info->curlft.packets;
	event->replayed = info->stats.replay + info->stats.replay_window;
	event->bad_icv = info->stats.integrity_failed;
	return 0;
}

/* What is in a message begins at multiples of four, which is not enough for numbers of 64 bits. */
static int read_state(const void *payload, struct xfrm_event *event)
{
	struct xfrm_usersa_info info;

	memcpy(&info, payload, sizeof info);
	return read_info(&info, event);
}

static int read_attributes(const struct nlmsghdr *message, size_t header, struct xfrm_event *event)
{
	const struct nlattr *attribute;
	int r = 0;

	mnl_attr_for_each (attribute, message, header) {
		size_t size = mnl_attr_get_payload_len(attribute);
		const void *payload = mnl_attr_get_payload(attribute);

		switch (mnl_attr_get_type(attribute)) {
		case XFRMA_IF_ID:
			if (size >= sizeof event->if_id)
				memcpy(&event->if_id, payload, sizeof event->if_id);
			break;
		case XFRMA_REPLAY_ESN_VAL:
			r = read_replay(attribute, event);
			break;
		case XFRMA_LTIME_VAL: {
			struct xfrm_lifetime_cur now;

			if (size < sizeof now)
				return -EBADMSG;
			memcpy(&now, payload, sizeof now);
			event->octets = now.bytes;
			event->packets = now.packets;
			break;
		}
		case XFRMA_SA:
			r = size < sizeof(struct xfrm_usersa_info) ? -EBADMSG
								   : read_state(payload, event);
			break;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_mapping(const void *payload, struct xfrm_event *event)
{
	const struct xfrm_user_mapping *mapping = payload;

	if (mapping->id.family != AF_INET || mapping->id.proto != IPPROTO_ESP)
		return -ENOMSG;
	event->spi = ntohl(mapping->id.spi);
	event->reqid = mapping->reqid;
	event->destination.s_addr = mapping->id.daddr.a4;
	event->remote.sin_family = AF_INET;
	event->remote.sin_addr.s_addr = mapping->new_saddr.a4;
	event->remote.sin_port = mapping->new_sport;
	return 0;
}

static int read_advance(const void *payload, struct xfrm_event *event)
{
	const struct xfrm_aevent_id *id = payload;

	if (id->sa_id.family != AF_INET || id->sa_id.proto != IPPROTO_ESP)
		return -ENOMSG;
	event->spi = ntohl(id->sa_id.spi);
	event->reqid = id->reqid;
	event->destination.s_addr = id->sa_id.daddr.a4;
	return 0;
}

static int read_removal(const void *payload, struct xfrm_event *event)
{
	const struct xfrm_usersa_id *id = payload;

	if (id->family != AF_INET || id->proto != IPPROTO_ESP)
		return -ENOMSG;
	event->spi = ntohl(id->spi);
	event->destination.s_addr = id->daddr.a4;
	return 0;
}

static int read_policy(const void *payload, struct xfrm_event *event)
{
	struct xfrm_userpolicy_info info;

	memcpy(&info, payload, sizeof info);
	if (info.sel.family != AF_INET6)
		return -ENOMSG;
	memcpy(&event->inner_source, &info.sel.saddr, sizeof event->inner_source);
	memcpy(&event->inner_destination, &info.sel.daddr, sizeof event->inner_destination);
	event->out = info.dir == XFRM_POLICY_OUT;
	return 0;
}

static int read_acquire(const void *payload, struct xfrm_event *event)
{
	struct xfrm_user_acquire acquire;

	memcpy(&acquire, payload, sizeof acquire);
	if (acquire.sel.family != AF_INET6)
		return -ENOMSG;
	memcpy(&event->inner_source, &acquire.sel.saddr, sizeof event->inner_source);
	memcpy(&event->inner_destination, &acquire.sel.daddr, sizeof event->inner_destination);
	return 0;
}

static int read_expiry(const void *payload, struct xfrm_event *event)
{
	struct xfrm_user_expire expire;

	memcpy(&expire, payload, sizeof expire);
	event->hard = expire.hard;
	return read_info(&expire.state, event);
}

static const struct {
	uint16_t type;
	enum xfrm_event_kind kind;
	size_t size;
	int (*read)(const void *payload, struct xfrm_event *event);
} kinds[] = {
	{ XFRM_MSG_NEWSA, XFRM_EVENT_STATE, sizeof(struct xfrm_usersa_info), read_state },
	{ XFRM_MSG_DELSA, XFRM_EVENT_GONE, sizeof(struct xfrm_usersa_id), read_removal },
	{ XFRM_MSG_NEWAE, XFRM_EVENT_ADVANCED, sizeof(struct xfrm_aevent_id), read_advance },
	{ XFRM_MSG_EXPIRE, XFRM_EVENT_EXPIRED, sizeof(struct xfrm_user_expire), read_expiry },
	{ XFRM_MSG_MAPPING, XFRM_EVENT_MAPPING, sizeof(struct xfrm_user_mapping), read_mapping },
	{ XFRM_MSG_ACQUIRE, XFRM_EVENT_ACQUIRE, sizeof(struct xfrm_user_acquire), read_acquire },
	{ XFRM_MSG_NEWPOLICY, XFRM_EVENT_POLICY, sizeof(struct xfrm_userpolicy_info), read_policy },
};

int xfrm_read_event(const struct nlmsghdr *message, struct xfrm_event *ret)
{
	size_t size = mnl_nlmsg_get_payload_len(message);

	*ret = (struct xfrm_event){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		int r;

		if (message->nlmsg_type != kinds[i].type)
			continue;
		if (size < kinds[i].size)
			return -EBADMSG;
		ret->kind = kinds[i].kind;
		r = kinds[i].read(mnl_nlmsg_get_payload(message), ret);
		return r < 0 ? r : read_attributes(message, kinds[i].size, ret);
	}
	return -ENOMSG;
}

int xfrm_may_carry(unsigned int states, uint64_t sequence)
{
	unsigned int bits = 0;
	uint64_t weight;

	while (bits < 64 && sequence >> bits)
		bits++;
	if (bits >= 32 || states >= 1 << 16)
		return -EKEYEXPIRED;
	weight = (uint64_t)states * states << bits;
	if (weight >= UINT64_C(1) << 32)
		return -EKEYEXPIRED;
	return weight >= UINT64_C(1) << 24;
}
