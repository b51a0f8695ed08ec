/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One IKE SA (RFC 7296), either role:
 *
 *   initiator  INIT_SENT --response--> [INTERMEDIATE_SENT --response-->] SIGNING --signed-->
 *                                      AUTH_SENT --response--> INSTALLING --installed-->
 * ESTABLISHED responder  HALF_OPEN [--IKE_INTERMEDIATE request--> HALF_OPEN] --IKE_AUTH request-->
 * SIGNING
 *                                      --signed--> INSTALLING --installed, response--> ESTABLISHED
 *   both       ESTABLISHED --our delete--> DELETING --response or time--> DEAD
 *              ESTABLISHED --its delete--> CLOSED (repeats its last response) --time--> DEAD
 *
 * Messages: ike-window-state.h and ike-exchange-state.c. Keys are wiped with the SA.
 */
#include "services/keyd/ike-actions-state.h"
#include "services/keyd/ike-cookie.h"
#include "services/keyd/ike-kem.h"
#include "services/keyd/ike-lifetimes-state.h"
#include "services/keyd/ike-mobike-state.h"
#include "services/keyd/ike-negotiation-state.h"
#include "services/keyd/ike-psk.h"
#include "services/keyd/ike-reassembly.h"
#include "services/keyd/ike-round-trip-state.h"
#include "services/keyd/ike-sas-state.h"
#include "services/keyd/ike-spis-state.h"
#include "services/keyd/ike-tickets-state.h"
#include "services/keyd/ike-window-state.h"

/* Milliseconds. Repetitions: ike-round-trip-state.h. */
#define IKE_INIT_DEADLINE 120000
/* How long the true answer to a first request has to come, when another one asks for a changed
 * request; the longer one after a negotiation that failed so. */
#define IKE_HINT_DELAY 100
#define IKE_HINT_WARY  2000
#define IKE_AUTH_DEADLINE                                                                          \
	15000 /* the other side may have lost its half: then from the beginning                    \
	       */
/* Without a word from the peer we ask whether it is there. While there is traffic tunneld notices
 * its silence, and long before. */
#define IKE_LIVENESS_SILENCE  120000
#define IKE_LIVENESS_DEADLINE 36000 /* twelve repetitions later it is dead */
#define IKE_DELETE_DEADLINE   6000
#define IKE_HALF_OPEN_LIMIT   30000
#define IKE_REFUSAL_NOTES     10000 /* between notes of refused strangers, who may be many */
#define IKE_INTERNAL_LIMIT    20000 /* for a signature, and for installing */
#define IKE_CLOSED_LINGER     10000
#define IKE_CHILDREN_LIMIT    6 /* child SAs of one IKE SA: the old, the new, those of collisions */
#define IKE_RETIRE_DELAY      5000 /* between a new pair and the end of the one before it */

/* Octets before the IKE message in an IPv4 datagram: IP, UDP, non-ESP marker. */
#define IKE_DATAGRAM_OVERHEAD (20 + 8 + 4)
/* The largest datagram that goes out in one piece, and the one that fits every way (RFC 7383
 * §2.5.1). */
#define IKE_DATAGRAM_SIZE     1280
#define IKE_DATAGRAM_MINIMUM  576
#define IKE_FRAGMENT_SMALL    (IKE_DATAGRAM_MINIMUM - IKE_DATAGRAM_OVERHEAD)
#define IKE_FRAGMENT_PATIENCE 2 /* repetitions before smaller pieces are tried */

#define IKE_PPK_SIZE 32

/* When a post-quantum preshared key is used. */
enum ike_ppk_use {
	IKE_PPK_PREFERRED, /* with every peer that has it */
	IKE_PPK_REQUIRED,  /* and with nobody else */
	IKE_PPK_NEVER,
};

enum ike_sa_state {
	IKE_SA_INIT_SENT,
	IKE_SA_HALF_OPEN,
	IKE_SA_INTERMEDIATE_SENT,
	IKE_SA_SIGNING,
	IKE_SA_AUTH_SENT,
	IKE_SA_INSTALLING,
	IKE_SA_ESTABLISHED,
	IKE_SA_DELETING,
	IKE_SA_CLOSED,
	IKE_SA_DEAD,
};

