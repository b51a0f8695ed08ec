# SPDX-License-Identifier: LGPL-2.1-or-later
"""zoned against the DNS tools that people have: nsupdate and dig of BIND, kdig of Knot, dnspython, tshark."""
import concurrent.futures
import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import threading

import pytest

from homeward_lab import TOP, wait_until

ZONE = "members.example.org"
ALICE = f"alice.{ZONE}"
PASSWORD = "a long enough password"
CONFIG = f"""[zone]
name = {ZONE}
server-address = 127.0.0.1
[update-lease]
minimum = 6
[llq-lease]
minimum = 2
"""
KEY_FILE = "/run/alice.key"


class Server:
    """A host that runs zoned, and the tools beside it."""

    def __init__(self, host, config=CONFIG):
        self.host = host
        for tool in ("nsupdate", "dig", "kdig"):
            if host.run(["sh", "-c", f"command -v {tool}"], check=False).returncode:
                pytest.skip(f"{tool} is not installed")
        host.start_daemon("zoned", config, supervise=True)
        self.zonectl("account", "add", "alice", "--password-fd", "0", input=PASSWORD + "\n")
        # As root: the key file is for the person who runs nsupdate.
        host.run(["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", "account", "key", "alice",
                  "--output", KEY_FILE], env=host.sanitizer_environment("zonectl"))
        self.secret = re.search(r'secret "(.*)"', host.read(KEY_FILE)).group(1)

    def zonectl(self, *words, check=True, input=None):
        return self.host.run(self.host.as_user("homeward-zone") +
                             ["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", *words], check=check,
                             input=input, timeout=60, env=self.host.sanitizer_environment("zonectl"))

    def nsupdate(self, *lines, key=KEY_FILE, zone=ALICE, check=True, options=()):
        text = f"server 127.0.0.1\nzone {zone}\n" + "".join(f"{line}\n" for line in lines) + "send\n"
        return self.host.run(["nsupdate", *options, *(["-k", key] if key else [])], input=text, check=check)

    def dig(self, name, rdtype, *options, key=True):
        return self.host.run(["dig", "@127.0.0.1", "+norec", "+tries=3", "+time=20", *(["-k", KEY_FILE] if key else []),
                              name, rdtype, *options]).stdout

    def short(self, name, rdtype, *options):
        return sorted(self.dig(name, rdtype, "+short", *options).split("\n")[:-1])

    def kdig(self, name, rdtype, *options, key=None, secret=None):
        return self.host.run(["kdig", "@127.0.0.1", "-y", f"hmac-sha256:{key or ALICE}:{secret or self.secret}",
                              name, rdtype, *options], check=False).stdout

    def wait_up(self):
        wait_until(lambda: self.zonectl("status", check=False).returncode == 0, 10, "zoned")

    def kill(self):
        starts = self.host.daemons["zoned"].starts
        self.host.kill_daemon("zoned", signal.SIGKILL)
        self.host.wait_restarted("zoned", starts)

    def serial(self):
        return int(self.dig(ALICE, "SOA", "+short").split()[2])

    def counters(self):
        return {name: int(value) for name, value in
                (line.split() for line in self.zonectl("status").stdout.splitlines())}


@pytest.fixture
def server(make_host):
    server = Server(make_host("zone", bus=False))
    yield server
    # A clean end, and with sanitizers a look for leaks.
    assert server.host.stop_daemon("zoned") == 0


def status(text):
    return re.search(r"status: (\w+)", text).group(1)


def test_nsupdate_adds_and_deletes(server):
    server.nsupdate(f"update add desktop.{ALICE} 10 AAAA fd00::1", f"update add desktop.{ALICE} 10 TXT \"model=x\"",
                    f"update add _autotunnel._udp.desktop.{ALICE} 10 SRV 0 0 4500 AutoTunnel-00-11.{ALICE}")
    assert server.short(f"desktop.{ALICE}", "AAAA") == ["fd00::1"]
    assert server.short(f"_autotunnel._udp.desktop.{ALICE}", "SRV") == [f"0 0 4500 AutoTunnel-00-11.{ALICE}."]
    before = server.serial()
    server.nsupdate(f"update delete desktop.{ALICE} AAAA", f"update add desktop.{ALICE} 10 AAAA fd00::2")
    assert server.short(f"desktop.{ALICE}", "AAAA") == ["fd00::2"]
    assert server.serial() == before + 1
    server.nsupdate(f"update delete desktop.{ALICE}")
    # Its tunnel record is still below it.
    assert status(server.dig(f"desktop.{ALICE}", "TXT")) == "NOERROR"
    server.nsupdate(f"update delete _autotunnel._udp.desktop.{ALICE}")
    assert status(server.dig(f"desktop.{ALICE}", "TXT")) == "NXDOMAIN"


