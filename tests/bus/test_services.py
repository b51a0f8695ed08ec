# SPDX-License-Identifier: LGPL-2.1-or-later
"""The services of the account: objects of llq-watcher, `homewardctl services`, and DNS-SD through the stub."""
import json

import pytest

from fake_zone import ACCOUNT, CONFIG, HOST_ID, SIGNED_OUT, FakeZone, fake_identity, fake_mapper
from homeward_lab import avahi, introspection, resolved

SERVICE = "org.homeward.Watcher1.Service"
TYPES = ("_services._dns-sd._udp", "PTR")
SSH = ("_ssh._tcp", "PTR")
INSTANCE = "My\\032Desktop._ssh._tcp"


@pytest.fixture
def host(make_host):
    return make_host("laptop")


@pytest.fixture
def zone(host):
    zone = FakeZone(host, ("laptop",))
    zone.records.update({
        ("_autotunnel._udp", "PTR"): ["_autotunnel._udp.desktop", "_autotunnel._udp.laptop"],
        ("desktop", "AAAA"): [HOST_ID],
        TYPES: ["_ssh._tcp"], SSH: [INSTANCE],
        (INSTANCE, "SRV"): ["0 0 22 desktop"], (INSTANCE, "TXT"): ['"user=alice" "\\200\\\\"']})
    yield zone
    zone.close()


@pytest.fixture
def identity(host, zone):
    identity, mapper = fake_identity(host, "laptop"), fake_mapper(host)
    host.start_daemon("llq-watcher", CONFIG)
    host.wait_for(lambda: services(host) and services(host)[0]["Live"] and services(host)[0]["Text"], 30, "the service")
    yield identity


def services(host):
    return list(host.get_objects("llq-watcher", SERVICE).values())


def dig(host, *what, how="+short"):
    return host.run(["dig", how, "+timeout=30", "+tries=1", "@127.0.0.62", "-p", "6281", *what],
                    check=False).stdout.splitlines()


def test_a_service_is_an_object(host, zone, identity):
    seen, = services(host)
    since = seen.pop("Since")
    assert since > 0 and seen == {
        "Name": "My Desktop", "Type": "_ssh._tcp", "Domain": ACCOUNT, "Host": "desktop", "Target": "desktop." + ACCOUNT,
        "Port": 22, "Text": [b"user=alice", b"\xc8\\"], "Live": True, "NotHeardSince": 0}
    assert SERVICE in introspection.check(host, "llq-watcher")
    shown = json.loads(host.homewardctl("services", "--json").stdout)
    assert shown[0]["name"] == "My Desktop" and shown[0]["text"] == ["user=alice", "\\xc8\\x5c"] and shown[0]["port"] == 22
    text = host.homewardctl("services").stdout
    assert "My Desktop" in text and f"desktop.{ACCOUNT} port 22" in text and "user=alice" in text


def test_it_changes_and_goes(host, zone, identity):
    zone.event(INSTANCE, "SRV", ["0 0 22 desktop"], ["0 0 2222 laptop"])
    host.wait_for(lambda: (services(host)[0]["Host"], services(host)[0]["Port"]) == ("laptop", 2222))
    zone.event(*SSH, [INSTANCE])
    host.wait_for(lambda: services(host) == [])
    assert "no other host of the account shares" in host.homewardctl("services").stdout
    zone.records[INSTANCE, "SRV"] = ["0 0 22 desktop"]
    zone.event(*SSH, added=[INSTANCE])
    host.wait_for(lambda: services(host) and services(host)[0]["Live"])
    identity.change(**SIGNED_OUT)
    host.wait_for(lambda: services(host) == [])


def test_a_service_of_a_zone_that_is_not_heard_is_not_called_live(host, zone, identity):
    host.stop_daemon("llq-watcher")
    host.start_daemon("llq-watcher", CONFIG + "[queries]\nkeepalive-msec = 1000\n")
    host.wait_for(lambda: services(host) and services(host)[0]["Live"], 30)
    zone.silent = True
    host.wait_for(lambda: not services(host)[0]["Live"], 60, "it is not live")
    seen, = services(host)
    assert seen["NotHeardSince"] > 0 and seen["Port"] == 22
    assert "server was last heard" in host.homewardctl("services").stdout
    zone.silent = False
    host.wait_for(lambda: services(host)[0]["Live"] and not services(host)[0]["NotHeardSince"], 60)


