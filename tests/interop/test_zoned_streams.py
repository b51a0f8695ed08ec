# SPDX-License-Identifier: LGPL-2.1-or-later
"""zoned over TLS, DSO and DNS Push, against programs that are not homeward's: kdig, dig, openssl, dnspython, pyOpenSSL, tshark."""
import json
import re
import signal
import subprocess

import pytest

from homeward_lab import TOP, wait_until
from test_zoned import ALICE, CONFIG, PASSWORD, ZONE, Server

CLIENT = f"{TOP}/tests/interop/push_client.py"


class StreamServer(Server):
    def __init__(self, host, config=CONFIG):
        super().__init__(host, config)
        # Where the build's prefix has the state.
        self.certificate = re.search(r"made a certificate: (\S+)", host.log("zoned")).group(1)

    def openssl(self, *options, input="", check=False):
        return self.host.run(["openssl", "s_client", "-connect", "127.0.0.1:853", "-servername", f"ns.{ZONE}", *options],
                             input=input, check=check)

    def pin(self):
        return self.host.run(["sh", "-c", "openssl s_client -connect 127.0.0.1:853 </dev/null 2>/dev/null | openssl x509 "
                              "-pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64"]
                             ).stdout.strip()


class PushClient:
    """tests/interop/push_client.py on the server's host."""

    def __init__(self, server, keylog=None, bind=True):
        self.server = server
        self.process = server.host.popen(["/usr/bin/python3", CLIENT, "127.0.0.1", "853", *([keylog] if keylog else [])],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert json.loads(self.process.stdout.readline()) == "connected"
        if bind:
            assert self(f"bind {ALICE} {ALICE} {server.secret}") == "NOERROR"

    def __call__(self, command):
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def subscribe(self, name, rdtype):
        ident, rcode, _ = self(f"subscribe {name} {rdtype}")
        assert rcode == 0
        return ident

    def close(self):
        self("close")
        self.process.stdin.close()
        assert self.process.wait(60) == 0


@pytest.fixture
def server(make_host):
    server = StreamServer(make_host("zone", bus=False))
    yield server
    assert server.host.stop_daemon("zoned") == 0


@pytest.fixture
def patient(make_host):
    """Nobody is idle for too long before the last of many connections is there, which takes a busy machine its time."""
    server = StreamServer(make_host("zone", bus=False), CONFIG + "[tls]\nidle = 600\n")
    yield server
    assert server.host.stop_daemon("zoned") == 0


def test_tools_over_tls(server):
    server.nsupdate(f"update add host.{ALICE} 10 AAAA fd00::1")
    pin = server.pin()
    assert f"sha256/{pin}" in server.zonectl("tls", "pin").stdout
    key = ["-y", f"hmac-sha256:{ALICE}:{server.secret}"]
    answer = server.host.run(["kdig", "@127.0.0.1", "+tls", f"+tls-pin={pin}", *key, f"host.{ALICE}", "AAAA"]).stdout
    assert "fd00::1" in answer and "TLS1.3" in answer and ";; WARNING" not in answer and ";; ERROR" not in answer
    # Another pin, and a certificate checked by name.
    assert "fd00::1" not in server.host.run(["kdig", "@127.0.0.1", "+tls", f"+tls-pin={'A' * 43}=", *key, f"host.{ALICE}",
                                             "AAAA"], check=False).stdout
    name = [f"+tls-ca={server.certificate}", f"+tls-hostname=ns.{ZONE}"]
    assert "fd00::1" in server.host.run(["kdig", "@127.0.0.1", "+tls", *name, *key, f"host.{ALICE}", "AAAA"]).stdout
    assert "fd00::1" not in server.host.run(["kdig", "@127.0.0.1", "+tls", name[0], "+tls-hostname=other.example", *key,
                                             f"host.{ALICE}", "AAAA"], check=False).stdout
    assert "fd00::1" in server.dig(f"host.{ALICE}", "AAAA", "+tls")
    # RFC 8467: 468 octets, signed or not.
    for sign in (key, []):
        padded = server.host.run(["kdig", "@127.0.0.1", "+tls", "+padding", *sign, ZONE, "SOA"]).stdout
        assert "Received 468 B" in padded
    # In the clear nothing is padded, and nothing speaks DNS on 853 without TLS or TLS on 53.
    assert "PADDING" not in server.host.run(["kdig", "@127.0.0.1", "+tcp", "+padding", ZONE, "SOA"]).stdout
    for options in (["+tcp", "-p", "853"], ["+tls", "-p", "53"]):
        failed = server.host.run(["kdig", "@127.0.0.1", *options, "+retry=0", "+time=3", ZONE, "SOA"], check=False).stdout
        assert "NOERROR" not in failed


def test_where_tls_is(server):
    for service in ("_dns-update-tls._udp", "_dns-update-tls._tcp", "_dns-llq-tls._udp", "_dns-llq-tls._tcp",
                    "_dns-push-tls._tcp"):
        assert server.short(f"{service}.{ALICE}", "SRV") == [f"0 0 853 ns.{ZONE}."]
    assert server.short(f"_dns-update._udp.{ALICE}", "SRV") == [f"0 0 53 ns.{ZONE}."]
    for label in ("b", "db", "lb", "r", "dr"):
        assert server.short(f"{label}._dns-sd._udp.{ALICE}", "PTR") == [f"{ALICE}."]
    digest = server.host.run(["sh", "-c", f"openssl x509 -in {server.certificate} -pubkey -noout | openssl pkey -pubin "
                              "-outform der | sha256sum"]).stdout.split()[0]
    tlsa = server.short(f"_853._tcp.ns.{ZONE}", "TLSA")
    assert [line.replace(" ", "").lower() for line in tlsa] == ["311" + digest]


def test_what_is_not_spoken(server):
    """TLS 1.3 and 1.2 with AEAD, ALPN dot; nothing older or weaker, and no renegotiation."""
    assert "New, TLSv1.3" in server.openssl("-tls1_3", "-alpn", "dot").stdout
    for group in ("X25519", "P-256", "P-384"):
        assert "New, TLSv1.3" in server.openssl("-tls1_3", "-groups", group).stdout
    assert "ALPN protocol: dot" in server.openssl("-alpn", "h2,dot").stdout
    assert "no application protocol" in server.openssl("-alpn", "h2").stderr
    good = server.openssl("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256").stdout
    assert "Cipher is ECDHE-ECDSA-AES128-GCM-SHA256" in good and "Compression: NONE" in good
    assert "Extended master secret: yes" in good
    for options in (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"], ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA"],
                    ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], ["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"],
                    # Whoever makes the server do this does so for next to nothing.
                    ["-tls1_3", "-groups", "ffdhe8192"], ["-tls1_3", "-groups", "ffdhe2048"], ["-tls1_3", "-groups", "P-521"]):
        assert "Cipher is (NONE)" in server.openssl(*options).stdout, options
    refused = server.openssl("-tls1_2", input="R\n")
    assert "no renegotiation" in refused.stderr