def test_nsupdate_prerequisites(server):
    refused = server.nsupdate(f"prereq yxdomain none.{ALICE}", f"update add a.{ALICE} 10 A 192.0.2.1", check=False)
    assert refused.returncode == 2 and "NXDOMAIN" in refused.stderr
    server.nsupdate(f"prereq nxdomain a.{ALICE}", f"update add a.{ALICE} 10 A 192.0.2.1")
    assert "YXDOMAIN" in server.nsupdate(f"prereq nxdomain a.{ALICE}", check=False).stderr
    assert "YXRRSET" in server.nsupdate(f"prereq nxrrset a.{ALICE} A", check=False).stderr
    assert "NXRRSET" in server.nsupdate(f"prereq yxrrset a.{ALICE} A 192.0.2.2", check=False).stderr
    server.nsupdate(f"prereq yxrrset a.{ALICE} A 192.0.2.1", f"update add a.{ALICE} 10 A 192.0.2.2")
    assert server.short(f"a.{ALICE}", "A") == ["192.0.2.1", "192.0.2.2"]


def test_kdig_over_udp_and_tcp(server):
    server.nsupdate(*(f'update add big.{ALICE} 10 TXT "{i:0200d}"' for i in range(20)))
    answer = server.kdig(f"big.{ALICE}", "TXT", "+ignore")
    assert "Flags: qr aa tc" in answer
    answer = server.kdig(f"big.{ALICE}", "TXT")
    assert "ANSWER: 20;" in answer and "(TCP)" in answer
    assert "status: NXDOMAIN" in server.kdig(f"none.{ALICE}", "TXT", "+tcp")
    # kdig checks the signature of the answer.
    assert ";; WARNING" not in answer and ";; ERROR" not in answer


def test_without_a_key_nothing_is_seen(server):
    server.nsupdate(f"update add host.{ALICE} 10 A 192.0.2.1")
    for name in (ALICE, f"host.{ALICE}", f"none.{ALICE}", f"host.bob.{ZONE}", f"bob.{ZONE}", "www.example.com"):
        for rdtype in ("A", "SOA", "ANY", "AXFR"):
            answer = server.dig(name, rdtype, "+noedns", key=False)
            assert "Transfer failed" in answer if rdtype == "AXFR" else status(answer) == "REFUSED"
            assert rdtype == "AXFR" or "AUTHORITY: 0, ADDITIONAL: 0" in answer
    assert "REFUSED" in server.nsupdate(f"update add x.{ALICE} 10 A 192.0.2.1", key=None, check=False).stderr
    assert "REFUSED" in server.nsupdate(f"update add x.bob.{ZONE} 10 A 192.0.2.1", key=None, zone=f"bob.{ZONE}",
                                        check=False).stderr
    assert server.dig(ZONE, "SOA", "+short", key=False).startswith(f"ns.{ZONE}. ")
    assert server.dig(f"ns.{ZONE}", "A", "+short", key=False) == "127.0.0.1\n"


def test_delv_reads_what_is_public(server):
    """It has no keys for TSIG, and there are no signatures of DNSSEC for it to look at."""
    answer = server.host.run(["delv", "@127.0.0.1", "-i", ZONE, "NS"]).stdout
    assert re.search(rf"^{ZONE}\.\s+\d+\s+IN\s+NS\s+ns\.{ZONE}\.$", answer, re.M), answer
    refused = server.host.run(["delv", "@127.0.0.1", "-i", ALICE, "NS"], check=False)
    assert "IN" not in refused.stdout.split() and "REFUSED" in refused.stdout + refused.stderr


