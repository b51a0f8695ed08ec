# SPDX-License-Identifier: LGPL-2.1-or-later
"""The TLS connection of the daemons against BIND's, and against servers that behave oddly."""
import base64
import hashlib
import os
import socket
import subprocess
import sys

import pytest

from homeward_lab import build_directory, wait_until

NAME = "ns.members.example.org"
ZONE = "example.org"
PORT = 8853

CERTIFICATES = f"""
set -e
cd /run/tls; exec 2>/run/tls/log
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=authority \
  -addext basicConstraints=critical,CA:TRUE
leaf() {{ # file, subject, subjectAltName, days
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.csr -subj "$2"
  printf 'extendedKeyUsage=serverAuth\\n%s\\n' "$3" > $1.ext
  openssl x509 -req -in $1.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out $1.crt -extfile $1.ext $4
}}
leaf right /CN=somebody "subjectAltName=DNS:{NAME}" "-days 2"
leaf other /CN=somebody "subjectAltName=DNS:other.example.org" "-days 2"
leaf common "/CN={NAME}" "" "-days 2"
leaf expired /CN=somebody "subjectAltName=DNS:{NAME}" "-days -1"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout self.key -out self.crt -days 2 -subj /CN=self
chmod 644 *.key
"""

NAMED = f"""
tls dot {{ key-file "/run/tls/right.key"; cert-file "/run/tls/right.crt"; }};
options {{ directory "/run/named"; pid-file "/run/named/pid"; session-keyfile "/run/named/session.key";
  managed-keys-directory "/run/named"; lock-file none; listen-on {{ none; }}; listen-on-v6 {{ none; }};
  listen-on port {PORT} tls dot {{ 127.0.0.1; }}; recursion no; dnssec-validation no; }};
controls {{ }};
zone "{ZONE}" {{ type primary; file "/run/named/zone.db"; }};
"""


def pin(host, name):
    der = subprocess.run("openssl x509 -in %s -noout -pubkey | openssl pkey -pubin -outform DER" %
                         host.path(f"/run/tls/{name}.crt"), shell=True, check=True, capture_output=True).stdout
    return "sha256/" + base64.b64encode(hashlib.sha256(der).digest()).decode()


@pytest.fixture
def host(make_host):
    host = make_host("server", bus=False)
    host.run(["mkdir", "-p", "/run/tls", "/run/named"])
    host.run(["sh", "-c", CERTIFICATES])
    return host


def query(host, *trust, name=NAME, authorities=True):
    """(what came of it, in one line)"""
    program = os.path.join(build_directory(), "tests/interop/tls-query")
    result = host.run([program, "127.0.0.1", PORT, name, ZONE, *trust], check=False, timeout=40,
                      env={"SSL_CERT_FILE": "/run/tls/ca.crt" if authorities else "/dev/null", "SSL_CERT_DIR": "/nowhere"})
    assert "ERROR: " not in result.stderr, result.stderr
    return result.stdout.strip()


def listening(host):
    return f":{PORT} " in host.run(["ss", "-Hltn"]).stdout


@pytest.fixture
def bind(host):
    if host.run(["sh", "-c", "command -v named"], check=False).returncode:
        pytest.skip("named is not installed")
    host.write("/run/named/named.conf", NAMED)
    host.write("/run/named/zone.db", f"$TTL 60\n@ SOA {NAME}. h.{ZONE}. 1 60 60 60 60\n@ NS {NAME}.\nns.members A 127.0.0.1\n")
    process = host.popen(["named", "-f", "-c", "/run/named/named.conf", "-L", "/run/named/log"])
    wait_until(lambda: listening(host), 20, "named")
    yield host
    process.terminate()
    process.wait(10)


def serve(host, certificate, *options):
    """openssl s_server, which answers a query with what it is told on its standard input: nothing."""
    process = host.popen(["openssl", "s_server", "-accept", f"127.0.0.1:{PORT}", "-cert", f"/run/tls/{certificate}.crt",
                          "-key", f"/run/tls/{certificate}.key", "-quiet", *options], stdin=subprocess.PIPE,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: listening(host), 10, "s_server")
    return process


def play(host, script):
    """A TCP server in Python; `script` gets the connection as c."""
    process = host.popen([sys.executable, "-c", f"""
import socket, time, ssl
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", {PORT})); s.listen(5)
c, _ = s.accept()
def tls(c):
    x = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); x.load_cert_chain("/run/tls/right.crt", "/run/tls/right.key")
    return x.wrap_socket(c, server_side=True)
{script}
"""])
    wait_until(lambda: listening(host), 10, "the server")
    return process


