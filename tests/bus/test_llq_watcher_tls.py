# SPDX-License-Identifier: LGPL-2.1-or-later
"""llq-watcher by DNS Push and by long-lived queries over TLS; the zone's server played by the test."""
import struct

import dns.rcode
import pytest

from fake_zone import (ADDRESS, HOST_ID, LABEL, PORT, PushZone, fake_identity, fake_mapper, move)
from test_llq_watcher import SERVICE, desktop, get, hosts, wait_endpoint

CONFIG = f"[server]\naddress = {ADDRESS}\nport = {PORT}\n%s[stub]\nenable = no\n"


@pytest.fixture
def host(make_host):
    return make_host("laptop")


@pytest.fixture
def zone(host):
    zone = PushZone(host, ("laptop",))
    zone.records.update({
        ("_autotunnel._udp", "PTR"): [SERVICE, "_autotunnel._udp.laptop"],
        ("desktop", "AAAA"): [HOST_ID], ("desktop", "TXT"): ['"model=Linux x86_64" "os=Debian"'],
        (SERVICE, "SRV"): [f"0 0 4500 {LABEL}"], (LABEL, "A"): ["203.0.113.5"]})
    yield zone
    zone.close()


def watching(host, settings="", transport="push-tls"):
    neighbours = fake_identity(host, "laptop"), fake_mapper(host)
    host.start_daemon("llq-watcher", CONFIG % settings)
    wait_endpoint(host, "203.0.113.5")
    host.wait_for(("llq-watcher", "State", "watching"))
    assert get(host, "Transport") == transport
    return neighbours


def llq_in_clear(zone):
    return [r for r in zone.requests if r and r.tcp != "tls" and any(o.otype == 1 for o in r.message.options)]


def test_push(host, zone):
    watching(host)
    assert get(host, "Server") == f"{ADDRESS}:{zone.tls.port}" and zone.bound and not zone.llqs
    zone.push(LABEL, "A", ["203.0.113.5"], ["198.51.100.7"])
    wait_endpoint(host, "198.51.100.7")
    # A host comes, and goes again.
    zone.records["server", "AAAA"] = ["fd01::2"]
    zone.push("_autotunnel._udp", "PTR", added=["_autotunnel._udp.server"])
    host.wait_for(lambda: len(hosts(host)) == 2)
    zone.push("_autotunnel._udp", "PTR", ["_autotunnel._udp.server"])
    host.wait_for(lambda: len(hosts(host)) == 1)
    with zone.changed:
        assert zone.changed.wait_for(lambda: not zone.live("server", "AAAA"), 60)
    assert not llq_in_clear(zone)


def test_a_whole_set_removed_at_once(host, zone):
    watching(host)
    tls = zone.live(LABEL, "A")[0][0]
    name = zone.full(LABEL).to_wire()
    zone.tls.send(tls, zone.dso(0, False, 0, (0x41, name + struct.pack("!HHIH", 1, 1, 0xFFFFFFFE, 0))))
    host.wait_for(lambda: not desktop(host)["Live"] and tuple(desktop(host)["Endpoint"]) == ("", 0))


def test_another_network_is_another_connection(host, zone):
    identity, mapper = watching(host)
    zone.records[LABEL, "A"] = ["198.51.100.7"]
    first = zone.tls.n_connections
    move(mapper, 2, "198.51.100.1")
    wait_endpoint(host, "198.51.100.7")
    host.wait_for(("llq-watcher", "State", "watching"))
    assert zone.tls.n_connections > first and desktop(host)["Live"]


def test_a_broken_connection_is_made_anew_and_its_first_set_is_the_truth(host, zone):
    watching(host)
    zone.records["_autotunnel._udp", "PTR"] = ["_autotunnel._udp.server"]
    zone.records["server", "AAAA"] = ["fd01::2"]
    zone.tls.drop_all()
    host.wait_for(lambda: list(hosts(host)) == ["/org/homeward/Watcher1/host/server"])
    host.wait_for(("llq-watcher", "State", "watching"))
    assert get(host, "Transport") == "push-tls"


@pytest.mark.parametrize("rcode", [4, 11, 1])
def test_a_server_without_push(host, zone, rcode):
    zone.dso_rcode = rcode
    zone.records["_dns-llq-tls._udp", "SRV"] = [f"0 0 {zone.tls.port} ns"]
    watching(host, transport="llq-tls")
    assert not llq_in_clear(zone) and not zone.subscriptions
    host.wait_for(lambda: all(llq["live"] for llq in list(zone.llqs.values())))


def test_llq_by_tls_without_a_server_for_push(host, zone):
    del zone.records["_dns-push-tls._tcp", "SRV"]
    zone.records["_dns-llq-tls._tcp", "SRV"] = [f"0 0 {zone.tls.port} ns"]
    watching(host, transport="llq-tls")
    assert not llq_in_clear(zone)
    # The events come down the connection.
    identifier, llq = zone.llq(LABEL, "A")
    zone.udp, udp = type("Sender", (), {"sendto": lambda self, octets, to: zone.tls.send(zone.tls.connections[-1], octets)})(), zone.udp
    zone.event(LABEL, "A", ["203.0.113.5"], ["198.51.100.7"])
    zone.udp = udp
    wait_endpoint(host, "198.51.100.7")


