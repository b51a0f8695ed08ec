# SPDX-License-Identifier: LGPL-2.1-or-later
"""homewardctl against faked daemons, and identity itself."""
import fcntl
import json
import os
import pty
import queue
import re
import select
import signal
import struct
import termios
import threading
import time

import pytest

from fakes import Fake
from homeward_lab import TOP
from homeward_lab.namespace import PATIENCE

COMPLETION = os.path.join(TOP, "clients/ctl/homewardctl.bash")
NAMES = ["identity", "mapper", "registrar", "llq-watcher", "tunneld", "keyd"]
LAPTOP = {"Name": ("s", "laptop.alice.members.example.org"), "HostId": ("s", "fd00::2"),
          "TunnelLabel": ("s", "AutoTunnel-00-16-3E-FF-FE-00-00-02"), "Endpoint": ("(sq)", ("11.0.2.1", 4500)),
          "EndpointGeneration": ("t", 1), "DeviceInfo": ("as", ["model=Lap \"top\"\x1b[31m"]),
          "Since": ("t", int(time.time()) - 7200), "Live": ("b", True), "NotHeardSince": ("t", 0)}


@pytest.fixture
def host(make_host):
    return make_host("desktop")


@pytest.fixture
def fake(host):
    fakes = []

    def make(name, **properties):
        fakes.append(Fake(host, name, {"State": ("s", "ready"), "Reason": ("s", "all is well"),
                                       "Counters": ("a{st}", {"Sent": 2 ** 63 + 1}), "Timeline": ("a(tts)", []),
                                       **properties}))
        return fakes[-1]
    yield make
    for made in fakes:
        made.close()


@pytest.fixture
def house(fake):
    """All six, one peer, in the middle of an afternoon."""
    now = int(time.time())
    fakes = {
        "identity": fake("identity", State=("s", "signed-in"), HostId=("s", "fd00::1"), HostName=("s", "desktop"),
                         Eui64=("s", "00-16-3E-FF-FE-00-00-01"), Account=("s", "alice"),
                         TunnelLabel=("s", "AutoTunnel-00-16-3E-FF-FE-00-00-01"), SignedIn=("b", True),
                         Domain=("s", "members.example.org"), Certificate=("ay", b"\x30\x82\xff")),
        "mapper": fake("mapper", NetworkGeneration=("t", 3), PrimaryInterface=("s", "eth0"),
                       LocalAddress=("s", "192.168.1.2"), Gateway=("s", "192.168.1.1"),
                       ExternalAddress=("s", "11.0.1.1"), NatKind=("s", "nat"), Protocol=("s", "nat-pmp")),
        "registrar": fake("registrar", State=("s", "published"),
                          Published=("(ttts)", (3, 5400, now + 5400, "11.0.0.53:53")), Records=("as", [])),
        "llq-watcher": fake("llq-watcher", State=("s", "watching")),
        "tunneld": fake("tunneld"),
        "keyd": fake("keyd"),
    }
    fakes["mapper"].add("/org/homeward/Mapper1/mapping/1", "org.homeward.Mapper1.Mapping", Label=("s", "tunnel"),
                        Generation=("t", 3), Internal=("(sq)", ("192.168.1.2", 4500)),
                        External=("(sq)", ("11.0.1.1", 4501)), Protocol=("s", "nat-pmp"),
                        Expires=("t", now + 5400), State=("s", "mapped"), LastError=("s", ""))
    fakes["llq-watcher"].add("/org/homeward/Watcher1/host/laptop", "org.homeward.Watcher1.Host", **LAPTOP)
    fakes["tunneld"].add("/org/homeward/Tunnel1/peer/7", "org.homeward.Tunnel1.Peer", Name=LAPTOP["Name"],
                         HostId=LAPTOP["HostId"], Endpoint=("(sq)", ("11.0.3.1", 4502)),
                         EndpointSource=("s", "packet"), State=("s", "established"), LastError=("s", ""),
                         Spis=("au", [0x40000001]), LastHandshake=("t", now - 60), LastReceived=("t", now - 2),
                         Counters=("a{st}", {}))
    fakes["keyd"].add("/org/homeward/Key1/ike_sa/1", "org.homeward.Key1.IkeSa", Peer=LAPTOP["Name"],
                      HostId=LAPTOP["HostId"], State=("s", "established"), Role=("s", "initiator"),
                      SpiInitiator=("t", 2 ** 64 - 1), SpiResponder=("t", 2), Endpoint=("(sq)", ("11.0.3.1", 4502)),
                      Proposal=("s", "aes128gcm16-prfsha256-x25519"), Established=("t", now - 60))
    fakes["keyd"].add("/org/homeward/Key1/child_sa/1", "org.homeward.Key1.ChildSa",
                      IkeSa=("o", "/org/homeward/Key1/ike_sa/1"), SpiIn=("u", 0x40000001), SpiOut=("u", 0xfffffffe),
                      Algorithm=("s", "aes128gcm16"), Established=("t", now - 60))
    return fakes


