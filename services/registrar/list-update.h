/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The UPDATE that puts a new revocation list into the zone in place of the former ones, and removes
 * a host (docs/ARCHITECTURE.md, "Forgotten hosts"). The former ones are its prerequisite: who
 * changed the list at the same moment is not overwritten. Pure.
 */
#include <stddef.h>
#include <stdint.h>

#define LIST_UPDATE_FORMER_MAX 8

struct list_octets {
	const uint8_t *data; /* DER */
	size_t size;
};

struct list_update {
	const char *account_domain; /* alice.members.example.org */
	const char *host;           /* one label: the one that goes */
	struct list_octets former[LIST_UPDATE_FORMER_MAX];
	size_t n_former;
	struct list_octets list;
};

/* The message without TSIG. Its size, or a negative errno. */
int list_update_write(const struct list_update *update, uint8_t *message, size_t capacity);
/* What the server's RCODE means to the person who wants it. NULL: done. */
const char *list_update_words(uint16_t rcode);
