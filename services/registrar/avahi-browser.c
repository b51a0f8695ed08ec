/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/avahi-browser.h"

#include <stdlib.h>
#include <string.h>

#define NAME               "org.freedesktop.Avahi"
#define SERVER_INTERFACE   "org.freedesktop.Avahi.Server2"
#define BROWSER_INTERFACE  "org.freedesktop.Avahi.ServiceBrowser"
#define RESOLVER_INTERFACE "org.freedesktop.Avahi.ServiceResolver"

/* avahi-common/defs.h */
#define UNSPECIFIED       (-1) /* interface or protocol */
#define LOOKUP_NO_ADDRESS 8u
#define RESULT_LOCAL      8u

/* The network is full of strangers. */
#define ITEMS_MAX 64
#define WAYS_MAX  32
#define TEXT_MAX  2048

/* An instance, seen on one or more pairs of interface and protocol. */
struct item {
	struct item *next;
	struct avahi_browser *browser;
	char name[64];
	struct way {
		int interface, protocol;
	} ways[WAYS_MAX];
	size_t n_ways;
	sd_bus_slot *call;
	char *path; /* of its resolver; NULL: not made yet */
	bool found;
};

struct avahi_browser {
	sd_bus *bus;
	char *type;
	bool everyone;
	struct avahi_browser_callbacks callbacks;
	void *userdata;
	sd_bus_slot *owner_match, *signals, *call;
	char *owner; /* unique name; NULL: Avahi is not there */
	char *path;  /* of the browser; NULL: not made yet */
	const char *trouble;
	struct item *items;
	size_t n_items;
};

/* Anybody on the bus can send us a signal. */
static bool is_from_owner(const struct avahi_browser *browser, sd_bus_message *message)
{
	const char *sender = sd_bus_message_get_sender(message);

	return browser->owner && sender && !strcmp(sender, browser->owner);
}

/* A call whose answer nobody waits for. */
static void tell(struct avahi_browser *browser, const char *path, const char *interface,
		 const char *member)
{
	cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL;

	if (path &&
	    sd_bus_message_new_method_call(browser->bus, &call, NAME, path, interface, member) >=
		    0 &&
	    sd_bus_message_set_expect_reply(call, false) >= 0 &&
	    sd_bus_message_set_auto_start(call, false) >= 0)
		sd_bus_send(browser->bus, call, NULL);
}

/* Instances -------------------------------------------------------------------------------------
 */

static void item_forget(struct item *item)
{
	struct avahi_browser *browser = item->browser;
	struct item **link = &browser->items;

	while (*link != item)
		link = &(*link)->next;
	*link = item->next;
	browser->n_items--;
	tell(browser, item->path, RESOLVER_INTERFACE, "Free");
	sd_bus_slot_unref(item->call);
	free(item->path);
	free(item);
}

static void item_gone(struct item *item)
{
	struct avahi_browser *browser = item->browser;
	bool found = item->found;
	char name[sizeof(item->name)];

	strcpy(name, item->name);
	item_forget(item);
	if (found)
		browser->callbacks.gone(browser->userdata, name);
}

