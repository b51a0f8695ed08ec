/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/log.h"
#include "services/tunneld/datagram-wire.h"
#include "services/tunneld/datapath-internal.h"
#include "services/tunneld/echo-wire.h"
#include "services/tunneld/inner-wire.h"
#include "services/tunneld/outer-wire.h"

#include <string.h>

/* Packets of one train and one pair, which its peer hears of as of one. */
struct run {
	struct peer_arrival arrival; /* of data; no pair: none yet */
	uint64_t sequence;           /* the highest */
	size_t n_octets;
};

/* The kernel does not take the super-packet: its packets one by one, and no more of the kind. */
static void write_apart(struct tunneld *tunneld, const struct iovec *parts, int n_parts)
{
	uint8_t *whole = tunneld->tun_data;
	uint8_t *target = tunneld->tun_data + DATAPATH_TUN_BUFFER / 2;
	struct virtio_net_hdr header;
	struct segmenter segments;
	size_t size = 0;

	memcpy(&header, parts[0].iov_base, sizeof header);
	for (int i = 1; i < n_parts; i++) {
		memcpy(whole + size, parts[i].iov_base, parts[i].iov_len);
		size += parts[i].iov_len;
	}
	if (header.gso_type == VIRTIO_NET_HDR_GSO_UDP_L4)
		tunneld->coalescer.udp = false;
	else
		tunneld->coalescer.tcp = false;
	log_warning("the kernel takes no super-packets of %s at %s",
		    header.gso_type == VIRTIO_NET_HDR_GSO_UDP_L4 ? "UDP" : "TCP",
		    tunneld->settings.interface);
	if (segment_begin(&segments, &header, whole, size) < 0)
		return;
	while ((size = segment_next_size(&segments))) {
		segment_next(&segments, target);
		if (tun_device_write(tunneld->device, target, size) < 0)
			tunneld->counters.tun_errors++;
	}
}

void datapath_write(void *userdata, const struct iovec *parts, int n_parts)
{
	struct tunneld *tunneld = userdata;
	int r = tun_device_write_parts(tunneld->device, parts, n_parts);

	if (r == -EINVAL && n_parts > 2)
		write_apart(tunneld, parts, n_parts);
	else if (r < 0)
		tunneld->counters.tun_errors++;
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
		peer->counters.malformed++;
		return false;
	}
	if (!tunneld->have_host_id || memcmp(&inner.source, &peer->host_id, sizeof inner.source) ||
	    memcmp(&inner.destination, &tunneld->host_id, sizeof inner.destination)) {
		tunneld->counters.wrong_selector++;
		peer->counters.wrong_selector++;
		return false;
	}
	switch (ecn_combine(opened->payload, ecn)) {
	case ECN_FINE:
		break;
	case ECN_UNUSUAL:
		tunneld->counters.congestion_unusual++;
		break;
	case ECN_ALARM:
		tunneld->counters.congestion_alarms++;
		break;
	case ECN_DROP:
		tunneld->counters.congestion_alarms++;
		tunneld->counters.congestion_dropped++;
		peer->counters.congestion_dropped++;
		return true;
	}
	peer->counters.packets_in++;
	peer->counters.octets_in += inner.size;
	coalesce_add(&tunneld->coalescer, opened->payload, inner.size);
	return true;
}

/* Somebody sends on an association that we do not have. If a peer is known to be there and has none
 * with us, a restart of ours lost it. */
static void hear_unknown_spi(struct tunneld *tunneld, const struct sockaddr_in *source)
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
		datapath_carry_out(
			tunneld, same_address,
			peer_hear_unknown_spi(same_address, datapath_look_at_clock(tunneld)));
}

static void end_run(struct tunneld *tunneld, struct run *run)
{
	struct sa_pair *pair = run->arrival.pair;

	if (!pair)
		return;
	datapath_note_use(tunneld, pair, run->sequence, run->n_octets);
	datapath_carry_out_or_wait(
		tunneld, pair->peer,
		peer_incoming(pair->peer, datapath_look_at_clock(tunneld), &run->arrival));
	run->arrival.pair = NULL;
}

static void note_packet(struct run *run, struct sa_pair *pair, const struct sockaddr_in *source,
			const struct esp_opened *opened, size_t size)
{
	if (!run->arrival.pair)
		*run = (struct run){ .arrival = { .pair = pair, .source = *source } };
	run->n_octets += size;
	if (opened->sequence > run->sequence)
		run->sequence = opened->sequence;
	run->arrival.newest = run->arrival.newest || opened->newest;
}

/* The one place that sees each authenticated dummy packet (RFC 4303 §2.6) of a peer. */
static void hear_dummy(struct tunneld *tunneld, struct run *run, const struct esp_opened *opened)
{
	tunneld->counters.dummies_in++;
	run->arrival.dummy = dummy_read(opened->payload, opened->size, &run->arrival.number);
	run->arrival.seen = dummy_read_seen(opened->payload, opened->size);
}

