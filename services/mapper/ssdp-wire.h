/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* SSDP (UPnP Device Architecture §1): how a gateway's description is found, and how it says that it
 * came or goes. */
#include "services/mapper/igd-url-wire.h"

#include <stdbool.h>

#define SSDP_PORT     1900
#define SSDP_GROUP    0xeffffffaU /* 239.255.255.250 */
#define SSDP_SIZE_MAX 2048        /* of a message we read; all that are in use are far smaller */

/* What is searched for, in the order of preference. */
enum ssdp_target {
	SSDP_GATEWAY_2,
	SSDP_GATEWAY_1,
	SSDP_IP_CONNECTION_2,
	SSDP_IP_CONNECTION_1,
	SSDP_PPP_CONNECTION_1,
	SSDP_ROOT_DEVICE,
	SSDP_OTHER, /* in a message: any other */
};

enum ssdp_kind {
	SSDP_ANSWER, /* to a search */
	SSDP_ALIVE,
	SSDP_GONE,
};

struct ssdp_message {
	enum ssdp_kind kind;
	enum ssdp_target target;
	/* port 0: there is none, or it is not one to be followed; the latter sets bad_location */
	struct igd_url location;
	bool bad_location;
	/* Grows with each start of the device (UPnP Device Architecture 1.1 §1.2.2). */
	bool has_boot_id;
	uint32_t boot_id;
};

/* A search for `target` to the group, or to one host only. Returns the length; 0: no room. */
size_t ssdp_build_search(enum ssdp_target target, const struct in_addr *host, char *ret,
			 size_t size);

/* 0; -EBADMSG; -EINVAL for a message of SSDP that is neither (another host's search, say). */
int ssdp_parse(const void *data, size_t size, struct ssdp_message *ret);
