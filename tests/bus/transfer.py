# SPDX-License-Identifier: LGPL-2.1-or-later
"""Much through a tunnel, and whether all of it arrived."""
import hashlib
import random

SIZE = 6 << 20

# Both ways at once; each side says what it got.
TCP = """
import hashlib, random, socket, sys, threading
def run(s, seed):
    def send():
        s.sendall(random.Random(seed).randbytes(%d))
        s.shutdown(socket.SHUT_WR)
    sender = threading.Thread(target=send); sender.start()
    got = hashlib.sha256()
    while True:
        data = s.recv(1 << 20)
        if not data: break
        got.update(data)
    sender.join()
    print(got.hexdigest(), flush=True)
if sys.argv[1] == "listen":
    l = socket.socket(socket.AF_INET6); l.bind((sys.argv[2], 7070)); l.listen(); print("ready", flush=True)
    run(l.accept()[0], 1)
else:
    run(socket.create_connection((sys.argv[2], 7070), source_address=(sys.argv[3], 0) if sys.argv[3:] else None), 2)
""" % SIZE

# Super-packets of UDP (UDP_SEGMENT is 103) of odd sizes up to what any path takes, told apart by their content, sent again while one is missing.
UDP = """
import random, socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
if sys.argv[1] == "listen":
    s.bind((sys.argv[2], 7071)); print("ready", flush=True)
    while True:
        data, source = s.recvfrom(65536)
        s.sendto(data, source)
s.connect((sys.argv[2], 7071)); s.settimeout(2)
for size in 1, 2, 3, 7, 64, 199, 1000, 1001, 1200, 1232:
    for last in size, max(1, size // 2):
        whole = random.Random(size).randbytes(size * 11) + b"x" * last
        pieces = {whole[i:i + size] for i in range(0, len(whole), size)}
        while pieces:
            s.setsockopt(socket.IPPROTO_UDP, 103, size)
            s.send(whole)
            try:
                while pieces:
                    pieces.discard(s.recv(65536))
            except TimeoutError:
                pass
print("all")
"""


def transfer(client, server, address, script, *options):
    """Between two hosts, with one's address; what each side said."""
    there = server.popen(["/usr/bin/python3", "-c", script, "listen", address], stdout=-1)
    assert there.stdout.readline() == b"ready\n"
    here = client.popen(["/usr/bin/python3", "-c", script, "connect", address, *options], stdout=-1)
    said = here.communicate(timeout=300)[0].decode().strip()
    if script is UDP:
        there.kill()
    return said, there.communicate(timeout=300)[0].decode().strip()


def hash_of(seed):
    return hashlib.sha256(random.Random(seed).randbytes(SIZE)).hexdigest()
