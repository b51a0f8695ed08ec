# SPDX-License-Identifier: LGPL-2.1-or-later
"""mapper behind every kind of gateway that a home has: real NAT, real miniupnpd. What mapper says is held against the
gateway's own tables and against what a stranger on the internet gets through."""
import signal

import pytest

from homeward_lab import wait_until
from homeward_lab.mappings import MAPPING, Caller, GatewayTraffic, arrives, mapping, wait_mapping

# Those that mapper speaks, the one it likes best first.
SPOKEN = ("pcp", "nat-pmp", "upnp-igd")

each_protocol = pytest.mark.parametrize("protocol", SPOKEN)


@pytest.fixture
def host(make_host):
    return make_host("desktop")


@pytest.fixture
def stranger(make_host):
    """Somebody on the internet."""
    made = make_host("stranger", bus=False)

    def attach(internet):
        made.attach_internet(internet, "11.0.9.9")
        return made
    return attach


def get(host, name):
    return host.get_property("mapper", name)


def at_home(host, gateway, **options):
    """Behind the gateway, mapper running, and a daemon that wants something of it."""
    host.move(gateway)
    host.start_daemon("mapper", **options)
    return Caller(host)


def mapped(host, path, gateway, protocol="udp", **wanted):
    """Waits until the mapping is one that the gateway has, too; its properties."""
    def holds():
        seen = mapping(host, path)
        address, port = seen["External"]
        if seen["State"] != "mapped" or address != gateway.wan_address:
            return None
        assert all(seen[name] == value for name, value in wanted.items()), seen
        return gateway.mappings(protocol).get(port) == tuple(seen["Internal"]) and seen
    return wait_until(holds, 30, f"{path} mapped by {gateway.name}")


# Each protocol.

@each_protocol
def test_one_protocol_alone(host, make_gateway, stranger, protocol):
    """The gateway speaks nothing else: mapped, reached from outside by datagram and connection, released."""
    gateway = make_gateway(protocols=(protocol,))
    caller = at_home(host, gateway)
    udp, tcp = caller.add("tunnel", "udp", 4500), caller.add("web", "tcp", 8080)
    seen = mapped(host, udp, gateway, Protocol=protocol, Internal=(host.address, 4500), LastError="")
    assert seen["Expires"] > 0 and seen["Generation"] == get(host, "NetworkGeneration")
    mapped(host, tcp, gateway, "tcp", Protocol=protocol)
    assert (get(host, "Protocol"), get(host, "NatKind")) == (protocol, "nat")
    assert get(host, "ExternalAddress") == gateway.wan_address
    someone = stranger(gateway.internet)
    assert arrives(someone, (gateway.wan_address, seen["External"][1]), host, 4500)
    assert arrives(someone, tuple(mapping(host, tcp)["External"]), host, 8080, "tcp")
    caller.release(tcp)
    wait_until(lambda: gateway.mappings("tcp") == {}, 10)
    assert host.stop_daemon("mapper") == 0
    wait_until(lambda: gateway.mappings() == {}, what="all is deleted")
    assert not arrives(someone, (gateway.wan_address, seen["External"][1]), host, 4500, timeout=0.3, tries=1)


@each_protocol
def test_gateway_reboots(host, make_gateway, stranger, protocol):
    """And has another address afterwards; then once more with the same one."""
    gateway = make_gateway(protocols=(protocol,))
    caller = at_home(host, gateway)
    path = caller.add(lifetime=6)
    port = mapped(host, path, gateway)["External"][1]
    generation = get(host, "NetworkGeneration")
    someone = stranger(gateway.internet)
    for address in ("11.0.1.88", "11.0.1.88"):
        gateway.reboot(wan_address=address)
        seen = mapped(host, path, gateway, External=(address, port))
        assert arrives(someone, (address, port), host, 4500)
    assert seen["Generation"] == get(host, "NetworkGeneration") == generation + 1


@each_protocol
def test_gateway_gets_another_address(host, make_gateway, stranger, protocol):
    gateway = make_gateway(protocols=(protocol,))
    caller = at_home(host, gateway)
    path = caller.add(lifetime=20)
    mapped(host, path, gateway)
    gateway.change_address("11.0.1.77")
    seen = mapped(host, path, gateway)
    assert get(host, "ExternalAddress") == "11.0.1.77"
    assert arrives(stranger(gateway.internet), tuple(seen["External"]), host, 4500)


@each_protocol
def test_mapping_lost_behind_our_back(host, make_gateway, stranger, protocol):
    """No announcement and no epoch tells of it: the renewal at half life makes it again."""
    gateway = make_gateway(protocols=(protocol,))
    caller = at_home(host, gateway)
    path = caller.add(lifetime=4)
    mapped(host, path, gateway)
    gateway.forget_mappings()
    assert gateway.mappings() == {}
    seen = mapped(host, path, gateway)
    assert arrives(stranger(gateway.internet), tuple(seen["External"]), host, 4500)


