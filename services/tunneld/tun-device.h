/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The TUN interface: IPv6 packets of this host for its peers, and theirs for it. It is persistent:
 * when this process is killed, interface, address and routes stay, so the connections above only
 * see silence until the next process takes it over. tun_device_destroy() takes it away for good.
 */
#include "common/base/cleanup.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tun_device;

/* Makes the interface or takes over the one that is there. 0 or a negative errno: -EBUSY when
 * another process has it, -EPERM without CAP_NET_ADMIN, -ENOENT or -EACCES without /dev/net/tun. */
int tun_device_open(const char *name, struct tun_device **ret);
/* Lets go of it; it stays. Takes NULL, returns NULL. */
struct tun_device *tun_device_free(struct tun_device *device);
/* Takes it away, and frees. */
struct tun_device *tun_device_destroy(struct tun_device *device);

/* Readable when there is a packet. */
int tun_device_fd(const struct tun_device *device);
int tun_device_index(const struct tun_device *device);
/* One packet; its size or a negative errno, -EAGAIN when there is none. */
ssize_t tun_device_read(struct tun_device *device, uint8_t *data, size_t capacity);
/* One packet; 0 or a negative errno. */
int tun_device_write(struct tun_device *device, const uint8_t *data, size_t size);

DEFINE_CLEANUP(struct tun_device *, tun_device_free)
