# SPDX-License-Identifier: LGPL-2.1-or-later
"""mapper on a bus of its own, behind real gateways (nftables, miniupnpd) and behind one that the test plays itself."""
import os
import resource
import signal
import socket
import struct
import subprocess
import time

import pytest

from homeward_lab import BusError, wait_until
from homeward_lab.mappings import MAPPING, NAME, PATH, Caller, mapping, socket_in, wait_mapping
from homeward_lab.played import GROUP, PlayedGateway


# Tools.

def one_protocol(host):
    """So that what goes over the wire is told octet by octet; tests/lab/test_gateways.py has the others."""
    host.write("/etc/homeward/mapper.conf", "[gateway]\nprotocols = nat-pmp\n")
    return host


@pytest.fixture
def host(make_host):
    return one_protocol(make_host("desktop"))


def get(host, name):
    return host.get_property("mapper", name)


def counter(host, name):
    return get(host, "Counters")[name]


def asked(host):
    """Requests, without those that were sent again because the answer took its time."""
    counters = get(host, "Counters")
    return counters["RequestsSent"] - counters["Retransmissions"]


def words(host):
    return [(generation, text) for generation, _, text in get(host, "Timeline")]


def at_home(host, gateway):
    """Behind the gateway, mapper running and knowing it."""
    host.move(gateway)
    host.start_daemon("mapper")
    host.wait_for(("mapper", "ExternalAddress", gateway.wan_address))


@pytest.fixture
def played(make_gateway):
    gateway = make_gateway(kind="plain")
    played = PlayedGateway(gateway)
    yield played
    played.close()


# Networks.

def test_no_network(host):
    host.start_daemon("mapper")
    host.wait_for(("mapper", "State", "no-network"))
    caller = Caller(host)
    path = caller.add()
    seen = mapping(host, path)
    assert (seen["State"], seen["Internal"], seen["External"]) == ("pending", ("", 0), ("", 0))
    assert get(host, "LocalAddress") == get(host, "Gateway") == get(host, "ExternalAddress") == ""
    assert get(host, "NetworkGeneration") == 1
    assert "Connect to a network" in get(host, "Reason")


def test_any_interface_name(host):
    """The kernel takes almost any octets; the bus takes UTF-8."""
    name = os.fsdecode(b"caf\xe9")
    host.run(["ip", "link", "add", name, "type", "veth", "peer", "name", "far"])
    for arguments in (["link", "set", "far", "up"], ["link", "set", name, "up"],
                      ["address", "add", "192.168.1.2/24", "dev", name], ["route", "add", "default", "via", "192.168.1.1"]):
        host.run(["ip", *arguments])
    host.start_daemon("mapper")
    host.wait_for(("mapper", "LocalAddress", "192.168.1.2"))
    assert get(host, "PrimaryInterface") == "caf?"
    assert any("caf?" in text for _, text in words(host))


def test_gateway_is_spoken_to_once_there_is_a_descriptor(host, make_gateway):
    gateway = make_gateway()
    host.start_daemon("mapper")
    host.wait_for(("mapper", "State", "no-network"))
    pid = host.daemon_pid("mapper")
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    free = next(number for number in range(1024) if number not in used)
    former, _ = resource.getrlimit(resource.RLIMIT_NOFILE)

    def limit(number):
        """As its own user, who may do that without any privilege."""
        subprocess.run([*host.as_user("homeward-mapper"), "prlimit", "--pid", str(pid), f"--nofile={number}:"],
                       check=True)
    limit(free)
    host.move(gateway)
    host.wait_for(lambda: "cannot speak to the gateway" in host.log("mapper"))
    limit(former)
    host.wait_for(("mapper", "ExternalAddress", gateway.wan_address))


