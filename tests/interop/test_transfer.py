# SPDX-License-Identifier: LGPL-2.1-or-later
"""Secondaries of zoned: BIND and Knot transfer an account's zone and the members zone, and follow changes."""
import os
import re

import pytest

from homeward_lab import wait_until
from name_servers import KEY, SECRET, Bind, Knot, key_file

ZONE = "members.example.org"
ALICE = f"alice.{ZONE}"
BOB = f"bob.{ZONE}"
PASSWORD = "a long enough password"
ALICE_KEY = "/run/alice.key"
CONFIG = f"""[zone]
name = {ZONE}
server-address = 127.0.0.1
[update-lease]
minimum = 1
[transfer]
keys = /etc/homeward/transfer.key
also-notify = 127.0.0.1#5301, 127.0.0.1#5302 {KEY}
"""


class Primary:
    def __init__(self, host, config=CONFIG):
        self.host = host
        for tool in ("nsupdate", "dig", "kdig"):
            if host.run(["sh", "-c", f"command -v {tool}"], check=False).returncode:
                pytest.skip(f"{tool} is not installed")
        host.run(["mkdir", "-p", "/etc/homeward"])
        host.write("/etc/homeward/transfer.key", key_file(), 0o640)
        host.run(["chgrp", "homeward-zone", "/etc/homeward/transfer.key"])
        host.start_daemon("zoned", config, supervise=True)
        for name in ("alice", "bob"):
            self.zonectl("account", "add", name, "--password-fd", "0", input=PASSWORD + "\n")
        host.run(["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", "account", "key", "alice",
                  "--output", ALICE_KEY], env=host.sanitizer_environment("zonectl"))
        wait_until(lambda: self.serial(ALICE), 10, "alice's zone")

    def zonectl(self, *words, check=True, input=None):
        return self.host.run(self.host.as_user("homeward-zone") +
                             ["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", *words], check=check,
                             input=input, timeout=60, env=self.host.sanitizer_environment("zonectl"))

    def nsupdate(self, *lines):
        text = f"server 127.0.0.1\nzone {ALICE}\n" + "".join(f"{line}\n" for line in lines) + "send\n"
        return self.host.run(["nsupdate", "-k", ALICE_KEY], input=text)

    def serial(self, zone):
        out = self.host.run(["dig", "@127.0.0.1", "-y", f"hmac-sha256:{KEY}:{SECRET}", "+norec", "+short", zone,
                             "SOA"], check=False).stdout
        return int(out.split()[2]) if out and out[0] != ";" else None

    def transfer(self, zone, kind="AXFR", key=f"hmac-sha256:{KEY}:{SECRET}"):
        return self.host.run(["kdig", "@127.0.0.1", *(["-y", key] if key else []), zone, kind, "+tcp"], check=False).stdout

    def counters(self):
        return {name: int(value) for name, value in
                re.findall(r"^(\w+) (\d+)$", self.zonectl("status").stdout, re.M)}


@pytest.fixture
def primary(make_host):
    primary = Primary(make_host("zone", bus=False))
    yield primary
    assert primary.host.stop_daemon("zoned") == 0


@pytest.mark.parametrize("kind, port", [(Bind, 5301), (Knot, 5302)])
def test_secondary_follows(primary, kind, port):
    secondary = kind(primary.host, "secondary", port=port)
    secondary.write_secondary([ZONE, ALICE])
    secondary.start()

    def wait_same(zone):
        wait_until(lambda: secondary.serial(zone) == primary.serial(zone), 30, f"{zone} at the secondary")
    wait_same(ALICE)
    wait_same(ZONE)
    assert secondary.short(f"ns.{ZONE}", "A") == ["127.0.0.1"]
    assert len(secondary.short(f"b._dns-sd._udp.{ALICE}", "PTR")) == 1
    whole = primary.counters()["TransfersWhole"]
    for i in range(5):
        primary.nsupdate(f"update delete host.{ALICE} A", f"update add host.{ALICE} 10 A 192.0.2.{i}",
                         f'update add h{i}.{ALICE} 10 TXT "{"x" * 200}"')
        wait_same(ALICE)
        assert secondary.short(f"host.{ALICE}", "A") == [f"192.0.2.{i}"]
    primary.nsupdate(*(f"update delete h{i}.{ALICE}" for i in range(3)))
    wait_same(ALICE)
    assert secondary.short(f"h1.{ALICE}", "TXT") == [] and len(secondary.short(f"h4.{ALICE}", "TXT")) == 1
    assert "IXFR" in secondary.log()
    counters = primary.counters()
    assert counters["TransfersIncremental"] >= 6 and counters["TransfersWhole"] == whole
    # The journal lives on: what changed while the secondary was away comes as a difference too.
    secondary.stop()
    primary.nsupdate(f"update add away.{ALICE} 10 A 192.0.2.99")
    starts = primary.host.daemons["zoned"].starts
    primary.host.kill_daemon("zoned")
    primary.host.wait_restarted("zoned", starts)
    wait_until(lambda: primary.serial(ALICE), 10, "zoned")
    secondary.start()
    wait_same(ALICE)
    assert secondary.short(f"away.{ALICE}", "A") == ["192.0.2.99"]
    counters = primary.counters()
    assert counters["TransfersIncremental"] >= 1
    # The members zone is a new one after each start of zoned, and has no journal.
    wait_same(ZONE)
    assert counters["TransfersWhole"] <= 2
    secondary.stop()


