# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts that change their network without a process being started meanwhile: starting one takes longer than a tunnel
stands.

    mover = Mover(host)
    gone, there = mover.move(gateway)
"""
import os
import subprocess
import time


class Ip:
    """An ip(8) inside a namespace, for one command after the other."""

    def __init__(self, namespace):
        self.name = namespace.name
        # In our pid namespace, so that "netns PID" means what init_pid says.
        self.process = subprocess.Popen(["nsenter", "-t", str(namespace.init_pid), "-n", "--", "ip", "-o", "-d", "-batch", "-"],
                                        stdin=-1, stdout=-1, bufsize=0)
        self.ask("lo")

    def ask(self, interface):
        """What `ip link` says of it; whatever was told before has been done then."""
        self.tell(f"link show dev {interface}")
        text = b""
        while not text.endswith(b"\n"):
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                raise RuntimeError(f"{self.name}: ip ended")
            text += more
        return text

    def tell(self, *lines):
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Mover:
    """Moves a Host between Gateways as its move() does, a command at a time. Like a DHCP client it has no address before the
    network's bridge forwards: the kernel sees to that some milliseconds after the carrier, and nobody's packets pass until
    then."""

    def __init__(self, host, gateways):
        self.host = host
        self.tools = {thing.name: Ip(thing) for thing in (host, *gateways)}

    def move(self, gateway):
        """(time.monotonic() before the old network went, and before the new default route was set)"""
        host, far = self.host, f"h-{self.host.name}"[:15]
        here, old, new = (self.tools[thing.name] for thing in (host, host.gateway, gateway))
        address = gateway.lease(host.name)
        gone = time.monotonic()
        old.tell(f"link set {far} netns {host.init_pid} name air0")
        old.ask("lo")
        here.tell(f"link set air0 netns {gateway.init_pid} name {far}")
        here.ask("lo")
        new.tell(f"link set {far} master br-lan up")
        while b"state forwarding" not in new.ask(far):
            time.sleep(0.0002)
        here.tell("address flush dev eth0 scope global", f"address add {address}/24 brd + dev eth0")
        here.ask("lo")
        there = time.monotonic()
        here.tell(f"route add default via {gateway.lan_address} dev eth0")
        here.ask("lo")
        host.gateway, host.address = gateway, address
        return gone, there

    def close(self):
        for tool in self.tools.values():
            tool.close()