def test_mapped_by_a_real_gateway(host, make_gateway):
    gateway = make_gateway()
    at_home(host, gateway)
    assert get(host, "NatKind") == "nat"
    assert get(host, "Protocol") == "nat-pmp"
    assert get(host, "PrimaryInterface") == "eth0"
    assert get(host, "LocalAddress") == host.address
    assert get(host, "Gateway") == gateway.lan_address
    generation = get(host, "NetworkGeneration")
    caller = Caller(host)
    path = caller.add()
    changed = caller.bus.wait_signal(lambda s: s.path == path and s.member == "PropertiesChanged"
                                     and s.values[1].get("State") == "mapped")
    # Endpoint, generation and state in one message: nobody sees half of it.
    assert changed.values[1]["External"] == (gateway.wan_address, 4500)
    assert changed.values[1]["Internal"] == (host.address, 4500)
    assert changed.values[1]["Generation"] == generation
    assert gateway.mappings() == {4500: (host.address, 4500)}
    seen = mapping(host, path)
    assert seen["Label"] == "tunnel" and seen["Protocol"] == "nat-pmp" and seen["LastError"] == ""
    assert seen["Expires"] > 0
    # In this order; a gateway that takes two seconds to answer is one without port mapping meanwhile.
    told = iter([text for _, text in words(host)])
    assert all(text in told for text in (
        f"network settled: eth0 {host.address} via {gateway.lan_address}", f"asked gateway {gateway.lan_address}",
        f"external address {gateway.wan_address}", f"mapped tunnel: {gateway.wan_address}:4500"))


def test_datagrams_pass_the_mapping(host, make_gateway, make_host):
    gateway = make_gateway()
    at_home(host, gateway)
    path = Caller(host).add(port=4501)
    external = wait_mapping(host, path, "mapped")["External"]
    stranger = make_host("stranger", bus=False)
    stranger.attach_internet(gateway.internet, "11.0.9.9")
    inside, outside = socket_in(host, (host.address, 4501)), socket_in(stranger)
    outside.sendto(b"hello", tuple(external))
    assert inside.recv(64) == b"hello"
    inside.close()
    outside.close()


def test_each_kind_of_network(host, make_gateway):
    """One machine moves through all of them, its mapping with it."""
    home = make_gateway("A", 1)
    cafe = make_gateway("B", 2, kind="plain")
    train = make_gateway("C", 3, kind="silent")
    office = make_gateway("D", 4, kind="refusing")
    at_home(host, home)
    path = Caller(host).add()
    wait_mapping(host, path, "mapped", (home.wan_address, 4500))
    generation = get(host, "NetworkGeneration")

    host.move(cafe)
    seen = wait_mapping(host, path, "public", (host.address, 4500))
    assert seen["Generation"] == get(host, "NetworkGeneration") > generation
    assert (seen["Protocol"], seen["Expires"], seen["LastError"]) == ("none", 0, "")
    assert get(host, "NatKind") == "unmapped"
    assert get(host, "ExternalAddress") == host.address
    assert "answers no mapping protocol" in get(host, "Reason")

    host.move(train)
    host.wait_for(("mapper", "LocalAddress", host.address))
    wait_mapping(host, path, "public", (host.address, 4500))
    assert "answers no mapping protocol" in get(host, "Reason")

    host.move(office)
    seen = wait_mapping(host, path, "failed")
    assert seen["External"] == ("", 0) and "refuses" in seen["LastError"]
    assert "refuses (result 2)" in get(host, "Reason")
    assert get(host, "NatKind") == "refused"
    assert tuple(get(host, "GatewayResult")) == ("nat-pmp", 2)

    host.attach_internet(home.internet, "11.0.9.9")
    wait_mapping(host, path, "public", ("11.0.9.9", 4500))
    assert "is public" in get(host, "Reason")

    host.disconnect()
    host.wait_for(("mapper", "State", "no-network"))
    assert mapping(host, path)["External"] == ("", 0)

    host.move(home)
    wait_mapping(host, path, "mapped")
    generations = [g for g, text in words(host) if text.startswith(("network settled", "no network"))]
    assert generations == sorted(set(generations))


def test_same_numbers_elsewhere(host, make_gateway):
    """Two homes with the same addresses: the lost carrier tells them apart."""
    first = make_gateway("A", 1)
    second = make_gateway("B", 1, wan_address="11.0.2.1")
    at_home(host, first)
    path = Caller(host).add()
    wait_mapping(host, path, "mapped", ("11.0.1.1", 4500))
    host.move(second, first.lan_address.replace(".1.1", ".1.10"))
    wait_mapping(host, path, "mapped", ("11.0.2.1", 4500))


