# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong gets a clear answer, and loses nothing."""
import pytest

from homeward_lab import wait_until
from homeward_lab.lab import ACCOUNT, DOMAIN


def test_sign_in_and_see_each_other(make_lab):
    lab = make_lab(sign_in=False)
    assert lab.desktop.get_property("registrar", "State") in ("signed-out", "waiting-identity", "starting")
    lab.sign_in_all()
    lab.wait_all_see()
    hosts = lab.desktop.homewardctl("hosts").stdout
    assert "laptop" in hosts
    seen = lab.sees(lab.desktop, lab.laptop)
    assert seen["HostId"] == lab.host_id(lab.laptop)
    assert seen["TunnelLabel"] == lab.laptop.get_property("identity", "TunnelLabel")


def test_password_is_nowhere(make_lab):
    """Not in the process list, not in logs, not in the files of the daemons."""
    lab = make_lab()
    for host in (*lab.hosts.values(), lab.zone):
        found = host.run("grep -sl 'correct horse[ ]battery' /run/lab/*.log /proc/[0-9]*/cmdline /proc/[0-9]*/environ || true;"
                         "grep -srl 'correct horse[ ]battery' /run/homeward /var/lib/homeward /etc/homeward || true").stdout
        assert found == ""


def test_wrong_password(make_lab):
    lab = make_lab(sign_in=False)
    lab.sign_in(lab.desktop, password="wrong", wait=False)
    lab.desktop.wait_for(("registrar", "State", "bad-key"), lab.patience)
    assert "password" in lab.desktop.get_property("registrar", "Reason").lower()
    assert "password" in lab.desktop.homewardctl("status", check=False).stdout.lower()
    lab.desktop.homewardctl("sign-out")
    lab.desktop.wait_for(("registrar", "State", "signed-out"), lab.patience)
    lab.sign_in_all()
    lab.wait_all_see()


def test_unknown_account(make_lab):
    lab = make_lab(sign_in=False)
    lab.sign_in(lab.desktop, account="bob", wait=False)
    lab.desktop.wait_for(("registrar", "State", "bad-key"), lab.patience)
    assert lab.desktop.get_property("registrar", "Reason")


def test_name_taken(make_lab):
    lab = make_lab(sign_in=False)
    lab.sign_in(lab.desktop)
    lab.published(lab.desktop)
    lab.laptop.call("identity", "SetHostName", "s", "desktop")
    lab.sign_in(lab.laptop, wait=False)
    lab.laptop.wait_for(("registrar", "State", "name-taken"), lab.patience)
    assert "desktop" in lab.laptop.get_property("registrar", "Reason")
    # The first desktop did not notice.
    assert lab.desktop.get_property("registrar", "State") == "published"
    # Another name, and all is well.
    lab.laptop.homewardctl("sign-out")
    lab.laptop.wait_for(("identity", "State", "signed-out"), lab.patience)
    lab.laptop.call("identity", "SetHostName", "s", "laptop")
    lab.sign_in(lab.laptop)
    lab.wait_all_see()


def test_sign_out_removes_records(make_lab):
    lab = make_lab()
    lab.laptop.homewardctl("sign-out")
    lab.desktop.wait_for(lambda: lab.sees(lab.desktop, lab.laptop) is None, lab.patience, "laptop's records gone")
    lab.laptop.wait_for(("tunneld", "State", "signed-out"), lab.patience)
    assert lab.laptop.get_property("identity", "Certificate") == b""
    lab.sign_in(lab.laptop)
    lab.wait_all_see()


def test_shutdown_removes_records(make_lab):
    lab = make_lab()
    assert lab.laptop.stop_daemon("registrar") == 0
    lab.desktop.wait_for(lambda: lab.sees(lab.desktop, lab.laptop) is None, lab.patience, "laptop's records gone")


def test_zone_server_absent_then_back(make_lab):
    lab = make_lab(start=False)
    lab.start_network()
    lab.start_zone()
    lab.zone.stop_daemon("zoned")
    for host in lab.hosts.values():
        lab.start_house(host)
        lab.sign_in(host, wait=False)
    lab.desktop.wait_for(("registrar", "State", lambda state: state in ("unreachable", "discovering")), lab.patience)
    assert lab.desktop.get_property("registrar", "Reason")
    lab.zone.start_daemon("zoned", supervise=True)
    lab.wait_all_see(90)


def test_zone_server_gone_and_back(make_lab):
    """While it is away hosts still talk; what changed meanwhile is published when it is back."""
    lab = make_lab()
    lab.zone.stop_daemon("zoned")
    lab.ping(lab.desktop, lab.laptop)
    lab.laptop.move(lab.gateways["C"])
    lab.ping(lab.laptop, lab.desktop)
    lab.zone.start_daemon("zoned", supervise=True)
    lab.published(lab.laptop, 90)
    lab.wait_all_see(90)


