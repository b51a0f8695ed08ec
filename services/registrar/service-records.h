/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The records of a shared service (RFC 6763). Pure. */
#include "common/dns/dns-message.h"
#include "common/dns/host-names.h"
#include "services/registrar/service-offer.h"

/*
 * Pushes on `list`, for instance "desktop" of "_ssh._tcp" on host desktop of alice.…:
 *
 *     desktop._ssh._tcp.alice.…      SRV  0 0 <port> desktop.alice.…      TXT
 *     _ssh._tcp.alice.…              PTR  desktop._ssh._tcp.alice.…
 *     <subtype>._sub._ssh._tcp.alice.…  PTR  the same
 *     _services._dns-sd._udp.alice.…  PTR  _ssh._tcp.alice.…  unless it is there already
 *
 * The instance's name is one label of any octets, stored as it is (§4.1.3). -EINVAL: a name would
 * be longer than 255 octets, and nothing was pushed; -ENOMEM.
 */
int service_records_push(ldns_rr_list *list, const struct host_names *names,
			 const struct service_offer *offer, const char *instance);