def test_nested_gateway(host, make_gateway, make_internet):
    """miniupnpd whose own address is private says that it has none."""
    inner = make_gateway("inner", 5, wan_address="192.168.2.50")
    host.move(inner)
    host.start_daemon("mapper")
    path = Caller(host).add()
    seen = wait_mapping(host, path, "failed")
    assert "no usable address" in seen["LastError"]
    assert "no address from its provider" in get(host, "Reason")
    assert tuple(get(host, "GatewayResult")) == ("nat-pmp", 3)


# Gateways that change.

def test_gateway_gets_another_address(host, make_gateway):
    gateway = make_gateway()
    at_home(host, gateway)
    path = Caller(host).add()
    wait_mapping(host, path, "mapped", (gateway.wan_address, 4500))
    generation = get(host, "NetworkGeneration")
    gateway.batch([f"address del {gateway.wan_address}/16 dev wan", "address add 11.0.1.77/16 brd + dev wan"])
    seen = wait_mapping(host, path, "mapped", ("11.0.1.77", 4500))
    assert seen["Generation"] == get(host, "NetworkGeneration") == generation + 1
    assert get(host, "ExternalAddress") == "11.0.1.77"
    assert counter(host, "AnnouncementsAccepted") >= 1
    # Its tables were forgotten with its epoch: they are filled again within the five seconds of the standard.
    wait_until(lambda: gateway.mappings() == {4500: (host.address, 4500)}, 20)


def test_gateway_reboots(host, make_gateway):
    gateway = make_gateway()
    at_home(host, gateway)
    path = Caller(host).add()
    wait_mapping(host, path, "mapped", (gateway.wan_address, 4500))
    gateway.reboot(wan_address="11.0.1.88")
    wait_mapping(host, path, "mapped", ("11.0.1.88", 4500))
    wait_until(lambda: gateway.mappings() == {4500: (host.address, 4500)}, 20)
    # However young it was when it went, and told by whatever: once.
    assert counter(host, "GatewayRestarts") == 1


def test_gateway_reboots_again_and_again(host, make_gateway):
    gateway = make_gateway()
    at_home(host, gateway)
    caller = Caller(host)
    path = caller.add()
    wait_mapping(host, path, "mapped", (gateway.wan_address, 4500))
    for last in range(101, 106):
        gateway.reboot(wan_address=f"11.0.1.{last}")
        host.wait_for(("mapper", "ExternalAddress", gateway.wan_address))
    wait_mapping(host, path, "mapped", ("11.0.1.105", 4500))
    wait_until(lambda: gateway.mappings() == {4500: (host.address, 4500)}, 20)


def test_gateway_learns_to_map(host, make_gateway):
    """No NAT-PMP at first; then its owner switches it on, and its announcement is heard."""
    gateway = make_gateway()
    gateway.stop_miniupnpd()
    host.move(gateway)
    host.start_daemon("mapper")
    path = Caller(host).add()
    wait_mapping(host, path, "public", (host.address, 4500))
    gateway.start_miniupnpd()
    seen = wait_mapping(host, path, "mapped", (gateway.wan_address, 4500))
    assert seen["Generation"] == get(host, "NetworkGeneration")


def test_renewal(host, make_gateway):
    gateway = make_gateway()
    at_home(host, gateway)
    path = Caller(host).add(lifetime=4)
    first = wait_mapping(host, path, "mapped")["Expires"]
    # Twice its life: without renewal it would be gone.
    wait_until(lambda: mapping(host, path)["Expires"] >= first + 8, 30)
    wait_mapping(host, path, "mapped")
    wait_until(lambda: gateway.mappings() == {4500: (host.address, 4500)}, 20)


def test_two_hosts_want_the_same_port(host, make_host, make_gateway):
    gateway = make_gateway()
    at_home(host, gateway)
    wait_mapping(host, Caller(host).add(), "mapped", (gateway.wan_address, 4500))
    other = one_protocol(make_host("laptop"))
    at_home(other, gateway)
    # The gateway gives another one, and that is the one to be told.
    external = wait_mapping(other, Caller(other).add(), "mapped")["External"]
    assert external[1] != 4500
    assert gateway.mappings()[external[1]] == (other.address, 4500)