@pytest.fixture
def identity(host):
    host.batch(["link add eth0 address 00:16:3e:00:00:01 type veth peer name far", "link set eth0 up", "link set far up",
                "address add 192.168.1.2/24 dev eth0", "route add default via 192.168.1.1"])
    host.start_daemon("identity")
    return host


def ctl(host, *arguments, status=0, **options):
    result = host.homewardctl(*arguments, check=False, **options)
    assert result.returncode == status, (result.returncode, result.stdout, result.stderr)
    return result


def complaint(host, *arguments, status, **options):
    """The one line that it says."""
    result = ctl(host, *arguments, status=status, **options)
    assert result.stderr.startswith("homewardctl: ") and result.stderr.count("\n") == 1
    return result.stderr


def test_help_and_version(host):
    text = ctl(host, "help").stdout
    for word in "status", "hosts", "services", "watch", "why", "trace", "sign-in", "sign-out", "set-name", "--json", "Exit status":
        assert word in text
    assert ctl(host, "--help").stdout == text
    assert ctl(host, "share", "--help").stdout == text
    assert re.fullmatch(r"homeward \d+\.\d+\.\d+\n", ctl(host, "--version").stdout)


@pytest.mark.parametrize("arguments, said", [
    ([], "a command is missing"), (["stauts"], '"stauts" is not a command'), (["status", "now"], '"now"'),
    (["trace", "--generation"], "needs a value"), (["trace", "--generation", "-1"], "not a generation"),
    (["trace", "--generation", "18446744073709551616"], "not a generation"), (["trace", "--bad"], '"--bad"'),
    (["trace", "--all", "x"], '"x"'), (["sign-in"], "which account"), (["sign-in", "a@b.c", "d"], '"d"'),
    (["sign-in", "--password-fd", "x", "a@b.c"], "descriptor"), (["sign-in", "--timeout", "soon", "a@b.c"], "seconds"),
    (["set-name"], "which name"), (["set-name", "a", "b"], '"b"'), (["sign-out", "x"], '"x"')])
def test_misuse_is_one_line_and_a_hint(host, arguments, said):
    text = complaint(host, *arguments, status=2)
    assert said in text and "homewardctl help" in text


def test_without_a_bus(host):
    host.stop_bus()
    for command in "status", "hosts", "services", "watch", "trace", "sign-out":
        assert "system bus" in complaint(host, command, status=3)


def test_without_daemons(host):
    text = ctl(host, "status", status=3).stdout
    for name in NAMES:
        assert re.search(rf"^  {name} +not running +start it with \"systemctl start homeward-", text, re.M)
    assert all(not daemon["running"] for daemon in json.loads(ctl(host, "--json", "status", status=3).stdout).values())
    assert "systemctl start homeward-watcher" in complaint(host, "hosts", status=3)
    assert "systemctl start homeward-identity" in complaint(host, "sign-out", status=3)
    assert "systemctl start homeward-identity" in complaint(host, "set-name", "x", status=3)
    assert "systemctl start homeward-identity" in complaint(host, "sign-in", "a@b.c", status=3, input="x")
    complaint(host, "trace", status=3)