@each_protocol
def test_killed_and_back(host, make_gateway, protocol):
    """A run that had no chance to delete anything leaves nothing that the next one does not want."""
    gateway = make_gateway(protocols=(protocol,))
    caller = at_home(host, gateway)
    mapped(host, caller.add(), gateway)
    host.kill_daemon("mapper", signal.SIGKILL)
    assert list(gateway.mappings()) == [4500]
    host.restart_daemon("mapper")
    mapped(host, caller.add(), gateway, External=(gateway.wan_address, 4500), Protocol=protocol)
    assert list(gateway.mappings()) == [4500]


@each_protocol
def test_two_hosts_want_one_port(host, make_host, make_gateway, stranger, protocol):
    gateway = make_gateway(protocols=(protocol,))
    caller = at_home(host, gateway)
    path = caller.add()
    first = mapped(host, path, gateway)
    laptop = make_host("laptop")
    other = at_home(laptop, gateway)
    second = mapped(laptop, other.add(), gateway)
    assert first["External"] != second["External"]
    assert mapped(host, path, gateway)["External"] == first["External"]
    someone = stranger(gateway.internet)
    assert arrives(someone, tuple(first["External"]), host, 4500)
    assert arrives(someone, tuple(second["External"]), laptop, 4500)


@each_protocol
def test_refusing(host, make_gateway, protocol):
    gateway = make_gateway(kind="refusing", protocols=(protocol,))
    caller = at_home(host, gateway)
    seen = wait_mapping(host, caller.add(), "failed")
    assert seen["External"] == ("", 0) and seen["LastError"]
    # miniupnpd looks for a port it may give by UPnP, finds none, and says that; or that it may not.
    refusals = {("upnp-igd", 728), ("upnp-igd", 606)} if protocol == "upnp-igd" else {(protocol, 2)}
    host.wait_for(("mapper", "GatewayResult", lambda result: tuple(result) in refusals))
    host.wait_for(("mapper", "NatKind", "refused"))
    if protocol != "upnp-igd":
        assert "refuses" in seen["LastError"]
        # Others are asked in between.
        host.wait_for(lambda: "refuses" in get(host, "Reason"), 30)


def test_all_protocols(host, make_gateway, stranger):
    """The best one is taken, and the mapping is made once."""
    gateway = make_gateway()
    caller = at_home(host, gateway)
    seen = mapped(host, caller.add(), gateway, Protocol=SPOKEN[0])
    assert gateway.mappings() == {seen["External"][1]: (host.address, 4500)}
    assert arrives(stranger(gateway.internet), tuple(seen["External"]), host, 4500)


# Gateways that do not map.

def test_none(host, make_gateway, stranger):
    """It counts as public, as RFC 6281 §4.1 has it, and whoever looks finds out that it is not."""
    gateway = make_gateway(kind="plain")
    caller = at_home(host, gateway)
    wait_mapping(host, caller.add(), "public", (host.address, 4500))
    assert not arrives(stranger(gateway.internet), (gateway.wan_address, 4500), host, 4500, timeout=0.3, tries=1)


def test_switched_on_later(host, make_gateway, stranger):
    gateway = make_gateway(kind="plain")
    caller = at_home(host, gateway)
    path = caller.add()
    wait_mapping(host, path, "public", (host.address, 4500))
    gateway.set_protocols(SPOKEN, kind="igd")
    seen = mapped(host, path, gateway)
    assert arrives(stranger(gateway.internet), tuple(seen["External"]), host, 4500)


# More than one NAT.

def test_behind_two_gateways(host, make_gateway):
    """The inner one has a private address itself: miniupnpd says that it has none."""
    outer = make_gateway("outer", 2)
    inner = make_gateway("inner", 5, internet=outer)
    caller = at_home(host, inner)
    seen = wait_mapping(host, caller.add(), "failed")
    assert "no usable address" in seen["LastError"]
    assert "no address from its provider" in get(host, "Reason")
    assert inner.mappings() == outer.mappings() == {}


def test_behind_two_gateways_that_do_not_know(host, make_gateway, stranger):
    """The network between them has public numbers: the mapping is made and nothing arrives."""
    outer = make_gateway("outer", 2, kind="plain", lan="198.20.5.0/24")
    inner = make_gateway("inner", 5, internet=outer)
    caller = at_home(host, inner)
    seen = mapped(host, caller.add(), inner)
    assert seen["External"][0] == inner.wan_address == "198.20.5.10"
    assert not arrives(stranger(outer.internet), (outer.wan_address, 4500), host, 4500, timeout=0.3, tries=1)


def test_hop_by_hop(host, make_gateway, stranger):
    """Each of two gateways is asked, as configured; only both together let anything in. The inner one says that its
    address is the outer one's, because it is to map at all (miniupnpd's ext_ip)."""
    outer = make_gateway("outer", 2)
    inner = make_gateway("inner", 5, internet=outer, ext_ip=outer.wan_address)
    caller = at_home(host, inner, config=f"[gateway]\nnested = {outer.lan_address}\n")
    path = caller.add()
    seen = wait_mapping(host, path, "mapped")
    assert seen["External"][0] == outer.wan_address
    assert [hop[0] for hop in seen["Hops"]] == [inner.lan_address, outer.lan_address]
    assert inner.mappings() == {seen["Hops"][0][2]: (host.address, 4500)}
    assert outer.mappings() == {seen["External"][1]: (inner.wan_address, seen["Hops"][0][2])}
    assert arrives(stranger(outer.internet), tuple(seen["External"]), host, 4500)
    caller.release(path)
    wait_until(lambda: inner.mappings() == outer.mappings() == {}, 20, "both to be released")