/* The answer to an echo request of ours, which is none of this host's programs' business. */
static bool is_echo_answer(const struct tunneld *tunneld, const struct peer *peer,
			   const struct esp_opened *opened, uint32_t *ret_number)
{
	struct inner_packet inner;

	return peer->path_mtu.by_echo && opened->next_header == ESP_NEXT_IPV6 &&
	       tunneld->have_host_id && inner_parse(opened->payload, opened->size, &inner) >= 0 &&
	       !memcmp(&inner.source, &peer->host_id, sizeof inner.source) &&
	       !memcmp(&inner.destination, &tunneld->host_id, sizeof inner.destination) &&
	       echo_read_answer(opened->payload, inner.size, ret_number);
}

static void count_refused(struct tunneld *tunneld, struct peer *peer, int error)
{
	if (error == -EALREADY) {
		tunneld->counters.replayed++;
		peer->counters.replayed++;
	} else if (error == -EBADMSG) {
		tunneld->counters.bad_icv++;
		peer->counters.bad_icv++;
	} else {
		tunneld->counters.malformed++;
		peer->counters.malformed++;
	}
}

static void receive_esp(struct tunneld *tunneld, struct run *run, uint8_t *data, size_t size,
			const struct sockaddr_in *source, uint8_t ecn)
{
	struct sa_pair *pair = run->arrival.pair;
	uint32_t spi = datagram_spi(data);
	struct esp_opened opened;
	uint32_t number;
	int r;

	if (!pair || pair->spi_in != spi) {
		end_run(tunneld, run);
		pair = peer_table_find_spi(&tunneld->peers, spi);
	}
	if (!pair) {
		hear_unknown_spi(tunneld, source);
		return;
	}
	r = esp_open(pair->in, data, size, &opened);
	if (r < 0) {
		count_refused(tunneld, pair->peer, r);
		return;
	}
	tunneld->counters.esp_in++;
	if (opened.next_header == ESP_NEXT_IPV6 && inner_is_dummy(opened.payload, opened.size)) {
		opened.next_header = ESP_NEXT_DUMMY;
		opened.payload += INNER_HEADER_SIZE;
		opened.size -= INNER_HEADER_SIZE;
		pair->peer->inner_dummies = true;
	} else if (opened.next_header == ESP_NEXT_DUMMY) {
		pair->peer->inner_dummies = false;
	}
	if (opened.next_header == ESP_NEXT_DUMMY) {
		end_run(tunneld, run);
		note_packet(run, pair, source, &opened, size);
		hear_dummy(tunneld, run, &opened);
		end_run(tunneld, run);
		return;
	}
	if (is_echo_answer(tunneld, pair->peer, &opened, &number)) {
		end_run(tunneld, run);
		note_packet(run, pair, source, &opened, size);
		run->arrival.dummy = DUMMY_SIZE_ANSWER;
		run->arrival.number = number;
		end_run(tunneld, run);
		return;
	}
	note_packet(run, pair, source, &opened, size);
	if (forward_in(tunneld, pair->peer, &opened, ecn))
		run->arrival.data = true;
}

/* A flood of first requests leaves half of the channel to those whom we or the zone know, and to
 * whoever was answered before. */
static void receive_ike(struct tunneld *tunneld, const struct sockaddr_in *source,
			const uint8_t *message, size_t size)
{
	bool gives_way = ike_message_is_unasked(message, size) &&
			 ike_channel_is_half_full(tunneld->channel) &&
			 !peer_table_knows_address(&tunneld->peers, &source->sin_addr);

	tunneld->counters.ike_in++;
	if (gives_way || ike_channel_send(tunneld->channel, source, message, size) < 0)
		tunneld->counters.ike_dropped++;
}

static void receive_datagram(struct tunneld *tunneld, struct run *run, uint8_t *data, size_t size,
			     const struct sockaddr_in *source, uint8_t ecn)
{
	switch (datagram_classify(data, size)) {
	case DATAGRAM_KEEPALIVE:
		tunneld->counters.keepalives_in++;
		return;
	case DATAGRAM_MALFORMED:
		tunneld->counters.malformed++;
		return;
	case DATAGRAM_IKE:
		receive_ike(tunneld, source, data + NON_ESP_MARKER_SIZE,
			    size - NON_ESP_MARKER_SIZE);
		return;
	case DATAGRAM_ESP:
		receive_esp(tunneld, run, data, size, source, ecn);
		return;
	}
}

void datapath_on_train(void *userdata, uint8_t *data, size_t size, size_t each,
		       const struct sockaddr_in *source, uint8_t ecn)
{
	struct tunneld *tunneld = userdata;
	struct run run = {};
	size_t n;

	do {
		n = size < each ? size : each;
		receive_datagram(tunneld, &run, data, n, source, ecn);
		data += n;
		size -= n;
	} while (size);
	end_run(tunneld, &run);
}

void datapath_on_batch_end(void *userdata)
{
	struct tunneld *tunneld = userdata;

	coalesce_flush(&tunneld->coalescer);
	/* What this host answers at once is there already: an acknowledgement, an echo. So the loop
	 * need not turn for it. */
	datapath_read_device(tunneld);
}
