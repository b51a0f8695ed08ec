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
    result = host.run([program, "127.0.0.1", PORT, name, ZONE, *trust], check=False, timeout=120,
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
    process.wait(60)


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
    line = host.run([program, "10.9.0.2", PORT, NAME, ZONE], check=False, timeout=120).stdout
    assert line.startswith("closed -11") and ("does not answer" in line or "cannot be reached" in line)


# The channel: questions of which the answers are waited for, over as many connections as it takes.

CHANNEL_SERVER = """
import sys
def read(c, n):
    got = []
    kept = b""
    while len(got) < n:
        d = c.recv(4096)
        if not d: return got
        kept += d
        while len(kept) >= 2 and len(kept) >= 2 + int.from_bytes(kept[:2], "big"):
            z = int.from_bytes(kept[:2], "big"); got.append(kept[2:2 + z]); kept = kept[2 + z:]
    return got
def answer(q, rcode=0, flags=0x80): return q[:2] + bytes([flags, rcode]) + q[4:]
def send(c, *ms): c.sendall(b"".join(len(m).to_bytes(2, "big") + m for m in ms))
def again():
    c, _ = s.accept()
    return tls(c)
c = tls(c)
"""


def channel(host, n, *servers):
    program = os.path.join(build_directory(), "tests/interop/tls-channel")
    words = [str(word) for port, certificate in servers for word in (port, pin(host, certificate))]
    result = host.run([program, "127.0.0.1", n, *words], timeout=60)
    assert "ERROR: " not in result.stderr, result.stderr
    lines = result.stdout.splitlines()
    return lines[:-1], lines[-1]


def test_answers_out_of_order(host):
    server = play(host, CHANNEL_SERVER + "send(c, *[answer(q) for q in reversed(read(c, 5))]); time.sleep(20)")
    assert channel(host, 5, (PORT, "right")) == ([f"{i} answer 0" for i in (4, 3, 2, 1, 0)], f"last {PORT} dropped 0")
    server.kill()


def test_what_answers_nothing_is_dropped(host):
    """Twice the same, another id, another question with the right id, a question; and then the answer, in other letters."""
    server = play(host, CHANNEL_SERVER + """
a, b = read(c, 2)
send(c, answer(a), answer(a), b"\\x77\\x77" + answer(b)[2:], b[:2] + answer(a)[2:], answer(b, 0, 0), b"abc")
send(c, answer(b, 3).replace(b"example", b"EXAMple"))
time.sleep(20)
""")
    assert channel(host, 2, (PORT, "right")) == (["0 answer 0", "1 answer 3"], f"last {PORT} dropped 5")
    server.kill()


def test_asked_again_on_the_next_connection(host):
    server = play(host, CHANNEL_SERVER + """
qs = read(c, 4)
send(c, answer(qs[1])); c.unwrap(); c.close()
c = again()
left = read(c, 3)
assert sorted(left) == sorted([qs[0], qs[2], qs[3]])
send(c, *[answer(q, 5) for q in left])
time.sleep(20)
""")
    assert channel(host, 4, (PORT, "right")) == (["1 answer 0", "0 answer 5", "2 answer 5", "3 answer 5"],
                                                 f"last {PORT} dropped 0")
    server.kill()


def test_every_server_fails_in_its_own_way(host):
    """Nobody listens, a wrong key, one that closes twice: what is said is of the last of them."""
    server = play(host, CHANNEL_SERVER + "read(c, 2); c.close(); c = again(); read(c, 2); c.close(); time.sleep(20)")
    lines, last = channel(host, 2, (PORT + 1, "right"), (PORT, "right"))
    assert lines == [f"{i} error -104 the server closed the connection" for i in range(2)] and last.startswith(f"last {PORT} ")
    server.kill()
    lines, last = channel(host, 1, (PORT + 1, "right"), (PORT + 2, "right"))
    assert lines == ["0 error -111 the server refuses the connection"]


def test_a_silent_server_is_left_for_the_next(host):
    server = play(host, CHANNEL_SERVER + "read(c, 2); time.sleep(60)")
    second = host.popen([sys.executable, "-c", f"""
import socket, ssl, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", {PORT + 1})); s.listen(5)
def tls(c):
    x = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); x.load_cert_chain("/run/tls/other.crt", "/run/tls/other.key")
    return x.wrap_socket(c, server_side=True)
c, _ = s.accept()
""" + CHANNEL_SERVER + "send(c, *[answer(q) for q in read(c, 2)]); time.sleep(60)"])
    wait_until(lambda: f":{PORT + 1} " in host.run(["ss", "-Hltn"]).stdout, 10, "the second server")
    assert channel(host, 2, (PORT, "right"), (PORT + 1, "other")) == (["0 answer 0", "1 answer 0"], f"last {PORT + 1} dropped 0")
    server.kill()
    second.kill()
