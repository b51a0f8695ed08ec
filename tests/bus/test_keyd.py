# SPDX-License-Identifier: LGPL-2.1-or-later
"""keyd with real tunnelds between two hosts; identity, mapper and llq-watcher are faked, with keys we know."""
import os
import re
import signal
import struct
import subprocess
import time

import pytest

from fake_account import Account
from fakes import Fake
from homeward_lab import USERS, BusError, introspection, wait_until
from test_authorization import ALICE, BOB, RULES, add_users, start_polkit

# The low half of a host id is what the certificate proves.
IDS = {"desktop": "fd01:203:405:607:22:69ff:fe8e:342a", "laptop": "fda1:a2a3:a4a5:a6a7:16:3eff:fe00:1"}
EUI64 = {"desktop": "00-22-69-FF-FE-8E-34-2A", "laptop": "00-16-3E-FF-FE-00-00-01"}
PUBLIC = {"desktop": "11.0.1.10", "laptop": "11.0.2.20"}
IKE, CHILD = "org.homeward.Key1.IkeSa", "org.homeward.Key1.ChildSa"
PEER = "org.homeward.Tunnel1.Peer"


class End:
    def __init__(self, host, internet, account):
        self.host, self.name, self.internet = host, host.name, internet
        self.id, self.address = IDS[self.name], PUBLIC[self.name]
        host.attach_internet(internet, self.address)
        self.key = account.issue(self.name, EUI64[self.name])
        self.identity = None
        self.show_identity()
        self.mapper = Fake(host, "mapper", {"State": ("s", "ready"), "NetworkGeneration": ("t", 1),
                                            "LocalAddress": ("s", self.address)},
                           {"AddMapping": lambda *a: ("o", "/org/homeward/Mapper1/mapping/1")})
        self.watcher = Fake(host, "llq-watcher", {"State": ("s", "watching")})

    def show_identity(self):
        self.identity = Fake(self.host, "identity", self.key.properties(self.id), {"Sign": self.key.sign})

    def start(self, *names):
        for name in names or ("tunneld", "keyd"):
            self.host.start_daemon(name)
        self.host.wait_for(("keyd", "State", "ready"))

    def wait_tunnel(self):
        """tunneld has heard of the other one, and the kernel receives for our address: both take a busy machine its time."""
        self.wait(lambda: self.host.get_objects("tunneld", PEER), "the peer")
        self.wait(lambda: "local" in self.host.run(["ip", "-6", "route", "get", self.id], check=False).stdout, "local route")

    def see(self, other, endpoint=None):
        self.watcher.add("/org/homeward/Watcher1/host/" + other.name, "org.homeward.Watcher1.Host",
                         Name=("s", f"{other.name}.{other.key.account.domain}"), HostId=("s", other.id),
                         Endpoint=("(sq)", endpoint or (other.address, 4500)), EndpointGeneration=("t", 1),
                         Live=("b", True))

    def ping(self, other, *options, check=True, wait=60):
        return self.host.run(["ping", "-n", "-c", "1", "-W", str(wait), *options, other.id], check=check,
                             timeout=120)

    def counters(self):
        return self.host.get_property("keyd", "Counters")

    def sas(self, state="established"):
        return {path: sa for path, sa in self.host.get_objects("keyd", IKE).items() if sa["State"] == state}

    def children(self):
        return self.host.get_objects("keyd", CHILD)

    def is_down(self):
        """No SA, and the tunnel knows it."""
        return not self.sas() and all(peer["State"] == "idle" for peer in self.host.get_objects("tunneld", PEER).values())

    def peer(self):
        peer, = self.host.get_objects("tunneld", PEER).values()
        return peer

    def wait(self, condition, what):
        return wait_until(condition, what=f"{self.name}: {what}")

    def close(self):
        for fake in self.identity, self.mapper, self.watcher:
            fake.close()


@pytest.fixture
def account():
    return Account()


