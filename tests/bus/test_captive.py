# SPDX-License-Identifier: LGPL-2.1-or-later
"""Networks that show a page of their own first: as NetworkManager says (a template of python-dbusmock), and as the
configured page shows."""
import importlib.util
import socket
import threading

import pytest

from homeward_lab import wait_until
from homeward_lab.mappings import socket_in

NM = "org.freedesktop.NetworkManager"
NM_PATH = "/org/freedesktop/NetworkManager"
MOCK = "org.freedesktop.DBus.Mock"
CONFIG = "[network]\ncaptive_check = http://{}:8099/check\n"
ONLINE = b"HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\nNetworkManager is online\n"
LOGIN = b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n"


@pytest.fixture
def host(make_host):
    return make_host("desktop")


class Page:
    """An HTTP server of one answer."""

    def __init__(self, gateway):
        self.answer, self.requests, self.hold = ONLINE, [], threading.Event()
        self.hold.set()
        self.socket = socket_in(gateway, (gateway.lan_address, 8099), kind=socket.SOCK_STREAM)
        self.socket.settimeout(0.1)
        self.socket.listen(8)
        self.ending = False
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while not self.ending:
            try:
                connection, _ = self.socket.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(60)
                self.requests.append(connection.recv(4096))
                self.hold.wait(60)
                try:
                    connection.sendall(self.answer)
                except OSError:
                    pass

    def close(self):
        self.ending = True
        self.hold.set()
        self.thread.join()
        self.socket.close()


@pytest.fixture
def gateway(make_gateway):
    return make_gateway(kind="plain")


def kind(host):
    return host.get_property("mapper", "NetworkKind")


def test_page(host, make_gateway):
    gateway = make_gateway(kind="plain")
    page = Page(gateway)
    page.answer = LOGIN
    host.move(gateway)
    host.start_daemon("mapper", CONFIG.format(gateway.lan_address))
    host.wait_for(("mapper", "NetworkKind", "captive"))
    assert page.requests[0].startswith(b"GET /check HTTP/1.1\r\nHost: %s:8099\r\n" % gateway.lan_address.encode())
    assert "browser" in host.get_property("mapper", "Reason")
    generation = host.get_property("mapper", "NetworkGeneration")
    # Somebody logged in.
    page.answer = ONLINE
    host.call("mapper", "Check")
    host.wait_for(("mapper", "NetworkKind", "private"))
    assert host.get_property("mapper", "NetworkGeneration") == generation
    page.close()


def test_silent_page(host, make_gateway):
    """Nobody there, or one that never answers: nothing is said of the network, and nobody waits for it."""
    gateway = make_gateway(kind="plain")
    page = Page(gateway)
    page.hold.clear()
    host.move(gateway)
    host.start_daemon("mapper", CONFIG.format(gateway.lan_address))
    wait_until(lambda: page.requests, 10)
    host.wait_for(("mapper", "NetworkKind", "private"))
    # Another network while the question is under way.
    other = make_gateway("B", 2, kind="plain")
    host.move(other)
    host.wait_for(("mapper", "LocalAddress", host.address))
    assert kind(host) == "private"
    assert host.stop_daemon("mapper") == 0
    page.close()


def test_configuration(host):
    with pytest.raises(RuntimeError, match="captive_check"):
        host.start_daemon("mapper", "[network]\ncaptive_check = https://example.org/\n")


class NetworkManager:
    def __init__(self, host):
        if importlib.util.find_spec("dbusmock") is None:
            pytest.skip("python3-dbusmock is not installed")
        self.host = host
        host.write("/run/lab/bus.d/nm.conf", f"""<busconfig><policy user="root"><allow own="{NM}"/></policy>
            <policy context="default"><allow send_destination="{NM}"/></policy></busconfig>""")
        host.bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig")
        with open(host.path("/run/lab/nm.log"), "wb") as log:
            self.process = host.popen(["/usr/bin/python3", "-m", "dbusmock", "--system", "--template", "networkmanager"],
                                      stdout=log, stderr=log)
        wait_until(lambda: host.bus.owner(NM), 20, "NetworkManager on the bus")

    def set_connectivity(self, value):
        self.host.bus.call(NM, NM_PATH, MOCK, "SetConnectivity", "u", value)


def test_network_manager(host, gateway):
    host.move(gateway)
    host.start_daemon("mapper")
    host.wait_for(("mapper", "NetworkKind", "private"))
    manager = NetworkManager(host)
    manager.set_connectivity(2)
    host.wait_for(("mapper", "NetworkKind", "captive"))
    manager.set_connectivity(4)
    host.wait_for(("mapper", "NetworkKind", "private"))
    manager.set_connectivity(2)
    host.wait_for(("mapper", "NetworkKind", "captive"))
    # One that was there before we came.
    host.restart_daemon("mapper")
    host.wait_for(("mapper", "NetworkKind", "captive"))
    manager.process.end()
    host.wait_for(("mapper", "NetworkKind", "private"))
