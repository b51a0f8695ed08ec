# SPDX-License-Identifier: LGPL-2.1-or-later
"""A long-lived query by dnspython, whose TSIG is not ours. Speaks the protocol of RFC 8764 as its text has it:

    llq_client.py SERVER KEY-NAME BASE64-SECRET NAME TYPE [silent]

Prints one JSON object per line: first what the setup gave, then each new event, which it acknowledges (unless
silent: then each datagram of an event is printed and none answered).
"""
import base64
import json
import socket
import struct
import sys

import dns.edns
import dns.flags
import dns.message
import dns.tsig

SETUP, REFRESH, EVENT = 1, 2, 3


class Client:
    def __init__(self, server, key_name, secret):
        self.key = dns.tsig.Key(key_name, base64.b64decode(secret), dns.tsig.HMAC_SHA256)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((server, 53))

    def option(self, opcode, number, lease):
        return dns.edns.GenericOption(1, struct.pack(">HHHQI", 1, opcode, 0, number, lease))

    def ask(self, name, rdtype, opcode, number, lease):
        query = dns.message.make_query(name, rdtype, use_edns=0, payload=1232,
                                       options=[self.option(opcode, number, lease)])
        query.use_tsig(self.key)
        octets = query.to_wire()
        for wait in (20, 40, 60):
            self.socket.settimeout(wait)
            self.socket.send(octets)
            try:
                while True:
                    answer = self.socket.recv(65535)
                    if answer[:2] == octets[:2]:
                        return dns.message.from_wire(answer, keyring=self.key, request_mac=query.mac)
            except (TimeoutError, ConnectionRefusedError):
                pass
        raise TimeoutError("no answer")

    @staticmethod
    def llq(message):
        for option in message.options:
            if option.otype == 1:
                return dict(zip(("version", "opcode", "error", "id", "lease"),
                                struct.unpack(">HHHQI", option.to_wire())))
        return None

    def acknowledge(self, event, llq):
        answer = dns.message.QueryMessage(id=event.id)
        answer.flags = dns.flags.QR
        answer.question = list(event.question)
        answer.use_edns(0, payload=1232, options=[self.option(EVENT, llq["id"], 0)])
        answer.use_tsig(self.key)
        answer.request_mac = event.mac
        self.socket.send(answer.to_wire())


def read_answers(message, octets):
    """[(added, owner, data)]. The TTLs are read from the octets, where -1 is still -1."""
    found = []
    position = 12
    n_questions, n_answers = struct.unpack_from(">HH", octets, 4)

    def skip_name(at):
        while True:
            size = octets[at]
            if size == 0:
                return at + 1
            if size >= 0xc0:
                return at + 2
            at += size + 1
    for _ in range(n_questions):
        position = skip_name(position) + 4
    ttls = []
    for _ in range(n_answers):
        position = skip_name(position)
        ttl, size = struct.unpack_from(">IH", octets, position + 4)
        ttls.append(ttl)
        position += 10 + size
    flat = [(str(rrset.name), rdata.to_text()) for rrset in message.answer for rdata in rrset]
    if len(flat) == len(ttls):
        found = [(ttl != 0xFFFFFFFF, owner, data) for ttl, (owner, data) in zip(ttls, flat)]
    return found


def say(**what):
    print(json.dumps(what), flush=True)


def main():
    server, key_name, secret, name, rdtype = sys.argv[1:6]
    silent = "silent" in sys.argv[6:]
    client = Client(server, key_name, secret)
    challenge = client.llq(client.ask(name, rdtype, SETUP, 0, 5400))
    answer = client.ask(name, rdtype, SETUP, challenge["id"], challenge["lease"])
    say(challenge=challenge, ack=client.llq(answer),
        answers=sorted(rdata.to_text() for rrset in answer.answer for rdata in rrset))
    seen = set()
    client.socket.settimeout(None)
    while True:
        try:
            octets = client.socket.recv(65535)
        except ConnectionRefusedError:
            continue
        # Signed like a request: no MAC before it.
        event = dns.message.from_wire(octets, keyring=client.key, one_rr_per_rrset=True)
        llq = client.llq(event)
        if silent:
            say(id=event.id, octets=octets.hex())
            continue
        if octets not in seen:
            seen.add(octets)
            say(id=event.id, llq=llq, changes=read_answers(event, octets))
        client.acknowledge(event, llq)


if __name__ == "__main__":
    sys.exit(main())