# Who wants a mapping.

def test_same_label_is_same_object(host, make_gateway):
    gateway = make_gateway()
    at_home(host, gateway)
    caller = Caller(host)
    path = caller.add()
    wait_mapping(host, path, "mapped", (gateway.wan_address, 4500))
    assert caller.add() == path
    assert mapping(host, path)["State"] == "mapped"
    other = caller.add("llq", port=4600)
    assert other != path
    wait_mapping(host, other, "mapped", (gateway.wan_address, 4600))
    # Another port for the same label: the former mapping goes.
    assert caller.add(port=4700) == path
    wait_mapping(host, path, "mapped", (gateway.wan_address, 4700))
    wait_until(lambda: gateway.mappings() == {4600: (host.address, 4600), 4700: (host.address, 4700)}, 10)


def test_release(host, make_gateway):
    gateway = make_gateway()
    at_home(host, gateway)
    caller = Caller(host)
    path = caller.add()
    wait_mapping(host, path, "mapped")
    with pytest.raises(BusError) as refused:
        host.bus.call(NAME, path, MAPPING, "Release")
    assert refused.value.name == "org.homeward.Error.AccessDenied"
    caller.bus.signals.clear()
    caller.release(path)
    gone = caller.bus.wait_signal(lambda s: s.member == "InterfacesRemoved")
    assert gone.values[0] == path and MAPPING in gone.values[1]
    wait_until(lambda: gateway.mappings() == {}, 10)
    assert host.get_objects("mapper", MAPPING) == {}


def test_caller_comes_back(host, make_gateway):
    gateway = make_gateway()
    at_home(host, gateway)
    first = Caller(host)
    path = first.add()
    before = wait_mapping(host, path, "mapped")
    sent = asked(host)
    first.leave()
    # root is another user; it gets a mapping of its own.
    assert host.bus.call(NAME, PATH, NAME, "AddMapping", "ssqqu", "tunnel", "udp", 4600, 0, 0) != path
    again = Caller(host)
    assert again.add() == path
    assert mapping(host, path) == before
    wait_until(lambda: 4600 in gateway.mappings(), 10)
    # Nothing was asked for the one that was taken over.
    assert asked(host) == sent + 1
    again.release(path)


def test_caller_stays_away(host, make_gateway):
    gateway = make_gateway()
    at_home(host, gateway)
    caller = Caller(host)
    path = caller.add()
    wait_mapping(host, path, "mapped")
    caller.leave()
    assert path in host.get_objects("mapper", MAPPING)
    wait_until(lambda: host.get_objects("mapper", MAPPING) == {} and gateway.mappings() == {}, 30)


def test_arguments(host):
    host.start_daemon("mapper")
    caller = Caller(host)
    for wrong in ({"label": "Tunnel"}, {"label": ""}, {"label": "x" * 33}, {"protocol": "sctp"}, {"port": 0}):
        with pytest.raises(BusError) as refused:
            caller.add(**wrong)
        assert refused.value.name == "org.homeward.Error.InvalidArgument", wrong
    for i in range(16):
        caller.add(f"x-{i}", port=1000 + i)
    with pytest.raises(BusError) as refused:
        caller.add("x-16")
    assert refused.value.name == "org.homeward.Error.LimitsExceeded"
    # A user may have 32; all together 64.
    others = [Caller(host), Caller(host, "homeward-watcher"), Caller(host, "homeward-watcher")]
    for other in others:
        for i in range(16):
            other.add(f"x-{i}", port=1000 + i)
    with pytest.raises(BusError) as refused:
        Caller(host, 0).add("one-too-many")
    assert refused.value.name == "org.homeward.Error.LimitsExceeded"
    # Asking again for what one has is always fine.
    assert caller.add("x-3", port=1003) in host.get_objects("mapper", MAPPING)


def test_strangers_may_look_but_not_ask(host):
    host.start_daemon("mapper")
    stranger = Caller(host, 65534)
    assert stranger.bus.get(NAME, PATH, NAME, "State") == "no-network"
    with pytest.raises(BusError) as refused:
        stranger.add()
    assert refused.value.name == "org.homeward.Error.AccessDenied"