/* The strings of an aay, each after its length. How many octets, or a negative errno. */
static int read_text(sd_bus_message *message, uint8_t text[TEXT_MAX])
{
	size_t used = 0, size;
	const void *string;
	int r = sd_bus_message_enter_container(message, 'a', "ay");

	while (r >= 0 && (r = sd_bus_message_read_array(message, 'y', &string, &size)) > 0) {
		if (size > 255 || used + 1 + size > TEXT_MAX)
			continue;
		text[used] = size;
		if (size)
			memcpy(text + used + 1, string, size);
		used += 1 + size;
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(message);
	return r < 0 ? r : (int)used;
}

static void on_resolved(struct item *item, sd_bus_message *message)
{
	struct avahi_browser *browser = item->browser;
	const char *name, *type, *domain, *address;
	int interface, protocol, address_protocol, size;
	struct avahi_service service = { .name = item->name };
	uint8_t text[TEXT_MAX];

	if (sd_bus_message_read(message, "iissssisq", &interface, &protocol, &name, &type, &domain,
				&service.host, &address_protocol, &address, &service.port) < 0)
		return;
	size = read_text(message, text);
	if (size < 0)
		return;
	service.text = text;
	service.text_size = size;
	item->found = true;
	browser->callbacks.found(browser->userdata, &service);
}

static int on_resolver_made(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct item *item = userdata;
	struct avahi_browser *browser = item->browser;
	const char *path;

	item->call = sd_bus_slot_unref(item->call);
	if (sd_bus_message_is_method_error(reply, NULL) ||
	    sd_bus_message_read(reply, "o", &path) < 0)
		return 0;
	item->path = strdup(path);
	tell(browser, item->path, RESOLVER_INTERFACE, "Start");
	return 0;
}

static struct item *item_find(struct avahi_browser *browser, const char *name)
{
	for (struct item *item = browser->items; item; item = item->next)
		if (!strcmp(item->name, name))
			return item;
	return NULL;
}

static struct item *item_new(struct avahi_browser *browser, const char *name, const char *domain)
{
	struct item *item;
	int r;

	if (strlen(name) >= sizeof(item->name) || browser->n_items >= ITEMS_MAX)
		return NULL;
	item = calloc(1, sizeof(*item));
	if (!item)
		return NULL;
	item->browser = browser;
	strcpy(item->name, name);
	item->next = browser->items;
	browser->items = item;
	browser->n_items++;
	r = sd_bus_call_method_async(browser->bus, &item->call, NAME, "/", SERVER_INTERFACE,
				     "ServiceResolverPrepare", on_resolver_made, item, "iisssiu",
				     UNSPECIFIED, UNSPECIFIED, name, browser->type, domain,
				     UNSPECIFIED, LOOKUP_NO_ADDRESS);
	if (r < 0) {
		item_forget(item);
		return NULL;
	}
	return item;
}

static struct way *item_find_way(struct item *item, int interface, int protocol)
{
	for (size_t i = 0; i < item->n_ways; i++)
		if (item->ways[i].interface == interface && item->ways[i].protocol == protocol)
			return &item->ways[i];
	return NULL;
}

/* The browser -----------------------------------------------------------------------------------
 */

static void on_item(struct avahi_browser *browser, sd_bus_message *message, bool is_new)
{
	const char *name, *type, *domain;
	int interface, protocol;
	struct item *item;
	struct way *way;
	uint32_t flags;

	if (sd_bus_message_read(message, "iisssu", &interface, &protocol, &name, &type, &domain,
				&flags) < 0)
		return;
	item = item_find(browser, name);
	way = item ? item_find_way(item, interface, protocol) : NULL;
	if (is_new) {
		/* What goes is no longer this host's when it is reported: only here does it count.
		 */
		if (way || (!browser->everyone && !(flags & RESULT_LOCAL)))
			return;
		if (!item)
			item = item_new(browser, name, domain);
		if (item && item->n_ways < WAYS_MAX)
			item->ways[item->n_ways++] = (struct way){ interface, protocol };
		return;
	}
	if (!way)
		return;
	*way = item->ways[--item->n_ways];
	if (!item->n_ways)
		item_gone(item);
}

static struct item *item_at(struct avahi_browser *browser, const char *path)
{
	for (struct item *item = browser->items; item; item = item->next)
		if (item->path && !strcmp(item->path, path))
			return item;
	return NULL;
}

/* Of all of Avahi's, whoever made the object. Listening to each object's once it is made would come
 * too late: Avahi 0.8 does not wait for a resolver's Start. */
static int on_signal(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct avahi_browser *browser = userdata;
	const char *path = sd_bus_message_get_path(message);
	struct item *item;

	if (!path || !is_from_owner(browser, message))
		return 0;
	item = item_at(browser, path);
	if (item && sd_bus_message_is_signal(message, RESOLVER_INTERFACE, "Found"))
		on_resolved(item, message);
	if (!browser->path || strcmp(path, browser->path) != 0)
		return 0;
	if (sd_bus_message_is_signal(message, BROWSER_INTERFACE, "ItemNew"))
		on_item(browser, message, true);
	else if (sd_bus_message_is_signal(message, BROWSER_INTERFACE, "ItemRemove"))
		on_item(browser, message, false);
	else if (sd_bus_message_is_signal(message, BROWSER_INTERFACE, "Failure"))
		browser->trouble = "Avahi cannot look for services";
	return 0;
}

static int on_browser_made(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	struct avahi_browser *browser = userdata;
	const sd_bus_error *wrong = sd_bus_message_get_error(reply);
	const char *path;

	browser->call = sd_bus_slot_unref(browser->call);
	if (wrong) {
		browser->trouble =
			sd_bus_error_has_name(wrong, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
					sd_bus_error_has_name(wrong, SD_BUS_ERROR_NAME_HAS_NO_OWNER)
				? "Avahi is not running: systemctl start avahi-daemon"
				: "Avahi does not look for services for us";
		return 0;
	}
	if (sd_bus_message_read(reply, "o", &path) < 0)
		return 0;
	free(browser->owner);
	browser->owner = strdup(sd_bus_message_get_sender(reply));
	browser->path = strdup(path);
	browser->trouble = NULL;
	tell(browser, browser->path, BROWSER_INTERFACE, "Start");
	return 0;
}

static int look(struct avahi_browser *browser)
{
	cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	int r = sd_bus_message_new_method_call(browser->bus, &call, NAME, "/", SERVER_INTERFACE,
					       "ServiceBrowserPrepare");

	if (r >= 0)
		r = sd_bus_message_append(call, "iissu", UNSPECIFIED, UNSPECIFIED, browser->type,
					  "", 0u);
	if (r >= 0)
		r = sd_bus_message_set_auto_start(call, false);
	if (r >= 0)
		r = sd_bus_call_async(browser->bus, &browser->call, call, on_browser_made, browser,
				      0);
	return r;
}

static void forget(struct avahi_browser *browser)
{
	browser->call = sd_bus_slot_unref(browser->call);
	free(browser->owner);
	free(browser->path);
	browser->owner = browser->path = NULL;
}

static int on_owner(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct avahi_browser *browser = userdata;
	const char *name, *former, *owner;

	if (sd_bus_message_read(message, "sss", &name, &former, &owner) < 0)
		return 0;
	forget(browser);
	while (browser->items)
		item_gone(browser->items);
	browser->trouble = "Avahi is not running: systemctl start avahi-daemon";
	if (*owner)
		look(browser);
	return 0;
}

int avahi_browser_new(sd_bus *bus, const char *type, bool everyone,
		      const struct avahi_browser_callbacks *callbacks, void *userdata,
		      struct avahi_browser **ret)
{
	cleanup(avahi_browser_freep) struct avahi_browser *browser = calloc(1, sizeof(*browser));
	int r;

	if (!browser)
		return -ENOMEM;
	browser->bus = sd_bus_ref(bus);
	browser->everyone = everyone;
	browser->callbacks = *callbacks;
	browser->userdata = userdata;
	browser->type = strdup(type);
	if (!browser->type)
		return -ENOMEM;
	r = sd_bus_add_match_async(bus, &browser->owner_match,
				   "type='signal',sender='org.freedesktop.DBus',"
				   "path='/org/freedesktop/DBus',"
				   "interface='org.freedesktop.DBus',"
				   "member='NameOwnerChanged',arg0='" NAME "'",
				   on_owner, NULL, browser);
	if (r >= 0)
		r = sd_bus_match_signal_async(bus, &browser->signals, NAME, NULL, NULL, NULL,
					      on_signal, NULL, browser);
	if (r >= 0)
		r = look(browser);
	if (r < 0)
		return r;
	*ret = steal_ptr(browser);
	return 0;
}

struct avahi_browser *avahi_browser_free(struct avahi_browser *browser)
{
	if (!browser)
		return NULL;
	while (browser->items)
		item_forget(browser->items);
	tell(browser, browser->path, BROWSER_INTERFACE, "Free");
	forget(browser);
	sd_bus_slot_unref(browser->owner_match);
	sd_bus_slot_unref(browser->signals);
	sd_bus_unref(browser->bus);
	free(browser->type);
	free(browser);
	return NULL;
}

const char *avahi_browser_trouble(const struct avahi_browser *browser)
{
	return browser->trouble;
}
