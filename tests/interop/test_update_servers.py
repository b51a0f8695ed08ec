# SPDX-License-Identifier: LGPL-2.1-or-later
"""registrar and a server that knows UPDATE and TSIG, but nothing of leases: BIND's named, Knot's knotd."""
import base64
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "bus"))

from fake_zone import ACCOUNT, HOST_ID, LABEL, SECRET, SIGNED_OUT, fake_identity, fake_mapper, key_name, move
from homeward_lab import wait_until
from name_servers import Bind, Knot, key_file

PORT = 5353
HOST_KEY = base64.b64encode(SECRET).decode()
CONFIG = f"""[server]
address = 127.0.0.1
port = {PORT}
encryption = none
[registration]
startup-delay-msec = 0
"""
ZONE = f"""$ORIGIN {ACCOUNT}.
$TTL 10
@ SOA ns hostmaster 1 3600 600 86400 10
@ NS ns
ns A 127.0.0.1
_dns-update._udp SRV 0 0 {PORT} ns
"""


class UpdatedBind(Bind):
    def write(self):
        self.host.write(f"{self.folder}/zone.db", ZONE)
        self._write(key_file(key_name("desktop"), HOST_KEY) + f"""
            zone "{ACCOUNT}" {{ type primary; file "zone.db"; masterfile-format text;
            update-policy {{ grant {key_name("desktop")} zonesub ANY; }}; }};""")


class UpdatedKnot(Knot):
    def write(self):
        self.host.write(f"{self.folder}/{ACCOUNT}.zone", ZONE)
        self._write(f"""
  - id: "{key_name("desktop")}"
    algorithm: hmac-sha256
    secret: "{HOST_KEY}"
acl:
  - id: host
    key: "{key_name("desktop")}"
    action: update
zone:
  - domain: "{ACCOUNT}"
    storage: "{self.folder}"
    file: "{ACCOUNT}.zone"
    acl: host
""")


@pytest.fixture(params=[UpdatedBind, UpdatedKnot], ids=["bind", "knot"])
def server(make_host, request):
    server = request.param(make_host("desktop"), "server", port=PORT)
    server.write()
    server.start()
    yield server
    server.stop()


def short(server, name, kind):
    return [line.lower().replace(f".{ACCOUNT}.", "") for line in
            sorted(server.dig(f"{name}.{ACCOUNT}", kind, "+short", key=None).stdout.splitlines())]


def serial(server):
    return int(server.dig(ACCOUNT, "SOA", "+short", key=None).stdout.split()[2])


def test_published_shared_moved_and_withdrawn(server):
    host = server.host
    identity, mapper = fake_identity(host), fake_mapper(host)
    host.start_daemon("registrar", CONFIG)
    host.wait_for(("registrar", "State", "published"), 30)
    assert short(server, LABEL, "A") == ["203.0.113.5"] and short(server, "desktop", "AAAA") == [HOST_ID]
    assert short(server, "_autotunnel._udp.desktop", "SRV") == [f"0 0 4500 {LABEL.lower()}"]
    # No word of a lease: what was asked for counts as granted (RFC 9664 section 4.2).
    assert host.get_property("registrar", "Published")[1] == 5400

    host.homewardctl("share", "ipp", "--name", "Büro. 1", "--txt", "rp=x", "--subtype", "_universal")
    host.wait_for(lambda: short(server, "_ipp._tcp", "PTR"), 20)
    instance, = short(server, "_ipp._tcp", "PTR")
    assert instance == "b\\195\\188ro\\.\\0321._ipp._tcp"
    assert short(server, instance, "SRV") == ["0 0 631 desktop"] and short(server, instance, "TXT") == ['"rp=x"']
    assert short(server, "_universal._sub._ipp._tcp", "PTR") == [instance]
    assert short(server, "_services._dns-sd._udp", "PTR") == ["_ipp._tcp"]

    # A refresh changes nothing, and a move the address alone.
    before = serial(server)
    host.call("registrar", "Refresh")
    host.wait_for(("registrar", "Counters", lambda counts: counts["UpdatesAcknowledged"] == 3), 20)
    assert serial(server) == before
    move(mapper, 2, "198.51.100.7")
    host.wait_for(("registrar", "Published", lambda published: published[0] == 2), 20)
    assert short(server, LABEL, "A") == ["198.51.100.7"] and short(server, instance, "SRV") == ["0 0 631 desktop"]
    assert serial(server) == before + 1

    host.homewardctl("unshare", "ipp")
    wait_until(lambda: short(server, instance, "SRV") == [] == short(server, "_ipp._tcp", "PTR"), 20)
    assert short(server, "_services._dns-sd._udp", "PTR") == short(server, "_universal._sub._ipp._tcp", "PTR") == []
    identity.change(**SIGNED_OUT)
    host.wait_for(("registrar", "State", "signed-out"), 20)
    for name, kind in (LABEL, "A"), ("desktop", "AAAA"), ("desktop", "TXT"), ("_autotunnel._udp.desktop", "SRV"):
        assert short(server, name, kind) == []


def test_after_a_crash_it_is_all_as_it_was(server):
    host = server.host
    identity, mapper = fake_identity(host), fake_mapper(host)
    host.start_daemon("registrar", CONFIG)
    host.wait_for(("registrar", "State", "published"), 30)
    host.homewardctl("share", "ssh")
    host.wait_for(lambda: short(server, "_ssh._tcp", "PTR"), 20)
    before = serial(server)
    host.kill_daemon("registrar")
    host.restart_daemon("registrar")
    host.wait_for(("registrar", "State", "published"), 30)
    assert serial(server) == before and short(server, "_ssh._tcp", "PTR") == ["desktop._ssh._tcp"]
    # Moved while it was down.
    host.kill_daemon("registrar")
    move(mapper, 2, "198.51.100.7")
    host.restart_daemon("registrar")
    host.wait_for(("registrar", "Published", lambda published: published[0] == 2), 30)
    assert short(server, LABEL, "A") == ["198.51.100.7"] and serial(server) == before + 1
