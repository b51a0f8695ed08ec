# SPDX-License-Identifier: LGPL-2.1-or-later
"""homewardctl netcheck against a mapper that only says what the test wants: each kind of network there is."""
import json
import threading
import time

import pytest

from fakes import Fake
from homeward_lab.mappings import Caller, wait_mapping
from homeward_lab.played import PlayedGateway, natpmp_address

MAPPING = "org.homeward.Mapper1.Mapping"
LIMITS = "org.homeward.Error.LimitsExceeded"

HOME = {
    "State": ("s", "ready"), "Reason": ("s", "all is well"), "Counters": ("a{st}", {}), "Timeline": ("a(tts)", []),
    "NetworkGeneration": ("t", 3), "PrimaryInterface": ("s", "eth0"), "LocalAddress": ("s", "192.168.1.2"),
    "Gateway": ("s", "192.168.1.1"), "ExternalAddress": ("s", "11.0.1.1"), "NetworkKind": ("s", "private"),
    "Uplinks": ("a(sssu)", [("eth0", "192.168.1.2", "192.168.1.1", 100), ("wlan0", "10.0.0.7", "10.0.0.1", 600)]),
    "GatewayHardwareAddress": ("s", "02:00:00:00:00:01"), "NatKind": ("s", "nat"), "Protocol": ("s", "nat-pmp"),
    "GatewayResult": ("(su)", ("", 0)), "Forwarded": ("b", False), "ReflexiveAddress": ("s", "11.0.1.1"), "StunServer": ("s", "stun.example.org:3478"),
    "NatMapping": ("s", "endpoint-independent"), "NatFiltering": ("s", "address-dependent"), "Verified": ("s", "unknown"),
    "Checked": ("t", 1), "GatewayPackets": ("t", 12), "GatewayPacketsPerMinute": ("u", 2),
}
NOWHERE = {"PrimaryInterface": ("s", ""), "LocalAddress": ("s", ""), "Gateway": ("s", ""), "ExternalAddress": ("s", ""),
           "Uplinks": ("a(sssu)", []), "GatewayHardwareAddress": ("s", ""), "NatKind": ("s", "unknown"),
           "Protocol": ("s", "none"), "ReflexiveAddress": ("s", ""), "State": ("s", "no-network")}
SILENT = {"Protocol": ("s", "none"), "NatKind": ("s", "unmapped"), "ExternalAddress": ("s", "")}


@pytest.fixture
def host(make_host):
    return make_host("desktop")


@pytest.fixture
def fake(host):
    """fake(properties) -> a mapper whose Check() proves everything at once."""
    fakes = []

    def make(*changes):
        properties = dict(HOME)
        for change in changes:
            properties.update({name: value if isinstance(value, tuple) else ("s", value)
                               for name, value in change.items()})
        mapper = Fake(host, "mapper", properties)
        mapper.methods["Check"] = lambda: mapper.change(Checked=("t", int(time.time() * 1000000)))
        fakes.append(mapper)
        return mapper
    yield make
    for mapper in fakes:
        mapper.close()


def netcheck(host, *arguments, status=0):
    result = host.homewardctl("netcheck", *arguments, check=False)
    assert result.returncode == status, (result.returncode, result.stdout, result.stderr)
    return result.stdout


def flat(text):
    return " ".join(text.split())


def add_mapping(mapper, **changes):
    mapper.add("/org/homeward/Mapper1/mapping/1", MAPPING, **{
        "Label": ("s", "tunnel"), "Generation": ("t", 3), "Internal": ("(sq)", ("192.168.1.2", 4555)),
        "External": ("(sq)", ("11.0.1.1", 4501)), "Protocol": ("s", "nat-pmp"), "Expires": ("t", 0),
        "State": ("s", "mapped"), "LastError": ("s", ""), "Hops": ("a(ssq)", []), **changes})


