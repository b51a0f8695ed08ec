# SPDX-License-Identifier: LGPL-2.1-or-later
"""mapper and UPnP IGD: miniupnpd as it is, and gateways that the test plays, good ones and bad ones."""
import re
import socket
import threading
import time

import pytest

from homeward_lab import wait_until
from homeward_lab.mappings import Caller, arrives, mapping, socket_in, wait_mapping
from homeward_lab.played import SSDP_GROUP, PlayedIgd

ONLY_IGD = "[gateway]\nprotocols = upnp-igd\n"
EXTERNAL = "11.0.1.1"
ELSEWHERE = "http://192.168.99.1:5000"


@pytest.fixture
def host(make_host):
    return make_host("desktop")


def get(host, name):
    return host.get_property("mapper", name)


def counter(host, name):
    return get(host, "Counters")[name]


@pytest.fixture
def play(make_gateway):
    """play(gateway or none, **options) -> PlayedIgd"""
    made = []

    def make(gateway=None, **options):
        igd = PlayedIgd(gateway or make_gateway(kind="plain"), **options)
        made.append(igd)
        return igd
    yield make
    for igd in made:
        igd.close()


def begin(host, gateway, config=ONLY_IGD, **wish):
    host.move(gateway)
    host.start_daemon("mapper", config=config)
    caller = Caller(host)
    return caller, caller.add(**wish)


def asked(igd, action):
    return [call for call in igd.calls if call[2] == action or call[0] == action]


def n_workers(host):
    """Processes that speak with gateways."""
    return len(host.run("pgrep -x igd-worker || true", timeout=10).stdout.split())


# As it should be.

@pytest.fixture
def router(make_gateway):
    return make_gateway(kind="igd", protocols=("upnp-igd",))


@pytest.mark.parametrize("protocol", ("udp", "tcp"))
def test_real_gateway(host, make_host, router, protocol):
    stranger = make_host("stranger", bus=False)
    stranger.attach_internet(router.internet, "11.0.9.9")
    caller, path = begin(host, router, label="tunnel", protocol=protocol, port=4500)
    seen = wait_mapping(host, path, "mapped", (router.wan_address, 4500))
    assert seen["Gateway"] == router.lan_address
    assert 0 < seen["Lifetime"] <= 604800
    assert router.mappings(protocol)[4500] == (host.address, 4500)
    assert get(host, "Protocol") == "upnp-igd"
    assert arrives(stranger, (router.wan_address, 4500), host, 4500, protocol)
    caller.release(path)
    wait_until(lambda: 4500 not in router.mappings(protocol), 20, "removed at the gateway")
    assert n_workers(host) <= 1


def test_real_gateway_address_changes(host, router):
    """The gateway says so to who subscribed."""
    _, path = begin(host, router)
    wait_mapping(host, path, "mapped", (router.wan_address, 4500))
    router.change_address("11.0.77.1")
    wait_mapping(host, path, "mapped", ("11.0.77.1", 4500))


def test_real_gateway_reboots(host, router):
    """What it forgot is there again soon after it announces itself."""
    _, path = begin(host, router)
    wait_mapping(host, path, "mapped", (router.wan_address, 4500))
    router.reboot()
    wait_until(lambda: router.mappings().get(4500) == (host.address, 4500), 60, "mapped again")
    wait_mapping(host, path, "mapped", (router.wan_address, 4500))


def test_removed_on_shutdown(host, router):
    _, path = begin(host, router)
    wait_mapping(host, path, "mapped", (router.wan_address, 4500))
    host.stop_daemon("mapper")
    wait_until(lambda: 4500 not in router.mappings(), what="removed")


def test_known_gateway_is_not_searched(host, play):
    igd = play()
    caller, path = begin(host, igd.gateway)
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
    assert igd.searches
    host.stop_daemon("mapper")
    igd.searches.clear()
    host.start_daemon("mapper", config=ONLY_IGD)
    path = Caller(host).add()
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
    # But when it restarts, that is heard.
    igd.mappings.clear()
    with socket_in(igd.gateway, (igd.address, 0)) as loud:
        wait_until(lambda: loud.sendto(alive(igd), SSDP_GROUP) and igd.mappings, what="mapped again", every=0.1)
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
    assert not igd.searches


