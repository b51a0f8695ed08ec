/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Another host of the account: where it is, its security associations, and what happens to packets
 * while a path is not there or in doubt. Time (ms) and events are arguments; what is to be done
 * comes back as a set of PEER_* flags.
 *
 * idle --packet to send--> acquiring --InstallSa--> established --last pair removed--> idle
 *
 * Endpoint: whoever spoke last. A newer authenticated packet from elsewhere moves it (packet), so
 * does a change of what the zone says (dns), not its repetition; InstallSa sets it (ike). Another
 * port of the same address has to wait until the present one is silent. While the peer is not
 * heard, or does not hear us, other places where it may be are probed, too; only its answer from
 * there moves the endpoint.
 *
 * Doubt: we send and nothing authenticated comes back, or the path was changed and is not proven
 * yet. While in doubt, packets go out and a copy stays here, beside those of the last ones sent
 * before it; probes ask the other side for a sign of life. A proof sends again, at once, the copies
 * that were sent before the path is known to have worked. So TCP above finds its lost segments
 * replaced and does not wait for its own doubled time-outs. Sending again is sealing anew: the
 * packet on the wire is a new one with a number of its own.
 */
#include "services/tunneld/hold-queue.h"
#include "services/tunneld/inner-wire.h"
#include "services/tunneld/keepalive-state.h"
#include "services/tunneld/path-mtu-state.h"
#include "services/tunneld/peer-counters.h"
#include "services/tunneld/recent-packets.h"
#include "services/tunneld/sa-pair.h"
#include "services/tunneld/uplink-state.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define PEER_NAME_SIZE 256
#define PEER_PAIRS_MAX 16
#define PEER_NEVER     UINT64_MAX
#define PEER_TIMED     8 /* probes */
/* How long a former pair still receives (org.homeward.Tunnel1.InstallSa). */
#define PEER_FORMER_MSEC 30000
/* We send and nothing authenticated comes: so long, and keyd is to ask whether the peer is there.
 */
#define PEER_SILENT_MSEC 5000

enum peer_phase {
	PEER_IDLE,
	PEER_ACQUIRING,
	PEER_ESTABLISHED,
};

enum endpoint_source {
	ENDPOINT_NONE,
	ENDPOINT_DNS,
	ENDPOINT_PACKET,
	ENDPOINT_IKE,
};

/* What the caller is to do, in this order. */
enum {
	PEER_ANNOUNCE = 1 << 0,  /* a property of the peer changed */
	PEER_MOVED = 1 << 1,     /* the endpoint did */
	PEER_HEARD = 1 << 2,     /* for people: it was silent for `silence` ms and is heard again */
	PEER_ACQUIRE = 1 << 3,   /* ask for security associations */
	PEER_PROBE = 1 << 4,     /* send a dummy packet with peer_next_probe() */
	PEER_ANSWER = 1 << 5,    /* send an answering dummy packet with `answer_number` */
	PEER_KEEPALIVE = 1 << 6, /* send a NAT keepalive, unless there is a probe */
	PEER_RESEND = 1 << 7,    /* send held packets whose probe is below `resend_below` */
	PEER_UNREACHABLE = 1 << 8,  /* tell the senders of held packets that there is no way */
	PEER_DROP_HELD = 1 << 9,    /* forget what is held; after PEER_RESEND or PEER_UNREACHABLE */
	PEER_SIZE_PROBE = 1 << 10,  /* send a dummy packet as large as an inner one of
				       `size_probe`, numbered `size_number` */
	PEER_SIZE_ANSWER = 1 << 11, /* answer one of the peer's, `size_answer` */
	PEER_MTU = 1 << 12,         /* path_mtu.current changed */
	PEER_STALE = 1 << 13, /* tell the senders of held packets that are too old that there is
				 no way, and forget those */
	PEER_PROBE_ELSEWHERE = 1 << 14, /* send a dummy packet with `last_probe` to `probe_place` */
};

struct peer {
	/* For the table. */
	struct peer *next, *previous, *next_by_host, *next_by_number;
	uint32_t number; /* for the table: in the object path */
	char name[PEER_NAME_SIZE];
	struct in6_addr host_id;
	enum peer_phase phase;
	bool listed; /* the watcher has it */
	char last_error[128];
	struct peer_counters counters;

