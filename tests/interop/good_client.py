# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client that only wants its answers, while others want none:

    good_client.py SERVER KEY-NAME BASE64-SECRET

Asks by UDP, TCP and TLS in turn, each question until it is answered, and changes a record now and then. One line of JSON
for each answer; ends with its standard input.
"""
import base64
import json
import select
import socket
import ssl
import struct
import sys
import time

import dns.exception
import dns.message
import dns.query
import dns.tsig
import dns.update

SERVER, KEY_NAME, SECRET = sys.argv[1:4]
KEY = dns.tsig.Key(KEY_NAME, base64.b64decode(SECRET), dns.tsig.HMAC_SHA256)
CONTEXT = ssl._create_unverified_context()


def by_tls(message):
    with socket.create_connection((SERVER, 853), timeout=5) as tcp, CONTEXT.wrap_socket(tcp) as tls:
        octets = message.to_wire()
        tls.sendall(struct.pack(">H", len(octets)) + octets)
        answer = b""
        while len(answer) < 2 or len(answer) < 2 + struct.unpack(">H", answer[:2])[0]:
            part = tls.recv(65536)
            if not part:
                raise EOFError
            answer += part
        return dns.message.from_wire(answer[2:], keyring=KEY, request_mac=message.mac)


WAYS = {
    "udp": lambda message: dns.query.udp(message, SERVER, timeout=2),
    "tcp": lambda message: dns.query.tcp(message, SERVER, timeout=5),
    "tls": by_tls,
}


def ask(way, i):
    """Seconds until the answer, and the tries it took."""
    begun, end = time.monotonic(), time.monotonic() + 120
    for tries in range(1, 1000):
        if way == "udp" and i % 4 == 0:
            message = dns.update.Update(KEY_NAME)
            message.replace("good", 10, "TXT", str(i))
        else:
            message = dns.message.make_query(KEY_NAME, "SOA")
        message.use_tsig(KEY)
        try:
            answer = WAYS[way](message)
            if answer.rcode() == 0:
                return time.monotonic() - begun, tries
        except (OSError, EOFError, dns.exception.DNSException):
            time.sleep(0.05)
        if time.monotonic() > end:
            return None, tries


def main():
    i = 0
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        way = ("udp", "udp", "tcp", "tls")[i % 4]
        seconds, tries = ask(way, i // 4)
        print(json.dumps({"way": way, "seconds": seconds, "tries": tries}), flush=True)
        i += 1


if __name__ == "__main__":
    main()
