# SPDX-License-Identifier: LGPL-2.1-or-later
"""mapper and PCP: gateways that the test plays, good ones and bad ones, and miniupnpd; octets as tshark reads them."""
import os
import struct
import subprocess
import time

import pytest

from homeward_lab import complete, wait_until
from homeward_lab.mappings import Caller, arrives, mapping, socket_in, wait_mapping
from homeward_lab.played import GROUP, PcpRequest, PlayedGateway, natpmp_address, natpmp_map, pcp_address, pcp_answer, pcp_map

ONLY_PCP = "[gateway]\nprotocols = pcp\n"
EXTERNAL = "11.0.1.1"


@pytest.fixture
def host(make_host):
    return make_host("desktop")


def get(host, name):
    return host.get_property("mapper", name)


def counter(host, name):
    return get(host, "Counters")[name]


def and_repeated(host, n):
    """So many requests, and those that were sent again because a busy machine answered after three seconds."""
    return n + counter(host, "Retransmissions")


class Server:
    """A PCP server that does everything right until it is told otherwise."""

    def __init__(self, gateway):
        self.played = PlayedGateway(gateway)
        self.gateway = gateway
        self.address = EXTERNAL
        self.epochs = None    # an iterator: one for each answer instead
        self.epoch = 1000
        self.ports = {}       # (protocol, internal) -> external
        self.requests = []    # PcpRequest
        self.others = []      # what is not PCP
        self.before = lambda request: []    # octets that are sent before the answer
        self.instead = lambda request: NotImplemented
        self.natpmp = lambda octets: None

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
        try:
            request = PcpRequest(octets)
        except ValueError:
            self.others.append(octets)
            return self.natpmp(octets)
        self.requests.append(request)
        instead = self.instead(request)
        return instead if instead is not NotImplemented else [*self.before(request), self.answer(request)]

    def answer(self, request, **others):
        if request.opcode == PcpRequest.ANNOUNCE:
            return pcp_answer(PcpRequest.ANNOUNCE, epoch=self.epoch)
        if not request.lifetime:
            self.ports.pop((request.protocol, request.internal), None)
            return pcp_map(request, "0.0.0.0", external=0, epoch=self.epoch)
        port = self.ports.setdefault((request.protocol, request.internal), request.external or request.internal)
        return pcp_map(request, self.address, **{"external": port, "epoch": self.epoch, **others})

    def maps(self, lifetime=None):
        return [request for request in self.requests if request.opcode == PcpRequest.MAP and request.internal != 9 and
                (lifetime is None or bool(request.lifetime) == lifetime)]


@pytest.fixture
def server(make_gateway):
    server = Server(make_gateway(kind="plain"))
    yield server
    server.played.close()


def begin(host, server, config=ONLY_PCP, **wish):
    host.move(server.gateway)
    host.start_daemon("mapper", config=config)
    caller = Caller(host)
    return caller, caller.add(**wish)


# The octets.

def decode(gateway, file):
    """What tshark says of a capture: [(time, words)] of PCP, and what it calls malformed."""
    tshark = ["tshark", "-n", "-r", file]
    lines = gateway.run([*tshark, "-Y", "portcontrol", "-T", "fields", "-E", "separator=,", "-e", "portcontrol.version", "-e",
                         "portcontrol.r", "-e", "portcontrol.opcode", "-e", "portcontrol.result_code"], timeout=60).stdout
    malformed = gateway.run([*tshark, "-Y", "_ws.malformed || _ws.expert.severity == error"], timeout=60).stdout
    return lines.split(), malformed


