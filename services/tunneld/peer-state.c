/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/peer-state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Nothing for this long, though we send, is doubt; longer where answers take longer. */
#define DOUBT_MSEC         100
#define DOUBT_MSEC_MAXIMUM 1000
/* Data wants a sign of life within this, so that a one-way flow is no doubt to its sender. */
#define ANSWER_MSEC     50
#define ANSWER_GAP_MSEC 10
/* A packet that is no answer to a probe proves a changed path only after this long: until then it
 * may have been under way on the former one. */
#define STRAY_MSEC 1000
/* A responder without a former pair waits this long for the initiator to show that it has the pair.
 */
#define SETTLE_MSEC        50
#define ACQUIRE_AGAIN_MSEC 5000
#define ACQUIRE_LIMIT_MSEC 30000
#define ACQUIRE_PAUSE_MSEC 1000
#define ACQUIRE_SPI_MSEC   2000
/* A packet from another port of the same address moves the endpoint only if nothing came from the
 * present one for this long. A gateway that maps another port than it translates to leaves the peer
 * reachable at two ports, and each of ours leads to another source port there: if both sides
 * followed every packet they would swap for ever. The two sides wait differently long, so that one
 * of them settles on what the other sends to. */
#define PORT_SILENCE_INITIATOR_MSEC 100
#define PORT_SILENCE_RESPONDER_MSEC 250
/* The zone's word about another port of the same address is no news while we hear the peer. */
#define PORT_SILENCE_DNS_MSEC 1000
/* The probes of a burst: one of them may be lost. */
#define BURST_PROBES 3

const char *peer_phase_to_string(enum peer_phase phase)
{
	switch (phase) {
	case PEER_IDLE:
		return "idle";
	case PEER_ACQUIRING:
		return "acquiring";
	case PEER_ESTABLISHED:
		return "established";
	}
	return "";
}

const char *endpoint_source_to_string(enum endpoint_source source)
{
	switch (source) {
	case ENDPOINT_NONE:
		return "none";
	case ENDPOINT_DNS:
		return "dns";
	case ENDPOINT_PACKET:
		return "packet";
	case ENDPOINT_IKE:
		return "ike";
	}
	return "";
}

bool endpoint_equal(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
	return a->sin_addr.s_addr == b->sin_addr.s_addr && a->sin_port == b->sin_port;
}

struct sa_pair *sa_pair_free(struct sa_pair *pair)
{
	if (!pair)
		return NULL;
	esp_in_free(pair->in);
	esp_out_free(pair->out);
	free(pair);
	return NULL;
}

struct peer *peer_new(const struct in6_addr *host_id, const char *name, uint64_t now, bool network)
{
	struct peer *peer = calloc(1, sizeof *peer);

	if (!peer)
		return NULL;
	peer->host_id = *host_id;
	snprintf(peer->name, sizeof peer->name, "%s", name);
	peer->network = network;
	peer->mapped = true;
	path_mtu_init(&peer->path_mtu, PATH_MTU_LEAST);
	peer->endpoint.sin_family = AF_INET;
	peer->dns_endpoint.sin_family = AF_INET;
	peer->next_probe = PEER_NEVER;
	peer->answer_due = PEER_NEVER;
	peer->acquire_again = PEER_NEVER;
	peer->due = PEER_NEVER;
	return peer;
}

struct peer *peer_free(struct peer *peer)
{
	if (!peer)
		return NULL;
	while (peer->pairs) {
		struct sa_pair *pair = peer->pairs;

		peer->pairs = pair->next;
		sa_pair_free(pair);
	}
	hold_queue_clear(&peer->held);
	recent_packets_clear(&peer->recent);
	free(peer);
	return NULL;
}

static void wake_at(struct peer *peer, uint64_t due)
{
	if (due < peer->due)
		peer->due = due;
}

