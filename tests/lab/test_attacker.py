# SPDX-License-Identifier: LGPL-2.1-or-later
"""Somebody on the path who sees everything, repeats it, forges addresses and answers, changes first requests and sends very
many of them: against two hosts with all daemons, behind their gateways. What it cannot do is asserted; what it can do, to
keep a packet from arriving, is taken for granted."""
import contextlib
import subprocess
import time

import pytest
from attacker import Controlled
from homeward_lab import wait_until

IKE, CHILD, PEER = "org.homeward.Key1.IkeSa", "org.homeward.Key1.ChildSa", "org.homeward.Tunnel1.Peer"
INIT, AUTH, INFORMATIONAL = 34, 35, 37
COOKIE, INVALID_KE, NO_PROPOSAL, AUTHENTICATION_FAILED = 16390, 17, 14, 24
# Routed to the attacker by both gateways, so that what is sent there is seen.
ELSEWHERE = "12.0.0.66"
BEST = "aes128gcm16-prfsha256-x25519"


@pytest.fixture
def lab(shared_lab):
    """Nothing negotiated, whatever the test before did."""
    for gateway in "AB":
        shared_lab.gateways[gateway].run(["ip", "route", "replace", "12.0.0.0/8", "via", "11.0.0.1"])
    shared_lab.wait_all_see()
    forget(shared_lab)
    return shared_lab


@pytest.fixture
def attacker(lab):
    attacker = Controlled(lab.internet)
    for gateway in lab.gateways.values():
        wait_until(lambda gateway=gateway: attacker.meet(address=gateway.wan_address), lab.patience, "its address", every=0.05)
    yield attacker
    attacker.close()


def forget(lab):
    """Ends what was negotiated, on both sides. Traffic may begin anew at any time, so again until it is so."""
    def nothing():
        for host in lab.hosts.values():
            for path in established(host):
                with contextlib.suppress(Exception):
                    host.call("keyd", "Terminate", path=path, interface=IKE)
        return not any(established(host) or host.get_objects("keyd", CHILD) for host in lab.hosts.values())
    wait_until(nothing, lab.patience, "no IKE SA", every=0.3)


def established(host):
    """Of all IKE SAs; others are only beginning, or end and still repeat their last words."""
    return {path: sa for path, sa in host.get_objects("keyd", IKE).items() if sa["State"] == "established"}


def counters(host, daemon="keyd"):
    return host.get_property(daemon, "Counters")


def reaches(lab):
    lab.desktop.ping(lab.host_id(lab.laptop), "-i", "0.2", timeout=100)
    lab.laptop.ping(lab.host_id(lab.desktop), "-i", "0.2", timeout=100)


def insists(lab):
    """Until an answer comes: a negotiation that fails is said to the pinging program, which goes on."""
    wait_until(lambda: "1 received" in lab.desktop.run(
        ["ping", "-6", "-n", "-c", "1", "-W", "20", lab.host_id(lab.laptop)], check=False).stdout, lab.patience, "an answer",
        every=0.2)


def the_sa(host):
    sa, = established(host).values()
    return sa


def picture(lab):
    """What must be the same afterwards: where each host takes the other to be, and which keys they have."""
    return [((sa := the_sa(host))["SpiInitiator"], sa["SpiResponder"], sa["Endpoint"],
             sorted(child["SpiIn"] for child in host.get_objects("keyd", CHILD).values()),
             sorted(peer["Endpoint"] for peer in host.get_objects("tunneld", PEER).values()))
            for host in lab.hosts.values()]


def settled(lab):
    """One IKE SA and one child on each side; then their picture."""
    wait_until(lambda: all(len(established(host)) == 1 and len(host.get_objects("keyd", CHILD)) == 1
                           for host in lab.hosts.values()), lab.patience, "one SA", every=0.2)
    return picture(lab)


def resident(host, daemon):
    """Octets of memory that its process has now, and had at most."""
    with open(f"/proc/{host.daemon_pid(daemon)}/status") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["VmRSS"].split()[0]) << 10, int(fields["VmHWM"].split()[0]) << 10


@contextlib.contextmanager
def forging(attacker, *answers):
    attacker.forge(answers=[[kind, data] for kind, data in answers])
    yield
    attacker.forge(answers=[])