@pytest.fixture
def ends(make_host, make_internet, account):
    internet = make_internet()
    internet.wait_ready()
    made = [End(make_host(name), internet, account) for name in ("desktop", "laptop")]
    yield made
    for end in made:
        end.close()


@pytest.fixture
def started(ends):
    desktop, laptop = ends
    desktop.see(laptop)
    laptop.see(desktop)
    for end in ends:
        end.start()
        end.wait_tunnel()
    return ends


@pytest.fixture
def tunnel(started):
    desktop, laptop = started
    desktop.ping(laptop)
    return started


def own_messages(end):
    """What was sent, but for what a busy machine sent again, and for tickets, when the other one has asked for one."""
    counters = end.counters()
    return counters["MessagesSent"] - sum(counters[name] for name in ("Retransmitted", "RepeatedResponses", "TicketsGiven"))


def test_first_packet_negotiates(tunnel):
    desktop, laptop = tunnel
    for here, there, role in (desktop, laptop, "initiator"), (laptop, desktop, "responder"):
        (path, sa), = here.sas().items()
        assert sa["Peer"] == f"{there.name}.alice.members.example.org"
        assert sa["HostId"] == there.id and sa["Role"] == role
        assert sa["Endpoint"] == (there.address, 4500)
        assert sa["Proposal"] == "aes128gcm16-prfsha256-x25519"
        assert sa["Established"]
        child, = here.children().values()
        assert child["IkeSa"] == path and child["Algorithm"] == "aes128gcm16"
        assert child["SpiIn"] >= 0x40000000 and here.peer()["Spis"] == [child["SpiIn"]]
        seen = introspection.check(here.host, "keyd")
        assert IKE in seen and CHILD in seen
    (ours,), (theirs,) = desktop.children().values(), laptop.children().values()
    assert (ours["SpiIn"], ours["SpiOut"]) == (theirs["SpiOut"], theirs["SpiIn"])
    laptop.host.ping(desktop.id, "-i", "0.05", count=3)
    # The packet that asked for it was held, not lost.
    assert own_messages(desktop) == 2
    assert any("keys agreed with laptop" in words for _, _, words in desktop.host.get_property("keyd", "Timeline"))


def test_both_at_once(started):
    desktop, laptop = started
    for end, other in (desktop, laptop), (laptop, desktop):
        end.host.popen(["ping", "-n", "-c", "1", "-W", "60", other.id])
    for end in started:
        end.wait(lambda end=end: end.peer()["State"] == "established" and len(end.sas()) == 1, "one SA")
    desktop.ping(laptop)
    assert [end.counters()["Established"] for end in started] == [1, 1]
    assert all(not end.peer()["LastError"] for end in started)


def test_keyd_is_killed(tunnel):
    desktop, laptop = tunnel
    former = {end: end.peer()["Spis"][0] for end in tunnel}
    laptop.host.kill_daemon("keyd")
    # The data path does not need it.
    desktop.ping(laptop)
    laptop.host.start_daemon("keyd")
    for end in tunnel:
        end.wait(lambda end=end: end.peer()["Spis"][0] != former[end], "new pair")
        assert end.peer()["State"] == "established"
    laptop.ping(desktop)
    desktop.wait(lambda: len(desktop.sas()) == 1, "the former SA's end")
    (sa,) = laptop.sas().values()
    assert sa["Role"] == "initiator"


def test_tunneld_is_killed(tunnel):
    desktop, laptop = tunnel
    laptop.host.kill_daemon("tunneld")
    laptop.host.wait_for(("keyd", "State", "waiting-tunnel"))
    laptop.host.start_daemon("tunneld")
    laptop.host.wait_for(("keyd", "State", "ready"))
    # desktop was told, so its next packet negotiates.
    desktop.wait(lambda: desktop.peer()["State"] == "idle" or desktop.peer()["LastHandshake"], "the end of its pair")
    desktop.wait(lambda: "1 received" in desktop.ping(laptop, check=False, wait=2).stdout, "ping")
    laptop.ping(desktop)


