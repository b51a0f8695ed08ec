# SPDX-License-Identifier: LGPL-2.1-or-later
"""Services that a host shares: registrar and homewardctl on a bus of their own, the zone's server played by the test."""
import json
import signal

import dns.rcode
import pytest

from fake_zone import (ACCOUNT, CONFIG, FakeZone, SIGNED_OUT, added, deleted, fake_identity, fake_mapper, move,
                       signed_in)
from homeward_lab import BusError, introspection

SETTINGS = CONFIG + "[registration]\nstartup-delay-msec = 0\n"
SSH = ["desktop._ssh._tcp SRV 0 0 22 desktop", 'desktop._ssh._tcp TXT ""', "_ssh._tcp PTR desktop._ssh._tcp",
       "_services._dns-sd._udp PTR _ssh._tcp"]


class Zone(FakeZone):
    """Takes no service whose SRV is at one of `taken` (YXDOMAIN) or `refused`."""

    def __init__(self, host):
        super().__init__(host)
        self.taken, self.refused, self.host_rcode = set(), set(), dns.rcode.NOERROR

    def take_update(self, message):
        owners = {record.split(" SRV ")[0].replace("\\032", " ").replace("\\", "")
                  for record in added(message) if " SRV " in record}
        self.update_rcode = (dns.rcode.YXDOMAIN if owners & self.taken else
                             dns.rcode.REFUSED if owners & self.refused else self.host_rcode)
        return super().take_update(message)

    def updates(self, after=0):
        return [request.message for request in self.requests[after:] if request and hasattr(request.message, "update")]


@pytest.fixture
def host(make_host):
    return make_host("desktop")


@pytest.fixture
def zone(host):
    zone = Zone(host)
    yield zone
    zone.close()


@pytest.fixture
def published(host, zone):
    host.identity, host.mapper = fake_identity(host), fake_mapper(host)
    host.start_daemon("registrar", SETTINGS)
    host.wait_for(("registrar", "State", "published"), 30)
    return host


def ctl(host, *arguments, status=0, **options):
    result = host.homewardctl(*arguments, check=False, **options)
    assert result.returncode == status, f"{arguments}: {result.returncode}\n{result.stdout}{result.stderr}"
    return result.stdout + result.stderr


def shares(host):
    return json.loads(host.homewardctl("--json", "shares").stdout)["services"]


def wait_share(host, number=0, **wanted):
    host.wait_for(lambda: len(shares(host)) > number and
                  all(shares(host)[number][key] == value for key, value in wanted.items()), 20, str(wanted))
    return shares(host)[number]


def test_share_and_unshare_ssh(published, zone):
    n = len(zone.requests)
    assert "_ssh._tcp port 22" in ctl(published, "share", "ssh")
    update = zone.wait_update(after=n).message
    # Only what is new, and RRsets of our own first out of the way.
    assert added(update) == SSH
    assert sorted(deleted(update)) == ["desktop._ssh._tcp SRV", "desktop._ssh._tcp TXT"]
    assert [option.data for option in update.options if option.otype == 2] == [(5400).to_bytes(4, "big")]
    share = wait_share(published, state="published")
    assert (share["name"], share["type"], share["port"], share["source"]) == ("desktop", "_ssh._tcp", 22, "command")
    introspection.check(published, "registrar")
    assert any("_ssh._tcp" in record for record in published.get_property("registrar", "Records"))
    n = len(zone.requests)
    assert "no longer shared" in ctl(published, "unshare", "ssh")
    update = zone.wait_update(after=n, withdrawal=True).message
    assert sorted(deleted(update)) == sorted(
        ["desktop._ssh._tcp SRV", "desktop._ssh._tcp TXT", "_ssh._tcp PTR desktop._ssh._tcp",
         "_services._dns-sd._udp PTR _ssh._tcp"])
    assert shares(published) == [] and "nothing is shared" in ctl(published, "shares")


def test_all_that_can_be_said(published, zone):
    n = len(zone.requests)
    ctl(published, "share", "_http._tcp", "--port", "8080", "--name", "Anna's Büro. 2", "--txt", "path=/x", "--txt",
        "u=ü", "--subtype", "_printer")
    update = zone.wait_update(after=n).message
    instance = "Anna's\\032B\\195\\188ro\\.\\0322._http._tcp"
    assert f"{instance} SRV 0 0 8080 desktop" in added(update)
    assert f'{instance} TXT "path=/x" "u=\\195\\188"' in added(update)
    assert f"_printer._sub._http._tcp PTR {instance}" in added(update)
    share = wait_share(published, state="published")
    assert share["name"] == "Anna's Büro. 2" and share["text"] == ["path=/x", "u=ü"]
    assert share["subtypes"] == ["_printer"]
    assert "path=/x" in ctl(published, "shares")


