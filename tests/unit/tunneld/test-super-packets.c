/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The whole way of generated traffic: from the TUN device cut, sealed, opened, coalesced, and cut
 * again by the receiving kernel. What comes out is, octet by octet and in the order of each flow,
 * what would have gone packet by packet.
 */
#include "services/tunneld/coalesce.h"
#include "services/tunneld/esp-wire.h"
#include "tests/unit/tunneld/traffic.h"
#include "tests/unit/tunneld/unit.h"

#include <errno.h>
#include <stdlib.h>

#define SENDS       6
#define BATCH_LIMIT (SENDS * TRAFFIC_PACKETS)
#define WIRE_SIZE   2048

/* HOMEWARD_SCHEDULES asks for more of them, or for fewer. */
static unsigned int n_rounds(void)
{
	const char *many = getenv("HOMEWARD_SCHEDULES");

	return many && atoi(many) > 0 ? 10 * atoi(many) : 300;
}

/* Packets of one batch: as sent, on the wire, and as they arrived. */
struct batch {
	struct traffic_packet sent[BATCH_LIMIT], arrived[BATCH_LIMIT];
	uint8_t wire[BATCH_LIMIT][WIRE_SIZE];
	unsigned int n_sent, n_arrived, n_super;
	bool tcp, udp;
};

