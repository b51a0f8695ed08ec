/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/mapper/captive-watch.h"

#include "services/mapper/captive-check.h"
#include "services/mapper/network-manager-client.h"

/* While somebody logs in. A network that lets everything through is not asked about again. */
#define AGAIN_MSEC 10000

struct captive_watch {
	captive_watch_callback callback;
	void *userdata;
	struct network_manager *manager;
	struct captive_check *check; /* NULL: nothing is asked for */
	struct loop_timer *timer;
	struct in_addr local; /* 0.0.0.0: no network */
	bool manager_says, page_says;
};

static void tell(struct captive_watch *watch)
{
	watch->callback(watch->userdata, watch->manager_says || watch->page_says);
}

void captive_watch_reprove(struct captive_watch *watch)
{
	loop_timer_set(watch->timer, UINT64_MAX);
	if (watch->check && watch->local.s_addr)
		captive_check_start(watch->check, watch->local);
}

static void on_timer(void *userdata)
{
	captive_watch_reprove(userdata);
}

static void on_manager(void *userdata, bool portal)
{
	struct captive_watch *watch = userdata;

	watch->manager_says = portal;
	tell(watch);
}

static void on_page(void *userdata, enum captive_answer answer)
{
	struct captive_watch *watch = userdata;

	/* Silence says nothing new. */
	if (answer != CAPTIVE_UNKNOWN)
		watch->page_says = answer == CAPTIVE_PORTAL;
	if (watch->page_says)
		loop_timer_set_delay(watch->timer, AGAIN_MSEC);
	tell(watch);
}

void captive_watch_set_network(struct captive_watch *watch, const struct network_view *view)
{
	watch->page_says = false;
	watch->local = view->address;
	if (watch->check)
		captive_check_stop(watch->check);
	captive_watch_reprove(watch);
	/* NetworkManager speaks of the machine, and will correct itself. */
	if (watch->manager_says)
		tell(watch);
}

int captive_watch_new(struct loop *loop, sd_bus *bus, const struct captive_url *url,
		      captive_watch_callback callback, void *userdata, struct captive_watch **ret)
{
	cleanup(captive_watch_freep) struct captive_watch *watch = calloc(1, sizeof *watch);
	int r;

	if (!watch)
		return -ENOMEM;
	watch->callback = callback;
	watch->userdata = userdata;
	r = loop_timer_new(loop, on_timer, watch, &watch->timer);
	if (r >= 0 && url)
		r = captive_check_new(loop, url, on_page, watch, &watch->check);
	if (r >= 0)
		r = network_manager_new(bus, on_manager, watch, &watch->manager);
	if (r < 0)
		return r;
	*ret = steal_ptr(watch);
	return 0;
}

struct captive_watch *captive_watch_free(struct captive_watch *watch)
{
	if (!watch)
		return NULL;
	network_manager_free(watch->manager);
	captive_check_free(watch->check);
	loop_timer_free(watch->timer);
	free(watch);
	return NULL;
}
