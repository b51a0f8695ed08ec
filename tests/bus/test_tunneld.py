# SPDX-License-Identifier: LGPL-2.1-or-later
"""tunneld on a bus of its own, its neighbours faked: two of them in two namespaces, with keys we know."""
import fcntl
import os
import re
import signal
import socket
import struct
import time

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from fakes import Fake
from homeward_lab import BusError, wait_until

ERROR = "org.homeward.Error."
IDS = {"desktop": "fd01:203:405:607:22:69ff:fe8e:342a", "laptop": "fda1:a2a3:a4a5:a6a7:216:3eff:fe00:1"}
PUBLIC = {"desktop": "11.0.1.10", "laptop": "11.0.2.20"}
ALGORITHMS = {"aes128gcm16": 20, "aes256gcm16": 36, "chacha20poly1305": 36}
HOST_INTERFACE = "org.homeward.Watcher1.Host"
PEER_INTERFACE = "org.homeward.Tunnel1.Peer"
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def full_name(name):
    return f"{name}.alice.members.example.org"


class End:
    """A host with tunneld and the four who talk to it."""

    def __init__(self, host, internet, address=None):
        self.host, self.name = host, host.name
        self.id = IDS[self.name]
        self.generation = 0
        self.identity = Fake(host, "identity", {"State": ("s", "signed-in"), "HostId": ("s", self.id)})
        self.mapper = Fake(host, "mapper", {"State": ("s", "ready"), "NetworkGeneration": ("t", 0),
                                            "LocalAddress": ("s", "")},
                           {"AddMapping": lambda *a: ("o", "/org/homeward/Mapper1/mapping/1")})
        self.watcher = Fake(host, "llq-watcher", {"State": ("s", "watching")})
        self.keyd = Fake(host, "keyd")
        self.move(internet, address or PUBLIC[self.name])

    def move(self, internet, address, tell=True):
        self.host.attach_internet(internet, address)
        self.address = address
        if tell:
            self.tell_network()

    def tell_network(self, address=None):
        self.generation += 1
        self.mapper.change(NetworkGeneration=("t", self.generation),
                           LocalAddress=("s", self.address if address is None else address))

    def start(self, config="", **options):
        self.host.start_daemon("tunneld", config, **options)
        self.host.wait_for(("tunneld", "State", "ready"))

    def see(self, other, generation=1, endpoint=None):
        """The zone has the other host."""
        self.watcher.add("/org/homeward/Watcher1/host/" + other.name, HOST_INTERFACE,
                         Name=("s", full_name(other.name)), HostId=("s", other.id),
                         Endpoint=("(sq)", endpoint or (other.address, 4500)), EndpointGeneration=("t", generation),
                         Live=("b", True))

    def see_again(self, other, generation, endpoint):
        self.watcher.change("/org/homeward/Watcher1/host/" + other.name, HOST_INTERFACE,
                            Endpoint=("(sq)", endpoint), EndpointGeneration=("t", generation))

    def call(self, method, signature="", *arguments):
        """As keyd, which alone may."""
        with self.host.connect_bus("homeward-key") as bus:
            return bus.call("org.homeward.Tunnel1", "/org/homeward/Tunnel1", "org.homeward.Tunnel1", method, signature,
                            *arguments)

    def install(self, other, spi_in, spi_out, key_in, key_out, initiator, algorithm="aes128gcm16", esn=True,
                endpoint=None):
        fd = sealed(key_in + key_out)
        try:
            return self.call("InstallSa", "ss(sq)uusbbh", full_name(other.name), other.id,
                             endpoint or (other.address, 4500), spi_in, spi_out, algorithm, esn, initiator, fd)
        finally:
            os.close(fd)

    def counters(self):
        return self.host.get_property("tunneld", "Counters")

    def peers(self):
        return self.host.get_objects("tunneld", PEER_INTERFACE)

    def peer(self, other):
        for properties in self.peers().values():
            if properties["HostId"] == other.id:
                return properties
        raise LookupError(other.name)

    def wait_peer(self, other, timeout=10, **wanted):
        def holds():
            peer = self.peer(other)
            return all(peer[name] == value for name, value in wanted.items())
        wait_until(holds, timeout, f"{self.name}: {other.name} with {wanted}")

    def wait_counter(self, name, at_least=1):
        wait_until(lambda: self.counters()[name] >= at_least, 10, f"{self.name}: {name} {at_least}")

    def timeline(self):
        return [words for _, _, words in self.host.get_property("tunneld", "Timeline")]

    def ping(self, other, *options, count=1, check=True):
        return self.host.run(["ping", "-n", "-c", str(count), "-W", "5", *options, other.id], check=check, timeout=60)