def test_wrong_keys(server):
    wrong = "A" * 43 + "="
    answer = server.kdig(ALICE, "SOA", secret=wrong)
    assert "BADSIG" in answer
    # There is no bob, which is nobody's business.
    answer = server.kdig(ALICE, "SOA", key=f"bob.{ZONE}", secret=wrong)
    assert "BADSIG" in answer
    answer = server.kdig(ALICE, "SOA", key="key.example.com", secret=wrong)
    assert "BADKEY" in answer
    server.host.write("/run/wrong.key", server.host.read(KEY_FILE).replace(server.secret, wrong), 0o600)
    failed = server.nsupdate(f"update add x.{ALICE} 10 A 192.0.2.1", key="/run/wrong.key", check=False)
    assert failed.returncode and "BADSIG" in failed.stderr
    counters = server.counters()
    assert counters["BadSignature"] >= 3 and counters["BadKey"] >= 1 and counters["Transactions"] == 0


def test_key_of_a_clock_that_is_wrong(server):
    """faketime would be simpler; the option of nsupdate is not there, so a query is kept and sent later."""
    script = """
import base64, socket, sys, time
import dns.message, dns.tsig
key = dns.tsig.Key(sys.argv[1], base64.b64decode(sys.argv[2]), dns.tsig.HMAC_SHA256)
query = dns.message.make_query(sys.argv[1], "SOA")
query.use_tsig(key)
real, time.time = time.time, lambda: real() + float(sys.argv[3])
octets = query.to_wire()
time.time = real
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.1", 53)); s.settimeout(60); s.send(octets)
try:
    time.time = lambda: real() + float(sys.argv[3])
    answer = dns.message.from_wire(s.recv(65535), keyring=key, request_mac=query.mac)
    print("answered", answer.rcode())
except dns.tsig.PeerError as error:
    print(type(error).__name__)
"""
    for offset, wanted in ((0, "answered 0"), (-290, "answered 0"), (290, "answered 0"), (-310, "PeerBadTime"),
                           (310, "PeerBadTime")):
        out = server.host.run(["/usr/bin/python3", "-c", script, ALICE, server.secret, str(offset)]).stdout
        assert out.strip() == wanted, offset


LEASE_SCRIPT = """
import base64, struct, sys
import dns.edns, dns.message, dns.query, dns.tsig, dns.update
key = dns.tsig.Key(sys.argv[1], base64.b64decode(sys.argv[2]), dns.tsig.HMAC_SHA256)
update = dns.update.Update(sys.argv[1], keyring=key)
update.add("leased", 10, "A", "192.0.2.9")
update.use_edns(0, payload=1232, options=[dns.edns.GenericOption(2, bytes.fromhex(sys.argv[3]))])
answer = dns.query.udp(update, "127.0.0.1", timeout=60)
print(answer.rcode(), [option.to_wire().hex() for option in answer.options if option.otype == 2])
"""


def test_lease_ends(server):
    def lease(octets):
        return server.host.run(["/usr/bin/python3", "-c", LEASE_SCRIPT, ALICE, server.secret, octets]).stdout.strip()
    assert lease("00002000") == "0 ['00001c20']"
    assert lease("0000070800093a80") == "0 ['0000070800001c20']"
    assert lease("000007") == "1 []"
    before = server.serial()
    assert lease("00000000") == "0 ['00000006']"
    assert server.short(f"leased.{ALICE}", "A") == ["192.0.2.9"]
    assert server.serial() == before
    wait_until(lambda: server.short(f"leased.{ALICE}", "A") == [], 10, "the lease's end")
    assert server.serial() == before + 1
    wait_until(lambda: server.counters()["RecordsExpired"] == 1, what="the expired record counted")


HOSTILE_SCRIPT = """
import os, random, socket, struct
random.seed(7)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.connect(("127.0.0.1", 53))
for i in range(500):
    udp.send(os.urandom(random.randrange(0, 1500)))
    udp.send(struct.pack(">HHHHHH", i, 0x2800, 1, 0, 1, 1) + os.urandom(random.randrange(0, 100)))
held = []
for i in range(300):
    tcp = socket.create_connection(("127.0.0.1", 53))
    tcp.send((b"", b"\\0", b"\\0\\0", b"\\xff\\xff" + os.urandom(1000), b"\\0\\x0c" + os.urandom(12))[i % 5])
    held.append(tcp)
print("held", flush=True)
input()
"""


