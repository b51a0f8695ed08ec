/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/device.h"

#include "common/base/atomic-file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

/* PRETTY_NAME of os-release(5), without its quotes. */
static void read_os_name(char *name, size_t size)
{
	static const char key[] = "PRETTY_NAME=";
	const char *start;
	uint8_t *text;
	size_t text_size;

	name[0] = 0;
	if (atomic_file_read("/etc/os-release", 65536, &text, &text_size) < 0)
		return;
	/* At the beginning of a line. */
	start = strstr((const char *)text, key);
	while (start && start != (const char *)text && start[-1] != '\n')
		start = strstr(start + 1, key);
	if (start) {
		start += strlen(key);
		start += strspn(start, "\"'");
		snprintf(name, size, "%.*s", (int)strcspn(start, "\"'\n"), start);
	}
	free(text);
}

void device_describe(struct registration_device *ret)
{
	struct utsname names;
	char os[64];

	memset(ret, 0, sizeof(*ret));
	if (uname(&names) == 0)
		snprintf(ret->strings[0], sizeof(ret->strings[0]), "model=%.20s %.20s",
			 names.sysname, names.machine);
	read_os_name(os, sizeof(os));
	if (ret->strings[0][0] && os[0])
		snprintf(ret->strings[1], sizeof(ret->strings[1]), "os=%s", os);
}
