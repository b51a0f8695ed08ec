/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a server said against us, in sentences for people: what is wrong and what to do. Pure. */
#include <stddef.h>
#include <stdint.h>

/* It does not accept this host's key. */
void server_words_bad_key(const char *account_domain, char *words, size_t size);
/* `ahead`: by how many seconds its clock is ahead of ours; 0: it did not say. */
void server_words_clock(int64_t ahead, char *words, size_t size);
