/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/datapath.h"

#include "common/base/log.h"
#include "services/tunneld/bus.h"
#include "services/tunneld/datagram-wire.h"
#include "services/tunneld/datapath-internal.h"
#include "services/tunneld/datapath-xfrm.h"
#include "services/tunneld/echo-wire.h"
#include "services/tunneld/mapper-client.h"
#include "services/tunneld/offload-proof.h"
#include "services/tunneld/uplinks.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define MEMORY_SIZE (2 << 20)
/* Who is meant, in a line for people: the host's label. */
#define LABEL(peer) (int)strcspn((peer)->name, "."), (peer)->name

uint64_t datapath_look_at_clock(struct tunneld *tunneld)
{
	tunneld->now = loop_now(tunneld->loop);
	return tunneld->now;
}

void datapath_set_timer(struct tunneld *tunneld, const struct peer *peer)
{
	if (peer->due >= tunneld->timer_due)
		return;
	tunneld->timer_due = peer->due;
	loop_timer_set(tunneld->timer, peer->due);
}

void datapath_note_use(struct tunneld *tunneld, struct sa_pair *pair, uint64_t sequence,
		       size_t size)
{
	if (peer_use_pair(pair->peer, pair, pair->esn, sequence, size))
		bus_peer_changed(tunneld, pair->peer);
}

void datapath_carry_out_or_wait(struct tunneld *tunneld, struct peer *peer, unsigned int todo)
{
	if (todo)
		datapath_carry_out(tunneld, peer, todo);
	else
		datapath_set_timer(tunneld, peer);
}

void datapath_send_dummy(struct tunneld *tunneld, struct peer *peer, enum dummy_kind kind,
			 uint32_t number)
{
	uint8_t payload[DUMMY_ANSWER_SIZE];
	size_t size = kind == DUMMY_ANSWER ? DUMMY_ANSWER_SIZE : DUMMY_SIZE;

	if (kind == DUMMY_ANSWER)
		dummy_write_answer(payload, number, &peer->endpoint);
	else
		dummy_write(payload, kind, number);
	datapath_send(tunneld, peer, ESP_NEXT_DUMMY, payload, size, tunneld->settings.tos.value);
	tunneld->counters.dummies_out++;
	peer_sent(peer, datapath_look_at_clock(tunneld), false);
}

void datapath_answer_unreachable(struct tunneld *tunneld, const uint8_t *packet, size_t size,
				 uint8_t code)
{
	uint8_t answer[INNER_ERROR_LIMIT];
	size_t answer_size;

	if (!error_limits_take(&tunneld->error_limits, datapath_look_at_clock(tunneld), packet,
			       size))
		return;
	answer_size = inner_build_unreachable(packet, size, code, answer);
	if (answer_size && tun_device_write(tunneld->device, answer, answer_size) >= 0)
		tunneld->counters.unreachables_sent++;
}

/* The answer, if it comes from there, moves the endpoint. */
static void probe_elsewhere(struct tunneld *tunneld, struct peer *peer)
{
	struct sockaddr_in endpoint = peer->endpoint;

	/* The kernel sends to one place; it is asked there alone. */
	if (peer->current && !peer->current->out)
		return;
	peer->counters.probes_sent++;
	peer->endpoint = peer->probe_place;
	datapath_send_dummy(tunneld, peer, DUMMY_PROBE, peer->last_probe);
	peer->endpoint = endpoint;
}

/* Asks whether so large a packet gets there. What is above the least size must not be cut on its
 * way. */
static void send_size_probe(struct tunneld *tunneld, struct peer *peer, uint64_t now)
{
	uint8_t payload[SETTINGS_MTU_MAXIMUM] = {}, packet[SETTINGS_MTU_MAXIMUM + 64];
	bool echo = peer->path_mtu.by_echo;
	int n;

	if (!peer->current || esp_sealed_size(peer->size_probe) > sizeof packet)
		return;
	/* The kernel would cut it into fragments, and that it arrives would say nothing. */
	if (!peer->current->out) {
		datapath_carry_out(tunneld, peer, peer_size_refused(peer, now));
		return;
	}
	if (echo)
		echo_write(payload, peer->size_probe, &tunneld->host_id, &peer->host_id,
			   peer->size_number);
	else
		dummy_write(payload, DUMMY_SIZE_PROBE, peer->size_number);
	n = esp_seal(peer->current->out, echo ? ESP_NEXT_IPV6 : ESP_NEXT_DUMMY, payload,
		     peer->size_probe, packet, sizeof packet);
	if (n < 0)
		return;
	tunneld->counters.esp_out++;
	tunneld->counters.dummies_out += !echo;
	datapath_note_use(tunneld, peer->current, esp_out_sequence(peer->current->out), n);
	n = peer->size_probe > PATH_MTU_LEAST
		    ? udp_port_send_unfragmented(tunneld->udp, &peer->endpoint, packet, n)
		    : udp_port_send(tunneld->udp, &peer->endpoint, packet, n, NULL, 0);
	peer_sent(peer, now, false);
	if (n == -EMSGSIZE)
		datapath_carry_out(tunneld, peer, peer_size_refused(peer, now));
}

