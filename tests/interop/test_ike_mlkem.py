# SPDX-License-Identifier: LGPL-2.1-or-later
"""ML-KEM-768 as an additional key exchange, with the OpenSSL of Debian 13 and a strongSwan that has it: both are unpacked
beside this machine's (tools/fetch-unpacked), and run with a C library of their own. keyd is that of the plain build."""
import glob
import os
import shutil
import ssl
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "bus"))

from fake_account import Account  # noqa: E402
from homeward_lab import Capture, wait_until  # noqa: E402
from homeward_lab.daemons import TOP  # noqa: E402
from test_ike_strongswan import (ADDRESS, CHARON, IKE, OURS, PEER, THEIR_ADDRESS, THEIRS, TCP, Ours,  # noqa: E402
                                 StrongSwan, hash_of, transfer)
from test_keyd import End  # noqa: E402

BUILD = os.path.join(TOP, "build")
OPENSSL = os.path.join(TOP, ".cache/unpacked/openssl-trixie")
STRONGSWAN = os.path.join(TOP, ".cache/unpacked/strongswan-forky")
CLASSICAL = "aes256gcm16-prfsha384-x25519"
ADDED = CLASSICAL + "-ke1_mlkem768"
OURS_ALONE = "aes128gcm16-prfsha256-x25519"
REQUIRED = "[algorithms]\npost-quantum = required\n"
INTERMEDIATE = "43"


def find(folder, *patterns):
    return next((path for pattern in patterns for path in glob.glob(os.path.join(folder, pattern))), None)


def loader(folder):
    return find(folder, "usr/lib/*/ld-linux-*.so.*", "usr/lib/ld-linux-*.so.*")


@pytest.fixture(autouse=True)
def unpacked():
    for folder in OPENSSL, STRONGSWAN:
        if not loader(folder):
            pytest.skip(f"{folder} is not there: ./run deps")
    if not os.access(os.path.join(BUILD, "services/keyd/keyd"), os.X_OK):
        pytest.skip(f"there is no plain build in {BUILD}")


def run_with(host, folder, program, real=None, libraries=()):
    """From now on `program` runs on this host with the libraries of `folder`; it is that of the host, or `real`, a path in
    the folder."""
    there = "/run/lab/with/" + os.path.basename(folder)
    name = os.path.basename(program)
    wrapper, original = f"/run/lab/with/{name}", f"/run/lab/with/{name}.original"
    host.run(["mkdir", "-p", there])
    if not os.listdir(host.path(there)):
        host.run(["mount", "--bind", folder, there])
    if not real:
        host.write(original, "")
        host.run(["mount", "--bind", program, original])
    start = os.path.join(there, os.path.relpath(loader(folder), folder))
    paths = ":".join([os.path.dirname(start), *(os.path.join(there, path) for path in libraries)])
    host.write(wrapper, f'#!/bin/sh\nexec {start} --library-path {paths} {os.path.join(there, real) if real else original} "$@"\n')
    host.run(["chmod", "755", wrapper])
    if real:
        # Of a release of Debian that is still being made: it may need tomorrow what was not fetched with it.
        needs = host.run([start, "--library-path", paths, "--list", os.path.join(there, real)], check=False)
        if needs.returncode or "not found" in needs.stdout:
            pytest.skip(f"{real} of {folder} does not run here: {needs.stderr.strip()} {needs.stdout.strip()}")
    host.run(["mount", "--bind", wrapper, program])


def give_openssl(host):
    run_with(host, OPENSSL, host.program("keyd"))


@pytest.fixture
def internet(make_internet):
    made = make_internet()
    made.wait_ready()
    return made


def exchanges(internet):
    """The kinds of messages that passed, in their order."""
    return internet.run(["tshark", "-r", "/run/lab/tmp/wire.pcap", "-Y", "isakmp && !icmp", "-T", "fields", "-e",
                         "isakmp.exchangetype"]).stdout.split()


class Pair:
    """desktop with keyd, laptop with charon."""

    def __init__(self, make_host, internet, config=""):
        if not os.path.exists(CHARON):
            pytest.skip("charon-systemd is not installed")
        self.account = Account()
        self.desktop, self.laptop = make_host("desktop", build=BUILD), make_host("laptop", bus=False)
        self.desktop.attach_internet(internet, ADDRESS)
        self.laptop.attach_internet(internet, THEIR_ADDRESS)
        give_openssl(self.desktop)
        for program in "charon-systemd", "swanctl":
            run_with(self.laptop, STRONGSWAN, "/usr/sbin/" + program, "usr/sbin/" + program, ["usr/lib/ipsec"])
        self.laptop.run(["mount", "--bind", os.path.join(STRONGSWAN, "usr/lib/ipsec"), "/usr/lib/ipsec"])
        self.them = StrongSwan(self.laptop, self.account, ec.generate_private_key(ec.SECP256R1()), ike=ADDED)
        self.desktop.write("/etc/homeward/keyd.conf", config)
        self.us = Ours(self.desktop, self.account)

    def propose(self, ike):
        path = "/run/lab/swanctl/swanctl.conf"
        text = self.laptop.read(path)
        before = next(line for line in text.splitlines() if line.startswith("   proposals = "))
        self.laptop.write(path, text.replace(before, f"   proposals = {ike}"))
        self.them.control("--load-conns")

    def wait_established(self, role, proposal):
        sa, = self.desktop.wait_for(
            lambda: [sa for sa in self.desktop.get_objects("keyd", IKE).values() if sa["State"] == "established"])
        assert (sa["Role"], sa["Proposal"]) == (role, proposal)
        self.laptop.ping(OURS, "-I", THEIRS, count=1)

    def down(self):
        self.them.control("--terminate", "--ike", "home", check=False)
        self.desktop.wait_for(lambda: not self.desktop.get_objects("keyd", IKE) and all(
            peer["State"] == "idle" for peer in self.desktop.get_objects("tunneld", PEER).values()))
        wait_until(lambda: "ESTABLISHED" not in self.them.control("--list-sas").stdout, 60, "no SA at strongSwan")

    def close(self):
        self.us.close()


