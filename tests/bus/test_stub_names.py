# SPDX-License-Identifier: LGPL-2.1-or-later
"""The account's names for ordinary programs: llq-watcher's stub asked by dig, and the real systemd-resolved."""
import ipaddress
import re
import shutil
import subprocess

import pytest

from fake_zone import ACCOUNT, CONFIG, HOST_ID, LABEL, SIGNED_OUT, FakeZone, fake_identity, fake_mapper
from homeward_lab import resolved, wait_until

STUB, PORT = "127.0.0.62", "6281"
OWN_ID = HOST_ID
OTHER_ID = "fd01:203:405:607:22:69ff:fe8e:342b"
OTHER = "desktop." + ACCOUNT


@pytest.fixture
def host(make_host):
    return make_host("laptop")


@pytest.fixture
def zone(host):
    zone = FakeZone(host, ("laptop",))
    zone.records.update({
        ("_autotunnel._udp", "PTR"): ["_autotunnel._udp.desktop", "_autotunnel._udp.laptop"],
        ("desktop", "AAAA"): [OTHER_ID], ("desktop", "TXT"): ['"model=Linux x86_64" "os=Debian"'],
        ("_autotunnel._udp.desktop", "SRV"): [f"0 0 4500 {LABEL}"], (LABEL, "A"): ["203.0.113.5"]})
    yield zone
    zone.close()


def get(host, name):
    return host.get_property("llq-watcher", name)


def start(host, settings="", wait=True):
    neighbours = fake_identity(host, "laptop"), fake_mapper(host)
    host.start_daemon("llq-watcher", CONFIG + settings)
    if wait:
        host.wait_for(lambda: short(host, OTHER, "AAAA") == [OTHER_ID], 30, "desktop has an address")
    return neighbours


def dig(host, name, kind, *options, server=STUB, port=PORT):
    return host.run(["dig", "+timeout=30", "+tries=1", f"@{server}", "-p", port, *options, name, kind], check=False).stdout


def short(host, name, kind, *options, **where):
    return dig(host, name, kind, "+short", *options, **where).splitlines()


def reverse(address):
    return ipaddress.ip_address(address).reverse_pointer


def test_the_stub_answers_dig(host, zone):
    start(host)
    assert get(host, "Stub") == f"{STUB}:{PORT}"
    for way in "+notcp", "+tcp", "+noedns", "+dnssec", "+bufsize=512":
        assert short(host, OTHER, "AAAA", way) == [OTHER_ID], way
    assert short(host, "laptop." + ACCOUNT, "AAAA") == [OWN_ID]
    assert short(host, OTHER, "TXT") == ['"model=Linux x86_64" "os=Debian"']
    assert short(host, f"_autotunnel._udp.{OTHER}", "SRV") == [f"0 0 4500 {LABEL}.{ACCOUNT}."]
    assert short(host, reverse(OTHER_ID), "PTR") == [OTHER + "."]
    assert short(host, f"lb._dns-sd._udp.{ACCOUNT}", "PTR") == [ACCOUNT + "."]
    nothing = dig(host, OTHER, "A")
    assert "status: NOERROR" in nothing and "ANSWER: 0" in nothing and "SOA" in nothing
    assert "status: NXDOMAIN" in dig(host, "nobody." + ACCOUNT, "AAAA")
    assert "status: REFUSED" in dig(host, "example.com", "A")
    assert "status: REFUSED" in dig(host, reverse("fd01::1"), "PTR")
    assert "DeSkToP" in dig(host, "DeSkToP." + ACCOUNT, "AAAA").split("ANSWER SECTION")[1]
    counters = get(host, "Counters")
    assert counters["StubQueries"] > 10 and counters["StubRefused"] == 2


def test_before_the_first_answer_nothing_is_said_not_to_be_there(host, zone):
    zone.silent = True
    start(host, wait=False)
    host.wait_for(lambda: short(host, "laptop." + ACCOUNT, "AAAA") == [OWN_ID])
    assert "status: SERVFAIL" in dig(host, OTHER, "AAAA") and "Not Ready" in dig(host, OTHER, "AAAA")
    zone.silent = False
    host.wait_for(lambda: short(host, OTHER, "AAAA") == [OTHER_ID], 30)
    assert "status: NXDOMAIN" in dig(host, "nobody." + ACCOUNT, "AAAA")


def test_names_outlive_the_server_and_end_with_the_account(host, zone):
    identity, _ = start(host, "[queries]\nkeepalive-msec = 1000\n")
    zone.silent = True
    host.wait_for(("llq-watcher", "State", "retrying"), 40)
    answer = dig(host, OTHER, "AAAA")
    assert OTHER_ID in answer and "Stale Answer" in answer
    identity.change(**SIGNED_OUT)
    host.wait_for(lambda: "status: REFUSED" in dig(host, OTHER, "AAAA"))