def test_new_certificate_on_hangup(server):
    before = server.pin()
    client = PushClient(server)
    client.subscribe(f"host.{ALICE}", "A")
    tlsa = server.short(f"_853._tcp.ns.{ZONE}", "TLSA")
    key = server.certificate.replace("certificate", "private-key")
    server.host.run(server.host.as_user("homeward-zone") + ["rm", server.certificate, key])
    server.host.kill_daemon("zoned", signal.SIGHUP, wait=False)
    wait_until(lambda: server.pin() not in ("", before), 10, "another certificate")
    assert server.short(f"_853._tcp.ns.{ZONE}", "TLSA") != tlsa
    # The session knows nothing of that.
    server.nsupdate(f"update add host.{ALICE} 10 A 192.0.2.1")
    assert client("push") == [f"+ host.{ALICE}. A 192.0.2.1 10"]
    # What makes no sense changes nothing.
    after = server.pin()
    server.host.run(["sh", "-c", f"echo nonsense > {server.certificate}"])
    server.host.kill_daemon("zoned", signal.SIGHUP, wait=False)
    server.nsupdate(f"update add host.{ALICE} 10 A 192.0.2.2")
    assert client("push") == [f"+ host.{ALICE}. A 192.0.2.2 10"]
    assert server.pin() == after
    server.host.run(["rm", server.certificate])
    client.close()


OUT_OF_ORDER_SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import dns.update
from push_client import Client, make_key
domain, key = sys.argv[2], make_key(sys.argv[2], sys.argv[3])
client = Client("127.0.0.1", 853)
update = dns.update.UpdateMessage(domain, keyring=key, id=1000)
update.add("out-of-order", 10, "A", "192.0.2.1")
queries = []
for i in range(200):
    query = dns.message.make_query(domain, "NS")
    query.id = i
    query.use_tsig(key)
    queries.append(query.to_wire())
