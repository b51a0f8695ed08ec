/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `homewardctl share` and `unshare`: services of this host for the account's other hosts. */
#include "clients/ctl/arguments.h"
#include "clients/ctl/service-types.h"
#include "clients/ctl/shares.h"
#include "clients/ctl/snapshot.h"
#include "clients/ctl/text.h"
#include "common/base/cleanup.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TEXTS_MAX    64
#define SUBTYPES_MAX 8

struct request {
	bool from_lan, everyone, all;
	const char *name;
	uint64_t port; /* 0: the usual one */
	const char *texts[TEXTS_MAX], *subtypes[SUBTYPES_MAX];
	size_t n_texts, n_subtypes;
	const char *what;
	char type[SERVICE_TYPE_SIZE];
};

static enum ctl_status take_option(int option, struct request *request)
{
	switch (option) {
	case 'p':
		if (!arguments_number(optarg, 65535, &request->port) || !request->port)
			return ctl_misuse("share: \"%s\" is not a port", optarg);
		return CTL_DONE;
	case 'n':
		request->name = optarg;
		return *optarg ? CTL_DONE : ctl_misuse("share: the name is empty");
	case 't':
		if (request->n_texts == TEXTS_MAX)
			return ctl_misuse("share: more than %d texts", TEXTS_MAX);
		request->texts[request->n_texts++] = optarg;
		return CTL_DONE;
	case 's':
		if (request->n_subtypes == SUBTYPES_MAX)
			return ctl_misuse("share: more than %d subtypes", SUBTYPES_MAX);
		request->subtypes[request->n_subtypes++] = optarg;
		return CTL_DONE;
	case 'l':
		request->from_lan = true;
		return CTL_DONE;
	case 'e':
		request->everyone = true;
		return CTL_DONE;
	case 'a':
		request->all = true;
		return CTL_DONE;
	}
	return CTL_MISUSE;
}

static enum ctl_status take_options(int argc, char **argv, const struct option *options,
				    struct request *request)
{
	int option;

	*request = (struct request){};
	while ((option = arguments_next(argc, argv, options)) != -1) {
		enum ctl_status status = take_option(option, request);

		if (status != CTL_DONE)
			return status;
	}
	if (optind == argc)
		return CTL_DONE;
	request->what = argv[optind];
	return ctl_no_arguments(argc - optind, argv + optind);
}

static enum ctl_status not_a_type(const char *command, const char *what)
{
	return ctl_misuse("%s: \"%s\" is not a service known here; say its type, such as "
			  "_http._tcp%s",
			  command, what, strcmp(command, "share") ? "" : ", and its port");
}

static enum ctl_status parse_share(int argc, char **argv, struct request *request)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "name", required_argument, NULL, 'n' },
		{ "txt", required_argument, NULL, 't' },
		{ "subtype", required_argument, NULL, 's' },
		{ "from-lan", no_argument, NULL, 'l' },
		{ "everyone", no_argument, NULL, 'e' },
		{},
	};
	enum ctl_status status = take_options(argc, argv, options, request);
	uint16_t port;

	if (status != CTL_DONE)
		return status;
	if (!request->what)
		return ctl_misuse("share: which service? ssh, for example");
	if (!service_type_of(request->what, request->type, &port))
		return not_a_type("share", request->what);
	if (request->everyone && !request->from_lan)
		return ctl_misuse("share: --everyone is for --from-lan");
	if (request->from_lan &&
	    (request->port || request->name || request->n_texts || request->n_subtypes))
		return ctl_misuse(
			"share: with --from-lan, name, port and texts are those announced "
			"there");
	if (!request->port)
		request->port = port;
	if (!request->port && !request->from_lan)
		return ctl_misuse("share: which port? --port says it");
	return CTL_DONE;
}

/* Calls with what `call` holds. */
static enum ctl_status send(struct ctl *ctl, sd_bus_message *call, sd_bus_message **ret_reply)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	enum ctl_status status = CTL_DONE;

	if (sd_bus_call(ctl->bus, call, 0, &error, ret_reply) < 0)
		status = ctl_complain_call(CTL_REGISTRAR, &error);
	sd_bus_error_free(&error);
	return status;
}

static int new_call(struct ctl *ctl, const char *path, const char *interface, const char *method,
		    sd_bus_message **ret)
{
	return sd_bus_message_new_method_call(ctl->bus, ret, CTL_REGISTRAR->bus_name, path,
					      interface, method);
}

