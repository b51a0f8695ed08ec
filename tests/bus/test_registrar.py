# SPDX-License-Identifier: LGPL-2.1-or-later
"""registrar on a bus of its own, its neighbours and the zone's server played by the test."""
import signal

import dns.rcode
import pytest

from fake_zone import (ACCOUNT, CONFIG, HOST_ID, LABEL, SIGNED_OUT, FakeZone, Resolving, added, deleted, fake_identity,
                       fake_mapper, move, sign_in_anew, signed_in)

SETTINGS = CONFIG + "[registration]\nstartup-delay-msec = 0\n"


@pytest.fixture
def host(make_host):
    return make_host("desktop")


@pytest.fixture
def zone(host):
    zone = FakeZone(host)
    yield zone
    zone.close()


def get(host, name):
    return host.get_property("registrar", name)


def start(host):
    """(identity, mapper), with registrar running."""
    neighbours = fake_identity(host), fake_mapper(host)
    host.start_daemon("registrar", SETTINGS)
    return neighbours


def wait_state(host, state, timeout=30):
    host.wait_for(("registrar", "State", state), timeout)


def test_publishes_what_the_design_says(host, zone):
    start(host)
    update = zone.wait_update().message
    service = "_autotunnel._udp.desktop"
    assert [record.replace('"', "") for record in added(update) if " TXT " not in record] == [
        f"{service} SRV 0 0 4500 {LABEL}", f"{LABEL} A 203.0.113.5", f"{LABEL} AAAA {HOST_ID}",
        f"desktop AAAA {HOST_ID}", f"_autotunnel._udp PTR {service}"]
    assert sorted(record.split()[0] for record in added(update) if " TXT " in record) == [LABEL, "desktop"]
    assert sorted(deleted(update)) == sorted(
        [f"{service} SRV", f"{LABEL} A", f"{LABEL} AAAA", f"{LABEL} TXT", "desktop AAAA", "desktop TXT"])
    assert update.had_tsig and update.keyname.to_text() == f"1a2b3c4d.desktop.{ACCOUNT}."
    assert [option.data for option in update.options if option.otype == 2] == [(5400).to_bytes(4, "big")]
    wait_state(host, "published")
    generation, lease, expires, server = get(host, "Published")
    assert (generation, lease, server) == (1, 5400, "127.0.0.1:5300") and expires > 0
    assert f"{LABEL}.{ACCOUNT}. 10 IN A 203.0.113.5" in get(host, "Records")
    assert [words for _, _, words in get(host, "Timeline")][-2:] == ["update sent: 203.0.113.5:4500",
                                                                     "published 203.0.113.5:4500"]


def test_waits_for_its_neighbours_in_any_order(host, zone):
    host.start_daemon("registrar", SETTINGS)
    assert get(host, "State") == "waiting-identity"
    identity = fake_identity(host)
    wait_state(host, "waiting-mapper")
    mapper = fake_mapper(host, 0, "", local="")
    wait_state(host, "waiting-network")
    move(mapper, 1, "")
    wait_state(host, "waiting-mapping")
    move(mapper, 1, "203.0.113.5")
    wait_state(host, "published")
    # What they told does not end with them.
    identity.close()
    mapper.close()
    host.wait_for(lambda: host.bus.owner("org.homeward.Mapper1") is None)
    assert get(host, "State") == "published"


def test_new_endpoint_is_published_at_once_and_an_old_one_not(host, zone):
    identity, mapper = start(host)
    wait_state(host, "published")
    n = len(zone.requests)
    move(mapper, 3, "198.51.100.7", port=61234)
    update = zone.wait_update(after=n).message
    assert f"{LABEL} A 198.51.100.7" in added(update)
    host.wait_for(("registrar", "Published", lambda published: published[0] == 3))
    move(mapper, 2, "203.0.113.5")
    host.wait_for(lambda: get(host, "Counters")["OldGenerationsIgnored"])
    assert get(host, "Published")[0] == 3 and get(host, "Counters")["UpdatesSent"] == 2


def test_granted_lease_counts(host, zone):
    zone.lease = 1800
    start(host)
    wait_state(host, "published")
    assert get(host, "Published")[1] == 1800