def test_a_lying_zone_leads_no_program_out_of_the_tunnel(host, zone):
    zone.records["desktop", "AAAA"] = ["2001:db8::66"]
    start(host, wait=False)
    host.wait_for(("llq-watcher", "State", "watching"))
    host.wait_for(lambda: short(host, OTHER, "TXT"))
    assert short(host, OTHER, "AAAA") == [] and "status: REFUSED" in dig(host, reverse("2001:db8::66"), "PTR")


def test_slow_and_rude_clients_do_not_keep_others_waiting(host, zone):
    start(host)
    script = f"""
import socket, time
held = []
for i in range(40):
    held.append(socket.create_connection(("{STUB}", {PORT})))
    held[-1].sendall(b"\\0\\x40" + bytes(i))
rude = socket.create_connection(("{STUB}", {PORT}))
rude.sendall(b"\\xff\\xff")
print(rude.recv(10), flush=True)
datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for size in range(60):
    datagram.sendto(bytes(size), ("{STUB}", {PORT}))
time.sleep(60)
"""
    process = host.popen(["/usr/bin/python3", "-c", script], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"b''\n"
    assert short(host, OTHER, "AAAA", "+tcp") == [OTHER_ID] and short(host, OTHER, "AAAA") == [OTHER_ID]
    assert get(host, "Counters")["StubClosed"] >= 25
    process.kill()
    process.wait()
    process.stdout.close()


def test_without_resolved_it_says_what_to_do(host, zone):
    start(host)
    host.wait_for(("llq-watcher", "Names", "manual"))
    assert f'"server=/{ACCOUNT}/{STUB}#{PORT}"' in get(host, "NamesReason")


def test_what_it_says_without_resolved_is_right(host, zone):
    """The line that it says, given to the real dnsmasq."""
    if not shutil.which("dnsmasq"):
        pytest.skip("dnsmasq-base is not installed")
    start(host)
    host.wait_for(("llq-watcher", "Names", "manual"))
    line = get(host, "NamesReason").split('"')[1]
    host.write("/run/lab/dnsmasq.conf", f"no-resolv\nno-hosts\nuser=root\nbind-interfaces\nlisten-address=127.0.0.9\n"
               f"port=5354\npid-file\n{line}\n")
    with open(host.path("/run/lab/dnsmasq.log"), "wb") as log:
        host.popen(["dnsmasq", "-k", "-C", "/run/lab/dnsmasq.conf", "--log-facility=-"], stdout=log, stderr=log)
    where = {"server": "127.0.0.9", "port": "5354"}
    host.wait_for(lambda: short(host, OTHER, "AAAA", **where) == [OTHER_ID])
    assert "status: NXDOMAIN" in dig(host, "nobody." + ACCOUNT, "AAAA", **where)


def test_off_and_elsewhere(host, zone):
    start(host, "[stub]\nenable = no\n", wait=False)
    host.wait_for(("llq-watcher", "State", "watching"))
    assert (get(host, "Names"), get(host, "Stub")) == ("off", "")
    host.stop_daemon("llq-watcher")
    host.start_daemon("llq-watcher", CONFIG + "[stub]\naddress = 127.1.2.3\nport = 5454\n")
    host.wait_for(lambda: short(host, OTHER, "AAAA", server="127.1.2.3", port="5454") == [OTHER_ID])
    host.stop_daemon("llq-watcher")
    with pytest.raises(RuntimeError, match="begins with 127"):
        host.start_daemon("llq-watcher", CONFIG + "[stub]\naddress = 0.0.0.0\n")


def test_a_taken_port_is_waited_for(host, zone):
    taker = host.popen(["/usr/bin/python3", "-c", f"import socket, time; s = socket.socket(); s.bind(('{STUB}', {PORT})); "
                        "s.listen(); print('bound', flush=True); time.sleep(100)"], stdout=subprocess.PIPE)
    assert taker.stdout.readline() == b"bound\n"
    start(host, wait=False)
    host.wait_for(("llq-watcher", "State", "watching"))
    assert "Address already in use" in get(host, "NamesReason") and get(host, "Stub") == ""
    taker.kill()
    taker.wait()
    taker.stdout.close()
    host.wait_for(lambda: short(host, OTHER, "AAAA") == [OTHER_ID], 20)


# With resolved.

@pytest.fixture
def tunnel(host):
    if resolved.missing():
        pytest.skip(resolved.missing())
    tunnel = resolved.PlayedTunnel(host, OWN_ID)
    yield tunnel
    tunnel.down()


def wait_told(host):
    def holds():
        # What is told comes in pieces, and the last one is the server.
        told = get(host, "Names") == "resolved"
        settings = resolved.link_settings(host)
        if not told or not settings or {d[0] for d in settings["Domains"]} != {ACCOUNT, reverse(OWN_ID), reverse(OTHER_ID)}:
            return None
        return settings
    return host.wait_for(holds, 20, "resolved knows the domains")


def lookup(host, name=OTHER, server="127.0.0.53"):
    return short(host, name, "AAAA", server=server, port="53")


def watch_calls(host):
    """What is told to resolved from now on, in its order: a function that gives the members called."""
    with open(host.path("/run/lab/calls"), "wb") as log:
        host.popen(["dbus-monitor", "--system", "interface='org.freedesktop.resolve1.Manager'"], stdout=log, stderr=log)
    # Its first lines say that it has begun.
    wait_until(lambda: "NameAcquired" in host.read("/run/lab/calls"), 10, "dbus-monitor")
    return lambda: re.findall(r"member=(\w*Link\w*)", host.read("/run/lab/calls"))


def test_resolved_asks_the_stub(host, zone, tunnel):
    resolved.start_polkit(host)
    process = resolved.start_resolved(host)
    calls = watch_calls(host)
    start(host)
    assert get(host, "Names") == "waiting" and "homeward0" in get(host, "NamesReason")
    tunnel.up()
    settings = wait_told(host)
    # No server before it is known what it is for: till then it would be asked about everything.
    told = host.wait_for(lambda: "SetLinkDNSEx" in calls() and calls(), 10)
    assert told[0] == "SetLinkDomains" and "SetLinkDefaultRoute" in told[:told.index("SetLinkDNSEx")]
    assert all(routing_only for _, routing_only in settings["Domains"])
    assert not settings["DefaultRoute"] and settings["LLMNR"] == settings["MulticastDNS"] == "no"
    assert settings["DNSSEC"] == settings["DNSOverTLS"] == "no"
    assert settings["DNSEx"][0][2:] == (int(PORT), "")
    host.wait_for(lambda: lookup(host) == [OTHER_ID])
    for asked, said in (OTHER, "desktop"), (OTHER_ID, OTHER):
        host.wait_for(lambda: said in host.run(["getent", "hosts", asked], env=resolved.NSS, check=False).stdout)
    # What is not the account's goes elsewhere.
    before = get(host, "Counters")["StubQueries"]
    dig(host, "example.com", "AAAA", "+timeout=1", server="127.0.0.53", port="53")
    assert get(host, "Counters")["StubQueries"] == before
    # It is killed and comes back.
    process.kill()
    process.wait()
    host.wait_for(("llq-watcher", "Names", "manual"))
    process = resolved.run_resolved(host)
    wait_told(host)
    host.wait_for(lambda: lookup(host) == [OTHER_ID])
    # The interface goes and returns.
    tunnel.down()
    host.wait_for(("llq-watcher", "Names", "waiting"))
    tunnel.up()
    wait_told(host)
    host.wait_for(lambda: lookup(host) == [OTHER_ID])
    # An orderly end leaves nothing behind.
    assert host.stop_daemon("llq-watcher") == 0
    host.wait_for(lambda: resolved.link_settings(host)["Domains"] == [] == resolved.link_settings(host)["DNSEx"])


def test_sign_out_and_a_killed_watcher(host, zone, tunnel):
    resolved.start_polkit(host)
    resolved.start_resolved(host)
    tunnel.up()
    identity, _ = start(host)
    wait_told(host)
    host.kill_daemon("llq-watcher")
    assert resolved.link_settings(host)["Domains"]
    # Nobody is signed in when the next one starts: it clears up.
    identity.change(**SIGNED_OUT)
    host.start_daemon("llq-watcher")
    host.wait_for(lambda: resolved.link_settings(host)["Domains"] == [])
    assert get(host, "Names") == "off"


def test_resolved_that_may_not_be_told(host, zone, tunnel, tmp_path):
    (tmp_path / "none.rules").write_text("// Nobody may anything.\n")
    resolved.start_polkit(host, tmp_path)
    resolved.start_resolved(host)
    tunnel.up()
    start(host)
    host.wait_for(("llq-watcher", "Names", "manual"))
    reason = get(host, "NamesReason")
    assert "systemd-resolved does not take our names" in reason and "server=/" in reason


def test_short_names_and_the_port_of_dns(host, zone, tunnel):
    """search = yes; and a stub that /etc/resolv.conf can name, since port 53 is free to us here."""
    host.run("sysctl -qw net.ipv4.ip_unprivileged_port_start=53")
    resolved.start_polkit(host)
    resolved.start_resolved(host)
    tunnel.up()
    start(host, "[stub]\nsearch = yes\nport = 53\n", wait=False)
    settings = wait_told(host)
    assert [domain for domain, routing_only in settings["Domains"] if not routing_only] == [ACCOUNT]
    assert settings["DNSEx"][0][2:] == (0, "")
    # resolved has been told, but may still be about it.
    host.wait_for(lambda: host.run(["getent", "ahosts", "desktop"], env=resolved.NSS, check=False).stdout.split()[:1] ==
                  [OTHER_ID])
    # The stub as the only name server, without resolved.
    host.run("rm -f /etc/nsswitch.conf")
    host.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    host.write("/etc/resolv.conf", f"nameserver {STUB}\n")
    assert host.run(["getent", "ahosts", OTHER]).stdout.split()[0] == OTHER_ID
    assert OTHER in host.run(["getent", "hosts", OTHER_ID]).stdout
