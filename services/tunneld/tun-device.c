/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/tun-device.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

struct tun_device {
	int fd;
	int index;
};

int tun_device_open(const char *name, struct tun_device **ret)
{
	cleanup(tun_device_freep) struct tun_device *device = calloc(1, sizeof *device);
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };

	if (!device)
		return -ENOMEM;
	device->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (device->fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	if (ioctl(device->fd, TUNSETIFF, &request) < 0)
		return -errno;
	if (ioctl(device->fd, TUNSETPERSIST, 1) < 0)
		return -errno;
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

ssize_t tun_device_read(struct tun_device *device, uint8_t *data, size_t capacity)
{
	ssize_t n;

	do {
		n = read(device->fd, data, capacity);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int tun_device_write(struct tun_device *device, const uint8_t *data, size_t size)
{
	ssize_t n;

	do {
		n = write(device->fd, data, size);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}
