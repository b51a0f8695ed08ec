/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/identity-client.h"

#include "common/base/log.h"

#include <string.h>

#define PATH      "/org/homeward/Identity1"
#define INTERFACE "org.homeward.Identity1"
#define KEY_SIZE  32
#define LIST_SIZE 16384

int identity_client_new(sd_bus *bus, signing_identity_callback on_change,
			signing_identity_key_callback on_key, void *userdata,
			struct signing_identity **ret)
{
	static const struct signing_identity_place place = {
		.name = "org.homeward.Identity1",
		.path = PATH,
		.interface = INTERFACE,
	};

	return signing_identity_new(bus, &place, on_change, on_key, userdata, ret);
}

void submission_deinit(struct submission *submission)
{
	secret_free(submission->secret);
	free(submission->list);
	for (size_t i = 0; i < submission->n_former; i++)
		free(submission->former[i].data);
	*submission = (struct submission){};
}

uint64_t identity_client_submission(struct signing_identity *identity, uint64_t *ret_incarnation)
{
	struct neighbour *neighbour = signing_identity_neighbour(identity);

	*ret_incarnation = neighbour_incarnation(neighbour);
	return neighbour_present(neighbour)
		       ? neighbour_number(neighbour, PATH, INTERFACE, "Submission")
		       : 0;
}

static int copy_text(char *target, size_t capacity, const char *text)
{
	if (!*text || strlen(text) >= capacity)
		return -EBADMSG;
	strcpy(target, text);
	return 0;
}

static int read_octets(sd_bus_message *reply, uint8_t **ret, size_t *ret_size)
{
	const void *octets;
	size_t size;
	int r = sd_bus_message_read_array(reply, 'y', &octets, &size);

	if (r < 0)
		return r;
	if (size > LIST_SIZE)
		return -EFBIG;
	*ret = malloc(size ?: 1);
	if (!*ret)
		return -ENOMEM;
	memcpy(*ret, octets, size);
	*ret_size = size;
	return 0;
}

static int read_former(sd_bus_message *reply, struct submission *ret)
{
	int r = sd_bus_message_enter_container(reply, 'a', "ay");

	while (r >= 0 && (r = sd_bus_message_at_end(reply, 0)) == 0) {
		size_t i = ret->n_former;

		if (i == SUBMISSION_FORMER_MAX)
			return -EFBIG;
		r = read_octets(reply, &ret->former[i].data, &ret->former[i].size);
		ret->n_former += r >= 0;
	}
	return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static int read_submission(sd_bus_message *reply, struct submission *ret)
{
	const char *host, *name, *algorithm;
	int fd, r = sd_bus_message_read(reply, "ts", &ret->number, &host);

	if (r >= 0)
		r = copy_text(ret->host, sizeof ret->host, host);
	if (r >= 0)
		r = read_former(reply, ret);
	if (r >= 0)
		r = read_octets(reply, &ret->list, &ret->list_size);
	if (r >= 0)
		r = sd_bus_message_read(reply, "ssh", &name, &algorithm, &fd);
	if (r >= 0)
		r = copy_text(ret->key_name, sizeof ret->key_name, name);
	if (r >= 0 && strcmp(algorithm, "hmac-sha256"))
		r = -EBADMSG;
	return r < 0 ? r : secret_from_memfd(fd, KEY_SIZE, &ret->secret);
}

struct getting {
	submission_callback callback;
	void *userdata;
};

static int on_submission(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	struct getting *getting = userdata;
	struct submission submission = {};
	int r;

	if (sd_bus_message_is_method_error(reply, NULL)) {
		log_warning("identity gave no revocation list: %s",
			    sd_bus_message_get_error(reply)->message ?: "it refused");
		return 0;
	}
	r = read_submission(reply, &submission);
	if (r >= 0)
		getting->callback(getting->userdata, &submission);
	else
		log_warning("a revocation list of identity cannot be read: %s", strerror(-r));
	submission_deinit(&submission);
	return 0;
}

int identity_client_get_submission(struct signing_identity *identity, sd_bus_slot **ret_slot,
				   submission_callback callback, void *userdata)
{
	struct getting *getting = malloc(sizeof *getting);
	int r;

	if (!getting)
		return -ENOMEM;
	*getting = (struct getting){ callback, userdata };
	r = neighbour_call(signing_identity_neighbour(identity), ret_slot, PATH, INTERFACE,
			   "GetSubmission", on_submission, getting, "");
	if (r < 0)
		free(getting);
	else
		sd_bus_slot_set_destroy_callback(*ret_slot, free);
	return r;
}

static int on_finished(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	return 0;
}

void identity_client_finish_submission(struct signing_identity *identity, uint64_t number,
				       bool published, const char *words)
{
	sd_bus_slot *slot = NULL;

	/* An identity that is gone meanwhile waits for nothing. */
	if (neighbour_call(signing_identity_neighbour(identity), &slot, PATH, INTERFACE,
			   "FinishSubmission", on_finished, NULL, "tbs", number, (int)published,
			   words) < 0)
		return;
	sd_bus_slot_set_floating(slot, true);
	sd_bus_slot_unref(slot);
}
