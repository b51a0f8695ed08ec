/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a running zoned says of itself: the OpenMetrics text on its socket, for people. */
#include "services/zoned/zonectl.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PREFIX     "homeward_zoned_"
#define TOTAL      "_total"
#define NAME_SIZE  96
#define TEXT_LIMIT (1024 * 1024)

/* All that is sent, allocated; NULL with errno when nobody answers. */
static char *read_text(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup(close_fdp) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cleanup(freep) char *text = calloc(1, TEXT_LIMIT);
	size_t size = 0;
	ssize_t n;

	if (strlen(path) >= sizeof address.sun_path) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	strcpy(address.sun_path, path);
	if (fd < 0 || !text || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		return NULL;
	while ((n = read(fd, text + size, TEXT_LIMIT - 1 - size)) > 0)
		size += n;
	return n < 0 ? NULL : steal_ptr(text);
}

/* "homeward_zoned_llq_setups_total" is LlqSetups. False for what is not a plain number's. */
static bool make_name(const char *metric, size_t size, char ret[static NAME_SIZE])
{
	bool is_first = true;
	size_t n = 0;

	if (size <= strlen(PREFIX) || size >= NAME_SIZE ||
	    strncmp(metric, PREFIX, strlen(PREFIX)) != 0 || memchr(metric, '{', size))
		return false;
	if (size > strlen(TOTAL) &&
	    strncmp(metric + size - strlen(TOTAL), TOTAL, strlen(TOTAL)) == 0)
		size -= strlen(TOTAL);
	for (size_t i = strlen(PREFIX); i < size; i++) {
		if (metric[i] != '_')
			ret[n++] = is_first ? toupper((unsigned char)metric[i]) : metric[i];
		is_first = metric[i] == '_';
	}
	ret[n] = 0;
	return true;
}

json_object *zonectl_read_status(const struct zonectl *ctl)
{
	cleanup(freep) char *text = read_text(ctl->config.metrics.socket);
	json_object *status;
	char *save = NULL;

	if (!text)
		return NULL;
	status = json_object_new_object();
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *space = strchr(line, ' ');
		char name[NAME_SIZE];

		if (line[0] == '#' || !space || !make_name(line, space - line, name))
			continue;
		json_object_object_add(
			status, name,
			strchr(space, '.') ? json_object_new_double(strtod(space + 1, NULL))
					   : json_object_new_int64(strtoll(space + 1, NULL, 10)));
	}
	return status;
}

static void print_status(json_object *status, json_object *before)
{
	json_object_object_foreach(status, name, value)
	{
		json_object *earlier = NULL;
		int64_t number = json_object_get_int64(value);

		/* The sum of a histogram: with --json. */
		if (json_object_is_type(value, json_type_double))
			continue;
		printf("%s %lld", name, (long long)number);
		if (before && json_object_object_get_ex(before, name, &earlier) &&
		    json_object_get_int64(earlier) != number)
			printf(" %+lld", (long long)(number - json_object_get_int64(earlier)));
		putchar('\n');
	}
}

int zonectl_status(const struct zonectl *ctl)
{
	json_object *before = NULL;

	for (;;) {
		json_object *status = zonectl_read_status(ctl);

		if (!status) {
			json_object_put(before);
			return zonectl_fail("no zoned answers on %s: %s",
					    ctl->config.metrics.socket, strerror(errno));
		}
		if (ctl->json) {
			zonectl_print_json(json_object_get(status));
		} else {
			/* On a terminal in place of what stood there. */
			if (ctl->watch && isatty(STDOUT_FILENO))
				fputs("\033[H\033[2J", stdout);
			else if (before)
				putchar('\n');
			print_status(status, before);
		}
		json_object_put(before);
		before = status;
		if (!ctl->watch || fflush(stdout) != 0)
			break;
		sleep(ctl->watch);
	}
	json_object_put(before);
	return ZONECTL_DONE;
}
