# SPDX-License-Identifier: LGPL-2.1-or-later
"""mapper after the machine slept: whatever it knew is asked for again at once. The clocks' side of it, without logind, is
tests/unit/mapper/test-resume-watch.c."""
import pytest

from fake_logind import MANAGER, PATH, Logind, missing
from homeward_lab import wait_until
from homeward_lab.mappings import Caller, wait_mapping
from homeward_lab.played import PlayedGateway, natpmp_address, natpmp_map

WORDS = "awake again: all is asked for anew"


@pytest.fixture
def host(make_host):
    if missing():
        pytest.skip(missing())
    return make_host("desktop")


@pytest.fixture
def played(make_gateway):
    """A gateway that grants everything for a day: nothing would be asked of it for half of one."""
    played = PlayedGateway(make_gateway(kind="plain"))
    played.external = "11.0.1.1"

    def answer(octets):
        if octets[:2] == b"\0\0":
            return natpmp_address(played.external)
        if octets[:2] == b"\0\1":
            port = int.from_bytes(octets[4:6], "big")
            return natpmp_map(port, port, 86400)
        return None
    played.serve(answer)
    yield played
    played.close()


def counted(host):
    return [words for _, _, words in host.get_property("mapper", "Timeline")].count(WORDS)


def test_proves_anew(host, played):
    logind = Logind(host)
    host.move(played.gateway)
    host.start_daemon("mapper")
    caller = Caller(host)
    path = caller.add()
    wait_mapping(host, path, "mapped", ("11.0.1.1", 4500))
    generation = host.get_property("mapper", "NetworkGeneration")
    logind.prepare_for_sleep(True)
    logind.prepare_for_sleep(False)
    wait_until(lambda: counted(host) == 1, 10)
    # While it slept, its provider gave the gateway another address.
    played.external = "11.0.1.99"
    logind.prepare_for_sleep(True)
    logind.prepare_for_sleep(False)
    wait_mapping(host, path, "mapped", ("11.0.1.99", 4500))
    assert counted(host) == 2
    assert host.get_property("mapper", "NetworkGeneration") == generation + 1


def test_anybody_can_send_a_signal(host, played):
    logind = Logind(host)
    host.move(played.gateway)
    host.start_daemon("mapper")
    host.wait_for(("mapper", "ExternalAddress", "11.0.1.1"))
    host.run(["busctl", "--address=unix:path=/run/dbus/system_bus_socket", "emit", PATH, MANAGER,
                                "PrepareForSleep", "b", "false"])
    logind.prepare_for_sleep(True)
    logind.prepare_for_sleep(False)
    wait_until(lambda: counted(host) == 1, 10)


def test_logind_comes_later(host, played):
    host.move(played.gateway)
    host.start_daemon("mapper")
    host.wait_for(("mapper", "ExternalAddress", "11.0.1.1"))
    logind = Logind(host)
    logind.prepare_for_sleep(True)
    logind.prepare_for_sleep(False)
    wait_until(lambda: counted(host) == 1, 10)
