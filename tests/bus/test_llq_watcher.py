# SPDX-License-Identifier: LGPL-2.1-or-later
"""llq-watcher on a bus of its own, its neighbours and the zone's server played by the test."""
import threading
import time

import pytest

from fake_zone import (ACCOUNT, CONFIG, HOST_ID, LABEL, REFRESH, SECRET, SIGNED_OUT, FakeZone, fake_identity,
                       fake_mapper, move, sign_in_anew)

HOST = "org.homeward.Watcher1.Host"
SERVICE = "_autotunnel._udp.desktop"
OTHER_LABEL = "AutoTunnel-00-22-69-FF-FE-8E-34-2B"


@pytest.fixture
def host(make_host):
    return make_host("laptop")


@pytest.fixture
def zone(host):
    zone = FakeZone(host, ("laptop",))
    zone.records.update({
        ("_autotunnel._udp", "PTR"): [SERVICE, "_autotunnel._udp.laptop"],
        ("desktop", "AAAA"): [HOST_ID], ("desktop", "TXT"): ['"model=Linux x86_64" "os=Debian"'],
        (SERVICE, "SRV"): [f"0 0 4500 {LABEL}"], (LABEL, "A"): ["203.0.113.5"]})
    yield zone
    zone.close()


def get(host, name):
    return host.get_property("llq-watcher", name)


def counter(host, name):
    return get(host, "Counters")[name]


def hosts(host):
    return host.get_objects("llq-watcher", HOST)


def desktop(host):
    return next((seen for seen in hosts(host).values() if seen["Name"] == "desktop." + ACCOUNT), None)


def wait_endpoint(host, address, port=4500):
    def holds():
        seen = desktop(host)
        return seen and tuple(seen["Endpoint"]) == (address, port) and seen
    return host.wait_for(holds, 30, f"desktop at {address}:{port}")


def start(host, settings=""):
    neighbours = fake_identity(host, "laptop"), fake_mapper(host)
    host.start_daemon("llq-watcher", CONFIG + settings)
    return neighbours


def watching(host, zone):
    """... and desktop is seen."""
    neighbours = start(host)
    wait_endpoint(host, "203.0.113.5")
    host.wait_for(("llq-watcher", "State", "watching"))
    return neighbours


def test_the_walk(host, zone):
    start(host)
    seen = wait_endpoint(host, "203.0.113.5")
    assert list(hosts(host)) == ["/org/homeward/Watcher1/host/desktop"]
    host.wait_for(("llq-watcher", "State", "watching"))
    host.wait_for(lambda: desktop(host)["DeviceInfo"] == ["model=Linux x86_64", "os=Debian"])
    seen = desktop(host)
    assert seen["HostId"] == HOST_ID and seen["TunnelLabel"] == LABEL and seen["Live"] and seen["Since"] > 0
    assert get(host, "Server") == "127.0.0.1:5300" and get(host, "Transport") == "llq-udp"
    assert get(host, "LastHeard") > 0 and "1 other host" in get(host, "Reason")


def test_an_event_moves_a_host(host, zone):
    watching(host, zone)
    first = desktop(host)["EndpointGeneration"]
    octets, mac = zone.event(LABEL, "A", ["203.0.113.5"], ["198.51.100.7"])
    assert wait_endpoint(host, "198.51.100.7")["EndpointGeneration"] == first + 1
    ack = zone.wait_ack(octets, mac)
    assert zone.llq_of(ack)[1] == 3 and zone.llq_of(ack)[3] == zone.llq(LABEL, "A")[0]
    # Again, as if the acknowledgement had been lost.
    zone.acks.clear()
    zone.udp.sendto(octets, zone.llq(LABEL, "A")[1]["source"])
    zone.wait_ack(octets, mac)
    assert counter(host, "DuplicateEvents") == 1 and desktop(host)["EndpointGeneration"] == first + 1


def test_another_target(host, zone):
    watching(host, zone)
    zone.records[OTHER_LABEL, "A"] = ["192.0.2.9"]
    zone.event(SERVICE, "SRV", [f"0 0 4500 {LABEL}"], [f"0 0 61234 {OTHER_LABEL}"])
    seen = wait_endpoint(host, "192.0.2.9", 61234)
    assert seen["TunnelLabel"] == OTHER_LABEL


def test_a_host_comes_and_goes(host, zone):
    watching(host, zone)
    zone.records["server", "AAAA"] = ["fd01::2"]
    zone.event("_autotunnel._udp", "PTR", added=["_autotunnel._udp.server"])
    host.wait_for(lambda: len(hosts(host)) == 2)
    zone.event("_autotunnel._udp", "PTR", [SERVICE])
    host.wait_for(lambda: desktop(host) is None)
    assert list(hosts(host)) == ["/org/homeward/Watcher1/host/server"]


def test_lease_of_a_host_ends(host, zone):
    watching(host, zone)
    zone.event(LABEL, "A", ["203.0.113.5"])
    host.wait_for(lambda: not desktop(host)["Live"])
    assert tuple(desktop(host)["Endpoint"]) == ("", 0)


