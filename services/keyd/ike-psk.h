/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Preshared keys (RFC 7296 §2.15) of single peers. Whether a peer has one decides how both sides
 * prove themselves, and nothing that is negotiated does: with a key there are no certificates, and
 * without one there is nothing else.
 */
#include "services/keyd/ike-message-wire.h"

#include "common/base/cleanup.h"

#define IKE_PSK_MINIMUM    16 /* octets: 128 bits */
#define IKE_PSK_MAXIMUM    256
#define IKE_PSKS_LIMIT     256   /* of one file */
#define IKE_PSK_FILE_LIMIT 32768 /* octets */

struct ike_psks;

/*
 * Lines "NAME KEY": the full name of a peer, and octets as 0x... (hexadecimal) or 0s... (base64).
 * A passphrase is none, since nobody can say how hard it is to guess. Empty lines and those that
 * begin with # are passed over. 0, -ENOMEM, or -EINVAL with a sentence in *ret_complaint (static)
 * and the line, from 1, in *ret_line.
 */
int ike_psks_parse(const char *text, size_t size, struct ike_psks **ret, const char **ret_complaint,
		   unsigned int *ret_line);
/* Wipes; takes NULL; returns NULL. */
struct ike_psks *ike_psks_free(struct ike_psks *psks);
/* The key of the peer with this name, in lower case; no octets: it has none. `psks` may be NULL.
 * Borrowed. */
struct ike_octets ike_psks_find(const struct ike_psks *psks, const char *name);

DEFINE_CLEANUP(struct ike_psks *, ike_psks_free)