def test_check(host, make_gateway):
    """Whoever wants to know has all proven anew, but not all the time."""
    gateway = make_gateway()
    at_home(host, gateway)
    caller = Caller(host)
    wait_mapping(host, caller.add(), "mapped", (gateway.wan_address, 4500))
    # Those outside are asked last.
    host.wait_for(lambda: get(host, "Checked") > 0)
    before, packets, retransmissions = get(host, "Checked"), get(host, "GatewayPackets"), counter(host, "Retransmissions")
    assert before <= time.time() * 1e6
    with host.connect_bus(65534) as anybody:
        anybody.call(NAME, PATH, NAME, "Check")
        host.wait_for(lambda: get(host, "Checked") > before)
        again = counter(host, "Retransmissions") - retransmissions
        assert get(host, "GatewayPackets") == packets + 2 + again
        assert packets + 2 + again >= get(host, "GatewayPacketsPerMinute") >= 2
        with pytest.raises(BusError) as refused:
            anybody.call(NAME, PATH, NAME, "Check")
    assert refused.value.name == "org.homeward.Error.LimitsExceeded"


def test_leftovers_of_a_crash(host, make_gateway):
    """What nobody asks for again is deleted; what somebody does is adopted, with the port it had."""
    gateway = make_gateway()
    at_home(host, gateway)
    caller = Caller(host)
    caller.add("tunnel", port=4500, external=6000)
    caller.add("web", port=8080, external=6001)
    wait_until(lambda: set(gateway.mappings()) == {6000, 6001}, 10)
    # The gateway has it a moment before its answer is read and noted; who is killed in between cannot know.
    wait_until(lambda: {"4500", "8080"} <= set(host.read("/run/homeward/mapper/mappings").split()), 10)
    host.kill_daemon("mapper", signal.SIGKILL)
    host.restart_daemon("mapper")
    path = caller.add("tunnel", port=4500)
    wait_mapping(host, path, "mapped", (gateway.wan_address, 6000))
    assert counter(host, "MappingsAdopted") == 1
    wait_until(lambda: set(gateway.mappings()) == {6000}, 20)
    host.wait_for(lambda: "8080" not in host.read("/run/homeward/mapper/mappings"))


def test_what_works_is_remembered(host, make_gateway):
    gateway = make_gateway()
    at_home(host, gateway)
    caller = Caller(host)
    wait_mapping(host, caller.add(external=6000), "mapped")

    def remembered():
        line = host.read("/var/lib/homeward/mapper/gateways").split()
        return (line[0], line[2], line[5]) == (gateway.lan_address, "2", "17:4500:6000")
    host.wait_for(remembered)


# Ends and beginnings.

def test_orderly_end_deletes(host, make_gateway):
    gateway = make_gateway()
    at_home(host, gateway)
    caller = Caller(host)
    wait_mapping(host, caller.add(), "mapped")
    wait_mapping(host, caller.add("llq", port=4600), "mapped")
    assert host.stop_daemon("mapper") == 0
    wait_until(lambda: gateway.mappings() == {}, what="all is deleted")


def test_end_does_not_wait_for_a_dead_gateway(host, played):
    host.move(played.gateway)
    host.start_daemon("mapper")
    caller = Caller(host)
    played.receive()
    played.send_address("11.0.1.1")
    path = caller.add()
    played.expect("000100001194119400000e10")
    played.send_map(4500, 4500, 3600)
    wait_mapping(host, path, "mapped")
    process = host.daemons["mapper"].process
    host.kill_daemon("mapper", signal.SIGTERM, wait=False)
    played.expect("000100001194000000000000")
    assert process.wait(60) == 0


