# SPDX-License-Identifier: LGPL-2.1-or-later
"""The handles on programs that say lines while they run, and on the two sides of traffic.py.

    listener = listen(laptop, address, mark)
    talker = talk(desktop, address, mark, seed)
    talker.wait_flow()
    end([talker, listener])
"""
import json
import os
import subprocess
import threading

from .namespace import PATIENCE, wait_until

# For all that is under way to arrive, however slow the way is.
LONG = 5 * PATIENCE

_PROGRAM = os.path.join(os.path.dirname(os.path.realpath(__file__)), "traffic.py")
# What is certain to flow while all is well.
_MORE = {"long-in": 200000, "long-out": 200000, "short": 1, "udp": 10, "ping": 2}


class Lines:
    """A program whose lines of standard output are read as they come, and that ends when it is told to."""

    def __init__(self, process, name):
        self.process, self.name, self.lines = process, name, []
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.take(line.decode(errors="replace").rstrip())
                self.changed.notify_all()
        with self.changed:
            self.lines.append(None)
            self.changed.notify_all()

    def take(self, line):
        self.lines.append(line)

    def wait_line(self, wanted, timeout=PATIENCE):
        with self.changed:
            if not self.changed.wait_for(lambda: any(line is None or wanted in line for line in self.lines), timeout):
                raise TimeoutError(f"{self.name} did not say {wanted!r}")
            if not any(line and wanted in line for line in self.lines):
                raise RuntimeError(f"{self.name} ended: {self.lines}")

    def tell(self, line):
        self.process.stdin.write((line + "\n").encode())
        self.process.stdin.flush()

    def end(self, timeout=PATIENCE):
        """Its exit status."""
        try:
            self.tell("end")
            self.process.stdin.close()
        except OSError:
            pass
        status = self.process.wait(timeout)
        self.thread.join(30)
        return status

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)


class Talk(Lines):
    """`counts`: what it counted so far. `wrong`: what was not as it was sent."""

    def __init__(self, process, name):
        self.counts, self.wrong = {}, []
        super().__init__(process, name)

    def take(self, line):
        try:
            said = json.loads(line)
        except ValueError:
            self.wrong.append(line)
            return
        self.counts = said.get("counts", self.counts)
        if "wrong" in said:
            self.wrong.append(said["wrong"])
        if "ready" in said:
            self.lines.append("ready")

    def wait_flow(self, timeout=LONG):
        """Until more of everything came back."""
        before = dict(self.counts)

        def flows():
            if self.wrong:
                raise AssertionError(f"{self.name}: {self.wrong[:5]}")
            return all(self.counts.get(name, 0) >= before.get(name, 0) + more for name, more in _MORE.items())
        try:
            wait_until(flows, timeout, every=0.1)
        except TimeoutError:
            raise AssertionError(f"{self.name}: not all of it flows; {before} became {self.counts}") from None


def listen(host, address, mark):
    process = host.popen(["/usr/bin/python3", _PROGRAM, "listen", address, mark.hex()], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    listener = Talk(process, f"{host.name} listens")
    listener.wait_line("ready")
    return listener


def talk(host, address, mark, seed):
    process = host.popen(["/usr/bin/python3", _PROGRAM, "talk", address, mark.hex(), seed], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    return Talk(process, f"{host.name} talks to {address}")


def end(talks, timeout=LONG):
    """The talkers before the listeners. Raises unless all of them got what was sent to them, to the last octet."""
    for one in talks:
        status = one.end(timeout)
        assert status == 0 and not one.wrong, f"{one.name}: status {status}, {one.wrong[:5]}"