static void hold(struct peer *peer, uint64_t now, uint32_t probe, const uint8_t *packet,
		 size_t size)
{
	int n_dropped = hold_queue_push(&peer->held, now, probe, packet, size);

	if (n_dropped < 0) {
		peer->counters.held_dropped++;
		return;
	}
	peer->counters.held++;
	peer->counters.held_dropped += n_dropped;
	wake_at(peer, now + HOLD_QUEUE_AGE_MSEC + 1);
}

/* What was sent since shortly before the last sign of life may be lost: it is held now. */
static void recall(struct peer *peer, uint64_t now)
{
	const struct recent_packet *packet;

	while ((packet = recent_packets_take(&peer->recent)))
		if (packet->at + peer->answer_msec >= peer->last_received)
			hold(peer, now, peer->last_probe, packet->data, packet->size);
}

static void begin_doubt(struct peer *peer, uint64_t now, uint64_t since)
{
	if (peer->doubt_since)
		return;
	peer->doubt_since = since;
	path_mtu_suspect(&peer->path_mtu, now, false);
	recall(peer, now);
}

static bool can_send(const struct peer *peer)
{
	return peer->phase == PEER_ESTABLISHED && peer->network;
}

/* The path is another one than before, and nothing has shown yet that it works. */
static unsigned int change_path(struct peer *peer, uint64_t now)
{
	if (!can_send(peer))
		return 0;
	begin_doubt(peer, now, now);
	path_mtu_suspect(&peer->path_mtu, now, true);
	wake_at(peer, peer->path_mtu.due);
	peer->path_since = now;
	peer->last_heard_there = 0;
	peer->path_probe = peer->last_probe + 1;
	peer->burst = BURST_PROBES;
	peer->resend_below = UINT32_MAX;
	return PEER_PROBE | PEER_RESEND;
}

static void end_doubt(struct peer *peer)
{
	peer->doubt_since = 0;
	peer->path_since = 0;
	peer->first_unanswered = 0;
	peer->burst = 0;
	peer->next_probe = PEER_NEVER;
}

static unsigned int start_acquiring(struct peer *peer, uint64_t now)
{
	peer->phase = PEER_ACQUIRING;
	peer->acquire_since = now;
	peer->acquire_again = now + ACQUIRE_AGAIN_MSEC;
	peer->counters.acquires++;
	wake_at(peer, peer->acquire_again);
	return PEER_ACQUIRE | PEER_ANNOUNCE;
}

/* Whether `endpoint` is another port of the address that we heard the peer at less than `msec` ago.
 */
static bool is_other_port_of_live(const struct peer *peer, uint64_t now,
				  const struct sockaddr_in *endpoint, uint64_t msec)
{
	return endpoint->sin_addr.s_addr == peer->endpoint.sin_addr.s_addr &&
	       peer->last_heard_there && now - peer->last_heard_there < msec;
}

static void set_endpoint(struct peer *peer, const struct sockaddr_in *endpoint,
			 enum endpoint_source source, uint64_t heard)
{
	if (!endpoint_equal(endpoint, &peer->endpoint))
		peer->counters.endpoint_moves++;
	peer->endpoint = *endpoint;
	peer->source = source;
	peer->last_heard_there = heard;
}

unsigned int peer_hear_watcher(struct peer *peer, uint64_t now, const char *name,
			       const struct sockaddr_in *endpoint, uint64_t generation,
			       uint64_t incarnation)
{
	bool first = !peer->dns_incarnation;
	bool changed;
	unsigned int todo = 0;

	peer->listed = true;
	if (strncmp(peer->name, name, sizeof peer->name - 1)) {
		snprintf(peer->name, sizeof peer->name, "%s", name);
		todo |= PEER_ANNOUNCE;
	}
	if (!endpoint)
		return todo;
	changed = !endpoint_equal(endpoint, &peer->dns_endpoint) ||
		  (incarnation == peer->dns_incarnation && generation > peer->dns_generation);
	peer->dns_endpoint = *endpoint;
	peer->dns_generation = generation;
	peer->dns_incarnation = incarnation;
	/* What it says first is no news about a peer that we already reach. */
	if (!changed || (first && peer->source != ENDPOINT_NONE) ||
	    endpoint_equal(endpoint, &peer->endpoint) ||
	    is_other_port_of_live(peer, now, endpoint, PORT_SILENCE_DNS_MSEC))
		return todo;
	set_endpoint(peer, endpoint, ENDPOINT_DNS, 0);
	return todo | PEER_MOVED | PEER_ANNOUNCE | change_path(peer, now);
}

