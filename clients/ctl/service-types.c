/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clients/ctl/service-types.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Those whose type is not the name in /etc/services with "_tcp", or which are not there. */
static const struct {
	const char *name, *type;
	uint16_t port;
} known[] = {
	{ "ssh", "_ssh._tcp", 22 },
	{ "sftp", "_sftp-ssh._tcp", 22 },
	{ "sftp-ssh", "_sftp-ssh._tcp", 22 },
	{ "http", "_http._tcp", 80 },
	{ "https", "_https._tcp", 443 },
	{ "webdav", "_webdav._tcp", 80 },
	{ "webdavs", "_webdavs._tcp", 443 },
	{ "ftp", "_ftp._tcp", 21 },
	{ "smb", "_smb._tcp", 445 },
	{ "nfs", "_nfs._tcp", 2049 },
	{ "afp", "_afpovertcp._tcp", 548 },
	{ "afpovertcp", "_afpovertcp._tcp", 548 },
	{ "vnc", "_rfb._tcp", 5900 },
	{ "rfb", "_rfb._tcp", 5900 },
	{ "rdp", "_rdp._tcp", 3389 },
	{ "ipp", "_ipp._tcp", 631 },
	{ "ipps", "_ipps._tcp", 631 },
	{ "printer", "_printer._tcp", 515 },
	{ "pdl-datastream", "_pdl-datastream._tcp", 9100 },
	{ "mpd", "_mpd._tcp", 6600 },
	{ "daap", "_daap._tcp", 3689 },
	{ "git", "_git._tcp", 9418 },
	{ "mqtt", "_mqtt._tcp", 1883 },
	{ "tftp", "_tftp._udp", 69 },
};

static uint16_t system_port(const char *name, const char *protocol)
{
	struct servent *entry = getservbyname(name, protocol);

	return entry ? ntohs(entry->s_port) : 0;
}

/* "_ssh._tcp" */
static bool take_type(const char *text, char ret_type[static SERVICE_TYPE_SIZE], uint16_t *ret_port)
{
	const char *dot = strchr(text, '.');
	char name[SERVICE_TYPE_SIZE];

	if (*text != '_' || !dot || strlen(text) >= SERVICE_TYPE_SIZE)
		return false;
	strcpy(ret_type, text);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcasecmp(known[i].type, text)) {
			*ret_port = known[i].port;
			return true;
		}
	snprintf(name, sizeof name, "%.*s", (int)(dot - text - 1), text + 1);
	*ret_port = system_port(name, strcasecmp(dot, "._udp") ? "tcp" : "udp");
	return true;
}

bool service_type_of(const char *text, char ret_type[static SERVICE_TYPE_SIZE], uint16_t *ret_port)
{
	uint16_t port;

	if (strchr(text, '.') || *text == '_')
		return take_type(text, ret_type, ret_port);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcasecmp(known[i].name, text)) {
			strcpy(ret_type, known[i].type);
			*ret_port = known[i].port;
			return true;
		}
	port = system_port(text, "tcp");
	if (!port || snprintf(ret_type, SERVICE_TYPE_SIZE, "_%s._tcp", text) >= SERVICE_TYPE_SIZE)
		return false;
	*ret_port = port;
	return true;
}