def test_identity_restarts_and_signs_out(tunnel):
    desktop, laptop = tunnel
    laptop.identity.close()
    laptop.host.wait_for(("keyd", "State", "waiting-identity"))
    assert len(laptop.sas()) == 1
    laptop.show_identity()
    laptop.host.wait_for(("keyd", "State", "ready"))
    assert len(laptop.sas()) == 1
    desktop.ping(laptop)
    laptop.identity.change(State=("s", "signed-out"), SignedIn=("b", False), Certificate=("ay", b""))
    laptop.host.wait_for(("keyd", "State", "signed-out"))
    for end in tunnel:
        end.wait(end.is_down, "no SA")


def test_terminated(tunnel):
    desktop, laptop = tunnel
    assert laptop.host.stop_daemon("keyd") == 0
    desktop.wait(lambda: not desktop.sas() and not desktop.children(), "the delete of the other side")
    # keyd forgets it a moment before tunneld does.
    for end in tunnel:
        end.wait(lambda end=end: all(peer["State"] == "idle" for peer in end.host.get_objects("tunneld", PEER).values()),
                 "idle tunnel")


def test_rekey_and_terminate(tunnel):
    desktop, laptop = tunnel
    (path,) = laptop.sas()
    former = laptop.peer()["Spis"][0]
    laptop.host.call("keyd", "Rekey", path=path, interface=IKE)
    laptop.wait(lambda: path not in laptop.host.get_objects("keyd", IKE), "the former SA's end")
    (path,) = laptop.sas()
    laptop.wait(lambda: laptop.peer()["Spis"][0] != former, "new keys for traffic")
    desktop.ping(laptop)
    laptop.host.call("keyd", "Terminate", path=path, interface=IKE)
    for end in tunnel:
        end.wait(end.is_down, "no SA")


def test_others_need_polkit(tunnel):
    """Which is not there."""
    _, laptop = tunnel
    (sa,), (child,) = laptop.sas(), laptop.children()
    for path, interface, method in (sa, IKE, "Rekey"), (sa, IKE, "Terminate"), (child, CHILD, "Rekey"):
        with laptop.host.connect_bus(65534) as bus, pytest.raises(BusError) as told:
            bus.call("org.homeward.Key1", path, interface, method)
        assert told.value.name == "org.homeward.Error.AccessDenied", told.value
        assert "only root may renew or end tunnels here" in told.value.message
    assert set(laptop.sas()) == {sa} and set(laptop.children()) == {child}


def test_polkit_decides(tunnel, tmp_path):
    """The real one, with our action: who may renew and end tunnels besides root."""
    _, laptop = tunnel
    host = laptop.host
    add_users(host)
    start_polkit(host, tmp_path, RULES.replace("org.homeward.mapper.add-mapping", "org.homeward.key.manage-tunnels"))

    def ask(user, path, interface, method):
        with host.connect_bus(user) as bus:
            bus.call("org.homeward.Key1", path, interface, method)

    (sa,), (child,) = laptop.sas(), laptop.children()
    former = laptop.peer()["Spis"]
    for arguments in (sa, IKE, "Rekey"), (sa, IKE, "Terminate"), (child, CHILD, "Rekey"):
        with pytest.raises(BusError) as told:
            ask(BOB, *arguments)
        assert told.value.name == "org.homeward.Error.AccessDenied", told.value
        assert "polkit does not allow it" in told.value.message
    assert set(laptop.sas()) == {sa} and laptop.peer()["Spis"] == former
    ask(ALICE, child, CHILD, "Rekey")
    laptop.wait(lambda: laptop.peer()["Spis"] != former, "new keys for traffic")
    ask(ALICE, sa, IKE, "Terminate")
    for end in tunnel:
        end.wait(end.is_down, "no SA")


