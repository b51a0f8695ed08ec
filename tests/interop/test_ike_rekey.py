# SPDX-License-Identifier: LGPL-2.1-or-later
"""New keys within an IKE SA, with real strongSwan as the other host: of the child and of the IKE SA, begun by either side,
while packets go through the tunnel."""
import pytest

from test_ike_strongswan import CHILD, DOMAIN, IKE, KEYS, OURS, THEIRS, StrongSwan, ours, place  # noqa: F401

from homeward_lab import answered, wait_until


@pytest.fixture(params=["initiator", "responder"])
def pair(request, place, ours):  # noqa: F811
    """(us, strongSwan) with a tunnel that we, or they, have begun."""
    desktop, laptop, account = place
    us = ours()
    strongswan = StrongSwan(laptop, account, KEYS["ecdsa"](), esp="aes128gcm16-x25519,aes128gcm16")
    if request.param == "initiator":
        us.ping()
    else:
        strongswan.control("--initiate", "--child", "tunnel")
    assert us.sa()["Role"] == request.param
    assert "1 received" in us.ping()
    return us, strongswan


class Traffic:
    """Pings both ways, and at the end that none of them was lost."""

    def __init__(self, us, strongswan):
        self.us, self.strongswan = us, strongswan

    def __enter__(self):
        options = ["ping", "-n", "-i", "0.02", "-c", "150", "-w", "60"]
        self.pings = [self.us.host.popen([*options, THEIRS], stdout=-1),
                      self.strongswan.host.popen([*options, "-I", THEIRS, OURS], stdout=-1)]

    def __exit__(self, *_):
        for ping in self.pings:
            text = ping.communicate(timeout=120)[0].decode()
            assert answered(text) >= set(range(1, 151)), text


def one_child(us, other_than):
    """The only child SA there is, with other SPIs."""
    children = list(us.host.get_objects("keyd", CHILD).values())
    return len(children) == 1 and children[0]["SpiIn"] != other_than and children[0]["State"] == "live"


def one_sa(us, other_than):
    sas = list(us.host.get_objects("keyd", IKE).values())
    return len(sas) == 1 and sas[0]["SpiInitiator"] != other_than and sas[0]["State"] == "established"


def call(us, interface, method):
    path, = us.host.get_objects("keyd", interface)
    with us.host.connect_bus() as bus:
        bus.call("org.homeward.Key1", path, interface, method, "")


def theirs_installed(strongswan):
    return strongswan.control("--list-sas").stdout.count("INSTALLED")


@pytest.mark.parametrize("who", ["we", "it"])
def test_child(pair, who):
    us, strongswan = pair
    spi = us.child()["SpiIn"]
    with Traffic(us, strongswan):
        if who == "we":
            call(us, CHILD, "Rekey")
        else:
            strongswan.control("--rekey", "--child", "tunnel")
        wait_until(lambda: one_child(us, spi), 10, "one new child")
    wait_until(lambda: theirs_installed(strongswan) == 1, 10, "one child there")
    assert us.host.get_property("keyd", "Counters")["ChildrenRekeyed"] == 1
    # The Diffie-Hellman of its own: strongSwan names its group in the new child's proposal.
    assert "CURVE_25519" in strongswan.control("--list-sas").stdout.split("INSTALLED")[1]
    assert "1 received" in us.ping()


@pytest.mark.parametrize("who", ["we", "it"])
def test_sa(pair, who):
    us, strongswan = pair
    child, spi = us.child()["SpiIn"], us.sa()["SpiInitiator"]
    with Traffic(us, strongswan):
        if who == "we":
            call(us, IKE, "Rekey")
        else:
            strongswan.control("--rekey", "--ike", "home")
        wait_until(lambda: one_sa(us, spi), 10, "one new IKE SA")
    assert us.sa()["Role"] == ("initiator" if who == "we" else "responder")
    assert us.host.get_property("keyd", "Counters")["Rekeyed"] == 1
    if who == "it":
        # It inherits the child.
        assert us.child()["SpiIn"] == child
    else:
        wait_until(lambda: one_child(us, child), 10, "one new child")
    # And goes on: a new child by either side, then the end.
    spi = us.child()["SpiIn"]
    strongswan.control("--rekey", "--child", "tunnel")
    wait_until(lambda: one_child(us, spi), 10, "one new child")
    spi = us.child()["SpiIn"]
    call(us, CHILD, "Rekey")
    wait_until(lambda: one_child(us, spi), 10, "one new child")
    assert "1 received" in us.ping()
    strongswan.control("--terminate", "--ike", "home")
    us.host.wait_for(lambda: not us.host.get_objects("keyd", IKE) and not us.host.get_objects("keyd", CHILD))


def test_both_at_once(pair):
    """Whatever comes of it, it ends with one child that works."""
    us, strongswan = pair
    spi = us.child()["SpiIn"]
    with Traffic(us, strongswan):
        rekey = strongswan.host.popen(["swanctl", "--rekey", "--child", "tunnel", "--uri", "unix:///run/lab/vici"],
                                      env=strongswan.environment, stdout=-1)
        call(us, CHILD, "Rekey")
        rekey.communicate(timeout=120)
        wait_until(lambda: one_child(us, spi), 20, "one new child")
    wait_until(lambda: theirs_installed(strongswan) == 1, 20, "one child there")
    assert "1 received" in us.ping()


def test_it_deletes_the_child(pair):
    us, strongswan = pair
    strongswan.control("--terminate", "--child", "tunnel")
    us.host.wait_for(lambda: not us.host.get_objects("keyd", CHILD))
    assert "1 received" in us.ping()