def test_refresh_on_demand(host, zone):
    start(host)
    wait_state(host, "published")
    host.call("registrar", "Refresh")
    host.wait_for(lambda: get(host, "Counters")["UpdatesAcknowledged"] == 2)


def test_another_network_where_we_are_reached_as_before(host, zone):
    identity, mapper = start(host)
    wait_state(host, "published")
    zone.silent = True
    n = len(zone.requests)
    host.call("registrar", "Refresh")
    first = zone.wait_update(after=n)
    move(mapper, 2, "203.0.113.5", local="192.168.7.7")
    # Not from the socket whose address was that of the network before.
    zone.wait(lambda r: r.octets == first.octets and r.source != first.source and not r.tcp, after=n)
    zone.silent = False
    wait_state(host, "published")


def test_lost_datagrams(host, zone):
    zone.lose = 2
    start(host)
    wait_state(host, "published")
    assert zone.lose == 0


def test_truncated_answers_are_asked_for_over_tcp(host, zone):
    zone.truncate = True
    start(host)
    wait_state(host, "published")
    assert any(request.tcp for request in zone.requests)


def test_unsigned_answer_is_none(host, zone):
    start(host)
    wait_state(host, "published")
    zone.sign = False
    n = len(zone.requests)
    host.call("registrar", "Refresh")
    # The second one shows that the answer to the first is on its way, and counts for nothing.
    zone.wait_update(after=zone.requests.index(zone.wait_update(after=n)) + 1)
    host.wait_for(lambda: get(host, "Counters")["MessagesDropped"] > 0)
    assert get(host, "State") != "published"
    zone.sign = True
    # On a slow machine it has given up by now, and would wait for minutes.
    host.call("registrar", "Refresh")
    wait_state(host, "published")


def test_wrong_password(host, zone):
    identity = fake_identity(host, secret=b"wrong" * 6)
    fake_mapper(host)
    host.start_daemon("registrar", SETTINGS)
    wait_state(host, "bad-key")
    assert "wrong password or unknown account" in get(host, "Reason")
    # The unsigned word was believed only where it could not be forged from beside the path.
    identity.change(**SIGNED_OUT)
    wait_state(host, "signed-out")


def test_another_password_is_seen_though_all_names_are_the_same(host, zone):
    identity = fake_identity(host, secret=b"wrong" * 6)
    fake_mapper(host)
    host.start_daemon("registrar", SETTINGS)
    wait_state(host, "bad-key")
    sign_in_anew(identity)
    wait_state(host, "published")


def test_unknown_key(host, zone):
    identity = fake_identity(host, name="other")
    fake_mapper(host)
    host.start_daemon("registrar", SETTINGS)
    wait_state(host, "bad-key")
    identity.change(**signed_in("desktop"))
    wait_state(host, "published")


def test_clocks_differ(host, zone):
    start(host)
    wait_state(host, "published")
    zone.ahead = 4000
    host.call("registrar", "Refresh")
    wait_state(host, "clock-skew")
    assert "clock is 67 min behind the server's: set the clock" in get(host, "Reason")
    zone.ahead = 0
    host.call("registrar", "Refresh")
    wait_state(host, "published")


def test_name_taken(host, zone):
    zone.update_rcode = dns.rcode.YXDOMAIN
    start(host)
    wait_state(host, "name-taken")
    assert "called desktop" in get(host, "Reason")
    zone.update_rcode = dns.rcode.NOERROR
    host.call("registrar", "Refresh")
    wait_state(host, "published")


def test_server_in_trouble_is_asked_again(host, zone):
    zone.update_rcode = dns.rcode.SERVFAIL
    start(host)
    wait_state(host, "retrying")
    zone.update_rcode = dns.rcode.NOERROR
    wait_state(host, "published")


