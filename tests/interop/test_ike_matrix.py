# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every algorithm of keyd with real strongSwan, in both roles; cookies forced; messages in pieces. One charon and one
keyd serve many cases: strongSwan's one proposal decides, and traffic goes both ways after each."""
import os
import re
import shutil
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "bus"))

from fake_account import Account  # noqa: E402
from homeward_lab import Host, Internet, wait_until  # noqa: E402
from test_ike_strongswan import (ADDRESS, CHARON, CHILD, DOMAIN, IKE, OURS, PEER, THEIR_ADDRESS, THEIRS,  # noqa: E402
                                 Ours, StrongSwan, stranger)

CIPHERS = ("aes128gcm16", "aes256gcm16", "chacha20poly1305")
PRFS = ("prfsha256", "prfsha384", "prfsha512")
GROUPS = ("x25519", "ecp256", "ecp384")
pytestmark = pytest.mark.xdist_group("matrix")
SUITES = [(cipher, prf, group) for cipher in CIPHERS for prf in PRFS for group in GROUPS]


class Place:
    """desktop with keyd and laptop with charon, on one internet."""

    def __init__(self):
        self.internet = Internet("internet")
        self.internet.wait_ready()
        self.desktop, self.laptop = Host("desktop"), Host("laptop", bus=False)
        for host, address in (self.desktop, ADDRESS), (self.laptop, THEIR_ADDRESS):
            host.wait_ready()
            host.attach_internet(self.internet, address)
        self.account = Account(DOMAIN)
        self.us = self.them = None

    def start(self, key=None, config=None, extra="", ppk=None, **options):
        self.them = StrongSwan(self.laptop, self.account, key or ec.generate_private_key(ec.SECP256R1()), extra=extra,
                               **options)
        if config is not None:
            self.desktop.write("/etc/homeward/keyd.conf", config)
        self.us = Ours(self.desktop, self.account, ppk=ppk)
        return self

    def down(self):
        """No SA on either side, and keyd has seen that."""
        self.them.control("--terminate", "--ike", "home", check=False)
        self.desktop.wait_for(lambda: not self.desktop.get_objects("keyd", IKE), 20)
        self.desktop.wait_for(lambda: all(peer["State"] == "idle"
                                          for peer in self.desktop.get_objects("tunneld", PEER).values()))
        wait_until(lambda: "ESTABLISHED" not in self.them.control("--list-sas").stdout, 10, "no SA at strongSwan")

    def demand_ppk(self, secret, required):
        """strongSwan has the account's preshared key as well."""
        path = "/run/lab/swanctl/swanctl.conf"
        text = self.laptop.read(path).replace("   encap = yes\n", "   encap = yes\n"
                                              f"   ppk_id = {DOMAIN}\n   ppk_required = {required}\n")
        self.laptop.write(path, text + f"secrets {{ ppkhome {{\n id = {DOMAIN}\n secret = 0x{secret.hex()}\n}} }}\n")
        self.them.control("--load-all")

    def propose(self, ike, esp):
        """strongSwan offers and takes just these from now on."""
        path = "/run/lab/swanctl/swanctl.conf"
        text = re.sub(r"(?m)^   proposals = .*", f"   proposals = {ike}", self.laptop.read(path))
        self.laptop.write(path, re.sub(r"(?m)^      esp_proposals = .*", f"      esp_proposals = {esp}", text))
        self.them.control("--load-conns")

    def begin(self, role):
        """An SA that this side begins."""
        if role == "initiator":
            assert "1 received" in self.us.ping()
        else:
            self.them.control("--initiate", "--child", "tunnel")
        self.desktop.wait_for(lambda: [sa["State"] for sa in self.desktop.get_objects("keyd", IKE).values()] ==
                              ["established"])
        assert self.us.sa()["Role"] == role

    def traffic(self):
        self.desktop.ping(THEIRS, "-i", "0.02", "-s", "1200", count=2)
        self.laptop.ping(OURS, "-i", "0.02", "-I", THEIRS, count=2)

    def counters(self):
        return self.desktop.get_property("keyd", "Counters")

    def show(self):
        print(self.desktop.log_tail("keyd", 40), self.laptop.read("/run/lab/charon.log")[-4000:])

    def close(self):
        if self.us:
            self.us.close()
        for place in self.desktop, self.laptop, self.internet:
            place.close()


@pytest.fixture(scope="module")
def places():
    if os.geteuid() != 0:
        pytest.skip("needs root (namespaces)")
    if not os.path.exists(CHARON) or not shutil.which("swanctl"):
        pytest.skip("charon-systemd is not installed")
    made = []

    def make():
        made.append(Place())
        return made[-1]
    yield make
    for place in made:
        place.close()


@pytest.fixture(scope="module")
def shared(places):
    return places().start()


def lend(place, request):
    """The same place for test after test, and no SA that a test leaves behind."""
    yield place
    if request.node.report_call.failed:
        place.show()
    place.down()


@pytest.fixture
def place(shared, request):
    yield from lend(shared, request)


