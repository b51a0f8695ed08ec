/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The account's revocation list (docs/ARCHITECTURE.md, "Forgotten hosts"): an X.509 CRL (RFC 5280
 * §5), signed by the account's Ed25519 key. An entry means: the host of this name, and everything
 * issued to it up to the entry's revocation date, certificates and TSIG keys alike.
 *
 * A CRL names certificates by their serial numbers; who forgets a host knows its name alone. So the
 * entry has the name, as the one dNSName of a subjectAltName (not critical), and its serial number
 * follows from the name. Dates of the list itself mean nothing to us: it is as good as its number.
 */
#include "common/keys/secret.h"

#include <stdbool.h>

/* The list is at this name below the account's domain. */
#define REVOCATION_LABEL "_revoked"

#define REVOCATION_HOST_SIZE     64 /* one label and a NUL */
#define REVOCATION_HOSTS_MAX     128
#define REVOCATION_LIST_SIZE_MAX 16384

struct revocation {
	char host[REVOCATION_HOST_SIZE]; /* in lower case */
	uint64_t until;                  /* seconds since 1970 */
};

/* By name, each once. All zero: nobody. */
struct revocation_list {
	uint64_t number;
	size_t n;
	struct revocation items[REVOCATION_HOSTS_MAX];
};

/* What the list says of a host; 0: nothing. */
uint64_t revocation_list_until(const struct revocation_list *list, const char *host);
/* Whether what was issued to `host` at `issued` is worth nothing any more. */
bool revocation_list_covers(const struct revocation_list *list, const char *host, uint64_t issued);
/* One more; what the list says already of the host never gets less. -ENOSPC, or -EINVAL for no
 * label. */
int revocation_list_add(struct revocation_list *list, const char *host, uint64_t until);
/* Everything that `other` says as well, and the higher number. Whether that changed anything, or
 * -ENOSPC. */
int revocation_list_merge(struct revocation_list *list, const struct revocation_list *other);

/* Signs `list` with the key of `seed` (32 octets); `account` is its certificate (DER); `now` in
 * seconds. *ret is allocated. 0, -EFBIG when it would be larger than REVOCATION_LIST_SIZE_MAX,
 * -EKEYREJECTED when the seed is not the certificate's, or another negative errno. */
int revocation_list_sign(const struct revocation_list *list, const struct secret *seed,
			 const uint8_t *account, size_t account_size, uint64_t now, uint8_t **ret,
			 size_t *ret_size);
/* Reads one without a look at its signature. 0, -EBADMSG, -EFBIG. */
int revocation_list_read(const uint8_t *data, size_t size, struct revocation_list *ret);
/* Reads one that `account` has issued and signed. 0; -EBADMSG, -EFBIG; -EACCES: it is another's;
 * -EKEYREJECTED: the signature is wrong. */
int revocation_list_verify(const uint8_t *data, size_t size, const uint8_t *account,
			   size_t account_size, struct revocation_list *ret);
