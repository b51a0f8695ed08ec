# SPDX-License-Identifier: LGPL-2.1-or-later
"""How large packets may be on paths that are narrow, become narrow, and say nothing about it: no clamp of TCP's MSS
anywhere, DF packets that do not fit are lost without a word unless a test says that routers complain."""
import socket
import struct

import pytest
from homeward_lab import Namespace, wait_until
from homeward_lab.namespace import link
from test_tunneld import Keys, Stream, End

# Outer headers, IV, padding and ICV around a packet whose size is two less than a multiple of four.
OVERHEAD = 62
LEAST, MOST = 1280, 1438

_SETUP = """
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 net.ipv4.ip_forward=1
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
ip link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip address add %(address)s/16 dev br0
ip link set br0 up
"""
_SILENT = """table ip silent {
  chain out { type filter hook output priority 0; policy accept;
    icmp type destination-unreachable drop
  }
}
"""


class Router(Namespace):
    """One end of the narrow link; a host plugs into it as into the Internet."""

    def __init__(self, name, address):
        self.address = address
        self.setup = _SETUP % {"address": address}
        super().__init__(name)
        self.wait_ready()


class Road:
    """Two routers with a link between them."""

    def __init__(self):
        self.west, self.east = Router("west", "11.1.0.1"), Router("east", "11.2.0.1")
        link(self.west, "mid", self.east, "mid")
        for router, address, other, via in ((self.west, "11.9.0.1", "11.2.0.0/16", "11.9.0.2"),
                                            (self.east, "11.9.0.2", "11.1.0.0/16", "11.9.0.1")):
            router.batch([f"address add {address}/30 dev mid", "link set mid up"])
        self.west.batch(["route add 11.2.0.0/16 via 11.9.0.2"])
        self.east.batch(["route add 11.1.0.0/16 via 11.9.0.1"])

    def narrow(self, octets):
        """Both ends at once: what is on its way is cut or dropped by the router before it."""
        for router in self.west, self.east:
            router.batch([f"link set mid mtu {octets}"])

    def silence(self):
        """Nobody says that a packet was too big."""
        for router in self.west, self.east:
            router.write("/run/lab/silent.nft", _SILENT)
            router.run(["nft", "-f", "/run/lab/silent.nft"])

    def close(self):
        self.west.close()
        self.east.close()


@pytest.fixture
def road(namespaces):
    road = Road()
    yield road
    road.close()


@pytest.fixture
def tunnel(make_host, road):
    desktop = End(make_host("desktop"), road.west, "11.1.0.10")
    laptop = End(make_host("laptop"), road.east, "11.2.0.20")
    desktop.see(laptop)
    laptop.see(desktop)
    for end in desktop, laptop:
        end.start()
    desktop.wait_peer(laptop, State="idle")
    laptop.wait_peer(desktop, State="idle")
    Keys().install(desktop, laptop)
    yield desktop, laptop
    for end in desktop, laptop:
        for fake in end.identity, end.mapper, end.watcher, end.keyd:
            fake.close()


COPY = """
import hashlib, random, socket, sys
size = int(sys.argv[3])
if sys.argv[1] == "take":
    l = socket.socket(socket.AF_INET6); l.bind((sys.argv[2], 7778)); l.listen(); print("ready", flush=True)
    s, _ = l.accept(); digest, n = hashlib.sha256(), 0
    while True:
        data = s.recv(1 << 18)
        if not data: break
        digest.update(data); n += len(data)
    print(n, digest.hexdigest(), flush=True)
else:
    s = socket.create_connection((sys.argv[2], 7778)); data = random.Random(size).randbytes(size)
    s.sendall(data); s.close(); print(size, hashlib.sha256(data).hexdigest(), flush=True)
"""


