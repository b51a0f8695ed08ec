# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two zoned nodes in front of one primary that holds the members zone: BIND, and again Knot.

All on one machine of the lab, each with an address of its own: the primary is 127.0.0.53, the nodes are
127.0.0.1 and 127.0.0.2 with files of their own.
"""
import json
import os
import re
import signal
import subprocess

import pytest

from homeward_lab import wait_until
from name_servers import KEY, SECRET, Bind, Knot, Subscriber, key_file

ZONE = "members.example.org"
PASSWORD = "a long enough password"
PRIMARY = "127.0.0.53"
PUSH_CLIENT = os.path.join(os.path.dirname(__file__), "push_client.py")
LLQ_CLIENT = os.path.join(os.path.dirname(__file__), "llq_client.py")
ZONE_FILE = f"""$TTL 3600
@ IN SOA primary.{ZONE}. hostmaster.{ZONE}. 1 3600 600 3600000 10
@ IN NS ns1
@ IN NS ns2
ns1 IN A 127.0.0.1
ns2 IN A 127.0.0.2
primary IN A 127.0.0.53
"""


class Node:
    """A zoned with its own configuration, database and log."""

    def __init__(self, host, number):
        self.host, self.number = host, number
        self.address = f"127.0.0.{number}"
        self.name = f"ns{number}.{ZONE}"
        self.folder = f"/run/node{number}"
        self.config = f"{self.folder}/zoned.conf"
        self.secrets = {}
        host.run(["install", "-d", "-o", "homeward-zone", "-g", "homeward-zone", self.folder])
        host.write(f"{self.folder}/primary.key", key_file(), 0o640)
        host.run(["chgrp", "homeward-zone", f"{self.folder}/primary.key"])
        host.write(self.config, f"""[zone]
