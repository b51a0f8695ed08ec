/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/loop/loop-internal.h"

#include <signal.h>

struct loop_process {
	uv_process_t uv;
	struct loop *loop;
	struct loop_process *next, **link; /* in the loop's list */
	loop_process_callback callback;    /* NULL: nobody wants to know */
	void *userdata;
	bool ended, released;
};

static void on_closed(uv_handle_t *handle)
{
	struct loop_process *process =
		container_of((uv_process_t *)handle, struct loop_process, uv);

	loop_handle_closed(process->loop);
	free(process);
}

static void close_process(struct loop_process *process)
{
	*process->link = process->next;
	if (process->next)
		process->next->link = process->link;
	uv_close((uv_handle_t *)&process->uv, on_closed);
}

/* Reaped. The memory stays until the owner let go of it. */
static void on_exit_status(uv_process_t *uv, int64_t status, int signal_number)
{
	struct loop_process *process = container_of(uv, struct loop_process, uv);

	process->ended = true;
	if (process->callback)
		process->callback(process->userdata, signal_number ? -1 : (int)status);
	else
		close_process(process);
}

int loop_process_new(struct loop *loop, const char *path, int fd, loop_process_callback callback,
		     void *userdata, struct loop_process **ret)
{
	cleanup(close_fdp) int mine = fd;
	struct loop_process *process = calloc(1, sizeof *process);
	char *arguments[] = { (char *)path, NULL }, *environment[] = { NULL };
	uv_stdio_container_t files[] = {
		{ .flags = UV_INHERIT_FD, .data.fd = fd },
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
	};
	const uv_process_options_t options = { .exit_cb = on_exit_status,
					       .file = path,
					       .args = arguments,
					       .env = environment,
					       .stdio = files,
					       .stdio_count = ARRAY_SIZE(files) };
	int r;

	if (!process)
		return -ENOMEM;
	process->loop = loop;
	process->callback = callback;
	process->userdata = userdata;
	process->link = &loop->processes;
	process->next = loop->processes;
	if (process->next)
		process->next->link = &process->next;
	loop->processes = process;
	loop_handle_opened(loop);
	r = uv_spawn(&loop->uv, &process->uv, &options);
	if (r < 0) {
		/* libuv wants its handle closed even so. */
		close_process(process);
		return r;
	}
	*ret = process;
	return 0;
}

struct loop_process *loop_process_free(struct loop_process *process)
{
	if (!process)
		return NULL;
	process->callback = NULL;
	if (process->ended)
		close_process(process);
	else
		uv_process_kill(&process->uv, SIGKILL);
	return NULL;
}

struct loop_process *loop_process_release(struct loop_process *process)
{
	if (!process)
		return NULL;
	process->callback = NULL;
	process->released = true;
	if (process->ended)
		close_process(process);
	return NULL;
}

void loop_forget_processes(struct loop *loop)
{
	struct loop_process *next;

	for (struct loop_process *process = loop->processes; process; process = next) {
		next = process->next;
		/* It is init's to reap. */
		if (process->released)
			close_process(process);
		else
			loop_process_free(process);
	}
}
