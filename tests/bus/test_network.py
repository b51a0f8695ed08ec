# SPDX-License-Identifier: LGPL-2.1-or-later
"""What mapper makes of the kernel's links, addresses and routes. No gateway answers here: it is about the network only."""
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from homeward_lab import wait_until
from homeward_lab.namespace import link
from homeward_lab.played import PlayedGateway

ROUTE_TARGET = "11.0.0.53"


@pytest.fixture
def host(make_host):
    return make_host("desktop")


def get(host, name):
    return host.get_property("mapper", name)


def ip(host, *lines):
    host.batch(lines)


def ip_at_once(host, *lines):
    """mapper sees it as one burst, however long a busy machine takes over it."""
    os.kill(host.daemon_pid("mapper"), signal.SIGSTOP)
    try:
        ip(host, *lines)
    finally:
        os.kill(host.daemon_pid("mapper"), signal.SIGCONT)


def plug(host, gateway, name, last, metric):
    """One more card, in the gateway's network."""
    far = f"x-{name}"
    link(host, name, gateway, far)
    gateway.batch([f"link set {far} master br-lan up"])
    address = gateway.lan_address.rsplit(".", 1)[0] + f".{last}"
    ip(host, f"link set {name} up", f"address add {address}/24 brd + dev {name}",
       f"route add default via {gateway.lan_address} dev {name} metric {metric}")
    return address


def unplug(gateway, name):
    """Its carrier, not its configuration."""
    gateway.batch([f"link set x-{name} down"])


def replug(gateway, name):
    gateway.batch([f"link set x-{name} up"])


def kernels_choice(host):
    """(interface, address, gateway) of the kernel's own route to the internet."""
    route = json.loads(host.run(["ip", "-j", "route", "get", ROUTE_TARGET]).stdout)[0]
    return route["dev"], route["prefsrc"], route["gateway"]


def primary(host):
    seen = host.get_properties("mapper")
    return seen["PrimaryInterface"], seen["LocalAddress"], seen["Gateway"]


def wait_as_kernel(host):
    wait_until(lambda: primary(host) == kernels_choice(host), 10, "the kernel's choice")


def interfaces(host):
    return [uplink[0] for uplink in get(host, "Uplinks")]


def changes(host):
    return [text for _, _, text in get(host, "Timeline") if text.startswith(("network settled", "no network"))]


@pytest.fixture
def wired(host, make_gateway):
    """Cable and Wi-Fi in two networks, the cable first."""
    host.office = make_gateway("A", 1, kind="plain")
    host.cafe = make_gateway("B", 2, kind="plain")
    host.cable = plug(host, host.office, "eth0", 10, 100)
    host.wifi = plug(host, host.cafe, "wlan0", 20, 600)
    host.start_daemon("mapper")
    host.wait_for(("mapper", "PrimaryInterface", "eth0"))
    return host


def test_several_uplinks(wired):
    host = wired
    assert [tuple(uplink) for uplink in get(host, "Uplinks")] == [
        ("eth0", host.cable, host.office.lan_address, 100), ("wlan0", host.wifi, host.cafe.lan_address, 600)]
    assert primary(host) == kernels_choice(host)
    generation = get(host, "NetworkGeneration")

    # The cable is pulled. The kernel keeps its route until somebody takes it away; nobody is reached over it.
    unplug(host.office, "eth0")
    host.wait_for(("mapper", "LocalAddress", host.wifi))
    assert interfaces(host) == ["wlan0"]
    assert get(host, "NetworkGeneration") == generation + 1

    # Now that it does, all that was sent into nothing is to be sent again.
    ip(host, f"route del default via {host.office.lan_address} dev eth0")
    host.wait_for(("mapper", "NetworkGeneration", generation + 2))
    assert get(host, "LocalAddress") == host.wifi
    assert primary(host) == kernels_choice(host)

    replug(host.office, "eth0")
    ip(host, f"route add default via {host.office.lan_address} dev eth0 metric 100")
    host.wait_for(("mapper", "LocalAddress", host.cable))
    assert get(host, "NetworkGeneration") == generation + 3
    assert primary(host) == kernels_choice(host)

    # What happens to the one that is not in use is nobody's business.
    unplug(host.cafe, "wlan0")
    wait_until(lambda: interfaces(host) == ["eth0"], 10)
    replug(host.cafe, "wlan0")
    wait_until(lambda: interfaces(host) == ["eth0", "wlan0"], 10)
    assert get(host, "NetworkGeneration") == generation + 3


