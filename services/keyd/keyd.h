/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon: feeds events to the manager (ike-manager-state.h) and carries out what it wants done.
 */
#include "common/loop/daemon.h"
#include "common/loop/timeline.h"
#include "services/keyd/ike-manager-state.h"

struct keyd;
struct bus;

/* What keyd.conf says. */
struct keyd_config {
	struct ike_preferences preferences;
	uint32_t cookies_from;  /* SAs of strangers */
	uint32_t datagram_size; /* octets of the largest IP datagram */
	struct {
		uint32_t ike, child; /* s */
		uint32_t jitter;     /* per cent */
		uint32_t mebibytes, packets;
	} rekey;
	int ppk_use;     /* enum ike_ppk_use */
	bool resumption; /* whether SAs that were lost are resumed */
	char *runtime_folder;
	char *psk_file; /* NULL: no preshared keys; see psk-file.h */
};

/* 0, or a negative errno after a line that says what happened. */
int keyd_new(const struct keyd_config *config, struct keyd **ret);
struct keyd *keyd_free(struct keyd *keyd);
int keyd_run(struct keyd *keyd);

/* For bus.c. */
struct ike_manager *keyd_manager(struct keyd *keyd);
struct timeline *keyd_timeline(struct keyd *keyd);
/* What the bus shows: a word of the list in org.homeward.Key1.xml, and the same for people. */
const char *keyd_state(const struct keyd *keyd);
const char *keyd_reason(const struct keyd *keyd);
/* ms, of the loop. */
uint64_t keyd_now(const struct keyd *keyd);
/* As ike_manager_rekey() and ike_manager_terminate(). */
int keyd_rekey(struct keyd *keyd, uint64_t sa);
int keyd_rekey_child(struct keyd *keyd, uint64_t child);
int keyd_terminate(struct keyd *keyd, uint64_t sa);

/* bus.c */
int bus_new(struct keyd *keyd, struct loop *loop, sd_bus *connection, struct bus **ret);
struct bus *bus_free(struct bus *bus);
/* keyd_state() may be another. */
void bus_announce_state(struct bus *bus);
/* The SA with this number is new, other, or gone: it is announced soon, and shown from now on. */
void bus_announce_sa(struct bus *bus, uint64_t sa);

DEFINE_CLEANUP(struct keyd *, keyd_free)