def test_what_is_asked(host, play):
    """IG-1, IG-2, IG-7, IG-13: octets as they are."""
    igd = play()
    caller, path = begin(host, igd.gateway, label="a-b", port=4500, lifetime=1800)
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
    peer, search = igd.searches[0]
    assert peer[0] == host.address
    assert search == (b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n"
                      b"ST: urn:schemas-upnp-org:device:InternetGatewayDevice:2\r\n\r\n")
    arguments = asked(igd, "AddPortMapping")[0][3]
    assert list(arguments) == ["NewRemoteHost", "NewExternalPort", "NewProtocol", "NewInternalPort", "NewInternalClient",
                               "NewEnabled", "NewPortMappingDescription", "NewLeaseDuration"]
    assert arguments["NewInternalClient"] == host.address
    assert arguments["NewPortMappingDescription"] == "a-b"
    assert arguments["NewRemoteHost"] == "" and arguments["NewEnabled"] == "1"
    caller.release(path)
    wait_until(lambda: asked(igd, "DeletePortMapping") and not igd.mappings, 20, "deleted")


def test_version_2(host, play):
    """The gateway chooses the port."""
    igd = play(version=2)

    def add_any(call):
        call.arguments["NewExternalPort"] = "40000"
        return igd._add_any(call)
    igd.actions["AddAnyPortMapping"] = add_any
    _, path = begin(host, igd.gateway)
    wait_mapping(host, path, "mapped", (EXTERNAL, 40000))
    assert igd.mappings == {("UDP", 40000): (host.address, 4500)}


def test_taken_port(host, play):
    igd = play()
    igd.mappings["UDP", 4500] = ("192.168.1.77", 4500)

    def add(call):
        key = call.arguments["NewProtocol"], int(call.arguments["NewExternalPort"])
        taken = igd.mappings.get(key, (host.address,))[0] != host.address
        return igd.fault(718, "ConflictInMappingEntry") if taken else igd._add(call)
    igd.actions["AddPortMapping"] = add
    caller, path = begin(host, igd.gateway)
    external = wait_mapping(host, path, "mapped")["External"]
    assert external[0] == EXTERNAL and external[1] >= 20000
    caller.release(path)
    wait_until(lambda: list(igd.mappings) == [("UDP", 4500)], 20, "only the other's is left")


def test_only_permanent(host, play):
    igd = play()
    igd.actions["AddPortMapping"] = lambda call: (igd._add(call) if call.arguments["NewLeaseDuration"] == "0" else
                                                  igd.fault(725, "OnlyPermanentLeasesSupported"))
    caller, path = begin(host, igd.gateway)
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
    host.stop_daemon("mapper")
    wait_until(lambda: not igd.mappings, what="removed")


def test_events(host, play):
    """Believed only as a reason to ask."""
    igd = play()
    _, path = begin(host, igd.gateway)
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
    wait_until(lambda: igd.subscribers, 20, "subscribed")
    n = len(asked(igd, "GetExternalIPAddress"))
    assert igd.notify(ExternalIPAddress="11.0.66.6") == [200]
    wait_until(lambda: len(asked(igd, "GetExternalIPAddress")) > n, 20, "asked")
    assert tuple(mapping(host, path)["External"]) == (EXTERNAL, 4500)
    igd.external = "11.0.66.7"
    assert igd.notify(ExternalIPAddress="11.0.66.7") == [200]
    wait_mapping(host, path, "mapped", ("11.0.66.7", 4500))
    host.stop_daemon("mapper")
    wait_until(lambda: not igd.subscribers, 20, "unsubscribed")


def neighbour(gateway):
    """An address of another machine on the gateway's network; the lab keeps hosts of one gateway apart."""
    address = str(gateway.lan[66])
    gateway.batch([f"address add {address}/24 dev br-lan"])
    return address


