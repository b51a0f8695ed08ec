# SPDX-License-Identifier: LGPL-2.1-or-later
"""Any daemon may be killed at any moment, and comes back by itself: started again as its unit would, it finds its
place from the others' state. A transfer that is running goes on."""
import pytest

from homeward_lab import HOUSE, build_directory
from homeward_lab.daemons import has_sanitizers

# Enough for a move in the middle; sanitized, a tunnel is some times slower.
SIZE = (24 if has_sanitizers(build_directory()) else 48) << 20
pytestmark = pytest.mark.xdist_group("kills")
READY = {"mapper": "ready", "identity": "signed-in", "registrar": "published", "llq-watcher": "watching",
         "tunneld": "ready", "keyd": "ready"}


def settled(lab):
    for host in lab.hosts.values():
        for name in HOUSE:
            host.wait_for((name, "State", READY[name]), lab.patience)
        lab.published(host)
    lab.wait_all_see()


@pytest.mark.parametrize("host_name", ["desktop", "laptop"])
@pytest.mark.parametrize("name", HOUSE)
def test_killed_in_a_transfer(shared_lab, host_name, name):
    lab = shared_lab
    settled(lab)
    host = lab.hosts[host_name]
    transfer = lab.start_transfer(size=SIZE)
    transfer.wait_total(SIZE // 8)
    starts = host.daemons[name].starts
    host.kill_daemon(name)
    host.wait_restarted(name, starts)
    transfer.wait_more(1 << 20)
    transfer.finish()
    assert transfer.problems() == []
    settled(lab)


def test_zoned_killed_in_a_transfer(shared_lab):
    lab = shared_lab
    settled(lab)
    transfer = lab.start_transfer(size=SIZE)
    transfer.wait_total(SIZE // 8)
    starts = lab.zone.daemons["zoned"].starts
    lab.zone.kill_daemon("zoned")
    lab.zone.wait_restarted("zoned", starts)
    transfer.finish()
    assert transfer.problems() == []
    # What it had acknowledged is still there, and it takes news.
    lab.laptop.move(lab.gateways["C"])
    settled(lab)
    lab.laptop.move(lab.gateways["B"])
    settled(lab)


@pytest.mark.parametrize("name", HOUSE)
def test_killed_while_moving(shared_lab, name):
    """Killed in the middle of the flow that a move starts."""
    lab = shared_lab
    settled(lab)
    transfer = lab.start_transfer(size=SIZE)
    transfer.wait_total(SIZE // 8)
    starts = lab.laptop.daemons[name].starts
    home = "C" if lab.laptop.gateway is lab.gateways["B"] else "B"
    lab.laptop.move(lab.gateways[home])
    lab.laptop.kill_daemon(name)
    lab.laptop.wait_restarted(name, starts)
    transfer.finish()
    assert transfer.problems() == []
    settled(lab)


def test_all_killed(shared_lab):
    lab = shared_lab
    settled(lab)
    for name in HOUSE:
        lab.laptop.kill_daemon(name)
    settled(lab)
    lab.ping(lab.desktop, lab.laptop)


def test_no_nonce_twice(make_lab):
    """Neither a killed tunneld nor a killed keyd makes two packets with the same key and nonce."""
    lab = make_lab(uplink_mbit={"A": 100})
    capture = lab.capture()
    transfer = lab.start_transfer(size=SIZE)
    for share, name in ((6, "tunneld"), (3, "keyd"), (2, "tunneld")):
        transfer.wait_total(SIZE // share)
        lab.desktop.kill_daemon(name)
    transfer.finish()
    assert transfer.problems() == []
    assert capture.stop() == 0
    assert capture.examine({"the file": lab.mark}, map(lab.host_id, lab.hosts.values()))["problems"] == []


def test_bus_restarts(make_lab):
    """The bus goes and comes back: the daemons end, are started again and go on."""
    lab = make_lab()
    lab.laptop.stop_bus()
    lab.laptop.start_bus()
    settled(lab)
    lab.ping(lab.desktop, lab.laptop)
