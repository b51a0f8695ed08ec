#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How fast keyd answers who negotiates with it, beside strongSwan's charon, and what an idle SA pair takes.

    ike.py [--json] [--handshakes N] [--pairs N]

Hosts of one account (tests/bench/ike-load) negotiate with keyd and with charon in turn, with the same algorithms and
kinds of certificates. docs/BENCHMARKS.md says what is included.
"""
import argparse
import hashlib
import hmac
import ipaddress
import json
import os
import platform
import statistics
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "tests/lab"), os.path.join(TOP, "tests/bus")]
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: E402
from fake_account import Account  # noqa: E402
from fakes import Fake  # noqa: E402
from homeward_lab import Host, Internet, wait_until  # noqa: E402

DOMAIN, PASSWORD = "alice.members.example.org", "correct horse battery staple"
OUR_ADDRESS, THEIR_ADDRESS, LOAD_ADDRESS = "11.0.1.10", "11.0.2.20", "11.0.3.30"
CHARON = "/usr/sbin/charon-systemd"
LOAD = os.path.join(TOP, "build/tests/bench/ike-load")
HOSTS, HOSTS_LIMIT, AT_ONCE, ROUNDS = 250, 16000, 8, 3
FAILURES_BORNE = 0.01
STRONGSWAN_CONF = """charon-systemd {
  load = random nonce openssl pem pkcs1 pkcs8 x509 pubkey constraints hmac kdf gcm aes sha1 sha2 curve25519 kernel-libipsec kernel-netlink socket-default vici
  port_nat_t = 4500
  port = 500
  cookie_threshold = 0
  block_threshold = 0
  install_routes = no
  journal { default = -1 }
  syslog { daemon { default = -1 } }
  plugins { vici { socket = %(vici)s }
            kernel-libipsec { allow_peer_ts = yes }
            socket-default { use_ipv6 = no } }
}
swanctl { plugins { vici { socket = %(vici)s } } }
"""
SWANCTL_CONF = """connections { home {
   version = 2
   remote_addrs = %%any
   local_port = 4500
   mobike = no
   encap = yes
   proposals = aes128gcm16-prfsha256-x25519
   local  { auth = pubkey
            certs = host.crt
            id = %(name)s }
   remote { auth = pubkey
            cacerts = account.crt }
   children { tunnel { local_ts = %(id)s/128
                       remote_ts = fd00::/8
                       esp_proposals = aes128gcm16 } }
} }
"""
VICI = "unix:///run/lab/vici"


class KnownAccount(Account):
    """The account that identity derives from its password, so that this program can issue certificates of it."""

    def __init__(self, certificate):
        self.domain = DOMAIN
        master = hashlib.scrypt(PASSWORD.encode(), salt=DOMAIN.encode(), n=2**17, r=8, p=1, maxmem=1 << 28, dklen=32)
        key = hmac.digest(bytes(32), master, "sha256")
        seed = hmac.digest(key, b"homeward account signing v1\1", "sha256")
        self.key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        self.certificate = x509.load_der_x509_certificate(certificate)

    def _issuer(self):
        return self.certificate.subject


def list_hosts(account, name, host_id, n):
    """The file of ike-load: n hosts of the account, and the one they all speak to."""
    def der(thing):
        return thing.public_bytes(serialization.Encoding.DER).hex()
    lines = [f"account {DOMAIN} {der(account.certificate)}", f"peer {name} {host_id}"]
    for i in range(n):
        eui64 = bytes((0x02, 0, 0x5e, 0xff, 0xfe, 0, i >> 8, i & 255))
        issued = account.issue(f"h{i}", eui64.hex("-").upper())
        key = issued.key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
                                       serialization.NoEncryption()).hex()
        address = ipaddress.IPv6Address(bytes.fromhex("fd0b0b0b0b0b0b0b") + eui64)
        lines.append(f"host h{i}.{DOMAIN} {address} {der(issued.certificate)} {key}")
    return "\n".join(lines) + "\n"


def cpu_seconds(pids):
    """What the scheduler gave to all threads of the processes."""
    total = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
    return total / 1e9


def resident(pids):
    """Octets of memory of their own."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Private_"))
    return total * 1024


