# SPDX-License-Identifier: LGPL-2.1-or-later
"""The zone's server and the neighbours of registrar and llq-watcher, as a test plays them. Messages and signatures by
dnspython: another implementation of both than ours.

    zone = FakeZone(host)                     # 127.0.0.1:5300 in the host's namespace, UDP and TCP
    zone.records["desktop", "AAAA"] = ["fd01::1"]
    identity, mapper = fake_identity(host), fake_mapper(host)
"""
import base64
import collections
import ctypes
import fcntl
import hashlib
import os
import select
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update

from fakes import Fake
from homeward_lab import wait_until

DOMAIN = "members.example.org"
ACCOUNT = "alice." + DOMAIN
ADDRESS, PORT = "127.0.0.1", 5300
SECRET = bytes(range(32))
HOST_ID = "fd01:203:405:607:22:69ff:fe8e:342a"
LABEL = "AutoTunnel-00-22-69-FF-FE-8E-34-2A"
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
# The server is played in the clear.
CONFIG = f"[server]\naddress = {ADDRESS}\nport = {PORT}\nencryption = none\n"
MAPPER, MAPPING = "org.homeward.Mapper1", "org.homeward.Mapper1.Mapping"
TUNNEL = "/org/homeward/Mapper1/mapping/1"

SETUP, REFRESH, EVENT = 1, 2, 3
NO_SUCH_LLQ = 4
REMOVED = 0xFFFFFFFF


def key_name(host):
    return f"1a2b3c4d.{host}.{ACCOUNT}"


# Neighbours.

def _sealed(octets):
    fd = os.memfd_create("key", os.MFD_ALLOW_SEALING)
    os.write(fd, octets)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
    return fd


def signed_in(name, key=None):
    return {"State": ("s", "signed-in"), "SignedIn": ("b", True), "HostName": ("s", name), "HostId": ("s", HOST_ID),
            "TunnelLabel": ("s", LABEL), "Domain": ("s", DOMAIN), "Account": ("s", "alice"),
            "TsigKeyName": ("s", key or key_name(name)), "Certificate": ("ay", b"of the first sign-in")}


SIGNED_OUT = {"State": ("s", "signed-out"), "SignedIn": ("b", False), "Domain": ("s", ""), "Account": ("s", ""),
              "TsigKeyName": ("s", ""), "Certificate": ("ay", b"")}


def fake_identity(host, name="desktop", secret=SECRET):
    """Signed in."""
    identity = Fake(host, "identity", signed_in(name))
    identity.secret = secret
    fds = []

    def give():
        fds.append(_sealed(identity.secret))
        shown = identity.objects_shown["/org/homeward/Identity1"]["org.homeward.Identity1"]
        return "ssh", shown["TsigKeyName"][1], "hmac-sha256", fds[-1]
    identity.methods["GetTsigKey"] = give
    return identity


def place(generation, external, local="192.168.1.10", port=4500):
    """Properties of mapper and of the tunnel's mapping."""
    return ({"State": ("s", "ready"), "NetworkGeneration": ("t", generation), "LocalAddress": ("s", local),
             "ExternalAddress": ("s", external)},
            {"Label": ("s", "tunnel"), "Generation": ("t", generation), "External": ("(sq)", (external, port)),
             "State": ("s", "mapped" if external else "pending")})


def sign_in_anew(identity, secret=SECRET):
    """With another password, so fast that nobody sees it signed out."""
    identity.secret = secret
    identity.change(Certificate=("ay", b"of the next sign-in"))


def fake_mapper(host, generation=1, external="203.0.113.5", **options):
    properties, mapping = place(generation, external, **options)
    mapper = Fake(host, "mapper", properties)
    mapper.add(TUNNEL, MAPPING, **mapping)
    return mapper


def move(mapper, generation, external, **options):
    properties, mapping = place(generation, external, **options)
    mapper.change(**properties)
    mapper.change(TUNNEL, MAPPING, **mapping)


# The server.

Request = collections.namedtuple("Request", "message source tcp octets")


