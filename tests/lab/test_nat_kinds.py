# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which kind of NAT mapper says it is behind, with real NATs and zoned as the STUN server on the internet; and whether
what a gateway maps is reached."""
import time

import pytest

from homeward_lab import wait_until
from homeward_lab.mappings import Caller, arrives, mapping, wait_mapping
from homeward_lab.played import PcpRequest, PlayedGateway, pcp_answer, pcp_map

ZONE = "members.example.org"
FIRST, SECOND = "11.0.0.53", "11.0.0.54"
ZONED = f"""[zone]
name = {ZONE}
server-address = {FIRST}
[stun]
address = {FIRST}
alternate-address = {SECOND}
"""
# By its address, for who is not signed in to its zone.
ASK = f"[stun]\nservers = {FIRST}\n"

PCP, NATPMP, IGD = "pcp", "nat-pmp", "upnp-igd"


@pytest.fixture
def host(make_host):
    return make_host("desktop")


@pytest.fixture
def make_server(make_host):
    def make(internet, config=ZONED):
        server = make_host("zone", bus=False)
        server.attach_internet(internet, FIRST)
        server.run(["ip", "address", "add", f"{SECOND}/16", "dev", "eth0"])
        server.start_daemon("zoned", config)
        return server
    return make


def all_of(host):
    return host.get_properties("mapper")


def wait_for(host, timeout=30, **wanted):
    """Until mapper's properties are these; all of them."""
    seen = {}

    def holds():
        seen.update(all_of(host))
        return all(value(seen[name]) if callable(value) else seen[name] == value for name, value in wanted.items())
    try:
        wait_until(holds, timeout)
    except TimeoutError:
        raise AssertionError(f"wanted {wanted}, seen {seen}\n{host.log_tail('mapper')}") from None
    return seen


def says(part):
    return lambda reason: part in reason


def start(host, config=ASK):
    host.start_daemon("mapper", config)


# What maps.

@pytest.mark.parametrize("protocol", (PCP, NATPMP, IGD))
def test_mapped_and_reached(host, make_gateway, make_server, protocol):
    """A packet from outside comes through the mapping, and the mapping that was only for that is gone again."""
    gateway = make_gateway("A", 1, protocols=(protocol,))
    make_server(gateway.internet)
    host.move(gateway)
    start(host)
    seen = wait_for(host, NatKind="nat", Verified="yes", NatFiltering="address-and-port-dependent",
                    NatMapping="endpoint-independent")
    assert seen["ReflexiveAddress"] == seen["ExternalAddress"] == gateway.wan_address
    assert seen["StunServer"] == f"{FIRST}:3478"
    assert seen["Protocol"] == protocol
    assert f"maps ports at its address {gateway.wan_address}" in seen["Reason"]
    wait_until(lambda: not gateway.mappings(), 10, "the proof's mapping is released")
    texts = [entry[2] for entry in seen["Timeline"]]
    assert f"others see {gateway.wan_address}" in texts
    assert "a packet from outside arrived" in texts
    # A mapping, a proof, two kinds of behaviour: a dozen, and each may be sent again where answers come late.
    assert seen["Counters"]["StunRequestsSent"] <= 40


@pytest.mark.parametrize("protocol", (NATPMP, IGD))
def test_claims_and_forwards_nothing(host, make_gateway, make_server, protocol):
    gateway = make_gateway("A", 1, protocols=(protocol,))
    make_server(gateway.internet)
    gateway.run("nft insert rule inet lab forward iifname wan ct state new drop\n")
    host.move(gateway)
    start(host)
    seen = wait_for(host, NatKind="nat", Verified="no")
    assert "says that it forwards and does not" in seen["Reason"]
    assert "no packet from outside arrives" in [entry[2] for entry in seen["Timeline"]]
    wait_until(lambda: not gateway.mappings(), 10, "the proof's mapping is released")
    # Its owner mends it, and asks.
    gateway.run("nft flush chain inet lab forward\nnft add rule inet lab forward accept\n")
    wait_until(lambda: checked(host), 20, "Check()", every=0.5)
    wait_for(host, Verified="yes")