def test_big_zone(primary):
    """Many messages, each signed; kdig and dig check the chain."""
    for start in range(0, 2000, 100):
        primary.host.run(["nsupdate", "-v", "-k", ALICE_KEY], input=f"server 127.0.0.1\nzone {ALICE}\n" + "".join(
            f'update add r{i}.{ALICE} 10 TXT "{i:0150d}"\n' for i in range(start, start + 100)) + "send\n")
    out = primary.transfer(ALICE)
    assert len(re.findall(r"^r\d+\.", out, re.M)) == 2000 and ";; WARNING" not in out and ";; ERROR" not in out
    assert int(re.search(r"Received \d+ B \((\d+) messages", out).group(1)) > 10
    # By TLS too (RFC 9103).
    out = primary.host.run(["kdig", "@127.0.0.1", "+tls", "-y", f"hmac-sha256:{KEY}:{SECRET}", ALICE, "AXFR"]).stdout
    assert len(re.findall(r"^r\d+\.", out, re.M)) == 2000 and ";; ERROR" not in out and "@853" in out
    out = primary.host.run(["dig", "@127.0.0.1", "-y", f"hmac-sha256:{KEY}:{SECRET}", ALICE, "AXFR"]).stdout
    assert len(re.findall(r"^r\d+\.", out, re.M)) == 2000 and "failed" not in out


def test_who_may_not(primary):
    """Without the key an account that is there and one that is not look the same."""
    wrong = "A" * 43 + "="

    def octets(zone, kind, key=None, secret=SECRET):
        script = """
import base64, socket, struct, sys
import dns.message, dns.rdatatype, dns.tsig, dns.name, dns.rrset
zone, kind, key, secret = sys.argv[1:]
query = dns.message.make_query(zone, kind)
query.id = 7
if kind == "IXFR":
    query.authority.append(dns.rrset.from_text(zone + ".", 0, "IN", "SOA", "a. b. 1 2 3 4 5"))
if key:
    query.use_tsig(dns.tsig.Key(key, base64.b64decode(secret), dns.tsig.HMAC_SHA256))
octets = query.to_wire()
tcp = socket.create_connection(("127.0.0.1", 53))
tcp.send(struct.pack(">H", len(octets)) + octets)
size = struct.unpack(">H", tcp.recv(2))[0]
answer = tcp.recv(size)
# Time and name differ.
print(answer[:12].hex(), len(answer) - len(zone), dns.rcode.Rcode(answer[3] & 15).name)
"""
        return primary.host.run(["/usr/bin/python3", "-c", script, zone, kind, key or "", secret]).stdout
    for kind in ("AXFR", "IXFR"):
        assert octets(BOB, kind) == octets(f"dan.{ZONE}", kind) and "REFUSED" in octets(BOB, kind)
        assert "REFUSED" in octets(ZONE, kind)
        # Names of the same length, so that the answers can be compared in octets.
        assert octets(BOB, kind, KEY, wrong) == octets(f"dan.{ZONE}", kind, KEY, wrong)
        assert "NOTAUTH" in octets(BOB, kind, KEY, wrong)
        assert octets(BOB, kind, "other.example.net") == octets(f"dan.{ZONE}", kind, "other.example.net")
    # An account's own key reads names and takes no zones.
    secret = re.search(r'secret "(.*)"', primary.host.read(ALICE_KEY)).group(1)
    assert "REFUSED" in octets(ALICE, "AXFR", ALICE, secret)
    assert octets(BOB, "AXFR", ALICE, secret) == octets(f"dan.{ZONE}", "AXFR", ALICE, secret)
    # Whoever has the key may know.
    assert "NOTAUTH" in octets(f"dan.{ZONE}", "AXFR", KEY) and "NOERROR" in octets(BOB, "AXFR", KEY)
    failed = primary.host.run(["nsupdate", "-y", f"hmac-sha256:{KEY}:{SECRET}"], check=False,
                              input=f"server 127.0.0.1\nzone {ALICE}\nupdate add x.{ALICE} 10 A 192.0.2.1\nsend\n")
    assert "REFUSED" in failed.stderr


def test_key_that_others_can_read(make_host):
    host = make_host("zone", bus=False)
    host.run(["mkdir", "-p", "/etc/homeward"])
    host.write("/etc/homeward/transfer.key", key_file(), 0o644)
    host.write("/etc/homeward/zoned.conf", CONFIG)
    result = host.run(host.as_user("homeward-zone") + [host.program("zoned"), "--config", "/etc/homeward/zoned.conf"],
                      check=False, env=host.sanitizer_environment("zoned"))
    assert result.returncode == 1 and "others can read it" in result.stderr and SECRET not in result.stderr
    assert os.stat(host.path("/etc/homeward/transfer.key")).st_mode & 0o777 == 0o644