@pytest.fixture
def pair(make_host, internet, request):
    made = []

    def make(config=""):
        made.append(Pair(make_host, internet, config))
        return made[0]
    yield make
    for one in made:
        if request.node.report_call.failed:
            print(one.them.log()[-6000:])
        one.close()


def test_strongswan(pair, internet):
    """Each role, with traffic; without it where strongSwan does not want it, and only there."""
    if not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    both = pair("[algorithms]\nike = aes256gcm16 aes128gcm16\nprf = prfsha384 prfsha256\n")
    capture = Capture(internet)
    assert "1 received" in both.us.ping()
    both.wait_established("initiator", ADDED)
    sas = both.them.control("--list-sas").stdout
    assert "ML_KEM_768" in sas and "INSTALLED" in sas
    assert transfer(both.desktop, both.laptop, THEIRS, TCP, OURS) == (hash_of(1), hash_of(2))
    capture.stop()
    assert INTERMEDIATE in exchanges(internet)
    both.down()
    for offered, agreed in ((ADDED, ADDED), (CLASSICAL, CLASSICAL), (f"{CLASSICAL}, {ADDED}", ADDED),
                            (ADDED + "-ke1_none", ADDED)):
        both.propose(offered)
        both.them.control("--initiate", "--child", "tunnel")
        both.wait_established("responder", agreed)
        both.down()
    # It takes either of what we offer.
    both.propose(CLASSICAL)
    assert "1 received" in both.us.ping()
    both.wait_established("initiator", CLASSICAL)


def test_required(pair):
    """Who has none, or wants none, gets no SA, and one with it does."""
    both = pair(REQUIRED)
    both.propose("aes128gcm16-prfsha256-x25519")
    refused = both.them.control("--initiate", "--child", "tunnel", check=False)
    assert refused.returncode and "NO_PROP" in refused.stdout + refused.stderr
    assert not both.desktop.get_objects("keyd", IKE)
    both.propose("aes128gcm16-prfsha256-x25519-ke1_mlkem768")
    both.them.control("--initiate", "--child", "tunnel")
    both.wait_established("responder", OURS_ALONE + "-ke1_mlkem768")


@pytest.mark.parametrize("newer", [("desktop", "laptop"), ("desktop",), ("laptop",)], ids="-".join)
def test_two_of_us(make_host, internet, newer):
    """Both keyds with the newer OpenSSL; one with this machine's, which has no ML-KEM."""
    if not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    if len(newer) == 1 and has_mlkem():
        pytest.skip("the OpenSSL of this machine has ML-KEM as well")
    account = Account()
    ends = [End(make_host(name, build=BUILD), internet, account) for name in ("desktop", "laptop")]
    desktop, laptop = ends
    desktop.see(laptop)
    laptop.see(desktop)
    for end in ends:
        if end.name in newer:
            give_openssl(end.host)
        end.start()
    for end in ends:
        end.wait_tunnel()
    both = len(newer) == 2
    wanted = OURS_ALONE + ("-ke1_mlkem768" if both else "")
    capture = Capture(internet)
    desktop.ping(laptop)
    for end in ends:
        end.wait(lambda end=end: [sa["Proposal"] for sa in end.sas().values()] == [wanted], "the SA")
    capture.stop()
    passed = exchanges(internet)
    assert passed[0] == "34" and (INTERMEDIATE in passed) == both
    if both:
        # New keys of the IKE SA: what went into the former ones is in them.
        path, = desktop.sas()
        desktop.host.call("keyd", "Rekey", path=path, interface=IKE)
        for end in ends:
            end.wait(lambda end=end: path not in desktop.sas() and
                     [sa["Proposal"] for sa in end.sas().values()] == [wanted], "the new SA")
        laptop.ping(desktop)
    for end in ends:
        end.close()


def has_mlkem():
    return ssl.OPENSSL_VERSION_INFO >= (3, 5)


def test_required_without(make_host):
    """keyd does not start where it is required and OpenSSL has none."""
    if has_mlkem():
        pytest.skip("the OpenSSL of this machine has ML-KEM")
    host = make_host("desktop", build=BUILD)
    process = host.start_daemon("keyd", REQUIRED, wait=False)
    assert process.wait(60) == 1
    assert "ML-KEM-768" in host.log_tail("keyd")
