/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `homewardctl forget`: takes a host out of the account, with the account's password. */
#include "bus-interfaces/errors.h"
#include "clients/ctl/arguments.h"
#include "clients/ctl/password.h"
#include "clients/ctl/snapshot.h"
#include "clients/ctl/text.h"
#include "common/base/cleanup.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Deriving keys, a server that is slow to find and slow to answer. */
#define FORGET_USEC  (90ull * 1000 * 1000)
#define MEMBERS_SIZE (2 * TEXT_SIZE)

struct request {
	char host[TEXT_SIZE]; /* one label, once check_host() has looked at it */
	int password_fd;
	bool offline;
};

static enum ctl_status parse_option(int option, struct request *request)
{
	uint64_t number;

	switch (option) {
	case 'p':
		if (!arguments_number(optarg, INT_MAX, &number))
			return ctl_misuse("forget: \"%s\" is not a descriptor", optarg);
		request->password_fd = (int)number;
		return CTL_DONE;
	case 'o':
		request->offline = true;
		return CTL_DONE;
	}
	return CTL_MISUSE;
}

static enum ctl_status parse(int argc, char **argv, struct request *request)
{
	static const struct option options[] = {
		{ "password-fd", required_argument, NULL, 'p' },
		{ "offline", no_argument, NULL, 'o' },
		{},
	};
	int option;

	*request = (struct request){ .password_fd = PASSWORD_STDIN };
	while ((option = arguments_next(argc, argv, options)) != -1) {
		enum ctl_status status = parse_option(option, request);

		if (status != CTL_DONE)
			return status;
	}
	if (optind == argc)
		return ctl_misuse("forget: which host? \"homewardctl hosts\" lists them");
	if (strlen(argv[optind]) >= sizeof request->host)
		return ctl_misuse("forget: the host's name is too long");
	strcpy(request->host, argv[optind]);
	return ctl_no_arguments(argc - optind, argv + optind);
}

/* "desktop.alice.members.example.org", with or without a final dot, becomes "desktop". */
static void cut_domain(char *host, const char *members)
{
	size_t size = strlen(host);
	char *dot = strchr(host, '.');

	if (size && host[size - 1] == '.')
		host[size - 1] = 0;
	if (dot && (!dot[1] || !strcasecmp(dot + 1, members)))
		*dot = 0;
}

static bool is_in_zone(json_object *watcher, const char *host, const char *members)
{
	char name[MEMBERS_SIZE + TEXT_SIZE];

	snprintf(name, sizeof name, "%s.%s", host, members);
	for (size_t i = 0; i < values_count(watcher, "hosts"); i++)
		if (!strcasecmp(values_text(values_element(watcher, "hosts", i), "name"), name))
			return true;
	return false;
}

static enum ctl_status check_host(struct request *request, json_object *identity,
				  json_object *watcher)
{
	char members[MEMBERS_SIZE];

	if (!values_flag(identity, "signed_in"))
		return ctl_complain(CTL_FAILED,
				    "this host is not signed in: it cannot forget another");
	snprintf(members, sizeof members, "%s.%s", values_text(identity, "account"),
		 values_text(identity, "domain"));
	cut_domain(request->host, members);
	if (!strcasecmp(request->host, values_text(identity, "host_name")))
		return ctl_complain(CTL_MISUSE,
				    "\"%s\" is this host itself: \"homewardctl sign-out\" takes it "
				    "out of the account",
				    request->host);
	if (!request->offline && !is_in_zone(watcher, request->host, members))
		return ctl_complain(
			CTL_MISUSE,
			"no host \"%s\" is in the zone now (see \"homewardctl hosts\"); if there "
			"is "
			"one that is switched off, use \"homewardctl forget --offline %s\"",
			request->host, request->host);
	return CTL_DONE;
}

static enum ctl_status read_and_check(struct ctl *ctl, struct request *request)
{
	json_object *identity = NULL, *watcher = NULL;
	enum ctl_status status = snapshot_read(ctl, CTL_IDENTITY, &identity);

	if (status == CTL_DONE)
		status = snapshot_require(identity, CTL_IDENTITY);
	if (status == CTL_DONE)
		status = snapshot_read(ctl, CTL_WATCHER, &watcher);
	if (status == CTL_DONE)
		status = check_host(request, identity, watcher);
	json_object_put(identity);
	json_object_put(watcher);
	return status;
}

static enum ctl_status complain(const struct request *request, const sd_bus_error *error)
{
	if (sd_bus_error_has_name(error, HOMEWARD_ERROR_WRONG_PASSWORD))
		return ctl_complain(CTL_REFUSED, "wrong password: %s", error->message);
	if (sd_bus_error_has_name(error, HOMEWARD_ERROR_NOT_PUBLISHED))
		return ctl_complain(CTL_UNCONFIRMED, "\"%s\" is not forgotten: %s", request->host,
				    error->message);
	return ctl_complain_call(CTL_IDENTITY, error);
}

static enum ctl_status call(struct ctl *ctl, const struct request *request, int fd)
{
	cleanup(sd_bus_message_unrefp) sd_bus_message *message = NULL, *reply = NULL;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	enum ctl_status status = CTL_DONE;
	int r = sd_bus_message_new_method_call(ctl->bus, &message, CTL_IDENTITY->bus_name,
					       CTL_IDENTITY->path, CTL_IDENTITY->bus_name,
					       "Forget");

	if (r >= 0)
		r = sd_bus_message_append(message, "sh", request->host, fd);
	if (r < 0)
		return ctl_complain(CTL_FAILED, "cannot make the call: %s", strerror(-r));
	if (sd_bus_call(ctl->bus, message, FORGET_USEC, &error, &reply) < 0)
		status = complain(request, &error);
	sd_bus_error_free(&error);
	return status;
}

static void tell(const struct ctl *ctl, const struct request *request)
{
	json_object *object;

	if (!ctl->json) {
		printf("%s is forgotten: its keys are worth nothing any more, and it is out of the "
		       "zone.\nHosts that are there know it now, the others when they are back.\n",
		       request->host);
		return;
	}
	object = json_object_new_object();
	json_object_object_add(object, "forgotten", json_object_new_string(request->host));
	snapshot_print(object, false);
}

enum ctl_status ctl_forget_command(struct ctl *ctl, int argc, char **argv)
{
	cleanup(close_fdp) int fd = -1;
	struct request request;
	enum ctl_status status = parse(argc, argv, &request);

	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status == CTL_DONE)
		status = read_and_check(ctl, &request);
	if (status == CTL_DONE)
		status = password_open(request.password_fd, &fd);
	if (status == CTL_DONE)
		status = call(ctl, &request, fd);
	if (status == CTL_DONE)
		tell(ctl, &request);
	return status;
}