def _sockets_in(namespace, address, port):
    made = []

    def make():
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/proc/{namespace.init_pid}/ns/net") as net:
            assert libc.setns(net.fileno(), 0x40000000) == 0, os.strerror(ctypes.get_errno())
        for kind in socket.SOCK_DGRAM, socket.SOCK_STREAM:
            made.append(socket.socket(socket.AF_INET, kind))
            made[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made[-1].bind((address, port))
        made[1].listen(8)
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    assert len(made) == 2
    return made


class FakeZone:
    """records: {(name, type): [presentation of the data]}, names below the account. What it does with an UPDATE or
    an LLQ is for the test: see take_update and take_llq, which give a response or None (silence)."""

    def __init__(self, host, names=("desktop",), address=ADDRESS, port=PORT):
        self.keyring = {dns.name.from_text(key_name(name)): dns.tsig.Key(key_name(name), SECRET, "hmac-sha256")
                        for name in names}
        self.records = {("_dns-update._udp", "SRV"): [f"0 0 {port} ns"], ("_dns-llq._udp", "SRV"): [f"0 0 {port} ns"],
                        ("ns", "A"): [address]}
        self.requests = []
        self.changed = threading.Condition()
        self.update_rcode = dns.rcode.NOERROR
        self.lease = None       # granted; None: what was asked for
        self.silent = False
        self.lose = 0           # so many datagrams are lost on their way in
        self.truncate = False   # answers over UDP say TC
        self.sign = True
        self.ahead = 0          # seconds that the server's clock is ahead
        self.llqs = {}          # by id
        self._granted = []      # of these, what the answer that is on its way grants
        self.acks = []
        self.udp, self.listener = _sockets_in(host, address, port)
        self.threads = [threading.Thread(target=target, daemon=True) for target in (self._serve_udp, self._serve_tcp)]
        for thread in self.threads:
            thread.start()

    def close(self):
        for end in self.udp, self.listener:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
        for thread in self.threads:
            thread.join(5)

    def _serve_udp(self):
        while True:
            try:
                octets, source = self.udp.recvfrom(4096)
            except OSError:
                return
            if not source:
                return
            if self.lose > 0:
                self.lose -= 1
                self._note(None)
                continue
            answer = self._take(octets, source, False)
            try:
                if answer:
                    self.udp.sendto(answer, source)
            except OSError:
                return
            self._answered()

    def _serve_tcp(self):
        while True:
            try:
                connection, source = self.listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                size = stream.read(2)
                if len(size) == 2:
                    answer = self._take(stream.read(struct.unpack("!H", size)[0]), source, True)
                    if answer:
                        connection.sendall(struct.pack("!H", len(answer)) + answer)
                    self._answered()

    def _answered(self):
        while self._granted:
            llq = self.llqs.get(self._granted.pop())
            if llq:
                llq["live"] = True

    def _note(self, request):
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()

    def _take(self, octets, source, tcp):
        if octets[2] & 0x80:
            # An acknowledgement is signed as the response to its event: see wait_ack().
            self.acks.append(octets)
            return None
        try:
            message = dns.message.from_wire(octets, keyring=self.keyring)
        except dns.message.UnknownTSIGKey:
            return self._unsigned_error(octets, 17)
        except dns.tsig.BadSignature:
            return self._unsigned_error(octets, 16)
        self._note(Request(message, source, tcp, octets))
        if self.silent:
            return None
        if self.ahead:
            return self._bad_time(message)
        if message.opcode() == dns.opcode.UPDATE:
            response = self.take_update(message)
        elif any(option.otype == 1 for option in message.options):
            response = self.take_llq(message, source)
        else:
            response = self.take_query(message)
        if response is None:
            return None
        if self.truncate and not tcp:
            response.answer.clear()
            response.flags |= dns.flags.TC
        if not self.sign:
            response.keyring = response.tsig = None
        return response.to_wire()

    @staticmethod
    def _unsigned_error(octets, error):
        """The request's header as a response, and a TSIG record without a MAC."""
        request_id, flags = struct.unpack("!HH", octets[:4])
        tsig_name = dns.name.from_text(key_name("desktop")).to_wire()
        algorithm = dns.name.from_text("hmac-sha256").to_wire()
        rdata = algorithm + struct.pack("!HIHHHHH", 0, int(time.time()), 300, 0, request_id, error, 0)
        return (struct.pack("!HHHHHH", request_id, flags | 0x8000 | dns.rcode.NOTAUTH, 0, 0, 0, 1) + tsig_name +
                struct.pack("!HHIH", 250, 255, 0, len(rdata)) + rdata)

    def _bad_time(self, message):
        """NOTAUTH with BADTIME, signed with the request's time (RFC 8945 section 5.2.3)."""
        tsig = message.tsig[0]
        header = struct.pack("!HHHHHH", message.id, 0x8000 | dns.opcode.to_flags(message.opcode()) | dns.rcode.NOTAUTH,
                             0, 0, 0, 0)
        other = struct.pack("!Q", tsig.time_signed + self.ahead)[2:]
        return self._sign(header, message.keyname, SECRET, tsig.time_signed, 18, other, tsig.mac)[0]

    # What it answers.

    def full(self, name):
        return dns.name.from_text(name + ("." if name else "") + ACCOUNT)

    def rrset(self, name, kind, data, ttl=10):
        return dns.rrset.from_text_list(self.full(name), ttl, "IN", kind, [self._absolute(kind, d) for d in data])

    @staticmethod
    def _absolute(kind, data):
        return f"{data}.{ACCOUNT}." if kind in ("SRV", "PTR") and not data.endswith(".") else data

    def answers(self, name, rdtype):
        kind = dns.rdatatype.to_text(rdtype)
        # The test adds some meanwhile.
        return [self.rrset(owner, kind, data) for (owner, known), data in list(self.records.items())
                if known == kind and self.full(owner) == name and data]

    def take_query(self, message):
        response = dns.message.make_response(message)
        question = message.question[0]
        response.answer = self.answers(question.name, question.rdtype)
        return response

    def take_update(self, message):
        response = dns.message.make_response(message)
        response.set_rcode(self.update_rcode)
        asked = [option.data for option in message.options if option.otype == 2]
        if asked and self.update_rcode == dns.rcode.NOERROR:
            lease = struct.pack("!I", self.lease) if self.lease else asked[0]
            response.use_edns(0, payload=1232, options=[dns.edns.GenericOption(2, lease)])
        return response

    # Long-lived queries.

    @staticmethod
    def llq_of(message):
        """(version, opcode, error, id, lease)"""
        return struct.unpack("!HHHQI", next(option.data for option in message.options if option.otype == 1))

    @staticmethod
    def use_llq(message, opcode, error, identifier, lease):
        message.use_edns(0, payload=1232,
                         options=[dns.edns.GenericOption(1, struct.pack("!HHHQI", 1, opcode, error, identifier, lease))])

    def take_llq(self, message, source):
        version, opcode, error, identifier, lease = self.llq_of(message)
        response = dns.message.make_response(message)
        question = message.question[0]
        if opcode == SETUP and not identifier:
            identifier = struct.unpack("!Q", os.urandom(8))[0] | 1
            self.llqs[identifier] = {"question": question, "source": source, "key": message.keyname, "live": False}
        elif identifier not in self.llqs:
            error = NO_SUCH_LLQ
        elif opcode == REFRESH and not lease:
            del self.llqs[identifier]
        elif opcode == SETUP:
            # Live is what was answered: an event may not overtake the answer.
            self._granted.append(identifier)
            response.answer = self.answers(question.name, question.rdtype)
        self.use_llq(response, opcode, error, identifier, lease)
        return response

    def llq(self, name, kind, timeout=60):
        """(id, what is kept) of the live query for this question."""
        def found():
            for identifier, llq in list(self.llqs.items()):
                if (llq["live"] and llq["question"].name == self.full(name) and
                        llq["question"].rdtype == dns.rdatatype.from_text(kind)):
                    return identifier, llq
            return None
        return wait_until(found, timeout, f"a query for {name} {kind}")

    def event(self, name, kind, removed=(), added=(), forge=None):
        """Sends an event. Returns its octets and its message. forge: signed with this key instead."""
        identifier, llq = self.llq(name, kind)
        message = dns.message.QueryMessage()
        message.flags = dns.flags.QR | dns.flags.AA
        message.question.append(dns.rrset.RRset(llq["question"].name, dns.rdataclass.IN, llq["question"].rdtype))
        for data, ttl in ((removed, REMOVED), (added, 10)):
            if data:
                rrset = self.rrset(name, kind, data)
                rrset.ttl = 0
                message.answer.append(rrset)
        self.use_llq(message, EVENT, 0, identifier, 0)
        octets = self._with_ttls(message, [ttl for data, ttl in ((removed, REMOVED), (added, 10)) for _ in data])
        octets, mac = self._sign(octets, llq["key"], forge or SECRET)
        self.udp.sendto(octets, llq["source"])
        return octets, mac

    @staticmethod
    def _with_ttls(message, ttls):
        """dnspython refuses 0xFFFFFFFF as a TTL, so it is put in afterwards."""
        octets = bytearray(message.to_wire())
        at = 12
        while octets[at]:
            at += 1 + octets[at]
        at += 5
        for ttl in ttls:
            while octets[at] and octets[at] < 192:
                at += 1 + octets[at]
            at += 2 if octets[at] else 1
            struct.pack_into("!I", octets, at + 4, ttl)
            at += 10 + struct.unpack_from("!H", octets, at + 8)[0]
        return bytes(octets)

    @staticmethod
    def _sign(octets, name, secret, now=None, error=0, other=b"", request_mac=b""):
        """As a request is signed, unless there is a request_mac."""
        now = now or int(time.time())
        key = dns.tsig.Key(name, secret, "hmac-sha256")
        rdata = dns.rdtypes.ANY.TSIG.TSIG(dns.rdataclass.ANY, dns.rdatatype.TSIG, key.algorithm, now, 300,
                                          b"", struct.unpack("!H", octets[:2])[0], error, other)
        signed, _ = dns.tsig.sign(octets, key, rdata, now, request_mac)
        wire = signed.to_wire()
        arcount = struct.unpack("!H", octets[10:12])[0] + 1
        return (octets[:10] + struct.pack("!H", arcount) + octets[12:] + name.to_wire() +
                struct.pack("!HHIH", 250, 255, 0, len(wire)) + wire), signed.mac

    # Waiting.

    def wait(self, wanted, timeout=60, what="a request", after=0):
        """The first request from number `after` on that fits; a lost one is None."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                for request in self.requests[after:]:
                    if request is not None and wanted(request):
                        return request
                left = deadline - time.monotonic()
                assert left > 0, f"{what} did not come; there were {[r and r.message.to_text() for r in self.requests]}"
                self.changed.wait(left)

    def wait_update(self, after=0, withdrawal=False, **options):
        return self.wait(lambda r: r.message.opcode() == dns.opcode.UPDATE and (added(r.message) == []) == withdrawal,
                         what="an UPDATE", after=after, **options)

    def wait_ack(self, octets, mac):
        """The acknowledgement of an event, with its signature checked as the response to it."""
        acknowledged = wait_until(lambda: next((ack for ack in self.acks if ack[:2] == octets[:2]), None), 10,
                                  "an acknowledgement")
        return dns.message.from_wire(acknowledged, keyring=self.keyring, request_mac=mac)


def _bind_in(namespace, address, port):
    """A listening TCP socket."""
    udp, tcp = _sockets_in(namespace, address, port)
    udp.close()
    return tcp


class TlsServer:
    """A self-signed certificate, and TLS connections that give each message to take(octets, source), which answers
    with octets or None. cut: so many connections are closed when their first message has come."""

    def __init__(self, host, take, address=ADDRESS, port=8853):
        self.take, self.address, self.port = take, address, port
        self.answered = lambda: None
        self.cut = self.n_connections = 0
        self.connections = []
        self.lock = threading.Lock()
        self.folder = tempfile.TemporaryDirectory()
        self.new_certificate()
        self.listener = _bind_in(host, address, port)
        threading.Thread(target=self._serve, daemon=True).start()

    def new_certificate(self):
        name = os.path.join(self.folder.name, "tls")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                        "/CN=zone", "-days", "2", "-keyout", name + ".key", "-out", name + ".crt"], check=True,
                       capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(name + ".crt", name + ".key")
        self.context.set_alpn_protocols(["dot"])
        spki = subprocess.run(f"openssl x509 -in {name}.crt -noout -pubkey | openssl pkey -pubin -outform DER", shell=True,
                              check=True, capture_output=True).stdout
        self.digest = hashlib.sha256(spki).digest()

    @property
    def pin(self):
        return "sha256/" + base64.b64encode(self.digest).decode()

    def _serve(self):
        while True:
            try:
                connection, source = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=(connection, source), daemon=True).start()

    def _serve_one(self, connection, source):
        try:
            with self.context.wrap_socket(connection, server_side=True) as tls:
                self.n_connections += 1
                self.connections.append(tls)
                for octets in self._messages(tls):
                    if self.cut > 0:
                        self.cut -= 1
                        return
                    self.answer(tls, octets, source)
        except (OSError, ValueError):
            pass

    def _messages(self, tls):
        kept = b""
        while True:
            if not tls.pending():
                select.select([tls], [], [])
            # The test writes from another thread.
            with self.lock:
                octets = tls.recv(65536)
            if not octets:
                return
            kept += octets
            while len(kept) >= 2 and len(kept) >= 2 + struct.unpack_from("!H", kept)[0]:
                size, = struct.unpack_from("!H", kept)
                yield kept[2:2 + size]
                kept = kept[2 + size:]

    def answer(self, tls, octets, source):
        answer = self.take(octets, source)
        if answer:
            self.send(tls, answer)
        self.answered()

    def send(self, tls, octets):
        with self.lock:
            tls.sendall(struct.pack("!H", len(octets)) + octets)

    def drop_all(self):
        """Ends all connections as a crash would."""
        for tls in list(self.connections):
            try:
                tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                tls.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.connections.clear()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.drop_all()
        self.folder.cleanup()


class TlsZone(FakeZone):
    """With TLS besides: self.tls. What comes by TLS is in self.requests with tcp = "tls"."""

    def __init__(self, host, names=("desktop",), **options):
        super().__init__(host, names, **options)
        self.tls = TlsServer(host, lambda octets, source: self._take(octets, source, "tls"))
        self.tls.answered = self._answered
        self.records["_dns-update-tls._udp", "SRV"] = [f"0 0 {self.tls.port} ns"]
        self.publish_pin()

    def publish_pin(self):
        self.records[f"_{self.tls.port}._tcp.ns", "TLSA"] = ["3 1 1 " + self.tls.digest.hex()]

    def close(self):
        self.tls.close()
        super().close()


SUBSCRIBE, PUSH, UNSUBSCRIBE = 0x40, 0x41, 0x42
COLLECTIVE = 0xFFFFFFFE


class PushZone(TlsZone):
    """DNS Push (RFC 8765) on the TLS port. subscriptions: [(connection, id, name, type)] that live. dso_rcode: of
    each DSO response. bound: connections on which a signed query came that named them."""

    def __init__(self, host, names=("desktop",), **options):
        super().__init__(host, names, **options)
        self.tls.answer = self._answer
        self.dso_rcode = 0
        self.times = (15000, 20000)     # inactivity, keepalive interval
        self.subscriptions, self.bound = [], []
        self.n_keepalives = 0
        self.records["_dns-push-tls._tcp", "SRV"] = [f"0 0 {self.tls.port} ns"]

    @staticmethod
    def dso(identifier, response, rcode, *tlvs):
        body = b"".join(struct.pack("!HH", kind, len(data)) + data for kind, data in tlvs)
        return struct.pack("!HHHHHH", identifier, (0x8000 if response else 0) | 0x3000 | rcode, 0, 0, 0, 0) + body

    def _answer(self, tls, octets, source):
        if octets[2] & 0x80 and octets[2] >> 3 & 15 != 6:
            self._take(octets, source, "tls")
            return
        if octets[2] >> 3 & 15 != 6:
            for option in dns.message.from_wire(octets, keyring=self.keyring).options:
                if option.otype == 65001 and len(option.data) == 32:
                    self.bound.append(tls)
            answer = self._take(octets, source, "tls")
            if answer:
                self.tls.send(tls, answer)
            self._answered()
            return
        if self.silent:
            return
        identifier, = struct.unpack_from("!H", octets)
        kind, size = struct.unpack_from("!HH", octets, 12)
        data = octets[16:16 + size]
        if kind == 1:
            self.n_keepalives += 1
            self.tls.send(tls, self.dso(identifier, True, self.dso_rcode, (1, struct.pack("!II", *self.times))))
        elif kind == SUBSCRIBE:
            name, used = dns.name.from_wire(data, 0)
            rdtype, rdclass = struct.unpack_from("!HH", data, used)
            rcode = self.dso_rcode or (0 if tls in self.bound else dns.rcode.REFUSED)
            self.tls.send(tls, self.dso(identifier, True, rcode))
            if not rcode:
                # What the test tells may not overtake what there is.
                kept = self.answers(name, rdtype)
                if kept:
                    self.tls.send(tls, self.push_of(kept))
                with self.changed:
                    self.subscriptions.append((tls, identifier, name, rdtype))
                    self.changed.notify_all()
        elif kind == UNSUBSCRIBE:
            gone, = struct.unpack("!H", data)
            with self.changed:
                self.subscriptions = [s for s in self.subscriptions if (s[0], s[1]) != (tls, gone)]
                self.changed.notify_all()

    def push_of(self, rrsets, ttl=None):
        body = b""
        for rrset in rrsets:
            for rdata in rrset:
                wire = rdata.to_wire()
                body += rrset.name.to_wire() + struct.pack("!HHIH", rrset.rdtype, 1, 10 if ttl is None else ttl, len(wire)) + wire
        return self.dso(0, False, 0, (PUSH, body))

    def live(self, name, kind):
        rdtype = dns.rdatatype.from_text(kind)
        return [s for s in self.subscriptions if s[2] == self.full(name) and s[3] == rdtype and s[0] in self.tls.connections]

    def push(self, name, kind, removed=(), added=()):
        """Tells the subscriber of this question."""
        tls = wait_until(lambda: self.live(name, kind), 10, f"a subscription to {name} {kind}")[-1][0]
        for data, ttl in (removed, REMOVED), (added, 10):
            if data:
                self.tls.send(tls, self.push_of([self.rrset(name, kind, data)], ttl))
        return tls


class Resolving(FakeZone):
    """On port 53, where it is what the system's resolver knows of the members zone, too."""

    def __init__(self, host, **options):
        super().__init__(host, port=53, **options)
        self.resolver_rcode = dns.rcode.NOERROR

    def take_query(self, message):
        response = super().take_query(message)
        question = message.question[0]
        if question.name == dns.name.from_text(DOMAIN):
            response.set_rcode(self.resolver_rcode)
            if question.rdtype == dns.rdatatype.NS and self.resolver_rcode == dns.rcode.NOERROR:
                response.answer.append(dns.rrset.from_text(question.name, 10, "IN", "NS", f"ns.{ACCOUNT}."))
                response.additional.append(dns.rrset.from_text(f"ns.{ACCOUNT}.", 10, "IN", "A", *self.records["ns", "A"]))
        return response


def added(update):
    """["name type data"] of the records an UPDATE adds, names below the account."""
    zone = dns.name.from_text(ACCOUNT)
    return [f"{rrset.name.relativize(zone)} {dns.rdatatype.to_text(rrset.rdtype)} {rdata.to_text(zone)}"
            for rrset in update.update for rdata in rrset if not rrset.deleting]


def deleted(update):
    """["name type"] of the RRsets, and ["name type data"] of the records, an UPDATE deletes."""
    zone = dns.name.from_text(ACCOUNT)
    return [" ".join([str(rrset.name.relativize(zone)), dns.rdatatype.to_text(rrset.rdtype)] +
                     [rdata.to_text(zone) for rdata in rrset if rrset.deleting == dns.rdataclass.NONE])
            for rrset in update.update if rrset.deleting]