def copy(source, sink, size=4 << 20):
    """One TCP connection; what arrived is what was sent."""
    take = sink.host.popen(["/usr/bin/python3", "-c", COPY, "take", sink.id, str(size)], stdout=-1)
    assert take.stdout.readline() == b"ready\n"
    sent = source.host.run(["/usr/bin/python3", "-c", COPY, "give", sink.id, str(size)], timeout=120).stdout
    assert take.communicate(timeout=120)[0].decode() == sent


def fits(octets):
    """Sizes that may be found for a path of so many octets: the search ends within 7 of the limit."""
    most = min(octets - OVERHEAD, MOST)
    return range(LEAST, LEAST + 1) if most <= LEAST else range(max(most - 7, LEAST), most + 1)


def wait_size(end, other, octets):
    def found():
        # Without anything that flows a search rests.
        end.ping(other, check=False)
        return end.peer(other)["PathMtu"] in fits(octets)
    wait_until(found, 60, f"{end.name}: PathMtu to {other.name} for {octets}")


def is_told(end, other):
    """Whether the kernel's route has the present size."""
    route = end.host.run(["ip", "-6", "route", "show", other.id]).stdout
    return f"mtu {end.peer(other)['PathMtu']} " in route + " " and f"advmss {MOST - 60}" in route


@pytest.mark.parametrize("silent", (False, True), ids=("icmp", "silent"))
@pytest.mark.parametrize("octets", (1500, 1400, 1280, 576))
def test_narrow_paths(tunnel, road, octets, silent):
    desktop, laptop = tunnel
    if silent:
        road.silence()
    road.narrow(octets)
    copy(desktop, laptop)
    copy(laptop, desktop)
    for here, there in (desktop, laptop), (laptop, desktop):
        here.host.ping(there.id, "-i", "0.05", count=3)
        wait_size(here, there, octets)
        wait_until(lambda: is_told(here, there), what="the route says so")

    def goes_whole():
        # The largest size there is: a busy machine may have doubts for a moment.
        return desktop.ping(laptop, "-M", "do", "-s", str(desktop.peer(laptop)["PathMtu"] - 48), "-W", "2",
                            check=False).returncode == 0
    wait_until(goes_whole, what="a datagram of the largest size in one piece of the inner protocol")


def test_a_link_of_our_own_is_narrow(tunnel, road):
    desktop, laptop = tunnel
    # The router's end, too: it cuts what is too long. A veth that is wider than its peer drops such packets without a
    # word, and only those that travel alone.
    road.west.batch([f"link set {device} mtu 1300" for device in ("h-desktop", "br0")])
    desktop.host.batch(["link set eth0 mtu 1300"])
    copy(desktop, laptop)
    copy(laptop, desktop)
    assert desktop.peer(laptop)["PathMtu"] == LEAST


def test_shrinks_at_a_move_and_widens_at_the_next(tunnel, road):
    desktop, laptop = tunnel
    road.silence()
    copy(desktop, laptop)
    wait_size(desktop, laptop, 1500)
    stream = Stream(desktop, laptop)
    stream.wait()
    road.narrow(1400)
    desktop.move(road.west, "11.1.0.11")
    stream.wait()
    copy(desktop, laptop)
    wait_size(desktop, laptop, 1400)
    assert any(words == "packets to laptop may have 1280 octets" for words in desktop.timeline())
    copy(laptop, desktop)
    wait_size(laptop, desktop, 1400)
    road.narrow(1500)
    desktop.move(road.west, "11.1.0.12")
    stream.wait()
    copy(desktop, laptop)
    wait_size(desktop, laptop, 1500)
    stream.finish()


def test_shrinks_with_nobody_moving(tunnel, road):
    """What the middle of the way loses is noticed by those who send it."""
    desktop, laptop = tunnel
    road.silence()
    copy(desktop, laptop)
    wait_size(desktop, laptop, 1500)
    road.narrow(1360)

    def found():
        # A size is proven again only while packets of it flow.
        copy(desktop, laptop, 1 << 20)
        return desktop.peer(laptop)["PathMtu"] in fits(1360)
    wait_until(found, 60, "a size for 1360")
    counters = desktop.peer(laptop)["Counters"]
    assert counters["PathShrunk"] >= 1 and counters["SizeProbes"] >= 4


