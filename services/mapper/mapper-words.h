/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the bus and people are told, from the state. */
#include "services/mapper/mapper-state.h"

/* The properties State, NatKind, Protocol and NetworkKind of the daemon, and State of a mapping. */
const char *words_state(const struct mapper_state *state);
const char *words_nat_kind(enum nat_kind kind);
const char *words_protocol(enum mapping_protocol protocol);
const char *words_condition(enum mapping_condition condition);
const char *words_network_kind(const struct mapper_state *state);
/* Empty for TROUBLE_NONE. */
const char *words_trouble(enum trouble trouble);
/* Reason: one sentence or two, into `text`. */
void words_reason(const struct mapper_state *state, char *text, size_t size);
