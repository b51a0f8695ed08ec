# SPDX-License-Identifier: LGPL-2.1-or-later
"""IKE SAs that are resumed (RFC 5723) between two hosts, when a keyd starts again: tshark says what passes, keyd counts
what it did with public keys."""
import os
import shutil
import stat

import pytest

from fakes import Fake
from homeward_lab import USERS, Capture, wait_until
from test_keyd import End, account  # noqa: F401

PPK = bytes(range(100, 132))
STATE = "/run/homeward/keyd/resumption"


class Keeping(End):
    """Identity has the account's post-quantum preshared key, with which keyd seals what it keeps."""
    ppk = PPK

    def show_identity(self):
        if self.identity:
            self.identity.close()
        self.identity = Fake(self.host, "identity", self.key.properties(self.id),
                             {"Sign": self.key.sign, "GetPpk": self.key.ppk(self.ppk)})

    def is_settled(self):
        """One SA, and both tickets are where they belong."""
        counters = self.counters()
        return len(self.sas()) == 1 and counters["TicketsKept"] and counters["TicketsGiven"]

    def work(self):
        counters = self.counters()
        return [counters[name] for name in ("SignaturesMade", "SignaturesChecked", "KeyExchanges")]


@pytest.fixture
def internet(make_internet):
    made = make_internet()
    made.wait_ready()
    return made


@pytest.fixture
def tunnel(make_host, internet, account):  # noqa: F811
    ends = [Keeping(make_host(name), internet, account) for name in ("desktop", "laptop")]
    desktop, laptop = ends
    desktop.see(laptop)
    laptop.see(desktop)
    for end in ends:
        end.start()
        end.wait_tunnel()
    desktop.ping(laptop)
    for end in ends:
        end.wait(end.is_settled, "tickets")
    yield ends
    for end in ends:
        end.close()


def kept_octets(end):
    with open(end.host.path(STATE), "rb") as file:
        return file.read()


def wait_saved(end):
    """The other's ticket is in the file; with the key of our own tickets alone it is shorter."""
    wait_until(lambda: len(kept_octets(end)) > 300, 30, "the file")


def restart(end, how):
    """The number of the SA that it has then."""
    former = end.peer()["Spis"]
    if how == "killed":
        end.host.kill_daemon("keyd")
    else:
        assert end.host.stop_daemon("keyd") == 0
    end.host.start_daemon("keyd")
    return former


@pytest.mark.parametrize("who", ["initiator", "responder"])
def test_keyd_is_killed(tunnel, internet, who):
    """Whichever side had begun: two round trips, no signature, no key exchange, and traffic goes on meanwhile."""
    if not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    desktop, laptop = tunnel
    killed, other = (desktop, laptop) if who == "initiator" else (laptop, desktop)
    wait_saved(killed)
    wait_saved(other)
    before = other.work()
    capture = Capture(internet)
    former = restart(killed, "killed")
    killed.ping(other)
    for end in tunnel:
        end.wait(lambda end=end: [sa["Resumed"] for sa in end.sas().values()] == [True], "the resumed SA")
    killed.wait(lambda: killed.peer()["Spis"] and killed.peer()["Spis"] != former, "new pair")
    desktop.ping(laptop)
    laptop.ping(desktop)
    assert killed.work() == [0, 0, 0] and other.work() == before
    assert killed.counters()["Resumed"] == 1 and other.counters()["TicketsRefused"] == 0
    (sa,) = killed.sas().values()
    assert sa["Role"] == "initiator" and sa["Authentication"] == "certificate" and sa["Ppk"] is True
    assert "certificates (resumed), and the account's post-quantum key" in killed.host.homewardctl("tunnels").stdout
    # A ticket for another time was given with it.
    killed.wait(killed.is_settled, "another ticket")
    capture.stop()
    fields = ("isakmp.exchangetype", "isakmp.messageid", "isakmp.rspi", "isakmp.notify.msgtype")
    lines = internet.run(["tshark", "-r", "/run/lab/tmp/wire.pcap", "-Y", "isakmp && !_ws.malformed", "-T", "fields",
                          *(word for field in fields for word in ("-e", field))]).stdout.splitlines()
    exchanges = {line.split("\t")[0] for line in lines}
    assert "38" in exchanges and "34" not in exchanges and exchanges <= {"35", "37", "38"}
    # The ticket is in the request alone.
    first = [line.split("\t") for line in lines if line.startswith("38\t")]
    assert all(("16413" in parts[3]) == (int(parts[2], 16) == 0) for parts in first)


