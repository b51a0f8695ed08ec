# SPDX-License-Identifier: LGPL-2.1-or-later
"""Says when things happened on a host: a process of its own in the host's network that does nothing but listen.

    notification  rtnetlink told of an address, link or route, as every other listener in that network hears it
    bus           a PropertiesChanged of mapper arrived at a client of the host's bus
    packet        stamped by the kernel as it passed eth0, to or from a gateway
    late          the listener itself was kept from running for that many seconds: what it says around then is not so

All by CLOCK_REALTIME, in seconds.
"""
import multiprocessing
import os
import select
import socket
import struct
import time

from homeward_lab import Bus
from homeward_lab.mappings import enter_network

_ETH_P_ALL = 3
_SO_TIMESTAMPNS = 35
_RTM = {16: "link", 17: "link", 20: "address", 21: "address gone", 24: "route", 25: "route gone"}
_GROUPS = 1 | 0x10 | 0x40  # links, IPv4 addresses, IPv4 routes
_LATE = 0.002
_GATEWAY_PORTS = (5350, 5351, 5000, 1900)


class Clock:
    """Runs from the constructor to close()."""

    def __init__(self, host):
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_listen, args=(theirs, host), daemon=True)
        self._process.start()
        theirs.close()
        assert self._take(10)[0] == "ready"

    def _take(self, timeout):
        if not self._pipe.poll(timeout):
            raise TimeoutError("nothing happened")
        return self._pipe.recv()

    def begin(self):
        """Forgets what happened so far."""
        mark = os.urandom(8)
        self._pipe.send(mark)
        while self._take(10) != ("mark", mark):
            pass

    def until(self, predicate, timeout=30):
        """Everything that happened since begin(), up to the event that satisfies predicate, which is the last."""
        seen, deadline = [], time.monotonic() + timeout
        while True:
            seen.append(self._take(max(0, deadline - time.monotonic())))
            if predicate(seen[-1]):
                return seen

    def so_far(self):
        """Everything that happened since begin()."""
        mark = os.urandom(8)
        self._pipe.send(mark)
        return self.until(lambda event: event == ("mark", mark))[:-1]

    def close(self):
        self._pipe.close()
        self._process.join(5)


def _listen(pipe, host):
    enter_network(host)
    # Not to be late because of others.
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except OSError:
        pass
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    kernel.bind((0, _GROUPS))
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    packets.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    bus = Bus(host.path("/run/dbus/system_bus_socket"))
    bus.add_match("type='signal',path_namespace='/org/homeward',interface='org.freedesktop.DBus.Properties'")
    pipe.send(("ready",))
    sources = {kernel: _read_kernel, packets: _read_packet}
    while True:
        before = time.time()
        ready = select.select([*sources, bus._socket, pipe], [], [], 0.001)[0]
        now = time.time()
        if now - before > 0.001 + _LATE:
            pipe.send(("late", now, now - before))
        for source in ready:
            if source is pipe:
                try:
                    mark = pipe.recv()
                except EOFError:
                    return
                # What has come before the mark is told before it.
                for other, read in sources.items():
                    while select.select([other], [], [], 0)[0]:
                        read(other, time.time(), pipe)
                pipe.send(("mark", mark))
            elif source in sources:
                sources[source](source, now, pipe)
            else:
                _read_bus(bus, now, pipe)


def _read_kernel(kernel, now, pipe):
    octets = kernel.recv(65536)
    at = 0
    while at + 16 <= len(octets):
        length, kind = struct.unpack_from("=IH", octets, at)
        words = _RTM.get(kind, str(kind))
        address = ""
        if kind in (20, 21):
            attribute = at + 16 + 8
            while attribute + 4 <= at + length:
                size, number = struct.unpack_from("=HH", octets, attribute)
                if number == 2 and size == 8:
                    address = socket.inet_ntoa(octets[attribute + 4:attribute + 8])
                attribute += max(4, (size + 3) & ~3)
        pipe.send(("notification", now, words, address))
        at += max(16, (length + 3) & ~3)


def _read_packet(packets, now, pipe):
    octets, ancillary, _, address = packets.recvmsg(2048, 128)
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack_from("=qq", data)
            now = seconds + nanoseconds / 1e9
    if octets[12:14] != b"\x08\x00" or octets[23] not in (6, 17):
        return
    ip = 14 + (octets[14] & 15) * 4
    ports = struct.unpack_from("!HH", octets, ip)
    if not set(ports) & set(_GATEWAY_PORTS):
        return
    total, = struct.unpack_from("!H", octets, 16)
    if octets[23] == 17:
        flags, payload = 0, octets[ip + 8:14 + total]
    else:
        flags, payload = octets[ip + 13], octets[ip + (octets[ip + 12] >> 4) * 4:14 + total]
    pipe.send(("packet", now, "out" if address[2] == 4 else "in", "tcp" if octets[23] == 6 else "udp",
               ports if address[2] == 4 else ports[::-1], flags, payload[:400]))


def _read_bus(bus, now, pipe):
    data, fds, _, _ = socket.recv_fds(bus._socket, 65536, 16)
    if not data:
        raise SystemExit
    bus._data += data
    while bus._take_message():
        pass
    while bus.signals:
        signal = bus.signals.popleft()
        if signal.member == "PropertiesChanged":
            pipe.send(("bus", now, signal.path, signal.values[1]))