def test_status_says_it_all_on_one_screen(host, house):
    text = ctl(host, "status").stdout
    assert "\x1b" not in text
    for words in ("desktop.alice.members.example.org", "fd00::1", "192.168.1.2 on eth0 via 192.168.1.1",
                  "11.0.1.1, nat by nat-pmp", "192.168.1.2:4500 -> 11.0.1.1:4501, mapped, ends in 1 h ",
                  "change 3 at 11.0.0.53:53", "for 1 h 30 min", "aes128gcm16-prfsha256-x25519",
                  "40000001 in fffffffe out"):
        assert words in text, words
    assert re.search(r"laptop +established +fd00::2 at 11\.0\.3\.1:4502 \(packet\), keys \d+ min ago, heard \d+ (s|min) ago", text)
    assert len(text.splitlines()) <= 40
    assert all(re.search(rf"^  {name} ", text, re.M) for name in NAMES)


def test_what_a_path_carries_loses_and_how_it_is_shown_live(host, house):
    peer = ("/org/homeward/Tunnel1/peer/7", "org.homeward.Tunnel1.Peer")
    house["tunneld"].change(*peer, PathMtu=("u", 1420))
    calm = ctl(host, "status").stdout
    assert re.search(r"^ +packets of up to 1420 octets$", calm, re.M) and "dropped" not in calm
    dropped = ["Replayed", "BadIcv", "Malformed", "WrongSelector", "CongestionDropped", "TooBig", "HeldDropped"]
    house["tunneld"].change(*peer, Name=("s", "l" * 63 + ".alice.members.example.org"), State=("s", "\x1b[31m"),
                            Counters=("a{st}", {"Handovers": 3, "StallLongestMsec": 128, **{name: 10 ** 9 for name in dropped}}))
    lines = ctl(host, "status", "--live", "--times", "1").stdout.splitlines()
    assert "\x1b" not in "".join(lines), "nothing steers the terminal"
    assert len(lines) > 4 and all(len(line) <= 80 for line in lines), lines
    words = " ".join(" ".join(lines).split())
    assert "moved 3 times, longest stall 128 ms" in words and "dropped: 1000000000 replayed, 1000000000 forged" in words
    # As wide as the terminal is.
    shown, status = on_terminal(host, "status", "--live", "--times", "1", columns=200)
    assert status == 0 and "l" * 63 in shown


def test_status_json(host, house):
    status = json.loads(ctl(host, "status", "--json").stdout)
    assert list(status) == NAMES
    assert status["identity"]["host_id"] == "fd00::1" and status["identity"]["signed_in"] is True
    assert status["identity"]["certificate"] == "3082ff"
    assert status["identity"]["counters"] == {"Sent": 2 ** 63 + 1}
    assert status["mapper"]["mappings"][0]["external"] == {"address": "11.0.1.1", "port": 4501}
    assert status["registrar"]["published"]["server"] == "11.0.0.53:53"
    assert status["llq-watcher"]["hosts"][0]["device_info"] == ["model=Lap \"top\"\x1b[31m"]
    assert status["tunneld"]["peers"][0]["path"] == "/org/homeward/Tunnel1/peer/7"
    assert status["tunneld"]["peers"][0]["spis"] == [0x40000001]
    assert status["keyd"]["ike_sas"][0]["spi_initiator"] == 2 ** 64 - 1
    assert status["keyd"]["child_sas"][0]["algorithm"] == "aes128gcm16"
    assert "timeline" not in status["mapper"]


def test_status_tells_nothing_from_something(host, house):
    house["registrar"].change(Published=("(ttts)", (0, 0, 0, "")), State=("s", "retrying"))
    house["mapper"].change("/org/homeward/Mapper1/mapping/1", "org.homeward.Mapper1.Mapping",
                           External=("(sq)", ("", 0)), State=("s", "failed"), LastError=("s", "the gateway refuses"))
    house["llq-watcher"].remove("/org/homeward/Watcher1/host/laptop")
    house["keyd"].close()
    text = ctl(host, "status").stdout
    assert "-> nowhere, failed" in text and "the gateway refuses" in text
    assert re.search(r"published +nothing", text) and re.search(r"keyd +not running", text)
    assert re.search(r"laptop +established", text), "the tunnel still knows it"
    status = json.loads(ctl(host, "status", "--json").stdout)
    assert status["registrar"]["published"] is None and status["mapper"]["mappings"][0]["external"] is None
    assert status["keyd"] == {"running": False, "ike_sas": [], "child_sas": []}


