/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the bus shows, as plain values: properties are served from a copy of what was announced
 * last, and the difference to a new copy is what is signalled.
 */
#include "services/mapper/mapper-state.h"

#include <stddef.h>

#define SHOWN_UPLINKS_LIMIT 8
#define SHOWN_HOPS_LIMIT    4

struct shown_uplink {
	char interface[IFNAMSIZ];
	char address[INET_ADDRSTRLEN], gateway[INET_ADDRSTRLEN];
	uint32_t metric;
};

struct shown_result {
	char protocol[16];
	uint32_t code;
};

struct shown_network {
	char state[16];
	char reason[600];
	uint64_t generation;
	char interface[IFNAMSIZ];
	char local_address[INET_ADDRSTRLEN];
	char gateway[INET_ADDRSTRLEN];
	char external_address[INET_ADDRSTRLEN];
	char network_kind[16];
	struct shown_uplink uplinks[SHOWN_UPLINKS_LIMIT]; /* an empty interface ends */
	char gateway_hardware_address[18];
	char nat_kind[24];
	char protocol[16];
	struct shown_result gateway_result;
	int forwarded; /* a boolean, as D-Bus has it */
	char reflexive_address[INET_ADDRSTRLEN];
	char stun_server[64];
	char nat_mapping[32], nat_filtering[32];
	char verified[8];
	uint32_t nat_silence; /* s */
	uint64_t checked;     /* µs of CLOCK_REALTIME */
};

struct shown_hop {
	char gateway[INET_ADDRSTRLEN];
	char protocol[16];
	uint16_t port;
};

struct shown_mapping {
	char label[MAPPING_LABEL_LIMIT + 1];
	uint64_t generation;
	struct sockaddr_in internal, external;
	char protocol[16];
	char gateway[INET_ADDRSTRLEN];
	uint32_t lifetime;
	struct shown_hop hops[SHOWN_HOPS_LIMIT]; /* an empty gateway ends */
	uint32_t result_code;
	uint64_t expires; /* seconds of CLOCK_REALTIME */
	char state[16];
	char last_error[200];
};

void shown_fill_network(const struct mapper_state *state, struct shown_network *shown);
/* All but `expires`, which depends on the clock. */
void shown_fill_mapping(const struct mapper_state *state, const struct mapping *mapping,
			struct shown_mapping *shown);

#define SHOWN_NAMES_LIMIT 32
/* The names of the properties that differ, ended by NULL, into `names` (SHOWN_NAMES_LIMIT of them).
 * False: none. */
bool shown_compare_networks(const struct shown_network *former, const struct shown_network *present,
			    char **names);
bool shown_compare_mappings(const struct shown_mapping *former, const struct shown_mapping *present,
			    char **names);
