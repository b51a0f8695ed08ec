/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/offload-proof.h"

#include "common/base/log.h"
#include "services/tunneld/offload-proof-internal.h"

#include <poll.h>

void proof_fill(uint8_t *data, size_t size, uint8_t seed)
{
	for (size_t i = 0; i < size; i++)
		data[i] = seed + i + (i >> 7) * 13;
}

bool proof_wait(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, PROOF_WAIT_MSEC) > 0;
}

/* A failure counts when it is one twice, and when the same works without the offload. */
static void refuse(bool *offload, bool *broken, const char *word)
{
	*offload = false;
	*broken = true;
	log_warning("this kernel's %s gives wrong packets; it is not used", word);
}

static void prove_port(struct offloads *offloads, struct offloads *broken)
{
	if (!proof_datagrams(false, false))
		return;
	if (offloads->gro_send && !proof_datagrams(true, false) && !proof_datagrams(true, false))
		refuse(&offloads->gro_send, &broken->gro_send, "UDP_SEGMENT");
	/* Received as one is only what was sent as one. */
	if (offloads->gro_receive && !broken->gro_send && !proof_datagrams(true, true) &&
	    !proof_datagrams(true, true))
		refuse(&offloads->gro_receive, &broken->gro_receive, "UDP_GRO");
}

typedef struct proof_result (*exchange_function)(struct proof_stage *stage, bool offload);

/* What fails with offloads and not without. */
static struct proof_result find_broken(struct proof_stage *stage, exchange_function exchange)
{
	struct proof_result broken = {}, without, with, again;

	without = exchange(stage, false);
	if (!without.out && !without.in)
		return broken;
	with = exchange(stage, true);
	if (with.out >= without.out && with.in >= without.in)
		return broken;
	again = exchange(stage, true);
	broken.out = without.out && !with.out && !again.out;
	broken.in = without.in && !with.in && !again.in;
	return broken;
}

static void prove_device(struct offloads *offloads, struct offloads *broken)
{
	struct proof_stage *stage = proof_stage_new();
	struct proof_result tcp = {}, udp = {};

	if (!stage)
		return;
	/* The first exchange waits until the kernel receives for the new address. */
	udp = find_broken(stage, proof_udp);
	tcp = find_broken(stage, proof_tcp);
	proof_stage_free(stage);
	if (offloads->tso && tcp.out)
		refuse(&offloads->tso, &broken->tso, "TUN TSO");
	if (offloads->coalesce && tcp.in)
		refuse(&offloads->coalesce, &broken->coalesce, "TUN input of super-packets");
	if (offloads->uso && (udp.out || udp.in))
		refuse(&offloads->uso, &broken->uso, "TUN USO");
}

void offload_proof_run(struct offloads *offloads, struct offloads *ret_broken)
{
	*ret_broken = (struct offloads){ .aead = offloads->aead };
	if (offloads->gro_send || offloads->gro_receive)
		prove_port(offloads, ret_broken);
	if (offloads->tso || offloads->uso || offloads->coalesce)
		prove_device(offloads, ret_broken);
}