	struct sockaddr_in endpoint;
	enum endpoint_source source;
	uint64_t last_heard_there; /* something authenticated came from `endpoint`; 0: never */
	struct sockaddr_in dns_endpoint; /* what the watcher said last */
	struct sockaddr_in elsewhere;    /* tried in turn with it while acquiring */
	uint64_t dns_generation, dns_incarnation;
	struct sockaddr_in former; /* where it was before it was said to be elsewhere */
	uint64_t former_until;     /* and may be all the same */
	unsigned int turn;         /* of the other places to probe */
	uint64_t port_news_at;     /* its probe moved it to another port of its address */
	uint64_t deaf_since; /* it probes again and again, so it does not hear us; 0: it does */
	uint64_t deaf_last;  /* its last probe */
	uint64_t deaf_tried;

	struct sa_pair *pairs;   /* newest first */
	struct sa_pair *current; /* to send on; NULL unless established */
	uint64_t last_order;
	uint64_t mover_order;  /* of the pair that moves the endpoint: the newest that was heard.
				  Older ones do not while it is */
	uint64_t mover_heard;  /* when something came over it last */
	uint64_t settle_until; /* a responder's pair without a former one: hold until then; 0 */
	uint64_t handshake_realtime; /* s; when the newest pair was installed, set by the caller */

	struct path_mtu path_mtu; /* without probes unless its limit is raised */
	bool network;             /* our side has one */
	struct nat_view nat;      /* what is between it and the peers */
	struct keepalive keepalive;
	struct uplink uplink; /* our way to `endpoint`, as far as it is known */
	bool uplink_lost;     /* its interface lost its carrier since */
	bool uplink_ahead;    /* we have seen it change, and the mapper has not said so yet */
	uint64_t last_sent, last_received; /* 0: never */
	uint64_t last_data_sent;
	uint64_t first_unanswered;      /* oldest packet since which nothing came; 0: none */
	bool silent;                    /* for PEER_SILENT_MSEC */
	uint64_t answer_msec;           /* how long answers take, smoothed */
	uint64_t doubt_since;           /* 0: none */
	uint64_t path_since;            /* a changed path that is not proven; 0: none */
	uint32_t path_probe;            /* the first probe on that path */
	uint32_t last_probe;            /* number of the last probe */
	uint64_t probed_at[PEER_TIMED]; /* when the last ones were sent, by number */
	unsigned int burst;             /* probes still to come quickly after a change */
	uint64_t next_probe;            /* PEER_NEVER */
	uint64_t answer_due;            /* something must have been sent by then; PEER_NEVER */
	uint64_t last_answer;
	uint64_t acquire_since, acquire_again; /* while acquiring */
	uint64_t acquire_after;                /* not before, after a failure */
	uint64_t unknown_after; /* nor, for packets on associations we do not have, before this */
	struct hold_queue held;
	struct recent_packets recent; /* sent when there was no doubt */
	void *userdata;               /* the caller's */
	struct kernel_peer *kernel;   /* datapath-xfrm.c's */
	bool inner_dummies;           /* it hears dummy packets only when they are inner ones */

	uint64_t due; /* call peer_timer() then; may be too early, never too late */

	/* Arguments of the flags. */
	uint32_t resend_below, answer_number;
	struct sockaddr_in probe_place;
	uint32_t size_number, size_answer;
	uint16_t size_probe;
	uint64_t silence;
};

/* `name` is cut to what fits. NULL without memory. */
struct peer *peer_new(const struct in6_addr *host_id, const char *name, uint64_t now, bool network);
struct peer *peer_free(struct peer *peer);

/* The watcher lists it: `endpoint` NULL while the zone has none. `generation` rises when the
 * endpoint changed, as far as `incarnation` (which watcher process says so) is the same. */
unsigned int peer_hear_watcher(struct peer *peer, uint64_t now, const char *name,
			       const struct sockaddr_in *endpoint, uint64_t generation,
			       uint64_t incarnation);
/* Takes the pair. */
unsigned int peer_install(struct peer *peer, uint64_t now, struct sa_pair *pair,
			  const struct sockaddr_in *endpoint);
/* Nothing more is sent on the pair, if there is another; it receives for PEER_FORMER_MSEC. Without
 * another one -ENOENT, and nothing is changed. Otherwise 0, and what to do in *ret_todo. */
int peer_retire_pair(struct peer *peer, uint64_t now, struct sa_pair *pair, unsigned int *ret_todo);
/* A packet went or came over the pair: its sequence number and size. */
unsigned int peer_use_pair(struct peer *peer, struct sa_pair *pair, bool esn, uint64_t sequence,
			   size_t size);
