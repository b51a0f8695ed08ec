/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/datagram-wire.h"

#include "common/wire/cursor.h"

#include <errno.h>

enum datagram_kind datagram_classify(const uint8_t *data, size_t size)
{
	static const uint8_t marker[NON_ESP_MARKER_SIZE];

	if (size == 1 && data[0] == NAT_KEEPALIVE)
		return DATAGRAM_KEEPALIVE;
	if (size < 8)
		return DATAGRAM_MALFORMED;
	return memcmp(data, marker, sizeof marker) ? DATAGRAM_ESP : DATAGRAM_IKE;
}

uint32_t datagram_spi(const uint8_t *data)
{
	struct reader reader = reader_init(data, 4);

	return reader_u32(&reader);
}

#define IKE_SPI_SIZE       8
#define IKE_PAYLOAD_NOTIFY 41

bool ike_message_is_unasked(const uint8_t *message, size_t size)
{
	static const uint8_t nobody[IKE_SPI_SIZE];

	return size <= 2 * IKE_SPI_SIZE || (!memcmp(message + IKE_SPI_SIZE, nobody, IKE_SPI_SIZE) &&
					    message[2 * IKE_SPI_SIZE] != IKE_PAYLOAD_NOTIFY);
}

void ike_record_write(uint8_t header[IKE_RECORD_HEADER_SIZE], const struct sockaddr_in *remote)
{
	memcpy(header, &remote->sin_addr, 4);
	memcpy(header + 4, &remote->sin_port, 2);
	memset(header + 6, 0, 2);
}

int ike_record_read(const uint8_t *record, size_t size, struct sockaddr_in *ret_remote)
{
	struct reader reader = reader_init(record, size);

	*ret_remote = (struct sockaddr_in){ .sin_family = AF_INET };
	reader_copy(&reader, &ret_remote->sin_addr, 4);
	reader_copy(&reader, &ret_remote->sin_port, 2);
	if (reader_u16(&reader) || reader.failed || !reader_left(&reader))
		return -EINVAL;
	if (!ret_remote->sin_addr.s_addr || !ret_remote->sin_port)
		return -EINVAL;
	return 0;
}
