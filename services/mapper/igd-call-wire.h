/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Between mapper and the worker that speaks HTTP, XML and SOAP with a gateway: one datagram of a
 * socket pair each way. Both are built together and run on one machine, so these are plain
 * structures; but what the worker says went through a parser that strangers feed, so mapper looks
 * at every field of it before it uses one.
 */
#include "services/mapper/gateway-event.h"
#include "services/mapper/igd-url-wire.h"

/* How a WAN device is chosen, IG-5: libminiupnpc keeps the first and the last one. */
#define IGD_SERVICES_MAX    2
#define IGD_SUBSCRIPTION_ID 80
/* The status line and fields in a gateway's answer; its XML. */
#define IGD_DESCRIPTION_MAX 65536

/* The services by which ports are mapped. */
enum igd_service_type {
	IGD_NO_SERVICE,
	IGD_IP_CONNECTION_1,
	IGD_IP_CONNECTION_2,
	IGD_PPP_CONNECTION_1,
};

struct igd_service {
	enum igd_service_type type;
	struct igd_url control;
	struct igd_url events; /* port 0: none */
};

enum igd_call_kind {
	IGD_CALL_DESCRIBE, /* url → services */
	IGD_CALL_STATUS,   /* GetStatusInfo → connected */
	IGD_CALL_ADDRESS,  /* GetExternalIPAddress → external */
	IGD_CALL_ADD,      /* AddPortMapping */
	IGD_CALL_ADD_ANY,  /* AddAnyPortMapping → external_port */
	IGD_CALL_ENTRY,  /* GetSpecificPortMappingEntry → client, internal_port, enabled, lease */
	IGD_CALL_DELETE, /* DeletePortMapping */
	IGD_CALL_SUBSCRIBE, /* url of events → subscription, lifetime */
	IGD_CALL_RENEW,
	IGD_CALL_UNSUBSCRIBE,
	IGD_CALLS,
};

struct igd_call {
	uint32_t id;
	enum igd_call_kind kind;
	struct igd_url url; /* of the description, of control or of events */
	enum igd_service_type service;
	int transport;
	uint16_t external_port, internal_port;
	struct in_addr client; /* ADD: where it is to be forwarded to */
	uint32_t lifetime;     /* seconds; 0: for ever */
	char label[MAPPING_LABEL_LIMIT + 1];
	struct igd_url callback;                    /* SUBSCRIBE: ours */
	char subscription[IGD_SUBSCRIPTION_ID + 1]; /* RENEW, UNSUBSCRIBE */
	/* ADD: when nobody takes the answer any more, undo what was done. */
	bool undo;
};

enum igd_outcome {
	IGD_DONE,
	IGD_FAULT,       /* the gateway said no: `code` is UPnP's error, or an HTTP status */
	IGD_UNREACHABLE, /* no connection, or it ended before an answer */
	IGD_NONSENSE,    /* what came is not what was asked for, or too much of it */
	IGD_OUTCOMES,
};

struct igd_answer {
	uint32_t id; /* of the call */
	enum igd_outcome outcome;
	uint32_t code; /* IGD_FAULT */
	struct igd_service services[IGD_SERVICES_MAX];
	bool connected, enabled;
	struct in_addr external, client;
	uint16_t external_port, internal_port;
	uint32_t lifetime;
	char subscription[IGD_SUBSCRIPTION_ID + 1];
};

/* Whether a datagram is an answer that may be used: of the right size, all fields in their range,
 * all texts ended, all URLs at `gateway`. 0 or -EBADMSG. */
int igd_answer_read(const void *data, size_t size, struct in_addr gateway, struct igd_answer *ret);
/* The same for a call, in the worker. */
int igd_call_read(const void *data, size_t size, struct igd_call *ret);

/* "urn:schemas-upnp-org:service:WANIPConnection:1" and so on. */
const char *igd_service_name(enum igd_service_type type);
/* By its name; a version that is not known is taken for the highest one known below it. */
enum igd_service_type igd_service_by_name(const char *name);

/* Whether a subscription's identifier is one we may repeat in a header: "uuid:...". */
bool igd_subscription_is_good(const char *text);
