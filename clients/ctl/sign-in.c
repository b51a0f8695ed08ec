/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `homewardctl sign-in`: hands the password over and waits for the zone server's word. */
#include "clients/ctl/arguments.h"
#include "clients/ctl/output.h"
#include "clients/ctl/password.h"
#include "clients/ctl/snapshot.h"
#include "clients/ctl/text.h"
#include "clients/ctl/verdict.h"
#include "common/base/cleanup.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Deriving keys takes half a second, and longer on a machine that is busy or small. */
#define SIGN_IN_USEC    (60ull * 1000 * 1000)
#define VERDICT_SECONDS 60
#define SECONDS_LIMIT   86400

struct request {
	char account[512];
	int password_fd;
	bool wait;
	uint64_t seconds;
};

DEFINE_CLEANUP(struct verdict_wait *, verdict_wait_free)

static enum ctl_status parse_option(int option, struct request *request)
{
	uint64_t number;

	switch (option) {
	case 'p':
		if (!arguments_number(optarg, INT_MAX, &number))
			return ctl_misuse("sign-in: \"%s\" is not a descriptor", optarg);
		request->password_fd = (int)number;
		return CTL_DONE;
	case 'n':
		request->wait = false;
		return CTL_DONE;
	case 't':
		if (!arguments_number(optarg, SECONDS_LIMIT, &request->seconds))
			return ctl_misuse("sign-in: \"%s\" is not a number of seconds", optarg);
		return CTL_DONE;
	}
	return CTL_MISUSE;
}

static enum ctl_status parse(int argc, char **argv, struct request *request)
{
	static const struct option options[] = {
		{ "password-fd", required_argument, NULL, 'p' },
		{ "no-wait", no_argument, NULL, 'n' },
		{ "timeout", required_argument, NULL, 't' },
		{},
	};
	int option;

	*request = (struct request){ .password_fd = PASSWORD_STDIN,
				     .wait = true,
				     .seconds = VERDICT_SECONDS };
	while ((option = arguments_next(argc, argv, options)) != -1) {
		enum ctl_status status = parse_option(option, request);

		if (status != CTL_DONE)
			return status;
	}
	if (optind == argc)
		return password_ask_account(request->account, sizeof request->account);
	if (strlen(argv[optind]) >= sizeof request->account)
		return ctl_misuse("sign-in: the account is too long");
	strcpy(request->account, argv[optind]);
	return ctl_no_arguments(argc - optind, argv + optind);
}

static enum ctl_status call_identity(struct ctl *ctl, sd_bus_message *call)
{
	cleanup(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	enum ctl_status status = CTL_DONE;

	if (sd_bus_call(ctl->bus, call, SIGN_IN_USEC, &error, &reply) < 0)
		status = ctl_complain_call(CTL_IDENTITY, &error);
	sd_bus_error_free(&error);
	return status;
}

static enum ctl_status hand_over(struct ctl *ctl, const char *account, int fd)
{
	cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	int r = sd_bus_message_new_method_call(ctl->bus, &call, CTL_IDENTITY->bus_name,
					       CTL_IDENTITY->path, CTL_IDENTITY->bus_name,
					       "SignIn");

	if (r >= 0)
		r = sd_bus_message_append(call, "sh", account, fd);
	if (r < 0)
		return ctl_complain(CTL_FAILED, "cannot make the call: %s", strerror(-r));
	return call_identity(ctl, call);
}

static enum ctl_status call_plain(struct ctl *ctl, const char *method, const char *argument)
{
	cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	int r = sd_bus_message_new_method_call(ctl->bus, &call, CTL_IDENTITY->bus_name,
					       CTL_IDENTITY->path, CTL_IDENTITY->bus_name, method);

