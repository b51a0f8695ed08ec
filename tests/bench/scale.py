#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an account, a host, an update and a node in front of a primary cost: the figures of docs/SCALE.md.

    tests/bench/scale.py [--accounts N] [--hosts N]

In a network namespace of its own. Processor time and octets, not times: another program beside it disturbs little.
"""
import argparse
import json
import os
import shutil
import sys
import time

from servers import ZONE, Server, Zoned, generate, write_keys

FOLDER = "/var/tmp/homeward-scale"
SECRET = "c2NhbGUgc2NhbGUgc2NhbGUgc2NhbGUgc2NhbGUgMTI="
KEY = f'key "node.example.net" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n'


class Primary(Server):
    def __init__(self, port, nodes):
        super().__init__(os.path.join(FOLDER, "primary"), port)
        self.write("zone.db", f"$TTL 3600\n@ SOA ns1 hostmaster 1 3600 600 86400 10\n" +
                   "".join(f"@ NS ns{i}\nns{i} A 127.0.0.1\n" for i, _ in enumerate(nodes, 1)))
        targets = " ".join(f"127.0.0.1 port {node};" for node in nodes)
        self.write("named.conf", KEY + f"""options {{ directory "{self.folder}"; pid-file none; lock-file none;
  session-keyfile "{self.path("session.key")}"; managed-keys-directory "{self.folder}";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; notify-delay 0;
  notify-rate 1000; empty-zones-enable no; }};
controls {{ }};
logging {{ channel c {{ file "{self.path("messages")}"; severity warning; }}; category default {{ c; }};
  category update {{ null; }}; category update-security {{ null; }}; }};
zone "{ZONE}" {{ type primary; file "zone.db"; journal "zone.jnl"; notify explicit; also-notify {{ {targets} }};
  allow-transfer {{ key "node.example.net"; }}; allow-update {{ key "node.example.net"; }}; }};
""")

    def command(self):
        return ["named", "-f", "-c", self.path("named.conf")]


class Node(Zoned):
    def __init__(self, number, port, primary, accounts):
        super().__init__(os.path.join(FOLDER, f"node{number}"), port, accounts)
        self.write("key", KEY)
        os.chmod(self.path("key"), 0o600)
        with open(self.path("zoned.conf")) as file:
            text = file.read()
        self.write("zoned.conf", text.replace("server-address", f"server = ns{number}.{ZONE}\nserver-address", 1) +
                   f"[backend]\ntype = dns\nprimary = 127.0.0.1#{primary}\nkey = {self.path('key')}\n")

    def counters(self):
        import subprocess
        out = subprocess.run([os.path.join(os.path.dirname(self.program), "zonectl"), "--config", self.path("zoned.conf"),
                              "status"], stdout=subprocess.PIPE, text=True).stdout
        return {name: int(value) for name, value in (line.split()[:2] for line in out.splitlines()) if value.isdigit()}


def written(server):
    return server.syscalls("write_bytes")


class Meter:
    def __init__(self, *servers):
        self.servers = servers
        self.begun = [(server.processor(), written(server)) for server in servers]

    def read(self, n):
        """Microseconds of processor and octets on the disk, for each of n, of each server."""
        return [(round(1e6 * (server.processor() - processor) / n), round((written(server) - octets) / n))
                for server, (processor, octets) in zip(self.servers, self.begun)]


def alone(accounts, hosts, keys, say):
    server = Zoned(os.path.join(FOLDER, "alone"), 5310, range(0))
    server.start()
    empty = server.rss()
    server.stop()
    server.add_accounts(range(accounts))
    begun = time.monotonic()
    server.start()
    say(start_account_us=round(1e6 * server.processor() / accounts), start_seconds=round(time.monotonic() - begun, 2))
    bare = server.rss()
    say(account_bytes=round((server.rss() - empty) / accounts))
    for what in ("update", "again"):
        meter = Meter(server)
        run = generate("update", keys, server.port, "--hosts", hosts, "--count", accounts * hosts)
        (processor, octets), = meter.read(accounts * hosts)
        say(**{f"{what}_us": processor, f"{what}_disk_octets": octets, f"{what}_per_second": round(run["rate"])})
    say(host_bytes=round((server.rss() - bare) / (accounts * hosts)),
        database_octets_per_host=round(os.path.getsize(server.path("zone.db")) / (accounts * hosts)))
    meter = Meter(server)
    run = generate("query", keys, server.port, "--hosts", hosts, "--count", 100000)
    say(query_us=meter.read(100000)[0][0], query_per_second=round(run["rate"]))
    server.stop()


def before_a_primary(accounts, hosts, keys, say):
    primary = Primary(5320, [5321, 5322])
    first, second = Node(1, 5321, 5320, range(accounts)), Node(2, 5322, 5320, range(accounts))
    try:
        primary.start()
        meter = Meter(primary)
        first.start()
        # Claims all accounts: the services of each go to the primary.
        last = 0
        while (now := first.counters().get("TransfersIn", 0)) < 2 or now != last:
            last = now
            time.sleep(2)
        say(claim_primary_us=meter.read(accounts)[0][0], claim_messages=first.counters()["UpdatesOut"])
        second.start()
        time.sleep(3)
        meter = Meter(primary, first, second)
        run = generate("update", keys, first.port, "--hosts", hosts, "--count", accounts * hosts, "--window", 256)
        time.sleep(2)
        (p_us, p_octets), (f_us, f_octets), (s_us, s_octets) = meter.read(accounts * hosts)
        say(dns_update_per_second=round(run["rate"]), dns_noerror=run["noerror"], dns_primary_us=p_us, dns_node_us=f_us,
            dns_other_node_us=s_us, dns_primary_disk_octets=p_octets, dns_node_disk_octets=f_octets,
            dns_other_node_disk_octets=s_octets, dns_messages=first.counters()["UpdatesOut"],
            dns_other_transfers=second.counters()["TransfersIn"])
        meter = Meter(primary, first)
        say(node_rss=first.rss(), primary_rss=primary.rss())
        second.stop()
        begun = time.monotonic()
        second.start()
        while second.counters().get("TransfersIn", 0) < 1:
            time.sleep(0.05)
        say(whole_transfer_seconds=round(time.monotonic() - begun, 2),
            journal_octets=os.path.getsize(primary.path("zone.jnl")))
    finally:
        for server in (first, second, primary):
            server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--hosts", type=int, default=10)
    arguments = parser.parse_args()
    if os.environ.get("HOMEWARD_SCALE") != "inside":
        os.environ["HOMEWARD_SCALE"] = "inside"
        os.execvp("unshare", ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec /usr/bin/python3 "$@"', "sh",
                              *sys.argv])
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    keys = os.path.join(FOLDER, "keys")
    write_keys(keys, range(arguments.accounts))
    results = {"accounts": arguments.accounts, "hosts": arguments.hosts}

    def say(**values):
        results.update(values)
        print(*(f"{name} {value}" for name, value in values.items()), file=sys.stderr, flush=True)
    try:
        alone(arguments.accounts, arguments.hosts, keys, say)
        before_a_primary(arguments.accounts, arguments.hosts, keys, say)
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
