/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * All that a host keeps of having signed in, and its form as one file, so that a crash leaves the
 * host signed in or signed out and never half of it.
 */
#include "services/identity/certificate.h"
#include "services/identity/host-id-state.h"
#include "services/identity/names.h"

#define CREDENTIALS_SIZE_LIMIT 32768

struct credentials {
	struct account_name name;
	char host[LABEL_SIZE]; /* the host name the certificate is for */
	char tag[KEY_TAG_SIZE];
	uint8_t eui64[EUI64_SIZE]; /* the one the certificate is for */
	struct secret *host_key;   /* as host_key_export() gives it */
	struct secret *tsig;       /* 32 octets */
	struct secret *ppk;        /* 32 octets, the account's; NULL: made before there was one */
	struct certificate certificate;
	struct certificate account_certificate;
};

/* Wipes. Takes NULL; returns NULL. */
struct credentials *credentials_free(struct credentials *credentials);
/* The octets of the file. 0 or a negative errno. */
int credentials_encode(const struct credentials *credentials, struct secret **ret);
/* Accepts exactly what credentials_encode() makes. -EBADMSG for anything else. */
int credentials_decode(const uint8_t *data, size_t size, struct credentials **ret);

DEFINE_CLEANUP(struct credentials *, credentials_free)
