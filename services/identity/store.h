/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What identity keeps on disk. In the runtime folder, gone with the machine's power: host-id. In
 * the state folder: credentials (while signed in), host-name (when one was set), machine-tag,
 * revoked (when hosts of the account were forgotten), and host-id when it is to be kept for good.
 * Each is written beside and renamed over.
 */
#include "services/identity/credentials-wire.h"
#include "services/identity/revocations-wire.h"
#include "services/identity/sealed-wire.h"

struct store {
	char *runtime_folder, *state_folder;
	bool keep_host_id;
	struct store_key *key; /* NULL: the credentials are a plain file */
};

/* The key that the service manager put into $CREDENTIALS_DIRECTORY. -ENOENT when it gave none,
 * -ENODATA when it says that there is none, -EBADMSG when it cannot be read as one. */
int store_load_key(struct store *store);

/* Makes the folders where they are missing, and removes what a sign-in that was killed left. 0 or a
 * negative errno; *ret_path names what failed. */
int store_prepare(const struct store *store, const char **ret_path);

/* -ENOENT when there is none, -EBADMSG when it cannot be read as one. */
int store_load_host_id(const struct store *store, uint8_t ret[static HOST_ID_SIZE]);
int store_save_host_id(const struct store *store, const uint8_t id[static HOST_ID_SIZE]);
int store_load_host_name(const struct store *store, char ret[static LABEL_SIZE]);
int store_save_host_name(const struct store *store, const char *host);
/* Makes the tag at the first call of this machine's life. */
int store_load_tag(const struct store *store, char ret[static TAG_SIZE]);
/* *ret_sealed: whether the file was. -ENOKEY and -EKEYREJECTED as sealed_read(). */
int store_load_credentials(const struct store *store, struct credentials **ret, bool *ret_sealed);
/* Sealed where there is a key. */
int store_save_credentials(const struct store *store, const struct credentials *credentials);
/* Writes them again in place of a plain file, and overwrites that. Waits for the disk. */
int store_seal_credentials(const struct store *store, const struct credentials *credentials);
/* -ENOENT when there are none. */
int store_load_revocations(const struct store *store, struct revocations *ret);
/* What revocations_encode() made; NULL: none are to be kept. Waits for the disk: queued work. */
int store_save_revocations(const struct store *store, const uint8_t *data, size_t size);
/* Takes the file's name away at once and returns a descriptor of what had it, for
 * store_wipe_credentials(); -ENOENT when there was none. */
int store_forget_credentials(const struct store *store);
/* Overwrites, which reaches the medium where the file system writes in place, and makes the removal
 * durable. Waits for the disk: queued work. */
int store_wipe_credentials(const struct store *store, int fd);