# What is told, the exit status, the kind in JSON, and words that must be there.
KINDS = {
    "public": ([{"NatKind": "public", "NetworkKind": "public", "LocalAddress": "44.1.2.3", "Protocol": "none"}],
               0, "public", ["yes", "public address 44.1.2.3"], ["What to do"]),
    "firewalled": ([{"NatKind": "public", "NetworkKind": "public", "LocalAddress": "44.1.2.3", "Verified": "no"}],
                   8, "firewall", ["no", "did not arrive", "Allow UDP port 4500", "firewalld, ufw, nftables"], []),
    "nat-pmp": ([{}], 0, "nat", ["yes", "when asked (NAT-PMP)", "11.0.1.1"], ["What to do"]),
    "pcp": ([{"Protocol": "pcp"}], 0, "nat", ["when asked (PCP)"], ["What to do"]),
    "upnp": ([{"Protocol": "upnp-igd", "Verified": "yes"}], 0, "nat", ["(UPnP)", "A test packet from outside arrived."],
             ["What to do"]),
    "lying": ([{"Verified": "no"}], 8, "not-forwarded", ["did not arrive", "restart the router", "port forwarding"],
              ["forwarded = yes"]),
    "unmapped": ([SILENT], 8, "unmapped", ["PCP, NAT-PMP and UPnP were tried", "http://192.168.1.1/",
                                           "switch on one of UPnP, NAT-PMP and PCP", '"port forwarding"',
                                           "forward UDP port 4500 to 192.168.1.2, port 4500", "DHCP reservation",
                                           '"forwarded = yes" below [gateway]'], []),
    "refused": ([{"NatKind": "refused", "GatewayResult": ("(su)", ("nat-pmp", 2))}], 8, "refused",
                ["refuses: not authorized (NAT-PMP, result 2)", "for each device"], []),
    "mismatch": ([SILENT, {"NatKind": "double-nat", "GatewayResult": ("(su)", ("pcp", 12))}], 8, "double-nat",
                 ["double NAT", "(PCP, result 12)", "another device that translates", "access point mode"],
                 ["refuses"]),
    "by-hand": ([SILENT, {"ExternalAddress": "11.0.1.1", "Forwarded": ("b", True)}], 0, "unmapped",
                ["yes", "forwarded by hand", "others are told the address 11.0.1.1"], ["What to do"]),
    "by-hand-routed": ([SILENT, {"NatKind": "routed", "ExternalAddress": "11.0.1.1", "Forwarded": ("b", True)}], 0, "routed",
                       ["forwarded by hand"], ["What to do"]),
    "no-internet": ([{"NatKind": "refused", "GatewayResult": ("(su)", ("nat-pmp", 3))}], 8, "refused",
                    ["network failure", "bridge mode", "public IPv4 address"], []),
    "full": ([{"NatKind": "refused", "GatewayResult": ("(su)", ("upnp-igd", 728))}], 8, "refused",
             ["(UPnP, result 728)", "Remove old entries"], []),
    "taken": ([{"NatKind": "refused", "GatewayResult": ("(su)", ("upnp-igd", 718))}], 8, "refused",
              ["another machine has the port"], []),
    "strange": ([{"NatKind": "refused", "GatewayResult": ("(su)", ("upnp-igd", 9999))}], 8, "refused",
                ["a reason of its own (UPnP, result 9999)", "update of its software"], []),
    "double": ([{"NatKind": "double-nat", "ExternalAddress": "192.168.178.20"}], 8, "double-nat",
               ["double NAT", "192.168.178.20", "bridge mode", "access point", "DMZ", "nested",
                "forwarded = yes"], []),
    "carrier": ([{"NatKind": "carrier-grade-nat", "ExternalAddress": "100.64.7.7"}], 8, "carrier-grade-nat",
                ["carrier-grade NAT", "100.64.7.7", "Ask the provider for a public IPv4 address"], ["port forwarding"]),
    "mobile": ([{"NatKind": "carrier-grade-nat", "NetworkKind": "shared", "LocalAddress": "100.72.1.2",
                 "ExternalAddress": "", "Protocol": "none"}], 8, "carrier-grade-nat", ["100.72.1.2"], []),
    "routed": ([SILENT, {"NatKind": "routed"}], 8, "routed", ["only passes packets on", "outer router",
                                                              "ask whoever runs the network"], []),
    "captive": ([{"NetworkKind": "captive"}], 8, "captive", ["its own page", "web browser"], ["port forwarding"]),
    "none": ([NOWHERE, {"NetworkKind": "none"}], 8, "none", ["in no network", "connect to a Wi-Fi"], []),
    "link-local": ([NOWHERE, {"NetworkKind": "link-local"}], 8, "link-local", ["169.254", "DHCP"], []),
    "no-route": ([NOWHERE, {"NetworkKind": "no-route"}], 8, "no-route", ["no default route"], []),
    "unknown": ([{"NatKind": "unknown", "Reason": "The router is being asked."}], 9, "unknown",
                ["not known yet", "The router is being asked."], ["What to do"]),
    "newer": ([{"NatKind": "quantum-nat"}], 9, "unknown", ["not known yet"], []),
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds(host, fake, name):
    changes, status, kind, there, not_there = KINDS[name]
    fake(*changes)
    text = netcheck(host, "--wait", "1" if status == 9 else "15", status=status)
    for words in there:
        assert words in flat(text), text
    for words in not_there:
        assert words not in flat(text), text
    # One screen, without an account and without any other daemon.
    assert len(text.splitlines()) <= 40 and max(len(line) for line in text.splitlines()) <= 100
    seen = json.loads(netcheck(host, "--json", "--no-check", status=status))
    assert seen["kind"] == kind
    assert seen["reachable"] is {0: True, 8: False, 9: None}[status]
    assert flat(seen["summary"]) in flat(text)
    assert all(flat(advice) in flat(text) for advice in seen["advice"])
    assert (seen["reachable"] is False) == bool(seen["advice"])


def test_facts(host, fake):
    mapper = fake({"GatewayResult": ("(su)", ("pcp", 8))})
    add_mapping(mapper)
    text = netcheck(host)
    for line in ("network 192.168.1.2 on eth0 via 192.168.1.1", "not used 10.0.0.7 on wlan0 via 10.0.0.1",
                 "router 192.168.1.1 (02:00:00:00:00:01), speaks NAT-PMP, address 11.0.1.1",
                 "refusal PCP result 8: no resources", "seen as 11.0.1.1 by stun.example.org:3478",
                 "translation mapping endpoint-independent, filtering address-dependent",
                 "test no server could send a packet from outside",
                 "ports tunnel: 192.168.1.2:4555 -> 11.0.1.1:4501, mapped",
                 "traffic 12 packets to routers since the start, 2 in the last minute", "asked now"):
        assert line in [flat(seen) for seen in text.splitlines()], text
    seen = json.loads(netcheck(host, "--json"))["mapper"]
    assert seen["uplinks"][1] == {"interface": "wlan0", "address": "10.0.0.7", "gateway": "10.0.0.1", "metric": 600}
    assert seen["gateway_result"] == {"protocol": "pcp", "code": 8} and "timeline" not in seen


def test_mapping_counts(host, fake):
    """The router speaks, but did not map the tunnel's port; what it did for others changes nothing."""
    mapper = fake()
    add_mapping(mapper, State=("s", "failed"), LastError=("s", "the gateway has no room for another mapping"),
                External=("(sq)", ("", 0)))
    mapper.add("/org/homeward/Mapper1/mapping/2", MAPPING, Label=("s", "llq"), Internal=("(sq)", ("192.168.1.2", 5352)),
               External=("(sq)", ("11.0.1.1", 5352)), State=("s", "mapped"), LastError=("s", ""))
    text = flat(netcheck(host, status=8))
    assert "did not do so for UDP port 4555: the gateway has no room for another mapping" in text
    assert "forward UDP port 4555 to 192.168.1.2, port 4555" in text
    mapper.change("/org/homeward/Mapper1/mapping/1", MAPPING, State=("s", "mapped"), LastError=("s", ""))
    netcheck(host)


def test_nested(host, fake):
    mapper = fake({"NatKind": "double-nat", "ExternalAddress": "192.168.178.20"})
    add_mapping(mapper, Hops=("a(ssq)", [("192.168.1.1", "nat-pmp", 4500), ("192.168.178.1", "pcp", 4501)]))
    assert "Each of them forwards a port" in flat(netcheck(host))
    mapper.change(Verified=("s", "no"))
    assert "did not arrive" in flat(netcheck(host, status=8))
    mapper.change(Verified=("s", "yes"))
    netcheck(host)


def test_proves_anew(host, fake):
    mapper = fake()
    netcheck(host)
    assert [call.member for call in mapper.calls] == ["Check"]
    netcheck(host, "--no-check")
    assert len(mapper.calls) == 1
    # What the proof brings is what is told, not what was known before.
    mapper.methods["Check"] = lambda: threading.Timer(0.3, lambda: mapper.change(
        Checked=("t", int(time.time() * 1000000)), NatKind=("s", "unmapped"), Protocol=("s", "none"))).start()
    netcheck(host, status=8)


def test_waits_for_the_first_answer(host, fake):
    mapper = fake({"State": "probing", "NatKind": "unknown", "Checked": ("t", 0)})
    netcheck(host, "--wait", "0", status=9)
    threading.Timer(0.3, lambda: mapper.change(State=("s", "ready"), NatKind=("s", "nat"), Checked=("t", 5))).start()
    netcheck(host)
    assert [call.member for call in mapper.calls] == ["Check"]


def test_asked_too_often(host, fake):
    mapper = fake()
    mapper.methods["Check"] = lambda: ("error", LIMITS)
    assert "yes" in netcheck(host, "--wait", "1")


def test_a_mapper_that_went(host, fake):
    result = host.homewardctl("netcheck", check=False)
    assert result.returncode == 3 and "mapper is not running" in result.stderr
    mapper = fake()
    mapper.methods["Check"] = lambda: threading.Timer(0.2, mapper.close).start()
    result = host.homewardctl("netcheck", check=False)
    assert result.returncode == 3 and "mapper is not running" in result.stderr


def test_wrong_use(host):
    for arguments in (["--wait"], ["--wait", "x"], ["--wait", "601"], ["--what"], ["more"]):
        assert host.homewardctl("netcheck", *arguments, check=False).returncode == 2


def test_nothing_steers_the_terminal(host, fake):
    fake({"StunServer": "\x1b[31mred", "Uplinks": ("a(sssu)", [("e\x1b[1m", "192.168.1.2", "192.168.1.1", 0)])})
    assert "\x1b" not in netcheck(host)


# The real mapper.

def arrive(host, gateway, *arguments, status):
    """In the gateway's network; what netcheck makes of it once mapper has come to an end."""
    host.move(gateway)
    host.wait_for(("mapper", "LocalAddress", host.address))
    return json.loads(netcheck(host, "--json", *arguments, status=status))


def test_real_networks(host, make_gateway):
    """One machine moves through networks that allow different things, and one that allows nothing."""
    host.start_daemon("mapper")
    assert "in no network" in netcheck(host, status=8)
    gateway = make_gateway("A", 1)
    seen = arrive(host, gateway, status=0)
    assert (seen["reachable"], seen["kind"]) == (True, "nat")
    assert seen["mapper"]["external_address"] == gateway.wan_address
    assert seen["mapper"]["uplinks"] == [{"interface": "eth0", "address": host.address, "gateway": gateway.lan_address,
                                          "metric": 0}]
    plain = make_gateway("B", 2, kind="plain")
    seen = arrive(host, plain, status=8)
    assert (seen["reachable"], seen["kind"]) == (False, "unmapped")
    assert plain.lan_address in seen["advice"][0]
    seen = arrive(host, make_gateway("C", 3, kind="refusing"), status=0)
    # It tells its address, and would refuse a mapping: nobody has asked for one.
    assert seen["kind"] == "nat"
    caller = Caller(host)
    wait_mapping(host, caller.add(), "failed")
    seen = json.loads(netcheck(host, "--json", status=8))
    assert seen["kind"] in ("refused", "mapping-failed")
    host.attach_internet(gateway.internet, "11.0.9.9")
    host.wait_for(("mapper", "LocalAddress", "11.0.9.9"))
    assert json.loads(netcheck(host, "--json"))["kind"] == "public"
    ip = ["address flush dev eth0 scope global", "address add 169.254.7.7/16 dev eth0"]
    host.batch(ip)
    host.wait_for(("mapper", "NetworkKind", "link-local"))
    assert json.loads(netcheck(host, "--json", status=8))["kind"] == "link-local"


@pytest.mark.parametrize("external, kind", [("192.168.178.20", "double-nat"), ("100.64.3.4", "carrier-grade-nat")])
def test_real_nested_networks(host, make_gateway, external, kind):
    played = PlayedGateway(make_gateway(kind="plain"))
    played.serve(lambda octets: natpmp_address(external) if octets[:2] == b"\0\0" else None)
    host.start_daemon("mapper")
    seen = arrive(host, played.gateway, status=8)
    assert seen["kind"] == kind and external in seen["summary"]
    played.close()


def test_status(host, fake):
    fake({"GatewayResult": ("(su)", ("nat-pmp", 2)), "Verified": "yes"})
    lines = [flat(line) for line in host.homewardctl("status").stdout.splitlines()]
    assert "outside 11.0.1.1, nat by nat-pmp, proven from outside" in lines
    assert "NAT-PMP refused: not authorized (result 2)" in lines
    assert "not used 10.0.0.7 on wlan0" in lines