/* keyd says where it is now. */
unsigned int peer_move(struct peer *peer, uint64_t now, const struct sockaddr_in *endpoint);
/* Takes the pair out; the caller frees it. With the last one that is not retired the peer is idle,
 * and retired ones have nothing to wait for. */
unsigned int peer_remove_pair(struct peer *peer, uint64_t now, struct sa_pair *pair);
/* A former pair whose time is over, to be removed; NULL: none. */
struct sa_pair *peer_ended_pair(const struct peer *peer, uint64_t now);
unsigned int peer_acquire_failed(struct peer *peer, uint64_t now, const char *reason);
/* It sends on associations that we do not have (a restart of ours). */
unsigned int peer_hear_unknown_spi(struct peer *peer, uint64_t now);

/* What is to become of packets of ours to it. */
enum peer_verdict {
	PEER_HOLD,          /* keep copies with peer_keep() */
	PEER_SEND,          /* send, and note with peer_keep() the last RECENT_PACKETS of a batch */
	PEER_SEND_AND_HOLD, /* both: the path is in doubt */
};
/* Asked once for all the packets of one moment. */
unsigned int peer_ask(struct peer *peer, uint64_t now, enum peer_verdict *ret_verdict);
void peer_keep(struct peer *peer, uint64_t now, enum peer_verdict verdict, const uint8_t *packet,
	       size_t size);
/* Both for one packet of ours. Sets *ret_send: whether to seal and send it now; if not, a copy is
 * held. */
unsigned int peer_outgoing(struct peer *peer, uint64_t now, const uint8_t *packet, size_t size,
			   bool *ret_send);
/* Something of ours was handed to the socket; data (not dummies or keepalives) wants an answer. */
void peer_sent(struct peer *peer, uint64_t now, bool data);
/* The kernel would not send a packet of ours: no route, no device. */
void peer_send_failed(struct peer *peer, uint64_t now);
/* The number of a probe that is to be sent now. */
uint32_t peer_next_probe(struct peer *peer, uint64_t now);
/* For PEER_RESEND: the held packets to send, one after the other; NULL begins and ends. */
struct held_packet *peer_next_resend(struct peer *peer, struct held_packet *after);

struct peer_arrival {
	struct sa_pair *pair;
	struct sockaddr_in source;
	bool newest; /* the highest sequence number of its association */
	bool data;   /* no dummy */
	enum dummy_kind dummy;
	uint32_t number;         /* of a dummy */
	struct sockaddr_in seen; /* by an answer: where it reaches us; 0.0.0.0: it does not say */
};
/* An authenticated packet. */
unsigned int peer_incoming(struct peer *peer, uint64_t now, const struct peer_arrival *arrival);

/* A packet of ours of this size, or the largest of several, is sent now. */
void peer_note_size(struct peer *peer, uint64_t now, size_t size);
/* The kernel would not send the probe of `size_probe`. */
unsigned int peer_size_refused(struct peer *peer, uint64_t now);
/* Our side's network came, went or changed. */
unsigned int peer_network_changed(struct peer *peer, uint64_t now, bool network);
/* What is known of our side's NAT changed. */
void peer_set_nat(struct peer *peer, const struct nat_view *nat);
/* The mapper says what network it is: our address there, or none; whether that is another. What the
 * kernel's way to the peer has told already is no news. */
unsigned int peer_hear_mapper(struct peer *peer, uint64_t now, struct in_addr address, bool moved);
/* Whether the kernel's way to the peer, as it is now, is news for peer_hear_uplink(). One that is
 * seen for the first time is not; it is noted. */
bool peer_would_move(struct peer *peer, const struct uplink *uplink);
/* The next packet takes another way than the one before. */
unsigned int peer_hear_uplink(struct peer *peer, uint64_t now, const struct uplink *uplink);
/* An interface lost its carrier, or is gone. */
void peer_lose_link(struct peer *peer, int link);
/* At `due`. */
unsigned int peer_timer(struct peer *peer, uint64_t now);

const char *peer_phase_to_string(enum peer_phase phase);
const char *endpoint_source_to_string(enum endpoint_source source);
/* Whether address and port are the same. */
bool endpoint_equal(const struct sockaddr_in *a, const struct sockaddr_in *b);

DEFINE_CLEANUP(struct peer *, peer_free)