/* What to send on when the one in use goes: the newest that the other side is known to have. NULL:
 * there are only retired ones. */
static struct sa_pair *next_pair(const struct peer *peer)
{
	struct sa_pair *unproven = NULL;

	for (struct sa_pair *pair = peer->pairs; pair; pair = pair->next) {
		if (pair->retired)
			continue;
		if (pair->initiator || pair->proven)
			return pair;
		if (!unproven)
			unproven = pair;
	}
	return unproven;
}

/* From now on we send on `pair`; the others receive for a while. */
static void switch_to(struct peer *peer, uint64_t now, struct sa_pair *pair)
{
	peer->current = pair;
	pair->ends_at = PEER_NEVER;
	for (struct sa_pair *other = pair->next; other; other = other->next) {
		if (other->ends_at == PEER_NEVER)
			other->ends_at = now + PEER_FORMER_MSEC;
		wake_at(peer, other->ends_at);
	}
}

unsigned int peer_install(struct peer *peer, uint64_t now, struct sa_pair *pair,
			  const struct sockaddr_in *endpoint)
{
	unsigned int todo = PEER_ANNOUNCE;

	pair->peer = peer;
	pair->order = ++peer->last_order;
	pair->ends_at = PEER_NEVER;
	pair->next = peer->pairs;
	peer->pairs = pair;
	if (!endpoint_equal(endpoint, &peer->endpoint))
		todo |= PEER_MOVED;
	set_endpoint(peer, endpoint, ENDPOINT_IKE, now);
	peer->last_sent = now;
	peer->last_error[0] = '\0';
	peer->phase = PEER_ESTABLISHED;
	peer->acquire_again = PEER_NEVER;
	wake_at(peer, now + PEER_KEEPALIVE_MSEC);
	if (pair->initiator) {
		/* The responder had the pair before it answered: what waits can go. The probes show
		 * it that we have the pair too. */
		switch_to(peer, now, pair);
		peer->settle_until = 0;
		end_doubt(peer);
		peer->resend_below = UINT32_MAX;
		peer->burst = BURST_PROBES;
		return peer->network ? todo | PEER_PROBE | PEER_RESEND | PEER_DROP_HELD : todo;
	}
	if (!peer->current) {
		switch_to(peer, now, pair);
		peer->settle_until = now + SETTLE_MSEC;
		wake_at(peer, peer->settle_until);
	}
	return todo;
}

unsigned int peer_remove_pair(struct peer *peer, uint64_t now, struct sa_pair *pair)
{
	for (struct sa_pair **link = &peer->pairs; *link; link = &(*link)->next) {
		if (*link == pair) {
			*link = pair->next;
			break;
		}
	}
	pair->next = NULL;
	if (pair != peer->current)
		return PEER_ANNOUNCE;
	peer->current = NULL;
	if (next_pair(peer)) {
		switch_to(peer, now, next_pair(peer));
		return PEER_ANNOUNCE;
	}
	peer->phase = PEER_IDLE;
	peer->silent = false;
	peer->settle_until = 0;
	peer->answer_due = PEER_NEVER;
	/* What it has under way is no wish for new ones. */
	peer->unknown_after = now + ACQUIRE_SPI_MSEC;
	recent_packets_clear(&peer->recent);
	end_doubt(peer);
	path_mtu_rest(&peer->path_mtu);
	return PEER_ANNOUNCE | PEER_DROP_HELD;
}

