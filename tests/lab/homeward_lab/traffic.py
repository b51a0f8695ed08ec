# SPDX-License-Identifier: LGPL-2.1-or-later
"""Traffic between two hosts whose every octet is checked, run inside them; talk.py is the handle on it.

    traffic.py listen OWN-ADDRESS MARK
    traffic.py talk PEER-ADDRESS MARK SEED

listen serves any number of talkers. talk has with it: one TCP connection in both directions from beginning to end, short
ones one after the other, datagrams that come back, pings of all sizes; packets larger than the path go in fragments. What
it counted it says each second; "end" on its standard input brings it to an orderly end. Whatever is not what was sent
is said as "wrong", and the exit status is 1.
"""
import hashlib
import json
import os
import random
import socket
import struct
import sys
import threading
import time

PORT = 4800
HEAD = struct.Struct("!I8s")
# Of records on the long connection: the last one carries the hash of all.
LAST = 0
TICK = 0.02
CHUNK = 12000      # octets at most in a tick, so some 300 KB/s
BURST = 1 << 20
BURST_EVERY = 4.0
LARGEST_WHOLE = 1390  # that may go in one packet


class State:
    def __init__(self):
        self.lock = threading.Lock()
        self.counts = {}
        self.wrong = []
        self.ending = threading.Event()

    def count(self, name, n=1):
        with self.lock:
            self.counts[name] = self.counts.get(name, 0) + n

    def complain(self, text):
        with self.lock:
            self.wrong.append(text)
        say(wrong=text)


def say(**fields):
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def octets(source, size, mark):
    """Random, with the mark in it wherever it fits, so that it would be found in clear."""
    data = bytearray(source.randbytes(size))
    for at in range(0, size - len(mark) + 1, 256):
        data[at:at + len(mark)] = mark
    return bytes(data)


def receive(connection, size):
    data = bytearray()
    while len(data) < size:
        more = connection.recv(min(size - len(data), 1 << 18))
        if not more:
            raise ConnectionError(f"the end after {len(data)} of {size} octets")
        data += more
    return bytes(data)


class Long:
    """One side of the long connection."""

    def __init__(self, state, connection, mark, seed):
        self.state, self.connection, self.mark = state, connection, mark
        self.random = random.Random(seed)
        self.ending = threading.Event()

    def send(self):
        whole, total, next_burst = hashlib.sha256(), 0, time.monotonic() + BURST_EVERY
        while not self.ending.is_set():
            size = self.random.randrange(1, CHUNK)
            if time.monotonic() >= next_burst:
                size, next_burst = BURST, time.monotonic() + BURST_EVERY
            data = octets(self.random, size, self.mark)
            self.connection.sendall(HEAD.pack(size, hashlib.sha256(data).digest()[:8]) + data)
            whole.update(data)
            total += size
            self.state.count("long-out", size)
            self.ending.wait(TICK)
        self.connection.sendall(HEAD.pack(LAST, bytes(8)) + struct.pack("!Q", total) + whole.digest())

    def receive(self):
        whole, total = hashlib.sha256(), 0
        while True:
            size, digest = HEAD.unpack(receive(self.connection, HEAD.size))
            if size == LAST:
                told, = struct.unpack("!Q", receive(self.connection, 8))
                if (told, receive(self.connection, 32)) != (total, whole.digest()):
                    self.state.complain(f"long connection: {total} octets with another hash than the {told} that were sent")
                return
            data = receive(self.connection, size)
            if hashlib.sha256(data).digest()[:8] != digest:
                self.state.complain(f"long connection: a record of {size} octets at {total} is another one")
            whole.update(data)
            total += size
            self.state.count("long-in", size)

    def run(self, leads):
        """Until both directions are complete. The talker ends first, the listener when it hears so."""
        sender = threading.Thread(target=self.guard, args=(self.send,))
        receiver = threading.Thread(target=self.guard, args=(self.receive,))
        sender.start()
        receiver.start()
        if leads:
            self.state.ending.wait()
        else:
            receiver.join()
        self.ending.set()
        sender.join()
        receiver.join()
        self.connection.close()

    def guard(self, function):
        try:
            function()
        except OSError as error:
            self.state.complain(f"long connection: {function.__name__}: {error}")


