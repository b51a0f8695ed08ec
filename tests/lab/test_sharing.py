# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shared services between two hosts, asked for as any DNS-SD browser would, with the account's key."""
import json
import signal

import pytest

from homeward_lab.lab import ACCOUNT, DOMAIN, ZONE_ADDRESS, ZONED_CONFIG

ACCOUNT_DOMAIN = f"{ACCOUNT}.{DOMAIN}"
KEY = "/var/lib/homeward/zoned/account.key"


def write_key(lab):
    lab.zone.run(lab.zone.as_user("homeward-zone") +
                 ["/run/lab/bin/zonectl", "--config", "/etc/homeward/zoned.conf", "account", "key", ACCOUNT, "--output", KEY],
                 env=lab.zone.sanitizer_environment("zonectl"))


def dig(lab, name, kind):
    """The records a signed question finds: their data."""
    said = lab.zone.run(["dig", "+short", "+timeout=30", "+tries=2", "-k", KEY, f"@{ZONE_ADDRESS}",
                         f"{name}.{ACCOUNT_DOMAIN}", kind], check=False).stdout
    return sorted(line.replace(ACCOUNT_DOMAIN + ".", "").rstrip(".") for line in said.splitlines()
                  if not line.startswith(";"))


def services(host):
    return sorted((service["name"], service["type"], service["host"], service["port"])
                  for service in json.loads(host.homewardctl("services", "--json").stdout) if service["live"])


def share_of(host, number=0):
    return json.loads(host.homewardctl("--json", "shares").stdout)["services"][number]


@pytest.fixture
def lab(make_lab):
    lab = make_lab()
    write_key(lab)
    return lab


def test_two_hosts_share(lab):
    desktop, laptop = lab.desktop, lab.laptop
    desktop.homewardctl("share", "ssh", "--port", "2222", "--txt", "user=root")
    laptop.wait_for(lambda: services(laptop) == [("desktop", "_ssh._tcp", "desktop", 2222)], lab.patience, "seen there")
    assert dig(lab, "_ssh._tcp", "PTR") == ["desktop._ssh._tcp"]
    assert dig(lab, "desktop._ssh._tcp", "SRV") == ["0 0 2222 desktop"]
    assert dig(lab, "desktop._ssh._tcp", "TXT") == ['"user=root"']
    assert dig(lab, "_services._dns-sd._udp", "PTR") == ["_ssh._tcp"]
    # The same name again: the zone has it for the other host.
    laptop.homewardctl("share", "ssh", "--name", "desktop")
    laptop.wait_for(lambda: share_of(laptop)["state"] == "published", lab.patience, "under another name")
    assert share_of(laptop)["name"] == "desktop (2)" and "there is a" in share_of(laptop)["reason"]
    assert dig(lab, "_ssh._tcp", "PTR") == ["desktop._ssh._tcp", "desktop\\032\\(2\\)._ssh._tcp"]
    assert dig(lab, "desktop._ssh._tcp", "SRV") == ["0 0 2222 desktop"]
    desktop.wait_for(lambda: ("desktop (2)", "_ssh._tcp", "laptop", 22) in services(desktop), lab.patience, "seen here")
    # The type is named as long as one of them offers it.
    desktop.homewardctl("unshare", "ssh")
    laptop.wait_for(lambda: services(laptop) == [("desktop (2)", "_ssh._tcp", "laptop", 22)], lab.patience, "gone there")
    assert dig(lab, "_services._dns-sd._udp", "PTR") == ["_ssh._tcp"]
    laptop.homewardctl("unshare", "--all")
    desktop.wait_for(lambda: services(desktop) == [], lab.patience, "all gone")
    assert dig(lab, "_services._dns-sd._udp", "PTR") == [] and dig(lab, "_ssh._tcp", "PTR") == []
    assert dig(lab, "desktop\\032\\(2\\)._ssh._tcp", "SRV") == []


def test_they_move_with_their_host(lab):
    lab.desktop.homewardctl("share", "smb")
    lab.laptop.wait_for(lambda: services(lab.laptop), lab.patience)

    def so_far():
        return (lab.desktop.get_property("registrar", "Counters")["UpdatesAcknowledged"],
                lab.desktop.get_property("mapper", "NetworkGeneration"))
    acknowledged, generation = so_far()
    lab.desktop.move(lab.gateways["C"])
    lab.published(lab.desktop)
    # With the host's own records. What got no answer in time was sent again.
    now = so_far()
    assert 1 <= now[0] - acknowledged <= now[1] - generation
    lab.wait_all_see()
    assert services(lab.laptop) == [("desktop", "_smb._tcp", "desktop", 445)]
    assert lab.desktop.stop_daemon("registrar") == 0
    lab.laptop.wait_for(lambda: services(lab.laptop) == [], lab.patience, "gone with registrar")
    assert dig(lab, "_smb._tcp", "PTR") == [] and dig(lab, "desktop", "AAAA") == []


def test_they_end_with_the_lease(make_lab):
    """Nobody says goodbye for a host that is switched off."""
    lab = make_lab(start=False, supervise=False)
    lab.start_network()
    lab.start_zone()
    lab.zone.stop_daemon("zoned")
    lab.zone.start_daemon("zoned", ZONED_CONFIG + "[update-lease]\nminimum = 30\nmaximum = 30\n")
    for host in lab.hosts.values():
        lab.start_house(host)
    lab.sign_in_all()
    lab.wait_all_see()
    write_key(lab)
    lab.desktop.homewardctl("share", "ssh")
    lab.laptop.wait_for(lambda: services(lab.laptop), lab.patience)
    assert lab.desktop.get_property("registrar", "Published")[1] == 30
    # It is refreshed, and nothing of it goes missing over more than a lease.
    before = lab.desktop.get_property("registrar", "Counters")["UpdatesAcknowledged"]
    lab.desktop.wait_for(("registrar", "Counters", lambda counts: counts["UpdatesAcknowledged"] >= before + 2), 80)
    assert services(lab.laptop) == [("desktop", "_ssh._tcp", "desktop", 22)]
    lab.desktop.kill_daemon("registrar", signal.SIGKILL)
    lab.laptop.wait_for(lambda: services(lab.laptop) == [], 60 + lab.patience, "gone with the lease")
    gone = (("desktop", "AAAA"), ("_ssh._tcp", "PTR"), ("_services._dns-sd._udp", "PTR"))
    lab.laptop.wait_for(lambda: not any(dig(lab, *question) for question in gone), lab.patience, "all of it gone")
    assert dig(lab, "laptop", "AAAA")
