# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may ask mapper for mappings: root and homeward's users, of others polkit says so, the real one."""
import os
import signal

import pytest

from homeward_lab import BusError, resolved
from homeward_lab.mappings import MAPPING, NAME, PATH, Caller, mapping

DENIED = "org.homeward.Error.AccessDenied"
LIMITS = "org.homeward.Error.LimitsExceeded"
ALICE, BOB = 1001, 1002
RULES = """
polkit.addRule(function(action, subject) {
    if (action.id == "org.homeward.mapper.add-mapping")
        return subject.user == "alice" ? polkit.Result.YES : polkit.Result.NO;
});
"""


def add_users(host):
    for name, uid in (("alice", ALICE), ("bob", BOB)):
        host.write("/etc/passwd", host.read("/etc/passwd") + f"{name}:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin\n")
        host.write("/etc/group", host.read("/etc/group") + f"{name}:x:{uid}:\n")


@pytest.fixture
def host(make_host):
    host = make_host("desktop")
    add_users(host)
    return host


def start_polkit(host, tmp_path, rules=""):
    if not os.path.isdir(resolved.POLKIT):
        pytest.skip(f"{resolved.POLKIT} is not there: ./run deps")
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "10-test.rules").write_text(rules)
    return resolved.start_polkit(host, folder)


def refused(caller, error, words, **arguments):
    with pytest.raises(BusError) as told:
        caller.add(**arguments)
    assert told.value.name == error and words in told.value.message, told.value


def test_those_who_are_not_asked(host):
    """Nobody is there to be asked."""
    host.start_daemon("mapper")
    for user in (0, "homeward-tunnel", "homeward-watcher"):
        caller = Caller(host, user)
        assert mapping(host, caller.add())["Label"] == "tunnel"
        caller.leave()


def test_no_polkit(host):
    host.start_daemon("mapper")
    refused(Caller(host, ALICE), DENIED, "only root may ask for mappings here: polkit")


def test_polkit_without_rules(host, tmp_path):
    start_polkit(host, tmp_path)
    host.start_daemon("mapper")
    refused(Caller(host, ALICE), DENIED, "with a password")


def test_polkit_decides(host, tmp_path):
    start_polkit(host, tmp_path, RULES)
    host.start_daemon("mapper")
    alice = Caller(host, ALICE)
    refused(Caller(host, BOB), DENIED, "polkit does not allow it")
    path = alice.add("game", port=7777)
    seen = mapping(host, path)
    assert seen["Label"] == "game" and seen["State"] == "pending"
    # Asking again disturbs nothing; it is hers alone.
    assert alice.add("game", port=7778) == path
    with pytest.raises(BusError) as told:
        Caller(host, BOB).release(path)
    assert told.value.name == DENIED
    alice.release(path)
    assert path not in host.get_objects("mapper", MAPPING)


def test_polkit_hangs(host, tmp_path):
    """Who waits for it does not make others wait, and cannot fill the daemon with questions."""
    process = start_polkit(host, tmp_path, RULES)
    host.start_daemon("mapper")
    os.kill(process.inner_pid, signal.SIGSTOP)
    alice = Caller(host, ALICE)
    serials = [alice.bus.send_call(NAME, PATH, NAME, "AddMapping", "ssqqu", f"game-{i}", "udp", 7000 + i, 0, 0)
               for i in range(5)]
    with pytest.raises(BusError) as told:
        alice.bus.wait_reply(serials[4])
    assert told.value.name == LIMITS
    assert mapping(host, Caller(host).add("tunnel"))["Label"] == "tunnel"
    # She goes away meanwhile; what polkit says then is for nobody.
    alice.leave()
    os.kill(process.inner_pid, signal.SIGCONT)
    bob = Caller(host, BOB)
    refused(bob, DENIED, "polkit does not allow it")
    labels = [seen["Label"] for seen in host.get_objects("mapper", MAPPING).values()]
    assert "tunnel" in labels and not [label for label in labels if label.startswith("game")]
    os.kill(process.inner_pid, signal.SIGSTOP)
    bob = Caller(host, BOB)
    bob.bus.send_call(NAME, PATH, NAME, "AddMapping", "ssqqu", "game", "udp", 7000, 0, 0)
    assert host.stop_daemon("mapper") == 0
    os.kill(process.inner_pid, signal.SIGCONT)


def test_limits_of_a_user(host):
    """However many connections it has."""
    host.start_daemon("mapper")
    callers = [Caller(host, "homeward-tunnel") for _ in range(3)]
    for n, caller in enumerate(callers[:2]):
        for i in range(16):
            caller.add(f"m-{n}-{i}", port=1000 + 16 * n + i)
    refused(callers[0], LIMITS, "a caller may have 16", label="more")
    refused(callers[2], LIMITS, "a user may have 32", label="more")
    host.bus.call(NAME, PATH, NAME, "AddMapping", "ssqqu", "roots", "udp", 99, 0, 0)
