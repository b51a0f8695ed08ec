# SPDX-License-Identifier: LGPL-2.1-or-later
"""keyd with OpenIKED, an implementation that has nothing in common with strongSwan, as far as it goes here. It wants a
kernel with PF_KEY, which played-pfkey.c plays for it; and on Linux it has no AES-GCM or ChaCha20-Poly1305 for ESP, which is all
that we speak. So what is shown is IKE_SA_INIT in the algorithms it has, and IKE_AUTH in pieces: we accept its certificate and
its signature (RFC 7427), and it reads our answer up to the child that there cannot be."""
import os
import shutil
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "bus"))

from fake_account import Account  # noqa: E402
from homeward_lab import wait_until  # noqa: E402
from test_ike_strongswan import ADDRESS, CHILD, DOMAIN, IKE, OURS, THEIR_ADDRESS, THEIRS, Ours  # noqa: E402

IKED = "/usr/sbin/iked"

CONFIG = """set fragmentation
ikev2 "home" active esp from %(theirs)s/128 to %(ours)s/128 local %(local)s peer %(peer)s \\
  ikesa enc %(cipher)s prf %(prf)s group %(group)s srcid laptop.%(domain)s dstid desktop.%(domain)s
"""


class OpenIked:
    def __init__(self, host, account, cipher, prf, group):
        self.host = host
        key = ec.generate_private_key(ec.SECP256R1())
        issued = account.issue("laptop", "00-16-3E-FF-FE-00-00-01", key)
        public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        host.run("mount -t tmpfs lab /etc/iked; cd /etc/iked; mkdir ca certs crls private pubkeys; [ -d /var/empty ] || "
                 "mkdir /var/empty")
        for path, text, mode in (("account.crt", account.pem, 0o644), ("host.crt", issued.pem, 0o644),
                                 ("local.key", issued.key_pem, 0o600), ("local.pub", public.decode(), 0o644),
                                 ("iked.conf", CONFIG % {"theirs": THEIRS, "ours": OURS, "local": THEIR_ADDRESS,
                                                         "peer": ADDRESS, "cipher": cipher, "prf": prf, "group": group,
                                                         "domain": DOMAIN}, 0o600)):
            host.write(f"/run/lab/{path}", text, mode)
        host.run("cd /run/lab; cp account.crt /etc/iked/ca; cp host.crt /etc/iked/certs; cp -p local.key /etc/iked/private; "
                 "cp local.pub /etc/iked")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "played-pfkey.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", host.path("/run/lab/pfkey.so"), source, "-ldl", "-lpthread"],
                       check=True)
        # Only to the port of ESP in UDP, as tunneld has no other.
        with open(host.path("/run/lab/iked.log"), "wb") as out:
            self.process = host.popen([IKED, "-d", "-t", "-vv", "-f", "/run/lab/iked.conf", "-s", "/run/lab/iked.sock"],
                                      env={"LD_PRELOAD": "/run/lab/pfkey.so"}, stdout=out, stderr=out)

    def log(self):
        return self.host.read("/run/lab/iked.log")


@pytest.mark.parametrize("cipher, prf, group, proposal", [
    ("aes-128-gcm", "hmac-sha2-256", "curve25519", "aes128gcm16-prfsha256-x25519"),
    ("aes-256-gcm", "hmac-sha2-384", "ecp256", "aes256gcm16-prfsha384-ecp256"),
    ("aes-128-gcm", "hmac-sha2-512", "ecp384", "aes128gcm16-prfsha512-ecp384")])
def test_it_initiates(make_host, make_internet, cipher, prf, group, proposal):
    if not os.path.exists(IKED) or not shutil.which("gcc"):
        pytest.skip("openiked or gcc is not installed")
    internet = make_internet()
    internet.wait_ready()
    desktop, laptop = make_host("desktop"), make_host("laptop", bus=False)
    desktop.attach_internet(internet, ADDRESS)
    laptop.attach_internet(internet, THEIR_ADDRESS)
    account = Account(DOMAIN)
    us = Ours(desktop, account)
    try:
        them = OpenIked(laptop, account, cipher, prf, group)
        # Without a child it begins again and again.
        desktop.wait_for(lambda: "established" in [sa["State"] for sa in desktop.get_objects("keyd", IKE).values()], 60)
        sa = next(sa for sa in desktop.get_objects("keyd", IKE).values() if sa["State"] == "established")
        assert sa["Peer"] == f"laptop.{DOMAIN}" and sa["Role"] == "responder" and sa["Proposal"] == proposal
        assert sa["Authentication"] == "certificate" and not desktop.get_objects("keyd", CHILD)
        counters = desktop.get_property("keyd", "Counters")
        assert counters["Reassembled"] >= 1 and counters["SignaturesChecked"] >= 1 and counters["RefusedPeers"] == 0
        assert counters["Malformed"] == counters["Unauthentic"] == 0
        # It has put our answer together, read it, and found no child that it could use.
        wait_until(lambda: "no proposal chosen (IKE SA)" in them.log(), 60, "its end")
        assert "ikev2_frags_reassemble: Defragmented" in them.log()
    except BaseException:
        print(them.log()[-6000:], desktop.get_objects("keyd", IKE), desktop.get_property("keyd", "Counters"))
        raise
    finally:
        us.close()
