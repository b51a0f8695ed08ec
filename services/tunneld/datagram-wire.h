/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What arrives at the one UDP port (RFC 3948 §2), and the records of the channel over which IKE
 * messages go to keyd (org.homeward.Tunnel1.OpenIkeChannel).
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAT_KEEPALIVE          0xff
#define NON_ESP_MARKER_SIZE    4
#define IKE_RECORD_HEADER_SIZE 8

enum datagram_kind {
	DATAGRAM_KEEPALIVE, /* one octet 0xff: says nothing and proves nothing */
	DATAGRAM_MALFORMED, /* too short for anything */
	DATAGRAM_IKE,       /* begins with the non-ESP marker */
	DATAGRAM_ESP,       /* begins with an SPI */
};

enum datagram_kind datagram_classify(const uint8_t *data, size_t size);
/* The SPI of a DATAGRAM_ESP. */
uint32_t datagram_spi(const uint8_t *data);

/* Whether an IKE message (without the marker) is one that anybody can make who was never answered:
 * a first request without a cookie. RFC 7296 §2.6: a cookie is its first payload. */
bool ike_message_is_unasked(const uint8_t *message, size_t size);

/* Header of a channel record for an IKE message from or to `remote`. */
void ike_record_write(uint8_t header[IKE_RECORD_HEADER_SIZE], const struct sockaddr_in *remote);
/* 0; -EINVAL when the record is too short, names no address or port, or octets 6-7 are not zero. */
int ike_record_read(const uint8_t *record, size_t size, struct sockaddr_in *ret_remote);
