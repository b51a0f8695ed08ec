# SPDX-License-Identifier: LGPL-2.1-or-later
"""zonectl's commands with a running zoned, zoned --check-config, and the metrics."""
import json
import os
import re
import subprocess

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from homeward_lab import wait_until
from test_zoned import ALICE, CONFIG, PASSWORD, ZONE, LlqClient, Server, status


@pytest.fixture
def server(make_host):
    server = Server(make_host("zone", bus=False), CONFIG + "[metrics]\nport = 9399\n")
    yield server
    assert server.host.stop_daemon("zoned") == 0


def as_json(server, *words):
    return json.loads(server.zonectl(*words, "--json").stdout)


def key_of(server, name):
    path = f"/run/{name}-{os.urandom(4).hex()}.key"
    server.host.run(["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", "account", "key", name,
                     "--output", path], env=server.host.sanitizer_environment("zonectl"))
    return path


# Accounts --------------------------------------------------------------------------------------------------

def test_new_password_counts_at_once(server):
    server.nsupdate(f"update add host.{ALICE} 10 A 192.0.2.1")
    client = LlqClient(server, f"_autotunnel._udp.{ALICE}", "PTR")
    assert client.read()
    wait_until(lambda: server.counters()["LiveLlqs"] == 1, 5, "the query")
    done = server.zonectl("account", "passwd", "alice", "--password-fd", "0", input="quite another password\n")
    assert "sign in again" in done.stdout
    wait_until(lambda: "BADSIG" in server.dig(ALICE, "SOA"), 5, "the old key's end")
    fresh = key_of(server, "alice")
    answer = server.host.run(["dig", "@127.0.0.1", "+norec", "-k", fresh, f"host.{ALICE}", "A", "+short"]).stdout
    assert answer == "192.0.2.1\n"
    # Who subscribed could not check what a new key signs.
    wait_until(lambda: server.counters()["LiveLlqs"] == 0, 5, "the end of the query")
    assert as_json(server, "subscriptions") == []
    # The key is what follows from the password.
    server.zonectl("account", "passwd", "alice", "--password-fd", "0", input=PASSWORD)
    wait_until(lambda: status(server.dig(ALICE, "SOA")) == "NOERROR", 5, "the first key")


def test_disabled_and_enabled(server):
    server.nsupdate(f"update add host.{ALICE} 10 A 192.0.2.1")
    serial = server.serial()
    assert server.zonectl("account", "disable", "alice").stdout == f"disabled {ALICE}\n"
    wait_until(lambda: status(server.dig(ALICE, "SOA")) == "REFUSED", 5, "zoned to notice")
    assert "REFUSED" in server.nsupdate(f"update add host.{ALICE} 10 A 192.0.2.2", check=False).stderr
    assert "disabled" in server.zonectl("account", "list").stdout
    assert as_json(server, "account", "show", "alice")["disabled"] is True
    server.zonectl("account", "enable", "alice")
    wait_until(lambda: status(server.dig(ALICE, "SOA")) == "NOERROR", 5, "zoned to notice")
    assert server.short(f"host.{ALICE}", "A") == ["192.0.2.1"] and server.serial() == serial
    server.zonectl("account", "disable", "alice", "--purge")
    wait_until(lambda: as_json(server, "account", "show", "alice")["records"] <= 1, 5, "the records to go")
    # It is not known after a restart either.
    server.kill()
    server.wait_up()
    assert status(server.dig(ALICE, "SOA")) == "REFUSED"
    server.zonectl("account", "enable", "alice")
    wait_until(lambda: status(server.dig(ALICE, "SOA")) == "NOERROR", 5, "zoned to notice")
    assert status(server.dig(f"host.{ALICE}", "A")) == "NXDOMAIN" and server.serial() == serial + 1


def test_deleted(server):
    assert server.zonectl("account", "delete", "alice").stdout == f"deleted {ALICE}\n"
    wait_until(lambda: "BADSIG" in server.dig(ALICE, "SOA"), 5, "zoned to notice")
    assert as_json(server, "account", "list") == []


def test_many_changes_are_noticed_one_by_one(server):
    for i in range(5):
        server.zonectl("account", "add", f"user{i}", "--password-fd", "0", input="some password")
    wait_until(lambda: server.counters()["Accounts"] == 6, 5, "all accounts")
    server.zonectl("account", "delete", "user3")
    wait_until(lambda: server.counters()["Accounts"] == 5, 5, "one less")
    assert [account["domain"].split(".")[0] for account in as_json(server, "account", "list")] == \
        ["alice", "user0", "user1", "user2", "user4"]


