#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long a flow stands still when hosts move.

    roam.py [--json] [--quick] [--moves N] [--others N] [--tunnels NAME,...]

Two hosts send each other a datagram each millisecond while, N times each,
    one side moves to another network (one_side),
    a NAT changes its external address (external),
    both move at the same time (both).
A stall is the longest time without an arrival, in either direction, less the time in which the mover had no network at
all (mover.py), or the NAT no address. The others are moved less often (--others): some of theirs last for many seconds. homeward
is all of it: names, mappings, keys; beside it strongSwan with MOBIKE and wireguard-go, whose other side has a public address
(and stays, or nobody would find anybody). docs/BENCHMARKS.md says what is included.
"""
import argparse
import json
import os
import platform
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tunnels  # noqa: E402
from mover import Mover  # noqa: E402
from homeward_lab import Gateway, Host, Internet, Lab, wait_until  # noqa: E402

TOP = tunnels.TOP
FLOW = os.path.join(TOP, "build/tests/bench/flow")
PORT = "7070"
# A stall that does not end by then is none that somebody would wait for.
END_SECONDS = 20
REST_SECONDS = 0.5
KINDS = ("one_side", "external", "both")


class Arrivals(threading.Thread):
    """What comes to one end of the flow."""

    def __init__(self, host, here, there):
        super().__init__(daemon=True)
        # Before all others: a stall is to be the tunnel's, not ours.
        self.process = host.popen(["chrt", "-f", "20", FLOW, here, there, PORT], stdout=-1)
        self.gaps, self.last = [], 0
        self.start()

    def run(self):
        for line in self.process.stdout:
            words = line.split()
            if words[0] == b"gap":
                self.gaps.append((int(words[1]), int(words[2])))
            self.last = int(words[-1])

    def longest(self, begin, end):
        """The longest gap that has something of the time between, in nanoseconds."""
        return max((to - since for since, to in list(self.gaps) if to > begin and since < end), default=0)


class Flow:
    def __init__(self, one, other):
        self.ends = [Arrivals(*one, other[1]), Arrivals(*other, one[1])]
        wait_until(self.flows_since(0), 60, "a flow both ways")

    def flows_since(self, moment):
        return lambda: all(end.last > moment for end in self.ends)

    def stall(self, move, rest):
        """Milliseconds; None: it did not go on. move returns [(gone, there), ...] in seconds of CLOCK_MONOTONIC. What stands
        still once more until everything has come to rest belongs to the move, too."""
        wait_until(self.flows_since(time.monotonic_ns()), END_SECONDS, "a flow before the move", every=0.01)
        begin = time.monotonic_ns()
        times = move()
        there = int(max(stood for _, stood in times) * 1e9)
        try:
            wait_until(self.flows_since(there), END_SECONDS, every=0.01)
        except TimeoutError:
            return None
        rest()
        wait_until(self.flows_since(time.monotonic_ns()), 300, "a flow after the move", every=0.01)
        longest = max(end.longest(begin, time.monotonic_ns()) for end in self.ends)
        own = max(stood - gone for gone, stood in times) * 1e3
        return max(longest / 1e6 - own, 0)


def timed(change):
    """Of a change at a router, which says how long it took."""
    took = change()
    there = time.monotonic()
    return there - took, there


def at_once(*acts):
    times = []
    movers = [threading.Thread(target=lambda act=act: times.append(act())) for act in acts]
    for mover in movers:
        mover.start()
    for mover in movers:
        mover.join()
    return times


class Homeward:
    name, kinds = "homeward", KINDS

    def __init__(self):
        self.lab = lab = Lab(supervise=False)
        lab.start()
        lab.sign_in_all()
        lab.wait_all_see()
        lab.ping(lab.desktop, lab.laptop, timeout=60)
        ids = [lab.host_id(host) for host in (lab.desktop, lab.laptop)]
        self.flow = Flow((lab.desktop, ids[0]), (lab.laptop, ids[1]))
        self.homes = {name: [lab.gateways[home] for home in homes] for name, homes in (("laptop", "BC"), ("desktop", "AD"))}
        self.movers = {name: Mover(lab.hosts[name], homes) for name, homes in self.homes.items()}
        self.turn = 0

    def rest(self):
        """Until everybody knows where everybody is, as long as it may take."""
        for host in self.lab.hosts.values():
            self.lab.published(host, 60)
        self.lab.wait_all_see(60)
        time.sleep(REST_SECONDS)

    def _move(self, name):
        homes = self.homes[name]
        return self.movers[name].move(homes[self.lab.hosts[name].gateway is homes[0]])

    def move(self, kind):
        self.turn += 1
        if kind == "one_side":
            return [self._move("laptop")]
        if kind == "external":
            gateway = self.lab.laptop.gateway
            return [timed(lambda: gateway.change_address(f"11.0.{gateway.number}.{10 + self.turn % 200}"))]
        return at_once(lambda: self._move("laptop"), lambda: self._move("desktop"))

    def revive(self):
        self.rest()

    def close(self):
        for mover in self.movers.values():
            mover.close()
        self.lab.close()


class Road:
    """near behind one of two gateways, far at a public address: what tunnels.py's kinds take for a wire."""
    far_address = "11.0.9.2"

    def __init__(self):
        self.internet = Internet()
        self.internet.wait_ready()
        self.gateways = [Gateway(name, number, self.internet, kind="plain") for name, number in (("B", 2), ("C", 3))]
        self.near, self.far = (Host(name, bus=False) for name in ("near", "far"))
        for thing in (*self.gateways, self.near, self.far):
            thing.wait_ready()
        self.near.move(self.gateways[0])
        self.far.attach_internet(self.internet, self.far_address)
        self.mover = Mover(self.near, self.gateways)

    def close(self):
        self.mover.close()
        for thing in self.near, self.far, *self.gateways, self.internet:
            thing.close()