def test_another_address_with_each_mapping(host, make_gateway, make_server):
    """What is asked to find out whether a mapping is reached is not asked again and again."""
    gateway = make_gateway("A", 1, kind="plain")
    make_server(gateway.internet)
    played, requests, addresses = PlayedGateway(gateway), [], {}

    def answer(octets):
        request = PcpRequest(octets)
        requests.append(request)
        if request.opcode != PcpRequest.MAP:
            return [pcp_answer(request.opcode, epoch=1000 + int(time.monotonic() - began))]
        address = addresses.setdefault(request.nonce, f"11.77.0.{1 + len(addresses)}")
        return [pcp_map(request, address if request.lifetime else "0.0.0.0",
                        external=None if request.lifetime else 0, epoch=1000 + int(time.monotonic() - began))]
    began = time.monotonic()
    played.serve(answer)
    host.move(gateway)
    start(host, "[gateway]\nprotocols = pcp\n" + ASK)
    caller = Caller(host)
    caller.add()
    wait_until(lambda: len(requests) > 2, 20)
    end = time.monotonic() + 10
    wait_until(lambda: time.monotonic() > end, 20)
    played.close()
    assert len(requests) <= 24, [(request.opcode, request.internal, request.lifetime) for request in requests]


def checked(host):
    try:
        host.call("mapper", "Check")
    except Exception as error:
        if "LimitsExceeded" not in str(error):
            raise
        return False
    return True


# What does not map.

def test_plain(host, make_gateway, make_server):
    gateway = make_gateway("A", 1, kind="plain")
    make_server(gateway.internet)
    host.move(gateway)
    start(host)
    seen = wait_for(host, NatKind="unmapped", NatMapping="endpoint-independent",
                    NatFiltering="address-and-port-dependent", ReflexiveAddress=gateway.wan_address)
    assert "Switch on port mapping" in seen["Reason"]
    assert seen["Verified"] == "unknown"


def test_symmetric(host, make_gateway, make_server):
    gateway = make_gateway("A", 1, kind="symmetric")
    make_server(gateway.internet)
    host.move(gateway)
    start(host)
    seen = wait_for(host, NatKind="unmapped", NatMapping="address-and-port-dependent")
    assert "another port for each other host" in seen["Reason"]


@pytest.mark.parametrize("protocol", (NATPMP, PCP))
def test_refusing(host, make_gateway, make_server, protocol):
    gateway = make_gateway("A", 1, kind="refusing", protocols=(protocol,))
    make_server(gateway.internet)
    host.move(gateway)
    start(host)
    seen = wait_for(host, ReflexiveAddress=gateway.wan_address, NatKind="refused", Reason=says("refuses (result 2)"))
    assert tuple(seen["GatewayResult"]) == (protocol, 2)


def test_public(host, make_internet, make_server):
    internet = make_internet()
    make_server(internet)
    host.attach_internet(internet, "11.0.7.7")
    start(host)
    seen = wait_for(host, NatKind="public", ReflexiveAddress="11.0.7.7", Verified="yes",
                    NatFiltering="endpoint-independent", NatMapping="endpoint-independent")
    assert seen["Reason"] == "The address 11.0.7.7 is public: others see it as it is."


def test_public_behind_firewall(host, make_internet, make_server):
    internet = make_internet()
    make_server(internet)
    host.attach_internet(internet, "11.0.7.7")
    host.run("nft add table inet wall\n"
             "nft 'add chain inet wall input { type filter hook input priority 0; policy drop; }'\n"
             "nft add rule inet wall input iifname lo accept\n"
             "nft add rule inet wall input ct state established,related accept\n")
    start(host)
    seen = wait_for(host, NatKind="public", Verified="no", NatFiltering="address-and-port-dependent")
    assert "firewall" in seen["Reason"]


@pytest.mark.parametrize("protocol", (PCP, NATPMP, IGD))
def test_gateway_gets_another_address(host, make_gateway, make_server, protocol):
    """What was seen from outside was the former one: it is no double NAT, and all is proved anew."""
    gateway = make_gateway("A", 1, protocols=(protocol,))
    make_server(gateway.internet)
    host.move(gateway)
    start(host)
    caller = Caller(host)
    caller.add()
    wait_for(host, NatKind="nat", Verified="yes")
    gateway.reboot("11.0.1.77")
    kinds = set()
    wait_for(host, timeout=90, NatKind=lambda kind: kinds.add(kind) or kind == "nat", Verified="yes",
             ExternalAddress="11.0.1.77", ReflexiveAddress="11.0.1.77")
    assert "double-nat" not in kinds, kinds
    caller.leave()


