/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/identity/bus-revoking.h"

#include "bus-interfaces/errors.h"
#include "services/identity/identity.h"

#include <string.h>

int bus_revoking_get(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const struct identity *identity = userdata;
	const struct revoking *revoking = &identity->revoking;
	uint64_t value = 0;

	if (!strcmp(property, "Submission"))
		value = revoking->number;
	else if (!strcmp(property, "Forgotten"))
		value = identity->credentials ? 0 : revoking->known.forgotten;
	else if (identity->credentials)
		value = revoking->known.list.number;
	return sd_bus_message_append(reply, "t", value);
}

int bus_revoking_get_hosts(sd_bus *bus, const char *path, const char *interface,
			   const char *property, sd_bus_message *reply, void *userdata,
			   sd_bus_error *ret_error)
{
	const struct identity *identity = userdata;
	const struct revocation_list *list = &identity->revoking.known.list;
	int r = sd_bus_message_open_container(reply, 'a', "(st)");

	for (size_t i = 0; r >= 0 && identity->credentials && i < list->n; i++)
		r = sd_bus_message_append(reply, "(st)", list->items[i].host, list->items[i].until);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

int bus_revoking_on_forget(sd_bus_message *call, void *userdata, sd_bus_error *ret_error)
{
	struct identity *identity = userdata;
	const char *host, *message = NULL;
	int fd, r = sd_bus_message_read(call, "sh", &host, &fd);

	if (r < 0)
		return r;
	r = identity_check(identity, ACCOUNT_REQUEST_USE_KEY, &message);
	if (r >= 0) {
		r = revoking_forget(identity, host, fd, identity_bus_done, sd_bus_message_ref(call),
				    &message);
		if (r >= 0)
			return 1;
		sd_bus_message_unref(call);
	}
	identity->counters.forgets_refused++;
	return sd_bus_error_set(ret_error, identity_error_name(r), message);
}

/* The octets are borrowed from the call. */
static int read_lists(sd_bus_message *call, struct certificate lists[], size_t *ret_n)
{
	const void *octets;
	size_t size, n = 0;
	int r = sd_bus_message_enter_container(call, 'a', "ay");

	while (r >= 0 && (r = sd_bus_message_at_end(call, 0)) == 0) {
		r = sd_bus_message_read_array(call, 'y', &octets, &size);
		if (r >= 0 && n == REVOKING_ZONE_LISTS_MAX)
			return -E2BIG;
		if (r >= 0)
			lists[n++] =
				(struct certificate){ .data = (uint8_t *)octets, .size = size };
	}
	*ret_n = n;
	return r;
}

int bus_revoking_on_take_lists(sd_bus_message *call, void *userdata, sd_bus_error *ret_error)
{
	struct identity *identity = userdata;
	struct certificate lists[REVOKING_ZONE_LISTS_MAX];
	const char *message = NULL;
	size_t n = 0;
	int r = read_lists(call, lists, &n);

	if (r < 0 && r != -E2BIG)
		return r;
	if (r == -E2BIG)
		return sd_bus_error_set(ret_error, HOMEWARD_ERROR_INVALID_ARGUMENT,
					"there are more than eight lists");
	r = identity_check(identity, ACCOUNT_REQUEST_USE_KEY, &message);
	if (r >= 0)
		r = revoking_take_lists(identity, lists, n, &message);
	if (r < 0)
		return sd_bus_error_set(ret_error, identity_error_name(r), message);
	return sd_bus_reply_method_return(call, NULL);
}

static int append_submission(const struct revoking *revoking, const char *name, int fd,
			     sd_bus_message *reply)
{
	int r = sd_bus_message_append(reply, "ts", revoking->number, revoking->host);

	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "ay");
	for (size_t i = 0; r >= 0 && i < revoking->zone.n; i++)
		r = sd_bus_message_append_array(reply, 'y', revoking->zone.items[i].data,
						revoking->zone.items[i].size);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (r >= 0)
		r = sd_bus_message_append_array(reply, 'y', revoking->list.data,
						revoking->list.size);
	return r < 0 ? r : sd_bus_message_append(reply, "ssh", name, "hmac-sha256", fd);
}

int bus_revoking_on_get_submission(sd_bus_message *call, void *userdata, sd_bus_error *ret_error)
{
	struct identity *identity = userdata;
	cleanup(close_fdp) int fd = -1;
	const char *message = NULL;
	char name[NAME_SIZE];
	sd_bus_message *reply = NULL;
	int r = identity_check(identity, ACCOUNT_REQUEST_USE_KEY, &message);

	if (r >= 0 && !identity->revoking.number) {
		message = "nothing waits for the zone";
		r = -ENXIO;
	}
	if (r >= 0)
		r = fd = revoking_give_key(identity, name, &message);
	if (r < 0) {
		identity->counters.submissions_refused++;
		return sd_bus_error_set(ret_error, identity_error_name(r), message);
	}
	identity->counters.submissions_given++;
	r = sd_bus_message_new_method_return(call, &reply);
	if (r >= 0)
		r = append_submission(&identity->revoking, name, fd, reply);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

int bus_revoking_on_finish_submission(sd_bus_message *call, void *userdata, sd_bus_error *ret_error)
{
	const char *words, *message = NULL;
	uint64_t number;
	int published, r = sd_bus_message_read(call, "tbs", &number, &published, &words);

	if (r < 0)
		return r;
	r = revoking_finish(userdata, number, published, words, &message);
	if (r < 0)
		return sd_bus_error_set(ret_error, identity_error_name(r), message);
	return sd_bus_reply_method_return(call, NULL);
}
