# SPDX-License-Identifier: LGPL-2.1-or-later
"""What other programs need of the same gateway, by their packets as the kernel stamped them: neither their start nor what
they do between two questions counts."""
import os
import socket
import struct

_FIN, _SYN, _RST, _PSH, _ACK = 1, 2, 4, 8, 16


def pcp(client, gateway, address, port):
    """One MAP request (RFC 6887 §11.1) and its answer."""
    ours = bytes(10) + b"\xff\xff" + socket.inet_aton(address)
    request = struct.pack("!BBHI16s12sB3xHH16s", 2, 1, 0, 3600, ours, os.urandom(12), socket.IPPROTO_UDP, port, port,
                          bytes(10) + b"\xff\xff" + bytes(4))
    client.connect((gateway, 5351))
    client.send(request)
    answer = client.recv(1100)
    if answer[:2] != b"\x02\x81" or answer[3]:
        raise RuntimeError(f"the gateway says {answer.hex()}")


def duration(protocol, packets):
    """Seconds from question to answer, summed up over the questions that a mapping takes. packets: of the clock."""
    return _connections(packets) if protocol == "upnp-igd" else _datagrams(packets)


def waiting(packets):
    """Seconds in which something asked of a gateway had no answer yet, whatever it was."""
    total, open_since, open_ones = 0, None, set()
    for _, at, direction, kind, ports, flags, _ in packets:
        asked = direction == "out" and (kind == "udp" or flags & (_SYN | _PSH))
        answered = direction == "in" and (kind == "udp" or flags & (_SYN | _PSH | _FIN | _RST))
        if asked:
            if not open_ones:
                open_since = at
            open_ones.add((kind, ports[0]))
        elif answered and (kind, ports[0]) in open_ones:
            open_ones.discard((kind, ports[0]))
            if not open_ones:
                total += at - open_since
    return total


def _datagrams(packets):
    total, asked = 0, None
    for _, at, direction, kind, _, _, _ in packets:
        if kind != "udp":
            continue
        if direction == "out" and asked is None:
            asked = at
        elif direction == "in" and asked is not None:
            total, asked = total + at - asked, None
    if not total:
        raise RuntimeError("there was no answer")
    return total


def _connections(packets):
    """From each SYN to the last octets of the answer: the description, the external address, the mapping. (upnpc then
    asks for the mapping once more, which it need not.)"""
    begun, last, asked = {}, {}, {}
    for _, at, direction, kind, ports, flags, payload in packets:
        if kind != "tcp":
            continue
        if direction == "out" and flags & _SYN and not flags & _ACK:
            begun[ports] = at
        elif direction == "out" and payload and ports in begun:
            asked[ports] = asked.get(ports, b"") + payload
        elif direction == "in" and payload and ports in begun:
            last[ports] = at
    wanted = [ports for ports, octets in asked.items()
              if b"GetSpecificPortMappingEntry" not in octets and ports in last]
    if len(wanted) < 3:
        raise RuntimeError(f"{len(wanted)} answers over TCP")
    return sum(last[ports] - begun[ports] for ports in wanted)
