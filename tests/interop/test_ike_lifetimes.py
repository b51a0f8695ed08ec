# SPDX-License-Identifier: LGPL-2.1-or-later
"""New keys by time and by volume, with real strongSwan as the other host: either side finds that a pair, or the IKE SA, has
been used enough, while packets go through."""
import pytest

from test_ike_strongswan import CHILD, IKE, KEYS, OURS, THEIRS, StrongSwan, ours, place  # noqa: F401

from homeward_lab import wait_until

ESP = "aes128gcm16-x25519,aes128gcm16"


def limit_theirs(strongswan, of_child="", of_ike=""):
    path = "/run/lab/swanctl/swanctl.conf"
    text = strongswan.host.read(path)
    text = text.replace("      start_action = none\n", "      start_action = none\n" + of_child)
    strongswan.host.write(path, text.replace("   mobike = no\n", "   mobike = no\n" + of_ike))
    strongswan.control("--load-conns")


def limit_ours(us, lines):
    us.host.stop_daemon("keyd")
    us.host.start_daemon("keyd", "[rekey]\njitter = 0\n" + lines)
    us.host.wait_for(("keyd", "State", "ready"))


def goes_on(us, strongswan, counter, other_interface):
    """Until there were two of these rekeys; the tunnel works and there is one of each at the end."""
    ping = us.host.popen(["ping", "-n", "-i", "0.02", "-s", "1000", THEIRS], stdout=-3)
    us.host.wait_for(lambda: us.host.get_property("keyd", "Counters")[counter] >= 2)
    ping.end()
    assert "1 received" in us.ping()
    strongswan.host.ping(OURS, "-I", THEIRS, "-i", "0.2")
    assert us.host.get_property("keyd", "Counters")["Established"] == 1
    assert us.host.get_property("keyd", "Counters")["DeadPeers"] == 0
    us.host.wait_for(lambda: len(us.host.get_objects("keyd", other_interface)) >= 1)


@pytest.mark.parametrize("lines, counter", [
    ("child = 2\n", "ChildrenRekeyed"), ("packets = 50\n", "ChildrenRekeyed"), ("mebibytes = 1\n", "ChildrenRekeyed"),
    ("ike = 2\n", "Rekeyed")], ids=["time", "packets", "octets", "ike-time"])
def test_we_have_had_enough(place, ours, lines, counter):  # noqa: F811
    desktop, laptop, account = place
    us = ours()
    limit_ours(us, lines)
    strongswan = StrongSwan(laptop, account, KEYS["ecdsa"](), esp=ESP)
    assert "1 received" in us.ping()
    goes_on(us, strongswan, counter, IKE)
    assert "CREATE_CHILD_SA request" in strongswan.log()


@pytest.mark.parametrize("of_child, of_ike, counter", [
    ("      rekey_time = 2s\n      rand_time = 0s\n      life_time = 100s\n", "", "ChildrenRekeyed"),
    ("      rekey_packets = 50\n      rand_packets = 0\n      life_packets = 5000000\n", "", "ChildrenRekeyed"),
    ("      rekey_bytes = 50000\n      rand_bytes = 0\n      life_bytes = 500000000\n", "", "ChildrenRekeyed"),
    ("", "   rekey_time = 2s\n   rand_time = 0s\n   over_time = 100s\n", "Rekeyed")],
    ids=["time", "packets", "octets", "ike-time"])
def test_it_has_had_enough(place, ours, of_child, of_ike, counter):  # noqa: F811
    desktop, laptop, account = place
    us = ours()
    strongswan = StrongSwan(laptop, account, KEYS["ecdsa"](), esp=ESP)
    limit_theirs(strongswan, of_child, of_ike)
    strongswan.control("--initiate", "--child", "tunnel")
    assert "1 received" in us.ping()
    goes_on(us, strongswan, counter, CHILD)