def test_other_account(ends):
    desktop, laptop = ends
    laptop.key = Account().issue("laptop", EUI64["laptop"])
    laptop.identity.close()
    laptop.show_identity()
    desktop.see(laptop)
    for end in ends:
        end.start()
    desktop.ping(laptop, check=False, wait=2)
    desktop.wait(lambda: desktop.peer()["LastError"], "an error")
    assert desktop.peer()["LastError"] == "it refused with AUTHENTICATION_FAILED"
    assert laptop.counters()["RefusedPeers"] == 1
    assert not desktop.sas() and not laptop.sas()
    assert any("refused a peer at 11.0.1.10:4500: its certificate is not of this account" in words
               for _, _, words in laptop.host.get_property("keyd", "Timeline"))


def refusals():
    """(case, what is issued instead, the reason)."""
    domain = "alice.members.example.org"
    return [
        ("expired", {"days": -40}, "its certificate is valid no more; is a clock wrong?"),
        ("early", {"days": 3}, "its certificate is not valid yet; is a clock wrong?"),
        ("account", {"account": Account()}, "its certificate is not of this account"),
        ("name", {"names": [f"phone.{domain}", f"AutoTunnel-{EUI64['laptop']}.{domain}"]},
         "its certificate is for another name"),
        ("tunnel", {"names": [f"laptop.{domain}"]}, "its certificate has not one AutoTunnel name of the account"),
        ("host", {"names": [f"laptop.{domain}", f"AutoTunnel-{EUI64['desktop']}.{domain}"]},
         "its host id is not the one its certificate proves"),
        ("key", {"sign": "other"}, "its signature is wrong"),
    ]


@pytest.mark.parametrize("case, issued, reason", refusals(), ids=[case for case, _, _ in refusals()])
def test_refusals_have_their_reasons(ends, case, issued, reason):
    """laptop cannot prove itself: desktop shows why, whoever began."""
    desktop, laptop = ends
    account = issued.pop("account", laptop.key.account)
    if issued.pop("sign", None):
        laptop.key.sign = account.issue("laptop", EUI64["laptop"]).sign
    else:
        laptop.key = account.issue("laptop", EUI64["laptop"], **issued)
    laptop.identity.close()
    laptop.show_identity()
    desktop.see(laptop)
    for end in ends:
        end.start()
    desktop.ping(laptop, check=False, wait=2)
    desktop.wait(lambda: desktop.peer()["LastError"], "an error")
    # Of another account it finds desktop to be one of another account, and says so first.
    assert desktop.peer()["LastError"] == (reason if case != "account" else "it refused with AUTHENTICATION_FAILED")
    assert not desktop.children()
    if case == "host":
        return
    # The other way round, desktop is asked and says the other side no more than that it failed.
    # What laptop held for agreed goes first, and the route with it.
    laptop.wait(lambda: not laptop.sas() and not laptop.host.get_objects("tunneld", PEER), "nothing agreed")
    laptop.see(desktop)
    laptop.wait(lambda: [peer["State"] for peer in laptop.host.get_objects("tunneld", PEER).values()] == ["idle"],
                "what the zone says")
    laptop.ping(desktop, check=False, wait=2)
    laptop.wait(lambda: laptop.peer()["LastError"], "an error")
    assert laptop.peer()["LastError"] == "it refused with AUTHENTICATION_FAILED"
    assert any(f"refused a peer at {laptop.address}:4500: {reason}" == words
               for _, _, words in desktop.host.get_property("keyd", "Timeline"))


def test_no_answer_then_there(ends):
    """The other host comes up while we already knock."""
    desktop, laptop = ends
    desktop.see(laptop)
    laptop.see(desktop)
    desktop.start()
    ping = desktop.host.popen(["ping", "-n", "-c", "1", "-W", "60", laptop.id])
    desktop.wait(lambda: desktop.counters()["Retransmitted"] >= 1, "a repetition")
    laptop.start()
    desktop.wait(lambda: desktop.peer()["State"] == "established", "tunnel")
    assert ping.wait(60) == 0