def test_hostile_clients_take_nothing_from_others(server):
    hostile = server.host.popen(["/usr/bin/python3", "-c", HOSTILE_SCRIPT], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE)
    assert hostile.stdout.readline() == b"held\n"
    assert server.short(ALICE, "NS", "+tcp") == [f"ns.{ZONE}."]
    assert server.short(ALICE, "NS") == [f"ns.{ZONE}."]
    hostile.stdin.close()
    hostile.wait(60)
    wait_until(lambda: server.counters()["Malformed"] > 100, what="what was malformed counted")


PIPELINE_SCRIPT = """
import base64, select, socket, sys
import dns.message, dns.query, dns.tsig
key = dns.tsig.Key(sys.argv[1], base64.b64decode(sys.argv[2]), dns.tsig.HMAC_SHA256)
query = dns.message.make_query("big." + sys.argv[1], "TXT")
query.use_tsig(key)
octets = query.to_wire()
tcp = socket.create_connection(("127.0.0.1", 53))
tcp.setblocking(False)
N = 1500
rest = (len(octets).to_bytes(2, "big") + octets) * N
# As much as it lets us, without a look at the answers.
while rest and select.select([], [tcp], [], 1)[1]:
    rest = rest[tcp.send(rest):]
print("sent", flush=True)
input()
tcp.setblocking(True)
tcp.settimeout(60)
stream = tcp.makefile("rb")
for i in range(N):
    if rest:
        rest = rest[tcp.send(rest):]
    size = int.from_bytes(stream.read(2), "big")
    answer = stream.read(size)
    assert answer[:2] == octets[:2] and size > 40000, (i, size)
print("all", flush=True)
"""


def test_answers_that_nobody_takes(server):
    """A customer of the server with many questions and no ears."""
    server.nsupdate("update add " + f"big.{ALICE} 10 TXT " + " ".join(f'"{i:0250d}"' for i in range(180)), options=("-v",))
    client = server.host.popen(["/usr/bin/python3", "-c", PIPELINE_SCRIPT, ALICE, server.secret],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert client.stdout.readline() == b"sent\n"
    # Others are served meanwhile, and the answers wait with the client, not with the server.
    assert server.short(ALICE, "NS") == [f"ns.{ZONE}."]
    # (The kernel grows its buffers to some 30 MB when the server is quick: 700 answers.)
    assert server.counters()["Queries"] < 1000
    client.stdin.write(b"\n")
    client.stdin.flush()
    assert client.stdout.readline() == b"all\n"
    client.wait(60)


def test_kill_loses_nothing_acknowledged(server):
    """Several people update at once while the server is killed again and again."""
    stop = threading.Event()

    def work(who):
        done = []
        for i in range(1000):
            if stop.is_set():
                break
            result = server.nsupdate(f"update add r{who}-{i}.{ALICE} 10 A 192.0.2.1", check=False,
                                     options=("-t", "20", "-u", "1", "-r", "8"))
            if result.returncode == 0:
                done.append(f"r{who}-{i}.{ALICE}")
        return done

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work, who) for who in range(4)]
        try:
            for _ in range(5):
                seen = server.counters()["Updates"]
                wait_until(lambda: server.counters()["Updates"] >= seen + 7, 30, "some updates")
                server.kill()
                server.wait_up()
        finally:
            stop.set()
        done = [name for worker in workers for name in worker.result()]
    assert len(done) >= 30
    server.host.write("/run/names", "".join(f"{name} A\n" for name in done))
    found = server.host.run(["dig", "@127.0.0.1", "-k", KEY_FILE, "+norec", "+noall", "+answer", "-f", "/run/names"],
                            timeout=60).stdout
    assert sorted(line.split()[0].rstrip(".") for line in found.splitlines()) == sorted(done)