client.send(update.to_wire(), *queries)
print(*(int.from_bytes(client.receive()[:2], "big") for _ in range(201)))
"""


def test_pipelined_and_out_of_order(server):
    """An UPDATE waits for the disk; the questions behind it do not."""
    ids = [int(word) for word in server.host.run(["/usr/bin/python3", "-c", OUT_OF_ORDER_SCRIPT, f"{TOP}/tests/interop", ALICE,
                                                  server.secret]).stdout.split()]
    assert sorted(ids) == [*range(200), 1000] and ids[0] != 1000
    assert server.short(f"out-of-order.{ALICE}", "A") == ["192.0.2.1"]


PIPELINE_SCRIPT = """
import socket, ssl, struct, sys
tail = b"".join(bytes([len(label)]) + label.encode() for label in sys.argv[1].split(".")) + b"\\0" + struct.pack("!2H", 6, 1)
def question(ident):
    message = struct.pack("!6H", ident, 0, 1, 0, 0, 0) + tail
    return struct.pack("!H", len(message)) + message
for port in (53, 853):
    stream = socket.create_connection(("127.0.0.1", port), 20)
    if port == 853:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        stream = context.wrap_socket(stream)
    stream.sendall(b"".join(question(ident) for ident in range(2500)))
    if port == 53:
        stream.shutdown(socket.SHUT_WR)
    answers = stream.makefile("rb")
    for ident in range(2500):
        size, = struct.unpack("!H", answers.read(2))
        assert struct.unpack("!H", answers.read(size)[:2])[0] == ident
"""


def test_more_questions_at_once_than_get_a_turn(server):
    server.host.run(["/usr/bin/python3", "-c", PIPELINE_SCRIPT, ZONE], timeout=60)


def test_push(server):
    client = PushClient(server)
    assert client("keepalive 20000 60000") == [20000, 60000]
    server.nsupdate(f"update add host.{ALICE} 10 AAAA fd00::1", f"update add host.{ALICE} 10 TXT hello")
    ident = client.subscribe(f"host.{ALICE}", "AAAA")
    assert client("push") == [f"+ host.{ALICE}. AAAA fd00::1 10"]
    client.subscribe(f"Host.{ALICE}", "ANY")
    assert sorted(client("push")) == [f"+ host.{ALICE}. AAAA fd00::1 10", f'+ host.{ALICE}. TXT "hello" 10']
    client.subscribe(f"none.{ALICE}", "A")
    # One message for two subscriptions; nothing of other names.
    server.nsupdate(f"update add host.{ALICE} 10 AAAA fd00::2", f"update add other.{ALICE} 10 A 192.0.2.1")
    assert client("push") == [f"+ host.{ALICE}. AAAA fd00::2 10"]
    server.nsupdate(f"update delete host.{ALICE} AAAA")
    assert client("push") == [f"- host.{ALICE}. AAAA"]
    server.nsupdate(f"update add host.{ALICE} 10 A 192.0.2.1")
    assert client("push") == [f"+ host.{ALICE}. A 192.0.2.1 10"]
    server.nsupdate(f"update delete host.{ALICE}")
    assert client("push") == [f"- host.{ALICE}. all"]
    client(f"unsubscribe {ident}")
    assert client("push 0.3") == {"timeout": True}
    # On the same connection a question, an UPDATE would do as well.
    assert client(f"query {ALICE} NS {ALICE} {server.secret}") == ["NOERROR", f"ns.{ZONE}."]
    # A lease that ends.
    server.host.run(["/usr/bin/python3", "-c", LEASE_SCRIPT, ALICE, server.secret, server.certificate])
    assert client("push") == [f"+ none.{ALICE}. A 192.0.2.7 10"]
    assert client("push") == [f"- none.{ALICE}. A"]
    counters = server.counters()
    assert counters["Sessions"] == 1 and counters["Subscriptions"] == 2 and counters["DsoFatal"] == 0
    client.close()
    wait_until(lambda: server.counters()["Sessions"] == 0, 10, "the end of the session")


LEASE_SCRIPT = """
import base64, socket, ssl, struct, sys
import dns.edns, dns.query, dns.tsig, dns.update
key = dns.tsig.Key(sys.argv[1], base64.b64decode(sys.argv[2]), dns.tsig.HMAC_SHA256)
update = dns.update.UpdateMessage(sys.argv[1], keyring=key)
update.add("none", 10, "A", "192.0.2.7")
update.use_edns(0, options=[dns.edns.GenericOption(2, struct.pack("!I", 2))])
context = ssl.create_default_context(cafile=sys.argv[3])
with context.wrap_socket(socket.create_connection(("127.0.0.1", 853)), server_hostname="ns.members.example.org") as stream:
    stream.setblocking(False)
    assert dns.query.tls(update, "127.0.0.1", sock=stream).rcode() == 0
