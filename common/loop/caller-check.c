/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 *   asking for the user --root or ours--> allowed
 *   asking for the user --others--> asking polkit --yes--> asking for the user again --> allowed
 *
 * Again, because the caller may have left while polkit was asked: the bus tells who left in the
 * same order in which it answers, so whoever still has a user then is heard of when leaving.
 */
#include "common/loop/caller-check.h"

#include "bus-interfaces/errors.h"
#include "common/base/log.h"

#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define POLKIT_NAME      "org.freedesktop.PolicyKit1"
#define POLKIT_PATH      "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define ALLOW_QUESTIONS  1u /* CheckAuthorizationFlags */

/* For polkit to be started and to run its rules; for a person to find a password. */
#define RULES_USEC  (15 * UINT64_C(1000000))
#define PERSON_USEC (180 * UINT64_C(1000000))

static const char *const own_users[] = { "homeward-mapper",    "homeward-identity",
					 "homeward-registrar", "homeward-watcher",
					 "homeward-tunnel",    "homeward-key" };
#define N_OWN_USERS (sizeof own_users / sizeof *own_users)

struct question {
	struct question *next;
	struct caller_check *check;
	sd_bus_message *call;
	sd_bus_slot *slot;
	uid_t uid;
	bool authorized; /* by polkit */
	caller_check_callback callback;
	sd_bus_destroy_t destroy;
	void *userdata;
};

struct caller_check {
	sd_bus *bus;
	const char *action, *what;
	uid_t own[N_OWN_USERS];
	size_t n_own;
	struct question *questions;
};

static void question_free(struct question *question)
{
	struct question **link = &question->check->questions;

	while (*link != question)
		link = &(*link)->next;
	*link = question->next;
	sd_bus_slot_unref(question->slot);
	sd_bus_message_unref(question->call);
	if (question->destroy)
		question->destroy(question->userdata);
	free(question);
}

static bool is_exempt(const struct caller_check *check, uid_t uid)
{
	if (uid == 0)
		return true;
	for (size_t i = 0; i < check->n_own; i++)
		if (check->own[i] == uid)
			return true;
	return false;
}

static int deny_of(struct question *question, const char *before, const char *subject,
		   const char *after)
{
	sd_bus_reply_method_errorf(question->call, HOMEWARD_ERROR_ACCESS_DENIED, "%s%s%s", before,
				   subject, after);
	question_free(question);
	return 0;
}

static int deny(struct question *question, const char *words)
{
	return deny_of(question, words, "", "");
}

static int ask_user(struct question *question);

static int on_polkit(sd_bus_message *answer, void *userdata, sd_bus_error *error)
{
	struct question *question = userdata;
	int authorized, challenge;

	if (sd_bus_message_is_method_error(answer, NULL)) {
		log_debug("polkit: %s", sd_bus_message_get_error(answer)->message);
		return deny_of(question, "only root may ", question->check->what,
			       " here: polkit, which could allow it to others, does not answer");
	}
	if (sd_bus_message_enter_container(answer, 'r', "bba{ss}") < 0 ||
	    sd_bus_message_read(answer, "bb", &authorized, &challenge) < 0)
		return deny(question, "polkit gave an answer that cannot be read");
	if (!authorized && challenge)
		return deny_of(question,
			       "somebody has to allow it with a password (polkit's action ",
			       question->check->action, ")");
	if (!authorized)
		return deny_of(question, "polkit does not allow it (action ",
			       question->check->action, ")");
	question->authorized = true;
	if (ask_user(question) < 0)
		return deny(question, "the bus does not say who asks");
	return 0;
}

static int ask_polkit(struct question *question)
{
	cleanup(sd_bus_message_unrefp) sd_bus_message *call = NULL;
	int may_ask = sd_bus_message_get_allow_interactive_authorization(question->call) > 0;
	int r = sd_bus_message_new_method_call(question->check->bus, &call, POLKIT_NAME,
					       POLKIT_PATH, POLKIT_INTERFACE, "CheckAuthorization");

	if (r >= 0)
		r = sd_bus_message_append(call, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name",
					  "s", sd_bus_message_get_sender(question->call),
					  question->check->action, 0, may_ask ? ALLOW_QUESTIONS : 0,
					  "");
	if (r < 0)
		return r;
	question->slot = sd_bus_slot_unref(question->slot);
	return sd_bus_call_async(question->check->bus, &question->slot, call, on_polkit, question,
				 may_ask ? PERSON_USEC : RULES_USEC);
}

static int on_user(sd_bus_message *answer, void *userdata, sd_bus_error *error)
{
	struct question *question = userdata;
	uint32_t uid;

	/* The caller left in between: nobody is there to be answered. */
	if (sd_bus_message_is_method_error(answer, NULL) ||
	    sd_bus_message_read(answer, "u", &uid) < 0) {
		question_free(question);
		return 0;
	}
	if (!question->authorized && !is_exempt(question->check, uid)) {
		if (ask_polkit(question) < 0)
			return deny(question, "polkit cannot be asked");
		return 0;
	}
	question->callback(question->userdata, question->call, uid);
	question_free(question);
	return 0;
}

static int ask_user(struct question *question)
{
	question->slot = sd_bus_slot_unref(question->slot);
	return sd_bus_call_method_async(question->check->bus, &question->slot,
					"org.freedesktop.DBus", "/org/freedesktop/DBus",
					"org.freedesktop.DBus", "GetConnectionUnixUser", on_user,
					question, "s", sd_bus_message_get_sender(question->call));
}

static bool has_room(const struct caller_check *check, const char *caller)
{
	unsigned int n = 0, n_of_caller = 0;

	for (const struct question *question = check->questions; question;
	     question = question->next) {
		n++;
		n_of_caller += !strcmp(sd_bus_message_get_sender(question->call), caller);
	}
	return n < CALLER_CHECK_QUESTIONS && n_of_caller < CALLER_CHECK_PER_CALLER;
}

int caller_check_start(struct caller_check *check, sd_bus_message *call,
		       caller_check_callback callback, sd_bus_destroy_t destroy, void *userdata,
		       sd_bus_error *error)
{
	struct question *question;
	int r;

	if (!has_room(check, sd_bus_message_get_sender(call)))
		return sd_bus_error_set(error, HOMEWARD_ERROR_LIMITS_EXCEEDED,
					"too many calls wait for an answer of polkit");
	question = calloc(1, sizeof *question);
	if (!question)
		return sd_bus_error_set_errno(error, -ENOMEM);
	question->check = check;
	question->call = sd_bus_message_ref(call);
	question->callback = callback;
	question->userdata = userdata;
	question->next = check->questions;
	check->questions = question;
	r = ask_user(question);
	if (r < 0) {
		question_free(question);
		return sd_bus_error_set_errno(error, r);
	}
	question->destroy = destroy;
	return 0;
}

int caller_check_new(sd_bus *bus, const char *action, const char *what, struct caller_check **ret)
{
	struct caller_check *check = calloc(1, sizeof *check);

	if (!check)
		return -ENOMEM;
	check->bus = sd_bus_ref(bus);
	check->action = action;
	check->what = what;
	for (size_t i = 0; i < N_OWN_USERS; i++) {
		const struct passwd *user = getpwnam(own_users[i]);

		if (user)
			check->own[check->n_own++] = user->pw_uid;
	}
	*ret = check;
	return 0;
}

struct caller_check *caller_check_free(struct caller_check *check)
{
	if (!check)
		return NULL;
	while (check->questions)
		question_free(check->questions);
	sd_bus_unref(check->bus);
	free(check);
	return NULL;
}