class Responder:
    """Who is negotiated with: its processes, and the hosts that do."""
    failed = 0

    def load(self, source, count, at_once):
        path = f"/run/lab/hosts-{self.name}"
        if not os.path.exists(source.path(path)):
            source.write(path, self.hosts)
        result = source.run([LOAD, path, self.address, "4500", str(count), str(at_once)], timeout=3600)
        figures = json.loads(result.stdout)
        # On a machine that is busy otherwise one may not be through after ten seconds; it is told.
        self.failed += figures["failed"]
        if figures["failed"] > FAILURES_BORNE * count:
            raise SystemExit(f"{self.name}: {figures['failed']} handshakes failed: {figures['failure']}")
        return figures


class Keyd(Responder):
    name, address = "keyd", OUR_ADDRESS

    def __init__(self, internet, n_hosts):
        host = self.host = Host("desktop")
        host.wait_ready()
        host.attach_internet(internet, self.address)
        host.start_daemon("identity")
        read, write = os.pipe()
        os.write(write, PASSWORD.encode())
        os.close(write)
        host.bus.call("org.homeward.Identity1", "/org/homeward/Identity1", "org.homeward.Identity1", "SignIn", "sh",
                      "alice@members.example.org", read)
        os.close(read)
        self.fakes = [
            Fake(host, "mapper", {"State": ("s", "ready"), "NetworkGeneration": ("t", 1), "LocalAddress": ("s", self.address)},
                 {"AddMapping": lambda *a: ("o", "/org/homeward/Mapper1/mapping/1")}),
            Fake(host, "llq-watcher", {"State": ("s", "watching")})]
        host.start_daemon("tunneld")
        host.start_daemon("keyd")
        host.wait_for(("keyd", "State", "ready"))
        account = KnownAccount(bytes(host.get_property("identity", "AccountCertificate")))
        self.hosts = list_hosts(account, f"{host.get_property('identity', 'HostName')}.{DOMAIN}",
                                host.get_property("identity", "HostId"), n_hosts)

    def pids(self):
        """All that work for a handshake."""
        return [self.host.daemon_pid(name) for name in ("keyd", "identity", "tunneld")] + [self.host._dbus_process.inner_pid]

    def holders(self):
        """Those that keep an SA pair."""
        return [self.host.daemon_pid(name) for name in ("keyd", "tunneld")]

    def counters(self):
        return self.host.get_property("keyd", "Counters")

    def close(self):
        for fake in self.fakes:
            fake.close()
        self.host.close()


class Charon(Responder):
    name, address = "charon", THEIR_ADDRESS

    def __init__(self, internet, n_hosts):
        host = self.host = Host("laptop", bus=False)
        host.wait_ready()
        host.attach_internet(internet, self.address)
        account = Account(DOMAIN)
        issued = account.issue("desktop", "00-22-69-FF-FE-8E-34-2A", ec.generate_private_key(ec.SECP256R1()))
        name, host_id = f"desktop.{DOMAIN}", "fd01:203:405:607:22:69ff:fe8e:342a"
        folder = "/run/lab/swanctl"
        for directory in ("x509", "x509ca", "pkcs8", "private", "conf.d"):
            os.makedirs(host.path(f"{folder}/{directory}"))
        host.write(f"{folder}/x509/host.crt", issued.pem)
        host.write(f"{folder}/x509ca/account.crt", account.pem)
        host.write(f"{folder}/pkcs8/host.key", issued.key_pem)
        host.write("/run/lab/strongswan.conf", STRONGSWAN_CONF % {"vici": VICI})
        host.write(f"{folder}/swanctl.conf", SWANCTL_CONF % {"name": name, "id": host_id})
        host.batch([f"address add {host_id}/128 dev lo nodad"])
        environment = {"STRONGSWAN_CONF": "/run/lab/strongswan.conf", "SWANCTL_DIR": folder}
        self.process = host.popen([CHARON], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: host.run(["swanctl", "--load-all", "--uri", VICI], env=environment,
                                    check=False).returncode == 0, 20, "charon")
        self.hosts = list_hosts(account, name, host_id, n_hosts)

    def pids(self):
        return [self.process.inner_pid]

    holders = pids

    def close(self):
        self.host.close()