int peer_retire_pair(struct peer *peer, uint64_t now, struct sa_pair *pair, unsigned int *ret_todo)
{
	bool alone = true;

	for (const struct sa_pair *other = peer->pairs; other; other = other->next)
		if (other != pair && !other->retired)
			alone = false;
	if (alone)
		return -ENOENT;
	*ret_todo = PEER_ANNOUNCE;
	pair->retired = true;
	if (peer->current == pair)
		switch_to(peer, now, next_pair(peer));
	if (pair->ends_at == PEER_NEVER)
		pair->ends_at = now + PEER_FORMER_MSEC;
	wake_at(peer, pair->ends_at);
	return 0;
}

unsigned int peer_use_pair(struct peer *peer, struct sa_pair *pair, bool esn, uint64_t sequence,
			   size_t size)
{
	/* Three quarters of the numbers there are (RFC 4303 §3.3.3). */
	uint64_t numbers = esn ? UINT64_MAX / 4 * 3 : UINT32_MAX / 4 * 3;

	pair->octets += size;
	if (pair->worn ||
	    (sequence < numbers && (!pair->limit_packets || sequence < pair->limit_packets) &&
	     (!pair->limit_octets || pair->octets < pair->limit_octets)))
		return 0;
	pair->worn = true;
	return PEER_ANNOUNCE;
}

unsigned int peer_move(struct peer *peer, uint64_t now, const struct sockaddr_in *endpoint)
{
	if (endpoint_equal(endpoint, &peer->endpoint))
		return 0;
	set_endpoint(peer, endpoint, ENDPOINT_IKE, 0);
	return PEER_MOVED | PEER_ANNOUNCE | change_path(peer, now);
}

struct sa_pair *peer_ended_pair(const struct peer *peer, uint64_t now)
{
	for (struct sa_pair *pair = peer->pairs; pair; pair = pair->next)
		if (pair->ends_at <= now && pair != peer->current)
			return pair;
	return NULL;
}

static unsigned int give_up_acquiring(struct peer *peer, uint64_t now, const char *reason)
{
	snprintf(peer->last_error, sizeof peer->last_error, "%s", reason);
	if (peer->phase != PEER_ACQUIRING)
		return PEER_ANNOUNCE;
	peer->phase = PEER_IDLE;
	peer->acquire_again = PEER_NEVER;
	peer->acquire_after = now + ACQUIRE_PAUSE_MSEC;
	return PEER_ANNOUNCE | PEER_UNREACHABLE | PEER_DROP_HELD;
}

unsigned int peer_acquire_failed(struct peer *peer, uint64_t now, const char *reason)
{
	return give_up_acquiring(peer, now, reason);
}

unsigned int peer_hear_unknown_spi(struct peer *peer, uint64_t now)
{
	if (peer->phase != PEER_IDLE || now < peer->acquire_after || now < peer->unknown_after)
		return 0;
	peer->unknown_after = now + ACQUIRE_SPI_MSEC;
	return start_acquiring(peer, now);
}

/* How long we may send without an answer before we doubt. */
static uint64_t doubt_after(const struct peer *peer)
{
	uint64_t msec = 3 * peer->answer_msec;

	if (msec < DOUBT_MSEC)
		return DOUBT_MSEC;
	return msec < DOUBT_MSEC_MAXIMUM ? msec : DOUBT_MSEC_MAXIMUM;
}

/* Whether we are in doubt now; notes when it began. */
static bool look_for_doubt(struct peer *peer, uint64_t now)
{
	if (peer->doubt_since)
		return true;
	if (!peer->first_unanswered || now - peer->first_unanswered <= doubt_after(peer))
		return false;
	begin_doubt(peer, now, peer->first_unanswered);
	if (peer->next_probe == PEER_NEVER)
		peer->next_probe = now;
	wake_at(peer, now);
	return true;
}

