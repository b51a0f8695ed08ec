/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is read from the TUN device: a header of ten octets and a packet. It is cut; every octet of
 * payload goes into exactly one packet, none of which is larger than the first, and what peers and
 * errors are told of such packets is looked at as for others.
 */
#include "services/tunneld/inner-wire.h"
#include "services/tunneld/segment.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct segmenter *segments, size_t size)
{
	size_t first = segment_next_size(segments), count = segment_count(segments), n;
	uint8_t *target = malloc(first);
	size_t header = segments->cut ? segments->header : 0, payload = 0;
	uint8_t answer[INNER_ERROR_LIMIT];
	struct inner_packet inner;

	if (!target || !first || first > size)
		abort();
	for (; (n = segment_next_size(segments)); count--) {
		if (n > first || n <= header || !count)
			abort();
		segment_next(segments, target);
		payload += n - header;
		/* Cut ones say their size themselves. */
		if (header && (inner_parse(target, n, &inner) < 0 || inner.size != n))
			abort();
		inner_build_too_big(target, n, 1280, answer);
	}
	if (count || payload != size - header)
		abort();
	free(target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtio_net_hdr header;
	struct segmenter segments;
	struct inner_packet inner;

	if (size < sizeof header || size > LIMIT)
		return 0;
	memcpy(&header, data, sizeof header);
	data += sizeof header;
	size -= sizeof header;
	if (segment_begin(&segments, &header, data, size) == 0)
		check(&segments, size);
	/* As tunneld does: by the size that the packet says itself. */
	if (inner_parse(data, size, &inner) == 0 &&
	    segment_begin(&segments, &header, data, inner.size) == 0)
		check(&segments, inner.size);
	return 0;
}