struct ike_counters {
	uint64_t received, sent, retransmitted, repeated_responses;
	uint64_t malformed, unauthentic, unknown_spi, out_of_window, unexpected, wrong_version;
	uint64_t half_open_dropped, half_open_expired, cookies_sent, refused_peers, not_ready;
	uint64_t forgotten_peers;
	uint64_t other_group_wanted, fragments_received, fragments_refused, reassembled;
	uint64_t rekeyed, children_rekeyed, addresses_updated;
	uint64_t signatures_made, signatures_checked, key_exchanges; /* work with public keys */
	uint64_t resumed, resumptions_refused, tickets_given, tickets_kept, tickets_refused;
	uint64_t negotiations_begun, negotiations_failed, established, deleted, dead_peers;
};

/* Who we are. */
struct ike_local {
	char name[IKE_NAME_LIMIT];
	uint8_t host_id[16];
	uint8_t certificate[IKE_CERTIFICATE_LIMIT];
	size_t certificate_size;
	struct ike_trust *trust;
	uint8_t ppk[IKE_PPK_SIZE];   /* the account's post-quantum preshared key (RFC 8784) */
	char ppk_id[IKE_NAME_LIMIT]; /* its name; empty: the account's domain */
	bool has_ppk;
};

/* Wipes; takes NULL; returns NULL. */
struct ike_local *ike_local_free(struct ike_local *local);
/* Whether it is the same host of the same account, with the same keys; NULL is like NULL only. */
bool ike_local_same(const struct ike_local *a, const struct ike_local *b);

struct ike_sa;

/* What an SA must ask of those who know all SAs and peers. */
struct ike_surroundings {
	/* A peer has proved who it is and wants this SA: 0, or the notification to refuse it with.
	 */
	uint16_t (*admit)(void *userdata, struct ike_sa *sa, uint64_t now);
	/* The host id under which the tunnel knows this peer. */
	bool (*find_host_id)(void *userdata, const char *name, uint8_t ret[16]);
	/* Whether there is another SA with the peer, so that this one is no initial contact. */
	bool (*has_other)(void *userdata, const struct ike_sa *sa);
	/* An inbound SPI of a child: it is another than all others, and taken from now on; or it is
	 * not, and another must be tried. Until it is given back. */
	bool (*take_spi)(void *userdata, uint32_t spi);
	void (*give_spi)(void *userdata, uint32_t spi);
	uint64_t (*next_child_id)(void *userdata);
	/* A successor of an SA joins the others; it is owned by them from now on. */
	void (*adopt)(void *userdata, struct ike_sa *sa);
	/* One with this SPI of ours, or NULL. */
	struct ike_sa *(*find)(void *userdata, uint64_t spi);
	/* Make another SA with the same peer, and then end this one. */
	void (*renew)(void *userdata, struct ike_sa *sa, uint64_t now);
	/* It is ESTABLISHED now. */
	void (*established)(void *userdata, struct ike_sa *sa, uint64_t now);
};

/* What all SAs share; belongs to the manager. */
struct ike_context {
	struct ike_random random;
	struct ike_actions actions;
	struct ike_counters counters;
	struct ike_preferences preferences;
	const struct ike_kem *kem; /* NULL: there is none, as the preferences say too */
	enum ike_ppk_use ppk_use;
	struct ike_tickets *tickets;     /* NULL: nothing is resumed */
	struct ike_psks *psks;           /* NULL: no peer has one */
	struct revocation_list *revoked; /* hosts that were forgotten; NULL: none */
	unsigned int fragment_limit;     /* octets of one IKE message that is not in pieces */
	struct ike_local *local;         /* NULL: signed out */
	struct ike_lifetimes lifetimes;
	struct ike_cookies cookies;
	uint64_t note_refusals_after; /* ms */
	int64_t realtime;             /* seconds; for certificates */
	const struct ike_surroundings *surroundings;
	void *userdata;
};

