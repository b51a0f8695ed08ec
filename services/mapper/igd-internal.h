/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of igd-*-state.c share among themselves. */
#include "services/mapper/igd-state.h"

#define IGD_CALL_PATIENCE  5000
#define IGD_KNOWN_PATIENCE 1500 /* a known location is a guess */
/* Between two looks without events from the gateway, and with them. */
#define IGD_LOOK_EVERY            180000
#define IGD_LOOK_EVERY_SUBSCRIBED 900000
/* An address asked for so long ago is still good for the answer to a mapping. */
#define IGD_ADDRESS_FRESH 3000

/* igd-state.c */
struct igd_call *igd_call_begin(struct igd_state *state, enum igd_call_kind kind,
				enum igd_purpose purpose, size_t subject, uint64_t now);
bool igd_is_public(struct in_addr address);
/* HTTP with the gateway failed: it is searched for again; when it fails there, too, it is absent
 * until it is asked the next time. */
void igd_state_lose(struct igd_state *state, uint64_t now);

/* igd-task-state.c: requests. */
enum trouble igd_trouble(unsigned int code);
bool igd_task_next_call(struct igd_state *state, uint64_t now);
void igd_task_on_answer(struct igd_state *state, const struct igd_answer *answer, uint64_t now);
/* All of them: the gateway does not speak this, or no more. */
void igd_task_fail_all(struct igd_state *state, enum trouble trouble, unsigned int result);
void igd_task_end(struct igd_state *state, size_t index);

/* igd-look-state.c: what changes without being asked for. */
void igd_look_init(struct igd_state *state);
void igd_look_begin(struct igd_state *state, uint64_t now);
bool igd_look_next_call(struct igd_state *state, uint64_t now);
void igd_look_on_answer(struct igd_state *state, enum igd_purpose purpose,
			const struct igd_answer *answer, uint64_t now);
uint64_t igd_look_due(const struct igd_state *state);
struct igd_mapping *igd_held_find(struct igd_state *state, int transport, uint16_t internal_port);
void igd_held_set(struct igd_state *state, int transport, uint16_t internal_port,
		  uint16_t external_port, uint64_t now);
void igd_held_forget(struct igd_state *state, struct igd_mapping *held);