"""


def test_push_is_private(server):
    """Without the key, or with another's, every name is answered in the same octets."""
    server.zonectl("account", "add", "bob", "--password-fd", "0", input=PASSWORD + "!\n")
    server.nsupdate(f"update add host.{ALICE} 10 A 192.0.2.1")
    stranger = PushClient(server, bind=False)
    answers = {json.dumps(stranger(f"subscribe {name} A")[1:]) for name in (
        f"host.{ALICE}", f"none.{ALICE}", ALICE, f"bob.{ZONE}", f"x.nobody.{ZONE}", ZONE, "www.example.com")}
    assert answers == {json.dumps([5, {"2": "000493e0"}])}
    # The right key, but the octets of another connection: answered as ever, and worth nothing.
    assert stranger(f"bind {ALICE} {ALICE} {server.secret} {'00' * 32}") == "NOERROR"
    assert stranger(f"subscribe host.{ALICE} A")[1] == 5
    assert stranger(f"bind {ALICE} {ALICE} {server.secret}") == "NOERROR"
    assert stranger(f"subscribe host.{ALICE} A")[1] == 0
    assert stranger(f"subscribe bob.{ZONE} ANY")[1] == 5
    assert server.counters()["BindingsWrong"] == 1
    stranger.close()


def test_fatal_errors_reset_the_connection(server):
    for octets in ("000030000000000000000000000200040000000a",      # Retry Delay
                   "000030000000000000000000004200020001",          # UNSUBSCRIBE before there is a session
                   "0001b0000000000000000000",                      # a response
                   "0000b0000000000000000000",
                   "00013000000000000000000000010008003a98"):       # cut off
        client = PushClient(server, bind=False)
        client(f"send {octets}")
        assert client("end") == "reset", octets
        client.close()
    client = PushClient(server)
    client.subscribe(f"host.{ALICE}", "A")
    assert client(f"subscribe HOST.{ALICE} A") == {"aborted": "reset"}
    client.close()
    # What is no error of the session: an unknown request, a request with sections.
    client = PushClient(server, bind=False)
    client("send 00093000000000000000000012340000")
    assert client("receive") == "0009b00b000000000000000000020004" + "0036ee80"
    client("send 000a30000000000000000001000100080000000000000000")
    assert client("receive")[:24] == "000ab0010000000000000000"
    assert server.counters()["DsoFatal"] == 6
    client.close()


def test_goodbye(server):
    """An account that is removed, and the server's end, are told; whoever does not go is cut off."""
    client, polite = PushClient(server), PushClient(server)
    for each in (client, polite):
        each.subscribe(f"host.{ALICE}", "A")
        assert each("next")[0] == "keepalive"
    server.zonectl("account", "delete", "alice")
    assert client("next") == ["retry", [5, 60000]]
    assert polite("next")[0] == "retry"
    polite.close()
    assert client("end") == "reset"
    client.close()


def test_restart(server):
    client = PushClient(server)
    client.subscribe(f"host.{ALICE}", "A")
    assert client("next")[0] == "keepalive"
    starts = server.host.daemons["zoned"].starts
    server.host.kill_daemon("zoned", signal.SIGTERM, wait=False)
    kind, (rcode, delay) = client("next")
    assert kind == "retry" and rcode == 0 and 1000 <= delay < 6000
    client.close()
    server.host.wait_restarted("zoned", starts)
    client = PushClient(server)
    client.subscribe(ALICE, "NS")
    assert client("push") == [f"+ {ALICE}. NS ns.{ZONE}. 3600"]
    client.close()


IDLE_SCRIPT = """
import socket, ssl, struct
import dns.message
query = dns.message.make_query("members.example.org", "NS").to_wire()
for port in (53, 853):
    stream = socket.create_connection(("127.0.0.1", port))
    if port == 853:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        stream = context.wrap_socket(stream)
    stream.settimeout(60)
    octets = stream.makefile("rb")
    for _ in range(2):
        stream.sendall(struct.pack(">H", len(query)) + query)
        assert len(octets.read(int.from_bytes(octets.read(2), "big"))) > 12
    assert octets.read() == b"", port
print("ended")
"""


