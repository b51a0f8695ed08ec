# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tunneld counts, for each peer and in all; how a person and a monitoring system see it; and who is told that a peer
cannot be reached."""
import json
import socket
import struct

from homeward_lab import wait_until
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from test_tunneld import Keys, ends, full_name, internet, send_raw, tunnel  # noqa: F401
from test_tunneld_sizes import LISTEN, PUSH, udp_packet


def samples(host):
    """{(name, labels): value} by somebody else's parser."""
    text = host.homewardctl("metrics").stdout
    return {(sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text) for sample in family.samples}


def test_metrics(tunnel, internet):  # noqa: F811
    desktop, laptop, keys = tunnel
    desktop.host.ping(laptop.id, "-i", "0.05", count=3)
    # Twice the same, and one that nobody sealed.
    good = keys.seal(True, 1 << 20, udp_packet(*(socket.inet_pton(socket.AF_INET6, end.id) for end in (laptop, desktop)), 100))
    send_raw(internet, desktop.address, [good, good, good[:-1] + bytes([good[-1] ^ 1])])
    wait_until(lambda: desktop.peer(laptop)["Counters"]["Replayed"] >= 1, 60, "a replay")
    bad = keys.seal(True, (1 << 20) + 1, b"nonsense")
    send_raw(internet, desktop.address, [bad[:-1] + bytes([bad[-1] ^ 1]), bad])
    wait_until(lambda: desktop.peer(laptop)["Counters"]["Malformed"] >= 1, 60, "one that is no packet")
    seen = samples(desktop.host)
    peer = ("peer", full_name("laptop"))
    assert seen["homeward_tunneld_peer_replayed_total", peer] >= 1
    assert seen["homeward_tunneld_peer_bad_icv_total", peer] >= 1
    assert seen["homeward_tunneld_peer_malformed_total", peer] >= 1
    assert seen["homeward_tunneld_peer_packets_in_total", peer] >= 4
    assert seen["homeward_tunneld_peer_established", peer] == 1
    assert seen["homeward_tunneld_peer_path_mtu_bytes", peer] >= 1280
    assert seen["homeward_running", ("daemon", "tunneld")] == 1
    assert seen["homeward_tunneld_esp_in_total",] >= 4
    counters = desktop.counters()
    assert counters["Replayed"] >= 1 and counters["BadIcv"] >= 1 and counters["Malformed"] >= 1


def test_handovers_are_counted(tunnel, internet):  # noqa: F811
    desktop, laptop, _ = tunnel
    desktop.ping(laptop)
    before = [end.peer(other)["Counters"]["Handovers"] for end, other in ((desktop, laptop), (laptop, desktop))]
    ping = desktop.host.popen(["ping", "-n", "-i", "0.02", laptop.id], stdout=-3)
    desktop.move(internet, "11.0.8.8")
    wait_until(lambda: desktop.peer(laptop)["Counters"]["Handovers"] > before[0], 60, "our own move")
    wait_until(lambda: laptop.peer(desktop)["Counters"]["Handovers"] > before[1], 60, "its move")
    counters = desktop.peer(laptop)["Counters"]
    assert counters["StallMsec"] >= counters["StallLongestMsec"]
    ping.end()


def test_status_live(tunnel):  # noqa: F811
    desktop, laptop, _ = tunnel
    ping = desktop.host.popen(["ping", "-n", "-i", "0.02", laptop.id], stdout=-3)
    lines = desktop.host.homewardctl("status", "--live", "--times", "2").stdout.splitlines()
    assert lines[0].split()[0] == "peer" and all(len(line) <= 80 for line in lines)
    # What moved or was dropped is below its peer.
    words = [line.split() for line in lines if line.startswith("laptop")][1]
    assert words[1] == "established" and len(words) == 7 and float(words[5]) > 0
    assert int(words[6]) >= 1280
    assert "packets of up to " in desktop.host.homewardctl("status", check=False).stdout
    objects = [json.loads(line) for line in
               desktop.host.homewardctl("--json", "status", "--live", "--times", "2").stdout.splitlines()]
    assert len(objects) == 2 and objects[0]["peers"][0]["counters"]["PacketsOut"] > 0
    ping.end()
    assert desktop.host.homewardctl("status", "--times", "2", check=False).returncode == 2
    assert desktop.host.homewardctl("status", "--live", "--times", "x", check=False).returncode == 2