def sealed(octets, seals=SEALS):
    fd = os.memfd_create("keys", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.write(fd, octets)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


class Keys:
    """One negotiation's outcome, known to us."""

    last_spi = 0x40000000

    def __init__(self, algorithm="aes128gcm16", esn=True):
        self.algorithm, self.esn = algorithm, esn
        Keys.last_spi += 2
        self.spis = Keys.last_spi, Keys.last_spi + 1
        self.keymats = os.urandom(ALGORITHMS[algorithm]), os.urandom(ALGORITHMS[algorithm])

    def install(self, initiator, responder, responder_first=True):
        """spis[0] and keymats[0] are for what comes to the initiator."""
        def at_responder():
            responder.install(initiator, self.spis[1], self.spis[0], self.keymats[1], self.keymats[0], False,
                              self.algorithm, self.esn)
        if responder_first:
            at_responder()
        initiator.install(responder, self.spis[0], self.spis[1], self.keymats[0], self.keymats[1], True,
                          self.algorithm, self.esn)
        if not responder_first:
            at_responder()

    def seal(self, to_initiator, sequence, payload, next_header=41):
        """A packet, by an implementation that is not ours."""
        which = 0 if to_initiator else 1
        key, salt = self.keymats[which][:-4], self.keymats[which][-4:]
        cipher = (ChaCha20Poly1305 if self.algorithm.startswith("chacha") else AESGCM)(key)
        padding = bytes(range(1, -(len(payload) + 2) % 4 + 1))
        text = payload + padding + bytes([len(padding), next_header])
        iv = struct.pack("!Q", sequence + (1 << 40))
        aad = struct.pack("!IQ" if self.esn else "!II", self.spis[which], sequence)
        head = struct.pack("!II", self.spis[which], sequence & 0xFFFFFFFF)
        return head + iv + cipher.encrypt(salt + iv, text, aad)


@pytest.fixture
def internet(make_internet):
    internet = make_internet()
    internet.wait_ready()
    return internet


@pytest.fixture
def ends(make_host, internet):
    """desktop and laptop on the internet, tunneld running on both, seeing each other."""
    made = [End(make_host(name), internet) for name in ("desktop", "laptop")]
    desktop, laptop = made
    desktop.see(laptop)
    laptop.see(desktop)
    for end in made:
        end.start()
    desktop.wait_peer(laptop, State="idle")
    laptop.wait_peer(desktop, State="idle")
    yield made
    for end in made:
        for fake in end.identity, end.mapper, end.watcher, end.keyd:
            fake.close()


@pytest.fixture
def tunnel(ends):
    keys = Keys()
    keys.install(*ends)
    return (*ends, keys)


def send_raw(internet, address, datagrams, port=4500, source_port=4500):
    """From the internet's own address."""
    script = ("import socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
              "s.bind(('', int(sys.argv[3])))\n"
              "for line in sys.stdin: s.sendto(bytes.fromhex(line), (sys.argv[1], int(sys.argv[2])))\n")
    internet.run(["/usr/bin/python3", "-c", script, address, str(port), str(source_port)],
                 input="".join(d.hex() + "\n" for d in datagrams))


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
@pytest.mark.parametrize("esn", [True, False])
def test_ping_through(ends, algorithm, esn):
    desktop, laptop = ends
    Keys(algorithm, esn).install(desktop, laptop)
    assert "3 received" in desktop.ping(laptop, "-i", "0.05", count=3).stdout
    assert "DUP" not in laptop.ping(desktop, "-i", "0.05", "-s", "1300", count=3).stdout
    for here, there in (desktop, laptop), (laptop, desktop):
        peer = here.peer(there)
        assert peer["State"] == "established" and len(peer["Spis"]) == 1
        assert peer["LastHandshake"] and peer["LastReceived"]
        assert peer["Counters"]["PacketsIn"] >= 6 and peer["Counters"]["PacketsOut"] >= 6
        counters = here.counters()
        assert not any(counters[n] for n in ("BadIcv", "Malformed", "Replayed", "WrongSelector", "TunErrors"))
