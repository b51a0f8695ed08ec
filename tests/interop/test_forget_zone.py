# SPDX-License-Identifier: LGPL-2.1-or-later
"""A revocation list in an account's zone, put there and read by other software: what zoned does about the host's keys."""
import base64
import datetime
import hmac
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from test_backend import cluster  # noqa: F401
from test_zoned import ALICE, Server, status
from test_zoned_streams import PushClient

LIST = f"_revoked.{ALICE}"
EPOCH = datetime.datetime(1970, 1, 1)
NOW = int(time.time())


def make_list(number, hosts):
    """zoned reads what it says; whose signature it has is for the hosts to look at."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, ALICE + " account")])
    builder = (x509.CertificateRevocationListBuilder().issuer_name(name).last_update(datetime.datetime(2026, 1, 1))
               .next_update(datetime.datetime(2100, 1, 1)).add_extension(x509.CRLNumber(number), critical=False))
    for serial, (label, until) in enumerate(sorted(hosts.items()), 1):
        value = bytes([0x30, len(label) + 2, 0x82, len(label)]) + label.encode()
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial)
            .revocation_date(EPOCH + datetime.timedelta(seconds=until))
            .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), value), critical=False).build())
    signed = builder.sign(ed25519.Ed25519PrivateKey.generate(), None)
    return base64.b64encode(signed.public_bytes(serialization.Encoding.DER)).decode()


def key_name(host, issued, machine="1a2b3c4d"):
    return f"{machine}{'' if issued is None else format(issued, '08x')}.{host}.{ALICE}"


class Keys:
    """nsupdate and kdig with keys of hosts, at one address."""

    def __init__(self, host, secret, address="127.0.0.1"):
        self.host, self.address = host, address
        self.account = hmac.digest(b"\0" * 32, base64.b64decode(secret), "sha256")

    def secret(self, name):
        return base64.b64encode(HKDFExpand(hashes.SHA256(), 32, b"homeward host tsig v1 " + name.encode())
                                .derive(self.account)).decode()

    def update(self, name, *lines):
        """What nsupdate complains of; empty when it does not."""
        text = f"server {self.address}\nzone {ALICE}\n" + "".join(f"{line}\n" for line in lines) + "send\n"
        return self.host.run(["nsupdate", "-y", f"hmac-sha256:{name}:{self.secret(name)}"], input=text, check=False).stderr

    def publish(self, name, address="192.0.2.1"):
        host = name.split(".")[1]
        return self.update(name, f"update delete {host}.{ALICE} A", f"update add {host}.{ALICE} 10 A {address}",
                           f"update add _autotunnel._udp.{host}.{ALICE} 10 SRV 0 0 4500 AutoTunnel-00-22-69-ff-fe-8e-34-2a.{ALICE}",
                           f"update add _autotunnel._udp.{ALICE} 10 PTR _autotunnel._udp.{host}.{ALICE}")

    def ask(self, name, question, rdtype):
        return self.host.run(["kdig", f"@{self.address}", "-y", f"hmac-sha256:{name}:{self.secret(name)}", question, rdtype],
                             check=False).stdout


@pytest.fixture
def server(make_host):
    server = Server(make_host("zone", bus=False))
    yield server
    assert server.host.stop_daemon("zoned") == 0


def test_a_list_ends_a_hosts_keys(server):
    keys = Keys(server.host, server.secret)
    old, ancient, other = key_name("laptop", NOW - 500), key_name("laptop", None), key_name("desktop", NOW - 500, "99999999")
    for name in old, other:
        assert keys.publish(name) == ""
    assert keys.update(old, f"update add laptop._ssh._tcp.{ALICE} 10 SRV 0 0 22 laptop.{ALICE}",
                       f"update add laptop._ssh._tcp.{ALICE} 10 TXT x") == ""
    thief, friend = (PushClient(server, bind=False) for _ in range(2))
    for client, name in (thief, old), (friend, other):
        assert client(f"bind {ALICE} {name} {keys.secret(name)}") == "NOERROR"
        client.subscribe(LIST, "CERT")
    # A host cannot say who is forgotten.
    assert "REFUSED" in keys.update(other, f"update add {LIST} 10 CERT PKIX 0 0 {make_list(1, {'laptop': NOW})}")

    text = make_list(1, {"laptop": NOW - 100})
    server.nsupdate(f"prereq nxrrset {LIST} CERT", f"update add {LIST} 10 CERT PKIX 0 0 {text}")
    # Both hear of it, the thief for the last time.
    for client in friend, thief:
        assert " CERT " in str(client("push 60"))
    assert thief("next 60") == ["retry", [5, 60000]] and thief("end") == "reset"
    friend.close()
    for name in old, ancient:
        assert "BADKEY" in keys.publish(name)
        for question, rdtype in (f"desktop.{ALICE}", "A"), (ALICE, "SOA"), (LIST, "A"), (f"x{LIST}", "CERT"):
            assert "BADKEY" in keys.ask(name, question, rdtype), (question, rdtype)
        answer = keys.ask(name, LIST, "CERT")
        assert status(answer) == "NOERROR" and text in answer.replace(" ", ""), answer
        assert "WARNING" not in answer
    # What it had is gone, wherever it was; the others' is not.
    assert server.short(f"laptop.{ALICE}", "ANY") == [] and server.short(f"laptop._ssh._tcp.{ALICE}", "SRV") == []
    assert server.short(f"_autotunnel._udp.{ALICE}", "PTR") == [f"_autotunnel._udp.desktop.{ALICE}."]
    assert server.short(f"desktop.{ALICE}", "A") == ["192.0.2.1"]
    assert keys.publish(other, "192.0.2.2") == ""
    # Signed in anew, the same machine and another one.
    new, another = key_name("laptop", NOW - 50), key_name("laptop", NOW - 50, "77777777")
    assert keys.publish(new) == ""
    assert "YXDOMAIN" in keys.publish(another)
    assert keys.publish(key_name("laptop", NOW - 40), "192.0.2.3") == ""
    assert server.short(f"laptop.{ALICE}", "A") == ["192.0.2.3"]
    for _ in range(2):
        assert "BADKEY" in keys.publish(old) and keys.publish(new) == ""
        server.kill()
        server.wait_up()
    # A list that says less is the owner's to make.
    server.nsupdate(f"update delete {LIST} CERT", f"update add {LIST} 10 CERT PKIX 0 0 {make_list(2, {})}")
    assert keys.publish(old) == ""


def test_a_key_of_the_future_is_not_taken(server):
    keys = Keys(server.host, server.secret)
    assert "BADKEY" in keys.publish(key_name("laptop", NOW + 100000))
    assert "BADKEY" in keys.ask(key_name("laptop", NOW + 100000), ALICE, "SOA")
    assert keys.publish(key_name("laptop", NOW)) == ""


def test_what_is_no_list_forgets_nobody(server):
    keys = Keys(server.host, server.secret)
    name = key_name("laptop", NOW - 500)
    good = base64.b64decode(make_list(1, {"laptop": NOW}))
    for octets in b"x", good[:-1], good + b"x", b"\x30\x84\xff\xff\xff\xff":
        server.nsupdate(f"update delete {LIST} CERT",
                        f"update add {LIST} 10 CERT PKIX 0 0 {base64.b64encode(octets).decode()}")
        assert keys.publish(name) == ""
    server.nsupdate(f"update delete {LIST} CERT", f"update add {LIST} 10 CERT PGP 0 0 {base64.b64encode(good).decode()}")
    assert keys.publish(name) == ""
    # Among others, one that is.
    server.nsupdate(f"update add {LIST} 10 CERT PKIX 0 0 {base64.b64encode(good).decode()}")
    assert "BADKEY" in keys.publish(name)


def test_with_the_records_in_another_server(cluster):  # noqa: F811
    one, two = cluster.nodes
    keys = [Keys(node.host, node.secrets["alice"], node.address) for node in cluster.nodes]
    name = key_name("laptop", NOW - 500)
    assert keys[0].publish(name) == ""
    assert cluster.primary.short(f"laptop.{ALICE}", "A") == ["192.0.2.1"]
    one.update("alice", f"update add {LIST} 10 CERT PKIX 0 0 {make_list(1, {'laptop': NOW - 100})}")
    assert cluster.primary.short(f"laptop.{ALICE}", "A") == []
    assert "BADKEY" in keys[0].publish(name) and "BADKEY" in keys[0].ask(name, ALICE, "SOA")
    two.host.wait_for(lambda: "BADKEY" in keys[1].ask(name, ALICE, "SOA"), timeout=60, what="the other node")
    one.kill()
    one.start()
    assert "BADKEY" in keys[0].publish(name)
    assert keys[0].publish(key_name("laptop", NOW - 50)) == ""