def test_full_disk(make_host):
    host = make_host("zone", bus=False)
    folder = "/var/lib/homeward/zoned"
    host.run(["sh", "-c", f"mkdir -p {folder} && mount -t tmpfs -o size=1m tmpfs {folder} && "
                          f"chown homeward-zone: {folder}"])
    server = Server(host)
    server.nsupdate(f"update add before.{ALICE} 10 A 192.0.2.1")
    host.run(["sh", "-c", f"cat /dev/zero > {folder}/ballast"], check=False)
    # The journal has a little room left.
    results = []
    while not results or (results[-1].returncode == 0 and len(results) < 20):
        results.append(server.nsupdate(*(f'update add r{len(results)}-{i}.{ALICE} 10 TXT "{i:0200d}"' for i in range(40)),
                                       check=False, options=("-v",)))
    assert "SERVFAIL" in results[-1].stderr
    failed = len(results) - 1
    # Nothing of it is there, and what was there still is.
    assert status(server.dig(f"r{failed}-0.{ALICE}", "TXT")) == "NXDOMAIN"
    assert server.short(f"before.{ALICE}", "A") == ["192.0.2.1"]
    added = server.zonectl("account", "add", "bob", "--password-fd", "0", input=PASSWORD, check=False)
    assert added.returncode == 1 and "full" in added.stderr
    host.run(["rm", f"{folder}/ballast"])
    server.nsupdate(f"update add after.{ALICE} 10 A 192.0.2.2", options=("-v",))
    server.kill()
    server.wait_up()
    assert server.short(f"before.{ALICE}", "A") == ["192.0.2.1"]
    assert server.short(f"after.{ALICE}", "A") == ["192.0.2.2"]
    assert status(server.dig(f"r{failed}-0.{ALICE}", "TXT")) == "NXDOMAIN"
    for i in range(failed):
        assert len(server.short(f"r{i}-39.{ALICE}", "TXT")) == 1
    assert host.stop_daemon("zoned") == 0


def test_zonectl(server):
    listing = server.zonectl("account", "list").stdout
    assert listing.startswith(ALICE + " ")
    assert server.zonectl("account", "key", "alice").stdout == f"{ALICE} hmac-sha256\n"
    assert server.secret not in server.zonectl("account", "key", "alice").stdout
    assert os.stat(server.host.path(KEY_FILE)).st_mode & 0o777 == 0o600
    for words, code, wanted in (
            (("account", "add", "alice", "--password-fd", "0"), 1, "exists already"),
            (("account", "delete", "carol"), 1, "there is no account"),
            (("account", "key", "carol"), 1, "there is no account"),
            (("account", "show", "carol"), 1, "there is no account"),
            (("account", "passwd", "carol", "--password-fd", "0"), 1, "there is no account"),
            (("account", "disable", "carol"), 1, "there is no account"),
            (("account", "add", "a_b", "--password-fd", "0"), 1, "cannot be an account"),
            (("account", "add", "ns", "--password-fd", "0"), 1, "the name of the server itself"),
            (("account", "add", "bob.example.com", "--password-fd", "0"), 1, "cannot be an account"),
            (("account", "modify", "alice"), 1, "nothing to modify"),
            (("account", "add"), 2, "is missing"),
            (("account", "list", "alice"), 2, "one word too many"),
            (("account", "list", "--purge"), 2, "does not go with"),
            (("account", "frobnicate"), 2, 'no "account frobnicate" but add')):
        result = server.zonectl(*words, check=False, input=PASSWORD)
        assert result.returncode == code and wanted in result.stderr, words
    empty = server.zonectl("account", "add", "dora", "--password-fd", "0", check=False, input="")
    assert empty.returncode == 1 and "empty" in empty.stderr
    assert "Usage: zonectl" in server.zonectl("--help").stdout


class Terminal:
    """zonectl on a terminal of its own."""

    def __init__(self, server, *words):
        argv = server.host.enter_argv(server.host.as_user("homeward-zone") + [
            "/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", *words])
        environment = {**os.environ, **server.host.sanitizer_environment("zonectl")}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, environment)
        self.shown = ""

    def read_until(self, text):
        while text not in self.shown:
            assert select.select([self.fd], [], [], 60)[0], self.shown
            self.shown += os.read(self.fd, 4096).decode()
        before, _, self.shown = self.shown.partition(text)
        return before

    def type(self, prompt, text):
        self.read_until(prompt)
        os.write(self.fd, text.encode())

    def end(self):
        """What was shown last, and the exit status."""
        try:
            while select.select([self.fd], [], [], 60)[0]:
                self.shown += os.read(self.fd, 4096).decode()
        except OSError:
            pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return self.shown, os.waitstatus_to_exitcode(status)


