/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/shares.h"

#include "bus-interfaces/errors.h"
#include "common/base/log.h"
#include "services/registrar/avahi-browser.h"
#include "services/registrar/share-object.h"
#include "services/registrar/shares-file.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HEADING "homeward-shared-services 1"
#define LAN_MAX 16

/* A type carried from the local network. */
struct lan {
	struct lan *next;
	struct shares *shares;
	char type[SERVICE_TYPE_SIZE];
	bool everyone;
	bool has_complained; /* that something could not be carried */
	struct avahi_browser *browser;
};

struct shares {
	struct shares_options options;
	struct services services;
	struct lan *lans;
	size_t n_lans;
	struct shares_file *file;
	char host_name[SERVICE_LABEL_SIZE];
	uint64_t n_objects_made;
};

struct services *shares_services(struct shares *shares)
{
	return &shares->services;
}

/* The file ------------------------------------------------------------------------------------- */

static char *make_text(void *userdata)
{
	struct shares *shares = userdata;
	char line[SERVICE_LINE_SIZE], *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	fprintf(stream, "%s\n", HEADING);
	for (struct service *service = shares->services.first; service; service = service->next)
		if (service->source == SERVICE_SOURCE_COMMAND &&
		    service_offer_write_line(&service->offer, service->number, line,
					     sizeof(line)) >= 0)
			fprintf(stream, "%s\n", line);
	for (const struct lan *lan = shares->lans; lan; lan = lan->next)
		fprintf(stream, "lan %s %s\n", lan->type, lan->everyone ? "everyone" : "own");
	if (fclose(stream) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

void shares_keep(struct shares *shares)
{
	if (shares_file_write(shares->file, NULL, NULL) < 0)
		log_error("out of memory");
}

/* Objects -------------------------------------------------------------------------------------- */

static int add_service(struct shares *shares, const struct service_offer *offer,
		       enum service_source source, unsigned int number, struct service **ret)
{
	struct share_object *object;
	struct service *service;
	int r = services_add(&shares->services, offer, source, number, shares->host_name, &service);

	if (r < 0)
		return r;
	r = share_object_new(shares->options.bus, shares, ++shares->n_objects_made, service,
			     shares->host_name, &object);
	if (r < 0) {
		services_remove(&shares->services, service);
		return r;
	}
	service->userdata = object;
	*ret = service;
	return 0;
}

static void remove_service(struct shares *shares, struct service *service)
{
	share_object_free(service->userdata);
	services_remove(&shares->services, service);
}

void shares_show(struct shares *shares, const struct host_names *names, bool published,
		 const char *reason)
{
	snprintf(shares->host_name, sizeof(shares->host_name), "%s", names->host_name);
	for (struct service *service = shares->services.first; service; service = service->next)
		share_object_show(service->userdata, service, names, published, reason);
}

/* The local network ---------------------------------------------------------------------------- */

static struct service *find_carried(struct lan *lan, const char *name)
{
	for (struct service *service = lan->shares->services.first; service;
	     service = service->next)
		if (service->source == SERVICE_SOURCE_LAN &&
		    !strcasecmp(service->offer.type, lan->type) &&
		    !strcmp(service->offer.name, name))
			return service;
	return NULL;
}

/* What strangers announce is taken as far as it follows the rules. */
static bool make_offer(const struct lan *lan, const struct avahi_service *seen,
		       struct service_offer *offer)
{
	*offer = (struct service_offer){ 0 };
	if (service_offer_set_type(offer, lan->type) || !*seen->name ||
	    service_offer_set_name(offer, seen->name) || service_offer_set_port(offer, seen->port))
		return false;
	for (size_t at = 0; at < seen->text_size; at += 1 + seen->text[at])
		service_offer_add_text(offer, seen->text + at + 1, seen->text[at]);
	return true;
}

static void on_found(void *userdata, const struct avahi_service *seen)
{
	struct lan *lan = userdata;
	struct shares *shares = lan->shares;
	struct service *service = find_carried(lan, seen->name);
	struct service_offer offer;
	int r = 0;

	if (!make_offer(lan, seen, &offer))
		return;
	if (service) {
		if (!service_offer_equal(&service->offer, &offer))
			services_change(&shares->services, service, &offer);
	} else {
		r = add_service(shares, &offer, SERVICE_SOURCE_LAN, 1, &service);
	}
	if (r < 0) {
		if (!lan->has_complained)
			log_warning("some services %s of the local network are not carried: %s",
				    lan->type, strerror(-r));
		lan->has_complained = true;
		return;
	}
	if (lan->everyone)
		snprintf(service->seen_at, sizeof(service->seen_at), "%s", seen->host);
	shares->options.on_change(shares->options.userdata);
}

static void on_gone(void *userdata, const char *name)
{
	struct lan *lan = userdata;
	struct shares *shares = lan->shares;
	struct service *service = find_carried(lan, name);

	if (!service)
		return;
	remove_service(shares, service);
	shares->options.on_change(shares->options.userdata);
}

static struct lan *find_lan(const struct shares *shares, const char *type)
{
	for (struct lan *lan = shares->lans; lan; lan = lan->next)
		if (!strcasecmp(lan->type, type))
			return lan;
	return NULL;
}

static int add_lan(struct shares *shares, const char *type, bool everyone)
{
	static const struct avahi_browser_callbacks callbacks = {
		.found = on_found,
		.gone = on_gone,
	};
	struct lan *lan = calloc(1, sizeof(*lan));
	int r;

	if (!lan)
		return -ENOMEM;
	lan->shares = shares;
	lan->everyone = everyone;
	strcpy(lan->type, type);
	r = avahi_browser_new(shares->options.bus, type, everyone, &callbacks, lan, &lan->browser);
	if (r < 0) {
		free(lan);
		return r;
	}
	lan->next = shares->lans;
	shares->lans = lan;
	shares->n_lans++;
	return 0;
}

static void remove_lan(struct shares *shares, struct lan *lan)
{
	struct service *service, *next;
	struct lan **link = &shares->lans;

	while (*link != lan)
		link = &(*link)->next;
	*link = lan->next;
	shares->n_lans--;
	for (service = shares->services.first; service; service = next) {
		next = service->next;
		if (service->source == SERVICE_SOURCE_LAN &&
		    !strcasecmp(service->offer.type, lan->type))
			remove_service(shares, service);
	}
	avahi_browser_free(lan->browser);
	free(lan);
}

/* Methods -------------------------------------------------------------------------------------- */

static int refuse(sd_bus_error *error, const char *words)
{
	return sd_bus_error_set(error, HOMEWARD_ERROR_INVALID_ARGUMENT, words);
}

/* Of ShareService: "ssqaayas". 0, or a negative errno with *ret_wrong set when a value is wrong. */
static int read_offer(sd_bus_message *call, struct service_offer *offer, const char **ret_wrong)
{
	const char *type, *name, *subtype, *wrong;
	const void *string;
	uint16_t port;
	size_t size;
	int r = sd_bus_message_read(call, "ssq", &type, &name, &port);

	if (r < 0)
		return r;
	*offer = (struct service_offer){ 0 };
	wrong = service_offer_set_type(offer, type);
	if (!wrong)
		wrong = service_offer_set_name(offer, name);
	if (!wrong)
		wrong = service_offer_set_port(offer, port);
	r = sd_bus_message_enter_container(call, 'a', "ay");
	while (r >= 0 && (r = sd_bus_message_read_array(call, 'y', &string, &size)) > 0)
		if (!wrong)
			wrong = service_offer_add_text(offer, string, size);
	if (r >= 0)
		r = sd_bus_message_exit_container(call);
	if (r >= 0)
		r = sd_bus_message_enter_container(call, 'a', "s");
	while (r >= 0 && (r = sd_bus_message_read(call, "s", &subtype)) > 0)
		if (!wrong)
			wrong = service_offer_add_subtype(offer, subtype);
	*ret_wrong = wrong;
	return r < 0 ? r : 0;
}

/* Answers the call, with `path` unless that is NULL, once the file is written. */
static int keep_and_answer(struct shares *shares, sd_bus_message *call, const char *path)
{
	sd_bus_message *reply = NULL;
	int r = sd_bus_message_new_method_return(call, &reply);

	if (r >= 0 && path)
		r = sd_bus_message_append(reply, "o", path);
	if (r < 0) {
		sd_bus_message_unref(reply);
		return r;
	}
	r = shares_file_write(shares->file, call, reply);
	shares->options.on_change(shares->options.userdata);
	return r < 0 ? r : 1;
}

int shares_on_share_service(struct shares *shares, sd_bus_message *call, sd_bus_error *error)
{
	struct service_offer offer;
	struct service *service;
	const char *wrong = NULL;
	int r = read_offer(call, &offer, &wrong);

	if (r >= 0 && wrong)
		return refuse(error, wrong);
	if (r >= 0)
		r = add_service(shares, &offer, SERVICE_SOURCE_COMMAND, 1, &service);
	if (r == -EEXIST)
		return sd_bus_error_setf(error, HOMEWARD_ERROR_ALREADY_EXISTS,
					 "a %s of that name is shared already", offer.type);
	if (r == -ENOSPC)
		return sd_bus_error_setf(error, HOMEWARD_ERROR_LIMITS_EXCEEDED,
					 "%d services are shared, which is the limit",
					 SERVICES_MAX);
	if (r < 0)
		return r;
	return keep_and_answer(shares, call, share_object_path(service->userdata));
}

int shares_on_unshare(struct shares *shares, struct service *service, sd_bus_message *call,
		      sd_bus_error *error)
{
	if (service->source == SERVICE_SOURCE_LAN)
		return sd_bus_error_setf(error, HOMEWARD_ERROR_ACCESS_DENIED,
					 "it comes from the local network: stop carrying %s",
					 service->offer.type);
	remove_service(shares, service);
	return keep_and_answer(shares, call, NULL);
}

int shares_on_share_from_lan(struct shares *shares, sd_bus_message *call, sd_bus_error *error)
{
	struct service_offer offer = { 0 };
	const char *type, *wrong;
	struct lan *lan;
	int everyone, r = sd_bus_message_read(call, "sb", &type, &everyone);

	if (r < 0)
		return r;
	wrong = service_offer_set_type(&offer, type);
	if (wrong)
		return refuse(error, wrong);
	lan = find_lan(shares, type);
	if (lan && lan->everyone == everyone)
		return sd_bus_reply_method_return(call, NULL);
	if (lan)
		remove_lan(shares, lan);
	if (shares->n_lans >= LAN_MAX)
		return sd_bus_error_setf(error, HOMEWARD_ERROR_LIMITS_EXCEEDED,
					 "%d types are carried from the local network, which is "
					 "the limit",
					 LAN_MAX);
	r = add_lan(shares, offer.type, everyone);
	return r < 0 ? r : keep_and_answer(shares, call, NULL);
}

int shares_on_unshare_from_lan(struct shares *shares, sd_bus_message *call, sd_bus_error *error)
{
	const char *type;
	struct lan *lan;
	int r = sd_bus_message_read(call, "s", &type);

	if (r < 0)
		return r;
	lan = find_lan(shares, type);
	if (!lan)
		return sd_bus_error_setf(error, HOMEWARD_ERROR_NO_SUCH_OBJECT,
					 "%.40s is not carried from the local network", type);
	remove_lan(shares, lan);
	return keep_and_answer(shares, call, NULL);
}

int shares_append_lan(const struct shares *shares, sd_bus_message *reply)
{
	int r = sd_bus_message_open_container(reply, 'a', "(sbs)");

	for (const struct lan *lan = shares->lans; lan && r >= 0; lan = lan->next)
		r = sd_bus_message_append(reply, "(sbs)", lan->type, lan->everyone,
					  avahi_browser_trouble(lan->browser) ?: "");
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* ---------------------------------------------------------------------------------------------- */

static bool read_lan_line(struct shares *shares, char *line)
{
	struct service_offer offer = { 0 };
	char *type = line + strlen("lan "), *scope = strchr(type, ' ');

	if (!scope)
		return false;
	*scope++ = 0;
	return (!strcmp(scope, "own") || !strcmp(scope, "everyone")) &&
	       !service_offer_set_type(&offer, type) && !find_lan(shares, type) &&
	       shares->n_lans < LAN_MAX && add_lan(shares, type, !strcmp(scope, "everyone")) >= 0;
}

static bool read_line(struct shares *shares, char *line)
{
	struct service_offer offer;
	struct service *service;
	unsigned int number;

	if (!strncmp(line, "lan ", 4))
		return read_lan_line(shares, line);
	return service_offer_read_line(line, &offer, &number) >= 0 &&
	       add_service(shares, &offer, SERVICE_SOURCE_COMMAND, number, &service) >= 0;
}

static void load(struct shares *shares)
{
	cleanup(freep) char *text = NULL;
	unsigned int n = 1;
	char *line, *rest;
	int r = shares_file_read(shares->file, &text);

	if (r == -ENOENT)
		return;
	rest = text;
	line = text ? strsep(&rest, "\n") : NULL;
	if (!line || strcmp(line, HEADING) != 0) {
		log_error("the file of shared services cannot be read: %s",
			  r < 0 ? strerror(-r) : "it is none");
		return;
	}
	while ((line = strsep(&rest, "\n"))) {
		n++;
		if (*line && !read_line(shares, line))
			log_error("shared services, line %u: not understood, left out", n);
	}
}

int shares_new(const struct shares_options *options, struct shares **ret)
{
	cleanup(shares_freep) struct shares *shares = calloc(1, sizeof(*shares));
	int r;

	if (!shares)
		return -ENOMEM;
	shares->options = *options;
	r = shares_file_new(options->loop, options->folder, make_text, shares, &shares->file);
	if (r < 0)
		return r;
	load(shares);
	*ret = steal_ptr(shares);
	return 0;
}

struct shares *shares_free(struct shares *shares)
{
	if (!shares)
		return NULL;
	while (shares->lans)
		remove_lan(shares, shares->lans);
	while (shares->services.first)
		remove_service(shares, shares->services.first);
	shares_file_free(shares->file);
	free(shares);
	return NULL;
}
