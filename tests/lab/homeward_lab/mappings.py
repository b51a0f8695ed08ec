# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mappings as programs on a host want them from mapper, and as strangers on the internet find them.

    path = Caller(host).add("tunnel", "udp", 4500)
    external = wait_mapping(host, path, "mapped")["External"]
    assert arrives(stranger, tuple(external), host, 4500)
"""
import ctypes
import json
import os
import socket
import threading

from .namespace import PATIENCE, wait_until

NAME = "org.homeward.Mapper1"
PATH = "/org/homeward/Mapper1"
MAPPING = NAME + ".Mapping"


class Caller:
    """A daemon that wants mappings."""

    def __init__(self, host, user="homeward-tunnel"):
        self.host = host
        self.bus = host.connect_bus(user)
        self.bus.add_match(f"type='signal',sender='{NAME}'")

    def add(self, label="tunnel", protocol="udp", port=4500, external=0, lifetime=0):
        return self.bus.call(NAME, PATH, NAME, "AddMapping", "ssqqu", label, protocol, port, external, lifetime)

    def release(self, path):
        self.bus.call(NAME, path, MAPPING, "Release")

    def leave(self):
        self.bus.close()


def mapping(host, path):
    return host.get_properties("mapper", path, MAPPING)


def wait_mapping(host, path, state, external=None, timeout=20):
    """Until the mapping is in that state, with that endpoint if one is told; its properties."""
    def holds():
        seen = mapping(host, path)
        return seen["State"] == state and (external is None or tuple(seen["External"]) == external) and seen
    try:
        return wait_until(holds, timeout, f"{path} {state} {external}")
    except TimeoutError as late:
        raise TimeoutError(f"{late}: {host.get_property('mapper', 'Reason')}") from None


def enter_network(namespace):
    """This thread, from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/proc/{namespace.init_pid}/ns/net") as net:
        if libc.setns(net.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")


def in_network(namespace, make):
    """What make() returns, called in a thread of ours that is in the namespace's network: its sockets stay there."""
    made = []

    def enter():
        enter_network(namespace)
        made.append(make())
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return made[0]


def socket_in(namespace, address=None, kind=socket.SOCK_DGRAM):
    """A socket of ours that lives in the namespace's network."""
    made = in_network(namespace, lambda: socket.socket(socket.AF_INET, kind))
    made.settimeout(PATIENCE)
    if kind == socket.SOCK_STREAM:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if address:
        made.bind(address)
        if kind == socket.SOCK_DGRAM:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address[0]))
    return made


def arrives(stranger, external, host, port, protocol="udp", timeout=PATIENCE, tries=100, address=None):
    """Whether what a stranger sends to `external` gets to that port of the host (at `address` if it has several), and
    whether the answer gets back. A lost datagram is sent again."""
    word = os.urandom(8)
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket_in(host, (address or host.address, port), kind) as inside, socket_in(stranger, None, kind) as outside:
        inside.settimeout(timeout)
        outside.settimeout(timeout)
        try:
            if protocol == "tcp":
                inside.listen(1)
                outside.connect(external)
                connection, _ = inside.accept()
                with connection:
                    connection.settimeout(timeout)
                    outside.sendall(word)
                    if connection.recv(64) != word:
                        return False
                    connection.sendall(word[::-1])
                    return outside.recv(64) == word[::-1]
            inside.settimeout(timeout / tries)
            outside.settimeout(timeout / tries)
            for _ in range(tries):
                outside.sendto(word, external)
                try:
                    octets, peer = inside.recvfrom(64)
                    if octets == word:
                        inside.sendto(word[::-1], peer)
                        answer, source = outside.recvfrom(64)
                        return answer == word[::-1] and source == external
                except TimeoutError:
                    continue
        except OSError:
            # Timed out, refused.
            pass
        return False


_COUNTERS = """table inet traffic {
  counter datagrams { }
  counter connections { }
  chain out { type filter hook output priority 0;
    ip daddr != 11.0.0.0/8 udp dport { 1900, 5350, 5351 } counter name datagrams
    ip daddr != 11.0.0.0/8 tcp dport 5000 tcp flags & (syn|ack) == syn counter name connections
  }
}
"""


class GatewayTraffic:
    """What a host sends to gateways to have mappings, as its kernel counts it."""

    def __init__(self, host):
        self.host = host
        host.run(["nft", "-f", "-"], input=_COUNTERS)

    def packets(self):
        """Datagrams and connections since the beginning."""
        listed = json.loads(self.host.run(["nft", "-j", "list", "counters"]).stdout)["nftables"]
        return sum(item["counter"]["packets"] for item in listed if "counter" in item)
