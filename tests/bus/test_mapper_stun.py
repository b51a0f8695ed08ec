# SPDX-License-Identifier: LGPL-2.1-or-later
"""mapper's STUN on its own: which server it asks, and what it does not believe. Servers are played octet by octet."""
import socket
import struct
import threading

import pytest

from fakes import Fake
from homeward_lab import wait_until

ZONE = "members.example.org"
SERVER = "11.0.0.53"
COOKIE = 0x2112A442
MAPPED_ADDRESS, CHANGE_REQUEST, XOR_MAPPED_ADDRESS, RESPONSE_PORT, OTHER_ADDRESS = 1, 3, 0x20, 0x27, 0x802C


@pytest.fixture
def host(make_host):
    return make_host("desktop")


@pytest.fixture
def internet(make_internet, host):
    """The host is on it, with a public address."""
    made = make_internet()
    host.attach_internet(made, "11.0.7.7")
    return made


def attribute(kind, value):
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def xor_mapped(address, port):
    number = struct.unpack("!I", socket.inet_aton(address))[0]
    return attribute(XOR_MAPPED_ADDRESS, struct.pack("!HHI", 1, port ^ COOKIE >> 16, number ^ COOKIE))


def message(kind, txid, *attributes):
    body = b"".join(attributes)
    return struct.pack("!HHI", kind, len(body), COOKIE) + txid + body


def attributes_of(octets):
    found, position = {}, 20
    while position + 4 <= len(octets):
        kind, length = struct.unpack_from("!HH", octets, position)
        found[kind] = octets[position + 4:position + 4 + length]
        position += 4 + (length + 3) // 4 * 4
    return found


class Played:
    """A STUN server in a host of the lab: answer(server, request, attributes, txid, peer) says what it does."""

    def __init__(self, make_host, internet, answer, address=SERVER):
        self.host = make_host("server", bus=False)
        self.host.attach_internet(internet, address)
        self.answer, self.requests = answer, []
        self.socket = self.open(address, 3478)
        self.ended = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def open(self, address, port):
        """A socket of the server's host: made by a thread that has entered its network."""
        made = []

        def make():
            with open(f"/proc/{self.host.init_pid}/ns/net") as file:
                _setns(file.fileno())
            made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            made[0].bind((address, port))
            made[0].settimeout(0.2)
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        return made[0]

    def _serve(self):
        while not self.ended:
            try:
                octets, peer = self.socket.recvfrom(2048)
            except TimeoutError:
                continue
            self.requests.append(octets)
            self.answer(self, octets, attributes_of(octets), octets[8:20], peer)

    def send(self, octets, peer):
        self.socket.sendto(octets, peer)

    def close(self):
        self.ended = True
        self.thread.join()
        self.socket.close()


def _setns(fd):
    import ctypes
    assert ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000) == 0


@pytest.fixture
def play(make_host, internet):
    made = []

    def start(answer):
        made.append(Played(make_host, internet, answer))
        return made[-1]
    yield start
    for server in made:
        server.close()


def counters(host):
    return host.get_property("mapper", "Counters")


def start(host, config=f"[stun]\nservers = {SERVER}\n"):
    host.start_daemon("mapper", config)


def simple(server, octets, attributes, txid, peer):
    """RFC 8489 and nothing more."""
    unknown = [kind for kind in attributes if kind in (CHANGE_REQUEST, RESPONSE_PORT)]
    if unknown:
        server.send(message(0x111, txid, attribute(9, b"\0\0\4\x14"),
                            attribute(10, struct.pack(f"!{len(unknown)}H", *unknown))), peer)
    else:
        server.send(message(0x101, txid, xor_mapped(*peer)), peer)


def test_server_of_the_zone(host, internet, make_host):
    """Nothing configured: `_stun._udp` of the zone that the machine is signed in to, once it is."""
    zone = make_host("zone", bus=False)
    zone.attach_internet(internet, SERVER)
    zone.start_daemon("zoned", f"[zone]\nname = {ZONE}\nserver-address = {SERVER}\n")
    start(host, "")
    identity = Fake(host, "identity", {"Domain": ("s", ""), "State": ("s", "signed-out")})
    host.wait_for(("mapper", "NatKind", "public"))
    assert host.get_property("mapper", "StunServer") == ""
    identity.change(Domain=("s", ZONE))
    host.wait_for(("mapper", "StunServer", f"{SERVER}:3478"))
    host.wait_for(("mapper", "Verified", "yes"))
    identity.close()


def test_names_of_the_configuration(host, internet, make_host):
    """A name and its port, asked of the system's resolver, and no zone."""
    zone = make_host("zone", bus=False)
    zone.attach_internet(internet, SERVER)
    zone.start_daemon("zoned", f"[zone]\nname = {ZONE}\nserver-address = {SERVER}\n[stun]\nport = 4000\n")
    start(host, f"[stun]\nservers = 11.0.99.99, ns.{ZONE}:4000\n")
    host.wait_for(("mapper", "StunServer", f"{SERVER}:4000"), timeout=20)


