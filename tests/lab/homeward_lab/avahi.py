# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real avahi-daemon on a Host, as root of its namespaces.

    avahi = start_avahi(host)
    share = publish(host, "Printer", "_ipp._tcp", 631, "rp=ipp/print")
    share.end(); avahi.end()
"""
import os
import shutil

from .namespace import wait_until

POLICY = "/usr/share/dbus-1/system.d/avahi-dbus.conf"
BUS_NAME = "org.freedesktop.Avahi"

_CONFIG = """[server]
host-name=%s
use-ipv4=yes
use-ipv6=no
allow-interfaces=%s
[wide-area]
enable-wide-area=yes
[publish]
publish-hinfo=no
publish-workstation=no
"""


def missing():
    """Why the tests with Avahi cannot run; None if they can."""
    if not os.path.exists(POLICY) or not shutil.which("avahi-publish") or not shutil.which("avahi-daemon"):
        return "avahi-daemon and avahi-utils are not installed"
    return None


def start_avahi(host, interface="eth0"):
    """Returns its process once it owns its name."""
    host.add_bus_policy(POLICY)
    host.write("/run/lab/avahi.conf", _CONFIG % (host.name, interface))
    # services/ of the machine is not the host's.
    host.run("mkdir -p /run/avahi-daemon; chown avahi /run/avahi-daemon\n"
             "mountpoint -q /etc/avahi || { rm -rf /etc/avahi; mkdir -p /etc/avahi/services; }")
    with open(host.path("/run/lab/avahi.log"), "ab") as log:
        process = host.popen(["avahi-daemon", "-f", "/run/lab/avahi.conf", "--no-drop-root", "--no-chroot",
                              "--no-rlimits"], stdout=log, stderr=log)

    def owned():
        if process.poll() is not None:
            raise RuntimeError(f"avahi-daemon ended\n{host.read('/run/lab/avahi.log')}")
        return host.bus.owner(BUS_NAME)
    wait_until(owned, 20, "avahi-daemon")
    return process


def publish(host, name, kind, port, *texts):
    """A service announced on the local network; returns the process that does once it is announced."""
    log = f"/run/lab/avahi-publish-{port}.log"
    with open(host.path(log), "wb") as file:
        process = host.popen(["stdbuf", "-o0", "-e0", "avahi-publish", "-s", name, kind, str(port), *texts],
                             stdout=file, stderr=file)
    wait_until(lambda: "Established" in host.read(log), 20, f"{name} announced")
    return process
