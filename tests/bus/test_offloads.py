# SPDX-License-Identifier: LGPL-2.1-or-later
"""tunneld with what the kernel may do for it turned on and off: each time the same octets arrive."""
import pytest

from test_tunneld import End, Keys
from transfer import TCP, UDP, hash_of, transfer

ALL = ["tso", "uso", "udp-segment", "udp-gro", "coalesce"]
def check_traffic(desktop, laptop):
    assert transfer(desktop.host, laptop.host, laptop.id, TCP) == (hash_of(1), hash_of(2))
    assert transfer(desktop.host, laptop.host, laptop.id, UDP)[0] == "all"
    # Larger than the tunnel: inner fragments.
    assert ", 0% packet loss" in desktop.host.ping(laptop.id, "-i", "0.1", "-s", "5000", count=3)
    for end in desktop, laptop:
        counters = end.counters()
        assert not any(counters[name] for name in ("BadIcv", "Malformed", "WrongSelector", "TunErrors", "Replayed")), counters


@pytest.fixture
def make_ends(make_host, make_internet):
    """make_ends(config of desktop, config of laptop) -> both, with keys."""
    made = []

    def make(*configs, algorithm="aes128gcm16", esn=True):
        internet = make_internet()
        internet.wait_ready()
        made.extend(End(make_host(name), internet) for name in ("desktop", "laptop"))
        desktop, laptop = made
        desktop.see(laptop)
        laptop.see(desktop)
        for end, config in zip(made, configs):
            end.start("[offload]\n" + config)
        desktop.wait_peer(laptop, State="idle")
        laptop.wait_peer(desktop, State="idle")
        Keys(algorithm, esn).install(desktop, laptop)
        return made
    yield make
    for end in made:
        for fake in end.identity, end.mapper, end.watcher, end.keyd:
            fake.close()


def shown(end):
    return end.host.get_property("tunneld", "Offloads")


@pytest.mark.parametrize("off_here, off_there, algorithm, esn", [
    ([], ALL, "aes128gcm16", True),
    (["tso"], ["udp-gro"], "aes256gcm16", False),
    (["uso"], ["coalesce"], "chacha20poly1305", True),
    (["udp-segment"], [], "chacha20poly1305", False)])
def test_each_can_be_off(make_ends, off_here, off_there, algorithm, esn):
    """And the two ends may differ, also in the library that seals."""
    desktop, laptop = make_ends("".join(f"{name} = no\n" for name in off_here),
                                "aead = openssl\n" + "".join(f"{name} = no\n" for name in off_there),
                                algorithm=algorithm, esn=esn)
    for end, off in (desktop, off_here), (laptop, off_there):
        *words, library = shown(end)
        assert set(words) <= set(ALL) - set(off) and library in ("openssl", "ipsec-mb")
        # Kernels before 6.2 have no USO; all others have been there for long.
        assert set(words) >= set(ALL) - set(off) - {"uso"}
    assert shown(laptop)[-1] == "openssl"
    text = desktop.host.homewardctl("status", check=False).stdout
    assert ", ".join(shown(desktop)) in text
    check_traffic(desktop, laptop)


def test_device_that_finishes_no_checksums(make_ends):
    """Some kernels refuse trains then (EIO), which go one by one."""
    desktop, laptop = make_ends("", "")
    desktop.host.run(["ethtool", "-K", "eth0", "tx", "off"])
    check_traffic(desktop, laptop)


def test_narrow_path(make_ends):
    """Trains of packets larger than the way (EINVAL): each goes alone, in fragments."""
    desktop, laptop = make_ends("", "")
    desktop.host.run(["ip", "link", "set", "eth0", "mtu", "1300"])
    check_traffic(desktop, laptop)


@pytest.mark.parametrize("line, expected", [("tso = perhaps", "tso"), ("aead = rot13", "ipsec-mb"), ("gso = yes", "gso")])
def test_wrong_words(make_host, line, expected):
    host = make_host("desktop")
    host.write("/etc/homeward/tunneld.conf", f"[offload]\n{line}\n")
    result = host.run(host.as_user("homeward-tunnel", ("net_admin",)) +
                      [host.program("tunneld"), "--config", "/etc/homeward/tunneld.conf"], check=False)
    assert result.returncode == 1 and "tunneld.conf:2" in result.stderr and expected in result.stderr
