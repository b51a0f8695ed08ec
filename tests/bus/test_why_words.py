# SPDX-License-Identifier: LGPL-2.1-or-later
"""homewardctl why against faked daemons: causes that a lab cannot make, such as a wrong clock, and how it is told. Those that
it can are in tests/lab/test_why.py."""
import json
import re
import time

import pytest

from test_ctl import complaint, ctl, fake, host, house  # noqa: F401

PEER = ("/org/homeward/Tunnel1/peer/7", "org.homeward.Tunnel1.Peer")
HOST = ("/org/homeward/Watcher1/host/laptop", "org.homeward.Watcher1.Host")
SA = ("/org/homeward/Key1/ike_sa/1", "org.homeward.Key1.IkeSa")
NOWHERE = {"Endpoint": ("(sq)", ("", 0))}


def failing(error):
    """The tunnel's last conversation failed."""
    def change(house):  # noqa: F811
        house["keyd"].remove("/org/homeward/Key1/child_sa/1")
        house["keyd"].remove(SA[0])
        house["tunneld"].change(*PEER, State=("s", "idle"), LastError=("s", error))
    return change


# What is changed in an afternoon where all is well, the verdict's kind, and words that are said.
CAUSES = {
    "clock": (lambda house: (
        house["registrar"].change(State=("s", "clock-skew"), Reason=("s", "this host's clock is 67 min behind")),
        house["llq-watcher"].change(State=("s", "retrying"), Reason=("s", "trying again"))),
        "clock", ["clock is wrong", "timedatectl set-ntp true", "67 min"]),
    "its clock": (failing("its certificate is not valid yet; is a clock wrong?"), "clock", ["or of laptop", "not valid yet"]),
    "server": (lambda house: (
        house["llq-watcher"].remove(HOST[0]), house["tunneld"].remove(PEER[0]),
        house["llq-watcher"].change(State=("s", "retrying"), Reason=("s", "the server does not answer"))),
        "server", ["server is not reached", "the server does not answer"]),
    "lease": (lambda house: (
        house["tunneld"].remove(PEER[0]), house["llq-watcher"].change(*HOST, Live=("b", False), **NOWHERE)),
        "not-published", ["its lease ended", 'Look on laptop with "homewardctl status"']),
    "no address": (lambda house: (
        house["tunneld"].remove(PEER[0]), house["llq-watcher"].change(*HOST, **NOWHERE)),
        "not-published", ["publishes no address", "homewardctl netcheck"]),
    "forgotten": (lambda house: (
        house["llq-watcher"].remove(HOST[0]), house["tunneld"].remove(PEER[0]),
        house["identity"].change(Revoked=("a(st)", [("phone", 1), ("laptop", 2)]))),
        "revoked", ["laptop was forgotten"]),
    "refused": (failing("it refused with AUTHENTICATION_FAILED"), "other-account", ["do not accept each other", "trace --all"]),
    "weak": (failing("it refused with NO_PROPOSAL_CHOSEN"), "failed", ["NO_PROPOSAL_CHOSEN"]),
    "silent": (lambda house: None, "silent", ["does not answer; it was last heard"]),
    "absent": (lambda house: house["keyd"].close(), "daemon", ["keyd is not running", "systemctl start homeward-key"]),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_causes(host, house, cause):  # noqa: F811
    change, kind, words = CAUSES[cause]
    change(house)
    told = json.loads(ctl(host, "why", "laptop", "--wait", "1", "--json", status=8).stdout)
    assert (told["reached"], told["kind"]) == (False, kind), told
    text = ctl(host, "why", "laptop.alice.members.example.org", "--wait", "1", status=8).stdout
    for part in words:
        assert part in text, text
    # A second may have gone by.
    assert [re.sub(r"\d+ s ago", "", line) for line in text.splitlines()[:2]] == [
        re.sub(r"\d+ s ago", "", told[name]) for name in ("summary", "advice")]
    assert all(step["text"] and step["mark"] in ("good", "bad", "open") for step in told["steps"])


def test_answers(host, house):  # noqa: F811
    """What is heard of it after the question was asked is an answer."""
    house["tunneld"].change(*PEER, LastReceived=("t", int(time.time()) + 100))
    assert ctl(host, "why", "laptop").stdout.startswith("laptop is reached, at 11.0.3.1:4502.\n")
    assert json.loads(ctl(host, "why", "desktop", "--json").stdout)["kind"] == "self"


def test_wrong_use(host):  # noqa: F811
    for arguments in ["why"], ["why", "a", "b"], ["why", "a", "--wait", "x"], ["why", "--now", "a"]:
        complaint(host, *arguments, status=2)


def test_nothing_steers_the_terminal(host, house):  # noqa: F811
    failing("\x1b[31mred")(house)
    assert "\x1b" not in ctl(host, "why", "laptop\x1b[1m", status=8).stdout
    assert "\x1b" not in ctl(host, "why", "laptop", "--wait", "1", status=8).stdout
