/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * When a host was signed in, in what it got then (docs/ARCHITECTURE.md, "Forgotten hosts"): the
 * serial number of its certificate and the name of its TSIG key. Both are made by who has the
 * account's key, so the host cannot change it. Seconds since 1970. Pure.
 */
#include <stddef.h>
#include <stdint.h>

#define ISSUE_SERIAL_SIZE        16
#define ISSUE_SERIAL_RANDOM_SIZE 10
/* "1a2b3c4d6a63c1f0": eight digits of the machine, and the time. Keys of before have the first
 * eight alone. */
#define ISSUE_TAG_SIZE     16
#define ISSUE_TAG_OLD_SIZE 8

/* A serial number: positive, of 16 octets, never the same again. */
void issue_time_to_serial(uint64_t time, const uint8_t random[static ISSUE_SERIAL_RANDOM_SIZE],
			  uint8_t ret[static ISSUE_SERIAL_SIZE]);
/* 0 for a serial number of another form: it is older than all of this. */
uint64_t issue_time_of_serial(const uint8_t *serial, size_t size);

/* The digits of the time; what does not fit them is the latest that does. */
void issue_time_to_digits(uint64_t time, char ret[static 8 + 1]);
/* Of the first label of a TSIG key's name, without a NUL: eight or sixteen hexadecimal digits.
 * 0: found, and *ret_time is 0 for the eight of before. -EINVAL otherwise. */
int issue_time_of_tag(const char *tag, size_t size, uint64_t *ret_time);