FORGE = """
import socket, struct, sys
def sum16(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
source, destination = map(socket.inet_aton, sys.argv[1:3])
header = lambda check: struct.pack("!BBHHHBBH", 0x45, 0, 1000, 1, 0, 64, 17, check) + source + destination
quoted = header(sum16(header(0))) + struct.pack("!HHHH", 4500, 4500, 980, 0)
message = lambda check: struct.pack("!BBHHH", 3, 4, check, 0, 600) + quoted
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.sendto(message(sum16(message(0))), (sys.argv[1], 0))
"""


def counter(host, protocol, name):
    """Of the kernel's."""
    names, values = [line.split() for line in host.run(["cat", "/proc/net/snmp"]).stdout.splitlines()
                     if line.startswith(protocol + ":")]
    return int(values[names.index(name)])


def test_a_forged_word_of_a_narrow_path(tunnel, road):
    """It arrives, and what the tunnel sends stays whole."""
    desktop, laptop = tunnel
    copy(desktop, laptop)
    wait_size(desktop, laptop, 1500)
    before = counter(desktop.host, "Icmp", "InDestUnreachs")
    road.west.run(["/usr/bin/python3", "-c", FORGE, "11.1.0.10", "11.2.0.20"])
    wait_until(lambda: counter(desktop.host, "Icmp", "InDestUnreachs") > before, 60, "it arrives")
    copy(desktop, laptop)
    desktop.host.ping(laptop.id, "-M", "do", "-s", "1232", count=1)
    assert counter(desktop.host, "Ip", "FragCreates") == 0
    # A busy machine may have doubts of its own for a moment.
    wait_size(desktop, laptop, 1500)


LISTEN = """
import socket, struct, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
print("ready", flush=True)
while True:
    data = s.recv(4096)
    if data[0] in (1, 2): print(data[0], data[1], struct.unpack("!I", data[4:8])[0], len(data), data[8:].hex(), flush=True)
"""
PUSH = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
for line in sys.stdin: s.sendto(bytes.fromhex(line), ("homeward0", 0x86dd))
"""


def udp_packet(source, destination, size):
    payload = bytes(size - 48)
    return (struct.pack("!IHBB", 6 << 28, size - 40, 17, 64) + source + destination +
            struct.pack("!HHHH", 1000, 2000, size - 40, 0x1234) + payload)


def test_packets_too_big_are_answered(tunnel, road):
    """Those of a program that does not look at the route."""
    desktop, laptop = tunnel
    road.narrow(1400)
    desktop.ping(laptop)
    ids = [socket.inet_pton(socket.AF_INET6, end.id) for end in (desktop, laptop)]
    listener = desktop.host.popen(["/usr/bin/python3", "-c", LISTEN], stdout=-1)
    assert listener.stdout.readline() == b"ready\n"
    packet = udp_packet(*ids, 1420)
    desktop.host.run(["/usr/bin/python3", "-c", PUSH], input=packet.hex() + "\n")
    kind, code, mtu, size, quoted = listener.stdout.readline().decode().split()
    assert (kind, code, size) == ("2", "0", str(1280 - 40))
    assert LEAST <= int(mtu) <= 1338
    assert bytes.fromhex(quoted) == packet[:1280 - 48]
    assert desktop.counters()["TooBig"] == 1 and desktop.counters()["TooBigsSent"] == 1
    # Its neighbour of the right size goes.
    before = desktop.peer(laptop)["Counters"]["PacketsOut"]
    desktop.host.run(["/usr/bin/python3", "-c", PUSH], input=udp_packet(*ids, 1280).hex() + "\n")
    wait_until(lambda: desktop.peer(laptop)["Counters"]["PacketsOut"] > before, 60)
    assert desktop.counters()["TooBig"] == 1
    listener.kill()