def test_export_and_import(server, make_host):
    host = server.host
    server.zonectl("account", "add", "bob", "--allow-md5", "--password-fd", "0", input="another password")
    server.zonectl("account", "disable", "bob")
    exported = server.zonectl("account", "export")
    assert "can read and change" in exported.stderr and server.secret in exported.stdout
    assert len(json.loads(exported.stdout)["accounts"]) == 2
    host.run(["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", "account", "export", "alice",
              "--output", "/run/accounts.json"], env=host.sanitizer_environment("zonectl"))
    assert os.stat(host.path("/run/accounts.json")).st_mode & 0o777 == 0o600
    # A second node, with a database of its own.
    host.write("/etc/homeward/other.conf", CONFIG + "[paths]\ndatabase = /run/other/zone.db\n")
    host.run(["mkdir", "/run/other"])

    def other(*words, check=True, input=None):
        return host.run(["/run/lab/bin/zonectl", "--config", "/etc/homeward/other.conf", *words], check=check, input=input,
                        env=host.sanitizer_environment("zonectl"))

    assert other("account", "import", "-", input=exported.stdout).stdout == "made 2 accounts; 0 were there\n"
    assert other("account", "import", "/run/accounts.json").stdout == "made 0 accounts; 1 were there\n"
    assert json.loads(other("account", "list", "--json").stdout) == as_json(server, "account", "list")
    assert other("account", "export").stdout == exported.stdout
    # All or none.
    other("account", "delete", "alice")
    changed = json.loads(exported.stdout)
    changed["accounts"][1]["key"] = "A" * 43 + "="
    for text, wanted in ((json.dumps(changed), "with another key"), ("{}", "is not what"), ("", "is not what"),
                         (exported.stdout.replace(ALICE, "alice.example.com"), "cannot be an account"),
                         (exported.stdout.replace(server.secret, "short"), "32 octets")):
        failed = other("account", "import", "-", input=text, check=False)
        assert failed.returncode == 1 and wanted in failed.stderr, failed.stderr
        assert len(json.loads(other("account", "list", "--json").stdout)) == 1
    host.run(["chmod", "644", "/run/accounts.json"])
    failed = other("account", "import", "/run/accounts.json", check=False)
    assert failed.returncode == 1 and "others may read" in failed.stderr
    assert other("account", "export", "nobody", check=False).returncode == 1


# Views -----------------------------------------------------------------------------------------------------

def test_zone_leases_and_subscriptions(server):
    script = """
import base64, sys
import dns.edns, dns.query, dns.tsig, dns.update
update = dns.update.Update(sys.argv[1], keyring=dns.tsig.Key(sys.argv[1], base64.b64decode(sys.argv[2])))
update.add("leased", 10, "A", "192.0.2.9")
update.use_edns(0, options=[dns.edns.GenericOption(2, (5400).to_bytes(4, "big"))])
print(dns.query.udp(update, "127.0.0.1", timeout=60).rcode())
"""
    assert server.host.run(["/usr/bin/python3", "-c", script, ALICE, server.secret]).stdout == "0\n"
    server.nsupdate(f'update add kept.{ALICE} 20 TXT "a note"')
    zone = server.zonectl("zone", "show", "alice").stdout
    assert re.search(rf"^leased\.{ALICE}\.\t10\tIN\tA\t192\.0\.2\.9\t; 1h \d\dm left, by account$", zone, re.M), zone
    assert re.search(rf'^kept\.{ALICE}\.\t20\tIN\tTXT\t"a note"\t; no lease, by account$', zone, re.M), zone
    records = {record["record"].split("\t")[0]: record for record in as_json(server, "zone", "show", ALICE)}
    assert 5300 < records[f"leased.{ALICE}."]["lease-left"] <= 5400
    assert records[f"kept.{ALICE}."]["lease-left"] is None and records[f"kept.{ALICE}."]["writer"] == ALICE
    leases = as_json(server, "leases")
    assert [(lease["account"], lease["holder"], lease["records"]) for lease in leases] == [(ALICE, "account", 1)]
    assert ALICE in server.zonectl("leases", "alice").stdout
    client = LlqClient(server, f"_autotunnel._udp.{ALICE}", "PTR")
    assert client.read()
    wait_until(lambda: as_json(server, "subscriptions"), 5, "the query")
    subscription = as_json(server, "subscriptions", "alice")[0]
    assert subscription["type"] == "PTR" and subscription["name"] == f"_autotunnel._udp.{ALICE}."
    assert subscription["client"].startswith("127.0.0.1:")
    assert f"_autotunnel._udp.{ALICE}. PTR  for account at 127.0.0.1:" in server.zonectl("subscriptions").stdout
    assert as_json(server, "account", "show", "alice")["long-lived-queries"] == 1


