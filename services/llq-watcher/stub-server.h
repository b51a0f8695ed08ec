/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The sockets of the stub: DNS over UDP and TCP on a loopback address. The kernel lets nothing from
 * another machine reach 127.0.0.0/8; what has no such source is dropped all the same.
 */
#include "common/loop/loop.h"
#include "services/llq-watcher/stub-state.h"

#include <netinet/in.h>

#define STUB_SERVER_CONNECTIONS 16
#define STUB_SERVER_REPLY_MAX   65535
/* Datagrams whose answer is waited for, and how long: shorter than programs wait. */
#define STUB_SERVER_WAITING   16
#define STUB_SERVER_WAIT_MSEC 1500

struct stub_server;

struct stub_server_counts {
	uint64_t strangers;
	uint64_t closed; /* connections closed for their idleness, length or number */
};

/* Writes the answer to a question; 0: there is none; STUB_LATER: it is asked for again by
 * stub_server_again(), or after STUB_SERVER_WAIT_MSEC with `last`. `capacity` is at least 512. */
typedef size_t (*stub_server_answer)(void *userdata, const struct stub_question *question,
				     uint8_t *reply, size_t capacity);

/* 0 or a negative errno: -EADDRINUSE, -EACCES. */
int stub_server_new(struct loop *loop, const struct sockaddr_in *address, stub_server_answer answer,
		    void *userdata, struct stub_server **ret);
struct stub_server *stub_server_free(struct stub_server *server);
/* What waits for its answer is asked again. */
void stub_server_again(struct stub_server *server);
const struct stub_server_counts *stub_server_counts(const struct stub_server *server);

DEFINE_CLEANUP(struct stub_server *, stub_server_free)
