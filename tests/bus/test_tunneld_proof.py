# SPDX-License-Identifier: LGPL-2.1-or-later
"""The offloads that the kernel gets wrong are not used, and everybody is told so. Wrong is what a preloaded library
(break-offload.c) makes of them."""
import os
import subprocess

import pytest
from test_tunneld import End, Keys, internet  # noqa: F401
from test_tunneld_sizes import copy

HERE = os.path.dirname(os.path.abspath(__file__))
ALL = ["tso", "uso", "udp-segment", "udp-gro", "coalesce"]


@pytest.fixture(scope="session")
def breaker(tmp_path_factory):
    library = tmp_path_factory.mktemp("breaker") / "break-offload.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, os.path.join(HERE, "break-offload.c"), "-ldl"], check=True)
    return library.read_bytes()


def break_offload(host, library, name):
    """tunneld on this host finds the kernel broken in this."""
    host.write("/run/lab/break-offload.so", library, 0o755)
    program = host.program("tunneld")
    host.write("/run/lab/broken-tunneld", f"#!/bin/sh\nexport BREAK={name} LD_PRELOAD=/run/lab/break-offload.so\n"
               'export ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0"\n'
               f'exec {program} "$@"\n', 0o755)
    host.program = lambda _: "/run/lab/broken-tunneld"


def offloads(host, name="Offloads"):
    return host.get_property("tunneld", name)


def test_all_are_proven(make_host):
    host = make_host("desktop")
    host.start_daemon("tunneld")
    assert offloads(host, "OffloadsBroken") == []
    # A kernel before 6.2 has no USO.
    assert [word for word in offloads(host)[:-1] if word != "uso"] == [word for word in ALL if word != "uso"]
    # Of the proof nothing stays behind.
    assert host.run(["ip", "link", "show", "hwproof0"], check=False).returncode
    assert "fd" not in host.run(["ip", "-6", "route", "show", "type", "unreachable"]).stdout


@pytest.mark.parametrize("name", ALL)
def test_a_broken_one_is_off(make_host, internet, breaker, name):  # noqa: F811
    ends = [End(make_host(name_), internet) for name_ in ("desktop", "laptop")]
    desktop, laptop = ends
    break_offload(desktop.host, breaker, name)
    desktop.see(laptop)
    laptop.see(desktop)
    for end in ends:
        end.start()
    broken = offloads(desktop.host, "OffloadsBroken")
    if name == "uso" and "uso" not in offloads(laptop.host):
        pytest.skip("this kernel has no USO")
    assert broken == [name] and name not in offloads(desktop.host)
    assert f"{name}: wrong packets" in desktop.host.homewardctl("status").stdout
    # Without it everything arrives as it was sent.
    desktop.wait_peer(laptop, State="idle")
    laptop.wait_peer(desktop, State="idle")
    Keys().install(desktop, laptop)
    copy(desktop, laptop)
    copy(laptop, desktop)
    for end in ends:
        for fake in end.identity, end.mapper, end.watcher, end.keyd:
            fake.close()


def test_switched_off_by_hand(make_host):
    host = make_host("desktop")
    host.start_daemon("tunneld", "[offload]\n" + "".join(f"{name} = no\n" for name in ALL))
    assert offloads(host, "OffloadsBroken") == [] and len(offloads(host)) == 1
