/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the database holds of the zones: records, leases, long-lived queries. */
#include "services/zoned/zonectl.h"

#include "common/wire/cursor.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* What walks over accounts and over what belongs to them share. */
struct view {
	const struct zonectl *ctl;
	struct storage *storage;
	const struct stored_account *account; /* the one being walked through */
	int64_t now;                          /* milliseconds since 1970 */
	json_object *list;                    /* with --json */
	json_object *holders;                 /* of leases, by key name */
};

/* Octets of a name or a record as people write it, allocated; without a newline. */
static char *name_to_text(const struct octets *octets)
{
	ldns_rdf *name = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, octets->size, octets->data);
	char *text = name ? ldns_rdf2str(name) : NULL;

	ldns_rdf_deep_free(name);
	return text;
}

static char *record_to_text(const struct stored_record *stored)
{
	size_t size = stored->owner.size + 10 + stored->data.size, position = 0;
	cleanup(freep) uint8_t *octets = malloc(size);
	struct writer writer = writer_init(octets, octets ? size : 0);
	ldns_rr *rr = NULL;
	char *text = NULL;

	writer_copy(&writer, stored->owner.data, stored->owner.size);
	writer_u16(&writer, stored->type);
	writer_u16(&writer, LDNS_RR_CLASS_IN);
	writer_u32(&writer, stored->ttl);
	writer_u16(&writer, stored->data.size);
	writer_copy(&writer, stored->data.data, stored->data.size);
	if (!writer.failed &&
	    ldns_wire2rr(&rr, octets, size, &position, LDNS_SECTION_ANSWER) == LDNS_STATUS_OK)
		text = ldns_rr2str(rr);
	ldns_rr_free(rr);
	if (text)
		text[strcspn(text, "\n")] = 0;
	return text;
}

/* Who has this key: "desktop", "account", or "server" for none. */
static const char *writer_label(const struct view *view, const char *writer)
{
	const char *dot = writer ? strchr(writer, '.') : NULL;

	if (!dot)
		return "server";
	return strcmp(writer, view->account->domain) == 0 ? "account" : zonectl_label(dot + 1);
}

static int64_t seconds_left(const struct view *view, int64_t expires)
{
	return expires > view->now ? (expires - view->now + 999) / 1000 : 0;
}

static int64_t now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The accounts that the command line names: one, or all. Then the list, if there is one. */
static int walk(const struct zonectl *ctl, struct view *view, storage_account_callback callback)
{
	cleanup(storage_freep) struct storage *storage = NULL;
	int r = zonectl_open(ctl, STORAGE_EXISTING, &storage);

	if (r)
		return r;
	view->ctl = ctl;
	view->storage = storage;
	view->now = now_msec();
	view->list = ctl->json ? json_object_new_array() : NULL;
	r = zonectl_check(ctl, storage,
			  ctl->domain[0]
				  ? storage_find_account(storage, ctl->domain, callback, view)
				  : storage_walk_accounts(storage, callback, view));
	if (!r && view->list)
		return zonectl_print_json(view->list);
	json_object_put(view->list);
	return r;
}

/* zone show --------------------------------------------------------------------------------------
 */

static int show_record(void *userdata, const struct stored_record *record)
{
	struct view *view = userdata;
	bool is_permanent = record->expires == STORED_NEVER;
	int64_t left = seconds_left(view, record->expires);
	cleanup(freep) char *text = record_to_text(record);
	json_object *object;

	if (!view->list) {
		printf("%s\t; %s%s, by %s\n", text ?: "; a record that makes no sense",
		       is_permanent ? "no lease"
		       : left       ? zonectl_duration(left)
				    : "lease ended",
		       is_permanent || !left ? "" : " left", writer_label(view, record->writer));
		return 0;
	}
	object = json_object_new_object();
	json_object_object_add(object, "record", json_object_new_string(text ?: ""));
	json_object_object_add(object, "lease-left",
			       is_permanent ? NULL : json_object_new_int64(left));
	json_object_object_add(object, "writer",
			       record->writer ? json_object_new_string(record->writer) : NULL);
	return json_object_array_add(view->list, object);
}

static int show_zone(void *userdata, const struct stored_account *account)
{
	struct view *view = userdata;

	view->account = account;
	return storage_walk_records(view->storage, account->id, show_record, view);
}

int zonectl_zone_show(const struct zonectl *ctl)
{
	struct view view = {};

	return walk(ctl, &view, show_zone);
}

/* leases -----------------------------------------------------------------------------------------
 */

static int64_t get_number(json_object *object, const char *name)
{
	return json_object_get_int64(json_object_object_get(object, name));
}