unsigned int peer_ask(struct peer *peer, uint64_t now, enum peer_verdict *ret_verdict)
{
	*ret_verdict = PEER_HOLD;
	if (peer->phase != PEER_ESTABLISHED) {
		if (peer->phase == PEER_ACQUIRING)
			return 0;
		if (now >= peer->acquire_after)
			return start_acquiring(peer, now);
		wake_at(peer, peer->acquire_after);
		return 0;
	}
	if (peer->network && !peer->settle_until)
		*ret_verdict = look_for_doubt(peer, now) ? PEER_SEND_AND_HOLD : PEER_SEND;
	return 0;
}

void peer_keep(struct peer *peer, uint64_t now, enum peer_verdict verdict, const uint8_t *packet,
	       size_t size)
{
	switch (verdict) {
	case PEER_HOLD:
		hold(peer, now, 0, packet, size);
		break;
	case PEER_SEND:
		recent_packets_note(&peer->recent, now, packet, size);
		break;
	case PEER_SEND_AND_HOLD:
		hold(peer, now, peer->last_probe, packet, size);
		break;
	}
}

unsigned int peer_outgoing(struct peer *peer, uint64_t now, const uint8_t *packet, size_t size,
			   bool *ret_send)
{
	enum peer_verdict verdict;
	unsigned int todo = peer_ask(peer, now, &verdict);

	peer_keep(peer, now, verdict, packet, size);
	*ret_send = verdict != PEER_HOLD;
	return todo;
}

void peer_sent(struct peer *peer, uint64_t now, bool data)
{
	peer->last_sent = now;
	peer->answer_due = PEER_NEVER;
	if (!data)
		return;
	peer->last_data_sent = now;
	if (!peer->first_unanswered) {
		peer->first_unanswered = now;
		wake_at(peer, now + doubt_after(peer) + 1);
	}
}

void peer_send_failed(struct peer *peer, uint64_t now)
{
	if (peer->phase != PEER_ESTABLISHED || peer->doubt_since)
		return;
	begin_doubt(peer, now, now);
	peer->next_probe = now + DOUBT_MSEC;
	wake_at(peer, peer->next_probe);
}

/* When to probe next while in doubt: often at first, since somebody waits. */
static uint64_t probe_interval(uint64_t doubt_msec)
{
	if (doubt_msec < 3000)
		return 100;
	return doubt_msec < 15000 ? 250 : 1000;
}

uint32_t peer_next_probe(struct peer *peer, uint64_t now)
{
	peer->counters.probes_sent++;
	if (peer->burst)
		peer->burst--;
	/* A burst is at 0, 20 and 60 ms. */
	if (peer->burst)
		peer->next_probe = now + (peer->burst == BURST_PROBES - 1 ? 20 : 40);
	else if (peer->doubt_since)
		peer->next_probe = now + probe_interval(now - peer->doubt_since);
	else
		peer->next_probe = PEER_NEVER;
	wake_at(peer, peer->next_probe);
	return ++peer->last_probe;
}

struct held_packet *peer_next_resend(struct peer *peer, struct held_packet *after)
{
	struct held_packet *packet = after ? after->next : peer->held.first;

	while (packet && packet->probe >= peer->resend_below)
		packet = packet->next;
	if (packet) {
		packet->probe = peer->last_probe;
		peer->counters.resent++;
	}
	return packet;
}

/* Smooths the time from our first unanswered packet to now. */
static void note_answer(struct peer *peer, uint64_t now)
{
	uint64_t sample = now - peer->first_unanswered;

	if (!peer->first_unanswered)
		return;
	peer->first_unanswered = 0;
	/* Longer ones tell of an outage, not of the path. */
	if (sample <= DOUBT_MSEC_MAXIMUM)
		peer->answer_msec = (7 * peer->answer_msec + sample) / 8;
}

