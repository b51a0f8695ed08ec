# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who sends keepalives, and how seldom: behind real NATs, with mapper finding out what they remember."""
import pytest

from fakes import Fake
from homeward_lab import wait_until
from homeward_lab.mappings import MAPPING
from test_tunneld import IDS, End, Keys, internet, ends, tunnel  # noqa: F401

STUN = "11.0.0.53"


class Nat(End):
    """A host behind a gateway, with a mapper that is not faked."""

    def __init__(self, host, gateway):
        self.host, self.name, self.id = host, host.name, IDS[host.name]
        self.gateway, self.address = gateway, gateway.wan_address
        self.identity = Fake(host, "identity", {"State": ("s", "signed-in"), "HostId": ("s", self.id)})
        self.watcher = Fake(host, "llq-watcher", {"State": ("s", "watching")})
        self.keyd = Fake(host, "keyd")
        host.move(gateway)

    def measured(self):
        return self.host.get_property("mapper", "NatSilence")


@pytest.fixture
def make_pair(make_host, make_gateway, internet):  # noqa: F811
    """make_pair(mapper.conf, kind of gateway) -> laptop behind it, with a tunnel to desktop on the internet."""
    made = []

    def make(config, kind, prepare=lambda gateway: None):
        server = make_host("zone", bus=False)
        server.attach_internet(internet, STUN)
        server.start_daemon("zoned", f"[zone]\nname = members.example.org\nserver-address = {STUN}\n[stun]\naddress = {STUN}\n")
        gateway = make_gateway("A", 1, internet=internet, kind=kind)
        prepare(gateway)
        desktop, laptop = End(make_host("desktop"), internet), Nat(make_host("laptop"), gateway)
        made.extend((desktop, laptop))
        laptop.host.start_daemon("mapper", f"[stun]\nservers = {STUN}\n{config}")
        for end, other in (desktop, laptop), (laptop, desktop):
            end.see(other)
            end.start()
            end.wait_peer(other, State="idle")
        return desktop, laptop
    yield make
    for end in made:
        for fake in end.identity, end.watcher, end.keyd, getattr(end, "mapper", None):
            if fake:
                fake.close()


def test_what_a_nat_remembers(make_pair):
    """Found by trying, used at once, and remembered for the gateway."""
    def forgets_early(gateway):
        gateway.run(["sysctl", "-qw", "net.netfilter.nf_conntrack_udp_timeout=4",
                     "net.netfilter.nf_conntrack_udp_timeout_stream=4"])
    desktop, laptop = make_pair("silences = 1 6\n", "plain", forgets_early)
    Keys().install(laptop, desktop)
    laptop.wait_peer(desktop, Keepalive=20)
    assert desktop.peer(laptop)["Keepalive"] == 0
    # tunneld asks for it with its first keepalive; here nobody waits for that.
    laptop.host.call("mapper", "MeasureSilence")
    wait_until(lambda: laptop.measured() == 1, 120, "what it remembers")
    assert "flows are remembered for 1 s here" in [text for _, _, text in laptop.host.get_property("mapper", "Timeline")]
    laptop.wait_peer(desktop, Keepalive=1)
    assert "every 1 s to 1 of 1 hosts" in laptop.host.homewardctl("status", check=False).stdout
    laptop.wait_counter("KeepalivesOut", laptop.counters()["KeepalivesOut"] + 5)
    desktop.ping(laptop)
    laptop.host.restart_daemon("mapper")
    wait_until(lambda: laptop.measured() == 1, 60, "what was found before")


def test_mapped_port_needs_none(make_pair):
    """The peer says that it reaches us at the mapped port, where packets were seen to arrive."""
    desktop, laptop = make_pair("", "igd")
    mapped = wait_until(lambda: next((mapping["External"] for mapping in laptop.host.get_objects("mapper", MAPPING).values()
                                      if mapping["Label"] == "tunnel" and mapping["State"] == "mapped"), None), 120, "a mapping")
    laptop.host.wait_for(("mapper", "Verified", "yes"), 120)
    desktop.see_again(laptop, 2, mapped)
    Keys().install(laptop, desktop)
    laptop.ping(desktop)
    laptop.wait_peer(desktop, 60, Keepalive=0)
    assert "keepalives" not in laptop.host.homewardctl("status", check=False).stdout


def test_firewall_without_nat(tunnel):  # noqa: F811
    """With an address of its own: only if what is sent from outside was seen not to arrive."""
    desktop, laptop, _ = tunnel
    assert desktop.peer(laptop)["Keepalive"] == 0
    desktop.mapper.change(Verified=("s", "no"))
    desktop.wait_peer(laptop, Keepalive=20)
    desktop.mapper.change(NatSilence=("u", 2))
    desktop.wait_peer(laptop, Keepalive=2)
    before = desktop.peer(laptop)["Counters"]
    wait_until(lambda: desktop.peer(laptop)["Counters"]["KeepalivesSent"] > before["KeepalivesSent"] + 1, 120, "keepalives")
    desktop.mapper.change(Verified=("s", "yes"))
    desktop.wait_peer(laptop, Keepalive=0)
