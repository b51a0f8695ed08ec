/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/log.h"
#include "services/tunneld/datapath-internal.h"
#include "services/tunneld/datapath-xfrm.h"
#include "services/tunneld/inner-wire.h"
#include "services/tunneld/outer-wire.h"

#include <string.h>

/* Packets and super-packets read before what they became is sent. */
#define READ_BATCH 64

/* The payload is in its place in the room. Its size on the wire, or a negative errno. */
static int seal_in_room(struct tunneld *tunneld, struct peer *peer, uint8_t next_header,
			uint8_t *room, size_t size, uint8_t tos)
{
	int n = esp_seal_in_place(peer->current->out, next_header, room, size);

	if (n < 0) {
		if (n == -EOVERFLOW)
			tunneld->counters.sequence_exhausted++;
		else
			tunneld->counters.send_errors++;
		return n;
	}
	tunneld->counters.esp_out++;
	udp_port_commit(tunneld->udp, n, &peer->endpoint, tos, peer->number);
	return n;
}

int datapath_send(struct tunneld *tunneld, struct peer *peer, uint8_t next_header,
		  const uint8_t *payload, size_t size, uint8_t tos)
{
	uint8_t inner[INNER_HEADER_SIZE + DUMMY_ANSWER_SIZE];
	uint8_t *room;
	int r;

	if (next_header == ESP_NEXT_DUMMY && size <= DUMMY_ANSWER_SIZE && peer->current &&
	    (peer->inner_dummies || !peer->current->out)) {
		size = inner_build_dummy(&tunneld->host_id, &peer->host_id, payload, size, inner);
		payload = inner;
		next_header = ESP_NEXT_IPV6;
	}
	if (peer->current && !peer->current->out) {
		r = datapath_xfrm_send(tunneld, peer, payload, size);
		tunneld->counters.send_errors += r < 0;
		return r;
	}
	room = udp_port_room(tunneld->udp, esp_sealed_size(size));
	if (!room || !peer->current) {
		tunneld->counters.send_errors++;
		return -ENOBUFS;
	}
	memcpy(room + ESP_HEADER_SIZE, payload, size);
	r = seal_in_room(tunneld, peer, next_header, room, size, tos);
	if (r >= 0)
		datapath_note_use(tunneld, peer->current, esp_out_sequence(peer->current->out), r);
	return r;
}

/* The numbers of the pair in use are used up (RFC 4303 §3.3.3): it carries nothing more, and the
 * next packet asks for another. */
static void end_exhausted(struct tunneld *tunneld, struct peer *peer)
{
	timeline_note(&tunneld->timeline, tunneld->generation,
		      "the numbers of an association with %.*s are used up",
		      (int)strcspn(peer->name, "."), peer->name);
	tunneld_remove_pair(tunneld, peer->current);
	datapath_look_at_clock(tunneld);
}

/* Seals all of them, each where it is sent from. `verdict` is not PEER_HOLD. */
static void send_segments(struct tunneld *tunneld, struct peer *peer, uint64_t now,
			  struct segmenter *segments, uint8_t tos, enum peer_verdict verdict)
{
	size_t size, n_octets = 0;
	unsigned int n_sent = 0;
	int n = 0;

	while (n >= 0 && (size = segment_next_size(segments))) {
		uint8_t *room = udp_port_room(tunneld->udp, esp_sealed_size(size));

		if (!room) {
			tunneld->counters.send_errors += segment_count(segments);
			break;
		}
		segment_next(segments, room + ESP_HEADER_SIZE);
		/* Of many, the last are kept: those whose loss a receiver could not tell. */
		if (verdict == PEER_SEND_AND_HOLD || segment_count(segments) < RECENT_PACKETS)
			peer_keep(peer, now, verdict, room + ESP_HEADER_SIZE, size);
		n = seal_in_room(tunneld, peer, ESP_NEXT_IPV6, room, size, tos);
		if (n < 0)
			break;
		n_octets += n;
		peer->counters.octets_out += size;
		n_sent++;
	}
	peer->counters.packets_out += n_sent;
	if (n_sent) {
		datapath_note_use(tunneld, peer->current, esp_out_sequence(peer->current->out),
				  n_octets);
		peer_sent(peer, now, true);
	}
	if (n == -EOVERFLOW)
		end_exhausted(tunneld, peer);
}

/* For a peer for whom the kernel seals, packets come here that were under way when it began to, and
 * those that are to wait until it can. */
static void pass_segments(struct tunneld *tunneld, struct peer *peer, uint64_t now,
			  struct segmenter *segments)
{
	uint8_t *target = tunneld->tun_data + DATAPATH_TUN_BUFFER / 2;
	size_t size;

	while ((size = segment_next_size(segments))) {
		segment_next(segments, target);
		if (datapath_xfrm_send(tunneld, peer, target, size) < 0)
			peer_keep(peer, now, PEER_HOLD, target, size);
	}
}

static void hold_segments(struct tunneld *tunneld, struct peer *peer, uint64_t now,
			  struct segmenter *segments)
{
	uint8_t *target = tunneld->tun_data + DATAPATH_TUN_BUFFER / 2;
	size_t size;

