/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/datapath.h"

#include "common/base/log.h"
#include "services/tunneld/bus.h"
#include "services/tunneld/datagram-wire.h"
#include "services/tunneld/inner-wire.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Who is meant, in a line for people: the host's label. */
#define LABEL(peer) (int)strcspn((peer)->name, "."), (peer)->name

static void set_timer(struct tunneld *tunneld, const struct peer *peer)
{
	if (peer->due >= tunneld->timer_due)
		return;
	tunneld->timer_due = peer->due;
	loop_timer_set(tunneld->timer, peer->due);
}

static void note_use(struct tunneld *tunneld, struct sa_pair *pair, uint64_t sequence, size_t size)
{
	if (peer_use_pair(pair->peer, pair, esp_out_esn(pair->out), sequence, size))
		bus_peer_changed(tunneld, pair->peer);
}

/* Seals into the next room of the port. */
static void send_sealed(struct tunneld *tunneld, struct peer *peer, uint8_t next_header,
			const uint8_t *payload, size_t size, uint8_t ecn)
{
	uint8_t *room = udp_port_room(tunneld->udp);
	int n;

	if (!room || !peer->current) {
		tunneld->counters.send_errors++;
		return;
	}
	n = esp_seal(peer->current->out, next_header, payload, size, room, UDP_PORT_ROOM_SIZE);
	if (n < 0) {
		if (n == -EOVERFLOW)
			tunneld->counters.sequence_exhausted++;
		else
			tunneld->counters.send_errors++;
		return;
	}
	tunneld->counters.esp_out++;
	note_use(tunneld, peer->current, esp_out_sequence(peer->current->out), n);
	udp_port_commit(tunneld->udp, n, &peer->endpoint, ecn, peer->number);
}

static void send_dummy(struct tunneld *tunneld, struct peer *peer, uint64_t now,
		       enum dummy_kind kind, uint32_t number)
{
	uint8_t payload[DUMMY_SIZE];

	dummy_write(payload, kind, number);
	send_sealed(tunneld, peer, ESP_NEXT_DUMMY, payload, sizeof payload, 0);
	tunneld->counters.dummies_out++;
	peer_sent(peer, now, false);
}

static void send_data(struct tunneld *tunneld, struct peer *peer, uint64_t now,
		      const uint8_t *packet, size_t size)
{
	send_sealed(tunneld, peer, ESP_NEXT_IPV6, packet, size, packet[1] >> 4 & 3);
	peer->counters.packets_out++;
	peer->counters.octets_out += size;
	peer_sent(peer, now, true);
}

static void answer_unreachable(struct tunneld *tunneld, const uint8_t *packet, size_t size,
			       uint8_t code)
{
	uint8_t answer[INNER_UNREACHABLE_LIMIT];
	size_t answer_size = inner_build_unreachable(packet, size, code, answer);

	if (answer_size && tun_device_write(tunneld->device, answer, answer_size) >= 0)
		tunneld->counters.unreachables_sent++;
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

/* Sends held packets again. False when the kernel would not send: they stay. */
static bool resend(struct tunneld *tunneld, struct peer *peer, uint64_t now)
{
	struct held_packet *packet = NULL;
	unsigned int n = 0;

	while ((packet = peer_next_resend(peer, packet))) {
		send_data(tunneld, peer, now, packet->data, packet->size);
		n++;
	}
	if (n)
		timeline_note(&tunneld->timeline, tunneld->generation,
			      "%u held packets sent to %.*s", n, LABEL(peer));
	return udp_port_flush(tunneld->udp) == 0;
}

void datapath_carry_out(struct tunneld *tunneld, struct peer *peer, unsigned int todo)
{
	static const uint8_t keepalive = NAT_KEEPALIVE;
	uint64_t now = loop_now(tunneld->loop);

	if (todo)
		note(tunneld, peer, todo);
	if (todo & PEER_ANNOUNCE)
		bus_peer_changed(tunneld, peer);
	if (todo & PEER_ACQUIRE)
		bus_emit_acquire(tunneld, peer);
	if (todo & PEER_PROBE)
		send_dummy(tunneld, peer, now, DUMMY_PROBE, peer_next_probe(peer, now));
	if (todo & PEER_ANSWER) {
		peer->counters.answers_sent++;
		send_dummy(tunneld, peer, now, DUMMY_ANSWER, peer->answer_number);
	}
	if (todo & PEER_KEEPALIVE) {
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
			answer_unreachable(tunneld, packet->data, packet->size,
					   INNER_UNREACHABLE_ADDRESS);
	if (todo & PEER_DROP_HELD)
		hold_queue_clear(&peer->held);
	if (todo & (PEER_PROBE | PEER_ANSWER))
		udp_port_flush(tunneld->udp);
	set_timer(tunneld, peer);
}

static void on_timer(void *userdata)
{
	struct tunneld *tunneld = userdata;
	uint64_t now = loop_now(tunneld->loop);
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
			set_timer(tunneld, peer);
		}
	}
}

