/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clients/ctl/arguments.h"

#include "clients/ctl/ctl.h"

#include <errno.h>
#include <stdlib.h>

int arguments_next(int argc, char **argv, const struct option *options)
{
	int option;

	opterr = 0;
	option = getopt_long(argc, argv, ":", options, NULL);
	if (option == '?')
		ctl_misuse("%s: \"%s\" is not an option", argv[0], argv[optind - 1]);
	if (option == ':') {
		ctl_misuse("%s: \"%s\" needs a value", argv[0], argv[optind - 1]);
		option = '?';
	}
	return option;
}

bool arguments_number(const char *text, uint64_t maximum, uint64_t *ret)
{
	unsigned long long number;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno || *end || number > maximum)
		return false;
	*ret = number;
	return true;
}
