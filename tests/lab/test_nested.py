# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two NATs one behind the other, each of which maps ports: mapper asks one after the other when it is told of the outer
one ([gateway] nested), and a stranger's datagram goes through both. The network between them has public numbers, for
miniupnpd maps nothing at a private address of its own."""
import pytest

from homeward_lab import wait_until
from homeward_lab.mappings import Caller, arrives, mapping, wait_mapping

SAYS = {"ext_ip": "25.0.0.10"}


@pytest.fixture
def host(make_host):
    return make_host("desktop")


@pytest.fixture
def nested(make_gateway):
    """The outer and the inner gateway."""
    outer = make_gateway("outer", 2)
    return outer, make_gateway("inner", 5, internet=outer, **SAYS)


def start(host, inner, outer, protocols="pcp nat-pmp upnp-igd"):
    host.move(inner)
    host.start_daemon("mapper", f"[gateway]\nprotocols = {protocols}\nnested = {outer.lan_address}\n")
    return Caller(host)


def through_both(host, path, inner, outer):
    """Waits until both gateways have it; the mapping's properties."""
    def holds():
        seen = mapping(host, path)
        if seen["State"] != "mapped" or seen["External"][0] != outer.wan_address or len(seen["Hops"]) != 2:
            return None
        (first, _, port), (second, _, last) = seen["Hops"]
        assert (first, second, last) == (inner.lan_address, outer.lan_address, seen["External"][1])
        return (inner.mappings().get(port) == tuple(seen["Internal"]) and
                outer.mappings().get(last) == (inner.wan_address, port) and seen)
    return wait_until(holds, 30, f"{path} mapped by both")


@pytest.fixture
def stranger(make_host):
    made = make_host("stranger", bus=False)

    def attach(internet):
        made.attach_internet(internet, "11.0.9.9")
        return made
    return attach


@pytest.mark.parametrize("protocol", ("pcp", "nat-pmp", "upnp-igd"))
def test_hop_by_hop(host, nested, stranger, protocol):
    """Whatever the inner one speaks; UPnP does not leave its own network."""
    outer, inner = nested
    caller = start(host, inner, outer, protocol)
    path = caller.add()
    seen = through_both(host, path, inner, outer)
    assert [hop[1] for hop in seen["Hops"]] == [protocol, "nat-pmp"]
    assert seen["Gateway"] == outer.lan_address
    assert host.get_property("mapper", "ExternalAddress") == outer.wan_address
    assert host.get_property("mapper", "NatKind") == "nat"
    assert arrives(stranger(outer.internet), tuple(seen["External"]), host, 4500)
    caller.release(path)
    wait_until(lambda: inner.mappings() == outer.mappings() == {}, 10)


def test_ports_are_taken(host, make_host, nested, stranger):
    """Another host has 4500 at both: what the inner gateway gives instead is what the outer one is asked for."""
    outer, inner = nested
    other = make_host("laptop")
    wait_mapping(other, start(other, inner, outer).add(), "mapped")
    caller = start(host, inner, outer)
    seen = through_both(host, caller.add(), inner, outer)
    assert seen["Hops"][0][2] != 4500 and seen["External"][1] != 4500
    assert arrives(stranger(outer.internet), tuple(seen["External"]), host, 4500)


def test_each_is_looked_after(host, nested, stranger):
    """One restarts and forgets, then the other: each is made again, and nobody waits for the end of its life."""
    outer, inner = nested
    caller = start(host, inner, outer)
    path = caller.add(lifetime=120)
    through_both(host, path, inner, outer)
    inner.reboot()
    seen = through_both(host, path, inner, outer)
    assert arrives(stranger(outer.internet), tuple(seen["External"]), host, 4500)


def test_outer_one_does_not_answer(host, make_gateway):
    """The configuration is of another place: what the first gateway says counts."""
    outer = make_gateway("outer", 2, kind="plain")
    inner = make_gateway("inner", 5, internet=outer, **SAYS)
    caller = start(host, inner, outer)
    seen = wait_mapping(host, caller.add(), "mapped", (SAYS["ext_ip"], 4500))
    assert [hop[0] for hop in seen["Hops"]] == [inner.lan_address]


def test_outer_one_refuses(host, make_gateway):
    outer = make_gateway("outer", 2, kind="refusing")
    inner = make_gateway("inner", 5, internet=outer, **SAYS)
    caller = start(host, inner, outer)
    seen = wait_mapping(host, caller.add(), "failed")
    assert "refuses" in seen["LastError"] and seen["ResultCode"] == 2
    assert outer.lan_address in host.get_property("mapper", "Reason")
