# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tunneld sees of the traffic and tells keyd over the bus: a pair that has carried enough, a peer that is silent. Both
are real, on two hosts; what keyd makes of it is asserted on the other side too."""
import pytest

from homeward_lab import wait_until
from test_keyd import PEER, account, ends  # noqa: F401

CHILD = "org.homeward.Key1.ChildSa"


def start(ends, config=""):  # noqa: F811
    desktop, laptop = ends
    desktop.see(laptop)
    laptop.see(desktop)
    for end in ends:
        end.host.start_daemon("tunneld")
        end.host.start_daemon("keyd", config)
        end.host.wait_for(("keyd", "State", "ready"))
        end.wait_tunnel()
    desktop.ping(laptop)
    return desktop, laptop


def spis(end):
    return sorted(child["SpiIn"] for child in end.children().values() if child["State"] == "live")


@pytest.mark.parametrize("limit, count", [("mebibytes = 1", 500), ("packets = 40", 100)])
def test_worn(ends, limit, count):  # noqa: F811
    """By volume: the pair is replaced while pings go through."""
    desktop, laptop = start(ends, f"[rekey]\n{limit}\njitter = 0\n")
    before = spis(desktop)
    desktop.host.ping(laptop.id, "-i", "0.005", "-s", "1200", count=count)
    for end in desktop, laptop:
        end.wait(lambda end=end: end.counters()["ChildrenRekeyed"] >= 1, "new keys")
        end.wait(lambda end=end: len(spis(end)) == 1 and spis(end) != before, "one new child")
    # Whoever has been replaced is worn no more.
    for end in desktop, laptop:
        end.wait(lambda end=end: end.peer()["Worn"] in (0, *spis(end)), "what is worn")
    assert desktop.counters()["Established"] == 1 and desktop.counters()["Rekeyed"] == 0
    desktop.host.ping(laptop.id, "-i", "0.05", count=3)


def test_limit_is_announced(ends):  # noqa: F811
    """LimitSa, and Worn as a property that changes."""
    desktop, laptop = start(ends)
    spi, = spis(desktop)
    with desktop.host.connect_bus("homeward-key") as bus:
        bus.call("org.homeward.Tunnel1", "/org/homeward/Tunnel1", "org.homeward.Tunnel1", "LimitSa", "utt", spi, 1, 0)
        # One that is not there is no error.
        bus.call("org.homeward.Tunnel1", "/org/homeward/Tunnel1", "org.homeward.Tunnel1", "LimitSa", "utt", spi ^ 1, 1, 0)
    desktop.ping(laptop)
    desktop.wait(lambda: desktop.counters()["ChildrenRekeyed"] == 1, "new keys")
    desktop.wait(lambda: len(spis(desktop)) == 1 and spis(desktop) != [spi], "another pair")
    desktop.wait(lambda: desktop.peer()["Worn"] == 0, "nothing worn")


def test_silent(ends):  # noqa: F811
    """What is sent comes to nothing: tunneld says so, keyd asks, and when the peer answers again nothing has changed."""
    desktop, laptop = start(ends)
    before, sa = spis(desktop), desktop.sas()
    assert not desktop.peer()["Silent"]
    laptop.host.run("nft add table inet cut\nnft 'add chain inet cut in { type filter hook input priority 0; }'\n"
                    "nft add rule inet cut in udp dport 4500 drop")
    repeated = desktop.counters()["Retransmitted"]
    ping = desktop.host.popen(["ping", "-n", "-i", "0.2", laptop.id], stdout=-3)
    wait_until(lambda: desktop.peer()["Silent"], what="silence")
    desktop.wait(lambda: desktop.counters()["Retransmitted"] > repeated, "a question")
    laptop.host.run("nft delete table inet cut")
    wait_until(lambda: not desktop.peer()["Silent"], what="an answer")
    ping.end()
    desktop.host.ping(laptop.id, "-i", "0.2")
    assert spis(desktop) == before and set(desktop.sas()) == set(sa)
    assert desktop.counters()["DeadPeers"] == 0