# Two of them.

def test_double(host, make_gateway, make_server):
    outer = make_gateway("outer", 1)
    inner = make_gateway("inner", 2, internet=outer)
    make_server(outer.internet)
    host.move(inner)
    start(host)
    wait_for(host, NatKind="double-nat", ReflexiveAddress=outer.wan_address, Reason=says("another router behind it"))


def test_double_mapped_hop_by_hop(host, make_gateway, make_server):
    """Each maps by another protocol; the whole chain is proved, once."""
    outer = make_gateway("outer", 1, protocols=(NATPMP,))
    inner = make_gateway("inner", 2, internet=outer, protocols=(PCP,), ext_ip=outer.wan_address)
    make_server(outer.internet)
    host.move(inner)
    start(host, f"[gateway]\nnested = {outer.lan_address}\n" + ASK)
    seen = wait_for(host, Verified="yes", NatFiltering="address-and-port-dependent")
    wait_until(lambda: not inner.mappings() and not outer.mappings(), 10, "the proof's mappings are released")
    assert [entry[2] for entry in seen["Timeline"]].count("a packet from outside arrived") == 1
    # At two gateways; and once more at the first, as long as the second had not answered.
    assert seen["Counters"]["MappingsRemoved"] <= 4


def test_double_in_disguise(host, make_gateway, make_server):
    """The gateway tells an address that looks public; only somebody outside sees that it is not the one."""
    outer = make_gateway("outer", 1, kind="plain")
    inner = make_gateway("inner", 2, internet=outer, ext_ip="11.0.99.99", protocols=(NATPMP,))
    make_server(outer.internet)
    host.move(inner)
    start(host)
    seen = wait_for(host, NatKind="double-nat", ReflexiveAddress=outer.wan_address, Verified="no")
    assert f"others see {outer.wan_address}" in seen["Reason"]


def test_carrier_grade(host, make_gateway, make_server):
    carrier = make_gateway("carrier", 1, kind="plain", lan="100.64.1.0/24")
    home = make_gateway("home", 2, internet=carrier)
    make_server(carrier.internet)
    host.move(home)
    start(host)
    wait_for(host, NatKind="carrier-grade-nat", ReflexiveAddress=carrier.wan_address, Reason=says("Ask the provider"))


def test_carrier_grade_behind_a_mute_router(host, make_gateway, make_server):
    """Nobody says so, but the second router's address does."""
    carrier = make_gateway("carrier", 1, kind="plain", lan="100.64.1.0/24")
    home = make_gateway("home", 2, internet=carrier, kind="plain")
    make_server(carrier.internet)
    host.move(home)
    start(host)
    seen = wait_for(host, NatKind="carrier-grade-nat", ReflexiveAddress=carrier.wan_address)
    assert carrier.lan_address in seen["Reason"]


def test_routed(host, make_gateway, make_server):
    """RFC 6281 §4.4.2: the default router translates nothing, and the NAT behind it has a private address."""
    outer = make_gateway("outer", 1)
    router = make_gateway("router", 2, internet=outer, kind="router")
    make_server(outer.internet)
    host.move(router)
    start(host)
    seen = wait_for(host, NatKind="routed", ReflexiveAddress=outer.wan_address)
    assert f"the next router behind it, {outer.lan_address}" in seen["Reason"]


# What is forwarded by hand.

BY_HAND = "[gateway]\nforwarded = yes\n" + ASK


def forward_by_hand(gateway, inside, port=4500):
    """As its owner does it in its pages."""
    gateway.run("nft add table ip byhand\n"
                "nft 'add chain ip byhand prerouting { type nat hook prerouting priority dstnat; }'\n"
                f"nft add rule ip byhand prerouting iifname wan udp dport {port} dnat to {inside}\n"
                "nft insert rule inet lab forward ct status dnat accept\n")


