/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The kernel's words (NETLINK_XFRM) for security associations and policies: ESP in UDP over IPv4,
 * tunnel mode, IPv6 inside, for the packets of one xfrm interface (if_id). Pure memory.
 */
#include "services/tunneld/esp-wire.h"
#include "services/tunneld/replay-window.h"

#include <libmnl/libmnl.h>
#include <netinet/in.h>

/* The most that the kernel remembers (XFRMA_REPLAY_ESN_MAX). */
#define XFRM_REPLAY_WINDOW 4096
#define XFRM_REPLAY_WORDS  (XFRM_REPLAY_WINDOW / 32)
/* Room for any request made here. */
#define XFRM_REQUEST_SIZE 2048

/* Which numbers an association has sent and seen. */
struct xfrm_replay {
	uint64_t out; /* of the last packet sent */
	uint64_t in;  /* the highest one received */
	uint32_t seen[XFRM_REPLAY_WORDS];
};

/* What a window of ours says, as the kernel says it; `out` is not touched. */
void xfrm_replay_from_window(struct xfrm_replay *replay, const struct replay_window *window);
/* The other way round. What the kernel does not remember any more counts as seen. */
void xfrm_replay_to_window(const struct xfrm_replay *replay, struct replay_window *ret);

/* One direction of a pair. */
struct xfrm_state {
	struct in_addr source, destination;
	uint16_t source_port, destination_port; /* host order */
	uint32_t spi, reqid, if_id;
	struct in6_addr inner_source, inner_destination;
	enum esp_algorithm algorithm;
	bool esn;
	const uint8_t *keymat; /* esp_keymat_size() octets */
	const struct xfrm_replay *replay;
	bool copy_dscp;                     /* to the outer header, from outside to see */
	uint64_t soft_octets, soft_packets; /* tell of it then; 0: never */
};

/* Each makes a request for netlink_ask(), in a buffer of XFRM_REQUEST_SIZE octets. */

/* A new state; one that is there is refused. At first it tells of each packet (XFRM_MSG_NEWAE). */
struct nlmsghdr *xfrm_put_state(void *buffer, const struct xfrm_state *state);
/* Ports and limits of one that is there; everything else stays, the numbers above all. */
struct nlmsghdr *xfrm_put_state_update(void *buffer, const struct xfrm_state *state);
struct nlmsghdr *xfrm_put_state_removal(void *buffer, struct in_addr destination, uint32_t spi);
/* From now on it tells of its first packet after a pause, and then so often while there are more.
 * `ticks`: the kernel takes this one without a look at its HZ. */
struct nlmsghdr *xfrm_put_state_pace(void *buffer, const struct xfrm_state *state, uint32_t ticks);
/* All states, and all policies. */
struct nlmsghdr *xfrm_put_state_list(void *buffer);
struct nlmsghdr *xfrm_put_policy_list(void *buffer);

/* What goes to a peer, and what may come from it. */
struct xfrm_policy {
	struct in6_addr inner_source, inner_destination;
	uint32_t reqid, if_id;
	bool out;
	/* Of an outgoing one: the state. An incoming one takes what came by any of the reqid. */
	struct in_addr source, destination;
	uint32_t spi;
};

/* Takes the place of the one with these inner addresses. */
struct nlmsghdr *xfrm_put_policy(void *buffer, const struct xfrm_policy *policy);
struct nlmsghdr *xfrm_put_policy_removal(void *buffer, const struct xfrm_policy *policy);

enum xfrm_event_kind {
	XFRM_EVENT_STATE,    /* is there (an answer to a list) */
	XFRM_EVENT_GONE,     /* a state was removed: these are its last numbers */
	XFRM_EVENT_ADVANCED, /* packets went over it */
	XFRM_EVENT_EXPIRED,  /* a limit was reached */
	XFRM_EVENT_MAPPING,  /* an authenticated packet came from elsewhere */
	XFRM_EVENT_ACQUIRE,  /* a packet had a policy and no state */
	XFRM_EVENT_POLICY,   /* is there (an answer to a list) */
};

struct xfrm_event {
	enum xfrm_event_kind kind;
	uint32_t spi, reqid, if_id;
	struct in_addr destination;
	bool hard; /* EXPIRED: and it is gone */
	bool have_replay;
	struct xfrm_replay replay;
	uint64_t octets, packets;
	uint32_t replayed, bad_icv;
	struct sockaddr_in remote; /* MAPPING: from there */
	struct in6_addr inner_source, inner_destination;
	bool out; /* POLICY */
};

/* 0; -ENOMSG: not about such states; -EBADMSG: not what a kernel says. */
int xfrm_read_event(const struct nlmsghdr *message, struct xfrm_event *ret);

/*
 * Whether a key that `states` states of the kernel have used in turn, up to sequence number
 * `sequence`, may have one more. Numbers go on from state to state, but the kernel's IV is the
 * number xor 64 random bits that each state has its own (seqiv). Two of one key have a nonce in
 * common with a probability of at most 2^bits(sequence) / 2^64, so all of them with no more than
 * states² / 2 as much. It stays below 2^-33, which is half of what NIST SP 800-38D §8 lets an
 * implementation of AES-GCM have. -EKEYEXPIRED: no; 1: yes, but get a new key soon; 0: yes.
 */
int xfrm_may_carry(unsigned int states, uint64_t sequence);
