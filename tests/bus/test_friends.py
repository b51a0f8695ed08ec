# SPDX-License-Identifier: LGPL-2.1-or-later
"""Others who care for interfaces and routes: firewalld, NetworkManager and networkd, a VPN of the user's own."""
import configparser
import fnmatch
import os
import xml.etree.ElementTree

import fakes
import pytest
from homeward_lab import wait_until
from homeward_lab.daemons import DAEMONS, TOP, USERS, Daemon
from test_tunneld import End, ends, internet, tunnel  # noqa: F401

FIREWALLD = "org.fedoraproject.FirewallD1"
POLICY = f"""<busconfig><policy user="root"><allow own="{FIREWALLD}"/></policy>
<policy context="default"><allow send_destination="{FIREWALLD}"/></policy></busconfig>"""


class Firewalld(fakes.Fake):
    """What of it is asked here. `zones`: interface to zone; `problem`: what it answers instead."""

    def __init__(self, host):
        self.zones, self.problem = {}, None
        host.write("/run/lab/bus.d/firewalld.conf", POLICY)
        host.bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig")
        super().__init__(host, "firewalld", methods={"addInterface": self.add_interface})

    def add_interface(self, zone, interface):
        if self.problem:
            return "error", FIREWALLD + ".Exception", self.problem
        if interface in self.zones:
            kind = "ZONE_ALREADY_SET" if self.zones[interface] == zone else "ZONE_CONFLICT"
            return "error", FIREWALLD + ".Exception", f"{kind}: '{interface}' already bound to '{zone}'"
        self.zones[interface] = zone
        return "s", zone

    def reload(self):
        self.zones.clear()
        self._signal("/org/fedoraproject/FirewallD1", FIREWALLD, "Reloaded", "")


@pytest.fixture
def firewalld(monkeypatch):
    monkeypatch.setitem(DAEMONS, "firewalld", Daemon("firewalld", None, "root", FIREWALLD, ()))
    monkeypatch.setitem(USERS, "root", 0)
    made = []

    def make(host):
        made.append(Firewalld(host))
        return made[-1]
    yield make
    for fake in made:
        fake.close()


@pytest.fixture
def make_end(make_host, internet):  # noqa: F811
    made = []

    def make():
        made.append(End(make_host("desktop"), internet))
        return made[-1]
    yield make
    for end in made:
        for fake in end.identity, end.mapper, end.watcher, end.keyd:
            fake.close()


def zone_of(end):
    return end.host.get_property("tunneld", "FirewallZone")


def test_firewalld(make_end, firewalld):
    """Into its zone when tunneld starts, when firewalld starts, and when it forgot; where the user wants it otherwise, not."""
    end = make_end()
    end.start()
    assert zone_of(end) == ""
    fake = firewalld(end.host)
    wait_until(lambda: zone_of(end) == "homeward", 60, "the zone")
    # The second one is there when the kernel seals.
    both = {"homeward0": "homeward", "homeward0-k": "homeward"}
    wait_until(lambda: fake.zones == both, 60, "both")
    assert "zone homeward" in end.host.homewardctl("status", check=False).stdout
    fake.reload()
    wait_until(lambda: fake.zones == both, 60, "the zones again")
    # A tunneld that starts where it is set already.
    end.host.kill_daemon("tunneld")
    end.start("[firewall]\nzone = homeward\n")
    wait_until(lambda: zone_of(end) == "homeward", 60, "the zone as it was")
    fake.zones["homeward0"] = "drop"
    end.host.kill_daemon("tunneld")
    end.start()
    wait_until(lambda: "firewalld has homeward0 in another zone" in end.host.log("tunneld"), 60, "a word about it")
    assert zone_of(end) == "" and fake.zones["homeward0"] == "drop"
    fake.problem = "INVALID_ZONE: homeward"
    end.host.kill_daemon("tunneld")
    end.start()
    wait_until(lambda: "firewall-cmd --reload" in end.host.log("tunneld"), 60, "what to do")
    # Not wanted. (What the former one asked may come only now.)
    end.host.kill_daemon("tunneld")
    end.start("[firewall]\nzone =\n")
    asking = end.host.bus.owner("org.homeward.Tunnel1")
    assert zone_of(end) == "" and asking and asking not in [call.sender for call in fake.calls]


