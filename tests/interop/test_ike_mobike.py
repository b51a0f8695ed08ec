# SPDX-License-Identifier: LGPL-2.1-or-later
"""MOBIKE with real strongSwan as the other host, across real NATs: either side begins and moves from the network behind
one gateway to that behind another; the IKE SA stays, and packets go on. (strongSwan's ESP in user space cannot move a pair to
another address, so it replaces the child after each update.)"""
import pytest

from test_ike_strongswan import (ADDRESS, KEYS, OURS, PEER, THEIR_ADDRESS, THEIRS, StrongSwan, ours,  # noqa: F401
                                 place)

from homeward_lab import answered, wait_until


class Mobile(StrongSwan):
    """With MOBIKE, and at whatever address it has."""

    def __init__(self, host, account, key, remote):
        super().__init__(host, account, key, remote=remote)
        path = "/run/lab/swanctl/swanctl.conf"
        text = host.read(path).replace("mobike = no", "mobike = yes").replace(
            f"local_addrs = {THEIR_ADDRESS}", "local_addrs = %any")
        host.write(path, text)
        self.control("--load-conns")

    def sas(self):
        return self.control("--list-sas").stdout


@pytest.fixture
def homes(place, make_gateway):  # noqa: F811
    internet = place[0].gateway
    return [make_gateway(name, number, internet=internet, kind="plain") for name, number in (("A", 3), ("B", 4))]


def tell_mapper(us, generation):
    """Our tunneld and keyd hear of the network from mapper."""
    us.fakes[1].change(NetworkGeneration=("t", generation), LocalAddress=("s", us.host.address))


def both_ways(us, strongswan):
    """Until answers come: what strongSwan gets while it replaces a child may be lost."""
    for host, words in (us.host, [THEIRS]), (strongswan.host, ["-I", THEIRS, OURS]):
        text = host.run(["ping", "-n", "-c", "1", "-w", "60", "-i", "0.2", *words], check=False).stdout
        assert answered(text), text


def test_we_move(place, ours, homes):  # noqa: F811
    desktop, laptop, account = place
    desktop.move(homes[0])
    strongswan = Mobile(laptop, account, KEYS["ecdsa"](), "%any")
    us = ours()
    tell_mapper(us, 2)
    both_ways(us, strongswan)
    assert homes[0].wan_address in strongswan.sas()
    spi = us.sa()["SpiInitiator"]
    for generation, home in ((3, homes[1]), (4, homes[0])):
        desktop.move(home)
        tell_mapper(us, generation)
        wait_until(lambda home=home: home.wan_address in strongswan.sas(), 20, "the update there")
        both_ways(us, strongswan)
    assert us.sa()["SpiInitiator"] == spi and us.host.get_property("keyd", "Counters")["Established"] == 1
    assert "N(UPD_SA_ADDR)" in strongswan.log()


def test_it_moves(place, ours, homes):  # noqa: F811
    desktop, laptop, account = place
    laptop.move(homes[0])
    us = ours(endpoint=(homes[0].wan_address, 4500))
    strongswan = Mobile(laptop, account, KEYS["ecdsa"](), ADDRESS)
    strongswan.control("--initiate", "--child", "tunnel")
    both_ways(us, strongswan)
    assert us.sa()["Endpoint"][0] == homes[0].wan_address
    spi = us.sa()["SpiInitiator"]
    for home in (homes[1], homes[0]):
        laptop.move(home)
        us.host.wait_for(lambda home=home: us.sa()["Endpoint"][0] == home.wan_address, 30)
        both_ways(us, strongswan)
    assert us.sa()["SpiInitiator"] == spi and us.host.get_property("keyd", "Counters")["Established"] == 1
    assert us.host.get_property("keyd", "Counters")["AddressesUpdated"] >= 2
    # It was asked whether it gets what is sent there.
    assert "COOKIE2" in strongswan.log()