/* Nothing was heard for so long that whoever sent them is to know. */
static void refuse_stale(struct tunneld *tunneld, struct peer *peer, uint64_t now)
{
	for (const struct held_packet *packet = peer->held.first;
	     packet && now > packet->since + HOLD_QUEUE_AGE_MSEC; packet = packet->next)
		datapath_answer_unreachable(tunneld, packet->data, packet->size,
					    INNER_UNREACHABLE_ADDRESS);
	peer->counters.held_dropped += hold_queue_expire(&peer->held, now);
}

/* Packets wait while the kernel does it, and it may be busy with the network that we moved to. */
static void set_path_mtu(struct tunneld *tunneld, struct peer *peer)
{
	int r = 0;

	timeline_note(&tunneld->timeline, tunneld->generation, "packets to %.*s may have %u octets",
		      LABEL(peer), peer->path_mtu.current);
	if (tunneld->have_host_id)
		r = tun_routes_set_mtu(tunneld->routes, &peer->host_id, &tunneld->host_id,
				       peer->path_mtu.current, tunneld->settings.mtu);
	if (r < 0)
		log_warning("cannot set the size of packets to %.*s: %s", LABEL(peer),
			    strerror(-r));
}

static void note(struct tunneld *tunneld, const struct peer *peer, unsigned int todo)
{
	char address[INET_ADDRSTRLEN] = "";

	inet_ntop(AF_INET, &peer->endpoint.sin_addr, address, sizeof address);
	if (todo & PEER_MOVED)
		timeline_note(&tunneld->timeline, tunneld->generation,
			      "endpoint of %.*s moved to %s:%u (%s)", LABEL(peer), address,
			      ntohs(peer->endpoint.sin_port),
			      endpoint_source_to_string(peer->source));
	if (todo & PEER_HEARD)
		timeline_note(&tunneld->timeline, tunneld->generation,
			      "first packet from %.*s again after %" PRIu64 " ms", LABEL(peer),
			      peer->silence);
	/* Those that a timer repeats would fill the timeline. */
	if (todo & PEER_PROBE && todo & (PEER_MOVED | PEER_RESEND))
		timeline_note(&tunneld->timeline, tunneld->generation,
			      "probe sent to %.*s at %s:%u", LABEL(peer), address,
			      ntohs(peer->endpoint.sin_port));
	if (todo & PEER_ACQUIRE)
		timeline_note(&tunneld->timeline, tunneld->generation,
			      "asked for security associations with %.*s", LABEL(peer));
}

/* A packet that was sent again. What the kernel seals it counts itself, as all that goes there. */
static void count_resent(struct peer *peer, uint64_t now, size_t size)
{
	peer->counters.resent++;
	if (!peer->current->out)
		return;
	peer->counters.packets_out++;
	peer->counters.octets_out += size;
	peer_sent(peer, now, true);
}

/* Sends held packets again. False when the kernel would not send: they stay, for the next proof
 * that the path works. */
static bool resend(struct tunneld *tunneld, struct peer *peer, uint64_t now)
{
	struct held_packet *packet = NULL;
	unsigned int n = 0;

	/* Now there is room for all that may be held, so nothing is sent within the loop: a failure
	 * would put other packets into the queue, for which those at hand might give way. */
	udp_port_flush(tunneld->udp);
	while ((packet = peer_next_resend(peer, packet))) {
		uint8_t tos = outer_tos(tunneld->settings.tos,
					packet->data[0] << 4 | packet->data[1] >> 4);

		if (datapath_send(tunneld, peer, ESP_NEXT_IPV6, packet->data, packet->size, tos) <
		    0) {
			peer_send_failed(peer, now);
			break;
		}
		count_resent(peer, now, packet->size);
		n++;
	}
	if (n)
		timeline_note(&tunneld->timeline, tunneld->generation,
			      "%u held packets sent to %.*s", n, LABEL(peer));
	return udp_port_flush(tunneld->udp) == 0 && !packet;
}