def test_shows_what_the_server_acknowledged_and_nothing_else(host, zone):
    identity, mapper = start(host)
    wait_state(host, "published")
    shown, records = get(host, "Published"), get(host, "Records")
    zone.update_rcode = dns.rcode.SERVFAIL
    move(mapper, 2, "198.51.100.7")
    wait_state(host, "retrying")
    assert get(host, "Published") == shown and get(host, "Records") == records
    zone.update_rcode = dns.rcode.NOERROR
    wait_state(host, "published")
    assert get(host, "Published")[0] == 2 and any("198.51.100.7" in record for record in get(host, "Records"))


def test_sign_out_withdraws_and_forgets(host, zone):
    identity, mapper = start(host)
    wait_state(host, "published")
    n = len(zone.requests)
    identity.change(**SIGNED_OUT)
    update = zone.wait_update(after=n, withdrawal=True).message
    assert "_autotunnel._udp PTR _autotunnel._udp.desktop" in deleted(update)
    assert f"{LABEL} A" in deleted(update) and "desktop AAAA" in deleted(update)
    wait_state(host, "signed-out")
    assert tuple(get(host, "Published")) == (0, 0, 0, "") and get(host, "Records") == []


def test_orderly_end_withdraws_and_a_crash_does_not(host, zone):
    start(host)
    wait_state(host, "published")
    n = len(zone.requests)
    host.kill_daemon("registrar", signal.SIGKILL)
    host.restart_daemon("registrar")
    wait_state(host, "published")
    assert not any(added(request.message) == [] for request in zone.requests[n:] if hasattr(request.message, "update"))
    n = len(zone.requests)
    assert host.stop_daemon("registrar") == 0
    zone.wait_update(after=n, withdrawal=True)


def test_orderly_end_does_not_wait_long_for_a_silent_server(host, zone):
    start(host)
    wait_state(host, "published")
    zone.silent = True
    assert host.stop_daemon("registrar", timeout=10) == 0


def test_finds_the_server_by_the_resolver(host, zone):
    """Nobody answers on port 53 here: it says so, and goes on when told a server."""
    fake_identity(host)
    fake_mapper(host)
    host.write("/etc/resolv.conf", "# nobody\n")
    host.start_daemon("registrar", "[server]\nencryption = none\n[registration]\nstartup-delay-msec = 0\n")
    wait_state(host, "retrying")
    assert "names no name server" in get(host, "Reason")


@pytest.fixture
def resolving(host):
    zone = Resolving(host)
    yield zone
    zone.close()


def test_a_dead_resolver_is_asked_once(host, resolving):
    dead = FakeZone(host, address="127.0.0.2", port=53)
    dead.silent = True
    fake_identity(host)
    fake_mapper(host)
    host.write("/etc/resolv.conf", "nameserver 127.0.0.2\nnameserver 127.0.0.1\n")
    resolving.update_rcode = dns.rcode.SERVFAIL
    host.start_daemon("registrar", "[server]\nencryption = none\n[registration]\nstartup-delay-msec = 0\n")
    wait_state(host, "retrying")
    assert dead.requests and not any(request.tcp for request in dead.requests)
    n = len(dead.requests)
    resolving.update_rcode = dns.rcode.NOERROR
    wait_state(host, "published")
    assert len(dead.requests) == n, "the one that answered is asked first"
    dead.close()


def test_a_resolver_in_trouble_is_told_from_a_silent_one(host, resolving):
    fake_identity(host)
    fake_mapper(host)
    host.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    resolving.resolver_rcode = dns.rcode.SERVFAIL
    host.start_daemon("registrar", "[server]\nencryption = none\n[registration]\nstartup-delay-msec = 0\n")
    wait_state(host, "retrying")
    assert get(host, "Reason") == "the system's DNS resolver answers SERVFAIL for members.example.org; trying again"


def test_no_route_to_the_server(host):
    fake_identity(host)
    fake_mapper(host)
    host.start_daemon("registrar", "[server]\naddress = 192.0.2.1\nencryption = none\n[registration]\nstartup-delay-msec = 0\n")
    wait_state(host, "unreachable")
    assert "cannot be reached from this network" in get(host, "Reason")


def test_configuration_is_checked(host):
    for text in "[server]\naddress = here\n", "[server]\nnonsense = 1\n", "[registration]\nlease = 5\n":
        with pytest.raises(RuntimeError):
            host.start_daemon("registrar", text)