/* A packet of this host. */
static void forward_out(struct tunneld *tunneld, const uint8_t *packet, size_t size)
{
	/* Of this packet: what an earlier one of the batch led to, such as a failure to send, has
	 * noted its own time, and time must not go back. */
	uint64_t now = loop_now(tunneld->loop);
	struct inner_packet inner;
	struct peer *peer;
	bool send;
	unsigned int todo;

	if (inner_parse(packet, size, &inner) < 0 || inner.destination.s6_addr[0] == 0xff ||
	    !tunneld->have_host_id ||
	    memcmp(&inner.source, &tunneld->host_id, sizeof inner.source)) {
		/* The kernel's own talk on an interface: router solicitations, group memberships.
		 */
		tunneld->counters.noise_dropped++;
		return;
	}
	peer = peer_table_find_host(&tunneld->peers, &inner.destination);
	if (!peer) {
		tunneld->counters.unknown_destination++;
		/* After a restart the peers are not known yet: silence does no harm, an error
		 * might. */
		if (tunneld->watcher_known)
			answer_unreachable(tunneld, packet, size, INNER_UNREACHABLE_NO_ROUTE);
		return;
	}
	todo = peer_outgoing(peer, now, packet, inner.size, &send);
	if (send)
		send_data(tunneld, peer, now, packet, inner.size);
	if (todo)
		datapath_carry_out(tunneld, peer, todo);
	else
		set_timer(tunneld, peer);
}

static void on_device_ready(void *userdata, int status, int events)
{
	struct tunneld *tunneld = userdata;

	for (unsigned int i = 0; i < TUN_BATCH; i++) {
		uint8_t *packet = tunneld->tun_data + (size_t)i * TUN_PACKET_SIZE;
		ssize_t n;

		/* While the port takes no more, packets queue up where their senders notice. */
		if (!udp_port_room(tunneld->udp)) {
			loop_io_set(tunneld->device_io, 0);
			return;
		}
		n = tun_device_read(tunneld->device, packet, TUN_PACKET_SIZE);
		if (n == -EBADFD) {
			log_error("somebody took the interface %s away",
				  tunneld->settings.interface);
			loop_io_set(tunneld->device_io, 0);
			daemon_stop(tunneld->daemon, 1);
			return;
		}
		if (n < 0) {
			tunneld->counters.tun_errors += n != -EAGAIN;
			break;
		}
		forward_out(tunneld, packet, n);
	}
	udp_port_flush(tunneld->udp);
	if (udp_port_blocked(tunneld->udp))
		loop_io_set(tunneld->device_io, 0);
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
	peer_send_failed(peer, loop_now(tunneld->loop));
	set_timer(tunneld, peer);
}

/* What was inside of an authenticated packet, to the interface. Returns whether it was one of the
 * peer's to us. */
static bool forward_in(struct tunneld *tunneld, struct peer *peer, struct esp_opened *opened,
		       uint8_t ecn)
{
	struct inner_packet inner;

	if (opened->next_header != ESP_NEXT_IPV6 ||
	    inner_parse(opened->payload, opened->size, &inner) < 0) {
		tunneld->counters.malformed++;
		return false;
	}
	if (!tunneld->have_host_id || memcmp(&inner.source, &peer->host_id, sizeof inner.source) ||
	    memcmp(&inner.destination, &tunneld->host_id, sizeof inner.destination)) {
		tunneld->counters.wrong_selector++;
		return false;
	}
	if (!inner_combine_ecn(opened->payload, ecn)) {
		tunneld->counters.congestion_dropped++;
		return true;
	}
	peer->counters.packets_in++;
	peer->counters.octets_in += inner.size;
	if (tun_device_write(tunneld->device, opened->payload, inner.size) < 0)
		tunneld->counters.tun_errors++;
	return true;
}

/* Somebody sends on an association that we do not have. If a peer is known to be there and has none
 * with us, a restart of ours lost it. */