@pytest.mark.parametrize("number", range(len(SUITES)), ids=["-".join(suite) for suite in SUITES])
def test_suite(place, number):
    """Each suite of IKE once; each of its algorithms, and each of ESP, comes in both roles."""
    ike = "-".join(SUITES[number])
    role = "responder" if number % 2 else "initiator"
    esp = CIPHERS[(number + number // 3) % 3]
    place.propose(ike, esp)
    place.begin(role)
    assert place.us.sa()["Proposal"] == ike and place.us.child()["Algorithm"] == esp
    place.traffic()
    sas = place.them.control("--list-sas").stdout
    assert "ESTABLISHED" in sas and "INSTALLED" in sas


@pytest.mark.parametrize("ike, esp", [
    ("aes256-sha256-x25519", "aes128gcm16"), ("aes128gcm16-prfsha256-modp2048", "aes128gcm16"),
    ("aes128gcm16-prfsha1-x25519", "aes128gcm16"), ("aes128gcm8-prfsha256-x25519", "aes128gcm16")])
@pytest.mark.parametrize("role", ["initiator", "responder"])
def test_refused(place, role, ike, esp):
    """Nothing weaker, whoever begins."""
    place.propose(ike, esp)
    if role == "responder":
        result = place.them.control("--initiate", "--child", "tunnel", check=False)
        assert result.returncode != 0 and "NO_PROP" in result.stdout + result.stderr
        assert not place.desktop.get_objects("keyd", IKE)
        return
    before = place.counters()["Unexpected"]
    place.desktop.popen(["ping", "-n", "-c", "1", "-W", "1", THEIRS])
    place.desktop.wait_for(lambda: place.counters()["Unexpected"] > before)
    assert not place.desktop.get_objects("keyd", CHILD)
    # What waits is let go of once strongSwan takes something again.
    place.propose("aes128gcm16-prfsha256-x25519", "aes128gcm16")
    place.desktop.wait_for(lambda: place.desktop.get_objects("keyd", CHILD), 30)


def test_esp_refused(place):
    """AES-CBC for ESP: the IKE SA stands, there is no child."""
    place.propose("aes128gcm16-prfsha256-x25519", "aes128-sha256")
    result = place.them.control("--initiate", "--child", "tunnel", check=False)
    assert "NO_PROP" in result.stdout + result.stderr
    assert place.us.sa()["State"] == "established" and not place.desktop.get_objects("keyd", CHILD)


PIECES = "  fragment_size = 576\n"
DIVIDED = "[responder]\ncookies-from = 0\n[messages]\ndatagram-size = 576\n"


@pytest.fixture(scope="module")
def shared_divided(places):
    """Both sides divide what makes more than 576 octets, and charon has a certificate with a key of 4096 bits; keyd
    wants cookies always."""
    return places().start(key=rsa.generate_private_key(65537, 4096), config=DIVIDED, extra=PIECES)


@pytest.fixture
def divided(shared_divided, request):
    yield from lend(shared_divided, request)


@pytest.mark.parametrize("role", ["initiator", "responder"])
def test_pieces_and_cookies(divided, role):
    before = divided.counters()
    divided.begin(role)
    divided.traffic()
    after = divided.counters()
    assert after["Reassembled"] > before["Reassembled"]
    assert after["FragmentsReceived"] >= before["FragmentsReceived"] + 3
    assert after["Malformed"] == before["Malformed"] and after["Unauthentic"] == before["Unauthentic"]
    if role == "responder":
        assert after["CookiesSent"] > before["CookiesSent"]
    log = divided.laptop.read("/run/lab/charon.log")
    assert "received fragment #" in log and "splitting IKE message" in log


@pytest.mark.parametrize("key", [
    lambda: ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate,
    lambda: rsa.generate_private_key(65537, 3072)], ids=["ecdsa384", "ed25519", "rsa3072"])
def test_certificate(places, key, request):
    """And a cookie that strongSwan wants: it has one half-open SA already."""
    place = places().start(key=key(), remote="%any", extra="  cookie_threshold = 1\n")
    place.desktop.run(["/usr/bin/python3", "-c", "import socket, sys; s = socket.socket(socket.AF_INET, "
                       "socket.SOCK_DGRAM); s.sendto(bytes.fromhex(sys.argv[1]), (sys.argv[2], 500)); "
                       "s.settimeout(60); s.recv(4096)", stranger().hex(), THEIR_ADDRESS])
    place.begin("initiator")
    place.traffic()
    assert "N(COOKIE)" in place.them.log()
    place.down()


@pytest.fixture(scope="module")
def shared_with_ppk(places):
    place = places().start(ppk=bytes(range(32)))
    place.demand_ppk(bytes(range(32)), "yes")
    return place


@pytest.fixture
def with_ppk(shared_with_ppk, request):
    yield from lend(shared_with_ppk, request)


def test_ppk_only_here(places):
    """The account has one, and strongSwan knows nothing of it."""
    place = places().start(ppk=bytes(range(32)))
    place.begin("initiator")
    assert place.us.sa()["Ppk"] is False
    place.traffic()


@pytest.mark.parametrize("prf", PRFS)
@pytest.mark.parametrize("role", ["initiator", "responder"])
def test_ppk(with_ppk, role, prf):
    """The account's post-quantum preshared key, which strongSwan insists on (RFC 8784)."""
    with_ppk.propose(f"aes256gcm16-{prf}-x25519", "aes256gcm16")
    with_ppk.begin(role)
    assert with_ppk.us.sa()["Ppk"] is True
    with_ppk.traffic()
    assert "PPK" in with_ppk.them.control("--list-sas", "--raw").stdout.upper() or "PPK" in with_ppk.them.log()
