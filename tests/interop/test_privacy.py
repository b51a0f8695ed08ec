# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is below an account is nobody else's business: for what exists and for what does not, a stranger gets the same octets."""
import base64
import itertools
import json
import os
import re
import struct

import dns.edns
import dns.message
import dns.opcode
import dns.tsig
import dns.update
import pytest

from test_zoned import PASSWORD, ZONE, Server

# As long as each other, so that the answers can be.
EXISTING, MISSING = "alice", "carol"
HOST, NO_HOST = "desktop", "desktup"
WRONG = base64.b64encode(b"w" * 32).decode()
TRANSPORTS = {"udp": 53, "tcp": 53, "tls": 853}
BOB_KEY = "/run/bob.key"


@pytest.fixture
def server(make_host):
    server = Server(make_host("zone", bus=False))
    server.zonectl("account", "add", "bob", "--password-fd", "0", input="another password")
    server.host.run(["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", "account", "key", "bob",
                     "--output", BOB_KEY], env=server.host.sanitizer_environment("zonectl"))
    server.bob_secret = re.search(r'secret "(.*)"', server.host.read(BOB_KEY)).group(1)
    server.nsupdate(f"update add {HOST}.{EXISTING}.{ZONE} 10 A 192.0.2.1",
                    f"update add {HOST}.{EXISTING}.{ZONE} 10 TXT secret",
                    f"update add _ssh._tcp.{EXISTING}.{ZONE} 10 PTR {HOST}._ssh._tcp.{EXISTING}.{ZONE}")
    yield server
    assert server.host.stop_daemon("zoned") == 0


def exchange(server, transport, messages):
    client = os.path.join(os.path.dirname(__file__), "raw_client.py")
    out = server.host.run(["/usr/bin/python3", client, "127.0.0.1", str(TRANSPORTS[transport]), transport],
                          input=json.dumps([message.hex() for message in messages]), timeout=900).stdout
    return [answer and bytes.fromhex(answer) for answer in json.loads(out)]


def sign(message, account, host, signer, server):
    """By nobody; by a key that is wrong, in the name of the account or of a host of it; or by bob, whose key is good."""
    if signer == "wrong account key":
        key = dns.tsig.Key(f"{account}.{ZONE}", WRONG)
    elif signer == "wrong host key":
        key = dns.tsig.Key(f"1a2b3c4d.{host}.{account}.{ZONE}", WRONG)
    elif signer == "wrong key, other algorithm":
        key = dns.tsig.Key(f"{account}.{ZONE}", WRONG, dns.tsig.HMAC_SHA512)
    elif signer == "no key's name":
        key = dns.tsig.Key(f"{host}.{account}.{ZONE}", WRONG)
    elif signer == "bob":
        key = dns.tsig.Key(f"bob.{ZONE}", server.bob_secret)
    else:
        return
    message.use_tsig(key, fudge=300)


SIGNERS = ("nobody", "wrong account key", "wrong host key", "wrong key, other algorithm", "no key's name", "bob")


def llq(opcode, ident=0):
    return [dns.edns.GenericOption(1, struct.pack("!HHHQI", 1, opcode, 0, ident, 7200))]


def make_messages(account, host):
    """Each kind of request about an account or a host of it, not signed yet."""
    apex = f"{account}.{ZONE}"
    names = [apex, f"{host}.{apex}", f"_autotunnel._udp.{host}.{apex}", f"_dns-push-tls._tcp.{apex}", f"_ssh._tcp.{apex}"]
    for name, rdtype in itertools.product(names, ("A", "SOA", "NS", "TXT", "SRV", "PTR", "ANY", "AXFR", "IXFR")):
        yield f"query {rdtype} {name.split('.')[0]}", dns.message.make_query(name, rdtype, use_edns=0)
    yield "query in another class", dns.message.make_query(apex, "A", "CH")
    for zone in (apex, f"{host}.{apex}"):
        for text in ("add", "delete", "prerequisite"):
            update = dns.update.Update(zone)
            if text == "add":
                update.add(f"{host}.{apex}.", 10, "A", "192.0.2.9")
            elif text == "delete":
                update.delete(f"{host}.{apex}.", "A")
            else:
                update.present(f"{host}.{apex}.", "A")
            yield f"UPDATE {text}", update
    for opcode, ident in ((1, 0), (1, 77), (2, 77)):
        for name in (f"_autotunnel._udp.{apex}", f"{host}.{apex}"):
            query = dns.message.make_query(name, "PTR")
            query.use_edns(0, options=llq(opcode, ident))
            yield f"LLQ {opcode} {ident}", query
    for opcode in (dns.opcode.NOTIFY, dns.opcode.STATUS):
        query = dns.message.make_query(apex, "SOA")
        query.set_opcode(opcode)
        yield dns.opcode.to_text(opcode), query


