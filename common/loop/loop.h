/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * libuv with the handle rule taken care of. The memory of a libuv handle is its owner's again only
 * in its close callback; the objects here carry their handle in memory of their own, so that
 * x_free() is synchronous for the caller: no callback comes after it. The loop counts what is still
 * closing and loop_free() waits until nothing is.
 *
 * Not thread-safe, except that the work function of loop_queue_work() runs on another thread.
 */
#include "common/base/cleanup.h"

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <uv.h>

struct loop;
struct loop_timer;
struct loop_io;

/* 0 or a negative errno. */
int loop_new(struct loop **ret);
/* Closes what is open, waits for queued work, frees. Takes NULL. */
struct loop *loop_free(struct loop *loop);
/* Runs until loop_stop(); returns the status given there. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop, int status);
/* For what this wrapper does not cover. Handles made on it are closed by who made them before
 * loop_run() ends. */
uv_loop_t *loop_uv(struct loop *loop);

/* Milliseconds of CLOCK_BOOTTIME: they count on while the machine sleeps, as leases and mappings
 * do. What the pure parts get as `now`. */
uint64_t loop_now(struct loop *loop);
/* Microseconds of CLOCK_REALTIME: for people and for TSIG, never for timers. */
uint64_t realtime_usec(void);

/* One-shot timers. */
typedef void (*loop_timer_callback)(void *userdata);
int loop_timer_new(struct loop *loop, loop_timer_callback callback, void *userdata,
		   struct loop_timer **ret);
struct loop_timer *loop_timer_free(struct loop_timer *timer);
/* Rings once at `due`, in the time of loop_now(), never before; UINT64_MAX: never. Replaces what
 * was set. */
void loop_timer_set(struct loop_timer *timer, uint64_t due);
/* Rings once after `delay` milliseconds. */
void loop_timer_set_delay(struct loop_timer *timer, uint64_t delay);

/* Readiness of a descriptor, which is made non-blocking. `events` are UV_READABLE and UV_WRITABLE.
 * An error on the descriptor (ICMP unreachable on a connected datagram socket, say) comes as the
 * events waited for, as with poll(2): the next read or write tells it. `status` is negative when
 * the descriptor cannot be watched at all. The descriptor stays the caller's, who closes it after
 * loop_io_free(). */
typedef void (*loop_io_callback)(void *userdata, int status, int events);
int loop_io_new(struct loop *loop, int fd, int events, loop_io_callback callback, void *userdata,
		struct loop_io **ret);
struct loop_io *loop_io_free(struct loop_io *io);
void loop_io_set(struct loop_io *io, int events);

/* Runs work(userdata) on a thread and then done(userdata) on the loop. `userdata` is the request's
 * own memory, freed by done(); whoever asked may be gone by then, so done() looks its asker up (by
 * a generation number) and ignores a late answer. done() is always called. */
typedef void (*loop_work_callback)(void *userdata);
int loop_queue_work(struct loop *loop, loop_work_callback work, loop_work_callback done,
		    void *userdata);

/* Another program, with a socket of ours as its standard input. Its standard error is ours, its
 * environment and everything else empty. */
struct loop_process;
/* It has ended: `status` is its exit status, or -1 when a signal ended it. */
typedef void (*loop_process_callback)(void *userdata, int status);
/* Takes `fd`, which the program gets, over, also on failure. Waits until the program runs (about a
 * millisecond). 0 or a negative errno. */
int loop_process_new(struct loop *loop, const char *path, int fd, loop_process_callback callback,
		     void *userdata, struct loop_process **ret);
/* Kills it. Takes NULL, returns NULL; no callback comes. */
struct loop_process *loop_process_free(struct loop_process *process);
/* Lets it go on by itself, to end when its socket does; even after this process, if need be. */
struct loop_process *loop_process_release(struct loop_process *process);

/* Signals, as signalfd would deliver them. Registered until the loop is freed. */
typedef void (*loop_signal_callback)(void *userdata, int signal_number);
int loop_add_signal(struct loop *loop, int signal_number, loop_signal_callback callback,
		    void *userdata);

/* Drives `bus` from this loop until it is detached (bus NULL) or the loop is freed. `on_lost` is
 * called once when the connection ends. Takes a reference. */
int loop_attach_bus(struct loop *loop, sd_bus *bus, void (*on_lost)(void *userdata, int error),
		    void *userdata);
void loop_detach_bus(struct loop *loop);

DEFINE_CLEANUP(struct loop *, loop_free)
DEFINE_CLEANUP(struct loop_timer *, loop_timer_free)
DEFINE_CLEANUP(struct loop_io *, loop_io_free)
DEFINE_CLEANUP(struct loop_process *, loop_process_free)