def test_events_of_strangers(host, play):
    igd = play()
    other = neighbour(igd.gateway)
    _, path = begin(host, igd.gateway)
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
    callback = wait_until(lambda: igd.subscribers and list(igd.subscribers.values())[0]["callback"], 20, "subscribed")
    address, port, url = re.match(r"http://([\d.]+):(\d+)(/[0-9a-f]{16})$", callback).groups()
    port = int(port)
    assert address == host.address
    event = "NOTIFY %s HTTP/1.1\r\nNT: upnp:event\r\nNTS: upnp:propchange\r\nSID: %s\r\n\r\n"

    def say(source, octets):
        with socket_in(igd.gateway, (source, 0), socket.SOCK_STREAM) as connection:
            connection.connect((address, port))
            try:
                connection.sendall(octets)
                return (connection.recv(4096).split(b" ") + [b"", b""])[1]
            except OSError:
                return b""
    ident = list(igd.subscribers)[0]
    # Not the gateway: the connection ends without a word.
    assert say(other, (event % (url, ident)).encode()) == b""
    assert say(igd.address, (event % ("/guessed", ident)).encode()) == b"404"
    assert say(igd.address, (event % (url, "uuid:guessed")).encode()) == b"412"
    assert say(igd.address, b"GET / HTTP/1.1\r\n\r\n") == b"405"
    assert say(igd.address, b"\0" * 100 + b"\r\n\r\n") == b"400"
    assert say(igd.address, b"x" * 20000) in (b"413", b"")
    # Many that say nothing are not kept for long, and do not keep the next event out.
    idle = [socket_in(igd.gateway, (igd.address, 0), socket.SOCK_STREAM) for _ in range(20)]
    for connection in idle:
        connection.connect((address, port))
    for connection in idle:
        assert connection.recv(10) == b""
        connection.close()
    assert say(igd.address, (event % (url, ident)).encode()) == b"200"
    assert tuple(mapping(host, path)["External"]) == (EXTERNAL, 4500)


def alive(igd, boot=1):
    return ("NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNTS: ssdp:alive\r\n"
            "NT: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
            f"LOCATION: {igd.location}\r\nBOOTID.UPNP.ORG: {boot}\r\n\r\n").encode()


def test_switched_on(host, make_gateway, play):
    """While it is away mapper asks ever more seldom; but it hears when it comes."""
    gateway = make_gateway(kind="plain")
    _, path = begin(host, gateway)
    wait_until(lambda: counter(host, "GatewayAbsences") >= 1 and mapping(host, path)["State"] != "pending", 20, "given up")
    igd = play(gateway)
    igd.search = lambda octets, peer: []
    with socket_in(gateway, (igd.address, 0)) as loud:
        loud.sendto(alive(igd), SSDP_GROUP)
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))


# As it should not be: the mapping stands on the local address, and mapper answers all the time.

def drip(igd):
    igd.pages["/rootDesc.xml"] = lambda call: call.drip(b"<root>", b"<a>")


def drip_header(igd):
    igd.pages["/rootDesc.xml"] = lambda call: call.drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", head=b"")


def silence(igd):
    igd.pages["/rootDesc.xml"] = lambda call: call.drip(b"", b"", head=b"")


def flood(igd):
    igd.pages["/rootDesc.xml"] = lambda call: call.flood(10 << 20) and None


def redirect(igd):
    igd.pages["/rootDesc.xml"] = lambda call: call.connection.sendall(
        f"HTTP/1.1 302 Found\r\nLocation: {ELSEWHERE}/\r\nContent-Length: 0\r\n\r\n".encode())


def bomb(igd):
    entities = "".join(f'<!ENTITY {chr(98 + i)} "' + f"&{chr(97 + i)};" * 10 + '">' for i in range(9))
    igd.description = f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaa">{entities}]><root>&j;</root>'


def base_elsewhere(igd):
    igd.description = igd.description.replace("<device>", f"<URLBase>{ELSEWHERE}/</URLBase><device>", 1)


def control_elsewhere(igd):
    igd.description = igd.description.replace("<controlURL>/ctl<", f"<controlURL>{ELSEWHERE}/ctl<")


def control_breaks_line(igd):
    igd.description = igd.description.replace("<controlURL>/ctl<", "<controlURL>/ctl\r\nX: y<")


def location_elsewhere(igd):
    igd.search = lambda octets, peer: [igd.search_answer(octets, location=f"{ELSEWHERE}/rootDesc.xml")]


def location_by_name(igd):
    igd.search = lambda octets, peer: [igd.search_answer(octets, location="http://router.local/rootDesc.xml")]


def truncated(igd):
    igd.description = igd.description[:300]


def empty(igd):
    igd.description = ""


def answer_without_end(igd):
    igd.actions["AddPortMapping"] = lambda call: call.drip(b"<a>", b"<b>")


def answer_flood(igd):
    igd.actions["AddPortMapping"] = lambda call: call.flood(10 << 20) and None


def claims(igd):
    igd.actions["AddPortMapping"] = lambda call: {}


