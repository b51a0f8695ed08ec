# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several hundred hosts; and one that comes back with another host id."""
import os
import socket
import struct
import time

from homeward_lab import build_directory, wait_until
from homeward_lab.daemons import has_sanitizers
from test_tunneld import HOST_INTERFACE, End, Keys, ends, full_name, internet, sealed, tunnel  # noqa: F401

MANY = 300


def test_another_host_id(tunnel):  # noqa: F811
    """It started anew: the tunnel with the former one ends, a new one is made with the new one."""
    desktop, laptop, _ = tunnel
    desktop.ping(laptop)
    former, laptop.id = laptop.id, "fda1:a2a3:a4a5:a6a7:216:3eff:fe00:99"
    laptop.identity.change(HostId=("s", laptop.id))
    desktop.watcher.change("/org/homeward/Watcher1/host/laptop", HOST_INTERFACE, HostId=("s", laptop.id))
    wait_until(lambda: [peer["HostId"] for peer in desktop.peers().values()] == [laptop.id], 60, "one peer, the new one")
    desktop.wait_peer(laptop, State="idle", Spis=[])
    assert "laptop has another host id" in desktop.timeline()
    wait_until(lambda: laptop.host.get_property("tunneld", "Address") == laptop.id, 60, "the new address")
    laptop.wait_peer(desktop, State="idle")
    laptop.wait_receiving()
    Keys().install(desktop, laptop)
    desktop.ping(laptop)
    laptop.ping(desktop)
    # The former one is nobody, and stays on this machine.
    assert "No route to host" in desktop.host.run(["ip", "-6", "route", "get", former], check=False).stderr


class Name:
    """One of the many."""

    def __init__(self, number):
        self.name = f"host{number}"
        self.id = socket.inet_ntop(socket.AF_INET6, struct.pack("!HIHQ", 0xfd77, 0, 0, number + 1))
        self.address = f"11.0.{100 + number // 200}.{number % 200 + 1}"


def switches(pid):
    """How often it woke up."""
    with open(f"/proc/{pid}/status") as status:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in status)
    return int(lines["voluntary_ctxt_switches"]), int(lines["VmRSS"].split()[0])


def test_several_hundred(make_host, internet):  # noqa: F811
    """All are routed from the start, each has its pair, and while nothing flows nothing wakes up."""
    desktop = End(make_host("desktop"), internet)
    others = [Name(number) for number in range(MANY)]
    for other in others:
        desktop.see(other)
    desktop.start()
    wait_until(lambda: len(desktop.peers()) == MANY, 60, "all of them")

    def routes():
        return desktop.host.run(["ip", "-6", "route", "show", "dev", "homeward0", "proto", "all"]).stdout.splitlines()
    wait_until(lambda: sum("fd77:" in route for route in routes()) == MANY, 60, "their routes")
    key = os.urandom(20)
    fd = sealed(key + key)
    with desktop.host.connect_bus("homeward-key") as bus:
        for number, other in enumerate(others):
            os.lseek(fd, 0, os.SEEK_SET)
            bus.call("org.homeward.Tunnel1", "/org/homeward/Tunnel1", "org.homeward.Tunnel1", "InstallSa", "ss(sq)uusbbh",
                     full_name(other.name), other.id, (other.address, 4500), 0x50000000 + number, 0x60000000 + number,
                     "aes128gcm16", True, False, fd)
    os.close(fd)
    assert {peer["State"] for peer in desktop.peers().values()} == {"established"}
    pid = desktop.host.daemon_pid("tunneld")

    def sleeps():
        before = switches(pid)[0]
        time.sleep(2)
        return switches(pid)[0] == before
    wait_until(sleeps, 60, "sleep")
    # Each costs some kilobytes, most of them for its keys.
    if not has_sanitizers(build_directory()):
        assert switches(pid)[1] < 16 * 1024
    # The last one is found among them.
    desktop.host.run(["ping", "-n", "-c", "1", "-W", "0.2", others[-1].id], check=False)
    wait_until(lambda: desktop.peer(others[-1])["Counters"]["PacketsOut"] >= 1, 60, "a packet to the last")
    for fake in desktop.identity, desktop.mapper, desktop.watcher, desktop.keyd:
        fake.close()