name = {ZONE}
server = {self.name}
server-address = {self.address}
[listen]
address = {self.address}
[paths]
database = {self.folder}/zone.db
[update-lease]
minimum = 3
maximum = 3600
[backend]
type = dns
primary = {PRIMARY}
key = {self.folder}/primary.key
""")
        self.process = None

    def start(self):
        environment = self.host.sanitizer_environment("zoned")
        self.process = self.host.popen(
            self.host.as_user("homeward-zone", ["net_bind_service"]) +
            [self.host.program("zoned"), "--config", self.config],
            env=environment, stdout=subprocess.DEVNULL, stderr=open(self.host.path(f"{self.folder}/log"), "ab"))
        wait_until(lambda: self.zonectl("status", check=False).returncode == 0, 20, self.name)

    def log(self):
        return self.host.read(f"{self.folder}/log")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)
        self.process = None

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(60) == 0, self.log()
            self.process = None

    def zonectl(self, *words, check=True, input=None):
        return self.host.run(self.host.as_user("homeward-zone") + ["/run/lab/bin/zonectl", "--config", self.config, *words],
                             check=check, input=input, timeout=60, env=self.host.sanitizer_environment("zonectl"))

    def add_account(self, name):
        self.zonectl("account", "add", name, "--password-fd", "0", input=PASSWORD + "\n")
        file = f"{self.folder}/{name}.key"
        self.host.run(["/run/lab/bin/zonectl", "--config", self.config, "account", "key", name, "--output", file],
                      env=self.host.sanitizer_environment("zonectl"))
        self.secrets[name] = re.search(r'secret "(.*)"', self.host.read(file)).group(1)

    def update(self, account, *lines, check=True):
        return self.host.run(["nsupdate", "-t", "8", "-u", "3", "-r", "1", "-k", f"{self.folder}/{account}.key"], check=check,
                             input=f"server {self.address}\nzone {account}.{ZONE}\n" +
                             "".join(f"{line}\n" for line in lines) + "send\n")

    def short(self, account, name, rdtype):
        out = self.host.run(["dig", f"@{self.address}", "-k", f"{self.folder}/{account}.key", "+norec", "+short", name,
                             rdtype], check=False).stdout
        return sorted(line for line in out.split("\n")[:-1] if line[0] != ";")

    def status(self, account, name, rdtype):
        out = self.host.run(["dig", f"@{self.address}", "-k", f"{self.folder}/{account}.key", "+norec", name, rdtype],
                            check=False).stdout
        return re.search(r"status: (\w+)", out).group(1)

    def subscribe(self, account, name, rdtype):
        return Subscriber(self.host, LLQ_CLIENT, self.address, f"{account}.{ZONE}", self.secrets[account], name, rdtype)

    def counters(self):
        return {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", self.zonectl("status").stdout, re.M)}


class PushSubscriber:
    """DNS Push over TLS by push_client.py."""

    def __init__(self, node, account, name, rdtype):
        self.process = node.host.popen(["/usr/bin/python3", PUSH_CLIENT, node.address, "853"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)
        assert json.loads(self.process.stdout.readline()) == "connected"
        domain = f"{account}.{ZONE}"
        assert self.say(f"bind {domain} {domain} {node.secrets[account]}") == "NOERROR"
        assert self.say(f"subscribe {name} {rdtype}")[1] == 0

    def say(self, command):
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def next(self):
        return str(self.say("push 20"))

    def close(self):
        self.say("close")
        self.process.stdin.close()
        self.process.wait(60)


class Cluster:
    def __init__(self, host, kind):
        self.host = host
        for tool in ("nsupdate", "dig"):
            if host.run(["sh", "-c", f"command -v {tool}"], check=False).returncode:
                pytest.skip(f"{tool} is not installed")
        self.primary = kind(host, "primary", address=PRIMARY)
        self.primary.write_primary(ZONE, ZONE_FILE, [("127.0.0.1", 53), ("127.0.0.2", 53)])
        self.primary.start()
        self.nodes = [Node(host, 1), Node(host, 2)]
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            wait_until(lambda: node.counters()["TransfersIn"] > 0, 20, "the first transfer")
        # Made at one node, it is that node's; the other one then knows the key.
        for owner, other, account in (self.nodes + ["alice"], self.nodes[::-1] + ["bob"]):
            owner.add_account(account)
            service = f"_dns-update._udp.{account}.{ZONE}"
            wait_until(lambda: self.primary.short(service, "SRV"), 20, f"the services of {account}")
            other.add_account(account)
            for node in self.nodes:
                wait_until(lambda: node.short(account, service, "SRV") == [f"0 0 53 {owner.name}."], 20, service)

    def direct(self, *lines, check=True):
        """The operator, at the primary."""
        return self.host.run(["nsupdate", "-y", f"hmac-sha256:{KEY}:{SECRET}"], check=check,
                             input=f"server {PRIMARY}\nzone {ZONE}\n" + "".join(f"{line}\n" for line in lines) + "send\n")

    def move(self, account, node):
        """As docs/SCALE.md says it."""
        lines = []
        for service in ("_dns-update._udp", "_dns-llq._udp", "_dns-update-tls._udp", "_dns-update-tls._tcp",
                        "_dns-llq-tls._udp", "_dns-llq-tls._tcp", "_dns-push-tls._tcp"):
            name = f"{service}.{account}.{ZONE}"
            port = 853 if "tls" in service else 53
            lines += [f"update delete {name} SRV", f"update add {name} 3600 SRV 0 0 {port} {node.name}."]
        self.direct(*lines)

    def close(self):
        for node in self.nodes:
            node.stop()
        self.primary.stop()


@pytest.fixture(params=[Bind, Knot])
def cluster(make_host, request):
    host = make_host("zone", bus=False)
    cluster = Cluster(host, request.param)
    try:
        yield cluster
    except BaseException:
        raise
    finally:
        if getattr(request.node, "report_call", None) and request.node.report_call.failed:
            for node in cluster.nodes:
                print(node.name, node.log()[-3000:])
            print(cluster.primary.log()[-3000:])
        cluster.close()


def test_what_one_learns_all_push(cluster):
    one, two = cluster.nodes
    host = f"desktop.alice.{ZONE}"
    subscriber = two.subscribe("alice", host, "A")
    assert subscriber.start["answers"] == []
    pushed = PushSubscriber(two, "alice", host, "A")
    one.update("alice", f"update add {host} 10 A 192.0.2.1")
    assert "192.0.2.1" in pushed.next()
    assert cluster.primary.short(host, "A") == ["192.0.2.1"]
    assert subscriber.next()["changes"] == [[True, f"{host}.", "192.0.2.1"]]
    assert one.short("alice", host, "A") == two.short("alice", host, "A") == ["192.0.2.1"]
    # Made at the primary itself.
    cluster.direct(f"update delete {host} A", f"update add {host} 10 A 192.0.2.2")
    changes = subscriber.next()["changes"]
    while len(changes) < 2:
        changes += subscriber.next()["changes"]
    assert sorted(changes) == [[False, f"{host}.", "192.0.2.1"], [True, f"{host}.", "192.0.2.2"]]
    text = pushed.next()
    assert "192.0.2.2" in text or "192.0.2.2" in pushed.next()
    pushed.close()
    subscriber.close()
    # Names of the zone itself, and of the nodes.
    for node in cluster.nodes:
        assert node.host.run(["dig", f"@{node.address}", "+short", f"ns1.{ZONE}", "A"]).stdout == "127.0.0.1\n"
        assert node.host.run(["dig", f"@{node.address}", "+short", f"ns2.{ZONE}", "A"]).stdout == "127.0.0.2\n"
        assert "REFUSED" in node.host.run(["dig", f"@{node.address}", f"primary.{ZONE}", "A"]).stdout
        assert "REFUSED" in node.host.run(["dig", f"@{node.address}", f"alice.{ZONE}", "A"]).stdout
    # An account is written through its own node.
    refused = two.update("alice", f"update add x.alice.{ZONE} 10 A 192.0.2.9", check=False)
    assert refused.returncode and cluster.primary.short(f"x.alice.{ZONE}", "A") == []
    # The services are nobody's to delete.
    one.update("alice", f"update delete _dns-update._udp.alice.{ZONE} SRV", check=False)
    assert cluster.primary.short(f"_dns-update._udp.alice.{ZONE}", "SRV") == [f"0 0 53 {one.name}."]
    # After the first, differences.
    for node in cluster.nodes:
        counters = node.counters()
        assert counters["UpdatesOutFailed"] == 0 and counters["TransfersIn"] >= 4
        assert node.log().count("no transfer") == 0


def test_configuration(make_host):
    host = make_host("zone", bus=False)
    node = Node(host, 1)

    def check():
        return host.run(host.as_user("homeward-zone") + [host.program("zoned"), "--check-config", node.config], check=False,
                        env=host.sanitizer_environment("zoned"))
    assert f"in the primary {PRIMARY}:53" in check().stdout
    config = host.read(node.config)
    for change, complaint in ((("primary = ", "#primary = "), "primary is missing"), (("key = ", "#key = "), "key is missing"),
                              (("primary.key", "no.key"), "No such file"), (("type = dns", "type = odbc"), "type")):
        host.write(node.config, config.replace(*change))
        assert check().returncode == 1 and complaint in check().stderr
    host.write(node.config, config)
    host.run(["chmod", "o+r", f"{node.folder}/primary.key"])
    assert check().returncode == 1 and "others can read it" in check().stderr


def test_lease_ends_at_the_primary(cluster):
    one, two = cluster.nodes
    host = f"desktop.alice.{ZONE}"
    subscriber = two.subscribe("alice", host, "A")
    script = """