def test_a_daemon_that_does_not_answer(identity):
    host = identity
    os.kill(host.daemon_pid("identity"), signal.SIGSTOP)
    try:
        assert re.search(r"identity +failed", ctl(host, "status").stdout)
        assert json.loads(ctl(host, "status", "--json").stdout)["identity"]["error"]
    finally:
        os.kill(host.daemon_pid("identity"), signal.SIGCONT)


def test_tunnels(host, house):
    house["keyd"].change("/org/homeward/Key1/ike_sa/1", "org.homeward.Key1.IkeSa", NextRekey=("t", int(time.time()) + 1800),
                         Retransmissions=("t", 2), LastError=("s", "it refused new keys with TEMPORARY_FAILURE"))
    house["keyd"].change("/org/homeward/Key1/child_sa/1", "org.homeward.Key1.ChildSa", State=("s", "live"))
    text = ctl(host, "tunnels").stdout
    for words in "aes", "live", "new keys in", "2 messages", "TEMPORARY_FAILURE", "SPI ":
        assert words in text, text
    both = json.loads(ctl(host, "--json", "tunnels").stdout)
    assert len(both["ike_sas"]) == len(both["child_sas"]) == 1
    assert both["child_sas"][0]["ike_sa"] == both["ike_sas"][0]["path"]
    assert "no tunnel to phone" in complaint(host, "tunnels", "--rekey", "phone", status=1)
    assert "needs a value" in complaint(host, "tunnels", "--end", status=2)


def test_hosts(host, house):
    text = ctl(host, "hosts").stdout
    assert text.startswith("laptop.alice.members.example.org\n")
    assert "fd00::2" in text and "11.0.2.1:4500" in text and re.search(r"first seen +2 h \d+ min ago", text)
    assert "\x1b" not in text, "what other hosts say does not steer our terminal"
    hosts = json.loads(ctl(host, "hosts", "--json").stdout)
    assert hosts[0]["name"] == "laptop.alice.members.example.org" and hosts[0]["live"] is True
    house["llq-watcher"].change("/org/homeward/Watcher1/host/laptop", "org.homeward.Watcher1.Host", Live=("b", False),
                                NotHeardSince=("t", int(time.time()) - 600))
    assert re.search(r"11.0.2.1:4500 \(the zone's server was last heard 10 min ago\)", ctl(host, "hosts").stdout)
    house["llq-watcher"].remove("/org/homeward/Watcher1/host/laptop")
    assert "no other host" in ctl(host, "hosts").stdout
    assert json.loads(ctl(host, "--json", "hosts").stdout) == []


def test_colours_only_on_a_terminal(host, house):
    assert "\x1b[" in on_terminal(host, "status")[0]
    assert "\x1b[" not in on_terminal(host, "status", environment={"NO_COLOR": "1"})[0]
    assert "\x1b[" not in on_terminal(host, "status", environment={"TERM": "dumb"})[0]


