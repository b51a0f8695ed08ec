/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* HTTP, XML and SOAP are libminiupnpc's. It sends wherever a URL says; the URLs were looked at
 * before. */
#include "services/mapper/igd-worker-calls.h"

#include "common/base/cleanup.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/miniwget.h>
#include <miniupnpc/upnpcommands.h>
#include <stdio.h>
#include <string.h>

/* The library's own results are negative, UPnP's errors are not. */
static void set_result(struct igd_answer *answer, int result)
{
	if (result == UPNPCOMMAND_SUCCESS)
		answer->outcome = IGD_DONE;
	else if (result > 0)
		answer->outcome = IGD_FAULT, answer->code = result;
	else if (result == UPNPCOMMAND_HTTP_ERROR)
		answer->outcome = IGD_UNREACHABLE;
	else
		answer->outcome = IGD_NONSENSE;
}

/* Relative ones are resolved by the library, which does it for one service only. */
static void read_url(const struct IGDdatas *data, const char *location, const char *reference,
		     struct igd_url *ret)
{
	struct IGDdatas copy = *data;
	struct UPNPUrls urls = {};

	*ret = (struct igd_url){};
	if (!reference[0])
		return;
	snprintf(copy.first.controlurl, sizeof copy.first.controlurl, "%s", reference);
	GetUPNPUrls(&urls, &copy, location, 0);
	if (urls.controlURL)
		igd_url_parse(urls.controlURL, strlen(urls.controlURL), ret);
	FreeUPNPUrls(&urls);
}

static bool read_service(const struct IGDdatas *data, const struct IGDdatas_service *service,
			 const char *location, struct igd_service *ret)
{
	*ret = (struct igd_service){ .type = igd_service_by_name(service->servicetype) };
	if (ret->type == IGD_NO_SERVICE)
		return false;
	read_url(data, location, service->controlurl, &ret->control);
	read_url(data, location, service->eventsuburl, &ret->events);
	if (ret->control.port)
		return true;
	*ret = (struct igd_service){};
	return false;
}

void igd_worker_read_description(const char *xml, int size, const char *location,
				 struct igd_answer *ret)
{
	struct IGDdatas data = {};
	size_t n = 0;

	parserootdesc(xml, size, &data);
	n += read_service(&data, &data.first, location, &ret->services[n]);
	n += read_service(&data, &data.second, location, &ret->services[n]);
	ret->outcome = n ? IGD_DONE : IGD_NONSENSE;
}

static void describe(const char *url, struct igd_answer *ret)
{
	int size = 0, status = -1;
	cleanup(freep) char *xml = miniwget(url, &size, 0, &status);

	if (!xml && status < 0)
		ret->outcome = IGD_UNREACHABLE;
	else if (status != 200)
		ret->outcome = IGD_FAULT, ret->code = status < 0 ? 0 : status;
	else if (!xml || size <= 0 || size > IGD_DESCRIPTION_MAX)
		ret->outcome = IGD_NONSENSE;
	else
		igd_worker_read_description(xml, size, url, ret);
}

static void ask_status(const char *url, const char *service, struct igd_answer *ret)
{
	char status[64] = "", error[64] = "";
	unsigned int uptime = 0;

	set_result(ret, UPNP_GetStatusInfo(url, service, status, &uptime, error));
	ret->connected = strcmp(status, "Connected") == 0;
}

static void ask_address(const char *url, const char *service, struct igd_answer *ret)
{
	char address[16] = "";

	set_result(ret, UPNP_GetExternalIPAddress(url, service, address));
	/* Some leave it empty while there is no connection. */
	if (inet_pton(AF_INET, address, &ret->external) != 1)
		ret->external.s_addr = 0;
}

static uint16_t read_port(const char *text)
{
	unsigned long value = strtoul(text, NULL, 10);

	return value <= UINT16_MAX ? value : 0;
}

static const char *transport_name(int transport)
{
	return transport == IPPROTO_TCP ? "TCP" : "UDP";
}

static void add(const struct igd_call *call, const char *url, const char *service,
		struct igd_answer *ret)
{
	char external[8], internal[8], lifetime[12], client[INET_ADDRSTRLEN], reserved[6] = "";

	snprintf(external, sizeof external, "%" PRIu16, call->external_port);
	snprintf(internal, sizeof internal, "%" PRIu16, call->internal_port);
	snprintf(lifetime, sizeof lifetime, "%" PRIu32, call->lifetime);
	inet_ntop(AF_INET, &call->client, client, sizeof client);
	if (call->kind == IGD_CALL_ADD) {
		set_result(ret, UPNP_AddPortMapping(url, service, external, internal, client,
						    call->label, transport_name(call->transport),
						    NULL, lifetime));
		ret->external_port = call->external_port;
		return;
	}
	set_result(ret, UPNP_AddAnyPortMapping(url, service, external, internal, client,
					       call->label, transport_name(call->transport), NULL,
					       lifetime, reserved));
	ret->external_port = read_port(reserved);
	if (ret->outcome == IGD_DONE && !ret->external_port)
		ret->outcome = IGD_NONSENSE;
}

static void ask_entry(const struct igd_call *call, const char *url, const char *service,
		      struct igd_answer *ret)
{
	char client[16] = "", internal[6] = "", label[80] = "", enabled[4] = "", lease[16] = "";
	char external[8];

	snprintf(external, sizeof external, "%" PRIu16, call->external_port);
	set_result(ret, UPNP_GetSpecificPortMappingEntry(url, service, external,
							 transport_name(call->transport), NULL,
							 client, internal, label, enabled, lease));
	if (inet_pton(AF_INET, client, &ret->client) != 1)
		ret->client.s_addr = 0;
	ret->external_port = call->external_port;
	ret->internal_port = read_port(internal);
	/* Not all of them say so; then it is. */
	ret->enabled = strcmp(enabled, "0") != 0;
	ret->lifetime = strtoul(lease, NULL, 10);
}

static void delete_entry(const struct igd_call *call, const char *url, const char *service,
			 struct igd_answer *ret)
{
	char external[8];

	snprintf(external, sizeof external, "%" PRIu16, call->external_port);
	set_result(ret, UPNP_DeletePortMapping(url, service, external,
					       transport_name(call->transport), NULL));
}

void igd_worker_perform(const struct igd_call *call, struct igd_answer *ret)
{
	const char *service = igd_service_name(call->service);
	char url[IGD_URL_SIZE];

	memset(ret, 0, sizeof *ret);
	ret->id = call->id;
	igd_url_format(&call->url, url);
	switch (call->kind) {
	case IGD_CALL_DESCRIBE:
		describe(url, ret);
		break;
	case IGD_CALL_STATUS:
		ask_status(url, service, ret);
		break;
	case IGD_CALL_ADDRESS:
		ask_address(url, service, ret);
		break;
	case IGD_CALL_ADD:
	case IGD_CALL_ADD_ANY:
		add(call, url, service, ret);
		break;
	case IGD_CALL_ENTRY:
		ask_entry(call, url, service, ret);
		break;
	case IGD_CALL_DELETE:
		delete_entry(call, url, service, ret);
		break;
	case IGD_CALL_SUBSCRIBE:
	case IGD_CALL_RENEW:
	case IGD_CALL_UNSUBSCRIBE:
		igd_worker_subscribe(call, ret);
		break;
	case IGD_CALLS:
		ret->outcome = IGD_NONSENSE;
		break;
	}
}
