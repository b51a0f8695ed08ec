# SPDX-License-Identifier: LGPL-2.1-or-later
"""keyd and tunneld with real strongSwan as the other host of the account: IKE SA, child SA, a ping through it, in
both roles. strongSwan has a certificate by the same account key, as any host has."""
import os
import shutil
import struct
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "bus"))

from fake_account import Account  # noqa: E402
from fakes import Fake  # noqa: E402
from homeward_lab import complete, wait_until  # noqa: E402
from transfer import TCP, hash_of, transfer  # noqa: E402

CHARON = "/usr/sbin/charon-systemd"
OURS, THEIRS = "fd01:203:405:607:22:69ff:fe8e:342a", "fda1:a2a3:a4a5:a6a7:16:3eff:fe00:1"
ADDRESS, THEIR_ADDRESS = "11.0.1.10", "11.0.2.20"
DOMAIN = "alice.members.example.org"
IKE, CHILD = "org.homeward.Key1.IkeSa", "org.homeward.Key1.ChildSa"
PEER = "org.homeward.Tunnel1.Peer"
VICI = "unix:///run/lab/vici"

STRONGSWAN_CONF = """charon-systemd {
  load = random nonce openssl curve25519 pem pkcs1 pkcs8 x509 pubkey constraints revocation hmac kdf gcm aes sha1 sha2 kernel-libipsec kernel-netlink socket-default vici updown
  port = 500
  port_nat_t = 4500
  retransmit_timeout = 1.0
  retransmit_tries = 4
%(extra)s
  plugins {
    vici { socket = %(vici)s }
    kernel-libipsec { allow_peer_ts = yes }
    socket-default { use_ipv6 = no }
  }
  filelog { f { path = /run/lab/charon.log
      default = 1
      ike = 2
      cfg = 2
      esp = 2
      flush_line = yes
  } }
}
swanctl { plugins { vici { socket = %(vici)s } } }
"""

SWANCTL_CONF = """connections { home {
   version = 2
   local_addrs = %(address)s
   remote_addrs = %(remote)s
   remote_port = 4500
   local_port = 4500
   mobike = no
   encap = yes
   dpd_delay = 10s
   proposals = %(ike)s
   local  { auth = pubkey
            certs = host.crt
            id = laptop.%(domain)s
   }
   remote { auth = pubkey
            id = desktop.%(domain)s
   }
   children { tunnel {
      local_ts = %(local_ts)s
      remote_ts = %(remote_ts)s
      esp_proposals = %(esp)s
      start_action = none
   } }
} }
"""


class StrongSwan:
    def __init__(self, host, account, key, remote=ADDRESS, ike="aes128gcm16-prfsha256-x25519", esp="aes128gcm16",
                 extra="", local_ts=THEIRS + "/128", remote_ts=OURS + "/128", address=THEIR_ADDRESS):
        self.host = host
        folder = "/run/lab/swanctl"
        issued = account.issue("laptop", "00-16-3E-FF-FE-00-00-01", key)
        for name in ("x509", "x509ca", "pkcs8", "private", "conf.d"):
            os.makedirs(host.path(f"{folder}/{name}"))
        host.write(f"{folder}/x509/host.crt", issued.pem)
        host.write(f"{folder}/x509ca/account.crt", account.pem)
        host.write(f"{folder}/pkcs8/host.key", issued.key_pem)
        host.write("/run/lab/strongswan.conf", STRONGSWAN_CONF % {"vici": VICI, "extra": extra})
        host.write(f"{folder}/swanctl.conf", SWANCTL_CONF % {
            "address": address, "remote": remote, "ike": ike, "esp": esp, "domain": DOMAIN,
            "local_ts": local_ts, "remote_ts": remote_ts})
        host.batch([f"address add {THEIRS}/128 dev lo nodad"])
        self.environment = {"STRONGSWAN_CONF": "/run/lab/strongswan.conf", "SWANCTL_DIR": folder}
        with open(host.path("/run/lab/charon.out"), "wb") as out:
            self.process = host.popen([CHARON], env=self.environment, stdout=out, stderr=out)
        wait_until(lambda: self.control("--load-all", check=False).returncode == 0, 20, "charon")

    def control(self, *arguments, check=True):
        return self.host.run(["swanctl", *arguments, "--uri", VICI], env=self.environment, check=check)

    def log(self):
        return self.host.read("/run/lab/charon.log")


