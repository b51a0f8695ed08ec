/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/igd-call-wire.h"

#include <errno.h>
#include <string.h>

static const char *const names[] = {
	[IGD_NO_SERVICE] = "",
	[IGD_IP_CONNECTION_1] = "urn:schemas-upnp-org:service:WANIPConnection:1",
	[IGD_IP_CONNECTION_2] = "urn:schemas-upnp-org:service:WANIPConnection:2",
	[IGD_PPP_CONNECTION_1] = "urn:schemas-upnp-org:service:WANPPPConnection:1",
};

const char *igd_service_name(enum igd_service_type type)
{
	return names[type];
}

enum igd_service_type igd_service_by_name(const char *name)
{
	static const char ip[] = "urn:schemas-upnp-org:service:WANIPConnection:";
	static const char ppp[] = "urn:schemas-upnp-org:service:WANPPPConnection:";

	if (strncmp(name, ip, sizeof ip - 1) == 0 && name[sizeof ip - 1])
		return strcmp(name, names[IGD_IP_CONNECTION_1]) == 0 ? IGD_IP_CONNECTION_1
								     : IGD_IP_CONNECTION_2;
	if (strncmp(name, ppp, sizeof ppp - 1) == 0)
		return IGD_PPP_CONNECTION_1;
	return IGD_NO_SERVICE;
}

bool igd_subscription_is_good(const char *text)
{
	size_t size = strlen(text);

	if (!size || size > IGD_SUBSCRIPTION_ID)
		return false;
	for (size_t i = 0; i < size; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return true;
}

/* A boolean of any other value is nothing C knows of. */
static bool is_flag(const bool *flag)
{
	uint8_t octet;

	memcpy(&octet, flag, 1);
	return octet <= 1;
}

static bool is_url(const struct igd_url *url)
{
	struct igd_url again;
	char text[IGD_URL_SIZE];

	if (!memchr(url->path, '\0', sizeof url->path))
		return false;
	igd_url_format(url, text);
	return igd_url_parse(text, strlen(text), &again) == 0 && again.port == url->port &&
	       strcmp(again.path, url->path) == 0;
}

static bool is_url_at(const struct igd_url *url, struct in_addr address)
{
	return is_url(url) && url->address.s_addr == address.s_addr;
}

static bool is_service(const struct igd_service *service, struct in_addr gateway)
{
	if ((unsigned int)service->type > IGD_PPP_CONNECTION_1)
		return false;
	if (service->type == IGD_NO_SERVICE)
		return true;
	return is_url_at(&service->control, gateway) &&
	       (!service->events.port || is_url_at(&service->events, gateway));
}

int igd_answer_read(const void *data, size_t size, struct in_addr gateway, struct igd_answer *ret)
{
	if (size != sizeof *ret)
		return -EBADMSG;
	memcpy(ret, data, sizeof *ret);
	if ((unsigned int)ret->outcome >= IGD_OUTCOMES || !is_flag(&ret->connected) ||
	    !is_flag(&ret->enabled) || !memchr(ret->subscription, '\0', sizeof ret->subscription) ||
	    (ret->subscription[0] && !igd_subscription_is_good(ret->subscription)))
		return -EBADMSG;
	for (size_t i = 0; i < IGD_SERVICES_MAX; i++)
		if (!is_service(&ret->services[i], gateway))
			return -EBADMSG;
	return 0;
}

int igd_call_read(const void *data, size_t size, struct igd_call *ret)
{
	if (size != sizeof *ret)
		return -EBADMSG;
	memcpy(ret, data, sizeof *ret);
	if ((unsigned int)ret->kind >= IGD_CALLS ||
	    (unsigned int)ret->service > IGD_PPP_CONNECTION_1 || !is_flag(&ret->undo) ||
	    !is_url(&ret->url) || !memchr(ret->label, '\0', sizeof ret->label) ||
	    !memchr(ret->subscription, '\0', sizeof ret->subscription))
		return -EBADMSG;
	return 0;
}
