# SPDX-License-Identifier: LGPL-2.1-or-later
"""The data path with strongSwan's user-space ESP as the other end: bulk and odd sizes, new keys in the middle of them, and how
large packets may be. strongSwan answers no dummies, so its kernel is asked, by echo requests through the tunnel."""
import os
import shutil
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "bus"))

from fake_account import Account  # noqa: E402
from homeward_lab import talk, wait_until  # noqa: E402
from test_ike_rekey import call, one_child, one_sa  # noqa: E402
from test_ike_strongswan import CHARON, CHILD, DOMAIN, IKE, KEYS, OURS, PEER, THEIRS, Ours, StrongSwan  # noqa: E402
from test_tunneld_sizes import Road, fits  # noqa: E402

HERE, THERE = "11.1.0.10", "11.2.0.20"


class Ends:
    """We and strongSwan, a router each, and a link between these that can be narrow."""

    def __init__(self, make_host, octets=1500):
        self.road = Road()
        self.road.narrow(octets)
        self.desktop, self.laptop = make_host("desktop"), make_host("laptop", bus=False)
        for host, router, address in (self.desktop, self.road.west, HERE), (self.laptop, self.road.east, THERE):
            host.attach_internet(router, address)
        account = Account(DOMAIN)
        self.us = Ours(self.desktop, account, endpoint=(THERE, 4500), address=HERE)
        self.strongswan = StrongSwan(self.laptop, account, KEYS["ecdsa"](), remote=HERE, address=THERE,
                                     esp="aes128gcm16-x25519,aes128gcm16")

    def peer(self):
        peer, = self.desktop.get_objects("tunneld", PEER).values()
        return peer

    def begin_talk(self):
        mark = os.urandom(16)
        self.listener = talk.listen(self.laptop, THEIRS, mark)
        self.talker = talk.talk(self.desktop, THEIRS, mark, 1)
        return self.talker

    def end_talk(self):
        talk.end([self.talker, self.listener])
        counters = self.desktop.get_property("tunneld", "Counters")
        assert not any(counters[name] for name in ("BadIcv", "Malformed", "WrongSelector", "TunErrors")), counters

    def close(self):
        self.us.close()
        self.road.close()


@pytest.fixture
def make_ends(make_host):
    if not os.path.exists(CHARON) or not shutil.which("swanctl"):
        pytest.skip("charon-systemd is not installed")
    made = []

    def make(**options):
        made.append(Ends(make_host, **options))
        return made[-1]
    yield make
    for ends in made:
        ends.close()


def passes(host, address, *options):
    """Not each time: on a busy machine the path is in doubt for a moment, what is too large for it then is refused, and the
    kernel remembers that."""
    host.run(["ip", "-6", "route", "flush", "cache"])
    return host.run(["ping", "-n", "-c", "1", "-W", "10", *options, address], check=False).returncode == 0


@pytest.mark.parametrize("octets", (1500, 1400, 1280, 576))
def test_sizes(make_ends, octets):
    """Up to what the path takes in one piece, with nobody's help but that of the peer's kernel."""
    ends = make_ends(octets=octets)
    ends.desktop.ping(THEIRS)
    talker = ends.begin_talk()
    wait_until(lambda: ends.peer()["PathMtu"] in fits(octets), 120, f"PathMtu for {octets}")
    talker.wait_flow()
    ends.end_talk()
    for here, source, there in (ends.desktop, OURS, THEIRS), (ends.laptop, THEIRS, OURS):
        for payload in (0, 1, 777, 1233, 3001):
            wait_until(lambda: passes(here, there, "-I", source, "-s", payload), 120, f"{payload} octets from {source}")

    def largest_passes():
        # Without anything that flows a search rests.
        flows, size = passes(ends.desktop, THEIRS), ends.peer()["PathMtu"]
        return flows and size in fits(octets) and passes(ends.desktop, THEIRS, "-M", "do", "-s", size - 48)
    # One of the largest size goes as it is, and the answers to our own questions are nobody else's.
    wait_until(largest_passes, 120, "one of the largest size")


def test_new_keys_in_flow(make_ends):
    """Of children and IKE SAs, begun by either side, while streams, datagrams and fragments go both ways."""
    ends = make_ends()
    us, strongswan = ends.us, ends.strongswan
    ends.desktop.ping(THEIRS)
    talker = ends.begin_talk()
    talker.wait_flow()
    for _ in range(2):
        spi = us.child()["SpiIn"]
        call(us, CHILD, "Rekey")
        wait_until(lambda: one_child(us, spi), 120, "one new child by us")
        talker.wait_flow()
        spi = us.child()["SpiIn"]
        strongswan.control("--rekey", "--child", "tunnel")
        wait_until(lambda: one_child(us, spi), 120, "one new child by it")
        talker.wait_flow()
    for rekey in (lambda: call(us, IKE, "Rekey")), (lambda: strongswan.control("--rekey", "--ike", "home")):
        spi = us.sa()["SpiInitiator"]
        rekey()
        wait_until(lambda: one_sa(us, spi), 120, "one new IKE SA")
        talker.wait_flow()
    ends.end_talk()