/* Adds the record to what its writer holds. */
static int count_lease(void *userdata, const struct stored_record *record)
{
	struct view *view = userdata;
	const char *writer = record->writer ?: "";
	int64_t left = seconds_left(view, record->expires);
	json_object *holder = NULL;

	if (record->expires == STORED_NEVER || !left)
		return 0;
	if (!json_object_object_get_ex(view->holders, writer, &holder)) {
		holder = json_object_new_object();
		json_object_object_add(holder, "account",
				       json_object_new_string(view->account->domain));
		json_object_object_add(holder, "holder",
				       json_object_new_string(writer_label(view, record->writer)));
		json_object_object_add(holder, "key", json_object_new_string(writer));
		json_object_object_add(holder, "least-left", json_object_new_int64(left));
		json_object_object_add(view->holders, writer, holder);
	}
	json_object_object_add(holder, "records",
			       json_object_new_int64(get_number(holder, "records") + 1));
	if (left < get_number(holder, "least-left"))
		json_object_object_add(holder, "least-left", json_object_new_int64(left));
	if (left > get_number(holder, "most-left"))
		json_object_object_add(holder, "most-left", json_object_new_int64(left));
	return 0;
}

static int show_leases(void *userdata, const struct stored_account *account)
{
	struct view *view = userdata;
	int r;

	view->account = account;
	view->holders = json_object_new_object();
	r = storage_walk_records(view->storage, account->id, count_lease, view);
	json_object_object_foreach(view->holders, key, holder)
	{
		(void)key;
		if (view->list) {
			json_object_array_add(view->list, json_object_get(holder));
			continue;
		}
		printf("%-40s %-20s %4lld records  %s left\n", account->domain,
		       json_object_get_string(json_object_object_get(holder, "holder")),
		       (long long)get_number(holder, "records"),
		       zonectl_duration(get_number(holder, "least-left")));
	}
	json_object_put(view->holders);
	return r;
}

int zonectl_leases(const struct zonectl *ctl)
{
	struct view view = {};

	return walk(ctl, &view, show_leases);
}

/* subscriptions ----------------------------------------------------------------------------------
 */

static const char *address_to_text(const struct endpoint *endpoint, char *text, size_t size)
{
	char address[INET6_ADDRSTRLEN] = "?";

	inet_ntop(endpoint->family == 4 ? AF_INET : AF_INET6, endpoint->address, address,
		  sizeof address);
	snprintf(text, size, endpoint->family == 4 ? "%s:%u" : "[%s]:%u", address,
		 (unsigned int)endpoint->port);
	return text;
}

static int show_query(void *userdata, const struct stored_llq *llq)
{
	struct view *view = userdata;
	int64_t left = seconds_left(view, llq->expires);
	cleanup(freep) char *name = name_to_text(&llq->name);
	cleanup(freep) char *type = ldns_rr_type2str(llq->type);
	char id[20], remote[64];
	json_object *object;

	snprintf(id, sizeof id, "%016llx", (unsigned long long)llq->id);
	address_to_text(&llq->remote, remote, sizeof remote);
	if (!view->list) {
		printf("%s  %s %s  for %s at %s  %s left\n", id, name ?: "?", type ?: "?",
		       writer_label(view, llq->key_name), remote, zonectl_duration(left));
		return 0;
	}
	object = json_object_new_object();
	json_object_object_add(object, "account", json_object_new_string(view->account->domain));
	json_object_object_add(object, "id", json_object_new_string(id));
	json_object_object_add(object, "name", json_object_new_string(name ?: ""));
	json_object_object_add(object, "type", json_object_new_string(type ?: ""));
	json_object_object_add(object, "key", json_object_new_string(llq->key_name));
	json_object_object_add(object, "client", json_object_new_string(remote));
	json_object_object_add(object, "lease-left", json_object_new_int64(left));
	return json_object_array_add(view->list, object);
}

static int show_queries(void *userdata, const struct stored_account *account)
{
	struct view *view = userdata;

	view->account = account;
	return storage_walk_llqs(view->storage, account->id, show_query, view);
}

/* What lives with its connection is known to the running zoned only, by number. */
static void print_pushes(const struct zonectl *ctl)
{
	json_object *status = zonectl_read_status(ctl);

	if (!status)
		return;
	json_object_object_foreach(status, name, value)
	{
		if (strstr(name, "Push") && json_object_is_type(value, json_type_int))
			printf("%s %s\n", name, json_object_get_string(value));
	}
	json_object_put(status);
}

int zonectl_subscriptions(const struct zonectl *ctl)
{
	struct view view = {};
	int r = walk(ctl, &view, show_queries);

	if (!r && !ctl->json && !ctl->domain[0])
		print_pushes(ctl);
	return r;
}
