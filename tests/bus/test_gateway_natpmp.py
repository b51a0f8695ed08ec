# SPDX-License-Identifier: LGPL-2.1-or-later
"""mapper and NAT-PMP: gateways that the test plays, good ones and bad ones; octets as tshark reads them. What
test_mapper.py shows of NAT-PMP is not repeated here."""
import os
import struct
import time

import pytest

from homeward_lab import wait_until
from homeward_lab.mappings import Caller, arrives, mapping, socket_in, wait_mapping
from homeward_lab.played import GROUP, PlayedGateway, natpmp_address, natpmp_map, pcp_answer
from test_gateway_pcp import Sniffer

ONLY_NATPMP = "[gateway]\nprotocols = nat-pmp\n"
EXTERNAL = "11.0.1.1"
ADDRESS, UDP, TCP = 0, 1, 2


@pytest.fixture
def host(make_host):
    return make_host("desktop")


def get(host, name):
    return host.get_property("mapper", name)


def counter(host, name):
    return get(host, "Counters")[name]


class Server:
    """A NAT-PMP server that does everything right until it is told otherwise."""

    def __init__(self, gateway):
        self.played = PlayedGateway(gateway)
        self.gateway = gateway
        self.address = EXTERNAL
        self.epochs = None    # an iterator: one for each answer instead
        self.epoch = 1000
        self.ports = {}      # (operation, internal) -> external
        self.requests = []   # (operation, internal, external, lifetime)
        self.lifetime = None
        self.before = lambda request: []
        self.instead = lambda request: NotImplemented

    @property
    def epoch(self):
        return next(self.epochs) if self.epochs is not None else int(time.monotonic() - self._began)

    @epoch.setter
    def epoch(self, seconds):
        self._began = time.monotonic() - seconds

    def start(self):
        self.played.serve(self._serve)
        return self

    def _serve(self, octets):
        assert octets[0] == 0 and len(octets) == (2 if octets[1] == ADDRESS else 12), octets.hex()
        request = (octets[1], *(struct.unpack("!HHI", octets[4:]) if octets[1] else (0, 0, 0)))
        self.requests.append(request)
        instead = self.instead(request)
        return instead if instead is not NotImplemented else [*self.before(request), self.answer(request)]

    def answer(self, request):
        operation, internal, external, lifetime = request
        if operation == ADDRESS:
            return natpmp_address(self.address, self.epoch)
        if not lifetime:
            self.ports.pop((operation, internal), None)
            return natpmp_map(internal, 0, 0, self.epoch, operation)
        port = self.ports.setdefault((operation, internal), external)
        return natpmp_map(internal, port, lifetime if self.lifetime is None else self.lifetime, self.epoch, operation)

    def maps(self, deletions=False):
        return [request for request in self.requests if request[0] and bool(request[3]) != deletions]


@pytest.fixture
def server(make_gateway):
    server = Server(make_gateway(kind="plain"))
    yield server
    server.played.close()


def begin(host, server, config=ONLY_NATPMP, **wish):
    host.move(server.gateway)
    host.start_daemon("mapper", config=config)
    caller = Caller(host)
    return caller, caller.add(**wish)


def mapped(host, server, **wish):
    begun = begin(host, server.start(), **wish)
    wait_mapping(host, begun[1], "mapped", (EXTERNAL, 4500))
    return begun


def test_as_tshark_reads_it(host, server):
    sniffer = Sniffer(server.gateway)
    server.ports[UDP, 4500] = 61234
    caller, path = begin(host, server.start())
    wait_mapping(host, path, "mapped", (EXTERNAL, 61234))
    caller.release(path)
    wait_until(lambda: server.maps(deletions=True), 20, "the deletion")
    sniffer.stop()
    fields = ["version", "opcode", "internal_port", "external_port", "pml"]
    lines = server.gateway.run(["tshark", "-n", "-r", Sniffer.FILE, "-d", "udp.port==5351,nat-pmp", "-Y",
                                "nat-pmp && udp.dstport == 5351", "-T", "fields", "-E", "separator=,",
                                *(word for field in fields for word in ("-e", f"nat-pmp.{field}"))], timeout=60).stdout.split()
    assert "0,0,,," in lines
    assert "0,1,4500,4500,3600" in lines
    assert lines[-1] == "0,1,4500,0,0"
    malformed = server.gateway.run(["tshark", "-n", "-r", Sniffer.FILE, "-d", "udp.port==5351,nat-pmp", "-Y", "_ws.malformed"],
                                   timeout=60).stdout
    assert not malformed