def test_forged_events_change_nothing(host, zone):
    watching(host, zone)
    octets, _ = zone.event(LABEL, "A", ["203.0.113.5"], ["192.0.2.66"], forge=b"x" * len(SECRET))
    host.wait_for(lambda: counter(host, "DroppedUnverified") == 1)
    source = zone.llq(LABEL, "A")[1]["source"]
    # Without the signature, and cut at every length.
    for size in range(0, len(octets), 7):
        zone.udp.sendto(octets[:size], source)
    host.wait_for(lambda: counter(host, "DroppedMalformed") >= len(octets) // 7)
    assert tuple(desktop(host)["Endpoint"]) == ("203.0.113.5", 4500) and not zone.acks


def test_lost_datagrams(host, zone):
    zone.lose = 2
    watching(host, zone)
    assert zone.lose == 0


def test_move_sets_up_anew_and_keeps_what_it_knew(host, zone):
    identity, mapper = watching(host, zone)
    before = counter(host, "Setups")
    zone.silent = True
    move(mapper, 2, "198.51.100.1")
    host.wait_for(lambda: counter(host, "Setups") >= before + 5)
    assert get(host, "State") == "connecting" and desktop(host)["Live"]
    zone.records[LABEL, "A"] = ["198.51.100.7"]
    zone.silent = False
    wait_endpoint(host, "198.51.100.7")
    host.wait_for(("llq-watcher", "State", "watching"))


def test_server_forgot_its_queries(host, zone):
    start(host, "[queries]\nkeepalive-msec = 1000\n")
    wait_endpoint(host, "203.0.113.5")
    zone.llqs.clear()
    zone.records[LABEL, "A"] = ["198.51.100.7"]
    wait_endpoint(host, "198.51.100.7")


def test_keeps_the_path_open_without_a_mapping(host, zone):
    identity, mapper = start(host, "[queries]\nkeepalive-msec = 1000\nprobe-msec = 3600000\n")
    wait_endpoint(host, "203.0.113.5")
    call = next(call for call in mapper.calls if call.member == "AddMapping")
    label, protocol, internal, external, lifetime = call.values
    assert (label, protocol, lifetime) == ("llq", "udp", 0) and internal == external
    assert internal == zone.llq(LABEL, "A")[1]["source"][1]
    zone.wait(lambda r: any(o.otype == 1 for o in r.message.options) and zone.llq_of(r.message)[1] == REFRESH,
              what="a refresh")


def test_server_gone_and_back(host, zone):
    start(host, "[queries]\nkeepalive-msec = 1000\n")
    wait_endpoint(host, "203.0.113.5")
    zone.silent = True
    host.wait_for(("llq-watcher", "State", "retrying"), 40)
    host.wait_for(lambda: not desktop(host)["Live"])
    since = desktop(host)["NotHeardSince"]
    assert 0 < since <= time.time() - 10 and get(host, "NotHeardSince") == since
    assert tuple(desktop(host)["Endpoint"]) == ("203.0.113.5", 4500)
    zone.silent = False
    host.wait_for(("llq-watcher", "State", "watching"), 60)
    host.wait_for(lambda: desktop(host)["Live"] and not desktop(host)["NotHeardSince"])


def test_sign_out(host, zone):
    identity, mapper = watching(host, zone)
    identity.change(**SIGNED_OUT)
    host.wait_for(("llq-watcher", "State", "signed-out"))
    assert hosts(host) == {} and get(host, "Server") == "" and get(host, "Transport") == "none"
    host.wait_for(lambda: not zone.llqs)


def test_a_mapping_that_comes_when_it_is_not_wanted_any_more(host, zone):
    mapping, give = "/org/homeward/Mapper1/mapping/7", threading.Event()
    identity, mapper = fake_identity(host, "laptop"), fake_mapper(host)
    mapper.methods["AddMapping"] = lambda *arguments: give.wait(60) and ("o", mapping)
    host.start_daemon("llq-watcher", CONFIG)
    host.wait_for(("llq-watcher", "State", "watching"))
    identity.change(**SIGNED_OUT)
    host.wait_for(("llq-watcher", "State", "signed-out"))
    give.set()
    host.wait_for(lambda: any(call.member == "Release" and call.path == mapping for call in mapper.calls))


def test_wrong_password_and_then_the_right_one(host, zone):
    identity = fake_identity(host, "laptop", secret=b"wrong" * 6)
    fake_mapper(host)
    host.start_daemon("llq-watcher", CONFIG)
    host.wait_for(("llq-watcher", "State", "refused"), 30)
    assert "wrong password or unknown account" in get(host, "Reason")
    sign_in_anew(identity)
    host.wait_for(("llq-watcher", "State", "watching"), 30)


def test_clocks_differ(host, zone):
    zone.ahead = 600
    start(host)
    host.wait_for(("llq-watcher", "State", "retrying"))
    assert get(host, "Reason") == ("this host's clock is 10 min behind the server's: set the clock "
                                   "(timedatectl set-ntp true)")


def test_orderly_end_says_goodbye(host, zone):
    watching(host, zone)
    assert host.stop_daemon("llq-watcher") == 0
    host.wait_for(lambda: not zone.llqs)
