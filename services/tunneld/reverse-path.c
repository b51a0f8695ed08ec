/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/reverse-path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Default routes are among the first. */
#define ROUTES_SIZE 16384
#define STRICT      1

bool reverse_path_next(const char *routes, size_t *position, char ret_interface[IFNAMSIZ])
{
	while (routes[*position]) {
		const char *line = routes + *position;
		unsigned int destination, mask;
		char interface[IFNAMSIZ];

		*position += strcspn(line, "\n");
		*position += routes[*position] == '\n';
		/* Interface, destination, gateway, flags, references, use, metric, mask. The first
		 * line has words there. */
		if (sscanf(line, "%15s %8x %*8x %*x %*d %*d %*d %8x", interface, &destination,
			   &mask) != 3 ||
		    destination || mask)
			continue;
		memcpy(ret_interface, interface, sizeof interface);
		return true;
	}
	return false;
}

static int read_filter(const char *interface)
{
	char path[100];
	FILE *file;
	int value = 0;

	snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s/rp_filter", interface);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%d", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

bool reverse_path_is_strict(char ret_interface[IFNAMSIZ])
{
	char routes[ROUTES_SIZE], interface[IFNAMSIZ], first[IFNAMSIZ] = "", strict[IFNAMSIZ] = "";
	FILE *file = fopen("/proc/net/route", "re");
	int all = read_filter("all");
	bool several = false;
	size_t size, position = 0;

	if (!file)
		return false;
	size = fread(routes, 1, sizeof routes - 1, file);
	fclose(file);
	routes[size] = '\0';
	while (reverse_path_next(routes, &position, interface)) {
		int own = read_filter(interface);

		several |= *first && strcmp(first, interface) != 0;
		if (!*first)
			memcpy(first, interface, sizeof first);
		/* The larger one counts. */
		if ((own > all ? own : all) == STRICT && !*strict)
			memcpy(strict, interface, sizeof strict);
	}
	if (!several || !*strict)
		return false;
	memcpy(ret_interface, strict, IFNAMSIZ);
	return true;
}
