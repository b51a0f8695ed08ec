# SPDX-License-Identifier: LGPL-2.1-or-later
"""zoned's TSIG (RFC 8945) with the tools of BIND and Knot, and beside BIND's named with the same key."""
import base64
import json
import os
import struct
import time

import dns.message
import dns.tsig
import dns.update
import pytest

from homeward_lab import wait_until
from name_servers import Bind
from test_zoned import ALICE, ZONE, Server, status

ALGORITHMS = ("hmac-sha256", "hmac-sha224", "hmac-sha384", "hmac-sha512")
# BIND writes the whole algorithm's name and a MAC cut off there; dnspython writes the name of RFC 8945.
SHORTER = ("hmac-sha256-128", "hmac-sha384-192", "hmac-sha512-256")
OLD = ("hmac-md5", "hmac-sha1")
FORMERR, NOTAUTH = 1, 9
BADSIG, BADKEY, BADTIME, BADTRUNC = 16, 17, 18, 22


@pytest.fixture
def server(make_host):
    server = Server(make_host("zone", bus=False))
    yield server
    assert server.host.stop_daemon("zoned") == 0


def dig(server, algorithm, name, rdtype, *options):
    return server.host.run(["dig", "@127.0.0.1", "+norec", "-y", f"{algorithm}:{ALICE}:{server.secret}", name, rdtype,
                            *options], check=False).stdout


def nsupdate(server, algorithm, *lines):
    text = f"server 127.0.0.1\nzone {ALICE}\n" + "".join(f"{line}\n" for line in lines) + "send\n"
    return server.host.run(["nsupdate", "-y", f"{algorithm}:{ALICE}:{server.secret}"], input=text, check=False)


def works(server, algorithm, number):
    """UPDATE and queries; dig and nsupdate check what the answers are signed by."""
    name = f"host{number}.{ALICE}"
    done = nsupdate(server, algorithm, f"update add {name} 10 A 192.0.2.{number}")
    if done.returncode:
        return done.stderr
    for options in (("+notcp",), ("+tcp",), ("+bufsize=512",)):
        answer = dig(server, algorithm, name, "A", *options)
        if f"192.0.2.{number}" not in answer or "WARNING" in answer or "couldn't verify" in answer:
            return answer
    return None


def test_algorithms(server):
    for number, algorithm in enumerate(ALGORITHMS + SHORTER):
        assert works(server, algorithm, number) is None, algorithm
    for number, algorithm in enumerate(ALGORITHMS):
        answer = server.host.run(["kdig", "@127.0.0.1", "-y", f"{algorithm}:{ALICE}:{server.secret}", ALICE, "SOA"],
                                 check=False).stdout
        assert "status: NOERROR" in answer and "WARNING" not in answer and "ERROR:" not in answer, answer


def test_old_algorithms_where_an_account_asks(server):
    for algorithm in OLD:
        assert "BADKEY" in works(server, algorithm, 1), algorithm
    server.zonectl("account", "modify", "alice", "--allow-md5=yes")
    wait_until(lambda: works(server, "hmac-md5", 1) is None, 5, "zoned to notice")
    assert works(server, "hmac-sha1", 2) is None
    assert "md5" in server.zonectl("account", "list").stdout
    server.zonectl("account", "modify", "alice", "--allow-md5=no")
    wait_until(lambda: works(server, "hmac-md5", 1), 5, "zoned to notice")
    assert "BADKEY" in works(server, "hmac-sha1", 1)
    server.zonectl("account", "add", "dora", "--allow-md5", "--password-fd", "0", input="a password")
    assert json.loads(server.zonectl("account", "show", "dora", "--json").stdout)["allow-md5"] is True


def test_dnspython(server):
    script = """
import base64, sys
import dns.message, dns.name, dns.query, dns.tsig
for algorithm in sys.argv[3:]:
    key = dns.tsig.Key(sys.argv[1], base64.b64decode(sys.argv[2]), dns.name.from_text(algorithm))
    query = dns.message.make_query(sys.argv[1], "SOA")
    query.use_tsig(key)
    answer = dns.query.udp(query, "127.0.0.1", timeout=60)
    print(algorithm, answer.had_tsig, answer.rcode(), answer.tsig[0].algorithm, len(answer.tsig[0].mac))
"""
    out = server.host.run(["/usr/bin/python3", "-c", script, ALICE, server.secret, *ALGORITHMS, *SHORTER]).stdout
    sizes = dict(zip(ALGORITHMS + SHORTER, (32, 28, 48, 64, 16, 24, 32)))
    assert out.splitlines() == [f"{name} True 0 {name}. {sizes[name]}" for name in ALGORITHMS + SHORTER]


# Side by side with BIND ------------------------------------------------------------------------------------

def find_tsig(octets):
    """Where things are in the TSIG record, which is the last thing in the message."""
    position = octets.rfind(b"\x00\xfa\x00\xff\x00\x00\x00\x00") + 10
    while octets[position]:
        position += 1 + octets[position]
    return position + 1


def with_mac(octets, size):
    """The MAC cut to so many octets, or made longer."""
    at = find_tsig(octets)
    old = struct.unpack_from("!H", octets, at + 8)[0]
    mac = (octets[at + 10:at + 10 + old] + bytes(64))[:size]
    record = octets.rfind(b"\x00\xfa\x00\xff\x00\x00\x00\x00")
    rdlength = struct.unpack_from("!H", octets, record + 8)[0] - old + size
    return (octets[:record + 8] + struct.pack("!H", rdlength) + octets[record + 10:at + 8] + struct.pack("!H", size) + mac +
            octets[at + 10 + old:])