static void hear_unknown_spi(struct tunneld *tunneld, const struct sockaddr_in *source,
			     uint64_t now)
{
	struct peer *same_address = NULL;

	tunneld->counters.unknown_spi++;
	for (struct peer *peer = tunneld->peers.peers; peer; peer = peer->next) {
		if (peer->endpoint.sin_addr.s_addr != source->sin_addr.s_addr)
			continue;
		if (!same_address || endpoint_equal(&peer->endpoint, source))
			same_address = peer;
	}
	if (same_address)
		datapath_carry_out(tunneld, same_address, peer_hear_unknown_spi(same_address, now));
}

static void receive_esp(struct tunneld *tunneld, uint8_t *data, size_t size,
			const struct sockaddr_in *source, uint8_t ecn)
{
	struct sa_pair *pair = peer_table_find_spi(&tunneld->peers, datagram_spi(data));
	uint64_t now = loop_now(tunneld->loop);
	struct peer_arrival arrival = { .pair = pair, .source = *source };
	struct esp_opened opened;
	unsigned int todo;
	int r;

	if (!pair) {
		hear_unknown_spi(tunneld, source, now);
		return;
	}
	r = esp_open(pair->in, data, size, &opened);
	if (r < 0) {
		if (r == -EALREADY)
			tunneld->counters.replayed++;
		else if (r == -EBADMSG)
			tunneld->counters.bad_icv++;
		else
			tunneld->counters.malformed++;
		return;
	}
	tunneld->counters.esp_in++;
	note_use(tunneld, pair, opened.sequence, size);
	arrival.newest = opened.newest;
	if (opened.next_header == ESP_NEXT_DUMMY) {
		tunneld->counters.dummies_in++;
		arrival.dummy = dummy_read(opened.payload, opened.size, &arrival.number);
	} else {
		arrival.data = forward_in(tunneld, pair->peer, &opened, ecn);
	}
	todo = peer_incoming(pair->peer, now, &arrival);
	if (todo)
		datapath_carry_out(tunneld, pair->peer, todo);
	else
		set_timer(tunneld, pair->peer);
}

static void on_datagram(void *userdata, uint8_t *data, size_t size,
			const struct sockaddr_in *source, uint8_t ecn)
{
	struct tunneld *tunneld = userdata;

	switch (datagram_classify(data, size)) {
	case DATAGRAM_KEEPALIVE:
		tunneld->counters.keepalives_in++;
		return;
	case DATAGRAM_MALFORMED:
		tunneld->counters.malformed++;
		return;
	case DATAGRAM_IKE:
		tunneld->counters.ike_in++;
		if (ike_channel_send(tunneld->channel, source, data + NON_ESP_MARKER_SIZE,
				     size - NON_ESP_MARKER_SIZE) < 0)
			tunneld->counters.ike_dropped++;
		return;
	case DATAGRAM_ESP:
		receive_esp(tunneld, data, size, source, ecn);
		return;
	}
}

static void on_batch_end(void *userdata)
{
	struct tunneld *tunneld = userdata;

	udp_port_flush(tunneld->udp);
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
	.on_datagram = on_datagram,
	.on_batch_end = on_batch_end,
	.on_failed = on_failed,
	.on_unblocked = on_unblocked,
};

int datapath_start(struct tunneld *tunneld)
{
	int r;

	tunneld->timer_due = PEER_NEVER;
	tunneld->tun_data = malloc((size_t)TUN_BATCH * TUN_PACKET_SIZE);
	if (!tunneld->tun_data)
		return -ENOMEM;
	r = loop_timer_new(tunneld->loop, on_timer, tunneld, &tunneld->timer);
	if (r >= 0)
		r = ike_channel_new(tunneld->loop, on_ike_message, tunneld, &tunneld->channel);
	if (r < 0)
		return r;
	r = udp_port_new(tunneld->loop, tunneld->settings.port, &udp_callbacks, tunneld,
			 &tunneld->udp);
	if (r < 0) {
		log_error("cannot have UDP port %u: %s", tunneld->settings.port, strerror(-r));
		return r;
	}
	return loop_io_new(tunneld->loop, tun_device_fd(tunneld->device), UV_READABLE,
			   on_device_ready, tunneld, &tunneld->device_io);
}

void datapath_stop(struct tunneld *tunneld)
{
	tunneld->device_io = loop_io_free(tunneld->device_io);
	tunneld->udp = udp_port_free(tunneld->udp);
	tunneld->channel = ike_channel_free(tunneld->channel);
	tunneld->timer = loop_timer_free(tunneld->timer);
	free(tunneld->tun_data);
	tunneld->tun_data = NULL;
}