def test_one_request_at_a_time(host, server):
    """RFC 6886 §3.1: the next one goes out when the one before it is answered."""
    host.move(server.gateway)
    host.start_daemon("mapper", config=ONLY_NATPMP)
    caller = Caller(host)
    paths = [caller.add(f"m{port}", "udp", port) for port in range(4500, 4504)]
    seen = set()
    played = server.played
    for number in range(6):
        octets = played.receive()
        while octets in seen:  # a repetition
            octets = played.receive()
        seen.add(octets)
        request = (octets[1], *(struct.unpack("!HHI", octets[4:]) if octets[1] else (0, 0, 0)))
        played.send(server.answer(request))
        if number == 4:
            break
    for port, path in enumerate(paths, 4500):
        wait_mapping(host, path, "mapped", (EXTERNAL, port))


BAD_ANSWERS = {
    "other internal port": lambda request: natpmp_map(request[1] + 1, 6666, 3600),
    "other operation": lambda request: natpmp_map(request[1], 6666, 3600, operation=TCP),
    "address instead": lambda request: natpmp_address("11.6.6.6"),
    "unknown operation": lambda request: natpmp_map(request[1], 6666, 3600, operation=3),
    "the request itself": lambda request: struct.pack("!BBHHHI", 0, 1, 0, *request[1:]),
    "cut off": lambda request: natpmp_map(request[1], 6666, 3600)[:15],
    "too long": lambda request: natpmp_map(request[1], 6666, 3600) + b"\0",
    "far too long": lambda request: natpmp_map(request[1], 6666, 3600) + bytes(2000),
    "other version": lambda request: b"\x01" + natpmp_map(request[1], 6666, 3600)[1:],
    "one octet": lambda request: b"\0",
    "nothing": lambda request: b"",
    "garbage": lambda request: b"\x09" + os.urandom(60),
    "PCP": lambda request: pcp_answer(1, payload=bytes(36)),
}


def test_bad_answers_are_dropped(host, server):
    server.before = lambda request: [make(request) for make in BAD_ANSWERS.values()] if request[3] else []
    begun = mapped(host, server)
    counters = get(host, "Counters")
    assert counters["ResponsesMalformed"] + counters["ResponsesUnexpected"] >= len(BAD_ANSWERS)
    assert counters["ResponsesUnexpected"] >= 3
    assert mapping(host, begun[1])["External"] == (EXTERNAL, 4500)
    # Who is slow to answer is asked again.
    assert len(server.maps()) <= 1 + counters["Retransmissions"]


def test_wrong_address(host, server):
    def from_elsewhere(request):
        forged = natpmp_map(request[1], 6666, 3600) if request[0] else natpmp_address("11.6.6.6")
        server.played.send_elsewhere(forged, "192.168.1.99")
        with socket_in(server.gateway, (server.played.address, 5352)) as other:
            other.sendto(forged, server.played.peer)
        return []
    server.before = from_elsewhere
    mapped(host, server)
    assert get(host, "ExternalAddress") == EXTERNAL


@pytest.mark.parametrize("lifetime, port", [(0, 4500), (3600, 0)])
def test_grant_of_nothing(host, server, lifetime, port):
    server.lifetime = lifetime
    server.ports[UDP, 4500] = port
    _, path = begin(host, server.start())
    seen = wait_mapping(host, path, "failed")
    assert seen["External"] == ("", 0) and seen["LastError"]


def test_lifetime_of_136_years_is_a_day(host, server):
    server.lifetime = 0xffffffff
    _, path = mapped(host, server)
    assert mapping(host, path)["Expires"] <= (time.time() + 86400) * 1e6


def test_epoch_that_jumps(host, server):
    """Costs some packets (the long run is in test-natpmp-state.c); what is mapped stays."""
    epochs = [4000000000, 0]
    server.epochs = iter(lambda: epochs.append(epochs[0]) or epochs.pop(0), None)
    caller, path = mapped(host, server)
    for number in range(10):
        caller.add(f"m{number}", "udp", 5000 + number)
    wait_until(lambda: len(server.ports) == 11, 30, "the other mappings")
    host.wait_for(lambda: counter(host, "GatewayRestarts") >= 1)
    assert mapping(host, path)["State"] == "mapped"
    # Each second answer goes back, and three are believed: what there is, is made again for those alone.
    assert len(server.requests) <= 70


@pytest.mark.parametrize("result", [2, 3, 4, 5, 77])
def test_results(host, server, result):
    def refuse(request):
        if not request[0]:
            return NotImplemented
        if result == 5:
            # RFC 6886 §3.5: the request sent back.
            return struct.pack("!BBHHHI", 0, 128 | request[0], 5, *request[1:])
        return natpmp_map(request[1], 0, 0, 1000, request[0], result)
    server.instead = refuse
    _, path = begin(host, server.start())
    seen = wait_mapping(host, path, "failed")
    assert seen["ResultCode"] == result and seen["LastError"]
    assert get(host, "GatewayResult") == ("nat-pmp", result)