def talk_long(state, address, mark, seed):
    while True:
        try:
            connection = socket.create_connection((address, PORT))
            break
        except OSError:
            time.sleep(0.1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    Long(state, connection, mark, seed).run(True)


def talk_short(state, address, source, mark):
    """A question and its answer, each on a connection of its own. That one cannot be had while the way is not there is no
    mistake; another answer is."""
    while not state.ending.is_set():
        size, wanted = source.choice((1, 700, 1400, 20000)), source.randrange(1, 100000)
        question = octets(source, size, mark)
        try:
            with socket.create_connection((address, PORT + 1), timeout=20) as connection:
                connection.sendall(struct.pack("!II", size, wanted) + question)
                digest = receive(connection, 32)
                answer = receive(connection, wanted)
            if hashlib.sha256(question + answer).digest() != digest:
                state.complain(f"short connection: {wanted} octets with another hash")
            state.count("short")
        except OSError:
            state.count("short-failed")
        state.ending.wait(0.2)


def answer_short(state, connection, mark):
    try:
        with connection:
            connection.settimeout(60)
            size, wanted = struct.unpack("!II", receive(connection, 8))
            question = receive(connection, size)
            answer = octets(random.Random(), wanted, mark)
            connection.sendall(hashlib.sha256(question + answer).digest() + answer)
    except OSError:
        state.count("short-failed")


def any_size(source):
    return source.randrange(8 + 16, LARGEST_WHOLE) if source.random() < 0.9 else source.randrange(LARGEST_WHOLE, 9000)


def numbered(number, size, mark, seed):
    return struct.pack("!QQ", number, seed) + octets(random.Random(number ^ seed), size - 16, mark)


def check_numbered(state, what, data, mark, seed, seen):
    number, told = struct.unpack_from("!QQ", data)
    if told != seed or data != numbered(number, len(data), mark, seed):
        state.complain(f"{what}: {len(data)} octets that nobody sent: {data[:40].hex()}")
        return
    state.count(what)
    if number in seen:
        state.count(f"{what}-again")
    elif seen and number < max(seen):
        state.count(f"{what}-late")
    seen.add(number)
    if len(seen) > 4000:
        for old in sorted(seen)[:2000]:
            seen.discard(old)


def talk_datagrams(state, source, mark, seed, what, sock, every, wrap, unwrap):
    """Sends numbered ones and checks what comes back."""
    seen, sizes = set(), random.Random(seed)

    def read():
        while not state.ending.is_set():
            try:
                data = unwrap(sock.recv(65536))
            except OSError:
                continue
            if data is not None and len(data) >= 16:
                check_numbered(state, what, data, mark, seed, seen)
    sock.settimeout(0.5)
    reader = threading.Thread(target=read)
    reader.start()
    number = 0
    while not state.ending.is_set():
        try:
            sock.send(wrap(number, numbered(number, any_size(sizes), mark, seed)))
            state.count(f"{what}-sent")
        except OSError:
            state.count(f"{what}-refused")
        number += 1
        state.ending.wait(every)
    reader.join()


def talk_udp(state, address, source, mark, seed):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.connect((address, PORT + 2))
    talk_datagrams(state, source, mark, seed, "udp", sock, 0.02, lambda number, data: data, lambda data: data)


def talk_pings(state, address, source, mark, seed):
    """The kernel fills in the checksum, and gives us the ICMPv6 message."""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    sock.connect((address, 0))
    identity = seed & 0xffff

    def unwrap(message):
        return message[8:] if message[:2] == b"\x81\0" and message[4:6] == struct.pack("!H", identity) else None
    talk_datagrams(state, source, mark, seed, "ping", sock, 0.1,
                   lambda number, data: struct.pack("!BBHHH", 128, 0, 0, identity, number & 0xffff) + data, unwrap)


def listen(address, mark):
    state = State()
    long_server, short_server = socket.socket(socket.AF_INET6), socket.socket(socket.AF_INET6)
    for at, server in enumerate((long_server, short_server)):
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, PORT + at))
        server.listen(64)
    echo = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    echo.bind((address, PORT + 2))
    running = []

    def serve_long():
        while True:
            connection, _ = long_server.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=lambda c=connection: Long(state, c, mark, os.urandom(8)).run(False))
            running.append(thread)
            thread.start()

    def serve_short():
        while True:
            threading.Thread(target=answer_short, args=(state, short_server.accept()[0], mark), daemon=True).start()

    def serve_udp():
        while True:
            try:
                data, source = echo.recvfrom(65536)
                echo.sendto(data, source)
            except OSError:
                state.count("udp-refused")
    for function in serve_long, serve_short, serve_udp:
        threading.Thread(target=function, daemon=True).start()
    say(ready=True)
    sys.stdin.readline()
    for thread in running:
        thread.join()
    return state


def talk(address, mark, seed):
    state, source = State(), random.Random(seed)
    threads = [threading.Thread(target=function, args=arguments) for function, arguments in (
        (talk_long, (state, address, mark, seed)),
        (talk_short, (state, address, random.Random(seed + 1), mark)),
        (talk_udp, (state, address, source, mark, seed + 2)),
        (talk_pings, (state, address, source, mark, seed + 3)))]
    for thread in threads:
        thread.start()
    threading.Thread(target=lambda: (sys.stdin.readline(), state.ending.set()), daemon=True).start()
    while any(thread.is_alive() for thread in threads):
        say(counts=state.counts)
        time.sleep(0.25)
    return state


def main():
    mark = bytes.fromhex(sys.argv[3])
    state = listen(sys.argv[2], mark) if sys.argv[1] == "listen" else talk(sys.argv[2], mark, int(sys.argv[4]))
    say(counts=state.counts, end=True)
    sys.stdout.flush()
    os._exit(1 if state.wrong else 0)


if __name__ == "__main__":
    main()