/* The path was changed, by us or by the peer, and works. */
static void note_handover(struct peer *peer, uint64_t stall)
{
	peer->counters.handovers++;
	peer->counters.stall_msec += stall;
	if (stall > peer->counters.stall_longest_msec)
		peer->counters.stall_longest_msec = stall;
}

/* The path works: what was sent before it did goes out again. */
static unsigned int accept_proof(struct peer *peer, uint64_t now,
				 const struct peer_arrival *arrival, bool moved)
{
	bool answered = !arrival->data && arrival->dummy == DUMMY_ANSWER && arrival->number;
	unsigned int todo = 0;

	if (!peer->doubt_since && !peer->held.n_packets)
		return 0;
	if (peer->doubt_since) {
		peer->silence = now - peer->doubt_since;
		todo |= PEER_HEARD;
		if (peer->path_since || moved)
			note_handover(peer, peer->silence);
	}
	if (peer->held.n_packets) {
		peer->resend_below = UINT32_MAX;
		if (answered && !moved)
			peer->resend_below = arrival->number;
		else if (peer->path_since && !moved)
			peer->resend_below = peer->path_probe;
		todo |= PEER_RESEND | PEER_DROP_HELD;
	}
	/* The other side may be in the same doubt. */
	if (!answered && !moved) {
		peer->answer_number = 0;
		todo |= PEER_ANSWER;
	}
	end_doubt(peer);
	return todo;
}

static bool follow_endpoint(struct peer *peer, uint64_t now, const struct peer_arrival *arrival)
{
	uint64_t silence = arrival->pair->initiator ? PORT_SILENCE_INITIATOR_MSEC
						    : PORT_SILENCE_RESPONDER_MSEC;

	if (endpoint_equal(&arrival->source, &peer->endpoint))
		peer->last_heard_there = now;
	/* Late packets of a former pair say where the peer was. When the newer one has been silent
	 * for a while they are not late: of two pairs made at once each side may send on another,
	 * and one of them goes again. */
	if (!arrival->newest ||
	    (arrival->pair->order < peer->mover_order && now - peer->mover_heard < STRAY_MSEC))
		return false;
	peer->mover_order = arrival->pair->order;
	peer->mover_heard = now;
	if (endpoint_equal(&arrival->source, &peer->endpoint) ||
	    is_other_port_of_live(peer, now, &arrival->source, silence))
		return false;
	set_endpoint(peer, &arrival->source, ENDPOINT_PACKET, now);
	return true;
}

static bool is_proof(const struct peer *peer, uint64_t now, const struct peer_arrival *arrival)
{
	if (!peer->path_since || now - peer->path_since >= STRAY_MSEC)
		return true;
	return !arrival->data && arrival->dummy == DUMMY_ANSWER &&
	       arrival->number >= peer->path_probe;
}

/* The first packet on a pair shows that the other side has it. */
static unsigned int prove_pair(struct peer *peer, uint64_t now, struct sa_pair *pair)
{
	unsigned int todo = 0;

	pair->proven = true;
	if (!peer->current || pair->order > peer->current->order) {
		switch_to(peer, now, pair);
		todo |= PEER_ANNOUNCE;
	}
	if (peer->settle_until && pair == peer->current) {
		peer->settle_until = 0;
		peer->resend_below = UINT32_MAX;
		todo |= PEER_RESEND | PEER_DROP_HELD;
	}
	return todo;
}

void peer_note_size(struct peer *peer, uint64_t now, size_t size)
{
	path_mtu_sent(&peer->path_mtu, now, size);
	wake_at(peer, peer->path_mtu.due);
}

unsigned int peer_size_refused(struct peer *peer, uint64_t now)
{
	bool changed = path_mtu_refused(&peer->path_mtu, now);

	wake_at(peer, peer->path_mtu.due);
	return changed ? PEER_MTU | PEER_ANNOUNCE : 0;
}