def test_names_and_authorities(bind):
    assert query(bind) == "answer 0 1"
    # BIND is asked for the same with another name.
    wrong = query(bind, name="ns.other.example.org")
    assert wrong.startswith("closed -1 ") and "hostname mismatch; it is for " + NAME in wrong and "put pin = sha256/" in wrong
    unknown = query(bind, authorities=False)
    assert unknown.startswith("closed -1 ") and pin(bind, "right") in unknown and "the.conf" in unknown


def test_pins(bind):
    right, other = pin(bind, "right"), pin(bind, "other")
    assert query(bind, "pin", right, authorities=False, name="whatever.example") == "answer 0 1"
    assert query(bind, "pin", other, "pin", right, authorities=False) == "answer 0 1"
    # With pins nothing else counts, neither authorities nor TLSA records.
    refused = query(bind, "pin", other, "tlsa", right)
    assert refused == (f"closed -1 the server's certificate has pin {right}, none of the pins configured in the.conf: if its "
                       "key was changed on purpose, put this pin there")
    assert query(bind, "pin", right[:-5] + "=").startswith("no pin")


def test_tlsa(bind):
    right, other = pin(bind, "right"), pin(bind, "other")
    assert query(bind, "tlsa", right, authorities=False) == "answer 0 1"
    refused = query(bind, "tlsa", other)
    assert refused.startswith("closed -1 ") and right in refused and "tells of " + NAME in refused


@pytest.mark.parametrize("certificate, words", [
    ("other", "it is for other.example.org"), ("common", "hostname mismatch"), ("expired", "certificate has expired"),
    ("self", "self-signed certificate")])
def test_certificates_that_are_not_right(host, certificate, words):
    server = serve(host, certificate)
    refused = query(host)
    assert refused.startswith("closed -1 ") and words in refused, refused
    server.kill()


def test_old_tls(host):
    server = serve(host, "right", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    refused = query(host)
    assert refused.startswith("closed -71 no TLS with the server") and "protocol" in refused, refused
    server.kill()


def test_tls_1_2_with_and_without_aead(host):
    server = serve(host, "right", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384")
    assert query(host).startswith("closed -71 no TLS")
    server.kill()
    server.wait()
    server = play(host, """
x = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); x.load_cert_chain("/run/tls/right.crt", "/run/tls/right.key")
x.maximum_version = ssl.TLSVersion.TLSv1_2
c = x.wrap_socket(c, server_side=True)
for i in range(2):
    q = c.recv(4096); assert q[:2] == (len(q) - 2).to_bytes(2, "big")
    a = q[2:4] + b"\\x80\\x05" + b"\\0" * 8
    c.sendall((len(a)).to_bytes(2, "big") + a)
time.sleep(20)
""")
    assert query(host) == "answer 5 0"
    server.kill()


@pytest.mark.parametrize("script, expected", [
    ("c.sendall(b'SSH-2.0-something\\r\\n' * 50); time.sleep(20)", "closed -71 no TLS"),
    ("c.close()", "closed -104 the server closed the connection"),
    ("c = tls(c); c.recv(9); c.sendall(b'\\x01\\x00half a mess'); c.close()", "closed -104 the server closed"),
    ("c = tls(c); c.unwrap()", "closed -104 the server closed"),
    ("c = tls(c); c.recv(9); c.sendall(b'\\x00\\x05short'); time.sleep(20)", "malformed"),
    ("c = tls(c)\nq = c.recv(99)\nfor o in b'\\x00\\x0c' + q[2:4] + b'\\x80\\x05' + b'\\0' * 8 + b'\\x00\\x0c' + q[2:4] + "
     "b'\\x80\\x05' + b'\\0' * 8: c.sendall(bytes([o]))\ntime.sleep(20)", "answer 5 0"),
])
def test_odd_servers(host, script, expected):
    server = play(host, script)
    assert query(host).startswith(expected)
    server.kill()


def test_nobody_there(host):
    assert query(host) == "closed -111 the server refuses the connection"


def test_silence(host):
    server = play(host, "time.sleep(30)")
    assert query(host) == "closed -110 the server does not answer"
    server.kill()
    # No answer even to the SYN.
    host.run(["ip", "link", "add", "d0", "type", "veth", "peer", "name", "d1"])
    host.run(["ip", "address", "add", "10.9.0.1/24", "dev", "d0"])
    host.run(["ip", "link", "set", "d0", "up"])
    host.run(["ip", "link", "set", "d1", "up"])
    program = os.path.join(build_directory(), "tests/interop/tls-query")
    line = host.run([program, "10.9.0.2", PORT, NAME, ZONE], check=False, timeout=40).stdout
    assert line.startswith("closed -11") and ("does not answer" in line or "cannot be reached" in line)