def test_bad_configuration(host, internet):
    for value in ("a b c d e", ":3478", "host:0", "host:65536", "host:x", "two..dots"):
        process = host.start_daemon("mapper", f"[stun]\nservers = {value}\n", wait=False)
        assert process.wait(60) == 1
        assert "at most four STUN servers" in host.log("mapper").splitlines()[-1]


def test_simple_server(host, play):
    """What it does not do is not known, and that is all."""
    server = play(simple)
    start(host)
    host.wait_for(("mapper", "ReflexiveAddress", "11.0.7.7"))
    wait_until(lambda: any(RESPONSE_PORT in attributes_of(octets) for octets in server.requests), 10)
    host.wait_for(lambda: counters(host)["StunAnswersAccepted"] >= 3)
    assert host.get_property("mapper", "Verified") == "unknown"
    # Each has a number of its own, and what is slow to be answered is sent again as it was.
    assert len({octets[8:20] for octets in server.requests}) == len(set(server.requests)) <= 6


def test_lies(host, play):
    """Another number, another socket's, half a message, addresses that are none: counted, and waited for the truth."""
    state = {"n": 0}

    def answer(server, octets, attributes, txid, peer):
        if attributes.keys() & {CHANGE_REQUEST, RESPONSE_PORT} or state["n"]:
            return simple(server, octets, attributes, txid, peer)
        state["n"] += 1
        server.send(message(0x101, bytes(12), xor_mapped("11.6.6.6", 6)), peer)
        server.send(message(0x101, txid, xor_mapped("11.6.6.6", 6))[:-2], peer)
        server.send(message(0x101, txid, xor_mapped("0.0.0.0", 6)), peer)
        server.send(message(0x101, txid), peer)
        server.send(message(0x101, txid, attribute(0x7777, b""), xor_mapped("11.6.6.6", 6)), peer)
        server.send(b"\0" * 2000, peer)
        server.send(octets, peer)
        other = server.open(SERVER, 3479)
        other.sendto(message(0x101, txid, xor_mapped("11.6.6.6", 6)), peer)
        other.close()
    play(answer)
    start(host)
    host.wait_for(("mapper", "ReflexiveAddress", "11.0.7.7"))
    seen = counters(host)
    assert seen["StunAnswersForeign"] == 1
    # And the second answer to what was asked twice.
    assert seen["StunAnswersUnexpected"] >= 2
    assert seen["StunAnswersMalformed"] == 5


def test_flood(host, play):
    """A server that does not stop is read, and costs no more than that."""
    def answer(server, octets, attributes, txid, peer):
        simple(server, octets, attributes, txid, peer)
        for i in range(2000):
            server.send(message(0x101, struct.pack("!12xI", i)[4:], xor_mapped("11.6.6.6", 6)), peer)
    server = play(answer)
    start(host)
    host.wait_for(("mapper", "ReflexiveAddress", "11.0.7.7"))
    host.wait_for(lambda: counters(host)["StunAnswersUnexpected"] > 1000)
    assert host.get_property("mapper", "State") == "ready"
    assert len(set(server.requests)) < 10


def test_server_that_chooses_our_targets(host, play, internet, make_host):
    """OTHER-ADDRESS inside somebody's home is not sent to."""
    def answer(server, octets, attributes, txid, peer):
        if attributes.keys() & {CHANGE_REQUEST, RESPONSE_PORT}:
            return simple(server, octets, attributes, txid, peer)
        server.send(message(0x101, txid, xor_mapped(*peer),
                            attribute(OTHER_ADDRESS, struct.pack("!HH4s", 1, 53, socket.inet_aton("192.168.1.1")))),
                    peer)
    server = play(answer)
    start(host)
    host.wait_for(("mapper", "ReflexiveAddress", "11.0.7.7"))
    host.wait_for(lambda: counters(host)["StunAnswersAccepted"] >= 3)
    assert not any(CHANGE_REQUEST in attributes_of(octets) for octets in server.requests)


def test_server_goes_away(host, play):
    """What it said stays until somebody asks, and is gone when nobody answers then."""
    silent = threading.Event()

    def answer(server, octets, attributes, txid, peer):
        if not silent.is_set():
            simple(server, octets, attributes, txid, peer)
    play(answer)
    start(host)
    host.wait_for(("mapper", "ReflexiveAddress", "11.0.7.7"))
    silent.set()
    host.call("mapper", "Check")
    host.wait_for(("mapper", "ReflexiveAddress", ""), timeout=45)
