# SPDX-License-Identifier: LGPL-2.1-or-later
"""Somebody on the path: runs in the namespace of the internet, sees every datagram on its bridge, remembers those of IKE
and ESP, and sends what it likes from whatever address. One JSON object per line in, one out."""
import json
import os
import random
import select
import socket
import struct
import sys
import time

NON_ESP = bytes(4)
SA_INIT, NOTIFY, SA = 34, 41, 33


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def datagram(source, target, payload):
    udp = struct.pack("!HHHH", source[1], target[1], 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), random.getrandbits(16), 0, 64, 17, 0,
                       socket.inet_aton(source[0]), socket.inet_aton(target[0]))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


def kind_of(payload):
    if len(payload) >= 32 and payload[:4] == NON_ESP and payload[21] == 0x20:
        return "ike"
    # STUN goes through the same port, and its servers answer whoever asks (RFC 8489 §5).
    if len(payload) >= 32 and payload[:4] != NON_ESP and payload[4:8] != b"\x21\x12\xa4\x42":
        return "esp"
    return None


def message(spi_initiator, spi_responder, flags, exchange, first, body, number=0):
    return NON_ESP + struct.pack("!QQBBBBII", spi_initiator, spi_responder, first, 0x20, exchange, flags, number,
                                 28 + len(body)) + body


def notification(spi_initiator, kind, data):
    """A response in the clear to a first request."""
    body = struct.pack("!BBHBBH", 0, 0, 8 + len(data), 0, 0, kind) + data
    return message(spi_initiator, 0, 0x20, SA_INIT, NOTIFY, body)


def stranger():
    """A first message like any host's, of which nobody will hear more."""
    transforms = bytes.fromhex("0300000c01000014800e0080" "0300000802000005" "000000080400001f")
    proposal = struct.pack("!BBHBBBB", 0, 0, 8 + len(transforms), 1, 1, 0, 3) + transforms
    body = struct.pack("!BBH", 34, 0, 4 + len(proposal)) + proposal
    body += struct.pack("!BBHHH", 40, 0, 40, 31, 0) + os.urandom(32)
    body += struct.pack("!BBH", 0, 0, 36) + os.urandom(32)
    return message(random.getrandbits(64) | 1, 0, 8, SA_INIT, SA, body)


def stripped(payload):
    """The same first request with the last transform of each type alone: the sender's least liked."""
    first, rest = payload[20], payload[32:]
    at, kind, before = 0, first, b""
    while kind != SA:
        size, = struct.unpack_from("!H", rest, at + 2)
        kind, at = rest[at], at + size
    before, body = rest[:at], rest[at:]
    size, = struct.unpack_from("!H", body, 2)
    proposal, after = body[4:size], body[size:]
    proposal = proposal[:struct.unpack_from("!H", proposal, 2)[0]]
    transforms, at = {}, 8
    while at < len(proposal):
        length, = struct.unpack_from("!H", proposal, at + 2)
        transforms[proposal[at + 4]] = proposal[at + 1:at + length]
        at += length
    chosen = list(transforms.values())
    packed = b"".join(bytes([3 if i + 1 < len(chosen) else 0]) + item for i, item in enumerate(chosen))
    proposal = (struct.pack("!BBH", 0, 0, 8 + len(packed)) + proposal[4:7] + bytes([len(chosen)]) + packed)
    body = body[:2] + struct.pack("!H", 4 + len(proposal)) + proposal + after
    whole = payload[4:28] + struct.pack("!I", 28 + len(before + body)) + before + body
    return NON_ESP + whole


