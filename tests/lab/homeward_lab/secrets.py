# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looking for secrets where they must not be: in what a bus carries, in memory, in files.

    monitor = Monitor(host)                     # everything on the bus, as root may see it
    found = search(needles({"seed": octets}), monitor.complete())
    search(wanted, memory(pid)), search(wanted, memory(pid, dumped=True))

A secret is looked for as it is, in the other order of octets, in hexadecimal and in base64.
"""
import base64
import fcntl
import hashlib
import hmac
import os
import re
import socket
import struct
import threading

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from .bus import Bus
from .namespace import wait_until

_SEALED = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_HUGE = 1 << 30


def needles(secrets):
    """[(name, octets)] of {name: octets}: each in all the forms in which it could be somewhere."""
    found = []
    for name, octets in secrets.items():
        forms = {octets, octets[::-1], octets.hex().encode(), octets.hex().upper().encode()}
        # In the middle of something longer: without the digits that depend on what is before and after.
        forms |= {base64.b64encode(bytes(shift) + octets)[4 if shift else 0:len(octets) * 4 // 3 - 4] for shift in range(3)}
        found += [(name, form) for form in forms]
    return found


def search(wanted, chunks):
    """The names of those needles that are in one of the chunks (octets, or an iterable of octets)."""
    found = set()
    for chunk in [chunks] if isinstance(chunks, (bytes, bytearray)) else chunks:
        found |= {name for name, octets in wanted if name not in found and octets in chunk}
    return found


def memory(pid, dumped=False):
    """What a process has written to its memory, region by region; dumped: only what a core of it would hold (core(5),
    madvise(2): all but what was excluded)."""
    regions, region = [], None
    with open(f"/proc/{pid}/smaps") as file:
        for line in file:
            head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line)
            if head:
                region = [int(head[1], 16), int(head[2], 16), head[3], 0, ()]
                regions.append(region)
            elif line.startswith("Rss:"):
                region[3] = int(line.split()[1])
            elif line.startswith("VmFlags:"):
                region[4] = line.split()[1:]
    with open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for start, end, rights, resident, flags in regions:
            # The sanitizers' shadow is terabytes of nothing.
            if not rights.startswith("rw") or not resident or end - start >= _HUGE or (dumped and "dd" in flags):
                continue
            try:
                mem.seek(start)
                yield mem.read(end - start)
            except (OSError, ValueError):
                pass


def files(host, *folders):
    """(path, content) of all regular files below folders of the host."""
    for folder in folders:
        for parent, names, entries in os.walk(host.path(folder)):
            # Mounts of the lab itself, and of the machine.
            names[:] = [name for name in names if (parent, name) != (host.path("/run/lab"), "build")
                        and name not in (".machine", "sanitizer")]
            for name in entries:
                path = os.path.join(parent, name)
                try:
                    if os.path.isfile(path) and not os.path.islink(path):
                        with open(path, "rb") as file:
                            yield path, file.read()
                except OSError:
                    pass


def processes(host):
    """The ids, as we see them, of all processes inside the host."""
    wanted = os.readlink(f"/proc/{host.init_pid}/ns/pid")
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/ns/pid") == wanted:
                yield int(pid)
        except OSError:
            pass


class Monitor(Bus):
    """A monitor of a host's bus, as root runs one: `data` is every octet of every message since the constructor. It
    takes descriptors, too, which dbus-monitor closes unread: `passed` has the contents of the sealed ones, for who wants
    to know which secrets there were."""

    def __init__(self, host):
        super().__init__(host.path("/run/dbus/system_bus_socket"))
        self.host = host
        self.data, self.passed = bytearray(), []
        self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.Monitoring", "BecomeMonitor",
                  "asu", [], 0)
        self._socket.settimeout(None)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self._socket, 1 << 16, 253)
            except OSError:
                return
            if not data:
                return
            for fd in fds:
                self._take(fd)
            self.data += data

    def _take(self, fd):
        try:
            if fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _SEALED == _SEALED:
                self.passed.append(os.pread(fd, 1 << 16, 0))
        except OSError:
            pass
        os.close(fd)

    def complete(self):
        """`data`, when all that was said before this call is in it."""
        mark = "mark." + os.urandom(16).hex()
        with self.host.connect_bus() as bus:
            bus.owner(mark)
        wait_until(lambda: mark.encode() in self.data, what="the monitor to have seen all")
        return bytes(self.data)

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        super().close()


def account_secrets(password, domain):
    """What follows from an account's password (common/keys/account-keys.h), by name."""
    def expand(key, info):
        return HKDFExpand(hashes.SHA256(), 32, info).derive(hmac.digest(bytes(32), key, "sha256"))
    master = Scrypt(salt=domain.encode(), length=32, n=2**17, r=8, p=1).derive(password)
    return {"password": password, "master": master, "account's TSIG key": expand(master, b"homeward account tsig v1"),
            "account's seed": expand(master, b"homeward account signing v1"),
            "PPK": expand(master, b"homeward account ppk v1")}