def test_with_the_host_from_the_first_update_on(host, zone):
    """Shared while nobody was signed in: one UPDATE has it all."""
    identity = fake_identity(host)
    identity.change(**SIGNED_OUT)
    fake_mapper(host)
    host.start_daemon("registrar", SETTINGS)
    host.wait_for(("registrar", "State", "signed-out"))
    ctl(host, "share", "ssh")
    share = wait_share(host, state="waiting")
    assert "not signed in" in share["reason"]
    identity.change(**signed_in("desktop"))
    update = zone.wait_update().message
    assert set(SSH) < set(added(update)) and len(added(update)) == 7 + 4
    wait_share(host, state="published")


def test_kept_over_a_kill_and_withdrawn_at_the_end(published, zone):
    ctl(published, "share", "ssh")
    ctl(published, "share", "_http._tcp", "--name", "Seite", "--txt", "path=/")
    wait_share(published, 1, state="published")
    published.kill_daemon("registrar", signal.SIGKILL)
    n = len(zone.requests)
    published.restart_daemon("registrar")
    update = zone.wait_update(after=n).message
    assert set(SSH) < set(added(update)) and any("Seite" in record for record in added(update))
    published.wait_for(("registrar", "State", "published"))
    n = len(zone.requests)
    assert published.stop_daemon("registrar") == 0
    update = zone.wait_update(after=n, withdrawal=True).message
    assert "_ssh._tcp PTR desktop._ssh._tcp" in deleted(update) and "Seite._http._tcp SRV" in deleted(update)


def test_a_damaged_file_costs_only_what_is_damaged(published, zone):
    ctl(published, "share", "ssh")
    ctl(published, "share", "smb")
    published.stop_daemon("registrar")
    path = "/var/lib/homeward/registrar/shared-services"
    kept = published.run("cat " + path).stdout.splitlines()
    assert kept[0] == "homeward-shared-services 1" and len(kept) == 3
    published.write(path, "\n".join([kept[0], "share _ssh._tcp 99999 1 - - -", "\x01\x02", kept[2]]) + "\n")
    published.run(f"chown homeward-registrar {path}")
    published.restart_daemon("registrar")
    assert [share["type"] for share in shares(published)] == ["_smb._tcp"]
    assert "line 2" in published.log_tail("registrar", 50)


def test_moving_does_not_send_services_again(published, zone):
    ctl(published, "share", "ssh")
    wait_share(published, state="published")
    n = len(zone.requests)
    move(published.mapper, 2, "198.51.100.7")
    update = zone.wait_update(after=n).message
    assert len(added(update)) == 1 and added(update)[0].endswith("A 198.51.100.7")
    assert len(deleted(update)) == 1


def test_a_refresh_has_it_all(published, zone):
    ctl(published, "share", "ssh")
    wait_share(published, state="published")
    n = len(zone.requests)
    published.call("registrar", "Refresh")
    assert len(added(zone.wait_update(after=n).message)) == 7 + 4


def test_taken_name_gets_a_number(published, zone):
    zone.taken = {"desktop._ssh._tcp", "desktop (2)._ssh._tcp"}
    ctl(published, "share", "ssh")
    share = wait_share(published, state="published")
    assert share["name"] == "desktop (3)" and "there is a \"desktop\" already" in share["reason"]
    assert published.get_property("registrar", "State") == "published"
    # The number is kept.
    published.restart_daemon("registrar")
    n = len(zone.requests)
    wait_share(published, state="published")
    assert shares(published)[0]["name"] == "desktop (3)"
    assert not any("(2)" in str(update) for update in zone.updates(n))


def test_refused_service_keeps_nobody_out(host, zone):
    zone.refused = {"desktop._smb._tcp"}
    fake_identity(host).change(**SIGNED_OUT)
    host.start_daemon("registrar", SETTINGS)
    for service in "ssh", "smb", "http":
        ctl(host, "share", service)
    fake_mapper(host)
    host.stop_daemon("registrar")
    host.restart_daemon("registrar")
    assert [share["state"] for share in shares(host)] == ["waiting"] * 3


