/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The context: carries facts from identity and mapper and answers from the server into the state,
 * and does what the state says. Everything runs on the daemon's loop.
 */
#include "common/base/wall-clock.h"
#include "common/dns-client/dns-locator.h"
#include "common/loop/daemon.h"
#include "common/loop/timeline.h"
#include "services/registrar/list-submission.h"
#include "services/registrar/mapper-client.h"
#include "services/registrar/published-records.h"
#include "services/registrar/registrar-state.h"
#include "services/registrar/registration.h"
#include "services/registrar/shares.h"
#include "services/registrar/sleep-lock.h"

struct registrar_config {
	struct dns_server_config server;
	uint32_t startup_delay_msec;
	uint32_t lease; /* seconds to ask for */
	char *state_folder;
};

struct registrar {
	const struct registrar_config *config;
	struct daemon *daemon;
	struct registrar_state state;
	struct loop_timer *timer;
	struct signing_identity *identity;
	struct list_submission *list_submission;
	struct mapper_client *mapper;
	struct shares *shares;
	struct sleep_lock *sleep_lock;
	struct dns_locator *locator;
	struct dns_exchange *exchange;
	struct dns_channel *channel;
	struct sockaddr_in clear;  /* a server to be spoken to without TLS; family 0: none */
	struct sockaddr_in server; /* the one in use, for people */
	uint64_t mapper_incarnation;
	uint64_t generation; /* the newest seen of the network */

	struct signing_key held; /* whose records these are */

	struct registration_device device;
	ldns_rr_list *sent_records; /* by the last PUBLISH */
	struct published_records published_records;

	/* What the bus shows. */
	char reason[400];
	char **records; /* published, ended by NULL; NULL when nothing is */
	struct registrar_published {
		uint64_t generation, lease;
		uint64_t expires; /* as loop_now() */
		char server[32];
	} published;
	struct wall_clock wall_clock;
	struct timeline timeline;
	sd_bus_slot *bus_slot;
	enum registrar_phase shown_phase;
	char shown_reason[400];
};

int registrar_new(struct daemon *daemon, const struct registrar_config *config,
		  struct registrar **ret);
struct registrar *registrar_free(struct registrar *registrar);
void registrar_refresh(struct registrar *registrar);
void registrar_terminate(struct registrar *registrar);

/* bus.c */
int registrar_bus_add(struct registrar *registrar);
/* Announces what changed of State and Reason. */
void registrar_bus_emit_state(struct registrar *registrar);
void registrar_bus_emit_published(struct registrar *registrar);

DEFINE_CLEANUP(struct registrar *, registrar_free)
