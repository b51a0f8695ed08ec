#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random updates, subscribers that come and go, and kills of zoned; then what everybody saw is compared.

    soak.py [SECONDS] [--seed N] [--build FOLDER]

At the end every UPDATE that was acknowledged must be in the zone, nothing else, and each subscriber that is still there must
see exactly the zone. Runs in a network namespace of its own, as root.
"""
import argparse
import base64
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/interop"))
import dns.edns  # noqa: E402
import dns.exception  # noqa: E402
import dns.message  # noqa: E402
import dns.query  # noqa: E402
import dns.rcode  # noqa: E402
import dns.tsig  # noqa: E402
import dns.update  # noqa: E402
from cryptography.hazmat.primitives.hashes import SHA256  # noqa: E402
from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: E402
from llq_client import REFRESH, SETUP  # noqa: E402
from llq_client import Client as LlqClient  # noqa: E402
from llq_client import read_answers  # noqa: E402
from push_client import Aborted  # noqa: E402
from push_client import Client as PushClient  # noqa: E402

SERVER = "127.0.0.1"
ZONE = "members.example.org"
ACCOUNTS = 3
HOSTS = 3
SUBSCRIBERS = 8  # of each kind
SERVICES = ("_ssh._tcp", "_http._tcp")
LEASE = 7200
SHORT_LEASE = 3
CONFIG = """[zone]
name = %s
server-address = 127.0.0.1
[listen]
address = 127.0.0.1
[paths]
database = %s/zone.db
[update-lease]
minimum = 2
"""


class Account:
    def __init__(self, number):
        self.domain = f"account{number}.{ZONE}"
        self.secret = hashlib.sha256(f"soak {number}".encode()).digest()
        self.key = dns.tsig.Key(self.domain, self.secret, dns.tsig.HMAC_SHA256)

    def host_key(self, name):
        key_name = f"{name}.{self.domain}"
        derived = HKDF(SHA256(), 32, None, b"homeward host tsig v1 " + key_name.encode()).derive(self.secret)
        return dns.tsig.Key(key_name, derived, dns.tsig.HMAC_SHA256)

    def read(self, name, rdtype):
        """The records there, from the zone itself."""
        query = dns.message.make_query(name, rdtype)
        query.use_tsig(self.key)
        answer = dns.query.tcp(query, SERVER, timeout=10)
        return {rdata.to_text().lower() for rrset in answer.answer for rdata in rrset}


class Server:
    """zoned, killed and started again at random moments."""

    def __init__(self, build, accounts, seed):
        self.folder = os.path.join(build, "soak")
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.build = build
        self.random = random.Random(seed)
        with open(os.path.join(self.folder, "zoned.conf"), "w") as file:
            file.write(CONFIG % (ZONE, self.folder))
        self.process, self.kills = None, 0
        subprocess.run([os.path.join(build, "services/zoned/zonectl"), "--config",
                        os.path.join(self.folder, "zoned.conf"), "account", "import", "-"], check=True, text=True,
                       stdout=subprocess.DEVNULL, input=json.dumps({
                           "format": "homeward accounts 1", "zone": ZONE, "accounts": [
                               {"domain": account.domain, "key": base64.b64encode(account.secret).decode(),
                                "created": int(time.time()), "disabled": False, "allow-md5": False}
                               for account in accounts]}))
        self.start()

    def start(self):
        with open(os.path.join(self.folder, "log"), "a") as log:
            self.process = subprocess.Popen([os.path.join(self.build, "services/zoned/zoned"), "--config",
                                             os.path.join(self.folder, "zoned.conf")], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        query = dns.message.make_query(ZONE, "SOA")
        for _ in range(300):
            try:
                dns.query.udp(query, SERVER, timeout=0.1)
                return
            except (OSError, dns.exception.DNSException):
                if self.process.poll() is not None:
                    raise RuntimeError(f"zoned ended with status {self.process.returncode}; see {self.folder}/log")
                time.sleep(0.02)
        raise RuntimeError("zoned does not answer")

    def stop(self):
        """A clean end; its exit status."""
        self.process.terminate()
        return self.process.wait(60)

    def carry_over(self):
        """Goes on with copies of the files as they are, as after a power cut: no shared memory, no locks."""
        for name in ("zone.db", "zone.db-wal"):
            path = os.path.join(self.folder, name)
            if os.path.exists(path):
                shutil.copy(path, path + ".copy")
                os.replace(path + ".copy", path)
        if os.path.exists(os.path.join(self.folder, "zone.db-shm")):
            os.unlink(os.path.join(self.folder, "zone.db-shm"))

    def harass(self, world):
        while not world.ending.wait(self.random.uniform(0.5, 6)):
            if self.process.poll() is not None:
                world.complain(f"zoned ended by itself with status {self.process.returncode}")
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.kills += 1
            if self.random.random() < 0.3:
                self.carry_over()
            if self.random.random() < 0.3:
                world.ending.wait(self.random.uniform(0, 2))
            self.start()


class Writer:
    """A host. Sends one UPDATE after the other, each until it is acknowledged, and knows what it has in the zone."""

    def __init__(self, world, account, number, seed):
        self.world, self.account, self.random = world, account, random.Random(seed)
        self.host = f"host{number}.{account.domain}"
        self.key = account.host_key(f"{seed & 0xffffffff:08x}.host{number}")
        self.expected = {}  # (name, type): records
        self.n, self.n_again = 0, 0

    def send(self, key, lease, change):
        """`change` is applied to a fresh message for each try: each is signed at its own time."""
        while True:
            update = dns.update.Update(self.account.domain)
            change(update)
            update.use_edns(0, payload=1232, options=[dns.edns.GenericOption(2, struct.pack(">I", lease))])
            update.use_tsig(key)
            try:
                answer = dns.query.udp(update, SERVER, timeout=1.5)
            except (OSError, dns.exception.DNSException):
                self.n_again += 1
                time.sleep(0.05)
                continue
            if answer.rcode() == dns.rcode.NOERROR:
                self.n += 1
                return
            if answer.rcode() != dns.rcode.SERVFAIL:
                self.world.complain(f"{key.name}: {dns.rcode.to_text(answer.rcode())}")
                return

    def set_address(self):
        address = f"fd00::{self.n:x}:{self.random.randrange(1, 65536):x}"
        self.send(self.key, LEASE, lambda update: update.replace(dns.name.from_text(self.host), 10, "AAAA", address))
        self.expected[self.host, "AAAA"] = {address}

    def set_port(self):
        name, port = f"_autotunnel._udp.{self.host}", self.random.randrange(1024, 65536)
        self.send(self.key, LEASE, lambda update: update.replace(dns.name.from_text(name), 10, "SRV",
                                                                 f"0 0 {port} {self.host}."))
        self.expected[name, "SRV"] = {f"0 0 {port} {self.host}."}

    def toggle_browsing(self):
        name, target = f"_autotunnel._udp.{self.account.domain}", f"_autotunnel._udp.{self.host}."
        self.toggle(name, target, lambda update: None, lambda update: None)

    def toggle_service(self):
        name = f"{self.random.choice(SERVICES)}.{self.account.domain}"
        instance = f"{self.host.split('.')[0]}.{name}"
        apex = dns.name.from_text(instance)

        def add(update):
            update.replace(apex, 10, "SRV", f"0 0 22 {self.host}.")
            update.replace(apex, 10, "TXT", '""')

        def remove(update):
            update.delete(apex, "SRV")
            update.delete(apex, "TXT")
        self.toggle(name, f"{instance}.", add, remove)

    def toggle(self, name, target, add, remove):
        mine = self.expected.setdefault((name, "PTR"), set())
        owner = dns.name.from_text(name)

        def change(update):
            if target in mine:
                update.delete(owner, "PTR", target)
                remove(update)
            else:
                add(update)
                update.add(owner, 10, "PTR", target)
        self.send(self.key, LEASE, change)
        mine.symmetric_difference_update({target})

    def set_fleeting(self):
        """A record that nobody refreshes: gone at the end."""
        name = dns.name.from_text(f"fleeting.{self.account.domain}")
        address = f"192.0.2.{self.random.randrange(1, 255)}"
        self.send(self.account.key, SHORT_LEASE, lambda update: update.add(name, 10, "A", address))

    def work(self):
        actions = [self.set_address, self.set_port, self.toggle_browsing, self.toggle_service, self.set_fleeting]
        # Whoever takes a name first has it.
        self.set_address()
        while not self.world.ending.is_set():
            self.random.choice(actions)()
            time.sleep(self.random.uniform(0, 0.05))


class Subscriber:
    """Keeps a view of one question, for a while; then another one."""

    def __init__(self, world, seed):
        self.world, self.random = world, random.Random(seed)
        self.account = self.name = self.rdtype = None
        self.view = set()
        self.lock = threading.Lock()
        self.n_events, self.n_lives, self.n_begun = 0, 0, 0
        self.is_live = False

    def choose(self):
        self.account = self.random.choice(self.world.accounts)
        host = f"host{self.random.randrange(HOSTS)}.{self.account.domain}"
        self.name, self.rdtype = self.random.choice((
            (host, "AAAA"), (f"_autotunnel._udp.{host}", "SRV"), (f"_autotunnel._udp.{self.account.domain}", "PTR"),
            (f"{SERVICES[0]}.{self.account.domain}", "PTR"), (f"{SERVICES[1]}.{self.account.domain}", "PTR"),
            (f"fleeting.{self.account.domain}", "A")))

    def work(self):
        while not self.world.over.is_set():
            self.choose()
            self.n_lives += 1
            # Who lives when the end comes, lives until it is over.
            end = time.monotonic() + self.random.uniform(2, 25)
            while not self.world.over.is_set():
                try:
                    self.live(lambda: self.world.over.is_set() or
                              (time.monotonic() > end and not self.world.ending.is_set()))
                    break
                except (OSError, EOFError, Aborted, dns.exception.DNSException):
                    self.is_live = False
                    time.sleep(self.random.uniform(0.02, 0.3))
            if not self.world.over.is_set():
                self.is_live = False

    def begin(self, records):
        with self.lock:
            self.view = set(records)
            self.n_begun += 1
            self.is_live = True

    def change(self, added, record):
        with self.lock:
            (self.view.add if added else self.view.discard)(record)
            self.n_events += 1


class PushSubscriber(Subscriber):
    def live(self, is_over):
        client = PushClient(SERVER, 853, timeout=5)
        try:
            assert client.bind(self.account.domain, self.account.key).rcode() == dns.rcode.NOERROR
            client.keepalive()
            ident, rcode, _ = client.subscribe(self.name, self.rdtype)
            if rcode:
                self.world.complain(f"push {self.name} {self.rdtype}: RCODE {rcode}")
            self.begin(())
            while not is_over():
                try:
                    kind, changes = client.unidirectional(0.2)
                except TimeoutError:
                    continue
                if kind == "retry":
                    raise EOFError
                for words in changes if kind == "push" else ():
                    self.apply(words)
            if self.random.random() < 0.5 and not self.world.over.is_set():
                client.unsubscribe(ident)
                client.close()
        finally:
            client.socket.close()

    def apply(self, words):
        sign, _, rest = words.partition(" ")
        _, rdtype, data = (rest + "  ").split(" ", 2)
        if sign == "-" and rdtype.strip() in ("all", self.rdtype) and not data.strip():
            with self.lock:
                self.view.clear()
        elif sign == "+":
            self.change(True, data.strip().rsplit(" ", 1)[0])
        else:
            self.change(False, data.strip())


class LlqSubscriber(Subscriber, LlqClient):
    """Over UDP. A killed server remembers the query; who refreshes it learns when that is not so."""

    def ask(self, *arguments):
        """LlqClient.ask() would drop the events that come before its answer."""
        opcode, number, lease = arguments
        query = dns.message.make_query(self.name, self.rdtype, use_edns=0, payload=1232,
                                       options=[self.option(opcode, number, lease)])
        query.use_tsig(self.key)
        octets = query.to_wire()
        for _ in range(20):
            self.socket.settimeout(1)
            end = time.monotonic() + 1
            try:
                self.socket.send(octets)
                while time.monotonic() < end:
                    answer = self.socket.recv(65535)
                    if answer[:2] == octets[:2] and answer[2] & 0x80:
                        message = dns.message.from_wire(answer, keyring=self.key, request_mac=query.mac)
                        found = self.llq(message)
                        # The one after a crash may be the answer to an earlier try.
                        if found and found["opcode"] == opcode:
                            return message
                    elif number:
                        self.take(answer)
            except (TimeoutError, ConnectionRefusedError):
                time.sleep(0.05)
            query = dns.message.make_query(self.name, self.rdtype, use_edns=0, payload=1232,
                                           options=[self.option(opcode, number, lease)])
            query.use_tsig(self.key)
            octets = query.to_wire()
        raise TimeoutError("no answer")

    def set_up(self):
        while True:
            challenge = self.llq(self.ask(SETUP, 0, LEASE))
            if challenge["error"]:
                raise EOFError
            answer = self.ask(SETUP, challenge["id"], challenge["lease"])
            found = self.llq(answer)
            # A server that was killed in between has another secret.
            if found["error"] == 0 and found["id"] == challenge["id"]:
                self.number, self.seen = found["id"], []
                self.begin(rdata.to_text().lower() for rrset in answer.answer for rdata in rrset)
                return

    def take(self, octets):
        try:
            event = dns.message.from_wire(octets, keyring=self.key, one_rr_per_rrset=True)
        except dns.exception.DNSException:
            return
        found = self.llq(event)
        if not found or found["opcode"] != 3 or found["id"] != self.number:
            return
        # Not by the identifier alone: of thousands two have the same, and a repetition is the same octets.
        if octets not in self.seen:
            self.seen = self.seen[-3:] + [octets]
            for added, _, data in read_answers(event, octets):
                self.change(added, data.lower())
        self.acknowledge(event, found)

    def live(self, is_over):
        LlqClient.__init__(self, SERVER, self.account.domain, base64.b64encode(self.account.secret))
        self.number = 0
        try:
            self.set_up()
            refresh = time.monotonic() + 4
            while not is_over():
                if time.monotonic() > refresh:
                    refresh = time.monotonic() + self.random.uniform(2, 6)
                    if self.llq(self.ask(REFRESH, self.number, LEASE))["error"]:
                        self.set_up()
                self.socket.settimeout(0.2)
                try:
                    self.take(self.socket.recv(65535))
                except (TimeoutError, ConnectionRefusedError):
                    pass
            if self.random.random() < 0.5 and not self.world.over.is_set():
                self.ask(REFRESH, self.number, 0)
        finally:
            self.socket.close()


class World:
    def __init__(self, build, seconds, seed):
        self.ending, self.over = threading.Event(), threading.Event()
        self.problems, self.lock = [], threading.Lock()
        self.seconds = seconds
        self.accounts = [Account(number) for number in range(ACCOUNTS)]
        self.server = Server(build, self.accounts, seed)
        self.writers = [Writer(self, account, number, seed * 1000 + 10 * i + number)
                        for i, account in enumerate(self.accounts) for number in range(HOSTS)]
        self.subscribers = [kind(self, seed * 1000 + 500 + i) for i in range(SUBSCRIBERS)
                            for kind in (PushSubscriber, LlqSubscriber)]

    def complain(self, text):
        with self.lock:
            if len(self.problems) < 50:
                self.problems.append(text)
        print(f"PROBLEM {text}", flush=True)

    def guard(self, function, *arguments):
        def run():
            try:
                function(*arguments)
            except Exception as error:  # pylint: disable=broad-except
                self.complain(f"{function.__qualname__}: {error!r}")
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def run(self):
        begun = time.monotonic()
        killer = self.guard(self.server.harass, self)
        writers = [self.guard(writer.work) for writer in self.writers]
        subscribers = [self.guard(subscriber.work) for subscriber in self.subscribers]
        while time.monotonic() < begun + self.seconds and not self.problems:
            time.sleep(min(30, max(0.1, begun + self.seconds - time.monotonic())))
            self.report(time.monotonic() - begun)
        self.ending.set()
        killer.join(60)
        for writer in writers:
            writer.join(60)
        self.compare_zone()
        self.compare_views()
        self.over.set()
        for subscriber in subscribers:
            subscriber.join(60)
        status = self.server.stop()
        if status:
            self.complain(f"zoned ended with status {status}")
        self.report(time.monotonic() - begun)

    def report(self, seconds):
        print(f"[{seconds:6.1f} s] {sum(writer.n for writer in self.writers)} updates acknowledged "
              f"({sum(writer.n_again for writer in self.writers)} tries without an answer), {self.server.kills} kills, "
              f"{sum(s.n_lives for s in self.subscribers)} subscriptions set up anew "
              f"{sum(s.n_begun for s in self.subscribers)} times, {sum(s.n_events for s in self.subscribers)} changes seen",
              flush=True)

    def compare_zone(self):
        """Every acknowledged update is there, and nothing that was taken back."""
        expected = {(f"fleeting.{account.domain}", "A"): set() for account in self.accounts}
        owners = {name: account for account in self.accounts for name, _ in
                  [(f"fleeting.{account.domain}", "A")]}
        for writer in self.writers:
            for question, records in writer.expected.items():
                expected.setdefault(question, set()).update(records)
                owners[question[0]] = writer.account
        self.expected = expected
        # The last of the short leases ends.
        time.sleep(SHORT_LEASE + 1.5)
        for (name, rdtype), records in expected.items():
            found = owners[name].read(name, rdtype)
            if found != records:
                self.complain(f"{name} {rdtype} is {found}, not {records}")
        print(f"zone: {len(expected)} record sets as they were acknowledged", flush=True)

    def compare_views(self):
        end = time.monotonic() + 30
        waiting = list(self.subscribers)
        while waiting and time.monotonic() < end:
            time.sleep(0.1)
            waiting = [subscriber for subscriber in waiting if not subscriber.is_live or
                       subscriber.view != self.expected.get((subscriber.name, subscriber.rdtype), set())]
        for subscriber in waiting:
            self.complain(f"{type(subscriber).__name__} {subscriber.name} {subscriber.rdtype} "
                          f"({'live' if subscriber.is_live else 'not live'}) sees {subscriber.view}, not "
                          f"{self.expected.get((subscriber.name, subscriber.rdtype), set())}")
        print(f"views: {len(self.subscribers) - len(waiting)} of {len(self.subscribers)} as the zone", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="./run soak", description=__doc__.split("\n\n")[0])
    parser.add_argument("seconds", nargs="?", type=float, default=600)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    arguments = parser.parse_args()
    if os.environ.get("HOMEWARD_SOAK") != "inside":
        os.environ["HOMEWARD_SOAK"] = "inside"
        words = sys.argv if "--seed" in sys.argv else [*sys.argv, "--seed", str(arguments.seed)]
        os.execvp("unshare", ["unshare", "--net", "--", sys.executable, *words])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    print(f"seed {arguments.seed}", flush=True)
    world = World(arguments.build, arguments.seconds, arguments.seed)
    try:
        world.run()
    finally:
        if world.server.process.poll() is None:
            world.server.process.kill()
    print("no problem" if not world.problems else f"{len(world.problems)} problems, seed {arguments.seed}")
    return 1 if world.problems else 0


if __name__ == "__main__":
    sys.exit(main())