	while ((size = segment_next_size(segments))) {
		segment_next(segments, target);
		peer_keep(peer, now, PEER_HOLD, target, size);
	}
}

/* The one place where a packet of ours is found not to fit the path to its peer. `size` is that of
 * the packet, or of a super-packet's first segment. The route says so too, so these are packets
 * that were under way when the path became narrower, and those of programs that forward. */
static bool is_too_big(const struct peer *peer, size_t size)
{
	return size > peer->path_mtu.current;
}

static void answer_too_big(struct tunneld *tunneld, struct peer *peer, struct segmenter *segments)
{
	uint8_t *first = tunneld->tun_data + DATAPATH_TUN_BUFFER / 2;
	uint8_t answer[INNER_ERROR_LIMIT];
	size_t size = segment_next_size(segments), answer_size;

	tunneld->counters.too_big++;
	peer->counters.too_big++;
	segment_next(segments, first);
	if (!error_limits_take(&tunneld->error_limits, datapath_look_at_clock(tunneld), first,
			       size))
		return;
	answer_size = inner_build_too_big(first, size, peer->path_mtu.current, answer);
	if (answer_size && tun_device_write(tunneld->device, answer, answer_size) >= 0)
		tunneld->counters.too_bigs_sent++;
}

/* The peer that a packet is for. NULL when it is not to be forwarded; whoever has to know was
 * told. */
static struct peer *find_peer(struct tunneld *tunneld, const uint8_t *packet, size_t size,
			      struct inner_packet *ret_inner)
{
	struct peer *peer;

	if (inner_parse(packet, size, ret_inner) < 0 || ret_inner->destination.s6_addr[0] == 0xff ||
	    !tunneld->have_host_id ||
	    memcmp(&ret_inner->source, &tunneld->host_id, sizeof ret_inner->source)) {
		/* The kernel's own talk on an interface: router solicitations, group memberships.
		 */
		tunneld->counters.noise_dropped++;
		return NULL;
	}
	peer = peer_table_find_host(&tunneld->peers, &ret_inner->destination);
	if (peer)
		return peer;
	tunneld->counters.unknown_destination++;
	/* After a restart the peers are not known yet: silence does no harm, an error might. */
	if (tunneld->watcher_known)
		datapath_answer_unreachable(tunneld, packet, size, INNER_UNREACHABLE_NO_ROUTE);
	return NULL;
}

/* A packet or super-packet of this host. */
static void forward_out(struct tunneld *tunneld, const struct virtio_net_hdr *header,
			const uint8_t *packet, size_t size)
{
	uint64_t now = tunneld->now;
	struct inner_packet inner;
	struct peer *peer = find_peer(tunneld, packet, size, &inner);
	struct segmenter segments;
	enum peer_verdict verdict;
	unsigned int todo;

	if (!peer)
		return;
	if (segment_begin(&segments, header, packet, inner.size) < 0) {
		tunneld->counters.noise_dropped++;
		return;
	}
	if (is_too_big(peer, segment_next_size(&segments))) {
		answer_too_big(tunneld, peer, &segments);
		return;
	}
	todo = peer_ask(peer, now, &verdict);
	if (verdict == PEER_HOLD)
		hold_segments(tunneld, peer, now, &segments);
	else if (!peer->current->out)
		pass_segments(tunneld, peer, now, &segments);
	else {
		peer_note_size(peer, now, segment_next_size(&segments));
		send_segments(tunneld, peer, now, &segments,
			      outer_tos(tunneld->settings.tos, inner.traffic_class), verdict);
	}
	datapath_carry_out_or_wait(tunneld, peer, todo);
}

/* False when there is nothing more to read. */
static bool read_packet(struct tunneld *tunneld)
{
	struct virtio_net_hdr header;
	ssize_t n = tun_device_read(tunneld->device, tunneld->tun_data);

	if (n == -EBADFD) {
		log_error("somebody took the interface %s away", tunneld->settings.interface);
		loop_io_set(tunneld->device_io, 0);
		daemon_stop(tunneld->daemon, 1);
		return false;
	}
	if (n < 0 || (size_t)n < sizeof header) {
		tunneld->counters.tun_errors += n != -EAGAIN;
		return false;
	}
	memcpy(&header, tunneld->tun_data, sizeof header);
	if (header.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		datapath_look_at_clock(tunneld);
	forward_out(tunneld, &header, tunneld->tun_data + sizeof header, n - sizeof header);
	return true;
}

void datapath_read_device(struct tunneld *tunneld)
{
	datapath_look_at_clock(tunneld);
	for (unsigned int i = 0; i < READ_BATCH; i++) {
		/* While the port takes no more, packets queue up where their senders notice. */
		if (udp_port_blocked(tunneld->udp)) {
			loop_io_set(tunneld->device_io, 0);
			return;
		}
		if (!read_packet(tunneld))
			break;
	}
	udp_port_flush(tunneld->udp);
	if (udp_port_blocked(tunneld->udp))
		loop_io_set(tunneld->device_io, 0);
}

void datapath_on_device_ready(void *userdata, int status, int events)
{
	datapath_on_wakeup_begins(userdata);
	datapath_read_device(userdata);
	datapath_on_wakeup_ends(userdata);
}