class Attacker:
    def __init__(self):
        self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self.raw.bind(("br0", 0))
        index = socket.if_nametoindex("br0")
        # PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC
        self.raw.setsockopt(263, 1, struct.pack("iHH8s", index, 1, 0, b""))
        with open("/sys/class/net/br0/address") as file:
            self.mac = bytes.fromhex(file.read().strip().replace(":", ""))
        self.macs, self.seen, self.forgeries, self.strips = {}, [], [], False
        self.flood_to, self.flooded, self.forged, self.next_burst = None, 0, 0, 0
        self.own = set()

    def send(self, source, target, payload):
        mac = self.macs.get(target[0])
        if mac is None:
            raise KeyError(f"{target[0]} was never heard")
        packet = datagram(source, target, payload)
        self.own.add(packet[4:6] + packet[12:20])
        self.raw.send(mac + self.mac + b"\x08\x00" + packet)

    def receive(self):
        frame = self.raw.recv(65535)
        if len(frame) >= 42 and frame[12:14] == b"\x08\x06":
            self.macs[socket.inet_ntoa(frame[28:32])] = frame[22:28]
        if len(frame) < 42 or frame[12:14] != b"\x08\x00" or frame[23] != 17:
            return
        if frame[18:20] + frame[26:34] in self.own:
            return
        source, target = socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])
        self.macs[source] = frame[6:12]
        udp = 14 + (frame[14] & 15) * 4
        ports = struct.unpack_from("!HHH", frame, udp)
        payload = frame[udp + 8:udp + ports[2]]
        kind = kind_of(payload)
        if kind is None:
            return
        self.seen.append(((source, ports[0]), (target, ports[1]), kind, payload))
        if kind == "ike" and payload[22] == SA_INIT and not payload[23] & 0x20:
            self.first_request((source, ports[0]), (target, ports[1]), payload)

    def first_request(self, source, target, payload):
        spi, = struct.unpack_from("!Q", payload, 4)
        for kind, data in self.forgeries:
            self.forged += 1
            self.send(target, source, notification(spi, kind, bytes.fromhex(data) or os.urandom(16)))
        if self.strips:
            self.forged += 1
            self.send(source, target, stripped(payload))

    def flood(self):
        for _ in range(25):
            self.flooded += 1
            self.send((f"12.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(1, 255)}",
                       random.randrange(1024, 65536)), self.flood_to, stranger())
        self.next_burst = time.monotonic() + 0.05

    # What it is told.

    def do_meet(self, order):
        """Learns who has an address; whether it is known."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
            door.sendto(b"", (order["address"], 9))
        # Whom the kernel knows already it does not ask again.
        with open("/proc/net/arp") as file:
            for address, _, flags, mac, *_ in (line.split() for line in file.readlines()[1:]):
                if int(flags, 16) & 2:
                    self.macs[address] = bytes.fromhex(mac.replace(":", ""))
        return order["address"] in self.macs

    def do_count(self, _):
        return len(self.seen)

    def do_replay(self, order):
        """Those from `since` to `until` again; from `source` where that is told. How many."""
        n = 0
        for source, target, kind, payload in self.seen[order["since"]:order["until"]]:
            if kind in order["kinds"] and target[0] in self.macs:
                self.send((order["source"], source[1]) if order.get("source") else source, target, payload)
                n += 1
                # No faster than the others can read.
                if n % 20 == 0:
                    time.sleep(0.02)
        return n

    def do_answers(self, order):
        """What went to `address` since then: how much of it was there before, octet by octet, and the rest."""
        before = {payload for _, target, _, payload in self.seen[:order["since"]]}
        result = {"again": 0, "first": 0, "other": []}
        for _, target, kind, payload in self.seen[order["since"]:]:
            if target[0] != order["address"]:
                continue
            if payload in before:
                result["again"] += 1
            elif kind == "ike" and payload[22] == SA_INIT:
                result["first"] += 1
            else:
                result["other"].append(payload.hex()[:120])
        return result

    def do_find(self, order):
        """[source, target, payload] of those of a kind since then, with this exchange, from this address."""
        return [[source, target, payload.hex()] for source, target, kind, payload in self.seen[order["since"]:]
                if kind == order["kind"] and source[0] == order["from"] and
                (kind == "esp" or "exchange" not in order or payload[22] == order["exchange"])]

    def do_inject(self, order):
        self.send(tuple(order["source"]), tuple(order["target"]), bytes.fromhex(order["payload"]))

    def do_forge(self, order):
        """[[notification, data], ...] as answers to each first request from now on."""
        self.forgeries, self.forged = order["answers"], 0

    def do_strip(self, order):
        self.strips, self.forged = order["on"], 0

    def do_forged(self, _):
        return self.forged

    def do_flood(self, order):
        self.flood_to = tuple(order["target"]) if order.get("target") else None
        return self.flooded

    def run(self):
        print(json.dumps({"ok": True}), flush=True)
        while True:
            wait = max(0, self.next_burst - time.monotonic()) if self.flood_to else None
            ready, _, _ = select.select([self.raw, sys.stdin], [], [], wait)
            if self.raw in ready:
                self.receive()
            if sys.stdin in ready:
                line = sys.stdin.readline()
                if not line:
                    return
                order = json.loads(line)
                try:
                    answer = {"value": getattr(self, "do_" + order["do"])(order)}
                except Exception as error:
                    answer = {"error": repr(error)}
                print(json.dumps(answer), flush=True)
            if self.flood_to and time.monotonic() >= self.next_burst:
                self.flood()


class Controlled:
    """The same from outside: attacker.replay(since=0, ...) -> its answer."""

    def __init__(self, internet):
        self.process = internet.popen([sys.executable, os.path.realpath(__file__)], stdin=-1, stdout=-1)
        assert self._answer() == {"ok": True}

    def _answer(self):
        line = self.process.stdout.readline()
        assert line, "the attacker ended"
        return json.loads(line)

    def __getattr__(self, name):
        def order(**arguments):
            self.process.stdin.write(json.dumps({"do": name, **arguments}).encode() + b"\n")
            self.process.stdin.flush()
            answer = self._answer()
            assert "error" not in answer, answer
            return answer["value"]
        return order

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


if __name__ == "__main__":
    Attacker().run()
