/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/registrar/shares-file.h"

#include "bus-interfaces/errors.h"
#include "common/base/atomic-file.h"
#include "common/base/log.h"

#include <stdio.h>
#include <string.h>

struct waiting {
	struct waiting *next;
	sd_bus_message *call, *reply;
};

/* On a thread: touches nothing else. */
struct writing {
	struct shares_file *file; /* NULL: it was freed meanwhile */
	char *path, *text;
	int result;
	struct waiting *waiting;
};

struct shares_file {
	struct loop *loop;
	char *path;
	shares_file_text text;
	void *userdata;
	struct writing *writing; /* under way */
	bool again;              /* something changed since it began */
	struct waiting *waiting; /* for the next one */
};

static void free_waiting(struct waiting *waiting)
{
	while (waiting) {
		struct waiting *next = waiting->next;

		sd_bus_message_unref(waiting->call);
		sd_bus_message_unref(waiting->reply);
		free(waiting);
		waiting = next;
	}
}

static void free_writing(struct writing *writing)
{
	free_waiting(writing->waiting);
	free(writing->path);
	free(writing->text);
	free(writing);
}

static void answer(const struct writing *writing)
{
	for (struct waiting *waiting = writing->waiting; waiting; waiting = waiting->next) {
		if (writing->result >= 0)
			sd_bus_send(NULL, waiting->reply, NULL);
		else
			sd_bus_reply_method_errorf(waiting->call, HOMEWARD_ERROR_FAILED,
						   "done, but only until registrar ends: cannot "
						   "write %s: %s",
						   writing->path, strerror(-writing->result));
	}
}

static void on_work(void *userdata)
{
	struct writing *writing = userdata;

	writing->result =
		atomic_file_write(writing->path, writing->text, strlen(writing->text), 0600);
}

static int begin(struct shares_file *file);

static void on_done(void *userdata)
{
	struct writing *writing = userdata;
	struct shares_file *file = writing->file;

	if (writing->result < 0)
		log_error("cannot write %s: %s", writing->path, strerror(-writing->result));
	if (file) {
		file->writing = NULL;
		answer(writing);
	}
	free_writing(writing);
	if (file && file->again && begin(file) < 0)
		log_error("out of memory");
}

static int begin(struct shares_file *file)
{
	struct writing *writing = calloc(1, sizeof(*writing));
	int r = -ENOMEM;

	if (!writing)
		return r;
	writing->file = file;
	writing->path = strdup(file->path);
	writing->text = file->text(file->userdata);
	if (writing->path && writing->text)
		r = loop_queue_work(file->loop, on_work, on_done, writing);
	if (r < 0) {
		free_writing(writing);
		return r;
	}
	file->writing = writing;
	writing->waiting = steal_ptr(file->waiting);
	file->again = false;
	return 0;
}

int shares_file_write(struct shares_file *file, sd_bus_message *call, sd_bus_message *reply)
{
	if (reply) {
		struct waiting *waiting = calloc(1, sizeof(*waiting));

		if (!waiting) {
			sd_bus_message_unref(reply);
			return -ENOMEM;
		}
		waiting->call = sd_bus_message_ref(call);
		waiting->reply = reply;
		waiting->next = file->waiting;
		file->waiting = waiting;
	}
	if (file->writing) {
		file->again = true;
		return 0;
	}
	return begin(file);
}

int shares_file_read(const struct shares_file *file, char **ret)
{
	uint8_t *data;
	size_t size;
	int r = atomic_file_read(file->path, SHARES_FILE_LIMIT, &data, &size);

	if (r >= 0)
		*ret = (char *)data;
	return r;
}

int shares_file_new(struct loop *loop, const char *folder, shares_file_text text, void *userdata,
		    struct shares_file **ret)
{
	struct shares_file *file = calloc(1, sizeof(*file));

	if (!file)
		return -ENOMEM;
	file->loop = loop;
	file->text = text;
	file->userdata = userdata;
	if (asprintf(&file->path, "%s/shared-services", folder) < 0) {
		free(file);
		return -ENOMEM;
	}
	*ret = file;
	return 0;
}

struct shares_file *shares_file_free(struct shares_file *file)
{
	if (!file)
		return NULL;
	if (file->writing)
		file->writing->file = NULL;
	free_waiting(file->waiting);
	free(file->path);
	free(file);
	return NULL;
}
