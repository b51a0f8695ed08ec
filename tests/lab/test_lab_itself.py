# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab keeps its own promises: without them the other tests would prove nothing."""
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from homeward_lab import USERS, BusError, Capture, wait_until
from homeward_lab.played import PlayedGateway, PlayedIgd, natpmp_address, natpmp_map


def ping(host, address, check=True):
    return host.run(["ping", "-c1", "-W2", "-q", address], check=check).returncode == 0


def test_host_is_a_machine(make_host):
    host = make_host("desktop")
    assert host.run(["hostname"]).stdout == "desktop\n"
    assert host.run(["getent", "passwd", "homeward-key"]).stdout.startswith("homeward-key:x:64006:")
    assert host.run(["busctl", "list", "--no-legend"]).stdout.startswith(":")
    stat = os.stat(host.path("/run/homeward/identity"))
    assert (stat.st_uid, stat.st_mode & 0o777) == (USERS["homeward-identity"], 0o700)
    assert not os.path.exists("/run/homeward/identity") or os.stat("/run/homeward/identity").st_dev != stat.st_dev


def test_bus_has_the_real_policy(make_host):
    host = make_host()
    with host.connect_bus("homeward-key") as key, host.connect_bus("homeward-mapper") as mapper:
        bus = "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"
        with pytest.raises(BusError) as error:
            key.call(*bus, "RequestName", "su", "org.homeward.Mapper1", 0)
        assert error.value.name == "org.freedesktop.DBus.Error.AccessDenied"
        assert mapper.call(*bus, "RequestName", "su", "org.homeward.Mapper1", 0) == 1


def test_users_have_only_their_capabilities(make_host):
    host = make_host()
    assert host.run(host.as_user("homeward-key") + ["ip", "tuntap", "add", "x", "mode", "tun"], check=False).returncode
    host.run(host.as_user("homeward-tunnel", ("net_admin",)) + ["ip", "tuntap", "add", "x", "mode", "tun"])


def test_gateway_translates_and_maps(make_host, make_gateway):
    gateway = make_gateway("A", 1)
    host = make_host("desktop")
    host.move(gateway)
    assert ping(host, gateway.internet.address)
    answer = host.run(["natpmpc", "-g", gateway.lan_address, "-a", "4501", "4501", "udp", "600"]).stdout
    assert "Public IP address : 11.0.1.1" in answer and "Mapped public port 4501" in answer
    assert gateway.mappings() == {4501: (host.address, 4501)}


@pytest.mark.parametrize("kind", ["plain", "silent", "symmetric", "refusing"])
def test_kinds_of_gateways(make_host, make_gateway, kind):
    gateway = make_gateway("A", 1, kind=kind)
    host = make_host("desktop")
    host.move(gateway)
    assert ping(host, gateway.internet.address)
    probe = textwrap.dedent(f"""
        import socket
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.7); s.connect(("{gateway.lan_address}", 5351))
        s.send(b"\\0\\1\\0\\0\\x11\\x94\\x11\\x94\\0\\0\\2\\x58")
        try: print(s.recv(64)[3])
        except TimeoutError: print("silence")
        except ConnectionRefusedError: print("refused")
        """)
    answer = host.run([sys.executable, "-c", probe]).stdout.strip()
    assert answer == {"plain": "refused", "symmetric": "refused", "silent": "silence", "refusing": "2"}[kind]


def test_move_changes_the_network(make_host, make_gateway):
    first = make_gateway("A", 1)
    second = make_gateway("B", 2)
    host = make_host("laptop")
    host.move(first)
    assert ping(host, first.internet.address)
    mac = host.read("/sys/class/net/eth0/address")
    gone, there = host.move(second)
    assert ping(host, first.internet.address)
    assert not ping(host, first.lan_address, check=False)
    assert host.read("/sys/class/net/eth0/address") == mac == host.mac + "\n"
    assert there > gone
    host.disconnect()
    assert not ping(host, second.lan_address, check=False)


def test_reboot_forgets(make_host, make_gateway):
    gateway = make_gateway("A", 1)
    host = make_host("desktop")
    host.move(gateway)
    host.run(["natpmpc", "-g", gateway.lan_address, "-a", "4501", "4501", "udp", "600"])
    gateway.reboot("11.0.1.77")
    assert gateway.mappings() == {}
    assert "Public IP address : 11.0.1.77" in host.run(["natpmpc", "-g", gateway.lan_address]).stdout
    assert ping(host, gateway.internet.address)


def test_no_way_out(make_host, make_gateway):
    """The lab's internet is a bridge between namespaces of the lab and nothing else."""
    gateway = make_gateway("A", 1)
    make_host("desktop").move(gateway)
    mine = os.readlink("/proc/self/ns/net")
    assert all(os.readlink(f"/proc/{pid}/ns/net") != mine for pid in (gateway.init_pid, gateway.internet.init_pid))
    assert gateway.internet.run(["ip", "route", "show", "default"]).stdout == ""
    names = gateway.internet.run(["ip", "-br", "link"]).stdout.split()
    with open("/proc/net/dev") as file:
        here = file.read()
    assert not any(f"{name.split('@')[0]}:" in here for name in names if name.startswith("w-"))


