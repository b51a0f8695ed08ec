# SPDX-License-Identifier: LGPL-2.1-or-later
"""A connection outlives what happens to the networks under it. No time is judged here, only that it goes on."""
import threading

import pytest

from homeward_lab import build_directory
from homeward_lab.daemons import has_sanitizers

# Enough for a move in the middle; sanitized, a tunnel is some times slower.
SIZE = (24 if has_sanitizers(build_directory()) else 48) << 20

pytestmark = pytest.mark.xdist_group("moves")


@pytest.fixture
def lab(shared_lab):
    """Both hosts at home, whatever the test before did."""
    for host, home in ((shared_lab.desktop, "A"), (shared_lab.laptop, "B")):
        if host.gateway is not shared_lab.gateways[home]:
            host.move(shared_lab.gateways[home])
    for host in shared_lab.hosts.values():
        shared_lab.published(host)
    shared_lab.wait_all_see()
    return shared_lab


def run_transfer(lab, act, size=SIZE):
    transfer = lab.start_transfer(size=size)
    transfer.wait_total(size // 8)
    act()
    transfer.wait_more(1 << 20)
    transfer.finish()
    assert transfer.problems() == []
    for host in lab.hosts.values():
        lab.published(host)
    lab.wait_all_see()


def test_first_packet_is_held_not_lost(shared_lab):
    """Nothing was negotiated yet: one packet, one answer."""
    said = shared_lab.desktop.run(["ping", "-6", "-n", "-c", "1", "-W", "60",
                                   shared_lab.host_id(shared_lab.laptop)]).stdout
    assert "1 packets transmitted, 1 received" in said


def test_they_reach_each_other(lab):
    lab.ping(lab.desktop, lab.laptop)
    lab.ping(lab.laptop, lab.desktop)


def test_undisturbed(lab):
    run_transfer(lab, lambda: None)


def test_receiver_moves(lab):
    run_transfer(lab, lambda: lab.laptop.move(lab.gateways["C"]))


def test_sender_moves(lab):
    run_transfer(lab, lambda: lab.desktop.move(lab.gateways["D"]))


def test_moves_there_and_back_at_once(lab):
    def act():
        lab.laptop.move(lab.gateways["C"])
        lab.laptop.move(lab.gateways["B"])
    run_transfer(lab, act)


def test_both_move(lab):
    def act():
        movers = [threading.Thread(target=host.move, args=(lab.gateways[gateway],))
                  for host, gateway in ((lab.desktop, "D"), (lab.laptop, "C"))]
        for mover in movers:
            mover.start()
        for mover in movers:
            mover.join()
    run_transfer(lab, act)


def test_gateway_reboots(lab):
    run_transfer(lab, lambda: lab.gateways["A"].reboot())


def test_gateway_reboots_with_another_address(lab):
    run_transfer(lab, lambda: lab.gateways["A"].reboot("11.0.1.201"))
    assert lab.external(lab.desktop)[0] == "11.0.1.201"


def test_gateway_keeps_connections_at_a_former_address(lab):
    """What came in by them leaves with the former address, which no provider lets through: only the zone tells the other
    side where to."""
    run_transfer(lab, lambda: lab.gateways["B"].change_address("11.0.2.203", forget=False))
    assert lab.external(lab.laptop)[0] == "11.0.2.203"


def test_cable_goes_wifi_stays_and_cable_comes_back(lab):
    """The kernel's routes decide. But the cable's stays when its carrier goes, until somebody removes it, and leads nowhere:
    the tunnel takes the other way then, and so do the daemons that talk to the zone."""
    cable, wifi = lab.gateways["B"], lab.gateways["C"]

    def seen_at(gateway):
        address = gateway.wan_address
        return lambda: any(peer["Endpoint"][0] == address for peer in
                           lab.desktop.get_objects("tunneld", "org.homeward.Tunnel1.Peer").values())

    def told_at(gateway):
        return lambda: (lab.sees(lab.desktop, lab.laptop) or {"Endpoint": [None]})["Endpoint"][0] == gateway.wan_address
    lab.laptop.add_uplink(wifi)
    transfer = lab.start_transfer(size=SIZE)
    transfer.wait_total(SIZE // 8)
    cable.batch(["link set h-laptop down"])
    lab.desktop.wait_for(seen_at(wifi), what="the laptop by its second uplink")
    lab.desktop.wait_for(told_at(wifi), what="the zone's word of the second uplink")
    lab.laptop.wait_for(("llq-watcher", "State", "watching"))
    cable.batch(["link set h-laptop up"])
    lab.desktop.wait_for(seen_at(cable), what="the laptop by its cable again")
    transfer.finish()
    assert transfer.problems() == []
    lab.laptop.batch(["link del eth1"])


def test_both_gateways_reboot(lab):
    def act():
        lab.gateways["A"].reboot("11.0.1.202")
        lab.gateways["B"].reboot("11.0.2.202")
    run_transfer(lab, act)


def test_no_network_for_a_while(lab):
    def act():
        lab.laptop.disconnect()
        lab.laptop.wait_for(("mapper", "State", "no-network"))
        lab.laptop.move(lab.gateways["C"])
    run_transfer(lab, act)


def test_host_id_stays(lab):
    before = lab.host_id(lab.laptop)
    lab.laptop.move(lab.gateways["C"])
    lab.published(lab.laptop)
    assert lab.host_id(lab.laptop) == before


def test_double_hop_network(lab):
    """Onto the bare internet: no gateway, own address is the endpoint."""
    lab.laptop.attach_internet(lab.internet, "11.0.9.9")
    lab.published(lab.laptop)
    seen = lab.wait_sees(lab.desktop, lab.laptop)
    assert seen["Endpoint"][0] == "11.0.9.9"
    lab.ping(lab.desktop, lab.laptop)
