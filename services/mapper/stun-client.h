/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The sockets and the clock around stun-state.c: one socket that asks, one whose port is to be
 * mapped and that only listens, one for the packet that is to end at the second router. They live
 * from stun_client_begin() to stun_client_stop().
 */
#include "services/mapper/stun-servers.h"

struct stun_client;

/* Something was found out; or what was found out is no longer true. */
typedef void (*stun_client_callback)(void *userdata);

int stun_client_new(struct loop *loop, stun_client_callback on_findings, void *userdata,
		    struct stun_client **ret);
struct stun_client *stun_client_free(struct stun_client *client);

/* Asks these servers from `local`, everything anew. 0 or a negative errno. */
int stun_client_begin(struct stun_client *client, struct in_addr local,
		      const struct sockaddr_in *servers, size_t n);
void stun_client_stop(struct stun_client *client);
/* The port whose mapping can be proved, in host order; 0: nothing has begun. */
uint16_t stun_client_port(const struct stun_client *client);
/* It is mapped to `external_port`. */
void stun_client_prove(struct stun_client *client, uint16_t external_port);
void stun_client_stop_proof(struct stun_client *client);
/* Something is being asked. */
bool stun_client_is_busy(const struct stun_client *client);
bool stun_client_proof_is_over(const struct stun_client *client);

const struct stun_findings *stun_client_findings(const struct stun_client *client);
const struct stun_client_counters *stun_client_counters(const struct stun_client *client);

DEFINE_CLEANUP(struct stun_client *, stun_client_free)