void datapath_carry_out(struct tunneld *tunneld, struct peer *peer, unsigned int todo)
{
	static const uint8_t keepalive = NAT_KEEPALIVE;
	uint64_t now = datapath_look_at_clock(tunneld);

	if (todo)
		note(tunneld, peer, todo);
	if (todo & PEER_MOVED || (todo && !peer->uplink.link))
		uplinks_find(tunneld->uplinks, peer);
	datapath_xfrm_sync(tunneld, peer);
	if (todo & PEER_ANNOUNCE)
		bus_peer_changed(tunneld, peer);
	if (todo & PEER_ACQUIRE)
		bus_emit_acquire(tunneld, peer);
	if (todo & PEER_PROBE)
		datapath_send_dummy(tunneld, peer, DUMMY_PROBE, peer_next_probe(peer, now));
	if (todo & PEER_PROBE_ELSEWHERE)
		probe_elsewhere(tunneld, peer);
	if (todo & PEER_ANSWER) {
		peer->counters.answers_sent++;
		datapath_send_dummy(tunneld, peer, DUMMY_ANSWER, peer->answer_number);
	}
	if (todo & PEER_SIZE_ANSWER)
		datapath_send_dummy(tunneld, peer, DUMMY_SIZE_ANSWER, peer->size_answer);
	if (todo & PEER_KEEPALIVE)
		mapper_client_keeps_alive(tunneld->mapper);
	if (todo & PEER_KEEPALIVE && !(todo & PEER_PROBE)) {
		if (udp_port_send(tunneld->udp, &peer->endpoint, &keepalive, 1, NULL, 0) < 0)
			tunneld->counters.send_errors++;
		tunneld->counters.keepalives_out++;
		peer->counters.keepalives_sent++;
		peer_sent(peer, now, false);
	}
	if (todo & PEER_RESEND && !resend(tunneld, peer, now))
		todo &= ~PEER_DROP_HELD;
	if (todo & PEER_UNREACHABLE)
		for (struct held_packet *packet = peer->held.first; packet; packet = packet->next)
			datapath_answer_unreachable(tunneld, packet->data, packet->size,
						    INNER_UNREACHABLE_ADDRESS);
	if (todo & PEER_STALE)
		refuse_stale(tunneld, peer, now);
	if (todo & PEER_DROP_HELD)
		hold_queue_clear(&peer->held);
	if (todo & (PEER_PROBE | PEER_PROBE_ELSEWHERE | PEER_ANSWER | PEER_SIZE_ANSWER))
		udp_port_flush(tunneld->udp);
	if (todo & PEER_MTU)
		set_path_mtu(tunneld, peer);
	if (todo & PEER_SIZE_PROBE)
		send_size_probe(tunneld, peer, now);
	datapath_set_timer(tunneld, peer);
}

static void on_timer(void *userdata)
{
	struct tunneld *tunneld = userdata;
	uint64_t now = datapath_look_at_clock(tunneld);
	struct peer *next;

	tunneld->timer_due = PEER_NEVER;
	for (struct peer *peer = tunneld->peers.peers; peer; peer = next) {
		next = peer->next;
		if (peer->due <= now) {
			struct sa_pair *pair;

			while ((pair = peer_ended_pair(peer, now)))
				tunneld_remove_pair(tunneld, pair);
			datapath_carry_out(tunneld, peer, peer_timer(peer, now));
			tunneld_release_peer(tunneld, peer);
		} else {
			datapath_set_timer(tunneld, peer);
		}
	}
}

static void on_unblocked(void *userdata)
{
	struct tunneld *tunneld = userdata;

	loop_io_set(tunneld->device_io, UV_READABLE);
}

static void on_failed(void *userdata, int error, uint32_t tag)
{
	struct tunneld *tunneld = userdata;
	struct peer *peer = peer_table_find_number(&tunneld->peers, tag);

	tunneld->counters.send_errors++;
	if (!peer || error == EMSGSIZE || error == EINVAL)
		return;
	peer_send_failed(peer, datapath_look_at_clock(tunneld));
	datapath_set_timer(tunneld, peer);
}