struct ike_sa {
	struct ike_sa *next; /* the manager's */
	struct ike_sa_links links;
	struct ike_context *context;
	uint64_t id;             /* its number on the bus */
	uint64_t created, heard; /* ms */
	enum ike_sa_state state;
	uint64_t timer; /* ms; of the state; UINT64_MAX: none */
	bool initiator;
	uint64_t spi_initiator, spi_responder;

	char peer[IKE_NAME_LIMIT]; /* expected or proved */
	uint8_t peer_host_id[16];
	bool authenticated;
	uint64_t peer_issued;        /* when the peer got what it proved that with; 0: long ago */
	enum ike_proof proof;        /* how both prove themselves */
	bool initial_contact;        /* the peer said so */
	struct sockaddr_in endpoint; /* where our requests go */
	uint64_t auth_began;         /* ms */

	struct ike_suite suite;
	struct ike_keys keys;
	uint64_t iv;                           /* of the next message sealed */
	struct ike_key_exchange *key_exchange; /* initiator: ours, until the other half is there */
	uint8_t nonce[IKE_NONCE_SIZE];
	struct ike_blob peer_nonce;
	struct ike_blob own_init, peer_init; /* the messages that AUTH signs */
	/* The additional key exchange (ike-intermediate-state.c): the initiator's pair until it is
	 * answered, what AUTH covers of the initiator's and of the responder's message, and the
	 * responder's keys of before until the initiator has shown that it has the answer. */
	uint8_t kem_seed[IKE_KEM_SEED];
	uint8_t int_auth[2][IKE_PRF_LIMIT];
	uint32_t n_intermediate;
	struct ike_keys *former_keys;
	struct ike_blob cookie; /* initiator: what the responder wants to see again */
	/* Initiator: what an unauthenticated answer asks for, until it is followed; and how often
	 * one was. */
	struct ike_blob hinted_cookie;
	uint16_t hinted_group;
	unsigned int n_restarts;
	bool wary; /* following one has come to nothing with this peer */
	bool peer_takes_sha256;
	bool peer_takes_fragments;
	bool peer_takes_ppk;         /* both have said that they have one: it is used */
	unsigned int fragment_limit; /* octets; of a message or piece from now on */
	struct ike_reassembly *request_pieces, *response_pieces; /* NULL: none */
	struct ike_blob own_proof; /* data of our AUTH, until both sides are proved */
	/* Initiator: the same without the post-quantum preshared key, and the keys without it, as
	 * long as the responder may not use it (RFC 8784 §3). */
	struct ike_blob bare_proof;
	struct ike_keys *bare_keys;
	struct ike_session
		*session;       /* what is resumed (ike-resume-state.c), until both are proved */
	struct ike_blob ticket; /* that stands for it */
	bool resumed;
	bool peer_wants_ticket; /* responder: it said so in IKE_AUTH */
	bool ticket_wanted;     /* of the peer, which gives them */
	int64_t proof_expires;  /* s; of the peer's certificate; 0: none */
	uint16_t child_error;   /* responder: the notification instead of a child */
	uint8_t child_proposal; /* number of the chosen one */

	struct ike_requests requests;
	struct ike_request answered; /* without its message: what the answer at hand is for */
	struct ike_answers answers;
	struct ike_header at_hand; /* of the message that is looked at */
	uint32_t asked_id;         /* of the request at hand, and where it came from */
	struct sockaddr_in asked_from;
	struct ike_round_trip round_trip;
	uint64_t retransmitted;                        /* requests sent again, ever */
	struct ike_child children[IKE_CHILDREN_LIMIT]; /* the first is that of IKE_AUTH */

	/* What is wanted next (ike-pursue-state.c). */
	struct ike_negotiation *ours;   /* CREATE_CHILD_SA of ours */
	struct ike_negotiation *theirs; /* of the peer's, the last one; while it is of use */
	struct ike_negotiation *rival; /* one of the peer's before that, which collides with ours */
	uint64_t former_spi; /* ours of the SA that this one replaces, if that is not settled; or 0
			      */
	bool superseded;     /* another SA has taken its place */
	bool child_wanted;   /* a new one from scratch */
	bool probe_wanted;
	bool window_told;
	struct ike_mobike mobike;
	uint64_t rekey_at, expires_at; /* ms; UINT64_MAX: never */
	uint64_t retry_at;             /* no CREATE_CHILD_SA before */
	uint64_t refused_since;        /* with TEMPORARY_FAILURE only; 0: not */

