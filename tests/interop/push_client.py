# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client of DNS over TLS, DSO and DNS Push (RFC 7858, 8490, 8765) made of pyOpenSSL, dnspython and struct: nothing of it is
homeward's. As a program it runs a script of commands from standard input, one answer in JSON per line, for use on a host:

    push_client.py ADDRESS PORT [KEYLOG]

The commands are the methods of Program.
"""
import base64
import json
import select
import socket
import struct
import sys
import time

import dns.edns
import dns.message
import dns.name
import dns.rdata
import dns.tsig
from OpenSSL import SSL

KEEPALIVE, RETRY_DELAY, PADDING, SUBSCRIBE, PUSH, UNSUBSCRIBE, RECONFIRM = 1, 2, 3, 0x40, 0x41, 0x42, 0x43
BINDING_OPTION = 65001
BINDING_LABEL = b"EXPORTER-Channel-Binding"
ANY = 255


def tlv(kind, data):
    return struct.pack("!HH", kind, len(data)) + data


def dso(ident, *tlvs, flags=0x3000):
    return struct.pack("!HHHHHH", ident, flags, 0, 0, 0, 0) + b"".join(tlvs)


def parse_tlvs(octets):
    tlvs, position = [], 12
    while position < len(octets):
        kind, size = struct.unpack_from("!HH", octets, position)
        assert position + 4 + size <= len(octets)
        tlvs.append((kind, position + 4, position + 4 + size))
        position += 4 + size
    return tlvs


def parse_push(octets, position, end):
    """What changed, in words."""
    changes = []
    while position < end:
        name, used = dns.name.from_wire(octets, position)
        position += used
        rdtype, rdclass, ttl, size = struct.unpack_from("!HHIH", octets, position)
        position += 10
        name = name.to_text().lower()
        if ttl == 0xFFFFFFFE:
            assert size == 0
            changes.append(f"- {name} all" if rdclass == ANY or rdtype == ANY
                           else f"- {name} {dns.rdatatype.to_text(rdtype)}")
        else:
            rdata = dns.rdata.from_wire(rdclass, rdtype, octets[:position + size], position, size)
            words = f"{name} {dns.rdatatype.to_text(rdtype)} {rdata.to_text().lower()}"
            changes.append(f"- {words}" if ttl == 0xFFFFFFFF else f"+ {words} {ttl}")
        position += size
    return changes


class Aborted(Exception):
    """The server ended the connection; the argument tells how."""


class Client:
    def __init__(self, address, port, keylog=None, timeout=120):
        self.timeout = timeout
        self.socket = socket.create_connection((address, port), timeout)
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_alpn_protos([b"dot"])
        if keylog:
            context.set_keylog_callback(lambda _, line: open(keylog, "ab").write(line + b"\n"))
        self.tls = SSL.Connection(context, self.socket)
        self.tls.set_connect_state()
        # pyOpenSSL knows no timeouts: readiness is asked for here.
        self.socket.setblocking(False)
        self._retry(self.tls.do_handshake)
        assert self.tls.get_alpn_proto_negotiated() == b"dot"
        self.buffer = b""
        self.ident = 0
        self.unasked = []  # messages that came before a response, in their order

    def _retry(self, function, *arguments, until=None):
        until = until or time.monotonic() + self.timeout
        while True:
            try:
                return function(*arguments)
            except SSL.WantReadError:
                ready = select.select([self.socket], [], [], max(0, until - time.monotonic()))[0]
            except SSL.WantWriteError:
                ready = select.select([], [self.socket], [], max(0, until - time.monotonic()))[1]
            except SSL.ZeroReturnError:
                raise Aborted("closed") from None
            except (SSL.SysCallError, ConnectionError) as error:
                raise Aborted("reset" if error.args[0] == 104 or isinstance(error, ConnectionResetError)
                              else "closed") from None
            if not ready:
                raise TimeoutError

    def send(self, *messages):
        self._retry(self.tls.sendall, b"".join(struct.pack("!H", len(message)) + message for message in messages))

    def receive(self, timeout=None):
        until = time.monotonic() + (self.timeout if timeout is None else timeout)
        while len(self.buffer) < 2 or len(self.buffer) < 2 + struct.unpack("!H", self.buffer[:2])[0]:
            self.buffer += self._retry(self.tls.recv, 65536, until=until)
        size = struct.unpack("!H", self.buffer[:2])[0]
        message, self.buffer = self.buffer[2:2 + size], self.buffer[2 + size:]
        return message

    def binding(self):
        return self.tls.export_keying_material(BINDING_LABEL, 32, b"")

    def next_id(self):
        self.ident += 1
        return self.ident

    def query(self, name, rdtype, key=None, options=(), edns=True, **fields):
        query = dns.message.make_query(name, rdtype, **fields)
        query.id = self.next_id()
        if edns:
            query.use_edns(0, 0, 1232, options=list(options))
        if key:
            query.use_tsig(key)
        self.send(query.to_wire())
        # TSIG is checked: the query's MAC is what the answer's begins with.
        octets = self.receive()
        while octets[:2] == bytes(2):
            self.unasked.append(octets)
            octets = self.receive()
        return dns.message.from_wire(octets, keyring=key and {key.name: key}, request_mac=query.mac if key else b"")

    def bind(self, domain, key, binding=None):
        return self.query(domain, "SOA", key,
                          [dns.edns.GenericOption(BINDING_OPTION, self.binding() if binding is None else binding)])

    def request(self, *tlvs):
        """A DSO request; the id and the response's RCODE and TLVs."""
        ident = self.next_id()
        self.send(dso(ident, *tlvs))
        octets = self.receive()
        while octets[:2] == bytes(2):
            self.unasked.append(octets)
            octets = self.receive()
        got, flags = struct.unpack_from("!HH", octets)
        assert got == ident and flags & 0xF800 == 0xB000, octets.hex()
        return ident, flags & 15, {kind: octets[start:end] for kind, start, end in parse_tlvs(octets)}

    def keepalive(self, inactivity=15000, interval=3600000):
        _, rcode, tlvs = self.request(tlv(KEEPALIVE, struct.pack("!II", inactivity, interval)))
        assert rcode == 0
        return struct.unpack("!II", tlvs[KEEPALIVE])

    def subscribe(self, name, rdtype, rdclass="IN"):
        question = dns.name.from_text(name).to_wire() + struct.pack(
            "!HH", dns.rdatatype.from_text(rdtype), dns.rdataclass.from_text(rdclass))
        return self.request(tlv(SUBSCRIBE, question))

    def unsubscribe(self, ident):
        self.send(dso(0, tlv(UNSUBSCRIBE, struct.pack("!H", ident))))

    def unidirectional(self, timeout=None):
        """The next message that is no response: its kind and what it says."""
        octets = self.unasked.pop(0) if self.unasked else self.receive(timeout)
        ident, flags = struct.unpack_from("!HH", octets)
        assert ident == 0 and flags & 0xF800 == 0x3000 and octets[4:12] == bytes(8), octets.hex()
        kind, start, end = parse_tlvs(octets)[0]
        if kind == PUSH:
            assert len(octets) <= 16382
            return "push", parse_push(octets, start, end)
        if kind == KEEPALIVE:
            return "keepalive", list(struct.unpack("!II", octets[start:end]))
        assert kind == RETRY_DELAY
        return "retry", [flags & 15, struct.unpack("!I", octets[start:end])[0]]

    def push(self, timeout=None):
        """The changes of the next PUSH."""
        while True:
            kind, value = self.unidirectional(timeout)
            if kind == "push":
                return value
            assert kind == "keepalive"

    def wait_end(self, timeout=None):
        """Reads to the end; how it came."""
        try:
            while True:
                self.receive(timeout)
        except Aborted as aborted:
            return aborted.args[0]

    def close(self):
        try:
            self.tls.shutdown()
        except SSL.Error:
            pass
        self.socket.close()