def test_nothing_is_left_after_sigkill(namespaces):
    program = textwrap.dedent("""
        import sys, time
        sys.path.insert(0, sys.argv[1])
        from homeward_lab import Gateway, Host, Internet
        internet = Internet()
        gateway = Gateway("A", 1, internet)
        host = Host("desktop")
        host.move(gateway)
        sleeper = host.popen(["sleep", "1000"])
        print(host.init_pid, gateway.init_pid, internet.init_pid, sleeper.inner_pid, flush=True)
        time.sleep(1000)
        """)
    with subprocess.Popen([sys.executable, "-c", program, os.path.dirname(__file__)], stdout=subprocess.PIPE,
                          text=True) as lab:
        pids = [int(pid) for pid in lab.stdout.readline().split()]
        assert len(pids) == 4 and all(os.path.exists(f"/proc/{pid}") for pid in pids)
        lab.send_signal(signal.SIGKILL)
        lab.wait(60)
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}/root") and open(f"/proc/{pid}/stat").read().split()[2]
                               not in "ZX" for pid in pids), 5, "processes gone")


def test_wait_until_tells_what_it_saw():
    begin = time.monotonic()
    with pytest.raises(TimeoutError, match="tea: not within 0.05 s; last: 0"):
        wait_until(lambda: 0, 0.05, "tea")
    assert time.monotonic() - begin >= 0.05


def test_wire_check_sees_what_must_not_be(make_host, make_gateway):
    """Clear text, inner addresses, a nonce used twice, other protocols and what is no message."""
    gateway = make_gateway("A", 1)
    capture = Capture(gateway.internet)
    host, server = make_host("desktop"), make_host("server")
    host.move(gateway)
    server.attach_internet(gateway.internet, "11.0.9.9")
    secret, inner = b"sixteen octets!!", "fd12:3456:789a:bcde:1122:33ff:fe44:5566"
    program = textwrap.dedent(f"""
        import socket, sys
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        to = ("11.0.9.9", 4500)
        s.sendto(b"\\xff", to)
        esp = b"\\x12\\x34\\x56\\x78" + bytes(4) + b"iv iv iv"
        s.sendto(esp + {secret!r} + bytes(40), to)
        s.sendto(esp + socket.inet_pton(socket.AF_INET6, "{inner}") + bytes(40), to)
        s.sendto(b"what is this?", to)
        s.sendto(b"\\0\\1\\1", ("11.0.9.9", 53))
        """)
    host.run([sys.executable, "-c", program])
    assert ping(host, "11.0.9.9")
    assert capture.stop() == 0
    seen = capture.examine({"the secret": secret}, [inner])
    problems = "\n".join(seen["problems"])
    assert seen["frames"]["keepalive"] == 1 and seen["frames"]["esp"] == 2 and seen["frames"]["protocol 1"] >= 2
    for words in ("the secret is in clear in a frame of kind esp", f"the inner address {inner} is in clear",
                  "11.0.9.9 > 11.0.1.1 protocol 1", "77686174206973207468697", "nonce that was used before",
                  "malformed"):
        assert words in problems, problems


def test_played_gateways(make_gateway, make_host):
    """What a test plays is what real clients take for a gateway."""
    gateway = make_gateway(kind="plain")
    host = make_host("desktop", bus=False)
    host.move(gateway)
    igd = PlayedIgd(gateway, external="11.0.1.77")
    played = PlayedGateway(gateway)
    try:
        said = host.run(["upnpc", "-a", host.address, "4500", "4501", "udp"]).stdout
        assert "ExternalIPAddress = 11.0.1.77" in said and "is redirected to internal" in said
        assert igd.mappings == {("UDP", 4501): (host.address, 4500)}
        assert igd.searches
        assert [action for _, _, action, _ in igd.calls if action][-1] == "GetSpecificPortMappingEntry"
        igd.actions["AddPortMapping"] = lambda call: igd.fault(718, "ConflictInMappingEntry")
        assert "718" in host.run(["upnpc", "-u", igd.location, "-a", host.address, "4500", "4502", "udp"],
                                 check=False).stdout
        played.serve(lambda octets: natpmp_address("11.0.1.77") if octets == bytes(2) else
                     natpmp_map(4500, 4503, 60) if octets[:2] == b"\0\1" else None)
        assert "Mapped public port 4503" in host.run(["natpmpc", "-a", "4500", "4500", "udp", "60", "-g",
                                                      gateway.lan_address]).stdout
    finally:
        igd.close()
        played.close()


def test_orphans_do_not_end_the_namespace(make_host):
    """What a daemon leaves behind becomes init's child, and ends some time."""
    host = make_host("desktop")
    host.run("(sleep 0.1 &) ; true")
    wait_until(lambda: host.run("pgrep -x sleep || true").stdout == "", 10, "the orphan has ended")
    assert host.run("echo here").stdout == "here\n"
