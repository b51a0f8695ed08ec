/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/tun-device.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

/* Of kernel 6.2. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

struct tun_device {
	int fd;
	int index;
};

int tun_device_open(const char *name, struct tun_device **ret)
{
	cleanup(tun_device_freep) struct tun_device *device = calloc(1, sizeof *device);
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };

	int header_size = SEGMENT_VNET_SIZE;
	bool off = false;

	if (!device)
		return -ENOMEM;
	device->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (device->fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	if (ioctl(device->fd, TUNSETIFF, &request) < 0)
		return -errno;
	if (ioctl(device->fd, TUNSETPERSIST, 1) < 0 ||
	    ioctl(device->fd, TUNSETVNETHDRSZ, &header_size) < 0)
		return -errno;
	/* What a former process turned on outlives it. */
	tun_device_set_offloads(device, &off, &off);
	device->index = if_nametoindex(request.ifr_name);
	if (!device->index)
		return -errno;
	*ret = steal_ptr(device);
	return 0;
}

struct tun_device *tun_device_free(struct tun_device *device)
{
	if (!device)
		return NULL;
	close_fd(device->fd);
	free(device);
	return NULL;
}

struct tun_device *tun_device_destroy(struct tun_device *device)
{
	if (device)
		ioctl(device->fd, TUNSETPERSIST, 0);
	return tun_device_free(device);
}

int tun_device_fd(const struct tun_device *device)
{
	return device->fd;
}

int tun_device_index(const struct tun_device *device)
{
	return device->index;
}

void tun_device_set_offloads(struct tun_device *device, bool *tso, bool *uso)
{
	unsigned long sum = TUN_F_CSUM;
	unsigned long tcp = *tso ? TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN : 0;
	unsigned long udp = *uso ? TUN_F_USO4 | TUN_F_USO6 : 0;

	if (ioctl(device->fd, TUNSETOFFLOAD, sum | tcp | udp) >= 0)
		return;
	*uso = false;
	if (ioctl(device->fd, TUNSETOFFLOAD, sum | tcp) >= 0)
		return;
	*tso = false;
	ioctl(device->fd, TUNSETOFFLOAD, 0UL);
}

ssize_t tun_device_read(struct tun_device *device, uint8_t *data)
{
	ssize_t n;

	do {
		n = read(device->fd, data, SEGMENT_VNET_SIZE + TUN_PACKET_SIZE);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int tun_device_write_parts(struct tun_device *device, const struct iovec *parts, int n_parts)
{
	ssize_t n;

	do {
		n = writev(device->fd, parts, n_parts);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int tun_device_write(struct tun_device *device, const uint8_t *data, size_t size)
{
	struct virtio_net_hdr header = { 0 };
	struct iovec parts[] = { { &header, sizeof header }, { (void *)data, size } };

	return tun_device_write_parts(device, parts, 2);
}
