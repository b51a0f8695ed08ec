# SPDX-License-Identifier: LGPL-2.1-or-later
"""The numbers of an association are used up: it ends before any is used twice, and the next one goes on (RFC 4303 3.3.3)."""
import os
import signal
import subprocess

import pytest

from homeward_lab import wait_until
from test_tunneld import End, Keys, internet  # noqa: F401


@pytest.fixture
def ends(make_host, internet):  # noqa: F811
    """Both with a program that has 40 numbers for each association (tunneld-near-end.c)."""
    made = [End(make_host(name), internet) for name in ("desktop", "laptop")]
    made[0].see(made[1])
    made[1].see(made[0])
    for end in made:
        end.host.program = lambda name: "/run/lab/build/tests/bus/tunneld-near-end"
        end.start()
    yield made
    for end in made:
        for fake in end.identity, end.mapper, end.watcher, end.keyd:
            fake.close()


@pytest.fixture
def witness(ends):
    """Sees each ESP packet that leaves either, and says when a pair of SPI and number, or of SPI and IV, comes again."""
    program = os.path.join(ends[0].host.build, "tests/soak/witness")
    process = subprocess.Popen([program, *(f"{end.name}:{end.host.init_pid}:eth0:sender" for end in ends)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "ready"
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize("esn", (False, True))
def test_ends_before_its_numbers_wrap(ends, witness, esn):
    """Of 32 bits, and of 64: the last of those that a packet carries in half."""
    desktop, laptop = ends
    last = None
    ping = desktop.host.popen(["ping", "-n", "-i", "0.02", laptop.id], stdout=subprocess.DEVNULL)
    for times in range(1, 4):
        last = replace_keys(desktop, laptop, last, esn)
        # One of the two is the first; its next packet, or the other's, makes it ask for a new association.
        wait_until(lambda: exhausted(ends) >= times, 120, "the numbers are used up")
        wait_until(lambda: any(end.peer(other)["State"] == "acquiring" for end, other in ((desktop, laptop), (laptop, desktop))),
                   120, "another association is asked for")
    # By now one of the two can send nothing, and the other one hears nothing. The next numbers last for a second only.
    before = heard(ends)
    replace_keys(desktop, laptop, last, esn)
    wait_until(lambda: all(now > then for now, then in zip(heard(ends), before)), 60, "it goes on")
    ping.end()
    assert any("are used up" in line for end in ends for line in end.timeline())
    said, _ = witness.communicate("", timeout=120)
    assert witness.returncode == 0, said
    assert "esp" in said


def exhausted(ends):  # noqa: F811
    return sum(end.counters()["SequenceExhausted"] for end in ends)


def heard(ends):  # noqa: F811
    return [end.peer(other)["Counters"]["PacketsIn"] for end, other in zip(ends, reversed(ends))]


def replace_keys(desktop, laptop, last, esn):
    """A new pair; what is left of the one before goes, as keyd does it."""
    keys = Keys(esn=esn)
    keys.install(desktop, laptop)
    if last:
        desktop.call("RemoveSa", "u", last.spis[0])
        laptop.call("RemoveSa", "u", last.spis[1])
    return keys