def test_zonectl_asks_on_the_terminal(server):
    terminal = Terminal(server, "account", "add", "bob")
    terminal.type(f"Password for bob.{ZONE}: ", "correct horse\n")
    terminal.type("The same again: ", "correct house\n")
    terminal.read_until("They are not the same.")
    terminal.type(f"Password for bob.{ZONE}: ", PASSWORD + "\n")
    terminal.type("The same again: ", PASSWORD + "\n")
    shown, exited = terminal.end()
    assert exited == 0 and shown.strip() == f"made bob.{ZONE}"
    # The key is the one that follows from the password, however it was given.
    server.zonectl("account", "remove", "alice")
    server.zonectl("account", "remove", "bob")
    terminal = Terminal(server, "account", "add", "alice")
    terminal.type(": ", PASSWORD + "\n")
    terminal.type(": ", PASSWORD + "\n")
    assert terminal.end()[1] == 0
    assert status(server.dig(ALICE, "SOA")) == "NOERROR"
    # Told before anything is typed.
    shown, exited = Terminal(server, "account", "add", "alice").end()
    assert exited == 1 and shown.strip() == f"zonectl: the account {ALICE} exists already"


def test_zonectl_on_the_terminal_without_success(server):
    terminal = Terminal(server, "account", "add", "bob")
    for i in range(3):
        terminal.type(f"Password for bob.{ZONE}: ", f"first {i}\n")
        terminal.type("The same again: ", f"second {i}\n")
    shown, exited = terminal.end()
    assert exited == 1 and "two different passwords" in shown and "first" not in shown and "second" not in shown
    terminal = Terminal(server, "account", "add", "bob")
    terminal.type(f"Password for bob.{ZONE}: ", "\n")
    shown, exited = terminal.end()
    assert exited == 1 and "the password is empty" in shown
    terminal = Terminal(server, "account", "add", "bob")
    terminal.read_until(f"Password for bob.{ZONE}: ")
    assert not termios.tcgetattr(terminal.fd)[3] & termios.ECHO
    # The line's end shows that echo is on again before the signal does its work.
    os.write(terminal.fd, b"corr\x03")
    terminal.read_until("\n")
    assert termios.tcgetattr(terminal.fd)[3] & termios.ECHO
    shown, exited = terminal.end()
    assert exited != 0 and "corr" not in shown
    assert "bob" not in server.zonectl("account", "list").stdout


def test_account_is_seen_and_gone_at_once(server):
    server.nsupdate(f"update add host.{ALICE} 10 A 192.0.2.1")
    server.zonectl("account", "add", f"Bob.{ZONE}", "--password-fd", "0", input="another password")
    server.host.run(["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", "account", "key", "bob",
                     "--output", "/run/bob.key"], env=server.host.sanitizer_environment("zonectl"))
    server.nsupdate(f"update add host.bob.{ZONE} 10 A 192.0.2.2", key="/run/bob.key", zone=f"bob.{ZONE}")
    assert "REFUSED" in server.nsupdate(f"update add x.{ALICE} 10 A 192.0.2.2", key="/run/bob.key",
                                        check=False).stderr
    server.zonectl("account", "remove", "alice")
    assert "BADSIG" in server.dig(ALICE, "SOA")
    # Made again it starts empty, and its key follows from the password as before.
    server.zonectl("account", "add", "alice", "--password-fd", "0", input=PASSWORD)
    assert status(server.dig(f"host.{ALICE}", "A")) == "NXDOMAIN"
    assert server.serial() == 1


def test_account_made_again_before_its_end_was_noticed(server):
    server.nsupdate(f"update add host.{ALICE} 10 A 192.0.2.1")
    server.host.daemons["zoned"].process.send_signal(signal.SIGSTOP)
    server.zonectl("account", "remove", "alice")
    server.zonectl("account", "add", "alice", "--password-fd", "0", input=PASSWORD)
    server.host.daemons["zoned"].process.send_signal(signal.SIGCONT)
    assert status(server.dig(f"host.{ALICE}", "A")) == "NXDOMAIN"
    server.nsupdate(f"update add host.{ALICE} 10 A 192.0.2.2")
    assert server.short(f"host.{ALICE}", "A") == ["192.0.2.2"]


