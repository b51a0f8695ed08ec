/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where STUN is answered: beside DNS, unless the configuration says otherwise. */
#include "services/zoned/zoned-internal.h"

#include "common/base/log.h"
#include "services/zoned/socket-address.h"

static int listen_on(struct zoned *zoned, const struct endpoint *address, uint16_t port)
{
	struct endpoint endpoint = *address;
	char text[ENDPOINT_TEXT_SIZE];
	int r;

	endpoint.port = port;
	r = stun_server_listen(zoned->stun, &endpoint);
	if (r < 0 && r != -EAFNOSUPPORT)
		log_warning("cannot answer STUN on %s: %s", endpoint_to_text(&endpoint, text),
			    strerror(-r));
	else if (r >= 0)
		log_info("answering STUN on %s", endpoint_to_text(&endpoint, text));
	return r;
}

/* On all addresses, or those of DNS. */
static int listen_beside_dns(struct zoned *zoned)
{
	static const struct endpoint all[] = { { .family = 4 }, { .family = 6 } };
	const struct endpoint_list *list = &zoned->config->listen_addresses;
	uint16_t port = zoned->config->stun.port;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < list->n; i++)
		r = listen_on(zoned, &list->items[i], port);
	if (r < 0 || list->n > 0)
		return r;
	r = listen_on(zoned, &all[0], port);
	if (r < 0)
		return r;
	r = listen_on(zoned, &all[1], port);
	return r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL ? 0 : r;
}

/* The four sockets of RFC 5780 §6: each of two addresses with each of two ports. */
static int listen_for_behaviour(struct zoned *zoned, const struct endpoint *primary)
{
	const struct zoned_config *config = zoned->config;
	struct endpoint first = *primary, second = config->stun.alternate;
	int r;

	first.port = config->stun.port;
	second.port = config->stun.alternate_port;
	r = listen_on(zoned, &first, second.port);
	if (r >= 0)
		r = listen_on(zoned, &second, first.port);
	if (r >= 0)
		r = listen_on(zoned, &second, second.port);
	if (r >= 0)
		stun_server_set_alternate(zoned->stun, &first, &second);
	return r;
}

static int listen_as_configured(struct zoned *zoned)
{
	const struct endpoint_list *list = &zoned->config->stun.addresses;
	const struct endpoint *primary = zoned_config_stun_primary(zoned->config);
	int r = 0;

	for (size_t i = 0; r >= 0 && i < list->n; i++)
		r = listen_on(zoned, &list->items[i], zoned->config->stun.port);
	return r >= 0 && primary ? listen_for_behaviour(zoned, primary) : r;
}

int zoned_open_stun(struct zoned *zoned)
{
	bool is_wanted = zoned->config->stun.addresses.n > 0;
	int r;

	if (zoned->config->stun.port == 0)
		return 0;
	r = stun_server_new(zoned->loop, &zoned->stun);
	if (r >= 0)
		r = is_wanted ? listen_as_configured(zoned) : listen_beside_dns(zoned);
	if (r >= 0)
		return 0;
	zoned->stun = stun_server_free(zoned->stun);
	if (is_wanted)
		log_error("cannot answer STUN as [stun] says: %s", strerror(-r));
	else
		log_warning("no STUN: say in [stun] on which addresses, or port = 0");
	return is_wanted ? r : 0;
}
