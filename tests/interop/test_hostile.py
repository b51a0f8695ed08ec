# SPDX-License-Identifier: LGPL-2.1-or-later
"""A hostile client and a good one: zoned's memory stays bounded, and the good one gets each of its answers."""
import json
import os
import re
import subprocess

import pytest

from homeward_lab import TOP

ZONE = "members.example.org"
ALICE = f"alice.{ZONE}"
MIB = 1 << 20
KEY_FILE = "/run/alice.key"
# The limits of memory below follow from these.
CONFIG = f"""[zone]
name = {ZONE}
server-address = 127.0.0.1
[tcp]
connections = 500
per-address = 300
[tls]
connections = 500
per-address = 300
"""


class Siege:
    """zoned, and the good client beside it."""

    def __init__(self, host):
        self.host = host
        # Answers to addresses that are not there go nowhere, but they do go.
        host.run(["ip", "route", "add", "local", "10.0.0.0/8", "dev", "lo"])
        host.start_daemon("zoned", CONFIG)
        self.zonectl("account", "add", "alice", "--password-fd", "0", input="a long enough password\n")
        host.run(["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", "account", "key", "alice",
                  "--output", KEY_FILE])
        self.secret = re.search(r'secret "(.*)"', host.read(KEY_FILE)).group(1)
        self.good = self.client("good_client.py")
        self.answers = []

    def zonectl(self, *words, input=None):
        return self.host.run(self.host.as_user("homeward-zone") +
                             ["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", *words], input=input,
                             timeout=60).stdout

    def client(self, name, *before):
        script = os.path.join(os.path.dirname(__file__), name)
        return self.host.popen(["/usr/bin/python3", script, *before, "127.0.0.1", ALICE, self.secret],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read_good(self, n):
        """The next n answers; all of them must have come."""
        for _ in range(n):
            self.answers.append(json.loads(self.good.stdout.readline()))
            assert self.answers[-1]["seconds"] is not None, self.answers[-1]

    def rss(self):
        with open(f"/proc/{self.host.daemon_pid('zoned')}/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS:"))

    def attack(self, what):
        """While it goes on the good client is answered. How much zoned grew, and what was done."""
        before, n = self.rss(), len(self.answers)
        hostile = self.client("hostile_client.py", what)
        peak = before
        while hostile.poll() is None:
            self.read_good(1)
            peak = max(peak, self.rss())
            if what == "slow" and len(self.answers) - n > 60:
                hostile.stdin.close()
        done = hostile.stdout.read().decode().splitlines()
        assert hostile.returncode == 0
        # And afterwards.
        self.read_good(8)
        self.tell(what, done[-1], peak - before, self.answers[n:])
        return peak - before

    def tell(self, what, done, growth, answers):
        for way in ("udp", "tcp", "tls"):
            times = sorted(answer["seconds"] * 1000 for answer in answers if answer["way"] == way)
            if times:
                print(f"{what} {done}: grew by {growth / MIB:.1f} MiB; good client by {way}: {len(times)} answers, "
                      f"median {times[len(times) // 2]:.1f} ms, longest {times[-1]:.1f} ms, "
                      f"tries {max(answer['tries'] for answer in answers if answer['way'] == way)}")


@pytest.fixture
def siege(make_host):
    # Not the sanitized one: what its allocator keeps back would say nothing about memory.
    siege = Siege(make_host("zone", bus=False, build=os.path.join(TOP, "build")))
    yield siege
    siege.good.stdin.close()
    siege.good.wait(60)
    assert siege.host.stop_daemon("zoned") == 0


def test_hostile_client(siege):
    siege.read_good(20)
    # Nothing is kept of a handshake before its third message: even 40 octets for each were 4 MiB.
    assert siege.attack("spoof") < 4 * MIB
    # The same for what is not signed as it should be.
    assert siege.attack("flood") < 4 * MIB
    # One whole message of 64 KiB and the pieces of the next for each of 200 connections.
    assert siege.attack("oversized") < 200 * 2 * 65536 + 4 * MIB
    assert siege.attack("garbage") < 16 * MIB
    # 500 connections by TCP and 500 by TLS, of which each may take 64 KiB while it shakes hands.
    assert siege.attack("slow") < 500 * 65536 + 500 * 65536
    counters = dict(line.split() for line in siege.zonectl("status").splitlines())
    assert int(counters["Queries"]) >= 50000 and int(counters["BadSignature"]) >= 20000
    assert int(counters["LiveLlqs"]) == 0 and int(counters["Malformed"]) > 1000