class Sniffer:
    """tcpdump on the gateway's LAN."""
    FILE = "/run/lab/tmp/lan.pcap"

    def __init__(self, gateway):
        self.gateway = gateway
        log = gateway.path("/run/lab/tmp/lan.log")
        with open(log, "wb") as output:
            self.process = gateway.popen(["tcpdump", "-i", "br-lan", "-n", "-s", "0", "-U", "--immediate-mode", "-Z", "root",
                                          "-w", self.FILE, "udp port 5351 or udp port 5350 or udp port 9"], stdout=subprocess.DEVNULL, stderr=output)
        wait_until(lambda: "listening on" in gateway.read("/run/lab/tmp/lan.log"), 10, "tcpdump")

    def stop(self):
        complete(self.gateway, self.process, self.FILE, str(self.gateway.lan.broadcast_address))
        self.process.terminate()
        self.process.wait(60)
        return decode(self.gateway, self.FILE)


def test_octets_of_the_requests(host, server):
    sniffer = Sniffer(server.gateway)
    server.ports[17, 4500] = 61234
    caller, path = begin(host, server.start())
    wait_mapping(host, path, "mapped", (EXTERNAL, 61234))
    web = caller.add("web", "tcp", 80, 8080, 60)
    wait_mapping(host, web, "mapped", (EXTERNAL, 8080))
    caller.release(path)
    caller.release(web)
    wait_until(lambda: len({request.octets for request in server.maps(lifetime=False)}) == 2, 20, "deletions")
    first = server.maps()[0]
    assert first.octets[:24].hex() == "0201000000000e10" + "00000000000000000000ffff" + bytes(map(int, host.address.split("."))).hex()
    assert first.octets[36:].hex() == "11000000" + "1194" + "1194" + pcp_address("0.0.0.0").hex()
    assert len(set(first.nonce)) > 4
    tcp = next(request for request in server.maps() if request.protocol == 6)
    assert (tcp.lifetime, tcp.internal, tcp.external) == (60, 80, 8080)
    assert tcp.nonce != first.nonce
    deletion = next(request for request in server.maps(lifetime=False) if request.protocol == 17)
    # RFC 6887 §15.1: the same nonce; port and address are zero.
    assert deletion.octets[4:8] == bytes(4)
    assert deletion.octets[24:].hex() == first.nonce.hex() + "11000000" + "1194" + "0000" + bytes(16).hex()
    assert all(not request.options for request in server.requests)
    seen, malformed = sniffer.stop()
    assert not malformed
    assert seen.count("2,0,1,") == len(server.maps())
    assert not server.others


def test_source_port_is_ours_alone(host, server):
    """RFC 6887 §8.1: random, and another one each time."""
    ports = set()
    for _ in range(3):
        begin(host, server.start())
        host.wait_for(("mapper", "Protocol", "pcp"))
        ports.add(server.played.peer[1])
        assert server.played.peer[0] == host.address
        host.stop_daemon("mapper")
    assert len(ports) > 1 and not ports & {5350, 5351}


# A gateway that misbehaves.

def wrong(**changes):
    return lambda server, request: server.answer(request, **{"external": 6666, **changes})


def changed(at, octets):
    def change(server, request):
        answer = server.answer(request, external=6666)
        return answer[:at] + octets + answer[at + len(octets):]
    return change


BAD_ANSWERS = {
    "wrong nonce": wrong(nonce=b"another once"),
    "wrong protocol": wrong(protocol=6),
    "other internal port": wrong(internal=4501),
    "third party": wrong(options=b"\x01\0\0\x10" + pcp_address("192.168.1.99")),
    "wrong opcode": changed(1, b"\x82"),
    "unknown opcode": changed(1, b"\xe3"),
    "a request": changed(1, b"\x01"),
    "other version": changed(0, b"\x03"),
    "cut off": lambda server, request: server.answer(request, external=6666)[:56],
    "not in fours": lambda server, request: server.answer(request, external=6666) + b"\0\0",
    "header alone": lambda server, request: server.answer(request, external=6666)[:24],
    "too long": lambda server, request: server.answer(request, external=6666) + b"\x80\0\0\0" * 270,
    "option beyond the end": wrong(options=b"\x80\0\xff\xff"),
    "the request itself": lambda server, request: request.octets,
    "one octet": lambda server, request: b"\x02",
    "nothing": lambda server, request: b"",
    "garbage": lambda server, request: bytes([2, 0x81, 0, 0]) + os.urandom(1096),
    "announcement": lambda server, request: pcp_answer(PcpRequest.ANNOUNCE, epoch=1000),
    "NAT-PMP": lambda server, request: natpmp_map(request.internal, 6666, 3600),
}