def claims_for_another(igd):
    igd.actions["GetSpecificPortMappingEntry"] = lambda call: {
        "NewInternalPort": 4500, "NewInternalClient": "192.168.1.77", "NewEnabled": 1, "NewLeaseDuration": 0}


def web_page(igd):
    page = igd.http("<html><body>Please log in</body></html>")
    for action in list(igd.actions):
        igd.actions[action] = lambda call: page


def refuses(igd):
    igd.actions["AddPortMapping"] = lambda call: igd.fault(606, "Action not authorized")


def no_port_left(igd):
    igd.actions["AddPortMapping"] = lambda call: igd.fault(728, "NoPortMapsAvailable")


def odd_fault(igd):
    igd.actions["AddPortMapping"] = lambda call: igd.fault(-2147483648, "")


def hangs_up(igd):
    igd.actions["AddPortMapping"] = lambda call: b""


BAD = (drip, drip_header, silence, flood, redirect, bomb, base_elsewhere, control_elsewhere, control_breaks_line,
       location_elsewhere, location_by_name, truncated, empty, answer_without_end, answer_flood, claims, claims_for_another,
       web_page, refuses, no_port_left, odd_fault, hangs_up)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.__name__)
def test_bad_gateway(host, play, bad):
    igd = play()
    bad(igd)
    caller, path = begin(host, igd.gateway)
    slowest = 0

    def done():
        nonlocal slowest
        begun = time.monotonic()
        seen = mapping(host, path)
        slowest = max(slowest, time.monotonic() - begun)
        assert seen["State"] != "mapped"
        return seen["State"] in ("public", "failed") and get(host, "State") == "ready"
    wait_until(done, every=0.05)
    assert get(host, "Reason")
    # The loop never waited for the gateway, which would be five seconds.
    assert slowest < 4
    assert n_workers(host) <= 1
    log = host.log("mapper")
    assert "AddressSanitizer" not in log and "runtime error" not in log


def test_search_flood(host, play):
    """Ten thousand datagrams for one question; the one good answer among them is found."""
    igd = play()
    igd.search = lambda octets, peer: [b"x" * 1000] * 700 + [igd.search_answer(octets)]
    _, path = begin(host, igd.gateway)
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))


def test_announcement_flood(host, play):
    igd = play()
    _, path = begin(host, igd.gateway)
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
    n = len(igd.calls)
    with socket_in(igd.gateway, (igd.address, 0)) as loud:
        for boot in range(3000):
            loud.sendto(alive(igd, boot), SSDP_GROUP)
    assert mapping(host, path)["State"] == "mapped"
    assert len(igd.calls) - n <= 12


def test_two_gateways(host, play):
    """Another device on the network says that it is a gateway, too; only the router's word counts."""
    igd = play()
    other = neighbour(igd.gateway)
    with socket_in(igd.gateway, (other, 0)) as liar, socket_in(igd.gateway, (other, 5000), socket.SOCK_STREAM) as false:
        false.listen(10)
        false.settimeout(0.01)

        def search(octets, peer):
            liar.sendto(igd.search_answer(octets, location=f"http://{other}:5000/rootDesc.xml"), peer)
            return [igd.search_answer(octets)]
        igd.search = search
        _, path = begin(host, igd.gateway)
        wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
        with pytest.raises(TimeoutError):
            false.accept()
    assert counter(host, "ResponsesForeign") >= 1


def test_mapping_nobody_waits_for(host, play):
    """mapper ends while the gateway is still at it."""
    igd = play()
    slow, gone = [], threading.Event()

    def add(call):
        slow.append(call)
        gone.wait(60)
        return igd._add(call)
    igd.actions["AddPortMapping"] = add
    begin(host, igd.gateway)
    wait_until(lambda: slow, 20, "asked")
    host.kill_daemon("mapper")
    gone.set()
    wait_until(lambda: asked(igd, "DeletePortMapping") and not igd.mappings, 20, "undone")
    wait_until(lambda: not n_workers(host), 20, "the worker ends")


def test_worker_killed(host, play):
    """As by a bug in what reads the gateway's XML."""
    igd = play()

    def kill(call):
        del igd.actions["AddPortMapping"]
        igd.actions["AddPortMapping"] = igd._add
        host.run("pkill -KILL -x igd-worker", timeout=10)
        return igd._add(call)
    igd.actions["AddPortMapping"] = kill
    _, path = begin(host, igd.gateway)
    wait_mapping(host, path, "mapped", (EXTERNAL, 4500))
