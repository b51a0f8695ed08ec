# SPDX-License-Identifier: LGPL-2.1-or-later
"""One TCP connection that carries a file from one host to another, watched closely.

Run as a program inside the hosts ("receive PORT FILE", "send FILE ADDRESS PORT"); Transfer is the handle on both.
The receiver notes when octets came: every pause of 20 ms or more, measured in the receiver itself with
CLOCK_MONOTONIC, which all namespaces of a machine share.
"""
import hashlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

GAP = 0.020
_STEP = 1 << 20


def say(**fields):
    print(json.dumps(fields), flush=True)


def file_sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def connection_facts(connection):
    """What tells one connection from another, and what the kernel counted on it."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232)
    return {"local": connection.getsockname()[:2], "remote": connection.getpeername()[:2],
            "inode": os.fstat(connection.fileno()).st_ino, "state": info[0],
            "retransmits": struct.unpack_from("=I", info, 100)[0],
            "acked": struct.unpack_from("=Q", info, 120)[0], "received": struct.unpack_from("=Q", info, 128)[0]}


def receive(port, path):
    listener = socket.create_server(("::", port), family=socket.AF_INET6)
    say(event="listening")
    connection, _ = listener.accept()
    accepted = 1
    first = connection_facts(connection)
    say(event="accepted", at=time.monotonic(), **first)
    buffer = bytearray(1 << 18)
    total, told, last = 0, 0, time.monotonic()
    with open(path, "wb") as file:
        while count := connection.recv_into(buffer):
            now = time.monotonic()
            if now - last >= GAP and total:
                say(event="gap", start=last, end=now, total=total)
            last = now
            total += count
            file.write(memoryview(buffer)[:count])
            if total - told >= _STEP:
                told = total
                say(event="progress", at=now, total=total)
    end = connection_facts(connection)
    listener.setblocking(False)
    try:
        while True:
            listener.accept()
            accepted += 1
    except BlockingIOError:
        pass
    connection.sendall(b"got it\n")
    say(event="received", at=last, total=total, accepts=accepted, sha256=file_sha256(path),
        same=all(first[key] == end[key] for key in ("local", "remote", "inode")), **end)


def send(path, address, port):
    digest = file_sha256(path)
    with socket.create_connection((address, port), timeout=60) as connection, open(path, "rb") as file:
        connection.settimeout(None)
        first = connection_facts(connection)
        say(event="connected", at=time.monotonic(), **first)
        connection.sendfile(file)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(64)
        end = connection_facts(connection)
        say(event="sent", at=time.monotonic(), sha256=digest, answer=answer.decode(),
            same=all(first[key] == end[key] for key in ("local", "remote", "inode")), **end)


def make_file(host, path, size):
    """Random octets with the same 16 random octets at the beginning of each KiB, so that clear text would be found
    on the wire. Returns these."""
    mark = os.urandom(16)
    with open(host.path(path), "wb") as file:
        for start in range(0, size, 1 << 22):
            block = bytearray(os.urandom(min(1 << 22, size - start)))
            for at in range(0, len(block), 1024):
                block[at:at + 16] = mark[:len(block) - at]
            file.write(block)
    return mark


class Transfer:
    """A running transfer of `path` from host `source` to host `sink` at `address`."""

    def __init__(self, source, sink, address, path="/run/lab/tmp/sent", port=4711):
        self.source, self.sink, self.address, self.port, self.path = source, sink, address, port, path
        self.size = os.path.getsize(source.path(path))
        self.total = 0
        self.gaps = []
        self.events = {}
        self._changed = threading.Condition()
        self._threads = []
        program = [sys.executable, os.path.realpath(__file__)]
        self._errors = open(sink.path("/run/lab/tmp/transfer.err"), "w+b")
        self.receiver = sink.popen(program + ["receive", port, "/run/lab/tmp/received"], stdout=subprocess.PIPE,
                                   stderr=self._errors)
        self._follow(self.receiver)
        self.wait_event("listening", 60)
        self.sender = source.popen(program + ["send", path, address, port], stdout=subprocess.PIPE,
                                   stderr=self._errors)
        self._follow(self.sender)

    def _follow(self, process):
        def read():
            for line in process.stdout:
                event = json.loads(line)
                with self._changed:
                    if event["event"] == "gap":
                        self.gaps.append((event["start"], event["end"], event["total"]))
                    elif event["event"] == "progress":
                        self.total = event["total"]
                    else:
                        self.events[event["event"]] = event
                        self.total = event.get("total", self.total)
                    self._changed.notify_all()
            process.wait()
            with self._changed:
                self._changed.notify_all()
        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        self._threads.append(thread)

    def failure(self):
        """Why it cannot go on, or None."""
        for name, process in (("receiver", self.receiver), ("sender", getattr(self, "sender", None))):
            if process is not None and process.returncode:
                with open(self._errors.name, errors="replace") as file:
                    return f"the {name} ended with {process.returncode}: {file.read()}"
        return None

    def _wait(self, predicate, timeout, what):
        deadline = time.monotonic() + timeout
        with self._changed:
            while not predicate():
                failure = self.failure()
                if failure:
                    raise RuntimeError(failure)
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{what}: not within {timeout} s; {self.total} of {self.size} octets came")
                self._changed.wait(min(left, 0.2))

    def wait_event(self, name, timeout=60):
        self._wait(lambda: name in self.events, timeout, f"transfer {name}")
        return self.events[name]

    def wait_total(self, total, timeout=60):
        """Until so many octets came."""
        self._wait(lambda: self.total >= min(total, self.size), timeout, f"{total} octets")

    def wait_more(self, octets=4 << 20, timeout=60):
        """Until so many more octets than now came: it flows (again)."""
        self.wait_total(self.total + octets, timeout)

    def finish(self, timeout=120):
        """Until both sides are done. Returns (sent, received), the last words of each."""
        received = self.wait_event("received", timeout)
        sent = self.wait_event("sent", 60)
        return sent, received

    def problems(self):
        """What is wrong with the finished transfer, in words; empty: nothing."""
        sent, received = self.events["sent"], self.events["received"]
        found = []
        if sent["sha256"] != received["sha256"]:
            found.append("the files differ")
        if received["total"] != self.size:
            found.append(f"{received['total']} octets came of {self.size}")
        if not self.same_connection():
            found.append("not one and the same connection")
        return found

    def same_connection(self):
        """One accept; the same socket with the same addresses from its first octet to its last; the kernel counted
        the whole file on it."""
        sent, received = self.events["sent"], self.events["received"]
        # The FIN counts as one octet.
        return (received["accepts"] == 1 and sent["same"] and received["same"]
                and sent["local"] == received["remote"] and sent["remote"] == received["local"]
                and received["received"] in (self.size, self.size + 1))

    def longest_gap(self, begin, end):
        """(start, end) of the longest pause of the receiver that touches the time from begin to end; None if there
        was none of 20 ms."""
        gaps = [gap for gap in self.gaps if gap[1] > begin and gap[0] < end]
        return max(gaps, key=lambda gap: gap[1] - gap[0])[:2] if gaps else None

    def close(self):
        for process in (self.sender, self.receiver):
            if process.poll() is None:
                process.kill()
            process.wait(60)
        for thread in self._threads:
            thread.join(5)
        self.sender.stdout.close()
        self.receiver.stdout.close()
        self._errors.close()


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(int(sys.argv[2]), sys.argv[3])
    else:
        send(sys.argv[2], sys.argv[3], int(sys.argv[4]))
