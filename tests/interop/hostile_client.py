# SPDX-License-Identifier: LGPL-2.1-or-later
"""Somebody who wants zoned to fail. In a network namespace where nobody else is:

    hostile_client.py WHAT SERVER KEY-NAME BASE64-SECRET

Says what it did as one line of JSON, and what it holds open it holds until the end of its standard input.
"""
import base64
import json
import os
import random
import select
import socket
import ssl
import struct
import sys
import time

import dns.edns
import dns.message
import dns.tsig
import dns.update

SERVER, KEY_NAME, SECRET = sys.argv[2:5]
RIGHT = dns.tsig.Key(KEY_NAME, base64.b64decode(SECRET), dns.tsig.HMAC_SHA256)
WRONG = dns.tsig.Key(KEY_NAME, bytes(32), dns.tsig.HMAC_SHA256)
CHUNK = 100


def signed(message, key):
    message.use_tsig(key)
    return message.to_wire()


def llq_setup(key):
    option = dns.edns.GenericOption(1, struct.pack(">HHHQI", 1, 1, 0, 0, 7200))
    return signed(dns.message.make_query(f"desktop.{KEY_NAME}", "AAAA", use_edns=0, payload=1232, options=[option]), key)


def waiting():
    """Octets in the server's socket. What does not fit is lost, and would not have tried it."""
    with open("/proc/net/udp") as file:
        return sum(int(line.split()[4].split(":")[1], 16) for line in file if line.split()[1].endswith(":0035"))


def wait_read():
    end = time.monotonic() + 10
    while waiting() and time.monotonic() < end:
        time.sleep(0.0005)


def spoof():
    """First messages of 100,000 handshakes from as many addresses; the third never comes."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    good, bad = llq_setup(RIGHT), llq_setup(WRONG)
    target = socket.inet_aton(SERVER)
    n = 100000
    for i in range(n):
        # A key that a stranger cannot have, and one of an account that was taken over.
        octets = good if i % 2 else bad
        source = struct.pack(">I", 0x0a000000 + 7 * i)
        udp = struct.pack(">HHHH", 1024 + i % 60000, 53, 8 + len(octets), 0) + octets
        header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 17, 0, source, target)
        raw.sendto(header + udp, (SERVER, 0))
        if i % CHUNK == 0:
            wait_read()
    wait_read()
    return {"handshakes": n}


def flood():
    """UPDATEs and queries with signatures that are wrong."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.connect((SERVER, 53))
    udp.setblocking(False)
    update = dns.update.Update(KEY_NAME)
    update.add("desktop", 10, "A", "192.0.2.66")
    octets = bytearray(signed(update, WRONG))
    n = 20000
    for i in range(n):
        octets[0:2] = struct.pack(">H", i & 0xffff)
        # Keys that there are, and keys that there are not.
        octets[-10] = i & 0xff
        udp.send(octets)
        if i % CHUNK == 0:
            wait_read()
    wait_read()
    return {"signatures": n}


def name_loops():
    header = struct.pack(">HHHHHH", 1, 0, 1, 0, 0, 0)
    yield header + b"\xc0\x0c\0\1\0\1"
    yield header + b"\xc0\x0e\xc0\x0c\0\1\0\1"
    yield header + b"\1a\xc0\x0c\0\1\0\1"
    yield header + b"\xc0\xff\0\1\0\1"
    yield header + b"\x3f" * 60
    # Records whose data points at each other, many times over.
    records = b"".join(b"\xc0\x0c\0\2\0\1\0\0\0\1\0\2" + struct.pack(">H", 0xc000 + 28 + 14 * (i % 3)) for i in range(400))
    yield struct.pack(">HHHHHH", 1, 0x2800, 1, 400, 0, 0) + b"\1a\0\0\6\0\1" + records
    yield struct.pack(">HHHHHH", 1, 0, 65535, 65535, 65535, 65535) + b"\0\0\1\0\1" * 13000


def oversized():
    """Messages as long as they may be, and names that never end."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.connect((SERVER, 53))
    n = 0
    for _ in range(30):
        for octets in name_loops():
            udp.send(octets[:60000])
            n += 1
        udp.send(os.urandom(60000))
        wait_read()
    held = []
    for i in range(200):
        tcp = socket.create_connection((SERVER, 53), timeout=10)
        try:
            for octets in name_loops():
                tcp.sendall(struct.pack(">H", len(octets[:65535])) + octets[:65535])
            tcp.sendall(b"\xff\xff" + os.urandom(60000))
        except OSError:
            pass
        n += 8
        held.append(tcp)
    return {"messages": n}


def connect(i, port):
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.settimeout(60)
    tcp.bind((f"127.9.{i // 250 % 250}.{1 + i % 250}", 0))
    tcp.connect((SERVER, port))
    return tcp


def slow():
    """Thousands of connections that say an octet now and then, by TCP and inside and before TLS."""
    context = ssl._create_unverified_context()
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    held, n_tls, begun = [], 0, time.monotonic()
    for i in range(2500):
        try:
            held.append(connect(i, 53))
        except OSError:
            pass
    for i in range(2500):
        try:
            sock = connect(i, 853)
            if i % 10 == 0:
                sock = context.wrap_socket(sock)
                n_tls += 1
            else:
                sock.send(hello)
            held.append(sock)
        except OSError:
            pass
    for _ in range(3):
        for sock in held:
            try:
                sock.send(b"\1")
            except OSError:
                pass
        print(json.dumps({"held": len(held), "tls": n_tls, "seconds": round(time.monotonic() - begun, 1)}), flush=True)
        if select.select([sys.stdin], [], [], 1)[0]:
            break
    sys.stdin.read()
    return {"connections": len(held)}


def garbage():
    """DSO that makes no sense, by TCP and TLS."""
    random.seed(11)
    context = ssl._create_unverified_context()
    n = 0
    for i in range(120):
        sock = connect(i, 853 if i % 2 else 53)
        try:
            if i % 2:
                sock = context.wrap_socket(sock)
            for _ in range(40):
                tlv = random.choice((0, 1, 2, 3, 0x40, 0x41, 0x42, 0x43, random.randrange(65536)))
                data = os.urandom(random.randrange(0, 300))
                size = len(data) if random.random() < 0.7 else random.randrange(65536)
                message = struct.pack(">HHHHHHHH", random.choice((0, 7, 9)), random.choice((0x3000, 0xb000, 0x3001)),
                                      *random.choice(((0, 0, 0, 0), (1, 0, 0, 0))), tlv, size) + data
                sock.sendall(struct.pack(">H", len(message)) + message)
                n += 1
        except OSError:
            pass
        sock.close()
    return {"messages": n}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]]()), flush=True)