	if (r >= 0 && argument)
		r = sd_bus_message_append(call, "s", argument);
	if (r < 0)
		return ctl_complain(CTL_FAILED, "cannot make the call: %s", strerror(-r));
	return call_identity(ctl, call);
}

/* "desktop.alice.members.example.org" */
static enum ctl_status read_full_name(struct ctl *ctl, char ret[static 3 * TEXT_SIZE],
				      char ret_host[static TEXT_SIZE])
{
	json_object *identity;
	enum ctl_status status = snapshot_read(ctl, CTL_IDENTITY, &identity);
	char account[TEXT_SIZE], domain[TEXT_SIZE];

	if (status != CTL_DONE)
		return status;
	text_clean(values_text(identity, "host_name"), ret_host);
	text_clean(values_text(identity, "account"), account);
	text_clean(values_text(identity, "domain"), domain);
	snprintf(ret, 3 * TEXT_SIZE, "%s.%s.%s", ret_host, account, domain);
	json_object_put(identity);
	return CTL_DONE;
}

static void print_json(enum ctl_status status, const char *name, json_object *registrar)
{
	json_object *object = json_object_new_object();
	bool signed_in = status == CTL_DONE || status == CTL_UNCONFIRMED;

	json_object_object_add(object, "signed_in", json_object_new_boolean(signed_in));
	json_object_object_add(object, "name", json_object_new_string(name));
	json_object_object_add(object, "state", json_object_get(values_member(registrar, "state")));
	json_object_object_add(object, "reason",
			       json_object_get(values_member(registrar, "reason")));
	snapshot_print(object, false);
}

/* A sign-in that the zone does not want is taken back: nothing half-way stays. */
static enum ctl_status finish(struct ctl *ctl, const struct request *request,
			      enum ctl_status status, json_object *registrar)
{
	char name[3 * TEXT_SIZE], host[TEXT_SIZE], reason[TEXT_SIZE];
	enum ctl_status reading = read_full_name(ctl, name, host);

	if (reading != CTL_DONE)
		return reading;
	text_value(values_member(registrar, "reason"), reason);
	if (status == CTL_REFUSED || status == CTL_NAME_TAKEN)
		call_plain(ctl, "SignOut", NULL);
	if (ctl->json)
		print_json(status, name, registrar);
	else if (status == CTL_DONE)
		printf("signed in as %s\n", name);
	if (status == CTL_REFUSED)
		ctl_complain(status,
			     "the zone server does not accept %s: wrong password or unknown "
			     "account (%s); signed out again",
			     request->account, reason);
	else if (status == CTL_NAME_TAKEN)
		ctl_complain(
			status,
			"another host of the account is called \"%s\" (%s); signed out again. "
			"Choose another name with \"homewardctl set-name NAME\" and sign in again",
			host, reason);
	else if (status == CTL_UNCONFIRMED)
		ctl_complain(
			status,
			"signed in as %s, but the zone server has not confirmed it after %" PRIu64
			" s: %s; homeward goes on trying, see \"homewardctl status\"",
			name, request->seconds,
			values_flag(registrar, "running") ? reason : "registrar is not running");
	return status;
}

enum ctl_status ctl_sign_in_command(struct ctl *ctl, int argc, char **argv)
{
	cleanup(verdict_wait_freep) struct verdict_wait *wait = NULL;
	cleanup(close_fdp) int fd = -1;
	json_object *registrar = NULL;
	struct request request;
	enum ctl_status status = parse(argc, argv, &request);

	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status == CTL_DONE)
		status = password_open(request.password_fd, &fd);
	if (status == CTL_DONE && request.wait)
		status = verdict_wait_new(ctl, &wait);
	if (status == CTL_DONE)
		status = hand_over(ctl, request.account, fd);
	if (status == CTL_DONE && request.wait)
		status = verdict_wait_run(wait, request.seconds, &registrar);
	else if (status != CTL_DONE)
		return status;
	if (status != CTL_UNREACHABLE)
		status = finish(ctl, &request, status, registrar);
	json_object_put(registrar);
	return status;
}

static enum ctl_status done(struct ctl *ctl, const char *key, json_object *value, const char *text)
{
	if (ctl->json) {
		json_object *object = json_object_new_object();

		json_object_object_add(object, key, value);
		snapshot_print(object, false);
		return CTL_DONE;
	}
	json_object_put(value);
	puts(text);
	return CTL_DONE;
}

enum ctl_status ctl_sign_out_command(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status = ctl_no_arguments(argc, argv);

	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status == CTL_DONE)
		status = call_plain(ctl, "SignOut", NULL);
	return status != CTL_DONE
		       ? status
		       : done(ctl, "signed_in", json_object_new_boolean(false), "signed out");
}

enum ctl_status ctl_set_name_command(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_status status;
	char name[3 * TEXT_SIZE], host[TEXT_SIZE], text[TEXT_SIZE + 32];

	if (argc < 2)
		return ctl_misuse("set-name: which name?");
	status = ctl_no_arguments(argc - 1, argv + 1);
	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status == CTL_DONE)
		status = call_plain(ctl, "SetHostName", argv[1]);
	if (status == CTL_DONE)
		status = read_full_name(ctl, name, host);
	if (status != CTL_DONE)
		return status;
	snprintf(text, sizeof text, "this host is called %s", host);
	return done(ctl, "host_name", json_object_new_string(host), text);
}
