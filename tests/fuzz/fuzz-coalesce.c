/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Inner packets of one batch, each behind a length of two octets whose top bit asks for a right
 * checksum. Cutting what the coalescer made gives the same packets again, all of them.
 */
#include "services/tunneld/coalesce.h"
#include "services/tunneld/inner-wire.h"
#include "tests/unit/tunneld/traffic.h"

#include <stdlib.h>
#include <string.h>

#define PACKETS 128
#define LIMIT   32768

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct batch {
	struct {
		uint8_t *data;
		size_t size;
		bool arrived;
	} packets[PACKETS];
	unsigned int n;
};

static void arrive(struct batch *batch, const uint8_t *data, size_t size)
{
	for (unsigned int i = 0; i < batch->n; i++) {
		if (!batch->packets[i].arrived && batch->packets[i].size == size &&
		    !memcmp(batch->packets[i].data, data, size)) {
			batch->packets[i].arrived = true;
			return;
		}
	}
	abort();
}

static void sink(void *userdata, const struct iovec *parts, int n_parts)
{
	static uint8_t whole[65536], packet[65536];
	struct virtio_net_hdr header;
	struct segmenter segments;
	size_t size = 0, n;

	memcpy(&header, parts[0].iov_base, sizeof header);
	for (int i = 1; i < n_parts; i++) {
		memcpy(whole + size, parts[i].iov_base, parts[i].iov_len);
		size += parts[i].iov_len;
	}
	if (segment_begin(&segments, &header, whole, size) < 0)
		abort();
	while ((n = segment_next_size(&segments))) {
		segment_next(&segments, packet);
		arrive(userdata, packet, n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct coalescer *coalescer = calloc(1, sizeof *coalescer);
	uint8_t *copy = malloc(size + 1), *position = copy;
	struct batch batch = {};

	if (!coalescer || !copy || size > LIMIT)
		goto end;
	memcpy(copy, data, size);
	*coalescer =
		(struct coalescer){ .tcp = true, .udp = true, .sink = sink, .userdata = &batch };
	while (size >= 2 && batch.n < PACKETS) {
		size_t n = (position[0] & 0x7f) << 8 | position[1];
		bool fix = position[0] & 0x80;
		struct inner_packet inner;

		position += 2;
		size -= 2;
		n = n < size ? n : size;
		if (inner_parse(position, n, &inner) == 0) {
			if (fix)
				traffic_fix_sum(position, inner.size);
			batch.packets[batch.n].data = malloc(inner.size);
			if (!batch.packets[batch.n].data)
				abort();
			memcpy(batch.packets[batch.n].data, position, inner.size);
			batch.packets[batch.n++].size = inner.size;
			coalesce_add(coalescer, position, inner.size);
		}
		position += n;
		size -= n;
	}
	coalesce_flush(coalescer);
	for (unsigned int i = 0; i < batch.n; i++) {
		if (!batch.packets[i].arrived)
			abort();
		free(batch.packets[i].data);
	}
end:
	free(copy);
	free(coalescer);
	return 0;
}
