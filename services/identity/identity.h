/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon: who this host is. identity.c carries out, bus.c shows. */
#include "common/loop/daemon.h"
#include "common/loop/timeline.h"
#include "services/identity/account-state.h"
#include "services/identity/revoking.h"
#include "services/identity/store.h"

#include <openssl/evp.h>

struct interface_watch;
struct sign_in;

struct identity_config {
	char *host_name; /* NULL: SetHostName or the system decides */
	bool modified_eui64;
	uint32_t password_timeout; /* seconds */
	struct store store;
};

struct identity_counters {
	uint64_t sign_ins, sign_ins_refused, sign_outs;
	uint64_t signatures, signatures_refused;
	uint64_t tsig_keys_given, tsig_keys_refused;
	uint64_t ppks_given, ppks_refused;
	uint64_t forgets, forgets_refused, forgotten;
	uint64_t lists_taken, lists_old, lists_refused;
	uint64_t submissions_given, submissions_refused;
};

struct identity {
	const struct identity_config *config;
	struct daemon *daemon;
	sd_bus_slot *object;

	struct host_id_state host_id;
	struct interface_watch *interfaces; /* while the host id waits for one */
	struct loop_timer *patience;

	enum account_state state;
	char *reason;
	char host[LABEL_SIZE];
	char tag[TAG_SIZE];
	struct credentials *credentials; /* while signed in */
	EVP_PKEY *host_key;              /* while signed in */
	const char *account_lost;        /* why what was stored could not be read; NULL: it was */
	bool plain;                      /* what is stored is not sealed */

	struct sign_in *sign_in; /* while signing in */
	identity_done sign_in_done;
	void *sign_in_userdata;
	bool naming; /* a host name is on its way to the disk */
	bool terminating;

	struct revoking revoking;

	struct identity_counters counters;
	struct timeline timeline;
};

/* Reads what is stored, joins the bus. `config` is borrowed. 0, or a negative errno after it was
 * logged. */
int identity_new(const struct identity_config *config, struct identity **ret);
struct identity *identity_free(struct identity *identity);
int identity_run(struct identity *identity);

/* Each returns 0, or a negative errno with a message for people: -EINVAL, or what
 * account_state_check() says. With 0, those that have a done() call it later and once. */
int identity_sign_in(struct identity *identity, const char *account, int password_fd,
		     identity_done done, void *userdata, const char **ret_message);
int identity_sign_out(struct identity *identity, identity_done done, void *userdata,
		      const char **ret_message);
int identity_set_host_name(struct identity *identity, const char *name, identity_done done,
			   void *userdata, const char **ret_message);
/* *ret_signature is allocated. */
int identity_sign(struct identity *identity, const void *octets, size_t size,
		  uint8_t **ret_signature, size_t *ret_size, const char **ret_message);
/* Returns a sealed memfd that the caller closes. */
int identity_give_tsig_key(struct identity *identity, char ret_name[static NAME_SIZE],
			   const char **ret_message);

/* The same with the account's post-quantum preshared key; `ret_id` is its name. */
int identity_give_ppk(struct identity *identity, char ret_id[static NAME_SIZE],
		      const char **ret_message);

/* How what is stored, or would be, is kept from whoever has only the disk. */
enum key_protection identity_key_protection(const struct identity *identity);
/* Whether a request may be made now; -ENOKEY and the like as above. */
int identity_check(struct identity *identity, enum account_request request,
		   const char **ret_message);
/* This host was forgotten by another: it signs itself out, and says why. */
void identity_be_forgotten(struct identity *identity);
/* Ends the daemon as soon as nothing is under way that has to end by itself. */
void identity_terminate(struct identity *identity);

/* bus.c */
int identity_bus_register(struct identity *identity);
/* The name of the error on the bus. */
const char *identity_error_name(int error);
/* An identity_done: the answer to the call `userdata`, which it unrefs. */
void identity_bus_done(void *userdata, int error, const char *message);
/* Announces the properties named, a list that NULL ends. */
void identity_bus_changed(struct identity *identity, const char *const *properties);

DEFINE_CLEANUP(struct identity *, identity_free)