def test_trace(host, house):
    house["mapper"].change(Timeline=("a(tts)", [(2, 900_000, "old network"), (3, 1_000_000, "new network"),
                                                (3, 1_250_500, "mapped")]))
    house["registrar"].change(Timeline=("a(tts)", [(3, 1_300_000, "published")]))
    house["tunneld"].change(Timeline=("a(tts)", [(3, 1_001_000, "keepalives sent"), (0, 1, "started")]))
    lines = [line.split(None, 3) for line in ctl(host, "trace").stdout.splitlines()]
    assert lines[0][:3] == ["network", "change", "3,"]
    assert lines[1:] == [["0.0", "ms", "mapper", "new network"], ["1.0", "ms", "tunneld", "keepalives sent"],
                         ["250.5", "ms", "mapper", "mapped"], ["300.0", "ms", "registrar", "published"]]
    trace = json.loads(ctl(host, "trace", "--json").stdout)
    assert trace["generation"] == 3
    assert trace["entries"][2] == {"ms": 250.5, "time_us": 1_250_500, "daemon": "mapper", "generation": 3,
                                   "text": "mapped"}
    assert "old network" in ctl(host, "trace", "--generation", "2").stdout
    assert "nothing of network change 9" in ctl(host, "trace", "--generation", "9").stdout
    everything = json.loads(ctl(host, "trace", "--all", "--json").stdout)
    assert [e["text"] for e in everything["entries"]][:3] == ["started", "old network", "new network"]
    # mapper gone: the newest that any other speaks of.
    house["mapper"].close()
    assert "published" in ctl(host, "trace").stdout


class Watch:
    def __init__(self, host, *arguments):
        self.process = host.popen(["/run/lab/bin/homewardctl", "watch", *arguments], stdout=-1,
                                  env=host.sanitizer_environment("homewardctl"))
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.decode())

    def until(self, words, timeout=PATIENCE):
        """The first line with these words; what comes before it is gone."""
        seen = []
        try:
            while True:
                seen.append(self.lines.get(timeout=timeout))
                if words in seen[-1]:
                    return seen[-1]
        except queue.Empty:
            raise AssertionError(f"no {words!r} in {seen}") from None

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def watch(host):
    watches = []

    def make(*arguments):
        watches.append(Watch(host, *arguments))
        return watches[-1]
    yield make
    for made in watches:
        made.close()


def test_watch_prints_changes_and_survives_restarts(host, house, fake, watch):
    lines = watch()
    lines.until("keyd")
    house["mapper"].change(NetworkGeneration=("t", 4), LocalAddress=("s", "192.168.9.9"))
    assert re.match(r"\d\d:\d\d:\d\d\.\d\d\d  mapper +network generation 3 -> 4, "
                    r"local address 192\.168\.1\.2 -> 192\.168\.9\.9\n", lines.until("network generation"))
    house["tunneld"].change("/org/homeward/Tunnel1/peer/7", "org.homeward.Tunnel1.Peer",
                            Endpoint=("(sq)", ("11.0.4.1", 9)))
    assert "laptop: endpoint 11.0.3.1:4502 -> 11.0.4.1:9" in lines.until("endpoint")
    house["llq-watcher"].remove("/org/homeward/Watcher1/host/laptop")
    lines.until("laptop removed")
    house["llq-watcher"].add("/org/homeward/Watcher1/host/laptop", "org.homeward.Watcher1.Host", **LAPTOP)
    lines.until("laptop added")
    house["registrar"].close()
    lines.until("not running")
    again = fake("registrar", State=("s", "discovering"))
    lines.until("discovering")
    again.change(State=("s", "published"), Reason=("s", "as 11.0.1.1:4500"), Records=("as", ["noise"]))
    assert "registrar   state discovering -> published: as 11.0.1.1:4500\n" in lines.until("state")
    # What did not change is not said.
    again.change(State=("s", "published"))
    again.change(Records=("as", []))
    again.change(Reason=("s", "another reason"))
    assert "registrar   another reason\n" in lines.until("registrar")


def test_watch_asks_a_silent_daemon_again(identity, watch):
    os.kill(identity.daemon_pid("identity"), signal.SIGSTOP)
    try:
        lines = watch()
        lines.until("failed to answer")
    finally:
        os.kill(identity.daemon_pid("identity"), signal.SIGCONT)
    lines.until("signed-out")


def test_watch_json(host, house, watch):
    lines = watch("--json")
    first = [json.loads(lines.lines.get(timeout=PATIENCE)) for _ in NAMES]
    assert [event["daemon"] for event in first] == NAMES
    assert {event["event"] for event in first} == {"running"}
    house["mapper"].change("/org/homeward/Mapper1/mapping/1", "org.homeward.Mapper1.Mapping",
                           External=("(sq)", ("", 0)))
    event = json.loads(lines.until("external"))
    assert (event["daemon"], event["event"], event["name"], event["property"]) == ("mapper", "changed", "tunnel", "external")
    assert event["from"] == {"address": "11.0.1.1", "port": 4501} and event["to"] is None
    house["keyd"].close()
    assert json.loads(lines.until("gone"))["daemon"] == "keyd"


