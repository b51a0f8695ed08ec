/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A mirror of what another daemon shows on the bus. Signals only say "look again": on each one, and
 * whenever the owner of the name changes, the whole state is read anew by one GetManagedObjects on
 * HOMEWARD_OBJECT_ROOT, so a lost signal or a restart on either side loses nothing. Reads are
 * coalesced: at most one is under way, and one more follows if something changed meanwhile.
 *
 * Of a daemon with many objects the signals can be followed instead (neighbour_follow()).
 */
#include "common/base/cleanup.h"
#include "common/loop/loop.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

struct neighbour;

/* Called after each read and when the owner of the name went or came. Not called after
 * neighbour_free(). */
typedef void (*neighbour_callback)(struct neighbour *neighbour, void *userdata);

/* `name` is the well-known name, for example "org.homeward.Mapper1"; kept, not copied.
 * 0 or a negative errno. The first callback comes from the loop, not from here. */
int neighbour_new(sd_bus *bus, const char *name, neighbour_callback callback, void *userdata,
		  struct neighbour **ret);
struct neighbour *neighbour_free(struct neighbour *neighbour);

/* Called for each object that came, went or changed, by a signal that was followed. */
typedef void (*neighbour_object_callback)(struct neighbour *neighbour, const char *path,
					  void *userdata);
/*
 * To be called right after neighbour_new(): from now on signals are taken at their word, and the
 * whole state is read only when they do not say everything, when the owner changes, and some
 * seconds after a signal, in case that another was lost. Each such read calls the callback of
 * neighbour_new() as ever, which then looks at everything. For properties that are announced with
 * their values; others are as old as the last read. 0 or a negative errno.
 */
int neighbour_follow(struct neighbour *neighbour, struct loop *loop,
		     neighbour_object_callback callback);

/* Whether somebody owns the name and its state has been read. */
bool neighbour_present(const struct neighbour *neighbour);
/* Counts the owners seen so far: another number means another process, which forgot what the former
 * one was asked for. */
uint64_t neighbour_incarnation(const struct neighbour *neighbour);

/* Paths of the objects that have `interface`: NULL gives the first, a path the one after it, NULL
 * comes back after the last. Borrowed until the next callback. */
const char *neighbour_next(const struct neighbour *neighbour, const char *interface,
			   const char *path);

/* Values. A property that is absent or of another type gives NULL, 0 or false; the strings and
 * octets are borrowed until the next callback. */
const char *neighbour_string(const struct neighbour *neighbour, const char *path,
			     const char *interface, const char *property); /* s, o, g */
uint64_t neighbour_number(const struct neighbour *neighbour, const char *path,
			  const char *interface, const char *property); /* y, b, q, u, t */
const uint8_t *neighbour_octets(const struct neighbour *neighbour, const char *path,
				const char *interface, const char *property,
				size_t *ret_size); /* ay */
/* (sq) with a dotted IPv4 address; false for an empty one. Address and port in network order. */
bool neighbour_endpoint(const struct neighbour *neighbour, const char *path, const char *interface,
			const char *property, struct sockaddr_in *ret);
/* Entries of a(st): *position is 0 for the first, and moves on. False: there are no more. */
bool neighbour_next_entry(const struct neighbour *neighbour, const char *path,
			  const char *interface, const char *property, size_t *position,
			  const char **ret_text, uint64_t *ret_number);

/* An asynchronous call to the present owner. The reply, or an error such as a timeout, comes to
 * `callback`, as with sd_bus_call_method_async(); keep the slot and unref it to lose interest.
 * -ENOTCONN when nobody owns the name. */
int neighbour_call(struct neighbour *neighbour, sd_bus_slot **ret_slot, const char *path,
		   const char *interface, const char *member, sd_bus_message_handler_t callback,
		   void *userdata, const char *types, ...);

/* The same in two steps, for arguments that a list of C values cannot say, such as arrays. The
 * caller unrefs the message. */
int neighbour_message_new(struct neighbour *neighbour, const char *path, const char *interface,
			  const char *member, sd_bus_message **ret);
int neighbour_send(struct neighbour *neighbour, sd_bus_slot **ret_slot, sd_bus_message *message,
		   sd_bus_message_handler_t callback, void *userdata);

DEFINE_CLEANUP(struct neighbour *, neighbour_free)