def test_help_of_each_command(server):
    listed = re.findall(r"^  (\w+(?: \w+)?) {2,}", server.zonectl("--help").stdout, re.M)
    assert len(listed) >= 16
    for words in listed:
        text = server.zonectl(*words.split(), "--help").stdout
        assert text.startswith(f"Usage: zonectl {words}"), text
        assert all(len(line) <= 100 for line in text.splitlines())


def test_wrong_words(server):
    for words, status, wanted in (((), 2, "Usage: zonectl"), (("acount", "list"), 2, 'there is no command "acount"'),
                                  (("account",), 2, "account what? add, passwd, "), (("zone", "list"), 2, 'but show; see --help'),
                                  (("account", "add"), 2, "the name of the account is missing"),
                                  (("account", "show", "ns"), 1, f"ns.{ZONE} is the name of the server itself"),
                                  (("account", "export", "a_b"), 1, f'"a_b" cannot be an account of {ZONE}'),
                                  (("status", "--purge"), 2, "--purge does not go with this command")):
        result = server.zonectl(*words, check=False)
        assert result.returncode == status and wanted in result.stderr and not result.stdout, (words, result)


def test_pin(server):
    pin = server.zonectl("tls", "pin").stdout.strip()
    assert re.fullmatch(r"sha256/[A-Za-z0-9+/]{43}=", pin)
    shown = as_json(server, "tls", "pin")
    assert shown["pin"] == pin and shown["port"] == 853
    # What the server shows on the wire, by another tool.
    digest = server.host.run(["sh", "-c", "openssl s_client -connect 127.0.0.1:853 -alpn dot </dev/null 2>/dev/null |"
                              " openssl x509 -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary |"
                              " base64"]).stdout.strip()
    assert pin == "sha256/" + digest


# Metrics ---------------------------------------------------------------------------------------------------

def families(text):
    assert text.endswith("# EOF\n")
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_metrics(server):
    server.nsupdate(f"update add host.{ALICE} 10 A 192.0.2.1")
    client = LlqClient(server, f"_autotunnel._udp.{ALICE}", "PTR")
    assert client.read()
    server.nsupdate(f"update add _autotunnel._udp.{ALICE} 10 PTR host.{ALICE}")
    assert client.read()
    shown = server.host.run(["sh", "-c", "curl -sS -D /run/headers http://127.0.0.1:9399/metrics"]).stdout
    assert "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8" in server.host.read("/run/headers").lower()
    found = families(shown)
    assert found["homeward_zoned_updates"].type == "counter"
    assert found["homeward_zoned_updates"].samples[0].value == 2
    assert found["homeward_zoned_accounts"].type == "gauge" and found["homeward_zoned_accounts"].samples[0].value == 1
    assert found["homeward_zoned_database_bytes"].unit == "bytes"
    assert found["homeward_zoned_records"].samples[0].value > 5
    for name in ("transaction", "event"):
        histogram = found[f"homeward_zoned_{name}_seconds"]
        assert histogram.type == "histogram" and histogram.unit == "seconds"
        count = [sample.value for sample in histogram.samples if sample.name.endswith("_count")]
        assert count[0] >= 1
    assert all(family.documentation for family in found.values())
    # The same on the socket, which is zoned's own.
    socket = "/usr/local/var/lib/homeward/zoned/zone.db.metrics"
    found = families(server.host.run(["/usr/bin/python3", "-c", f"""
import socket
s = socket.socket(socket.AF_UNIX); s.connect("{socket}")
text = b""
while more := s.recv(65536): text += more
print(text.decode(), end="")
"""]).stdout)
    assert found["homeward_zoned_updates"].samples[0].value == 2
    assert server.host.run(["stat", "-L", "-c", "%a", socket]).stdout == "600\n"
    assert as_json(server, "status")["Updates"] == 2


