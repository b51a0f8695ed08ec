# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each running daemon's introspection equals its XML in bus-interfaces/: names, signatures, argument names, access,
annotations. The objects that only come to be between hosts are compared in the lab."""
import pytest

from homeward_lab import DAEMONS, HOUSE
from homeward_lab import introspection


@pytest.fixture
def host(make_host):
    host = make_host("desktop")
    host.batch(["link add eth0 address 00:22:69:8e:34:2a type veth peer name far", "link set eth0 up",
                "link set far up", "address add 192.168.1.2/24 dev eth0", "route add default via 192.168.1.1"])
    return host


def start(host, name):
    if not host.has_program(name):
        pytest.skip(f"{name} is not built")
    host.start_daemon(name)


def test_contract_is_well_formed():
    contract = introspection.contract()
    names = [DAEMONS[name].bus_name for name in HOUSE]
    assert set(names) <= set(contract)
    for name in contract:
        assert any(name == n or name.startswith(n + ".") for n in names)
    for name in names:
        common = {key: value for key, value in contract[name].items()
                  if key in ("property State", "property Reason", "property Counters", "property Timeline")}
        assert common == {"property State": ("s", "read", "announced: true", {}),
                          "property Reason": ("s", "read", "announced: true", {}),
                          "property Counters": ("a{st}", "read", "announced: false", {}),
                          "property Timeline": ("a(tts)", "read", "announced: false", {})}
        assert "starting" in introspection.documented_states(name)


@pytest.mark.parametrize("name", HOUSE)
def test_daemon_alone(host, name):
    start(host, name)
    introspection.check(host, name)


@pytest.mark.parametrize("name", HOUSE)
def test_everyone_may_read(host, name):
    start(host, name)
    bus_name = host.bus_name(name)
    with host.connect_bus(65534) as nobody:
        assert bus_name in nobody.introspect(bus_name, "/" + bus_name.replace(".", "/"))
        assert nobody.get_all(bus_name, "/" + bus_name.replace(".", "/"), bus_name)["State"]
        assert nobody.objects(bus_name)


def test_mapping(host):
    start(host, "mapper")
    with host.connect_bus("homeward-tunnel") as tunnel:
        path = tunnel.call("org.homeward.Mapper1", "/org/homeward/Mapper1", "org.homeward.Mapper1", "AddMapping", "ssqqu",
                           "tunnel", "udp", 4500, 0, 0)
        assert path.startswith("/org/homeward/Mapper1/mapping/")
        assert "org.homeward.Mapper1.Mapping" in introspection.check(host, "mapper")