def test_programs_browse_them(host, zone, identity):
    host.wait_for(lambda: dig(host, "_services._dns-sd._udp." + ACCOUNT, "PTR") == [f"_ssh._tcp.{ACCOUNT}."])
    name = f"My\\032Desktop._ssh._tcp.{ACCOUNT}."
    assert dig(host, "_ssh._tcp." + ACCOUNT, "PTR") == [name]
    assert dig(host, name, "SRV") == [f"0 0 22 desktop.{ACCOUNT}."]
    assert dig(host, name, "TXT") == ['"user=alice" "\\200\\\\"']


def test_a_subtype_is_asked_for_when_somebody_wants_it(host, zone, identity):
    name = f"My\\032Desktop._ssh._tcp.{ACCOUNT}."
    zone.records["_work._sub._ssh._tcp", "PTR"] = [INSTANCE]
    assert dig(host, "_work._sub._ssh._tcp." + ACCOUNT, "PTR") == [name]
    assert dig(host, "+tcp", "_work._sub._ssh._tcp." + ACCOUNT, "PTR") == [name]
    # Over TCP at once, and one that nobody has.
    zone.records["_play._sub._ssh._tcp", "PTR"] = [INSTANCE]
    assert dig(host, "+tcp", "_play._sub._ssh._tcp." + ACCOUNT, "PTR") == [name]
    assert "NXDOMAIN" in "".join(dig(host, "_none._sub._ssh._tcp." + ACCOUNT, "PTR", how="+all"))
    zone.event("_work._sub._ssh._tcp", "PTR", [INSTANCE])
    host.wait_for(lambda: dig(host, "_work._sub._ssh._tcp." + ACCOUNT, "PTR") == [])
    # The server does not answer: nor do we, but not for ever.
    zone.silent = True
    assert "SERVFAIL" in "".join(dig(host, "_late._sub._ssh._tcp." + ACCOUNT, "PTR", how="+all"))
    assert "SERVFAIL" in "".join(dig(host, "+tcp", "_later._sub._ssh._tcp." + ACCOUNT, "PTR", how="+all"))


def test_this_hosts_own_records(host, zone, identity):
    zone.event("laptop", "TXT", added=['"model=own"'])
    host.wait_for(lambda: dig(host, "laptop." + ACCOUNT, "TXT") == ['"model=own"'])
    assert dig(host, "laptop." + ACCOUNT, "AAAA") == [HOST_ID]


def test_a_flood_of_services_stays_bounded_and_hosts_come_first(host, zone, identity):
    zone.records.update({("fax", "AAAA"): ["fd01::5"]})
    for i in range(20):
        zone.records[f"_t{i}._tcp", "PTR"] = [f"i{k}._t{i}._tcp" for k in range(20)]
    zone.event(*TYPES, added=[f"_t{i}._tcp" for i in range(20)])
    host.wait_for(lambda: len(services(host)) == 128, 60, "as many as are taken")
    zone.event("_autotunnel._udp", "PTR", added=["_autotunnel._udp.fax"])
    host.wait_for(lambda: dig(host, "fax." + ACCOUNT, "AAAA") == ["fd01::5"], 30, "the new host has an address")


def test_avahi_browses_the_account(host, zone, identity):
    if avahi.missing() or resolved.missing():
        pytest.skip(avahi.missing() or resolved.missing())
    resolved.start_polkit(host)
    resolved.start_resolved(host)
    tunnel = resolved.PlayedTunnel(host, HOST_ID)
    tunnel.up()
    host.wait_for(("llq-watcher", "Names", "resolved"))
    # Its wide-area browsing asks the name servers of /etc/resolv.conf.
    avahi.start_avahi(host, "lo")

    def found():
        lines = host.run(["timeout", "10", "avahi-browse", "-p", "-t", "-r", "-d", ACCOUNT, "_ssh._tcp"], check=False).stdout
        return [line.split(";") for line in lines.splitlines() if line.startswith("=")]
    service = host.wait_for(found, 30, "the service")[0]
    assert service[3] == "My\\032Desktop" and service[5:9] == [ACCOUNT, "desktop." + ACCOUNT, HOST_ID, "22"]
    assert "user=alice" in service[9]
    every = host.run(["timeout", "10", "avahi-browse", "-a", "-p", "-t", "-k", "-d", ACCOUNT], check=False).stdout
    assert "_ssh._tcp" in every
    tunnel.down()