/* What an arrival says about sizes. */
static unsigned int hear_size(struct peer *peer, uint64_t now, const struct peer_arrival *arrival)
{
	unsigned int todo = 0;

	if (arrival->data || arrival->dummy != DUMMY_SIZE_ANSWER)
		path_mtu_heard(&peer->path_mtu, now);
	else if (path_mtu_answered(&peer->path_mtu, now, arrival->number))
		todo |= PEER_MTU | PEER_ANNOUNCE;
	if (!arrival->data && arrival->dummy == DUMMY_SIZE_PROBE) {
		peer->size_answer = arrival->number;
		todo |= PEER_SIZE_ANSWER;
	}
	wake_at(peer, peer->path_mtu.due);
	return todo;
}

unsigned int peer_incoming(struct peer *peer, uint64_t now, const struct peer_arrival *arrival)
{
	unsigned int todo = hear_size(peer, now, arrival);
	bool moved;

	if (!arrival->pair->proven)
		todo |= prove_pair(peer, now, arrival->pair);
	if (peer->silent) {
		peer->silent = false;
		todo |= PEER_ANNOUNCE;
	}
	look_for_doubt(peer, now);
	note_answer(peer, now);
	if (!arrival->data && arrival->dummy == DUMMY_ANSWER && arrival->number)
		peer->burst = 0;
	moved = follow_endpoint(peer, now, arrival);
	if (moved) {
		/* Shorter than a doubt, and yet what went to the former place is lost. */
		begin_doubt(peer, now, now);
		path_mtu_suspect(&peer->path_mtu, now, true);
		wake_at(peer, peer->path_mtu.due);
		todo |= PEER_MOVED | PEER_ANNOUNCE | PEER_PROBE;
	}
	if (peer->network && (moved || is_proof(peer, now, arrival)))
		todo |= accept_proof(peer, now, arrival, moved);
	peer->last_received = now;
	if (arrival->data) {
		if (peer->answer_due == PEER_NEVER) {
			peer->answer_due = now + ANSWER_MSEC;
			wake_at(peer, peer->answer_due);
		}
	} else if (arrival->dummy == DUMMY_PROBE && now - peer->last_answer >= ANSWER_GAP_MSEC) {
		peer->last_answer = now;
		peer->answer_number = arrival->number;
		todo |= PEER_ANSWER;
	}
	return todo;
}

unsigned int peer_network_changed(struct peer *peer, uint64_t now, bool network)
{
	peer->network = network;
	if (!network)
		return 0;
	return change_path(peer, now);
}

/* Whether a probe is due. Where nobody answers and nobody asks, probing ends. */
static unsigned int probe_when_due(struct peer *peer, uint64_t now)
{
	uint64_t asked = peer->last_data_sent;

	if (now < peer->next_probe || !peer->network)
		return 0;
	if (peer->doubt_since > asked)
		asked = peer->doubt_since;
	peer->next_probe = PEER_NEVER;
	return peer->burst || now - asked <= HOLD_QUEUE_AGE_MSEC ? PEER_PROBE : 0;
}

/* The newest on which we may send. */
static struct sa_pair *newest_pair(const struct peer *peer)
{
	for (struct sa_pair *pair = peer->pairs; pair; pair = pair->next)
		if (!pair->retired)
			return pair;
	return peer->pairs;
}

/* Only who is behind a NAT sends keepalives (RFC 3948 §4). */
static bool keeps_alive(const struct peer *peer)
{
	return peer->network && peer->mapped;
}

static unsigned int time_sizes(struct peer *peer, uint64_t now)
{
	unsigned int todo = 0;

	if (!peer->network || now < peer->path_mtu.due)
		return 0;
	if (path_mtu_timer(&peer->path_mtu, now, &peer->size_probe, &peer->size_number))
		todo |= PEER_MTU | PEER_ANNOUNCE;
	return peer->size_probe ? todo | PEER_SIZE_PROBE : todo;
}

