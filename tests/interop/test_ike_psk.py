# SPDX-License-Identifier: LGPL-2.1-or-later
"""Preshared keys with real strongSwan: those that authenticate (RFC 7296 2.15), and the post-quantum one where the
other side has another one or none (RFC 8784). Both roles, and traffic goes both ways after each."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from homeward_lab import USERS  # noqa: E402
from test_ike_matrix import PRFS, lend, places  # noqa: E402, F401
from test_ike_strongswan import CHILD, DOMAIN, IKE  # noqa: E402

KEY = bytes(range(1, 33))
PPK = bytes(range(32))


def give_key(place, key=KEY, mode=0o600, owner="homeward-key"):
    """keyd's file, and its configuration."""
    place.desktop.write("/etc/homeward/keyd.psk", f"laptop.{DOMAIN} 0x{key.hex()}\n")
    path = place.desktop.path("/etc/homeward/keyd.psk")
    os.chown(path, USERS[owner], 0)
    os.chmod(path, mode)
    return "[psk]\nfile = /etc/homeward/keyd.psk\n"


def demand_key(place, key=KEY):
    """strongSwan has the same one, and neither shows nor wants certificates."""
    path = "/run/lab/swanctl/swanctl.conf"
    text = place.laptop.read(path)
    for side in "local ", "remote":
        text = text.replace(f"   {side} {{ auth = pubkey", f"   {side} {{ auth = psk")
    text = text.replace("            certs = host.crt\n", "")
    place.laptop.write(path, text + f"secrets {{ ikehome {{\n id = desktop.{DOMAIN}\n secret = 0x{key.hex()}\n}} }}\n")
    place.them.control("--load-all")


@pytest.fixture(scope="module")
def shared_with_key(places):  # noqa: F811
    place = places()
    place.start(config=give_key(place), ppk=PPK)
    demand_key(place)
    return place


@pytest.fixture
def with_key(shared_with_key, request):
    yield from lend(shared_with_key, request)


@pytest.mark.parametrize("prf", PRFS)
@pytest.mark.parametrize("role", ["initiator", "responder"])
def test_psk(with_key, role, prf):
    with_key.propose(f"aes256gcm16-{prf}-x25519", "aes256gcm16")
    before = with_key.counters()
    with_key.begin(role)
    sa = with_key.us.sa()
    assert sa["Authentication"] == "psk" and sa["Ppk"] is False
    with_key.traffic()
    after = with_key.counters()
    assert after["SignaturesMade"] == before["SignaturesMade"]
    assert after["SignaturesChecked"] == before["SignaturesChecked"]
    assert "pre-shared key" in with_key.them.log()
    assert "preshared key" in with_key.desktop.homewardctl("tunnels").stdout


def test_psk_is_rekeyed(with_key):
    with_key.begin("initiator")
    former = with_key.us.sa()["SpiInitiator"]
    with_key.them.control("--rekey", "--ike", "home")
    with_key.desktop.wait_for(lambda: [sa["SpiInitiator"] != former and sa["State"]
                                       for sa in with_key.desktop.get_objects("keyd", IKE).values()] == ["established"],
                              60)
    assert with_key.us.sa()["Authentication"] == "psk"
    with_key.traffic()


def test_other_key(with_key):
    """Another key than ours, in both roles; and a certificate instead does not help."""
    demand_key(with_key, KEY[::-1])
    try:
        before = with_key.counters()["RefusedPeers"]
        assert with_key.them.control("--initiate", "--child", "tunnel", check=False).returncode != 0
        with_key.desktop.wait_for(lambda: with_key.counters()["RefusedPeers"] > before)
        before = with_key.counters()["NegotiationsFailed"]
        with_key.desktop.popen(["ping", "-n", "-c", "1", "-W", "1", "fda1:a2a3:a4a5:a6a7:16:3eff:fe00:1"])
        with_key.desktop.wait_for(lambda: with_key.counters()["NegotiationsFailed"] > before, 60)
        assert not with_key.desktop.get_objects("keyd", CHILD)
    finally:
        demand_key(with_key)