def test_killed_and_back(host, make_gateway):
    gateway = make_gateway()
    at_home(host, gateway)
    caller = Caller(host)
    wait_mapping(host, caller.add(), "mapped", (gateway.wan_address, 4500))
    generation = get(host, "NetworkGeneration")
    host.kill_daemon("mapper")
    host.restart_daemon("mapper")
    host.wait_for(("mapper", "State", "ready"))
    assert get(host, "NetworkGeneration") > generation
    # Whoever wants a mapping asks the new process; at the gateway it is the one that is still there.
    wait_mapping(host, caller.add(), "mapped", (gateway.wan_address, 4500))
    assert gateway.mappings() == {4500: (host.address, 4500)}


def test_generation_file_that_is_none(host):
    host.write("/run/homeward/mapper/generation", "many\n", mode=0o644)
    host.start_daemon("mapper")
    assert get(host, "NetworkGeneration") == 1
    assert "holds no number" in host.log("mapper")


@pytest.mark.parametrize("text, complaint", [
    ("[paths]\nruntme = /x\n", 'mapper.conf:2: unknown key "runtme" in section [paths]'),
    ("nonsense\n", "mapper.conf:1: expected"),
])
def test_configuration_errors(host, text, complaint):
    process = host.start_daemon("mapper", text, wait=False)
    assert process.wait(60) == 1
    wait_until(lambda: complaint in host.log("mapper"), 5)


# On the wire.

def test_octets_of_the_requests(host, played):
    host.move(played.gateway)
    host.start_daemon("mapper")
    caller = Caller(host)
    played.expect("0000")
    # No answer: the same once more.
    played.expect("0000")
    played.send_address("203.0.113.5")
    path = caller.add()
    played.expect("000100001194119400000e10")
    played.send_map(4500, 61234, 3600)
    wait_mapping(host, path, "mapped", ("203.0.113.5", 61234))
    tcp = caller.add("web", "tcp", 80, 8080, 60)
    played.expect("0002000000501f900000003c")
    played.send_map(80, 8080, 60, operation=2)
    wait_mapping(host, tcp, "mapped", ("203.0.113.5", 8080))
    caller.release(path)
    played.expect("000100001194000000000000")
    played.send_map(4500, 0, 0)
    caller.release(tcp)
    played.expect("000200000050000000000000")
    assert counter(host, "Retransmissions") >= 1


def test_what_is_no_answer_is_dropped(host, played):
    host.move(played.gateway)
    host.start_daemon("mapper")
    path = Caller(host).add()
    played.receive()
    malformed = [b"", b"\x00", bytes(2), bytes(12), b"\x00\x80\x00\x00\x00\x00\x03\xe8\xcb\x00\x71",
                 b"\x00\x80\x00\x00\x00\x00\x03\xe8\xcb\x00\x71\x05\x00", b"\x07" * 12, os.urandom(1) + b"\xff" * 1400]
    for octets in malformed:
        played.send(octets)
    host.wait_for(lambda: counter(host, "ResponsesMalformed") == len(malformed))
    # Well-formed, but to another question.
    played.send_map(4500, 4500, 3600)
    host.wait_for(lambda: counter(host, "ResponsesUnexpected") == 1)
    # From somebody else: the kernel keeps that from us.
    other = socket_in(played.gateway, (played.address, 0))
    other.sendto(struct.pack("!BBHI4s", 0, 128, 0, 1, socket.inet_aton("11.6.6.6")), played.peer)
    other.close()
    played.send_address("11.0.1.1")
    while played.receive() == bytes(2):
        pass
    played.send_map(4501, 4501, 3600)
    played.send_map(4500, 4500, 3600)
    wait_mapping(host, path, "mapped", ("11.0.1.1", 4500))
    assert host.is_running("mapper")


def test_epoch_tells_of_a_reboot(host, played):
    host.move(played.gateway)
    host.start_daemon("mapper")
    path = Caller(host).add(lifetime=4)
    played.expect("0000")
    played.send_address("11.0.1.1", epoch=5000)
    played.expect("000100001194119400000004")
    played.send_map(4500, 4510, 4, epoch=5000)
    wait_mapping(host, path, "mapped", ("11.0.1.1", 4510))
    # At half life the address, then the mapping; the epoch says that the tables were lost in between.
    played.expect("0000")
    played.send_address("11.0.1.1", epoch=1)
    # The same external port as before.
    played.expect("00010000" + "1194" + "119e" + "00000004")
    played.send_map(4500, 4510, 3600, epoch=1)
    host.wait_for(lambda: counter(host, "GatewayRestarts") == 1)
    # What was asked for when it said so counts: it is not asked once more.
    assert asked(host) == 4
    assert mapping(host, path)["External"] == ("11.0.1.1", 4510)