def test_chosen_as_the_kernel_does(wired):
    host = wired
    via = f"via {host.cafe.lan_address} dev wlan0"
    # Better metrics, the best of them 0, which is what a route without one has.
    for step in (f"route add default {via} metric 50", f"route add default via {host.office.lan_address} dev eth0",
                 f"route del default via {host.office.lan_address} dev eth0 metric 0",
                 f"route append default via {host.office.lan_address} dev eth0 metric 50",
                 f"route del default {via} metric 50", f"route add default {via} metric 50 tos 0x10",
                 f"route replace default via {host.office.lan_address} dev eth0 src {host.cable} metric 100"):
        ip(host, step)
        wait_as_kernel(host)
    # Only what is in the main table counts: the other tables' rules say who may use them.
    generation = get(host, "NetworkGeneration")
    ip(host, f"route add default {via} table 100", "rule add fwmark 7 table 100")
    ip(host, "address add 10.77.0.1/24 dev lo")
    assert get(host, "NetworkGeneration") == generation


def test_no_way_out(wired):
    """A default route that ends in an error, in front of the others."""
    host = wired
    ip(host, "route add unreachable default metric 1")
    host.wait_for(("mapper", "NetworkKind", "no-route"))
    assert get(host, "PrimaryInterface") == get(host, "LocalAddress") == ""
    ip(host, "route del unreachable default metric 1")
    wait_as_kernel(host)


def test_kinds(host, make_gateway):
    gateway = make_gateway(kind="plain")
    link(host, "eth0", gateway, "x-eth0")
    gateway.batch(["link set x-eth0 master br-lan up"])
    host.start_daemon("mapper")
    host.wait_for(("mapper", "NetworkKind", "none"))
    # As avahi-autoipd and systemd-networkd leave it.
    ip(host, "link set eth0 up", "address add 169.254.8.9/16 scope link dev eth0", "route add default dev eth0 scope link metric 1002")
    host.wait_for(("mapper", "NetworkKind", "link-local"))
    assert get(host, "State") == "no-network" and get(host, "LocalAddress") == ""
    assert "169.254.8.9" in get(host, "Reason") and "DHCP" in get(host, "Reason")
    ip(host, "address add 192.168.1.10/24 dev eth0")
    ip(host, "route del default dev eth0")
    host.wait_for(("mapper", "NetworkKind", "no-route"))
    assert "192.168.1.10" in get(host, "Reason") and "no default route" in get(host, "Reason")
    ip(host, "route add default via 192.168.1.1 dev eth0")
    host.wait_for(("mapper", "NetworkKind", "private"))
    for address, kind in (("100.64.5.6", "shared"), ("44.5.6.7", "public"), ("172.20.1.2", "private")):
        ip(host, "address flush dev eth0", f"address add {address}/24 dev eth0", f"route add default via {address.rsplit('.', 1)[0]}.1 dev eth0")
        host.wait_for(("mapper", "LocalAddress", address))
        assert get(host, "NetworkKind") == kind


def test_gone_and_back(host, make_gateway):
    """The address and all routes, within the time that a burst has: nothing happened."""
    gateway = make_gateway(kind="plain")
    host.move(gateway)
    host.start_daemon("mapper")
    host.wait_for(("mapper", "LocalAddress", host.address))
    generation = get(host, "NetworkGeneration")
    # In one go: ip stops at nothing in between.
    for _ in range(5):
        ip_at_once(host, f"address del {host.address}/24 dev eth0", f"address add {host.address}/24 brd + dev eth0",
                   f"route add default via {gateway.lan_address} dev eth0")
        # Something that is a change, to see that all before was looked at.
        ip(host, f"route add default via {gateway.lan_address} dev eth0 metric 500")
        wait_until(lambda: len(get(host, "Uplinks")) == 2, 10)
        ip(host, f"route del default via {gateway.lan_address} dev eth0 metric 500")
        wait_until(lambda: len(get(host, "Uplinks")) == 1, 10)
    assert get(host, "NetworkGeneration") == generation
    assert len(changes(host)) == 1