def make_key(name, secret):
    return dns.tsig.Key(name, base64.b64decode(secret), dns.tsig.HMAC_SHA256)


class Program:
    """The commands of the program: methods of Client by their names, with words for arguments."""

    def __init__(self, client):
        self.client = client

    def bind(self, domain, name, secret, *binding):
        answer = self.client.bind(domain, make_key(name, secret), *(bytes.fromhex(b) for b in binding))
        return dns.rcode.to_text(answer.rcode())

    def query(self, name, rdtype, *key):
        answer = self.client.query(name, rdtype, make_key(*key) if key else None)
        return [dns.rcode.to_text(answer.rcode())] + [rr.to_text() for rrset in answer.answer for rr in rrset]

    def keepalive(self, *times):
        return self.client.keepalive(*(int(time) for time in times))

    def subscribe(self, *question):
        ident, rcode, tlvs = self.client.subscribe(*question)
        return [ident, rcode, {kind: octets.hex() for kind, octets in tlvs.items()}]

    def unsubscribe(self, ident):
        self.client.unsubscribe(int(ident))

    def push(self, *timeout):
        return self.client.push(*(float(t) for t in timeout))

    def next(self, *timeout):
        return self.client.unidirectional(*(float(t) for t in timeout))

    def send(self, octets):
        self.client.send(bytes.fromhex(octets))

    def receive(self, *timeout):
        return self.client.receive(*(float(t) for t in timeout)).hex()

    def end(self, *timeout):
        return self.client.wait_end(*(float(t) for t in timeout))

    def close(self):
        self.client.close()


def main():
    program = Program(Client(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
    print(json.dumps("connected"), flush=True)
    for line in sys.stdin:
        command, *words = line.split()
        try:
            answer = getattr(program, command)(*words)
        except Aborted as aborted:
            answer = {"aborted": aborted.args[0]}
        except TimeoutError:
            answer = {"timeout": True}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