def test_everything_again(lab, attacker):
    """All of a session with new keys and a move, again, from where it was and from elsewhere."""
    reaches(lab)
    path, = lab.desktop.get_objects("keyd", CHILD)
    lab.desktop.call("keyd", "Rekey", path=path, interface=CHILD)
    wait_until(lambda: list(lab.desktop.get_objects("keyd", CHILD)) not in ([path], []), lab.patience, "a new child")
    lab.laptop.move(lab.gateways["C"])
    lab.published(lab.laptop)
    lab.wait_all_see()
    reaches(lab)
    lab.laptop.move(lab.gateways["B"])
    lab.published(lab.laptop)
    lab.wait_all_see()
    reaches(lab)
    before = settled(lab)
    until = attacker.count()
    said = {host.name: (counters(host), counters(host, "tunneld")) for host in lab.hosts.values()}
    assert attacker.replay(since=0, until=until, kinds=["esp", "ike"]) > 50
    n = attacker.replay(since=0, until=until, kinds=["esp", "ike"], source=ELSEWHERE)
    reaches(lab)

    def heard():
        """That the last of it came: ESP under present keys is a replay, IKE is outside of the window or answered again."""
        return all(counters(host, "tunneld")["Replayed"] > said[host.name][1]["Replayed"] and
                   counters(host)["MessagesReceived"] > said[host.name][0]["MessagesReceived"]
                   for host in lab.hosts.values())
    wait_until(heard, lab.patience, "the counters")
    assert settled(lab) == before
    answers = attacker.answers(since=until, address=ELSEWHERE)
    assert answers["other"] == [], answers
    for host in lab.hosts.values():
        now, then = counters(host), said[host.name][0]
        assert now["AddressesUpdated"] == then["AddressesUpdated"] and now["Deleted"] == then["Deleted"]
        assert now["Established"] == then["Established"]
    print(f"{n} datagrams twice; to elsewhere {answers['again']} answers that had been given before, "
          f"{answers['first']} to first requests")


