# SPDX-License-Identifier: LGPL-2.1-or-later
"""`homewardctl share --from-lan` with the real Avahi: services come and go with what it sees."""
import json
import signal

import pytest

from fake_zone import CONFIG, FakeZone, added, deleted, fake_identity, fake_mapper
from homeward_lab import avahi

SETTINGS = CONFIG + "[registration]\nstartup-delay-msec = 0\n"


@pytest.fixture
def gateway(make_gateway):
    if avahi.missing():
        pytest.skip(avahi.missing())
    gateway = make_gateway(kind="plain")
    # Machines of one home reach each other; where the kernel's bridges have it, the rules for what is routed are asked.
    gateway.run("sysctl -qw net.bridge.bridge-nf-call-iptables=0 || true")
    return gateway


@pytest.fixture
def host(make_host, gateway):
    host = make_host("desktop")
    host.move(gateway)
    return host


@pytest.fixture
def zone(host):
    zone = FakeZone(host)
    yield zone
    zone.close()


@pytest.fixture
def published(host, zone):
    host.identity, host.mapper = fake_identity(host), fake_mapper(host)
    host.start_daemon("registrar", SETTINGS)
    host.wait_for(("registrar", "State", "published"), 30)
    return host


def shares(host):
    return json.loads(host.homewardctl("--json", "shares").stdout)["services"]


def wait_names(host, *names):
    """The services published, by their names."""
    host.wait_for(lambda: sorted(share["name"] for share in shares(host) if share["state"] == "published") ==
                  sorted(names), 40, f"published: {names}")


def lan(host):
    return json.loads(host.homewardctl("--json", "shares").stdout)["from_lan"]


def test_what_this_host_announces(published, zone):
    avahi.start_avahi(published)
    printer = avahi.publish(published, "Büro. 1", "_ipp._tcp", 631, "rp=ipp/print", "note=Küche", "=ignored", "flag")
    avahi.publish(published, "Seite", "_http._tcp", 80)
    n = len(zone.requests)
    published.homewardctl("share", "--from-lan", "ipp")
    update = zone.wait_update(after=n).message
    instance = "B\\195\\188ro\\.\\0321._ipp._tcp"
    assert f"{instance} SRV 0 0 631 desktop" in added(update)
    text = next(record for record in added(update) if " TXT " in record)
    assert '"rp=ipp/print"' in text and '"note=K\\195\\188che"' in text and '"flag"' in text and "ignored" not in text
    wait_names(published, "Büro. 1")
    assert shares(published)[0]["source"] == "lan"
    # It goes with the one on the local network.
    n = len(zone.requests)
    printer.end()
    update = zone.wait_update(after=n, withdrawal=True).message
    assert f"{instance} SRV" in deleted(update) and f"_ipp._tcp PTR {instance}" in deleted(update)
    wait_names(published)
    # And comes again.
    avahi.publish(published, "Büro. 1", "_ipp._tcp", 632)
    wait_names(published, "Büro. 1")
    assert shares(published)[0]["port"] == 632


def test_avahi_comes_and_goes(published, zone):
    published.homewardctl("share", "--from-lan", "_http._tcp")
    published.wait_for(lambda: "systemctl start avahi-daemon" in lan(published)[0]["trouble"], 10)
    assert "carrying _http._tcp" in published.homewardctl("shares").stdout
    daemon = avahi.start_avahi(published)
    avahi.publish(published, "Seite", "_http._tcp", 8080)
    wait_names(published, "Seite")
    assert lan(published) == [{"type": "_http._tcp", "everyone": False, "trouble": ""}]
    daemon.end()
    wait_names(published)
    avahi.start_avahi(published)
    avahi.publish(published, "Seite", "_http._tcp", 8080)
    wait_names(published, "Seite")


def test_kept_and_ended(published, zone):
    avahi.start_avahi(published)
    avahi.publish(published, "Seite", "_http._tcp", 8080)
    published.homewardctl("share", "http", "--port", "80", "--name", "Seite")
    published.homewardctl("share", "--from-lan", "http")
    # The one that was shared first has the name.
    wait_names(published, "Seite", "Seite (2)")
    assert published.homewardctl("unshare", "2", check=False).returncode == 4
    published.kill_daemon("registrar", signal.SIGKILL)
    published.restart_daemon("registrar")
    wait_names(published, "Seite", "Seite (2)")
    published.homewardctl("unshare", "--from-lan", "http")
    wait_names(published, "Seite")
    published.homewardctl("share", "--from-lan", "http")
    wait_names(published, "Seite", "Seite (2)")
    published.homewardctl("unshare", "--all")
    wait_names(published)
    assert lan(published) == [] and shares(published) == []


def test_of_the_neighbours_only_when_asked(published, zone, make_host, gateway):
    neighbour = make_host("printer")
    neighbour.move(gateway)
    for host in published, neighbour:
        avahi.start_avahi(host)
    avahi.publish(neighbour, "Laser", "_ipp._tcp", 631, "rp=x")
    avahi.publish(published, "Tinte", "_ipp._tcp", 632)
    published.homewardctl("share", "--from-lan", "ipp")
    wait_names(published, "Tinte")
    published.homewardctl("share", "--from-lan", "--everyone", "ipp")
    wait_names(published, "Tinte", "Laser")
    laser = next(share for share in shares(published) if share["name"] == "Laser")
    assert "printer.local offers it at port 631" in laser["reason"] and "forward" in laser["reason"]
    published.homewardctl("share", "--from-lan", "ipp")
    wait_names(published, "Tinte")
