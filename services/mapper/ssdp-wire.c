/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/ssdp-wire.h"

#include "common/wire/http-text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

/* Seconds in which a device spreads its answers. The least: a home has one gateway, not a thousand.
 */
#define ANSWER_WITHIN 1

static const char *const targets[] = {
	[SSDP_GATEWAY_2] = "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
	[SSDP_GATEWAY_1] = "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
	[SSDP_IP_CONNECTION_2] = "urn:schemas-upnp-org:service:WANIPConnection:2",
	[SSDP_IP_CONNECTION_1] = "urn:schemas-upnp-org:service:WANIPConnection:1",
	[SSDP_PPP_CONNECTION_1] = "urn:schemas-upnp-org:service:WANPPPConnection:1",
	[SSDP_ROOT_DEVICE] = "upnp:rootdevice",
};

size_t ssdp_build_search(enum ssdp_target target, const struct in_addr *host, char *ret,
			 size_t size)
{
	char address[INET_ADDRSTRLEN] = "239.255.255.250", within[16] = "";
	int n;

	/* To one host there is nothing to be spread, so no MX (Device Architecture 1.1 §1.3.2). */
	if (host)
		inet_ntop(AF_INET, host, address, sizeof address);
	else
		snprintf(within, sizeof within, "MX: %d\r\n", ANSWER_WITHIN);
	n = snprintf(ret, size,
		     "M-SEARCH * HTTP/1.1\r\n"
		     "HOST: %s:%d\r\n"
		     "MAN: \"ssdp:discover\"\r\n"
		     "%s"
		     "ST: %s\r\n"
		     "\r\n",
		     address, SSDP_PORT, within, targets[target]);
	return n < 0 || (size_t)n >= size ? 0 : (size_t)n;
}

static enum ssdp_target read_target(const struct http_text *text, const char *field)
{
	struct http_piece value;

	if (http_text_field(text, field, &value))
		for (enum ssdp_target target = 0; target < SSDP_OTHER; target++)
			if (http_piece_is_word(value, targets[target]))
				return target;
	return SSDP_OTHER;
}

static int read_kind(const struct http_text *text, struct ssdp_message *ret)
{
	struct http_piece method, target, version, what;

	if (http_text_status(text) == 200) {
		ret->kind = SSDP_ANSWER;
		ret->target = read_target(text, "ST");
		return 0;
	}
	if (!http_text_request(text, &method, &target, &version))
		return -EBADMSG;
	if (!http_piece_is(method, "NOTIFY") || !http_piece_is(target, "*"))
		return -EINVAL;
	if (!http_text_field(text, "NTS", &what))
		return -EBADMSG;
	ret->target = read_target(text, "NT");
	if (http_piece_is_word(what, "ssdp:alive"))
		ret->kind = SSDP_ALIVE;
	else if (http_piece_is_word(what, "ssdp:byebye"))
		ret->kind = SSDP_GONE;
	else
		return -EINVAL;
	return 0;
}

int ssdp_parse(const void *data, size_t size, struct ssdp_message *ret)
{
	struct http_piece value;
	struct http_text text;
	unsigned long number;
	int r;

	*ret = (struct ssdp_message){};
	if (size > SSDP_SIZE_MAX || http_text_read(data, size, &text) <= 0)
		return -EBADMSG;
	r = read_kind(&text, ret);
	if (r < 0)
		return r;
	if (http_text_field(&text, "LOCATION", &value))
		ret->bad_location = igd_url_parse(value.text, value.size, &ret->location) < 0;
	if (http_text_field(&text, "BOOTID.UPNP.ORG", &value) &&
	    http_piece_number(value, INT32_MAX, &number)) {
		ret->has_boot_id = true;
		ret->boot_id = number;
	}
	return 0;
}