def test_in_the_clear_only_where_the_configuration_says_so(host, zone):
    del zone.records["_dns-push-tls._tcp", "SRV"]
    fake_identity(host, "laptop"), fake_mapper(host)
    host.start_daemon("llq-watcher", CONFIG % "")
    host.wait_for(("llq-watcher", "State", "retrying"))
    assert "names no server for TLS" in get(host, "Reason") and get(host, "Transport") == "none" and not llq_in_clear(zone)
    host.stop_daemon("llq-watcher")
    host.start_daemon("llq-watcher", CONFIG % "encryption = preferred\n")
    wait_endpoint(host, "203.0.113.5")
    assert get(host, "Transport") == "llq-udp"


def test_preferred_is_not_for_wrong_certificates(host, zone):
    zone.records[f"_{zone.tls.port}._tcp.ns", "TLSA"] = ["3 1 1 " + "00" * 32]
    fake_identity(host, "laptop"), fake_mapper(host)
    host.start_daemon("llq-watcher", CONFIG % "encryption = preferred\n")
    host.wait_for(("llq-watcher", "State", "retrying"))
    assert zone.tls.pin in get(host, "Reason") and not llq_in_clear(zone)


def test_nor_with_a_server_that_is_not_there(host, zone):
    zone.records[f"_{zone.tls.port}._tcp.ns", "TLSA"] = ["3 1 1 " + "00" * 32]
    zone.records["_dns-llq-tls._udp", "SRV"] = ["0 0 9999 ns"]
    fake_identity(host, "laptop"), fake_mapper(host)
    host.start_daemon("llq-watcher", CONFIG % "encryption = preferred\n")
    host.wait_for(("llq-watcher", "State", "retrying"))
    assert not llq_in_clear(zone)


def test_no_mapping_for_what_is_no_datagram(host, zone):
    identity, mapper = watching(host)
    assert not [call for call in mapper.calls if call.member == "AddMapping"]


def test_a_server_that_asks_to_be_left_alone(host, zone):
    watching(host)
    tls = zone.live(LABEL, "A")[0][0]
    n = zone.tls.n_connections
    zone.tls.send(tls, zone.dso(0, False, 0, (2, struct.pack("!I", 6000))))
    host.wait_for(("llq-watcher", "State", "retrying"))
    assert "left alone for 6 s" in get(host, "Reason") and not desktop(host)["Live"] and zone.tls.n_connections == n
    host.wait_for(("llq-watcher", "State", "watching"))
    assert desktop(host)["Live"]


@pytest.mark.parametrize("message", [
    b"\x00\x00\xb0\x00" + b"\0" * 8,                                              # a response without an id
    b"\x77\x77\xb0\x00" + b"\0" * 8,                                              # ... to nothing that was asked
    b"\x00\x00\x30\x00" + b"\0" * 8 + b"\x00\x41\x00\x00",                        # a PUSH of nothing
    b"\x00\x00\x30\x00" + b"\0" * 8 + b"\x00\x40\x00\x01\x00",                    # SUBSCRIBE
    b"\x00\x00\x30\x00" + b"\0" * 8 + b"\x00\x01\x00\x08" + b"\0\0\x3a\x98\0\0\0\x64",  # keepalive every 100 ms
    b"\x00\x00\x30\x00" + b"\0" * 8 + b"\xff\x00\x00\x00",                        # what is not known
])
def test_errors_of_the_protocol_end_the_connection(host, zone, message):
    watching(host)
    tls, n = zone.live(LABEL, "A")[0][0], zone.tls.n_connections
    zone.tls.send(tls, message)
    with zone.changed:
        assert zone.changed.wait_for(lambda: zone.tls.n_connections > n, 60)
    host.wait_for(("llq-watcher", "State", "watching"))
    assert get(host, "Counters")["DroppedMalformed"] == 1


def test_a_silent_server_is_noticed(host, zone):
    zone.times = (15000, 10000)
    watching(host, "[queries]\nkeepalive-msec = 1000\n")
    zone.silent = True
    host.wait_for(("llq-watcher", "State", "retrying"), 60)
    assert not desktop(host)["Live"] and desktop(host)["NotHeardSince"] > 0
    zone.silent = False
    host.wait_for(("llq-watcher", "State", "watching"), 60)


def test_wrong_key(host, zone):
    """Whoever the server is, we are not who we say."""
    fake_identity(host, "laptop", secret=b"wrong" * 6)
    fake_mapper(host)
    host.start_daemon("llq-watcher", CONFIG % "")
    host.wait_for(("llq-watcher", "State", "refused"))


def test_not_bound(host, zone):
    zone.dso_rcode = dns.rcode.REFUSED
    fake_identity(host, "laptop"), fake_mapper(host)
    host.start_daemon("llq-watcher", CONFIG % "")
    host.wait_for(("llq-watcher", "State", "refused"))
    assert "refuses to be watched" in get(host, "Reason")