@pytest.mark.parametrize("kind", ["plain", "silent"])
def test_gateway_without_mapping(make_lab, kind):
    """RFC 6281 §4.1: no answer from the gateway means to behave as on a public network."""
    lab = make_lab(kinds={"A": kind}, sign_in=False)
    lab.sign_in_all()
    lab.desktop.wait_for(("mapper", "NatKind", "unmapped"), lab.patience)
    for host in lab.hosts.values():
        lab.published(host)
    lab.wait_all_see()
    # Out is possible, and then back.
    lab.ping(lab.desktop, lab.laptop)
    lab.ping(lab.laptop, lab.desktop)


def test_gateway_refuses(make_lab):
    lab = make_lab(kinds={"A": "refusing"}, sign_in=False)
    lab.sign_in(lab.desktop, wait=False)
    lab.sign_in(lab.laptop)

    def refused():
        return [m for m in lab.desktop.get_objects("mapper", "org.homeward.Mapper1.Mapping").values()
                if m["State"] == "failed" and m["LastError"]]
    assert lab.desktop.wait_for(refused, lab.patience, "mapping refused")
    lab.published(lab.laptop)
    # Another network, and all is well.
    lab.desktop.move(lab.gateways["D"])
    lab.published(lab.desktop)
    lab.wait_all_see()
    lab.ping(lab.laptop, lab.desktop)


def test_gateway_gone_for_a_while(make_lab):
    lab = make_lab()
    lab.desktop.disconnect()
    lab.desktop.wait_for(("mapper", "State", "no-network"), lab.patience)
    lab.desktop.wait_for(("tunneld", "State", "no-network"), lab.patience)
    lab.desktop.move(lab.gateways["A"])
    lab.published(lab.desktop)
    lab.wait_all_see()
    lab.ping(lab.laptop, lab.desktop)


def test_two_labs_at_once(make_lab):
    """The same addresses, names and ports twice on one machine."""
    one, two = make_lab(), make_lab()
    assert one.host_id(one.laptop) != two.host_id(two.laptop)
    for lab in (one, two):
        lab.ping(lab.desktop, lab.laptop)
    two.laptop.move(two.gateways["C"])
    two.published(two.laptop)
    one.published(one.laptop)
    assert one.external(one.laptop)[0] == "11.0.2.1" and two.external(two.laptop)[0] == "11.0.3.1"


def test_wire(make_lab):
    """From before the first sign-in to a sign-out: nothing in clear but DNS, nothing malformed."""
    lab = make_lab(start=False)
    lab.start_network()
    capture = lab.capture()
    lab.start_zone()
    for host in lab.hosts.values():
        lab.start_house(host)
    lab.sign_in_all()
    lab.wait_all_see()
    lab.start_transfer(size=8 << 20).finish()
    lab.laptop.move(lab.gateways["C"])
    lab.published(lab.laptop)
    lab.wait_all_see()
    ids = [lab.host_id(host) for host in lab.hosts.values()]
    lab.laptop.homewardctl("sign-out")
    lab.desktop.wait_for(lambda: lab.sees(lab.desktop, lab.laptop) is None, lab.patience)
    assert capture.stop() == 0
    wire = capture.examine({"the file": lab.mark, "the password": b"correct horse battery"}, ids)
    assert wire["problems"] == []
    assert wire["octets"]["esp"] > 8 << 20 and wire["frames"]["ike"] >= 4 and wire["frames"]["dns"] > 10


def test_leaves_come_back_after_everything_stopped(make_lab):
    """All daemons of a host stop and start again, as on an update of the package."""
    lab = make_lab()
    for name in reversed(list(lab.laptop.daemons)):
        assert lab.laptop.stop_daemon(name) == 0
    lab.start_house(lab.laptop)
    lab.published(lab.laptop)
    lab.wait_all_see()
    lab.ping(lab.desktop, lab.laptop)
    assert wait_until(lambda: lab.laptop.get_property("identity", "Account") == ACCOUNT)
    assert lab.laptop.get_property("identity", "Domain") == DOMAIN


def test_two_hosts_in_one_home(make_lab):
    """The gateway gives the second one another port than it translates to; both are reached from outside, and stay
    so when the other side moves."""
    lab = make_lab(homes={"desktop": "A", "tablet": "A", "laptop": "B"})
    ports = {lab.external(host)[1] for host in (lab.desktop, lab.tablet)}
    assert len(ports) == 2
    for host in (lab.desktop, lab.tablet):
        lab.ping(lab.laptop, host)
        lab.ping(host, lab.laptop)
    transfer = lab.start_transfer(lab.tablet, lab.laptop, size=24 << 20)
    transfer.wait_total(4 << 20)
    lab.laptop.move(lab.gateways["C"])
    transfer.finish()
    assert transfer.problems() == []
    lab.published(lab.laptop)
    lab.wait_all_see()
    # No swapping between ports: what a settled path sends is data, not news of a move.
    before = [lab.laptop.get_properties("tunneld", path, "org.homeward.Tunnel1.Peer")["Counters"]["EndpointMoves"]
              for path in lab.laptop.get_objects("tunneld", "org.homeward.Tunnel1.Peer")]
    assert sum(before) < 40
