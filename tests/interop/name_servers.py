# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real name servers in a namespace: BIND's named and Knot's knotd, each with files of its own below /run."""
import json
import re
import signal
import subprocess

import pytest

from homeward_lab import wait_until

SECRET = "dHJhbnNmZXIga2V5IG9mIDMyIG9jdGV0cyBsb25nISE="
KEY = "transfer.example.net"


def key_file(name=KEY, secret=SECRET):
    return f'key "{name}" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n'


class NameServer:
    """One process. `port` is on 127.0.0.1 unless `address` is given."""

    program = None

    def __init__(self, host, name, address="127.0.0.1", port=53):
        self.host, self.name, self.address, self.port = host, name, address, port
        self.folder = f"/run/{name}"
        self.process = None
        if host.run(["sh", "-c", f"command -v {self.program}"], check=False).returncode:
            pytest.skip(f"{self.program} is not installed")
        host.run(["mkdir", "-p", self.folder])
        if address != "127.0.0.1":
            host.run(["ip", "address", "replace", f"{address}/32", "dev", "lo"])

    def start(self):
        self.process = self.host.popen(self.command(), stdin=subprocess.DEVNULL,
                                       stdout=open(self.host.path(f"{self.folder}/log"), "ab"),
                                       stderr=subprocess.STDOUT)
        wait_until(self.is_up, 20, self.name)

    def is_up(self):
        return self.dig("version.bind", "TXT", "-c", "CH", "+time=1", "+tries=1", key=None).returncode == 0

    def stop(self, kill=False):
        if self.process:
            self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            self.process.wait(60)
            self.process = None

    def log(self):
        return self.host.read(f"{self.folder}/log")

    def dig(self, name, rdtype, *options, key=f"hmac-sha256:{KEY}:{SECRET}"):
        return self.host.run(["dig", f"@{self.address}", "-p", str(self.port), "+norec",
                              *(["-y", key] if key else []), name, rdtype, *options], check=False)

    def short(self, name, rdtype):
        return sorted(self.dig(name, rdtype, "+short").stdout.split("\n")[:-1])

    def serial(self, zone):
        answer = self.short(zone, "SOA")
        return int(answer[0].split()[2]) if answer and re.match(r"\S+ \S+ \d+", answer[0]) else None


class Bind(NameServer):
    program = "named"

    def command(self):
        return ["named", "-g", "-d", "1", "-c", f"{self.folder}/named.conf"]

    def _write(self, zones, options=""):
        self.host.write(f"{self.folder}/named.conf", key_file() + f"""
            options {{ directory "{self.folder}"; pid-file "{self.folder}/pid"; lock-file none;
              session-keyfile "{self.folder}/session.key"; managed-keys-directory "{self.folder}";
              listen-on port {self.port} {{ {self.address}; }}; listen-on-v6 {{ none; }};
              recursion no; dnssec-validation no; empty-zones-enable no; notify-delay 0; {options} }};
            controls {{ }};
            logging {{ category xfer-in {{ default_stderr; }}; category notify {{ default_stderr; }}; }};
            {zones}""")

    def write_secondary(self, zones, primary="127.0.0.1", port=53):
        self._write("".join(f"""zone "{zone}" {{ type secondary; file "{zone}.db"; masterfile-format text;
            primaries {{ {primary} port {port} key "{KEY}"; }}; }};""" for zone in zones), "notify no;")

    def write_primary(self, zone, text, notify):
        self.host.write(f"{self.folder}/zone.db", text)
        targets = " ".join(f"{address} port {port};" for address, port in notify)
        self._write(f"""zone "{zone}" {{ type primary; file "zone.db"; masterfile-format text; ixfr-from-differences no;
            allow-transfer {{ key "{KEY}"; }}; allow-update {{ key "{KEY}"; }};
            notify explicit; notify-source {self.address}; also-notify {{ {targets} }}; serial-update-method increment; }};""")


class Knot(NameServer):
    program = "knotd"

    def command(self):
        return ["knotd", "-c", f"{self.folder}/knot.conf"]

    def is_up(self):
        return self.dig("id.server", "TXT", "-c", "CH", "+time=1", "+tries=1", key=None).returncode == 0

    def _write(self, rest):
        self.host.write(f"{self.folder}/knot.conf", f"""
server:
    rundir: "{self.folder}"
    listen: [ "{self.address}@{self.port}" ]
    identity: "knot"
    user: "root:root"
log:
  - target: stderr
    any: debug
database:
    storage: "{self.folder}"
key:
  - id: "{KEY}"
    algorithm: hmac-sha256
    secret: "{SECRET}"
{rest}""")

    def write_secondary(self, zones, primary="127.0.0.1", port=53):
        self._write(f"""
remote:
  - id: primary
    address: "{primary}@{port}"
    key: "{KEY}"
acl:
  - id: notify
    address: "{primary}"
    key: "{KEY}"
    action: notify
template:
  - id: default
    storage: "{self.folder}"
zone:
""" + "".join(f"""  - domain: "{zone}"
    master: primary
    acl: notify
""" for zone in zones))

    def write_primary(self, zone, text, notify):
        self.host.write(f"{self.folder}/zone.db", text)
        names = [f"node{i}" for i in range(len(notify))]
        self._write("remote:\n" + "".join(f"""  - id: {name}
    address: "{address}@{port}"
    via: "{self.address}"
""" for name, (address, port) in zip(names, notify)) + f"""
acl:
  - id: nodes
    key: "{KEY}"
    action: [transfer, update]
template:
  - id: default
    storage: "{self.folder}"
zone:
  - domain: "{zone}"
    file: "zone.db"
    notify: [ {", ".join(names)} ]
    acl: nodes
""")


class Subscriber:
    """A long-lived query by llq_client.py; what it prints, as objects."""

    def __init__(self, host, client, server, key_name, secret, name, rdtype):
        self.process = host.popen(["/usr/bin/python3", client, server, key_name, secret, name, rdtype],
                                  stdout=subprocess.PIPE)
        self.start = json.loads(self.process.stdout.readline())

    def next(self):
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.end()