@pytest.mark.parametrize("kind", ("plain", "symmetric", "refusing"))
def test_forwarded_by_hand(host, make_host, make_gateway, make_server, kind):
    """No protocol, or one that refuses: the address that others see is told, never the private one, and it is reached."""
    gateway = make_gateway("A", 1, kind=kind)
    make_server(gateway.internet)
    host.move(gateway)
    forward_by_hand(gateway, host.address)
    start(host, BY_HAND)
    caller = Caller(host)
    path = caller.add()
    told = set()

    def is_mapped():
        seen = mapping(host, path)
        told.add(tuple(seen["External"]))
        return seen["State"] == "mapped" and seen
    seen = wait_until(is_mapped, 30, "the mapping")
    assert told <= {("", 0), (gateway.wan_address, 4500)}
    assert (seen["External"], seen["Protocol"], seen["Gateway"]) == ((gateway.wan_address, 4500), "none", "")
    assert (seen["LastError"], seen["Hops"], seen["Expires"]) == ("", [], 0)
    every = wait_for(host, NatKind="refused" if kind == "refusing" else "unmapped", Forwarded=True,
                     ExternalAddress=gateway.wan_address, Reason=says("forwarded by hand"))
    assert seen["Generation"] == every["NetworkGeneration"] == 1
    stranger = make_host("stranger", bus=False)
    stranger.attach_internet(gateway.internet, "11.0.9.9")
    assert arrives(stranger, tuple(seen["External"]), host, 4500)
    # The provider gives another address, and somebody asks.
    gateway.change_address("11.0.1.77")
    wait_until(lambda: checked(host), 20, "Check()", every=0.5)
    wait_for(host, ExternalAddress="11.0.1.77", NetworkGeneration=2)
    wait_mapping(host, path, "mapped", ("11.0.1.77", 4500))
    assert arrives(stranger, ("11.0.1.77", 4500), host, 4500)
    # Its owner switches a protocol on.
    gateway.set_protocols((NATPMP,), kind="igd")
    wait_for(host, timeout=60, NatKind="nat", Forwarded=False, ExternalAddress="11.0.1.77")
    wait_until(lambda: mapping(host, path)["Protocol"] == NATPMP, 20)
    assert mapping(host, path)["External"] == ("11.0.1.77", 4500)
    caller.leave()


def test_forwarded_by_hand_twice(host, make_host, make_gateway, make_server):
    """The inner router answers that it has no usable address, so its owner sets both by hand."""
    outer = make_gateway("outer", 1, kind="plain")
    inner = make_gateway("inner", 2, internet=outer)
    make_server(outer.internet)
    host.move(inner)
    forward_by_hand(inner, host.address)
    forward_by_hand(outer, inner.wan_address)
    start(host, BY_HAND)
    caller = Caller(host)
    path = caller.add()
    seen = wait_mapping(host, path, "mapped", (outer.wan_address, 4500))
    assert (seen["Protocol"], seen["LastError"]) == ("none", "")
    wait_for(host, NatKind="double-nat", Forwarded=True, ExternalAddress=outer.wan_address, Verified="unknown")
    stranger = make_host("stranger", bus=False)
    stranger.attach_internet(outer.internet, "11.0.9.9")
    assert arrives(stranger, (outer.wan_address, 4500), host, 4500)
    caller.leave()


# Servers.

def test_switched_off(host, make_gateway, make_server):
    gateway = make_gateway("A", 1, protocols=(NATPMP,))
    make_server(gateway.internet)
    host.move(gateway)
    start(host, ASK + "use = no\n")
    wait_for(host, NatKind="nat", State="ready")
    assert all_of(host)["Counters"]["StunRequestsSent"] == 0
    assert all_of(host)["StunServer"] == ""


def test_roaming(host, make_gateway, make_server):
    """What was found out belongs to its network."""
    a = make_gateway("A", 1, protocols=(NATPMP,))
    b = make_gateway("B", 2, kind="symmetric")
    make_server(a.internet)
    host.move(a)
    start(host)
    wait_for(host, Verified="yes", ReflexiveAddress=a.wan_address, NatMapping="endpoint-independent")
    host.move(b)
    seen = wait_for(host, LocalAddress=lambda value: value.startswith("192.168.2."))
    assert seen["Verified"] == "unknown" and seen["ReflexiveAddress"] in ("", b.wan_address)
    wait_for(host, NatKind="unmapped", ReflexiveAddress=b.wan_address, NatMapping="address-and-port-dependent")
    assert all_of(host)["Verified"] == "unknown"
