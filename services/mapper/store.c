/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/store.h"

#include "common/base/atomic-file.h"
#include "common/base/cleanup.h"
#include "common/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GENERATION_FILE_LIMIT 64
#define MAPPINGS_FILE_LIMIT   ((size_t)LEDGER_LIMIT * (LEDGER_LINE_LIMIT + 1))
#define GATEWAYS_FILE_LIMIT   ((size_t)MEMORY_GATEWAYS * (MEMORY_LINE_LIMIT + 1))

enum store_file { FILE_GENERATION, FILE_MAPPINGS, FILE_GATEWAYS, FILES };

struct store {
	char *paths[FILES];
	uint64_t saved[FILES]; /* the number that the content goes with */
	bool failed[FILES];
};

int store_new(const char *runtime_folder, const char *state_folder, struct store **ret)
{
	static const char *const names[FILES] = { "generation", "mappings", "gateways" };
	struct store *store = calloc(1, sizeof *store);

	if (!store)
		return -ENOMEM;
	for (int i = 0; i < FILES; i++) {
		const char *folder = i == FILE_GATEWAYS ? state_folder : runtime_folder;

		if (asprintf(&store->paths[i], "%s/%s", folder, names[i]) < 0) {
			store->paths[i] = NULL;
			store_free(store);
			return -ENOMEM;
		}
	}
	*ret = store;
	return 0;
}

struct store *store_free(struct store *store)
{
	if (!store)
		return NULL;
	for (int i = 0; i < FILES; i++)
		free(store->paths[i]);
	free(store);
	return NULL;
}

/* The file's text, the caller's; NULL: there is none. */
static char *load(const struct store *store, enum store_file file, size_t limit)
{
	uint8_t *text;
	size_t size;
	int r = atomic_file_read(store->paths[file], limit, &text, &size);

	if (r < 0 && r != -ENOENT)
		log_warning("%s: %s", store->paths[file], strerror(-r));
	return r < 0 ? NULL : (char *)text;
}

static void save(struct store *store, enum store_file file, const char *text, size_t size)
{
	int r = atomic_file_write_volatile(store->paths[file], text, size, 0600);

	if (r < 0 && !store->failed[file])
		log_warning("%s: %s; it will not be known after a restart", store->paths[file],
			    strerror(-r));
	store->failed[file] = r < 0;
}

uint64_t store_load_generation(struct store *store)
{
	cleanup(freep) char *text = load(store, FILE_GENERATION, GENERATION_FILE_LIMIT);
	uint64_t generation = 0;

	if (text && sscanf(text, "%" SCNu64, &generation) != 1)
		log_warning("%s holds no number; beginning at 1", store->paths[FILE_GENERATION]);
	store->saved[FILE_GENERATION] = generation;
	return generation;
}

void store_save_generation(struct store *store, const struct mapper_state *state)
{
	char text[GENERATION_FILE_LIMIT];

	if (store->saved[FILE_GENERATION] == state->generation)
		return;
	store->saved[FILE_GENERATION] = state->generation;
	snprintf(text, sizeof text, "%" PRIu64 "\n", state->generation);
	save(store, FILE_GENERATION, text, strlen(text));
}

static void load_mappings(struct store *store, struct mapper_state *state)
{
	cleanup(freep) char *text = load(store, FILE_MAPPINGS, MAPPINGS_FILE_LIMIT);
	struct ledger_entry entry;
	unsigned int n = 0;
	char *rest = NULL;

	for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest)) {
		n++;
		/* There may be a nonce in it, by which others could delete the mapping. */
		if (ledger_parse_line(line, &entry) < 0)
			log_warning("%s: line %u is no mapping", store->paths[FILE_MAPPINGS], n);
		else
			ledger_note(&state->ledger, &entry);
	}
}

static void load_gateways(struct store *store, struct mapper_state *state)
{
	cleanup(freep) char *text = load(store, FILE_GATEWAYS, GATEWAYS_FILE_LIMIT);
	char *rest = NULL;

	for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest))
		if (gateway_memory_parse_line(&state->memory, line) < 0)
			log_warning("%s: not a gateway: %s", store->paths[FILE_GATEWAYS], line);
}

void store_load(struct store *store, struct mapper_state *state, uint64_t now)
{
	load_mappings(store, state);
	store->saved[FILE_MAPPINGS] = state->ledger.changes;
	ledger_expire(&state->ledger, now);
	load_gateways(store, state);
	store->saved[FILE_GATEWAYS] = state->memory.changes;
}

static void save_mappings(struct store *store, const struct ledger *ledger)
{
	cleanup(freep) char *text = malloc(MAPPINGS_FILE_LIMIT + 1);
	size_t size = 0;

	if (!text)
		return;
	for (size_t i = 0; i < ledger->n; i++) {
		int n = ledger_format_line(&ledger->entries[i], text + size, LEDGER_LINE_LIMIT);

		if (n < 0)
			continue;
		size += n;
		text[size++] = '\n';
	}
	store->saved[FILE_MAPPINGS] = ledger->changes;
	save(store, FILE_MAPPINGS, text, size);
}

static void save_gateways(struct store *store, const struct gateway_memory *memory)
{
	cleanup(freep) char *text = malloc(GATEWAYS_FILE_LIMIT + 1);
	size_t size = 0;

	if (!text)
		return;
	for (size_t i = 0; i < memory->n; i++) {
		int n = gateway_memory_format_line(&memory->gateways[i], text + size,
						   MEMORY_LINE_LIMIT);

		if (n < 0)
			continue;
		size += n;
		text[size++] = '\n';
	}
	store->saved[FILE_GATEWAYS] = memory->changes;
	save(store, FILE_GATEWAYS, text, size);
}

void store_save(struct store *store, const struct mapper_state *state)
{
	store_save_generation(store, state);
	if (store->saved[FILE_MAPPINGS] != state->ledger.changes)
		save_mappings(store, &state->ledger);
	if (store->saved[FILE_GATEWAYS] != state->memory.changes)
		save_gateways(store, &state->memory);
}