class Ours:
    """A host with keyd and tunneld."""

    def __init__(self, host, account, endpoint=(THEIR_ADDRESS, 4500), ppk=None, address=ADDRESS):
        self.host = host
        self.key = account.issue("desktop", "00-22-69-FF-FE-8E-34-2A")
        self.fakes = [
            Fake(host, "identity", self.key.properties(OURS),
                 {"Sign": self.key.sign, **({"GetPpk": self.key.ppk(ppk)} if ppk else {})}),
            Fake(host, "mapper", {"State": ("s", "ready"), "NetworkGeneration": ("t", 1),
                                  "LocalAddress": ("s", address)},
                 {"AddMapping": lambda *a: ("o", "/org/homeward/Mapper1/mapping/1")}),
            Fake(host, "llq-watcher", {"State": ("s", "watching")})]
        self.fakes[2].add("/org/homeward/Watcher1/host/laptop", "org.homeward.Watcher1.Host",
                          Name=("s", f"laptop.{DOMAIN}"), HostId=("s", THEIRS), Endpoint=("(sq)", endpoint),
                          EndpointGeneration=("t", 1), Live=("b", True))
        host.start_daemon("tunneld")
        host.start_daemon("keyd")
        host.wait_for(("keyd", "State", "ready"))
        host.wait_for(lambda: host.get_objects("tunneld", PEER))

    def ping(self):
        return self.host.run(["ping", "-n", "-c", "1", "-W", "60", THEIRS], timeout=120).stdout

    def sa(self):
        sa, = self.host.get_objects("keyd", IKE).values()
        return sa

    def child(self):
        child, = self.host.get_objects("keyd", CHILD).values()
        return child

    def close(self):
        for fake in self.fakes:
            fake.close()


@pytest.fixture
def place(make_host, make_internet, request):
    """(desktop, laptop, account, capture file) on the internet; what passed is decoded by tshark at the end."""
    if not os.path.exists(CHARON):
        pytest.skip("charon-systemd is not installed")
    if not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    internet = make_internet()
    internet.wait_ready()
    desktop, laptop = make_host("desktop"), make_host("laptop", bus=False)
    desktop.attach_internet(internet, ADDRESS)
    laptop.attach_internet(internet, THEIR_ADDRESS)
    with open(internet.path("/run/lab/tmp/tcpdump.log"), "wb") as log:
        capture = internet.popen(["tcpdump", "-i", "br0", "-U", "--immediate-mode", "-w", "/run/lab/tmp/wire.pcap", "-Z",
                                  "root"], stderr=log)
    wait_until(lambda: "listening on" in internet.read("/run/lab/tmp/tcpdump.log"), 10, "tcpdump")
    yield desktop, laptop, Account(DOMAIN)
    if request.node.report_call.failed:
        capture.end()
        print(laptop.read("/run/lab/charon.log")[-6000:])
        return
    complete(internet, capture, "/run/lab/tmp/wire.pcap")
    capture.end()
    assert not internet.run(["tshark", "-r", "/run/lab/tmp/wire.pcap", "-Y", "_ws.malformed"]).stdout
    messages = internet.run(["tshark", "-r", "/run/lab/tmp/wire.pcap", "-Y", "isakmp", "-T", "fields", "-e",
                             "isakmp.exchangetype"]).stdout.split()
    assert messages and set(messages) <= {"34", "35", "36", "37"}


@pytest.fixture
def ours(place):
    made = []

    def make(**options):
        made.append(Ours(place[0], place[2], **options))
        return made[-1]
    yield make
    for end in made:
        end.close()


KEYS = {"ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()), "ed25519": ed25519.Ed25519PrivateKey.generate,
        "rsa": lambda: rsa.generate_private_key(65537, 2048)}


@pytest.mark.parametrize("kind", sorted(KEYS))
def test_we_initiate(place, ours, kind):
    desktop, laptop, account = place
    strongswan = StrongSwan(laptop, account, KEYS[kind]())
    us = ours()
    assert "1 received" in us.ping()
    sa = us.sa()
    assert sa["State"] == "established" and sa["Role"] == "initiator"
    assert us.child()["Algorithm"] == "aes128gcm16"
    desktop.ping(THEIRS, "-i", "0.1", "-s", "1200", count=3)
    laptop.ping(OURS, "-i", "0.1", "-I", THEIRS, count=3)
    sas = strongswan.control("--list-sas").stdout
    assert "ESTABLISHED" in sas and "INSTALLED" in sas and f"desktop.{DOMAIN}" in sas


@pytest.mark.parametrize("ike, esp, proposal, algorithm", [
    ("aes128gcm16-prfsha256-x25519", "aes128gcm16", "aes128gcm16-prfsha256-x25519", "aes128gcm16"),
    ("aes256gcm16-prfsha512-x25519", "aes256gcm16", "aes256gcm16-prfsha512-x25519", "aes256gcm16"),
    # Its first guess of a group is not the one we prefer: INVALID_KE_PAYLOAD, and again.
    ("aes256gcm16-aes128gcm16-prfsha384-ecp256-x25519", "chacha20poly1305", "aes128gcm16-prfsha384-x25519",
     "chacha20poly1305")])
def test_it_initiates(place, ours, ike, esp, proposal, algorithm):
    desktop, laptop, account = place
    us = ours()
    strongswan = StrongSwan(laptop, account, KEYS["ecdsa"](), ike=ike, esp=esp)
    strongswan.control("--initiate", "--child", "tunnel")
    assert us.sa()["Role"] == "responder" and us.sa()["Proposal"] == proposal
    assert us.child()["Algorithm"] == algorithm
    laptop.ping(OURS, "-i", "0.1", "-I", THEIRS, count=3)
    assert "1 received" in us.ping()


