/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The TUN interface: IPv6 packets of this host for its peers, and theirs for it, each behind a
 * header (segment.h) that makes a super-packet of it or says that a checksum is to be finished. It
 * is persistent: when this process is killed, interface, address and routes stay, so the
 * connections above only see silence until the next process takes it over. tun_device_destroy()
 * takes it away for good.
 */
#include "common/base/cleanup.h"
#include "services/tunneld/segment.h"

#include <sys/types.h>
#include <sys/uio.h>

#define TUN_PACKET_SIZE 65535 /* the largest super-packet */

struct tun_device;

/* Makes the interface or takes over the one that is there; no offloads are on. 0 or a negative
 * errno: -EBUSY when another process has it, -EPERM without CAP_NET_ADMIN, -ENOENT or -EACCES
 * without /dev/net/tun. */
int tun_device_open(const char *name, struct tun_device **ret);
/* Lets go of it; it stays. Takes NULL, returns NULL. */
struct tun_device *tun_device_free(struct tun_device *device);
/* Takes it away, and frees. */
struct tun_device *tun_device_destroy(struct tun_device *device);

/* Whether the kernel may hand us TCP and UDP super-packets from now on; some that wait may still be
 * of the kinds before. Either is set to what it is now: a kernel before 6.2 knows none of UDP. */
void tun_device_set_offloads(struct tun_device *device, bool *tso, bool *uso);

/* Readable when there is a packet. */
int tun_device_fd(const struct tun_device *device);
int tun_device_index(const struct tun_device *device);
/* One packet with its header before it, in `data` of SEGMENT_VNET_SIZE + TUN_PACKET_SIZE octets;
 * the size of both or a negative errno, -EAGAIN when there is none. */
ssize_t tun_device_read(struct tun_device *device, uint8_t *data);
/* One packet in parts, of which the first is its header; 0 or a negative errno. */
int tun_device_write_parts(struct tun_device *device, const struct iovec *parts, int n_parts);
/* One packet as it is. */
int tun_device_write(struct tun_device *device, const uint8_t *data, size_t size);

DEFINE_CLEANUP(struct tun_device *, tun_device_free)
