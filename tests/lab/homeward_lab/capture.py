# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything that passes the internet's bridge, and an independent look at it."""
import bisect
import collections
import mmap
import os
import re
import signal
import socket
import struct
import subprocess
import sys

from .namespace import wait_until

_FILE = "/run/lab/tmp/wire.pcap"
_SAMPLE = "/run/lab/tmp/sample.pcap"
_DNS_PORTS = (53, 5352)
_TLS_PORT = 853
_STUN_COOKIE = b"\x21\x12\xa4\x42"
_SAMPLE_ESP = 300

# What may be on the wire.
EXPECTED = ("esp", "ike", "keepalive", "dns", "dns-tls", "stun", "arp", "nd", "fragment")


def complete(internet, process, path, broadcast="11.0.255.255"):
    """Waits until everything that passed br0 (or the network of this broadcast address) is in the file of this tcpdump, which
    drops what it has not read when it is told to end. Returns what the last frame, to port 9, ends with."""
    # The kernel hands frames over in order, in blocks; all are there once a frame of ours is in the file.
    mark = b"\xff" + os.urandom(15)
    internet.run([sys.executable, "-c", "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                  "s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1); "
                  "s.sendto(bytes.fromhex(sys.argv[1]), (sys.argv[2], 9))", mark.hex(), broadcast])

    def arrived():
        process.send_signal(signal.SIGUSR2)
        with open(internet.path(path), "rb") as file:
            file.seek(max(0, os.path.getsize(file.name) - 100000))
            return mark in file.read()
    wait_until(arrived, 10, "the last frame in the capture", every=0.05)
    return mark


class Capture:
    """Runs from the constructor to stop()."""

    def __init__(self, internet):
        self.internet = internet
        with open(internet.path("/run/lab/tmp/tcpdump.log"), "wb") as log:
            self._process = internet.popen(["tcpdump", "-i", "br0", "-n", "-s", "0", "-B", "65536", "-Z", "root",
                                            "-w", _FILE], stdout=subprocess.DEVNULL, stderr=log)
        wait_until(lambda: "listening on" in internet.read("/run/lab/tmp/tcpdump.log"), 10, "tcpdump")
        self.frames = []

    def stop(self):
        """Ends it. Returns how many frames the kernel could not hand over."""
        self._mark = complete(self.internet, self._process, _FILE)
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)
        dropped = re.search(r"(\d+) packets? dropped by kernel", self.internet.read("/run/lab/tmp/tcpdump.log"))
        self.dropped = int(dropped.group(1)) if dropped else -1
        return self.dropped

    def examine(self, secrets, inner_addresses):
        """secrets: {words: octets} and inner_addresses, the host ids, that must be nowhere. Returns a dictionary: frames and octets by kind, problems (list of words), sample results."""
        counts, octets = collections.Counter(), collections.Counter()
        problems = []
        sample, esp_in_sample, ports = [], 0, set()
        nonces, repeated = set(), 0
        with open(self.internet.path(_FILE), "rb") as file, \
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            starts, kinds = [], []
            for start, end in _frames(data):
                if data[end - 16:end] == self._mark:
                    continue
                kind, detail = classify(data, start, end)
                starts.append(start)
                kinds.append(kind)
                counts[kind] += 1
                octets[kind] += end - start
                if kind not in EXPECTED and counts[kind] <= 5:
                    problems.append(f"not expected on the wire: {detail}")
                if kind in ("esp", "ike"):
                    ports.update(detail)
                if kind == "esp":
                    # SPI and initialisation vector (RFC 4106 §3.1): the same twice would be a nonce used twice.
                    at = start + 42
                    nonce = data[at:at + 4] + data[at + 8:at + 16]
                    repeated += nonce in nonces
                    nonces.add(nonce)
                if kind != "esp" or esp_in_sample < _SAMPLE_ESP:
                    esp_in_sample += kind == "esp"
                    sample.append((start, end))
            problems += _find(data, starts, kinds, secrets, inner_addresses)
            self._write_sample(data, sample)
        if repeated:
            problems.append(f"{repeated} ESP packets with a nonce that was used before")
        problems += self._decode_sample(ports)
        if self.dropped:
            problems.append(f"{self.dropped} frames were not captured")
        return {"frames": dict(counts), "octets": dict(octets), "decoded_by_tshark": len(sample), "problems": problems}

    def clear_dns(self):
        """What went over the internet as plain DNS: [(opcode, {EDNS options}, question, type)] of each message."""
        fields = ["dns.flags.opcode", "dns.opt.code", "dns.qry.name", "dns.qry.type"]
        lines = self.internet.run(["tshark", "-n", "-r", _FILE, "-Y", "dns && (udp.port == 53 || tcp.port == 53)", "-T", "fields",
                                   *(word for field in fields for word in ("-e", field))], timeout=120).stdout.splitlines()
        found = []
        for line in lines:
            opcode, options, name, kind = (line.split("\t") + [""] * 4)[:4]
            found.append((int(opcode or 0), set(filter(None, options.split(","))), name, kind))
        return found

    def _write_sample(self, data, sample):
        with open(self.internet.path(_SAMPLE), "wb") as file:
            file.write(data[:24])
            for start, end in sample:
                file.write(data[start - 16:end])

    def _decode_sample(self, ports):
        as_ipsec = [word for port in sorted(ports - {4500}) for word in ("-d", f"udp.port=={port},udpencap")]
        lines = self.internet.run(["tshark", "-n", "-r", _SAMPLE, *as_ipsec, "-Y", "_ws.malformed"],
                                  timeout=60).stdout.splitlines()
        return [f"tshark calls it malformed: {line.strip()}" for line in lines[:5]]