def test_keyd_ends_and_starts(tunnel):
    """In good order it takes leave of the others; what is kept serves nonetheless."""
    desktop, laptop = tunnel
    wait_saved(laptop)
    restart(laptop, "stopped")
    laptop.wait(lambda: laptop.is_down(), "nothing")
    laptop.ping(desktop)
    laptop.wait(lambda: [sa["Resumed"] for sa in laptop.sas().values()] == [True], "the resumed SA")
    assert laptop.work() == [0, 0, 0]


def test_the_file(tunnel):
    """keyd's alone, and no key stands in it; without the account's key it is worth nothing."""
    desktop, laptop = tunnel
    wait_saved(desktop)
    status = os.stat(desktop.host.path(STATE))
    assert stat.S_IMODE(status.st_mode) == 0o600 and status.st_uid == USERS["homeward-key"]
    octets = kept_octets(desktop)
    assert octets.startswith(b"homeward resumption 2\n")
    assert PPK not in octets and b"laptop" not in octets
    # Another account's key: what is there cannot be read, and a negotiation begins anew.
    desktop.ppk = bytes(32)
    laptop.ppk = bytes(32)
    laptop.show_identity()
    desktop.host.kill_daemon("keyd")
    desktop.show_identity()
    desktop.host.start_daemon("keyd")
    desktop.wait(lambda: "is not this host's, or damaged" in desktop.host.log("keyd"), "a word about it")


def test_refused(tunnel):
    """The other side has lost its keys: a full negotiation follows at once."""
    desktop, laptop = tunnel
    wait_saved(desktop)
    laptop.host.stop_daemon("keyd")
    os.unlink(laptop.host.path(STATE))
    laptop.host.start_daemon("keyd")
    laptop.host.wait_for(("keyd", "State", "ready"))
    desktop.wait(desktop.is_down, "the end of the former SA")
    desktop.ping(laptop)
    desktop.wait(lambda: [sa["Resumed"] for sa in desktop.sas().values()] == [False], "a new SA")
    # A ticket that was sent again is refused again.
    assert desktop.counters()["ResumptionsRefused"] == 1
    assert 1 <= laptop.counters()["TicketsRefused"] <= 1 + desktop.counters()["Retransmitted"]
    assert desktop.counters()["NegotiationsFailed"] == 0


def test_signed_out(tunnel):
    """Nothing is left of it."""
    desktop, laptop = tunnel
    wait_saved(desktop)
    desktop.identity.change(SignedIn=("b", False), State=("s", "signed-out"))
    desktop.host.wait_for(("keyd", "State", "signed-out"))
    assert not os.path.exists(desktop.host.path(STATE))


def test_not_wanted(make_host, internet, account):  # noqa: F811
    ends = desktop, laptop = [Keeping(make_host(name), internet, account) for name in ("desktop", "laptop")]
    desktop.see(laptop)
    laptop.see(desktop)
    laptop.host.write("/etc/homeward/keyd.conf", "[resumption]\nuse = no\n")
    for end in ends:
        end.start()
        end.wait_tunnel()
    desktop.ping(laptop)
    for end in ends:
        counters = end.counters()
        assert counters["TicketsGiven"] == counters["TicketsKept"] == 0
        assert not os.path.exists(laptop.host.path(STATE))
        end.close()