	uint64_t retire_at;   /* ms; a newer SA has taken its place; UINT64_MAX: no */
	bool retire_silently; /* the peer knows it no more */
	bool delete_wanted;
	bool retry_soon;   /* failed because the peer is negotiating with us itself */
	bool reported;     /* the failure was */
	char failure[120]; /* why it was not established */
	char trouble[120]; /* what went wrong last after that */
};

/* Begins an SA with a peer and sends the first request. NULL without memory. */
struct ike_sa *ike_sa_initiate(struct ike_context *context, uint64_t now, const char *peer,
			       const uint8_t host_id[16], const struct sockaddr_in *endpoint);
/* Answers a first request: an SA, or NULL when it was refused or malformed (which is dealt with).
 */
struct ike_sa *ike_sa_respond(struct ike_context *context, uint64_t now,
			      const struct sockaddr_in *from, const struct ike_header *header,
			      const uint8_t *data, size_t size);
/* Whether a first request brings the cookie we would give its sender; if not, it is answered with
 * the cookie, and nothing is kept (§2.6). */
bool ike_sa_has_cookie(struct ike_context *context, uint64_t now, const struct sockaddr_in *from,
		       const struct ike_header *header, const uint8_t *data, size_t size);
/* Wipes; takes NULL; returns NULL. */
struct ike_sa *ike_sa_free(struct ike_sa *sa);

/* A message with our SPI. */
void ike_sa_receive(struct ike_sa *sa, uint64_t now, const struct sockaddr_in *from,
		    const struct ike_header *header, const uint8_t *data, size_t size);
/* The first request came again, with the same octets: sends the response again, if it may not have
 * arrived. */
void ike_sa_repeat_init(struct ike_sa *sa, const struct sockaddr_in *from);
/* The answer to IKE_ACTION_SIGN; NULL: there is none. */
void ike_sa_signed(struct ike_sa *sa, uint64_t now, const uint8_t *signature, size_t size);
/* The answer to IKE_ACTION_INSTALL. */
void ike_sa_installed(struct ike_sa *sa, uint64_t now, uint32_t spi_in, bool success,
		      const char *reason);
/* The peer is somewhere else now: what is under way is sent there at once. */
void ike_sa_move(struct ike_sa *sa, uint64_t now, const struct sockaddr_in *endpoint);
/* Our side has another network: what is under way is sent again at once. */
void ike_sa_hurry(struct ike_sa *sa, uint64_t now);
/* Ends it on both sides, or at once when the other side does not know it yet. */
void ike_sa_delete(struct ike_sa *sa, uint64_t now);
/* Ends it without a word. */
void ike_sa_drop(struct ike_sa *sa);
/* New keys for the SA and its children, by CREATE_CHILD_SA; or for the child with this number. */
void ike_sa_rekey(struct ike_sa *sa, uint64_t now);
/* -ENOENT, or -ENOTCONN for one that ends. */
int ike_sa_rekey_child(struct ike_sa *sa, uint64_t now, uint64_t child);
/* Asks whether the peer is there. */
void ike_sa_probe(struct ike_sa *sa, uint64_t now);
/* Its pairs are gone already: tunneld restarted. */
void ike_sa_forget_children(struct ike_sa *sa);
void ike_sa_tick(struct ike_sa *sa, uint64_t now);
/* When ike_sa_tick() has something to do. */
uint64_t ike_sa_due(const struct ike_sa *sa);

/* INIT_SENT to INSTALLING. */
bool ike_sa_is_connecting(const struct ike_sa *sa);
/* Our own SPI. */
uint64_t ike_sa_spi(const struct ike_sa *sa);

DEFINE_CLEANUP(struct ike_sa *, ike_sa_free)