def _frames(data):
    """(start, end) of each frame in a pcap file."""
    at = 24
    size = len(data)
    unpack = struct.Struct("<I").unpack_from
    while at + 16 <= size:
        length, = unpack(data, at + 8)
        if at + 16 + length > size:
            return
        yield at + 16, at + 16 + length
        at += 16 + length


def classify(data, start, end):
    """(kind, detail) of an Ethernet frame. detail: the UDP ports for esp and ike, words for what is not expected."""
    ethertype = data[start + 12:start + 14]
    if ethertype == b"\x08\x06":
        return "arp", None
    if ethertype == b"\x86\xdd" and data[start + 20] in (0, 58):
        # Neighbour discovery and multicast listener reports of an interface that comes up.
        return "nd", None
    if ethertype != b"\x08\x00":
        return "other", f"Ethernet type {ethertype.hex()}"
    ip = start + 14
    source, destination = socket.inet_ntoa(data[ip + 12:ip + 16]), socket.inet_ntoa(data[ip + 16:ip + 20])
    protocol = data[ip + 9]
    where = f"{source} > {destination} protocol {protocol}"
    if source.startswith("192.168.") or destination.startswith("192.168."):
        return "private", f"a private address: {where}"
    if protocol == 6:
        tcp = struct.unpack_from("!HH", data, ip + (data[ip] & 15) * 4)
        if _TLS_PORT in tcp:
            return "dns-tls", None
    if protocol != 17:
        return f"protocol {protocol}", f"{where}: {data[ip + (data[ip] & 15) * 4:end].hex()[:112]}"
    if struct.unpack_from("!H", data, ip + 6)[0] & 0x1fff:
        return "fragment", where
    udp = ip + (data[ip] & 15) * 4
    ports = struct.unpack_from("!HH", data, udp)
    length = struct.unpack_from("!H", data, udp + 4)[0] - 8
    payload = udp + 8
    if ports[0] in _DNS_PORTS or ports[1] in _DNS_PORTS:
        return "dns", None
    if 3478 in ports and length >= 20 and data[payload + 4:payload + 8] == _STUN_COOKIE:
        return "stun", None
    if length == 1 and data[payload] == 0xff:
        return "keepalive", None
    if length >= 32 and data[payload:payload + 4] == b"\0\0\0\0" and data[payload + 4 + 17] == 0x20:
        return "ike", ports
    if length >= 8 + 8 + 16 and struct.unpack_from("!I", data, payload)[0] >= 256:
        return "esp", ports
    return "udp", f"{where} ports {ports[0]} > {ports[1]}, {length} octets: {data[payload:payload + 16].hex()}"


def _find(data, starts, kinds, secrets, inner_addresses):
    problems = []
    needles = [(words, octets, ()) for words, octets in secrets.items()]
    needles += [(f"the inner address {address}", socket.inet_pton(socket.AF_INET6, address), ())
                for address in inner_addresses]
    for words, octets, allowed in needles:
        at, found = data.find(octets), 0
        while at >= 0 and found < 3:
            kind = kinds[bisect.bisect_right(starts, at) - 1] if starts else "nothing"
            if kind not in allowed:
                found += 1
                problems.append(f"{words} is in clear in a frame of kind {kind}")
            at = data.find(octets, at + 1)
    return problems