def on_terminal(host, *arguments, typed=b"", prompt=None, environment=None, columns=None):
    """Runs it on a terminal of its own; returns what stood there and the exit status."""
    pid, terminal = pty.fork()
    if pid == 0:
        if columns:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        os.environ.clear()
        os.environ.update({"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "TERM": "xterm", "LANG": "C.UTF-8",
                           **host.sanitizer_environment("homewardctl"), **(environment or {})})
        argv = host.enter_argv(["/run/lab/bin/homewardctl", *arguments])
        os.execvp(argv[0], argv)
    shown = b""
    while True:
        if prompt and prompt in shown:
            os.write(terminal, typed)
            prompt = None
        if not select.select([terminal], [], [], 30)[0]:
            os.kill(pid, signal.SIGKILL)
            break
        try:
            more = os.read(terminal, 4096)
        except OSError:
            break
        if not more:
            break
        shown += more
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return shown.decode(), os.waitstatus_to_exitcode(status)


def test_sign_in_asks_on_the_terminal_without_echo(identity):
    shown, status = on_terminal(identity, "sign-in", "--no-wait", "alice@members.example.org",
                                typed=b"correct horse\n", prompt=b"Password: ")
    assert status == 0 and "signed in as desktop.alice.members.example.org" in shown
    assert "correct" not in shown


def test_interrupted_at_the_password(identity):
    shown, status = on_terminal(identity, "sign-in", "alice@members.example.org", typed=b"corr\x03",
                                prompt=b"Password: ")
    assert status != 0 and "corr" not in shown
    assert identity.get_property("identity", "State") == "signed-out"


def test_sign_in_by_descriptor_and_by_standard_input(identity):
    read, write = os.pipe()
    os.write(write, b"correct horse\n")
    os.close(write)
    ctl(identity, "sign-in", "--no-wait", "--password-fd", str(read), "alice@members.example.org", pass_fds=[read])
    os.close(read)
    first = identity.get_property("identity", "AccountCertificate")
    assert first
    assert "signed out" in ctl(identity, "sign-out").stdout
    ctl(identity, "sign-in", "--no-wait", "alice@members.example.org", input="correct horse")
    assert identity.get_property("identity", "AccountCertificate") == first
    assert "sign out first" in complaint(identity, "sign-in", "a@b.c", status=1, input="x")
    assert ctl(identity, "sign-out", "--json").stdout == '{\n  "signed_in": false\n}\n'
    assert "not signed in" in complaint(identity, "sign-out", status=1)


def test_sign_in_says_what_is_wrong(identity):
    assert "alice@members.example.org" in complaint(identity, "sign-in", "alice", status=2, input="x")
    assert "empty" in complaint(identity, "sign-in", "alice@members.example.org", status=2, input="")
    assert "1024" in complaint(identity, "sign-in", "alice@members.example.org", status=2, input="x" * 1026)
    assert "descriptor 77" in complaint(identity, "sign-in", "--password-fd", "77", "a@b.c", status=2)


def test_waits_for_the_verdict(identity, fake):
    registrar = fake("registrar", State=("s", "signed-out"))
    process = identity.popen(["/run/lab/bin/homewardctl", "sign-in", "alice@members.example.org"], stdin=-1, stdout=-1,
                             stderr=-1)
    process.stdin.write(b"correct horse")
    process.stdin.close()
    process.stdin = None
    identity.wait_for(("identity", "State", "signed-in"))
    registrar.change(State=("s", "publishing"))
    registrar.change(State=("s", "retrying"), Reason=("s", "no answer yet"))
    assert process.poll() is None
    registrar.change(State=("s", "published"))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0 and out == b"signed in as desktop.alice.members.example.org\n" and err == b""


