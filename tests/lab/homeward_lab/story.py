# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happened after a change of the network, told in the order of time across the hosts: the daemons' own Timeline
properties, what the lab did, and what the receiver of the transfer saw."""
import collections
import threading
import time

Entry = collections.namedtuple("Entry", "ms who what generation text")

_POLL = 0.1
# An entry is told once it is so old that no earlier one can still turn up.
_HOLD_MS = 300


class Story:
    """Collects from its making on; entries go to `tell` in order, a moment late."""

    def __init__(self, lab, tell=None):
        self.lab = lab
        self.begin = time.monotonic()
        self._begin_real = time.time()
        self._tell = tell or (lambda entry: None)
        self.entries = []
        self._noted = []
        self._pending = []
        self._seen = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def note(self, at, who, what, text):
        """Something the lab did or saw at `at`, in the time of time.monotonic()."""
        with self._lock:
            self._noted.append(Entry((at - self.begin) * 1000, who, what, 0, text))

    def _collect(self):
        while not self._ended.wait(_POLL):
            self._look()

    def _look(self, hold=_HOLD_MS):
        now = (time.monotonic() - self.begin) * 1000
        for at, host, daemon, generation, text in self.lab.timelines():
            key = at, host, daemon, text
            if at >= self._begin_real * 1e6 and key not in self._seen:
                self._seen.add(key)
                self._pending.append(Entry((at / 1e6 - self._begin_real) * 1000, host, daemon, generation, text))
        with self._lock:
            self._pending += self._noted
            self._noted = []
        self._pending.sort()
        while self._pending and self._pending[0].ms <= now - hold:
            self.entries.append(self._pending.pop(0))
            self._tell(self.entries[-1])

    def end(self):
        """Looks a last time. Returns all entries in order."""
        self._ended.set()
        self._thread.join()
        self._look(hold=0)
        return self.entries

    def stages(self, mover, other):
        """When, in ms from the beginning, a host's change of network came where: its network stood, the gateway had
        mapped, the zone had published, the other host had been told. None: did not happen."""
        times = {}
        for stage, who, what, words in (("network", mover, "mapper", ("network settled", "external address")),
                                        ("mapped", mover, "mapper", ("mapped tunnel",)),
                                        ("published", mover, "registrar", ("published",)),
                                        ("pushed", other, "llq-watcher", (f"{mover} is at",))):
            # The last one: whatever came before did not hold.
            times[stage] = next((round(entry.ms) for entry in reversed(self.entries)
                                 if (entry.who, entry.what) == (who, what) and entry.text.startswith(words)), None)
        return times
