# SPDX-License-Identifier: LGPL-2.1-or-later
"""The IP header outside: congestion marks that reach the TCP inside and its sender (RFC 6040), and the DSCP."""
from homeward_lab import wait_until
from test_offloads import make_ends  # noqa: F401
from test_tunneld import ends, internet, tunnel  # noqa: F401
from transfer import TCP, hash_of, transfer


def tcp_counter(host, name):
    lines = [line.split() for line in host.run(["cat", "/proc/net/netstat"]).stdout.splitlines() if line.startswith("TcpExt:")]
    return int(dict(zip(*lines))[name])


def meddle(internet, rule):  # noqa: F811
    """What is done to packets on the way."""
    internet.run("nft -f -", input="table bridge lab {\nchain forward {\ntype filter hook forward priority 0\n"
                 f"udp dport 4500 {rule}\n}}\n}}\n")


def test_marks_reach_tcp(tunnel, internet):  # noqa: F811
    """Trains of super-packets, of which some are marked: nothing is lost, and the senders hear of it."""
    desktop, laptop, _ = tunnel
    for end in tunnel[:2]:
        end.host.run(["sysctl", "-qw", "net.ipv4.tcp_ecn=1"])
    meddle(internet, "ip ecn { ect0, ect1 } numgen inc mod 20 0 ip ecn set ce")
    assert transfer(desktop.host, laptop.host, laptop.id, TCP) == (hash_of(1), hash_of(2))
    for end in tunnel[:2]:
        # Marks that the receiver inside echoed.
        assert tcp_counter(end.host, "TCPDeliveredCE") > 0
        counters = end.counters()
        assert counters["CongestionAlarms"] == counters["CongestionUnusual"] == counters["CongestionDropped"] == 0


def test_alarms(tunnel, internet):  # noqa: F811
    """What no router may do is counted; the packet goes on if it can."""
    desktop, laptop, _ = tunnel
    meddle(internet, "ip ecn set ect1")
    desktop.ping(laptop)
    laptop.wait_counter("CongestionAlarms")
    assert laptop.counters()["CongestionDropped"] == 0


def tos_seen(internet, source, wanted):  # noqa: F811
    """Waits for a packet of this host with this octet; returns what it is to be awaited with."""
    dump = internet.popen(["tcpdump", "-i", "br0", "-n", "-l", "-c", "1",
                           f"udp port 4500 and src {source} and ip[1] == {wanted}"], stdout=-1, stderr=-1)
    wait_until(lambda: b"listening" in dump.stderr.readline(), 60)
    return dump


def test_dscp(make_ends):  # noqa: F811
    """One end copies what is inside, the other says the same of all it sends."""
    desktop, laptop = make_ends("[outer]\ndscp = copy\n", "[outer]\ndscp = 8\n")
    copied = tos_seen(desktop.internet, desktop.address, 0xba)
    fixed = tos_seen(desktop.internet, laptop.address, 0x22)
    desktop.ping(laptop, "-Q", "0xba")
    assert copied.communicate(timeout=120)[0] and fixed.communicate(timeout=120)[0]
    # And what is not a packet of somebody's.
    probes = tos_seen(desktop.internet, laptop.address, 0x20)
    laptop.tell_network()
    assert probes.communicate(timeout=120)[0]