def stored_secrets(octets):
    """What a plain credentials file holds (services/identity/credentials-wire.c): the host's private key, as DER and its
    number alone, and its TSIG secret."""
    fields, at = [], 16
    while at < len(octets):
        size, = struct.unpack_from("!H", octets, at)
        fields.append(octets[at + 2:at + 2 + size])
        at += 2 + size
    der, tsig = fields[4:6]
    return {"host's key": der[der.index(b"\x04\x20") + 2:][:32], "TSIG key": tsig}


def _candidates(regions, size):
    """What may be a key of that many octets: no numbers, pointers or text."""
    for region in regions:
        for at in range(0, len(region) - size + 1, 4):
            octets = region[at:at + size]
            if octets.count(0) <= 2 and not octets.isascii():
                yield octets


def _payloads(kind, octets):
    """{type: content} of a chain of payloads (RFC 7296 §3.2)."""
    found, at = {}, 0
    while kind and at + 4 <= len(octets):
        size = max(struct.unpack_from("!H", octets, at + 2)[0], 4)
        found[kind] = octets[at + 4:at + size]
        kind, at = octets[at], at + size
    return found


class IkeMessages:
    """The messages of IKE in a capture of the wire, and the keys of theirs that a memory holds: those that open them, or
    that make what is in them. For AES-128-GCM and HMAC-SHA2-256."""

    def __init__(self, pcap):
        self.sealed, self.first = [], {}
        at = 24
        while at + 16 <= len(pcap):
            size, = struct.unpack_from("<I", pcap, at + 8)
            self._take(pcap[at + 16 + 42:at + 16 + size])
            at += 16 + size

    def _take(self, udp):
        message = udp[4:]
        if udp[:4] != bytes(4) or len(message) < 32 or message[17] != 0x20:
            return
        length, = struct.unpack_from("!I", message, 24)
        message = message[:length]
        if message[18] == 34:
            self.first.setdefault(message[:8], {})[bool(message[19] & 0x20)] = message
        elif message[16] == 46:
            self.sealed.append(message)

    def _nonces(self, spi):
        """Of both sides, from the exchange that the SA began with, if both of its messages are there."""
        messages = self.first.get(spi, {})
        return [_payloads(messages[side][16], messages[side][28:])[40] for side in (False, True) if side in messages]

    def keys_in(self, regions):
        """{name: octets}: the keys that messages are sealed with."""
        # One of each side of each SA is enough.
        sides = {(message[:16], message[19] & 8): message for message in self.sealed}
        found = {}
        for key in _candidates(regions, 20):
            cipher = AESGCM(key[:16])
            for (spis, initiator), message in sides.items():
                try:
                    cipher.decrypt(key[16:] + message[32:40], message[40:], message[:32])
                except InvalidTag:
                    continue
                found[f"SK_e{'i' if initiator else 'r'} {spis.hex()}"] = key
        return found

    def seeds_in(self, regions, keys):
        """{name: octets}: SK_d of those SAs whose first child's keys (RFC 7296 §2.17) are among `keys`."""
        pairs = {spi: b"".join(self._nonces(spi)) for spi in self.first}
        found = {}
        for seed in _candidates(regions, 32):
            for spi, nonces in pairs.items():
                made = hmac.digest(seed, nonces + b"\x01", hashlib.sha256)[:16]
                if any(made in key for key in keys):
                    found[f"SK_d {spi.hex()}"] = seed
        return found

    def authenticators_in(self, regions, keys):
        """{name: octets}: SK_pi and SK_pr, by which the signatures of IKE_AUTH (RFC 7296 §2.15) come right; keys: what
        keys_in() found. Both are near SK_ei and SK_er, and are looked for there: a signature takes its time to check."""
        found = {}
        for message in self.sealed:
            key = keys.get(f"SK_e{'i' if message[19] & 8 else 'r'} {message[:16].hex()}")
            spi, from_initiator = message[:8], not message[19] & 0x20
            if message[18] != 35 or not key or len(self._nonces(spi)) < 2:
                continue
            inner = AESGCM(key[:16]).decrypt(key[16:] + message[32:40], message[40:], message[:32])
            payloads = _payloads(message[28], inner)
            who = payloads[35 if from_initiator else 36]
            public = x509.load_der_x509_certificate(payloads[37][1:]).public_key()
            signature = payloads[39][5 + payloads[39][4]:]
            signed = self.first[spi][not from_initiator] + self._nonces(spi)[from_initiator]
            for candidate in _candidates(self._around(regions, key), 32):
                try:
                    public.verify(signature, signed + hmac.digest(candidate, who, hashlib.sha256), ec.ECDSA(hashes.SHA256()))
                except InvalidSignature:
                    continue
                found[f"SK_p{'i' if from_initiator else 'r'} {message[:16].hex()}"] = candidate
        return found

    @staticmethod
    def _around(regions, octets):
        for region in regions:
            at = region.find(octets)
            while at >= 0:
                yield region[max(0, at - 1024) & ~3:at + 1024]
                at = region.find(octets, at + 1)