def test_no_certificate_instead(places):  # noqa: F811
    """We have a key for it, and it comes with a good certificate: nothing."""
    place = places()
    place.start(config=give_key(place))
    result = place.them.control("--initiate", "--child", "tunnel", check=False)
    assert "AUTH" in result.stdout + result.stderr and not place.desktop.get_objects("keyd", CHILD)
    place.desktop.wait_for(lambda: "it has no preshared key for us, and we have one for it" in
                           place.desktop.log("keyd"))


def test_no_key_instead(places):  # noqa: F811
    """It has a key, and nobody gave us one: nothing."""
    place = places().start()
    demand_key(place)
    result = place.them.control("--initiate", "--child", "tunnel", check=False)
    assert "AUTH" in result.stdout + result.stderr and not place.desktop.get_objects("keyd", CHILD)
    place.desktop.wait_for(lambda: "it has a preshared key for us, and we have none for it" in
                           place.desktop.log("keyd"))


@pytest.fixture(scope="module")
def shared_with_ppk(places):  # noqa: F811
    return places().start(ppk=PPK)


@pytest.fixture
def with_other_ppk(shared_with_ppk, request):
    yield from lend(shared_with_ppk, request)


def have_other_ppk(place, required, wanted=f"other.{DOMAIN}"):
    """strongSwan has one, of another name than ours; as responder it hears of those that `wanted` says."""
    path = "/run/lab/swanctl/swanctl.conf"
    kept = [line for line in place.laptop.read(path).splitlines() if "ppk_" not in line]
    text = "\n".join(kept).split("secrets {")[0].replace(
        "   encap = yes\n", f"   encap = yes\n   ppk_id = {wanted}\n   ppk_required = {required}\n")
    place.laptop.write(path, text + f"\nsecrets {{ ppkother {{\n id = other.{DOMAIN}\n secret = 0x{PPK.hex()}\n}} }}\n")
    place.them.control("--load-all")


@pytest.mark.parametrize("role", ["initiator", "responder"])
def test_other_ppk(with_other_ppk, role):
    """Both announce one, not the same, and neither requires it: NO_PPK_AUTH."""
    have_other_ppk(with_other_ppk, "no", "*" if role == "initiator" else f"other.{DOMAIN}")
    with_other_ppk.begin(role)
    assert with_other_ppk.us.sa()["Ppk"] is False
    assert "NO_PPK" in with_other_ppk.them.log()
    with_other_ppk.traffic()


def test_other_ppk_required(with_other_ppk):
    """strongSwan requires its own: nothing, in both roles."""
    have_other_ppk(with_other_ppk, "yes")
    assert with_other_ppk.them.control("--initiate", "--child", "tunnel", check=False).returncode != 0
    before = with_other_ppk.counters()["NegotiationsFailed"]
    with_other_ppk.desktop.popen(["ping", "-n", "-c", "1", "-W", "1", "fda1:a2a3:a4a5:a6a7:16:3eff:fe00:1"])
    with_other_ppk.desktop.wait_for(lambda: with_other_ppk.counters()["NegotiationsFailed"] > before, 60)
    assert not with_other_ppk.desktop.get_objects("keyd", CHILD)


@pytest.mark.parametrize("role", ["initiator", "responder"])
def test_ppk_required_here(places, role):  # noqa: F811
    """We require ours, and strongSwan knows none."""
    place = places().start(ppk=PPK, config="[ppk]\nuse = required\n")
    if role == "responder":
        assert place.them.control("--initiate", "--child", "tunnel", check=False).returncode != 0
        place.desktop.wait_for(lambda: "it uses no post-quantum preshared key, and we require one" in
                               place.desktop.log("keyd"))
    else:
        place.desktop.popen(["ping", "-n", "-c", "1", "-W", "1", "fda1:a2a3:a4a5:a6a7:16:3eff:fe00:1"])
        place.desktop.wait_for(lambda: place.counters()["NegotiationsFailed"], 60)
        place.desktop.wait_for(lambda: "it uses no post-quantum preshared key, and we require one" in
                               place.desktop.log("keyd"))
    assert not place.desktop.get_objects("keyd", CHILD)