def follow(host, registrar, *states):
    """As registrar does: once signed in, through these states; once signed out, to that."""
    def run():
        host_bus = host.connect_bus()
        name = "org.homeward.Identity1"

        def wait(wanted):
            while host_bus.get(name, "/org/homeward/Identity1", name, "SignedIn") != wanted:
                time.sleep(0.01)
        wait(True)
        for state, reason in states:
            registrar.change(State=("s", state), Reason=("s", reason))
        wait(False)
        registrar.change(State=("s", "signed-out"))
        host_bus.close()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_refused_is_said_and_taken_back(identity, fake):
    registrar = fake("registrar", State=("s", "signed-out"))
    thread = follow(identity, registrar, ("publishing", "asking"), ("refused", "BADKEY"))
    text = complaint(identity, "sign-in", "alice@members.example.org", status=5, input="wrong")
    assert "does not accept alice@members.example.org: wrong password or unknown account" in text and "BADKEY" in text
    assert identity.get_property("identity", "State") == "signed-out"
    thread.join()


def test_a_taken_name_is_said_with_what_to_do(identity, fake):
    registrar = fake("registrar", State=("s", "signed-out"))
    thread = follow(identity, registrar, ("publishing", "asking"), ("name-taken", "YXDOMAIN"))
    text = complaint(identity, "sign-in", "alice@members.example.org", status=6, input="correct horse")
    assert '"desktop"' in text and "homewardctl set-name" in text
    thread.join()
    assert "called laptop" in ctl(identity, "set-name", "Laptop").stdout
    assert identity.get_property("identity", "HostName") == "laptop"


def test_an_old_verdict_counts_for_nothing(identity, fake):
    registrar = fake("registrar", State=("s", "refused"))
    thread = follow(identity, registrar, ("publishing", "asking"), ("published", ""))
    ctl(identity, "sign-in", "alice@members.example.org", input="correct horse")
    ctl(identity, "sign-out")
    thread.join()


def test_no_word_in_time(identity, fake):
    registrar = fake("registrar", State=("s", "retrying"), Reason=("s", "the server does not answer"))
    thread = follow(identity, registrar, ("retrying", "the server does not answer"))
    text = complaint(identity, "sign-in", "--timeout", "1", "alice@members.example.org", status=7, input="correct horse")
    assert "the server does not answer" in text and "goes on trying" in text
    assert identity.get_property("identity", "State") == "signed-in"
    result = ctl(identity, "sign-out")
    thread.join()
    result = ctl(identity, "--json", "sign-in", "--timeout", "0", "alice@members.example.org", status=7,
                 input="correct horse")
    assert json.loads(result.stdout)["signed_in"] is True


def test_only_root_may_change(identity):
    def as_nobody(*arguments, **options):
        return identity.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/run/lab/bin/homewardctl",
                             *arguments], check=False, env=identity.sanitizer_environment("homewardctl"), **options)
    for arguments in ["sign-out"], ["set-name", "x"], ["sign-in", "a@b.c"]:
        result = as_nobody(*arguments, input="password")
        assert result.returncode == 4 and "as root" in result.stderr, result
    assert as_nobody("status").returncode == 0


@pytest.mark.parametrize("line, wanted", [
    ("homewardctl s", {"status", "services", "sign-in", "sign-out", "set-name", "share", "shares"}),
    ("homewardctl --j", {"--json"}), ("homewardctl w", {"watch", "why"}), ("homewardctl why --", {"--wait", "--json"}),
    ("homewardctl --json tr", {"trace"}), ("homewardctl trace --g", {"--generation"}),
    ("homewardctl sign-in --", {"--password-fd", "--no-wait", "--timeout", "--json"}),
    ("homewardctl trace --generation ", set()), ("homewardctl help ", set())])
def test_completion(host, line, wanted):
    words = line.split(" ")
    script = (f"source {COMPLETION}; COMP_WORDS=({' '.join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; "
              "_homewardctl; echo ${COMPREPLY[@]}")
    assert set(host.run(["bash", "-euc", script]).stdout.split()) == wanted