def test_address_is_not_taken(lab, attacker):
    """Authentic packets that were kept from arriving and come later from elsewhere; forged messages of the IKE SA."""
    reaches(lab)
    before = settled(lab)
    since = attacker.count()
    home = lab.gateways["A"]
    ours = lab.sees(lab.laptop, lab.desktop)["Endpoint"]
    lab.internet.run(f"nft add table bridge attack\nnft 'add chain bridge attack forward {{ type filter hook forward priority "
                     f"0; }}'\nnft add rule bridge attack forward ip saddr {home.wan_address} ip protocol udp drop")
    try:
        lab.desktop.run(["ping", "-6", "-n", "-c", "3", "-i", "0.2", "-W", "1", lab.host_id(lab.laptop)], check=False)
        wait_until(lambda: len(attacker.find(since=since, kind="esp", **{"from": ours[0]})) >= 3, lab.patience, "held packets")
    finally:
        lab.internet.run("nft delete table bridge attack")
    held = attacker.find(since=since, kind="esp", **{"from": ours[0]})
    # Newer ones have arrived when the answers to these are there.
    reaches(lab)
    assert settled(lab) == before
    received = counters(lab.laptop, "tunneld")["EspIn"]
    for source, target, payload in held:
        attacker.inject(source=[ELSEWHERE, source[1]], target=target, payload=payload)
    # A message under the SPIs of the IKE SA, with octets that nobody encrypted.
    sa = the_sa(lab.laptop)
    dropped = counters(lab.laptop)
    flags = 8 if sa["Role"] == "responder" else 0
    for number in range(40):
        body = b"\x29\0\0\x25" + bytes(8) + bytes([number]) * 25
        forged = (bytes(4) + sa["SpiInitiator"].to_bytes(8, "big") + sa["SpiResponder"].to_bytes(8, "big") +
                  bytes([46, 0x20, INFORMATIONAL, flags | (0x20 if number % 2 else 0)]) +
                  (number // 2).to_bytes(4, "big") + (28 + len(body)).to_bytes(4, "big") + body)
        attacker.inject(source=[ELSEWHERE, 4500], target=list(lab.sees(lab.desktop, lab.laptop)["Endpoint"]),
                        payload=forged.hex())

    def refused():
        now = counters(lab.laptop)
        return sum(now[name] - dropped[name] for name in ("Unauthentic", "OutOfWindow", "Unexpected", "Malformed",
                                                          "RepeatedResponses")) >= 40
    wait_until(refused, lab.patience, "forged messages in the counters")
    wait_until(lambda: counters(lab.laptop, "tunneld")["EspIn"] > received, lab.patience, "the held packets")
    reaches(lab)
    assert settled(lab) == before


@pytest.mark.parametrize("answers", [
    [(NO_PROPOSAL, "")], [(AUTHENTICATION_FAILED, "")], [(INVALID_KE, "0014")], [(INVALID_KE, "0002")], [(COOKIE, "")],
    [(NO_PROPOSAL, ""), (AUTHENTICATION_FAILED, "")] * 50],
    ids=["no-proposal", "authentication-failed", "other-group", "weak-group", "cookie", "storm"])
def test_forged_answers(lab, attacker, answers):
    """Each first request is answered by somebody else first. It ends with the best that both can do."""
    def forged():
        """One that was under way before the attacker listened has to be done again."""
        insists(lab)
        if not attacker.forged():
            forget(lab)
        return attacker.forged()
    with forging(attacker, *answers):
        wait_until(forged, lab.patience, "a forged answer")
    settled(lab)
    for host in lab.hosts.values():
        assert the_sa(host)["Proposal"] == BEST
    reaches(lab)


def test_stripped_proposals(lab, attacker):
    """First requests arrive with the weakest of each kind of algorithm alone: what is signed is not what was sent, so nothing
    is agreed on; when it ends, all is well."""
    before = {host.name: counters(host)["Established"] for host in lab.hosts.values()}
    lab.internet.run("nft add table bridge attack\nnft 'add chain bridge attack forward { type filter hook forward priority "
                     "0; }'\nnft add rule bridge attack forward ip protocol udp @th,64,32 0 @th,240,8 34 @th,248,8 8 drop")
    try:
        attacker.strip(on=True)
        failed = counters(lab.desktop)["NegotiationsFailed"]
        ping = lab.desktop.popen(["ping", "-6", "-n", "-i", "0.5", lab.host_id(lab.laptop)], stdout=subprocess.DEVNULL)
        wait_until(lambda: counters(lab.desktop)["NegotiationsFailed"] > failed and attacker.forged() > 0 and
                   any(peer["LastError"] for peer in lab.desktop.get_objects("tunneld", PEER).values()),
                   lab.patience, "a failure")
        assert {host.name: counters(host)["Established"] for host in lab.hosts.values()} == before
    finally:
        attacker.strip(on=False)
        lab.internet.run("nft delete table bridge attack")
    ping.end()
    insists(lab)
    settled(lab)
    assert the_sa(lab.desktop)["Proposal"] == BEST


def test_flood_of_strangers(lab, attacker):
    """First messages from addresses that are nobody's: cookies are asked for, nothing grows, and a host of the account
    gets through. It is the last here, for what the strangers leave takes half a minute to go."""
    # So that the attacker has heard the gateway, and the memory of a negotiation is there already.
    reaches(lab)
    forget(lab)
    target = lab.sees(lab.desktop, lab.laptop)["Endpoint"]
    before = {daemon: resident(lab.laptop, daemon) for daemon in ("keyd", "tunneld")}
    cookies, established = counters(lab.laptop)["CookiesSent"], counters(lab.laptop)["Established"]
    attacker.flood(target=target)
    lab.laptop.wait_for(lambda: counters(lab.laptop)["CookiesSent"] > cookies + 500, lab.patience)
    begin = time.monotonic()
    lab.desktop.ping(lab.host_id(lab.laptop), "-i", "0.2", timeout=100)
    took = time.monotonic() - begin
    lab.laptop.wait_for(lambda: counters(lab.laptop)["CookiesSent"] > cookies + 2000, lab.patience)
    assert len(lab.laptop.get_objects("keyd", IKE)) <= 64 + 2
    after = {daemon: resident(lab.laptop, daemon) for daemon in ("keyd", "tunneld")}
    sent = attacker.flood()
    assert counters(lab.laptop)["Established"] > established
    # A sanitizer keeps what was freed: there only the number of what is kept is judged.
    for daemon in before:
        assert lab.sanitized or after[daemon][1] - before[daemon][0] < 8 << 20, (daemon, before, after)
    reaches(lab)
    print(f"{sent} strangers, {counters(lab.laptop)['CookiesSent'] - cookies} cookies; the good peer took {took:.3f} s; "
          + ", ".join(f"{daemon} {before[daemon][0] >> 10} -> {after[daemon][1] >> 10} KiB" for daemon in before))