def test_counters_as_they_grow(server):
    process = server.host.popen(server.host.as_user("homeward-zone") + [
        "/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", "status", "--watch=1"], stdout=subprocess.PIPE,
        env=server.host.sanitizer_environment("zonectl"), text=True)
    seen = ""
    while "Queries" not in seen:
        seen = process.stdout.readline()
    server.dig(ALICE, "SOA")
    # What came since stands behind it.
    while not re.fullmatch(r"Queries \d+ \+\d+\n", seen):
        seen = process.stdout.readline()
        assert seen
    process.kill()
    process.wait()


def test_odd_http(server):
    def code(*options, path="/metrics"):
        return server.host.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *options,
                                f"http://127.0.0.1:9399{path}"], check=False).stdout

    assert code() == "200" and code("-I") == "200" and code("-X", "POST") == "405"
    assert code(path="/") == "404" and code("-H", "X: " + "x" * 9000) == "431"
    # Who says nothing, and more of them than there is room for, keep nobody out for long.
    server.host.run(["/usr/bin/python3", "-c", """
import socket, time
silent = [socket.create_connection(("127.0.0.1", 9399)) for _ in range(40)]
local = socket.socket(socket.AF_UNIX); local.settimeout(60)
# Nor do they keep the administrator out at all.
local.connect("/usr/local/var/lib/homeward/zoned/zone.db.metrics")
assert local.recv(1) == b"#"
assert silent[0].recv(1) == b""
"""], timeout=120)
    assert code() == "200"


# zoned --check-config --------------------------------------------------------------------------------------

def check_config(host, text, *options):
    host.write("/etc/homeward/checked.conf", text)
    return host.run([host.program("zoned"), "--check-config", "/etc/homeward/checked.conf", *options], check=False,
                    env=host.sanitizer_environment("zoned"))


def test_check_config(make_host):
    host = make_host("zone", bus=False)
    good = check_config(host, CONFIG)
    assert good.returncode == 0 and good.stderr == "", good.stderr
    for wanted in (f"zone {ZONE}", f"ns.{ZONE}", "127.0.0.1", "port 53", "port 853", "port 3478", "zone.db"):
        assert wanted in good.stdout, good.stdout
    for text, wanted in (("[zone]\nname = x.example\nserver-adress = 1.2.3.4\n", "checked.conf:3:"),
                         ("[zone]\nserver-address = 1.2.3.4\n", "[zone] name is missing"),
                         (CONFIG + "[listen]\nport = 0\n", "checked.conf:9:"),
                         (CONFIG + "[metrics]\naddress = nowhere\n", "checked.conf:9:"),
                         (CONFIG + "[tls]\ncertificate = /nowhere.pem\nprivate-key = /nowhere.key\n", "/nowhere.pem"),
                         (CONFIG + "[tls]\ncertificate = /nowhere.pem\nprivate-key = /nowhere.key\n", ": No such file"),
                         (CONFIG + "[tls]\ncertificate = /etc/passwd\nprivate-key = /etc/passwd\n", "not in PEM"),
                         (CONFIG + "[metrics]\nport = 853\n", "[metrics] port"),
                         (CONFIG + "[stun]\nport = 53\n", "[stun] port"),
                         (CONFIG + "[stun]\nalternate-address = 127.0.0.2\n", "needs an address of the same family"),
                         (CONFIG + "[stun]\naddress = ::1\nalternate-address = 127.0.0.2\n", "of the same family"),
                         (CONFIG + "[stun]\naddress = 127.0.0.2\nalternate-address = 127.0.0.2\n",
                          "not another address"),
                         (CONFIG + "[stun]\naddress = 127.0.0.1\nalternate-address = 127.0.0.2\nalternate-port = 3478\n",
                          "not another port"),
                         (CONFIG + "[transfer]\nkeys = /nowhere.key\n", "/nowhere.key")):
        bad = check_config(host, text)
        assert bad.returncode == 1 and wanted in bad.stderr and not bad.stdout, (bad.stdout, bad.stderr)
    assert host.run([host.program("zoned"), "--check-config", "/etc/nowhere.conf"], check=False,
                    env=host.sanitizer_environment("zoned")).returncode == 1
