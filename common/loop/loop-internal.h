/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of common/loop share among themselves. */
#include "common/loop/loop.h"

struct loop_bus;

struct loop {
	uv_loop_t uv;
	unsigned int n_open;    /* handles whose close callback has not come yet */
	unsigned int n_working; /* work whose done callback has not come yet */
	struct loop_signal *signals;
	struct loop_process *processes; /* that have not been reaped yet */
	struct loop_bus *bus;
	bool stopping;
	int status;
};

/* To be called by each wrapper when its handle is initialised and in its close callback. */
static inline void loop_handle_opened(struct loop *loop)
{
	loop->n_open++;
}

static inline void loop_handle_closed(struct loop *loop)
{
	loop->n_open--;
}

/* Leaves those alone that were released and kills the others; what is left in the list is to be
 * reaped. */
void loop_forget_processes(struct loop *loop);