/* As the kernel would: it cuts the super-packet when somebody needs single ones. */
static void sink(void *userdata, const struct iovec *parts, int n_parts)
{
	static uint8_t whole[65536];
	struct batch *batch = userdata;
	struct virtio_net_hdr header;
	struct segmenter segments;
	size_t size = 0, n;

	assert_int_equal(parts[0].iov_len, sizeof header);
	memcpy(&header, parts[0].iov_base, sizeof header);
	for (int i = 1; i < n_parts; i++) {
		assert_true(size + parts[i].iov_len <= 65535);
		memcpy(whole + size, parts[i].iov_base, parts[i].iov_len);
		size += parts[i].iov_len;
	}
	if (n_parts > 2) {
		batch->n_super++;
		assert_true(header.gso_type == VIRTIO_NET_HDR_GSO_UDP_L4 ? batch->udp : batch->tcp);
		assert_int_equal(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_in_range(n_parts - 1, 2, COALESCE_SEGMENTS);
		assert_int_equal(whole[4] << 8 | whole[5], size - 40);
	} else {
		assert_int_equal(header.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	}
	assert_int_equal(segment_begin(&segments, &header, whole, size), 0);
	assert_int_equal(segment_count(&segments), n_parts - 1);
	while ((n = segment_next_size(&segments))) {
		struct traffic_packet *packet = &batch->arrived[batch->n_arrived++];

		assert_true(batch->n_arrived <= batch->n_sent);
		packet->size = n;
		segment_next(&segments, packet->data);
	}
}

/* Cuts what the kernel handed over: the packets that its sender would have put on a wire. */
static void cut(struct batch *batch, const struct traffic_send *send)
{
	struct segmenter segments;

	assert_int_equal(segment_begin(&segments, &send->header, send->data, send->size), 0);
	assert_int_equal(segment_count(&segments), send->n);
	for (unsigned int i = 0; i < send->n; i++) {
		struct traffic_packet *packet = &batch->sent[batch->n_sent++];

		packet->size = segment_next_size(&segments);
		assert_int_equal(packet->size, send->packets[i].size);
		segment_next(&segments, packet->data);
		assert_memory_equal(packet->data, send->packets[i].data, packet->size);
	}
	assert_int_equal(segment_next_size(&segments), 0);
	assert_int_equal(segment_count(&segments), 0);
}

static void seal_and_open(struct batch *batch, struct esp_out *out, struct esp_in *in,
			  struct coalescer *coalescer)
{
	for (unsigned int i = 0; i < batch->n_sent; i++) {
		const struct traffic_packet *packet = &batch->sent[i];
		struct esp_opened opened;
		int n;

		memcpy(batch->wire[i] + ESP_HEADER_SIZE, packet->data, packet->size);
		n = esp_seal_in_place(out, ESP_NEXT_IPV6, batch->wire[i], packet->size);
		assert_int_equal(n, esp_sealed_size(packet->size));
		assert_int_equal(esp_open(in, batch->wire[i], n, &opened), 0);
		assert_int_equal(opened.size, packet->size);
		coalesce_add(coalescer, opened.payload, opened.size);
	}
	coalesce_flush(coalescer);
}

/* Each flow's packets in their order, nothing more and nothing less. */
static void compare(const struct batch *batch)
{
	assert_int_equal(batch->n_arrived, batch->n_sent);
	for (unsigned int flow = 0; flow <= 2 * TRAFFIC_FLOWS; flow++) {
		unsigned int next = 0;

		for (unsigned int i = 0; i < batch->n_sent; i++) {
			const struct traffic_packet *sent = &batch->sent[i];

			if (traffic_flow_of(sent->data, sent->size) != flow)
				continue;
			while (traffic_flow_of(batch->arrived[next].data,
					       batch->arrived[next].size) != flow)
				assert_true(++next < batch->n_arrived);
			assert_int_equal(batch->arrived[next].size, sent->size);
			assert_memory_equal(batch->arrived[next].data, sent->data, sent->size);
			next++;
		}
	}
}

static unsigned int run(struct aead_engine *engine, enum esp_algorithm algorithm, bool tcp,
			bool udp, uint64_t seed)
{
	struct batch *batch = malloc(sizeof *batch);
	struct traffic_send *send = malloc(sizeof *send);
	struct coalescer *coalescer = calloc(1, sizeof *coalescer);
	static const uint8_t keymat[36] = { 1, 2, 3 };
	unsigned int n_super = 0, rounds = n_rounds();
	struct traffic traffic;
	struct esp_out *out;
	struct esp_in *in;

	assert_true(batch && send && coalescer);
	traffic_init(&traffic, seed);
	assert_int_equal(esp_out_new(engine, algorithm, true, 0x40000001, keymat, &out), 0);
	assert_int_equal(esp_in_new(engine, algorithm, true, 0x40000001, keymat, &in), 0);
	*coalescer = (struct coalescer){ .tcp = tcp, .udp = udp, .sink = sink, .userdata = batch };
	for (unsigned int round = 0; round < rounds; round++) {
		batch->n_sent = batch->n_arrived = batch->n_super = 0;
		batch->tcp = tcp;
		batch->udp = udp;
		for (unsigned int i = traffic_random(&traffic, SENDS + 1); i; i--) {
			traffic_next(&traffic, send);
			cut(batch, send);
		}
		seal_and_open(batch, out, in, coalescer);
		compare(batch);
		n_super += batch->n_super;
	}
	esp_out_free(out);
	esp_in_free(in);
	free(coalescer);
	free(send);
	free(batch);
	return n_super;
}

/* Each combination of what may be joined, beside the plain path, which is the last. */
static void test_whole_way(void **state)
{
	struct aead_engine *engine;
	unsigned int rounds = n_rounds();

	assert_int_equal(aead_engine_new(AEAD_PROVIDER_ANY, &engine), 0);
	assert_true(run(engine, ESP_AES128GCM16, true, true, 1) > rounds / 2);
	assert_true(run(engine, ESP_AES256GCM16, true, false, 2) > rounds / 2);
	assert_true(run(NULL, ESP_CHACHA20POLY1305, false, true, 3) > rounds / 4);
	assert_int_equal(run(NULL, ESP_AES128GCM16, false, false, 4), 0);
	aead_engine_free(engine);
}

static struct traffic_send *one_send(unsigned int least)
{
	struct traffic_send *send = malloc(sizeof *send);
	struct traffic traffic;

	assert_non_null(send);
	traffic_init(&traffic, 5);
	do
		traffic_next(&traffic, send);
	while (send->n < least);
	return send;
}

/* A header that does not fit its packet is refused, not believed. */
static void test_contradictions(void **state)
{
	struct traffic_send *send = one_send(3);
	const struct virtio_net_hdr good = send->header;
	struct virtio_net_hdr header;
	struct segmenter segments;

#define REFUSED(field, value)                                                                      \
	do {                                                                                       \
		header = good;                                                                     \
		header.field = value;                                                              \
		assert_int_equal(segment_begin(&segments, &header, send->data, send->size),        \
				 -EINVAL);                                                         \
	} while (0)
	assert_int_equal(segment_begin(&segments, &good, send->data, send->size), 0);
	REFUSED(gso_size, 0);
	REFUSED(flags, 0);
	REFUSED(csum_start, 0);
	REFUSED(csum_start, good.csum_start + 1);
	REFUSED(csum_start, good.csum_start + 8);
	REFUSED(csum_start, send->size - 1);
	REFUSED(csum_start, UINT16_MAX);
	REFUSED(csum_offset, 0);
	REFUSED(csum_offset, UINT16_MAX);
	REFUSED(gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	REFUSED(gso_type, VIRTIO_NET_HDR_GSO_UDP);
	REFUSED(gso_type, 77);
#undef REFUSED
	for (size_t size = 0; size <= good.csum_start + 8u; size++)
		assert_int_equal(segment_begin(&segments, &good, send->data, size), -EINVAL);
	send->data[0] = 0x45;
	assert_int_equal(segment_begin(&segments, &good, send->data, send->size), -EINVAL);
	free(send);
}

/* hdr_len is a hint that kernels get wrong. */
static void test_header_length_is_not_believed(void **state)
{
	struct traffic_send *send = one_send(3);
	struct segmenter segments;
	uint8_t packet[TRAFFIC_PACKET];

	for (unsigned int hint = 0; hint < 2000; hint += 97) {
		send->header.hdr_len = hint;
		assert_int_equal(segment_begin(&segments, &send->header, send->data, send->size),
				 0);
		assert_int_equal(segment_next_size(&segments), send->packets[0].size);
		segment_next(&segments, packet);
		assert_memory_equal(packet, send->packets[0].data, send->packets[0].size);
	}
	free(send);
}

/* One packet of several is another than its sender's kernel made it: it joins none that differ. */
static void coalesce_with(void (*change)(struct traffic_packet *))
{
	struct batch *batch = calloc(1, sizeof *batch);
	struct coalescer *coalescer = calloc(1, sizeof *coalescer);
	struct traffic_send *send = one_send(5);

	assert_true(batch && coalescer);
	*coalescer =
		(struct coalescer){ .tcp = true, .udp = true, .sink = sink, .userdata = batch };
	batch->tcp = batch->udp = true;
	cut(batch, send);
	change(&batch->sent[2]);
	for (unsigned int i = 0; i < batch->n_sent; i++) {
		memcpy(batch->wire[i], batch->sent[i].data, batch->sent[i].size);
		coalesce_add(coalescer, batch->wire[i], batch->sent[i].size);
	}
	coalesce_flush(coalescer);
	compare(batch);
	assert_true(batch->n_super);
	free(send);
	free(coalescer);
	free(batch);
}

static void spoil(struct traffic_packet *packet)
{
	packet->data[packet->size - 1] ^= 1;
}

static void mark(struct traffic_packet *packet)
{
	packet->data[1] ^= 0x10;
}

/* A packet with a wrong checksum goes on as it came and joins nothing. */
static void test_wrong_checksum_stays_wrong(void **state)
{
	coalesce_with(spoil);
}

/* Congestion that one packet met is not that of its neighbours. */
static void test_marks_stay(void **state)
{
	coalesce_with(mark);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_way),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_header_length_is_not_believed),
		cmocka_unit_test(test_wrong_checksum_stays_wrong),
		cmocka_unit_test(test_marks_stay),
	};

	return cmocka_run_group_tests_name("tunneld/super-packets", tests, NULL, NULL);
}
