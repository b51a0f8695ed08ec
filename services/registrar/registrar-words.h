/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What an answer, or none, means for the state, and for people. Pure. */
#include "common/dns/host-names.h"
#include "services/registrar/registrar-state.h"

#include <stddef.h>

/* `error` as dns_exchange gives it; `ahead` seconds is the server's clock ahead of ours, with
 * -ETIME; 0: not known. */
enum registrar_result registrar_result_of_error(const char *account_domain, int error,
						int64_t ahead, char *words, size_t size);
enum registrar_result registrar_result_of_rcode(const struct host_names *names, uint16_t rcode,
						char *words, size_t size);
