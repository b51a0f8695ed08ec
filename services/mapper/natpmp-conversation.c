/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * libnatpmp makes the socket (connected, so that the kernel drops what is not from the gateway) and
 * the requests. It is not asked to repeat or to read: it counts its timeouts on the wall clock,
 * which is often set right after a network came up, and it takes an answer of any length. When to
 * repeat is mapper-state.c's, what an answer says natpmp-wire.c's.
 */
#include "services/mapper/natpmp-conversation.h"

#include <natpmp.h>
#include <sys/socket.h>

#define BATCH_LIMIT 32

struct gateway_natpmp {
	natpmp_t library;
	struct loop_io *io;
	const struct gateway_natpmp_callbacks *callbacks;
	void *userdata;
	bool receiving, freed;
};

static void destroy(struct gateway_natpmp *natpmp)
{
	loop_io_free(natpmp->io);
	closenatpmp(&natpmp->library);
	free(natpmp);
}

static bool receive_one(struct gateway_natpmp *natpmp)
{
	struct natpmp_response response;
	uint8_t octets[64];
	/* The length as it was on the wire, so that a longer one does not pass for one that fits.
	 */
	ssize_t size = recv(natpmp->library.s, octets, sizeof octets, MSG_DONTWAIT | MSG_TRUNC);

	if (size < 0 && errno == ECONNREFUSED) {
		natpmp->callbacks->on_unreachable(natpmp->userdata);
		return true;
	}
	if (size < 0)
		/* Host unreachable and its like: as good as no answer. */
		return errno != EAGAIN && errno != EWOULDBLOCK;
	if (size > (ssize_t)sizeof octets || natpmp_parse_response(octets, size, &response) < 0)
		natpmp->callbacks->on_response(natpmp->userdata, NULL);
	else
		natpmp->callbacks->on_response(natpmp->userdata, &response);
	return true;
}

static void on_readable(void *userdata, int status, int events)
{
	struct gateway_natpmp *natpmp = userdata;

	natpmp->receiving = true;
	for (int i = 0; i < BATCH_LIMIT && !natpmp->freed && receive_one(natpmp); i++)
		;
	natpmp->receiving = false;
	if (natpmp->freed)
		destroy(natpmp);
}

int gateway_natpmp_new(struct loop *loop, struct in_addr gateway,
		       const struct gateway_natpmp_callbacks *callbacks, void *userdata,
		       struct gateway_natpmp **ret)
{
	struct gateway_natpmp *natpmp = calloc(1, sizeof *natpmp);
	int r;

	if (!natpmp)
		return -ENOMEM;
	errno = 0;
	if (initnatpmp(&natpmp->library, 1, gateway.s_addr) < 0) {
		r = errno ? -errno : -EIO;
		closenatpmp(&natpmp->library);
		free(natpmp);
		return r;
	}
	natpmp->callbacks = callbacks;
	natpmp->userdata = userdata;
	r = loop_io_new(loop, natpmp->library.s, UV_READABLE, on_readable, natpmp, &natpmp->io);
	if (r < 0) {
		destroy(natpmp);
		return r;
	}
	*ret = natpmp;
	return 0;
}

struct gateway_natpmp *gateway_natpmp_free(struct gateway_natpmp *natpmp)
{
	if (!natpmp)
		return NULL;
	if (natpmp->receiving)
		natpmp->freed = true;
	else
		destroy(natpmp);
	return NULL;
}

int gateway_natpmp_send(struct gateway_natpmp *natpmp, const struct gateway_request *request)
{
	int r;

	errno = 0;
	if (request->operation == NATPMP_ADDRESS)
		r = sendpublicaddressrequest(&natpmp->library);
	else
		r = sendnewportmappingrequest(&natpmp->library, request->operation,
					      request->internal_port, request->external_port,
					      request->lifetime);
	if (r >= 0)
		return 0;
	return errno ? -errno : -EIO;
}