def signed(server, secret=None, name=ALICE, offset=0, algorithm=dns.tsig.HMAC_SHA256, fudge=300):
    query = dns.message.make_query(ALICE, "SOA", use_edns=0)
    query.id = 0x4242
    query.use_tsig(dns.tsig.Key(name, secret or server.secret, algorithm), fudge=fudge)
    real = time.time
    time.time = lambda: real() + offset
    try:
        return query.to_wire()
    finally:
        time.time = real


def summarize(answer, now):
    """RCODE, and of TSIG what does not depend on who signs: error, size of the MAC, fudge, whose time, Other Data."""
    if answer is None:
        return "silence"
    rcode = answer[3] & 0xF
    if b"\x00\xfa\x00\xff\x00\x00\x00\x00" not in answer:
        return rcode, "unsigned"
    at = find_tsig(answer)
    signed_at = int.from_bytes(answer[at:at + 6], "big")
    fudge, size = struct.unpack_from("!HH", answer, at + 6)
    ident, error, other = struct.unpack_from("!HHH", answer, at + 10 + size)
    data = answer[at + 16 + size:]
    assert len(data) == other
    return (rcode, error, size, fudge, "theirs" if abs(signed_at - now) > 60 else "ours", hex(ident),
            "time" if other == 6 and abs(int.from_bytes(data, "big") - now) < 60 else data.hex())


def test_errors_are_those_of_bind(server):
    bind = Bind(server.host, "referee", port=5353)
    host = server.host
    host.write("/run/referee/zone.db", f"$TTL 60\n@ SOA ns.{ZONE}. h.{ZONE}. 1 60 60 60 60\n@ NS ns.{ZONE}.\n")
    bind._write(f'key "{ALICE}" {{ algorithm hmac-sha256; secret "{server.secret}"; }};'
                f'zone "{ALICE}" {{ type primary; file "zone.db"; }};')
    bind.start()
    wrong = base64.b64encode(b"w" * 32).decode()
    good = signed(server)
    flipped = bytearray(good)
    flipped[find_tsig(good) + 12] ^= 1
    cases = {
        "good": good,
        "wrong secret": signed(server, secret=wrong),
        "a bit of the MAC": bytes(flipped),
        "unknown key": signed(server, name="nobody.example.com"),
        "too old": signed(server, offset=-1000),
        "in the future": signed(server, offset=1000),
        "too old for its own fudge": signed(server, offset=-100, fudge=10),
        "MAC too long": with_mac(good, 33),
        "MAC too short": with_mac(good, 15),
        "MAC of nine octets": with_mac(good, 9),
        "without MAC": with_mac(good, 0),
        "too old and wrong": signed(server, secret=wrong, offset=-1000),
    }
    client = os.path.join(os.path.dirname(__file__), "raw_client.py")
    answers = {}
    now = time.time()
    for port in (53, 5353):
        out = host.run(["/usr/bin/python3", client, "127.0.0.1", str(port), "udp"],
                       input=json.dumps([octets.hex() for octets in cases.values()]), timeout=60).stdout
        answers[port] = [summarize(answer and bytes.fromhex(answer), now) for answer in json.loads(out)]
    ours = dict(zip(cases, answers[53]))
    theirs = dict(zip(cases, answers[5353]))
    assert ours["good"][:3] == (0, 0, 32)
    assert ours["wrong secret"][:3] == ours["a bit of the MAC"][:3] == ours["too old and wrong"][:3] == (NOTAUTH, BADSIG, 0)
    assert ours["unknown key"][:3] == (NOTAUTH, BADKEY, 0)
    for case in ("too old", "in the future", "too old for its own fudge"):
        assert ours[case][:3] == (NOTAUTH, BADTIME, 32) and ours[case][6] == "time"
    assert ours["too old for its own fudge"][3] == 10
    for case in ("MAC too long", "MAC too short", "MAC of nine octets", "without MAC"):
        assert ours[case] == (FORMERR, "unsigned")
    for case in ("good", "wrong secret", "a bit of the MAC", "unknown key", "too old", "in the future", "too old and wrong"):
        assert ours[case] == theirs[case], case
    # RFC 8945 §5.2.3 wants the client's fudge there; BIND sends its own.
    assert theirs["too old for its own fudge"][3] == 300
    bind.stop()


def test_an_update_that_is_sent_again(server):
    """Recorded and sent once more, when another has come meanwhile: BADTIME, and nothing is done."""
    def update(address):
        message = dns.update.Update(ALICE)
        message.replace("moving", 10, "A", address)
        message.use_tsig(dns.tsig.Key(ALICE, server.secret))
        return message.to_wire()

    client = os.path.join(os.path.dirname(__file__), "raw_client.py")

    def send(*messages):
        out = server.host.run(["/usr/bin/python3", client, "127.0.0.1", "53", "udp"],
                              input=json.dumps([message.hex() for message in messages])).stdout
        return [summarize(bytes.fromhex(answer), time.time())[:2] for answer in json.loads(out)]

    first, second = update("192.0.2.1"), update("192.0.2.2")
    assert send(first, first, second, second) == [(0, 0)] * 4
    serial = server.serial()
    assert send(first) == [(NOTAUTH, BADTIME)]
    assert server.short(f"moving.{ALICE}", "A") == ["192.0.2.2"]
    assert server.serial() == serial and server.counters()["Replayed"] == 1
    assert status(server.dig(f"moving.{ALICE}", "A")) == "NOERROR"
