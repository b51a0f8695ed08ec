/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Echo requests (RFC 4443 §4.1) that ask in place of a program whether a packet of their size
 * reaches a peer that answers no dummies. They go through the tunnel as any inner packet does.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The least that holds the headers and the number. */
#define ECHO_SIZE_LEAST 56

/* Writes a request of `size` octets in all, which are ECHO_SIZE_LEAST or more. */
void echo_write(uint8_t *target, size_t size, const struct in6_addr *source,
		const struct in6_addr *destination, uint32_t number);
/* Whether the inner packet is the answer to one; a first fragment of it is enough, for how the
 * answer comes says nothing about how the request went. */
bool echo_read_answer(const uint8_t *packet, size_t size, uint32_t *ret_number);