def rate(responder, source, count):
    """Handshakes per second of processor time, and per second of the clock."""
    before = cpu_seconds(responder.pids())
    figures = responder.load(source, count, AT_ONCE)
    used = cpu_seconds(responder.pids()) - before
    return {"per_core": figures["handshakes"] / used, "per_second": figures["handshakes"] / figures["seconds"]}


def memory(responder, source, first, count):
    """Octets per idle pair: from the first ones to the last, so that what is there anyway does not count."""
    responder.load(source, first, 1)
    before = resident(responder.holders())
    responder.load(source, count, AT_ONCE)
    return (resident(responder.holders()) - before) / (count - first)


def measure(options):
    result = {}
    internet = Internet("internet")
    internet.wait_ready()
    source = Host("load", bus=False)
    source.wait_ready()
    source.attach_internet(internet, LOAD_ADDRESS)
    responders = []
    try:
        for kind in Keyd, Charon:
            responders.append(kind(internet, max(HOSTS, options.pairs)))
        # Memory first: each host has one pair afterwards, and later handshakes replace it.
        for responder in responders:
            result[responder.name] = {"memory_octets": memory(responder, source, 20, options.pairs)}
        rates = {responder.name: [] for responder in responders}
        times = {responder.name: [] for responder in responders}
        for _ in range(ROUNDS):
            for responder in responders:
                rates[responder.name].append(rate(responder, source, options.handshakes))
                times[responder.name].append(responder.load(source, options.handshakes // 2, 1))
        for name, figures in result.items():
            for key in "per_core", "per_second":
                figures[key] = round(statistics.median(one[key] for one in rates[name]), 1)
            for key in "p50_ms", "p99_ms":
                figures[key] = round(statistics.median(one[key] for one in times[name]), 3)
            figures["memory_octets"] = round(figures["memory_octets"])
            figures["failed"] = sum(responder.failed for responder in responders if responder.name == name)
    finally:
        for thing in [*responders, source, internet]:
            thing.close()
    ours, theirs = result["keyd"], result["charon"]
    return {"rate_vs_charon": round(ours["per_core"] / theirs["per_core"], 2),
            "time_vs_charon": round(ours["p50_ms"] / theirs["p50_ms"], 2),
            "memory_vs_charon": round(ours["memory_octets"] / theirs["memory_octets"], 2),
            "pairs": options.pairs, "machine": f"{os.cpu_count()} processors, {platform.machine()}, Linux {platform.release()}", **result}


def main():
    parser = argparse.ArgumentParser(prog="./run bench ike", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object")
    parser.add_argument("--handshakes", type=int, default=500, help="of each round (500)")
    parser.add_argument("--pairs", type=int, default=220, help="SA pairs that are held (220), up to 16000")
    options = parser.parse_args()
    if not os.path.exists(CHARON):
        raise SystemExit("charon-systemd is not installed")
    if not 20 < options.pairs <= HOSTS_LIMIT:
        parser.error(f"--pairs is from 21 to {HOSTS_LIMIT}")
    result = measure(options)
    if options.json:
        print(json.dumps(result))
        return
    for name in "keyd", "charon":
        figures = result[name]
        print(f"{name:7} {figures['per_core']:8.1f} handshakes per second of a core  {figures['per_second']:8.1f} per second  "
              f"p50 {figures['p50_ms']:.2f} ms  p99 {figures['p99_ms']:.2f} ms  {figures['memory_octets']} octets per SA pair")
    print(f"keyd to charon: rate {result['rate_vs_charon']}, time {result['time_vs_charon']}, "
          f"memory {result['memory_vs_charon']}  ({result['machine']})")


if __name__ == "__main__":
    main()