class Listener:
    """ICMPv6 errors that come to a host."""

    def __init__(self, host):
        self.process = host.popen(["/usr/bin/python3", "-c", LISTEN], stdout=-1)
        assert self.process.stdout.readline() == b"ready\n"

    def next(self):
        """(type, code, quoted octets)"""
        kind, code, _, _, quoted = self.process.stdout.readline().decode().split()
        return int(kind), int(code), bytes.fromhex(quoted)

    def about(self, packet):
        """(type, code) of the error that quotes packet. What was sent shortly before a peer fell silent is held with it
        and refused with it, answered or not."""
        while True:
            kind, code, quoted = self.next()
            if quoted == packet:
                return kind, code


def test_who_asks_is_told(ends):  # noqa: F811
    """With the code that says why: no such peer, or it cannot be reached."""
    desktop, laptop = ends
    ids = [socket.inet_pton(socket.AF_INET6, end.id) for end in (desktop, laptop)]
    listener = Listener(desktop.host)

    def push(packet):
        desktop.host.run(["/usr/bin/python3", "-c", PUSH], input=packet.hex() + "\n")
    nobody = udp_packet(ids[0], socket.inet_pton(socket.AF_INET6, "fd99::1"), 200)
    push(nobody)
    assert listener.next() == (1, 0, nobody)
    # The negotiation fails.
    packet = udp_packet(*ids, 300)
    push(packet)
    wait_until(lambda: desktop.peer(laptop)["State"] == "acquiring", 60, "acquiring")
    path = next(iter(desktop.peers()))
    desktop.call("AcquireFailed", "os", path, "it does not answer")
    assert listener.next() == (1, 3, packet)
    # No answer to an error, nor to what went to many.
    before = desktop.counters()["UnreachablesSent"]
    error = struct.pack("!IHBB", 6 << 28, 8, 58, 64) + ids[0] + socket.inet_pton(socket.AF_INET6, "fd99::1") + bytes([1, 0]) + bytes(6)
    unknown = desktop.counters()["UnknownDestination"]
    push(error)
    wait_until(lambda: desktop.counters()["UnknownDestination"] > unknown, 60, "the error is looked at")
    assert desktop.counters()["UnreachablesSent"] == before
    listener.process.kill()


def test_what_is_held_too_long_is_refused(tunnel):  # noqa: F811
    """A peer that fell silent: its senders learn it when the time for holding is over."""
    desktop, laptop, _ = tunnel
    desktop.ping(laptop)
    laptop.host.disconnect()
    packet = udp_packet(*(socket.inet_pton(socket.AF_INET6, end.id) for end in (desktop, laptop)), 100)
    listener = Listener(desktop.host)
    # The first is what makes it silent; the later one is held.
    desktop.host.run(["/usr/bin/python3", "-c", PUSH], input=packet.hex() + "\n")
    wait_until(lambda: desktop.peer(laptop)["Silent"], 60, "silent")
    desktop.host.run(["/usr/bin/python3", "-c", PUSH], input=packet.hex() + "\n")
    assert listener.about(packet) == (1, 3)
    assert desktop.peer(laptop)["Counters"]["HeldDropped"] >= 1
    listener.process.kill()


def test_errors_are_limited(ends):  # noqa: F811
    desktop, _ = ends
    source = socket.inet_pton(socket.AF_INET6, desktop.id)
    packet = udp_packet(source, socket.inet_pton(socket.AF_INET6, "fd99::1"), 100).hex() + "\n"

    def arrived():
        # The interface holds some hundred; what a busy machine does not read in time is gone.
        desktop.host.run(["/usr/bin/python3", "-c", PUSH], input=packet * 400)
        return desktop.counters()["UnknownDestination"] >= 1000
    wait_until(arrived, what="a thousand of them")
    counters = desktop.counters()
    assert counters["UnreachablesSent"] < counters["UnknownDestination"]