def normalize(answer, account, host):
    """Without what the request itself says, and without time and MAC of the signature, which follow from it."""
    if answer is None:
        return None
    lower = bytearray(answer)
    for label, general in ((account, b"ACCOUNT"[:len(account)]), (host, b"HOSTNAME"[:len(host)])):
        pattern = bytes([len(label)]) + label.encode()
        position = bytes(lower).find(pattern)
        while position >= 0:
            lower[position + 1:position + len(pattern)] = general
            position = bytes(lower).find(pattern, position + 1)
    for algorithm in (b"\x0bhmac-sha256\0", b"\x0bhmac-sha512\0"):
        position = bytes(lower).find(algorithm)
        if position >= 0:
            position += len(algorithm)
            size = struct.unpack_from("!H", lower, position + 8)[0]
            lower[position:position + 6] = bytes(6)
            lower[position + 10:position + 10 + size] = bytes(size)
    return bytes(lower)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_existing_and_missing_are_the_same(server, transport):
    cases = []
    for signer in SIGNERS:
        for number, ((what, existing), *others) in enumerate(zip(make_messages(EXISTING, HOST), make_messages(MISSING, HOST),
                                                                 make_messages(EXISTING, NO_HOST))):
            octets = []
            for message, account, host in ((existing, EXISTING, HOST), (others[0][1], MISSING, HOST),
                                           (others[1][1], EXISTING, NO_HOST)):
                message.id = 0x4242 + number
                sign(message, account, host, signer, server)
                octets.append(message.to_wire())
            cases.append((f"{what}, signed by {signer}", octets))
    answers = exchange(server, transport, [octets for _, three in cases for octets in three])
    for (what, _), existing, missing, no_host in zip(cases, answers[0::3], answers[1::3], answers[2::3]):
        wanted = normalize(existing, EXISTING, HOST)
        assert wanted is not None, what
        assert wanted == normalize(missing, MISSING, HOST), what
        assert wanted == normalize(no_host, EXISTING, NO_HOST), what
        # Nothing of the zone comes along: no records but those of EDNS and TSIG.
        assert struct.unpack_from("!HH", existing, 6) == (0, 0), what
        assert b"secret" not in existing and b"\xc0\0\x02\x01" not in existing, what
    counters = server.counters()
    assert counters["BadSignature"] > 100 and counters["BadKey"] > 100


def test_subscribe_without_proof(server):
    """DNS Push on a connection that nobody's key is bound to."""
    def subscribe(name, rdtype):
        wire = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
        data = wire + struct.pack("!HH", rdtype, 1)
        return struct.pack("!HHHHHH", 7, 0x3000, 0, 0, 0, 0) + struct.pack("!HH", 0x40, len(data)) + data

    names = [(f"{HOST}.{account}.{ZONE}", rdtype) for account in (EXISTING, MISSING) for rdtype in (1, 16, 255)]
    names += [(f"{NO_HOST}.{EXISTING}.{ZONE}", 1), (f"_ssh._tcp.{EXISTING}.{ZONE}", 12), ("www.example.com", 1)]
    answers = exchange(server, "tls", [subscribe(*name) for name in names])
    assert answers[0] and answers[0][3] & 0xF == 5
    assert set(answers) == {answers[0]}


def test_the_public_part_names_no_account(server):
    """The members zone itself, which anybody may ask: delegations would give the accounts away."""
    for name in (ZONE, f"ns.{ZONE}"):
        for rdtype in ("SOA", "NS", "A", "ANY", "TXT"):
            answer = server.dig(name, rdtype, key=False)
            assert EXISTING not in answer and "bob" not in answer
    for rdtype in ("AXFR", "IXFR=1"):
        answer = server.dig(ZONE, rdtype, key=False)
        assert "Transfer failed" in answer or "REFUSED" in answer
    assert PASSWORD not in server.dig(ZONE, "ANY", key=False)