def test_a_burst_is_one_change(host, make_gateway):
    first, second = make_gateway("A", 1, kind="plain"), make_gateway("B", 2, kind="plain")
    host.move(first)
    host.start_daemon("mapper")
    host.wait_for(("mapper", "LocalAddress", host.address))
    generation = get(host, "NetworkGeneration")
    # Hundreds of notifications: old routes and addresses go, others come and go, the new ones stay.
    noise = [f"route add 10.{i}.0.0/16 via {second.lan_address} dev eth0" for i in range(200)]
    ip_at_once(host, "address flush dev eth0 scope global", "address add 192.168.2.44/24 dev eth0",
               f"route add default via {second.lan_address} dev eth0", *noise)
    host.wait_for(("mapper", "LocalAddress", "192.168.2.44"))
    ip(host, *(line.replace("add", "del") for line in noise))
    ip(host, f"route add default via {second.lan_address} dev eth0 metric 500")
    wait_until(lambda: len(get(host, "Uplinks")) == 2, 10)
    assert get(host, "NetworkGeneration") == generation + 1


def test_notifications_are_lost(host, make_gateway):
    """The process stands still while more is notified than the socket holds; what is true is read afterwards."""
    gateway = make_gateway(kind="plain")
    host.move(gateway)
    host.start_daemon("mapper")
    host.wait_for(("mapper", "LocalAddress", host.address))
    os.kill(host.daemon_pid("mapper"), signal.SIGSTOP)
    lines = [f"route add 10.{i // 250}.{i % 250}.0/24 via {gateway.lan_address} dev eth0" for i in range(1500)]
    ip(host, *lines, *(line.replace("add", "del") for line in lines), f"address del {host.address}/24 dev eth0",
       "address add 192.168.1.77/24 dev eth0", f"route add default via {gateway.lan_address} dev eth0")
    os.kill(host.daemon_pid("mapper"), signal.SIGCONT)
    host.wait_for(("mapper", "LocalAddress", "192.168.1.77"))


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_told_before_the_gateway_is_asked(host, make_gateway, tmp_path):
    """The new address is on the bus before the first packet goes to the gateway: the process does it in this order."""
    played = PlayedGateway(make_gateway(kind="plain"))
    host.start_daemon("mapper")
    host.wait_for(("mapper", "State", "no-network"))
    log = tmp_path / "strace"
    tracer = subprocess.Popen(["strace", "-f", "-s", "2000", "-e", "trace=%network", "-o", log,
                               "-p", str(host.daemon_pid("mapper"))], stderr=subprocess.PIPE)
    try:
        assert b"attached" in tracer.stderr.readline()
        host.move(played.gateway)
        played.receive()
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=120)
    text = log.read_text()
    asked = re.search(r"sin_port=htons\(5351\)", text)
    assert asked and text.index("LocalAddress") < asked.start()
    played.close()


def test_hardware_address(host, make_gateway):
    gateway = make_gateway(kind="plain")
    host.move(gateway)
    host.start_daemon("mapper")
    mac = json.loads(gateway.run(["ip", "-j", "link", "show", "br-lan"]).stdout)[0]["address"]
    host.wait_for(("mapper", "GatewayHardwareAddress", mac))
    generation = get(host, "NetworkGeneration")
    # Another device takes the address over and says so.
    ip(host, f"neighbour replace {gateway.lan_address} lladdr 02:00:00:00:00:09 dev eth0 nud reachable")
    host.wait_for(("mapper", "GatewayHardwareAddress", "02:00:00:00:00:09"))
    assert get(host, "NetworkGeneration") == generation
    assert "another device answers at the gateway's address" in [text for _, _, text in get(host, "Timeline")]
    # Neighbours that are not the gateway are not.
    ip(host, "neighbour replace 192.168.1.99 lladdr 02:00:00:00:00:0a dev eth0 nud reachable",
       f"neighbour replace {gateway.lan_address} lladdr {mac} dev eth0 nud reachable")
    host.wait_for(("mapper", "GatewayHardwareAddress", mac))
    host.disconnect()
    host.wait_for(("mapper", "GatewayHardwareAddress", ""))
