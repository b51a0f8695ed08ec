# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happened after a change of the network, told in the order of time across the hosts: the daemons' own Timeline
properties, what the lab did, and what the receiver of the transfer saw."""
import collections
import threading
import time

Entry = collections.namedtuple("Entry", "ms who what generation text")

# Longer pauses are stalls; see transfer.GAP for what is noticed at all.
_POLL = 0.1


class Story:
    """Collects from its making on; new entries go to `tell` as they are found, at most a moment late."""

    def __init__(self, lab, tell=None):
        self.lab = lab
        self.begin = time.monotonic()
        self._begin_real = time.time()
        self._tell = tell or (lambda entry: None)
        self.entries = []
        self._noted = []
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

    def _look(self):
        found = []
        for at, host, daemon, generation, text in self.lab.timelines():
            key = at, host, daemon, text
            if at >= self._begin_real * 1e6 and key not in self._seen:
                self._seen.add(key)
                found.append(Entry((at / 1e6 - self._begin_real) * 1000, host, daemon, generation, text))
        with self._lock:
            found += self._noted
            self._noted = []
        for entry in sorted(found):
            self.entries.append(entry)
            self._tell(entry)

    def end(self):
        """Looks a last time. Returns all entries in order."""
        self._ended.set()
        self._thread.join()
        self._look()
        self.entries.sort()
        return self.entries

    def first(self, predicate):
        """The time in ms of the first entry for which predicate is true; None."""
        return next((entry.ms for entry in self.entries if predicate(entry)), None)
