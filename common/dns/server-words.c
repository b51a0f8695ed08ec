/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/dns/server-words.h"

#include <inttypes.h>
#include <stdio.h>

void server_words_bad_key(const char *account_domain, char *words, size_t size)
{
	snprintf(words, size,
		 "wrong password or unknown account: the server of %.90s does not accept "
		 "this host's key; sign out and in again",
		 account_domain);
}

void server_words_clock(int64_t ahead, char *words, size_t size)
{
	uint64_t seconds = ahead < 0 ? -(uint64_t)ahead : (uint64_t)ahead;
	char much[64];

	if (!ahead) {
		snprintf(words, size,
			 "this host's clock and the server's differ by more than five minutes: set "
			 "the clock (timedatectl set-ntp true)");
		return;
	}
	if (seconds < 2 * 3600)
		snprintf(much, sizeof(much), "%" PRIu64 " min", (seconds + 30) / 60);
	else if (seconds < 2 * 86400)
		snprintf(much, sizeof(much), "%" PRIu64 " h %" PRIu64 " min", seconds / 3600,
			 seconds / 60 % 60);
	else
		snprintf(much, sizeof(much), "%" PRIu64 " days", seconds / 86400);
	snprintf(
		words, size,
		"this host's clock is %s %s the server's: set the clock (timedatectl set-ntp true)",
		much, ahead > 0 ? "behind" : "ahead of");
}
