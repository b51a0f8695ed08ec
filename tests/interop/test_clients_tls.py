# SPDX-License-Identifier: LGPL-2.1-or-later
"""registrar and llq-watcher with BIND's named by TLS, a server that knows neither leases nor long-lived queries nor
DNS Push: updates go their way, and what the watcher cannot have it says."""
import base64
import hashlib
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "bus"))

from fake_zone import ACCOUNT, HOST_ID, LABEL, SECRET, fake_identity, fake_mapper, key_name, move
from name_servers import Bind, key_file

PORT, TLS_PORT = 5353, 8853
CONFIG = f"[server]\naddress = 127.0.0.1\nport = {PORT}\n%s"
REGISTRAR = "[registration]\nstartup-delay-msec = 0\n"


class TlsBind(Bind):
    def write(self):
        path = self.host.path(self.folder)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                        "/CN=zone", "-days", "2", "-keyout", f"{path}/tls.key", "-out", f"{path}/tls.crt"], check=True,
                       capture_output=True)
        spki = subprocess.run(f"openssl x509 -in {path}/tls.crt -noout -pubkey | openssl pkey -pubin -outform DER", shell=True,
                              check=True, capture_output=True).stdout
        self.digest = hashlib.sha256(spki).digest()
        self.host.write(f"{self.folder}/zone.db", f"""$ORIGIN {ACCOUNT}.
$TTL 10
@ SOA ns hostmaster 1 3600 600 86400 10
@ NS ns
ns A 127.0.0.1
_dns-update-tls._tcp SRV 0 0 {TLS_PORT} ns
_dns-push-tls._tcp SRV 0 0 {TLS_PORT} ns
_dns-llq-tls._udp SRV 0 0 {TLS_PORT} ns
_{TLS_PORT}._tcp.ns TLSA 3 1 1 {self.digest.hex()}
""")
        keys = "".join(key_file(key_name(name), base64.b64encode(SECRET).decode()) for name in ("desktop", "laptop"))
        self._write(keys + f"""
            tls dot {{ key-file "{self.folder}/tls.key"; cert-file "{self.folder}/tls.crt"; protocols {{ TLSv1.3; }}; }};
            zone "{ACCOUNT}" {{ type primary; file "zone.db"; masterfile-format text;
            update-policy {{ grant {key_name("desktop")} zonesub ANY; }}; }};""",
                    f"listen-on port {TLS_PORT} tls dot {{ 127.0.0.1; }};")


@pytest.fixture
def server(make_host):
    server = TlsBind(make_host("desktop"), "server", port=PORT)
    server.write()
    server.start()
    yield server
    server.stop()


def short(server, name, kind):
    return server.dig(f"{name}.{ACCOUNT}", kind, "+short", key=None).stdout.split("\n")[:-1]


def test_updates(server):
    host = server.host
    identity, mapper = fake_identity(host), fake_mapper(host)
    host.start_daemon("registrar", CONFIG % REGISTRAR)
    host.wait_for(("registrar", "State", "published"), 30)
    assert host.get_property("registrar", "Published")[3] == f"127.0.0.1:{TLS_PORT}"
    assert short(server, LABEL, "A") == ["203.0.113.5"] and short(server, "desktop", "AAAA") == [HOST_ID]
    move(mapper, 2, "198.51.100.7")
    host.wait_for(lambda: host.get_property("registrar", "Published")[0] == 2, 20)
    assert short(server, LABEL, "A") == ["198.51.100.7"]
    # It restarts with the same key: the connection is gone, the next update makes another.
    server.stop(kill=True)
    server.start()
    move(mapper, 3, "198.51.100.8")
    host.wait_for(lambda: host.get_property("registrar", "Published")[0] == 3, 30)
    assert short(server, LABEL, "A") == ["198.51.100.8"]
    host.stop_daemon("registrar")
    assert short(server, LABEL, "A") == []


def test_what_named_cannot_do(server):
    host = server.host
    fake_identity(host, "laptop"), fake_mapper(host)
    host.start_daemon("llq-watcher", CONFIG % "[stub]\nenable = no\n")
    host.wait_for(lambda: any("the server knows no DNS Push" in words for _, _, words in
                              host.get_property("llq-watcher", "Timeline")), 30)
    host.wait_for(lambda: host.get_property("llq-watcher", "State") in ("retrying", "refused"), 60)
    assert "watched" in host.get_property("llq-watcher", "Reason")