def test_bad_answers_are_dropped(host, server):
    """All of them before the right one, which alone counts."""
    server.before = lambda request: [make(server, request) for make in BAD_ANSWERS.values()] if request.lifetime else []
    _, path = begin(host, server.start())
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
    assert get(host, "Protocol") == "pcp"
    counters = get(host, "Counters")
    assert counters["ResponsesMalformed"] + counters["ResponsesUnexpected"] >= len(BAD_ANSWERS)
    assert counters["ResponsesMalformed"] >= 10
    assert len(server.maps()) <= and_repeated(host, 1)
    assert host.is_running("mapper")


def test_wrong_address(host, server):
    """Another machine of the LAN that knows everything, and another port of the gateway: the kernel keeps that from us."""
    def from_elsewhere(request):
        if request.opcode == PcpRequest.MAP:
            forged = pcp_map(request, "11.6.6.6", external=6666)
            server.played.send_elsewhere(forged, "192.168.1.99")
            with socket_in(server.gateway, (server.played.address, 5352)) as other:
                other.sendto(forged, server.played.peer)
        return []
    server.before = from_elsewhere
    _, path = begin(host, server.start())
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
    assert len(server.maps()) <= and_repeated(host, 1)


def test_lifetime_zero_is_no_mapping(host, server):
    server.instead = lambda request: server.answer(request, lifetime=0) if request.opcode == PcpRequest.MAP and request.lifetime \
        else NotImplemented
    _, path = begin(host, server.start())
    seen = wait_mapping(host, path, "failed")
    assert seen["External"] == ("", 0) and seen["LastError"]
    assert host.is_running("mapper")


def test_lifetime_of_136_years_is_a_day(host, server):
    server.instead = lambda request: server.answer(request, lifetime=0xffffffff) if request.opcode == PcpRequest.MAP and \
        request.lifetime else NotImplemented
    _, path = begin(host, server.start())
    seen = wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
    assert seen["Expires"] <= (time.time() + 86400) * 1e6


def test_epoch_that_jumps(host, server):
    """Costs some packets (the long run is in test-pcp-state.c); what is mapped stays."""
    epochs = [0, 4000000000]
    server.epochs = iter(lambda: epochs.append(epochs[0]) or epochs.pop(0), None)
    caller, path = begin(host, server.start())
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
    for number in range(10):
        caller.add(f"m{number}", "udp", 5000 + number)
    wait_until(lambda: len(server.ports) == 11, 20, "the other mappings")
    assert counter(host, "GatewayRestarts") >= 1
    assert mapping(host, path)["State"] == "mapped"
    # Each answer is another jump, and three are believed: what there is, is made again for those alone.
    assert len(server.requests) <= 60
    assert mapping(host, path)["External"] == (EXTERNAL, 4500)


@pytest.mark.parametrize("result, kind", [(2, "refused"), (12, "double-nat"), (8, "refused"), (200, "refused")])
def test_results(host, server, result, kind):
    server.instead = lambda request: pcp_answer(request.opcode, result, 30, 1000, request.octets[24:])
    _, path = begin(host, server.start())
    seen = wait_mapping(host, path, "failed")
    assert seen["ResultCode"] == result and seen["LastError"]
    assert get(host, "GatewayResult") == ("pcp", result)
    assert get(host, "NatKind") == kind
    if result == 12:
        assert "another NAT is between" in get(host, "Reason")
    asked = len(server.requests)
    # RFC 6887 §8.3: not again within the failure's lifetime; another mapping may be asked for.
    assert asked <= and_repeated(host, 3)