def test_configuration_errors(make_host):
    host = make_host("zone", bus=False)
    for text, wanted in (("[zone]\nname = x.example\nserver-adress = 1.2.3.4\n", ":3:"),
                         ("[zone]\nserver-address = 1.2.3.4\n", "[zone] name is missing"),
                         ("[zone]\nname = x.example\n", "server-address is missing"),
                         ("[zone]\nname = x.example\n[listen]\nport = 0\n", ":4:")):
        host.write("/etc/homeward/zoned.conf", text)
        result = host.run(host.as_user("homeward-zone") + [host.program("zoned"), "--config",
                                                           "/etc/homeward/zoned.conf"], check=False)
        # 78: the unit does not start it again.
        assert result.returncode == 78 and wanted in result.stderr and result.stderr.count("\n") == 1, result.stderr


def test_port_that_somebody_has(make_host):
    host = make_host("zone", bus=False)
    other = host.popen(["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--bind-interfaces",
                        "--listen-address=127.0.0.53", "--no-resolv", "--pid-file=", "--user=root"])
    host.wait_for(lambda: "127.0.0.53:53" in host.run(["ss", "-lnH"]).stdout)
    for listen, wanted in (("", "say in [listen] which addresses are yours"),
                           ("[listen]\naddress = 127.0.0.53\n", "another program has it")):
        host.write("/etc/homeward/zoned.conf", "[zone]\nname = x.example\nserver-address = 1.2.3.4\n"
                   "[paths]\ndatabase = /run/lab/zone.db\n" + listen)
        result = host.run([host.program("zoned"), "--config", "/etc/homeward/zoned.conf"], check=False)
        assert result.returncode == 1 and "cannot listen on " in result.stderr and wanted in result.stderr
    other.end()


def test_example_configuration(make_host):
    host = make_host("zone", bus=False)
    with open(os.path.join(TOP, "packaging/examples/zoned.conf")) as file:
        text = file.read()
    # As it is, and with the defaults said aloud.
    for config in (text, re.sub(r"^#(\S+ = )", r"\1", text, flags=re.M)):
        host.write("/etc/homeward/zoned.conf", config)
        result = host.run(["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", "account", "list"], check=False)
        assert result.stderr.startswith("zonectl: there is no database /"), result.stderr


# Long-lived queries ---------------------------------------------------------------------------------------

class LlqClient:
    def __init__(self, server, name, rdtype, *options, address="127.0.0.1"):
        self.process = server.host.popen(
            ["/usr/bin/python3", os.path.join(os.path.dirname(__file__), "llq_client.py"), address, ALICE,
             server.secret, name, rdtype, *options], stdout=subprocess.PIPE)

    def read(self):
        line = self.process.stdout.readline()
        assert line, "the client ended"
        return json.loads(line)


def test_llq_by_dnspython(server):
    name = f"_autotunnel._udp.{ALICE}"
    server.nsupdate(f"update add {name} 10 PTR one.{ALICE}")
    client = LlqClient(server, name, "PTR")
    hello = client.read()
    assert hello["challenge"]["error"] == 0 and hello["challenge"]["lease"] == 5400
    assert hello["ack"]["id"] == hello["challenge"]["id"] and hello["answers"] == [f"one.{ALICE}."]
    server.nsupdate(f"update add {name} 10 PTR two.{ALICE}")
    event = client.read()
    assert event["llq"] == {"version": 1, "opcode": 3, "error": 0, "id": hello["ack"]["id"], "lease": 0}
    assert event["changes"] == [[True, f"{name}.", f"two.{ALICE}."]]
    server.nsupdate(f"update delete {name} PTR one.{ALICE}", f"update add {name} 10 PTR three.{ALICE}")
    assert client.read()["changes"] == [[False, f"{name}.", f"one.{ALICE}."], [True, f"{name}.", f"three.{ALICE}."]]
    wait_until(lambda: server.counters()["LlqAcks"] >= 2, 10, "the acknowledgement")
    # Killed: the query goes on. Its client is told all that it may have missed, removals too, and what it knew already.
    client.process.send_signal(signal.SIGSTOP)
    server.nsupdate(f"update delete {name} PTR two.{ALICE}")
    server.kill()
    server.wait_up()
    client.process.send_signal(signal.SIGCONT)
    told = {f"two.{ALICE}."}
    while told:
        for is_added, _, target in client.read()["changes"]:
            assert is_added == (target == f"three.{ALICE}.")
            told.discard(target)
    server.nsupdate(f"update add {name} 10 PTR four.{ALICE}")
    while [True, f"{name}.", f"four.{ALICE}."] not in client.read()["changes"]:
        pass
    assert server.counters()["LiveLlqs"] == 1