def test_its_other_address(place, ours, homes):  # noqa: F811
    """It says in IKE_AUTH that it has two. Where the one in use is reached no more, the other is tried."""
    desktop, laptop, account = place
    internet = desktop.gateway
    desktop.move(homes[0])
    laptop.batch(["address add 11.0.2.21/16 dev eth0"])
    strongswan = Mobile(laptop, account, KEYS["ecdsa"](), "%any")
    us = ours()
    tell_mapper(us, 2)
    both_ways(us, strongswan)
    assert "N(ADD_4_ADDR)" in strongswan.log()
    spi = us.sa()["SpiInitiator"]
    internet.run(f"nft add table bridge cut\nnft 'add chain bridge cut forward {{ type filter hook forward priority 0; }}'\n"
                 f"nft add rule bridge cut forward ip daddr {THEIR_ADDRESS} drop\n"
                 f"nft add rule bridge cut forward ip saddr {THEIR_ADDRESS} drop")
    ping = desktop.popen(["ping", "-n", "-i", "0.2", THEIRS], stdout=-3)
    us.host.wait_for(lambda: us.sa()["Endpoint"][0] == "11.0.2.21")
    us.host.wait_for(lambda: [peer["Endpoint"][0] for peer in us.host.get_objects("tunneld", PEER).values()] == ["11.0.2.21"])
    ping.end()
    desktop.ping(THEIRS, "-i", "0.2")
    laptop.ping(OURS, "-i", "0.2", "-I", THEIRS)
    assert us.sa()["SpiInitiator"] == spi and us.host.get_property("keyd", "Counters")["Established"] == 1


def test_both_move(place, ours, homes):  # noqa: F811
    """At once: what leads to the other is where the zone says it is."""
    desktop, laptop, account = place
    internet = desktop.gateway
    desktop.move(homes[0])
    strongswan = Mobile(laptop, account, KEYS["ecdsa"](), "%any")
    us = ours()
    tell_mapper(us, 2)
    both_ways(us, strongswan)
    spi = us.sa()["SpiInitiator"]
    desktop.move(homes[1])
    laptop.attach_internet(internet, "11.0.2.30")
    tell_mapper(us, 3)
    us.fakes[2].change("/org/homeward/Watcher1/host/laptop", "org.homeward.Watcher1.Host",
                       Endpoint=("(sq)", ("11.0.2.30", 4500)), EndpointGeneration=("t", 2))
    wait_until(lambda: homes[1].wan_address in strongswan.sas(), 30, "the update there")
    us.host.wait_for(lambda: us.sa()["Endpoint"][0] == "11.0.2.30")
    desktop.ping(THEIRS, "-i", "0.2")
    laptop.ping(OURS, "-i", "0.2", "-I", THEIRS)
    assert us.sa()["SpiInitiator"] == spi and us.host.get_property("keyd", "Counters")["Established"] == 1


def test_nat_forgets(place, ours, make_gateway):  # noqa: F811
    """The NAT before us gives us another port. strongSwan sends to the old one until it is told."""
    desktop, laptop, account = place
    home = make_gateway("A", 3, internet=desktop.gateway, kind="plain", random_ports=True)
    desktop.move(home)
    strongswan = Mobile(laptop, account, KEYS["ecdsa"](), "%any")
    us = ours()
    tell_mapper(us, 2)
    both_ways(us, strongswan)
    spi = us.sa()["SpiInitiator"]
    # What the peer sees of us is known from now on.
    tell_mapper(us, 3)
    wait_until(lambda: "N(UPD_SA_ADDR)" in strongswan.log(), 10, "an update")
    updates = strongswan.log().count("N(UPD_SA_ADDR)")
    home.run(["conntrack", "-F"])
    ping = desktop.popen(["ping", "-n", "-i", "0.2", "-c", "100", "-W", "10", THEIRS], stdout=-1)
    wait_until(lambda: strongswan.log().count("N(UPD_SA_ADDR)") > updates, 30, "another update")
    both_ways(us, strongswan)
    ping.end()
    assert us.sa()["SpiInitiator"] == spi
