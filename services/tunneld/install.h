/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* InstallSa: from what keyd says to a pair of associations in use. */
#include "services/tunneld/tunneld.h"

/* As on the bus, borrowed. */
struct install_request {
	const char *name, *host_id, *address, *algorithm;
	uint16_t port;
	uint32_t spi_in, spi_out;
	bool esn, initiator;
	int keys; /* the memfd */
};

/* 0 with the peer, or a negative errno with `ret_error` set to one of the documented errors. */
int install_pair(struct tunneld *tunneld, const struct install_request *request,
		 struct peer **ret_peer, sd_bus_error *ret_error);