import base64, sys
import dns.edns, dns.query, dns.tsig, dns.update
update = dns.update.Update(sys.argv[1], keyring=dns.tsig.Key(sys.argv[1], base64.b64decode(sys.argv[2])))
update.add("desktop", 10, "A", "192.0.2.9")
update.use_edns(0, payload=1232, options=[dns.edns.GenericOption(2, bytes(4))])
answer = dns.query.udp(update, "127.0.0.1", timeout=60)
print(answer.rcode())
"""
    assert cluster.host.run(["/usr/bin/python3", "-c", script, f"alice.{ZONE}", one.secrets["alice"]]).stdout == "0\n"
    assert subscriber.next()["changes"] == [[True, f"{host}.", "192.0.2.9"]]
    # Three seconds later.
    assert subscriber.next()["changes"] == [[False, f"{host}.", "192.0.2.9"]]
    wait_until(lambda: cluster.primary.short(host, "A") == [], 5, "its end at the primary")
    subscriber.close()


def test_concurrent_changes_are_not_lost(cluster):
    """The same set of records, changed through a node and at the primary at once."""
    one, two = cluster.nodes
    name = f"_autotunnel._udp.alice.{ZONE}"
    for i in range(15):
        operator = cluster.host.popen(["nsupdate", "-y", f"hmac-sha256:{KEY}:{SECRET}"], stdin=subprocess.PIPE)
        operator.stdin.write(f"server {PRIMARY}\nzone {ZONE}\nupdate add {name} 10 PTR o{i}.alice.{ZONE}.\nsend\n".encode())
        operator.stdin.close()
        one.update("alice", f"update add {name} 10 PTR n{i}.alice.{ZONE}.")
        assert operator.wait(60) == 0
    wanted = sorted(f"{who}{i}.alice.{ZONE}." for who in "no" for i in range(15))
    assert cluster.primary.short(name, "PTR") == wanted
    for node in cluster.nodes:
        wait_until(lambda: node.short("alice", name, "PTR") == wanted, 10, node.name)


def test_node_is_killed(cluster):
    one, two = cluster.nodes
    host = f"desktop.alice.{ZONE}"
    one.update("alice", f"update add {host} 10 A 192.0.2.1")
    wait_until(lambda: two.short("alice", host, "A") == ["192.0.2.1"], 10, "at the other node")
    one.kill()
    # What it held is still to be had, and only that.
    assert two.short("alice", host, "A") == ["192.0.2.1"]
    subscriber = two.subscribe("alice", host, "A")
    cluster.move("alice", two)
    service = f"_dns-update._udp.alice.{ZONE}"
    wait_until(lambda: two.short("alice", service, "SRV") == [f"0 0 53 {two.name}."], 10, "the move")
    # The client registers again, where the services now are.
    two.update("alice", f"update delete {host} A", f"update add {host} 10 A 192.0.2.2")
    changes = subscriber.next()["changes"]
    while len(changes) < 2:
        changes += subscriber.next()["changes"]
    assert cluster.primary.short(host, "A") == ["192.0.2.2"]
    # It comes back, and the account is not its own any more.
    one.start()
    wait_until(lambda: one.short("alice", host, "A") == ["192.0.2.2"], 20, "the new address at the old node")
    assert one.update("alice", f"update add x.alice.{ZONE} 10 A 192.0.2.9", check=False).returncode
    two.update("alice", f"update add y.alice.{ZONE} 10 A 192.0.2.9")
    wait_until(lambda: one.short("alice", f"y.alice.{ZONE}", "A") == ["192.0.2.9"], 10, "what came later")
    subscriber.close()


def test_primary_restarts_and_is_down(cluster):
    one, two = cluster.nodes
    host = f"desktop.alice.{ZONE}"
    one.update("alice", f"update add {host} 10 A 192.0.2.1")
    wait_until(lambda: two.short("alice", host, "A") == ["192.0.2.1"], 10, "at the other node")
    cluster.primary.stop()
    failed = one.update("alice", f"update add x.alice.{ZONE} 10 A 192.0.2.3", check=False)
    assert "SERVFAIL" in failed.stderr or failed.returncode
    for node in cluster.nodes:
        assert node.short("alice", host, "A") == ["192.0.2.1"]
    # Also a node that starts now has what it knew.
    two.kill()
    two.start()
    assert two.short("alice", host, "A") == ["192.0.2.1"]
    cluster.primary.start()
    wait_until(lambda: one.update("alice", f"update add y.alice.{ZONE} 10 A 192.0.2.4", check=False).returncode == 0, 30,
               "updates again")
    for node in cluster.nodes:
        wait_until(lambda: node.short("alice", f"y.alice.{ZONE}", "A") == ["192.0.2.4"], 20, node.name)
        assert node.status("alice", f"x.alice.{ZONE}", "A") == "NXDOMAIN"
    cluster.primary.stop(kill=True)
    cluster.primary.start()
    wait_until(lambda: one.update("alice", f"update add z.alice.{ZONE} 10 A 192.0.2.5", check=False).returncode == 0, 30,
               "updates again")
    for node in cluster.nodes:
        wait_until(lambda: node.short("alice", f"z.alice.{ZONE}", "A") == ["192.0.2.5"], 20, node.name)