def test_one_of_three_is_refused(published, zone):
    zone.refused = {"desktop._smb._tcp"}
    zone.silent = True
    for service in "ssh", "smb", "http":
        ctl(published, "share", service)
    zone.silent = False
    published.wait_for(lambda: [share["state"] for share in shares(published)] ==
                       ["published", "refused", "published"], 40)
    assert "does not let this host share it" in shares(published)[1]["reason"]
    assert published.get_property("registrar", "State") == "published"
    zone.refused = set()
    published.call("registrar", "Refresh")
    wait_share(published, 1, state="published")


def test_name_of_the_host_is_told_from_that_of_a_service(host, zone):
    zone.host_rcode = dns.rcode.YXDOMAIN
    fake_identity(host)
    mapper = fake_mapper(host, 0, "", local="")
    host.start_daemon("registrar", SETTINGS)
    ctl(host, "share", "ssh")
    move(mapper, 1, "203.0.113.5")
    host.wait_for(("registrar", "State", "name-taken"))
    assert "called desktop" in host.get_property("registrar", "Reason")
    assert shares(host)[0]["state"] == "waiting" and "called desktop" in shares(host)[0]["reason"]


def test_sign_out_takes_them_along(published, zone):
    ctl(published, "share", "ssh")
    wait_share(published, state="published")
    n = len(zone.requests)
    published.identity.change(**SIGNED_OUT)
    assert "desktop._ssh._tcp SRV" in deleted(zone.wait_update(after=n, withdrawal=True).message)
    wait_share(published, state="waiting")


def test_misuse_is_explained(published, zone):
    for arguments, words in (
            (("share",), "which service"),
            (("share", "nonsense"), "not a service known here"),
            (("share", "_nonsense._tcp"), "which port"),
            (("share", "ssh", "--port", "0"), "not a port"),
            (("share", "ssh", "--port", "65536"), "not a port"),
            (("share", "ssh", "--name", ""), "the name is empty"),
            (("share", "ssh", "--name", "x" * 64), "longer than 63 octets"),
            (("share", "ssh", "--name", "a\tb"), "control character"),
            (("share", "ssh", "--txt", "=x"), "key=value"),
            (("share", "ssh", "--txt", "a=1", "--txt", "A=2"), "same key"),
            (("share", "ssh", "--txt", "a=" + "x" * 254), "255 octets"),
            (("share", "ssh", "--everyone"), "--from-lan"),
            (("share", "ssh", "--from-lan", "--port", "1"), "announced there"),
            (("share", "_autotunnel._udp", "--port", "1"), "homeward"),
            (("share", "ssh", "more"), "too many"),
            (("unshare",), "which service"),
            (("unshare", "ssh"), "not shared"),
            (("unshare", "7"), "not shared"),
            (("unshare", "7", "--from-lan"), "not a service known here"),
            (("unshare", "ssh", "--all"), "not both"),
            (("shares", "x"), "too many")):
        assert words in ctl(published, *arguments, status=2), arguments
    ctl(published, "share", "ssh")
    assert "shared already" in ctl(published, "share", "ssh", status=1)
    ctl(published, "share", "ssh", "--name", "other", "--port", "2222")
    assert "by its number" in ctl(published, "unshare", "ssh", status=2)
    ctl(published, "unshare", str(shares(published)[1]["number"]))
    assert [share["name"] for share in shares(published)] == ["desktop"]
    ctl(published, "unshare", "--all")
    assert shares(published) == []
    with published.connect_bus(65534) as nobody, pytest.raises(BusError, match="AccessDenied"):
        nobody.call("org.homeward.Registrar1", "/org/homeward/Registrar1", "org.homeward.Registrar1", "ShareService",
                    "ssqaayas", "_ssh._tcp", "", 22, [], [])


def test_there_is_a_limit(published, zone):
    for number in range(64):
        published.call("registrar", "ShareService", "ssqaayas", "_ssh._tcp", str(number), 22, [], [])
    with pytest.raises(BusError, match="LimitsExceeded"):
        published.call("registrar", "ShareService", "ssqaayas", "_ssh._tcp", "one more", 22, [], [])
    published.wait_for(lambda: all(share["state"] == "published" for share in shares(published)), 30)
    n = len(zone.requests)
    ctl(published, "unshare", "--all")
    published.wait_for(lambda: len(published.get_property("registrar", "Records")) == 7, 30)


def test_a_folder_that_cannot_be_written(published, zone):
    published.run("chown root /var/lib/homeward/registrar; chmod 700 /var/lib/homeward/registrar")
    assert "only until registrar ends" in ctl(published, "share", "ssh", status=1)
    wait_share(published, state="published")
