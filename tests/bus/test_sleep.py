# SPDX-License-Identifier: LGPL-2.1-or-later
"""registrar leaves the zone before the machine sleeps. logind is the template of python-dbusmock."""
import pytest

from fake_logind import MANAGER, MOCK, PATH, Logind, missing
from fake_zone import ACCOUNT, ADDRESS, CONFIG, PORT, FakeZone, TlsZone, added, deleted, fake_identity, fake_mapper, move
from homeward_lab import wait_until

SETTINGS = CONFIG + "[registration]\nstartup-delay-msec = 0\n"


@pytest.fixture
def host(make_host):
    if missing():
        pytest.skip(missing())
    return make_host("desktop")


@pytest.fixture
def zone(host):
    zone = FakeZone(host)
    yield zone
    zone.close()


def start(host):
    host.identity, host.mapper = fake_identity(host), fake_mapper(host)
    host.start_daemon("registrar", SETTINGS)
    host.wait_for(("registrar", "State", "published"), 30)


def test_withdraws_and_registers_again(host, zone):
    logind = Logind(host)
    start(host)
    logind.wait_lock(True)
    n = len(zone.requests)
    logind.prepare_for_sleep(True)
    update = zone.wait_update(after=n, withdrawal=True).message
    assert "desktop AAAA" in deleted(update)
    logind.wait_lock(False)
    host.wait_for(("registrar", "State", "suspended"))
    assert tuple(host.get_property("registrar", "Published")) == (0, 0, 0, "")
    # Nothing is sent from the network that comes up before the machine says that it is awake.
    n, before = len(zone.requests), {request.octets for request in zone.requests if request}
    move(host.mapper, 2, "198.51.100.7")
    host.wait_for(("registrar", "State", "suspended"))
    # The withdrawal may have been sent again.
    assert not [request for request in zone.requests[n:] if request and request.octets not in before]
    logind.prepare_for_sleep(False)
    # Whichever of the two it heard first.
    zone.wait(lambda request: hasattr(request.message, "update") and
              any("198.51.100.7" in record for record in added(request.message)), after=n)
    host.wait_for(("registrar", "State", "published"))
    logind.wait_lock(True)
    assert [words for _, _, words in host.get_property("registrar", "Timeline") if "machine" in words] == [
        "the machine goes to sleep", "the machine is awake again"]


def test_a_connection_from_before_is_not_used(host):
    zone = TlsZone(host)
    logind = Logind(host)
    host.identity, host.mapper = fake_identity(host), fake_mapper(host)
    host.start_daemon("registrar", f"[server]\naddress = {ADDRESS}\nport = {PORT}\n[registration]\nstartup-delay-msec = 0\n")
    host.wait_for(("registrar", "State", "published"), 30)
    logind.wait_lock(True)
    logind.prepare_for_sleep(True)
    logind.wait_lock(False)
    first = zone.tls.n_connections
    logind.prepare_for_sleep(False)
    host.wait_for(("registrar", "State", "published"))
    assert zone.tls.n_connections > first
    zone.close()


def test_does_not_hold_the_machine_up(host, zone):
    """The server is silent: the lock goes before logind loses patience, and all is well after."""
    logind = Logind(host, delay_usec=1500000)
    start(host)
    logind.wait_lock(True)
    host.restart_daemon("registrar")
    host.wait_for(("registrar", "State", "published"), 30)
    logind.wait_lock(True)
    zone.silent = True
    logind.prepare_for_sleep(True)
    logind.wait_lock(False)
    wait_until(lambda: "goes to sleep without its word" in host.log("registrar"))
    zone.silent = False
    n = len(zone.requests)
    logind.prepare_for_sleep(False)
    zone.wait_update(after=n)
    host.wait_for(("registrar", "State", "published"))
    logind.wait_lock(True)


def test_nothing_published_nothing_to_wait_for(host, zone):
    logind = Logind(host)
    host.start_daemon("registrar", SETTINGS)
    logind.wait_lock(True)
    logind.prepare_for_sleep(True)
    logind.wait_lock(False)
    logind.prepare_for_sleep(False)
    logind.wait_lock(True)


def test_started_while_the_machine_goes_to_sleep(host, zone):
    logind = Logind(host)
    logind.call(MOCK, "UpdateProperties", "sa{sv}", MANAGER, {"PreparingForSleep": ("b", True)})
    host.identity, host.mapper = fake_identity(host), fake_mapper(host)
    host.start_daemon("registrar", SETTINGS)
    host.wait_for(("registrar", "State", "suspended"))
    logind.prepare_for_sleep(False)
    host.wait_for(("registrar", "State", "published"))


def test_logind_comes_later_and_goes(host, zone):
    start(host)
    logind = Logind(host)
    logind.wait_lock(True)
    logind.prepare_for_sleep(True)
    host.wait_for(("registrar", "State", "suspended"))
    # Nobody is left to say that the machine is awake: it is.
    logind.process.end()
    host.wait_for(("registrar", "State", "published"))


def test_a_stranger_does_not_send_us_to_sleep(host, zone):
    logind = Logind(host)
    start(host)
    logind.wait_lock(True)
    host.run(["setpriv", "--reuid=65534", "--clear-groups", "dbus-send", "--system", "--type=signal",
              "--dest=org.homeward.Registrar1", PATH, MANAGER + ".PrepareForSleep", "boolean:true"])
    n = len(zone.requests)
    host.call("registrar", "Refresh")
    assert added(zone.wait_update(after=n).message)
    host.wait_for(("registrar", "State", "published"))
    assert not any("sleep" in words for _, _, words in host.get_property("registrar", "Timeline"))