def test_answers_and_events_come_from_where_they_were_asked(server):
    """zoned listens on all addresses; dig and a connected socket take answers of the one they asked."""
    client = LlqClient(server, f"desktop.{ALICE}", "AAAA", address="127.0.0.5")
    assert client.read()["ack"]["error"] == 0
    server.nsupdate(f"update add desktop.{ALICE} 10 AAAA fd00::1")
    assert client.read()["changes"] == [[True, f"desktop.{ALICE}.", "fd00::1"]]
    assert server.host.run(["dig", "@127.0.0.6", "-k", KEY_FILE, "+norec", "+short", "+tries=1", f"desktop.{ALICE}", "AAAA"]
                           ).stdout == "fd00::1\n"


def test_llq_event_three_times(server):
    client = LlqClient(server, f"desktop.{ALICE}", "AAAA", "silent")
    client.read()
    server.nsupdate(f"update add desktop.{ALICE} 10 AAAA fd00::1")
    first = client.read()
    assert client.read() == first and client.read() == first
    wait_until(lambda: server.counters()["LiveLlqs"] == 0, 20, "the end of the query")
    counters = server.counters()
    assert counters["LlqEvents"] == 1 and counters["LlqEventRetries"] == 2 and counters["LlqDeaths"] == 1


def test_tshark_finds_nothing_malformed(server):
    host = server.host
    if host.run(["sh", "-c", "command -v tcpdump tshark"], check=False).returncode:
        pytest.skip("tcpdump or tshark is not installed")
    with open(host.path("/run/lab/tcpdump.log"), "wb") as log:
        capture = host.popen(["tcpdump", "-i", "lo", "-n", "-s", "0", "-U", "-Z", "root", "-w", "/run/lab/dns.pcap",
                              "port", "53"], stdout=log, stderr=log)
    wait_until(lambda: "listening on" in host.read("/run/lab/tcpdump.log"), 10, "tcpdump")
    client = LlqClient(server, f"_autotunnel._udp.{ALICE}", "PTR")
    client.read()
    server.nsupdate(f"update add _autotunnel._udp.{ALICE} 10 PTR one.{ALICE}")
    client.read()
    server.nsupdate(f"update delete _autotunnel._udp.{ALICE} PTR one.{ALICE}")
    client.read()
    server.dig(f"none.{ALICE}", "A")
    server.dig(ALICE, "SOA", "+tcp")
    server.kdig(ALICE, "SOA", secret="A" * 43 + "=")
    host.run(["/usr/bin/python3", "-c", LEASE_SCRIPT, ALICE, server.secret, "00001518"])
    wait_until(lambda: server.counters()["LlqAcks"] >= 2, 10, "the acknowledgements")
    server.dig(f"the-last-one.{ALICE}", "A")

    def is_complete():
        # The kernel hands frames over in blocks.
        capture.send_signal(signal.SIGUSR2)
        with open(host.path("/run/lab/dns.pcap"), "rb") as file:
            return file.read().count(b"the-last-one") >= 2
    wait_until(is_complete, 10, "the last frame in the capture", every=0.05)
    capture.send_signal(signal.SIGINT)
    capture.wait(60)

    def tshark(what, *fields):
        return host.run(["tshark", "-r", "/run/lab/dns.pcap", "-Y", what, *fields], timeout=60,
                        env={"HOME": "/run/lab"}).stdout.splitlines()
    assert tshark("_ws.malformed || _ws.expert.severity == error") == []
    assert len(tshark("dns.opt.code == 1")) >= 8
    assert len(tshark("dns.flags.opcode == 5")) >= 6
    assert len(tshark("dns && tcp")) >= 2