def send_raw(internet, address, datagrams):
    script = ("import socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
              "for line in sys.stdin: s.sendto(bytes.fromhex(line), (sys.argv[1], 4500))\n")
    internet.run(["/usr/bin/python3", "-c", script, address], input="".join(d.hex() + "\n" for d in datagrams))


def test_nonsense(tunnel):
    desktop, laptop = tunnel
    header = struct.pack("!QQBBBBII", 1, 2, 46, 0x20, 37, 8, 1, 28 + 40)
    send_raw(desktop.internet, laptop.address, [bytes(4) + octets for octets in (
        b"", b"x", bytes(27), bytes(28), header, header + os.urandom(40), os.urandom(1400),
        struct.pack("!QQBBBBII", 1, 0, 33, 0x20, 34, 8, 0, 28 + 40) + os.urandom(40),
        struct.pack("!QQBBBBII", 1, 0, 33, 0x30, 34, 8, 0, 28))])
    laptop.wait(lambda: laptop.counters()["Malformed"] >= 5, "malformed messages counted")
    laptop.wait(lambda: laptop.counters()["UnknownSpi"] >= 1 and laptop.counters()["WrongVersion"] >= 1, "others")
    desktop.ping(laptop)
    assert len(laptop.sas()) == 1


FLOOD = r"""
import os, select, socket, struct, sys
# First requests as anybody may send them, from addresses that are not the sender's.
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
target = socket.inet_aton(sys.argv[1])
transforms = bytes.fromhex("0300000c01000014800e0080" "0300000802000005" "000000080400001f")
proposal = struct.pack("!BBHBBBB", 0, 0, 8 + len(transforms), 1, 1, 0, 3) + transforms
body = struct.pack("!BBH", 34, 0, 4 + len(proposal)) + proposal + struct.pack("!BBHHH", 40, 0, 40, 31, 0)
body += os.urandom(32) + struct.pack("!BBH", 0, 0, 36) + os.urandom(32)
sent = 0
# Until the input ends.
while not select.select([sys.stdin], [], [], 0)[0]:
    spi = os.urandom(8)
    message = spi + struct.pack("!QBBBBII", 0, 33, 0x20, 34, 8, 0, 28 + len(body)) + body
    datagram = struct.pack("!HHHH", 4500, 4500, 12 + len(message), 0) + bytes(4) + message
    source = b"\x0c" + spi[:3]
    raw.sendto(struct.pack("!BBHHHBBH4s4s", 69, 0, 20 + len(datagram), 0, 0, 64, 17, 0, source, target) + datagram,
               (sys.argv[1], 0))
    sent += 1
print(sent)
"""


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def test_flood(started):
    """Half-open negotiations from everywhere: cookies, little memory, and the peer gets in meanwhile."""
    desktop, laptop = started
    keyd = laptop.host.daemon_pid("keyd")
    before = resident(keyd)
    flood = desktop.internet.popen(["/usr/bin/python3", "-c", FLOOD, laptop.address], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
    laptop.wait(lambda: laptop.counters()["CookiesSent"] > 100, "cookies")
    began = time.monotonic()
    desktop.ping(laptop)
    took = time.monotonic() - began
    after = resident(keyd)
    sent, counters = int(flood.communicate(timeout=120)[0]), laptop.counters()
    print(f"first packet after {took * 1000:.0f} ms in a flood of {sent} requests; keyd {before} -> {after} KiB; "
          f"{counters['CookiesSent']} cookies")
    assert counters["HalfOpenDropped"] == 0 and counters["RefusedPeers"] == 0
    # Who did not come with its cookie got nothing but that; each response is one thing remembered. The peer that got in is
    # spoken with, the longer the more.
    assert counters["MessagesSent"] - counters["RepeatedResponses"] - counters["Retransmitted"] < 64 < counters["CookiesSent"]
    assert len(laptop.sas()) == 1


def test_unknown_key_in_configuration(make_host):
    host = make_host("desktop")
    host.write("/etc/homeward/keyd.conf", "[paths]\nnonsense = 1\n")
    process = host.start_daemon("keyd", wait=False)
    assert process.wait(60) == 1
    assert re.search(r"keyd\.conf:2: ", host.log("keyd"))


@pytest.mark.parametrize("line, words", [
    ("ike = aes256gcm16 3des", "ike = aes256gcm16 3des: expected one or more, best first, each once, of aes128gcm16 "
                               "aes256gcm16 chacha20poly1305"),
    ("key-exchange = modp2048", "expected one or more, best first, each once, of x25519 ecp256 ecp384"),
    ("prf = prfsha256 prfsha256", "expected one or more, best first, each once, of prfsha256 prfsha384 prfsha512"),
    ("esp =", "expected one or more, best first, each once, of aes128gcm16 aes256gcm16 chacha20poly1305")])
def test_algorithms_in_configuration(make_host, line, words):
    host = make_host("desktop")
    process = host.start_daemon("keyd", config=f"[algorithms]\n{line}\n", wait=False)
    assert process.wait(60) == 1
    assert "keyd.conf:2: " in host.log("keyd") and words in host.log("keyd")


KEY = "laptop.alice.members.example.org 0x000102030405060708090a0b0c0d0e0f"


@pytest.mark.parametrize("text, mode, owner, words", [
    (KEY[:-2], 0o600, "homeward-key", "keyd.psk:1: the key has less than 128 bits"),
    ("# ours\n" + KEY[:33] + "open sesame", 0o600, "homeward-key", "keyd.psk:2: the key must be octets"),
    (KEY, 0o640, "homeward-key", "keyd.psk can be read by others; chmod 0600 it, and make new keys"),
    (KEY, 0o604, "homeward-key", "keyd.psk can be read by others; chmod 0600 it, and make new keys"),
    (KEY, 0o600, "homeward-tunnel", "cannot read /etc/homeward/keyd.psk: Permission denied"),
    (None, 0, None, "cannot read /etc/homeward/keyd.psk: No such file or directory")])
def test_preshared_keys_in_configuration(make_host, text, mode, owner, words):
    host = make_host("desktop")
    if text is not None:
        host.write("/etc/homeward/keyd.psk", text)
        os.chown(host.path("/etc/homeward/keyd.psk"), USERS[owner], 0)
        os.chmod(host.path("/etc/homeward/keyd.psk"), mode)
    process = host.start_daemon("keyd", config="[psk]\nfile = /etc/homeward/keyd.psk\n", wait=False)
    assert process.wait(60) == 1
    assert words in host.log("keyd")
    # What it complains about is a secret.
    assert "000102030405" not in host.log("keyd") and "sesame" not in host.log("keyd")


def test_preferred_algorithms(ends):
    """The responder's order, in what the initiator can; the group costs one more round trip."""
    desktop, laptop = ends
    desktop.see(laptop)
    laptop.see(desktop)
    desktop.start()
    laptop.host.start_daemon("tunneld")
    laptop.host.start_daemon("keyd", config="""[algorithms]
ike = chacha20poly1305 aes256gcm16
prf = prfsha512
key-exchange = ecp384 x25519
esp = aes256gcm16
""")
    laptop.host.wait_for(("keyd", "State", "ready"))
    for end in ends:
        end.wait_tunnel()
    desktop.host.ping(laptop.id, "-i", "0.05", count=3)
    for end in ends:
        (sa,), (child,) = end.sas().values(), end.children().values()
        assert sa["Proposal"] == "chacha20poly1305-prfsha512-ecp384" and child["Algorithm"] == "aes256gcm16"
    # A first message that was sent again is told the same again.
    assert own_messages(desktop) == 3 and 1 <= laptop.counters()["OtherGroupWanted"] <= 1 + desktop.counters()["Retransmitted"]


def test_signals(started):
    for end in started:
        assert end.host.stop_daemon("keyd", signal.SIGTERM) == 0