static int append_request(sd_bus_message *call, const struct request *request)
{
	int r = sd_bus_message_append(call, "ssq", request->type, request->name ?: "",
				      (unsigned int)request->port);

	if (r >= 0)
		r = sd_bus_message_open_container(call, 'a', "ay");
	for (size_t i = 0; i < request->n_texts && r >= 0; i++)
		r = sd_bus_message_append_array(call, 'y', request->texts[i],
						strlen(request->texts[i]));
	if (r >= 0)
		r = sd_bus_message_close_container(call);
	if (r >= 0)
		r = sd_bus_message_open_container(call, 'a', "s");
	for (size_t i = 0; i < request->n_subtypes && r >= 0; i++)
		r = sd_bus_message_append(call, "s", request->subtypes[i]);
	return r < 0 ? r : sd_bus_message_close_container(call);
}

static enum ctl_status cannot_call(int r)
{
	/* sd-bus takes no text that is not UTF-8. */
	if (r == -EINVAL)
		return ctl_misuse("a name or type is not UTF-8");
	return ctl_complain(CTL_FAILED, "cannot make the call: %s", strerror(-r));
}

static enum ctl_status show_one(struct ctl *ctl, const char *path)
{
	json_object *state, *service;
	enum ctl_status status = snapshot_read(ctl, CTL_REGISTRAR, &state);

	if (status != CTL_DONE)
		return status;
	service = snapshot_find(state, CTL_REGISTRAR, path, SHARES_INTERFACE);
	if (service)
		shares_print_one(ctl, service);
	json_object_put(state);
	return CTL_DONE;
}

static enum ctl_status share(struct ctl *ctl, const struct request *request)
{
	cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
	enum ctl_status status;
	const char *path;
	int r = new_call(ctl, CTL_REGISTRAR->path, CTL_REGISTRAR->bus_name, "ShareService", &call);

	if (r >= 0)
		r = append_request(call, request);
	if (r < 0)
		return cannot_call(r);
	status = send(ctl, call, &reply);
	if (status != CTL_DONE)
		return status;
	if (sd_bus_message_read(reply, "o", &path) < 0)
		return ctl_complain(CTL_FAILED, "registrar's answer is not understood");
	return show_one(ctl, path);
}

static enum ctl_status say(struct ctl *ctl, const char *key, const char *type, const char *text)
{
	if (ctl->json) {
		json_object *object = json_object_new_object();

		json_object_object_add(object, key, json_object_new_string(type));
		snapshot_print(object, false);
	} else {
		puts(text);
	}
	return CTL_DONE;
}

static enum ctl_status share_from_lan(struct ctl *ctl, const struct request *request)
{
	cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
	enum ctl_status status;
	char text[TEXT_SIZE];
	int r = new_call(ctl, CTL_REGISTRAR->path, CTL_REGISTRAR->bus_name, "ShareFromLan", &call);

	if (r >= 0)
		r = sd_bus_message_append(call, "sb", request->type, (int)request->everyone);
	if (r < 0)
		return cannot_call(r);
	status = send(ctl, call, &reply);
	if (status != CTL_DONE)
		return status;
	snprintf(text, sizeof text, "carrying %s as %s", request->type,
		 request->everyone ? "anybody on the local network announces it"
				   : "this host announces it on the local network");
	return say(ctl, "carrying", request->type, text);
}

enum ctl_status ctl_share_command(struct ctl *ctl, int argc, char **argv)
{
	struct request request;
	enum ctl_status status = parse_share(argc, argv, &request);

	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status != CTL_DONE)
		return status;
	return request.from_lan ? share_from_lan(ctl, &request) : share(ctl, &request);
}

/* Unsharing -------------------------------------------------------------------------------------
 */

static enum ctl_status parse_unshare(int argc, char **argv, struct request *request)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "from-lan", no_argument, NULL, 'l' },
		{},
	};
	enum ctl_status status = take_options(argc, argv, options, request);

	if (status != CTL_DONE)
		return status;
	if (!request->what && !request->all)
		return ctl_misuse(
			"unshare: which service? \"homewardctl shares\" lists them; --all "
			"for all");
	if (request->what && request->all)
		return ctl_misuse("unshare: --all or \"%s\", not both", request->what);
	if (request->from_lan && request->all)
		return ctl_misuse("unshare: --all ends what comes from the local network, too");
	return CTL_DONE;
}

