/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The files of mapper. Below the runtime folder, gone with the machine's power: `generation`, the
 * last one announced, so that it does not fall when we are restarted; `mappings`, the ledger. Below
 * the state folder: `gateways`, what worked at which.
 */
#include "services/mapper/mapper-state.h"

struct store;

/* Keeps the folders' names, borrowed. 0 or -ENOMEM. */
int store_new(const char *runtime_folder, const char *state_folder, struct store **ret);
struct store *store_free(struct store *store);
/* 0: none was ever announced. Bad files are told in the log, and are as if empty. */
uint64_t store_load_generation(struct store *store);
void store_load(struct store *store, struct mapper_state *state, uint64_t now);
/* To be called before the generation is announced. */
void store_save_generation(struct store *store, const struct mapper_state *state);
/* Whatever changed; a failure is told in the log once. */
void store_save(struct store *store, const struct mapper_state *state);
