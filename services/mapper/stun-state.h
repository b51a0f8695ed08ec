/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What STUN servers (RFC 8489) tell of the NAT we are behind:
 *
 *   first     which address and port they see
 *   filtering whether what comes from their other address or port gets in (RFC 5780 §4.4)
 *   mapping   whether they see another port at their other address or port (§4.3); or, with a
 *             second server, there
 *   hop       who is the second router on the way to them, by a packet that ends there
 *   proof     whether a packet from outside reaches a mapped port (RESPONSE-PORT)
 *
 * Filtering comes before mapping: by then nothing was sent to the server's other address, so no
 * filter has been opened for it. A server is asked from one socket; the mapped port is another
 * one's, which never sends, so that nothing but the mapping lets packets in.
 *
 * Requests are repeated as RFC 8489 §6.2.1 has it: after 500 ms, doubling, seven in all, and 39.5 s
 * until it has failed. Where silence is an answer to be expected, from a server that is known to
 * be there, three are sent and 3.5 s waited, for the proof four and 7.5 s; and then the server is
 * asked once more in the plain way, so that a server that went away is no filter.
 *
 * Nothing is believed that does not come from where it may, for a request that we made. What a
 * server says is a hint nevertheless: nobody vouches for it. Pure; times are ms.
 */
#include "services/mapper/nat-kind.h"

#include "common/net/stun-wire.h"

#include <netinet/in.h>

#define STUN_SERVERS_LIMIT 4
#define STUN_RTO           500
#define STUN_SENDS         7  /* Rc */
#define STUN_LAST_WAIT     16 /* Rm, times the RTO */
#define STUN_PACKET_SIZE   48

enum stun_socket {
	STUN_SOCKET_ASK,
	STUN_SOCKET_MAPPED,
	STUN_SOCKET_HOP,
};

struct stun_packet {
	enum stun_socket socket; /* by which it goes out */
	struct sockaddr_in to;
	int ttl; /* 0: as usual */
	uint8_t octets[STUN_PACKET_SIZE];
	size_t size;
};

struct stun_findings {
	struct sockaddr_in server;    /* who answered; 0.0.0.0: nobody has */
	struct sockaddr_in reflexive; /* what it sees */
	enum nat_behaviour mapping, filtering;
	struct in_addr second_hop; /* 0.0.0.0: not known */
	enum nat_verified verified;
};

struct stun_client_counters {
	uint64_t requests_sent, answers_accepted, answers_malformed, answers_foreign,
		answers_unexpected;
};

enum stun_step {
	STUN_STEP_IDLE,
	STUN_STEP_FIRST,
	STUN_STEP_FILTER_BOTH,
	STUN_STEP_FILTER_PORT,
	STUN_STEP_FILTER_CONTROL,
	STUN_STEP_MAP_ADDRESS,
	STUN_STEP_MAP_BOTH,
	STUN_STEP_SECOND_SERVER,
	STUN_STEP_HOP,
	STUN_STEP_PROOF,
	STUN_STEP_PROOF_CONTROL,
};

struct stun_transaction {
	enum stun_step step; /* IDLE: none */
	bool has_txid;
	uint8_t txid[STUN_TXID_SIZE];
	struct sockaddr_in to, from; /* the answer's */
	unsigned int n_sent, limit;
	uint64_t next_at;
};

/* All zero: nothing is asked. */
struct stun_state {
	struct in_addr local;
	struct sockaddr_in servers[STUN_SERVERS_LIMIT], other;
	size_t n_servers, server; /* the one being asked, or that answered */
	size_t second;
	/* What the server saw when it was asked at its other address. */
	struct sockaddr_in seen_at_address;
	/* Each of its own: discovery, hop and proof do not wait for each other. */
	struct stun_transaction discovery, hop, proof;
	uint16_t proof_port; /* 0: none is wanted */
	struct stun_findings findings;
	struct stun_client_counters counters;
};

/* Another network, or a check: everything anew. `local` is the address we send from. */
void stun_state_begin(struct stun_state *state, struct in_addr local,
		      const struct sockaddr_in *servers, size_t n, uint64_t now);
/* Nothing is asked any more, and nothing is known. */
void stun_state_stop(struct stun_state *state);
/* The port is mapped: prove it, as soon as a server has answered. */
void stun_state_prove(struct stun_state *state, uint16_t external_port, uint64_t now);
void stun_state_stop_proof(struct stun_state *state);
/* Whether the proof is decided, or has nobody who could help. */
bool stun_state_proof_is_over(const struct stun_state *state);

/* True when the findings may have changed. */
bool stun_state_receive(struct stun_state *state, enum stun_socket socket,
			const struct sockaddr_in *from, const void *octets, size_t size,
			uint64_t now);
/* ICMP says that what was sent by the hop's socket ended at `router`. */
bool stun_state_ended_at(struct stun_state *state, struct in_addr router);

/* The next packet to be sent now, if any; `random` is fresh from the kernel's generator. May also
 * change the findings: silence is an answer. */
bool stun_state_take_packet(struct stun_state *state, uint64_t now,
			    const uint8_t random[STUN_TXID_SIZE], struct stun_packet *ret);
/* When to call it again; UINT64_MAX: nothing is under way. */
uint64_t stun_state_due(const struct stun_state *state);
