# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is meant for a peer never leaves this machine in the clear, whatever becomes of tunneld. The underlay has IPv6 and
a default route that would take it: the worst that a user's own network can do."""
import fcntl
import signal
import struct
import termios

import pytest
from homeward_lab import wait_until
from homeward_lab.capture import Capture
from test_tunneld import Keys, ends, internet, tunnel  # noqa: F401

MARK = b"what is inside stays inside, 32 o"
ROUTER, ROUTER_MAC = "fe80::1", "02:00:00:00:00:01"

# Datagrams from whatever address the kernel chooses, and from the host id; says how many were tried and refused.
SEND = """
import socket, sys, time
target, source, mark = sys.argv[1], sys.argv[2], sys.argv[3].encode()
tried = refused = 0
while True:
    for bind in None, source:
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        try:
            if bind: s.bind((bind, 0))
            s.sendto(mark, (target, 9999))
        except OSError:
            refused += 1
        s.close()
    tried += 1
    print(tried, refused, flush=True)
    time.sleep(0.002)
"""


class Sender:
    def __init__(self, here, there):
        # Without a buffer of ours: what was said and not read yet is all in the pipe, where it can be counted.
        self.process = here.host.popen(["/usr/bin/python3", "-c", SEND, there.id, here.id, MARK.decode()], stdout=-1,
                                       bufsize=0)

    def more(self, rounds=50):
        """So many more rounds from now on; returns how many datagrams were refused among them."""
        # What waits in the pipe was sent before.
        now = self._last_written()
        first = refused = None
        while True:
            tried, total = map(int, self.process.stdout.readline().split())
            if tried >= now and first is None:
                first, refused = tried, total
            if first is not None and tried >= first + rounds:
                return total - refused

    def _last_written(self):
        # The pipe holds less than 10,000 lines, so reading on until the writer must wait again is reading to now.
        waiting = struct.unpack("i", fcntl.ioctl(self.process.stdout.fileno(), termios.FIONREAD, bytes(4)))[0]
        last = 0
        data = self.process.stdout.read(waiting) if waiting else b""
        lines = data.split(b"\n")
        if lines[-1]:
            lines[-1] += self.process.stdout.readline()
        for line in lines:
            if line.split():
                last = int(line.split()[0])
        return last


def examine(capture, desktop, laptop):
    seen = capture.examine({"what was inside": MARK}, [desktop.id, laptop.id])
    # While nobody has the port, the kernel says so, and quotes ESP.
    seen["problems"] = [problem for problem in seen["problems"] if " protocol 1: " not in problem]
    return seen


@pytest.mark.parametrize("ignore", ("0", "1"))
def test_nothing_leaves_in_the_clear(tunnel, internet, ignore):  # noqa: F811
    desktop, laptop, _ = tunnel
    for i, end in enumerate((desktop, laptop), 2):
        end.host.run(["sysctl", "-qw", f"net.ipv6.conf.all.ignore_routes_with_linkdown={ignore}",
                      f"net.ipv6.conf.homeward0.ignore_routes_with_linkdown={ignore}"])
        end.host.batch([f"address add 2001:db8::{i}/64 dev eth0 nodad",
                        f"neighbor replace {ROUTER} lladdr {ROUTER_MAC} dev eth0 nud permanent",
                        f"route add default via {ROUTER} dev eth0"])
    capture = Capture(internet)
    sender = Sender(desktop, laptop)
    sender.more()

    def again():
        desktop.start()
        wait_until(lambda: desktop.peer(laptop)["State"] == "acquiring", 60, "acquiring")
        Keys().install(desktop, laptop)
        before = laptop.peer(desktop)["Counters"]["PacketsIn"]
        wait_until(lambda: laptop.peer(desktop)["Counters"]["PacketsIn"] > before, 60, "packets arrive again")
    # Killed: the interface stays, without anybody who reads from it.
    desktop.host.kill_daemon("tunneld", signal.SIGKILL)
    sender.more()
    again()
    # Killed, and somebody takes the interface away, too.
    desktop.host.kill_daemon("tunneld", signal.SIGKILL)
    desktop.host.batch(["link del homeward0"])
    assert sender.more() == 100
    again()
    # Taken away beneath it.
    desktop.host.batch(["link set homeward0 down"])
    assert sender.more() == 100
    desktop.host.batch(["link del homeward0"])
    sender.more()
    wait_until(lambda: not desktop.host.is_running("tunneld"), 60, "tunneld ended")
    again()
    # Stopped by its owner.
    assert desktop.host.stop_daemon("tunneld") == 0
    assert sender.more() == 100
    assert capture.stop() == 0
    seen = examine(capture, desktop, laptop)
    assert seen["frames"].get("esp") and not seen["problems"], seen
    # Such a leak would be seen.
    capture = Capture(internet)
    desktop.host.run(["ip", "-6", "route", "del", "unreachable", laptop.id])
    sender.more()
    capture.stop()
    seen = examine(capture, desktop, laptop)
    assert any("what was inside" in problem for problem in seen["problems"]), seen
    sender.process.kill()