class Other:
    """A tunnel of another maker. Both moving is not for it: nobody tells either where the other is."""
    kinds = ("one_side", "external")

    def __init__(self):
        self.road = Road()
        self.tunnel = self.make(self.road)
        self.tunnel.up()
        inner = self.tunnel.inner
        wait_until(lambda: self.road.near.run(["ping", "-n", "-c", "1", "-W", "1", inner[1]], check=False).returncode == 0,
                   60, f"{self.name}: a ping through\n")
        self.flow = Flow((self.road.near, inner[0]), (self.road.far, inner[1]))
        self.turn = 0

    def rest(self):
        time.sleep(REST_SECONDS)

    def move(self, kind):
        self.turn += 1
        near = self.road.near
        if kind == "one_side":
            return [self.road.mover.move(self.road.gateways[near.gateway is self.road.gateways[0]])]
        gateway = near.gateway
        return [timed(lambda: gateway.change_address(f"11.0.{gateway.number}.{10 + self.turn % 200}"))]

    def revive(self):
        """It did not go on in time: it may later, or has to be started anew."""
        try:
            wait_until(self.flow.flows_since(time.monotonic_ns()), 60)
        except TimeoutError:
            self.close()
            self.__init__()

    def close(self):
        self.road.close()


class WireguardGo(Other):
    name, make = "wireguard-go", tunnels.WireguardGo


class MobileStrongSwan(tunnels.StrongSwan):
    """Without dead peer detection it would never notice what a NAT does."""
    mobike, dead_peer_detection = "yes", "5s"


class StrongSwan(Other):
    name, make = "strongswan", MobileStrongSwan


CONTENDERS = {kind.name: kind for kind in (Homeward, StrongSwan, WireguardGo)}


def part(values, share):
    return round(values[min(len(values) - 1, int(share * len(values)))], 1)


def summarize(stalls):
    """Those that did not end count as longer than any other."""
    ended = sorted(stall for stall in stalls if stall is not None)
    values = ended + [END_SECONDS * 1e3] * (len(stalls) - len(ended))
    return {"moves": len(stalls), "longer_than_20_s": len(stalls) - len(ended),
            **{f"p{percent}_ms": part(values, percent / 100) for percent in (50, 95, 99)}} if stalls else {}


def measure(names, moves, others):
    contenders, stalls = [], {name: {kind: [] for kind in KINDS} for name in names}
    try:
        for name in names:
            contenders.append(CONTENDERS[name]())
        for turn in range(moves):
            # The others' turns are spread over the whole run.
            theirs = (turn + 1) * others // moves > turn * others // moves
            for kind in KINDS:
                for contender in contenders:
                    if kind not in contender.kinds or not (theirs or contender.name == Homeward.name):
                        continue
                    stall = contender.flow.stall(lambda contender=contender: contender.move(kind), contender.rest)
                    stalls[contender.name][kind].append(stall)
                    if stall is None:
                        contender.revive()
    finally:
        for contender in contenders:
            contender.close()
    return {name: {kind: summarize(values) for kind, values in kinds.items() if values} for name, kinds in stalls.items()}


def main():
    parser = argparse.ArgumentParser(prog="./run bench roam", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object")
    parser.add_argument("--quick", action="store_true", help="10 moves of each kind")
    parser.add_argument("--moves", type=int, help="of each kind (200)")
    parser.add_argument("--others", type=int, help="moves of each kind of the others (20, or as many as homeward's)")
    parser.add_argument("--tunnels", default=",".join(CONTENDERS), help="names, with commas between: %(default)s")
    options = parser.parse_args()
    names = options.tunnels.split(",")
    for name in names:
        if name not in CONTENDERS:
            raise SystemExit(f"there is no tunnel \"{name}\"")
    moves = options.moves or (10 if options.quick else 200)
    others = min(moves, 20 if options.others is None else options.others)
    result = measure(names, moves, others)
    machine = f"{os.cpu_count()} processors, {platform.machine()}, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}"
    if options.json:
        print(json.dumps({**{f"{kind}_p95_ms": result.get("homeward", {}).get(kind, {}).get("p95_ms") for kind in KINDS},
                          "machine": machine, **result}))
        return
    print(f"{'stall, ms':14}{'':10}{'moves':>7}{'p50':>9}{'p95':>9}{'p99':>9}{'> 20 s':>8}")
    for name, kinds in result.items():
        for kind, figures in kinds.items():
            print(f"{name:14}{kind:10}{figures['moves']:7}{figures['p50_ms']:9}{figures['p95_ms']:9}{figures['p99_ms']:9}"
                  f"{figures['longer_than_20_s']:8}")
    print(machine)


if __name__ == "__main__":
    main()