def test_idle_connections_end(make_host):
    """RFC 7766 §6.2.3, and how long that is by RFC 7828. Who subscribes is not idle."""
    server = StreamServer(make_host("zone", bus=False), CONFIG + "[tcp]\nidle = 1\n[tls]\nidle = 1\n")
    client = PushClient(server)
    client.subscribe(f"host.{ALICE}", "A")
    assert client("next")[0] == "keepalive"
    assert server.host.run(["/usr/bin/python3", "-c", IDLE_SCRIPT]).stdout == "ended\n"
    assert "TCP KEEPALIVE: 1.0 secs" in server.dig(ALICE, "NS", "+tcp", "+keepalive")
    server.nsupdate(f"update add host.{ALICE} 10 A 192.0.2.1")
    assert client("push") == [f"+ host.{ALICE}. A 192.0.2.1 10"]
    client.close()
    assert server.host.stop_daemon("zoned") == 0


SLOW_SCRIPT = """
import socket, ssl, struct, time
def begin(port, octets, tls):
    stream = socket.create_connection(("127.0.0.1", port))
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        stream = context.wrap_socket(stream)
    stream.send(octets)
    stream.settimeout(60)
    return stream
slow = [begin(53, b"\\x01", False), begin(53, b"\\x01\\x00" + bytes(100), False), begin(853, b"\\x16\\x03\\x01\\x02", False),
        begin(853, b"\\x01\\x00" + bytes(100), True)]
print("begun", flush=True)
start = time.monotonic()
for stream in slow:
    try:
        assert stream.recv(100) == b""
    except ConnectionError:
        pass
print("ended", flush=True)
"""


def test_slow_clients_are_cut_off(server):
    slow = server.host.popen(["/usr/bin/python3", "-c", SLOW_SCRIPT], stdout=subprocess.PIPE)
    assert slow.stdout.readline() == b"begun\n"
    assert server.dig(ALICE, "NS", "+tls", "+short") == f"ns.{ZONE}.\n"
    assert slow.stdout.readline() == b"ended\n"
    assert slow.wait(60) == 0
    assert server.counters()["StreamsTimedOut"] == 4