def test_shipped_files():
    """Each says what it is to say about the interfaces of tunneld and about no other."""
    def read(*path):
        parser = configparser.ConfigParser(interpolation=None)
        parser.optionxform = str
        parser.read(os.path.join(TOP, "packaging", *path))
        return parser
    ours, others = ("homeward0", "hwproof0"), ("eth0", "wlan0", "tun0", "wg0", "home0")
    networkd = read("networkd", "05-homeward.network")
    assert networkd["Link"]["Unmanaged"] == "yes"
    patterns = networkd["Match"]["Name"].split()
    manager = read("NetworkManager", "homeward.conf")["device-homeward"]
    assert manager["managed"] == "0"
    specs = [spec.removeprefix("interface-name:") for spec in manager["match-device"].split(",")]
    assert specs == patterns
    assert all(any(fnmatch.fnmatch(name, pattern) for pattern in patterns) for name in ours)
    assert not any(fnmatch.fnmatch(name, pattern) for name in others for pattern in patterns)
    zone = xml.etree.ElementTree.parse(os.path.join(TOP, "packaging/firewalld/zones/homeward.xml")).getroot()
    assert zone.tag == "zone" and zone.get("target") == "ACCEPT" and zone.find("short").text == "homeward"
    service = xml.etree.ElementTree.parse(os.path.join(TOP, "packaging/firewalld/services/homeward.xml")).getroot()
    assert {(port.get("protocol"), port.get("port")) for port in service.iter("port")} == {("udp", "4500"), ("udp", "5350")}


def rules(host):
    return [host.run(["ip", family, "rule", "show"]).stdout for family in ("-4", "-6")]


def test_beside_a_vpn(tunnel):  # noqa: F811
    """One that takes all IPv6 there is, as wg-quick sets it up: what is for our peers still goes to them, and its routes
    and rules are as it left them."""
    desktop, laptop, _ = tunnel
    host = desktop.host
    host.run("ip link add vpn0 type veth peer name vpn1\nip link set vpn1 up\nip link set vpn0 up\nip -6 address add fd99::2/64 dev vpn0 nodad\n"
             "ip -6 route add default dev vpn0 table 51820\nip -6 rule add not fwmark 51820 table 51820\n"
             "ip -6 rule add table main suppress_prefixlength 0\n")
    before = rules(host), host.run(["ip", "-6", "route", "show", "table", "51820"]).stdout
    assert "vpn0" in host.run(["ip", "-6", "route", "get", "2001:db8::1"]).stdout
    assert "homeward0" in host.run(["ip", "-6", "route", "get", laptop.id]).stdout
    desktop.ping(laptop)
    host.kill_daemon("tunneld")
    desktop.start()
    desktop.wait_peer(laptop, State="idle")
    wait_until(lambda: "homeward0" in host.run(["ip", "-6", "route", "get", laptop.id]).stdout, what="the way to the peer")
    assert (rules(host), host.run(["ip", "-6", "route", "show", "table", "51820"]).stdout) == before


def test_strict_reverse_path(tunnel):  # noqa: F811
    """With two ways out and a kernel that drops what comes by the other one, people are told so."""
    desktop, _, _ = tunnel
    host = desktop.host
    assert "rp_filter" not in host.get_property("tunneld", "Reason")
    host.run("ip link add eth1 type veth peer name eth2\nip link set eth2 up\nip address add 10.9.9.2/24 dev eth1\nip link set eth1 up\n"
             "ip route add default via 10.9.9.1 dev eth1 metric 50\n"
             "ip route add default dev eth0 metric 900\n"
             "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=2 net.ipv4.conf.eth1.rp_filter=1\n")
    assert "net.ipv4.conf.eth1.rp_filter is 1" in host.get_property("tunneld", "Reason")
    host.run(["sysctl", "-qw", "net.ipv4.conf.eth1.rp_filter=2"])
    assert host.get_property("tunneld", "Reason") == "The tunnel is up."
