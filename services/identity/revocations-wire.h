/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What this host knows of the forgotten hosts of its account, and how it is kept: the entries of
 * every list that the account's key has signed and that was ever shown here. They are taken
 * together, so an older list, or one of two with the same number, takes nothing back. Pure.
 */
#include "common/keys/revocation-list.h"
#include "services/identity/certificate.h"
#include "services/identity/names.h"

#define REVOCATIONS_SIZE_LIMIT  16384
#define REVOCATIONS_ISSUER_SIZE 32

struct revocations {
	char domain[NAME_SIZE];                  /* the account's; empty: nothing is known */
	uint8_t issuer[REVOCATIONS_ISSUER_SIZE]; /* SHA-256 of the account's certificate */
	uint64_t forgotten; /* until when this host itself was; 0: it is not, or was signed in anew
			     */
	struct revocation_list list;
};

/* This host is of that account now: what was known of another one, or under another password, is
 * forgotten. 0 or -EIO. */
int revocations_bind(struct revocations *revocations, const char *domain,
		     const struct certificate *account);
/* The time to write into what `host` gets by signing in now: later than what is known to be worth
 * nothing. */
uint64_t revocations_sign_in_time(const struct revocations *revocations, const char *domain,
				  const char *host, uint64_t now);

/* The octets of the file; *ret is allocated. 0 or a negative errno. */
int revocations_encode(const struct revocations *revocations, uint8_t **ret, size_t *ret_size);
/* Accepts exactly what revocations_encode() makes. -EBADMSG for anything else. */
int revocations_decode(const uint8_t *data, size_t size, struct revocations *ret);
