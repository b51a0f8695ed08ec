/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The file with what is shared: written on a thread, one writing after the other, and calls on the
 * bus are answered once what they asked for is on the disk. */
#include "common/base/cleanup.h"
#include "common/loop/loop.h"

#include <systemd/sd-bus.h>

#define SHARES_FILE_LIMIT (512 * 1024)

struct shares_file;

/* The text to be written, to be freed; NULL: no memory. */
typedef char *(*shares_file_text)(void *userdata);

int shares_file_new(struct loop *loop, const char *folder, shares_file_text text, void *userdata,
		    struct shares_file **ret);
/* What is being written comes to its end; calls get no answer. */
struct shares_file *shares_file_free(struct shares_file *file);
/* The whole content; -ENOENT: there is none. The caller frees it. */
int shares_file_read(const struct shares_file *file, char **ret);
/* Writes what is so now; then sends `reply`, which may be NULL and is taken, or an error in its
 * place. */
int shares_file_write(struct shares_file *file, sd_bus_message *call, sd_bus_message *reply);

DEFINE_CLEANUP(struct shares_file *, shares_file_free)