def test_lost_request_of_pcp_alone(host, server):
    """The one case that waits for the three seconds of RFC 6887 §8.1.1."""
    server.instead = lambda request: None if len(server.requests) == 1 else NotImplemented
    _, path = begin(host, server.start())
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
    assert counter(host, "Retransmissions") >= 1
    first, second = server.requests[:2]
    assert first.octets == second.octets


def test_address_that_is_not_of_ipv4(host, server):
    def six(request):
        if request.opcode != PcpRequest.MAP or not request.lifetime:
            return NotImplemented
        answer = server.answer(request)
        return answer[:44] + bytes.fromhex("20010db8000000000000000000000001") + answer[60:]
    server.instead = six
    _, path = begin(host, server.start())
    assert wait_mapping(host, path, "failed")["External"] == ("", 0)


# Other versions (RFC 6887 §9).

@pytest.mark.parametrize("refusal", ["00000001000003e8", "00810001000003e8"])
def test_gateway_that_speaks_natpmp_alone(host, server, refusal):
    """With RFC 6886's refusal, which has no response bit, and with the other one that there is."""
    server.instead = lambda request: bytes.fromhex(refusal)
    server.natpmp = lambda octets: natpmp_address(EXTERNAL) if octets[1] == 0 else \
        natpmp_map(*struct.unpack("!HHI", octets[4:12]))
    _, path = begin(host, server.start(), config="")
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
    assert get(host, "Protocol") == "nat-pmp"
    assert len(server.requests) <= and_repeated(host, 1)


def test_gateway_that_speaks_pcp_alone(host, server):
    """The first request is lost, and NAT-PMP's is answered by PCP that it is too old: PCP is asked again at once."""
    server.instead = lambda request: None if len(server.requests) == 1 else NotImplemented
    server.natpmp = lambda octets: pcp_answer(octets[1], result=1)
    _, path = begin(host, server.start(), config="[gateway]\nprotocols = pcp nat-pmp\n")
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
    assert get(host, "Protocol") == "pcp"


def test_lost_request(host, server):
    """Where both protocols are spoken, nobody waits for PCP's three seconds."""
    heard = []

    def natpmp(octets):
        heard.append(octets)
        return natpmp_address(EXTERNAL) if octets[1] == 0 else natpmp_map(*struct.unpack("!HHI", octets[4:12]))
    # Sent again because the other one was answered late, it is lost again.
    server.instead = lambda request: NotImplemented if len(heard) > 1 else None
    server.natpmp = natpmp
    _, path = begin(host, server.start(), config="")
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
    assert get(host, "Protocol") == "nat-pmp"
    assert len(server.requests) <= and_repeated(host, 1)


# What comes unasked.

def mapped(host, server, **wish):
    begun = begin(host, server.start(), **wish)
    wait_mapping(host, begun[1], "mapped", (EXTERNAL, wish.get("external") or 4500))
    return begun


def test_restart_announced(host, server):
    caller, path = mapped(host, server, external=4510)
    before = server.maps()[-1]
    asked = len(server.maps())
    server.epoch = 3
    server.ports.clear()
    server.played.announce(pcp_answer(PcpRequest.ANNOUNCE, epoch=3))
    wait_until(lambda: len(server.maps()) > asked, 20, "the mapping made again")
    again = server.maps()[-1]
    # RFC 6887 §11.2: the same external endpoint as before, and the same nonce.
    assert (again.external, again.address, again.nonce) == (4510, EXTERNAL, before.nonce)
    host.wait_for(lambda: counter(host, "GatewayRestarts") == 1)
    assert mapping(host, path)["External"] == (EXTERNAL, 4510)
    # The other copies of the announcement, and one of what is known.
    asked = len(server.requests)
    for _ in range(9):
        server.played.announce(pcp_answer(PcpRequest.ANNOUNCE, epoch=server.epoch))
    host.wait_for(lambda: counter(host, "AnnouncementsAccepted") == 10)
    caller.release(path)
    wait_until(lambda: server.maps(lifetime=False), 20, "the deletion")
    assert len(server.requests) <= and_repeated(host, asked + 1)