static void on_ike_message(void *userdata, const struct sockaddr_in *remote, const uint8_t *message,
			   size_t size)
{
	static const uint8_t marker[NON_ESP_MARKER_SIZE];
	struct tunneld *tunneld = userdata;

	if (!remote) {
		tunneld->counters.ike_dropped++;
		return;
	}
	tunneld->counters.ike_out++;
	if (udp_port_send(tunneld->udp, remote, marker, sizeof marker, message, size) < 0)
		tunneld->counters.send_errors++;
}

static const struct udp_port_callbacks udp_callbacks = {
	.on_train = datapath_on_train,
	.on_batch_end = datapath_on_batch_end,
	.on_wakeup_begins = datapath_on_wakeup_begins,
	.on_wakeup_ends = datapath_on_wakeup_ends,
	.on_failed = on_failed,
	.on_unblocked = on_unblocked,
};

void datapath_set_offloads(struct tunneld *tunneld, const struct offloads *wanted)
{
	struct offloads *now = &tunneld->offloads;

	*now = *wanted;
	now->aead = aead_engine_provider(tunneld->aead);
	tun_device_set_offloads(tunneld->device, &now->tso, &now->uso);
	udp_port_set_offloads(tunneld->udp, &now->gro_send, &now->gro_receive);
	tunneld->coalescer.tcp = now->coalesce;
	tunneld->coalescer.udp = now->coalesce && now->uso;
	bus_emit_changed(tunneld, "Offloads", NULL);
}

/* Without the library that was wished for the other one does the same, only slower. */
static int open_engine(struct tunneld *tunneld)
{
	enum aead_provider wanted = tunneld->settings.offloads.aead;
	int r = aead_engine_new(wanted, &tunneld->aead);

	if (r != -ENOTSUP)
		return r;
	log_warning("aead = %s does not work on this machine; using openssl",
		    aead_provider_to_string(wanted));
	return aead_engine_new(AEAD_PROVIDER_OPENSSL, &tunneld->aead);
}

/* All packets are in one page, if the kernel has such a large one: it copies each of them four
 * times, in several kilobytes apiece. */
static int allocate_memory(struct tunneld *tunneld)
{
	_Static_assert(UDP_PORT_MEMORY + DATAPATH_TUN_BUFFER <= MEMORY_SIZE, "one page is enough");

	tunneld->memory = aligned_alloc(MEMORY_SIZE, MEMORY_SIZE);
	if (!tunneld->memory)
		return -ENOMEM;
	(void)madvise(tunneld->memory, MEMORY_SIZE, MADV_HUGEPAGE);
	tunneld->tun_data = tunneld->memory + UDP_PORT_MEMORY;
	return 0;
}

int datapath_start(struct tunneld *tunneld)
{
	int r;

	tunneld->timer_due = PEER_NEVER;
	r = open_engine(tunneld);
	if (r < 0)
		return r;
	r = allocate_memory(tunneld);
	if (r < 0)
		return r;
	tunneld->coalescer.sink = datapath_write;
	tunneld->coalescer.userdata = tunneld;
	r = loop_timer_new(tunneld->loop, on_timer, tunneld, &tunneld->timer);
	if (r >= 0)
		r = ike_channel_new(tunneld->loop, on_ike_message, tunneld, &tunneld->channel);
	if (r < 0)
		return r;
	r = udp_port_new(tunneld->loop, tunneld->settings.port, tunneld->settings.tos.value,
			 &udp_callbacks, tunneld, tunneld->memory, &tunneld->udp);
	if (r < 0) {
		log_error("cannot have UDP port %u: %s", tunneld->settings.port, strerror(-r));
		return r;
	}
	offload_proof_run(&tunneld->settings.offloads, &tunneld->broken);
	datapath_set_offloads(tunneld, &tunneld->settings.offloads);
	datapath_xfrm_start(tunneld);
	return loop_io_new(tunneld->loop, tun_device_fd(tunneld->device), UV_READABLE,
			   datapath_on_device_ready, tunneld, &tunneld->device_io);
}

void datapath_stop(struct tunneld *tunneld)
{
	tunneld->device_io = loop_io_free(tunneld->device_io);
	datapath_xfrm_stop(tunneld);
	tunneld->udp = udp_port_free(tunneld->udp);
	tunneld->channel = ike_channel_free(tunneld->channel);
	tunneld->timer = loop_timer_free(tunneld->timer);
	free(tunneld->memory);
	tunneld->memory = tunneld->tun_data = NULL;
}

void datapath_free_engine(struct tunneld *tunneld)
{
	tunneld->aead = aead_engine_free(tunneld->aead);
}