def test_carrier_grade(host, make_gateway):
    """The provider's NAT stands between the gateway and the internet (100.64/10)."""
    carrier = make_gateway("carrier", 2, kind="plain", lan="100.64.9.0/24")
    gateway = make_gateway("A", 1, internet=carrier)
    caller = at_home(host, gateway)
    wait_mapping(host, caller.add(), "failed")
    assert gateway.mappings() == {}


def test_routed_network(host, make_gateway):
    """The default router does not translate; the one that does is a hop further (RFC 6281 §4.4.2)."""
    gateway = make_gateway("A", 1)
    router = make_gateway("R", 8, internet=gateway, kind="router")
    host.move(router)
    assert host.run(["ping", "-c1", "-W60", "-q", gateway.internet.address]).returncode == 0
    caller = at_home(host, router)
    wait_mapping(host, caller.add(), "public", (host.address, 4500))
    assert gateway.mappings() == {}


@each_protocol
def test_symmetric(host, make_gateway, stranger, protocol):
    """What goes out gets another port for each destination; what comes in by the mapping arrives all the same."""
    gateway = make_gateway(protocols=(protocol,), random_ports=True)
    caller = at_home(host, gateway)
    seen = mapped(host, caller.add(), gateway)
    assert arrives(stranger(gateway.internet), tuple(seen["External"]), host, 4500)


# Several ways out.

def test_cable_and_wireless(host, make_gateway, stranger):
    """The mapping is always at the gateway of the way in use, and what was made at the other one ends with its life."""
    house, phone = make_gateway("A", 1), make_gateway("B", 2)
    caller = at_home(host, house)
    path = caller.add(lifetime=8)
    mapped(host, path, house)
    wireless = host.add_uplink(phone)
    host.wait_for(("mapper", "Uplinks", lambda uplinks: len(uplinks) == 2))
    # The cable has no metric: it is the better one.
    assert [tuple(uplink) for uplink in get(host, "Uplinks")] == [("eth0", host.address, house.lan_address, 0),
                                                                 ("eth1", wireless, phone.lan_address, 600)]
    seen = mapped(host, path, house)
    generation = seen["Generation"]
    assert phone.mappings() == {}
    someone = stranger(house.internet)
    host.disconnect()
    seen = mapped(host, path, phone, Internal=(wireless, 4500))
    assert seen["Generation"] > generation
    assert arrives(someone, tuple(seen["External"]), host, 4500, address=wireless)
    host.move(house)
    seen = mapped(host, path, house, Internal=(host.address, 4500))
    assert arrives(someone, tuple(seen["External"]), host, 4500)
    wait_until(lambda: phone.mappings() == {}, 30, "the end of the mapping at the other gateway")


# Steady state.

@each_protocol
def test_calm_gateway_is_left_alone(host, make_gateway, protocol):
    """While nothing happens, nothing is sent: not for who asks for what it has, nor for the bus's readers. What is sent
    is what mapper says that it sent."""
    gateway = make_gateway(protocols=(protocol,))
    traffic = GatewayTraffic(host)
    caller = at_home(host, gateway)
    paths = [caller.add(f"x-{i}", port=5000 + i) for i in range(4)]
    for path in paths:
        mapped(host, path, gateway)
    host.wait_for(("mapper", "State", "ready"))
    sent = traffic.packets()
    other = host.connect_bus()
    for _ in range(20):
        other.objects("org.homeward.Mapper1")
        assert caller.add("x-1", port=5001) == paths[1]
    other.close()
    assert traffic.packets() == sent
    assert len(host.get_objects("mapper", MAPPING)) == 4
    told = get(host, "GatewayPackets")
    assert told == sent if protocol != "upnp-igd" else sent <= told


@each_protocol
def test_what_a_renewal_costs(host, make_gateway, protocol):
    """Each half of a life; which is half an hour where it is four seconds here."""
    gateway = make_gateway(protocols=(protocol,))
    traffic = GatewayTraffic(host)
    caller = at_home(host, gateway)
    path = caller.add(lifetime=4)
    seen = mapped(host, path, gateway)
    first, sent, again = seen["Expires"], traffic.packets(), get(host, "Counters")["Retransmissions"]
    wait_until(lambda: mapping(host, path)["Expires"] >= first + 6, 30)
    packets = traffic.packets() - sent
    # Each one prolongs it by two seconds, or more on a slow machine; and one may be under way at either end.
    renewals = (wait_mapping(host, path, "mapped")["Expires"] - first) // 2 + 2
    # The mapping, and maybe the address; UPnP also looks whether it is there.
    assert packets - (get(host, "Counters")["Retransmissions"] - again) <= renewals * (2 if protocol != "upnp-igd" else 4)
    assert get(host, "GatewayPacketsPerMinute") >= 3