static unsigned int time_established(struct peer *peer, uint64_t now)
{
	unsigned int todo = time_sizes(peer, now);

	if (peer->settle_until && now >= peer->settle_until) {
		peer->settle_until = 0;
		peer->resend_below = UINT32_MAX;
		todo |= peer->network ? PEER_RESEND | PEER_DROP_HELD : 0;
	}
	/* The other side may have lost the former pair, on which we still send. */
	if (look_for_doubt(peer, now) && newest_pair(peer) != peer->current) {
		switch_to(peer, now, newest_pair(peer));
		todo |= PEER_ANNOUNCE;
	}
	if (!peer->silent && peer->first_unanswered &&
	    now - peer->first_unanswered >= PEER_SILENT_MSEC) {
		peer->silent = true;
		todo |= PEER_ANNOUNCE;
	}
	todo |= probe_when_due(peer, now);
	if (now >= peer->answer_due) {
		peer->answer_due = PEER_NEVER;
		peer->answer_number = 0;
		todo |= peer->network ? PEER_ANSWER : 0;
	}
	if (keeps_alive(peer) && now - peer->last_sent >= PEER_KEEPALIVE_MSEC)
		todo |= PEER_KEEPALIVE;
	return todo;
}

static uint64_t due_established(const struct peer *peer)
{
	uint64_t due = peer->answer_due;

	if (peer->settle_until && peer->settle_until < due)
		due = peer->settle_until;
	if (peer->first_unanswered && !peer->doubt_since &&
	    peer->first_unanswered + doubt_after(peer) + 1 < due)
		due = peer->first_unanswered + doubt_after(peer) + 1;
	if (peer->first_unanswered && !peer->silent &&
	    peer->first_unanswered + PEER_SILENT_MSEC < due)
		due = peer->first_unanswered + PEER_SILENT_MSEC;
	if (peer->network && peer->path_mtu.due < due)
		due = peer->path_mtu.due;
	if (peer->network && peer->next_probe < due)
		due = peer->next_probe;
	if (keeps_alive(peer) && peer->last_sent + PEER_KEEPALIVE_MSEC < due)
		due = peer->last_sent + PEER_KEEPALIVE_MSEC;
	for (const struct sa_pair *pair = peer->pairs; pair; pair = pair->next)
		if (pair->ends_at < due)
			due = pair->ends_at;
	return due;
}

unsigned int peer_timer(struct peer *peer, uint64_t now)
{
	unsigned int todo = 0;

	if (hold_queue_is_stale(&peer->held, now))
		todo |= PEER_STALE;
	peer->due = PEER_NEVER;
	switch (peer->phase) {
	case PEER_IDLE:
		if (!peer->held.n_packets)
			break;
		if (now >= peer->acquire_after)
			todo |= start_acquiring(peer, now);
		else
			wake_at(peer, peer->acquire_after);
		break;
	case PEER_ACQUIRING:
		if (now - peer->acquire_since >= ACQUIRE_LIMIT_MSEC) {
			todo |= give_up_acquiring(peer, now, "keyd did not answer");
			break;
		}
		if (now >= peer->acquire_again) {
			peer->acquire_again = now + ACQUIRE_AGAIN_MSEC;
			todo |= PEER_ACQUIRE;
		}
		wake_at(peer, peer->acquire_again);
		break;
	case PEER_ESTABLISHED:
		todo |= time_established(peer, now);
		wake_at(peer, due_established(peer));
		break;
	}
	if (peer->held.first)
		wake_at(peer, peer->held.first->since + HOLD_QUEUE_AGE_MSEC + 1);
	/* What is due already is in `todo`; never ring twice in one millisecond for it. */
	if (peer->due <= now)
		peer->due = now + 1;
	return todo;
}