def test_announcements_that_are_not_the_gateways(host, server):
    caller, path = mapped(host, server)
    asked = len(server.requests)
    forged = pcp_answer(PcpRequest.ANNOUNCE, epoch=0)
    server.gateway.batch(["address replace 192.168.1.99/24 dev br-lan"])
    with socket_in(server.gateway, ("192.168.1.99", 5351)) as stranger:
        for _ in range(20):
            stranger.sendto(forged, GROUP)
    with socket_in(server.gateway, (server.played.address, 5352)) as other_port:
        other_port.sendto(forged, GROUP)
    for octets in (b"", b"\x02", forged[:23], forged + b"\0", bytes.fromhex("0200") + bytes(22), os.urandom(1400),
                   pcp_answer(PcpRequest.MAP, payload=bytes(36)), pcp_answer(PcpRequest.ANNOUNCE, result=2)):
        server.played.announce(octets)
    host.wait_for(lambda: counter(host, "AnnouncementsForeign") == 20)
    host.wait_for(lambda: counter(host, "AnnouncementsMalformed") == 9)
    caller.release(path)
    wait_until(lambda: server.maps(lifetime=False), 20, "the deletion")
    assert len(server.requests) <= and_repeated(host, asked + 1)


def test_announcement_that_is_not_true(host, server):
    """In the gateway's name, but the gateway knows nothing of it: one question, and nothing is made again."""
    mapped(host, server)
    asked = len(server.requests)
    server.played.announce(pcp_answer(PcpRequest.ANNOUNCE, epoch=0))
    wait_until(lambda: len(server.requests) > asked, 20, "the question")
    for _ in range(50):
        server.played.announce(pcp_answer(PcpRequest.ANNOUNCE, epoch=0))
    host.wait_for(lambda: counter(host, "AnnouncementsAccepted") == 51)
    assert server.requests[asked].opcode == PcpRequest.ANNOUNCE
    assert counter(host, "GatewayRestarts") == 0
    assert len(server.maps()) <= and_repeated(host, 1)


def test_mapping_update(host, server):
    """RFC 6887 §14.2: the gateway moves the mapping, and says so three times; only with our nonce."""
    _, path = mapped(host, server)
    request = server.maps()[0]
    server.played.send(pcp_map(request, "11.6.6.6", external=6666, nonce=b"another once"))
    for _ in range(3):
        server.played.send(pcp_map(request, EXTERNAL, external=5500, epoch=server.epoch))
    wait_mapping(host, path, "mapped", (EXTERNAL, 5500))
    host.wait_for(lambda: counter(host, "ResponsesUnexpected") >= 1)


# A real one.

def test_miniupnpd(host, make_gateway, make_host):
    gateway = make_gateway(protocols=("pcp",))
    sniffer = Sniffer(gateway)
    stranger = make_host("stranger")
    stranger.attach_internet(gateway.internet, "11.0.9.9")
    host.move(gateway)
    host.start_daemon("mapper", config=ONLY_PCP)
    caller = Caller(host)
    path = caller.add()
    seen = wait_mapping(host, path, "mapped", (gateway.wan_address, 4500))
    assert seen["Lifetime"] == 3600
    assert arrives(stranger, (gateway.wan_address, 4500), host, 4500)
    # It forgets everything and announces that.
    gateway.reboot()
    wait_until(lambda: gateway.mappings(), 40, "the mapping made again")
    assert arrives(stranger, (gateway.wan_address, 4500), host, 4500)
    caller.release(path)
    wait_until(lambda: not gateway.mappings(), 20, "the deletion")
    seen, malformed = sniffer.stop()
    assert not malformed
    assert "2,0,1," in seen and "2,1,1,0" in seen
