/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Inner packets: IPv6 between two host ids. What a tunnel end must look at (RFC 4301
 * §5.1.2), the ICMPv6 message that says a host cannot be reached, and the content of our dummy
 * packets.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INNER_HEADER_SIZE 40
/* ICMPv6 destination unreachable (RFC 4443 §3.1). */
#define INNER_UNREACHABLE_NO_ROUTE 0
#define INNER_UNREACHABLE_ADDRESS  3
#define INNER_ERROR_LIMIT          1280 /* IPv6's least MTU bounds an error message */

struct inner_packet {
	struct in6_addr source, destination;
	size_t size; /* by its own length field, which may be less than what was received */
	uint8_t traffic_class;
};

/* 0; -EINVAL when it is no IPv6 packet, or longer than `size`. */
int inner_parse(const uint8_t *packet, size_t size, struct inner_packet *ret);

/* Writes the ICMPv6 "destination unreachable" that answers `packet`, as if from its destination,
 * and returns its size; 0 when nothing may answer it (multicast, itself an error; RFC 4443 §2.4).
 * `target` has room for INNER_ERROR_LIMIT octets. */
size_t inner_build_unreachable(const uint8_t *packet, size_t size, uint8_t code, uint8_t *target);
/* The same for "packet too big" (§3.2): at most `mtu` octets go that way. */
size_t inner_build_too_big(const uint8_t *packet, size_t size, uint32_t mtu, uint8_t *target);

/*
 * A dummy packet (ESP next header 59) is authenticated and otherwise discarded by every receiver
 * (RFC 4303 §2.6), so it shows that a path works. Ours carry a word and a number, by which two of
 * us tell a question from its answer; another implementation ignores them like any dummy content.
 */
enum dummy_kind {
	DUMMY_OTHER,  /* of another implementation */
	DUMMY_PROBE,  /* answer at once, with the same number */
	DUMMY_ANSWER, /* do not answer; number 0: nobody asked */
	/* The same for what is asked in another size (path-mtu-state.h), with zeroes behind. */
	DUMMY_SIZE_PROBE,
	DUMMY_SIZE_ANSWER,
};
#define DUMMY_SIZE 8
/* An answer that also says where the asker is reached. */
#define DUMMY_ANSWER_SIZE (DUMMY_SIZE + 6)
/* `kind` is not DUMMY_OTHER. */
void dummy_write(uint8_t payload[DUMMY_SIZE], enum dummy_kind kind, uint32_t number);
void dummy_write_answer(uint8_t payload[DUMMY_ANSWER_SIZE], uint32_t number,
			const struct sockaddr_in *seen);
/* What such an answer says; 0.0.0.0 when it says nothing. */
struct sockaddr_in dummy_read_seen(const uint8_t *payload, size_t size);
/* An inner packet that is as good as a dummy one, for who cannot hear those of ESP: without a next
 * header (59, RFC 8200 §4.7), upon which every receiver drops it. `target` has room for
 * INNER_HEADER_SIZE and `size` octets; returns its size. */
size_t inner_build_dummy(const struct in6_addr *source, const struct in6_addr *destination,
			 const uint8_t *payload, size_t size, uint8_t *target);
/* Whether a packet of that size is such a one of ours. */
bool inner_is_dummy(const uint8_t *packet, size_t size);
enum dummy_kind dummy_read(const uint8_t *payload, size_t size, uint32_t *ret_number);