static enum ctl_status unshare_one(struct ctl *ctl, json_object *service)
{
	cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
	int r = new_call(ctl, values_text(service, "path"), SHARES_INTERFACE, "Unshare", &call);

	return r < 0 ? cannot_call(r) : send(ctl, call, &reply);
}

static enum ctl_status unshare_lan(struct ctl *ctl, const char *type)
{
	cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
	int r = new_call(ctl, CTL_REGISTRAR->path, CTL_REGISTRAR->bus_name, "UnshareFromLan",
			 &call);

	if (r >= 0)
		r = sd_bus_message_append(call, "s", type);
	return r < 0 ? cannot_call(r) : send(ctl, call, &reply);
}

static bool is_from_lan(json_object *service)
{
	return !strcmp(values_text(service, "source"), "lan");
}

static enum ctl_status unshare_all(struct ctl *ctl, json_object *state, size_t *ret_n)
{
	enum ctl_status status = CTL_DONE;

	for (size_t i = 0; status == CTL_DONE && i < values_count(state, "services"); i++) {
		json_object *service = values_element(state, "services", i);

		if (is_from_lan(service))
			continue;
		status = unshare_one(ctl, service);
		*ret_n += status == CTL_DONE;
	}
	for (size_t i = 0; status == CTL_DONE && i < values_count(state, "shared_from_lan"); i++) {
		status = unshare_lan(ctl,
				     shares_lan_type(values_element(state, "shared_from_lan", i)));
		*ret_n += status == CTL_DONE;
	}
	return status;
}

/* By its number, or as the only one of the type; *ret_n is how many of the type there are. */
static json_object *find(json_object *state, const struct request *request, size_t *ret_n)
{
	json_object *found = NULL;

	*ret_n = 0;
	for (size_t i = 0; i < values_count(state, "services"); i++) {
		json_object *service = values_element(state, "services", i);

		if (!strcmp(shares_number(service), request->what)) {
			*ret_n = 1;
			return service;
		}
		if (strcasecmp(values_text(service, "type"), request->type) != 0 ||
		    is_from_lan(service))
			continue;
		found = service;
		++*ret_n;
	}
	return found;
}

static enum ctl_status unshare_named(struct ctl *ctl, json_object *state, struct request *request)
{
	uint64_t number;
	uint16_t port;
	json_object *service;
	size_t n;

	if ((request->from_lan || !arguments_number(request->what, UINT64_MAX, &number)) &&
	    !service_type_of(request->what, request->type, &port))
		return not_a_type("unshare", request->what);
	if (request->from_lan)
		return unshare_lan(ctl, request->type);
	service = find(state, request, &n);
	if (n == 1)
		return unshare_one(ctl, service);
	if (n > 1)
		return ctl_complain(
			CTL_MISUSE,
			"%zu services of type %s are shared: say which by its number, see "
			"\"homewardctl shares\"",
			n, request->type);
	for (size_t i = 0; i < values_count(state, "shared_from_lan"); i++)
		if (!strcasecmp(shares_lan_type(values_element(state, "shared_from_lan", i)),
				request->type))
			return unshare_lan(ctl, request->type);
	return ctl_complain(CTL_MISUSE,
			    "\"%s\" is not shared; \"homewardctl shares\" lists what is",
			    request->what);
}

enum ctl_status ctl_unshare_command(struct ctl *ctl, int argc, char **argv)
{
	struct request request;
	enum ctl_status status = parse_unshare(argc, argv, &request);
	json_object *state;
	char text[TEXT_SIZE];
	size_t n = 1;

	if (status == CTL_DONE)
		status = ctl_connect(ctl);
	if (status == CTL_DONE)
		status = snapshot_read(ctl, CTL_REGISTRAR, &state);
	if (status != CTL_DONE)
		return status;
	status = snapshot_require(state, CTL_REGISTRAR);
	n = 0;
	if (status == CTL_DONE)
		status = request.all ? unshare_all(ctl, state, &n)
				     : unshare_named(ctl, state, &request);
	json_object_put(state);
	if (status != CTL_DONE)
		return status;
	if (request.all)
		snprintf(text, sizeof text, "%zu %s no longer shared", n,
			 n == 1 ? "service is" : "services are");
	else
		snprintf(text, sizeof text, "%.100s is no longer shared", request.what);
	return say(ctl, "unshared", request.all ? "all" : request.what, text);
}
