/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/install.h"

#include "bus-interfaces/errors.h"
#include "common/keys/secret.h"
#include "services/tunneld/datapath-xfrm.h"
#include "services/tunneld/datapath.h"

#include <arpa/inet.h>
#include <string.h>

/* Inbound SPIs of ours are such that no ESP packet looks like STUN (RFC 8489 §6). */
#define SPI_IN_MINIMUM 0x40000000

#define refuse(error, ...) sd_bus_error_setf(error, HOMEWARD_ERROR_INVALID_ARGUMENT, __VA_ARGS__)

static int parse_endpoint(const struct install_request *request, struct sockaddr_in *ret,
			  sd_bus_error *ret_error)
{
	*ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(request->port) };
	if (inet_pton(AF_INET, request->address, &ret->sin_addr) != 1 || !ret->sin_addr.s_addr ||
	    !request->port)
		return refuse(ret_error, "endpoint (\"%s\", %u) is no IPv4 address and port",
			      request->address, request->port);
	return 0;
}

/* The pair, not yet of any peer. */
static int make_pair(struct tunneld *tunneld, const struct install_request *request,
		     struct sa_pair **ret, sd_bus_error *ret_error)
{
	cleanup(sa_pair_freep) struct sa_pair *pair = calloc(1, sizeof *pair);
	cleanup(secret_freep) struct secret *keys = NULL;
	enum esp_algorithm algorithm;
	size_t size;
	int r;

	if (!pair)
		return -ENOMEM;
	if (esp_algorithm_from_string(request->algorithm, &algorithm) < 0)
		return refuse(ret_error, "algorithm \"%s\" is not known", request->algorithm);
	size = esp_keymat_size(algorithm);
	r = secret_from_memfd(request->keys, 2 * size, &keys);
	if (r < 0 || keys->size != 2 * size)
		return refuse(ret_error, "keys are not a sealed memfd of %zu octets", 2 * size);
	pair->spi_in = request->spi_in;
	pair->spi_out = request->spi_out;
	pair->initiator = request->initiator;
	pair->esn = request->esn;
	r = esp_in_new(tunneld->aead, algorithm, request->esn, request->spi_in, keys->data,
		       &pair->in);
	/* Where the kernel seals, nobody else ever does with this key. */
	if (r >= 0 && !datapath_xfrm_is_on(tunneld))
		r = esp_out_new(tunneld->aead, algorithm, request->esn, request->spi_out,
				keys->data + size, &pair->out);
	if (r < 0)
		return sd_bus_error_setf(ret_error, HOMEWARD_ERROR_FAILED,
					 "the cipher refused the key");
	r = datapath_xfrm_adopt(tunneld, pair, algorithm, &keys);
	if (r < 0)
		return r;
	*ret = steal_ptr(pair);
	return 0;
}

static unsigned int count_pairs(const struct peer *peer)
{
	unsigned int n = 0;

	for (const struct sa_pair *pair = peer ? peer->pairs : NULL; pair; pair = pair->next)
		n++;
	return n;
}

int install_pair(struct tunneld *tunneld, const struct install_request *request,
		 struct peer **ret_peer, sd_bus_error *ret_error)
{
	cleanup(sa_pair_freep) struct sa_pair *pair = NULL;
	struct sockaddr_in endpoint;
	struct in6_addr host_id;
	struct peer *peer;
	int r;

	if (!*request->name || strlen(request->name) >= PEER_NAME_SIZE)
		return refuse(ret_error, "name is empty or too long");
	if (inet_pton(AF_INET6, request->host_id, &host_id) != 1 ||
	    (tunneld->have_host_id && !memcmp(&host_id, &tunneld->host_id, sizeof host_id)))
		return refuse(ret_error, "host_id \"%s\" is no IPv6 address of another host",
			      request->host_id);
	if (request->spi_in < SPI_IN_MINIMUM || request->spi_out < ESP_SPI_MINIMUM)
		return refuse(ret_error, "spi_in is below 0x40000000, or spi_out below 256");
	r = parse_endpoint(request, &endpoint, ret_error);
	if (r < 0)
		return r;
	if (peer_table_find_spi(&tunneld->peers, request->spi_in))
		return sd_bus_error_setf(ret_error, HOMEWARD_ERROR_ALREADY_EXISTS,
					 "inbound SPI %08x is in use", request->spi_in);
	r = make_pair(tunneld, request, &pair, ret_error);
	if (r < 0)
		return r;
	if (count_pairs(peer_table_find_host(&tunneld->peers, &host_id)) >= PEER_PAIRS_MAX) {
		datapath_xfrm_forget_pair(tunneld, pair);
		return sd_bus_error_setf(ret_error, HOMEWARD_ERROR_LIMITS_EXCEEDED,
					 "%s has %u pairs already", request->name, PEER_PAIRS_MAX);
	}
	peer = tunneld_want_peer(tunneld, &host_id, request->name);
	if (!peer) {
		datapath_xfrm_forget_pair(tunneld, pair);
		return sd_bus_error_setf(ret_error, HOMEWARD_ERROR_LIMITS_EXCEEDED,
					 "there are too many peers");
	}
	*ret_peer = peer;
	peer->handshake_realtime = realtime_usec() / 1000000;
	pair->peer = peer;
	peer_table_add_pair(&tunneld->peers, pair);
	datapath_carry_out(tunneld, peer,
			   peer_install(peer, loop_now(tunneld->loop), steal_ptr(pair), &endpoint));
	timeline_note(&tunneld->timeline, tunneld->generation,
		      "security associations with %.*s in place", (int)strcspn(peer->name, "."),
		      peer->name);
	return 0;
}
