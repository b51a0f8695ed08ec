/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clients/ctl/verdict.h"

#include "clients/ctl/text.h"
#include "common/base/cleanup.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

struct verdict_wait {
	struct ctl *ctl;
	sd_bus_slot *changes, *owner;
	bool fresh;           /* what is shown belongs to this sign-in */
	bool stirred;         /* read again */
	char said[TEXT_SIZE]; /* the last thing told to the person who waits */
};

/* CTL_UNCONFIRMED: none yet. */
static enum ctl_status verdict_of(const char *state)
{
	if (!strcmp(state, "published"))
		return CTL_DONE;
	if (!strcmp(state, "refused") || !strcmp(state, "bad-key"))
		return CTL_REFUSED;
	if (!strcmp(state, "name-taken"))
		return CTL_NAME_TAKEN;
	return CTL_UNCONFIRMED;
}

static int on_change(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct verdict_wait *wait = userdata;
	json_object *changes = json_object_new_object();
	const char *interface;

	wait->stirred = true;
	if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Properties",
				     "PropertiesChanged") &&
	    sd_bus_message_read(message, "s", &interface) >= 0 &&
	    !strcmp(interface, CTL_REGISTRAR->bus_name) &&
	    values_read_properties(message, changes) >= 0 && values_member(changes, "state") &&
	    verdict_of(values_text(changes, "state")) == CTL_UNCONFIRMED)
		wait->fresh = true;
	json_object_put(changes);
	return 0;
}

static int on_owner(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct verdict_wait *wait = userdata;

	/* Another process: it starts from what is true now. */
	wait->stirred = wait->fresh = true;
	return 0;
}

enum ctl_status verdict_wait_new(struct ctl *ctl, struct verdict_wait **ret)
{
	struct verdict_wait *wait = calloc(1, sizeof *wait);
	enum ctl_status status;
	json_object *state;
	int r;

	if (!wait)
		return ctl_complain(CTL_FAILED, "out of memory");
	wait->ctl = ctl;
	r = sd_bus_match_signal(ctl->bus, &wait->changes, CTL_REGISTRAR->bus_name,
				CTL_REGISTRAR->path, NULL, NULL, on_change, wait);
	if (r >= 0)
		r = sd_bus_add_match(ctl->bus, &wait->owner,
				     "type='signal',sender='org.freedesktop.DBus',"
				     "member='NameOwnerChanged',arg0='org.homeward.Registrar1'",
				     on_owner, wait);
	status = r < 0 ? ctl_complain(CTL_UNREACHABLE, "cannot listen on the system bus: %s",
				      strerror(-r))
		       : snapshot_read(ctl, CTL_REGISTRAR, &state);
	if (status != CTL_DONE) {
		verdict_wait_free(wait);
		return status;
	}
	wait->fresh = verdict_of(values_text(state, "state")) == CTL_UNCONFIRMED;
	wait->stirred = true;
	json_object_put(state);
	*ret = wait;
	return CTL_DONE;
}

struct verdict_wait *verdict_wait_free(struct verdict_wait *wait)
{
	if (!wait)
		return NULL;
	sd_bus_slot_unref(wait->changes);
	sd_bus_slot_unref(wait->owner);
	free(wait);
	return NULL;
}

static void tell(struct verdict_wait *wait, json_object *state)
{
	char text[TEXT_SIZE];

	if (values_flag(state, "running"))
		text_clean(values_text(state, "reason"), text);
	else
		strcpy(text, "registrar is not running; waiting for it");
	if (!wait->ctl->interactive || wait->ctl->json || !*text || !strcmp(text, wait->said))
		return;
	strcpy(wait->said, text);
	fprintf(stderr, "... %s\n", text);
}

static uint64_t now_usec(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

/* Handles what has come; waits for more when there was nothing. */
static int listen_on(struct verdict_wait *wait, uint64_t until)
{
	uint64_t now = now_usec();
	int r;

	while ((r = sd_bus_process(wait->ctl->bus, NULL)) > 0)
		;
	if (r >= 0 && !wait->stirred && now < until)
		r = sd_bus_wait(wait->ctl->bus, until - now);
	return r == -EINTR ? 0 : r;
}

enum ctl_status verdict_wait_run(struct verdict_wait *wait, uint64_t seconds,
				 json_object **ret_state)
{
	uint64_t until = now_usec() + seconds * 1000000;
	enum ctl_status status = CTL_UNCONFIRMED;
	json_object *state = NULL;

	for (;;) {
		int r = listen_on(wait, until);

		if (r < 0) {
			json_object_put(state);
			return ctl_complain(CTL_UNREACHABLE,
					    "the connection to the system bus ended: %s",
					    strerror(-r));
		}
		if (wait->stirred) {
			/* A signal handled before the question is older than the answer; one that
			 * comes with it may be newer, and brings us back here. */
			bool fresh = wait->fresh;

			json_object_put(state);
			state = NULL;
			wait->stirred = false;
			status = snapshot_read(wait->ctl, CTL_REGISTRAR, &state);
			if (status != CTL_DONE)
				return status;
			status = fresh ? verdict_of(values_text(state, "state")) : CTL_UNCONFIRMED;
			tell(wait, state);
		}
		if (status != CTL_UNCONFIRMED || now_usec() >= until) {
			*ret_state = state;
			return status;
		}
	}
}