def test_many_connections_from_one_address(patient):
    """Whoever was silent longest makes room for the next."""
    server = patient
    script = ("import socket, sys\n"
              "held = [socket.create_connection(('127.0.0.1', 853)) for _ in range(700)]\n"
              "print('held', flush=True)\nsys.stdin.read()\n")
    hostile = server.host.popen(["/usr/bin/python3", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert hostile.stdout.readline() == b"held\n"
    assert server.dig(ALICE, "NS", "+tls", "+short") == f"ns.{ZONE}.\n"
    counters = server.counters()
    assert counters["LiveTlsConnections"] <= 512 and counters["StreamsMadeRoom"] >= 188
    hostile.stdin.close()
    hostile.wait(60)


GREEDY_SCRIPT = """
import socket, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
streams = []
for _ in range(400):
    stream = context.wrap_socket(socket.create_connection(("127.0.0.1", 853)))
    try:
        stream.sendall(b"\\xff\\xff" + bytes(60000))
    except OSError:
        pass
    streams.append(stream)
sys.stdin.read()
"""


def test_what_one_address_leaves_waiting(patient):
    """It ends with what one address may have, long before there is no memory for others."""
    server = patient
    greedy = server.host.popen(["/usr/bin/python3", "-c", GREEDY_SCRIPT], stdin=subprocess.PIPE)
    wait_until(lambda: server.counters()["StreamsOverflowed"] > 0, 30, "the end of some of them")
    assert server.dig(ALICE, "NS", "+tls", "+short") == f"ns.{ZONE}.\n"
    greedy.stdin.close()
    assert greedy.wait(60) == 0


def test_tshark_reads_it(server):
    host = server.host
    if host.run(["sh", "-c", "command -v tcpdump tshark"], check=False).returncode:
        pytest.skip("tcpdump or tshark is not installed")
    with open(host.path("/run/lab/tcpdump.log"), "wb") as log:
        capture = host.popen(["tcpdump", "-i", "lo", "-n", "-s", "0", "-U", "-Z", "root", "-w", "/run/lab/tls.pcap",
                              "port", "853"], stdout=log, stderr=log)
    wait_until(lambda: "listening on" in host.read("/run/lab/tcpdump.log"), 10, "tcpdump")
    client = PushClient(server, keylog="/run/lab/keylog")
    client("keepalive")
    ident = client.subscribe(f"host.{ALICE}", "ANY")
    server.nsupdate(f"update add host.{ALICE} 10 SRV 0 0 22 target.{ALICE}", f"update add host.{ALICE} 10 A 192.0.2.1")
    client("push")
    server.nsupdate(f"update delete host.{ALICE} A")
    client("push")
    server.nsupdate(f"update delete host.{ALICE}")
    client("push")
    client(f"subscribe {ZONE} A")
    client(f"unsubscribe {ident}")
    client.close()
    wait_until(lambda: server.counters()["Sessions"] == 0, 10, "the end of the session")
    capture.send_signal(signal.SIGUSR2)

    def tshark(what, *fields):
        return host.run(["tshark", "-r", "/run/lab/tls.pcap", "-o", "tls.keylog_file:/run/lab/keylog", "-d",
                         "tcp.port==853,tls", "-Y", what, *fields], timeout=60, env={"HOME": "/run/lab"}
                        ).stdout.splitlines()

    def is_complete():
        capture.send_signal(signal.SIGUSR2)
        return len(tshark("tcp.flags.fin == 1 || tcp.flags.reset == 1")) > 0
    wait_until(is_complete, 20, "the end of the connection in the capture", every=0.5)
    capture.send_signal(signal.SIGINT)
    capture.wait(60)
    types = tshark("dns.flags.opcode == 6", "-T", "fields", "-e", "dns.dso.tlv.type")
    assert len(types) >= 9, types
    # This dissector takes a response without TLVs, such as RFC 8765 has for SUBSCRIBE, for cut off.
    assert tshark("dns && dns.length != 12 && (_ws.malformed || _ws.expert.severity == error)") == []


def test_llq_over_tls(server):
    server.nsupdate(f"update add host.{ALICE} 10 A 192.0.2.1")
    lines = server.host.popen(["/usr/bin/python3", "-c", LLQ_SCRIPT, f"{TOP}/tests/interop", ALICE, server.secret],
                              stdout=subprocess.PIPE, stdin=subprocess.PIPE)

    def read():
        return json.loads(lines.stdout.readline())
    assert read() == ["host A 192.0.2.1 10"]
    server.nsupdate(f"update add host.{ALICE} 10 A 192.0.2.2")
    assert read() == ["host A 192.0.2.2 10"]
    server.nsupdate(f"update delete host.{ALICE} A 192.0.2.1")
    # dnspython makes 0 of a TTL of -1.
    assert read() == ["host A 192.0.2.1 0"]
    wait_until(lambda: server.counters()["LlqAcks"] == 2, 10, "the acknowledgements")
    counters = server.counters()
    assert counters["LiveLlqs"] == 1 and counters["LlqEventRetries"] == 0
    lines.stdin.close()
    wait_until(lambda: server.counters()["LiveLlqs"] == 0, 10, "the end of the query")
    assert lines.wait(60) == 0


LLQ_SCRIPT = """
import json, struct, sys, threading
sys.path.insert(0, sys.argv[1])
from llq_client import Client as Words
from push_client import Client, dns, make_key
domain, key = sys.argv[2], make_key(sys.argv[2], sys.argv[3])
client = Client("127.0.0.1", 853)
def option(opcode, number, lease):
    return dns.edns.GenericOption(1, struct.pack(">HHHQI", 1, opcode, 0, number, lease))
def say(message):
    print(json.dumps([f"host {dns.rdatatype.to_text(rrset.rdtype)} {rr.to_text()} {rrset.ttl}"
                      for rrset in message.answer for rr in rrset]), flush=True)
answer = client.query("host." + domain, "A", key, [option(1, 0, 3600)])
llq = Words.llq(answer)
answer = client.query("host." + domain, "A", key, [option(1, llq["id"], llq["lease"])])
assert Words.llq(answer)["error"] == 0
say(answer)
for _ in range(2):
    octets = client.receive()
    event = dns.message.from_wire(octets, keyring={key.name: key}, ignore_trailing=False)
    reply = dns.message.QueryMessage(id=event.id)
    reply.flags = dns.flags.QR
    reply.question = list(event.question)
    got = Words.llq(event)
    reply.use_edns(0, options=[option(3, got["id"], 0)])
    reply.use_tsig(key)
    reply.request_mac = event.mac
    client.send(reply.to_wire())
    say(event)
sys.stdin.read()
client.close()
"""
