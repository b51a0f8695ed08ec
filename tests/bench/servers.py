# SPDX-License-Identifier: LGPL-2.1-or-later
"""The servers that are measured, the generator, and the disk under them."""
import base64
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build"))
ZONE = "members.example.org"


def account_domain(number):
    return f"account{number}.{ZONE}"


def account_key(number):
    """Deterministic: only loopback of a namespace of its own ever sees it."""
    return hashlib.sha256(f"bench {number}".encode()).digest()


def write_keys(path, accounts):
    with open(path, "w") as file:
        for number in accounts:
            domain = account_domain(number)
            file.write(f"{domain} {domain} {base64.b64encode(account_key(number)).decode()}\n")


def query(port, name, rdtype="SOA"):
    """Whether a server answers there; any answer will do."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    octets = b"\x12\x34\0\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\6\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        try:
            sock.sendto(octets, ("127.0.0.1", port))
            return sock.recv(2048)[:2] == b"\x12\x34"
        except OSError:
            return False


class Server:
    """A process that answers DNS on 127.0.0.1."""

    def __init__(self, folder, port):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        self.folder, self.port, self.process = folder, port, None

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)

    def start(self, patience=120):
        log = open(self.path("log"), "a")
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        end = time.monotonic() + patience
        while not query(self.port, ZONE):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.command()[0]} does not answer; see {self.path('log')}")
            time.sleep(0.02)
        return self

    def stop(self, how=signal.SIGTERM):
        if self.process:
            self.process.send_signal(how)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def rss(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS:"))

    def processor(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def syscalls(self, name):
        """How often it wrote, by /proc (0 where the kernel does not say)."""
        try:
            with open(f"/proc/{self.process.pid}/io") as file:
                return next(int(line.split()[1]) for line in file if line.startswith(name))
        except (OSError, StopIteration):
            return 0


class Zoned(Server):
    def __init__(self, folder, port, accounts, program=None):
        super().__init__(folder, port)
        self.program = program or os.path.join(BUILD, "services/zoned/zoned")
        self.write("zoned.conf", f"""[zone]
name = {ZONE}
server-address = 127.0.0.1
[listen]
address = 127.0.0.1
port = {port}
[paths]
database = {self.path("zone.db")}
[tls]
port = {port + 100}
connections = 60000
per-address = 60000
[push]
per-key = 100000
total = 200000
[llq]
per-key = 100000
total = 200000
""")
        self.zonectl("account", "import", "-", input=json.dumps({
            "format": "homeward accounts 1", "zone": ZONE, "accounts": [
                {"domain": account_domain(number), "key": base64.b64encode(account_key(number)).decode(),
                 "created": int(time.time()), "disabled": False, "allow-md5": False} for number in accounts]}))

    def zonectl(self, *words, input=None):
        return subprocess.run([os.path.join(os.path.dirname(self.program), "zonectl"), "--config",
                               self.path("zoned.conf"), *words], input=input, stdout=subprocess.PIPE, check=True,
                              text=True).stdout

    def command(self):
        return [self.program, "--config", self.path("zoned.conf")]

    def status(self):
        return json.loads(self.zonectl("--json", "status"))


class Named(Server):
    """BIND with the same keys. All accounts in one zone, or a zone for each."""

    def __init__(self, folder, port, accounts, zone_per_account=False):
        super().__init__(folder, port)
        keys = "".join(f'key "{account_domain(n)}" {{ algorithm hmac-sha256; '
                       f'secret "{base64.b64encode(account_key(n)).decode()}"; }};\n' for n in accounts)
        zones = [(ZONE, "".join(f'grant "{account_domain(n)}" subdomain {account_domain(n)}. ANY; '
                                for n in accounts))]
        if zone_per_account:
            zones = [(ZONE, "grant nobody zonesub ANY; ")] + [
                (account_domain(n), f'grant "{account_domain(n)}" zonesub ANY; ') for n in accounts]
        for name, _ in zones:
            self.write(f"{name}.db", f"$TTL 10\n@ SOA ns hostmaster 1 3600 600 86400 10\n@ NS ns\nns A 127.0.0.1\n")
        self.write("named.conf", keys + f"""options {{ directory "{self.folder}"; pid-file none; lock-file none;
  session-keyfile "{self.path("session.key")}"; managed-keys-directory "{self.folder}";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  update-quota 1000; recursion no; dnssec-validation no; notify no; empty-zones-enable no; }};
controls {{ }};
logging {{ channel c {{ file "{self.path("messages")}"; severity warning; }}; category default {{ c; }};
  category update {{ null; }}; category update-security {{ null; }}; }};
""" + "".join(f'zone "{name}" {{ type primary; file "{name}.db"; journal "{name}.jnl"; '
              f'update-policy {{ {policy}}}; }};\n' for name, policy in zones))

    def command(self):
        return ["named", "-f", "-c", self.path("named.conf")]


def generate(mode, keys, port, *options):
    """One run of the generator; what it says as a dictionary."""
    done = subprocess.run([os.path.join(BUILD, "tests/bench/dns-load"), mode, "--keys", keys, "--port", str(port),
                           *map(str, options)], stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 2):
        raise RuntimeError(f"dns-load ended with status {done.returncode}")
    return json.loads(done.stdout)


class Subscribers:
    """A generator that holds subscriptions."""

    def __init__(self, keys, port, *options):
        self.process = subprocess.Popen([os.path.join(BUILD, "tests/bench/dns-load"), "subscribe", "--keys", keys,
                                         "--port", str(port), *map(str, options)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"dns-load ended with status {self.process.wait()}")
        return json.loads(line)

    def say(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.read()

    def change(self, count, pause, events, timeout):
        return self.say("change", count, pause, events, timeout)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)


def fsync_rate(folder, seconds=2.0):
    """Appended blocks of 4 KiB, each followed by fdatasync, per second."""
    path = os.path.join(folder, "fsync")
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    block, n, begun = b"x" * 4096, 0, time.monotonic()
    while time.monotonic() - begun < seconds:
        os.write(fd, block)
        os.fdatasync(fd)
        n += 1
    rate = n / (time.monotonic() - begun)
    os.close(fd)
    os.unlink(path)
    return rate