@pytest.mark.parametrize("form", ["00000001000003e8", "00800001000003e8", "0280000100000000000003e8000000000000000000000000"])
def test_version_that_is_not_supported(host, server, form):
    """RFC 6886 §3.5 and RFC 6887 §9; miniupnpd's has the operation."""
    server.instead = lambda request: bytes.fromhex(form)
    begin(host, server.start())
    host.wait_for(lambda: get(host, "GatewayResult") == ("nat-pmp", 1))
    assert get(host, "NatKind") in ("unmapped", "unknown", "public")
    assert len(server.requests) <= 1 + counter(host, "Retransmissions")


def test_deaf_gateway_costs_nine_packets(host, server):
    """RFC 6886 §3.1, the first seconds of it; the rest is in test-natpmp-state.c."""
    server.instead = lambda request: None
    begin(host, server.start())
    wait_until(lambda: len(server.requests) == 5, 30, "five of the nine")
    assert set(server.requests) == {(ADDRESS, 0, 0, 0)} or len(set(server.requests)) == 1
    assert counter(host, "Retransmissions") == 4


def test_announced_address(host, server):
    _, path = mapped(host, server)
    server.address = "11.0.1.77"
    for _ in range(10):
        server.played.announce(natpmp_address("11.0.1.77", 1000))
    wait_mapping(host, path, "mapped", ("11.0.1.77", 4500))
    host.wait_for(lambda: counter(host, "AnnouncementsAccepted") == 10)


def test_announcement_that_is_not_true(host, server):
    """In the gateway's name, but the gateway says otherwise when it is asked: nothing changes."""
    _, path = mapped(host, server)
    asked = len(server.requests)
    generation = get(host, "NetworkGeneration")
    for _ in range(50):
        server.played.announce(natpmp_address("11.6.6.6", 0))
    wait_until(lambda: len(server.requests) > asked, 20, "the question")
    host.wait_for(lambda: counter(host, "AnnouncementsAccepted") == 50)
    assert (ADDRESS, 0, 0, 0) in server.requests[asked:]
    assert get(host, "ExternalAddress") == EXTERNAL
    assert mapping(host, path)["External"] == (EXTERNAL, 4500)
    assert get(host, "NetworkGeneration") == generation
    assert counter(host, "GatewayRestarts") == 0


def test_announcements_of_others(host, server):
    mapped(host, server)
    server.gateway.batch(["address replace 192.168.1.99/24 dev br-lan"])
    with socket_in(server.gateway, ("192.168.1.99", 5351)) as stranger:
        for _ in range(20):
            stranger.sendto(natpmp_address("11.6.6.6", 0), GROUP)
    for octets in (b"", bytes(2), natpmp_address("11.6.6.6")[:11], natpmp_map(4500, 6666, 3600), natpmp_address("0.0.0.0", result=3),
                   bytes.fromhex("00000001000003e8")):
        server.played.announce(octets)
    host.wait_for(lambda: counter(host, "AnnouncementsForeign") == 20)
    host.wait_for(lambda: counter(host, "AnnouncementsMalformed") == 6)
    assert get(host, "ExternalAddress") == EXTERNAL


def test_restart_told_by_pcp(host, server):
    """miniupnpd says that it starts by PCP alone: the epoch of NAT-PMP tells the rest."""
    _, path = mapped(host, server)
    asked = len(server.maps())
    server.epoch = 0
    server.ports.clear()
    server.played.announce(pcp_answer(0, epoch=0))
    wait_until(lambda: len(server.maps()) > asked, 20, "the mapping made again")
    assert server.maps()[-1] == (UDP, 4500, 4500, 3600)
    host.wait_for(lambda: counter(host, "GatewayRestarts") == 1)
    assert mapping(host, path)["External"] == (EXTERNAL, 4500)


def test_miniupnpd(host, make_gateway, make_host):
    gateway = make_gateway(protocols=("nat-pmp",))
    stranger = make_host("stranger")
    stranger.attach_internet(gateway.internet, "11.0.9.9")
    host.move(gateway)
    host.start_daemon("mapper", config=ONLY_NATPMP)
    caller = Caller(host)
    path = caller.add(lifetime=8)
    wait_mapping(host, path, "mapped", (gateway.wan_address, 4500))
    assert arrives(stranger, (gateway.wan_address, 4500), host, 4500)
    # A start that it announces by PCP, which is off there: the epoch of the next answer tells.
    gateway.reboot()
    wait_until(lambda: gateway.mappings(), 40, "the mapping made again")
    assert arrives(stranger, (gateway.wan_address, 4500), host, 4500)
    caller.release(path)
    wait_until(lambda: not gateway.mappings(), 20, "the deletion")