def test_double_nat(host, played):
    host.move(played.gateway)
    host.start_daemon("mapper")
    path = Caller(host).add()
    played.expect("0000")
    played.send_address("100.64.7.7")
    played.expect("000100001194119400000e10")
    played.send_map(4500, 4500, 3600)
    seen = wait_mapping(host, path, "mapped", ("100.64.7.7", 4500))
    assert "double NAT" in seen["LastError"]
    assert get(host, "NatKind") == "carrier-grade-nat"
    assert "Carrier-grade NAT" in get(host, "Reason")


def test_announcements(host, played):
    host.move(played.gateway)
    host.start_daemon("mapper")
    path = Caller(host).add()
    played.expect("0000")
    played.send_address("11.0.1.1", epoch=5000)
    played.expect("000100001194119400000e10")
    played.send_map(4500, 4500, 3600, epoch=5000)
    wait_mapping(host, path, "mapped", ("11.0.1.1", 4500))
    generation = get(host, "NetworkGeneration")
    new_address = struct.pack("!BBHI4s", 0, 128, 0, 0, socket.inet_aton("11.0.1.99"))
    malformed = [b"", b"\x00", new_address[:-1], new_address + b"\x00", bytes(2), b"\x02\x80" + bytes(10),
                 b"\x02\x81" + bytes(22), os.urandom(1200)]
    for octets in malformed:
        played.announce(octets)
    host.wait_for(lambda: counter(host, "AnnouncementsMalformed") == len(malformed))
    # A neighbour that says it were the gateway.
    played.gateway.batch(["address add 192.168.1.200/24 dev br-lan"])
    neighbour = socket_in(played.gateway, ("192.168.1.200", 0))
    neighbour.sendto(new_address, GROUP)
    neighbour.close()
    host.wait_for(lambda: counter(host, "AnnouncementsForeign") == 1)
    assert get(host, "ExternalAddress") == "11.0.1.1"
    assert get(host, "NetworkGeneration") == generation
    # The gateway itself; three times, as it repeats.
    for _ in range(3):
        played.announce(new_address)
    # Believed as a reason to ask, no more.
    played.expect("0000")
    played.send_address("11.0.1.99", epoch=0)
    host.wait_for(("mapper", "ExternalAddress", "11.0.1.99"))
    host.wait_for(lambda: counter(host, "AnnouncementsAccepted") == 3)
    seen = mapping(host, path)
    assert seen["External"] == ("11.0.1.99", 4500)
    assert seen["Generation"] == get(host, "NetworkGeneration") == generation + 1
    assert counter(host, "GatewayRestarts") == 1


def test_two_daemons_cannot_be(host):
    host.start_daemon("mapper")
    second = host.popen(host.as_user("homeward-mapper") + [host.program("mapper")], stderr=-1)
    assert second.wait(60) == 1
    assert b"another process has it" in second.stderr.read()
    second.stderr.close()
    assert host.is_running("mapper")


def test_notifications_get_lost(host, make_gateway):
    """More happens while mapper sleeps than the kernel keeps for it: it reads everything anew."""
    home = make_gateway("A", 1)
    cafe = make_gateway("B", 2)
    at_home(host, home)
    path = Caller(host).add()
    wait_mapping(host, path, "mapped", (home.wan_address, 4500))
    generation = get(host, "NetworkGeneration")
    host.kill_daemon("mapper", signal.SIGSTOP, wait=False)
    lines = [f"address {what} 10.7.{i // 250}.{i % 250 + 1}/32 dev lo" for what in ("add", "del") for i in range(1500)]
    host.batch(lines[:-500])
    host.move(cafe)
    host.batch(lines[-500:])
    host.kill_daemon("mapper", signal.SIGCONT, wait=False)
    wait_mapping(host, path, "mapped", (cafe.wan_address, 4500))
    assert get(host, "NetworkGeneration") == generation + 1