@pytest.mark.parametrize("esp", ["aes256gcm16", "chacha20poly1305"])
def test_bulk_both_ways(place, ours, esp):
    """Our trains and super-packets are ordinary ESP to it, and its packets one by one are to us."""
    desktop, laptop, account = place
    strongswan = StrongSwan(laptop, account, KEYS["ecdsa"](), esp=esp)
    us = ours()
    assert "1 received" in us.ping()
    assert us.child()["Algorithm"] == esp
    assert transfer(desktop, laptop, THEIRS, TCP, OURS) == (hash_of(1), hash_of(2))
    counters = desktop.get_property("tunneld", "Counters")
    assert not any(counters[name] for name in ("BadIcv", "Malformed", "WrongSelector", "TunErrors")), counters
    assert strongswan.control("--list-sas").stdout.count("INSTALLED") == 1


def test_it_asks_for_too_much(place, ours):
    """What it offers is narrowed to the two host ids."""
    desktop, laptop, account = place
    us = ours()
    strongswan = StrongSwan(laptop, account, KEYS["ecdsa"](), local_ts="fd00::/8", remote_ts="fd00::/8")
    strongswan.control("--initiate", "--child", "tunnel")
    sas = strongswan.control("--list-sas").stdout
    assert f"local  {THEIRS}/128" in sas and f"remote {OURS}/128" in sas
    assert "1 received" in us.ping()


def test_it_asks_for_others(place, ours):
    """Traffic that is not ours: the IKE SA stands, there is no child."""
    desktop, laptop, account = place
    us = ours()
    strongswan = StrongSwan(laptop, account, KEYS["ecdsa"](), remote_ts="fd99::/16")
    result = strongswan.control("--initiate", "--child", "tunnel", check=False)
    assert "TS_UNACCEPT" in result.stdout + result.stderr
    assert us.sa()["State"] == "established" and not desktop.get_objects("keyd", CHILD)


def test_it_deletes(place, ours):
    desktop, laptop, account = place
    strongswan = StrongSwan(laptop, account, KEYS["ecdsa"]())
    us = ours()
    us.ping()
    strongswan.control("--terminate", "--ike", "home")
    desktop.wait_for(lambda: not desktop.get_objects("keyd", IKE) and not desktop.get_objects("keyd", CHILD))
    desktop.wait_for(lambda: [peer["State"] for peer in desktop.get_objects("tunneld", PEER).values()] == ["idle"])
    # And again when there is something to send.
    assert "1 received" in us.ping()


def test_we_delete(place, ours):
    desktop, laptop, account = place
    strongswan = StrongSwan(laptop, account, KEYS["ecdsa"]())
    us = ours()
    us.ping()
    assert desktop.stop_daemon("keyd") == 0
    wait_until(lambda: "ESTABLISHED" not in strongswan.control("--list-sas").stdout, 10, "the delete")


def stranger():
    """A first message, of which nobody will hear more."""
    transforms = bytes.fromhex("0300000c01000014800e0080" "0300000802000005" "000000080400001f")
    proposal = struct.pack("!BBHBBBB", 0, 0, 8 + len(transforms), 1, 1, 0, 3) + transforms
    body = struct.pack("!BBH", 34, 0, 4 + len(proposal)) + proposal
    body += struct.pack("!BBHHH", 40, 0, 40, 31, 0) + os.urandom(32)
    body += struct.pack("!BBH", 0, 0, 36) + os.urandom(32)
    return os.urandom(8) + struct.pack("!QBBBBII", 0, 33, 0x20, 34, 8, 0, 28 + len(body)) + body


def test_cookie(place, ours):
    """A responder under load: we come again with its cookie, and AUTH covers it."""
    desktop, laptop, account = place
    strongswan = StrongSwan(laptop, account, KEYS["ecdsa"](), remote="%any", extra="  cookie_threshold = 1")
    desktop.run(["/usr/bin/python3", "-c", "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                 "s.sendto(bytes.fromhex(sys.argv[1]), (sys.argv[2], 500)); s.settimeout(60); s.recv(4096)",
                 stranger().hex(), THEIR_ADDRESS])
    us = ours()
    assert "1 received" in us.ping()
    assert "N(COOKIE)" in strongswan.log()


def test_other_account(place, ours):
    desktop, laptop, account = place
    StrongSwan(laptop, Account(DOMAIN), KEYS["ecdsa"]())
    us = ours()
    desktop.run(["ping", "-n", "-c", "1", "-W", "2", THEIRS], check=False)
    desktop.wait_for(lambda: next(iter(desktop.get_objects("tunneld", PEER).values()))["LastError"])
    assert not desktop.get_objects("keyd", CHILD)
    assert us.host.get_property("keyd", "Counters")["Established"] == 0


def test_liveness(place, ours):
    """It asks whether we are there, after ten seconds without traffic."""
    desktop, laptop, account = place
    strongswan = StrongSwan(laptop, account, KEYS["ecdsa"]())
    us = ours()
    us.ping()
    laptop.wait_for(lambda: "parsed INFORMATIONAL response" in strongswan.log(), 30)
    assert us.sa()["State"] == "established"
